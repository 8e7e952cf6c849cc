"""A3C in virtual time: any number of workers on one core, as a discrete-event model.

The learning is real: the same A2C workers, gradients and shared updates as in `rlkit.a3c`. Only the clock is a model.
Every worker has a core to itself, and its lap takes as long as was measured for one such worker, give or take a little.
So it shows what staleness does to learning, and how throughput would scale if the workers shared nothing but θ.

With `Messages` θ lies on a server, and workers reach it over a network. They then share the server's core and its two
links, and wait there for each other. `legs` says where a lap spends its time; `events` lets many workers run it;
and `rlkit.functional.throughput_bound` says what may come of it.

Left out is what the cores of one machine share: memory bandwidth, caches and the wait for a lock. Every update is
complete here; real ones may overwrite a part of each other.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

import numpy as np

from rlkit import functional as F
from rlkit.a2c import A2C
from rlkit.running.result import Progress

WORKER, WIRE = "worker", "wire"  # each worker has its own
SERVER, LINK_IN, LINK_OUT = "server", "link in", "link out"  # all share these, one after the other


class Costs(NamedTuple):
    """What the parts of a lap cost one worker on its own core, in seconds."""

    pull: float  # θ' ← θ
    step: float  # choosing an action and taking it, once in each of its environments
    gradient: float
    push: float  # the update of θ

    def lap(self, t_max, gradients_per_push=1):
        """Seconds of a lap with that many segments of `t_max` steps, whose gradients are averaged into one update."""
        return self.pull + gradients_per_push * t_max * self.step + gradients_per_push * self.gradient + self.push


class Messages(NamedTuple):
    """What it costs to reach a θ that lies on a server. By default nothing: it lies in shared memory."""

    latency: float = 0.0  # seconds that anything travels one way
    bandwidth: float = inf  # bytes per second, of each link
    per_message: float = 0.0  # seconds of the server's core for each request
    per_byte: float = 0.0  # seconds of the server's core for each byte of θ or of a gradient


FREE = Messages()


class Leg(NamedTuple):
    """A part of a lap."""

    place: str  # WORKER or WIRE; or SERVER, LINK_IN, LINK_OUT, where only one worker is served at a time
    seconds: float
    event: str = ""  # what has happened at its end: θ was "read" or "written"


class Event(NamedTuple):
    """A worker has read θ or written it."""

    clock: float  # in seconds
    rank: int
    kind: str  # "read" or "written"
    version: int  # how many updates θ had before


def measured_costs(agent, updates=300):
    """Train an A3C with one worker for this many updates and take the medians of its laps -> Costs on this machine."""
    for _ in agent.learn(agent.step + updates * agent.t_max * agent.num_envs):
        pass
    times = np.array([lap[:5] for _, lap in agent.laps])
    pull, act, gradient, push = np.median(np.diff(times, axis=1), axis=0).tolist()
    return Costs(pull, act / agent.t_max, gradient, push)


# A lap on its way -----------------------------------------------------------------------------------------------------


def legs(work, num_bytes, messages, shards=1) -> list[Leg]:
    """A lap that works for `work` seconds, with a θ of `num_bytes` on `shards` servers -> its legs, in order.

    A worker asks for θ, works, sends the gradient, and hears that it was applied. Questions and short answers have no
    bytes. All servers get the same message at the same time, and are busy for the same time: one stands for all. A
    worker has only one link, so it sends and receives all parts one after the other.
    """
    transfer = F.service_demand(num_bytes, 1 / messages.bandwidth, shards=shards)  # of one shard's link
    travel = messages.latency + num_bytes / messages.bandwidth - transfer  # what of it no other worker waits for
    served = F.service_demand(num_bytes, messages.per_byte, messages.per_message, shards)
    return [
        Leg(WIRE, messages.latency),
        Leg(SERVER, served, "read"),
        Leg(LINK_OUT, transfer),
        Leg(WIRE, travel),
        Leg(WORKER, work),
        Leg(WIRE, travel),
        Leg(LINK_IN, transfer),
        Leg(SERVER, served, "written"),
        Leg(WIRE, messages.latency),
    ]


def demands(lap) -> dict[str, float]:
    """Seconds that a lap occupies each place -> {place: seconds}."""
    seconds = defaultdict(float)
    for leg in lap:
        seconds[leg.place] += leg.seconds
    return dict(seconds)


def think_and_demands(lap):
    """What `throughput_bound` asks of a lap -> the seconds that a worker is on its own, {shared place: seconds}."""
    shared = demands(lap)
    return shared.pop(WORKER, 0.0) + shared.pop(WIRE, 0.0), shared


def events(num_workers, lap, jitter=0.1, rng=None) -> Iterator[Event]:
    """Workers that go through the legs of `lap` again and again, from time 0 on: when each reads θ and writes it.

    A shared place serves one after the other, who comes first first. Work takes a time that is drawn from a normal
    distribution around its seconds, with `jitter` times that as its standard deviation. θ is only read and written at
    one place, the server, where nobody overtakes; so the events come in the order of the clock.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    arrivals = [(0.0, rank, 0) for rank in range(num_workers)]  # a heap: when who comes to which leg
    free = dict.fromkeys((SERVER, LINK_IN, LINK_OUT), 0.0)  # from when on a shared place is free
    version = 0
    while True:
        clock, rank, number = heapq.heappop(arrivals)
        place, seconds, event = lap[number]
        if place == WORKER:
            seconds = seconds * rng.normal(1, jitter)
        if place in free:
            clock = free[place] = max(clock, free[place]) + seconds
        else:
            clock += seconds
        if event:
            yield Event(clock, rank, event, version)
            version += event == "written"
        heapq.heappush(arrivals, (clock, rank, (number + 1) % len(lap)))


