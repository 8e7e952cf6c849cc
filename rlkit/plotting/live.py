"""Work in the background under a panel: a run with a live curve, the environment beside it, and buttons."""

import atexit
import contextlib
import ctypes
import dataclasses
import html
import math
import threading
import time

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from rlkit.language import count, say
from rlkit.plotting.alt_text import alt_text, axes_in_words
from rlkit.plotting.cells import executing
from rlkit.plotting.curve import CurvePicture, Redraw, describe
from rlkit.plotting.painter import painted, repeat
from rlkit.plotting.panel import Panel
from rlkit.plotting.scenes import scene_png
from rlkit.plotting.view import View
from rlkit.running.result import Result, finish, reason_to_stop, watch
from rlkit.training import check_agent, check_positive, check_watchers

at_work = set()  # the BackgroundPanels whose threads run; only the painter changes it
PATIENCE = 10  # seconds that a run may take for its current iteration after Stop, before it is broken off
IDLE = 20 * 60  # seconds after which a run without an end stops if nobody has touched its panel
SIGNS = {
    "ready": "○", "starting": "…", "learning": "▶", "stopping": "…", "stopped": "■", "finished": "✓", "failed": "✕",
}  # fmt: skip


@atexit.register
def end_threads():
    """Stop all work when the interpreter ends. A thread that is cut off inside C++ aborts the process."""
    left = list(at_work)
    for panel in left:
        panel.again = False
        panel.stopping.set()
    for panel in left:
        panel.thread.join(timeout=5)


