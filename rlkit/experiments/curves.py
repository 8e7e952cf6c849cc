"""Learning curves as plain numbers: train an agent, then read its returns at a few dozen steps, or against time."""

import time
from contextlib import suppress

import numpy as np

from rlkit.running.result import Result, watch
from rlkit.training import check_positive, evaluate

SEEDS = range(5)  # of most sweeps
SOLVED = 475  # CartPole-v1: the mean return of the last 20 episodes
EPISODES = 10  # of the greedy policy in a test
TEST_SEED = 1_000_000  # the first episodes of a test have this seed, and the run's seed added to it
TUNING = range(100, 103)  # seeds on which settings are tried, used for nothing else


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


def played(agent, total_steps, look=lambda progress: None):
    """Let the agent learn and `look` at every iteration -> (Result without metrics, did all numbers stay finite?).

    A number that is not finite ends the run.
    """
    result = Result()
    with suppress(ValueError):
        for progress in agent.learn(total_steps):
            result.add(progress, metrics=False)
            look(progress)
    return result, agent.step >= total_steps


def learning(agent, total_steps, pauses):
    """Let the agent learn, with `pauses` equally spaced pauses, the last at the end -> iterator, at each pause."""
    for step in np.linspace(0, total_steps, pauses + 1).astype(int)[1:]:
        for _ in agent.learn(int(step)):
            pass
        yield


def greedy_score(agent, seed, episodes=EPISODES):
    """How good the agent is, its weights frozen: the mean return of its greedy policy over whole episodes -> float.

    `seed` is that of the run.
    """
    return float(evaluate(agent, episodes, TEST_SEED + seed).mean())


def best_of(settings, tries):
    """The setting with the highest mean score over the tuning seeds.

    `tries` are runs with a "score": those of the first setting, then those of the second, and so on.
    """
    scores = np.reshape([one["score"] for one in tries], (len(settings), -1)).mean(1)
    return settings[int(scores.argmax())]


def returns_at(result, steps, window=20, decimals=1):
    """The mean return of the last `window` episodes at each of `steps`, rounded: {"steps": `[P]`, "returns": `[P]`}."""
    return {"steps": steps.tolist(), "returns": result.means_at(steps, window).round(decimals).tolist()}


def curve(agent, total_steps):
    """The learning curve of one run at 60 steps from 0 to `total_steps`: {"steps": `[60]`, "returns": `[60]`}.

    A return is the mean of the last 20 episodes. A DQN also gives "q" `[60]`, the mean Q-value of its minibatches.
    """
    return curve_of(trained(agent, total_steps), total_steps)


def curve_of(result, total_steps):
    """The same for the Result of a run."""
    steps = np.linspace(0, total_steps, 60).astype(int)
    run = returns_at(result, steps)
    if "q" in result.metrics:
        run["q"] = np.interp(steps, result.metric_steps["q"], result.metrics["q"]).round(2).tolist()
    return run


class Trace:
    """A run on CartPole-v1 over time and over steps, and how stale its gradients were."""

    def __init__(self):
        self.result = Result()
        self.clock = []  # seconds at the end of each episode
        self.staleness = []  # of each update: how many others came between reading θ and changing it

    def add(self, clock, progress):
        """Record the episodes that ended at `clock`, in seconds. True once the task is solved."""
        self.result.add(progress, metrics=False)
        self.clock += [clock] * len(progress.finished)
        return len(self.clock) >= 20 and self.result.mean_return() >= SOLVED

    def summary(self, seconds, solved, points=60):
        """The run as plain numbers, at no more than `points` of its episodes, P.

        {"seconds": `[P]`, "steps": `[P]`, "returns": `[P]`, means of 20 episodes, "solved": `seconds` or None,
        "total_steps", "staleness": how many updates were 0, 1, 2, ... others behind; the last bin is 200 and more}.
        """
        chosen = np.unique(np.linspace(0, len(self.clock) - 1, points).astype(int)) if self.clock else []
        smooth = [float(np.mean(self.result.returns[max(0, i - 19) : i + 1])) for i in chosen]
        return {
            "seconds": [round(self.clock[i], 4) for i in chosen],
            "steps": [self.result.steps[i] for i in chosen],
            "returns": np.round(smooth, 1).tolist(),
            "solved": round(seconds, 4) if solved else None,
            "total_steps": self.result.step,
            "staleness": np.bincount(np.minimum(np.array(self.staleness, int), 200)).tolist(),
        }


def by_seconds(agent, total_steps):
    """The `Trace.summary` of one run by CPU seconds. It does not stop when the task is solved: "solved" is None."""
    trace, began = Trace(), time.process_time()
    for progress in agent.learn(total_steps):
        trace.add(time.process_time() - began, progress)
    return trace.summary(time.process_time() - began, solved=False)
