"""The measurements of chapter 4: what many workers buy and what they cost."""

import os
import time
from math import inf

import numpy as np

from rlkit.a2c import A2C
from rlkit.experiments.virtual import in_virtual_time, measured_costs
from rlkit.presets import preset
from rlkit.running.result import Result
from rlkit.running.workers import WorkerError
from rlkit.tasks import BlindCartPole, DelayedCartPole

SOLVED = 475
VIRTUAL_WORKERS = (1, 2, 4, 8, 16, 32, 64)
REAL_WORKERS = (1, 2, 4)


class Trace:
    """A run's returns by the clock and by steps, and how stale its gradients were."""

    def __init__(self):
        self.result, self.clock, self.staleness = Result(), [], []

    def add(self, clock, progress):
        """True when the task is solved."""
        self.result.add(progress, metrics=False)
        self.clock += [clock] * len(progress.finished)
        return len(self.clock) >= 20 and self.result.mean_return() >= SOLVED

    def summary(self, seconds, solved, points=60):
        """Plain numbers, few of them."""
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


def virtual_workers(seeds=range(5), total_steps=200_000):
    """A3C on CartPole-v1 with up to 64 workers in virtual time, by costs measured here; until 475 or 200 000 steps."""
    costs = measured_costs(preset("a3c-cartpole", num_workers=1), updates=1_000)
    runs = {str(count): [virtual_run(count, seed, costs, total_steps) for seed in seeds] for count in VIRTUAL_WORKERS}
    return {"costs": costs._asdict(), "runs": runs}


def virtual_run(num_workers, seed, costs, total_steps):
    trace, solved = Trace(), False
    for clock, progress in in_virtual_time(
        preset("a3c-cartpole", num_workers=num_workers, seed=seed), costs, total_steps
    ):
        trace.staleness.append(progress.metrics["staleness"])
        if solved := trace.add(clock, progress):
            break
    return trace.summary(clock, solved)


def real_workers(seeds=range(3)):
    """The same with real processes; then steps per second on a slow environment, and on Pong."""
    solving = {str(count): [solving_run(count, seed) for seed in seeds] for count in REAL_WORKERS}
    delayed = {
        str(count): throughput(preset("a3c-cartpole", env=DelayedCartPole, num_workers=count, t_max=16), seconds=8)
        for count in (1, 2, 4, 8, 16)
    }
    pong = {
        str(count): throughput(preset("a3c-atari-2016", num_workers=count, t_max=20), seconds=25) for count in (1, 2)
    }
    return {"cores": os.cpu_count(), "CartPole": solving, "delayed": delayed, "Pong": pong}


def solving_run(num_workers, seed, total_steps=200_000):
    """The clock starts when the first worker is ready."""
    agent, trace, solved = preset("a3c-cartpole", num_workers=num_workers, seed=seed), Trace(), False
    began = time.monotonic()
    for progress in agent.learn(total_steps):
        seconds = time.monotonic() - began - first_ready(agent)
        if solved := trace.add(seconds, progress):
            break
    laps = np.array([lap for _, lap in agent.laps])
    trace.staleness = (laps[:, 6] - laps[:, 5]).tolist()
    return trace.summary(seconds, solved) | rates(agent) | {"startup": agent.startup.round(2).tolist()}


def first_ready(agent):
    """Seconds from the start of `learn`; infinite as long as nobody is ready."""
    return min(agent.startup[agent.startup > 0], default=inf)


def throughput(agent, seconds):
    """Steps per second of all workers together, once all are ready."""
    began = time.monotonic()
    for _ in agent.learn(10**9):
        if agent.startup.all() and time.monotonic() - began > agent.startup.max() + seconds:
            break
    return rates(agent)


def rates(agent, laps=None):
    """By the last laps in which all workers were at work: steps per second, per CPU second, and the CPU share."""
    ranks, laps = (np.array(column) for column in zip(*(laps or agent.laps)))
    begin = max(laps[ranks == rank, 0].min() for rank in range(agent.num_workers))
    end = min(laps[ranks == rank, 4].max() for rank in range(agent.num_workers))
    counted = (laps[:, 0] >= begin) & (laps[:, 4] <= end)
    steps = int(counted.sum()) * agent.t_max * agent.num_envs
    total = agent.reported_steps / agent.cpu_seconds.sum()
    per_second = steps / (end - begin)
    return {
        "steps_per_second": round(float(per_second), 1),
        "steps_per_cpu_second": round(float(total), 1),
        "cpus": round(float(per_second / total), 2),
    }


UPDATES = {  # how the shared θ is changed
    "RMSProp, shared g": dict(),
    "RMSProp, shared g, locked": dict(locked=True),
    "RMSProp, own g": dict(shared_statistics=False),
    "Adam, shared": dict(optimizer="adam"),
    "Adam, shared, locked": dict(optimizer="adam", locked=True),
    "Adam, own": dict(optimizer="adam", shared_statistics=False),
    "Adam as torch has it, shared": dict(optimizer="adam_in_place", optimizer_eps=1e-8),
    "Adam as torch has it, locked": dict(optimizer="adam_in_place", optimizer_eps=1e-8, locked=True),
}


def updates(seeds=range(5), total_steps=120_000):
    """Four worker processes on CartPole-v1 under each way of updating; a run that diverges ends there."""
    return {name: [update_run(seed, total_steps, **changes) for seed in seeds] for name, changes in UPDATES.items()}


def update_run(seed, total_steps, **changes):
    """How the run went, and the largest weight at its end, which is 1 to 3 in a sound run."""
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


T_MAX = (1, 2, 5, 20, 50, 200)


def segment_length(seeds=range(5), total_steps=100_000):
    """A2C on CartPole-v1, segments of one step to 200; n-step returns; otherwise one setting."""
    return {
        str(t_max): [by_seconds(A2C(t_max=t_max, seed=seed, **SEGMENTS), total_steps) for seed in seeds]
        for t_max in T_MAX
    }


SEGMENTS = dict(
    num_envs=8,
    learning_rate=3e-3,
    value_coef=0.1,
    entropy_coef=0.0,
    max_grad_norm=2.0,
    hidden=(32, 32),
    activation="relu",
)


def by_seconds(agent, total_steps):
    trace, began = Trace(), time.process_time()
    for progress in agent.learn(total_steps):
        trace.add(time.process_time() - began, progress)
    return trace.summary(time.process_time() - began, False)


def memory(seeds=range(5), total_steps=600_000):
    """A2C on CartPole-v1 without velocities, feed-forward and with an LSTM."""
    return {
        name: [by_seconds(A2C(recurrent=recurrent, seed=seed, **BLIND), total_steps) for seed in seeds]
        for name, recurrent in (("feed-forward", False), ("LSTM", True))
    }


BLIND = dict(
    env=BlindCartPole, num_envs=16, t_max=32, gamma=0.98, gae_lambda=0.95, learning_rate=3e-3, value_coef=0.2,
    entropy_coef=0.0, max_grad_norm=1.0, hidden=(64,), activation="relu", obs_scale=(0.5, 0.05),
)  # fmt: skip
