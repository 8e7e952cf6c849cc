"""A3C in virtual time: its clock by hand, two workers written out, and its staleness."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import learn
from test_gorila import Match

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.experiments.virtual import Costs, in_virtual_time, measured_costs
from rlkit.running.laps import Lap
from rlkit.training import evaluate

COSTS = Costs(pull=0.1, step=0.02, gradient=0.3, push=0.1)
SMALL = {"hidden": (8,), "learning_rate": 1e-2, "t_max": 5}


def run(num_workers, total_steps, jitter=0.1, **changes):
    """The agent, and the clock, steps, staleness and episodes at each update."""
    agent = A3C(num_workers=num_workers, **SMALL | changes)
    laps = list(in_virtual_time(agent, COSTS, total_steps, jitter))
    clock, progress = zip(*laps)
    staleness = [p.metrics["staleness"] for p in progress]
    return agent, np.array(clock), [p.step for p in progress], staleness, [e for p in progress for e in p.finished]


def test_a_lap_takes_as_long_as_its_parts():
    assert COSTS.lap(5) == pytest.approx(0.6) and COSTS.lap(10) == pytest.approx(0.7)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", "anneal_steps": 200, "num_envs": 2}])
def test_one_worker_is_a2c_number_for_number(settings):
    agent, clock, steps, staleness, finished = run(1, 300, jitter=0.0, **settings)
    twin = A2C(**SMALL | {"num_envs": 1} | settings)
    assert [episode.total_reward for episode in finished] == learn(twin, 300)
    assert agent.shared.theta.equal(twin.theta)
    each = 5 * twin.num_envs
    assert steps == list(range(each, 301, each)) and set(staleness) == {0}
    np.testing.assert_allclose(clock, 0.6 * np.arange(1, len(steps) + 1))
    assert len(finished) > 5 and max(episode.step for episode in finished) <= 300


def test_without_jitter_the_clock_and_the_staleness_are_known():
    _, clock, steps, staleness, _ = run(3, 60, jitter=0.0)
    np.testing.assert_allclose(clock, np.repeat([0.6, 1.2, 1.8, 2.4], 3))  # each worker has its own core
    assert steps == list(range(5, 61, 5))
    assert staleness == [0, 1, 2] + [2] * 9  # all first read the same θ; later two updates come between


def test_two_workers_written_out():
    """Each gradient is computed at the θ at the beginning of its lap, and applied to the θ at its end."""
    agent, fresh = run(2, 40, jitter=0.0)[0], A3C(**SMALL)
    workers = [A2C(**fresh.settings(fresh.worker_seed(rank))) for rank in range(2)]
    theta, square = fresh.shared.theta.clone(), 0.0
    started = [theta, theta]
    for lap in range(8):
        worker, rank = workers[lap % 2], lap % 2
        worker.theta.copy_(started[rank])
        gradient, _ = worker.gradient(worker.player.play(5))
        square = 0.99 * square + 0.01 * gradient**2
        theta = theta - 0.01 * gradient / (square + 1e-5).sqrt()
        started[rank] = theta.clone()
    torch.testing.assert_close(agent.shared.theta, theta, rtol=1e-5, atol=1e-6)
    assert agent.shared.steps.tolist() == [20, 20] and agent.shared.updates.tolist() == [4, 4]


@pytest.mark.parametrize("num_workers", [2, 5])
def test_the_mean_staleness_is_the_number_of_other_workers(num_workers):
    """During a lap of one worker, each of the others completes about one."""
    *_, staleness, _ = run(num_workers, 200 * num_workers)
    assert np.mean(staleness[2 * num_workers :]) == pytest.approx(num_workers - 1, rel=0.05)
    assert min(staleness) >= 0 and np.std(staleness[2 * num_workers :]) > 0.1


def test_throughput_is_proportional_to_the_number_of_workers():
    rates = {}
    for num_workers in (1, 6):
        _, clock, steps, *_ = run(num_workers, 300 * num_workers)
        rates[num_workers] = steps[-1] / clock[-1]
        assert (np.diff(clock) >= 0).all()
    assert rates[1] == pytest.approx(5 / 0.6, rel=0.05)
    assert rates[6] / rates[1] == pytest.approx(6, rel=0.06)


def test_one_seed_gives_one_run():
    one, two, other = (run(3, 150, seed=seed) for seed in (1, 1, 2))
    assert one[0].shared.theta.equal(two[0].shared.theta) and not one[0].shared.theta.equal(other[0].shared.theta)
    assert one[1].tolist() == two[1].tolist() != other[1].tolist()
    assert one[4] == two[4] != other[4]


def test_the_agent_itself_has_learned_and_can_continue():
    agent = A3C(Match, num_workers=4, hidden=(16,), learning_rate=1e-2, t_max=8, gamma=0.5)
    *_, (_, progress) = in_virtual_time(agent, COSTS, 4_000)
    assert progress.step == agent.step == 4_000 and agent.shared.updates.sum() == 500
    assert (evaluate(agent, 10) == 4).all()  # every sign is right
    ((_, progress),) = in_virtual_time(agent, COSTS, 4_001)
    assert progress.step == 4_008
    assert list(in_virtual_time(agent, COSTS, 4_000)) == []


def test_measured_costs_are_medians_over_the_laps():
    """Laps as a worker records them: pull, act, gradient, push, end, and two versions. One lap was disturbed."""
    laps = [(0, Lap(t, t + 0.1, t + 0.6, t + 0.9, t + 1.0, 7, 7)) for t in (0.0, 2.0, 4.0)]
    laps += [(0, Lap(6.0, 9.0, 14.0, 18.0, 25.0, 7, 7))]
    asked = []
    agent = SimpleNamespace(step=30, t_max=5, num_envs=2, laps=laps, learn=lambda steps: asked.append(steps) or [])
    np.testing.assert_allclose(measured_costs(agent, updates=20), [0.1, 0.1, 0.3, 0.1], rtol=1e-6)
    assert asked == [30 + 20 * 10]
