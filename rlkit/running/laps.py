"""What an A3C worker reports to the parent process: when it pulled, acted, computed and pushed; episodes, metrics."""

import time
from itertools import accumulate
from typing import NamedTuple

import numpy as np


class Lap(NamedTuple):
    """One round of a worker. Five times in seconds, each the beginning of a phase, and two versions of θ."""

    pull: float
    act: float
    gradient: float
    push: float
    end: float
    version_read: int  # of the θ that the worker acted and computed with
    version_written: int  # of the θ that its gradient was added to

    @property
    def staleness(self):
        """How many updates others made in between."""
        return self.version_written - self.version_read


class Report(NamedTuple):
    """What a worker sends every tenth of a second."""

    rank: int
    steps: int  # since the last report
    finished: list  # of episodes
    laps: np.ndarray  # [K, 7]: a row for each `Lap`
    metrics: dict
    cpu_seconds: float  # since the worker was ready

    def read_laps(self):
        """The laps as a list of `Lap`."""
        return [Lap(*times, int(read), int(written)) for *times, read, written in self.laps]


class Link:
    """A worker's side of a transport: pulls, counts and pushes, notes when, and sends reports.

    It sends ten times a second, because a message for each update would keep the parent too busy.

    With K gradients per push it keeps K - 1 of them, and pushes the mean of all. Meanwhile θ' stays as it is. A
    `Lap` is then one update, and has the times of all K rounds, phase by phase.
    """

    def __init__(self, shared, rank, send):
        shared.join()
        self.shared, self.rank, self.deliver = shared, rank, send
        self.cpu_at_start = time.process_time()
        self.steps, self.finished, self.laps, self.metrics, self.staleness = 0, [], [], {}, 0.0
        self.kept, self.spent = [], [0.0, 0.0, 0.0]  # gradients; seconds of pulling, acting and computing them
        self.send()  # ready

    @property
    def T(self):
        return self.shared.T

    def pull(self, theta):
        """θ' ← θ -> the version of θ. As long as gradients are kept, θ' stays."""
        self.times = [self.shared.now()]
        if not self.kept:
            self.began, self.version = self.times[0], self.shared.pull(theta)
        self.times.append(self.shared.now())
        return self.version

    def count(self, steps):
        """T ← T + steps -> T."""
        self.total_steps = self.shared.count(self.rank, steps)
        self.steps += steps
        self.times.append(self.shared.now())
        return self.total_steps

    def push(self, gradient, version, learning_rate):
        """Update θ with a gradient that was computed at `version` of it, or keep it until there are K."""
        self.times.append(self.shared.now())
        self.spent = [spent + after - before for spent, before, after in zip(self.spent, self.times, self.times[1:])]
        self.kept.append(gradient)
        self.version, self.learning_rate = version, learning_rate
        if len(self.kept) == self.shared.gradients_per_push:
            self.push_kept()

    def push_kept(self):
        """Update θ with the mean of the gradients that are kept."""
        mean = sum(self.kept) / len(self.kept) if len(self.kept) > 1 else self.kept[0]
        written = self.shared.push(self.rank, mean, self.version, self.learning_rate)
        phases = accumulate([self.began, *self.spent])
        self.laps.append(Lap(*phases, self.shared.now(), self.version, written))
        self.kept, self.spent = [], [0.0, 0.0, 0.0]

    def finish(self):
        """Push what is still kept, though it is fewer than K, and send the last report."""
        if self.kept:
            self.push_kept()
        self.send()

    def report(self, finished, metrics):
        """Put episodes that finished, and the metrics of the last update, into the next report.

        An episode's step becomes T, which counts the steps of all workers.
        """
        self.finished += [episode._replace(step=self.total_steps) for episode in finished]
        self.metrics = metrics
        if time.monotonic() - self.sent > 0.1:
            self.send()

    def send(self):
        """Send a report now."""
        if self.laps:
            self.staleness = float(np.mean([lap.staleness for lap in self.laps]))
        metrics = {name: float(value) for name, value in self.metrics.items()}
        if metrics:
            metrics["staleness"] = self.staleness
        laps = np.array(self.laps, float).reshape(-1, len(Lap._fields))
        cpu_seconds = time.process_time() - self.cpu_at_start
        self.deliver(Report(self.rank, self.steps, self.finished, laps, metrics, cpu_seconds))
        self.steps, self.finished, self.laps = 0, [], []
        self.sent = time.monotonic()
