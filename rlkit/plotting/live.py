"""Training that can be watched: a curve that draws itself, and a run in the background with a Stop button.

Drawing is bounded as a share of time, not by a frequency: after a redraw that took c seconds, the next one comes no
sooner than 9 c later, so that watching costs at most a tenth of the run.
"""

import asyncio
import base64
import textwrap
import threading
import time

import ipywidgets as widgets
from IPython.display import display

from rlkit.plotting import BLUE, Moving, compact, picture, smooth
from rlkit.plotting.alt_text import alt_text, axes_in_words, plain
from rlkit.running.result import Result, watch


class Redraw:
    """Is it time to draw again?"""

    def __init__(self, shortest=0.5):
        self.shortest = shortest
        self.next = 0.0

    def due(self):
        return time.perf_counter() >= self.next

    def timed(self, draw):
        began = time.perf_counter()
        drawn = draw()
        cost = time.perf_counter() - began
        self.next = began + cost + max(self.shortest, 9 * cost)
        return drawn


class CurvePicture:
    """Returns so far: the episodes as dots, the mean of the last 20 as a line. Its artists are kept and moved."""

    def __init__(self, total_steps):
        self.figure, self.ax = picture(height=3.2)
        (self.dots,) = self.ax.plot([], [], ".", color=BLUE, alpha=0.25, markersize=4)
        (self.line,) = self.ax.plot([], [], color=BLUE, label="mean of 20")
        self.ax.set(xlabel="agent steps", ylabel="return of an episode", xlim=(0, total_steps / 50))
        self.ax.set_title(" ", loc="left")
        self.moving = Moving(self.figure)

    def draw(self, result):
        count = min(len(result.steps), len(result.returns))  # the other thread may be between the two
        steps, returns = result.steps[:count], result.returns[:count]
        self.dots.set_data(steps, returns)
        self.line.set_data(steps, smooth(returns))
        if returns:
            low, high = min(returns), max(returns)
            margin = 0.05 * (high - low) or 1.0
            self.ax.set_ylim(low - margin, high + margin)
            right = self.ax.get_xlim()[1]
            if result.stopped or result.step > right:  # in jumps while it runs: the axis must not be redrawn every time
                self.ax.set_xlim(0, result.step if result.stopped else 1.5 * result.step)
        self.ax.set_title(describe(result), loc="left")
        return self.moving.png()


def describe(result):
    """One line of numbers, the same under every live curve."""
    score = f"mean of the last 20: {result.mean_return():.1f}" if result.returns else "no episode finished yet"
    text = f"{result.step:,} steps in {result.seconds:.0f} s, {len(result.returns)} episodes, {score}"
    return f"{text} ({result.stopped})" if result.stopped else text


class Curve:
    """The watcher that `train` adds in a notebook; its last drawing stays in the saved page."""

    def __init__(self, total_steps):
        self.picture = CurvePicture(total_steps)
        self.redraw = Redraw()
        self.handle = display(self.still(Result()), display_id=True)

    def __call__(self, progress, result):
        if self.redraw.due():
            self.redraw.timed(lambda: self.handle.update(self.still(result)))

    def finish(self, result):
        self.handle.update(self.still(result))

    def still(self, result):
        return Still(self.picture.draw(result), alt_text(self.picture.figure))


class Still:
    """PNG bytes that a notebook shows, and what they show in words."""

    def __init__(self, png, alt):
        self.png, self.alt = png, alt

    def _repr_png_(self):
        return self.png, {"alt": self.alt}

    def __repr__(self):
        return "learning curve"


def frame(png=b""):
    """A place for a picture, at its natural size, so that its text stays readable, or as wide as a narrow page."""
    return widgets.Image(value=png, format="png", layout={"max_width": "100%", "align_self": "flex-start"})


class Panel(widgets.VBox):
    """Widgets over a picture: live where a kernel runs, a still picture and a line of text where none does."""

    figure = None  # that the picture was drawn from

    def __init__(self, png, controls=(), text=""):
        self.image = frame(png)
        self.status = widgets.HTML()
        super().__init__([*controls, self.image, self.status])
        self.say(text)

    def say(self, text):
        """The numbers in words, for those who do not see the picture."""
        self.status.value = f'<div role="status" style="font-size:14px;line-height:1.4">{text}</div>'

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        png = base64.b64encode(compact(self.image.value)).decode()  # quick to make, now small to keep
        data = {**data, "image/png": png, "text/plain": type(self).__name__}
        return data, {**metadata, "image/png": {"alt": self.alt()}}

    def alt(self):
        """What the axes are, then the line of text."""
        axes = axes_in_words(self.figure) if self.figure else ""
        return textwrap.shorten(f"{axes} {plain(self.status.value)}", 900, placeholder=" …")


class Run(Panel):
    """The agent learns in a thread; the page stays alive, and Stop takes effect within an iteration.

    The thread only appends to `result`; drawing happens on the kernel's event loop. `stop` and `start` do what the
    buttons do; `wait` is for a cell that needs the result.
    """

    def __init__(self, agent, total_steps, *watchers, controls=()):
        self.agent, self.total_steps, self.watchers = agent, total_steps, watchers
        self.result = Result(agent=agent)
        self.error = None
        self.stopping = threading.Event()
        self.thread = None
        self.curve = CurvePicture(total_steps)
        self.figure = self.curve.figure
        self.stop_button = widgets.Button(description="Stop", tooltip="Stop training; nothing is lost")
        self.go_button = widgets.Button(description="Continue", disabled=True)
        self.stop_button.on_click(lambda _: self.stop())
        self.go_button.on_click(lambda _: self.start())
        buttons = widgets.HBox([self.stop_button, self.go_button])
        super().__init__(self.curve.draw(self.result), [buttons, *controls], describe(self.result))
        self.start()

    def start(self):
        """Learn on, from where the agent is."""
        if self.thread and self.thread.is_alive():
            return
        self.stopping.clear()
        self.error, self.result.stopped = None, ""
        self.thread = threading.Thread(target=self.learn, daemon=True)
        self.thread.start()
        self.buttons(running=True)
        try:
            self.drawing = asyncio.get_running_loop().create_task(self.keep_drawing())
        except RuntimeError:  # no event loop: a script or a test, where nobody looks
            self.drawing = None

    def learn(self):
        try:
            for progress in watch(self.agent, self.total_steps, self.result):
                reasons = [reason for watcher in self.watchers if (reason := watcher(progress, self.result))]
                if reasons or self.stopping.is_set():
                    self.result.stopped = reasons[0] if reasons else "stopped"
                    return
        except Exception as error:  # shown in the panel and raised by wait(): a thread has nobody to raise to
            self.error = error
            self.result.stopped = f"failed: {error}"

    async def keep_drawing(self):
        redraw = Redraw()
        while self.thread.is_alive():
            if redraw.due():
                redraw.timed(self.draw)
            await asyncio.sleep(0.05)
        self.draw()
        self.buttons(running=False)

    def alt(self):
        """Of the curve as it was drawn: the run has gone on since."""
        return alt_text(self.figure)

    def draw(self):
        self.image.value = self.curve.draw(self.result)
        self.say(describe(self.result))

    def buttons(self, running):
        self.stop_button.disabled, self.go_button.disabled = not running, running

    def stop(self):
        """Stop after the current iteration and wait for it: a second at most."""
        self.stopping.set()
        self.wait()

    def wait(self, timeout=None):
        """Wait until the run has ended -> its result. Raises what the training raised."""
        self.thread.join(timeout)
        self.draw()
        if self.thread.is_alive():
            return self.result
        self.buttons(running=False)
        if self.error:
            raise self.error
        return self.result
