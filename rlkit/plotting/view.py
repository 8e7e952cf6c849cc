"""A picture on the page: as wide as there is room, and it says where the reader points.

`view.js` is what runs on the page and `view.css` how it looks there.
"""

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class View(anywidget.AnyWidget):
    """A picture as PNG bytes in `value`, with its alternative text in `alt`.

    `areas` are the parts that can be dragged in: rectangles [left, bottom, right, top] as shares of the picture's width
    and height. The page sends where the pointer is, in the same shares and from the lower left corner, to
    `pointed(x, y, phase)`; a phase is "down", "move" or "up" while a button is pressed, "hover" or "leave" otherwise.
    `hint` is shown beside the pointer.
    """

    _esm = HERE / "view.js"
    _css = HERE / "view.css"
    value = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    areas = traitlets.List().tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)

    def __init__(self, png=b"", pointed=None, **traits):
        super().__init__(value=png, **traits)
        self.pointed = pointed
        self.on_msg(lambda _, message, buffers: self.answer(message))

    def answer(self, message):
        """What the page sends: where the pointer is."""
        if self.pointed is not None:
            self.pointed(message["x"], message["y"], message["phase"])

    def copy(self, text):
        """Put a text on the reader's clipboard."""
        self.send({"copy": text})

    def save(self, name):
        """Let the reader's browser save the picture under a name."""
        self.send({"save": name})
