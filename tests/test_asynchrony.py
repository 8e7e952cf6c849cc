"""The measurements of chapter 4 on small runs, and what the explorers show of them."""

import math

import numpy as np
import pytest

from rlkit import explore, plotting
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.experiments import asynchrony, wall_clock
from rlkit.experiments.asynchrony import REAL_WORKERS, UPDATES, VIRTUAL_WORKERS, first_ready, rates
from rlkit.experiments.curves import Trace
from rlkit.experiments.segment_length import T_MAX
from rlkit.experiments.stored import stored
from rlkit.experiments.virtual import Costs
from rlkit.explore.t_max import errors
from rlkit.explore.worker_model import speed_ups
from rlkit.explore.workers import lanes
from rlkit.functional import n_step_returns
from rlkit.running.laps import Lap
from rlkit.running.result import Episode, Progress


def agent_with_laps():
    """Two workers with laps of one step and one second; the second worker begins half a second later."""
    agent = A3C(num_workers=2, t_max=1, hidden=(4,))
    for k in range(10):
        for rank in range(2):
            start = k + 0.5 * rank
            agent.laps.append((rank, Lap(start, start, start + 0.5, start + 0.9, start + 1, 2 * k, 2 * k + 1)))
    agent.cpu_seconds[:], agent.reported_steps = 5.0, 20
    return agent


def test_rates_are_measured_while_all_workers_are_busy():
    numbers = rates(agent_with_laps())
    assert numbers["steps_per_second"] == pytest.approx(2, abs=0.2)
    assert numbers["steps_per_cpu_second"] == 2.0 and numbers["cpus"] == pytest.approx(1, abs=0.1)


def test_the_first_worker_that_is_ready_starts_the_clock():
    agent = A3C(num_workers=2, hidden=(4,))
    assert first_ready(agent) == math.inf
    agent.startup[1] = 3.0
    assert first_ready(agent) == 3.0


def test_a_trace_knows_when_the_task_is_solved():
    trace = Trace()
    for k in range(19):
        assert not trace.add(k, Progress(k, [Episode(500.0, 500, k)], {}))
    assert trace.add(19, Progress(19, [Episode(500.0, 500, 19)], {}))
    trace.staleness = [0, 1, 1, 500]
    summary = trace.summary(19.0, True)
    assert summary["solved"] == 19.0 and summary["returns"][-1] == 500.0 and summary["total_steps"] == 19
    assert summary["staleness"][:2] == [1, 2] and sum(summary["staleness"]) == 4


def test_a_virtual_run_is_measured():
    run = asynchrony.virtual_run(2, 0, Costs(0.0, 1e-3, 0.0, 0.0)._asdict(), total_steps=2_000)
    assert run["solved"] is None and run["total_steps"] >= 2_000
    assert run["seconds"][-1] == pytest.approx(1.0, rel=0.2)  # 2 000 steps of a millisecond, two at a time
    assert np.average(range(len(run["staleness"])), weights=run["staleness"]) == pytest.approx(1, abs=0.05)


def test_a_run_by_the_clock_ends_in_time_and_counts_its_steps():
    run = wall_clock.timed_run(A2C(hidden=(4,)), seconds=0.5)
    assert run["steps"] > 0 and max(run["seconds"]) <= 30 and len(run["seconds"]) == len(run["returns"])
    assert 0 < run["cpu_seconds"] < 5


def test_every_method_by_the_clock_plays_sixteen_games_at_once(monkeypatch):
    monkeypatch.setattr(wall_clock, "SMALL", wall_clock.SMALL | {"env": "CartPole-v1"})  # emulators take long to start
    agents = {name: make(seed=3) for name, make in wall_clock.METHODS.items()}
    assert {agent.num_envs * getattr(agent, "num_workers", 1) for agent in agents.values()} == {16}
    assert {agent.seed for agent in agents.values()} == {3} and {agent.frame_size for agent in agents.values()} == {42}
    dqns = [agents[name] for name in ("DQN", "Double DQN", "Dueling DQN", "Prioritized DQN")]
    assert [(a.double, a.dueling, a.prioritized) for a in dqns] == [
        (False, False, False), (True, False, False), (True, True, False), (True, False, True),
    ]  # fmt: skip


def test_bias_and_variance_are_those_of_drawn_segments():
    b, rho, sigma, gamma, length = 5.0, 0.8, 1.0, 0.99, 6
    rng, drawn = np.random.default_rng(0), []
    for n in range(1, length + 1):
        rewards = sigma * rng.standard_normal((n, 20_000))
        returns = n_step_returns(rewards, 0 * rewards, np.full(20_000, rho**n * b), gamma)[0]
        drawn.append((returns.mean() ** 2, returns.var()))
    assert errors(length, b, rho, sigma) == pytest.approx(np.mean(drawn, axis=0), rel=0.02)


