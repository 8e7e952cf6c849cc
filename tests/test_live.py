"""Runs in the background: interrupts, second runs and second clicks, iterations that do not end; and the painter."""

import io
import signal
import subprocess
import sys
import threading
import time

import gymnasium
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from rlkit import A2C, REINFORCE, explore
from rlkit.plotting import live, painter, picture
from rlkit.plotting.curve import Curve
from rlkit.plotting.figures import Moving
from rlkit.plotting.live import Run
from rlkit.running.result import Result


class Endless(gymnasium.Env):
    """Its episodes do not end."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 1.0, False, False, {}


def small(**settings):
    return A2C(num_envs=1, hidden=(4,), **settings)


def calm(progress, result):
    """A watcher that leaves the processor to others."""
    time.sleep(0.01)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def learning(run):
    """Wait until the run learns: the agent's step grows."""
    step = run.agent.step
    wait_for(lambda: run.agent.step > step)


# Interrupts and second runs -------------------------------------------------------------------------------------------


INTERRUPTED = """
import _thread, threading
from rlkit import A2C
from rlkit.plotting.live import Run

run = Run(A2C(num_envs=1, hidden=(4,)), 10**9)
thread = run.thread
for _ in range(3):
    threading.Timer(0.3, _thread.interrupt_main).start()
    try:
        run.wait()
    except KeyboardInterrupt as error:
        print(error)
    assert run.running() and run.go_button.disabled
    run.start()  # Continue, although it goes on
    assert run.thread is thread
step = run.agent.step
assert run.wait(2).step > step
run.stop()
assert not run.running() and run.result.stopped == "stopped" and run.agent.step == run.result.step
run.start()
run.stop()
"""


def test_an_interrupt_ends_the_waiting_and_not_the_run():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    goes_on = "The work goes on in the background; press its button Stop, or call its method stop(), to end it."
    assert done.stdout.splitlines() == 3 * [goes_on]


def test_a_second_run_on_an_agent_stops_the_first_and_continues_from_there():
    agent = small()
    first = Run(agent, 10**9, calm)
    learning(first)
    second = Run(agent, 10**9, calm)
    learning(second)
    assert not first.running() and first.result.stopped == "stopped" and second.running()
    assert second.result.step > first.result.step
    first.start()  # its Continue, the other way round
    learning(first)
    assert not second.running() and second.result.stopped == "stopped" and second.error is None
    first.stop()


def test_runs_on_two_agents_go_on_side_by_side():
    runs = [Run(small(), 10**9, calm), Run(small(), 10**9, calm)]
    for run in runs:
        learning(run)
    assert all(run.running() for run in runs)
    for run in runs:
        run.stop()


def test_a_cell_that_is_run_again_stops_the_panels_that_it_made_before(monkeypatch):
    def made_in(cell, execution):
        monkeypatch.setattr(live, "executing", lambda: (cell, execution))
        return Run(small(), 10**9, calm)

    pair = [made_in("a", 1), made_in("a", 1)]  # two in one cell are meant to run together
    other, nowhere = made_in("b", 2), made_in(None, None)
    for run in (*pair, other, nowhere):
        learning(run)
    again = made_in("a", 3)
    wait_for(lambda: not any(run.running() for run in pair))
    assert all(run.running() for run in (other, nowhere, again))
    for run in (other, nowhere, again):
        run.stop()


def test_an_agent_that_learns_elsewhere_is_refused_on_the_panel():
    agent = small()
    learner = agent.learn(10**9)
    next(learner)
    run = Run(agent, 10**9, calm)
    with pytest.raises(ValueError, match="A2C on CartPole-v1 is already learning in another thread"):
        run.wait()
    assert "already learning" in run.banner.value and not run.go_button.disabled
    learner.close()
    run.start()
    learning(run)
    run.stop()


def test_many_clicks_at_once_start_one_thread_and_stop_it():
    run = Run(small(), 10**9, calm)
    run.stop()
    started = threading.active_count()
    for click, after in ((run.go_button.click, started + 1), (run.stop_button.click, started)):
        clicks = [threading.Thread(target=click) for _ in range(6)]
        [thread.start() for thread in clicks]
        [thread.join() for thread in clicks]
        wait_for(lambda after=after: threading.active_count() == after)
    wait_for(lambda: not run.running())
    assert run.error is None and run.result.stopped == "stopped"


# Stop -----------------------------------------------------------------------------------------------------------------


