"""A3C: one worker equals A2C number for number, several lose nothing, and what happens when a worker fails."""

import dataclasses
import math
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
import warnings
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from conftest import PATIENCE, Counting, disturb, learn, one_line, weights
from jupyter_client.manager import start_new_kernel
from test_gorila import Match

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.optimizers import Adam, RMSProp
from rlkit.running import memory
from rlkit.running.checkpoint import load, save
from rlkit.running.laps import Lap, Link, Report
from rlkit.running.workers import WorkerError
from rlkit.training import evaluate

module = sys.modules["rlkit.a3c"]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@pytest.fixture(autouse=True, scope="module")
def patience():
    """Allow a busy machine minutes to start a worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["rlkit.running.workers"], "STARTUP", 600.0)
        yield


@pytest.fixture(autouse=True)
def nobody_left():
    yield
    assert multiprocessing.active_children() == []


def small(**changes):
    return A3C(**{"hidden": (8,), "learning_rate": 1e-2, "heartbeat": 600.0} | changes)


def report_of(messages, rank):
    """All reports of one worker, merged into one."""
    reports = [m for m in messages if m.rank == rank]
    laps = Lap(*np.concatenate([r.laps for r in reports]).T)  # each field an array
    finished = [episode for r in reports for episode in r.finished]
    return Report(rank, sum(r.steps for r in reports), finished, laps, reports[-1].metrics, reports[-1].cpu_seconds)


def check_laps(laps):
    """Laps follow each other, and no gradient is older or newer than it can be. Each field is an array."""
    *times, read, written = laps
    assert (np.diff(times, axis=0) >= 0).all() and (laps.pull[1:] >= laps.end[:-1]).all()
    assert (written >= read).all() and (np.diff(read) >= 1).all() and (np.diff(written) >= 1).all()
    assert (read[1:] > written[:-1]).all()  # the θ that it reads contains its own last update


# One worker in its own process -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_worker():
    """An agent after two calls of `learn`, what each of them yielded, and what was there in between."""
    agent = small(num_workers=1, anneal_steps=2_000, gae_lambda=0.9)
    first = [*agent.learn(1_000)]
    laps, theta, square = [*agent.laps], agent.shared.theta.clone(), agent.shared.optimizer.square.clone()
    startup, cpu = agent.startup.copy(), agent.cpu_seconds.copy()
    agent.laps.clear()
    second = [*agent.learn(1_500)]
    return dict(agent=agent, first=first, second=second, laps=laps, theta=theta, square=square, times=(startup, cpu))


def finished(progress):
    return [episode for p in progress for episode in p.finished]


def test_one_worker_in_its_own_process_is_a2c_number_for_number(one_worker):
    twin = A2C(hidden=(8,), learning_rate=1e-2, num_envs=1, anneal_steps=2_000, gae_lambda=0.9)
    returns = learn(twin, 1_000)
    assert [episode.total_reward for episode in finished(one_worker["first"])] == returns and len(returns) > 10
    assert one_worker["theta"].equal(twin.theta)
    assert one_worker["square"].equal(twin.optimize.square)


def test_its_laps_are_numbered_and_timed(one_worker):
    ranks, laps = zip(*one_worker["laps"])
    assert len(laps) == 200 and set(ranks) == {0} and {type(lap) for lap in laps} == {Lap}
    assert [lap.version_read for lap in laps] == [lap.version_written for lap in laps] == list(range(200))
    assert {lap.staleness for lap in laps} == {0}  # nobody else updated in between
    laps = Lap(*map(np.array, zip(*laps)))
    check_laps(laps)
    startup, cpu = one_worker["times"]
    assert startup > 0 and 0 < cpu < laps.end[-1] - laps.pull[0] + 1
    assert {p.metrics["staleness"] for p in one_worker["first"] if p.metrics} == {0}


def test_a_report_with_no_new_update_repeats_the_metrics_of_the_last():
    """This is the last report, if the tenth of a second ended together with the last update."""
    reports = []
    link = Link(small(num_workers=1).shared, 0, reports.append)
    link.laps.append(Lap(0.0, 0.1, 0.2, 0.3, 0.4, version_read=5, version_written=7))
    link.report([], {"entropy": torch.tensor(0.5)})
    link.send()
    link.send()
    ready, last, again = (report.metrics for report in reports)
    assert ready == {} and last == again == {"entropy": 0.5, "staleness": 2.0}


def test_learning_again_continues_with_other_games(one_worker):
    agent, first, second = (one_worker[name] for name in ("agent", "first", "second"))
    assert first[-1].step == 1_000 and second[-1].step == agent.step == 1_500
    assert [p.step for p in first + second] == sorted(p.step for p in first + second)
    episodes, more = finished(first), finished(second)
    assert 0 < episodes[0].step <= episodes[-1].step <= 1_000 < more[0].step <= more[-1].step <= 1_500
    assert [e.total_reward for e in more] != [e.total_reward for e in episodes[: len(more)]]
    assert [lap.version_read for _, lap in agent.laps] == list(range(200, 300))
    assert not agent.shared.theta.equal(one_worker["theta"])
    assert list(agent.learn(agent.step)) == []  # nothing left to do: no worker starts


def test_the_parent_acts_with_what_was_learned(one_worker):
    agent = one_worker["agent"]
    assert weights(agent.network).equal(agent.shared.theta)
    twin = A2C(hidden=(8,))
    twin.theta.copy_(agent.shared.theta)
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert agent.act(obs).tolist() == twin.act(obs).tolist() and len(set(agent.act(obs).tolist())) == 2
    assert evaluate(agent, 3).tolist() == evaluate(twin, 3).tolist()


def test_a_checkpoint_is_the_agent_and_continues_from_where_it_was(one_worker, tmp_path):
    agent = one_worker["agent"]
    loaded = load(save(agent, tmp_path / "agent.pt"), num_workers=3)
    assert (loaded.step, loaded.num_workers) == (1_500, 3) and loaded.shared.steps.tolist() == [1_500, 0, 0]
    assert loaded.shared.theta.equal(agent.shared.theta) and loaded.shared.theta.is_shared()
    assert loaded.shared.optimizer.square.equal(agent.shared.optimizer.square)
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert loaded.act(obs).tolist() == agent.act(obs).tolist()
    play(loaded, 1_520, rank=2)
    assert loaded.step == 1_520 and not loaded.shared.theta.equal(agent.shared.theta)


# Workers in this process: nothing but the process differs -----------------------------------------------------


def play(agent, total_steps, rank=0, shared=None, lock=None, shared_statistics=True):
    """Everything that a worker sends."""
    sent = []
    settings = agent.settings(agent.worker_seed(rank))
    shared = (shared or agent.shared)._replace(lock=lock, own_statistics=not shared_statistics)
    agent.actor_learner(sent.append, settings, shared, rank, total_steps)
    return sent


def elsewhere(shared):
    """What another process would get: other objects with the same memory."""
    return pickle.loads(bytes(ForkingPickler.dumps(shared)))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam", "num_envs": 3, "entropy_coef": 0.1},
        {"recurrent": True, "t_max": 8, "env": partial(Counting, (3,)), "obs_scale": 5.0},
        {"env": "Pendulum-v1", "reward_clip": 1.0, "max_grad_norm": 0.1, "anneal_steps": 1_000},
    ],
    ids=["adam", "recurrent", "continuous"],
)
def test_every_kind_of_worker_is_a2c_number_for_number(changes):
    agent = small(num_workers=1, **changes)
    twin = A2C(**{"hidden": (8,), "learning_rate": 1e-2, "num_envs": 1} | changes)
    report = report_of(play(agent, 600), rank=0)
    assert [episode.total_reward for episode in report.finished] == learn(twin, 600)
    assert agent.shared.theta.equal(twin.theta)
    assert agent.shared.T == report.steps == twin.step
    np.testing.assert_array_equal(agent.act(twin.envs.obs), twin.act(twin.envs.obs))


def test_every_gradient_counts_even_if_fewer_are_left_than_are_averaged():
    """20 segments with three gradients per push: six updates with three of them, and one with two."""
    agent, twin = small(num_workers=1, gradients_per_push=3), A2C(hidden=(8,), learning_rate=1e-2, num_envs=1)
    report = report_of(play(agent, 100, shared=agent.transport()[0]), rank=0)
    assert agent.step == report.steps == 100 and agent.shared.version == len(report.laps.end) == 7
    check_laps(report.laps)
    for number in 6 * [3] + [2]:
        gradients = [twin.gradient(twin.player.play(5))[0] for _ in range(number)]
        twin.optimize.step(sum(gradients) / number, 1e-2)
    assert agent.shared.theta.equal(twin.theta)


def test_a_worker_counts_and_reports_everything_exactly_once():
    agent = small(num_workers=3, env=partial(Counting, (3,)), num_envs=2, t_max=4)
    agent.shared.steps.copy_(torch.tensor([1000, 0, 50]))  # others have played too
    agent.shared.updates.copy_(torch.tensor([125, 0, 7]))
    sent = play(agent, 1_850, rank=1)
    report = report_of(sent, rank=1)
    assert sent[0].steps == 0 and len(sent[0].laps) == 0  # the first report only says "ready"
    assert report.steps == 800 and agent.shared.steps.tolist() == [1000, 800, 50] and agent.shared.T == 1_850
    assert len(report.laps.end) == 100 and agent.shared.updates.tolist() == [125, 100, 7]
    assert report.laps.version_read.tolist() == list(range(132, 232)) == report.laps.version_written.tolist()
    assert len(report.finished) == 200 and {episode.length for episode in report.finished} == {3}
    assert report.finished[0].step == 1_058 and report.finished[-1].step == 1_850  # T at the end of the segment
    check_laps(report.laps)


class Meddling(Counting):
    """While this is played, other workers update."""

    def step(self, action):
        theta, updates = self.others
        theta += 0.01
        updates[1] += 1
        return super().step(action)


def test_a_gradient_is_at_the_theta_that_was_read_and_is_applied_to_the_current_one():
    long = (1000,)
    agent, twin = small(env=partial(Meddling, long)), A2C(lambda: Counting(long), hidden=(8,), num_envs=1)
    Meddling.others = agent.shared.theta, agent.shared.updates
    theta, square, read = twin.theta.clone(), 0.0, []
    report = report_of(play(agent, 20), rank=0)
    for lap in range(4):
        twin.theta.copy_(theta)  # θ' ← θ
        gradient, _ = twin.gradient(twin.player.play(5))
        square = 0.99 * square + 0.01 * gradient**2
        theta = theta + 5 * 0.01 - 0.01 * gradient / (square + 1e-5).sqrt()
        read.append(6 * lap)
    torch.testing.assert_close(agent.shared.theta, theta, rtol=1e-5, atol=1e-5)
    assert report.laps.version_read.tolist() == read
    assert report.laps.version_written.tolist() == [version + 5 for version in read]
    assert report.metrics["staleness"] == 5


class Spoiling(Counting):
    """While this is played, others make the shared θ useless. It records the actions that it gets."""

    def step(self, action):
        self.others.fill_(math.nan)
        self.taken.append(int(action))
        return super().step(action)


def test_a_worker_acts_by_its_own_theta():
    agent, twin = (
        small(env=partial(Spoiling, (1000,)), t_max=20),
        A2C(partial(Counting, (1000,)), hidden=(8,), num_envs=1),
    )
    Spoiling.others, Spoiling.taken = agent.shared.theta, []
    play(agent, 20)
    expected = twin.player.play(20).actions[:, 0].tolist()
    assert Spoiling.taken == expected and len(set(expected)) == 2


class Lock:
    """Records what changes while it is held."""

    def __init__(self, agent):
        self.agent, self.held = agent, []

    def look(self):
        return self.agent.shared.theta.clone(), self.agent.shared.version, self.agent.step

    def __enter__(self):
        self.before = self.look()

    def __exit__(self, *error):
        self.held.append((self.before, self.look()))


def test_the_lock_covers_the_whole_update_and_nothing_else():
    agent = small(num_workers=1)
    start, lock = agent.shared.theta.clone(), Lock(agent)
    play(agent, 50, lock=lock)
    assert len(lock.held) == 10
    for n, ((theta, version, step), (after, next_version, same_step)) in enumerate(lock.held):
        assert theta.equal(lock.held[n - 1][1][0] if n else start) and not after.equal(theta)
        assert (version, next_version) == (n, n + 1) and step == same_step == 5 * n + 5


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_workers_share_their_statistics_or_keep_their_own(optimizer):
    runs = {}
    for shared_statistics in (True, False):
        agent = small(num_workers=2, optimizer=optimizer)
        for n, rank in enumerate((0, 1)):
            shared = elsewhere(agent.shared)
            play(agent, 50 * n + 50, rank, shared, shared_statistics=shared_statistics)
            assert shared.theta.equal(agent.shared.theta) and all(x.any() for x in shared.optimizer.statistics())
        assert all(x.any() == shared_statistics for x in agent.shared.optimizer.statistics())
        assert agent.step == 100
        runs[shared_statistics] = agent, shared
    agent, second = runs[False]
    one = small(num_workers=2, optimizer=optimizer, seed=0)
    play(one, 50, 0)
    for statistic in one.shared.optimizer.statistics():
        statistic.zero_()  # the second worker begins with zeros if it keeps its own
    play(one, 100, 1)
    assert one.shared.theta.equal(agent.shared.theta) and not one.shared.theta.equal(runs[True][0].shared.theta)


def test_many_workers_at_once_lose_no_count():
    """Threads instead of processes: they too can be interrupted anywhere."""
    agent, sent = small(num_workers=4, num_envs=2, t_max=3, env=Counting), queue.Queue()
    work = lambda rank: agent.actor_learner(sent.put, agent.settings(rank), agent.shared, rank, 3_000)
    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_counts(agent, [*sent.queue], 3_000, each=6)


def check_counts(agent, messages, total_steps, each):
    reports = [report_of(messages, rank) for rank in range(agent.num_workers)]
    assert total_steps <= agent.step < total_steps + each * agent.num_workers
    assert [report.steps for report in reports] == agent.shared.steps.tolist()
    assert [len(report.laps.end) for report in reports] == agent.shared.updates.tolist()
    assert agent.step == each * agent.shared.version == each * sum(len(report.laps.end) for report in reports)
    for report in reports:
        check_laps(report.laps)
        assert report.laps.version_written[-1] < agent.shared.version
    assert len({times for report in reports for times in zip(*report.laps[:5])}) == agent.shared.version


# Two workers in their own processes --------------------------------------------------------------------------


def test_two_workers_lose_no_count_and_learn(monkeypatch):
    agent = small(env=Match, hidden=(16,), num_envs=2, t_max=8, gamma=0.5)
    sent, supervise = [], module.supervise
    monkeypatch.setattr(module, "supervise", lambda *a, **kw: (sent.append(m) or m for m in supervise(*a, **kw)))
    progress = [*agent.learn(8_000)]
    messages = [message for message in sent if message is not None]
    check_counts(agent, messages, 8_000, each=16)
    assert len(progress) == len(sent) and progress[-1].step == agent.step
    assert sum(len(p.finished) for p in progress) == sum(len(m.finished) for m in messages)
    kept = [(m.rank, lap.tolist()) for m in messages for lap in m.laps]
    assert [(rank, list(lap)) for rank, lap in agent.laps] == kept
    assert (agent.startup > 0).all() and (agent.cpu_seconds > 0).all()
    one, other = ([e.total_reward for e in report_of(messages, rank).finished][:20] for rank in range(2))
    assert one != other  # other games
    assert (evaluate(agent, 10) == 4).all()  # every sign is right


# The parent ---------------------------------------------------------------------------------------------------


def test_the_settings_of_a_worker_are_those_of_the_agent():
    different = {"t_max": 7, "num_envs": 2, "recurrent": True, "gamma": 0.5, "gae_lambda": 0.3, "learning_rate": 0.2}
    different |= {"optimizer": "adam", "rmsprop_decay": 0.7, "adam_betas": (0.1, 0.2), "optimizer_eps": 0.3}
    different |= {"value_coef": 0.7, "entropy_coef": 0.2, "max_grad_norm": 3.0, "anneal_steps": 70, "hidden": (9,)}
    different |= {"reward_clip": 2.0, "activation": "relu", "obs_shift": 0.1, "obs_scale": 3.0, "env": Counting}
    different |= {"frame_size": 42, "life_loss": True, "actions": (1, 0)}
    own = {"num_workers", "shared_statistics", "locked", "on_failure", "heartbeat", "seed"}
    own |= {"cluster", "shards", "gradients_per_push"}
    assert different.keys() | own == {field.name for field in dataclasses.fields(A3C)}
    assert different.keys() | {"seed", "device", "normalize"} == {field.name for field in dataclasses.fields(A2C)}
    defaults = {field.name: field.default for field in dataclasses.fields(A2C)}
    assert not any(defaults[name] == value for name, value in different.items())
    life_loss = {"life_loss": False}  # Counting has no lives
    settings = A3C(**different | life_loss).settings(seed=5)
    assert settings == different | life_loss | {"seed": 5, "device": "cpu"}
    for field in dataclasses.fields(A3C):
        if field.name in defaults and field.name != "num_envs":
            assert field.default == defaults[field.name], field.name


def test_seeds_differ_between_workers_and_between_calls():
    agent, twin = small(num_workers=3, seed=4), small(num_workers=3, seed=4)
    seeds = [agent.worker_seed(rank) for rank in range(3)]
    assert seeds[0] == 4 and len(set(seeds)) == 3 and seeds == [twin.worker_seed(rank) for rank in range(3)]
    assert seeds[1:] != [small(seed=5).worker_seed(rank) for rank in (1, 2)]
    agent.shared.steps[1] += 10
    later = [agent.worker_seed(rank) for rank in range(3)]
    assert len({*seeds, *later}) == 6 and all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in later)


@pytest.mark.parametrize("optimizer, kind", [("rmsprop", RMSProp), ("adam", Adam)])
def test_everything_that_workers_write_is_in_shared_memory(optimizer, kind):
    agent = small(optimizer=optimizer, num_workers=5)
    shared = agent.shared
    assert type(shared.optimizer) is kind and shared.optimizer.theta is shared.theta
    assert len(shared.steps) == len(shared.updates) == 5
    seen = elsewhere(shared)
    for mine, theirs in zip(
        (shared.theta, *shared.optimizer.statistics(), shared.steps, shared.updates), seen.tensors(), strict=True
    ):
        theirs += 3
        assert mine.equal(theirs)
    assert (seen.T, seen.version) == (shared.T, shared.version) == (15, 15) and agent.step == 15
    assert weights(agent.network).equal(shared.theta)
    disturb(agent.network)
    assert seen.theta.equal(weights(agent.network))


@pytest.mark.parametrize("shards", [1, 3, 7, 16])
def test_shards_are_parts_of_theta_and_none_is_empty(shards):
    agent = small(hidden=(1,), shards=shards, cluster="local")  # θ has 16 numbers
    parts = [keeper.part.shared for keeper in agent.transport()[0].keepers]
    assert len(parts) == shards and torch.cat([part.theta for part in parts]).equal(agent.shared.theta)
    sizes = {len(part.theta) for part in parts}
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
    for part in parts:
        part.theta.add_(1.0)
    assert weights(agent.network).equal(torch.cat([part.theta for part in parts]))  # views


def test_more_shards_than_theta_has_numbers_are_refused():
    with pytest.raises(ValueError) as error:
        small(hidden=(1,), shards=17, cluster="local")
    assert one_line(error) == "shards=17 is more than θ has numbers; take 16 or fewer."


def test_too_little_shared_memory_is_refused_in_a_sentence_that_names_both_sizes(monkeypatch, tmp_path):
    usage = lambda free: lambda folder: (64 * 2**20, 64 * 2**20 - free, free)
    monkeypatch.setattr(memory.shutil, "disk_usage", usage(10 * 2**20))
    memory.require_shared_memory(10 * 2**20, folder=tmp_path)
    with pytest.raises(
        ValueError, match="need 11.0 MiB.* only 10.0 of the 64.0 MiB at .* are free;.*--shm-size"
    ) as error:
        memory.require_shared_memory(11 * 2**20, folder=tmp_path)
    assert str(tmp_path) in one_line(error)
    memory.require_shared_memory(2**60, folder=tmp_path / "none")  # a system without that folder says nothing


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is elsewhere")
def test_an_agent_asks_for_all_the_shared_memory_that_it_needs(monkeypatch):
    networks = 2 * (4 * 300 + 300) + (300 * 2 + 2) + (300 + 1)  # the weights of the policy and of V
    pages = -(-4 * networks // 4096)  # shared memory is taken in whole pages
    for optimizer, tensors, count in (("rmsprop", 2, 0), ("adam", 3, 1)):  # θ and g; θ, m and v, and t
        needed = 4096 * (tensors * pages + count + 2)  # and two counts of each worker
        for free in (needed, needed - 1):
            monkeypatch.setattr(memory.shutil, "disk_usage", lambda folder, free=free: (2**20, 2**20 - free, free))
            if free == needed:
                A3C(hidden=(300,), optimizer=optimizer, num_workers=3)
                continue
            with pytest.raises(ValueError, match="shared memory") as error:
                A3C(hidden=(300,), optimizer=optimizer, num_workers=3)
            one_line(error)


def replaced(monkeypatch, messages):
    """Replace `supervise` by these messages -> what `learn` passed to it."""
    asked = {}

    def supervise(work, jobs, **options):
        asked.update(options, work=work, jobs=jobs)
        yield from messages

    monkeypatch.setattr(module, "supervise", supervise)
    return asked


def test_what_the_parent_passes_to_supervise(monkeypatch):
    for on_failure, locked in (("stop", False), ("continue", True)):
        agent = small(on_failure=on_failure, locked=locked, heartbeat=7.0, num_workers=3, shared_statistics=not locked)
        asked = replaced(monkeypatch, [])
        assert list(agent.learn(100)) == []
        assert asked["work"] is A3C.actor_learner and asked["heartbeat"] == 7
        assert asked["go_on"] == (on_failure != "stop")
        for rank, (settings, shared, number, total_steps) in enumerate(asked["jobs"]):
            assert settings == agent.settings(agent.worker_seed(rank)) and number == rank and total_steps == 100
            assert all(mine is theirs for mine, theirs in zip(shared.tensors(), agent.shared.tensors(), strict=True))
            assert (shared.lock is not None) == locked == shared.own_statistics
    assert len({id(job[1].lock) for job in asked["jobs"]}) == 1  # one lock for all


def test_only_a_lock_that_no_living_worker_holds_is_released():
    shared = small(num_workers=1).shared
    shared.for_workers(locked=False, own_statistics=False).release()
    shared = shared.for_workers(locked=True, own_statistics=False)
    lock = shared.lock
    for held in (False, True):
        if held:
            lock.acquire()
        shared.release()
        assert lock.acquire(block=False)
        lock.release()
    lock.acquire()
    let_go = []
    owner = threading.Timer(0.2, lambda: let_go.append(True) or lock.release())  # its owner is alive
    owner.start()
    shared.release()
    assert let_go
    owner.join()
    assert lock.acquire(block=False) and not lock.acquire(block=False)


# Failures ------------------------------------------------------------------------------------------------------


class Fuse(Adam):
    """The first worker that holds the lock is killed in the middle of its update."""

    def step(self, gradient, learning_rate):
        self.fuse += 1
        if self.fuse == 20:
            self.theta[::2] += 0.1
            os.kill(os.getpid(), signal.SIGKILL)
        super().step(gradient, learning_rate)


@posix
def test_a_worker_killed_in_the_middle_of_a_locked_update_does_not_stop_the_other():
    agent = small(locked=True, on_failure="continue", optimizer="adam", shared_statistics=False, recurrent=True)
    agent.shared.optimizer.__class__ = Fuse
    agent.shared.optimizer.fuse = torch.zeros(()).share_memory_()
    with pytest.warns(
        UserWarning, match=r"Continuing with the other workers: Worker \d was killed, .*\(exit code -9: SIGKILL\)"
    ) as seen:
        progress = [*agent.learn(1_000)]
    assert len(seen) == 1
    dead = int(str(seen[0].message).split("Worker ")[1][0])
    assert agent.step == progress[-1].step >= 1_000 and agent.shared.steps[1 - dead] > 400
    assert agent.shared.steps.sum() == 5 * (agent.shared.updates.sum() + 1)  # one segment did not become an update
    assert agent.shared.optimizer.fuse > 20 and torch.isfinite(agent.shared.theta).all()
    assert not any(x.any() for x in agent.shared.optimizer.statistics())  # each worker kept its own


class Faulty(gymnasium.Wrapper):
    """CartPole that fails when worker 0 makes it, and hangs in the fourth step of worker 1."""

    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))
        self.steps, self.name = 0, multiprocessing.current_process().name
        if self.name == "Worker 0":
            raise ValueError("no such game")

    def step(self, action):
        self.steps += 1
        if self.steps == 4 and self.name == "Worker 1":
            time.sleep(10_000)
        return self.env.step(action)


def test_one_worker_raises_and_the_other_hangs_and_both_say_where(monkeypatch):
    monkeypatch.setattr(sys.modules["rlkit.running.workers"], "GRACE", 20.0)  # a busy machine may answer late
    agent = small(env=Faulty, on_failure="continue", heartbeat=1.0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(WorkerError) as error:
            list(agent.learn(1_000))
    raised, hung = sorted(
        [*(str(w.message).removeprefix("Continuing with the other workers: ") for w in seen), str(error.value)]
    )
    assert (
        raised.startswith("Worker 0 failed: ValueError: no such game\n")
        and "in actor_learner" in raised
        and "no such game" in raised
    )
    assert hung.startswith("Worker 1 hangs: it sent nothing for 1 s") and "larger heartbeat" in hung
    assert "in step" in hung and "time.sleep(10_000)" in hung  # the worker was asked where it is
    assert agent.step == 0  # no segment was completed


CELLS = """
import multiprocessing, os
import gymnasium
from rlkit import A3C

