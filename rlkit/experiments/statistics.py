"""What several seeds say together, and how certain that is.

Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice.
"""

import numpy as np


def interquartile_mean(scores):
    """The mean of the middle half: the lowest and the highest quarter of the seeds are left out, rounded down.

    scores `[seeds, ...]` -> `[...]`. One lucky seed moves it less than the mean, and it is less noisy than the median.

    >>> float(interquartile_mean(np.array([0.0, 4.0, 5.0, 6.0, 100.0])))
    5.0
    """
    left_out = len(scores) // 4
    return np.sort(scores, axis=0)[left_out : len(scores) - left_out].mean(0)


def bootstrap_interval(scores, statistic=interquartile_mean, confidence=0.95, resamples=2_000, seed=0):
    """Percentile bootstrap: draw as many seeds with replacement, again and again, and take the statistic of each draw.

    scores `[seeds, ...]` -> low `[...]` and high `[...]`, between which the middle `confidence` of them lie. With five
    seeds the interval is rough, and usually too narrow.

    >>> [float(end) for end in bootstrap_interval(np.array([3.0, 3.0, 3.0]))]
    [3.0, 3.0]
    """
    draws = np.random.default_rng(seed).integers(len(scores), size=(resamples, len(scores)))
    values = statistic(np.swapaxes(scores[draws], 0, 1))
    tail = 50 * (1 - confidence)
    return np.percentile(values, [tail, 100 - tail], axis=0)
