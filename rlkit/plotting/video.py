"""An agent at play, beside what it thinks: the screens of an Atari game and the numbers that chose the actions.

They are the Q-values of a DQN, or the probabilities of a PPO, A2C or A3C, with its V(s).

    recording = play(agent, steps=300, seed=0)
    recording.show(100, 250)          # in a notebook: an animation of 10 seconds
    recording.contact_sheet(4)        # four of its frames, for paper
    recording.show().save("pong.gif")

A notebook gets the animation as a PNG, for an APNG is one: browsers animate it, in JupyterLab as in a saved page that
has no kernel, and a program that knows only still PNGs shows the first frame. `nbval` compares no PNG; it would compare
HTML, and two processors may differ in the last digits of a Q-value. (nbconvert shows no GIF.)

All drawing is done in one palette of 256 colours. A game uses the 128 of its console, which have the even numbers; our
ink has the odd ones. So a frame is one array of bytes, what did not change since the last frame is found by `==`, and
150 frames take a second, about 200 KB.
"""

import functools
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont  # comes with matplotlib

from rlkit import plotting
from rlkit.atari import AtariGame
from rlkit.experiments.saliency import outputs

STEPS_PER_SECOND = 15  # of the game: 60 screens a second, four to an action
BLACK, GREY, BLUE, SKY, RED = range(5)  # our inks
INKS = (plotting.BLACK, plotting.GREY, plotting.BLUE, plotting.SKY, plotting.RED)
FULL = 15  # an ink comes in 16 strengths, 0 is white: letters have soft edges
UNCHANGED = 255  # the one colour that is never drawn


# Playing ----------------------------------------------------------------------------------------------------


def play(agent, steps=1_000, seed=1_000_000):
    """Let `agent` play greedily until the game is over, `steps` actions at most -> Recording.

    It is the episode that `evaluate(agent, 1, seed)` counts, on Linux (elsewhere C++ draws other no-op starts). The
    agent must play an Atari game and have `q_values`, or a network of logits and V without a memory.
    """
    check_agent(agent, steps)
    think, titles = (q_and_range, Q_TITLES) if hasattr(agent, "q_values") else (policy_and_value, POLICY_TITLES)
    game = AtariGame(agent.env, agent.frame_size, seed=seed)
    buttons = np.arange(len(game.actions)) if agent.envs.actions is None else agent.envs.actions
    palette = np.zeros((256, 3), np.uint8)
    rows = []
    obs = game.reset()
    while not game.over and len(rows) < steps:
        screen = game.ale.getScreen()  # colours by their numbers in the console
        palette[screen] = game.screen()  # and as red, green, blue
        bars, low, high = think(agent, obs[None])
        action = int(bars.argmax())
        next_obs, reward, *_ = game.step(buttons[action])  # a lost life does not end it: the score goes on
        rows.append((screen, obs, bars, low, high, action, reward))
        obs = next_obs
    screens, *columns = (np.array(column) for column in zip(*rows))
    names = tuple(game.actions[button].name for button in buttons)
    name = agent.env.removeprefix("ALE/").split("-")[0]
    return Recording(screens, palette, *columns, names, titles, game.over, name)


def q_and_range(agent, obs):
    """Q(s, · ), min Q and max Q."""
    (q,) = agent.q_values(obs)
    return q, q.min(), q.max()


def policy_and_value(agent, obs):
    """π( · |s), and V(s) twice: no shade."""
    (logits,), ((value,),) = outputs(agent, obs).values()
    return probabilities(logits), value, value


def probabilities(logits):
    """π( · |s) of a softmax policy: logits `[A]` -> `[A]`."""
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


class Titles(NamedTuple):
    """What stands above the drawings, and how far the axis of the bars reaches at least."""

    bars: str
    curve: str
    shade: str
    reach: float


Q_TITLES = Titles("Q(s, a)", "max Q over time", "shade: down to min Q", 0.0)
POLICY_TITLES = Titles("π(a|s)", "V(s) over time", "", 1.0)


