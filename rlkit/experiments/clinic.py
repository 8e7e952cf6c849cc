"""Six sick runs of PPO on Pendulum-v1, and healthy ones: what their metrics show. Chapter 3, section 18.

A patient is `preset("ppo-pendulum")` with one wrong line or setting. Its letter says nothing about its disease.
"""

from typing import NamedTuple

import numpy as np

from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.presets import FAST_PPO_PENDULUM
from rlkit.running.result import Result

TOTAL, POINTS = 49_152, 12  # steps of a run, and points of a curve, with four iterations each
METRICS = ("return", "kl", "clip_fraction", "entropy", "explained_variance", "grad_norm")
LOGARITHMIC = ("kl", "grad_norm")  # they differ by factors


class NoClip(PPO):
    """Nothing holds the new policy near the old one."""

    def objective(self, batch, clip_coef):
        return super().objective(batch, clip_coef=float("inf"))


class WrongSign(PPO):
    """Advantages are V - G instead of G - V, so the objective rewards what was worse than expected."""

    def objective(self, batch, clip_coef):
        return super().objective(batch._replace(advantages=-batch.advantages), clip_coef)


class TimeLimitEnds(PPO):
    """The time limit counts as an end of the task: nothing comes after it, for V."""

    def update(self, rollout):
        over, never = rollout.terminated | rollout.truncated, np.zeros_like(rollout.truncated)
        return super().update(rollout._replace(terminated=over, truncated=never))


class EntropyPunished(PPO):
    """The entropy bonus is subtracted from the objective, where it has to be added."""

    def objective(self, batch, clip_coef):
        params, _ = self.network(batch.obs)
        return super().objective(batch, clip_coef) + 0.1 * self.policy.entropy(params).mean()


class Patient(NamedTuple):
    """One sick agent, and what is known of its disease."""

    disease: str
    agent: type
    telling: str  # the metric that gives it away
    misleading: str  # a metric that makes one think of something else, or of nothing
    wrong: str  # the line as it is
    right: str  # the line as it must be
    changes: dict = {}  # settings that differ from the healthy run's


PATIENTS = {
    "A": Patient(
        "dead value function", PPO, "explained_variance", "kl", "L", "L − c₁ (V − target)²", dict(value_coef=0.0)
    ),
    "B": Patient(
        "exploding KL", NoClip, "kl", "explained_variance", "L = r A", "L = min( r A, clip(r, 1 − ε, 1 + ε) A )"
    ),
    "C": Patient("wrong sign of the objective", WrongSign, "return", "kl", "A = V − G", "A = G − V"),
    "D": Patient(
        "truncation taken as termination", TimeLimitEnds, "explained_variance", "entropy",
        "δ = r − V(s), at the time limit", "δ = r + γ V(s′) − V(s), at the time limit",
    ),
    "E": Patient(
        "collapsed entropy", EntropyPunished, "entropy", "explained_variance", "L − 0.1 H", "L, or L + 0.1 H"
    ),
    "F": Patient(
        "no normalisation", PPO, "grad_norm", "explained_variance",
        "rewards, observations and advantages as they come", "each divided by its standard deviation",
        dict(normalize=False, normalize_advantages=False),
    ),
}  # fmt: skip
HEALTHY = "healthy"


def clinic(seeds=range(10)):
    """The healthy agent and each patient -> {"healthy" or a letter: one `clinic_run` for each seed}."""
    return {name: [run(clinic_run, name, seed) for seed in seeds] for name in (HEALTHY, *PATIENTS)}


def clinic_run(name, seed, total_steps=TOTAL, points=POINTS):
    """One run -> {"steps": `[P]`, "return": `[P]`, and a list `[P]` for each of the other METRICS}.

    A return is the mean of the last 20 episodes. The others are means over the iterations since the point before.
    """
    patient = PATIENTS.get(name)
    agent = (patient.agent if patient else PPO)(**FAST_PPO_PENDULUM | (patient.changes if patient else {}), seed=seed)
    return measured(agent, total_steps, points)


def measured(agent, total_steps, points):
    """Train an agent -> its return and metrics at equally spaced points, as `clinic_run` gives them."""
    result, rows, steps = Result(agent=agent), [], []
    for progress in agent.learn(total_steps):
        result.add(progress, metrics=False)
        rows.append([float(progress.metrics[name]) for name in METRICS[1:]])
        steps.append(progress.step)
    parts = np.array_split(np.arange(len(rows)), points)
    ends = np.array([steps[part[-1]] for part in parts])
    means = np.array([np.mean([rows[i] for i in part], axis=0) for part in parts]).T  # [metrics, P]
    curves = {name: [float(f"{value:.4g}") for value in values] for name, values in zip(METRICS[1:], means)}
    return {"steps": ends.tolist(), "return": result.means_at(ends).round(1).tolist(), **curves}


# What the runs say ----------------------------------------------------------------------------------------------------


def late(runs, metric):
    """The mean of a metric after the first third of each run -> `[seeds]`. Of LOGARITHMIC ones the geometric mean.

    runs: one `clinic_run` for each seed.
    """
    values = np.array([one[metric][len(one[metric]) // 3 :] for one in runs])
    return np.exp(np.log(values).mean(1)) if metric in LOGARITHMIC else values.mean(1)
