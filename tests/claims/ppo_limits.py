"""Chapter 3, sections 4 and 9 to 11: the sentences about reuse, TRPO's line search, a price of KL and the clip."""

from math import comb

import numpy as np

from claims.common import says
from rlkit.experiments.one_batch import EPOCHS
from rlkit.experiments.statistics import difference_interval, holm, interquartile_mean, permutation_p
from rlkit.experiments.stored import stored

CHAPTER = "03_ppo.ipynb"


# Section 3: one batch -------------------------------------------------------------------------------------------------


def one_batch(measure, objective, uses):
    """What ten seeds have after so many uses of their batch: `[seeds]`."""
    return np.array([seed[EPOCHS.index(uses)][measure] for seed in stored("reuse")[0][objective]])


def one_use_improves_all(before, no_ratio, ratio, clipped):
    for name, quoted in (("no ratio", no_ratio), ("ratio", ratio), ("ratio, clipped", clipped)):
        start, end = (one_batch("return", name, uses) for uses in (0, 1))
        assert says(before, interquartile_mean(start)) and says(quoted, interquartile_mean(end))
        assert difference_interval(end, start)[0] > 0


def worse(name):
    """How many seeds end below where they began."""
    return int((one_batch("return", name, 64) < one_batch("return", name, 0)).sum())


def it_runs_away(kl):
    assert abs(float(kl.replace(",", "")) / np.median(one_batch("kl", "no ratio", 64)) - 1) < 0.01
    assert worse("no ratio") == 5


def lucky_means(first, first_clip, then, then_clip, low, high):
    for uses, free, clip in ((16, first, first_clip), (32, then, then_clip)):
        assert says(free, one_batch("return", "no ratio", uses).mean())
        assert says(clip, one_batch("return", "ratio, clipped", uses).mean())
    found = difference_interval(one_batch("return", "no ratio", 32), one_batch("return", "ratio, clipped", 32))
    assert says(low, found[0]) and says(high, found[1]) and found[0] < -50 and found[1] > 50


def a_promise_and_a_lottery(promised, low, high):
    assert says(promised, np.median(one_batch("promised", "ratio", 64))) and worse("ratio") == 5
    found = difference_interval(one_batch("return", "ratio", 64), one_batch("return", "ratio", 0))
    assert says(low, found[0]) and says(high, found[1]) and found[0] < 0 < found[1]


def harmless_and_useless(often, once, low, high):
    last, first = (one_batch("return", "ratio, clipped", uses) for uses in (64, 1))
    assert says(often, interquartile_mean(last)) and says(once, interquartile_mean(first))
    found = difference_interval(last, first)
    assert says(low, found[0]) and says(high, found[1]) and found[0] < 0 < found[1]
    assert worse("ratio, clipped") == 1


# Section 3: epochs ----------------------------------------------------------------------------------------------------


def best(objective, count, score="score"):
    """The scores of PPO with K epochs at the best learning rate: `[seeds]`."""
    return np.array([run[score] for run in stored("epochs")[0][f"CartPole, {objective}, {count}"]["best"]])


def with_the_clip_reuse_pays(one, ten, twenty, low_ten, high_ten, low, high, first, last):
    assert all(
        says(text, interquartile_mean(best("ratio, clipped", count)))
        for text, count in ((one, 1), (ten, 10), (twenty, 20))
    )
    for quoted, count in (((low_ten, high_ten), 10), ((low, high), 20)):
        found = difference_interval(best("ratio, clipped", count), best("ratio, clipped", 1))
        assert all(map(says, quoted, found)) and found[0] > 0
        assert permutation_p(best("ratio, clipped", count), best("ratio, clipped", 1)) < 0.05 / 8  # Bonferroni
    for text, count in ((first, 1), (last, 20)):
        assert says(text, interquartile_mean(best("ratio, clipped", count, "end")))
    for count in (2, 4):
        found = difference_interval(best("ratio, clipped", count), best("ratio, clipped", 1))
        assert found[0] < 0 < found[1]


def without_it_reuse_does_not(one, twenty):
    for text, count in ((one, 1), (twenty, 20)):
        assert says(text, interquartile_mean(best("ratio", count)))
    for count in (2, 4, 10, 20):
        for score in ("score", "end"):
            found = difference_interval(best("ratio", count, score), best("ratio", 1, score))
            assert found[0] < 0 < found[1]


def the_clip_is_ahead(*quoted):
    *ends, most = quoted
    for k, count in enumerate((4, 20, 1, 2)):
        found = difference_interval(best("ratio, clipped", count), best("ratio", count))
        assert all(map(says, ends[2 * k : 2 * k + 2], found))
    counts = (1, 2, 4, 10, 20)
    corrected = holm([permutation_p(best("ratio, clipped", k), best("ratio", k)) for k in counts])
    assert says(most, max(corrected)) and max(corrected) < 0.05


def smaller_and_smaller_rates(*rates):
    found = [
        stored("epochs")[0][f"CartPole, {name}, {count}"]["best"][0]["rate"]
        for name, count in (("ratio, clipped", 10), ("ratio, clipped", 20), ("ratio", 1), ("ratio", 20))
    ]
    assert [float(rate) for rate in rates] == found


