"""The growing figure of chapter 2: what each part adds to the agent, at the shared setting and at the best of nine."""

import numpy as np
from matplotlib.colors import to_rgb

from rlkit.experiments.parts import ALONE, ARMS, FIRST, TOTAL, scores
from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.plotting.figures import BLUE, GREY, ORANGE, picture
from rlkit.running.messages import brief

PARTS = (FIRST, *ARMS)  # in the order in which they are added
LOOKS = {  # of the two settings
    "shared": dict(color=BLUE, linestyle="-", marker="o", label="the shared setting"),
    "best": dict(color=ORANGE, linestyle="--", marker="s", label="the best of nine"),
}


def grown(runs, part):
    """The agent with `part` added -> Picture: its curves over those of the agent before, and all scores so far.

    `runs` is the sweep `spine`. A curve is the return of the greedy policy over the steps: a thin line for each of ten
    seeds, and a thick one for their interquartile mean. A score is the mean of a curve.
    """
    if part not in PARTS:
        raise ValueError(f"There is no part {brief(part)}. The parts are: {'; '.join(PARTS)}.")
    check_runs(runs)
    names = PARTS[: PARTS.index(part) + 1]
    figure, (*curves, ladder) = picture(3, width=11, height=3.9, width_ratios=[1, 1, 2])
    for ax, setting in zip(curves, LOOKS):
        if len(names) > 1:
            draw_before(ax, runs[names[-2]][setting])
        draw_curves(ax, runs[part][setting], setting)
        ax.set(title=LOOKS[setting]["label"], xlabel="agent steps, thousands")
    curves[0].set_ylabel("return, greedy policy")
    curves[1].tick_params(labelleft=False)
    draw_scores(ladder, runs, names)
    ladder.set(xlim=(-0.6, len(PARTS) - 0.4), title="score: the mean of a curve")
    figure.alt = in_words(runs, names[-2:])
    return figure


def all_parts(runs):
    """All parts side by side -> Picture: a panel for each, over the agent before it; seeds at the shared setting."""
    check_runs(runs)
    figure, axes = picture(3, 3, width=10, height=6.6, sharex=True, sharey=True)
    for ax, before, part in zip(axes.flat, (None, *PARTS), PARTS):
        if before:
            draw_before(ax, runs[before]["shared"])
        for setting in LOOKS:
            draw_curves(ax, runs[part][setting], setting, thin=setting == "shared")
        ax.set_title(part if before is None else f"+ {part}", loc="left")
    for ax in axes[-1]:
        ax.set_xlabel("agent steps, thousands")
    for ax in axes[:, 0]:
        ax.set_ylabel("return, greedy")
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    figure.alt = in_words(runs, PARTS)
    return figure


def each_alone(runs):
    """Each variant alone, over plain DQN in grey -> Picture: a panel for each; seeds at the shared setting."""
    check_runs(runs)
    plain, variants = "C = 4", ("Double", *ALONE)
    figure, axes = picture(len(variants), width=11, height=3.2, sharey=True)
    for ax, name in zip(axes, variants):
        draw_before(ax, runs[plain]["shared"])
        for setting in LOOKS:
            draw_curves(ax, runs[name][setting], setting, thin=setting == "shared")
        ax.set(title=name if name in ALONE else f"{name} DQN", xlabel="agent steps, thousands")
    axes[0].set_ylabel("return, greedy policy")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, ["plain DQN, C = 4", *labels[1:]], loc="outside upper center", ncols=3)
    figure.alt = in_words(runs, (plain, *variants))
    return figure


def check_runs(runs):
    """Raise ValueError for anything but the sweep."""
    if not (isinstance(runs, dict) and {*PARTS, *ALONE} <= runs.keys()):
        raise ValueError("runs must be those of the sweep spine; write runs, _ = stored('spine').")


def draw_curves(ax, seeds, setting, thin=True):
    """The curves of one arm: a thick one for their interquartile mean and, if they are wanted, thin ones for seeds."""
    curves = np.array([run["greedy"] for run in seeds])
    look = LOOKS[setting] | {"marker": None}
    if thin:  # pale and not transparent, which takes fewer bytes
        ax.plot(thousands(curves), curves.T, color=pale(look["color"]), linewidth=0.7, zorder=1)
    ax.plot(thousands(curves), interquartile_mean(curves), **look | {"linewidth": 2.4})
    ax.set(ylim=(0, 515), xlim=(0, TOTAL / 1_000))


def draw_before(ax, seeds):
    """The agent before this part, in grey: the interquartile mean of its curves."""
    curves = np.array([run["greedy"] for run in seeds])
    ax.plot(thousands(curves), interquartile_mean(curves), color=GREY, linewidth=3, alpha=0.7, label="the agent before")


def pale(colour):
    """The colour mixed with two parts of white."""
    return tuple(1 - (1 - np.array(to_rgb(colour))) / 3)


def thousands(curves):
    """The steps of the tests, in thousands."""
    checks = curves.shape[1]
    return np.arange(1, checks + 1) * TOTAL / checks / 1_000


def draw_scores(ax, runs, names):
    """The scores of each arm: small dots for the seeds, a large one for their interquartile mean, its 95 % interval."""
    for place, name in enumerate(names):
        for setting, offset in zip(LOOKS, (-0.17, 0.17)):
            look, found = LOOKS[setting], scores(runs[name], setting)
            x, colour = place + offset, look["color"]
            ax.plot(np.full(len(found), x), found, look["marker"], color=colour, markersize=3, alpha=0.4)
            ax.plot([x, x], bootstrap_interval(found), color=colour, linewidth=2)
            ax.plot(x, interquartile_mean(found), look["marker"], color=colour, markersize=8, markeredgecolor="white")
    labels = [name.replace("target network", "copy") for name in names]  # as short as the others
    ax.set_xticks(range(len(names)), labels, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_ylim(0, 515)


def in_words(runs, names):
    """What the figure shows, for those who do not see it."""
    return "Scores, interquartile means of ten seeds at the shared setting and at the best of nine: " + "; ".join(
        "{}: {:.0f} and {:.0f}".format(name, *(interquartile_mean(scores(runs[name], setting)) for setting in LOOKS))
        for name in names
    )
