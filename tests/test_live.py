"""Runs in the background: interrupts, second runs and second clicks, iterations that do not end; and the painter."""

import io
import math
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import gymnasium
import numpy as np
import pytest
from conftest import PATIENCE
from matplotlib.colors import to_rgb
from PIL import Image

from rlkit import A2C, REINFORCE, explore, preset
from rlkit.explore import traces
from rlkit.language import pseudo_translation
from rlkit.plotting import live, painter, picture
from rlkit.plotting.alt_text import plain
from rlkit.plotting.curve import Curve, CurvePicture
from rlkit.plotting.figures import Moving
from rlkit.plotting.live import Run
from rlkit.plotting.painter import paint
from rlkit.plotting.scenes import scene_png
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


def wait_for(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def learning(run):
    """Wait until the run learns: the step of its result grows."""
    step = run.agent.step
    wait_for(lambda: run.result.step > step)


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
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], text=True, capture_output=True, timeout=PATIENCE)
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


@pytest.mark.parametrize("steps", [-1, 0, None, math.nan, "many"])
def test_steps_that_are_no_number_above_0_are_refused(steps):
    with pytest.raises(ValueError, match="total_steps=.* must be a number above 0"):
        explore.epsilon(total_steps=steps)


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
    fresh = paint(lambda: Moving(run.second.figure).png())  # the painter may be drawing it at double resolution
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


# What the panel says --------------------------------------------------------------------------------------------------


def state(run):
    """The word and the sentence of a panel, and the texts of the buttons that can be pressed."""
    buttons = (run.stop_button, run.go_button, run.over_button)
    return plain(run.banner.value), [button.description for button in buttons if not button.disabled]


def test_a_panel_says_what_it_is_doing():
    hold, waiting = threading.Event(), threading.Event()

    def watcher(progress, result):
        waiting.set()
        hold.wait(30)
        if progress.step > 30:
            raise ZeroDivisionError("by 0")
        if progress.step > 20:
            return "enough"

    run = Run(small(t_max=5), math.inf, watcher)
    waiting.wait(30)
    wait_for(lambda: state(run)[0].startswith("▶ Learning"))
    assert state(run) == ("▶ Learning It goes on until you press “Stop”.", ["Stop", "Start over"])
    run.stop_button.click()
    assert state(run) == ("… Stopping It stops after this iteration.", ["Continue", "Start over"])
    hold.set()
    run.wait()
    assert state(run) == ("■ Stopped “Continue” goes on from step 5.", ["Continue", "Start over"])
    run.go_button.click()
    run.wait()
    assert state(run) == ("✓ Finished Enough. “Train on” goes on all the same.", ["Train on", "Start over"])
    run.start()
    with pytest.raises(ZeroDivisionError):
        run.wait()
    assert state(run) == (
        "✕ Failed by 0. “Try again” goes on from step 35, “Start over” makes a new agent.",
        ["Try again", "Start over"],
    )


def test_a_run_that_waits_for_its_first_iteration_is_starting(monkeypatch):
    hold, agent = threading.Event(), small()
    monkeypatch.setattr(live, "watch", lambda *args: hold.wait(30) and iter(()))
    run = Run(agent, 10**9)
    assert state(run)[0] == "… Starting It waits for its first iteration."
    hold.set()
    run.wait()


def test_after_its_last_step_a_run_trains_on_for_as_many_again():
    run = Run(small(t_max=10), 20)
    run.wait()
    assert state(run)[0] == "✓ Finished It has taken its 20 steps. “Train on” takes 20 more."
    for end in (40, 60):
        run.go_button.click()
        run.wait()
        assert run.agent.step == run.total_steps == end


def test_a_reason_that_the_reader_has_overruled_counts_no_more():
    run = Run(small(t_max=10), 200, lambda progress, result: "enough" if progress.step >= 50 else None)
    run.wait()
    assert (run.result.stopped, run.agent.step) == ("enough", 50)
    run.start()
    run.wait()
    assert (run.result.stopped, run.agent.step) == ("", 200)


def test_a_run_over_a_stored_curve_says_so_and_shows_the_curve_before_an_episode_has_ended():
    run = Run(small(), 40, before=([1_000, 2_000], [20.0, 30.0]))
    run.wait(timeout=20)
    assert not run.shows_the_environment_alone() and "grey and dashed: a stored run" in run.status.value
    run.start_over()
    run.wait(timeout=20)
    assert "a stored run" not in run.status.value


def test_start_over_makes_a_new_agent_and_keeps_the_old_curve_in_grey():
    run = explore.clip_live(num_envs=2, num_steps=16, minibatch_size=16)
    wait_for(lambda: len(run.result.returns) > 5)
    run.clip.value = 0.4
    old, rows = run.agent, len(run.rows)
    run.over_button.click()  # while it learns
    wait_for(lambda: run.agent is not old and run.begun)
    run.stop()
    assert run.agent.clip_coef == pytest.approx(0.4) and run.agent.seed == old.seed
    assert run.result.agent is run.agent and run.result.step == run.agent.step < old.step + 32 * rows
    assert run.curve.ax.get_xlim() == (0, run.result.step)  # and no wider, however long the old run was
    assert len(run.curve.before.get_xdata()) > 5 and "grey and dashed: the run before" in run.status.value
    assert run.rows[0][0] == 32  # its second picture begins with it


