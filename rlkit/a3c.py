"""A3C: many workers, each with an environment of its own, update one θ whenever they are ready. Nobody waits.

Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning, algorithm S3. A worker is an `A2C` whose θ' is
copied from the shared θ and whose gradient goes there; with one worker A3C is A2C, number for number. Where we leave
the paper: a segment that meets the end of an episode goes on with the next one; policy and value share their clipped
gradient; a policy over continuous actions has one σ for all states. No run of several workers can be repeated exactly.
"""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, fields
from multiprocessing import get_context
from typing import Literal, NamedTuple

import numpy as np
import torch

from rlkit.a2c import A2C
from rlkit.optimizers import Adam, RMSProp
from rlkit.running.memory import require_shared_memory
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.running.workers import WorkerError, supervise
from rlkit.segments import Player


class Shared(NamedTuple):
    """In memory that all processes see, and all of them write."""

    optimizer: RMSProp | Adam  # θ and its statistics
    steps: torch.Tensor  # [W], each worker counts its own, so that no count is lost; T is their sum
    updates: torch.Tensor  # [W], likewise; their sum is the version of θ

    @property
    def theta(self):
        return self.optimizer.theta

    @property
    def T(self):
        return int(self.steps.sum())

    @property
    def version(self):
        return int(self.updates.sum())


class Report(NamedTuple):
    """What a worker tells every tenth of a second."""

    rank: int
    steps: int
    finished: list  # episodes
    laps: np.ndarray  # [K, 7], a row for each update: see `LAP`
    metrics: dict
    cpu_seconds: float  # so far, since it was ready


LAP = ("pull", "act", "gradient", "push", "end", "version_read", "version_written")  # five times, two versions


