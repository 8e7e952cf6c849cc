"""What Ray costs on one machine, beside shared memory: A3C with two workers. A script, not a test: it asserts nothing.

    python tests/bench/cluster.py [pong] [cartpole] [server] [--quick]

Shared memory and cluster="local" take turns, so the load of the machine is the same for both. "CPU" is that of all
processes: workers, parameter actors, Ray's own, and the one that listens. On a busy machine read the ratio of CPU: a
run with more processes gets more shares of the cores, and then looks faster than it is.
"""

import os
import time

import common  # must come before NumPy, which it limits to one thread
import numpy as np
import torch
from before_after import interval

from rlkit import preset
from rlkit.experiments.messages import cpu_seconds, rate_of
from rlkit.running.cluster import connected
from rlkit.running.remote import Group

PONG = [("a3c-pong-small", 5), ("a3c-pong-small", 20), ("a3c-atari-2016", 5), ("a3c-atari-2016", 20)]
CARTPOLE = [("a3c-cartpole", 5), ("a3c-cartpole", 32)]
CLIENTS = 3
HEAD = ["", "t_max", "weights", "steps/s", "on Ray", "ratio", "CPU ms/update", "on Ray", "factor"]


def pong(args):
    """Pong with two workers: the small CNN (eight environments for each) and that of A3C's paper (one)."""
    pairs(pong.__doc__, PONG, args)


def cartpole(args):
    """CartPole with two workers: the smallest MLP."""
    pairs(cartpole.__doc__, CARTPOLE, args)


def pairs(title, tasks, args):
    """Pairs of runs with and without Ray -> a row for each task. Ratios have 95 % bootstrap intervals."""
    count, seconds = (1, 3) if args.quick else (6, 10)
    rows = []
    for name, t_max in tasks:
        found = {None: [], "local": []}
        for pair in range(count):
            for cluster in (None, "local") if pair % 2 else ("local", None):
                agent = preset(name, num_workers=2, t_max=t_max, cluster=cluster, seed=pair)
                found[cluster].append(rate_of(agent, seconds))
        weights = f"{len(agent.shared.theta):,}"
        rows.append([name, t_max, weights, *compared(found, rate), *compared(found, cpu)])
    common.table(title, HEAD, rows)


def rate(run):
    return run["steps_per_second"]


def cpu(run):
    return 1e3 * run["cpu_per_update"]


def compared(found, number):
    """The median without and with Ray, and the ratio of the pairs with its interval."""
    without, on_ray = (np.array([number(run) for run in found[cluster]]) for cluster in (None, "local"))
    logs = np.log(on_ray / without)
    low, high = interval(logs)
    digits = 0 if np.median(without) > 100 else 2
    medians = [f"{np.median(side):,.{digits}f}" for side in (without, on_ray)]
    return [*medians, f"{np.exp(logs.mean()):.2f} ({low:.2f} to {high:.2f})"]


def server(args):
    """What a parameter actor of the small MLP serves when clients only push or pull. "Both" is A3C's exchange."""
    rounds, seconds = (1, 1) if args.quick else (5, 5)
    found = {how: [] for how in ("pull", "push", "both")}
    with connected("local", num_cpus=1 + CLIENTS):
        for _ in range(rounds):
            for how, rows in found.items():
                rows.append(served(how, seconds))
    rows = []
    for how, runs in found.items():
        rate, cost = np.median(runs, axis=0)
        rows.append([how, f"{rate:,.0f}", f"{1e3 * cost:.2f}", f"{1 / cost:,.0f}"])
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    title = f"{server.__doc__} {CLIENTS} clients and it share {os.cpu_count()} cores; load {load}."
    common.table(title, ["", "a second, here", "its CPU ms", "a second of its CPU"], rows)


def served(how, seconds):
    """-> messages per second of all clients together, CPU seconds of the parameter actor for each."""
    import ray

    remote, _ = preset("a3c-cartpole", num_workers=CLIENTS, cluster="local").transport()
    groups = [Group(1), Group(CLIENTS)]
    try:
        ray.get(remote.start(groups[0].places))
        clients = [ray.remote(Client).options(**place).remote(remote, i) for i, place in enumerate(groups[1].places)]
        ray.get([client.repeat.remote(how, 0.3) for client in clients])  # warms up
        before = cpu_seconds("ray::Parameters")
        count = sum(ray.get([client.repeat.remote(how, seconds) for client in clients]))
        cost = (cpu_seconds("ray::Parameters") - before) / count
        for client in clients:
            ray.kill(client)
    finally:
        remote.end()
        for group in groups:
            group.give_back()
    return count / seconds, cost


class Client:
    """In the place of a worker: only pushes and pulls."""

    def __init__(self, memory, rank):
        memory.join()
        self.memory, self.rank, self.theta = memory, rank, torch.zeros(sum(memory.sizes))

    def repeat(self, how, seconds):
        """Do it for this long -> how often."""
        once, count, end = getattr(self, how), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            once()
            count += 1
        return count

    def both(self):
        self.memory.push(self.rank, torch.zeros_like(self.theta), self.memory.version, 1e-3)
        self.memory.pull(self.theta)

    def push(self):
        self.call("push", self.rank, np.zeros(len(self.theta), np.float32), 0, 0, 1e-3)

    def pull(self):
        self.call("pull")

    def call(self, *what):
        import ray

        ray.get(self.memory.actors[0].call.remote(*what))


if __name__ == "__main__":
    common.main(__doc__, pong, cartpole, server)