def check_agent(agent, steps):
    """One sentence for whom we cannot film."""
    if not (isinstance(steps, int) and steps > 0):
        raise ValueError(f"steps={steps!r} must be a whole number above 0.")
    if not (isinstance(agent.env, str) and agent.env.startswith("ALE/")):
        raise ValueError(f"Only Atari games can be filmed, such as 'ALE/Pong-v5'; this agent plays {agent.env!r}.")
    if not (hasattr(agent, "q_values") or hasattr(agent, "network")):
        raise ValueError(f"{type(agent).__name__} has no Q-values or probabilities to draw; take a DQN or a PPO.")
    if getattr(agent, "recurrent", False):
        raise ValueError(f"{type(agent).__name__} with recurrent=True cannot be filmed: its network needs a memory.")


@dataclass(repr=False)
class Recording:
    """T steps of a game. Row t: what there was to see, what the agent made of it, and what came of that."""

    screens: np.ndarray  # [T, H, W] uint8: numbers of colours
    palette: np.ndarray  # [256, 3] uint8: those colours
    stacks: np.ndarray  # [T, stack, size, size] uint8: φ of the same moment, what the network saw
    bars: np.ndarray  # [T, A]: Q(s, a) or π(a|s)
    curve_low: np.ndarray  # [T]: min Q or V(s)
    curve_high: np.ndarray  # [T]: max Q or V(s)
    actions: np.ndarray  # [T]: argmax of the row of bars
    rewards: np.ndarray  # [T]: changes of the score by that action, unclipped
    names: tuple  # [A]: of the actions
    titles: Titles
    over: bool  # did the episode end?
    game: str = "a game"  # its name

    def __len__(self):
        return len(self.screens)

    def __repr__(self):
        return "Recording of a game"  # the same on every machine

    @functools.cached_property
    def frames(self):
        """The screens in red, green, blue: `[T, H, W, 3]` uint8, 100 KB each, made when first asked for."""
        return self.palette[self.screens]

    def show(self, start=0, stop=None, fps=STEPS_PER_SECOND):
        """Steps `start` to `stop`, or 150 of them, as an animation; 15 frames a second is the speed of the game.

        Left the screen. Right, above: a bar from 0 to Q(s, a) or π(a|s) for each action, the chosen one in blue with an
        arrow, and the return so far. Right, below: max Q over the time shown, shaded down to min Q, for where the shade
        is wide the choice matters; or V(s); a cursor at this moment; triangles where points are won or lost.
        """
        return Video(self, start, start + 150 if stop is None else stop, fps)

    def contact_sheet(self, count=4, start=0, stop=None):
        """`count` frames of the animation, evenly spaced, two in a row -> a PIL image, for what does not move."""
        video = Video(self, start, stop)
        height, width = video.shape
        sheet = np.full((-(-count // 2) * (height + MARGIN) - MARGIN, min(count, 2) * width), ink(BLACK, 0), np.uint8)
        for i, t in enumerate(np.linspace(0, len(video) - 1, count).round().astype(int)):
            y, x = i // 2 * (height + MARGIN), i % 2 * width
            sheet[y : y + height, x : x + width] = video.frame(t)
        return as_image(sheet, video.palette)


# Drawing ----------------------------------------------------------------------------------------------------

WIDTH = 720
TEXT = 14  # pixels high
MARGIN = 16
PLOT_INDENT = 44  # for the numbers beside the plot


class Video:
    """Frames, drawn one at a time, and the files they can be written to. It shows itself in a notebook."""

    def __init__(self, recording, start=0, stop=None, fps=STEPS_PER_SECOND):
        stop = len(recording) if stop is None else min(stop, len(recording))
        if not 0 <= start < stop:
            raise ValueError(f"There is no step from {start} to {stop} in a recording of {len(recording)} steps.")
        if not 1 <= fps <= 50:
            raise ValueError(f"fps={fps!r} must lie between 1 and 50, which browsers still show.")
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
        return at(value, *self.bars_axis, *self.bars_x)

    def y(self, value):
        return at(value, *self.curve_axis, *self.plot_y[::-1])

    def x(self, t):
        return at(t, 0, max(1, len(self) - 1), *self.plot_x)

    def draw_still_parts(self):
        """All that does not move, twice: the curve as it looks before the cursor and as it looks after it."""
        page = np.full(self.shape, ink(BLACK, 0), np.uint8)
        titles = self.recording.titles
        write(page, titles.bars, self.left, 26, size=TEXT + 1, bold=True)
        end = self.bars_top + len(self.recording.names) * self.row
        page[self.bars_top : end, self.bar_x(0)] = ink(GREY)
        top, bottom = self.plot_y
        heading = write(page, titles.curve, self.left, top - 18, size=TEXT + 1, bold=True)
        write(page, titles.shade, heading + 14, top - 18, size=TEXT - 1)
        page[self.y(0), slice(*self.plot_x)] = ink(GREY)
        for value in (0.0, *self.curve_axis):
            if value == 0 or abs(self.y(value) - self.y(0)) > TEXT:  # else one number over another
                write(page, number(value, ".1f"), self.plot_x[0] - 8, self.y(value) + 5, right=True)
        write(page, f"{self.seconds(0):.0f} s", self.plot_x[0], bottom + 36)
        write(page, "▲ points won   ▼ lost", self.plot_x[0] + 70, bottom + 36, size=TEXT - 1)
        write(page, f"{self.seconds(len(self) - 1):.0f} s", self.right, bottom + 36, right=True)
        rewards = self.recording.rewards[self.start : self.start + len(self)]
        for t in np.flatnonzero(rewards):
            sign, colour = ("▲", BLUE) if rewards[t] > 0 else ("▼", RED)
            write(page, sign, self.x(t) - 6, bottom + 17, colour)
        above = [(self.x(t), self.y(value)) for t, value in enumerate(self.curve_high)]
        below = [(self.x(t), self.y(value)) for t, value in enumerate(self.curve_low)]
        band = stroke(self.shape, above + below[::-1], closed=True)
        curve = stroke(self.shape, above)
        self.past, self.future = page, page.copy()
        stamp(self.past, band, SKY, strength=12)
        stamp(self.past, curve, BLUE)
        stamp(self.future, band, GREY, strength=8)
        stamp(self.future, curve, GREY)

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
        """Since the episode began."""
        return (self.start + t) / STEPS_PER_SECOND

    def __len__(self):
        return len(self.bars)

    def image(self, t):
        """Frame t as a PIL image."""
        return as_image(self.frame(t), self.palette)

    def save(self, path):
        """Write an animation, by the ending of `path`: .gif, .webp, or .png, which is the smallest to make quickly."""
        path = Path(path)
        check_ending(path)
        if path.suffix.lower() == ".png":
            path.write_bytes(self.png())
            return path
        images = (self.image(t) for t in range(len(self)))
        options = {
            ".gif": dict(optimize=True, disposal=1),  # each frame over the last, transparent where nothing changed
            ".webp": dict(lossless=True, method=2, quality=20),  # quality is effort here
        }[path.suffix.lower()]
        duration = 10 * round(100 / self.fps)  # GIF counts in hundredths of a second
        next(images).save(path, save_all=True, append_images=images, duration=duration, loop=0, **options)
        return path

    def png(self):
        return animated_png((self.frame(t) for t in range(len(self))), self.palette, round(1000 / self.fps))

    def _repr_png_(self):
        return self.png(), {"alt": self.alt()}

    def alt(self):
        """What is seen, in words."""
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


def check_ending(path):
    if Path(path).suffix.lower() not in (".gif", ".webp", ".png"):
        raise ValueError(f"A video can be a .gif, a .webp or an animated .png, and {path} is none of them.")


def axis(low, high):
    """The ends of an axis with 0 and all values on it."""
    low, high = min(0.0, float(low)), max(0.0, float(high))
    return low, high if high > low else low + 1


def at(value, low, high, first, last):
    """The pixel of a value on an axis that leads from `low` at `first` to `high` at `last`."""
    return round(first + (float(value) - low) / (high - low) * (last - first))


def number(value, form):
    """With a true minus sign, and no minus before 0."""
    text = f"{value:{form}}"
    return text.replace("-", "−" if text.strip("-0.") else "")


def ink(colour, strength=FULL):
    """The number in the palette of an ink: odd."""
    return 1 + 2 * ((FULL + 1) * colour + strength)


def add_inks(palette):
    """The console's colours with ours between them."""
    palette = palette.copy()
    for colour, name in enumerate(INKS):
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
    """Strengths of ink, in steps of 5, which cost half the bytes of all 16. The line of writing is row `size`."""
    image = Image.new("L", (round(font(size, bold).getlength(text)) + 1, round(1.4 * size)))
    ImageDraw.Draw(image).text((0, size), text, 255, font(size, bold), anchor="ls")
    return np.rint(np.asarray(image) / 85).astype(np.uint8) * 5


def write(page, text, x, y, colour=BLACK, size=TEXT, bold=False, right=False):
    """Text from x, or up to x, on the line y -> where it ends."""
    letters = stencil(text, size, bold)
    x -= letters.shape[1] if right else 0
    stamp(page[y - size : y - size + len(letters), x : x + letters.shape[1]], letters, colour)
    return x + letters.shape[1]


def stamp(page, strengths, colour, strength=FULL):
    """Ink where there are strengths above 0, in proportion to them."""
    page[strengths > 0] = ink(colour, 0) + 2 * (strengths[strengths > 0] * strength // FULL)


def stroke(shape, points, closed=False, fine=4):
    """Strengths of ink along a line two pixels wide, or within it: drawn large and shrunk, for soft edges."""
    height, width = shape
    image = Image.new("L", (fine * width, fine * height))
    points = [(fine * x, fine * y) for x, y in points]
    if closed and len(points) > 2:
        ImageDraw.Draw(image).polygon(points, 255)
    elif not closed:
        ImageDraw.Draw(image).line(points, 255, 2 * fine, joint="curve")
    return np.asarray(image.reduce(fine)) // (256 // (FULL + 1))


def as_image(frame, palette):
    image = Image.fromarray(frame)
    image.putpalette(palette.tobytes())
    return image


# Encoding ---------------------------------------------------------------------------------------------------


def animated_png(frames, palette, milliseconds):
    """The bytes of an APNG; https://www.w3.org/TR/png-3/. Pillow's own would be four times as large.

    Of each frame only the rectangle that holds all changes is written, and in it the colour UNCHANGED, transparent,
    where nothing changed: long runs of one byte, which zlib makes small. Frames are taken one at a time.
    """
    body, last = [], None
    for frame in frames:
        y, x, part = (0, 0, frame) if last is None else changes(last, frame)
        order = max(0, len(body) - 1)  # among the chunks fcTL and fdAT; the one IDAT does not count
        box = part.shape[1], part.shape[0], x, y
        body.append((b"fcTL", struct.pack(">IIIIIHHBB", order, *box, milliseconds, 1000, 0, 1)))  # 1: over the last
        data = zlib.compress(np.pad(part, ((0, 0), (1, 0))).tobytes(), 9)  # a 0 before each row: no filter
        body.append((b"IDAT", data) if last is None else (b"fdAT", struct.pack(">I", order + 1) + data))
        last = frame
    height, width = last.shape
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),  # 8 bits, palette
        (b"acTL", struct.pack(">II", len(body) // 2, 0)),  # 0: for ever
        (b"PLTE", palette.tobytes()),
        (b"tRNS", bytes([255] * UNCHANGED + [0])),
        *body,
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, chunks))


def chunk(kind_and_data):
    kind, data = kind_and_data
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def changes(last, frame):
    """Where the smallest rectangle with all changes begins, and its content -> y, x, `[h, w]`."""
    changed = frame != last
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return 0, 0, np.full((1, 1), UNCHANGED, np.uint8)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return rows[0], columns[0], np.where(changed, frame, np.uint8(UNCHANGED))[box]
