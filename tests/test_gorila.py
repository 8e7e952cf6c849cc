"""rlkit.gorila: its parts against DQN's, and a run of two workers."""

import copy
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from conftest import disturb, one_line
from gymnasium.spaces import Box, Discrete

from rlkit.dqn import DQN
from rlkit.gorila import Experience, Gorila, Gradient, bundle, flat_weights
from rlkit.replay import Replay
from rlkit.running import memory
from rlkit.running.parameters import Updated
from rlkit.running.state import agent_state, restore_agent
from rlkit.running.workers import WorkerError
from rlkit.theta import flat_gradient
from rlkit.training import evaluate, stop_at, train

FIELDS = {"double": True, "dueling": True, "n_step": 3, "batch_size": 16, "hidden": (8, 8), "target_period": 3}


class Match(gymnasium.Env):
    """Four rounds of "repeat the sign that you see". At the top level, so that a worker can import it."""

    observation_space, action_space = Box(-1, 1, (1,), np.float32), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.rounds = 0
        return self.show(), {}

    def step(self, action):
        self.rounds += 1
        reward = float((self.sign > 0) == action)
        return self.show(), reward, self.rounds == 4, False, {}

    def show(self):
        self.sign = self.np_random.choice([-1, 1])
        return np.array([self.sign], np.float32)


def played(**fields):
    """A DQN with a filled replay memory, and a batch from it."""
    dqn = DQN(Match, **FIELDS, **fields)
    for _ in dqn.learn(200):
        pass
    return dqn, dqn.replay.sample(16)


def fake_gradient(agent, version, value=1.0):
    return Gradient(np.full(len(agent.theta), value, np.float32), version, loss=0.0, q=0.0)


def test_a_workers_gradient_is_dqns():
    """A worker in this process that pushes once: the gradient of DQN's own loss, at the weights that were pulled."""
    agent = Gorila(Match, num_workers=1, learning_starts=100, **FIELDS)
    disturb(agent.network)
    agent.publish()
    drawn, sent = [], []

    class Enough(Exception):
        pass

    def send(message):
        sent.append(message)
        if isinstance(message, Gradient):
            raise Enough

    sample = Replay.sample
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Enough):
        patch.setattr(Replay, "sample", lambda self, size: drawn.append(sample(self, size)) or drawn[-1])
        bundle(send, *agent.job(0, agent.shared))
    (batch,), pushed = drawn, sent[-1]
    loss, q, _ = agent.server.objective(batch)
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in agent.network.parameters()])
    torch.testing.assert_close(torch.from_numpy(pushed.values), expected)
    assert pushed.loss == pytest.approx(loss.item()) and pushed.q == pytest.approx(q.mean().item())


def test_the_servers_step_is_dqns(monkeypatch):
    """A batch through worker and server gives the same weights as through DQN.update: three times, with a sync."""
    dqn, batch = played(max_grad_norm=0.1)
    monkeypatch.setattr(dqn.replay, "sample", lambda size: batch)
    agent = Gorila(Match, max_grad_norm=0.1, **FIELDS)
    agent.network.load_state_dict(dqn.network.state_dict())
    agent.server.target.load_state_dict(dqn.target.state_dict())
    worker = DQN(Match, **FIELDS)
    theta, theta_target = flat_weights(worker)
    for version in range(3):
        agent.publish()
        assert agent.shared.pull(theta, theta_target) == (version, agent.step)
        gradient = flat_gradient(worker.objective(batch)[0], worker.parameters)
        agent.update(Gradient(gradient.numpy(), version, 0.0, 0.0))
        dqn.update()
    for ours, theirs in ((agent.network, dqn.network), (agent.server.target, dqn.target)):
        for name, weights in ours.state_dict().items():
            torch.testing.assert_close(weights, theirs.state_dict()[name])


