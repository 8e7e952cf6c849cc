"""What an agent reports while it learns, and what is kept of it."""

import json
import math
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rlkit.running.disk import as_path
from rlkit.running.messages import brief

LONGEST = 200_000  # steps after which an episode counts as endless; the longest Atari game has 27_000


class Episode(NamedTuple):
    """A finished episode."""

    total_reward: float  # undiscounted and unclipped
    length: int  # in actions
    step: int  # how many steps all environments had taken together when it ended, autoreset rows included


@dataclass
class Progress:
    """What an agent yields after each iteration.

    `lectures/metrics.md` explains the metrics. They are numbers, or tensors that a GPU may still be computing.
    """

    step: int
    finished: list  # of `Episode`
    metrics: dict


@dataclass
class Result:
    """What a run gave: one entry for each finished episode, and the metrics of its iterations."""

    returns: list = field(default_factory=list)  # undiscounted
    steps: list = field(default_factory=list)  # the agent's steps when the episode ended; they never fall
    seconds: float = 0.0
    step: int = 0
    metrics: dict = field(default_factory=lambda: defaultdict(list))  # name -> values
    metric_steps: dict = field(default_factory=lambda: defaultdict(list))  # name -> the agent's steps at each value
    stopped: str = ""  # why the run ended
    agent: object = field(default=None, repr=False)  # the one that learned

    @classmethod
    def read(cls, path):
        """The results that `python -m rlkit train` wrote to the JSON file `path`. They do not include metrics.

        Raises FileNotFoundError if there is no such file, ValueError if it holds something else.
        """
        content = read_report(path)
        return cls(**{name: content[name] for name in ("returns", "steps", "seconds", "step", "stopped")})

    def mean_return(self, window=20):
        """The mean return of the last `window` episodes; NaN before the first has ended."""
        return float(np.mean(self.returns[-window:])) if self.returns else math.nan

    def means_at(self, points, window=20):
        """The mean return of the last `window` episodes at each of these steps; before that, the first one's return."""
        ends = np.maximum(np.searchsorted(self.steps, points, side="right"), 1)
        return np.array([np.mean(self.returns[max(0, end - window) : end]) for end in ends])

    def add(self, progress, metrics=True):
        self.step = progress.step
        for episode in progress.finished:
            place = len(self.steps)
            if self.steps and episode.step < self.steps[-1]:  # workers report their episodes a little late
                place = bisect_right(self.steps, episode.step)
            self.returns.insert(place, episode.total_reward)
            self.steps.insert(place, episode.step)
        if metrics:
            for name, value in progress.metrics.items():
                self.metrics[name].append(float(value))
                self.metric_steps[name].append(progress.step)

    def __repr__(self):
        score = f"last-20 mean {self.mean_return():.1f}" if self.returns else "no episode finished"
        ended = f", {self.stopped}" if self.stopped else ""
        return f"Result({self.step} steps, {len(self.returns)} episodes, {score}, {self.seconds:.1f} s{ended})"


def read_report(path):
    """What `python -m rlkit train` wrote to the JSON file `path`, checked. Raises FileNotFoundError or ValueError."""
    path = as_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There are no results at {path}; name the .json beside a checkpoint.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        returns, steps = content["returns"], content["steps"]
        numbers = [content["seconds"], content["step"], content.get("cpu_seconds", 0.0), *returns, *steps]
        texts = [content["stopped"], content.get("command", "")]
        if not (isinstance(returns, list) and isinstance(steps, list) and all(isinstance(text, str) for text in texts)):
            raise ValueError("other types")
        if len(returns) != len(steps) or not all(map(math.isfinite, numbers)):
            raise ValueError("other lists")
        return content
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} does not hold the episodes of a run; name the .json beside a checkpoint.") from error


def watch(agent, total_steps, result):
    """Let the agent learn, record its progress into `result`, and yield it.

    Metrics are recorded ten times a second and not more often, because reading a tensor waits for it. Raises ValueError
    if `learn` yields something else.
    """
    began = time.perf_counter() - result.seconds
    recorded = -math.inf
    iterations = agent.learn(total_steps)
    check_learns(agent, iterations, Iterable)
    for progress in iterations:
        check_learns(agent, progress, Progress)
        result.seconds = time.perf_counter() - began
        due = result.seconds - recorded > 0.1
        result.add(progress, metrics=due)
        recorded = result.seconds if due else recorded
        yield progress


def check_learns(agent, given, kind):
    """Raise ValueError if what an agent's `learn` returns, or yields, is not of this kind."""
    if not isinstance(given, kind):
        does = "yields" if kind is Progress else "returns"
        raise ValueError(
            f"{type(agent).__name__}.learn {does} {brief(given)}; make it a generator that yields "
            "rlkit.running.result.Progress(step, finished, metrics) after each iteration."
        )


def reason_to_stop(watchers, progress, result):
    """Call all watchers -> why the run should end: what the first of them says that has a reason; otherwise "".

    Raises ValueError for a watcher that returns something else, because it is not clear what it means by that.
    """
    said = [(watcher, watcher(progress, result)) for watcher in watchers]
    for watcher, reason in said:
        if not isinstance(reason, str | None):
            name = getattr(watcher, "__name__", type(watcher).__name__)
            raise ValueError(
                f"The watcher {name} returned {reason!r}; return a sentence that says why to stop, or None to go on."
            )
    return next((reason for _, reason in said if reason), "")


def finish(watchers, result):
    """Tell those watchers of a run that have a method `finish` that it has ended, and how."""
    for watcher in watchers:
        if hasattr(watcher, "finish"):
            watcher.finish(result)
