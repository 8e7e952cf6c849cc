"""The comparisons that a live panel shows before anybody has run it: the same runs, made once and stored."""

from math import inf

import numpy as np

from rlkit.experiments.plan import run
from rlkit.experiments.side_by_side import Report, identity, maker, one_run
from rlkit.experiments.stored import stored
from rlkit.presets import preset

SEEDS, TOTAL = range(10), 40_000
SETTINGS = {
    "DQN, C = 16": ("dqn-cartpole-plain", dict(target_period=16)),
    "DQN, C = 4": ("dqn-cartpole-plain", dict(target_period=4)),
    "PPO, clip": ("ppo-cartpole", dict()),
    "PPO, adaptive KL": ("ppo-kl-cartpole", dict()),
    "PPO, all details": ("ppo-cartpole-details", dict()),
    "PPO, no details": (
        "ppo-cartpole-details",
        dict(normalize=False, orthogonal=False, activation="relu", max_grad_norm=inf, anneal_steps=None),
    ),
}


def compared(seeds=SEEDS, total_steps=TOTAL):
    """Each setting over the seeds -> {name: [a `whole_run` for each seed]}."""
    return {name: [run(whole_run, seed, name, total_steps) for seed in seeds] for name in SETTINGS}


def whole_run(seed, name, total_steps):
    """The last Report of one run -> {"steps": `[P]`, "returns": `[P]`, "score"}."""
    *_, last = one_run(name, maker_of(name), seed, total_steps)
    return {"steps": last.steps.tolist(), "returns": last.returns.round(1).tolist(), "score": round(last.score, 1)}


def maker_of(name):
    """What makes the agents of a setting."""
    known, changes = SETTINGS[name]
    return maker(preset(known, **changes))


def recall(comparison):
    """Fill in the runs of a SideBySide, if both of its settings are stored -> the date they were made, or "".

    Settings are known by all of their fields, so one that has been edited is not shown the runs of another.
    """
    runs, how = stored("compared")
    known = {identity(maker_of(name)): made for name, made in runs.items()}
    found = [known.get(identity(make)) for make in comparison.makers.values()]
    if comparison.total_steps != TOTAL or len(comparison.seeds) > len(SEEDS) or None in found:
        return ""
    for name, made in zip(comparison.names, found):
        for seed, one in zip(comparison.seeds, made):
            steps, returns = np.array(one["steps"]), np.array(one["returns"])
            comparison.runs[name][seed] = Report(name, seed, steps, returns, one["score"])
    return how["date"]
