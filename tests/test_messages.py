"""The experiment about messages: what is measured, and what the model makes of it."""

import importlib.util
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import PATIENCE

from rlkit import plotting
from rlkit.experiments import messages
from rlkit.experiments.messages import costs, cpu_seconds, foretold, rate_of
from rlkit.experiments.stored import stored
from rlkit.presets import preset

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: python tests --cluster"
)


def runs(fixed=1e-3, per_byte=1e-9, server_fixed=5e-4, server_byte=5e-10, trip=4e-4, wire=1e-9):
    """What would be measured if it were exactly as the model says, with weights of 1,000 and of 1,000,000."""
    found = {"served": {}, "work": {}, "averaged": {}}
    for network, weights in (("small", 1_000), ("large", 1_000_000)):
        server = server_fixed + server_byte * 4 * weights
        one = {"weights": weights, "one": 1 / (server + trip + wire * 4 * weights), "server": server}
        one |= {"all": fixed + per_byte * 4 * weights, "many": 300.0}
        found["served"][network] = {"1": [one] * 3, "2": [one] * 3, "4": [one] * 3}
        found["work"][network] = [{"lap": 10e-3}] * 3
        found["averaged"][network] = {
            str(k): [{"weights": weights, "updates_per_second": 50.0}] * 3 for k in (1, 4, 16)
        }
    return found


def test_costs_are_found_from_a_small_and_a_large_theta():
    lines = costs(runs())
    assert lines["server"] == pytest.approx((5e-4, 5e-10)) and lines["all"] == pytest.approx((1e-3, 1e-9))
    assert lines["travels"] == pytest.approx((4e-4, 1e-9))


def test_what_is_foretold_by_hand():
    """One worker: 10 ms of work, 0.5 ms at the server, 0.4 ms on the way. Many: two cores, 3 ms of them for each."""
    alone, limit = foretold(runs(trip=4e-4, wire=0.0 + 1e-12), "small", 1, lap=10e-3, waits=8e-3)
    assert alone == pytest.approx(1 / 10.9e-3, rel=0.01) and limit == "workers"
    many, limit = foretold(runs(), "small", 100, lap=10e-3, waits=8e-3)
    assert many == pytest.approx(2 / 3e-3, rel=0.01) and limit == "cores"
    pushers, limit = foretold(runs(fixed=1e-5, per_byte=1e-12), "large", 100)
    assert pushers == pytest.approx(1 / 2.5e-3, rel=0.01) and limit == "server"
    shared, _ = foretold(runs(fixed=1e-5, per_byte=1e-12), "large", 100, shards=4)
    assert shared == pytest.approx(1 / 1e-3, rel=0.01)
    averaged, _ = foretold(runs(), "small", 100, gradients=4, lap=10e-3, waits=8e-3)
    assert averaged == pytest.approx(4 * 2 / 9e-3, rel=0.01)


def test_each_setting_has_a_row_and_its_measurements():
    rows = list(messages.confirmed(runs()))
    assert [row[:3] for row in rows[:3]] == [("small", 1, 1), ("small", 4, 1), ("small", 16, 1)]
    assert [row[:3] for row in rows[-3:]] == [("small", 1, 4), ("large", 1, 2), ("large", 1, 4)]
    assert rows[1][-1] == pytest.approx([200.0] * 3) and rows[-1][-1] == pytest.approx([300.0] * 3)
    assert plotting.foretold(rows).alt.count(";") == 8


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="CPU time of other processes is read from /proc")
def test_cpu_seconds_are_those_of_this_process_and_its_descendants():
    before, began = cpu_seconds(), time.process_time()
    while time.process_time() - began < 0.2:
        pass
    assert cpu_seconds() - before > 0.15
    assert cpu_seconds("no such command") == 0


def test_rates_count_gradients_that_are_averaged():
    agent = preset("a3c-cartpole", num_workers=1, gradients_per_push=4, t_max=8, seed=0)
    found = rate_of(agent, 0.5)
    assert found["steps_per_second"] == pytest.approx(32 * found["updates_per_second"], rel=0.01)
    assert found["staleness"] == 0 and found["weights"] == len(agent.shared.theta) and len(found["lap"]) == 4


ENDLESS = """
import sys, time
from rlkit.experiments import messages

def endless(seeds):
    print("it works", flush=True)
    time.sleep(3600)

messages.endless = endless
messages.main(sys.argv[1], "endless", "[]")
"""
PARENT = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], str(os.getpid())])"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say that a parent has ended")
def test_it_ends_with_the_process_that_wants_its_results():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, ENDLESS], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "it works\n"
    parent.kill()
    assert parent.communicate(timeout=PATIENCE) == ("", None)  # the end of what the child could print


@needs_ray
def test_messages_are_measured_in_a_process_of_its_own():
    """As a sweep does it, with one size, one network and hardly any time."""
    found = messages.in_a_new_process("costs_of_messages", [0], "0.3", "small")
    assert set(found["sizes"]) == {"shared memory", "messages"}
    ways = [found["sizes"][way]["small MLP"][0] for way in ("shared memory", "messages")]
    assert all(way["cpu_per_update"] > 0 and way["updates_per_second"] > 0 for way in ways)
    (served,) = found["served"]["small"]["2"]
    assert served["one"] > 0 and 0 < served["server"] < served["all"]
    (often,), (seldom,) = found["averaged"]["small"]["1"], found["averaged"]["small"]["16"]
    assert seldom["steps_per_second"] == pytest.approx(64 * seldom["updates_per_second"], rel=0.01)
    assert often["steps_per_second"] < 4 / 1e-3 and seldom["steps_per_second"] < 4 / 1e-3  # each step waits 1 ms


def test_the_stored_runs_have_all_that_the_chapter_shows():
    found, how = stored("messages")
    assert how["seeds"] == [0, 1, 2, 3, 4]
    for way in messages.WAYS:
        assert {len(seeds) for seeds in found["sizes"][way].values()} == {5}
    assert all(np.isfinite(row[3]) and len(row[-1]) == 5 for row in messages.confirmed(found))
    solved, _ = stored("near_and_far")
    assert all(len(seeds) == 5 for ways in solved.values() for seeds in ways.values())


@pytest.mark.parametrize("size, weights", [*zip(messages.SIZES, (2_531, 113_588, 1_687_206), strict=True)])
def test_the_sizes_are_those_that_they_are_called_after(size, weights):
    name, changes = messages.SIZES[size]
    assert len(preset(name, cluster="local", **changes).shared.theta) == pytest.approx(weights, rel=1e-3)
