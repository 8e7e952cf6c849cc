"""Work in the background under a panel: a run with a live curve and a Stop button."""

import atexit
import contextlib
import ctypes
import math
import threading
import time

import ipywidgets as widgets
from IPython import get_ipython

from rlkit.plotting.alt_text import alt_text
from rlkit.plotting.curve import CurvePicture, Redraw, describe
from rlkit.plotting.painter import painted, repeat
from rlkit.plotting.panel import Panel
from rlkit.running.result import Result, finish, reason_to_stop, watch

at_work = set()  # the BackgroundPanels whose threads run; only the painter changes it
GOES_ON = "The work goes on in the background; press its button Stop, or call its method stop(), to end it."
PATIENCE = 10  # seconds that a run may take for its current iteration after Stop, before it is broken off


@atexit.register
def end_threads():
    """Stop all work when the interpreter ends. A thread that is cut off inside C++ aborts the process."""
    left = list(at_work)
    for panel in left:
        panel.stopping.set()
    for panel in left:
        panel.thread.join(timeout=5)


class BackgroundPanel(Panel):
    """A panel whose work runs in a thread while the page stays alive: `Run`, or the explorer of worker processes.

    A subclass has
    - `work()`, which runs in the thread. It appends to lists, looks at `stopping` often, and never draws. While
      `may_break_off` is true, an iteration that goes on long after Stop is interrupted.
    - `draw()`, which shows what there is so far. Only the painter calls it; `refresh` is for all others.
    - `prepare()`, if something has to be done before each start; the painter calls this too.

    `go` and `stop` are the two buttons. If the cell that made the panel is run again, the panel made before stops.
    """

    def __init__(self, go, stop, png, controls, text):
        self.go_button, self.stop_button = go, stop
        self.go_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.ask_to_stop())
        self.thread, self.error, self.redraw = None, None, Redraw()
        self.stopping, self.asked, self.may_break_off = threading.Event(), 0.0, False
        self.buttons(running=False)
        super().__init__(png, controls, text)
        self.cell, self.execution = executing()
        for panel in list(at_work):
            if self.cell and panel.cell == self.cell and panel.execution != self.execution:
                panel.ask_to_stop()

    @painted
    def start(self):
        """Start the work, or continue it. While it runs, this does nothing."""
        if self.look():
            return
        self.stopping.clear()
        self.error, self.redraw = None, Redraw()  # a new clock: the picture must not say "stopped" any longer
        try:
            self.prepare()
        except Exception as error:  # a button has no caller to raise it to
            self.say(f"Not started: {error}")
            raise
        self.thread = threading.Thread(target=self.in_thread, name=type(self).__name__, daemon=True)
        self.thread.start()
        at_work.add(self)
        self.buttons(running=True)
        repeat(self.look)

    def prepare(self):
        """What a subclass does before each start."""

    def running(self):
        """Does the work go on?"""
        return self in at_work

    def in_thread(self):
        """The work. An exception is kept in `error`, because a thread has no caller to raise it to."""
        try:
            self.work()
        except (Exception, KeyboardInterrupt) as error:
            self.error = error

    def working(self):
        """Does the thread live? Not `is_alive`: on Python 3.11 an interrupted `join` marks a living thread as dead."""
        return self.thread in threading.enumerate()

    def look(self):
        """Draw if it is time to; notice when the work has ended -> whether it goes on. The painter calls this often."""
        if self not in at_work:
            return False
        if self.working():
            if self.redraw.due():
                self.redraw.timed(self.show)
            if self.may_break_off and self.stopping.is_set() and time.monotonic() > self.asked + PATIENCE:
                self.may_break_off = False
                interrupt(self.thread)
            return True
        self.show()
        self.buttons(running=False)
        at_work.discard(self)
        return False

    def show(self):
        """Draw, or say why that failed: the work goes on all the same."""
        try:
            self.draw()
        except Exception as error:
            self.say(f"The picture could not be drawn: {error}")

    @painted
    def refresh(self):
        """Show what there is so far."""
        self.draw()

    def buttons(self, running):
        """Enable the button that makes sense now."""
        self.go_button.disabled, self.stop_button.disabled = running, not running

    def ask_to_stop(self):
        """Ask the work to stop, without waiting for it."""
        if self.running() and not self.stopping.is_set():
            self.asked = time.monotonic()
            self.stopping.set()
            self.refresh()

    def stop(self):
        """Ask the work to stop, and wait until it has, for some seconds at most."""
        self.ask_to_stop()
        self.wait(timeout=PATIENCE + 5)

    def wait(self, timeout=None):
        """Wait until the work has ended, or `timeout` seconds. An interrupt ends the waiting; the work goes on.

        Raises the exception that ended the work.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        try:
            while self.running() and time.monotonic() < until:
                time.sleep(0.02)  # not `Thread.join`: see `working`
        except KeyboardInterrupt:
            raise KeyboardInterrupt(GOES_ON) from None
        if self.thread:
            self.refresh()
        if self.error:
            raise self.error


def executing():
    """The ids of the cell that is being executed and of this execution; None and None outside JupyterLab."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent() if kernel else {}
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def interrupt(thread):
    """Raise KeyboardInterrupt in a thread, as Ctrl-C does in the main thread."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))


class Run(BackgroundPanel):
    """An agent that learns in a thread, under a live curve with a Stop button. The page stays alive meanwhile.

    Run(agent, total_steps, *watchers) starts at once. Another Run that is going on with this agent is stopped first.
    Stop takes effect after the current iteration, and Continue goes on from there. An iteration that does not end is
    interrupted. Watchers are called as in `train`: with (progress, result) after each iteration. A reason that one
    returns stops the run. `result` is the Result so far; `wait` is for a cell that needs all of it.
    """

    def __init__(self, agent, total_steps, *watchers, controls=()):
        self.agent, self.total_steps, self.watchers = agent, total_steps, watchers
        self.result = Result(agent=agent)
        self.curve = CurvePicture(total_steps)
        self.figure = self.curve.figure
        stop = widgets.Button(description="Stop", tooltip="Stop training; nothing is lost")
        go = widgets.Button(description="Continue")
        row = widgets.HBox([stop, go])
        super().__init__(go, stop, self.curve.draw(self.result), [row, *controls], describe(self.result))
        self.start()

    def start(self):
        for panel in list(at_work):
            if panel is not self and getattr(panel, "agent", None) is self.agent:
                with contextlib.suppress(Exception):  # what ended the other run is shown on its own panel
                    panel.stop()
        super().start()

    def prepare(self):
        self.result.stopped = ""

    def work(self):
        """Keep learning from where the agent is, until `total_steps`, a watcher or the Stop button ends it."""
        try:
            self.may_break_off = True
            for progress in watch(self.agent, self.total_steps, self.result):
                reason = reason_to_stop(self.watchers, progress, self.result)
                if reason or self.stopping.is_set():
                    self.result.stopped = reason or "stopped"
                    break
        except KeyboardInterrupt:
            self.result.stopped = f"stopped in an iteration that took more than {PATIENCE} s"
        except Exception as error:
            self.result.stopped = f"failed: {error}"
            raise
        finally:
            self.may_break_off = False  # the watchers may save the agent now
            finish(self.watchers, self.result)

    def draw(self):
        """Show the result so far: the curve and its line of text."""
        self.image.value = self.curve.draw(self.result)
        finishing = self.stopping.is_set() and self.working()
        self.say(self.words() + ("; finishing an iteration before it stops" if finishing else ""))

    def words(self):
        """The line of text under the curve -> str."""
        return describe(self.result)

    @painted
    def alt(self):
        """The curve in words, as it was last drawn -> str. The run may have continued since."""
        return alt_text(self.figure)

    def stop(self):
        """Stop after the current iteration and wait for it, usually less than a second and for some seconds at most."""
        super().stop()

    def wait(self, timeout=None):
        """Wait until the run has ended, or `timeout` seconds -> its Result so far. Raises what the training raised.

        An interrupt ends the waiting; the run goes on.
        """
        super().wait(timeout)
        return self.result
