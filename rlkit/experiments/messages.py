"""What messages cost: A3C in shared memory and on three emulated nodes, and whether the model foretells it.

Chapter 4, section 13. The nodes share one machine's cores, so computing is as scarce as it is there, and a message
crosses no wire. What can be seen is what a message costs in computing and in waiting.
"""

import json
import os
import subprocess
import sys
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
from rlkit.running.parameters import Part, RemoteMemory, Server
from rlkit.running.transport import SharedMemory
from rlkit.tasks import DelayedCartPole

__all__ = ["confirmed", "costs", "emulated", "everything", "foretold", "messages", "ray_is_here"]
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
CHILD = []  # more arguments of `everything`, for its tests


def messages(seeds=range(5)):
    """Everything about messages, once for each seed.

    {"sizes": {way: {size: a `rate_of` for each seed}}, "work": {network: a `work` ...}, "served": {network: {shards: a
    `served` ...}}, "averaged": {network: {gradients per push: a `rate_of` ...}}, "solved": {agent: {way: ...}}}, the
    last with a `solving_run` for each seed.
    """
    return run(in_a_new_process, list(seeds), cores=4)


def in_a_new_process(seeds):
    """`everything` in a process of its own: this one may already be part of a cluster."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "rlkit.experiments.messages", json.dumps(seeds), *CHILD]
    done = subprocess.run(command, env=clean | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def everything(seeds, seconds=3.0, max_steps=100_000, sizes=SIZES, networks=NETWORKS):
    """What `messages` stores. The seeds are repetitions one after the other, so that what drifts meets all alike."""
    torch.set_num_threads(1)
    found = {kind: {} for kind in ("sizes", "work", "served", "averaged", "solved")}

    def keep(kind, *names, result):
        place = found[kind]
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place.setdefault(names[-1], []).append(result)
        print(kind, *names, result, file=sys.stderr, flush=True)

    with emulated(*NODES) as cluster, connected(cluster.address):
        address = {"shared memory": None, "messages": cluster.address}
        for seed in seeds:
            for size, (name, changes) in sizes.items():
                for way in WAYS:
                    agent = preset(name, seed=seed, cluster=address[way], **changes)
                    keep("sizes", way, size, result=rate_of(agent, seconds))
            for network, changes in networks.items():
                agent = preset("a3c-cartpole", seed=seed, **WAITING | dict(num_workers=1) | changes)
                keep("work", network, result=work(agent, seconds))
                for shards in SHARDS:
                    keep("served", network, str(shards), result=served(len(agent.shared.theta), shards, seconds))
                for gradients in AVERAGED:
                    changes = WAITING | NETWORKS[network] | dict(gradients_per_push=gradients)
                    agent = preset("a3c-cartpole", seed=seed, cluster=cluster.address, **changes)
                    keep("averaged", network, str(gradients), result=rate_of(agent, seconds))
            for name in ("a3c-cartpole", "gorila-cartpole"):
                for way in WAYS:
                    agent = preset(name, seed=seed, cluster=address[way])
                    keep("solved", name, way, result=solving_run(agent, max_steps))
    return found


# Measured ---------------------------------------------------------------------------------------------------------


def rate_of(agent, seconds):
    """Train for `seconds` after all workers are ready.

    {"weights": length of θ, "updates_per_second", "steps_per_second", "staleness": mean of the updates,
    "cpu_per_update": CPU seconds of all processes together, "cpu_of_workers": of the workers alone, "lap": seconds of
    pull, act, gradient and push}.
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
    # `rates` takes a lap for one gradient.
    per_second = found["steps_per_second"] / (agent.t_max * agent.num_envs)
    times = np.array([lap[:5] for _, lap in agent.laps])
    return {
        "weights": len(agent.shared.theta),
        "updates_per_second": round(per_second, 3),
        "steps_per_second": round(per_second * steps, 1),
        "staleness": round(float(np.mean([lap.staleness for _, lap in agent.laps])), 3),
        "cpu_per_update": round(cpu / passed / per_second, 6),
        "cpu_of_workers": round(steps / found["steps_per_cpu_second"], 6),
        "lap": np.diff(times, axis=1).mean(0).round(6).tolist(),
    }


def work(agent, seconds):
    """What one worker in shared memory does for a gradient, in seconds -> {"lap": with its waiting, "cpu": without}."""
    found = rate_of(agent, seconds)
    return {"lap": sum(found["lap"]), "cpu": found["cpu_of_workers"]}