def test_the_stored_experiments_are_complete():
    runs, _ = stored("virtual_workers")
    assert list(runs["runs"]) == [str(count) for count in VIRTUAL_WORKERS]
    assert list(stored("real_workers")[0]["CartPole"]) == [str(count) for count in REAL_WORKERS]
    assert list(stored("segment_length")[0]) == [str(length) for length in T_MAX]
    assert list(stored("updates")[0]) == list(UPDATES)
    assert list(stored("wall_clock")[0]) == list(wall_clock.METHODS)
    assert list(stored("memory")[0]) == ["feed-forward", "LSTM"]


def test_an_unsolved_run_counts_as_infinitely_long():
    runs = {"1": [{"solved": 4.0}, {"solved": 8.0}, {"solved": 6.0}], "2": [{"solved": 3.0}, {"solved": None}]}
    assert speed_ups(runs) == {1: [1.5, 0.75, 1.0], 2: [2.0, 0.0]}


def test_lanes_are_the_last_milliseconds_of_each_phase():
    bars = lanes(list(agent_with_laps().laps), now=10.0, window=1.2)
    assert bars["act"][-1] == (1, pytest.approx(-500), pytest.approx(0))
    assert {rank for rank, _, _ in bars["gradient"]} == {0, 1}


def points(line):
    return sorted(zip(line.get_xdata(), np.round(line.get_ydata()).tolist()))


def test_the_picture_of_updates_has_a_point_for_each_run():
    runs = {
        "sound": [dict(solved=3.0, total_steps=5_000, largest_weight=2.0)] * 2,
        "wild": [dict(solved=4.0, total_steps=6_000, largest_weight=3.0),
                 dict(solved=None, total_steps=9_000, largest_weight=300.0)],
    }  # fmt: skip
    figure = plotting.updates(runs)
    left, right = figure.axes
    assert [name.get_text() for name in left.get_yticklabels()] == list(runs)
    assert [points(line) for line in left.lines] == [[(5.0, 0), (5.0, 0), (6.0, 1)], [(9.0, 1)]]
    assert [points(line) for line in right.lines] == [[(2.0, 0), (2.0, 0), (3.0, 1)], [(300.0, 1)]]
    assert "sound: 2 of 2, 2.0" in figure.alt and "wild: 1 of 2, 300.0" in figure.alt


def test_the_picture_by_clock_shows_each_seed_and_their_median():
    """Returns are means of five games, over the seconds that all seeds have."""
    runs = {
        "DQN": [dict(seconds=[2.0, 10.0], returns=[0.0, 4.0]), dict(seconds=[0.0, 8.0], returns=[0.0, 8.0])],
        "A2C": [dict(seconds=list(range(10)), returns=[1.0] * 5 + [6.0] * 5)],
    }
    replay, no_replay = plotting.by_clock(runs, ylabel="score").axes
    seconds, *curves = replay.lines[0].get_xdata(), *(line.get_ydata() for line in replay.lines)
    assert (seconds[0], seconds[-1]) == (2.0, 8.0) and len(curves) == 3
    np.testing.assert_allclose(curves[0], (seconds - 2) / 8 * 2)  # the second point is the mean of 0 and 4
    np.testing.assert_allclose(curves[1], seconds / 8 * 4)
    np.testing.assert_allclose(curves[2], (curves[0] + curves[1]) / 2)
    assert [line.get_ydata()[-1] for line in no_replay.lines] == [6.0, 6.0]
    for name, methods in (("replay", ["DQN"]), ("no replay", ["A2C"])):
        ax = {"replay": replay, "no replay": no_replay}[name]
        assert ax.get_title() == name and [text.get_text() for text in ax.get_legend().get_texts()] == methods


def test_the_explorer_with_real_workers():
    """Two processes and a stop; the text before any worker is ready, and after."""
    panel = explore.workers(seconds=2, hidden=(8,))
    panel.race(2)
    assert "steps per second" in panel.status.value and "W = 2" in panel.status.value
    assert len(panel.runs[0]["returns"]) > 0 and not panel.thread.is_alive()
    panel.count.value = 1
    panel.start()
    panel.refresh()
    assert "1 worker starts" in panel.banner.value
    panel.stop()
    assert not panel.thread.is_alive() and not panel.go_button.disabled
    assert "0 of 1 workers were ready" in panel.banner.value


def test_a_race_that_cannot_be_started_says_why():
    panel = explore.workers(t_max=-1)
    panel.go_button.click()
    assert "t_max" in panel.banner.value and "Failed" in panel.banner.value and not panel.running()
