"""Claims of chapter 3: how sensitive PPO is to its settings, and whether the end of a point matters in Pong."""

from functools import cache

import numpy as np

from claims.common import says
from rlkit.experiments.sensitivity import BETAS, CLIPS, RATES, table
from rlkit.experiments.statistics import difference_interval, interquartile_mean, permutation_p
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


def the_rate_matters(slow, fast):
    best = means("clip", "early").max(1)
    assert says(slow, best[RATES.index(3e-4)]) and says(fast, best[RATES.index(1e-2)])
    assert best.argmax() == RATES.index(1e-2) and best.argmin() == RATES.index(3e-4)


def small_is_slow(least):
    assert says(least, leads("clip", "early", 0.2, 0.05)[:, 0].min())


def large_is_fast(rate, other, usual):
    for at in map(float, (rate, other)):
        assert all(leads("clip", "early", large, float(usual))[RATES.index(at), 0] > 0 for large in (0.4, 0.8))


def at_the_top(most, reached, of_all, large, few, of_few):
    top = {clip: [(of("clip", "end", rate, clip) >= 475).sum() for rate in (3e-3, 1e-2)] for clip in CLIPS}
    small = [clip for clip in CLIPS if clip <= float(most)]
    assert int(reached) == sum(sum(top[clip]) for clip in small) and int(of_all) == 20 * len(small)
    assert int(few) == sum(top[float(large)]) and int(of_few) == 20


def slow_and_ahead(small, epsilon, usual, other, low, high):
    one, two = (of("clip", "end", 1e-3, float(clip)) for clip in (epsilon, other))
    assert says(small, interquartile_mean(one)) and says(usual, interquartile_mean(two))
    found = difference_interval(one, two)
    assert says(low, found[0]) and says(high, found[1])
    assert leads("clip", "end", 0.05, 0.2)[RATES.index(1e-3), 0] > 0  # the other slow one, too


def nothing_is_reliable(best, low, high):
    row = means("clip", "end")[RATES.index(3e-2)]
    seeds = scores("clip", "end")[RATES.index(3e-2), row.argmax()]
    assert says(best, row.max()) and says(low, seeds.min()) and says(high, seeds.max())
    assert all(np.ptp(seeds) > 300 for seeds in scores("clip", "end")[RATES.index(3e-2)])


def never_ahead_of_one(low, high):
    assert all((leads("kl", score, "adaptive", 1.0)[:, 0] <= 0).all() for score in ("early", "end"))
    found = leads("kl", "end", 1.0, "adaptive")[RATES.index(1e-3)]
    assert says(low, found[0]) and says(high, found[1])
    others = np.delete(leads("kl", "end", 1.0, "adaptive"), RATES.index(1e-3), 0)
    assert (others[:, 0] <= 0).all() and (others[:, 1] >= 0).all()


def no_price(rate, *least):
    for score in ("early", "end"):
        low, high = leads("kl", score, "adaptive", 0.0)[: RATES.index(float(rate)) + 1].T
        assert (low < 0).all() and (high > 0).all()
    found = leads("kl", "end", "adaptive", 0.0)[RATES.index(float(rate)) + 1 :, 0]
    assert len(found) == 3 and all(map(says, least, found)) and (found > 0).all()


def too_small(rate, beta, ends):
    assert says(ends, interquartile_mean(of("kl", "end", float(rate), float(beta))))
    assert leads("kl", "end", "adaptive", float(beta))[RATES.index(float(rate)), 0] > 0


def too_large(beta):
    assert (leads("kl", "early", "adaptive", float(beta))[:, 0] > 0).all()
    low, high = leads("kl", "end", "adaptive", float(beta)).T
    assert (low <= 0).all() and (high >= 0).all()


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
        "The learning rate matters most: the best mean of a rate rises from # at 0.0003 to # at 0.01.",
        the_rate_matters,
    ),
    "ppo-small-epsilon-slow": (
        CHAPTER,
        "At every rate \\varepsilon = 0.05 is behind 0.2, and by the 95 % interval of the difference at least by #.",
        small_is_slow,
    ),
    "ppo-large-epsilon-fast": (
        CHAPTER,
        "At # and # an \\varepsilon of 0.4 or 0.8 is faster than #.",
        large_is_fast,
    ),
    "ppo-epsilon-top": (
        CHAPTER,
        "At rates of 0.003 and 0.01 and with an \\varepsilon of at most #, # of # runs end at 475 or above. With "
        "\\varepsilon = # it is # of #.",
        at_the_top,
    ),
    "ppo-small-epsilon-ahead": (
        CHAPTER,
        "At 0.001 the slow ones are ahead in the end: # with \\varepsilon = # against # with # (95 % interval of the "
        "difference # to #).",
        slow_and_ahead,
    ),
    "ppo-large-rate": (
        CHAPTER,
        "And at 0.03 nothing is reliable. The best mean is #, of seeds between # and #.",
        nothing_is_reliable,
    ),
    "ppo-best-price": (
        CHAPTER,
        "At no rate is the rule ahead of \\beta = 1, by either score. At 0.001 it ends behind it: by # to #, the 95 % "
        "interval of the difference.",
        never_ahead_of_one,
    ),
    "ppo-no-price": (
        CHAPTER,
        "At rates up to #, \\beta = 0 cannot be told from the rule. At 0.003, 0.01 and 0.03 it ends behind the rule by at "
        "least #, # and # (the lower ends of the intervals).",
        no_price,
    ),
    "ppo-small-price": (CHAPTER, "at #, \\beta = # ends at #:", too_small),
    "ppo-large-price": (
        CHAPTER,
        "with \\beta = # the first half is slower than with the rule at every rate, and the end cannot be told from "
        "the rule's.",
        too_large,
    ),
    "ppo-pong-points": (
        CHAPTER,
        "In four of the five the preset is ahead after 300,000 steps, by # to # points, and in the fifth it is # "
        "behind.",
        four_of_five,
    ),
    "ppo-pong-points-interval": (
        CHAPTER,
        "The interquartile means differ by #, and the 95 % interval is # to # (p = # by an exact permutation test).",
        not_by_five_seeds,
    ),
}
