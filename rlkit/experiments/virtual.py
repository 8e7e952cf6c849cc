"""A3C in virtual time: any number of workers on one core, as a discrete-event model.

The learning is real: the same A2C workers, gradients and shared updates as in `rlkit.a3c`. Only the clock is a model.
Every worker has a core to itself, and its lap takes as long as was measured for one such worker, give or take a little.
So it shows what staleness does to learning, and how throughput would scale if the workers shared nothing but θ.

With `Messages` θ lies on a server, and workers reach it over a network. They then share the server's core and its two
links, and wait there for each other. `legs` says where a lap spends its time; `updates` lets many workers run it;
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
    per_message: float = 0.0  # seconds of the server's core for each push, whatever its size
    per_byte: float = 0.0  # seconds of the server's core for each byte of θ: to receive, update and send it


FREE = Messages()


class Leg(NamedTuple):
    """A part of a lap."""

    place: str  # WORKER or WIRE; or SERVER, LINK_IN, LINK_OUT, where only one worker is served at a time
    seconds: float


class Update(NamedTuple):
    """A worker has changed θ, and reads the new one at once."""

    clock: float  # in seconds
    rank: int
    version_read: int  # of the θ at which its gradient was computed: how many updates it had had
    version_written: int  # of the θ that its gradient was added to

    @property
    def staleness(self):
        """How many updates others made in between."""
        return self.version_written - self.version_read


def measured_costs(agent, updates=300):
    """Train an A3C with one worker for this many updates and take the medians of its laps -> Costs on this machine."""
    segments = agent.gradients_per_push  # in a lap
    for _ in agent.learn(agent.step + updates * segments * agent.t_max * agent.num_envs):
        pass
    times = np.array([lap[:5] for _, lap in agent.laps])
    pull, act, gradient, push = np.median(np.diff(times, axis=1), axis=0).tolist()
    return Costs(pull, act / segments / agent.t_max, gradient / segments, push)


# A lap on its way -----------------------------------------------------------------------------------------------------


def legs(work, num_bytes, messages, shards=1) -> list[Leg]:
    """A lap that works for `work` seconds, with a θ of `num_bytes` on `shards` servers -> its legs, in order.

    A worker receives θ, works and sends its gradient; the answer to that is the new θ. All servers get their parts at
    the same time and are busy for the same time: one stands for all. A worker has only one link, so it sends and
    receives the parts one after the other.
    """
    transfer = F.service_demand(num_bytes, 1 / messages.bandwidth, shards=shards)  # of one server's link
    travel = messages.latency + num_bytes / messages.bandwidth - transfer  # what of it no other worker waits for
    served = F.service_demand(num_bytes, messages.per_byte, messages.per_message, shards)
    there, back = [Leg(WIRE, travel), Leg(LINK_IN, transfer)], [Leg(LINK_OUT, transfer), Leg(WIRE, travel)]
    return [*back, Leg(WORKER, work), *there, Leg(SERVER, served)]


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


def updates(num_workers, lap, jitter=0.1, rng=None) -> Iterator[Update]:
    """Workers that go through the legs of `lap` again and again: their updates, in the order of the clock.

    At time 0 the server sends θ to all. A shared place serves one after the other, first come, first served. Work takes
    a time that is drawn from a normal distribution around its seconds, with `jitter` times that as its standard
    deviation.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    arrivals = [(0.0, rank, 0) for rank in range(num_workers)]  # a heap: when who comes to which leg
    free = dict.fromkeys((SERVER, LINK_IN, LINK_OUT), 0.0)  # from when on a shared place is free
    read, version = [0] * num_workers, 0
    while True:
        clock, rank, number = heapq.heappop(arrivals)
        place, seconds = lap[number]
        if place == WORKER:
            seconds = seconds * rng.normal(1, jitter)
        if place in free:
            clock = free[place] = max(clock, free[place]) + seconds
        else:
            clock += seconds
        if number == len(lap) - 1:  # at the server nobody overtakes, so the clock does not go back
            yield Update(clock, rank, read[rank], version)
            read[rank] = version = version + 1
        heapq.heappush(arrivals, (clock, rank, (number + 1) % len(lap)))


class Measured(NamedTuple):
    """What many laps gave."""

    updates_per_second: float
    staleness: float  # mean


def measure(num_workers, lap, rounds=None, jitter=0.1) -> Measured:
    """Let workers run, without learning, until the first of them has made `rounds` updates.

    Only its second half of them counts, because at first all come to the server at the same time. By default there are
    at least 4 rounds, and as many that all workers together make about 400 updates.
    """
    rounds = rounds or max(4, 400 // num_workers)
    ends, staleness = [], []
    for update in updates(num_workers, lap, jitter):
        if len(ends) >= rounds // 2:
            staleness.append(update.staleness)
        if update.rank == 0:
            ends.append(update.clock)
        if len(ends) == rounds:
            return Measured(len(staleness) / (ends[-1] - ends[rounds // 2 - 1]), float(np.mean(staleness)))


# Learning -------------------------------------------------------------------------------------------------------------


def in_virtual_time(agent, costs, total_steps, jitter=0.1, messages=FREE) -> Iterator[tuple[float, Progress]]:
    """Algorithm S3 with `agent.num_workers` workers, one update per `yield`: the clock in seconds, and Progress.

    A worker computes its gradient at the θ that it reads at the beginning of its lap, and others may change θ before
    that gradient is added: as often as its staleness says. With `agent.gradients_per_push` K, a worker averages the
    gradients of K segments, all at the same θ', before it pushes. That is like n_push of DistBelief (Dean et al. 2012),
    which however adds them up and lets the worker's own θ' go on meanwhile. `agent.shards` is the number of servers
    that share θ. With `messages`, they say what a pull and a push cost, and those of `costs` are left out.
    """
    gradients, shards = agent.gradients_per_push, agent.shards
    workers = [A2C(**agent.settings(agent.worker_seed(rank))) for rank in range(agent.num_workers)]
    shared, laps = agent.shared, {}
    num_bytes = shared.theta.numel() * shared.theta.element_size()
    own = costs if messages == FREE else costs._replace(pull=0.0, push=0.0)
    lap = legs(own.lap(agent.t_max, gradients), num_bytes, messages, shards)

    def begin_lap(rank):
        laps[rank] = shared.pull(workers[rank].theta), *mean_gradient(workers[rank], gradients)

    for rank in range(agent.num_workers):
        begin_lap(rank)
    clocks = updates(agent.num_workers, lap, jitter, np.random.default_rng(agent.seed))
    while agent.step < total_steps:
        clock, rank, *_ = next(clocks)
        worker, (version, gradient, metrics) = workers[rank], laps[rank]
        worker.step = shared.count(rank, gradients * agent.t_max * agent.num_envs)
        staleness = shared.push(rank, gradient, version, worker.current_learning_rate()) - version
        finished = [episode._replace(step=agent.step) for episode in worker.envs.pop_finished()]
        yield clock, Progress(agent.step, finished, metrics | {"staleness": staleness})
        begin_lap(rank)


def mean_gradient(worker, number):
    """The mean of the gradients of this many segments, at one θ' -> it, and the metrics of the last segment."""
    found = [worker.gradient(worker.player.play(worker.t_max)) for _ in range(number)]
    return sum(gradient for gradient, _ in found) / number, found[-1][1]
