"""The implementation details of PPO as switches: the arms of the sweep `switchboard`, and what their scores say.

`switchboard.py` trains these agents, and `rlkit.plotting.switches` draws them.
"""

from math import inf

import numpy as np

from rlkit.experiments.statistics import difference_interval, holm, interquartile_mean, permutation_p

TASKS = {  # steps of a run, and γ
    "CartPole-v1": dict(total=40_000, gamma=0.99),
    "Pendulum-v1": dict(total=80_000, gamma=0.9),
}
COMMON = dict(  # with this all arms begin; the learning rate also falls to 0 over the run
    num_envs=8, num_steps=128, epochs=4, minibatch_size=256, clip_coef=0.2, gae_lambda=0.95, normalize=True,
    normalize_advantages=True, max_grad_norm=0.5, adam_eps=1e-5, orthogonal=True, activation="tanh", shared=False,
)  # fmt: skip
SWITCHES = {  # what is different in the arm that is named after a detail
    "observations scaled": dict(normalize="rewards"),
    "rewards scaled": dict(normalize="obs"),
    "advantages normalised": dict(normalize_advantages=False),
    "learning rate annealed": dict(anneal_steps=None),
    "orthogonal weights": dict(orthogonal=False),
    "tanh, not ReLU": dict(activation="relu"),
    "two networks": dict(shared=True),
    "gradients clipped": dict(max_grad_norm=inf),
    "values clipped": dict(value_clip=0.2),
    "Adam's ε = 1e-5": dict(adam_eps=1e-8),
    "GAE, λ = 0.95": dict(gae_lambda=1.0),
    "entropy bonus": dict(entropy_coef=0.01),
    "four epochs": dict(epochs=1),
    "ratio clipped": dict(clip_coef=1e6),
}
ADDED = ("values clipped", "entropy bonus")  # the others are taken away
CORE = ("four epochs", "ratio clipped")  # these two are the algorithm itself, to compare the details with
BASE = "all"

# The two by two after Engstrom et al. 2020. PPO with all seven details that TRPO can have too is an arm above.
FOUR = ("values clipped", "PPO, without", "TRPO, with", "TRPO, without")
WITHOUT = dict(normalize=False, orthogonal=False, activation="relu", max_grad_norm=inf, anneal_steps=None)
SCORES = {"score": "the whole run", "end": "the greedy policy after it"}


def scores(arm, kind="score"):
    """One score of each of an arm's ten runs: `[seeds]`."""
    return np.array([run[kind] for run in arm["best"]])


def effects(arms, kind="score"):
    """What each detail is worth on a task: {detail: (with it minus without it, low, high, p)}.

    The difference of interquartile means and its 95 % interval; p of a permutation test, by Holm for all switches.
    """
    found, base = {}, scores(arms[BASE], kind)
    for name in SWITCHES:
        pair = (scores(arms[name], kind), base)
        on, off = pair if name in ADDED else pair[::-1]
        middle = interquartile_mean(on) - interquartile_mean(off)
        found[name] = (float(middle), *map(float, difference_interval(on, off)), permutation_p(on, off))
    adjusted = holm([p for *_, p in found.values()])
    return {name: (*one[:3], p) for (name, one), p in zip(found.items(), adjusted)}


def contrasts(arms, kind="score", resamples=2_000, seed=0):
    """What matters more on a task, the details or the algorithm -> {words: (middle, low, high)}.

    "details": with minus without, the mean of PPO and TRPO. "algorithm": PPO minus TRPO, the mean of with and without.
    "PPO's details" and "TRPO's details": of one alone. Of interquartile means, with 95 % bootstrap intervals, in which
    the seeds of each arm are drawn independently.
    """
    rng, found = np.random.default_rng(seed), [scores(arms[name], kind) for name in FOUR]
    drawn = [one[rng.integers(len(one), size=(resamples, len(one)))].T for one in found]
    signs = {
        "details": (0.5, -0.5, 0.5, -0.5), "algorithm": (0.5, 0.5, -0.5, -0.5),
        "PPO's details": (1, -1, 0, 0), "TRPO's details": (0, 0, 1, -1),
    }  # fmt: skip
    middles, draws = ([interquartile_mean(one) for one in some] for some in (found, drawn))
    return {
        words: (float(np.dot(weights, middles)), *map(float, np.percentile(np.dot(weights, draws), [2.5, 97.5])))
        for words, weights in signs.items()
    }