class Cell(gymnasium.Wrapper):
    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))

def refuse():
    try:
        next(A3C(env=Cell).learn(100))
    except ValueError as error:
        print(error, multiprocessing.active_children())

def play():
    shown = False
    for progress in A3C(num_workers=1).learn(10**9):
        if progress.step and not shown:
            shown = True
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


@posix
def test_a_notebooks_kernel(tmp_path):
    """A notebook's own definitions are refused at once, and interrupting or restarting its kernel leaves no worker."""
    paths = os.pathsep.join([str(Path(module.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": paths}
    manager, client = start_new_kernel(startup_timeout=PATIENCE, cwd=str(tmp_path), env=env)
    try:
        assert list(replies(client, CELLS)) == []
        ((_, told),) = replies(client, "refuse()")
        assert "cannot be given Cell" in told and "top level of a .py file" in told and told.endswith("[]\n")
        cell = replies(client, "play()")
        worker = int(next(cell)[1])
        manager.interrupt_kernel()
        assert next(cell) == ("error", "KeyboardInterrupt") and list(cell) == []
        gone(worker)
        worker = int(next(replies(client, "play()"))[1])
        manager.restart_kernel(now=True)
        gone(worker)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def replies(client, code):
    """What a cell prints, and the name of its error, until it ends."""
    cell = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") != cell:
            continue
        if kind in ("stream", "error"):
            yield kind, content["text"] if kind == "stream" else content["ename"]
        if kind == "status" and content["execution_state"] == "idle":
            return


def gone(pid):
    """Wait until this process has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"the worker {pid} was left behind")
