"""Pictures of chapter 3: one batch used often, epochs, what a price and a clip do, and how sensitive PPO is."""

import numpy as np

from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.language import number
from rlkit.plotting.figures import BLACK, BLUE, GREEN, GREY, ORANGE, SKY, picture

LOOKS = {"ratio, clipped": (BLUE, "-", "o"), "ratio": (ORANGE, "--", "s"), "no ratio": (GREY, ":", "^")}
MEASURES = {"promised": "promised gain, in σ of A", "return": "mean return", "kl": "KL from the old, nats"}


def one_batch(runs, epochs):
    """One batch used again and again -> Picture: a column for each objective, a row for each measure.

    `runs` is the sweep `reuse`, measured after `epochs`. Thin lines are the seeds, the thick one is their median.
    """
    figure, axes = picture(len(runs), len(MEASURES), width=11, height=7.5, sharex=True, sharey="row")
    for column, (name, seeds) in zip(axes.T, runs.items()):
        colour, style, marker = LOOKS[name]
        for ax, (measure, label) in zip(column, MEASURES.items()):
            if (name, measure) == ("no ratio", "promised"):  # without the ratio there is no promise to read
                ax.text(
                    0.5, 0.5, "promises nothing:\nit has no ratio", transform=ax.transAxes, ha="center", va="center"
                )
            else:
                rows = np.array([[row[measure] for row in seed] for seed in seeds])
                ax.plot(rows.T, color=colour, linewidth=0.8, alpha=0.5)
                ax.plot(np.median(rows, 0), color=colour, linestyle=style, marker=marker, label="median")
            if ax in axes[:, 0]:
                ax.set_ylabel(label)
        column[0].set_title(name)
        column[-1].set(xlabel="times the batch was used", xticks=range(len(epochs)), xticklabels=epochs)
    axes[-1, 0].set(yscale="log", ylim=(1e-3, 1e4))
    axes[-1, 0].set_yticks([1e-3, 1e-1, 1e1, 1e3])
    figure.alt = "Medians of ten seeds, before the first use and after the last. " + "; ".join(
        f"{name}, {measure}: {number(first, '.3g')} and {number(last, '.3g')}"
        for name, seeds in runs.items()
        for measure in MEASURES
        if (name, measure) != ("no ratio", "promised")
        for first, last in [np.median([[seed[i][measure] for i in (0, -1)] for seed in seeds], 0)]
    )
    return figure


def over_epochs(runs, tasks, epochs):
    """PPO with K epochs -> Picture: a row for each task, the score of the whole run on the left and of its end.

    `runs` is the sweep `epochs`; `tasks` maps a task to its objectives. Small dots are seeds, large ones their
    interquartile mean, with its 95 % interval.
    """
    figure, axes = picture(2, len(tasks), width=11, height=3.6 * len(tasks), sharex=True, sharey="row")
    said, axes = [], np.reshape(axes, (len(tasks), 2))
    for row, (task, objectives) in zip(axes, tasks.items()):
        for ax, score, title in zip(row, ("score", "end"), ("mean over the whole run", "end of the run")):
            for place, name in enumerate(objectives):
                found = np.array([[run[score] for run in runs[f"{task}, {name}, {count}"]["best"]] for count in epochs])
                middle = draw_scores(ax, found, LOOKS[name], 0.16 * (place - 1), name)
                said.append(f"{task}, {title}, {name}: {', '.join(number(value, '.0f') for value in middle)}")
            ax.set_title(f"{task}: {title}")
        row[0].set_ylabel("return")
    for ax in axes[-1]:
        ax.set(xlabel="K, times each rollout is used", xticks=range(len(epochs)), xticklabels=epochs)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.alt = f"Interquartile means for K = {', '.join(map(str, epochs))}. " + "; ".join(said)
    return figure


def draw_scores(ax, found, look, offset, label):
    """Draw scores `[K, seeds]` at K places: seeds, interquartile mean and interval -> the means `[K]`."""
    colour, style, marker = look
    places, middle = np.arange(len(found)) + offset, interquartile_mean(found.T)
    ax.plot(places, found, marker, color=colour, markersize=3, alpha=0.45)
    low, high = bootstrap_interval(found.T)
    ax.vlines(places, low, high, color=colour, linewidth=2.5)
    ax.plot(places, middle, linestyle=style, color=colour, marker=marker, markeredgecolor="white", label=label)
    return middle


def thermostat(runs, band):
    """What a price of KL does -> Picture: the KL of each update of ten runs, and the returns under the rule.

    `runs` is the sweep `prices`; `band` holds KL_min and KL_max.
    """
    names = ["β = 0.001", "adaptive", "β = 100"]
    figure, (left, right) = picture(2, width=11, height=4, width_ratios=[1, 1.2])
    left.axhspan(*band, facecolor=(SKY, 0.3), edgecolor=SKY, label="KL$_{min}$ to KL$_{max}$")
    for place, name in enumerate(names):
        kls = np.array([np.percentile(run["kl"], [10, 50, 90]) for run in runs[name]])
        for place_of_seed, (low, middle, high) in enumerate(kls):
            x = place + 0.07 * (place_of_seed - (len(kls) - 1) / 2)
            label = "10 to 90 % of a seed’s updates" if place == place_of_seed == 0 else None
            left.plot([x, x], [low, high], color=BLUE, linewidth=1.2, label=label)
            left.plot(x, middle, "o", color=BLACK, markersize=4)
    left.set(yscale="log", ylabel="KL of an update, nats", xticks=range(len(names)), xticklabels=names)
    left.set_ylim(3e-7, 30)
    left.legend(fontsize=11, loc="lower center", bbox_to_anchor=(0.5, 1))  # above: lines go through all the rest
    curves = np.array([run["returns"] for run in runs["adaptive"]])
    steps = np.linspace(0, 80, curves.shape[1])
    right.plot(steps, curves.T, color=GREEN, linewidth=0.9, alpha=0.6)
    right.plot(steps, np.median(curves, 0), "--", color=BLACK, label="median of ten seeds")
    right.set(xlabel="agent steps, thousands", ylabel="return, last 20 episodes", title="β adapts", ylim=(0, 515))
    right.legend(loc="lower right")
    figure.alt = "Median KL of an update, the median of ten seeds: " + ", ".join(
        f"{name}: {number(np.median([np.median(run['kl']) for run in runs[name]]), '.2g')}" for name in names
    )
    return figure


def no_wall(runs):
    """How far whole updates with clipping go -> Picture: shares of the samples for three ε, a dot for each seed."""
    kinds = {"outside 1 ± ε": "outside", "as asked: no gradient": "dead", "the wrong way": "wrong"}
    clips = ["ε = 0.02", "ε = 0.2", "ε = 1"]
    figure, axes = picture(len(kinds), width=11, height=3.4, sharey=True)
    said = []
    for ax, (title, kind), (colour, marker) in zip(axes, kinds.items(), ((GREY, "^"), (BLUE, "o"), (ORANGE, "s"))):
        for place, name in enumerate(clips):
            shares = np.array([np.mean(run[kind]) for run in runs[name]])
            ax.plot(place + np.linspace(-0.2, 0.2, len(shares)), shares, marker, color=colour, markersize=5)
            ax.hlines(np.median(shares), place - 0.3, place + 0.3, color=BLACK)
            said.append(f"{title}, {name}: {np.median(shares):.0%}")
        ax.set(title=title, xticks=range(len(clips)), xticklabels=clips, ylim=(0, None))
    axes[0].set_ylabel("share of the samples")
    figure.alt = "Shares of the samples after a whole update, medians of ten seeds. " + "; ".join(said)
    return figure