def test_stop_breaks_off_an_episode_that_does_not_end(monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.3)
    told = []

    class Watcher:
        def __call__(self, progress, result):
            told.append("called")

        def finish(self, result):
            time.sleep(0.5)  # saving takes longer than the patience, and must not be broken off
            told.append(result.stopped)

    run = Run(REINFORCE(env=Endless), 10**9, Watcher())
    wait_for(lambda: run.agent.envs.steps > 100)
    run.stop()
    assert not run.running() and run.error is None and "An iteration took more than 0.3 s." in run.banner.value
    assert told == [run.result.stopped]
    assert run.agent.learning.torn  # so that the next `learn` begins new episodes


def test_stop_returns_although_the_work_cannot_be_broken_off(monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    hold = threading.Event()
    run = Run(small(), 10**9, lambda progress, result: hold.wait(60) and None)  # one call, which no interrupt reaches
    wait_for(lambda: run.agent.step)
    run.stop()
    assert run.running() and run.phase() == "stopping" and "It stops after this iteration" in run.banner.value
    hold.set()
    wait_for(lambda: not run.running())
    assert "Stopped" in run.banner.value and not run.go_button.disabled


def test_continue_says_at_once_that_the_run_goes_on():
    run = Run(small(), 10**9, calm)
    run.stop()
    assert "Stopped" in run.banner.value
    run.start()
    run.redraw.next = np.inf  # the last drawing took long, so that the next one is not due
    assert "Stopped" not in run.banner.value
    wait_for(lambda: "Learning" in run.banner.value)
    run.stop()


# Drawing --------------------------------------------------------------------------------------------------------------


def test_sliders_in_many_threads_and_a_live_run_lose_no_curve():
    run = explore.clip_live(num_envs=2, num_steps=16, minibatch_size=16)
    wait_for(lambda: len(run.rows) > 20)
    run.redraw.shortest = 0.0  # the run redraws itself all the time

    def move(offset):
        for value in range(6):
            run.clip.value = 0.02 * (1 + value + offset)

    movers = [threading.Thread(target=move, args=(offset,)) for offset in (0, 10)]
    [mover.start() for mover in movers]
    move(20)
    [mover.join() for mover in movers]
    run.stop()
    drawn = run.second_image.value
    fresh = Moving(run.second.figure).png()
    assert drawn == fresh and all(coloured(drawn, line.get_color()) > 20 for line in run.lines)


def coloured(png, colour):
    """How many pixels of a picture have a colour."""
    pixels = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB")).astype(int)
    return int((np.abs(pixels - 255 * np.array(to_rgb(colour))).sum(-1) < 60).sum())


def test_a_drawing_that_fails_loses_no_artist():
    figure, ax = picture()
    (line,) = ax.plot([0, 1], [0, 1])
    moving = Moving(figure)
    whole = moving.png()
    ax.set_title("$\\frac$", loc="left")  # matplotlib cannot draw this formula
    with pytest.raises(ValueError):
        moving.png()
    ax.set_title("", loc="left")
    assert moving.png() == whole


def test_a_picture_that_cannot_be_drawn_holds_up_no_run():
    run = Run(small(), 10**9, calm)
    run.curve.ax.set_title("$\\frac$", loc="right")
    run.curve.moving.drawn = None
    wait_for(lambda: "could not be drawn" in run.status.value)
    learning(run)
    run.stop_button.click()
    wait_for(lambda: not run.running())
    assert run.result.stopped == "stopped" and not run.go_button.disabled


def test_the_painter_survives_what_it_is_given_and_gives_it_back():
    def fail():
        raise ZeroDivisionError("by 0")

    with pytest.raises(ZeroDivisionError, match="by 0"):
        painter.paint(fail)
    assert painter.paint(lambda: painter.paint(threading.current_thread)) is painter.painter


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer that interrupts")
def test_an_interrupt_never_cuts_a_drawing_in_half(monkeypatch):
    monkeypatch.setattr("rlkit.plotting.curve.display", lambda *args, **options: None)
    curve = Curve(1_000)
    result = Result(steps=list(range(10, 1_000, 10)), returns=[float(i % 7) for i in range(99)], step=1_000)
    still = curve.still(result).png
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    interrupted = 0
    try:
        for i in range(40):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-3 * (1 + i))
                while True:
                    curve.still(result)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert interrupted == 40 and curve.still(result).png == still
