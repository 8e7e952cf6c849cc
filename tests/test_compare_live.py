"""Two settings side by side: fair turns, Stop, failures, processes that are left, and what the panel says."""

import dataclasses
import math
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

import gymnasium
import numpy as np
import psutil
import pytest
from conftest import PATIENCE, one_line, small, tiny
from layout import faults

import rlkit
from rlkit import A2C, A3C, DQN, PPO, REINFORCE, TRPO, preset
from rlkit.experiments import compared, side_by_side
from rlkit.experiments.compared import recall
from rlkit.experiments.side_by_side import Report, SideBySide, maker, one_run
from rlkit.language import pseudo_translation
from rlkit.plotting.alt_text import plain
from rlkit.plotting.compare_live import CompareLive, compare_live, differences, in_figure, verdict
from rlkit.plotting.painter import paint
from rlkit.running import cores, importable
from rlkit.running.importable import bytes_for_a_worker


class Faulty(gymnasium.Env):
    """It fails in its 30th step."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.zeros(1, np.float32), 1.0 / (self.time - 30), False, False, {}


def wait_for(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def pair(**changes):
    """Two settings that need no time to speak of."""
    return {"slow": small(A2C, learning_rate=1e-4, **changes), "fast": small(A2C, learning_rate=1e-2, **changes)}


def known(comparison, scores):
    """Fill in the runs of a comparison as if they had been made. scores: one list for each setting."""
    for name, row in zip(comparison.names, scores):
        for seed, score in enumerate(row):
            steps = np.linspace(0, comparison.total_steps, 60).astype(int)
            comparison.runs[name][seed] = Report(name, seed, steps, np.linspace(0, score or 1, 60), score)
    return comparison


def workers(parent=None):
    """The worker processes of this process, or of another one. (multiprocessing's tracker of semaphores stays.)"""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            found += [process] * ("spawn_main" in " ".join(process.cmdline()))
    return found


# How many processes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file, content, allowed",
    [
        ("docker/cpu.max", "150000 100000", 1.5),
        ("cpu.max", "max 100000", math.inf),
        ("cpu/cpu.cfs_quota_us", "50000", 0.5),
        ("cpu/cpu.cfs_quota_us", "-1", math.inf),
    ],
)
def test_the_cores_of_a_container_are_known(tmp_path, file, content, allowed):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    (tmp_path / "cpu").mkdir(exist_ok=True)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    (tmp_path / "own").write_text("0::/docker/pod\n")
    assert cores.container_cores(tmp_path, tmp_path / "own") == allowed


def test_there_are_as_many_processes_as_cores_container_and_memory_allow(monkeypatch):
    def allowed(most=20, own=8, container=math.inf, memory=64 * 2**30):
        monkeypatch.setattr(cores, "available_cores", lambda: own)
        monkeypatch.setattr(cores, "container_cores", lambda: container)
        monkeypatch.setattr(cores, "available_memory", lambda: memory)
        return cores.processes(most)

    assert allowed() == allowed(memory=None) == 8 and allowed(most=6) == 6 and allowed(container=2.5) == 2
    assert allowed(memory=2**30) == 3
    assert allowed(container=0.5) == allowed(memory=2**20) == 1  # as on a small Binder


# Which settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DQN, REINFORCE, A2C, TRPO, PPO])
def test_every_algorithm_can_be_compared_on_workers(kind):
    agent = tiny() if kind is DQN else small(kind)
    make = maker(agent)
    assert dataclasses.replace(agent, seed=7) == make(7) and bytes_for_a_worker(make)
    *_, last = one_run("it", make, 0, 200)
    assert last.steps[-1] == 200 and len(last.returns) == 60 and 8 < last.score <= 500


def test_an_agent_with_workers_of_its_own_is_trained_in_this_process():
    comparison = SideBySide({"one": A3C(num_workers=1), "two": A3C(num_workers=2)}, 1, 100)
    assert comparison.here == "A3C starts worker processes of its own."


