"""A plan on paper: which resource limits five distributed designs with 16, 100 and 1,000 workers on Atari games.

A design is a *lap* that each worker runs again and again: some steps, some messages. The lap occupies shared places:
the server's link in and out, its core, its accelerator. From these seconds follow how many steps per second there can
be at most and which place is the limit (`rlkit.functional.throughput_bound`), and from Little's law how old the weights
are that acted. These are bounds, and no measurement, for exactly these assumptions: one learner, one core that handles
messages, one link. The papers' systems exceed some of them, because they have more of each.

    python -m rlkit.experiments.scaling     # prints two tables as Markdown

Every assumption is an argument. What belongs to the machines is in `Site`; what belongs to a design is an argument of
its function, with the paper it comes from:
    Gorila 2015   Nair et al., Massively Parallel Methods for Deep RL
    A3C 2016      Mnih et al., Asynchronous Methods for Deep RL
    IMPALA 2018   Espeholt et al., Scalable Distributed Deep-RL with Importance Weighted Actor-Learner Architectures
    Ape-X 2018    Horgan et al., Distributed Prioritized Experience Replay
    SEED 2020     Espeholt et al., Scalable and Efficient Deep-RL with Accelerated Central Inference
"""

import math
import time
from typing import NamedTuple

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.virtual import LINK_IN, LINK_OUT, SERVER
from rlkit.networks import QNetwork
from rlkit.presets import preset

ACCELERATOR = "accelerator"
WORKERS = (16, 100, 1_000)
FRAME = 84 * 84  # bytes of one observation: a grey frame. The three before it are there already
EXTRAS = 16  # bytes of a step besides: action, reward, end, and a priority or a probability


class Site(NamedTuple):
    """The machines and the network, in seconds and bytes. The first five are from `measured_core`, rounded."""

    emulate: float = 0.4e-3  # a step of the environment, which is four frames of the game, on one core
    act: float = 0.9e-3  # Nature's network on one observation, on one core
    gradient: float = 0.7e-3  # its gradient, for each row of a batch of 5 to 32, on one core
    update: float = 2e-9  # RMSProp, for each byte of θ, on one core
    copy: float = 0.07e-9  # for each byte of a message, of a core at each end
    per_message: float = 200e-6  # of a core at each end, for a message and its answer: an assumption
    latency: float = 50e-6  # one way, within a data centre: an assumption
    bandwidth: float = 10e9 / 8  # of every link: 10 Gbit/s, an assumption
    together: int = 1  # workers on one machine, which share one copy of θ where they only need it to act
    # Steps per second that an accelerator learns from, at least: the 250,000 frames, by four, of IMPALA 2018's whole
    # system on DeepMind Lab.
    learns: float = 62_500
    infers: float = 3 * 62_500  # that it chooses actions for: a pass forward is about a third of learning
    theta: int = 4 * 1_687_206  # bytes of Nature's network with six actions; `nature_bytes` counts them


class Lap(NamedTuple):
    """What one worker does again and again, and what of it is shared with others."""

    travels: str  # what goes over the network
    steps: int
    think: float  # seconds on its own
    demands: dict  # seconds of each shared place
    up: float  # bytes to the server
    down: float  # bytes from it
    updates: float  # of θ; of Ape-X, whose learner does not wait for the workers: per second
    gradients: bool = False  # do workers send gradients, which the updates of others overtake?
    holds: bool = True  # does the θ at the beginning of a lap choose all its actions?
    waits: float = 0.0  # steps that an action waits in its worker, besides
    central: int = 0  # transitions that wait in a central memory


class Plan(NamedTuple):
    """A row of the table: a design with a number of workers."""

    design: str
    workers: int
    travels: str
    up: float  # bytes per step to the server
    down: float  # bytes per step from it
    steps_per_second: float  # of all workers, at most
    limit: str  # "workers", or the shared place that is busy all the time
    saturation: float  # from so many workers on that place is the limit
    updates_per_second: float  # of θ, at that many steps
    staleness: float  # of a gradient, in updates, on average; 0 if only the learner computes gradients
    policy_lag: float  # updates of θ since it chose the action that is learned from, on average


# Designs --------------------------------------------------------------------------------------------------------------