class BackgroundPanel(Panel):
    """A panel whose work runs in a thread while the page stays alive: `Run`, or the explorer of worker processes.

    A subclass has
    - `work()`, which runs in the thread. It appends to lists, looks at `stopping` often, sets `begun` when the first
      numbers are there, and never draws. It returns "stopped" if it was, and otherwise why it has finished, or None.
      While `may_break_off` is true, an iteration that goes on long after Stop is interrupted.
    - `draw()`, which shows what there is so far. Only the painter calls it; `refresh` is for all others.
    - `words()`, the numbers in a line of text, and `sentence(phase)`, what goes on.
    - `prepare()`, if something has to be done before each start; the painter calls this too.

    The buttons are Continue, Stop and Start over. A click that comes while the work stops counts when it has stopped.
    If the cell that made the panel is run again, the panel made before stops.
    """

    endless = False  # does the work go on until it is stopped? Then it stops if nobody touches the panel for long

    def __init__(self, png, controls, text=""):
        self.go_button, self.stop_button, self.over_button = three = [widgets.Button() for _ in range(3)]
        for button, pressed in zip(three, (self.start, self.ask_to_stop, self.start_over)):
            button.layout.width = "auto"
            button.on_click(lambda _, pressed=pressed: self.touch() or pressed())
        for control in controls:
            if control.has_trait("value"):
                control.observe(lambda change: self.touch(), "value")
        self.thread, self.error, self.redraw = None, None, Redraw()
        self.clocks = [(self.redraw, self.refresh)]
        self.stopping, self.asked, self.may_break_off = threading.Event(), 0.0, False
        self.begun, self.again, self.afresh, self.handled = False, False, False, False
        self.ending = self.why = self.announced = ""  # how the work ended; who stopped it; the phase on the panel
        self.touched = time.monotonic()
        self.banner = widgets.HTML()
        self.banner.add_class("rlkit-banner")
        self.buttons = widgets.HBox([self.stop_button, self.go_button, self.over_button])
        self.buttons.add_class("rlkit-buttons")
        super().__init__(png, [self.buttons, *controls], text)
        self.image.alt = axes_in_words(self.figure) if self.figure else ""
        self.picture_box.children = [self.banner, *self.picture_box.children]
        self.cell, self.execution = executing()
        for panel in list(at_work):
            if self.cell and panel.cell == self.cell and panel.execution != self.execution:
                panel.ask_to_stop(say("Its cell was run again."))
        self.announce()

    # The work ---------------------------------------------------------------------------------------------------------

    def start(self):
        """Start the work, or continue it. While it goes on, this does nothing; while it stops, it will go on then."""
        self.begin()

    def start_over(self):
        """Begin from the beginning; work that goes on is stopped first."""
        self.begin(afresh=True)

    @painted
    def begin(self, afresh=False):
        """Launch the work, or do so as soon as it has stopped."""
        if not self.look():
            self.afresh = afresh
            self.launch()
            at_work.add(self)
            repeat(self.look)
        elif afresh:
            self.ask_to_stop()
            self.again = self.afresh = True
        else:
            self.again = self.again or self.stopping.is_set()
        self.announce()

    def launch(self):
        """Let the thread begin."""
        self.stopping.clear()
        self.error, self.begun, self.again, self.why = None, False, False, ""
        self.redraw.next, self.touched = 0.0, time.monotonic()
        try:
            self.prepare()
        except Exception as error:  # a button has no caller to raise it to
            self.error, self.ending = error, "failed"
            self.announce()
            raise
        self.ending = ""
        self.thread = threading.Thread(target=self.in_thread, name=type(self).__name__, daemon=True)
        self.thread.start()

    def prepare(self):
        """What a subclass does before each start."""

    def running(self):
        """Does the work go on?"""
        return self in at_work

    def in_thread(self):
        """The work. An exception is kept in `error`, because a thread has no caller to raise it to."""
        try:
            self.ending = self.work() or "finished"
        except (Exception, KeyboardInterrupt) as error:
            self.error, self.ending = error, "failed"
        except SystemExit:
            self.error = RuntimeError("Something called sys.exit, which an agent and its environment must not do.")
            self.ending = "failed"

    def working(self):
        """Does the thread live? Not `is_alive`: on Python 3.11 an interrupted `join` marks a living thread as dead."""
        return self.thread in threading.enumerate()

    def look(self):
        """Draw if it is time to; notice when the work has ended -> whether it goes on. The painter calls this often."""
        if self not in at_work:
            return False
        if self.working():
            for clock, draw in self.clocks:
                if clock.due():
                    clock.timed(lambda draw=draw: self.attempt(draw))
            if self.phase() != self.announced:
                self.announce()
            if self.endless and time.monotonic() > self.touched + IDLE:
                self.ask_to_stop(
                    count(
                        round(IDLE / 60),
                        "Nobody has touched it for {n} minute.",
                        "Nobody has touched it for {n} minutes.",
                    )
                )
            if self.may_break_off and self.stopping.is_set() and time.monotonic() > self.asked + PATIENCE:
                self.may_break_off = False
                interrupt(self.thread)
            return True
        for _, draw in self.clocks:
            self.attempt(draw)
        if self.again:
            with contextlib.suppress(Exception):  # the panel says what it was
                self.launch()
                self.announce()
                return True
        self.announce()
        at_work.discard(self)
        return False

    def touch(self):
        """The reader has used the panel."""
        self.touched, self.handled = time.monotonic(), True

    def ask_to_stop(self, why=""):
        """Ask the work to stop, without waiting for it. `why` is a sentence, if it was not the reader."""
        if self.again:  # this click takes back the one before
            self.again = self.afresh = False
        if self.running() and not self.stopping.is_set():
            self.asked, self.why = time.monotonic(), why
            self.stopping.set()
        self.announce()

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
            raise KeyboardInterrupt(
                say("The work goes on in the background; press its button Stop, or call its method stop(), to end it.")
            ) from None
        if self.thread:
            self.refresh()
        if self.error:
            raise self.error

    @contextlib.contextmanager
    def on_the_page(self, question=None):
        """Show the panel now, although its cell has not ended, and keep its last picture in the saved page.

        `question` is the one that covers it, if it is to be shown with it.
        """
        page = question or self
        shown = display(page, display_id=True) if get_ipython() else None
        yield
        if shown and not self.handled:  # showing it again would take the slider out of the reader's hand
            shown.update(page)

    def watch(self, seconds, question=None):
        """Show the panel and watch it for some seconds. Then the cell ends; the work goes on.

        `question` is one that covers it: `explore.ask(name, then=panel)`.
        """
        with self.on_the_page(question):
            self.wait(timeout=seconds)

    # What the panel shows ---------------------------------------------------------------------------------------------

    def phase(self):
        """What the panel is doing -> "ready", "starting", "learning", "stopping", "stopped", "finished" or "failed"."""
        if self.working():
            return "stopping" if self.stopping.is_set() else "learning" if self.begun else "starting"
        return self.ending or "ready"

    def put(self, view, moving):
        """Show a figure: while the work goes on only at single resolution, which takes a third of the time."""
        if not self.working():
            view.show(moving)
            view.alt = alt_text(moving.figure)
        else:
            with view.hold_sync():
                view.value, view.sharp = moving.png(), b""
                view.alt = view.alt or axes_in_words(moving.figure)  # its numbers would be out of date at once

    def attempt(self, draw):
        """Draw, or say why that failed: the work goes on all the same."""
        try:
            draw()
        except Exception as error:
            self.say(say("The picture could not be drawn: {error}", error=html.escape(str(error))))

    @painted
    def refresh(self):
        """Show what there is so far."""
        self.draw()
        self.tell()

    @painted
    def tell(self):
        """Show the words without drawing, which answers a slider at once."""
        self.announce()
        self.say(self.words())

    def words(self):
        """The numbers in a line of text -> str, HTML."""
        return ""

    @painted
    def announce(self):
        """Show what the panel is doing, in a word and a sentence, and the buttons that make sense now."""
        phase = self.announced = self.phase()
        self.banner.value = (
            f'<div role="status" class="rlkit-state rlkit-{phase}">'
            f"<b>{SIGNS[phase]} {self.word(phase)}</b> <span>{self.sentence(phase)}</span></div>"
        )
        self.go_button.description = self.next_start()
        self.stop_button.description, self.over_button.description = say("Stop"), say("Start over")
        self.go_button.disabled = phase in ("starting", "learning") or self.again
        self.stop_button.disabled = phase not in ("starting", "learning") and not self.again
        self.over_button.disabled = phase == "ready"

    def word(self, phase):
        """What the panel is doing, in a word that can be read from the back of a room -> str."""
        return {
            "ready": say("Ready"),
            "starting": say("Starting"),
            "learning": say("Learning"),
            "stopping": say("Stopping"),
            "stopped": say("Stopped"),
            "finished": say("Finished"),
            "failed": say("Failed"),
        }[phase]

    def next_start(self):
        """The text of the button that lets the work go on -> str."""
        if self.ending == "failed":
            return say("Try again")
        return say("Train on") if self.ending == "finished" else say("Continue")

    def sentence(self, phase):
        """What the panel is doing, and what the reader can do -> str, HTML."""
        if phase == "stopping" and self.again:
            return (
                say("It stops after this iteration, and then starts over.")
                if self.afresh
                else say("It stops after this iteration, and goes on.")
            )
        if phase == "failed":
            return say("{what} “{button}” starts it again.", what=in_words(self.error), button=self.next_start())
        return {
            "starting": say("It waits for its first iteration."),
            "learning": say("It goes on until you press “Stop”."),
            "stopping": say("It stops after this iteration."),
            "stopped": say("{why} “{button}” goes on from here.", why=self.why, button=self.next_start()),
        }.get(phase, "")


