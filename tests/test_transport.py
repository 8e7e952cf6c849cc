"""Transports: what A3C and Gorila use of them is enough to replace shared memory by messages.

The messages here are bytes, as they would travel over a network. The learners must not notice the difference.
"""

import os
import pickle
import queue
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import PATIENCE, learn, one_line
from test_gorila import Match

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.gorila import Gorila
from rlkit.running.checkpoint import load, save
from rlkit.running.parameters import Parameters, RemoteMemory
from rlkit.running.transport import Published, SharedMemory, share


def in_this_process(work, jobs, **options):
    """Instead of `supervise`: one worker after the other, each until it ends."""
    for job in jobs:
        sent = []
        work(sent.append, *job)
        yield from sent


class ParameterServer:
    """Holds θ and counts; answers what workers ask. Questions and answers are bytes."""

    def __init__(self, optimizer, max_staleness):
        self.optimizer, self.max_staleness = optimizer, max_staleness
        self.T = self.version = self.dropped = 0

    def ask(self, question):
        kind, *content = pickle.loads(question)
        return pickle.dumps(getattr(self, kind)(*content))

    def pull(self):
        return self.version, self.optimizer.theta.numpy()

    def count(self, steps):
        self.T += steps
        return self.T

    def push(self, gradient, version_read, learning_rate):
        if self.version - version_read > self.max_staleness:
            self.dropped += 1
        else:
            self.optimizer.step(torch.from_numpy(gradient), learning_rate)
            self.version += 1
        return self.version


class Messages:
    """A worker's side: everything that `SharedMemory` offers to a worker and to the parent, by asking a server."""

    gradients_per_push = 1
    now = staticmethod(time.monotonic)

    def __init__(self, server):
        self.server, self.T = server, server.T

    def call(self, *question):
        return pickle.loads(self.server.ask(pickle.dumps(question)))

    def for_workers(self, locked, own_statistics, gradients_per_push):
        return self

    def join(self):
        pass

    def release(self):
        pass

    def pull(self, theta):
        version, values = self.call("pull")
        theta.copy_(torch.from_numpy(values))
        return version

    def count(self, rank, steps):
        self.T = self.call("count", steps)
        return self.T

    def set_T(self, total):
        self.count(0, total - self.T)

    def push(self, rank, gradient, version_read, learning_rate):
        written = self.call("push", gradient.numpy(), version_read, learning_rate)
        return written - (written > version_read)


def a3c_with_messages(monkeypatch, max_staleness, **changes):
    monkeypatch.setattr(sys.modules["rlkit.a3c"], "supervise", in_this_process)
    agent = A3C(hidden=(8,), num_workers=1, learning_rate=1e-2, **changes)
    server = ParameterServer(agent.optimize, max_staleness)
    agent.shared = Messages(server)
    return agent, server


def test_a3c_learns_the_same_by_messages(monkeypatch, tmp_path):
    agent, server = a3c_with_messages(monkeypatch, max_staleness=0, anneal_steps=1_000)
    progress = [*agent.learn(600)]
    twin = A2C(hidden=(8,), num_envs=1, learning_rate=1e-2, anneal_steps=1_000)
    assert [episode.total_reward for p in progress for episode in p.finished] == learn(twin, 600)
    assert agent.optimize.theta.equal(twin.theta) and agent.step == server.T == 600
    assert [(lap.version_read, lap.version_written) for _, lap in agent.laps] == [(n, n) for n in range(120)]
    loaded = load(save(agent, tmp_path / "agent.pt"))
    assert loaded.step == 600 and loaded.shared.theta.equal(twin.theta)
    agent.step = 50
    assert agent.step == server.T == 50


def test_a_server_may_drop_gradients_and_the_worker_goes_on(monkeypatch):
    agent, server = a3c_with_messages(monkeypatch, max_staleness=-1)  # so every gradient is too old
    theta = agent.optimize.theta.clone()
    assert [p.step for p in agent.learn(100)][-1] == 100
    assert server.dropped == 20 and server.version == 0 and agent.optimize.theta.equal(theta)


class Actor:
    """A parameter actor that is an object of this process, with a copy of a part of θ."""

    def __init__(self, part):
        self.parameters = Parameters()
        self.parameters.restore(pickle.loads(pickle.dumps(part)), {})

    def __getattr__(self, method):
        return SimpleNamespace(remote=getattr(self.parameters, method))


class AtOnce(RemoteMemory):
    """`RemoteMemory` of such actors, which answer at once."""

    def ask(self, question):
        return [question(actor, i) for i, actor in enumerate(self.actors)]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("gradients", [1, 3])
