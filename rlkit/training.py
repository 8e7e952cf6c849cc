"""Training runs, seen from outside: `train`, its watchers, and `evaluate`. Nothing here knows how an agent learns."""

import sys

import numpy as np

from rlkit.running.result import Result, finish, watch


def train(agent, total_steps, *watchers):
    """Let `agent` learn until it has taken `total_steps` steps in all -> Result.

    Watchers are called with (progress, result) after each iteration. One that returns a sentence ends the run: the
    sentence says why. A watcher's method `finish(result)`, if it has one, is called when the run has ended. In a
    notebook a curve is drawn meanwhile. An interrupt returns the result so far; call `train` again to continue. Raises
    ValueError if `total_steps` is not above 0, and whatever the agent raises.
    """
    check_positive(total_steps=total_steps)
    result = Result(agent=agent)
    if in_notebook():
        from rlkit.plotting.live import Curve  # loads matplotlib, which a run without a screen must not

        watchers = (*watchers, Curve(total_steps))
    try:
        for progress in watch(agent, total_steps, result):
            reasons = [reason for watcher in watchers if (reason := watcher(progress, result))]
            if reasons:
                result.stopped = reasons[0]
                break
    except KeyboardInterrupt:
        result.stopped = "interrupted"
    finally:
        finish(watchers, result)
    return result


def in_notebook():
    """Does this run in a notebook's kernel, where a curve can be shown?"""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and type(shell).__name__ == "ZMQInteractiveShell"


def stop_at(score, window=20):
    """A watcher that stops when the mean return of the last `window` finished training episodes reaches `score`."""
    check_positive(window=window)

    def watcher(progress, result):
        if progress.finished and len(result.returns) >= window and result.mean_return(window) >= score:
            return f"reached {score}"

    return watcher


def time_limit(seconds):
    """A watcher that stops after this many seconds."""
    check_positive(seconds=seconds)
    return lambda progress, result: f"time limit of {seconds} s" if result.seconds >= seconds else None


def evaluate(agent, episodes=20, seed=1_000_000):
    """Undiscounted returns `[episodes]` of the greedy policy: one episode in each of `episodes` new environments.

    These are not "the first `episodes` to finish", because the first to finish are the short ones.
    """
    check_positive(episodes=episodes)
    envs = agent.envs.again(episodes, seed)
    returns = np.full(episodes, np.nan)
    totals = np.zeros(episodes)
    getattr(agent, "forget", lambda: None)()  # a recurrent agent must not remember other episodes
    try:
        while np.isnan(returns).any():
            _, rewards, *_ = envs.step(agent.act(envs.obs))
            totals += rewards
            returns = np.where(envs.ended & np.isnan(returns), totals, returns)
    finally:
        envs.close()
    return returns


def check_positive(**values):
    """Raise ValueError, in one sentence, for a value that is not a number above 0."""
    for name, value in values.items():
        if not (isinstance(value, int | float) and value > 0):
            raise ValueError(f"{name}={value!r} must be a number above 0.")
