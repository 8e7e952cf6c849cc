"""Interquartile means, bootstrap intervals, and the difference between two settings."""

import doctest
from itertools import permutations

import numpy as np
import pytest

from rlkit.experiments import statistics
from rlkit.experiments.statistics import bootstrap_interval, difference_interval, interquartile_mean, permutation_p


def test_doctests():
    assert doctest.testmod(statistics).failed == 0


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    scores = np.random.default_rng(0).permutation(np.arange(12.0))
    assert interquartile_mean(scores) == np.mean(np.arange(3, 9))
    assert interquartile_mean(np.array([1.0, 2.0, 9.0])) == 4.0  # three are too few to leave one out
    table = np.arange(20.0).reshape(5, 4) ** 2
    np.testing.assert_allclose(interquartile_mean(table), table[1:4].mean(0))


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_claims():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        low, high = bootstrap_interval(rng.normal(size=30), seed=trial, resamples=300)
        covered += low <= 0.0 <= high
    assert 0.85 < covered / 200 < 0.99


def test_intervals_of_curves_are_computed_point_by_point():
    curves = np.random.default_rng(2).normal(size=(5, 7))
    low, high = bootstrap_interval(curves)
    assert low.shape == high.shape == (7,) and (low <= high).all()
    one_low, one_high = bootstrap_interval(curves[:, 3])
    assert (one_low, one_high) == (low[3], high[3])


# Two settings ---------------------------------------------------------------------------------------------------------

ONE_STEP_16, ONE_STEP_4 = [132, 118, 140, 389, 301, 136], [461, 476, 434, 500, 457, 171]  # returns, six seeds each


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=10),
        lambda rng: np.minimum(500, rng.lognormal(5.5, 0.6, size=10)),  # many at the upper end
        lambda rng: 500 * rng.beta(0.6, 0.6, size=10),  # most at one end or the other
    ],
)
def test_the_interval_of_a_difference_holds_0_as_often_as_it_claims(draw):
    rng = np.random.default_rng(0)
    intervals = [difference_interval(draw(rng), draw(rng), seed=trial, resamples=300) for trial in range(300)]
    assert 0.91 < np.mean([low <= 0.0 <= high for low, high in intervals]) < 0.985


def test_the_interval_of_a_difference_turns_with_its_sign_and_moves_with_its_scores():
    rng = np.random.default_rng(3)
    one, other = rng.normal(5.0, 1.0, size=10), rng.normal(size=8)
    low, high = difference_interval(one, other)
    assert 3.0 < low < interquartile_mean(one) - interquartile_mean(other) < high < 7.0
    np.testing.assert_allclose(difference_interval(one + 1.0, other), (low + 1.0, high + 1.0))
    np.testing.assert_allclose(difference_interval(other, one), (-high, -low), atol=0.2)  # other draws
    curves = rng.normal(size=(2, 6, 7))
    low, high = difference_interval(*curves)
    assert low.shape == high.shape == (7,) and (low < high).all()


def test_a_permutation_test_counts_every_way_to_divide_the_scores():
    above, below = np.array([3.0, 8.0, 4.0]), np.array([1.0, 5.0])
    apart = [abs(np.mean(order[:3]) - np.mean(order[3:])) for order in permutations([*above, *below])]
    assert permutation_p(above, below) == pytest.approx(np.mean(np.array(apart) >= 2.0 - 1e-9))
    assert permutation_p(np.array(ONE_STEP_4), np.array(ONE_STEP_16)) == pytest.approx(16 / 924)
    assert permutation_p(np.ones(4), np.ones(4)) == 1.0
    assert permutation_p(np.arange(5.0) + 100, np.arange(5.0)) == pytest.approx(2 / 252)  # as far apart as can be


def test_a_permutation_test_draws_ways_where_there_are_too_many():
    above, below = np.array(ONE_STEP_4, float), np.array(ONE_STEP_16, float)
    exact, drawn = permutation_p(above, below), permutation_p(above, below, most=900)
    assert drawn == pytest.approx(exact, abs=0.015)
    assert permutation_p(np.arange(40.0) + 100, np.arange(40.0), most=999) == 1 / 1_000  # never 0
