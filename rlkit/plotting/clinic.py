"""All patients of the clinic beside the healthy runs, metric by metric."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from rlkit.experiments.clinic import HEALTHY, LOGARITHMIC, METRICS, PATIENTS, late
from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.language import number
from rlkit.plotting.figures import BLACK, GREY, RED, picture

TITLES = ("return", "KL", "beyond 1 ± ε", "entropy", "explained var.", "gradient")
LOWEST = -1.5  # of the explained variance that is drawn


def rounds(runs):
    """Each metric after the first third of the runs -> Picture: a row for each patient, over the healthy runs in grey.

    `runs` is the sweep `clinic`. A dot is a seed, and a black bar the 95 % interval of the interquartile mean.
    """
    names = [HEALTHY, *PATIENTS]
    figure, axes = picture(6, width=12, height=4.2, sharey=True)
    for ax, metric, title in zip(axes, METRICS, TITLES):
        well = late(runs[HEALTHY], metric)
        ax.axvspan(well.min(), well.max(), color="0.9", linewidth=0, zorder=0)
        for place, name in enumerate(names):
            values = late(runs[name], metric)
            colour = GREY if name == HEALTHY else RED
            ax.plot(values, np.full(len(values), place), "o", color=colour, markersize=5, alpha=0.5, markeredgewidth=0)
            ax.plot(interval(values, metric), [place, place], color=BLACK, linewidth=3, solid_capstyle="butt")
        if metric in LOGARITHMIC:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(numticks=3))
            ax.xaxis.set_minor_formatter("")
        else:
            ax.xaxis.set_major_locator(MaxNLocator(2))
        if metric == "explained_variance":
            ax.set_xlim(max(LOWEST, ax.get_xlim()[0]))
        ax.set_title(title, fontsize=12)
        ax.grid(False, axis="y")
    axes[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    figure.alt = "Interquartile means after the first third of the runs. " + "; ".join(
        f"{title}: " + ", ".join(f"{name} {number(middle(late(runs[name], metric), metric), '.2g')}" for name in names)
        for metric, title in zip(METRICS, TITLES)
    )
    return figure


def middle(values, metric):
    """The interquartile mean of a metric `[seeds]`; of LOGARITHMIC ones, of the logarithms -> a number."""
    if metric in LOGARITHMIC:
        return float(np.exp(interquartile_mean(np.log(values))))
    return float(interquartile_mean(values))


def interval(values, metric):
    """The 95 % interval of the interquartile mean of a metric `[seeds]`; of LOGARITHMIC ones, of the geometric one."""
    if metric in LOGARITHMIC:
        return np.exp(bootstrap_interval(np.log(values), interquartile_mean))
    return bootstrap_interval(values, interquartile_mean)
