"""rlkit.experiments.curves: training for an experiment, and its learning curve by hand."""

import numpy as np
import pytest
from conftest import small, tiny

from rlkit.envs import Episode
from rlkit.experiments import curves
from rlkit.experiments.curves import by_seconds, curve, returns_at, trained
from rlkit.ppo import PPO
from rlkit.running.result import Progress, Result
from rlkit.training import stop_at, train


def test_it_trains_as_train_does():
    alone, watched = small(PPO, seed=4), small(PPO, seed=4)
    ours, theirs = trained(alone, 640), train(watched, 640)
    assert ours.returns == theirs.returns and ours.steps == theirs.steps and ours.step == theirs.step == 640
    assert ours.agent is alone and not ours.stopped


def test_the_first_watcher_with_a_reason_ends_the_run():
    agent, reasons = small(PPO), ("", None, "enough", "too late")
    result = trained(agent, 6_400, *(lambda progress, result, reason=reason: reason for reason in reasons))
    assert result.stopped == "enough" and agent.step == 64
    agent = small(PPO)
    result = trained(agent, 6_400, stop_at(1, window=3))
    assert result.stopped == "reached 1" and len(result.returns) >= 3 and agent.step < 6_400


def test_an_interrupt_ends_the_experiment_and_no_half_run_is_returned():
    def interrupt(progress, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(small(PPO), 640, interrupt)
    with pytest.raises(ValueError, match="total_steps=0"):
        trained(small(PPO), 0)


def test_a_curve_reads_the_last_episodes_at_each_step():
    result = Result(returns=[10.0, 20.0, 60.0], steps=[100, 200, 300])
    run = returns_at(result, np.array([0, 100, 250, 300, 900]), window=2, decimals=1)
    assert run == {"steps": [0, 100, 250, 300, 900], "returns": [10.0, 10.0, 15.0, 40.0, 40.0]}
    assert returns_at(result, np.array([300]), window=20, decimals=2)["returns"] == [30.0]
    assert returns_at(Result(returns=[1.0, 2.0, 2.0], steps=[1, 2, 3]), np.array([3]), decimals=3)["returns"] == [1.667]


def test_a_curve_has_sixty_points_and_q_where_there_is_one(monkeypatch):
    result = Result(returns=[1.0], steps=[50], metrics={"q": [0.0, 6.0]}, metric_steps={"q": [0, 590]})
    monkeypatch.setattr(curves, "trained", lambda agent, total_steps: result)
    run = curve(None, 590)
    assert run["steps"] == list(range(0, 591, 10)) and run["returns"] == [1.0] * 60
    np.testing.assert_allclose(run["q"], np.arange(60) / 59 * 6, atol=0.006)
    result.metrics = {}
    assert set(curve(None, 590)) == {"steps", "returns"}
    monkeypatch.undo()
    assert set(curve(small(PPO), 128)) == {"steps", "returns"}
    assert set(curve(tiny(), 64)) <= {"steps", "returns", "q"}


def test_a_run_by_seconds_does_not_stop_where_the_task_is_solved(monkeypatch):
    class Perfect:
        def learn(self, total_steps):
            for step in range(100, total_steps + 1, 100):
                yield Progress(step, [Episode(500.0, 500, step)] * 10, {})

    seconds = iter([5.0, *range(6, 100)])
    monkeypatch.setattr(curves.time, "process_time", lambda: next(seconds))
    run = by_seconds(Perfect(), 400)
    assert run["total_steps"] == 400 and run["solved"] is None and run["staleness"] == []
    assert run["seconds"] == sorted([1.0, 2.0, 3.0, 4.0] * 10) and set(run["returns"]) == {500.0}
