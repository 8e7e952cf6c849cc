"""A3C in virtual time: its clock by hand, two workers written out, and its staleness."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import learn
from test_gorila import Match

from rlkit import explore
from rlkit import functional as F
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.experiments import virtual
from rlkit.experiments.virtual import Costs, Messages, in_virtual_time, legs, measured_costs
from rlkit.explore.messages import size
from rlkit.running.laps import Lap
from rlkit.training import evaluate

COSTS = Costs(pull=0.1, step=0.02, gradient=0.3, push=0.1)
SMALL = {"hidden": (8,), "learning_rate": 1e-2, "t_max": 5}


SLOW = Messages(latency=1.0, bandwidth=20.0, per_message=0.5, per_byte=0.025)  # for a θ of 40 bytes


def run(num_workers, total_steps, jitter=0.1, messages=virtual.FREE, shards=1, gradients=1, **changes):
    """The agent, and the clock, steps, staleness and episodes at each update."""
    agent = A3C(num_workers=num_workers, **SMALL | changes)
    agent.shards, agent.gradients_per_push = shards, gradients
    laps = list(in_virtual_time(agent, COSTS, total_steps, jitter, messages))
    clock, progress = zip(*laps)
    staleness = [p.metrics["staleness"] for p in progress]
    return agent, np.array(clock), [p.step for p in progress], staleness, [e for p in progress for e in p.finished]


def test_a_lap_takes_as_long_as_its_parts():
    assert COSTS.lap(5) == pytest.approx(0.6) and COSTS.lap(10) == pytest.approx(0.7)
    assert COSTS.lap(5, gradients_per_push=3) == pytest.approx(1.4)  # one pull, three segments, one push


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


@pytest.mark.parametrize("segments", [1, 5])
def test_measured_costs_are_medians_over_the_laps(segments):
    """Laps as a worker records them: pull, act, gradient, push, end, and two versions. One lap was disturbed."""
    laps = [(0, Lap(t, t + 0.1, t + 0.6, t + 0.9, t + 1.0, 7, 7)) for t in (0.0, 2.0, 4.0)]
    laps += [(0, Lap(6.0, 9.0, 14.0, 18.0, 25.0, 7, 7))]
    asked = []
    agent = SimpleNamespace(step=30, t_max=5, num_envs=2, laps=laps, gradients_per_push=segments)
    agent.learn = lambda steps: asked.append(steps) or []
    costs = [0.1, 0.1 / segments, 0.3 / segments, 0.1]
    np.testing.assert_allclose(measured_costs(agent, updates=20), costs, rtol=1e-6)
    assert asked == [30 + 20 * 10 * segments]


# Messages -------------------------------------------------------------------------------------------------------------


def some_updates(num_workers, lap, number):
    """The first updates without jitter: (clock, rank, version read, version written)."""
    return [*islice(virtual.updates(num_workers, lap, jitter=0.0), number)]


def test_a_lap_over_the_network_by_hand():
    """θ passes the link in 2 s and travels 1 s, the gradient too; the server is busy for 1.5 s, and sends θ at once."""
    lap = legs(10.0, 40, SLOW)
    assert [leg.seconds for leg in lap] == [2, 1, 10, 1, 2, 1.5]
    assert virtual.think_and_demands(lap) == (12, {"server": 1.5, "link out": 2, "link in": 2})
    assert some_updates(1, lap, 2) == [(17.5, 0, 0, 0), (35, 0, 1, 1)]


def test_two_workers_that_ask_at_the_same_time_wait_for_the_link_once():
    """The second gets θ when that of the first has passed the link, 2 s later. They never meet again."""
    expected = [(17.5, 0, 0, 0), (19.5, 1, 0, 1), (35.0, 0, 1, 2), (37.0, 1, 2, 3)]
    assert some_updates(2, legs(10.0, 40, SLOW), 4) == expected


def test_two_workers_collide_at_the_server():
    """No bytes, so both come to the server at 1 + 10 + 1 s, which takes 3 s for each: 15 and 18, and 15 s later."""
    lap = legs(10.0, 40, Messages(latency=1.0, per_message=3.0))
    assert some_updates(2, lap, 4) == [(15, 0, 0, 0), (18, 1, 0, 1), (30, 0, 1, 2), (33, 1, 2, 3)]
    clocks = [update.clock for update in some_updates(9, lap, 30)]
    assert np.diff(clocks).tolist() == [3.0] * 29  # nine workers keep it busy: five would do


def test_shards_share_the_bytes_and_not_the_messages():
    whole, four = legs(10.0, 40, SLOW), legs(10.0, 40, SLOW, shards=4)
    demands = virtual.think_and_demands(four)[1]
    assert demands == pytest.approx({"server": 0.5 + 1 / 4, "link out": 2 / 4, "link in": 2 / 4})
    alone = sum(leg.seconds for leg in whole) - sum(leg.seconds for leg in four)
    assert alone == pytest.approx(1 - 1 / 4)  # the server's work; the worker's own link still takes 2 s each way
    assert sum(leg.seconds for leg in legs(10.0, 40, virtual.FREE, shards=4)) == 10


@pytest.mark.parametrize(
    "place, messages",
    [
        ("server", Messages(latency=1.0, bandwidth=50.0, per_message=0.5, per_byte=0.025)),
        ("server", Messages(per_message=1.0)),
        ("link in", Messages(latency=1.0, bandwidth=10.0)),
    ],
)
def test_a_server_that_never_rests_gives_one_update_for_each_demand(place, messages):
    lap = legs(10.0, 40, messages)
    demand = virtual.demands(lap)[place]
    assert virtual.measure(40, lap).updates_per_second == pytest.approx(1 / demand, rel=0.03)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("num_workers", [1, 3, 10, 30, 300])
def test_many_workers_come_close_to_the_bounds_of_the_formula_and_stay_below(num_workers, shards):
    lap = legs(30.0, 40, SLOW, shards)
    think, shared = virtual.think_and_demands(lap)
    bound = F.throughput_bound(num_workers, think, [*shared.values()])
    measured = virtual.measure(num_workers, lap, rounds=max(20, 1_000 // num_workers))
    assert 0.85 * bound < measured.updates_per_second < 1.03 * bound
    assert measured.staleness == pytest.approx(F.mean_staleness(num_workers, 1.0, 1.0), rel=0.02)


def test_messages_cost_time_and_change_no_number_of_one_worker():
    """Nobody is in between, so the same gradients are applied to the same θ, only later.

    A lap takes 0.1 + 0.4 + 0.1 s in shared memory. With messages it takes 0.25 + 0.4 + 0.25 + 0.5 s.
    """
    free, paid = (run(1, 300, jitter=0.0, messages=one) for one in (virtual.FREE, Messages(0.25, per_message=0.5)))
    assert paid[0].shared.theta.equal(free[0].shared.theta) and paid[4] == free[4]
    np.testing.assert_allclose(free[1], 0.6 * np.arange(1, len(free[1]) + 1))
    np.testing.assert_allclose(paid[1], 1.4 * np.arange(1, len(paid[1]) + 1))


def test_a_slow_server_is_the_limit_of_real_learning_too():
    numbers = {
        gradients: run(8, 1_600, messages=Messages(per_message=0.2), gradients=gradients) for gradients in (1, 4)
    }
    rates = {gradients: steps[-1] / clock[-1] for gradients, (_, clock, steps, _, _) in numbers.items()}
    assert rates[1] == pytest.approx(5 / 0.2, rel=0.05)  # a push for five steps
    assert rates[4] == pytest.approx(8 * 20 / (1.6 + 0.2), rel=0.15)  # and for twenty: now the workers are the limit


def test_several_gradients_are_averaged_at_one_theta():
    agent, clock, steps, staleness, _ = run(1, 60, jitter=0.0, gradients=3)
    twin = A2C(**SMALL, num_envs=1)
    square = 0.0
    for _ in range(4):
        gradient = sum(twin.gradient(twin.player.play(5))[0] for _ in range(3)) / 3
        square = 0.99 * square + 0.01 * gradient**2
        twin.theta.sub_(0.01 * gradient / (square + 1e-5).sqrt())
    torch.testing.assert_close(agent.shared.theta, twin.theta, rtol=1e-5, atol=1e-6)
    assert steps == [15, 30, 45, 60] and staleness == [0] * 4
    np.testing.assert_allclose(clock, 1.4 * np.arange(1, 5))


# The explorer ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def panel():
    return explore.messages()


def test_the_explorer_opens_where_the_server_is_the_limit(panel):
    """Nature's network has 1,687,206 numbers: a push costs the server 0.56 ms + 4 · 1,687,206 · 3.2 ns = 22 ms."""
    served, transfer = 10**-3.25 + 4 * 1_687_206 * 10**-8.5, 4 * 1_687_206 / (10e9 / 8)
    most = (2e-4 + 10e-3 + 2 * transfer + served) / served
    words = panel.status.value
    assert size("Nature CNN") == 1_687_206 and size("small MLP") == 4 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    assert f"The limit is the server, from W = {most:.1f} on." in words and f"{1 / served:,.0f} gradients" in words
    panel.move(num_workers=1)
    assert f"The workers are the limit; from W = {most:.1f} on it is the server." in panel.status.value
    assert "1.0 times as many" in panel.status.value
    panel.move(num_workers=100, bandwidth=0.1)
    assert "The limit is its links" in panel.status.value


def test_its_lines_are_the_bounds_and_its_dot_was_simulated(panel):
    panel.move(num_workers=100, gradients_per_push=4, shards=2)
    alone, server, links, bound, dot, _ = (line.get_ydata() for line in panel.figure.axes[0].lines)
    served = 10**-3.25 + 4 * size("Nature CNN") * 10**-8.5 / 2
    np.testing.assert_allclose(server, 4 / served)
    np.testing.assert_allclose(bound, np.minimum(np.minimum(server, links), alone))
    assert dot[0] == pytest.approx(bound[40], rel=0.03)  # W = 100
    most, mean, _ = (line.get_ydata() for line in panel.figure.axes[1].lines)
    assert most[-1] == pytest.approx(999) and mean[0] == pytest.approx(99, rel=0.01)
    links, server, worker = (bar.get_width() for bar in panel.figure.axes[2].patches)
    assert server == pytest.approx(1, abs=0.03) and 0 < worker < links < 1