# Section 7: the line search -------------------------------------------------------------------------------------------


def searched(kind, column):
    return np.array([run[column] for run in stored("line_search")[0][kind]])


def most_steps_are_halved(full, half, less):
    sizes = searched("line search", "size")
    shares = (np.mean(sizes == 1), np.mean(sizes == 0.5), np.mean(sizes < 0.5))
    assert all(says(text, 100 * share) for text, share in zip((full, half, less), shares))
    assert (sizes > 0).all() and (sizes == 1).mean(1).max() < 0.4  # in each seed
    assert searched("line search", "kl").max() <= 0.1


def the_model_is_too_small(beyond, worse):
    assert says(beyond, 100 * np.mean(searched("line search", "full_kl") > 0.1))
    assert says(worse, 100 * np.mean(searched("line search", "full_gain") <= 0))


def the_search_pays(whole, whole_full, low, high, end, end_full, end_low, end_high):
    found, p = {}, []
    for part, quoted in (
        (lambda curves: curves.mean(1), (whole, whole_full, low, high)),
        (lambda curves: curves[:, -1], (end, end_full, end_low, end_high)),
    ):
        with_it, without = (part(searched(kind, "returns")) for kind in ("line search", "full steps"))
        found = difference_interval(with_it, without)
        assert all(map(says, quoted, (interquartile_mean(with_it), interquartile_mean(without), *found)))
        p.append(permutation_p(with_it, without))
    assert min(p) < 0.025 and max(p) < 0.05  # Holm, two scores


# Sections 8 and 9: a price of KL and the clip -------------------------------------------------------------------------


def updates(arm, column):
    """What was seen after each update of ten runs: `[seeds, updates]`."""
    return np.array([run[column] for run in stored("prices")[0][arm]])


def middle(arm, column, of_a_seed=np.mean):
    """The median over the seeds of what is measured for each of them."""
    return np.median([of_a_seed(seen) for seen in updates(arm, column)])


def whole(arm):
    """The mean of each run's curve: `[seeds]`."""
    return updates(arm, "returns").mean(1)


def a_thermostat(median, inside, below, above, beyond, smallest):
    kl = updates("adaptive", "kl")
    assert says(median, middle("adaptive", "kl", np.median)) and says(smallest, 1 / updates("adaptive", "beta").min())
    assert updates("adaptive", "beta").max() == 1
    shares = [(kl >= 0.02 / 1.5) & (kl <= 0.03), kl < 0.02 / 1.5, kl > 0.03, kl > 0.2]
    assert all(says(text, 100 * share.mean()) for text, share in zip((inside, below, above, beyond), shares))


def held_prices(small_kl, rule, small, low, high, large):
    assert says(small_kl, middle("β = 0.001", "kl", np.median)) and np.median(updates("β = 100", "kl")) < 2e-5
    arms = ("adaptive", "β = 0.001", "β = 100")
    assert all(says(text, interquartile_mean(whole(arm))) for text, arm in zip((rule, small, large), arms))
    found = difference_interval(whole("adaptive"), whole("β = 0.001"))
    assert says(low, found[0]) and says(high, found[1])
    assert all(permutation_p(whole("adaptive"), whole(arm)) < 0.025 for arm in arms[1:])


def falls(arm):
    """The lowest return of each run after it first reached 475; runs that never did are left out."""
    curves = updates(arm, "returns")
    return np.array([curve[np.argmax(curve >= 475) :].min() for curve in curves if (curve >= 475).any()])


def not_safe(rule, clip):
    for text, arm in ((rule, "adaptive"), (clip, "ε = 0.2")):
        found = np.sort(falls(arm))
        assert len(found) == 8 and says(text, found[0]) and found[0] < 400 < found[1]


def large_drops(p):
    curves = {arm: updates(arm, "returns") for arm in ("adaptive", "ε = 0.2")}
    fell = [int(((np.maximum.accumulate(seen, 1) - seen).max(1) > 100).sum()) for seen in curves.values()]
    assert fell == [9, 5]
    ways = [comb(14, k) * comb(6, 10 - k) / comb(20, 10) for k in range(4, 11)]  # fourteen falls among twenty runs
    assert says(p, sum(way for way in ways if way <= ways[9 - 4] * (1 + 1e-9)))


def no_wall(outside, dead, wrong, most, largest):
    columns = ("outside", "dead", "wrong")
    assert all(says(text, 100 * middle("ε = 0.2", column)) for text, column in zip((outside, dead, wrong), columns))
    assert says(most, 100 * updates("ε = 0.2", "outside").max())
    assert says(largest, np.median(updates("ε = 0.2", "largest")))