def exchange(site, up, down, shards=1):
    """A message of `up` bytes, answered with `down` bytes -> seconds of the worker, {place: seconds}.

    The worker's seconds are those that no other worker waits for. Its own core sends a message to each shard, which is
    assumed to cost it as much as the shard's. On the wire it is, with shards, most of the transfer over its own link.
    """
    demands = {
        LINK_IN: F.service_demand(up, 1 / site.bandwidth, shards=shards),
        LINK_OUT: F.service_demand(down, 1 / site.bandwidth, shards=shards),
        SERVER: F.service_demand(up + down, site.copy, site.per_message, shards),
    }
    core = shards * demands[SERVER]
    wire = 2 * site.latency + (up + down) / site.bandwidth - demands[LINK_IN] - demands[LINK_OUT]
    return core + wire, demands


def a3c(site, t_max=5, gradients_per_push=1, shards=1) -> Lap:
    """Gradients to one parameter server after t_max steps (A3C 2016, section 8: 5), θ from it.

    The paper's 16 workers share the memory of one machine. Here the same workers reach θ over a network.
    """
    steps = t_max * gradients_per_push
    message, demands = exchange(site, site.theta, site.theta, shards)
    demands[SERVER] += site.update * site.theta / shards
    work = steps * (site.emulate + site.act + site.gradient)
    return Lap("gradients, θ", steps, message + work, demands, site.theta, site.theta, updates=1, gradients=True)


def gorila(site, shards=31, steps=4, batch=32, memory=1_000_000) -> Lap:
    """Gradients of minibatches to sharded servers: 31 of them for 100 workers (Gorila 2015).

    As in DQN 2015 a worker takes a minibatch of 32 for every 4 steps, from its own memory of a million.
    """
    message, demands = exchange(site, site.theta, site.theta, shards)
    demands[SERVER] += site.update * site.theta / shards
    work = steps * (site.emulate + site.act) + batch * site.gradient
    lap = Lap("gradients, θ", steps, message + work, demands, site.theta, site.theta, updates=1, gradients=True)
    return lap._replace(waits=memory / 2)


def impala(site, unroll=20, batch=32) -> Lap:
    """Trajectories to one learner (IMPALA 2018: unrolls of 20 steps, batches of 32 on Atari); θ before each of them.

    A trajectory has one frame a step, four more before it, and what the policy chose from: with six actions, 24 bytes.
    """
    up = (unroll + 4) * FRAME + unroll * (EXTRAS + 24)
    down = site.theta / site.together
    message, demands = exchange(site, up, down)
    demands[ACCELERATOR] = unroll / site.learns
    work = unroll * (site.emulate + site.act)
    return Lap("trajectories, θ", unroll, message + work, demands, up, down, updates=1 / batch)


def ape_x(site, sent=50, copied=100, compression=0.1, batch=512, learned=9_700, memory=2_000_000) -> Lap:
    """Transitions with priorities to one replay memory beside one learner, θ every 400 frames (Ape-X 2018).

    Workers send 50 steps at a time. The learner takes about 9,700 transitions a second, whatever the workers do, in
    batches of 512, from a memory of two million. Frames are compressed as PNG files: to a tenth, which is what five
    games played at random gave us (Pong 5 %, Space Invaders 19 %).
    """
    up = sent * (compression * FRAME + EXTRAS)
    down = site.theta / site.together * sent / copied
    message, demands = exchange(site, up, down)
    work = sent * (site.emulate + site.act)
    lap = Lap("transitions, θ", sent, message + work, demands, up, down, updates=learned / batch, holds=False)
    return lap._replace(waits=copied / 2, central=memory)


def seed(site, unroll=20, batch=32) -> Lap:
    """Single observations to a central inference, an action back (SEED 2020). θ never leaves the accelerator.

    The same accelerator learns from the unrolls. One worker has one environment.
    """
    message, demands = exchange(site, FRAME + EXTRAS, 4)
    demands[ACCELERATOR] = 1 / site.infers + 1 / site.learns
    lap = Lap(
        "observations", 1, message + site.emulate, demands, FRAME + EXTRAS, 4, updates=1 / unroll / batch, holds=False
    )
    return lap._replace(waits=unroll / 2)


SITE = Site()
DESIGNS = {"A3C": a3c, "Gorila": gorila, "IMPALA": impala, "Ape-X": ape_x, "SEED": seed}


# The table ------------------------------------------------------------------------------------------------------------