def test_what_was_defined_in_a_notebook_is_trained_in_this_process(monkeypatch):
    @dataclasses.dataclass
    class Mine(A2C):
        def learn(self, total_steps):
            yield from super().learn(total_steps)

    settings = {"mine": Mine(num_envs=2, hidden=(4,)), "theirs": small(A2C)}
    panel = compare_live(settings, seeds=1, total_steps=300)
    assert "one after the other, in the process of this notebook" in panel.banner.value
    assert "A worker cannot be given Mine, because it was defined here." in panel.banner.value
    panel.start()
    panel.wait(PATIENCE)
    assert panel.comparison.both() == [0] and panel.ending == "finished" and not workers()
    panel = compare_live({"a": lambda seed: small(A2C, seed=seed), "b": small(A2C)}, seeds=1)
    assert "A worker cannot be given a lambda" in panel.banner.value
    monkeypatch.setattr(importable, "in_a_shell", lambda: True)
    gymnasium.register("Mine-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=50)
    try:
        assert "A worker does not know Mine-v0" in SideBySide(pair(env="Mine-v0"), 1, 100).here
    finally:
        del gymnasium.registry["Mine-v0"]


def test_a_function_may_make_the_agents():
    make = partial(again_with, learning_rate=1e-2)
    comparison = SideBySide({"by function": make, "agent": small(A2C)}, 2, 100)
    assert comparison.here == "" and comparison.makers["by function"](3).seed == 3
    assert recall(comparison) == ""


def again_with(seed, learning_rate):
    return small(A2C, seed=seed, learning_rate=learning_rate)


class NoSeed:
    learn = act = envs = None


@dataclasses.dataclass
class OtherEnvs:
    seed: int = 0
    learn = act = envs = None


ALWAYS_THIS = small(A2C)


@pytest.mark.parametrize(
    "settings, changes, words",
    [
        ([A2C()], {}, "is no dict"),
        ({}, {}, "has 0 of them"),
        ({"one": A2C()}, {}, "has 1 of them"),
        (dict.fromkeys("abcde", A2C()), {}, "has 5 of them"),
        ({1: A2C(), "1": A2C()}, {}, "are called '1'"),
        ({" ": A2C(), "other": A2C()}, {}, "The name '' of a setting cannot be shown"),
        ({"\ud800": A2C(), "other": A2C()}, {}, "cannot be shown"),
        ({"class": A2C, "other": A2C()}, {}, "A2C is a class"),
        ({"word": "dqn-cartpole", "other": A2C()}, {}, "str is not an agent"),
        ({"mine": NoSeed(), "other": A2C()}, {}, "has no field `seed`"),
        ({"mine": OtherEnvs(), "other": A2C()}, {}, "The envs of 'mine' are None"),
        ({"mine": lambda: small(A2C), "other": A2C()}, {}, "must take a seed"),
        ({"mine": lambda seed: small(A2C), "other": A2C()}, {}, "the same agent for the seeds 0 and 1"),
        ({"mine": lambda seed: ALWAYS_THIS, "other": A2C()}, {}, "the same agent for the seeds 0 and 1"),
        (pair(), dict(seeds=0), "seeds=0 must be"),
        (pair(), dict(seeds=2.5), "seeds=2.5 must be"),
        (pair(), dict(seeds=10**6), "seeds=1000000 is too many"),
        (pair(), dict(total_steps=-1), "total_steps=-1 must be"),
        (pair(), dict(total_steps=0.5), "total_steps=0.5 must be"),
        (pair(), dict(total_steps=math.inf), "total_steps=inf must be"),
        (pair(), dict(total_steps=10**30), "total_steps=1000000000000000000000000000000 must be"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_time_is_spent(settings, changes, words):
    with pytest.raises(ValueError, match=words) as error:
        compare_live(settings, **changes)
    one_line(error)


def test_a_whole_number_of_steps_may_be_written_as_1e3():
    assert SideBySide(pair(), 1, 1e3).total_steps == 1_000


def test_a_large_replay_memory_leaves_room_for_fewer_workers(monkeypatch):
    monkeypatch.setattr(cores, "available_cores", lambda: 8)
    monkeypatch.setattr(cores, "container_cores", lambda: math.inf)
    monkeypatch.setattr(cores, "available_memory", lambda: 2**30)
    assert SideBySide({"a": tiny(), "b": tiny(double=True)}, 10, 100).processes == 3
    large = tiny(replay_size=10**7)  # 310 MB
    assert SideBySide({"a": large, "b": tiny(double=True)}, 10, 100).processes == 1


# Runs -----------------------------------------------------------------------------------------------------------------


def test_workers_make_the_same_runs_as_one_process_and_take_turns(monkeypatch):
    monkeypatch.setattr(side_by_side, "processes", lambda most, memory: 2)
    panel = rlkit.compare_live(pair(), seeds=3, total_steps=2_000)
    assert panel.phase() == "ready" and "trains 6 agents" in panel.banner.value and not workers()
    panel.start()
    seen = set()
    while panel.running():
        seen.add(len(workers()))
        assert all(abs(len(panel.comparison.finished(a)) - len(panel.comparison.finished("slow"))) < 3 for a in pair())
        time.sleep(0.005)
    panel.wait()
    assert max(seen) == 2 and not workers()
    assert panel.comparison.whole() and panel.phase() == "finished"
    for name, agent in pair().items():
        *_, alone = one_run(name, maker(agent), 1, 2_000)
        together = panel.comparison.runs[name][1]
        assert alone.score == together.score
        np.testing.assert_array_equal(alone.returns, together.returns)
    assert panel.go_button.disabled and not panel.over_button.disabled


def test_stop_ends_the_workers_and_continue_makes_the_missing_runs(monkeypatch):
    monkeypatch.setattr(side_by_side, "processes", lambda most, memory: 2)
    panel = compare_live(pair(), seeds=2, total_steps=6_000)
    panel.start()
    wait_for(lambda: panel.comparison.both())
    panel.stop_button.click()
    assert panel.phase() in ("stopping", "stopped", "finished")
    wait_for(lambda: not panel.running())
    assert not workers()
    finished = {name: dict(panel.comparison.runs[name]) for name in panel.comparison.names}
    panel.start()
    panel.wait(PATIENCE)
    assert panel.comparison.whole()
    assert panel.comparison.runs["slow"][0] is finished["slow"][0]  # it was not made again
    panel.start_over()
    wait_for(lambda: panel.begun)
    assert not panel.comparison.whole()
    panel.ask_to_stop()
    wait_for(lambda: not panel.running())
    assert panel.phase() == "stopped" and "Continue" in panel.banner.value


def test_a_run_that_fails_is_named_on_the_panel():
    panel = compare_live({"good": small(A2C), "bad": small(A2C, env=Faulty)}, seeds=1, total_steps=2_000)
    panel.start()
    with pytest.raises(RuntimeError, match="bad, seed 0: ZeroDivisionError: "):
        panel.wait(PATIENCE)
    assert panel.phase() == "failed" and "bad, seed 0: ZeroDivisionError" in panel.banner.value
    assert not workers() and not panel.go_button.disabled


@dataclasses.dataclass
class Odd(A2C):
    """An agent that raises something in its first iteration. A function makes it, so no worker does."""

    raises: type[BaseException] = RuntimeError

    def learn(self, total_steps):
        raise self.raises
        yield


@pytest.mark.parametrize(
    "raises, words",
    [(SystemExit, "Something called sys.exit, which"), (RuntimeError, "odd, seed 0: RuntimeError. ")],
)
def test_an_exit_or_an_error_without_a_text_is_a_failure_with_a_sentence(raises, words):
    settings = {"odd": lambda seed: Odd(num_envs=2, hidden=(4,), seed=seed, raises=raises), "other": small(A2C)}
    panel = compare_live(settings, seeds=1, total_steps=100)
    panel.start()
    wait_for(lambda: not panel.running())
    assert panel.phase() == "failed" and words in panel.banner.value


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_worker_that_is_killed_is_named_and_try_again_makes_the_missing_runs(monkeypatch):
    monkeypatch.setattr(side_by_side, "processes", lambda most, memory: 2)
    panel = compare_live(pair(), seeds=2, total_steps=6_000)
    panel.start()
    wait_for(workers)
    workers()[0].kill()
    wait_for(lambda: not panel.running())
    assert panel.phase() == "failed" and not workers()
    assert re.search(r"Worker [01] was killed, probably because memory ran out \(exit code", panel.banner.value)
    assert "“Try again” starts it again." in panel.banner.value
    panel.start()
    panel.wait(PATIENCE)
    assert panel.comparison.whole() and not workers()


KILLED = """
import time
from rlkit import compare_live, preset

if __name__ == "__main__":
    panel = compare_live({"a": preset("a2c-cartpole"), "b": preset("ppo-cartpole")}, total_steps=10**7)
    panel.start()
    while not panel.begun:
        time.sleep(0.05)
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_no_worker_outlives_a_kernel_that_is_killed(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(rlkit.__file__))}
    kernel = subprocess.Popen([sys.executable, tmp_path / "killed.py"], stdout=subprocess.PIPE, env=environment)
    assert kernel.stdout.readline() == b"begun\n"
    left = workers(kernel.pid)
    assert left
    kernel.kill()
    kernel.wait()
    assert psutil.wait_procs(left, timeout=PATIENCE)[1] == []


def test_a_run_in_which_no_episode_ends_says_so():
    with pytest.raises(RuntimeError, match="it, seed 0: ValueError: total_steps=20 is too few: no episode"):
        [*one_run("it", maker(small(A2C, num_envs=1, env="Acrobot-v1")), 0, 20)]


def test_a_cell_that_is_run_again_stops_the_comparison_it_began(monkeypatch):
    monkeypatch.setattr("rlkit.plotting.live.executing", lambda: ("a cell", 1))
    panel = compare_live(pair(), seeds=2, total_steps=10**7)
    panel.start()
    monkeypatch.setattr("rlkit.plotting.live.executing", lambda: ("a cell", 2))
    compare_live(pair(), seeds=2, total_steps=10**7)
    wait_for(lambda: not panel.running())
    assert "Its cell was run again." in panel.banner.value and not workers()


# What is shown --------------------------------------------------------------------------------------------------------


def drawn(panel):
    """The panel's figure as PNG bytes. The painter may be drawing it, too, at double resolution."""
    return paint(panel.picture.moving.png)


def covered(panel):
    """What covers what. The figure is laid out first, because it may have been drawn at double resolution last."""
    return paint(lambda: panel.figure.draw_without_rendering() or faults(panel.figure))


CLEAR = [[100 + i for i in range(10)], [300 + i for i in range(10)]]
UNCLEAR = [[100 + 10 * i for i in range(10)], [95 + 11 * i for i in range(10)]]


def test_a_verdict_says_who_is_ahead_and_by_how_much():
    assert verdict(["A", "B"], 210.4, 90.2, 300.1) == "B is ahead by 210 (95 % interval 90 to 300)."
    assert verdict(["A", "B"], -0.21, -0.3, -0.09) == "A is ahead by 0.21 (95 % interval 0.09 to 0.30)."
    assert verdict(["A", "<B>"], 5.0, -3.0, 12.0) == (
        "A and &lt;B&gt; cannot be told apart here (&lt;B&gt; minus A: 5, 95 % interval −3 to 12)."
    )
    assert verdict(["A", "B"], 0.0, 0.0, 0.0).startswith("A and B cannot be told apart here")


def test_only_seeds_that_both_have_finished_count():
    comparison = known(SideBySide(pair(), 10, 1_000), CLEAR)
    assert comparison.whole() and differences(comparison)[1][0] == 200.0
    del comparison.runs["slow"][0]
    comparison.runs["fast"][9] = comparison.runs["fast"][9]._replace(score=None)
    assert comparison.both() == [*range(1, 9)] and not comparison.whole()
    assert len(comparison.scores("slow")) == len(comparison.curves("fast")) == 8
    for seed in range(1, 5):
        del comparison.runs["fast"][seed]
    assert differences(comparison) == []  # four seeds are too few


@pytest.mark.parametrize("scores, says", [(CLEAR, "fast is ahead by 100"), (UNCLEAR, "cannot be told apart here")])
def test_the_panel_shows_and_says_what_is_known(scores, says):
    panel = CompareLive(pair(), 10, 1_000)
    empty = drawn(panel)
    known(panel.comparison, scores)
    panel.refresh()
    full = drawn(panel)
    assert full != empty and plain(panel.status.value).count(says) == 1 + (says[0] == "c")
    assert "interval that counts" not in panel.status.value
    assert panel.alt().startswith("3 panels: slow: return, mean of 20 episodes, over agent steps, thousands; fast")
    assert covered(panel) == []
    known(panel.comparison, [row[:6] + [None] for row in scores])
    for name in panel.comparison.names:
        for seed in range(7, 10):
            del panel.comparison.runs[name][seed]
    panel.refresh()
    assert "These are 6 of 10 seeds; the interval that counts is the last one." in panel.status.value
    assert drawn(panel) != full and covered(panel) == []


def test_a_panel_that_has_not_run_says_what_it_will_draw():
    panel = compare_live(pair(), seeds=10)
    assert [text.get_visible() for text in panel.picture.promises] == [True] * 3 and covered(panel) == []
    assert "From 5 seeds on" in panel.status.value and panel.go_button.description == "Run it"
    assert panel.over_button.disabled and panel.stop_button.disabled and not panel.go_button.disabled


@pytest.mark.parametrize(
    "name, title",
    [
        ("深度", "□□"),
        ("100 $", r"100 \$"),
        (r"$\frac$", r"\$\frac\$"),
        (r"$\gamma = 0.9$", r"$\gamma = 0.9$"),
        ("x" * 300, "x" * 33 + "…"),
        ("<b>{name}\\", "<b>{name}\\"),
    ],
)
def test_a_name_is_made_fit_for_the_figure(name, title):
    assert in_figure(name) == title


@pytest.mark.filterwarnings("error")
def test_strange_names_are_shown():
    panel = CompareLive({r"深度 $\frac$": small(A2C), "two\nlines " + "x" * 300: small(PPO)}, 5, 1_000)
    known(panel.comparison, [row[:5] for row in UNCLEAR])
    panel.refresh()
    assert drawn(panel) and covered(panel) == [] and "cannot be told apart" in panel.status.value


def test_names_that_are_too_long_for_the_third_panel_are_told_by_their_sides():
    panel = CompareLive({"Double DQN, two steps": small(A2C), "Double DQN, five steps": small(PPO)}, 1, 1_000)
    assert panel.figure.axes[2].get_ylabel() == "the right one minus the left one"


def test_fewer_than_five_seeds_are_promised_no_verdict():
    panel = CompareLive(pair(), 4, 1_000)
    promised = "With fewer than 5 seeds nothing is said about which of the two is ahead; seeds=5 or more would do."
    assert promised in panel.status.value and covered(panel) == []
    assert panel.picture.promises[2].get_text().startswith("With 5 seeds or\nmore")
    known(panel.comparison, [row[:4] for row in CLEAR])
    panel.refresh()
    assert promised in panel.status.value and covered(panel) == []


def test_two_games_are_named():
    settings = {"one": small(A2C), "other": small(A2C, env="Acrobot-v1")}
    said = "The two play different games, CartPole-v1 and Acrobot-v1"
    panel = CompareLive(settings, 5, 1_000)
    assert said in panel.status.value and "different games" not in CompareLive(pair(), 5, 1_000).status.value
    known(panel.comparison, [row[:5] for row in CLEAR])
    panel.refresh()
    assert said in panel.status.value


def test_returns_below_zero_and_runs_whose_first_episode_goes_on_are_drawn():
    panel = CompareLive(pair(), 5, 1_000)
    known(panel.comparison, [[-1200, -1100, -900, -1000, -1300], [-200, -300, -150, -180, -220]])
    nothing = panel.comparison.runs["slow"][3]
    panel.comparison.runs["slow"][3] = nothing._replace(returns=np.full(60, np.nan), score=None)
    panel.refresh()
    assert not panel.comparison.whole() and "From 5 seeds on" in panel.status.value
    panel.comparison.runs["slow"][3] = nothing
    panel.refresh()
    low, high = panel.picture.range
    assert low < -1300 and high > -150 and "fast is ahead by" in panel.status.value


def test_every_word_of_the_panel_can_be_translated():
    with pseudo_translation():
        panel = compare_live(pair(), seeds=10)
        assert panel.status.value.count("⟦") == 1 and panel.go_button.description.startswith("⟦")
        known(panel.comparison, UNCLEAR)
        panel.refresh()
    assert panel.status.value.count("⟦") == panel.status.value.count("⟧") == 4


# Stored runs ----------------------------------------------------------------------------------------------------------


def test_stored_runs_are_shown_until_a_setting_is_edited():
    settings = {"C = 16": preset("dqn-cartpole-plain", target_period=16), "C = 4": preset("dqn-cartpole-plain")}
    panel = compare_live(settings)
    assert panel.comparison.whole() and panel.date and panel.phase() == "ready"
    assert "C = 4 is ahead by" in panel.status.value and "These runs are stored" in panel.banner.value
    assert compare_live(settings, seeds=5).comparison.both() == [*range(5)]
    for edited in (
        compare_live(settings, total_steps=30_000),
        compare_live(settings, seeds=11),
        compare_live(settings | {"C = 4": preset("dqn-cartpole-plain", learning_rate=1e-3)}),
    ):
        assert edited.date == "" and not edited.comparison.both()
    panel.prepare()  # as “Run it” does
    assert not panel.comparison.reports("C = 4") and panel.date == ""


def test_a_stored_run_is_the_one_that_the_panel_would_make():
    made = compared.whole_run(3, "PPO, clip", 2_000)
    *_, last = one_run("it", maker(preset("ppo-cartpole")), 3, 2_000)
    assert made["score"] == pytest.approx(last.score, abs=0.05)
    np.testing.assert_allclose(made["returns"], last.returns, atol=0.051)
