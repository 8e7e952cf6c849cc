"""Training runs, seen from outside: `train`, its watchers, and `evaluate`. Nothing here knows how an agent learns."""

import math
import sys
from numbers import Integral, Real

import numpy as np

from rlkit.running.messages import brief, endless
from rlkit.running.result import LONGEST, Result, finish, reason_to_stop, watch

GROUP = 100  # episodes that `evaluate` plays side by side, so that many of them do not need much memory
MOST = 1_000_000  # episodes of one `evaluate`


def train(agent, total_steps, *watchers):
    """Let `agent` learn until it has taken `total_steps` steps in all -> Result.

    Watchers are called with (progress, result) after each iteration. One that returns a sentence ends the run: the
    sentence says why. A watcher's method `finish(result)`, if it has one, is called when the run has ended. In a
    notebook a curve is drawn meanwhile. An interrupt returns the result so far; call `train` again to continue. Raises
    ValueError if an argument is of the wrong kind, and whatever the agent raises.
    """
    check_agent(agent, "learn")
    check_positive(total_steps=total_steps)
    check_watchers(watchers)
    result = Result(agent=agent)
    try:
        if in_notebook():
            from rlkit.plotting.curve import Curve  # loads matplotlib, which a run without a screen must not

            watchers = (*watchers, Curve(total_steps))
        for progress in watch(agent, total_steps, result):
            result.stopped = reason_to_stop(watchers, progress, result)
            if result.stopped:
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
    check_whole(window=window)
    if not (is_number(score) and math.isfinite(score)):
        raise ValueError(f"score={brief(score)} must be a number; it is the return at which to stop.")

    def watcher(progress, result):
        if progress.finished and len(result.returns) >= window and result.mean_return(window) >= score:
            return f"reached {score}"

    return watcher


def time_limit(seconds):
    """A watcher that stops after this many seconds."""
    check_positive(seconds=seconds)
    return lambda progress, result: f"time limit of {seconds} s" if result.seconds >= seconds else None


def evaluate(agent, episodes=20, seed=1_000_000, max_steps=LONGEST):
    """Undiscounted returns `[episodes]` of the greedy policy: one episode in each of `episodes` new environments.

    These are not "the first `episodes` to finish", because the first to finish are the short ones. No game of Atari
    comes near `max_steps`.

    Raises ValueError if an argument is of the wrong kind, or if an episode has not ended after `max_steps` steps.
    """
    check_whole(episodes=episodes, max_steps=max_steps)
    if episodes > MOST:
        raise ValueError(f"episodes={episodes} is too many; ask for {MOST:_} at most.")
    check_seed(seed)
    check_agent(agent, "act", "envs")
    groups = range(0, episodes, GROUP)
    return np.concatenate([play(agent, min(GROUP, episodes - i), int(seed) + i, max_steps) for i in groups])


def play(agent, episodes, seed, max_steps):
    """The returns of `episodes` episodes side by side."""
    envs = agent.envs.again(episodes, seed)
    returns = np.full(episodes, np.nan)
    totals = np.zeros(episodes)
    forget = getattr(agent, "forget", lambda: None)  # a recurrent agent must not remember other episodes
    forget()
    try:
        for _ in range(max_steps):
            _, rewards, *_ = envs.step(agent.act(envs.obs))
            totals += rewards
            returns = np.where(envs.ended & np.isnan(returns), totals, returns)
            if not np.isnan(returns).any():
                return returns
    finally:
        forget()
        envs.close()
    raise endless(agent.env, max_steps, ", or give evaluate a larger max_steps")


def check_agent(agent, *needs):
    """Raise ValueError for what is not an agent."""
    if isinstance(agent, type):
        raise ValueError(f"{agent.__name__} is a class, not an agent; make one first, as in {agent.__name__}().")
    missing = [name for name in needs if not hasattr(agent, name)]
    if missing:
        some = f": it has no {' and no '.join(missing)}" if len(missing) < len(needs) else ""
        raise ValueError(
            f"{type(agent).__name__} is not an agent{some}; pass one of rlkit's, such as DQN('CartPole-v1')."
        )


def check_watchers(watchers):
    """Raise ValueError for a watcher that cannot be called."""
    for watcher in watchers:
        if isinstance(watcher, type) or not callable(watcher):
            raise ValueError(f"{brief(watcher)} is not a watcher: it cannot be called. Pass one such as stop_at(475).")


def check_positive(**values):
    """Raise ValueError, in one sentence, for a value that is not a number above 0."""
    for name, value in values.items():
        if not (is_number(value) and value > 0):
            raise ValueError(f"{name}={brief(value)} must be a number above 0.")


def check_whole(**values):
    """Raise ValueError, in one sentence, for a value that is not a whole number above 0."""
    for name, value in values.items():
        if not (is_whole(value) and value > 0):
            raise ValueError(f"{name}={brief(value)} must be a whole number above 0.")


def check_seed(seed):
    """Raise ValueError for what is not the seed of a first episode."""
    if not (is_whole(seed) and 0 <= seed <= 2**31 - MOST):  # an emulator's seed has 31 bits
        raise ValueError(f"seed={brief(seed)} must be a whole number from 0 to {2**31 - MOST:_}.")


def is_number(value):
    """Is it a number of Python's or NumPy's, and not True or False?"""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value):
    return is_number(value) and isinstance(value, Integral)
