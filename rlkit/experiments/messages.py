"""What messages cost: A3C in shared memory and on three emulated nodes, and whether the model foretells it.

Chapter 4, section 13. The nodes share one machine's cores, so computing is as scarce as it is there, and a message
crosses no wire. What can be seen is what a message costs in computing and in waiting.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.asynchrony import rates
from rlkit.experiments.curves import Trace
from rlkit.experiments.plan import run
from rlkit.experiments.virtual import Messages, legs, think_and_demands
from rlkit.optimizers import RMSProp
from rlkit.presets import preset
from rlkit.running.cluster import connected, ray_is_here
from rlkit.running.emulated import emulated
from rlkit.running.parameters import RemoteMemory, Server, parts_of
from rlkit.running.transport import SharedMemory
from rlkit.tasks import DelayedCartPole

__all__ = ["confirmed", "costs", "emulated", "foretold", "messages", "near_and_far", "ray_is_here"]
WAYS = ("shared memory", "messages")
LARGE = (644,)  # hidden units with which the network of A3C's paper has as many weights as Nature's CNN
SIZES = {  # name: preset and changes
    "small MLP": ("a3c-cartpole", {}),
    "small CNN": ("a3c-pong-small", {}),
    "as large as Nature's CNN": ("a3c-atari-2016", dict(num_workers=2, t_max=20, hidden=LARGE)),
}
# Averaging is tried where workers wait most of the time, so that four of them fit on two cores.
WAITING = dict(env=DelayedCartPole, num_workers=4, t_max=4)
NETWORKS = {"small": {}, "large": dict(hidden=(900, 900))}  # 2,531 and 1.6 million weights
AVERAGED = (1, 4, 16)  # gradients per push
SHARDS = (1, 2, 4)
PUSHERS = 3
NODES = (4, 4, 4)  # cores by name, of the three nodes


def messages(seeds=range(5)):
    """What messages cost, measured once for each seed.

    {"sizes": {way: {size: a `rate_of` for each seed}}, "work": {network: a `work` ...}, "served": {network: {shards: a
    `served` ...}}, "averaged": {network: {gradients per push: a `rate_of` ...}}}.
    """
    return run(in_a_new_process, "costs_of_messages", list(seeds), cores=4)


def near_and_far(seeds=range(5)):
    """Do A3C and Gorila learn the same with messages? {agent: {way: a `solving_run` for each seed}}."""
    return run(in_a_new_process, "learning", list(seeds), cores=4)


def in_a_new_process(what, seeds, *options):
    """Call `costs_of_messages` or `learning` in a process of its own: this one may already be part of a cluster."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    arguments = [str(os.getpid()), what, json.dumps(seeds), *options]
    command = [sys.executable, "-m", "rlkit.experiments.messages", *arguments]
    done = subprocess.run(command, env=clean | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def costs_of_messages(seeds, seconds=3.0, sizes=SIZES, networks=NETWORKS):
    """What `messages` stores. The seeds are repetitions one after the other, so that what drifts meets all alike."""
    found = Found(sizes={way: {} for way in WAYS}, work={}, served={}, averaged={})
    with emulated(*NODES) as cluster, connected(cluster.address):
        address = {"shared memory": None, "messages": cluster.address}
        for seed in seeds:
            for size, (name, changes) in sizes.items():
                for way in WAYS:
                    agent = preset(name, seed=seed, cluster=address[way], **changes)
                    found.add(rate_of(agent, seconds), "sizes", way, size)
            for network, changes in networks.items():
                agent = preset("a3c-cartpole", seed=seed, **WAITING | dict(num_workers=1) | changes)
                found.add(work(agent, seconds), "work", network)
                for shards in SHARDS:
                    found.add(served(len(agent.shared.theta), shards, seconds), "served", network, str(shards))
                for gradients in AVERAGED:
                    changed = WAITING | changes | dict(gradients_per_push=gradients, cluster=cluster.address)
                    agent = preset("a3c-cartpole", seed=seed, **changed)
                    found.add(rate_of(agent, seconds), "averaged", network, str(gradients))
    return found


def learning(seeds, max_steps=200_000):
    """What `near_and_far` stores."""
    found = Found()
    with emulated(*NODES) as cluster, connected(cluster.address):
        for seed in seeds:
            for name in ("a3c-cartpole", "gorila-cartpole"):
                for way, address in zip(WAYS, (None, cluster.address)):
                    found.add(solving_run(preset(name, seed=seed, cluster=address), max_steps), name, way)
    return found


class Found(dict):
    """Nested dicts with lists of results in them."""

    def add(self, result, *names):
        place = self
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place.setdefault(names[-1], []).append(result)
        print(*names, result, file=sys.stderr, flush=True)


# Measured ---------------------------------------------------------------------------------------------------------


def rate_of(agent, seconds):
    """Train for `seconds` after all workers are ready.

    {"weights": length of θ, "updates_per_second", "steps_per_second", "staleness": mean of the updates,
    "cpu_per_update": CPU seconds of all processes together, "lap": seconds of pull, act, gradient and push}.
    """
    began = 0.0
    for _ in agent.learn(10**9):
        if agent.startup.all() and not began:
            began, cpu = time.monotonic(), cpu_seconds()
            agent.laps.clear()
        elif began and time.monotonic() - began > seconds and len(agent.laps) >= 5 * agent.num_workers:
            passed, cpu = time.monotonic() - began, cpu_seconds() - cpu
            break
    found, steps = rates(agent), agent.gradients_per_push * agent.t_max * agent.num_envs
    per_second = found["steps_per_second"] / steps
    times = np.array([lap[:5] for _, lap in agent.laps])
    return {
        "weights": len(agent.shared.theta),
        "updates_per_second": round(per_second, 3),
        "steps_per_second": found["steps_per_second"],
        "staleness": round(float(np.mean([lap.staleness for _, lap in agent.laps])), 3),
        "cpu_per_update": round(cpu / passed / per_second, 6),
        "lap": np.diff(times, axis=1).mean(0).round(6).tolist(),
    }


def work(agent, seconds):
    """What a worker does for a gradient, without pull and push -> {"lap": seconds, with those in which it waits}.

    It is measured with one worker in shared memory, where nobody disturbs it.
    """
    _, act, gradient, _ = rate_of(agent, seconds)["lap"]
    return {"lap": round(act + gradient, 6)}


def served(numbers, shards, seconds, workers=(1, PUSHERS)):
    """Workers that do nothing but push and pull a θ of so many numbers: one, and then three of them.

    {"weights", "one": exchanges per second with one, "many": with three, "server": CPU seconds of all parameter actors
    together for an exchange, "all": those of all processes}.
    """
    import ray

    ranks = itertools.count()  # each task has its own: an actor ignores a rank's push whose number it has seen
    optimizer = RMSProp(torch.zeros(numbers), decay=0.99, eps=1e-5)
    shared = SharedMemory.hold(optimizer, 2 * sum(workers), shared=False)
    server = Server(parts_of(shared, shards), RemoteMemory)
    pusher = ray.remote(num_cpus=1)(push_for)

    def pushes(count, seconds):
        return sum(ray.get([pusher.remote(server, next(ranks), seconds) for _ in range(count)]))

    found, total = {"weights": numbers}, 0
    try:
        ray.get(server.start([{"num_cpus": 1}] * shards))
        for name, count in zip(("one", "many"), workers):
            total += pushes(count, 0.3)  # imports, first messages
            everywhere, there = cpu_seconds(), cpu_seconds("ray::Parameters")
            made = pushes(count, seconds)
            everywhere, there = cpu_seconds() - everywhere, cpu_seconds("ray::Parameters") - there
            found |= {
                name: round(made / seconds, 1),
                "server": round(there / made, 7),
                "all": round(everywhere / made, 7),
            }
            total += made
        (version, _), _ = ray.get(server.actors[0].call.remote("pull"))
        assert version == total, f"{total} pushes were sent and {version} applied"
    finally:
        server.end()
    return found


def push_for(remote, rank, seconds):
    """Push zeros and pull θ for so many seconds -> how often."""
    torch.set_num_threads(1)
    remote.join()
    theta = torch.zeros(sum(remote.sizes))
    gradient, pushes, end = torch.zeros_like(theta), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        version = remote.pull(theta)
        remote.push(rank, gradient, version, 0.0)
        pushes += 1
    return pushes


def solving_run(agent, max_steps):
    """Train on CartPole until it is solved, or for so many steps -> {"solved": True or False, "steps"}."""
    trace, solved = Trace(), False
    for progress in agent.learn(max_steps):
        if solved := trace.add(0.0, progress):
            break
    return {"solved": solved, "steps": trace.result.steps[-1] if trace.result.steps else 0}


def cpu_seconds(name=""):
    """CPU seconds so far of this process and its descendants, or of those whose command line begins with `name`."""
    tick, parents, spent = os.sysconf("SC_CLK_TCK"), {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(fields[1])
        spent[int(folder.name)] = sum(map(int, fields[11:13])) / tick if command.startswith(name) else 0.0
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(spent.get(pid, 0.0) for pid in ours)


# Foretold ---------------------------------------------------------------------------------------------------------


def costs(runs):
    """What an exchange with one server costs, as straight lines in the bytes of θ: pairs (a, b) for a + b x bytes.

    {"server": seconds of its core, "travels": seconds of the round trip that are not the server's, "all": CPU seconds
    of all processes}. Each line goes through what was `served` with a small θ and with a large one.
    """
    small, large = (runs["served"][network]["1"] for network in NETWORKS)
    sizes = [4 * found[0]["weights"] for found in (small, large)]

    def line(quantity):
        ends = [float(np.median([quantity(one) for one in found])) for found in (small, large)]
        slope = (ends[1] - ends[0]) / (sizes[1] - sizes[0])
        return ends[0] - slope * sizes[0], slope

    return {
        "server": line(lambda one: one["server"]),
        "travels": line(lambda one: 1 / one["one"] - one["server"]),
        "all": line(lambda one: one["all"]),
    }


def foretold(runs, network, num_workers, gradients=1, shards=1, lap=0.0, waits=0.0, cores=2):
    """Gradients per second by the bounds of the model -> (number, what is the limit).

    A worker takes `lap` seconds for a gradient, and waits in `waits` of them. Emulated nodes have no links: what a
    message takes beside the server's time is its worker's own. But they share the cores of this machine, which together
    cannot work for more than `cores` seconds a second.
    """
    lines, num_bytes = costs(runs), 4 * runs["served"][network]["1"][0]["weights"]
    travels = lines["travels"][0] + lines["travels"][1] * num_bytes
    message = Messages(per_message=lines["server"][0], per_byte=lines["server"][1])
    think, demands = think_and_demands(legs(gradients * lap + travels, num_bytes, message, shards))
    shared = F.throughput_bound(num_workers, think, [*demands.values()])
    computed = cores / (gradients * (lap - waits) + shards * lines["all"][0] + lines["all"][1] * num_bytes)
    alone = num_workers <= F.saturation_point(think, [*demands.values()])
    limit = "cores" if computed < shared else "workers" if alone else max(demands, key=demands.get)
    return gradients * min(shared, computed), limit


def confirmed(runs):
    """What was foretold beside what was measured: rows of (network, K, S, foretold, what is the limit, measured).

    Both are in gradients per second, measured with each seed. First workers that learn, with K gradients per push. Then
    workers that do nothing but push and pull, with S > 1 shards. (From those with one shard the costs were taken.)
    """
    waits = WAITING["t_max"] * DelayedCartPole().delay
    for network in NETWORKS:
        lap = float(np.median([one["lap"] for one in runs["work"][network]]))
        for gradients in AVERAGED:
            found = [gradients * one["updates_per_second"] for one in runs["averaged"][network][str(gradients)]]
            yield network, gradients, 1, *foretold(runs, network, 4, gradients, 1, lap, waits), np.array(found)
    for network in NETWORKS:
        for shards in SHARDS[1:]:
            found = [one["many"] for one in runs["served"][network][str(shards)]]
            yield network, 1, shards, *foretold(runs, network, PUSHERS, 1, shards), np.array(found)


def main(parent, what, seeds, *options):
    """What `in_a_new_process` runs, until process `parent` ends: prints what it found as JSON.

    Options: a number of seconds or steps; `small`.
    """
    threading.Thread(target=end_with, args=(int(parent),), daemon=True).start()
    torch.set_num_threads(1)
    few = dict(sizes=dict([*SIZES.items()][:1]), networks=dict([*NETWORKS.items()][:1])) if "small" in options else {}
    numbers = [float(option) for option in options if option != "small"]
    print(json.dumps(globals()[what](json.loads(seeds), *numbers, **few)))


def end_with(parent):
    """End this process when its parent has ended, for which it works. The cluster that it emulates ends, too."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
