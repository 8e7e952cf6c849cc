"""A path that ends at a cliff: what the surrogate promises for a step, what one gets, and who visits which places."""

from functools import lru_cache

import numpy as np

from rlkit.experiments.cliff import PLACES, WEIGHTS, path
from rlkit.explore.controls import choice, log_slider, slider
from rlkit.explore.panel import Explorer, Grip, still_legend
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

LENGTHS = np.linspace(0, 6, 121)


# Model ----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def gains(on, weights):
    """The line of steps, and along LENGTHS what it promises, gives and guarantees: (Line, `[3, 121]`)."""
    line = path(on, weights)
    return line, np.array([[value(length) for length in LENGTHS] for value in (line.promise, line.truth, line.bound)])


@lru_cache(maxsize=32)
def budget_step(on, weights, max_kl):
    """The step at which the mean KL has used up the budget, at most the longest that is drawn."""
    return min(path(on, weights).within(max_kl), LENGTHS[-1])


# Picture --------------------------------------------------------------------------------------------------------------


class CliffPicture:
    """Promise and truth along the step; the time in each place before and after; what each place adds to the gain."""

    def __init__(self):
        self.figure, (self.along, where, adds) = picture(3, width=12, height=4.6, width_ratios=[1.3, 1, 1])
        self.add_lines(self.along)
        places = np.arange(1, PLACES + 1)
        zeros = np.zeros(PLACES)
        self.before = where.bar(places - 0.2, zeros, 0.4, color=GREY, label="old policy")
        self.after = where.bar(places + 0.2, zeros, 0.4, color=RED, hatch="//", label="new policy")
        where.set(xlabel="place (on from 6 is the fall)", ylabel="d, share of discounted time", ylim=(0, 1))
        self.promised = adds.bar(places - 0.2, zeros, 0.4, color=ORANGE, hatch="..", label="promised")
        self.added = adds.bar(places + 0.2, zeros, 0.4, color=BLACK, label="true")
        adds.axhline(0, color=GREY, linewidth=1)
        adds.set(xlabel="place", ylabel="what it adds to the gain", ylim=(-24, 9))
        for ax in (where, adds):
            ax.set_xticks(places)
            ax.grid(False, axis="x")
            still_legend(ax, loc="upper right" if ax is where else "lower left")
        self.figure.legend(handles=self.named, loc="outside upper center", ncols=4)

    def add_lines(self, ax):
        """What the surrogate promises along the step, the truth, the bound, and where the budget of KL ends."""
        (self.truth,) = ax.plot(LENGTHS, LENGTHS, color=BLACK, label="true gain J(θ) − J(θ')")
        (self.promise,) = ax.plot(LENGTHS, LENGTHS, "--", color=ORANGE, label="promise of the surrogate")
        (self.bound,) = ax.plot(LENGTHS, LENGTHS, ":", color=BLUE, label="the bound")
        (self.budget,) = ax.plot([1, 1], [-24, 9], "-.", color=RED, linewidth=1.5, label="the budget of KL ends")
        self.named = [self.truth, self.promise, self.bound, self.budget]
        self.here = [ax.plot([0], [0], "o", color=colour, markersize=9)[0] for colour in (BLACK, ORANGE)]
        ax.axhline(0, color=GREY, linewidth=1)
        ax.set(xlabel="h, length of the step along the gradient", ylabel="gain", xlim=(0, LENGTHS[-1]), ylim=(-24, 9))

    def draw(self, line, curves, step, ends):
        """The `Line` with its curves `[3, 121]`, the chosen step, and the one at which the budget ends."""
        promise, truth, bound = curves
        self.promise.set_ydata(promise)
        self.truth.set_ydata(truth)
        self.bound.set_ydata(bound.clip(-100))
        self.budget.set_xdata([ends, ends])
        for dot, gain in zip(self.here, (line.truth(step), line.promise(step))):
            dot.set_data([step], [gain])
        after = line.visits_after(step)
        for bars, heights in (
            (self.before, line.visits),
            (self.after, after),
            (self.promised, line.added(line.visits, step)),
            (self.added, line.added(after, step)),
        ):
            for bar, height in zip(bars, heights):
                bar.set_height(height)


# Explorer -------------------------------------------------------------------------------------------------------------


def cliff(**settings):
    """The promise and the truth of steps on a path that ends at a cliff -> Explorer.

    Its controls are the length of the step, the budget δ of KL, how often the old policy goes on, and whether all
    places share one weight.
    """
    picture = CliffPicture()

    def draw(step, max_kl, on, weights):
        line, curves = gains(on, weights)
        ends = budget_step(on, weights, max_kl)
        picture.draw(line, curves, step, ends)
        return words(line, step, max_kl, ends)

    return Explorer(
        "cliff",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.along, x="step")],
        ghosts=[picture.truth, picture.promise, picture.budget],
        step=slider("h, length of the step", 4.0, 0.0, 6.0, 0.1),
        max_kl=log_slider("δ, budget of KL", 0.01, -3.0, 0.5),
        on=slider("p, on before the step", 0.2, 0.05, 0.35, 0.05),
        weights=choice("w, weights", WEIGHTS[0], list(WEIGHTS)),
    )


def words(line, step, max_kl, ends):
    """The line of text: this step, the edge of the cliff, the budget, and how far the bound reaches."""
    return "<br>".join([
        say(
            "<b>A step of {step:.1f}</b>: the surrogate promises {promise:+.2f}, and the return changes by "
            "{truth:+.2f}. The share of time at the edge, place 6, goes from {before:.2%} to {after:.2%}.",
            step=step, promise=line.promise(step), truth=line.truth(step),
            before=line.visits[-1], after=line.visits_after(step)[-1],
        ),
        say(
            "The budget, δ = {max_kl:.3g}, is used up at a step of {ends:.2f}: promised {promise:+.2f}, true "
            "{truth:+.2f}. The bound guarantees a gain up to a step of {safe:.4f}.",
            max_kl=max_kl, ends=ends, promise=line.promise(ends), truth=line.truth(ends), safe=line.safe(),
        ),
    ])  # fmt: skip
