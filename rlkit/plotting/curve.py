"""A learning curve that draws itself while an agent learns.

Drawing takes a bounded share of the time. After a redraw that took c seconds the next one waits for at least 9 c, so
watching costs at most a tenth of the run.
"""

import time

from IPython.display import display

from rlkit.plotting import BLUE, Moving, picture, smooth
from rlkit.plotting.alt_text import alt_text
from rlkit.plotting.painter import painted
from rlkit.running.result import Result


class Redraw:
    """A clock that says when it is time to draw again: at most every `shortest` seconds, and a tenth of the time."""

    def __init__(self, shortest=0.5):
        self.shortest = shortest
        self.next = 0.0

    def due(self):
        """Is it time to draw again?"""
        return time.perf_counter() >= self.next

    def timed(self, draw):
        """Call `draw()` and set the time of the next drawing by how long this one took -> what `draw` returned."""
        began = time.perf_counter()
        drawn = draw()
        cost = time.perf_counter() - began
        self.next = began + cost + max(self.shortest, 9 * cost)
        return drawn


class CurvePicture:
    """The returns of a run so far: a dot for each episode, a line for the mean of the last 20.

    The figure is made once, for a run of `total_steps`; `draw` only moves its artists.
    """

    def __init__(self, total_steps):
        self.figure, self.ax = picture(height=3.2)
        (self.dots,) = self.ax.plot([], [], ".", color=BLUE, alpha=0.25, markersize=4)
        (self.line,) = self.ax.plot([], [], color=BLUE, label="mean of 20")
        self.ax.set(xlabel="agent steps", ylabel="return of an episode", xlim=(0, total_steps / 50))
        self.ax.set_title(" ", loc="left")
        self.moving = Moving(self.figure)

    def draw(self, result):
        """Draw the returns of a Result -> the picture as PNG bytes."""
        count = min(len(result.steps), len(result.returns))  # the training thread may have appended to only one of them
        steps, returns = result.steps[:count], result.returns[:count]
        self.dots.set_data(steps, returns)
        self.line.set_data(steps, smooth(returns))
        if returns:
            low, high = min(returns), max(returns)
            margin = 0.05 * (high - low) or 1.0
            self.ax.set_ylim(low - margin, high + margin)
            right = self.ax.get_xlim()[1]
            if result.stopped or result.step > right:  # the axis grows in jumps, because redrawing it is slow
                self.ax.set_xlim(0, result.step if result.stopped else 1.5 * result.step)
        self.ax.set_title(describe(result), loc="left")
        return self.moving.png()


def describe(result):
    """A Result in one line of numbers, the same under every live curve -> str."""
    score = f"mean of the last 20: {result.mean_return():.1f}" if result.returns else "no episode finished yet"
    text = f"{result.step:,} steps in {result.seconds:.0f} s, {len(result.returns)} episodes, {score}"
    return f"{text} ({result.stopped})" if result.stopped else text


class Curve:
    """The watcher that `train` adds in a notebook. Its last drawing stays in the saved page."""

    def __init__(self, total_steps):
        self.picture = CurvePicture(total_steps)
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
        return Still(self.picture.draw(result), alt_text(self.picture.figure))


class Still:
    """PNG bytes that a notebook shows, and the same picture in words."""

    def __init__(self, png, alt):
        self.png, self.alt = png, alt

    def _repr_png_(self):
        return self.png, {"alt": self.alt}

    def __repr__(self):
        return "learning curve"
