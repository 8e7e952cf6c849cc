"""How reliable is PPO on Pong from pixels, and which of its settings make it so? Chapter 3, section 13."""

import time

import numpy as np

from rlkit.experiments.curves import trained
from rlkit.experiments.goal import GOAL
from rlkit.experiments.plan import run
from rlkit.presets import preset
from rlkit.running.result import Result
from rlkit.training import stop_at

TOTAL = 1_000_000
POINTS = 60  # of a curve
METRICS = ("explained_variance", "entropy", "kl", "clip_fraction", "value_loss")


def pong(seeds=range(10, 20), total_steps=TOTAL):
    """The preset ppo-pong-small until its last 20 games have a mean of 18 -> {"preset": a `pong_run` for each seed}."""
    return {"preset": [run(pong_run, seed, total_steps) for seed in seeds]}


def pong_points(seeds=range(10, 15), total_steps=300_000):
    """The preset, but a point ends nothing -> {"a point ends nothing": a `pong_run` for each seed}."""
    return {"a point ends nothing": [run(pong_run, seed, total_steps, reward_ends=False) for seed in seeds]}


def pong_run(seed, total_steps, **changes):
    """One run of the preset with `changes`, until it reaches the goal -> its `summary`, and its CPU seconds."""
    agent, began = preset("ppo-pong-small", seed=seed, **changes), time.process_time()
    diary = Diary()
    result = trained(agent, total_steps, diary, stop_at(GOAL))
    return summary(result, diary) | {"cpu_seconds": round(time.process_time() - began, 1)}


class Diary:
    """A watcher that keeps what a Result does not: the lengths of the games, and the metrics of every iteration."""

    def __init__(self):
        self.lengths, self.steps, self.metrics = [], [], []

    def __call__(self, progress, result):
        self.lengths += [episode.length for episode in progress.finished]
        self.steps.append(progress.step)
        self.metrics.append([float(progress.metrics[name]) for name in METRICS])


def summary(result, diary):
    """A run as plain numbers: {"reached", "end", "steps" `[P]`, "returns" `[P]`, "lengths" `[P]`, a metric `[P]`, ...}.

    reached: the step at which the last 20 training games had a mean score of 18, which ends a run; None if they never
    had. returns and lengths: means of the last 20 games at each of `steps`; None before the first game has ended. A
    metric is a mean over the iterations since the step before.
    """
    steps = np.linspace(0, result.step, POINTS + 1).astype(int)[1:]
    lengths = Result(returns=diary.lengths, steps=result.steps)
    bins = np.minimum(np.searchsorted(steps, diary.steps), POINTS - 1)
    means = {name: by_bin(bins, column) for name, column in zip(METRICS, np.transpose(diary.metrics))}
    return {
        "reached": result.step if result.stopped else None,
        "end": result.step,
        "steps": steps.tolist(),
        "returns": last_games(result, steps, 2),
        "lengths": last_games(lengths, steps, 0),
        **means,
    }


def last_games(result, steps, decimals):
    """The mean of the last 20 games at each step -> `[P]`; None before the first game has ended."""
    begun = [bool(result.steps) and result.steps[0] <= step for step in steps]
    means = result.means_at(steps).round(decimals) if any(begun) else steps
    return [float(mean) if known else None for mean, known in zip(means, begun)]


def by_bin(bins, values):
    """The mean of the values in each bin -> `[P]`; None for a bin that holds none."""
    counts = np.bincount(bins, minlength=POINTS)
    sums = np.bincount(bins, values, minlength=POINTS)
    return [round(float(total / count), 4) if count else None for total, count in zip(sums, counts)]
