"""Claims of chapter 3: how sensitive PPO is to its settings, and whether the end of a point matters in Pong."""

from functools import cache

import numpy as np

from claims.common import says
from rlkit.experiments.sensitivity import BETAS, CLIPS, RATES, table
from rlkit.experiments.statistics import difference_interval, holm, interquartile_mean, permutation_p
from rlkit.experiments.stored import stored
from rlkit.plotting.until import on

CHAPTER = "03_ppo.ipynb"
PRICES = [*BETAS, "adaptive"]


@cache
def scores(kind, score):
    """`[rates, values, seeds]`: of the start ("early") or the end of each run."""
    return table(stored("sensitivity")[0][kind], CLIPS if kind == "clip" else PRICES)[score]


def means(kind, score):
    return np.array([interquartile_mean(seeds.T) for seeds in scores(kind, score)])


def of(kind, score, rate, value):
    """The ten seeds of a pair of settings."""
    return scores(kind, score)[RATES.index(rate), (CLIPS if kind == "clip" else PRICES).index(value)]


def leads(kind, score, one, other):
    """The interval of how far one value is ahead of another, for each learning rate: `[rates, 2]`."""
    return np.array([difference_interval(of(kind, score, rate, one), of(kind, score, rate, other)) for rate in RATES])


def the_rate_matters(slow, fast, too_fast):
    best = means("clip", "early").max(1)
    assert all(says(text, best[RATES.index(rate)]) for text, rate in zip((slow, fast, too_fast), (3e-4, 1e-2, 3e-2)))
    assert best.argmax() == RATES.index(1e-2) and best.argmin() == RATES.index(3e-4)
    over_clips = means("clip", "early").max(0)
    assert np.ptp(best) > np.ptp(over_clips)


def small_is_slow(least):
    assert says(least, leads("clip", "early", 0.2, 0.05)[:, 0].min())


def large_is_fast(*ends):
    found = [leads("clip", "early", clip, 0.2)[RATES.index(rate)] for rate in (3e-3, 1e-3) for clip in (0.4, 0.8)]
    assert all(map(says, ends, np.ravel(found))) and np.min(found) > 0


def at_the_top(most, reached, of_all, some, of_some, few, of_few):
    top = {clip: sum((of("clip", "end", rate, clip) >= 475).sum() for rate in (3e-3, 1e-2)) for clip in CLIPS}
    small = [clip for clip in CLIPS if clip <= float(most)]
    assert int(reached) == sum(top[clip] for clip in small) and int(of_all) == 20 * len(small)
    assert (int(some), int(few), of_some, of_few) == (top[0.4], top[0.8], "20", "20")


def slow_and_ahead(small, epsilon, usual, other, low, high):
    one, two = (of("clip", "end", 1e-3, float(clip)) for clip in (epsilon, other))
    assert says(small, interquartile_mean(one)) and says(usual, interquartile_mean(two))
    found = difference_interval(one, two)
    assert says(low, found[0]) and says(high, found[1])
    assert leads("clip", "end", 0.05, 0.2)[RATES.index(1e-3), 0] > 0  # the other slow one, too
    from_larger = [leads("clip", "end", slow, 0.4)[RATES.index(1e-3)] for slow in (0.05, 0.1)]
    assert all(low < 0 < high for low, high in from_larger)


def nothing_is_reliable(best, low, high):
    row = means("clip", "end")[RATES.index(3e-2)]
    seeds = scores("clip", "end")[RATES.index(3e-2), row.argmax()]
    assert says(best, row.max()) and says(low, seeds.min()) and says(high, seeds.max())
    assert ((scores("clip", "end")[RATES.index(3e-2)] >= 475).sum(1) <= 1).all()


def fastest_and_furthest():
    for early, end, scores_of_rate in zip(means("clip", "early"), means("clip", "end"), scores("clip", "end")):
        fastest, furthest = early.argmax(), end.argmax()
        low, high = difference_interval(scores_of_rate[furthest], scores_of_rate[fastest])
        assert fastest == furthest or low <= 0 <= high


def remaining(kind, usual):
    """(rate, value) of the differences from the usual value that Holm's correction leaves at the end."""
    values = CLIPS if kind == "clip" else PRICES
    pairs = [(score, rate, value) for score in ("early", "end") for rate in RATES for value in values if value != usual]
    p = holm([permutation_p(of(kind, *pair), of(kind, *pair[:2], usual)) for pair in pairs])
    return len(pairs), {pair[1:] for pair, value in zip(pairs, p) if value < 0.05 and pair[0] == "end"}


def after_holm(epsilon, rate):
    assert remaining("clip", 0.2) == (40, {(float(rate), float(epsilon))})


def prices_after_holm():
    assert remaining("kl", "adaptive") == (50, {(1e-2, 0.0), (1e-2, 0.01), (3e-2, 0.01)})


def never_ahead_of_one(low, high, p):
    assert all((leads("kl", score, "adaptive", 1.0)[:, 0] <= 0).all() for score in ("early", "end"))
    found = leads("kl", "end", 1.0, "adaptive")[RATES.index(1e-3)]
    assert says(low, found[0]) and says(high, found[1])
    assert says(p, permutation_p(of("kl", "end", 1e-3, 1.0), of("kl", "end", 1e-3, "adaptive")))
    others = np.delete(leads("kl", "end", 1.0, "adaptive"), RATES.index(1e-3), 0)
    assert (others[:, 0] <= 0).all() and (others[:, 1] >= 0).all()


def no_price(rate, *least):
    for score in ("early", "end"):
        low, high = leads("kl", score, "adaptive", 0.0)[: RATES.index(float(rate)) + 1].T
        assert (low < 0).all() and (high > 0).all()
    found = leads("kl", "end", "adaptive", 0.0)[RATES.index(float(rate)) + 1 :, 0]
    assert len(found) == 3 and all(map(says, least, found)) and (found > 0).all()


