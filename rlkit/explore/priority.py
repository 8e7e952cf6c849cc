"""What prioritized replay draws, and what its importance weights correct."""

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import allowed, slider
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLUE, GREY, PINK, RED, picture

SIZE, BATCH = 100, 32


def td_errors(seed):
    """The TD errors in a replay memory, sorted by size, the largest first `[SIZE]`: most are small, a few are large."""
    rng = np.random.default_rng(seed)
    errors = rng.standard_t(df=2, size=SIZE) + 0.3
    return errors[np.argsort(-np.abs(errors))]


def weighted_means(errors, alpha, beta, seed, batches=3_000):
    """Estimates of the mean TD error from prioritized minibatches, each with its own importance weights `[batches]`.

    The weights are not divided by their maximum here, which would only rescale the learning rate.
    """
    probabilities = F.priority_probabilities(np.abs(errors) + 1e-6, alpha)
    rng = np.random.default_rng(seed + 1)
    drawn = rng.choice(SIZE, size=(batches, BATCH), p=probabilities)
    return ((SIZE * probabilities[drawn]) ** -beta * errors[drawn]).mean(1)


def mean_estimate(errors, alpha, beta):
    """The mean of what `weighted_means` draws, exactly."""
    probabilities = F.priority_probabilities(np.abs(errors) + 1e-6, alpha)
    return (probabilities * (SIZE * probabilities) ** -beta * errors).sum()


def priority(**settings):
    """Probabilities and weights over a replay memory, and the bias of what batches estimate -> Explorer.

    Its controls are α, β and the seed.
    """
    figure, (ax, estimates) = picture(2, width=10)
    rank = np.arange(SIZE)
    (drawn,) = ax.plot(rank, rank, color=PINK, label="P(i), drawn")
    (counted,) = ax.plot(rank, rank, color=BLUE, linestyle="--", label="P(i) w(i), counted")
    ax.axhline(1 / SIZE, color=GREY, linestyle=":", label="uniform")
    ax.set(xlabel="transitions, from large |δ| to small", ylabel="probability", yscale="log", ylim=(1e-4, 1))
    bins = np.linspace(-1.5, 2.5, 41)
    bars = estimates.bar(
        bins[:-1], np.zeros(40), width=np.diff(bins), align="edge", facecolor=(PINK, 0.4), edgecolor=PINK
    )
    truth = estimates.axvline(0, color=BLUE, linewidth=2, label="mean of δ over the memory")
    mean = estimates.axvline(0, color=RED, linestyle="--", label="mean of the estimates")
    estimates.set_xticks(range(-1, 3))
    estimates.set(xlabel="estimate of the mean δ from a batch", ylabel="share of batches", ylim=(0, 0.25))
    for axes, place in ((ax, "outside upper left"), (estimates, "outside upper right")):
        figure.legend(*axes.get_legend_handles_labels(), loc=place, ncols=2)

    def draw(alpha, beta, seed):
        errors = td_errors(seed)
        probabilities = F.priority_probabilities(np.abs(errors) + 1e-6, alpha)
        shares = probabilities * (SIZE * probabilities) ** -beta
        drawn.set_ydata(probabilities)
        counted.set_ydata(shares / shares.sum())
        means = weighted_means(errors, alpha, beta, seed)
        for bar, height in zip(bars, np.histogram(means, bins)[0] / len(means)):
            bar.set_height(height)
        truth.set_xdata([errors.mean()] * 2)
        mean.set_xdata([means.mean()] * 2)
        return say(
            "α = {alpha:.2f}, β = {beta:.2f}: the largest |δ| is drawn {often:.1f} times as often as uniformly. "
            "Bias of the mean δ: {bias:+.3f}; spread of a batch's estimate {spread:.3f}.",
            alpha=alpha, beta=beta, often=probabilities[0] * SIZE, bias=means.mean() - errors.mean(),
            spread=means.std(),
        )  # fmt: skip

    def bend(rank, probability):
        now = explorer.values()
        errors = np.abs(td_errors(now["seed"])) + 1e-6
        here = round(min(max(rank, 0), SIZE - 1))
        miss = lambda alpha: abs(np.log(F.priority_probabilities(errors, alpha)[here] / probability))
        return {"alpha": min(allowed(explorer.controls["alpha"]), key=miss)}

    def pull(estimate, share):
        now = explorer.values()
        errors = td_errors(now["seed"])
        miss = lambda beta: abs(mean_estimate(errors, now["alpha"], beta) - estimate)
        return {"beta": min(allowed(explorer.controls["beta"]), key=miss)}

    explorer = Explorer(
        "priority",
        settings,
        figure,
        draw,
        ghosts=[drawn, counted, mean],
        grips=[Grip(ax, at=bend), Grip(estimates, at=pull)],
        alpha=slider("α, prioritization", 0.6, 0.0, 1.0, 0.05),
        beta=slider("β, correction", 0.4, 0.0, 1.0, 0.05),
        seed=slider("seed", 0, 0, 20, 1),
    )
    return explorer