def test_theta_is_the_network():
    dqn, _ = played()
    other, _ = played(seed=1)
    obs = np.array([[-1.0], [1.0]], np.float32)
    theta, theta_target = flat_weights(dqn)
    other_theta, _ = flat_weights(other)
    assert not np.allclose(dqn.q_values(obs), other.q_values(obs))
    theta.copy_(other_theta)  # θ' = θ
    assert np.array_equal(dqn.q_values(obs), other.q_values(obs))  # the fast copy in NumPy
    assert torch.equal(dqn.network(torch.from_numpy(obs)), other.network(torch.from_numpy(obs)))
    assert not torch.equal(theta_target, theta)


def test_the_server_drops_gradients_that_are_too_old():
    agent = Gorila(Match, max_staleness=2, **FIELDS)
    agent.server.num_updates = 10
    before = agent.theta.clone()
    assert agent.update(fake_gradient(agent, version=7))["dropped"] == 1
    assert torch.equal(agent.theta, before) and agent.server.num_updates == 10
    assert agent.update(fake_gradient(agent, version=8))["dropped"] == 1
    assert not torch.equal(agent.theta, before) and agent.server.num_updates == 11


def test_a_gradient_that_is_not_finite_stops_the_run_and_changes_no_weight():
    agent = Gorila(Match, **FIELDS)
    before = agent.theta.clone()
    with pytest.raises(ValueError, match="diverged; take a smaller learning_rate") as error:
        agent.update(fake_gradient(agent, version=0, value=np.nan))
    one_line(error)
    assert agent.theta.equal(before) and agent.server.num_updates == 0


def test_the_server_publishes_and_syncs_the_target():
    agent = Gorila(Match, **FIELDS)
    first = agent.theta.clone()
    for version in range(3):
        assert torch.equal(agent.theta_target, first)
        agent.update(fake_gradient(agent, version))
        assert torch.equal(agent.shared.theta, agent.theta)
        assert agent.shared.num_updates == version + 1
    assert torch.equal(agent.theta_target, agent.theta)  # target_period=3
    assert torch.equal(agent.shared.theta_target, agent.theta)


def test_a_worker_follows_the_server():
    """A worker in this process: its gradients carry the version that it read, its actor knows the common step count."""
    agent = Gorila(Match, num_workers=1, learning_starts=100, **FIELDS)
    agent.server.num_updates, agent.server.step = 7, 5_000
    agent.publish()
    sent = []

    class Enough(Exception):
        pass

    def send(message):
        sent.append(message)
        if len(sent) == 100:
            raise Enough

    with pytest.raises(Enough):
        bundle(send, *agent.job(0, agent.shared))
    kinds = [type(message) for message in sent]
    assert kinds[:25] == [Experience] * 24 + [Gradient]  # after 100 steps of its own
    assert {message.version for message in sent if isinstance(message, Gradient)} == {7}
    assert all(message.steps == 4 for message in sent if isinstance(message, Experience))
    assert all(tensor.is_shared() for tensor in agent.shared)


def test_seeds_differ_between_workers_and_between_calls():
    agent = Gorila(Match, num_workers=3, replay_size=9_000, **FIELDS)
    settings = [agent.job(i, agent.shared)[0] for i in range(3)]
    assert len({s["seed"] for s in settings}) == 3
    assert settings == [Gorila(Match, num_workers=3, replay_size=9_000, **FIELDS).job(i, None)[0] for i in range(3)]
    agent.server.step = 1_000
    assert agent.job(0, agent.shared)[0]["seed"] != settings[0]["seed"]
    assert settings[0]["replay_size"] == 3_000


def test_state_round_trip():
    agent = Gorila(Match, **FIELDS)
    agent.update(fake_gradient(agent, version=0))
    other = Gorila(Match, seed=1, **FIELDS)
    restore_agent(other, copy.deepcopy(agent_state(agent)))
    for trained in (agent, other):
        trained.update(fake_gradient(trained, version=1, value=2.0))  # the averages of the optimiser were restored too
    assert torch.equal(other.theta, agent.theta)
    assert other.server.num_updates == 2