def served(numbers, shards, seconds, workers=(1, PUSHERS)):
    """Workers that do nothing but push and pull a θ of so many numbers: one, and then three of them.

    {"weights", "one": exchanges per second with one, "many": with three, "server": CPU seconds of all parameter actors
    together for an exchange, "all": those of all processes}.
    """
    import ray

    theta = torch.zeros(numbers)
    shared = SharedMemory.hold(RMSProp(theta, decay=0.99, eps=1e-5), max(workers), shared=False)
    length = -(-numbers // shards)
    server = Server([Part(shared, slice(i * length, (i + 1) * length)) for i in range(shards)], RemoteMemory)
    pusher = ray.remote(num_cpus=1)(push_for)
    found = {}
    try:
        ray.get(server.start([{"num_cpus": 1}] * shards))
        for count in workers:
            ray.get([pusher.remote(server, rank, 0.3) for rank in range(count)])  # imports, first messages
            before = cpu_seconds(), cpu_seconds("ray::Parameters")
            pushes = ray.get([pusher.remote(server, rank, seconds) for rank in range(count)])
            after = cpu_seconds(), cpu_seconds("ray::Parameters")
            found[count] = sum(pushes) / seconds
            everywhere, there = ((b - a) / sum(pushes) for a, b in zip(before, after))
    finally:
        server.end()
    one, many = (round(found[count], 1) for count in workers)
    return {"weights": numbers, "one": one, "many": many, "server": round(there, 7), "all": round(everywhere, 7)}


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
    """What a message costs, from what one server `served` -> (Messages, (a, b)).

    The server's CPU time is a straight line in the bytes, and so is that of all processes together, a + b x bytes. The
    rest of a round trip is latency, and what of it grows with the bytes is the bandwidth.
    """
    small, large = (runs["served"][network]["1"] for network in NETWORKS)
    sizes = [4 * found[0]["weights"] for found in (small, large)]

    def line(quantity):
        ends = [float(np.median([quantity(one) for one in found])) for found in (small, large)]
        slope = (ends[1] - ends[0]) / (sizes[1] - sizes[0])
        return ends[0] - slope * sizes[0], slope

    per_message, per_byte = line(lambda one: one["server"])
    travels, per_byte_of_travel = line(lambda one: 1 / one["one"] - one["server"])
    return Messages(travels / 2, 2 / per_byte_of_travel, per_message, per_byte), line(lambda one: one["all"])


def foretold(runs, network, num_workers, gradients=1, shards=1, lap=0.0, cpu=0.0, cores=2):
    """Gradients per second by the bounds of the model -> (number, what is the limit).

    A worker takes `lap` seconds for a gradient, `cpu` of them at a core. One bound is not in `legs`: the emulated nodes
    share the cores of this machine, which together cannot work for more than `cores` seconds a second.
    """
    message, (fixed, per_byte) = costs(runs)
    num_bytes = 4 * runs["served"][network]["1"][0]["weights"]
    think, demands = think_and_demands(legs(gradients * lap, num_bytes, message, shards))
    shared = F.throughput_bound(num_workers, think, [*demands.values()])
    computed = cores / (gradients * cpu + shards * fixed + per_byte * num_bytes)
    alone = num_workers <= F.saturation_point(think, [*demands.values()])
    limit = "cores" if computed < shared else "workers" if alone else max(demands, key=demands.get)
    return gradients * min(shared, computed), limit


def confirmed(runs):
    """What was foretold beside what was measured: rows of (network, K, S, foretold, what is the limit, measured).

    Both are in gradients per second, measured with each seed. First workers that learn, with K gradients per push. Then
    workers that do nothing but push and pull, with S shards.
    """
    for network in NETWORKS:
        lap, cpu = (float(np.median([one[key] for one in runs["work"][network]])) for key in ("lap", "cpu"))
        for gradients in AVERAGED:
            found = [gradients * one["updates_per_second"] for one in runs["averaged"][network][str(gradients)]]
            yield network, gradients, 1, *foretold(runs, network, 4, gradients, 1, lap, cpu), np.array(found)
    for network in NETWORKS:
        for shards in SHARDS:
            found = [one["many"] for one in runs["served"][network][str(shards)]]
            yield network, 1, shards, *foretold(runs, network, PUSHERS, 1, shards), np.array(found)


def main(seeds, seconds="3", max_steps="100000", small=""):
    """What `in_a_new_process` runs: prints what it found as JSON. `small`: the first size and network only."""
    few = dict(sizes=dict([*SIZES.items()][:1]), networks=dict([*NETWORKS.items()][:1])) if small else {}
    print(json.dumps(everything(json.loads(seeds), float(seconds), int(max_steps), **few)))


if __name__ == "__main__":
    main(*sys.argv[1:])
