"""Runs that end at a goal: how long each of several seeds took to get there."""

import numpy as np

from rlkit.experiments.goal import GOAL, middle
from rlkit.plotting.figures import BLUE, GREY, ORANGE, picture

DASHED = (0, (2, 1))


def until_goal(seeds):
    """Runs of the sweep `pong` -> Picture: a line for each seed, the middle one thick, a dot at the goal."""
    figure, ax = picture(height=3.4)
    for run in seeds:
        ax.plot(*curve(run), color=GREY, linewidth=0.9, alpha=0.7)
        ax.plot(*last(run), "o" if run["reached"] else "x", color=GREY, markersize=5)
    typical = middle(seeds)
    ax.plot(*curve(typical), color=BLUE, linewidth=2.4, label=f"the run in the middle of {len(seeds)}")
    ax.plot(*last(typical), "o" if typical["reached"] else "x", color=BLUE, markersize=9)
    ax.axhline(GOAL, color=ORANGE, linewidth=1, linestyle="--", label=f"a mean of {GOAL}, which ends a run")
    ax.set(xlabel="agent steps, thousands", ylabel="score, last 20 games", ylim=(-22, 22), xlim=(0, None))
    ax.legend(loc="lower right")
    return figure


def against(settings):
    """Two settings on the same seeds -> Picture: thin lines for seeds, thick ones for their medians.

    `settings` maps a name to its runs. They are drawn to the step at which the shorter experiment ends; a run that has
    reached the goal keeps its last score.
    """
    until = min(max(run["end"] for run in runs) for runs in settings.values())
    grid = np.linspace(0, until, 60)
    figure, ax = picture(height=3.4)
    for (name, runs), (colour, style) in zip(settings.items(), ((GREY, DASHED), (BLUE, "-"))):
        scores = on(grid, runs)
        ax.plot(grid / 1_000, scores.T, color=colour, linewidth=0.8, alpha=0.7, linestyle=style)
        ax.plot(grid / 1_000, np.median(scores, axis=0), color=colour, linewidth=2.8, linestyle=style, label=name)
    ax.set(xlabel="agent steps, thousands", ylabel="score, last 20 games", ylim=(-22, 22), xlim=(0, None))
    ax.legend(loc="upper left", title=f"median of {len(scores)} seeds")
    return figure


def curve(run):
    """Steps in thousands and scores of a run, from the end of its first game."""
    known = [i for i, score in enumerate(run["returns"]) if score is not None]
    return [run["steps"][i] / 1_000 for i in known], [run["returns"][i] for i in known]


def last(run):
    return run["end"] / 1_000, run["returns"][-1]


def on(grid, runs):
    """The scores of each run at these steps `[R, K]`: -21 before the first game has ended; after the end the last."""
    return np.array([np.interp(grid / 1_000, *curve(run), left=-21) for run in runs])
