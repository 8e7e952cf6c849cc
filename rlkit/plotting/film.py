"""The frames of a recorded game, and the files that they can be written to.

All drawing is done in one palette of 256 colours. A game uses the 128 colours of its console, which have the even
numbers; our inks have the odd ones. So a frame is one array of bytes, and what changed since the last frame is found by
`!=`. Drawing and writing 150 frames takes a second and gives about 200 KB.
"""

import functools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont  # comes with matplotlib

from rlkit import plotting
from rlkit.plotting.apng import animated_png

STEPS_PER_SECOND = 15  # of the game: 60 screens a second, four for each action
BLACK, GREY, BLUE, SKY, RED = range(5)  # our inks
INKS = (plotting.BLACK, plotting.GREY, plotting.BLUE, plotting.SKY, plotting.RED)
FULL = 15  # an ink comes in 16 strengths, so that letters have soft edges; 0 is white
WIDTH = 720  # pixels, like all sizes below
TEXT = 14  # the height of letters
MARGIN = 16
PLOT_INDENT = 44  # pixels, for the numbers beside the curve


class Video:
    """The steps `start` to `stop` of a Recording as an animation, which a notebook shows. Frames are drawn when needed.

    `fps` is in frames a second, from 1 to 50; the game itself runs at 15. Other values, and steps that were not
    recorded, raise a ValueError.
    """

    def __init__(self, recording, start=0, stop=None, fps=STEPS_PER_SECOND):
        stop = len(recording) if stop is None else min(stop, len(recording))
        if not 0 <= start < stop:
            raise ValueError(
                f"Steps {start} to {stop} cannot be shown: this recording has {len(recording)}, from 0 on."
            )
        if not 1 <= fps <= 50:
            raise ValueError(f"fps={fps!r} must lie between 1 and 50: browsers show no more.")
        self.recording, self.start, self.fps = recording, start, fps
        self.bars = recording.bars[start:stop]
        self.curve_low, self.curve_high = recording.curve_low[start:stop], recording.curve_high[start:stop]
        self.score = np.concatenate([[0], np.cumsum(recording.rewards)])[start:stop]
        self.palette = add_inks(recording.palette)
        self.lay_out()
        self.draw_still_parts()

    def lay_out(self):
        """Where things are, in pixels from the left and from the top."""
        height, width = self.recording.screens.shape[1:]
        self.shape = (2 * height, WIDTH)
        self.left, self.right = 2 * width + MARGIN + 8, WIDTH - MARGIN
        names, num_actions = self.recording.names, len(self.recording.names)
        self.row = min(42, 216 // num_actions)  # from one bar to the next
        self.letters = min(TEXT + 1, self.row)
        self.bars_top = 42
        names_end = self.left + 20 + max(stencil(name, self.letters, True).shape[1] for name in names)
        extremes = (number(value, ".2f") for value in (self.bars.min(), self.bars.max()))
        numbers = max(stencil(text, self.letters, True).shape[1] for text in extremes)
        self.bars_x = names_end + 8, self.right - numbers - 8
        self.bars_axis = axis(self.bars.min(), max(self.recording.titles.reach, self.bars.max()))
        self.curve_axis = axis(self.curve_low.min(), self.curve_high.max())
        self.plot_x = self.left + PLOT_INDENT, self.right
        self.plot_y = self.bars_top + num_actions * self.row + 44, self.shape[0] - 48

    def bar_x(self, value):
        """The pixel, from the left, at which the bar of a value ends."""
        return at(value, *self.bars_axis, *self.bars_x)

    def y(self, value):
        """The pixel, from the top, of a value of the curve."""
        return at(value, *self.curve_axis, *self.plot_y[::-1])

    def x(self, t):
        """The pixel, from the left, of frame t of the curve."""
        return at(t, 0, max(1, len(self) - 1), *self.plot_x)

    def draw_still_parts(self):
        """All that does not move, twice: `past` with the curve as it is left of the cursor, `future` as it is right."""
        page = np.full(self.shape, ink(BLACK, 0), np.uint8)
        self.draw_axes(page)
        self.draw_rewards(page)
        above = [(self.x(t), self.y(value)) for t, value in enumerate(self.curve_high)]
        below = [(self.x(t), self.y(value)) for t, value in enumerate(self.curve_low)]
        band = stroke(self.shape, above + below[::-1], closed=True)
        curve = stroke(self.shape, above)
        self.past, self.future = page, page.copy()
        stamp(self.past, band, SKY, strength=12)
        stamp(self.past, curve, BLUE)
        stamp(self.future, band, GREY, strength=8)
        stamp(self.future, curve, GREY)

    def draw_axes(self, page):
        """Titles, the lines at 0, and the numbers beside and below the curve."""
        titles = self.recording.titles
        write(page, titles.bars, self.left, 26, size=TEXT + 1, bold=True)
        end = self.bars_top + len(self.recording.names) * self.row
        page[self.bars_top : end, self.bar_x(0)] = ink(GREY)
        top, bottom = self.plot_y
        heading = write(page, titles.curve, self.left, top - 18, size=TEXT + 1, bold=True)
        write(page, titles.shade, heading + 14, top - 18, size=TEXT - 1)
        page[self.y(0), slice(*self.plot_x)] = ink(GREY)
        for value in (0.0, *self.curve_axis):
            if value == 0 or abs(self.y(value) - self.y(0)) > TEXT:  # nearer, one number would cover the other
                write(page, number(value, ".1f"), self.plot_x[0] - 8, self.y(value) + 5, right=True)
        write(page, f"{self.seconds(0):.0f} s", self.plot_x[0], bottom + 36)
        write(page, "▲ points won   ▼ lost", self.plot_x[0] + 70, bottom + 36, size=TEXT - 1)
        write(page, f"{self.seconds(len(self) - 1):.0f} s", self.right, bottom + 36, right=True)

    def draw_rewards(self, page):
        """A triangle below each moment at which the score changes."""
        rewards = self.recording.rewards[self.start : self.start + len(self)]
        for t in np.flatnonzero(rewards):
            sign, colour = ("▲", BLUE) if rewards[t] > 0 else ("▼", RED)
            write(page, sign, self.x(t) - 6, self.plot_y[1] + 17, colour)

    def frame(self, t):
        """The frame of step `start + t`: `[H, W]` uint8, numbers of colours in `palette`."""
        top, bottom = self.plot_y
        page, now = self.future.copy(), self.x(t)
        page[top - 8 : bottom + 1, :now] = self.past[top - 8 : bottom + 1, :now]
        page[top - 8 : bottom + 1, now] = ink(BLACK)
        screen = self.recording.screens[self.start + t].repeat(2, axis=0).repeat(2, axis=1)
        page[:, : screen.shape[1]] = screen
        clock = f"{self.seconds(t):.1f} s   return {number(self.score[t], '.0f')}"
        write(page, clock, self.right, 26, right=True)
        chosen = self.recording.actions[self.start + t]
        for action, value in enumerate(self.bars[t]):
            self.draw_bar(page, action, value, action == chosen)
        return page

    def draw_bar(self, page, action, value, chosen):
        """The bar of one action, its name and its value; the chosen action's in blue with an arrow."""
        y = self.bars_top + action * self.row
        text_y = y + self.row // 2 + round(0.36 * self.letters)
        gap = max(1, self.row // 8)
        left, right = sorted((self.bar_x(0), self.bar_x(value)))
        page[y + gap : y + self.row - gap, left : right + 1] = ink(BLUE) if chosen else ink(GREY, 8)
        look = {"size": self.letters, "bold": chosen}
        if chosen:
            write(page, "▶", self.left, text_y, BLUE, size=self.letters)
        write(page, self.recording.names[action], self.left + 20, text_y, **look)
        write(page, number(value, ".2f"), self.right, text_y, right=True, **look)

    def seconds(self, t):
        """From the beginning of the episode to frame t, in the game's time."""
        return (self.start + t) / STEPS_PER_SECOND

    def __len__(self):
        return len(self.bars)

    def image(self, t):
        """Frame t -> a PIL image."""
        return as_image(self.frame(t), self.palette)

    def save(self, path):
        """Write the animation to `path`, a .gif, a .webp or a .png, by its ending -> Path. A .png is written fastest.

        Another ending raises a ValueError.
        """
        path = Path(path)
        check_ending(path)
        if path.suffix.lower() == ".png":
            path.write_bytes(self.png())
            return path
        images = (self.image(t) for t in range(len(self)))
        options = {
            ".gif": dict(optimize=True, disposal=1),  # each frame over the last one, transparent where nothing changed
            ".webp": dict(lossless=True, method=2, quality=20),  # without loss, "quality" means effort
        }[path.suffix.lower()]
        duration = 10 * round(100 / self.fps)  # GIF counts in hundredths of a second
        next(images).save(path, save_all=True, append_images=images, duration=duration, loop=0, **options)
        return path

    def png(self):
        """The animation as the bytes of an animated PNG."""
        return animated_png((self.frame(t) for t in range(len(self))), self.palette, round(1000 / self.fps))

    def _repr_png_(self):
        return self.png(), {"alt": self.alt()}

    def alt(self):
        """The animation in words, for its alternative text -> str."""
        recording, titles, last = self.recording, self.recording.titles, len(self) - 1
        seen = recording.actions[self.start : self.start + len(self)]
        counts = ", ".join(f"{name} {(seen == action).sum()} times" for action, name in enumerate(recording.names))
        score = f"{number(self.score[0], '.0f')} to {number(self.score[last], '.0f')}"
        low, high = (number(value, ".2f") for value in (self.curve_high.min(), self.curve_high.max()))
        return (
            f"Animation of {recording.game}, from second {self.seconds(0):.0f} to {self.seconds(last):.0f}: an agent "
            f"plays, and the return goes from {score}. Beside the screen a bar for each action, {titles.bars}, the "
            f"chosen one in blue with an arrow: {counts}. Below, {titles.curve}, between {low} and {high}."
        )

    def __repr__(self):
        return "Video of a game"


def contact_sheet(video, count):
    """`count` frames of a Video, evenly spaced, two in a row -> a PIL image."""
    height, width = video.shape
    rows, columns = -(-count // 2), min(count, 2)
    sheet = np.full((rows * (height + MARGIN) - MARGIN, columns * width), ink(BLACK, 0), np.uint8)
    for i, t in enumerate(np.linspace(0, len(video) - 1, count).round().astype(int)):
        y, x = i // 2 * (height + MARGIN), i % 2 * width
        sheet[y : y + height, x : x + width] = video.frame(t)
    return as_image(sheet, video.palette)


def check_ending(path):
    """Raise a ValueError of one sentence if no animation can be written to a file of this name."""
    if Path(path).suffix.lower() not in (".gif", ".webp", ".png"):
        raise ValueError(f"A video can be a .gif, a .webp or an animated .png, and {path} is none of them.")


def axis(low, high):
    """The ends of an axis that holds 0 and all values from `low` to `high` -> low, high."""
    low, high = min(0.0, float(low)), max(0.0, float(high))
    return low, high if high > low else low + 1


def at(value, low, high, first, last):
    """The pixel of a value on an axis from `low`, at pixel `first`, to `high`, at pixel `last`."""
    return round(first + (float(value) - low) / (high - low) * (last - first))


def number(value, form):
    """A number as text, in a format such as ".2f", with a true minus sign and no minus before 0."""
    text = f"{value:{form}}"
    return text.replace("-", "−" if text.strip("-0.") else "")


def ink(colour, strength=FULL):
    """The number of an ink in the palette, which is odd. Strengths go from 0, white, to 15."""
    return 1 + 2 * ((FULL + 1) * colour + strength)


def add_inks(palette, inks=INKS):
    """A palette of even numbers with our inks at the odd numbers: `[256, 3]` uint8 -> the same shape."""
    palette = palette.copy()
    for colour, name in enumerate(inks):
        rgb = 255 * np.array(to_rgb(name))
        for strength in range(FULL + 1):
            palette[ink(colour, strength)] = np.rint(255 + (rgb - 255) * strength / FULL)
    return palette


@functools.cache
def font(size, bold):
    """The typeface of matplotlib's figures, from matplotlib's own files."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


@functools.lru_cache(maxsize=2_000)
def stencil(text, size, bold=False):
    """A text that stands on row `size`, as strengths of ink `[h, w]`: 0, 5, 10 or 15, half the bytes of all 16."""
    image = Image.new("L", (round(font(size, bold).getlength(text)) + 1, round(1.4 * size)))
    ImageDraw.Draw(image).text((0, size), text, 255, font(size, bold), anchor="ls")
    return np.rint(np.asarray(image) / 85).astype(np.uint8) * 5


def write(page, text, x, y, colour=BLACK, size=TEXT, bold=False, right=False):
    """Write text that begins at x, or with `right` ends there, and stands on row y -> the x where it ends."""
    letters = stencil(text, size, bold)
    x -= letters.shape[1] if right else 0
    stamp(page[y - size : y - size + len(letters), x : x + letters.shape[1]], letters, colour)
    return x + letters.shape[1]


def stamp(page, strengths, colour, strength=FULL):
    """Put ink on a page where `strengths` are above 0, in proportion to them. `strength` scales them all, up to 15."""
    page[strengths > 0] = ink(colour, 0) + 2 * (strengths[strengths > 0] * strength // FULL)


def stroke(shape, points, closed=False, fine=4):
    """Strengths of ink `[H, W]` along a line two pixels wide, or with `closed` inside it.

    It is drawn `fine` times as large and then shrunk, which gives soft edges.
    """
    height, width = shape
    image = Image.new("L", (fine * width, fine * height))
    points = [(fine * x, fine * y) for x, y in points]
    if closed and len(points) > 2:
        ImageDraw.Draw(image).polygon(points, 255)
    elif not closed:
        ImageDraw.Draw(image).line(points, 255, 2 * fine, joint="curve")
    return np.asarray(image.reduce(fine)) // (256 // (FULL + 1))


def as_image(frame, palette):
    """A frame `[H, W]` uint8 and its palette `[256, 3]` as a PIL image."""
    image = Image.fromarray(frame)
    image.putpalette(palette.tobytes())
    return image
