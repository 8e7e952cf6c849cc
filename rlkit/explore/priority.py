"""What prioritized replay draws, and what its importance weights correct: in twenty replay memories at once."""

from functools import cache

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import allowed, slider
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLUE, GREY, PINK, Picture

MEMORIES = 20  # one for each seed
SIZE, BATCH = 100, 32
SHOWN = 200  # minibatches that are drawn and shown
LIMITS = (3, 6, 12, 30)  # of the axis of estimates, in spreads of uniform minibatches


# Model ----------------------------------------------------------------------------------------------------------------


@cache
def td_errors(seed):
    """The TD errors in a replay memory, sorted by size, the largest first `[SIZE]`: most are small, a few are large."""
    rng = np.random.default_rng(seed)
    errors = rng.standard_t(df=2, size=SIZE) + 0.3
    return errors[np.argsort(-np.abs(errors))]


def draws(seed, alpha):
    """P(i), with which each transition of a memory is drawn: `[SIZE]`."""
    return F.priority_probabilities(np.abs(td_errors(seed)) + 1e-6, alpha)


def weighted_errors(seed, alpha, beta):
    """w_i δ_i, what a transition adds to a minibatch: `[SIZE]`.

    The weights are not divided by their maximum here, which would only rescale the learning rate.
    """
    return (SIZE * draws(seed, alpha)) ** -beta * td_errors(seed)