class Measured(NamedTuple):
    """What many laps gave."""

    updates_per_second: float
    staleness: float  # mean number of updates by others between reading θ and writing it


def measure(num_workers, lap, rounds=None, jitter=0.1) -> Measured:
    """Let workers run, without learning, until the first of them has made `rounds` updates.

    Only its second half of them counts, because at first all come to the server at the same time. By default there are
    at least 6 rounds, and as many that all workers together make about 400 updates.
    """
    rounds = rounds or max(6, 400 // num_workers)
    read, ends, staleness = {}, [], []
    for clock, rank, kind, version in events(num_workers, lap, jitter):
        if kind == "read":
            read[rank] = version
            continue
        if len(ends) >= rounds // 2:
            staleness.append(version - read[rank])
        if rank == 0:
            ends.append(clock)
        if len(ends) == rounds:
            return Measured(len(staleness) / (clock - ends[rounds // 2 - 1]), float(np.mean(staleness)))


# Learning -------------------------------------------------------------------------------------------------------------


def in_virtual_time(agent, costs, total_steps, jitter=0.1, messages=FREE) -> Iterator[tuple[float, Progress]]:
    """Algorithm S3 with `agent.num_workers` workers, one update per `yield`: the clock in seconds, and Progress.

    A worker computes its gradient at the θ of the moment when it reads, and that changes the θ of the moment when it
    writes. In between others may have written: as often as its staleness says. With `agent.gradients_per_push` K, a
    worker averages the gradients of K segments, all at the same θ', before it pushes (n_push of DistBelief, Dean et al.
    2012). `agent.shards` is the number of servers that share θ.
    """
    rng = np.random.default_rng(agent.seed)
    gradients, shards = getattr(agent, "gradients_per_push", 1), getattr(agent, "shards", 1)
    workers = [A2C(**agent.settings(agent.worker_seed(rank))) for rank in range(agent.num_workers)]
    shared, found = agent.shared, {}
    num_bytes = shared.theta.numel() * shared.theta.element_size()
    lap = legs(costs.lap(agent.t_max, gradients), num_bytes, messages, shards)

    for clock, rank, kind, _ in events(agent.num_workers, lap, jitter, rng):
        if agent.step >= total_steps:
            return
        worker = workers[rank]
        if kind == "read":
            version = shared.pull(worker.theta)
            found[rank] = version, *mean_gradient(worker, gradients)
            continue
        version, gradient, metrics = found[rank]
        worker.step = shared.count(rank, gradients * agent.t_max * agent.num_envs)
        staleness = shared.push(rank, gradient, version, worker.current_learning_rate()) - version
        finished = [episode._replace(step=agent.step) for episode in worker.envs.pop_finished()]
        yield clock, Progress(agent.step, finished, metrics | {"staleness": staleness})


def mean_gradient(worker, number):
    """The mean of the gradients of this many segments, at one θ' -> it, and the metrics of the last segment."""
    found = [worker.gradient(worker.player.play(worker.t_max)) for _ in range(number)]
    return sum(gradient for gradient, _ in found) / number, found[-1][1]
