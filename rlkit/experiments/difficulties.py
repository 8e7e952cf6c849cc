"""What makes deep reinforcement learning hard: one experiment for each claim of chapter 1, on tasks of a few seconds.

Three of them play Catch (`rlkit.tasks`) with PPO. Learners differ in what they see, in the networks of their policy and
V, and in the learning rate. Each has the one that was best for it on Catch among 0.003, 0.01, 0.03 and 0.1, after
20 000 steps with the seeds 1000 and 1100. All other settings are the same.
"""

import functools

import numpy as np

from rlkit.experiments.curves import returns_at, trained
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.presets import preset
from rlkit.tasks import Catch, all_levels
from rlkit.training import stop_at

SEEDS = range(0, 500, 100)  # far apart, because 32 environments take the seeds s to s + 31
LEARNERS = {  # (what it sees, the hidden layers of its networks, its learning rate); no hidden layer: linear
    "features by hand": ("features", (), 0.03),
    "linear on pixels": ("pixels", (), 0.03),
    "network on pixels": ("pixels", (64,), 0.01),
    "table": ("table", (), 0.1),
}


def learner(kind, seed, size=8, bombs=False, levels=None):
    """One of `LEARNERS` as a PPO agent for Catch; `size`, `bombs` and `levels` as in `Catch`."""
    look, hidden, learning_rate = LEARNERS[kind]
    env = functools.partial(Catch, size, look, bombs, levels)
    return PPO(
        env, num_envs=32, num_steps=16, epochs=4, minibatch_size=128, learning_rate=learning_rate, entropy_coef=0.0,
        hidden=hidden, activation="relu", seed=seed,
    )  # fmt: skip


def learning_curve(agent, total_steps, window=200):
    """The mean return of the last `window` episodes at 40 steps: {"steps": `[40]`, "returns": `[40]`}."""
    result = trained(agent, total_steps)
    return returns_at(result, np.linspace(0, total_steps, 41)[1:].astype(int), window, decimals=3)


def end_to_end(seeds=SEEDS):
    """Features by hand against pixels, on Catch and on Catch with bombs, which the features were not made for.

    {"learner, task": one `learning_curve` for each seed}. Chapter 1, section 3.
    """
    kinds = ("features by hand", "linear on pixels", "network on pixels")
    return {
        f"{kind}, {task}": [run(catch_curve, kind, seed, bombs) for seed in seeds]
        for task, bombs in (("Catch", False), ("with bombs", True))
        for kind in kinds
    }


def catch_curve(kind, seed, bombs):
    """The `learning_curve` of one learner, 80 000 steps."""
    return learning_curve(learner(kind, seed, bombs=bombs), 80_000)


def sample_efficiency(seeds=SEEDS, sizes=(6, 8, 10)):
    """Steps until 190 of the last 200 balls were caught, on boards of three sizes; None if that takes over 300 000.

    {"learner, size": one number for each seed}. Chapter 1, section 7.
    """
    kinds = ("features by hand", "network on pixels", "table")
    return {
        f"{kind}, {size}": [run(steps_to_catch, kind, seed, size) for seed in seeds] for kind in kinds for size in sizes
    }


def steps_to_catch(kind, seed, size):
    """`steps_to` 0.9 of one learner, which is 190 balls of 200."""
    return steps_to(0.9, learner(kind, seed, size), 300_000)


def steps_to(score, agent, total_steps):
    """The step at which the mean return of the last 200 episodes first reaches `score`; None if it does not."""
    result = trained(agent, total_steps, stop_at(score, window=200))
    return agent.step if result.stopped else None


def overfitting(seeds=SEEDS, counts=(1, 2, 4, 8, 16, 32, 48)):
    """A network that learns from `count` of the 64 ways in which Catch can begin, and its scores on those and the rest.

    {count: one `trained_on` for each seed}. Chapter 1, section 6.
    """
    return {str(count): [run(trained_on, count, seed) for seed in seeds] for count in counts}


def trained_on(count, seed, total_steps=100_000):
    """One network: {"steps", "known": the greedy score on its `count` levels, "unseen": on the 64 - `count` others}.

    It learns until 398 of the last 400 games were won, or for `total_steps`.
    """
    levels = np.random.default_rng(seed).permutation(all_levels(8)).tolist()
    agent = learner("network on pixels", seed, levels=levels[:count])
    trained(agent, total_steps, stop_at(0.99, window=400))
    return {"steps": agent.step, "known": score(agent, levels[:count]), "unseen": score(agent, levels[count:])}


STABILISERS = {  # the parts of DQN that are taken away
    "all of DQN": (),
    "no target network": ("target",),
    "no replay": ("replay",),
    "neither": ("target", "replay"),
}


def stabilisers(seeds=range(0, 1_000, 100)):
    """DQN on CartPole-v1 with and without its target network and its replay memory, 40 000 steps.

    {what is taken away: one `learning_curve` for each seed}. Chapter 1, section 5.
    """
    return {name: [run(stabilised, parts, seed) for seed in seeds] for name, parts in STABILISERS.items()}


def stabilised(parts, seed):
    """The `learning_curve` of one run."""
    return learning_curve(dqn_without(parts, seed), 40_000, window=20)


def dqn_without(parts, seed):
    """The agent of the preset dqn-cartpole-plain without its target network, its replay, or both.

    Without a target network w_T is w itself. Without replay a batch comes from the 128 transitions since the last
    update, which are then forgotten. `parts`: a value of `STABILISERS`.
    """
    changes = {"replay_size": 8 * (16 + 1)} if "replay" in parts else {}  # eight environments, 16 steps and one more
    agent = preset("dqn-cartpole-plain", seed=seed, **changes)
    if "target" in parts:
        agent.target = agent.network
    return agent


def score(agent, levels):
    """The mean return of the agent's greedy policy over `levels` of Catch, each played once."""
    returns = []
    for level in levels:
        game = Catch(levels=[level])
        obs, over, total = game.reset()[0], False, 0.0
        while not over:
            obs, reward, over, *_ = game.step(agent.act(obs[None])[0])
            total += reward
        returns.append(total)
    return float(np.mean(returns))
