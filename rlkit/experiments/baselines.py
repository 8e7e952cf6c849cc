"""Does a baseline help REINFORCE? Chapter 3, section 2."""

from rlkit.experiments.curves import curve
from rlkit.reinforce import REINFORCE


def baselines(seeds=range(10)):
    """REINFORCE on CartPole-v1 with no baseline, with the batch's mean return, and with a learned value.

    {"baseline: none": one `curve` for each seed, ...}.
    """
    return {
        f"baseline: {kind}": [curve(REINFORCE(baseline=kind, seed=seed), 60_000) for seed in seeds]
        for kind in ("none", "mean", "value")
    }
