"""A3C in virtual time: any number of workers on one core, as a discrete-event model.

The learning is real: the same A2C workers, gradients and shared updates as in `rlkit.a3c`. Only the clock is a model.
Every worker has a core to itself, and its lap takes as long as was measured for one such worker, give or take a little.
So it shows what staleness does to learning, and how throughput would scale if the workers shared nothing but θ.

Left out is what real cores share: memory bandwidth, caches and the wait for a lock. Every update is complete here;
real ones may overwrite a part of each other.
"""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rlkit.a2c import A2C
from rlkit.running.result import Progress


class Costs(NamedTuple):
    """What the parts of a lap cost one worker on its own core, in seconds."""

    pull: float  # θ' ← θ
    step: float  # choosing an action and taking it, once in each of its environments
    gradient: float
    push: float  # the update of θ

    def lap(self, t_max):
        """Seconds of a lap with segments of `t_max` steps."""
        return self.pull + t_max * self.step + self.gradient + self.push


def measured_costs(agent, updates=300):
    """Train an A3C with one worker for this many updates and take the medians of its laps -> Costs on this machine."""
    for _ in agent.learn(agent.step + updates * agent.t_max * agent.num_envs):
        pass
    times = np.array([lap[:5] for _, lap in agent.laps])
    pull, act, gradient, push = np.median(np.diff(times, axis=1), axis=0).tolist()
    return Costs(pull, act / agent.t_max, gradient, push)


def in_virtual_time(agent, costs, total_steps, jitter=0.1) -> Iterator[tuple[float, Progress]]:
    """Algorithm S3 with `agent.num_workers` workers, one update per `yield`: the clock in seconds, and Progress.

    A heap holds, for each worker, when its lap ends, the gradient that it then pushes, and the version of θ at which
    that gradient was computed. Its staleness is the number of updates since that version. The time of a lap is drawn
    from a normal distribution around `costs.lap`, with `jitter` times that as its standard deviation.
    """
    rng = np.random.default_rng(agent.seed)
    workers = [A2C(**agent.settings(agent.worker_seed(rank))) for rank in range(agent.num_workers)]
    shared, laps = agent.shared, []

    def begin_lap(rank, clock):
        worker = workers[rank]
        version = shared.pull(worker.theta)
        segment = worker.player.play(agent.t_max)
        gradient, metrics = worker.gradient(segment)
        end = clock + costs.lap(agent.t_max) * rng.normal(1, jitter)
        heapq.heappush(laps, (end, rank, version, gradient, metrics))

    for rank in range(agent.num_workers):
        begin_lap(rank, clock=0.0)
    while agent.step < total_steps:
        clock, rank, version, gradient, metrics = heapq.heappop(laps)
        worker = workers[rank]
        worker.step = shared.count(rank, agent.t_max * agent.num_envs)
        staleness = shared.push(rank, gradient, version, worker.current_learning_rate()) - version
        finished = [episode._replace(step=agent.step) for episode in worker.envs.pop_finished()]
        yield clock, Progress(agent.step, finished, metrics | {"staleness": staleness})
        begin_lap(rank, clock)
