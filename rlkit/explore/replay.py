"""How many independent gradients is a minibatch worth? Consecutive steps, against replay memories of several sizes."""

import numpy as np

from rlkit import functional as F
from rlkit.experiments.gradients import LAGS, SEEDS, SIZES, STAGES
from rlkit.experiments.stored import stored
from rlkit.explore.controls import nearest_by_ratio, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, picture


def worth_in_a_row(runs, batch_size, what="gradient"):
    """What B consecutive steps of each run are worth, in independent ones `[seeds]`. `what`: "gradient" or "angle"."""
    return np.array([F.effective_batch_size(np.array(run[what]), batch_size) for run in runs])


def worth_replayed(runs, batch_size):
    """What B draws from the last N steps are worth, for each N of SIZES `[seeds, N]`.

    The mean of the batch varies as the mean of the N steps does, by the share s of the variance of one step, and within
    them as B independent draws do: B_eff = 1 / (s + (1 - s) / B).
    """
    between = np.array([run["between"] for run in runs])
    return 1 / (between + (1 - between) / batch_size)


class ReplayPicture:
    """Left: the correlation of steps by their distance. Right: the worth of a batch by the size of the memory."""

    def __init__(self):
        self.figure, (ax, self.worth) = picture(2, width=10.5, height=4.4)
        lags = np.arange(LAGS)
        self.gradients = [ax.plot(lags, lags, color=ORANGE, linewidth=0.8, alpha=0.5)[0] for _ in SEEDS]
        (self.gradient,) = ax.plot(lags, lags, color=ORANGE, linewidth=2.5, label="gradients in a row")
        (self.angle,) = ax.plot(lags, lags, "--", color=BLACK, label="pole's angle in a row")
        ax.set(xlabel="steps later", ylabel="correlation", ylim=(-0.45, 1.05), xlim=(0, LAGS - 1))
        self.replayed = [self.worth.plot(SIZES, SIZES, color=BLUE, linewidth=0.8, alpha=0.5)[0] for _ in SEEDS]
        (self.middle,) = self.worth.plot(SIZES, SIZES, "s-", color=BLUE, label="gradients, replayed")
        self.flat = [self.worth.axhline(1, color=ORANGE), self.worth.axhline(1, color=BLACK, linestyle="--")]
        self.ideal = self.worth.axhline(1, color=GREY, linestyle=":", label="B independent ones")
        self.here = self.worth.axvline(1, color=GREY, linewidth=8, alpha=0.25)
        self.worth.set(xlabel="N, transitions in the memory", xscale="log", yscale="log")
        self.worth.set(xlim=(25, 26_000), ylim=(0.8, 100))
        self.worth.set(ylabel="worth, in independent ones")
        self.figure.legend(loc="outside upper center", ncols=4)  # the figure's: drawn once, away from all curves

    def draw(self, runs, batch_size, buffer_size):
        """Show the runs of one stage. Thick lines are medians."""
        correlations = np.array([run["gradient"] for run in runs])
        for line, values in zip(self.gradients, correlations):
            line.set_ydata(values)
        self.gradient.set_ydata(np.median(correlations, axis=0))
        self.angle.set_ydata(np.median([run["angle"] for run in runs], axis=0))
        worth = worth_replayed(runs, batch_size)
        for line, values in zip(self.replayed, worth):
            line.set_ydata(values)
        self.middle.set_ydata(np.median(worth, axis=0))
        for line, what in zip(self.flat, ("gradient", "angle")):
            line.set_ydata([np.median(worth_in_a_row(runs, batch_size, what))] * 2)
        self.ideal.set_ydata([batch_size] * 2)
        self.here.set_xdata([buffer_size] * 2)


def replay(**settings):
    """The correlation of gradients in the order of learning, and what a minibatch is worth -> Explorer.

    Its controls are the steps that the agents have learned, the size of the memory, and the size of a batch.
    """
    stages, _ = stored("gradients")
    picture = ReplayPicture()

    def draw(stage, buffer_size, batch_size):
        runs = stages[str(stage)]
        picture.draw(runs, batch_size, buffer_size)
        row, angle = (worth_in_a_row(runs, batch_size, what) for what in ("gradient", "angle"))
        replayed = worth_replayed(runs, batch_size)[:, SIZES.index(buffer_size)]
        return say(
            "After {stage:,} steps of learning, a batch of B = {size} gradients is worth {row:.1f} independent ones as "
            "they happen ({low:.1f} to {high:.1f} over ten agents), {replayed:.1f} when drawn from the last "
            "N = {buffer:,} steps. As many of the pole’s angles in a row are worth {angle:.1f}. These are medians.",
            stage=stage, size=batch_size, row=np.median(row), low=row.min(), high=row.max(),
            replayed=np.median(replayed), buffer=buffer_size, angle=np.median(angle),
        )  # fmt: skip

    return Explorer(
        "replay",
        settings,
        picture.figure,
        draw,
        ghosts=[picture.gradient, picture.middle],
        grips=[Grip(picture.worth, at=lambda x, y: {"buffer_size": nearest_by_ratio(SIZES, x)})],
        stage=steps("t, steps of learning", STAGES[-1], list(STAGES)),
        buffer_size=steps("N, memory size", 2_000, list(SIZES)),
        batch_size=steps("B, batch size", 32, [8, 32, 64]),
    )
