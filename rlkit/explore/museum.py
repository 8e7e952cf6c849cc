"""The museum of real bugs: what the return says with a bug in, and the number that gives the bug away."""

import numpy as np

from rlkit.experiments.curves import SEEDS
from rlkit.experiments.museum import BUGS, medians
from rlkit.experiments.stored import stored
from rlkit.explore.panel import Explorer, choice, switch
from rlkit.plotting import BLUE, GREY, RED, picture

KINDS = {"sound": (BLUE, "-", "o"), "broken": (RED, "--", "X")}


def limits(values):
    """From the least to the largest of them and a little more; 0 is always seen."""
    low, high = min(0.0, *values), max(0.0, *values)
    return low - 0.08 * (high - low), high + 0.12 * (high - low)


def museum(chapter=None, bug=None):
    """The bugs of a chapter, or of all: returns without and with one, `bug` first, and the number that tells."""
    runs, _ = stored("museum")
    names = [name for name in BUGS if chapter in (None, BUGS[name].chapter)]
    figure, (ax, telling) = picture(2, width=10, width_ratios=[1.4, 1])
    curves, points = {}, {}
    for place, (kind, (colour, style, marker)) in enumerate(KINDS.items()):
        thin = [ax.plot([], [], color=colour, linestyle=style, linewidth=0.8, alpha=0.6)[0] for _ in SEEDS]
        (thick,) = ax.plot([], [], color=colour, linestyle=style, linewidth=3, label=f"{kind}, median")
        (dots,) = telling.plot([], [], marker, color=colour, markersize=8, alpha=0.5, markeredgewidth=0)
        (bar,) = telling.plot([], [], color=colour, linewidth=3)
        words = telling.text(place + 0.3, 0, "", va="center")
        curves[kind], points[kind] = (thin, thick), (place, dots, bar, words)
    (line,) = telling.plot([-0.5, 1.7], [0, 0], color=GREY, linewidth=1)
    meaning = telling.text(0, 0, "", va="bottom", fontsize=11)
    ax.set(xlabel="agent steps, thousands", ylabel="return, mean of 20 episodes")
    telling.set(xlim=(-0.5, 1.7), xticks=[0, 1], xticklabels=list(KINDS))
    ax.set_title(" ", fontsize=11)  # their places are laid out once
    telling.set_title(" ", fontsize=11)
    telling.grid(False, axis="x")
    for axes in (ax, telling):
        axes.locator_params(axis="y", nbins=5)  # text is what costs time
    figure.legend(handles=[thick for _, thick in curves.values()], loc="outside upper left", ncols=2)

    def draw(name, broken):
        bug = BUGS[name]
        for kind in KINDS:
            shown = broken or kind == "sound"
            steps = np.array(runs[name][kind][0]["steps"]) / 1_000
            returns = [run["returns"] for run in runs[name][kind]]
            numbers = [run["number"] for run in runs[name][kind]]
            (thin, thick), (place, dots, bar, words) = curves[kind], points[kind]
            for seed, values in zip(thin, returns):
                seed.set_data(steps, values)
            thick.set_data(steps, np.median(returns, axis=0))
            dots.set_data(place + np.linspace(-0.15, 0.15, len(numbers)), numbers)
            bar.set_data([place - 0.25, place + 0.25], [np.median(numbers)] * 2)
            words.set(text=f"{np.median(numbers):.3g}", y=np.median(numbers))
            for artist in (*thin, thick, dots, bar, words):
                artist.set_visible(shown)
        both = [run for kind in KINDS for run in runs[name][kind]]
        height, label = bug.mark or (0.0, "")
        line.set_ydata([height] * 2)
        far = max(KINDS, key=lambda kind: abs(medians(runs[name][kind])[1] - height))  # there is room on its side
        x, side = (-0.47, "left") if far == "sound" else (1.68, "right")
        meaning.set(text=label, x=x, y=height, ha=side)
        ax.set(xlim=(0, bug.steps / 1_000), ylim=limits([max(run["returns"]) for run in both]))
        telling.set(ylim=limits([height, *(run["number"] for run in both)]))
        ax.title.set_text(name)
        telling.title.set_text(bug.number)
        return words_for(name, bug, runs[name], broken)

    return Explorer(figure, draw, name=choice("bug", bug or names[0], names), broken=switch("bug in", True))


def words_for(name, bug, runs, broken):
    (good_return, good), (bad_return, bad) = medians(runs["sound"]), medians(runs["broken"])
    line = f"<b>{name}</b>: <code>{bug.wrong}</code> where <code>{bug.right}</code> is right. Seen in {bug.source}."
    seen = f"Medians without the bug: return at the end {good_return:.3g}; {bug.number} {good:.3g}."
    if not broken:
        return f"{line}<br>{seen}"
    seen += f" With it: {bad_return:.3g}; {bad:.3g}. What gives it away: {bug.symptom}."
    return f"{line}<br>{seen}<br>Caught by <code>{bug.test}</code>."