def too_small(least, ends):
    found = np.array([leads("kl", "end", "adaptive", beta)[:, 0] for beta in (0.01, 0.1)])
    assert says(least, found[:, [RATES.index(1e-2), RATES.index(3e-2)]].min())
    assert says(ends, interquartile_mean(of("kl", "end", 1e-2, 0.01)))
    low, high = np.transpose([leads("kl", "end", "adaptive", beta)[RATES.index(3e-3)] for beta in (0.01, 0.1)])
    assert (low < 0).all() and (high > 0).all()


def too_large(*ends):
    assert (leads("kl", "early", "adaptive", 10.0)[:, 0] > 0).all()
    low, high = leads("kl", "end", "adaptive", 10.0).T
    assert (low <= 0).all() and (high >= 0).all()
    pairs = [of("kl", "end", rate, value) for rate in (1e-3, 3e-3) for value in (10.0, "adaptive")]
    assert all(says(text, interquartile_mean(seeds)) for text, seeds in zip(ends, pairs))


def points_that_end_nothing():
    """The scores after 300,000 steps of the preset and of the change, for the seeds 10 to 14."""
    grid = np.array([300_000.0])
    runs = stored("pong")[0]["preset"][:5], stored("pong_points")[0]["a point ends nothing"]
    return [on(grid, seeds)[:, 0] for seeds in runs]


def four_of_five(least, most, behind):
    ahead = np.sort(np.subtract(*points_that_end_nothing()))
    assert says(behind, -ahead[0]) and says(least, ahead[1]) and says(most, ahead[-1]) and ahead[1] > 0


def not_by_five_seeds(difference, low, high, p):
    preset, change = points_that_end_nothing()
    found = interquartile_mean(preset) - interquartile_mean(change), *difference_interval(preset, change)
    assert all(map(says, (difference, low, high, p), (*found, permutation_p(preset, change)))) and found[1] < 0


CLAIMS = {
    "ppo-rate": (
        CHAPTER,
        "Over these ranges the learning rate matters most: the best mean of a rate rises from # at 0.0003 to # at "
        "0.01, and falls to # at 0.03.",
        the_rate_matters,
    ),
    "ppo-small-epsilon-slow": (
        CHAPTER,
        "At every rate \\varepsilon = 0.05 is behind 0.2, and by the 95 % interval of the difference at least by #.",
        small_is_slow,
    ),
    "ppo-large-epsilon-fast": (
        CHAPTER,
        "At 0.003 an \\varepsilon of 0.4 or 0.8 is faster than 0.2 (# to #, and # to #), at 0.001 a little (# to #, "
        "and # to #).",
        large_is_fast,
    ),
    "ppo-epsilon-top": (
        CHAPTER,
        "At rates of 0.003 and 0.01 and with an \\varepsilon of at most #, # of # runs end at 475 or above. With 0.4 "
        "it is # of #, and with 0.8 it is # of #.",
        at_the_top,
    ),
    "ppo-small-epsilon-ahead": (
        CHAPTER,
        "At 0.001 the slow ones end ahead of 0.2: # with \\varepsilon = # against # with # (95 % interval of the "
        "difference # to #). They cannot be told apart from 0.4.",
        slow_and_ahead,
    ),
    "ppo-large-rate": (
        CHAPTER,
        "And at 0.03 no \\varepsilon brings more than one of ten runs to 475. The best mean is #, of seeds between # "
        "and #.",
        nothing_is_reliable,
    ),
    "ppo-fastest-furthest": (
        CHAPTER,
        "At no rate does the end tell the fastest one from the one that comes furthest.",
        fastest_and_furthest,
    ),
    "ppo-epsilon-holm": (CHAPTER, "With Holm's, one difference at the end remains: # at #.", after_holm),
    "ppo-best-price": (
        CHAPTER,
        "At no rate is the rule ahead of \\beta = 1 by an interval that excludes 0, by either score. At 0.001 it ends "
        "behind it, by # to #, the 95 % interval of the difference (but p = # by a permutation test).",
        never_ahead_of_one,
    ),
    "ppo-no-price": (
        CHAPTER,
        "At rates up to #, \\beta = 0 cannot be told from the rule. At 0.003, 0.01 and 0.03 it ends behind the rule "
        "by at least #, # and # (the lower ends of the intervals).",
        no_price,
    ),
    "ppo-small-price": (
        CHAPTER,
        "At 0.01 and 0.03, \\beta = 0.01 and 0.1 end behind the rule by at least #, and at 0.01, \\beta = 0.01 ends "
        "at #:",
        too_small,
    ),
    "ppo-large-price": (
        CHAPTER,
        "with \\beta = 10 the first half is slower than with the rule at every rate. At the end no interval excludes "
        "0, though at 0.001 and 0.003 the large price has the higher mean (# against #, and # against #).",
        too_large,
    ),
    "ppo-price-holm": (
        CHAPTER,
        "With Holm's correction three differences at the end remain: \\beta = 0 and 0.01 at 0.01, and 0.01 at 0.03.",
        prices_after_holm,
    ),
    "ppo-pong-points": (
        CHAPTER,
        "In four of the five the preset is ahead after 300,000 steps, by # to # points, and in the fifth it is # "
        "behind.",
        four_of_five,
    ),
    "ppo-pong-points-interval": (
        CHAPTER,
        "The interquartile means differ by #, and the 95 % interval is # to # (p = # by an exact permutation test of "
        "the means).",
        not_by_five_seeds,
    ),
}