def test_a_click_on_continue_counts_while_the_run_stops():
    hold = threading.Event()
    run = Run(small(), 10**9, lambda progress, result: hold.wait(30) and None)
    wait_for(lambda: run.begun)
    thread = run.thread
    run.stop_button.click()
    run.go_button.click()
    assert state(run) == ("… Stopping It stops after this iteration, and goes on.", ["Stop", "Start over"])
    hold.set()
    wait_for(lambda: run.thread is not thread and run.phase() == "learning")
    learning(run)
    run.stop()


def test_a_click_on_stop_takes_back_a_click_on_start_over():
    hold = threading.Event()
    run = Run(small(), 10**9, lambda progress, result: hold.wait(30) and None)
    wait_for(lambda: run.begun)
    agent = run.agent
    run.over_button.click()
    assert "and then starts over." in state(run)[0]
    run.stop_button.click()
    run.go_button.click()
    assert "and goes on." in state(run)[0]
    hold.set()
    learning(run)
    run.stop()
    assert run.agent is agent


def test_a_run_without_an_end_stops_when_nobody_touches_it(monkeypatch):
    run = explore.clip_live(num_envs=2)
    learning(run)
    monkeypatch.setattr(live, "IDLE", 3_600.0)
    run.touched -= 2_900.0
    run.clip.value = 0.4  # a touch
    run.touched -= 2_900.0  # the minutes that are left are for a busy machine
    learning(run)
    run.touched -= 800.0
    wait_for(lambda: not run.running())
    assert state(run)[0].startswith("■ Stopped Nobody has touched it for 60 minutes. “Continue” goes on from step")


def test_a_run_without_an_end_stops_those_of_other_cells_only(monkeypatch):
    def made_in(cell, steps=math.inf):
        monkeypatch.setattr(live, "executing", lambda: (cell, 1))
        return Run(small(), steps, calm)

    with_end, first, beside = made_in("a", 10**9), made_in("a"), made_in("a")
    for run in (with_end, first, beside):
        learning(run)
    other = made_in("b")
    wait_for(lambda: not first.running() and not beside.running())
    assert with_end.running() and "A run in another cell has begun." in state(first)[0]
    first.go_button.click()
    wait_for(lambda: not other.running())
    for run in (with_end, first):
        run.stop()


def test_a_slider_that_moves_after_a_run_changes_no_number_of_it():
    for run, slider, says in (
        (explore.clip_live(num_envs=2), "clip", "ε = 0.40 from the next “Continue” on."),
        (explore.beta_live(num_envs=2), "price", "β = 0.4 from the next “Continue” on."),
        (explore.epsilon(replay_size=2_000), "slider", "it is 0.40, held by hand, from the next “Continue” on."),
    ):
        wait_for(lambda run=run: run.result.step > 1_000)
        run.stop()
        before = plain(run.status.value)
        run.touched = 0.0
        getattr(run, slider).value = 10**-0.4 if slider == "price" else 0.4
        after = plain(run.status.value)
        assert after.endswith(says.replace("0.4 ", "0.398 ") if slider == "price" else says)
        assert after.startswith(before) or slider == "slider" and "ε was 0." in after
        assert run.touched > 0.0


def test_the_page_shows_a_panel_while_its_cell_runs(monkeypatch):
    shown = []

    class Handle:
        def update(self, page):
            shown.append(("again", page.running(), bytes(page.image.value) != empty))

    def display(page, display_id):
        shown.append(("at once", page.running()))
        return Handle()

    monkeypatch.setattr(live, "display", display)
    monkeypatch.setattr(live, "get_ipython", lambda: "a notebook")
    run = Run(small(), 10**9, calm)
    empty = bytes(run.image.value)
    run.watch(seconds=1)
    assert shown == [("at once", True), ("again", True, True)]  # so that the stored page has a picture
    run.touch()  # the reader has used it, and its slider must not be taken out of their hand
    run.watch(seconds=0.1)
    assert shown[2:] == [("at once", True)]
    run.stop()


# Long runs ------------------------------------------------------------------------------------------------------------


def test_a_long_run_is_drawn_with_few_points_and_says_so():
    curve, result = CurvePicture(math.inf), Result()
    result.steps, result.returns = list(range(1, 100_001)), [float(k % 500) for k in range(100_000)]
    result.step = 100_000
    curve.draw(result)
    assert len(curve.line.get_xdata()) == len(curve.dots.get_xdata()) == 1563  # every 64th
    assert curve.every == 64 and curve.ax.get_xlim()[1] >= 100_000
    run = Run.__new__(Run)  # without its thread
    run.result, run.curve, run.stored = result, curve, False
    assert run.words().endswith("mean of the last 20: 489.5; 1 episode of 64 is drawn.")


