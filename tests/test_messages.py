"""What A3C sends to a parameter actor and back, and what is computed from the measurements of what messages cost."""

import pickle
import time

import numpy as np
import pytest

from rlkit.a3c import A3C
from rlkit.experiments import messages
from rlkit.running.parameters import ANSWER, LARGE, PUSH, Parameters, packed, unpacked

# --- a message ---


@pytest.mark.parametrize("size", [0, 3, LARGE // 4, LARGE // 4 + 1])
def test_a_message_arrives_as_it_was_sent(size):
    numbers, array = (1, 2**53 + 1, 3, 4, 0.1 + 0.2), np.random.default_rng(0).normal(size=size).astype(np.float32)
    message = packed(PUSH, numbers, array)
    assert isinstance(message, bytes) == (array.nbytes <= LARGE)
    arrived, values = unpacked(PUSH, pickle.loads(pickle.dumps(message)))
    assert arrived == numbers and values.dtype == np.float32 and np.array_equal(values, array)


def test_a_push_that_is_sent_again_is_not_applied_again():
    agent = A3C(num_workers=1, hidden=(4,), cluster="local")
    (keeper,) = agent.transport()[0].keepers
    actor = Parameters()
    message = packed(PUSH, (0, 1, 5, 0, 0.1), np.ones(len(agent.shared.theta), np.float32))
    assert actor.push(message) is None  # it holds nothing yet
    actor.restore(pickle.loads(pickle.dumps(keeper.part)), {})
    first, again = (unpacked(ANSWER, actor.push(message)) for _ in range(2))
    assert first[0] == again[0] == (1, 5) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], agent.shared.theta.numpy())


# --- what is computed from measurements ---


def measured(latency, bandwidth, per_message, per_byte):
    """What would be measured if the model were true: a worker's lap takes 20 ms, half of it on a core."""
    served, averaged = {}, {}
    for network, weights in (("small", 1_000), ("large", 1_000_000)):
        server = per_message + per_byte * 4 * weights
        trip = 2 * latency + 2 * 4 * weights / bandwidth + server
        one = {"weights": weights, "one": 1 / trip, "many": 1 / server, "server": server, "all": 2 * server}
        served[network] = dict.fromkeys(("1", "2", "4"), [one] * 3)
        rates = {str(k): 4 / (k * 0.020 + trip) for k in messages.AVERAGED}
        averaged[network] = {k: [{"updates_per_second": rate}] * 3 for k, rate in rates.items()}
    work = {network: [{"lap": 0.020, "cpu": 0.010}] * 3 for network in served}
    return {"served": served, "averaged": averaged, "work": work}


def test_the_costs_of_a_message_are_found_again():
    message, (fixed, per_byte) = messages.costs(measured(2e-4, 1e10, 5e-4, 2e-10))
    assert message == pytest.approx((2e-4, 1e10, 5e-4, 2e-10), rel=1e-6)
    assert (fixed, per_byte) == pytest.approx((1e-3, 4e-10))


def test_what_is_foretold_agrees_with_runs_that_obey_the_model():
    runs = measured(2e-4, 1e10, 5e-4, 2e-10)
    for network, gradients in (("small", 1), ("small", 16), ("large", 4)):
        result = gradients * runs["averaged"][network][str(gradients)][0]["updates_per_second"]
        rate, limit = messages.foretold(runs, network, 4, gradients, 1, 0.020, 0.010, cores=1_000)
        assert rate == pytest.approx(result) and limit == "workers"


def test_few_cores_and_few_servers_are_limits():
    runs = measured(2e-4, 1e10, 5e-4, 2e-10)
    rate, limit = messages.foretold(runs, "small", 4, 1, 1, 0.020, 0.010, cores=1)
    assert limit == "cores" and rate == pytest.approx(1 / (0.010 + 2 * 5.008e-4), rel=1e-3)
    rate, limit = messages.foretold(runs, "small", 1_000, 1, 1, 0.020, 0.010, cores=1_000)
    assert limit == "server" and rate == pytest.approx(1 / 5.008e-4, rel=1e-3)


def test_cpu_time_of_this_process_is_counted_and_can_be_told_by_name():
    before, nobody = messages.cpu_seconds(), messages.cpu_seconds("no such process")
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert messages.cpu_seconds() - before >= 0.15 and nobody == 0.0


@pytest.mark.parametrize("size, weights", [*zip(messages.SIZES, (2_531, 113_588, 1_687_206), strict=True)])
def test_the_sizes_are_those_that_they_are_called_after(size, weights):
    name, changes = messages.SIZES[size]
    assert len(messages.preset(name, cluster="local", **changes).shared.theta) == pytest.approx(weights, rel=1e-3)
