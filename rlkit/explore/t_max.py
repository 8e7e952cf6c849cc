"""t_max: how many steps an actor-critic sees before it trusts V. Bias against variance, and learning curves."""

import numpy as np

from rlkit.experiments.segment_length import T_MAX
from rlkit.experiments.stored import stored
from rlkit.explore.controls import nearest_by_ratio, slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import number, say
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
        self.figure, (self.segment, right) = picture(2, width=11, height=4.8)
        self.add_errors(self.segment)
        self.add_runs(right)
        self.figure.legend(loc="outside upper center", ncols=5)  # the figure's: drawn once, away from all curves

    def add_errors(self, ax):
        """Bias², variance and their sum by t_max, and a dot at the chosen one."""
        ones = np.ones(len(LENGTHS))
        (self.bias,) = ax.plot(LENGTHS, ones, "--", color=ORANGE, label="bias², from V")
        (self.variance,) = ax.plot(LENGTHS, ones, "-.", color=BLUE, label="variance, from rewards")
        (self.sum,) = ax.plot(LENGTHS, ones, color=BLACK, label="both")
        (self.dot,) = ax.plot([1], [1], "o", color=BLACK, markersize=10)
        ax.set(xlabel=r"$t_{\max}$, steps of a segment", ylabel="squared error of a return", xscale="log", yscale="log")
        ax.set(xlim=(0.9, 220), ylim=(0.03, 300), title="if V is wrong by b nearby")

    def add_runs(self, ax):
        """The median learning curve of every t_max in grey, and lines for those with the chosen one."""
        for seeds in self.runs.values():
            median = np.median([on(GRID, run) for run in seeds], 0)
            ax.plot(GRID, median, ":", color=GREY, linewidth=1.2)
        each = next(iter(self.runs.values()))
        self.seeds = [ax.plot([0], [0], color=BLUE, linewidth=0.8, alpha=0.6)[0] for _ in each]
        (self.median,) = ax.plot([0], [0], color=BLUE, linewidth=3, label=r"chosen $t_{\max}$, median")
        ax.plot([], [], ":", color=GREY, linewidth=1.2, label="the others")
        ax.set(xlabel="steps, thousands", ylabel="return, mean of 20", xlim=(0, 100), ylim=(0, 520))
        ax.set_title("A2C on CartPole")

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
        return words(t_max, bias, variance, LENGTHS[curves.sum(1).argmin()], runs[str(t_max)])

    return Explorer(
        "t_max",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.segment, at=lambda x, y: {"t_max": nearest_by_ratio(T_MAX, x)})],
        ghosts=[picture.sum, picture.median],
        t_max=steps("tₘₐₓ, steps", 5, list(T_MAX)),
        value_error=slider("b, error of V", 5.0, 0.0, 10.0, 0.5),
        fading=slider("ρ, per step away", 0.8, 0.5, 1.0, 0.05),
        noise=slider("σ, noise of a reward", 1.0, 0.0, 3.0, 0.25),
    )


def words(t_max, bias, variance, best, seeds):
    """The line of text: the two errors, at which t_max their sum is least, and how the stored runs of `seeds` ended."""
    error = say(
        "t<sub>max</sub> = {t_max}: bias² {bias:.2f}, variance {variance:.2f}, together {both:.2f}. The sum is least "
        "at t<sub>max</sub> = {best}.",
        t_max=t_max,
        bias=bias,
        variance=variance,
        both=bias + variance,
        best=best,
    )
    learned = say(
        "CartPole after 100,000 steps, seed by seed: {ends}. It took {seconds:.0f} CPU seconds.",
        ends=", ".join(number(run["returns"][-1], ".0f") for run in seeds),
        seconds=np.median([run["seconds"][-1] for run in seeds]),
    )
    return f"{error} {learned}"