def test_the_numbers_of_a_long_run_need_no_more_memory(monkeypatch):
    monkeypatch.setattr(traces, "POINTS", 10)
    run = explore.clip_live(num_envs=2, num_steps=16, minibatch_size=16)
    wait_for(lambda: run.iterations > 100)
    run.stop()
    steps = [row[0] for row in run.rows]
    assert len(steps) <= 20 and set(np.diff(steps)) == {32 * run.every} and run.every >= 8


@pytest.mark.parametrize(
    "agent, watchers, words",
    [
        (A2C, (), "^A2C is a class, not an agent; make one first, as in A2C\\(\\).$"),
        ("ppo-cartpole", (), "^str is not an agent; pass one of rlkit's, such as "),
        (None, (), "^NoneType is not an agent; pass one of rlkit's, such as "),
        (small(), (3,), "^3 is not a watcher: it cannot be called. Pass one such as "),
    ],
)
def test_what_cannot_run_is_refused_before_a_thread_starts(agent, watchers, words):
    before = threading.active_count()
    with pytest.raises(ValueError, match=words):
        Run(agent, 100, *watchers)
    assert threading.active_count() == before


@pytest.mark.parametrize("make", [explore.clip_live, explore.beta_live])
def test_an_iteration_of_resets_alone_does_not_end_a_run(make):
    run = make(num_envs=1, num_steps=1)
    wait_for(lambda: len(run.result.returns) > 2)  # after each episode comes a step that is a reset
    run.stop()
    assert run.result.stopped == "stopped" and 0 < len(run.rows) < run.iterations + len(run.result.returns)


@pytest.mark.parametrize("make, variant", [(explore.clip_live, "adaptive_kl"), (explore.beta_live, "clip")])
def test_a_variant_that_the_slider_does_not_act_on_is_refused(make, variant):
    with pytest.raises(ValueError, match=rf"^variant='{variant}' .*; leave it off, or take explore\.\w+_live\.$"):
        make(variant=variant)


@pytest.mark.filterwarnings("error")
def test_a_band_without_an_upper_end_is_drawn():
    run = explore.beta_live(total_steps=64, num_envs=2, num_steps=16, kl_max=math.inf)
    run.wait()
    (band,) = run.lines[0].axes.patches
    assert np.isfinite(band.get_extents().get_points()).all()


def test_the_environment_moves_beside_the_curve():
    run = explore.epsilon(replay_size=2_000)
    frames = set()
    wait_for(lambda: frames.add(bytes(run.scene.value)) or len(frames) >= 5)
    assert run.scene in run.control_box.children[-1].children and run.scene.alt == "Environment 0 of 8, as it is now"
    run.stop()
    last = bytes(run.scene.value)
    assert last == scene_png(run.agent)
    drawn = [clock.share for clock, _ in run.clocks]
    assert sum(drawn) == pytest.approx(0.1)


def test_an_environment_that_cannot_be_drawn_leaves_its_place_out():
    run = Run(REINFORCE(env=Endless), 10**9, calm)
    assert len(run.control_box.children) == 1 and len(run.clocks) == 1
    with suppress(ValueError):  # a fast machine gives up its endless episode before it hears of the stop
        run.stop()


# The page -------------------------------------------------------------------------------------------------------------


def test_a_click_is_heard_while_a_cell_runs():
    comm = pytest.importorskip("ipykernel.comm.comm")
    run = Run(small(), 10**9, calm)
    parts = (run.stop_button, run.image, run.banner)
    for widget in parts:
        widget.comm = comm.BaseComm()
        widget.comm._reply_subshell_id = None  # the last that it sent was from the cell
    run._repr_mimebundle_()
    assert [widget.comm._reply_subshell_for({}, "the page's") for widget in parts] == 3 * ["the page's"]
    run.stop()


@pytest.mark.parametrize("make", [explore.clip_live, explore.beta_live, explore.epsilon, explore.workers])
def test_all_that_a_live_panel_says_can_be_translated(make):
    with pseudo_translation():
        run = make(num_envs=2) if make is not explore.workers else make()
        if make is not explore.workers:
            wait_for(lambda: run.result.step > 500)
            run.stop()
            run.refresh()
        texts = [plain(run.banner.value.split("<b>")[1]).lstrip("■○ "), run.go_button.description]
        texts += [plain(run.status.value)] if make is not explore.workers else []
        texts += [button.description for button in (run.stop_button, run.over_button)]
    for text in texts:
        while re.search("⟦[^⟦⟧]*⟧", text):
            text = re.sub("⟦[^⟦⟧]*⟧", "", text)
        assert text.strip(" .") == ""


def test_a_page_without_a_kernel_shows_the_environment_until_an_episode_has_ended():
    run = Run(preset("ppo-cartpole", num_envs=1), 1)
    run.wait(timeout=PATIENCE)
    ended = [*run.result.returns]
    run.result.returns.clear()
    still = np.asarray(Image.open(io.BytesIO(run.still())))
    np.testing.assert_array_equal(still, np.asarray(Image.open(io.BytesIO(run.scene.value))))
    assert run.scene.alt in run.alt()
    run.result.returns.extend(ended)
    assert ended and np.asarray(Image.open(io.BytesIO(run.still()))).shape != still.shape
