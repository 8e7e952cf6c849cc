"""Interquartile means and bootstrap intervals."""

import doctest

import numpy as np

from rlkit.experiments import statistics
from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean


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
