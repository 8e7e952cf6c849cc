"""Chapter 4: bugs of A3C. For each: the class with the one wrong line, the number that gives it away, and its card."""

from dataclasses import fields

import numpy as np
import torch

from rlkit import functional as F
from rlkit.a2c import A2C
from rlkit.experiments.museum.bug import Bug
from rlkit.running.result import Progress
from rlkit.segments import Segment

BUGS = {}  # name -> Bug

SEGMENTS_OF_32 = dict(
    num_envs=8, t_max=32, gae_lambda=0.95, learning_rate=3e-3, value_coef=0.05, entropy_coef=0.01, max_grad_norm=2.0,
    hidden=(32, 32), activation="relu",
)  # fmt: skip


# A worker acts on the shared network ----------------------------------------------------------------------------------


class TakingTurns(A2C):
    """A3C in one process: its workers, one for each environment, take one step each in turn.

    Their gradients are stale, as in A3C, and yet a run can be repeated exactly.
    """

    def __post_init__(self):
        super().__post_init__()
        settings = {field.name: getattr(self, field.name) for field in fields(A2C)} | {"num_envs": 1}
        self.workers = [A2C(**settings | {"seed": 1_000 * self.seed + rank}) for rank in range(self.num_envs)]
        self.turns = [self.laps(worker, rank) for rank, worker in enumerate(self.workers)]
        self.distances = [0.0]

    def learn(self, total_steps):
        while self.step < total_steps:
            for worker, turn in zip(self.workers, self.turns):
                next(turn)
                self.step += 1
                yield Progress(self.step, [e._replace(step=self.step) for e in worker.envs.pop_finished()], {})

    def laps(self, worker, rank):
        """Algorithm S3 of one worker, which pauses after every step.

        First segments have different lengths, so that the workers do not all push at once.
        """
        length = 1 + rank * self.t_max // self.num_envs
        while True:
            worker.theta.copy_(self.theta)  # θ' ← θ
            parts = []
            for _ in range(length):
                parts.append(self.take_step(worker))
                yield
            gradient, _ = worker.gradient(joined(parts))
            self.optimize.step(gradient, self.learning_rate)
            length = self.t_max

    def take_step(self, worker):
        """One step of a worker, with its own θ' -> a segment of length 1."""
        return worker.player.play(1)


def joined(parts):
    """Join segments of one step each into one segment of `len(parts)` steps."""
    *columns, _ = zip(*(part._replace(obs=part.obs[:1]) for part in parts))
    obs, *columns = (np.concatenate(column) for column in columns)
    return Segment(np.concatenate([obs, parts[-1].obs[1:]]), *columns, parts[0].lstm_state)


class ActsOnShared(TakingTurns):
    """The worker acts with the shared θ, which the others change meanwhile; its gradient is taken at its own θ'."""

    def take_step(self, worker):
        own, obs = worker.theta.clone(), torch.from_numpy(worker.envs.obs)
        worker.theta.copy_(self.theta)
        acting, part = worker.network.policy(obs).detach(), worker.player.play(1)
        worker.theta.copy_(own)
        self.distances.append(F.kl_divergence(acting, worker.network.policy(obs).detach()).mean().item())
        return part


def acting_to_own(agent):
    """KL(the policy that acted || the one whose gradient is taken) in nats, the mean of the last thousand steps."""
    return np.mean(agent.distances[-1_000:])


BUGS["acting on the shared network"] = Bug(
    chapter=4,
    wrong="a ~ π( · |s; θ), which others change meanwhile",
    right="a ~ π( · |s; θ')",
    symptom="the actions come from another policy than the one whose gradient is taken",
    number="KL(acting || of the gradient), nats",
    mark=(0.0, "the same policy"),
    test="tests/test_a3c.py::test_a_worker_acts_by_its_own_theta",
    source="seungeunrho/minimalRL, issue 9",
    sound=TakingTurns,
    broken=ActsOnShared,
    settings=SEGMENTS_OF_32,
    steps=30_000,
    measure=acting_to_own,
)


# Gradients are never set to zero --------------------------------------------------------------------------------------


class Accumulates(A2C):
    """Each gradient is added to those of all earlier segments, because none of them is set to zero.

    The classic worker calls `optimizer.zero_grad()`, which knows only the shared parameters. Before torch 2.0 that
    filled their gradients with zeros, and the worker's own with them, because they were the same tensors. Now it sets
    them to None instead. The worker's own gradients stay, and `backward` adds to them.
    """

    def __post_init__(self):
        super().__post_init__()
        self.total = torch.zeros_like(self.theta)

    def gradient(self, segment):
        gradient, metrics = super().gradient(segment)
        self.total += gradient
        return self.total * (self.max_grad_norm / self.total.norm()).clip(max=1), metrics


def fresh_share(agent):
    """The cosine between what is pushed and the gradient of the newest segment alone, the mean of fifty segments."""
    cosines = []
    for _ in range(50):
        segment = agent.player.play(agent.t_max)
        own, pushed = A2C.gradient(agent, segment)[0], agent.gradient(segment)[0]
        cosines.append(torch.cosine_similarity(own, pushed, dim=0).item())
        agent.optimize.step(pushed, agent.learning_rate)
    return np.mean(cosines)


BUGS["gradients accumulate"] = Bug(
    chapter=4,
    wrong="optimizer.zero_grad() on the shared network alone",
    right="a new gradient each time: torch.autograd.grad",
    symptom="every push holds all gradients since the beginning, the newest drowned in them",
    number="cosine of the push and the newest gradient",
    mark=(1.0, "the newest alone"),
    test="tests/test_a2c.py::test_a_gradient_is_of_its_segment_alone",
    source="the pattern of ikostrikov/pytorch-a3c, train.py, run with torch 2.0 or later",
    sound=A2C,
    broken=Accumulates,
    settings=SEGMENTS_OF_32,
    steps=40_000,
    measure=fresh_share,
)
