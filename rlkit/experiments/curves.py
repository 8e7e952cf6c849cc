"""Learning curves as plain numbers: train an agent, then read its returns at a few dozen steps."""

import numpy as np

from rlkit.running.result import Result, watch
from rlkit.training import check_positive

SEEDS = range(5)  # of most sweeps


def trained(agent, total_steps, *watchers):
    """Train without drawing a live curve -> Result.

    The same steps as `rlkit.train`. A watcher's reason to stop ends the run. An interrupt is not caught: it ends the
    whole experiment, so half a run is never stored as a whole one.
    """
    check_positive(total_steps=total_steps)
    result = Result(agent=agent)
    for progress in watch(agent, total_steps, result):
        for watcher in watchers:
            result.stopped = result.stopped or watcher(progress, result) or ""
        if result.stopped:
            break
    return result


def returns_at(result, steps, window=20, decimals=1):
    """The mean return of the last `window` episodes at each of `steps`, rounded: {"steps": `[P]`, "returns": `[P]`}."""
    return {"steps": steps.tolist(), "returns": result.means_at(steps, window).round(decimals).tolist()}


def curve(agent, total_steps):
    """The learning curve of one run at 60 steps from 0 to `total_steps`: {"steps": `[60]`, "returns": `[60]`}.

    A return is the mean of the last 20 episodes. A DQN also gives "q" `[60]`, the mean Q-value of its minibatches.
    """
    result = trained(agent, total_steps)
    steps = np.linspace(0, total_steps, 60).astype(int)
    run = returns_at(result, steps)
    if "q" in result.metrics:
        run["q"] = np.interp(steps, result.metric_steps["q"], result.metrics["q"]).round(2).tolist()
    return run
