"""t_max: how many steps an actor-critic sees before it trusts V. Bias against variance, and learning curves."""

import numpy as np

from rlkit.experiments.segment_length import T_MAX
from rlkit.experiments.stored import stored
from rlkit.explore.controls import slider, steps
from rlkit.explore.panel import Explorer
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, picture

GAMMA = 0.99
LENGTHS = np.unique(np.geomspace(1, 200, 30).astype(int))
GRID = np.linspace(0, 100, 60)  # thousands of steps


# Model ----------------------------------------------------------------------------------------------------------------


def errors(t_max, value_error, fading, noise, gamma=GAMMA):
    """Bias^2 and variance of the returns of a segment of t_max rows, averaged over its rows -> two numbers.

    Every reward has noise of standard deviation σ. V is wrong by b at a row's state, and by ρ^n b n steps later. A row
    that is n steps before the bootstrap has the bias (γρ)^n b and the variance σ^2 (1 + γ^2 + ... + γ^{2(n-1)}).
    """
    n = np.arange(1, t_max + 1)
    bias, variance = (gamma * fading) ** n * value_error, noise**2 * np.cumsum(gamma ** (2 * (n - 1)))
    return (bias**2).mean(), variance.mean()


# Picture --------------------------------------------------------------------------------------------------------------


class SegmentPicture:
    """Bias², variance and their sum by t_max; learning curves of A2C, those with the chosen t_max in blue."""

    def __init__(self, runs):
        self.runs = runs
        self.figure, (left, right) = picture(2, width=11, height=4.4)
        ones = np.ones(len(LENGTHS))
        (self.bias,) = left.plot(LENGTHS, ones, "--", color=ORANGE, label="bias², from V")
        (self.variance,) = left.plot(LENGTHS, ones, "-.", color=BLUE, label="variance, from rewards")
        (self.sum,) = left.plot(LENGTHS, ones, color=BLACK, label="both")
        (self.dot,) = left.plot([1], [1], "o", color=BLACK, markersize=10)
        left.set(xlabel="t_max, steps of a segment", ylabel="squared error of a return", xscale="log", yscale="log")
        left.set(xlim=(0.9, 220), ylim=(0.03, 300), title="if V is wrong by b nearby")
        left.legend(loc="upper center", fontsize=11)
        for seeds in runs.values():
            median = np.median([on(GRID, run) for run in seeds], 0)
            right.plot(GRID, median, ":", color=GREY, linewidth=1.2)
        each = next(iter(runs.values()))
        self.seeds = [right.plot([0], [0], color=BLUE, linewidth=0.8, alpha=0.6)[0] for _ in each]
        (self.median,) = right.plot([0], [0], color=BLUE, linewidth=3, label="chosen t_max, median of the seeds")
        right.plot([], [], ":", color=GREY, linewidth=1.2, label="the others")
        right.set(xlabel="steps, thousands", ylabel="return, mean of 20", xlim=(0, 100), ylim=(0, 520))
        right.set_title("A2C on CartPole")
        right.legend(loc="upper left", fontsize=11)

    def draw_errors(self, curves, t_max, error):
        """Bias² and variance at LENGTHS `[L, 2]`, and their sum at the chosen t_max."""
        self.bias.set_ydata(curves[:, 0])
        self.variance.set_ydata(curves[:, 1])
        self.sum.set_ydata(curves.sum(1))
        self.dot.set_data([t_max], [error])

    def draw_runs(self, t_max):
        """The learning curves with the chosen t_max."""
        curves = [on(GRID, run) for run in self.runs[str(t_max)]]
        for line, curve in zip(self.seeds, curves):
            line.set_data(GRID, curve)
        self.median.set_data(GRID, np.median(curves, 0))


def on(grid, run):
    """The returns of a stored run at the steps of `grid`, in thousands: `[K]` -> `[K]`."""
    return np.interp(grid, np.array(run["steps"]) / 1e3, run["returns"])


# Explorer -------------------------------------------------------------------------------------------------------------


def t_max(**settings):
    """Bias and variance of n-step returns by t_max, and stored runs of A2C on CartPole-v1 -> Explorer.

    Its controls are t_max, and for the left panel the error b of V, its fading ρ and the noise σ of a reward.
    """
    runs, _ = stored("segment_length")
    picture = SegmentPicture(runs)

    def draw(t_max, value_error, fading, noise):
        curves = np.array([errors(length, value_error, fading, noise) for length in LENGTHS])
        bias, variance = errors(t_max, value_error, fading, noise)
        picture.draw_errors(curves, t_max, bias + variance)
        picture.draw_runs(t_max)
        best = LENGTHS[curves.sum(1).argmin()]
        ends = ", ".join(f"{run['returns'][-1]:.0f}" for run in runs[str(t_max)])
        seconds = np.median([run["seconds"][-1] for run in runs[str(t_max)]])
        return (
            f"t_max = {t_max}: bias² {bias:.2f}, variance {variance:.2f}. With b = {value_error:g}, ρ = {fading:g} and "
            f"σ = {noise:g} the sum is least at t_max = {best}. CartPole after 100 000 steps, seed by seed: {ends}; "
            f"{seconds:.0f} CPU seconds."
        )

    return Explorer(
        "t_max",
        settings,
        picture.figure,
        draw,
        t_max=steps("t_max, steps", 5, list(T_MAX)),
        value_error=slider("b, error of V", 5.0, 0.0, 10.0, 0.5),
        fading=slider("ρ, per step away", 0.8, 0.5, 1.0, 0.05),
        noise=slider("σ, noise of a reward", 1.0, 0.0, 3.0, 0.25),
    )
