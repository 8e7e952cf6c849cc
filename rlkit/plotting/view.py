"""A picture on the page: as wide as there is room, and it says where the reader points.

`view.js` is what runs on the page and `view.css` how it looks there.
"""

from pathlib import Path

import anywidget
import traitlets

from rlkit.language import say
from rlkit.plotting.painter import awaited, later

HERE = Path(__file__).parent
REST = 0.25  # seconds without a change, after which a picture is drawn at double resolution


class View(anywidget.AnyWidget):
    """A picture as PNG bytes in `value`, with its alternative text in `alt`.

    `sharp` is the same picture at double resolution, or empty while it moves. A `photo` looks the same in a dark theme;
    any other picture gets a dark ground. `areas` are the parts that can be dragged in: rectangles
    [left, bottom, right, top] as shares of the picture's width and height. The page sends where the pointer is, in the
    same shares and from the lower left corner, to `pointed(x, y, phase)`; a phase is "down", "move" or "up" while a
    button is pressed, "hover" or "leave" otherwise. `hint` is shown beside the pointer.
    """

    _esm = (HERE / "view.js").read_text(encoding="utf-8")  # given a path, anywidget would keep every View for ever
    _css = (HERE / "view.css").read_text(encoding="utf-8")
    value = traitlets.Bytes(b"").tag(sync=True)
    sharp = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    photo = traitlets.Bool(False).tag(sync=True)
    areas = traitlets.List().tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)
    words = traitlets.Dict().tag(sync=True)  # what the page says by itself

    def __init__(self, png=b"", pointed=None, **traits):
        words = {
            "busy": say("The kernel is busy with other cells; this picture follows when they are done."),
            "drag": say("Drag here"),
            "copy": say("Copy this with Ctrl+C:"),
            "lost": say("The kernel of this picture is gone. Run the cell again."),
        }
        super().__init__(value=png, words=words, **traits)
        self.pointed = pointed
        self.on_msg(lambda _, message, buffers: self.answer(message))

    def show(self, moving):
        """Show what a `Moving` draws: at once, and at double resolution when nothing has changed for a while."""
        with self.hold_sync():
            self.value, self.sharp = moving.png(), b""
        later(REST, self, lambda: self.sharpen(moving))

    def sharpen(self, moving):
        """Show what a `Moving` draws at double resolution; later, if anybody waits for another drawing."""
        if sharp := moving.png(scale=2, unless=awaited):
            self.sharp = sharp
        else:
            later(REST, self, lambda: self.sharpen(moving))

    def answer(self, message):
        """What the page sends: where the pointer is, or only whether anybody answers. It waits for each answer."""
        try:
            if self.pointed is not None and "x" in message:
                self.pointed(message["x"], message["y"], message["phase"])
        finally:
            self.send({"answered": True})

    def copy(self, text):
        """Put a text on the reader's clipboard."""
        self.send({"copy": text, "done": say("Copied: {text}", text=text)})

    def save(self, name, png=None):
        """Let the reader's browser save a picture under a name: PNG bytes, or what is shown."""
        self.send({"save": name}, [png or self.sharp or self.value])
