"""The switchboard of chapter 3: what each detail is worth, and the details against the algorithm."""

import numpy as np

from rlkit.experiments.details import CORE, FOUR, SCORES, SWITCHES, effects, scores
from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.plotting.figures import BLUE, GREY, ORANGE, picture
from rlkit.running.messages import brief
from rlkit.running.settings import nearest


def worth(runs, task):
    """What each detail is worth on a task -> Picture: a panel for the whole run, and one for the policy after it.

    `runs` is the sweep `switchboard`. A row is a detail: its effect, with minus without, and the 95 % interval, the
    largest effect on the whole run first. A filled mark has p <= 0.05 by Holm. Below the line are the parts of the
    algorithm itself. Raises ValueError for a task that is not among the runs.
    """
    if task not in [*runs]:
        raise ValueError(f"There are no runs on {brief(task)}; {nearest(task, runs)}")
    found = {kind: effects(runs[task], kind) for kind in SCORES}
    order = sorted((name for name in SWITCHES if name not in CORE), key=lambda name: -found["score"][name][0])
    rows = [*order, *CORE]
    figure, axes = picture(2, width=10, height=5.2, sharey=True)
    for ax, (kind, words) in zip(axes, SCORES.items()):
        ax.axvline(0, color=GREY, linewidth=1)
        ax.axhline(len(order) - 0.5, color=GREY, linewidth=0.8, linestyle=":")
        for place, name in enumerate(rows):
            middle, low, high, p = found[kind][name]
            colour, marker = (ORANGE, "s") if name in CORE else (BLUE, "o")
            ax.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
            face = colour if p <= 0.05 else "white"
            ax.plot(middle, place, marker, color=colour, markersize=8, markerfacecolor=face, markeredgewidth=1.8)
        ax.set(title=words, xlabel="return with it minus without it")
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(rows)), rows)
    axes[0].invert_yaxis()
    figure.suptitle(f"{task}: one detail switched at a time; filled: p ≤ 0.05 (Holm)", fontsize=12)
    said = ("{}: {:.0f} ({:.0f} to {:.0f})".format(name, *found["score"][name][:3]) for name in rows)
    figure.alt = f"{task}, effect on the return of the whole run, with 95 % intervals: " + "; ".join(said)
    return figure


def two_by_two(runs, kind="score"):
    """PPO and TRPO without and with the details -> Picture: a panel for each task, a line for each algorithm.

    Small dots are the ten seeds, large ones their interquartile mean with its 95 % interval. Raises ValueError for a
    `kind` of score that there is not.
    """
    if kind not in [*SCORES]:
        raise ValueError(f"There is no score {brief(kind)}; {nearest(kind, SCORES)}")
    figure, axes = picture(len(runs), width=9, height=3.6)
    said, axes = [], np.atleast_1d(axes)
    for ax, (task, arms) in zip(axes, runs.items()):
        for algorithm, look, aside in (
            ("PPO", dict(color=BLUE, marker="o", linestyle="-"), -0.05),
            ("TRPO", dict(color=ORANGE, marker="s", linestyle="--"), 0.05),
        ):
            names = FOUR[1::-1] if algorithm == "PPO" else FOUR[:1:-1]  # without, with
            found = [scores(arms[name], kind) for name in names]
            middles, places = [interquartile_mean(one) for one in found], np.arange(2) + aside
            for place, one in zip(places, found):
                ax.plot(np.full(len(one), place), one, look["marker"], color=look["color"], markersize=3, alpha=0.4)
                ax.plot([place, place], bootstrap_interval(one), color=look["color"], linewidth=2.2)
            ax.plot(places, middles, **look, markersize=8, markeredgecolor="white", label=f"{algorithm}")
            said.append("{} on {}: {:.0f} without, {:.0f} with".format(algorithm, task, *middles))
        ax.set_xticks([0, 1], ["without details", "with details"])
        ax.set(title=task, xlim=(-0.4, 1.4))
    axes[0].set_ylabel("return, " + SCORES[kind])
    axes[0].legend(loc="best")
    figure.alt = "Interquartile means of ten seeds. " + "; ".join(said)
    return figure
