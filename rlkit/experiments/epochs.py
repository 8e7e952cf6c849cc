"""How often should PPO use each rollout, and what if nothing holds it back? Chapter 3, section 4.

Every pair of an objective and a number of epochs has the same search: four learning rates on two seeds that are used
for nothing else. The best of them, by the mean of its curve, is run on the ten seeds.
"""

import itertools

import numpy as np

from rlkit.experiments.curves import best_of, played
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.presets import FAST_PPO_CARTPOLE

EPOCHS = (1, 2, 4, 10, 20)  # K
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
TUNING = (100, 101)
POINTS = 40  # of a curve
UNLIMITED = 1e9  # an ε that clips nothing
TASKS = {  # settings, steps of a run, objectives
    "CartPole": (FAST_PPO_CARTPOLE, 30_000, ("ratio, clipped", "ratio")),
}


def epochs(seeds=range(10)):
    """PPO on each task with each objective and K epochs -> {"task, objective, K": {"best", "search"}}.

    "best" has an `epochs_run` for each seed, and "search" has one for each learning rate and tuning seed.
    """
    return {
        f"{task}, {objective}, {count}": compared(task, objective, count, seeds)
        for task, (_, _, objectives) in TASKS.items()
        for objective in objectives
        for count in EPOCHS
    }


def compared(task, objective, count, seeds):
    """One arm: over the search, and at the best learning rate found."""
    tries = [[run(epochs_run, seed, task, objective, count, rate) for seed in TUNING] for rate in RATES]
    return {
        "best": [run(run_at_best, seed, task, objective, count, *itertools.chain(*tries)) for seed in seeds],
        "search": tries,
    }


def run_at_best(seed, task, objective, count, *tries):
    """An `epochs_run` at the learning rate with the highest mean score over the tuning seeds."""
    return epochs_run(seed, task, objective, count, best_of(RATES, tries))


def epochs_run(seed, task, objective, count, rate):
    """One run -> {"returns": `[POINTS]`, "score", "end", "kl", "rate", "finite"}.

    returns: the mean of the last 20 episodes, at equally spaced steps. score: their mean, over the whole run. end: the
    mean of the last four. kl: the median over the updates. finite: did all numbers stay finite? If not, the run ended
    there, and its last return stands for the rest.
    """
    settings, total_steps, _ = TASKS[task]
    clip = {"clip_coef": UNLIMITED} if objective == "ratio" else {}
    agent = PPO(**settings | dict(epochs=count, minibatch_size=512, learning_rate=rate, seed=seed) | clip)
    kls = []
    result, finite = played(agent, total_steps, lambda progress: kls.append(float(progress.metrics["kl"])))
    returns = result.means_at(np.linspace(0, total_steps, POINTS)) if result.returns else np.full(POINTS, np.nan)
    return {
        "returns": returns.round(1).tolist(),
        "score": round(float(returns.mean()), 2),
        "end": round(float(returns[-4:].mean()), 2),
        "kl": float(f"{np.median(kls):.3g}"),
        "rate": rate,
        "finite": finite,
    }
