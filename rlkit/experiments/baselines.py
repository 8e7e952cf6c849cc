"""Does a baseline help REINFORCE? Chapter 3, section 2."""

from rlkit.experiments.curves import curve
from rlkit.experiments.plan import run
from rlkit.reinforce import REINFORCE


def baselines(seeds=range(10)):
    """REINFORCE on CartPole-v1 with no baseline, with the batch's mean return, and with a learned value.

    {"baseline: none": one `curve` for each seed, ...}.
    """
    kinds = ("none", "mean", "value")
    return {f"baseline: {kind}": [run(baseline_run, kind, seed) for seed in seeds] for kind in kinds}


def baseline_run(kind, seed):
    """The `curve` of one run."""
    return curve(REINFORCE(baseline=kind, seed=seed), 60_000)
