"""What messages cost: from how many workers on the server or its links are the limit, and how stale gradients are."""

from functools import cache

import numpy as np

from rlkit import functional as F
from rlkit.experiments.virtual import LINK_IN, LINK_OUT, SERVER, WORKER, Messages, legs, measure, think_and_demands
from rlkit.explore.controls import choice, log_slider, nearest_by_ratio, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.networks import QNetwork
from rlkit.plotting import BLACK, BLUE, GREEN, GREY, ORANGE, RED, picture

WORKERS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100, 150, 200, 300, 500, 700, 1000]
GRID = np.geomspace(1, 1000, 61)
NETWORKS = {  # observations, actions, hidden units: as DQN has them on CartPole, on small Pong, and in its paper
    "small MLP": ((4,), 2, (64, 64)),
    "small CNN": ((4, 42, 42), 3, (128,)),
    "Nature CNN": ((4, 84, 84), 6, (512,)),
}
GIGABIT = 1e9 / 8  # bytes
FIRST = {  # how the explorer begins
    "num_workers": 16, "network": "Nature CNN", "gradients_per_push": 1, "shards": 1, "work": 10.0,
    "latency": 100.0, "bandwidth": 10.0, "per_message": 10**2.75, "per_byte": 10**0.5,
}  # fmt: skip


# Model ----------------------------------------------------------------------------------------------------------------


@cache
def size(network):
    """How many numbers θ has."""
    return sum(parameters.numel() for parameters in QNetwork(*NETWORKS[network]).parameters())


@cache
def simulated(num_workers, lap):
    """`measure` -> updates per second, mean staleness."""
    return measure(num_workers, lap)


def mean_staleness(workers):
    """The mean staleness: a worker holds its θ' for a whole lap, wherever that spends its time. `[B]` -> `[B]`"""
    return F.mean_staleness(workers, held=np.ones_like(workers), lap=np.ones_like(workers))


def lap_of(network, gradients_per_push, shards, work, latency, bandwidth, per_message, per_byte):
    """What the settings of the explorer say about a lap -> its legs."""
    costs = Messages(1e-6 * latency, GIGABIT * bandwidth, 1e-6 * per_message, 1e-9 * per_byte)
    return legs(1e-3 * work * gradients_per_push, 4 * size(network), costs, shards)


# Picture --------------------------------------------------------------------------------------------------------------


class MessagesPicture:
    """Gradients per second and staleness by the number of workers, and how busy each place is."""

    def __init__(self):
        self.figure, (self.speed, self.stale, busy) = picture(3, width=12, height=4.8, width_ratios=[1.35, 1, 0.75])
        self.add_speed(self.speed)
        self.add_staleness(self.stale)
        for ax in (self.speed, self.stale):
            ax.set(xlabel="W, workers", xscale="log", xlim=(0.9, 1100))
            ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
        self.bars = busy.barh(["its links", "server", "a worker"], [0, 0, 0], color=[ORANGE, RED, BLUE], height=0.5)
        for bar, hatch in zip(self.bars, ("..", "//", "")):
            bar.set(hatch=hatch, edgecolor="white", linewidth=0)
        busy.set(xlabel="share of time busy", xlim=(0, 1.05))
        self.figure.legend(loc="outside upper center", ncols=6)  # the figure's: drawn once, away from all curves

    def add_speed(self, ax):
        """The bounds as thin lines, the smallest of them as a thick one, and a dot for what was simulated."""
        ones = np.ones(len(GRID))
        (self.alone,) = ax.plot(GRID, ones, "--", color=BLUE, linewidth=1.5, label="if nobody waited")
        (self.server,) = ax.plot(GRID, ones, "-.", color=RED, linewidth=1.5, label="server")
        (self.links,) = ax.plot(GRID, ones, ":", color=ORANGE, linewidth=2.5, label="its links")
        (self.bound,) = ax.plot(GRID, ones, color=BLACK, linewidth=3.5, alpha=0.6, label="bound")
        (self.dot,) = ax.plot([1], [1], "o", color=GREEN, markersize=11, label="simulated, chosen W")
        self.chosen = ax.axvline(1, color=GREY, linewidth=6, alpha=0.3)
        ax.set(ylabel="gradients per second", yscale="log", ylim=(3, 1e6))

    def add_staleness(self, ax):
        """W - 1, and a dot for what was simulated."""
        several = GRID[GRID > 1.5]
        (self.most,) = ax.plot(several, mean_staleness(several), color=BLACK, linewidth=1.5, label="W − 1")
        (self.mean,) = ax.plot([1], [1], "o", color=GREEN, markersize=11)
        self.here = ax.axvline(1, color=GREY, linewidth=6, alpha=0.3)
        ax.set(ylabel="mean staleness, in updates", yscale="log", ylim=(0.3, 1500))

    def draw(self, num_workers, gradients, think, demands, found):
        """Move everything. `demands` are seconds by place, `found` is what was simulated with `num_workers`."""
        server, links = demands[SERVER], max(demands[LINK_IN], demands[LINK_OUT])
        self.alone.set_ydata(gradients * GRID / (think + sum(demands.values())))
        self.server.set_ydata(np.full(len(GRID), gradients / server))
        self.links.set_ydata(np.full(len(GRID), gradients / links))
        self.bound.set_ydata(gradients * F.throughput_bound(GRID, think, [*demands.values()]))
        self.dot.set_data([num_workers], [gradients * found.updates_per_second])
        self.mean.set_data([num_workers], [max(found.staleness, 1e-9)])
        for line in (self.chosen, self.here):
            line.set_xdata([num_workers, num_workers])

    def draw_busy(self, shares):
        """How busy the links, the server and a worker are."""
        for bar, share in zip(self.bars, shares):
            bar.set_width(min(share, 1))


