"""What the claims of all chapters share: numbers in sentences, and ratios with their intervals."""

import numpy as np

from rlkit.experiments.statistics import bootstrap_interval


def says(text, value):
    """Is a number in the text this value, rounded to the digits that stand there?"""
    digits = len(text.partition(".")[2])
    return abs(float(text.replace(",", "").replace("−", "-")) - value) <= 0.5 * 10**-digits + 1e-9


def median_ratio(above, below):
    """The ratio of the medians of two samples -> (ratio, low, high): its 95 % interval over resampled runs."""
    pairs = np.stack([above, below], axis=1)
    ratio = lambda runs: np.median(runs[..., 0], axis=0) / np.median(runs[..., 1], axis=0)
    return float(ratio(pairs)), *bootstrap_interval(pairs, ratio)
