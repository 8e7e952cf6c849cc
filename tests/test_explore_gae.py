"""The explorer of λ: exact bias and noise against many sampled episodes, and the sums of one episode."""

import numpy as np
import pytest

from rlkit import explore
from rlkit import functional as F
from rlkit.explore.gae import (
    ACTIONS,
    GAMMA,
    LAMBDAS,
    MDP,
    PATTERN,
    POLICY,
    STATES,
    episode,
    errors,
    estimates,
    moments,
)
from rlkit.explore.gae import truth as exact


def test_with_the_true_values_every_estimate_is_right_on_average():
    for gae_lambda in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(moments(gae_lambda, 0.0)[0], exact()[1], atol=1e-12)


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_mean_and_variance_are_those_of_many_episodes(gae_lambda, count=20_000, length=60):
    rng = np.random.default_rng(0)
    states, actions = np.empty((length + 1, count), int), rng.integers(ACTIONS, size=(length, count))
    states[0], actions[0] = 1, 2
    edges = MDP["transition"].cumsum(-1)[..., :-1]
    for t in range(length):
        states[t + 1] = (rng.random((count, 1)) > edges[states[t], actions[t]]).sum(1)
    values, never = (exact()[0] + 0.5 * PATTERN)[states], np.zeros((length, count), bool)
    rewards = MDP["reward"][states[:-1], actions]
    found = F.gae(rewards, values[:-1], values[1:], never, never, GAMMA, gae_lambda)[0]
    mean, variance = (moment[1, 2] for moment in moments(gae_lambda, 0.5))
    assert abs(found.mean() - mean) < 5 * np.sqrt(variance / count)
    assert found.var() == pytest.approx(variance, rel=0.05)


def test_at_lambda_1_what_is_wrong_is_the_same_for_all_actions():
    mean, _ = moments(1.0, 0.5)
    np.testing.assert_allclose(mean - exact()[1], np.tile(-0.5 * PATTERN[:, None], ACTIONS), atol=1e-12)
    assert errors(0.5, 100)[-1, 0] == pytest.approx(0, abs=1e-12)


def test_an_average_of_more_estimates_has_less_noise_and_as_much_bias():
    one, many = errors(0.5, 1), errors(0.5, 100)
    np.testing.assert_allclose(one[:, 0], many[:, 0])
    np.testing.assert_allclose(one[:, 1], 10 * many[:, 1])
    assert LAMBDAS[one[:, 2].argmin()] < LAMBDAS[many[:, 2].argmin()]


def test_the_estimate_is_the_weighted_average_of_n_step_advantages():
    td_errors, estimate = estimates(4, 0.5)
    n_step = np.cumsum(GAMMA ** np.arange(len(td_errors)) * td_errors)
    weights = 0.3 * 0.7 ** np.arange(len(td_errors))
    assert estimate(0.7) == pytest.approx(weights @ n_step, abs=1e-6)
    states, actions = episode(4)
    assert states.max() < STATES and POLICY.shape == (STATES, ACTIONS)
    returned = F.n_step_returns(MDP["reward"][states[:-1], actions][:, None], np.zeros((150, 1)), 0.0, GAMMA)[0, 0]
    assert estimate(1.0) == pytest.approx(returned - (exact()[0] + 0.5 * PATTERN)[states[0]], abs=1e-5)


def test_lambda_is_dragged_and_the_words_are_those_of_the_picture():
    panel = explore.gae()
    panel.point(panel.figure.axes[2], 0.42, 0.1)
    assert panel.values()["gae_lambda"] == pytest.approx(0.4)
    bias, noise, both = errors(0.5, 100)[16]
    assert all(f"{value:.3f}" in panel.status.value for value in (bias, noise, both))
