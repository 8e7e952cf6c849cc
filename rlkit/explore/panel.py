"""What every explorer is made of: controls, one picture whose artists move, the numbers in words."""

import ipywidgets as widgets
from matplotlib.legend import Legend

from rlkit.plotting import Moving
from rlkit.plotting.live import Panel


def labelled(symbol_and_word, width=560, label_width="34%"):
    """What all controls have: a label, also as the tooltip (it would be "null"); a width that shrinks."""
    return {
        "description": symbol_and_word,
        "tooltip": symbol_and_word,
        "style": {"description_width": label_width},
        "layout": {"width": f"{width}px", "max_width": "100%"},
    }


def slider(symbol_and_word, value, low, high, step, readout=None):
    """A slider for a whole or a real number."""
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    form = {"readout_format": readout} if readout else {}
    return kind(value=value, min=low, max=high, step=step, **form, **labelled(symbol_and_word))


def log_slider(symbol_and_word, value, low, high, step=0.25):
    """A slider over powers of ten, from 10^low to 10^high."""
    form = labelled(symbol_and_word)
    return widgets.FloatLogSlider(value=value, min=low, max=high, step=step, readout_format=".3g", **form)


def steps(symbol_and_word, value, options):
    """A slider over a few given values."""
    return widgets.SelectionSlider(value=value, options=options, **labelled(symbol_and_word))


def switch(symbol_and_word, value=False):
    return widgets.Checkbox(value=value, **labelled(symbol_and_word, label_width="initial"))


def choice(symbol_and_word, value, options):
    return widgets.Dropdown(value=value, options=options, **labelled(symbol_and_word, width=440))


def still_legend(ax, **options):
    """A legend that is drawn once, beneath the data: text is what costs time, so it needs a free place."""
    ax.add_artist(Legend(ax, *ax.get_legend_handles_labels(), **options))


class Explorer(Panel):
    """Controls that redraw one figure.

    `draw(**values)` gets one value for each control, moves the figure's artists and returns the numbers in words.
    """

    def __init__(self, figure, draw, **controls):
        self.figure, self.draw, self.controls = figure, draw, controls
        self.initial = {name: control.value for name, control in controls.items()}
        self.resetting = False
        self.reset_button = widgets.Button(description="Reset", tooltip="All controls as they were at first")
        self.reset_button.on_click(lambda _: self.reset())
        text = self.draw(**self.initial)
        self.moving = Moving(figure)
        super().__init__(self.moving.png(), [*controls.values(), self.reset_button], text)
        for control in controls.values():
            control.observe(lambda change: self.refresh(), "value")

    def refresh(self):
        values = {name: control.value for name, control in self.controls.items()}
        if self.resetting:
            return
        text = self.draw(**values)
        self.image.value = self.moving.png()
        self.say(text)

    def reset(self):
        self.resetting = True  # one redraw, not one for each control
        for name, value in self.initial.items():
            self.controls[name].value = value
        self.resetting = False
        self.refresh()

    def lock(self, locked):
        """Controls stay shut until a prediction is made or skipped."""
        for control in (*self.controls.values(), self.reset_button):
            control.disabled = locked


class Prediction(widgets.VBox):
    """A choice the reader makes before the answer is shown, and before `then` unlocks."""

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
    """Ask before showing: options as buttons; `answer` is the index of the right one, `because` one sentence on why."""
    return Prediction(options, answer, because, then)