def test_by_messages_every_step_is_counted_however_many_gradients_are_averaged(shards, gradients):
    """Two workers, one after the other, each with 20 segments. In shared memory they learn the same."""
    settings = dict(hidden=(8,), num_workers=2, learning_rate=1e-2, gradients_per_push=gradients)
    twin, agent = A3C(**settings), A3C(**settings, cluster="local", shards=shards)
    server, _ = agent.transport()
    actors = [Actor(keeper.part) for keeper in server.keepers]
    for rank in range(2):
        for one, shared in ((twin, twin.transport()[0]), (agent, AtOnce(actors, gradients))):
            sent = []
            one.actor_learner(sent.append, agent.settings(rank), shared, rank, 100 * rank + 100)
            assert sum(report.steps for report in sent) == 100
            assert sum(len(report.laps) for report in sent) == -(-20 // gradients)
    for keeper, actor in zip(server.keepers, actors):
        keeper.part.take(actor.parameters.snapshot()[0])
    assert agent.step == twin.step == 200 and agent.shared.steps.tolist() == [100, 100]
    assert agent.shared.theta.equal(twin.shared.theta)


class Letters:
    """What `Published` offers: the server writes a letter, and the workers read it."""

    def join(self):
        pass

    def push(self, gradient, send):
        send(gradient)

    def publish(self, theta, theta_target, version, step):
        self.letter = pickle.dumps((theta.numpy(), theta_target.numpy(), version))
        self.publish_step(step)

    def publish_step(self, step):
        self.step = step

    def pull(self, theta, theta_target):
        *values, version = pickle.loads(self.letter)
        theta.copy_(torch.from_numpy(values[0]))
        theta_target.copy_(torch.from_numpy(values[1]))
        return version, self.step


def in_a_thread(work, jobs, **options):
    """Instead of `supervise`: one worker, which waits at each message until the server has dealt with it."""
    (job,) = jobs
    messages, dealt_with = queue.Queue(), queue.Queue()

    def send(message):
        messages.put(message)
        if dealt_with.get() == "end":
            raise SystemExit

    def run():
        with suppress(SystemExit):
            work(send, *job)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while True:
            yield messages.get(timeout=PATIENCE)
            dealt_with.put("go on")
    finally:
        dealt_with.put("end")
        thread.join()


def test_gorila_learns_the_same_by_messages(monkeypatch):
    monkeypatch.setattr(sys.modules["rlkit.gorila"], "supervise", in_a_thread)
    runs = []
    for transport in (None, Letters()):
        agent = Gorila(Match, num_workers=1, learning_starts=100, hidden=(8,), target_period=10, epsilon_steps=300)
        before = agent.theta.clone()
        agent.shared = transport or agent.shared
        runs.append((agent, [(p.step, p.metrics["epsilon"], p.metrics.get("loss")) for p in agent.learn(400)]))
        assert not agent.theta.equal(before) and agent.server.num_updates == 76 and agent.num_dropped == 0
    (one, told), (other, same) = runs
    assert told == same and one.theta.equal(other.theta) and one.theta_target.equal(other.theta_target)
    assert not one.theta.equal(one.theta_target) and np.ptp([epsilon for _, epsilon, _ in told]) > 0.5


class Cell:
    """Instead of a tensor in shared memory: notes when it is read and written."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def __int__(self):
        self.log.append(("read", self.name))
        return 0

    def sum(self):
        return int(self)

    def copy_(self, source):
        if isinstance(source, Cell):
            int(source)
        self.log.append(("write", self.name))

    fill_ = copy_


def test_gorilas_version_is_written_last_and_read_first():
    """θ may then be newer than its version, but never older."""
    log = []
    shared = Published(*(Cell(name, log) for name in Published._fields))
    shared.publish(theta=1, theta_target=2, version=3, step=4)
    assert log[:3] == [("write", "theta"), ("write", "theta_target"), ("write", "num_updates")]
    log.clear()
    shared.pull(Cell("mine", log), Cell("my target", log))
    assert [name for what, name in log if what == "read"] == ["num_updates", "theta", "theta_target", "step"]


def test_a3cs_version_is_written_last_and_read_first():
    log = []
    optimizer = SimpleNamespace(theta=Cell("theta", log), step=lambda *gradient: log.append(("write", "theta")))
    shared = SharedMemory(optimizer, steps=Cell("steps", log), updates=Cell("updates", log))
    shared.pull(Cell("mine", log))
    assert log == [("read", "updates"), ("read", "theta"), ("write", "mine")]

    class Updates(dict):
        def __setitem__(self, rank, count):
            log.append(("write", "updates"))

        sum = Cell("updates", log).sum

    log.clear()
    shared._replace(updates=Updates({0: 0})).push(0, None, 0, 0.1)
    assert log == [("read", "updates"), ("write", "theta"), ("write", "updates")]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is elsewhere")
def test_nothing_stays_in_shared_memory_when_it_turns_out_to_be_full():
    left = Path(f"/dev/shm/torch_{os.getpid()}_test")

    class Big:
        nbytes = 10

        def share_memory_(self):
            left.touch()  # as torch does
            raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    with pytest.raises(
        ValueError, match="The workers' shared memory cannot be had: .*No space left.*try again"
    ) as error:
        share([torch.zeros(3), Big()])
    one_line(error)
    assert not left.exists()
