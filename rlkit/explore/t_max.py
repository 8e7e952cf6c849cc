"""t_max: how far an actor-critic looks before it trusts V, as bias against variance, and in learning curves."""

import numpy as np

from rlkit.experiments.segment_length import T_MAX
from rlkit.experiments.stored import stored
from rlkit.explore.panel import Explorer, slider, steps
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, picture

GAMMA = 0.99
LENGTHS = np.unique(np.geomspace(1, 200, 30).astype(int))


def errors(t_max, value_error, fading, noise, gamma=GAMMA):
    """Bias^2 and variance of the returns of a segment, averaged over its rows.

    Every reward has noise of deviation σ. V is wrong by b where a row stands, and n steps from there by ρ^n b. A row
    with n steps before the bootstrap has the bias (γρ)^n b and the variance σ^2 (1 + γ^2 + ... + γ^{2(n-1)}).
    """
    n = np.arange(1, t_max + 1)
    bias, variance = (gamma * fading) ** n * value_error, noise**2 * np.cumsum(gamma ** (2 * (n - 1)))
    return (bias**2).mean(), variance.mean()


def t_max():
    """Bias and variance of n-step returns by t_max, and A2C on CartPole-v1 with the same t_max (stored)."""
    runs, _ = stored("segment_length")
    figure, (left, right) = picture(2, width=11, height=4.4)
    (bias_line,) = left.plot(LENGTHS, np.ones(len(LENGTHS)), "--", color=ORANGE, label="bias², from V")
    (variance_line,) = left.plot(LENGTHS, np.ones(len(LENGTHS)), "-.", color=BLUE, label="variance, from rewards")
    (sum_line,) = left.plot(LENGTHS, np.ones(len(LENGTHS)), color=BLACK, label="both")
    (dot,) = left.plot([1], [1], "o", color=BLACK, markersize=10)
    left.set(xlabel="t_max, steps of a segment", ylabel="squared error of a return", xscale="log", yscale="log")
    left.set(xlim=(0.9, 220), ylim=(0.03, 300), title="if V is wrong by b nearby")
    left.legend(loc="upper center", fontsize=11)
    for seeds in runs.values():
        grid = np.linspace(0, 100, 60)
        right.plot(grid, np.median([on(grid, run) for run in seeds], 0), ":", color=GREY, linewidth=1.2)
    thin = [right.plot([0], [0], color=BLUE, linewidth=0.8, alpha=0.6)[0] for _ in next(iter(runs.values()))]
    (thick,) = right.plot([0], [0], color=BLUE, linewidth=3, label="chosen t_max, median of the seeds")
    right.plot([], [], ":", color=GREY, linewidth=1.2, label="the others")
    right.set(xlabel="steps, thousands", ylabel="return, mean of 20", xlim=(0, 100), ylim=(0, 520))
    right.set_title("A2C on CartPole")
    right.legend(loc="upper left", fontsize=11)

    def draw(t_max, value_error, fading, noise):
        curves = np.array([errors(length, value_error, fading, noise) for length in LENGTHS])
        bias_line.set_ydata(curves[:, 0])
        variance_line.set_ydata(curves[:, 1])
        sum_line.set_ydata(curves.sum(1))
        bias, variance = errors(t_max, value_error, fading, noise)
        dot.set_data([t_max], [bias + variance])
        grid, seeds = np.linspace(0, 100, 60), runs[str(t_max)]
        for line, run in zip(thin, seeds):
            line.set_data(grid, on(grid, run))
        thick.set_data(grid, np.median([on(grid, run) for run in seeds], 0))
        best = LENGTHS[curves.sum(1).argmin()]
        ends = ", ".join(f"{run['returns'][-1]:.0f}" for run in seeds)
        seconds = np.median([run["seconds"][-1] for run in seeds])
        return (
            f"t_max = {t_max}: bias² {bias:.2f}, variance {variance:.2f}. With b = {value_error:g}, ρ = {fading:g} and "
            f"σ = {noise:g} the sum is least at t_max = {best}. CartPole after 100 000 steps, seed by seed: {ends}; "
            f"{seconds:.0f} CPU seconds."
        )

    return Explorer(
        figure,
        draw,
        t_max=steps("t_max, steps", 5, list(T_MAX)),
        value_error=slider("b, error of V", 5.0, 0.0, 10.0, 0.5),
        fading=slider("ρ, per step away", 0.8, 0.5, 1.0, 0.05),
        noise=slider("σ, noise of a reward", 1.0, 0.0, 3.0, 0.25),
    )


def on(grid, run):
    """A stored curve at the steps of `grid`, in thousands."""
    return np.interp(grid, np.array(run["steps"]) / 1e3, run["returns"])
