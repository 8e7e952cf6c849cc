"""A learning curve that draws itself while an agent learns.

Drawing takes a bounded share of the time. After a redraw that took c seconds the next one waits for at least 9 c, so
watching costs at most a tenth of the run.
"""

import math
import time

import numpy as np
from IPython.display import display

from rlkit.language import count, say
from rlkit.plotting import BLUE, GREY, Moving, picture, smooth
from rlkit.plotting.alt_text import alt_text
from rlkit.plotting.painter import painted
from rlkit.running.result import Result

POINTS = 2_000  # the most points that a curve is drawn with, so that drawing stays fast however long a run gets


class Redraw:
    """A clock that says when it is time to draw again: at most every `shortest` seconds, and `share` of the time."""

    def __init__(self, shortest=0.5, share=0.1):
        self.shortest, self.share = shortest, share
        self.next = 0.0

    def due(self):
        """Is it time to draw again?"""
        return time.perf_counter() >= self.next

    def timed(self, draw):
        """Call `draw()` and set the time of the next drawing by how long this one took -> what `draw` returned."""
        began = time.perf_counter()
        drawn = draw()
        cost = time.perf_counter() - began
        self.next = began + cost + max(self.shortest, cost / self.share - cost)
        return drawn


class CurvePicture:
    """The returns of a run so far: a dot for each episode, a line for the mean of the last 20.

    The figure is made once; `draw` only moves its artists. The axes grow in jumps, because redrawing them is slow. In a
    long run only every second episode is drawn, or every fourth, and so on.

    `before`, if it is given, are the steps and the means of another run, which is shown in grey from the start.
    """

    def __init__(self, total_steps, title="", before=None):
        self.figure, self.ax = picture(height=3.2)
        self.first = min(total_steps, 500_000) / 50  # the steps that are shown at first
        (self.before,) = self.ax.plot([], [], color=GREY, linewidth=1, linestyle="--", label="before")
        (self.dots,) = self.ax.plot([], [], ".", color=BLUE, alpha=0.25, markersize=4)
        (self.line,) = self.ax.plot([], [], color=BLUE, label="mean of 20")
        self.ax.set(xlabel="agent steps", ylabel="return of an episode", xlim=(0, self.first))
        self.ax.set_ylim(0, 1)
        self.ax.set_title(title, loc="left")  # it needs room, if there is to be one
        self.said, self.every = "", 1
        self.range = math.inf, -math.inf  # of the returns, as soon as there are some
        self.least = 0  # the steps that are shown at least
        self.moving = Moving(self.figure)
        if before is not None:
            steps, means = before
            self.before.set_data(steps, means)
            self.first = self.least = steps[-1]
            self.ax.set_xlim(0, self.first)
            self.reach(0, min(means), max(means))

    def draw(self, result):
        """Move the artists to the returns of a Result. `said` are its numbers in words."""
        number = min(len(result.steps), len(result.returns))  # the training thread may have appended to only one
        steps, returns = np.array(result.steps[:number]), np.array(result.returns[:number], float)
        self.every = thinning(number)
        shown = slice(None, None, self.every)
        self.dots.set_data(steps[shown], returns[shown])
        self.line.set_data(steps[shown], smooth(returns)[shown])
        if number:
            self.reach(result.step, returns.min(), returns.max())
        if result.stopped and number:
            self.ax.set_xlim(0, max(result.step, self.least))
        self.said = describe(result)

    def png(self, result):
        """The returns of a Result -> the picture as PNG bytes."""
        self.draw(result)
        return self.moving.png()

    def reach(self, step, low, high):
        """Let the axes grow until they hold all steps, and all returns from `low` to `high`."""
        if step > self.ax.get_xlim()[1]:
            self.ax.set_xlim(0, 1.5 * step)
        bottom, top = self.range
        if low < bottom or high > top:
            margin = 0.1 * (high - low) or 1.0
            self.range = self.ax.set_ylim(low - margin, high + margin)
            self.moving.lay_out()  # the numbers may be longer: −1,800

    @painted
    def begin_again(self):
        """Keep the curve so far as a grey line, beside the one that begins now."""
        self.before.set_data(*self.line.get_data())
        self.ax.set_xlim(0, self.first)


def thinning(number):
    """Every how many of `number` points are drawn: 1, 2, 4, ...; at most POINTS are left -> int."""
    return 2 ** math.ceil(math.log2(max(number / POINTS, 1)))


def describe(result):
    """A Result in one line of numbers, the same under every live curve -> str."""
    steps = count(result.step, "{n} step", "{n:,} steps")
    text = say("{steps} in {seconds:.0f} s", steps=steps, seconds=result.seconds)
    if not result.returns:
        return say("{text}, no episode finished yet", text=text)
    episodes = count(len(result.returns), "{n} episode", "{n:,} episodes")
    last = count(min(20, len(result.returns)), "return {mean:.1f}", "mean of the last {n}: {mean:.1f}",
                 mean=result.mean_return())  # fmt: skip
    return say("{text}, {episodes}, {last}", text=text, episodes=episodes, last=last)


class Curve:
    """The watcher that `train` adds in a notebook. Its last drawing stays in the saved page."""

    def __init__(self, total_steps):
        self.picture = CurvePicture(total_steps, title=" ")
        self.redraw = Redraw()
        self.handle = display(self.still(Result()), display_id=True)

    def __call__(self, progress, result):
        if self.redraw.due():
            self.redraw.timed(lambda: self.handle.update(self.still(result)))

    def finish(self, result):
        """Draw the curve one last time when the run has ended."""
        self.handle.update(self.still(result))

    @painted
    def still(self, result):
        """The curve of a Result and its alternative text, as a notebook shows them -> Still."""
        ended = f" ({result.stopped})" if result.stopped else ""
        self.picture.ax.set_title(describe(result) + ended, loc="left")
        return Still(self.picture.png(result), alt_text(self.picture.figure))


class Still:
    """PNG bytes that a notebook shows, and the same picture in words."""

    def __init__(self, png, alt):
        self.png, self.alt = png, alt

    def _repr_png_(self):
        return self.png, {"alt": self.alt}

    def __repr__(self):
        return "learning curve"
