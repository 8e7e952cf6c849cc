"""A3C: many workers, each with its own environment, update one shared θ whenever they are ready. Nobody waits.

Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning; algorithm S3. (Chapter 4, section 5.)

A worker is an `A2C` whose θ' is copied from the shared θ and whose gradient updates the shared θ. With one worker A3C
is A2C, number for number. A run with several workers cannot be repeated exactly.

θ lies in memory that all workers share, or, with `cluster`, in one process or more, to which they send messages: then
they may be on many machines, and the algorithm stays the same (lectures/cluster.md).

Differences from the paper: a segment continues into the next episode; policy and value share their clipped gradient; a
policy over continuous actions has one σ for all states.
"""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from rlkit.a2c import A2C
from rlkit.running.cluster import check_cluster
from rlkit.running.copies import become_copy, copied_state
from rlkit.running.kinds import BelowOne, Count, CountOrZero, Limit, NotNegative, Number, Positive, Seed, ZeroToOne
from rlkit.running.laps import Link
from rlkit.running.learning import one_learner
from rlkit.running.parameters import RemoteMemory, parts_of
from rlkit.running.remote import on_cluster
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.running.transport import SharedMemory
from rlkit.running.workers import WorkerError, supervise
from rlkit.segments import Player
from rlkit.theta import clip_norm, flat_gradient


@dataclass
class A3C:
    """Asynchronous advantage actor-critic. Fields that A2C also has mean the same, for each worker."""

    env: str | Callable = "CartPole-v1"
    num_workers: Count = 2
    t_max: Count = 5
    num_envs: Count = 1  # of each worker
    recurrent: bool = False
    gamma: ZeroToOne = 0.99
    gae_lambda: ZeroToOne = 1.0
    learning_rate: Positive = 1e-3
    optimizer: Literal["rmsprop", "adam", "adam_in_place"] = "rmsprop"
    shared_statistics: bool = True  # False: each worker has its own g (or m, v) until `learn` ends
    locked: bool = False  # one update at a time; the paper's threads do not wait for each other
    rmsprop_decay: BelowOne = 0.99
    adam_betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    optimizer_eps: Positive = 1e-5
    value_coef: NotNegative = 0.5
    entropy_coef: NotNegative = 0.01
    max_grad_norm: Limit = 0.5
    anneal_steps: Count | None = None
    reward_clip: Limit = float("inf")
    hidden: tuple[Count, ...] = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    obs_shift: Number | tuple[Number, ...] = 0.0
    obs_scale: Positive | tuple[Positive, ...] | None = None
    frame_size: Count = 84
    life_loss: bool = False
    actions: tuple[CountOrZero, ...] | None = None
    cluster: str | None = None  # "local", "auto", "host:port", "ray://host:port": Ray instead of shared memory
    shards: Count = 1  # of θ, on a cluster: each is held by a parameter actor
    gradients_per_push: Count = 1  # a worker averages so many before it changes θ
    on_failure: Literal["stop", "continue"] = "stop"  # if a worker fails: end, or continue with the others
    heartbeat: Positive = 30.0  # seconds of silence after which a worker that has started counts as hanging
    seed: Seed = 0

    saved_to_act = ("network", "step")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("optimize",)
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    @staticmethod
    def actor_learner(send, settings, shared, rank, total_steps):
        """Algorithm S3: one worker. `send` takes its reports to the parent process."""
        model = A2C(**settings)  # θ' and an environment
        link = Link(shared, rank, send)
        while link.T < total_steps:  # noqa: SIM300 (T is the paper's name, not a constant)
            version = link.pull(model.theta)  # θ' ← θ
            segment = model.player.play(model.t_max)  # t_max steps with π( · |s; θ')
            model.step = link.count(model.t_max * model.num_envs)  # T ← T + t_max

            loss, metrics = model.objective(segment)
            gradient = flat_gradient(loss, model.parameters)  # dθ, at θ'
            metrics["grad_norm"] = clip_norm(gradient, model.max_grad_norm)

            link.push(gradient, version, model.current_learning_rate())  # θ ← θ - η dθ/√(g + ε)
            link.report(model.envs.pop_finished(), metrics)
        link.finish()

    def __post_init__(self):
        check_settings(self)
        check_cluster(self)
        self.model = A2C(**self.settings(self.seed))  # the global model: it does not play
        self.envs, self.network, self.policy = self.model.envs, self.model.network, self.model.policy
        self.optimize = self.model.optimize
        self.shared = SharedMemory.hold(self.optimize, self.num_workers, shared=not self.cluster)  # shared.theta is θ
        self.check_shards()
        self.model.player = Player(self.model)  # the old one had views of the old weights
        self.laps = deque(maxlen=5_000)  # (rank, Lap) of the last updates
        self.cpu_seconds, self.startup = np.zeros(self.num_workers), np.zeros(self.num_workers)
        self.reported_steps = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Start the workers, which takes seconds, and listen. One `yield` for each report of a worker."""
        if self.step >= total_steps:
            return
        began, metrics = time.monotonic(), {}
        shared, watch_over = self.transport()
        seeds = [self.worker_seed(rank) for rank in range(self.num_workers)]
        jobs = [(self.settings(seed), shared, rank, total_steps) for rank, seed in enumerate(seeds)]
        self.cpu_seconds[:] = self.startup[:] = self.reported_steps = 0
        go_on = self.on_failure == "continue"
        with closing(watch_over(self.actor_learner, jobs, heartbeat=self.heartbeat, go_on=go_on)) as reports:
            for report in reports:
                if isinstance(report, WorkerError):
                    warnings.warn(f"Continuing with the other workers: {report}", stacklevel=3)
                    shared.release()
                    continue
                finished = []
                if report is not None:
                    finished, metrics = report.finished, report.metrics
                    self.laps.extend((report.rank, lap) for lap in report.read_laps())
                    self.cpu_seconds[report.rank] = report.cpu_seconds
                    self.reported_steps += report.steps
                    self.startup[report.rank] = self.startup[report.rank] or time.monotonic() - began
                yield Progress(self.step, finished, metrics)

    def transport(self):
        """How the workers reach θ, and who watches over them: memory and processes of one machine, or a cluster."""
        if self.cluster is None:
            own_statistics = not self.shared_statistics
            return self.shared.for_workers(self.locked, own_statistics, self.gradients_per_push), supervise
        return on_cluster(self, parts_of(self.shared, self.shards), RemoteMemory)

    def check_shards(self):
        """Raise ValueError if θ has fewer numbers than there are shards."""
        numbers = len(self.shared.theta)
        if self.shards > numbers:
            raise ValueError(f"shards={self.shards} is more than θ has numbers; take {numbers} or fewer.")

    def settings(self, seed):
        """The settings of a worker's A2C."""
        values = {field.name: getattr(self, field.name) for field in fields(A2C) if hasattr(self, field.name)}
        return values | {"seed": seed, "device": "cpu"}

    def worker_seed(self, rank):
        """The seed depends on the step, so another call of `learn` plays other episodes. Rank 0 begins like A2C."""
        if rank == 0 and self.step == 0:
            return self.seed
        return int(np.random.SeedSequence([self.seed, rank, self.step]).generate_state(1)[0] // 2)

    @property
    def step(self):
        return self.shared.T

    @step.setter
    def step(self, total):
        self.shared.set_T(total)

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.model.act(obs)

    def forget(self):
        """The next `act` begins new episodes: a recurrent network starts from its initial state."""
        self.model.forget()
