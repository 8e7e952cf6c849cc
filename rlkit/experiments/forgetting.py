"""Does an agent that balances forget how to balance? Replay memories of several sizes. Chapter 2, section 7."""

import numpy as np
import torch

from rlkit.dqn import DQN
from rlkit.experiments.curves import greedy_score, learning
from rlkit.experiments.plan import run
from rlkit.presets import FAST_CARTPOLE
from rlkit.replay import Batch, Replay

SIZES = (128, 1_000, 4_000, 16_000, 50_000)  # transitions; with 128 only those since the last update
KEPT = 400  # transitions of the beginning, a tenth of a memory of 4,000
SETTINGS = dict(FAST_CARTPOLE, target_period=4)  # the preset dqn-cartpole-plain


def forgetting(seeds=range(10)):
    """DQN on CartPole-v1 with replay memories of several sizes, and with some of the beginning kept for good.

    {size, or "4,000, falls kept" or "4,000, no falls kept": one `forgetting_run` for each seed}.
    """
    runs = {f"{size:,}": [run(forgetting_run, seed, size) for seed in seeds] for size in SIZES}
    runs["4,000, falls kept"] = [run(forgetting_run, seed, 4_000, falls=True) for seed in seeds]
    runs["4,000, no falls kept"] = [run(forgetting_run, seed, 4_000, falls=False) for seed in seeds]
    return runs


def forgetting_run(seed, size, falls=None, total_steps=80_000, points=40):
    """One run, measured at `points` equally spaced steps: {"steps", "scores", "falls"}, each `[points]`.

    A score is the mean return of the greedy policy over ten whole episodes. "falls" is how many transitions in the
    memory end in a fall.
    """
    agent = forgetful(seed, size, falls)
    measured = {"steps": [], "scores": [], "falls": []}
    for _ in learning(agent, total_steps, points):
        falls_held = int(agent.replay.terminated.sum())
        for values, value in zip(measured.values(), (agent.step, greedy_score(agent, seed), falls_held)):
            values.append(value)
    return measured


def forgetful(seed, size, falls=None):
    """The agent of one run. `falls`: keep nothing for good (None), or `KEPT` transitions with or without falls."""
    changes = dict(SETTINGS, seed=seed)
    if falls is not None:
        size -= KEPT
    agent = DQN(**changes | {"replay_size": size + changes["num_envs"]})  # the newest row has no successor yet
    if falls is not None:
        keep_beginning(agent, falls)
    return agent


def keep_beginning(agent, falls):
    """From the first update on, a tenth of each minibatch comes from `KEPT` transitions of the steps before it.

    They are drawn uniformly from these, or from those among them that end in no fall.
    """
    sample, rng, kept = agent.replay.sample, np.random.default_rng(agent.seed), []

    def with_beginning(batch_size):
        if not kept:
            kept.append(beginning(agent.replay, falls, rng))
        old = rng.integers(KEPT, size=batch_size // 10)
        return joined(sample(batch_size - len(old)), kept[0], old)

    agent.replay.sample = with_beginning


def beginning(replay: Replay, falls, rng):
    """`KEPT` transitions of all that a memory holds -> Batch."""
    rows = np.arange(*replay.complete_rows())
    slots = (rows[:, None] * replay.num_envs + np.arange(replay.num_envs)).ravel()
    usable = replay.valid.flat[slots] & (falls | ~replay.terminated.flat[slots])
    return replay.gather(rng.choice(slots[usable], KEPT, replace=False), np.ones(KEPT, np.float32))


def joined(batch, other, rows):
    """A batch, and some rows of another one -> Batch."""
    tensors = {name: torch.cat([x, vars(other)[name][rows]]) for name, x in vars(batch).items() if name != "slots"}
    return Batch(**tensors, slots=np.concatenate([batch.slots, other.slots[rows]]))