def as_sentence(text):
    """A text as HTML, with a full stop."""
    text = html.escape(text, quote=False)
    return text if text.endswith((".", "!", "?")) else text + "."


def in_words(error):
    """An exception in a sentence: the first line of what it says, because that of a worker has a traceback too."""
    return as_sentence((str(error) or type(error).__name__).splitlines()[0])


def interrupt(thread):
    """Raise KeyboardInterrupt in a thread, as Ctrl-C does in the main thread."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))


class Run(BackgroundPanel):
    """An agent that learns in a thread, under a live curve with a Stop button. The page stays alive meanwhile.

    Run(agent, total_steps, *watchers) starts at once. Another Run that is going on with this agent is stopped first.
    Stop takes effect after the current iteration, and Continue goes on from there. An iteration that does not end is
    interrupted. Watchers are called as in `train`: with (progress, result) after each iteration. A reason that one
    returns stops the run. `result` is the Result so far; `wait` is for a cell that needs all of it.

    After `total_steps` the button trains on for as many again. "Start over" makes a new `agent` with the same settings.
    With `total_steps=math.inf` the run goes on until it is stopped: by the reader, by a run without an end in another
    cell, or after IDLE seconds in which nobody has touched the panel.

    `before=(steps, means)` shows another run in grey from the start, for a page on which this one has hardly begun.
    """

    scene = None  # the View of the environment

    def __init__(self, agent, total_steps, *watchers, controls=(), before=None):
        check_agent(agent, "learn", "step")
        check_positive(total_steps=total_steps)
        check_watchers(watchers)
        self.agent, self.total_steps, self.watchers = agent, total_steps, watchers
        self.stretch, self.endless = total_steps, total_steps == math.inf
        self.result, self.heard = Result(agent=agent), set()
        self.curve, self.stored = CurvePicture(total_steps, before=before), before is not None
        self.figure = self.curve.figure
        super().__init__(self.curve.png(self.result), controls, describe(self.result))
        self.scene = View(photo=hasattr(agent, "envs") and agent.envs.name.startswith("ALE/"))
        if hasattr(agent, "envs") and self.show_scene():
            caption = count(agent.envs.num_envs, "The environment, as it is now", "Environment 0 of {n}, as it is now")
            self.scene.alt = caption
            below = widgets.HTML(caption)
            below.add_class("rlkit-caption")
            moving = widgets.VBox([self.scene, below])
            moving.add_class("rlkit-scene")
            self.control_box.children = [*self.control_box.children, moving]
            for clock in (self.redraw, film := Redraw(shortest=0.1)):
                clock.share = 0.05  # together a tenth of the time
            self.clocks.append((film, self.show_scene))
        self.start()

    def start(self):
        self.make_room()
        super().start()

    def make_room(self):
        """Stop the other run with this agent. A run without an end also stops those that other cells have started."""
        for panel in list(at_work):
            if panel is self:
                continue
            if getattr(panel, "agent", None) is self.agent:
                with contextlib.suppress(Exception):  # what ended the other run is shown on its own panel
                    panel.stop()
            elif self.endless and panel.endless and self.cell and panel.cell and panel.cell != self.cell:
                panel.ask_to_stop(say("A run in another cell has begun."))

    def prepare(self):
        if self.ending == "finished" and self.result.step >= self.total_steps:
            self.total_steps += self.stretch  # as many again
        self.heard.add(self.result.stopped)
        self.result.stopped = ""

    def work(self):
        """Keep learning from where the agent is, until `total_steps`, a watcher or the Stop button ends it."""
        if self.afresh:
            self.afresh = False
            self.begin_again()
        ending = "finished"
        try:
            self.may_break_off = True
            for progress in watch(self.agent, self.total_steps, self.result):
                self.begun = True
                reason = reason_to_stop(self.watchers, progress, self.result)
                if self.stopping.is_set():
                    self.result.stopped = ending = "stopped"
                    break
                if reason and reason not in self.heard:  # one that the reader has overruled counts no more
                    self.result.stopped = reason
                    break
        except KeyboardInterrupt:
            self.result.stopped, ending = f"stopped in an iteration that took more than {PATIENCE} s", "stopped"
        except Exception as error:
            self.result.stopped = f"failed: {error}"
            raise
        finally:
            self.may_break_off = False  # the watchers may save the agent now
            finish(self.watchers, self.result)
        return ending

    def begin_again(self):
        """A new agent with the settings of the old one, as its fields say them now. The old curve stays in grey."""
        self.agent = dataclasses.replace(self.agent)
        self.result, self.total_steps, self.heard, self.stored = Result(agent=self.agent), self.stretch, set(), False
        self.curve.begin_again()

    def draw(self):
        """Show the curve of the result so far."""
        self.curve.draw(self.result)
        self.put(self.image, self.curve.moving)

    def show_scene(self):
        """Show environment 0 as it is now -> whether it can be drawn."""
        png = scene_png(self.agent)
        if png is not None:
            self.scene.value = png
        return png is not None

    def words(self):
        """The line of text under the curve -> str."""
        text = describe(self.result)
        if self.curve.every > 1:
            text = say("{text}; 1 episode of {every} is drawn", text=text, every=self.curve.every)
        if self.stored:
            text = say("{text}; grey and dashed: a stored run", text=text)
        elif len(self.curve.before.get_xdata()):
            text = say("{text}; grey and dashed: the run before", text=text)
        return as_sentence(text)

    def sentence(self, phase):
        """What the run is doing, and what the reader can do -> str, HTML."""
        step, button = count(self.agent.step, "step {n}", "step {n:,}"), self.next_start()
        if phase == "starting":
            return self.awaited()
        if phase == "learning" and not self.endless:
            return say("It goes on until step {end:,}, or until you press “Stop”.", end=self.total_steps)
        if phase == "stopped":
            why = self.why
            if self.result.stopped != "stopped":
                why = say("An iteration took more than {n} s.", n=PATIENCE)
            return say("{why} “{button}” goes on from {step}.", why=why, button=button, step=step)
        if phase == "finished":
            if self.result.stopped:
                reason = as_sentence(self.result.stopped[0].upper() + self.result.stopped[1:])
                return say("{reason} “{button}” goes on all the same.", reason=reason, button=button)
            return say("It has taken its {end:,} steps. “{button}” takes {more:,} more.",
                       end=self.total_steps, button=button, more=self.stretch)  # fmt: skip
        if phase == "failed":
            return say("{what} “{button}” goes on from {step}, “Start over” makes a new agent.",
                       what=in_words(self.error), button=button, step=step)  # fmt: skip
        return super().sentence(phase)

    def awaited(self):
        """What the first iteration waits for -> str."""
        if hasattr(self.agent, "startup"):
            ready, total = int((self.agent.startup > 0).sum()), self.agent.num_workers
            return count(total, "It starts {n} worker.", "It starts {n} workers: {ready} are ready.", ready=ready)
        return say("It waits for its first iteration.")

    def shows_the_environment_alone(self):
        """Has no episode ended yet, so that there is no curve?"""
        return bool(self.scene and self.scene.value and not self.result.returns and not self.stored)

    def still(self):
        """The picture for a page without a kernel: the curve, or the environment until an episode has ended."""
        return bytes(self.scene.value) if self.shows_the_environment_alone() else super().still()

    @painted
    def alt(self):
        """The curve in words, as it was last drawn -> str. The run may have continued since."""
        seen = self.scene.alt if self.shows_the_environment_alone() else alt_text(self.figure)
        return f"{as_sentence(self.curve.said)} {seen}"

    def stop(self):
        """Stop after the current iteration and wait for it, usually less than a second and for some seconds at most."""
        super().stop()

    def wait(self, timeout=None):
        """Wait until the run has ended, or `timeout` seconds -> its Result so far. Raises what the training raised.

        An interrupt ends the waiting; the run goes on.
        """
        super().wait(timeout)
        return self.result
