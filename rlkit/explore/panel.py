"""What every explorer is made of: controls, a picture whose artists move, and the numbers in words."""

import ipywidgets as widgets
from matplotlib.legend import Legend

from rlkit.plotting import Moving
from rlkit.plotting.live import Panel
from rlkit.plotting.painter import painted


def labelled(symbol_and_word, width=560, label_width="34%"):
    """Options of every control: a label, also as the tooltip (otherwise "null"), and a width that can shrink."""
    return {
        "description": symbol_and_word,
        "tooltip": symbol_and_word,
        "style": {"description_width": label_width},
        "layout": {"width": f"{width}px", "max_width": "100%"},
    }


def slider(symbol_and_word, value, low, high, step, readout=None):
    """A slider from `low` to `high`, for whole numbers if `step` is whole, otherwise for real ones."""
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    form = {"readout_format": readout} if readout else {}
    return kind(value=value, min=low, max=high, step=step, **form, **labelled(symbol_and_word))


def log_slider(symbol_and_word, value, low, high, step=0.25):
    """A slider over powers of ten, from 10^low to 10^high."""
    form = labelled(symbol_and_word)
    return widgets.FloatLogSlider(value=value, min=low, max=high, step=step, readout_format=".3g", **form)


def steps(symbol_and_word, value, options):
    """A slider over a list of values."""
    return widgets.SelectionSlider(value=value, options=options, **labelled(symbol_and_word))


def switch(symbol_and_word, value=False):
    """A box to tick."""
    return widgets.Checkbox(value=value, **labelled(symbol_and_word, label_width="initial"))


def choice(symbol_and_word, value, options):
    """A list from which one entry is chosen."""
    return widgets.Dropdown(value=value, options=options, **labelled(symbol_and_word, width=440))


def still_legend(ax, **options):
    """A legend drawn once, beneath the data, because text costs time. It needs a place that no data crosses."""
    ax.add_artist(Legend(ax, *ax.get_legend_handles_labels(), **options))


class Explorer(Panel):
    """Controls that redraw one figure, and a button that resets them.

    `controls` are widgets by name. `draw(**values)` gets the value of each under its name, moves the artists of
    `figure` and returns the numbers in words, as HTML.
    """

    def __init__(self, figure, draw, **controls):
        self.figure, self.draw, self.controls = figure, draw, controls
        self.initial = {name: control.value for name, control in controls.items()}
        self.resetting = False
        self.reset_button = widgets.Button(description="Reset", tooltip="Put all controls back")
        self.reset_button.on_click(lambda _: self.reset())
        text = self.draw(**self.initial)
        self.moving = Moving(figure)
        super().__init__(self.moving.png(), [*controls.values(), self.reset_button], text)
        for control in controls.values():
            control.observe(lambda change: self.refresh(), "value")

    @painted
    def refresh(self):
        """Draw the figure and the words for the present values of the controls."""
        if self.resetting:
            return
        text = self.draw(**{name: control.value for name, control in self.controls.items()})
        self.image.value = self.moving.png()
        self.say(text)

    @painted
    def reset(self):
        """Put all controls back to where they were at first, and redraw once."""
        self.resetting = True
        for name, value in self.initial.items():
            self.controls[name].value = value
        self.resetting = False
        self.refresh()

    def lock(self, locked):
        """Disable all controls, or enable them."""
        for control in (*self.controls.values(), self.reset_button):
            control.disabled = locked


class Prediction(widgets.VBox):
    """A question with `options` as buttons. The answer, and the explorer `then`, wait until one is chosen or skipped.

    `answer` is the index of the right option, `because` a sentence that explains it.
    """

    def __init__(self, options, answer, because, then=None):
        self.options, self.answer, self.because, self.then = options, answer, because, then
        self.buttons = [widgets.Button(description=text, layout={"width": "auto"}) for text in options]
        self.skip = widgets.Button(description="Skip", layout={"width": "auto"}, style={"button_color": "transparent"})
        self.reply = widgets.HTML()
        for button in (*self.buttons, self.skip):
            button.on_click(lambda button: self.reveal(button.description))
        if then is not None:
            then.lock(True)
        row = widgets.HBox([*self.buttons, self.skip], layout={"flex_flow": "row wrap"})
        super().__init__([row, self.reply, *([then] if then is not None else [])])

    def reveal(self, chosen):
        """Show the answer to a reader who has chosen an option, or "Skip", and unlock the explorer."""
        right = self.options[self.answer]
        verdict = "" if chosen == "Skip" else "Yes. " if chosen == right else f"You said: {chosen}. "
        self.reply.value = f'<div role="status" style="font-size:15px">{verdict}<b>{right}.</b> {self.because}</div>'
        if self.then is not None:
            self.then.lock(False)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if self.then is not None:
            shown, alt = self.then._repr_mimebundle_()
            data, metadata = {**shown, **data}, {**alt, **metadata}
        return {**data, "text/plain": "  |  ".join(self.options)}, metadata


def predict(*options, answer, because="", then=None):
    """A question that is asked before the answer is shown -> Prediction.

    `options` become buttons, `answer` is the index of the right one, `because` is a sentence that explains it, and
    `then` an explorer that stays locked until the reader has chosen or skipped.
    """
    return Prediction(options, answer, because, then)
