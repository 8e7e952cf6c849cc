"""Gorila: distributed DQN. Workers act, replay and compute gradients; one server holds the parameters.

Nair et al. 2015, Massively Parallel Methods for Deep Reinforcement Learning; algorithm 1 in "bundled" mode, where a
worker is an actor with its own replay memory and a learner. (Chapter 2, section 16.)

Nobody waits: a gradient is a little stale when it arrives, and no run can be repeated exactly. With `cluster` the
server and the workers may be on many machines, as in the paper (lectures/cluster.md).

Differences from the paper: the server steps with Adam instead of AdaGrad, and sets θ⁻ itself for all workers at once; a
learner does not drop gradients of exceptional losses, because the norm of every gradient is clipped; ε falls with the
steps of all workers, as in `rlkit.dqn`.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
import torch

from rlkit.dqn import DQN
from rlkit.running.cluster import check_cluster
from rlkit.running.copies import become_copy, copied_state
from rlkit.running.kinds import Count, CountOrZero, Limit, Number, Positive, Seed, ZeroToOne
from rlkit.running.learning import one_learner
from rlkit.running.parameters import RemotePublished, Updated, Whole
from rlkit.running.remote import on_cluster
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.running.transport import Published
from rlkit.running.workers import WorkerError, supervise
from rlkit.theta import clip_and_step, flat_gradient, flatten, views


class Gradient(NamedTuple):
    """What a learner pushes to the server."""

    values: np.ndarray  # flat, like θ
    version: int  # of the θ at which it was computed
    loss: float
    q: float


class Experience(NamedTuple):
    """What an actor reports to the server: what it did, not what it saw."""

    steps: int
    finished: list  # episodes


@dataclass
class Gorila:
    """DQN with many actor-learners. Fields that DQN also has mean the same, for all workers together."""

    env: str | Callable = "CartPole-v1"
    num_workers: Count = 2
    max_staleness: Count = 20  # in updates: the server drops older gradients
    double: bool = False
    dueling: bool = False
    n_step: Count = 1
    gamma: ZeroToOne = 0.99
    learning_rate: Positive = 2.5e-4
    batch_size: Count = 32
    target_period: Count = 500  # N, in updates of the server
    replay_size: Count = 50_000  # divided among the workers
    learning_starts: CountOrZero = 1_000
    num_envs: Count = 1  # of each worker
    train_period: Count = 4
    updates: Count = 1
    epsilon_start: ZeroToOne = 1.0
    epsilon_end: ZeroToOne = 0.1
    epsilon_steps: Count = 10_000
    huber_delta: Limit = 1.0
    reward_clip: Limit = float("inf")
    max_grad_norm: Limit = 10.0
    adam_eps: Positive = 1e-8
    hidden: tuple[Count, ...] = (64, 64)
    obs_shift: Number | tuple[Number, ...] = 0.0
    obs_scale: Positive | tuple[Positive, ...] | None = None
    frame_size: Count = 84
    life_loss: bool = False
    actions: tuple[CountOrZero, ...] | None = None
    cluster: str | None = None  # "local", "auto", "host:port", "ray://host:port": Ray instead of shared memory
    on_failure: Literal["stop", "continue"] = "stop"  # if a worker fails: end, or continue with the others
    heartbeat: Positive = 30.0  # seconds of silence after which a worker that has started counts as hanging
    seed: Seed = 0
    device: str = "auto"

    saved_to_act = ("network", "step")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("server.target", "server.optimizer", "server.num_updates")
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    def __post_init__(self):
        check_settings(self)
        check_cluster(self)
        self.server = DQN(**self.dqn_settings())  # it does not act: it holds w, w_T, the optimiser and the counts
        self.envs, self.network = self.server.envs, self.server.network
        self.theta, self.theta_target = flat_weights(self.server)
        self.shared = Published.hold(len(self.theta))
        self.staleness = 0.0  # of the last hundred or so gradients that arrived: an exponential average
        self.num_dropped = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Algorithm 1 from the server's side: take what arrives, from any worker. One `yield` for each actor's report.

        Each call starts its workers, which takes seconds, with empty replay memories. Everything else continues.
        """
        if self.step >= total_steps:
            return
        self.publish()
        metrics, began, updates_before = {}, None, self.server.num_updates
        shared, watch_over = self.transport()
        jobs, go_on = [self.job(i, shared) for i in range(self.num_workers)], self.on_failure == "continue"
        with closing(watch_over(bundle, jobs, heartbeat=self.heartbeat, go_on=go_on)) as messages:
            for message in messages:
                if isinstance(message, WorkerError):
                    warnings.warn(f"Continuing with the other workers: {message}", stacklevel=2)
                    continue
                if isinstance(message, Gradient):
                    began, metrics = began or time.perf_counter(), self.update(message)
                    continue
                if isinstance(message, Updated):  # on a cluster an actor is the server
                    began, metrics = began or time.perf_counter(), message.metrics
                    continue
                finished = []
                if isinstance(message, Experience):
                    self.server.step += message.steps
                    shared.publish_step(self.step)
                    finished = [episode._replace(step=self.step) for episode in message.finished]
                if began:
                    updates = self.server.num_updates - updates_before
                    metrics["updates_per_second"] = updates / (time.perf_counter() - began)
                yield Progress(self.step, finished, metrics | {"epsilon": self.server.current_epsilon()})
                if self.step >= total_steps:
                    break

    def update(self, gradient):
        """The parameter server: one step along a worker's gradient, unless it is too stale; every N of them, θ⁻ ← θ."""
        staleness = self.server.num_updates - gradient.version
        if staleness > self.max_staleness:
            self.num_dropped += 1
        else:
            parameters = self.server.parameters
            flat = torch.from_numpy(gradient.values).to(self.theta.device)
            for parameter, view in zip(parameters, views(flat, parameters)):
                parameter.grad = view
            clip_and_step(gradient.loss, parameters, self.server.optimizer, self.max_grad_norm)
            self.server.num_updates += 1
            if self.server.num_updates % self.target_period == 0:
                self.theta_target.copy_(self.theta)
            self.publish()
        self.staleness += 0.01 * (staleness - self.staleness)
        metrics = {"loss": gradient.loss, "q": gradient.q}
        return metrics | {"staleness": self.staleness, "dropped": self.num_dropped}

    def publish(self):
        """Write θ and θ⁻ where the workers read them."""
        self.shared.publish(self.theta, self.theta_target, self.server.num_updates, self.step)

    def transport(self):
        """How the workers reach θ and θ⁻, and who watches over them: this machine, or a cluster."""
        if self.cluster is None:
            return self.shared, supervise
        return on_cluster(self, [Whole(self)], RemotePublished)

    def job(self, number, shared):
        """What worker `number` is given. Its seed depends on the step, so each `learn` plays other episodes."""
        seed = np.random.SeedSequence([self.seed, number, self.step]).generate_state(1)[0] // 2
        settings = self.dqn_settings() | {"seed": int(seed), "replay_size": self.replay_size // self.num_workers}
        return settings, shared, self.learning_starts // self.num_workers

    def dqn_settings(self):
        return {field.name: getattr(self, field.name) for field in fields(DQN) if hasattr(self, field.name)}

    def act(self, obs):
        """Greedy actions: `[B, ...]` -> `[B]`."""
        return self.server.act(obs)

    def q_values(self, obs):
        """Q(s, · ; w) as NumPy: `[B, ...]` -> `[B, A]`."""
        return self.server.q_values(obs)

    @property
    def step(self):
        return self.server.step

    @step.setter
    def step(self, total):
        self.server.step = total


def bundle(send, settings, shared, learning_starts):
    """Algorithm 1 from a worker's side: a whole DQN whose `update` pushes the gradient instead of following it."""
    dqn = DQN(**settings)
    theta, theta_target = flat_weights(dqn)
    shared.join()

    def update():
        if len(dqn.replay) >= learning_starts:  # not `dqn.step`, which counts the steps of all workers
            version, dqn.step = shared.pull(theta, theta_target)
            batch = dqn.replay.sample(dqn.batch_size).to(dqn.torch_device)
            loss, q, _ = dqn.objective(batch)
            gradient = flat_gradient(loss, dqn.parameters)
            shared.push(Gradient(gradient.cpu().numpy(), version, loss.item(), q.mean().item()), send)
        return {}

    dqn.update = update
    _, dqn.step = shared.pull(theta, theta_target)
    for progress in dqn.learn(math.inf):
        send(Experience(dqn.train_period * dqn.num_envs, progress.finished))


def flat_weights(dqn):
    """θ and θ⁻: the weights of the DQN's networks become views of these."""
    theta, theta_target = flatten(dqn.network.parameters()), flatten(dqn.target.parameters())
    dqn.fast_q_values = dqn.network.numpy_twin()  # the old one had views of the old weights
    return theta, theta_target
