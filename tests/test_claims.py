"""Sentences of the chapters that report a result, each with the data that it rests on, and with a margin.

Prose cannot change behind the back of this table: a test finds each sentence in its chapter. And when a sweep is made
again, the table says which sentences are no longer true. So far it holds section 13 of chapter 4.
"""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from rlkit.experiments import messages
from rlkit.experiments.statistics import bootstrap_interval
from rlkit.experiments.stored import stored

LECTURES = Path(__file__).parent.parent / "lectures"


def prose(chapter):
    """The text of a chapter on one line: links without their targets, numbers without dollars."""
    cells = nbformat.read(LECTURES / chapter, 4).cells
    text = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("$", "").split())


def says(text, value):
    """Is a number in the text this value, rounded to the digits that stand there?"""
    digits = len(text.partition(".")[2])
    return abs(float(text) - value) <= 0.5 * 10**-digits + 1e-9


def median_ratio(above, below):
    """The ratio of the medians of two samples -> (ratio, low, high): its 95 % interval over resampled runs."""
    pairs = np.stack([above, below], axis=1)
    ratio = lambda runs: np.median(runs[..., 0], axis=0) / np.median(runs[..., 1], axis=0)
    return float(ratio(pairs)), *bootstrap_interval(pairs, ratio)


# Chapter 4, section 13 ------------------------------------------------------------------------------------------------


def cpu(way, size):
    """Milliseconds of CPU time for an update `[seeds]`."""
    return 1e3 * np.array([run["cpu_per_update"] for run in stored("messages")[0]["sizes"][way][size]])


def rows():
    """{(network, K, S, "learn" or "push"): (foretold, measured `[seeds]`)}."""
    kinds = ["learn"] * 6 + ["push"] * 6
    found = messages.confirmed(stored("messages")[0])
    return {(*row[:3], kind): (row[3], row[-1]) for row, kind in zip(found, kinds, strict=True)}


def server_ms(network, shards):
    """Milliseconds for which one of the servers is busy with an exchange `[seeds]`."""
    found = stored("messages")[0]["served"][network][str(shards)]
    return 1e3 * np.array([run["server"] for run in found]) / shards


def an_update_costs_more(*quoted):
    for size, text in zip(messages.SIZES, quoted, strict=True):
        value, low, _ = median_ratio(cpu("messages", size), cpu("shared memory", size))
        assert says(text, value) and low > 1


def a_message_adds(mlp, mlp_more, cnn, cnn_more):
    for size, work, more in (("small MLP", mlp, mlp_more), ("small CNN", cnn, cnn_more)):
        near, far = (float(np.median(cpu(way, size))) for way in messages.WAYS)
        assert says(work, near) and says(more, far - near)


def averaging_helps(small, small_foretold, large, large_foretold):
    found = rows()
    for network, text, expected in (("small", small, small_foretold), ("large", large, large_foretold)):
        (before, one), (after, sixteen) = found[network, 1, 1, "learn"], found[network, 16, 1, "learn"]
        value, low, _ = median_ratio(sixteen, one)
        assert says(text, value) and says(expected, after / before) and low > 1.2


def shards_cost_a_message_each(two, four, two_foretold, four_foretold):
    found = rows()
    for shards, text, expected in ((2, two, two_foretold), (4, four, four_foretold)):
        (before, one), (after, several) = found["small", 1, 1, "push"], found["small", 1, shards, "push"]
        value, _, high = median_ratio(several, one)
        assert says(text, value) and says(expected, after / before) and high < 1


def shards_share_the_bytes(whole, half, quarter, half_foretold, quarter_foretold, small):
    for shards, text in ((1, whole), (2, half), (4, quarter)):
        assert says(text, np.median(server_ms("large", shards)))
        assert says(small, np.median(server_ms("small", shards)))
    assert server_ms("large", 4).max() < server_ms("large", 2).min() <= server_ms("large", 2).max()
    assert server_ms("large", 2).max() < server_ms("large", 1).min()
    fixed, per_byte = messages.costs(stored("messages")[0])["server"]
    num_bytes = 4 * stored("messages")[0]["served"]["large"]["1"][0]["weights"]
    for shards, text in ((2, half_foretold), (4, quarter_foretold)):
        assert says(text, 1e3 * (fixed + per_byte * num_bytes / shards))


def the_large_ones_are_half_as_fast():
    ratios = [np.median(found) / expected for (network, *_), (expected, found) in rows().items() if network == "large"]
    assert sum(ratio < 0.66 for ratio in ratios) >= 4 and min(ratios) > 0.33


NUMBER = r"([\d.]*\d)"
CLAIMS = {  # id: (chapter, the sentence, where a number stands for each "#"; the test of these numbers)
    "a3c-far-cost": (
        "04_a3c.ipynb",
        "For the small MLP an update costs # times the CPU time that it costs in shared memory, for the small CNN # "
        "times, and for the network with as many weights as Nature's # times (medians of five runs).",
        an_update_costs_more,
    ),
    "a3c-far-work": (
        "04_a3c.ipynb",
        "The MLP computes for only # ms, so # ms more for a message weigh a lot. The CNN's two workers play 80 steps "
        "of Pong for each update: # ms, to which a message adds #.",
        a_message_adds,
    ),
    "a3c-far-averaging": (
        "04_a3c.ipynb",
        "With K = 16 instead of 1 the workers with the small network make # times as many gradients per second "
        "(foretold #), those with the large one # times as many (#).",
        averaging_helps,
    ),
    "a3c-far-shards": (
        "04_a3c.ipynb",
        "With the small θ this is what was foretold, # times as many exchanges with two shards and # with four (# and "
        "#), because each shard needs a message of its own.",
        shards_cost_a_message_each,
    ),
    "a3c-far-servers": (
        "04_a3c.ipynb",
        "with the large θ # ms if it holds all of it, # if it holds half, # with a quarter (foretold # and # for the "
        "last two); with the small one # ms in all three cases.",
        shards_share_the_bytes,
    ),
    "a3c-far-model": (
        "04_a3c.ipynb",
        "With the large θ most settings are half as fast as foretold.",
        the_large_ones_are_half_as_fast,
    ),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_sentence_stands_in_its_chapter_and_the_data_say_so(claim):
    chapter, sentence, check = CLAIMS[claim]
    pattern = NUMBER.join(map(re.escape, sentence.split("#")))
    found = re.search(pattern, prose(chapter))
    assert found, f"{chapter} does not say: {sentence}"
    check(*found.groups())
