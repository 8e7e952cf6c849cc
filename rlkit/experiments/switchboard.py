"""What really makes PPO work? Each detail switched alone, and {TRPO, PPO} with and without the details. Chapter 3.

Every arm of a task has the same search: the best of three learning rates, by the mean score over three tuning seeds
that are used for nothing else. TRPO's step is set by its budget of KL, so its three settings are three budgets. The
best is then run on ten seeds. The search goes by the score of the whole run, and so does the first judgement; the
greedy policy after it is the second.

What we expected, written down before the runs, and what would refute it:

1. On Pendulum, scaling observations and scaling rewards help. Refuted where the interval of the effect lies below 0;
   not shown where it holds 0, or where p, by Holm over the 14 switches, is above 0.05.
2. Clipping the values does not help (Andrychowicz et al. 2021). Refuted where the interval lies above 0.
3. Adam's ε makes no difference that ten seeds can show. Refuted where p, by Holm, is at most 0.05.
4. The clip of the ratio matters less than the largest detail, where four epochs are all that it has to hold.
   Refuted if its effect is the largest of all on either task.
5. The details matter more than the algorithm (Engstrom et al. 2020, on MuJoCo). Refuted where the effect of the
   algorithm is larger, without regard to its sign, than that of the details.
"""

import itertools

import numpy as np

from rlkit.experiments.curves import TUNING, best_of, greedy_score, returns_at, trained
from rlkit.experiments.details import BASE, COMMON, FOUR, SWITCHES, TASKS, WITHOUT
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.trpo import TRPO

SEEDS = range(10)
RATES, BUDGETS = (1e-3, 3e-3, 1e-2), (0.003, 0.01, 0.03)
POINTS = 40  # of a curve
ARMS = tuple(dict.fromkeys((BASE, *SWITCHES, *FOUR)))


def switchboard(seeds=SEEDS):
    """All arms on both tasks -> {task: {arm: {"best", "search"}}}: a `measured` run for each seed, and for each try."""
    return {task: {arm: compared(task, arm, seeds) for arm in ARMS} for task in TASKS}


def compared(task, arm, seeds):
    """One arm on one task: over the search, and at the best setting found."""
    tries = [[run(measured, seed, task, arm, **setting) for seed in TUNING] for setting in search(arm)]
    return {
        "best": [run(measured_at_best, seed, task, arm, *itertools.chain(*tries)) for seed in seeds],
        "search": tries,
    }


def search(arm):
    """The settings that are tried for an arm."""
    if arm.startswith("TRPO"):
        return [dict(learning_rate=3e-3, max_kl=budget) for budget in BUDGETS]
    return [dict(learning_rate=rate) for rate in RATES]


def measured_at_best(seed, task, arm, *tries):
    """A `measured` run at the setting with the highest mean score over the tuning seeds."""
    return measured(seed, task, arm, **best_of(search(arm), tries))


def measured(seed, task, arm, **setting):
    """One run -> {"returns": `[POINTS]`, "score", "end", "setting"}.

    returns: the mean of the last 20 episodes, at equally spaced steps. score: their mean. end: the mean return of the
    greedy policy over ten whole episodes after the run.
    """
    total = TASKS[task]["total"]
    agent = agent_of(task, arm, seed, **setting)
    curve = returns_at(trained(agent, total), np.linspace(0, total, POINTS + 1).astype(int)[1:])["returns"]
    end = round(greedy_score(agent, seed), 1)
    return {"returns": curve, "score": round(float(np.mean(curve)), 1), "end": end, "setting": setting}


def agent_of(task, arm, seed, **setting):
    """The agent of an arm."""
    total, gamma = TASKS[task]["total"], TASKS[task]["gamma"]
    details = COMMON | dict(anneal_steps=total, gamma=gamma)
    details |= {"PPO, without": WITHOUT, "TRPO, without": WITHOUT, "TRPO, with": dict(value_clip=0.2)}.get(arm, {})
    details |= SWITCHES.get(arm, {})
    if arm.startswith("TRPO"):
        for only_of_ppo in ("clip_coef", "normalize_advantages", "adam_eps", "shared"):
            del details[only_of_ppo]
    return (TRPO if arm.startswith("TRPO") else PPO)(task, seed=seed, **details | setting)
