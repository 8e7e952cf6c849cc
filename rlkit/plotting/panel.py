"""A panel: controls, a picture, and its numbers in words. The page lays them out (`view.js`, `view.css`)."""

import base64
import textwrap

import ipywidgets as widgets

from rlkit.language import say
from rlkit.plotting.alt_text import axes_in_words, plain
from rlkit.plotting.cells import close, replace_those_of_the_cell
from rlkit.plotting.figures import compact
from rlkit.plotting.painter import painted
from rlkit.plotting.subshells import hear_at_once
from rlkit.plotting.view import View


def box(part, children):
    """A box for one part of a panel: its class, `rlkit-controls` for instance, is what the page lays out."""
    box = widgets.VBox(children)
    box.add_class(f"rlkit-{part}")
    return box


class Panel(widgets.VBox):
    """Controls, a picture and a line of text. A page without a kernel shows the picture and its words.

    `png` is the first picture, as bytes; `controls` are widgets; `text` is HTML. A subclass sets `figure`, the
    matplotlib figure that the picture is drawn from. A panel that is covered shows none of these.
    """

    figure, covered = None, False

    def __init__(self, png, controls=(), text=""):
        self.image = View(png)
        self.status = widgets.HTML()
        self.status.add_class("rlkit-words")
        self.control_box, self.picture_box = box("controls", controls), box("pictures", [self.image])
        self.parts = (self.control_box, self.picture_box, self.status)
        super().__init__(self.parts)
        self.add_class("rlkit-panel")
        self.say(text)
        replace_those_of_the_cell(self)

    def leave(self):
        """Leave the page for good, because the cell that made the panel is run again."""
        close(self)

    def say(self, text):
        """Show a line of HTML under the picture: its numbers in words. Screen readers read it out when it changes."""
        self.status.value = f'<div role="status">{text}</div>'

    def cover(self, covered=True):
        """Take all parts off the page until a question is answered, or put them back."""
        text = say(
            "The picture and its controls appear when the question is answered or skipped."
            if self.control_box.children
            else "The picture appears when the question is answered or skipped."
        )
        self.children = (widgets.HTML(f"<em>{text}</em>"),) if covered else self.parts
        self.covered = covered

    def _repr_mimebundle_(self, **kwargs):
        hear_at_once(self)
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = {**data, "text/plain": type(self).__name__}
        if self.covered:
            return data, metadata
        data = {**data, "image/png": base64.b64encode(self.still()).decode()}
        return data, {**metadata, "image/png": {"alt": self.alt()}}

    def still(self):
        """The picture for a page without a kernel -> PNG bytes, small ones; a slider needs fast ones."""
        return compact(self.image.value, self.figure)

    @painted
    def alt(self):
        """The alternative text: what the axes are, then the line of text -> str, at most 900 characters."""
        axes = axes_in_words(self.figure) if self.figure else ""
        return textwrap.shorten(f"{axes} {plain(self.status.value)}", 900, placeholder=" …")
