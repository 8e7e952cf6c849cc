"""How sensitive is PPO to its learning rate, and to ε or β? Chapter 3, section 15."""

import numpy as np

from rlkit.experiments.curves import SEEDS, trained
from rlkit.experiments.plan import run
from rlkit.ppo import PPO

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
CLIPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # ε
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)  # each is held fixed; the adaptive rule is one column more
SETTINGS = dict(num_envs=8, num_steps=128, epochs=4, minibatch_size=256)
HELD = dict(variant="adaptive_kl", kl_min=1e-12, kl_max=np.inf)  # a band that no KL leaves, so β stays


def sensitivity(seeds=SEEDS):
    """PPO on CartPole-v1, 40 000 steps: the mean return of all episodes of a run, for each pair of settings.

    {"learning_rates": `[R]`, "clips": `[C]`, "betas": `[B]`, "clip": `[R, C, seeds]`, "kl": `[R, B + 1, seeds]`}; the
    last column of "kl" is the adaptive rule.
    """
    clip = [[mean_returns(seeds, learning_rate=rate, clip_coef=clip) for clip in CLIPS] for rate in RATES]
    kl = [
        [mean_returns(seeds, learning_rate=rate, kl_coef=beta, **HELD) for beta in BETAS]
        + [mean_returns(seeds, learning_rate=rate, variant="adaptive_kl")]
        for rate in RATES
    ]
    return {"learning_rates": RATES, "clips": CLIPS, "betas": BETAS, "clip": clip, "kl": kl}


def mean_returns(seeds, **changes):
    """One `mean_return` for each seed."""
    return [run(mean_return, seed, **changes) for seed in seeds]


def mean_return(seed, total_steps=40_000, **changes):
    """The mean return of all the episodes that PPO finished."""
    result = trained(PPO(seed=seed, **SETTINGS, **changes), total_steps)
    return round(float(np.mean(result.returns)), 1)