# Explorer -------------------------------------------------------------------------------------------------------------


def messages(**settings):
    """A3C over a network, as a model: from how many workers on is the server, or a link of it, the limit? -> Explorer.

    Its controls are the workers, the size of θ, the milliseconds of work for a gradient, what a message costs, how many
    gradients a worker averages before it pushes, and how many servers share θ.
    """
    picture = MessagesPicture()

    def draw(num_workers, network, gradients_per_push, **values):
        lap = lap_of(network, gradients_per_push, **values)
        think, demands = think_and_demands(lap)
        found = simulated(num_workers, tuple(lap))
        picture.draw(num_workers, gradients_per_push, think, demands, found)
        per_second = found.updates_per_second
        links = max(demands[LINK_IN], demands[LINK_OUT])
        working = sum(leg.seconds for leg in lap if leg.place == WORKER)
        picture.draw_busy([per_second * links, per_second * demands[SERVER], per_second * working / num_workers])
        return words(num_workers, gradients_per_push, size(network), think, demands, found)

    drag = {"at": lambda x, y: {"num_workers": nearest_by_ratio(WORKERS, x)}}
    return Explorer(
        "messages",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.speed, **drag), Grip(picture.stale, **drag)],
        ghosts=[picture.bound],
        num_workers=steps("W, workers", FIRST["num_workers"], WORKERS),
        network=choice("θ, network", FIRST["network"], list(NETWORKS)),
        gradients_per_push=steps("K, gradients per push", FIRST["gradients_per_push"], [1, 2, 4, 8, 16, 32]),
        shards=steps("S, shards of θ", FIRST["shards"], [1, 2, 4, 8, 16, 32]),
        work=log_slider("t, ms of work a gradient", FIRST["work"], -1, 3),
        latency=log_slider("L, latency in µs", FIRST["latency"], 0, 5),
        bandwidth=steps("B, bandwidth in Gbit/s", FIRST["bandwidth"], [0.1, 1.0, 10.0, 25.0, 100.0]),
        per_message=log_slider("c, µs of server a push", FIRST["per_message"], 0, 4),
        per_byte=log_slider("b, ns of server a byte", FIRST["per_byte"], -2, 1),
    )


def words(num_workers, gradients, numbers, think, demands, found):
    """The line of text: what is the limit, from which W on another one would be, the speed, and the staleness."""
    most = F.saturation_point(think, [*demands.values()])
    busiest = say("the server") if demands[SERVER] >= max(demands[LINK_IN], demands[LINK_OUT]) else say("its links")
    if num_workers > most:
        limit = say("The limit is {busiest}, from W = {most:,.1f} on.", busiest=busiest, most=most)
    else:
        limit = say("The workers are the limit; from W = {most:,.1f} on it is {busiest}.", busiest=busiest, most=most)
    speed = say(
        "W = {num_workers:,} with a θ of {numbers:,} numbers: {rate:,.0f} gradients per second, {ratio:.1f} times as "
        "many as one worker.",
        num_workers=num_workers,
        numbers=numbers,
        rate=gradients * found.updates_per_second,
        ratio=found.updates_per_second * (think + sum(demands.values())),
    )
    stale = say("Mean staleness: {staleness:.1f} updates.", staleness=found.staleness)
    return f"{limit} {speed} {stale}"