def row(design, workers, site=SITE, **changes) -> Plan:
    """One design with so many workers. `changes` are arguments of its function, as in `row("A3C", 100, t_max=20)`."""
    lap = DESIGNS[design](site, **changes)
    shared = [*lap.demands.values()]
    laps, saturation = F.throughput_bound(workers, lap.think, shared), F.saturation_point(lap.think, shared)
    seconds = workers / laps  # of a lap, with its waiting
    updates = lap.updates if lap.central else laps * lap.updates
    overtaken = updates / laps * F.mean_staleness(workers, held=seconds, lap=seconds)
    delay = lap.waits / lap.steps * seconds + lap.central / 2 / (lap.steps * laps)  # half of what a memory holds
    return Plan(
        design,
        workers,
        lap.travels,
        lap.up / lap.steps,
        lap.down / lap.steps,
        lap.steps * laps,
        max(lap.demands, key=lap.demands.get) if workers > saturation else "workers",
        saturation,
        updates,
        overtaken * lap.gradients,
        overtaken * lap.holds + delay * updates,
    )


CHANGES = [  # a design, what is changed in it, in words and as an argument of `row`
    ("A3C", "a worker averages 8 gradients", dict(gradients_per_push=8)),
    ("A3C", "θ on 31 servers", dict(shards=31)),
    ("A3C", "both", dict(gradients_per_push=8, shards=31)),
    ("Gorila", "θ on 310 servers", dict(shards=310)),
    ("IMPALA", "16 workers of one machine share a copy of θ", dict(site=SITE._replace(together=16))),
    ("Ape-X", "16 workers of one machine share a copy of θ", dict(site=SITE._replace(together=16))),
    ("SEED", "10 µs of a core for a message and its answer", dict(site=SITE._replace(per_message=10e-6))),
]


def limit_of(plan):
    """What limits a row of the table, and from how many workers on."""
    return plan.limit if plan.limit == "workers" else f"{plan.limit}, from W = {math.ceil(plan.saturation):,} on"


def markdown():
    """Both tables as the page on clusters shows them: each design, and what moves its limit -> str.

    The age of the policy is that of the largest number of workers. It is left out where gradients are stale themselves.
    """
    rates = [f"W = {count:,}" for count in WORKERS]
    head = ["design", "bytes a step, up / down", *rates, "limit", "staleness", "age of the policy"]
    lines = [head, ["---", *["---:"] * 4, "---", "---:", "---:"]]
    for design in DESIGNS:
        few, some, many = (row(design, count) for count in WORKERS)
        rates = [f"{one.steps_per_second:,.0f}" for one in (few, some, many)]
        ages = ("W − 1", "—") if many.staleness else ("none", f"{many.policy_lag:,.0f}")
        lines.append([design, f"{many.up:,.0f} / {many.down:,.0f}", *rates, limit_of(many), *ages])
    moved = [["design", "changed", "before", "after", "limit then"], ["---", "---", "---:", "---:", "---"]]
    for design, words, change in CHANGES:
        before, after = row(design, WORKERS[-1]), row(design, WORKERS[-1], **change)
        rates = [f"{one.steps_per_second:,.0f}" for one in (before, after)]
        moved.append([design, words, *rates, limit_of(after)])
    return "\n\n".join("\n".join(f"| {' | '.join(line)} |" for line in table) for table in (lines, moved))


# What a core of this machine takes ------------------------------------------------------------------------------------


def nature_bytes(num_actions=6):
    """Bytes of the network of DQN 2015."""
    return 4 * sum(parameters.numel() for parameters in QNetwork((4, 84, 84), num_actions, (512,)).parameters())


def measured_core(game="ALE/Pong-v5", rows=16):
    """What one core of this machine takes, in CPU seconds -> {field of `Site`: seconds}."""
    envs = preset("dqn-atari-2015", env=game, replay_size=1_000, learning_starts=100).envs
    network = QNetwork((4, 84, 84), 6, (512,))
    parameters = [*network.parameters()]
    frames = torch.randint(0, 255, (rows, 4, 84, 84), dtype=torch.uint8)
    theta, gradient, square = torch.zeros(3, nature_bytes() // 4)
    whole = bytearray(nature_bytes())

    def update():
        step, after = F.rmsprop(gradient, square, 0.99, 1e-5)
        theta.sub_(step)
        square.copy_(after)

    with torch.no_grad():
        act = cpu_seconds(lambda: network(frames[:1]))
    return {
        "emulate": cpu_seconds(lambda: envs.step(np.zeros(1, int)), 50),
        "act": act,
        "gradient": cpu_seconds(lambda: torch.autograd.grad(network(frames).pow(2).mean(), parameters)) / rows,
        "update": cpu_seconds(update) / nature_bytes(),
        "copy": cpu_seconds(lambda: bytes(whole)) / nature_bytes(),
    }


def cpu_seconds(call, times=10):
    """The median of five measurements of a call."""
    found = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            call()
        found.append((time.process_time() - began) / times)
    return float(np.median(found))


if __name__ == "__main__":
    print(markdown())
