"""Pictures of chapter 3: how sensitive PPO is."""

import numpy as np

from rlkit.experiments.statistics import interquartile_mean
from rlkit.language import number
from rlkit.plotting.figures import BLUE, GREY, picture

SCORES = {"early": "mean return,\nfirst 40,000 steps", "end": "mean return,\nlast 20 episodes"}


def by_rate(scores, rates, values, xlabel):
    """Scores for pairs of settings -> Picture: a column for each learning rate, a row for the start and for the end.

    `scores` maps "early" and "end" to `[rates, values, seeds]`. Dots are seeds, the thick line goes through their
    interquartile means, the thin ones are those of the other rates.
    """
    figure, axes = picture(len(rates), len(SCORES), width=12, height=5.4, sharex=True, sharey="row")
    names = [value if isinstance(value, str) else number(value, "g") for value in values]
    said = []
    for row, (score, label) in zip(axes, SCORES.items()):
        middle = np.array([interquartile_mean(seeds.T) for seeds in scores[score]])
        for place, (ax, rate) in enumerate(zip(row, rates)):
            ax.plot(np.delete(middle, place, 0).T, color=GREY, linewidth=1, alpha=0.6)
            spread = np.linspace(-0.2, 0.2, scores[score].shape[2])
            for x, seeds in enumerate(scores[score][place]):
                ax.plot(x + spread, np.sort(seeds), "o", color=BLUE, markersize=3, alpha=0.5)
            ax.plot(middle[place], color=BLUE, linewidth=2.4)
            ax.set(xticks=range(len(names)), xticklabels=names, ylim=(0, 1.03 * scores[score].max()))
            means = ", ".join(number(value, ".0f") for value in middle[place])
            said.append(f"{' '.join(label.split())}, learning rate {number(rate, 'g')}: {means}")
        row[0].set_ylabel(label)
    for ax, rate in zip(axes[0], rates):
        ax.set_title(f"learning rate {number(rate, 'g')}", fontsize=12)
    for ax in axes[-1]:
        ax.set_xlabel(xlabel)
    figure.alt = f"Interquartile means at {', '.join(names)}. " + "; ".join(said)
    return figure
