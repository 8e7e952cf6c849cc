"""What many workers buy and what they cost: A3C in virtual time, with real processes, and under eight update rules.

Chapter 4, sections 6 to 8.
"""

import os
import time
from math import inf

import numpy as np

from rlkit.experiments.curves import Trace
from rlkit.experiments.plan import run
from rlkit.experiments.virtual import Costs, in_virtual_time, measured_costs
from rlkit.presets import preset
from rlkit.running.laps import Lap
from rlkit.running.workers import WorkerError
from rlkit.tasks import DelayedCartPole

VIRTUAL_WORKERS = (1, 2, 4, 8, 16, 32, 64)
REAL_WORKERS = (1, 2, 4)
UPDATES = {  # how a worker changes the shared θ -> fields of A3C
    "RMSProp, shared g": dict(),
    "RMSProp, shared g, locked": dict(locked=True),
    "RMSProp, own g": dict(shared_statistics=False),
    "Adam, shared": dict(optimizer="adam"),
    "Adam, shared, locked": dict(optimizer="adam", locked=True),
    "Adam, own": dict(optimizer="adam", shared_statistics=False),
    "Adam as torch has it, shared": dict(optimizer="adam_in_place", optimizer_eps=1e-8),
    "Adam as torch has it, locked": dict(optimizer="adam_in_place", optimizer_eps=1e-8, locked=True),
}


def virtual_workers(seeds=range(5), total_steps=200_000):
    """A3C on CartPole-v1 with 1 to 64 workers in virtual time, until it is solved or has taken `total_steps`.

    {"costs": `Costs` of a lap as measured on this machine, in seconds, "runs": {"1": one `virtual_run` for each seed,
    ..., "64": ...}}.
    """
    costs = run(lap_costs, cores=1)
    runs = {
        str(count): [run(virtual_run, count, seed, costs, total_steps) for seed in seeds] for count in VIRTUAL_WORKERS
    }
    return {"costs": costs, "runs": runs}


def lap_costs():
    """`Costs` of a lap as a dict, measured on this machine over 1 000 updates."""
    return measured_costs(preset("a3c-cartpole", num_workers=1), updates=1_000)._asdict()


def virtual_run(num_workers, seed, costs, total_steps):
    """The `Trace.summary` of one run; its seconds are those of the virtual clock. `costs` as `lap_costs` gives them."""
    costs = Costs(**costs)
    agent, trace, solved = preset("a3c-cartpole", num_workers=num_workers, seed=seed), Trace(), False
    for clock, progress in in_virtual_time(agent, costs, total_steps):
        trace.staleness.append(progress.metrics["staleness"])
        if solved := trace.add(clock, progress):
            break
    return trace.summary(clock, solved)


def real_workers(seeds=range(3)):
    """A3C on CartPole-v1 with 1, 2 and 4 processes; then its `rates` on a slow environment, and on Pong.

    {"cores": how many this machine has, "CartPole": {"1": one `solving_run` for each seed, ...}, "delayed": {"1":
    `rates`, ..., "16": ...}, "Pong": {"1": ..., "2": ...}}.
    """
    solving = {str(count): [run(solving_run, count, seed, cores=count) for seed in seeds] for count in REAL_WORKERS}
    delayed = {  # a worker waits most of the time: alone it keeps a third of a core busy
        str(count): run(delayed_rates, count, cores=max(1, count // 2)) for count in (1, 2, 4, 8, 16)
    }
    pong = {str(count): run(pong_rates, count, cores=count) for count in (1, 2)}
    return {"cores": run(os.cpu_count, cores=1), "CartPole": solving, "delayed": delayed, "Pong": pong}


def delayed_rates(num_workers):
    """The `rates` on a slow environment."""
    return throughput(preset("a3c-cartpole", env=DelayedCartPole, num_workers=num_workers, t_max=16), seconds=8)


def pong_rates(num_workers):
    """The `rates` on Pong."""
    return throughput(preset("a3c-atari-2016", num_workers=num_workers, t_max=20), seconds=25)


def solving_run(num_workers, seed, total_steps=200_000):
    """One run with real workers, until it is solved or has taken `total_steps`.

    The `Trace.summary`, whose clock starts when the first worker is ready; the `rates`; and "startup" `[W]`, the
    seconds that each worker took to get ready.
    """
    agent, trace, solved = preset("a3c-cartpole", num_workers=num_workers, seed=seed), Trace(), False
    began = time.monotonic()
    for progress in agent.learn(total_steps):
        seconds = time.monotonic() - began - first_ready(agent)
        if solved := trace.add(seconds, progress):
            break
    trace.staleness = [lap.staleness for _, lap in agent.laps]
    return trace.summary(seconds, solved) | rates(agent) | {"startup": agent.startup.round(2).tolist()}


def first_ready(agent):
    """Seconds from the start of `learn` until the first worker was ready; infinite as long as none is."""
    return min(agent.startup[agent.startup > 0], default=inf)


def throughput(agent, seconds):
    """Train `agent` for `seconds` after its last worker is ready -> its `rates`."""
    began = time.monotonic()
    for _ in agent.learn(10**9):
        if agent.startup.all() and time.monotonic() - began > agent.startup.max() + seconds:
            break
    return rates(agent)


def rates(agent, laps=None):
    """How fast an A3C is: {"steps_per_second", "steps_per_cpu_second", "cpus": how many cores it keeps busy}.

    Steps per second are those of all workers together, counted over the laps in which all were at work. `laps` are
    (rank, lap) pairs; without them, the agent's last ones. Raises ValueError if a worker has none yet.
    """
    ranks, laps = zip(*(laps or agent.laps))
    ranks, laps = np.array(ranks), Lap(*np.array(laps, float).T)  # each field an array
    begin = max(laps.pull[ranks == rank].min() for rank in range(agent.num_workers))
    end = min(laps.end[ranks == rank].max() for rank in range(agent.num_workers))
    counted = (laps.pull >= begin) & (laps.end <= end)
    steps = int(counted.sum()) * agent.gradients_per_push * agent.t_max * agent.num_envs
    total = agent.reported_steps / agent.cpu_seconds.sum()
    per_second = steps / (end - begin)
    return {
        "steps_per_second": round(float(per_second), 1),
        "steps_per_cpu_second": round(float(total), 1),
        "cpus": round(float(per_second / total), 2),
    }


def updates(seeds=range(5), total_steps=120_000):
    """Four worker processes on CartPole-v1 under each of `UPDATES` -> {update: one `update_run` for each seed}."""
    return {
        name: [run(update_run, seed, total_steps, **changes, cores=4) for seed in seeds]
        for name, changes in UPDATES.items()
    }


def update_run(seed, total_steps, **changes):
    """One run of four workers, until it is solved, a worker fails, or it has taken `total_steps`.

    The `Trace.summary`; "largest_weight", max |θ| at the end, which is 1 to 3 in a sound run; and "diverged", True if
    that is above 100 or a worker failed.
    """
    agent, trace, solved = preset("a3c-cartpole", num_workers=4, seed=seed, **changes), Trace(), False
    began, diverged = time.monotonic(), False
    try:
        for progress in agent.learn(total_steps):
            if solved := trace.add(time.monotonic() - began, progress):
                break
    except WorkerError:
        diverged = True
    largest = float(agent.shared.theta.abs().nan_to_num(inf).max())
    summary = trace.summary(time.monotonic() - began, solved)
    return summary | {"diverged": diverged or largest > 100, "largest_weight": min(largest, 1e30)}
