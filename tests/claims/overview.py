"""Chapter 1, section 5: the sentences that report a result."""

import numpy as np

from claims.common import says
from rlkit.experiments.statistics import difference_interval, interquartile_mean
from rlkit.experiments.stored import stored


def without(part):
    """Returns of DQN without a part of it `[seeds, points]`."""
    return np.array([run["returns"] for run in stored("stabilisers")[0][part]])


def the_ends(*quoted):
    middles, intervals = quoted[:4], quoted[4:]
    ends = {part: without(part)[:, -1] for part in ("all of DQN", "no target network", "no replay", "neither")}
    for text, part in zip(middles, ends, strict=True):
        assert says(text, interquartile_mean(ends[part]))
    target = difference_interval(ends["all of DQN"], ends["no target network"])
    replay = difference_interval(ends["all of DQN"], ends["no replay"])
    assert all(map(says, intervals, (*target, *replay))) and target[0] > 0 and replay[0] < 0 < replay[1]


def fell(returns):
    """Has a run that had reached 100 been below 30 later?"""
    high = returns >= 100
    return bool(high.any() and returns[high.argmax() :].min() < 30)


def the_falls(*quoted):
    for text, part in zip(quoted, ("all of DQN", "no target network", "no replay", "neither"), strict=True):
        assert int(text) == sum(map(fell, without(part)))


CLAIMS = {
    "overview-stabilisers-end": (
        "01_overview.ipynb",
        "the whole of DQN ends at #, without a target network at #, without replay at #, and with neither at #. "
        "Without the target network the runs end lower: the 95 % interval of the difference goes from # to #. "
        "Without replay they cannot be told apart at the end (# to #).",
        the_ends,
    ),
    "overview-stabilisers-falls": (
        "01_overview.ipynb",
        "With both parts # of the ten runs fall so low, without the target network #, without replay #, and with "
        "neither #.",
        the_falls,
    ),
}
