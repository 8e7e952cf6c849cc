"""rlkit.running.laps: when a worker did what, and when it reports."""

from types import SimpleNamespace

import numpy as np
import pytest

from rlkit.running import laps as module
from rlkit.running.laps import Lap, Link, Report
from rlkit.running.result import Episode


class Clock:
    """Stands still until `passes`. Wall time and CPU time differ."""

    now = 100.0

    def passes(self, seconds):
        self.now += seconds

    def monotonic(self):
        return self.now

    def process_time(self):
        return 7.0 + self.now / 4


class Slow:
    """A transport that takes 1 second for a pull, 2 for a count and 3 for a push. T is 10 times what is counted."""

    def __init__(self, clock, gradients_per_push=1):
        self.clock, self.T, self.joined, self.pushed = clock, 0, 0, []
        self.now, self.gradients_per_push = clock.monotonic, gradients_per_push

    def join(self):
        self.joined += 1

    def pull(self, theta):
        self.clock.passes(1.0)
        return 4

    def count(self, rank, steps):
        self.clock.passes(2.0)
        self.T += 10 * steps
        return self.T

    def push(self, *what):
        self.clock.passes(3.0)
        self.pushed.append(what)
        return 6


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic, process_time=clock.process_time))
    return clock


def lap(link, clock, finished=(), metrics=None):
    """One round of a worker that acts for 10 seconds and computes for 20."""
    version = link.pull("theta")
    clock.passes(10.0)
    assert link.count(5) == link.T
    clock.passes(20.0)
    link.push("gradient", version, 0.5)
    link.report(list(finished), metrics or {})


def test_a_lap_notes_when_each_phase_began_and_two_versions(clock):
    sent, transport = [], Slow(clock)
    link = Link(transport, 1, sent.append)
    clock.passes(8.0)
    lap(link, clock, [Episode(3.0, 4, step=20)], {"loss": np.float32(0.25)})
    ready, report = sent
    assert transport.joined == 1 and transport.pushed == [(1, "gradient", 4, 0.5)]
    assert ready == Report(1, 0, [], ready.laps, {}, 0.0) and ready.read_laps() == []
    (only,) = report.read_laps()
    assert only == Lap(pull=108.0, act=109.0, gradient=121.0, push=141.0, end=144.0, version_read=4, version_written=6)
    assert only.staleness == 2 and {type(only.version_read), type(only.version_written)} == {int}
    assert report.rank == 1 and report.steps == 5 and report.metrics == {"loss": 0.25, "staleness": 2.0}
    assert report.finished == [Episode(3.0, 4, step=50)]  # T, and not the steps of this worker's environments
    assert report.cpu_seconds == (144 - 100) / 4  # since it was ready


def test_gradients_are_kept_and_their_mean_is_pushed(clock):
    sent, transport = [], Slow(clock, gradients_per_push=3)
    link = Link(transport, 1, sent.append)
    began = clock.now
    for gradient in (1.0, 2.0, 6.0):
        version = link.pull("theta")
        clock.passes(10.0)
        link.count(5)
        clock.passes(20.0)
        link.push(gradient, version, 0.5)
    link.send()
    assert transport.pushed == [(1, 3.0, 4, 0.5)] and sent[-1].steps == 15
    (only,) = sent[-1].read_laps()
    assert only == Lap(
        began, began + 1, began + 1 + 3 * 12, clock.now - 3, clock.now, version_read=4, version_written=6
    )
    link.pull("theta")
    assert clock.now == only.end + 1  # it pulls again


def test_what_is_kept_in_the_end_is_pushed(clock):
    sent, transport = [], Slow(clock, gradients_per_push=3)
    link = Link(transport, 1, sent.append)
    for gradient, learning_rate in ((1.0, 0.5), (4.0, 0.4)):
        version = link.pull("theta")
        link.count(5)
        link.push(gradient, version, learning_rate)
    assert transport.pushed == []
    link.finish()
    assert transport.pushed == [(1, 2.5, 4, 0.4)] and sent[-1].steps == 10
    (only,) = sent[-1].read_laps()
    assert (only.version_read, only.version_written, only.end) == (4, 6, clock.now) and only.push == clock.now - 3
    link.finish()
    assert len(transport.pushed) == 1 and len(sent) == 3  # nothing is kept: only a report


def test_a_report_comes_after_a_tenth_of_a_second_and_holds_what_is_new(clock):
    sent = []
    link = Link(Slow(clock), 0, sent.append)
    for seconds, reports, steps in ((0.0, 1, 0), (0.09, 1, 0), (0.02, 2, 15), (0.05, 2, 15), (0.06, 3, 10)):
        clock.passes(seconds)
        link.laps.append(Lap(0, 0, 0, 0, 0, 1, 1))
        link.steps += 5
        link.report([], {})
        assert (len(sent), sent[-1].steps, len(sent[-1].laps)) == (reports, steps, steps // 5)
