"""The frames of a recorded episode, and the files that they can be written to.

All drawing is done in one palette of 256 colours. A screen uses 128 of them, which have the even numbers: those of the
console, for Atari. Our inks have the odd ones. So a frame is one array of bytes, and what changed since the last frame
is found by `!=`. Drawing and writing 150 frames takes a second and gives about 200 KB.
"""

import functools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont  # comes with matplotlib

from rlkit import plotting
from rlkit.language import count, number, say
from rlkit.plotting.apng import animated_png

STEPS_PER_SECOND = 15  # of an Atari game: 60 screens a second, four for each action
SMOOTH = 17  # frames a second, about: more would look much the same in a larger file
MOST_BARS = 18
BLACK, GREY, BLUE, SKY, RED = range(5)  # our inks
INKS = (plotting.BLACK, plotting.GREY, plotting.BLUE, plotting.SKY, plotting.RED)
FULL = 15  # an ink comes in 16 strengths, so that letters have soft edges; 0 is white
WIDTH = 720  # pixels, like all sizes below
TEXT = 14  # the height of letters
MARGIN = 16
PLOT_INDENT = 44  # pixels, for the numbers beside the curve


class Video:
    """The steps `start` to `stop` of a Recording as an animation, which a notebook shows. Frames are drawn when needed.

    `fps` is in frames a second, from 1 to 50; without it, the animation runs as fast as the environment. Other values,
    and steps that were not recorded, raise a ValueError.
    """

    def __init__(self, recording, start=0, stop=None, fps=None):
        stop = len(recording) if stop is None else min(stop, len(recording))
        if not 0 <= start < stop:
            raise ValueError(
                f"Steps {start} to {stop} cannot be shown: this recording has {len(recording)}, from 0 on."
            )
        self.every = max(1, round(recording.speed / SMOOTH))
        fps = recording.speed / self.every if fps is None else fps
        if not 1 <= fps <= 50:
            raise ValueError(f"fps={fps!r} must lie between 1 and 50: browsers show no more.")
        self.recording, self.start, self.stop, self.fps = recording, start, stop, fps
        self.steps = np.arange(start, stop, self.every)
        if stop == len(recording) and len(recording.end):
            self.steps = np.append(self.steps, stop)  # one more frame: what the last action led to
        rows = np.minimum(self.steps, len(recording) - 1)
        self.screens = np.array(
            [recording.end[0] if step == len(recording) else recording.screens[step] for step in self.steps]
        )
        self.bars, self.actions = recording.bars[rows], recording.actions[rows]
        self.curve_low, self.curve_high = recording.curve_low[rows], recording.curve_high[rows]
        self.score = np.concatenate([[0], np.cumsum(recording.rewards)])[self.steps]
        self.listed = listed(recording.actions, len(recording.names))
        self.palette = add_inks(recording.palette)
        self.lay_out()
        self.draw_still_parts()

    def lay_out(self):
        """Where things are, in pixels from the left and from the top."""
        height, width = (self.recording.zoom * size for size in self.recording.screens.shape[1:])
        self.left, self.right = width + MARGIN + 8, WIDTH - MARGIN
        names, num_actions = [self.recording.names[action] for action in self.listed], len(self.listed)
        self.row = min(42, 216 // num_actions)  # from one bar to the next
        self.shape = (max(height, num_actions * self.row + 204), WIDTH)
        self.screen_top = (self.shape[0] - height) // 2
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
        bars_end = self.bars_top + len(self.listed) * self.row
        page[self.bars_top : bars_end, self.bar_x(0)] = ink(GREY)
        top, bottom = self.plot_y
        heading = write(page, titles.curve, self.left, top - 18, size=TEXT + 1, bold=True)
        write(page, titles.shade, heading + 14, top - 18, size=TEXT - 1)
        page[self.y(0), slice(*self.plot_x)] = ink(GREY)
        digits = ".1f" if np.ptp(self.curve_axis) >= 0.5 else ".2f"
        for value in (0.0, *self.curve_axis):
            if value == 0 or abs(self.y(value) - self.y(0)) > TEXT:  # nearer, one number would cover the other
                write(page, number(value, digits), self.plot_x[0] - 8, self.y(value) + 5, right=True)
        begin, end = self.seconds(0), self.seconds(len(self) - 1)
        digits = ".0f" if end - begin >= 3 else ".1f"
        write(page, f"{begin:{digits}} s", self.plot_x[0], bottom + 36)
        if self.scores_rarely():
            write(page, "▲ points won   ▼ lost", self.plot_x[0] + 70, bottom + 36, size=TEXT - 1)
        write(page, f"{end:{digits}} s", self.right, bottom + 36, right=True)

    def draw_rewards(self, page):
        """A triangle below each moment at which the score changes, unless it changes all the time."""
        rewards = self.recording.rewards[self.start : self.stop] * self.scores_rarely()
        for step in np.flatnonzero(rewards):
            sign, colour = ("▲", BLUE) if rewards[step] > 0 else ("▼", RED)
            write(page, sign, self.x(step / self.every) - 6, self.plot_y[1] + 17, colour)

    def scores_rarely(self):
        """Is there no reward in most of the steps?"""
        return np.count_nonzero(self.recording.rewards) <= max(2, len(self.recording) / 4)

    def frame(self, t):
        """The frame of step `start + t`: `[H, W]` uint8, numbers of colours in `palette`."""
        top, bottom = self.plot_y
        page, now = self.future.copy(), self.x(t)
        page[top - 8 : bottom + 1, :now] = self.past[top - 8 : bottom + 1, :now]
        page[top - 8 : bottom + 1, now] = ink(BLACK)
        zoom, screen_top = self.recording.zoom, self.screen_top
        screen = self.screen(t).repeat(zoom, axis=0).repeat(zoom, axis=1)
        page[screen_top : screen_top + len(screen), : screen.shape[1]] = screen
        clock = f"{self.seconds(t):.1f} s   return {number(self.score[t], '.0f')}"
        write(page, clock, self.right, 26, right=True)
        for row, action in enumerate(self.listed):
            chosen = self.actions.ndim > 1 or action == self.actions[t]
            self.draw_bar(page, row, action, self.bars[t, action], chosen)
        return page

    def screen(self, t):
        """The screen in frame t: `[H, W]`."""
        ended = self.steps[t] == len(self.recording)
        return self.recording.end[0] if ended else self.recording.screens[self.steps[t]]

    def draw_bar(self, page, row, action, value, chosen):
        """The bar of one action, its name and its value; the chosen action's in blue with an arrow."""
        y = self.bars_top + row * self.row
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
        """From the beginning of the episode to frame t, in the environment's time."""
        return self.steps[t] / self.recording.speed

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
        titles, last = self.recording.titles, len(self) - 1
        return say(
            "Animation of {game}, from second {begin:.0f} to {end:.0f}: an agent plays, and the return goes from "
            "{first:.0f} to {now:.0f}. Beside the screen {bars} Below, {curve}, between {low:.2f} and {high:.2f}.",
            game=self.recording.game,
            begin=self.seconds(0),
            end=self.seconds(last),
            first=self.score[0],
            now=self.score[last],
            bars=self.alt_of_bars(),
            curve=titles.curve,
            low=self.curve_high.min(),
            high=self.curve_high.max(),
        )

    def alt_of_bars(self):
        """What the bars show, in words."""
        if self.actions.ndim > 1:
            return say("a bar for each number of the action.")
        taken, times = np.unique(self.recording.actions[self.start : self.stop], return_counts=True)
        names = [self.recording.names[action] for action in taken]
        counts = ", ".join(
            count(int(n), "{name} {n} time", "{name} {n} times", name=name) for name, n in zip(names, times)
        )
        return say(
            "a bar for each action, {title}, the chosen one in blue with an arrow: {counts}.",
            title=self.recording.titles.bars,
            counts=counts,
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


def listed(actions, count):
    """Which of `count` actions get a bar: all, or the ones that are taken most often."""
    if count <= MOST_BARS:
        return range(count)
    taken = np.bincount(actions, minlength=count) if actions.ndim == 1 else np.zeros(count)
    return np.sort(np.argsort(-taken, kind="stable")[:MOST_BARS]).tolist()


def axis(low, high):
    """The ends of an axis that holds 0 and all values from `low` to `high` -> low, high."""
    low, high = min(0.0, float(low)), max(0.0, float(high))
    return low, high if high > low else low + 1


def at(value, low, high, first, last):
    """The pixel of a value on an axis from `low`, at pixel `first`, to `high`, at pixel `last`."""
    return round(first + (float(value) - low) / (high - low) * (last - first))


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