def narrow_and_wide(narrow, wide, kl, score, small, low, high, large, low_large, high_large):
    assert says(narrow, 100 * middle("ε = 0.02", "outside")) and says(wide, 100 * middle("ε = 1", "outside"))
    assert says(kl, middle("ε = 1", "kl", np.median))
    assert np.median(updates("ε = 0.02", "kl")) < 5e-4
    for quoted, arm in (((small, low, high), "ε = 0.02"), ((large, low_large, high_large), "ε = 1")):
        found = difference_interval(whole("ε = 0.2"), whole(arm))
        assert all(map(says, quoted, (interquartile_mean(whole(arm)), *found)))
        assert permutation_p(whole("ε = 0.2"), whole(arm)) < 0.025
    assert says(score, interquartile_mean(whole("ε = 0.2")))


CLAIMS = {
    "ppo-reuse-once": (
        CHAPTER,
        "One use of the batch improves all three: the interquartile mean of the return goes from # to # without a "
        "ratio, to # with it and to # with the clip.",
        one_use_improves_all,
    ),
    "ppo-reuse-runs-away": (
        CHAPTER,
        "after 64 uses the policy is # nats away in the median, and five of ten seeds end worse than they began.",
        it_runs_away,
    ),
    "ppo-reuse-lucky": (
        CHAPTER,
        "By the plain mean of the ten seeds it is even ahead of the clip after 16 uses, # to #, and after 32, # to #. "
        "A few lucky seeds carry these means: the difference of the interquartile means after 32 uses has the 95 % "
        "interval # to #.",
        lucky_means,
    ),
    "ppo-reuse-lottery": (
        CHAPTER,
        "With the ratio the promise rises and rises, to # deviations of the advantages, and the return is a lottery: "
        "what 64 uses change has the interval # to #, and again five of ten seeds end worse.",
        a_promise_and_a_lottery,
    ),
    "ppo-reuse-clipped": (
        CHAPTER,
        "With the clip 64 uses cannot be told from one: # and #, and their difference is # to #.",
        harmless_and_useless,
    ),
    "ppo-epochs-clip": (
        CHAPTER,
        "With the clip the score over the whole run rises from # with one use to # with ten and # with twenty (the "
        "differences from one use are # to # and # to #), and the end of the run from # to #.",
        with_the_clip_reuse_pays,
    ),
    "ppo-epochs-ratio": (
        CHAPTER,
        "Without the clip reuse gains nothing: # with one use, # with twenty, and none of the four differences from "
        "one use can be told from 0, by neither score.",
        without_it_reuse_does_not,
    ),
    "ppo-epochs-ahead": (
        CHAPTER,
        "The clip is ahead by # to # at four uses and by # to # at twenty. At one and two uses it is ahead by # to # "
        "and by # to #; by Holm's correction all five differences have p ≤ #.",
        the_clip_is_ahead,
    ),
    "ppo-epochs-rates": (
        CHAPTER,
        "With the clip the best rate is # up to ten uses and # with twenty; without it, it falls from # to #.",
        smaller_and_smaller_rates,
    ),
    "ppo-search-acts": (
        CHAPTER,
        "Only # % of the steps were taken in full; # % were halved once, and # % more often.",
        most_steps_are_halved,
    ),
    "ppo-search-why": (
        CHAPTER,
        "The full step had a KL beyond the budget in # % of the updates, and did not improve the surrogate in # %.",
        the_model_is_too_small,
    ),
    "ppo-search-pays": (
        CHAPTER,
        "Over the whole run the interquartile mean of the return is # with the line search and # with full steps (the "
        "difference is # to #), and at the end # against # (# to #).",
        the_search_pays,
    ),
    "ppo-kl-thermostat": (
        CHAPTER,
        "In ten runs of 80,000 steps the median KL of an update was # (the median of the ten), near the target of "
        "0.02. But only # % of the updates ended within the band, # % below it and # % above it, and # % beyond ten "
        "times the target. β moved between 1/# and 1.",
        a_thermostat,
    ),
    "ppo-kl-held": (
        CHAPTER,
        "Held at 0.001, the median KL is #, and the interquartile mean of the return over the whole run falls from # "
        "to # (the difference is # to #). Held at 100, the policy hardly moves: the return is #.",
        held_prices,
    ),
    "ppo-kl-falls": (
        CHAPTER,
        "Under the rule eight of the ten runs reached 475, and one of them fell to # again; with the clip of the next "
        "section also eight, of which one fell to #.",
        not_safe,
    ),
    "ppo-kl-drops": (
        CHAPTER,
        "The largest fall of a run from its best so far was over 100 in nine of ten runs, with the clip in five (p = # "
        "by Fisher's exact test).",
        large_drops,
    ),
    "ppo-clip-no-wall": (
        CHAPTER,
        "With ε = 0.2 # % of the ratios lie outside the band after an update: # % are dead, and # % are on the other "
        "side. In the worst update it was # %, and in the median update one sample in a hundred has a ratio above #.",
        no_wall,
    ),
    "ppo-clip-narrow-wide": (
        CHAPTER,
        "At ε = 0.02 # % are outside, because the band is narrow; at ε = 1 only # % are, and the median KL is #. Over "
        "the whole run ε = 0.2 gets #, against # at 0.02 (the difference is # to #) and # at 1 (# to #).",
        narrow_and_wide,
    ),
}
