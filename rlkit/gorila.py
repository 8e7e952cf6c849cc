"""Gorila: distributed DQN. Workers act, replay and compute gradients; one server holds the parameters.

Nair et al. 2015, Massively Parallel Methods for Deep Reinforcement Learning; algorithm 1 in "bundled" mode, where a
worker is an actor, its own replay memory and a learner. Nobody waits for anybody: a gradient is a little stale when it
arrives, and no run can be repeated exactly. Where we leave the paper: the server steps with Adam instead of AdaGrad; it
sets θ⁻ itself, for all workers at once; and ε falls with the steps of all workers, not with the server's updates.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch

from rlkit.dqn import DQN
from rlkit.networks import numpy_twin
from rlkit.settings import check_settings
from rlkit.training import Progress
from rlkit.workers import flatten, supervise, views


class Shared(NamedTuple):
    """What the server publishes, in memory that all processes see and only the server writes."""

    theta: torch.Tensor  # θ: all weights w in one flat tensor
    theta_target: torch.Tensor  # θ⁻: those of the target network
    num_updates: torch.Tensor  # the version of θ
    step: torch.Tensor  # steps of all workers


class Gradient(NamedTuple):
    """From a learner to the server."""

    values: np.ndarray | None  # as flat as θ; None: the learner dropped it
    version: int  # of the θ that it was computed with
    loss: float
    q: float


class Experience(NamedTuple):
    """From an actor to the server: what it did, not what it saw."""

    steps: int
    finished: list


@dataclass
class Gorila:
    """DQN with many actor-learners. A field that DQN has too means the same, for all workers together."""

    env: str | Callable = "CartPole-v1"
    num_workers: int = 2
    max_staleness: int = 20  # the server drops gradients that are older, in updates
    max_deviation: float = 5.0  # a learner drops a loss so many standard deviations above its mean
    double: bool = False
    dueling: bool = False
    n_step: int = 1
    gamma: float = 0.99
    learning_rate: float = 2.5e-4
    batch_size: int = 32
    target_period: int = 500  # N, in updates of the server
    replay_size: int = 50_000  # divided among the workers
    learning_starts: int = 1_000
    num_envs: int = 1  # of each worker
    train_period: int = 4
    updates: int = 1
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    epsilon_steps: int = 10_000
    huber_delta: float = 1.0
    reward_clip: float = float("inf")
    max_grad_norm: float = 10.0
    adam_eps: float = 1e-8
    hidden: tuple = (64, 64)
    obs_shift: float | tuple = 0.0
    obs_scale: float | tuple | None = None
    frame_size: int = 84
    life_loss: bool = False
    actions: tuple | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self):
        check_settings(self)
        self.server = DQN(**self.dqn_settings())  # neither acts nor replays: it holds w, w_T, the optimiser, counters
        self.envs, self.network = self.server.envs, self.server.network
        self.theta, self.theta_target = flat_weights(self.server)
        self.gradient = torch.zeros_like(self.theta)
        parameters = list(self.network.parameters())
        for parameter, view in zip(parameters, views(self.gradient, parameters)):
            parameter.grad = view
        self.shared = Shared(
            *(torch.zeros(self.theta.numel()).share_memory_() for _ in range(2)),
            *(torch.zeros((), dtype=torch.int64).share_memory_() for _ in range(2)),
        )
        self.num_stale = self.num_outliers = 0  # gradients dropped
        self.staleness = 0.0  # running mean

    @property
    def step(self):
        return self.server.step

    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Algorithm 1 from the server's side: take what comes, from whomever; a `yield` for each report of an actor.

        Every call starts the workers anew, in seconds, with empty replay memories; all else goes on where it was.
        """
        if self.step >= total_steps:
            return
        self.publish()
        metrics, began, updates_before = {}, time.perf_counter(), self.server.num_updates
        with closing(supervise(bundle, [self.job(i) for i in range(self.num_workers)])) as messages:
            for message in messages:
                finished = []
                if isinstance(message, Gradient):
                    metrics |= self.update(message)
                    continue
                if isinstance(message, Experience):
                    self.server.step += message.steps
                    self.shared.step.fill_(self.step)
                    finished = [episode._replace(step=self.step) for episode in message.finished]
                speed = (self.server.num_updates - updates_before) / (time.perf_counter() - began)
                yield Progress(self.step, finished, metrics | {"updates_per_second": speed})
                if self.step >= total_steps:
                    break

    def update(self, gradient):
        """The parameter server: one step along a worker's gradient, unless it is too old; every N steps, θ⁻ = θ."""
        if gradient.values is None:
            self.num_outliers += 1
        else: 
            staleness = self.server.num_updates - gradient.version
            self.staleness += 0.01 * (staleness - self.staleness)
            if staleness > self.max_staleness:
                self.num_stale += 1
            else:
                self.apply(gradient.values)
        return {}
