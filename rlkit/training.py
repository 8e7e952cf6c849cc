"""Training runs, seen from outside: `train`, its watchers and its `Result`. Nothing here knows how an agent learns."""

import json
import math
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Progress:
    """What an agent yields after each iteration. Metrics are numbers, or tensors not yet waited for."""

    step: int
    finished: list  # of rlkit.envs.Episode
    metrics: dict


@dataclass
class Result:
    """What a run gave: one entry per finished episode, and the metrics of its iterations."""

    returns: list = field(default_factory=list)  # undiscounted
    steps: list = field(default_factory=list)  # the agent's steps when the episode ended
    seconds: float = 0.0
    step: int = 0
    metrics: dict = field(default_factory=lambda: defaultdict(list))  # name -> values
    metric_steps: dict = field(default_factory=lambda: defaultdict(list))  # name -> the agent's steps at each value
    stopped: str = ""  # why the run ended
    agent: object = field(default=None, repr=False)  # who learned

    @classmethod
    def read(cls, path):
        """The run of `python -m rlkit train` whose results lie in `path`, a JSON file; metrics are not kept there."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        names = ("returns", "steps", "seconds", "step", "stopped")
        if not (isinstance(content, dict) and content.keys() >= set(names)):
            raise ValueError(f"{path} does not hold the episodes of a run; name the .json beside a checkpoint.")
        return cls(**{name: content[name] for name in names})

    def mean_return(self, window=20):
        """The mean of the last `window` episodes, NaN before the first."""
        return float(np.mean(self.returns[-window:])) if self.returns else math.nan

    def means_at(self, points, window=20):
        """The mean of the last `window` episodes at each of these steps; before the first episode, the first."""
        ends = np.maximum(np.searchsorted(self.steps, points, side="right"), 1)
        return np.array([np.mean(self.returns[max(0, end - window) : end]) for end in ends])

    def add(self, progress, metrics=True):
        self.step = progress.step
        for episode in progress.finished:
            self.returns.append(episode.total_reward)
            self.steps.append(episode.step)
        if metrics:
            for name, value in progress.metrics.items():
                self.metrics[name].append(float(value))
                self.metric_steps[name].append(progress.step)

    def __repr__(self):
        score = f"last-20 mean {self.mean_return():.1f}" if self.returns else "no episode finished"
        ended = f", {self.stopped}" if self.stopped else ""
        return f"Result({self.step} steps, {len(self.returns)} episodes, {score}, {self.seconds:.1f} s{ended})"


def train(agent, total_steps, *watchers):
    """Let `agent` learn until it has taken `total_steps` steps in all -> Result.

    Watchers are called with (progress, result) after each iteration; one that returns a word of reason ends the run.
    In a notebook a curve is drawn as it goes. An interrupt returns what there is; call again to go on.
    """
    check_positive(total_steps=total_steps)
    result = Result(agent=agent)
    if in_notebook():
        from rlkit.live import Curve  # draws, so it is loaded only where there is something to draw on

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
        for watcher in watchers:
            getattr(watcher, "finish", lambda result: None)(result)
    return result


def watch(agent, total_steps, result):
    """The agent's progress, recorded into `result` on the way; metrics 10 times a second, as reading a tensor waits."""
    began = time.perf_counter() - result.seconds
    recorded = -math.inf
    for progress in agent.learn(total_steps):
        result.seconds = time.perf_counter() - began
        due = result.seconds - recorded > 0.1
        result.add(progress, metrics=due)
        recorded = result.seconds if due else recorded
        yield progress


def in_notebook():
    """Is this an IPython kernel with someone watching?"""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return bool(shell) and type(shell).__name__ == "ZMQInteractiveShell"


def stop_at(score, window=20):
    """Stop when the mean of the last `window` finished training episodes reaches `score`."""
    check_positive(window=window)

    def watcher(progress, result):
        if progress.finished and len(result.returns) >= window and result.mean_return(window) >= score:
            return f"reached {score}"

    return watcher


def time_limit(seconds):
    """Stop after so many seconds."""
    check_positive(seconds=seconds)
    return lambda progress, result: f"{seconds} s are over" if result.seconds >= seconds else None


def evaluate(agent, episodes=20, seed=1_000_000):
    """Undiscounted returns of the greedy policy: one episode in each of `episodes` fresh environments.

    Not "the first `episodes` that finish": short episodes finish first.
    """
    check_positive(episodes=episodes)
    envs = agent.envs.again(episodes, seed)
    returns = np.full(episodes, np.nan)
    totals = np.zeros(episodes)
    getattr(agent, "forget", lambda: None)()  # of a recurrent agent: these are new episodes
    try:
        while np.isnan(returns).any():
            _, rewards, *_ = envs.step(agent.act(envs.obs))
            totals += rewards
            returns = np.where(envs.ended & np.isnan(returns), totals, returns)
    finally:
        envs.close()
    return returns


def check_positive(**values):
    """One sentence for a number that must be above 0 and is not."""
    for name, value in values.items():
        if not (isinstance(value, int | float) and value > 0):
            raise ValueError(f"{name}={value!r} must be a number above 0.")