def test_its_workers_are_supervised_like_those_of_a3c(monkeypatch):
    asked, agent = {}, Gorila(Match, on_failure="continue", heartbeat=7.0, num_workers=3, **FIELDS)

    def supervise(work, jobs, **options):
        asked.update(options, work=work, jobs=len(jobs))
        yield Experience(4, [])
        yield WorkerError("Worker 1 hangs.")
        yield fake_gradient(agent, version=0)
        yield Experience(4, [])
        raise WorkerError("Worker 2 was killed.")

    monkeypatch.setattr(sys.modules["rlkit.gorila"], "supervise", supervise)
    steps = []
    with (
        pytest.warns(UserWarning, match="^Continuing with the other workers: Worker 1 hangs.$"),
        pytest.raises(WorkerError, match="Worker 2"),
    ):
        steps.extend(progress.step for progress in agent.learn(100))
    assert asked == {"work": bundle, "jobs": 3, "heartbeat": 7.0, "go_on": True}
    assert agent.step == 8 and agent.server.num_updates == 1
    with pytest.warns(UserWarning), pytest.raises(WorkerError):
        list(Gorila(Match, **FIELDS).learn(100))
    assert asked["go_on"] is False and asked["heartbeat"] == 30.0


def test_on_a_cluster_the_server_tells_its_metrics(monkeypatch):
    def supervise(work, jobs, **options):
        yield Experience(4, [])
        yield Updated({"loss": 0.5, "q": 2.0})
        agent.server.num_updates += 3
        yield Experience(4, [])

    agent = Gorila(Match, **FIELDS)
    monkeypatch.setattr(sys.modules["rlkit.gorila"], "supervise", supervise)
    before, after = (progress.metrics for progress in agent.learn(8))
    assert before.keys() == {"epsilon"} and after["updates_per_second"] > 0
    assert (after["loss"], after["q"]) == (0.5, 2.0) and agent.step == 8


class Faulty(Match):
    """Worker 0 is killed in its fourth step."""

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 4 and multiprocessing.current_process().name == "Worker 0":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(action)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_the_others_continue_when_a_worker_is_killed():
    agent = Gorila(Faulty, on_failure="continue", heartbeat=600.0, learning_starts=100, **FIELDS)
    before = agent.theta.clone()
    sentence = r"^Continuing with the other workers: Worker 0 was killed, .*SIGKILL"
    with pytest.warns(UserWarning, match=sentence) as warned:
        for progress in agent.learn(100_000):
            if warned.list and agent.server.num_updates > 5 and progress.step > 200:  # it may start late
                break
    assert agent.theta.isfinite().all() and not agent.theta.equal(before)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is elsewhere")
def test_too_little_shared_memory_is_refused_in_a_sentence(monkeypatch):
    weights = 1 * 300 + 300 + 300 * 2 + 2
    pages = -(-4 * weights // 4096)
    needed = (2 * pages + 2) * 4096  # θ, θ⁻, and two counts, in whole pages
    for free in (needed, needed - 1):
        monkeypatch.setattr(memory.shutil, "disk_usage", lambda folder, free=free: (2**20, 2**20 - free, free))
        if free == needed:
            assert Gorila(Match, hidden=(300,)).theta.numel() == weights
            continue
        with pytest.raises(ValueError, match="The workers need .* of shared memory.*--shm-size") as error:
            Gorila(Match, hidden=(300,))
        one_line(error)


def test_two_workers_learn_together():
    agent = Gorila(
        Match, learning_rate=1e-2, batch_size=32, target_period=20, learning_starts=200, epsilon_steps=1_000,
        epsilon_end=0.0, gamma=0.5, hidden=(16, 16), train_period=8,
    )  # fmt: skip
    result = train(agent, 100_000, stop_at(4.0))
    assert result.stopped == "reached 4.0"
    assert result.steps == sorted(result.steps)
    assert result.steps[-1] == agent.step == result.step
    assert result.metrics["updates_per_second"][-1] > 0
    assert result.metrics["staleness"][-1] >= 0
    assert (evaluate(agent, 5) == 4).all()
    assert list(agent.learn(agent.step)) == []  # nothing left to do: no worker starts
