"""A question that is asked before the answer is shown."""

import ipywidgets as widgets


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
            then.cover(True)
        row = widgets.HBox([*self.buttons, self.skip], layout={"flex_flow": "row wrap"})
        super().__init__([row, self.reply, *([then] if then is not None else [])])

    def reveal(self, chosen):
        """Show the answer to a reader who has chosen an option, or "Skip", and unlock the explorer."""
        right = self.options[self.answer]
        verdict = "" if chosen == "Skip" else "Yes. " if chosen == right else f"You said: {chosen}. "
        self.reply.value = f'<div role="status" style="font-size:15px">{verdict}<b>{right}.</b> {self.because}</div>'
        if self.then is not None:
            self.then.cover(False)

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