@dataclass
class A3C:
    """Asynchronous advantage actor-critic. A field that A2C has too means the same, for each worker."""

    env: str | Callable = "CartPole-v1"
    num_workers: int = 2
    t_max: int = 5
    num_envs: int = 1  # of each worker
    recurrent: bool = False
    gamma: float = 0.99
    gae_lambda: float = 1.0
    learning_rate: float = 1e-3
    optimizer: Literal["rmsprop", "adam", "adam_in_place"] = "rmsprop"
    shared_statistics: bool = True  # or else every worker keeps g (m, v) of its own, for as long as `learn` lasts
    locked: bool = False  # one update at a time; the paper's threads do not wait
    rmsprop_decay: float = 0.99
    adam_betas: tuple = (0.9, 0.999)
    optimizer_eps: float = 1e-5
    value_coef: float = 0.5
    entropy_coef: float = 0.01
    max_grad_norm: float = 0.5
    anneal_steps: int | None = None
    reward_clip: float = float("inf")
    hidden: tuple = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    obs_shift: float | tuple = 0.0
    obs_scale: float | tuple | None = None
    frame_size: int = 84
    life_loss: bool = False
    actions: tuple | None = None
    on_failure: Literal["stop", "continue"] = "stop"  # when a worker fails: end, or go on with the others
    heartbeat: float = 30.0  # seconds of silence after which a worker counts as hanging
    seed: int = 0

    def __post_init__(self):
        check_settings(self)
        self.model = A2C(**self.settings(self.seed))  # the global model: it does not play
        self.envs, self.network, self.policy = self.model.envs, self.model.network, self.model.policy
        optimizer = self.model.optimize
        counts = (torch.zeros(self.num_workers, dtype=torch.long) for _ in range(2))
        self.shared = Shared(optimizer, *counts)
        tensors = [optimizer.theta, *optimizer.statistics(), self.shared.steps, self.shared.updates]
        require_shared_memory(sum(tensor.nbytes for tensor in tensors))
        for tensor in tensors:
            tensor.share_memory_()
        self.model.player = Player(self.model)  # the old one had views of the old weights
        self.laps = deque(maxlen=5_000)  # (rank, lap) of the last updates
        self.cpu_seconds, self.startup = np.zeros(self.num_workers), np.zeros(self.num_workers)
        self.reported_steps = 0

    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Starts the workers, which takes seconds, and listens; a `yield` for each report of a worker."""
        if self.step >= total_steps:
            return
        began, metrics = time.monotonic(), {}
        lock = get_context("spawn").Lock() if self.locked else None
        jobs = [(self.settings(self.worker_seed(rank)), self.shared, rank, total_steps, lock, self.shared_statistics)
                for rank in range(self.num_workers)]  # fmt: skip
        self.cpu_seconds[:] = self.startup[:] = self.reported_steps = 0
        go_on = self.on_failure == "continue"
        with closing(supervise(actor_learner, jobs, heartbeat=self.heartbeat, go_on=go_on)) as messages:
            for message in messages:
                if isinstance(message, WorkerError):
                    warnings.warn(f"Going on without one: {message}", stacklevel=2)
                    set_free(lock)
                    continue
                finished = []
                if message is not None:
                    finished, metrics = message.finished, message.metrics
                    self.laps.extend((message.rank, lap) for lap in message.laps)
                    self.cpu_seconds[message.rank] = message.cpu_seconds
                    self.reported_steps += message.steps
                    self.startup[message.rank] = self.startup[message.rank] or time.monotonic() - began
                yield Progress(self.step, finished, metrics)

    def settings(self, seed):
        """Those of an A2C."""
        values = {field.name: getattr(self, field.name) for field in fields(A2C) if hasattr(self, field.name)}
        return values | {"seed": seed, "device": "cpu"}

    def worker_seed(self, rank):
        """It depends on the step, so that another call of `learn` brings other games; rank 0 begins like A2C."""
        if rank == 0 and self.step == 0:
            return self.seed
        return int(np.random.SeedSequence([self.seed, rank, self.step]).generate_state(1)[0] // 2)

    @property
    def step(self):
        return self.shared.T

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.model.act(obs)

    def forget(self):
        self.model.forget()

    def state(self, resume=True):
        """What a checkpoint holds: the network, and with `resume` what it takes to go on learning."""
        return self.model.state(resume) | {"step": self.step}

    def restore(self, state):
        self.model.restore(state)
        self.shared.steps.zero_()
        self.shared.steps[0] = state["step"]


def actor_learner(send, settings, shared, rank, total_steps, lock, shared_statistics):
    """Algorithm S3: the thread of one worker."""
    model = A2C(**settings)  # θ' and an environment
    optimizer = shared.optimizer if shared_statistics else own_statistics(shared.optimizer)
    report = Reporter(send, rank)
    while shared.T < total_steps:  # noqa: SIM300, T is the paper's name and no constant
        lap = [time.monotonic()]
        version_read = shared.version
        model.theta.copy_(shared.theta)  # θ' ← θ, while others may be writing it
        lap.append(time.monotonic())

        segment = model.player.play(model.t_max)
        shared.steps[rank] += model.t_max * model.num_envs
        model.step = shared.T
        lap.append(time.monotonic())

        gradient, metrics = model.gradient(segment)  # dθ, at θ'
        lap.append(time.monotonic())

        with lock or nullcontext():
            version_written = shared.version
            optimizer.step(gradient, model.learning_rate * model.remaining())  # θ ← θ - η dθ/√(g + ε)
            shared.updates[rank] += 1
        lap.append(time.monotonic())

        report.add([*lap, version_read, version_written], model, metrics)
    report.send()


class Reporter:
    """Sends ten times a second: the parent has other things to do than to read a message for each update."""

    def __init__(self, send, rank):
        self.deliver, self.rank = send, rank
        self.cpu_at_start = time.process_time()
        self.steps, self.finished, self.laps, self.metrics = 0, [], [], {}
        self.send()  # ready

    def add(self, lap, model, metrics):
        self.laps.append(lap)
        self.steps += model.t_max * model.num_envs
        self.finished += [episode._replace(step=model.step) for episode in model.envs.pop_finished()]
        self.metrics = metrics
        if time.monotonic() - self.sent > 0.1:
            self.send()

    def send(self):
        laps = np.array(self.laps).reshape(-1, len(LAP))
        if len(laps):
            self.metrics["staleness"] = (laps[:, 6] - laps[:, 5]).mean()
        metrics = {name: float(value) for name, value in self.metrics.items()}
        cpu_seconds = time.process_time() - self.cpu_at_start
        self.deliver(Report(self.rank, self.steps, self.finished, laps, metrics, cpu_seconds))
        self.steps, self.finished, self.laps = 0, [], []
        self.sent = time.monotonic()


def own_statistics(optimizer):
    """The same θ, with g (m, v) of this worker's own."""
    for tensor in optimizer.statistics():
        tensor.set_(tensor.clone())
    return optimizer


def set_free(lock):
    """A lock that a killed worker held would stay locked for ever. The living hold it for less than a millisecond."""
    if lock is not None:
        lock.acquire(timeout=1.0)
        lock.release()