def weighted_means(seed, alpha, beta, batches=SHOWN):
    """Estimates of the mean TD error from prioritized minibatches, each with its own importance weights `[batches]`."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(SIZE, size=(batches, BATCH), p=draws(seed, alpha))
    return weighted_errors(seed, alpha, beta)[drawn].mean(1)


def mean_and_spread(seed, alpha, beta):
    """The mean and the standard deviation of all that `weighted_means` can draw, exactly -> two numbers."""
    probabilities, added = draws(seed, alpha), weighted_errors(seed, alpha, beta)
    mean = (probabilities * added).sum()
    return mean, np.sqrt((probabilities * (added - mean) ** 2).sum() / BATCH)


@cache
def uniform(seed):
    """The mean TD error of a memory, and the spread of uniform minibatches around it -> two numbers."""
    return mean_and_spread(seed, 0.0, 1.0)


def compared(alpha, beta):
    """Bias and spread in each memory, both as multiples of the spread of uniform minibatches: `[MEMORIES]` each."""
    pairs = np.array([mean_and_spread(seed, alpha, beta) for seed in range(MEMORIES)])
    mean, spread = np.array([uniform(seed) for seed in range(MEMORIES)]).T
    return (pairs[:, 0] - mean) / spread, pairs[:, 1] / spread


# Picture --------------------------------------------------------------------------------------------------------------


class MemoryPicture:
    """One memory: what is drawn from it, and what minibatches estimate. Below: bias and spread in all memories."""

    def __init__(self):
        self.figure = Picture(figsize=(11, 5.4), layout="constrained")
        axes = self.figure.subplot_mosaic([["memory", "batches"], ["memory", "all"]], height_ratios=[1, 2.2])
        self.memory, self.batches, self.all = axes["memory"], axes["batches"], axes["all"]
        self.add_memory(self.memory)
        self.add_batches(self.batches)
        self.add_all(self.all)
        self.figure.legend(handles=[self.even, self.drawn, self.counted], loc="outside upper center", ncols=3)

    def add_memory(self, ax):
        """The probabilities of the transitions of a memory."""
        rank = np.arange(1, SIZE + 1)
        self.even = ax.axhline(1 / SIZE, color=GREY, linestyle=":", label="drawn uniformly")
        (self.drawn,) = ax.plot(rank, rank, color=PINK, linewidth=3, label="drawn by priority, P(i)")
        (self.counted,) = ax.plot(rank, rank, color=BLUE, linestyle="--", label="counted, P(i) w(i)")
        ax.set(xlabel="transitions, from large |δ| to small", ylabel="probability", yscale="log", ylim=(3e-5, 1))
        ax.minorticks_off()

    def add_batches(self, ax):
        """The estimates of minibatches, a dot for each: uniform ones above, prioritized ones below."""
        height = np.random.default_rng(0).uniform(-0.3, 0.3, SHOWN)
        self.dots = [
            ax.plot(height, row + height, ".", color=colour, markersize=5, alpha=0.5)[0]
            for row, colour in ((1, GREY), (0, PINK))
        ]
        ax.axvline(0, color=BLUE, linewidth=1)
        ax.set(ylim=(-0.5, 1.5), yticks=[0, 1], yticklabels=["priority", "uniform"])
        ax.set_title(f"{SHOWN} minibatches from one memory")
        ax.tick_params(axis="x", labelbottom=False)
        ax.grid(False, axis="y")

    def add_all(self, ax):
        """Mean ± spread of the estimates, a bar for each memory, over the band that uniform minibatches have."""
        ax.axvspan(-1, 1, facecolor=(GREY, 0.3))
        ax.axvline(0, color=BLUE, linewidth=1)
        (self.chosen,) = ax.plot([], [], color=BLUE, linewidth=7, alpha=0.4, solid_capstyle="butt")
        (self.bars,) = ax.plot([], [], color=PINK, linewidth=3, solid_capstyle="butt")
        (self.means,) = ax.plot([], [], ".", color=PINK, markersize=8)
        ax.set(ylim=(MEMORIES - 0.4, -0.6), yticks=[0, 5, 10, 15], ylabel="memory, by seed")
        ax.set_title(f"{MEMORIES} memories: mean ± spread (grey: uniform)")
        ax.set_xlabel("estimate of the mean δ, minus the truth;\n1 is the spread of uniform minibatches")
        ax.grid(False, axis="y")

    def draw(self, seed, alpha, beta, bias, spread):
        """A memory by its seed, and `bias` and `spread` in all of them, as `compared` gives them."""
        self.drawn.set_ydata(draws(seed, alpha))
        shares = draws(seed, alpha) * (SIZE * draws(seed, alpha)) ** -beta
        self.counted.set_ydata(shares / shares.sum())
        mean, unit = uniform(seed)
        for dots, how in zip(self.dots, ((0.0, 1.0), (alpha, beta))):
            dots.set_xdata((weighted_means(seed, *how) - mean) / unit)
        rows = np.arange(MEMORIES)
        ends = np.column_stack([bias - spread, bias + spread, np.full(MEMORIES, np.nan)])  # a gap after each bar
        self.bars.set_data(ends.ravel(), rows.repeat(3))
        self.chosen.set_data(ends[seed], [seed] * 3)
        self.means.set_data(bias, rows)
        self.reach(max((np.abs(bias) + spread).max(), abs(bias[seed]) + 3 * spread[seed]))

    def reach(self, most):
        """Let the axes of estimates hold a distance from the truth."""
        limit = min(limit for limit in LIMITS if limit >= min(most, LIMITS[-1]))
        for ax in (self.batches, self.all):
            ax.set(xlim=(-limit, limit), xticks=np.linspace(-limit, limit, 7))


# Explorer -------------------------------------------------------------------------------------------------------------


def priority(**settings):
    """Probabilities and weights over a replay memory, and bias and spread of what batches estimate -> Explorer.

    Its controls are α, β and the seed of the memory.
    """
    picture = MemoryPicture()

    def draw(alpha, beta, seed):
        bias, spread = compared(alpha, beta)
        picture.draw(seed, alpha, beta, bias, spread)
        return words(seed, alpha, beta, bias, spread)

    def bend(rank, probability):
        now = explorer.values()
        here = min(max(round(rank), 1), SIZE) - 1
        miss = lambda alpha: abs(np.log(draws(now["seed"], alpha)[here] / probability))
        return {"alpha": min(allowed(explorer.controls["alpha"]), key=miss)}

    def pull(estimate, row):
        now = explorer.values()
        mean, unit = uniform(now["seed"])
        miss = lambda beta: abs(mean_and_spread(now["seed"], now["alpha"], beta)[0] - mean - estimate * unit)
        return {"beta": min(allowed(explorer.controls["beta"]), key=miss)}

    explorer = Explorer(
        "priority",
        settings,
        picture.figure,
        draw,
        ghosts=[picture.drawn, picture.counted, picture.bars],
        grips=[Grip(picture.memory, at=bend), Grip(picture.batches, at=pull), Grip(picture.all, y="seed")],
        alpha=slider("α, prioritization", 1.0, 0.0, 1.0, 0.05),
        beta=slider("β, correction", 1.0, 0.0, 1.0, 0.05),
        seed=slider("seed", 0, 0, MEMORIES - 1, 1),
    )
    return explorer


def words(seed, alpha, beta, bias, spread):
    """The line of text: the memory of this seed, then the range over all memories."""
    (mean, usual), (estimate, here) = uniform(seed), mean_and_spread(seed, alpha, beta)
    this = say(
        "α = {alpha:.2f}, β = {beta:.2f}. In the memory of seed {seed} the largest |δ| is drawn {often:.1f} times as "
        "often as uniformly. Bias of the estimate: {bias:+.2f}. Its spread: {here:.2f}, against {usual:.2f} of uniform "
        "minibatches.",
        alpha=alpha, beta=beta, seed=seed, often=draws(seed, alpha)[0] * SIZE, bias=estimate - mean, here=here,
        usual=usual,
    )  # fmt: skip
    rest = say(
        "Over all {n} memories the spread is {low:.2f} to {high:.2f} times that of uniform minibatches.",
        n=MEMORIES, low=spread.min(), high=spread.max(),
    )  # fmt: skip
    if (most := np.abs(bias).max()) < 0.005:
        return f"{this} {rest} " + say("None has a bias.")
    return f"{this} {rest} " + say("The bias is up to {most:.1f} times that spread.", most=most)
