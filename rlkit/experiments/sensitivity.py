"""How sensitive is PPO to its learning rate, and to ε or β? Chapter 3, section 15."""

import numpy as np

from rlkit.experiments.curves import trained
from rlkit.experiments.plan import run
from rlkit.ppo import PPO

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # learning rates
CLIPS = (0.05, 0.1, 0.2, 0.4, 0.8)  # ε
BETAS = (0.0, 0.01, 0.1, 1.0, 10.0)  # each is held; the adaptive rule is one more
TOTAL, EARLY = 80_000, 40_000
SETTINGS = dict(num_envs=8, num_steps=128, epochs=4, minibatch_size=256)
NO_RATIO_REACHES = 1e6  # an ε of this size clips nothing: the objective without a price is that with β = 0


def sensitivity(seeds=range(10), total_steps=TOTAL):
    """PPO on CartPole-v1: {"clip": {setting: `scores` of each seed}, "kl": {setting: ...}}.

    A setting is `name(rate, value)`: a learning rate, with an ε, or with a β or "adaptive".
    """
    arms = {"clip": (by_clip, CLIPS), "kl": (by_price, [*BETAS, "adaptive"])}
    return {
        kind: {
            name(rate, value): [run(scores, seed, total_steps, learning_rate=rate, **changes(value)) for seed in seeds]
            for rate in RATES
            for value in values
        }
        for kind, (changes, values) in arms.items()
    }


def name(rate, value):
    return f"learning rate {rate:g}, {value if isinstance(value, str) else format(value, 'g')}"


def by_clip(clip):
    return dict(clip_coef=clip)


def by_price(beta):
    """The settings for a price that is held, or for the rule."""
    if beta == "adaptive":
        return dict(variant="adaptive_kl")
    if beta == 0:
        return dict(clip_coef=NO_RATIO_REACHES)
    return dict(variant="adaptive_kl", kl_coef=beta, kl_min=1e-12, kl_max=np.inf)  # a band that no KL leaves


def scores(seed, total_steps, **changes):
    """One run: the mean return of the episodes that end in its first 40 000 steps, and of its last 20 episodes."""
    result = trained(PPO(seed=seed, **SETTINGS, **changes), total_steps)
    returns, steps = np.array(result.returns), np.array(result.steps)
    return {"early": round(float(returns[steps <= EARLY].mean()), 1), "end": round(float(returns[-20:].mean()), 1)}


def table(arms, values):
    """Runs of one kind as numbers: {"early" and "end": `[rates, values, seeds]`}."""

    def each(score):
        return np.array([[[one[score] for one in arms[name(rate, value)]] for value in values] for rate in RATES])

    return {score: each(score) for score in ("early", "end")}
