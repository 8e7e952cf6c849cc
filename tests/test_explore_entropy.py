"""The explorer of the entropy bonus: its gradient, its maximiser, its counts and its picture."""

import re

import numpy as np
import pytest
import torch

from rlkit import functional as F
from rlkit.explore.entropy_bonus import (
    BETAS,
    MEANS,
    RATES,
    SEEDS,
    entropy_bonus,
    entropy_gradient,
    gradient,
    learn,
    maximiser,
    objective,
    outcomes,
    policy,
    without_noise,
)


def test_the_gradient_of_the_entropy_is_the_one_of_autograd():
    logits = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).mul(3).requires_grad_()
    gradient = torch.autograd.grad(F.entropy(logits).sum(), logits)[0]
    np.testing.assert_allclose(entropy_gradient(logits.detach().numpy().T).T, gradient, atol=1e-12)
    np.testing.assert_allclose(entropy_gradient(np.zeros(3)), 0, atol=1e-15)


@pytest.mark.parametrize("beta", [0.0, 0.2, 1.0])
def test_the_exact_gradient_is_the_one_of_autograd_and_its_steps_climb(beta):
    probs = policy(0.1, 0.8)
    np.testing.assert_allclose(probs, [0.1, 0.72, 0.18])
    z = torch.from_numpy(np.log(probs)).requires_grad_()
    J = z.softmax(0) @ torch.from_numpy(MEANS) + beta * F.entropy(z)
    np.testing.assert_allclose(gradient(probs, beta), torch.autograd.grad(J, z)[0], atol=1e-12)
    way = [objective(without_noise(probs, beta, 0.5, count), beta) for count in range(0, 2_000, 50)]
    assert way[0] == pytest.approx(J.item()) and np.all(np.diff(way) >= -1e-6)  # to the six digits of `entropy`
    assert way[-1] == pytest.approx(objective(maximiser(beta), beta), abs=0.01)


@pytest.mark.parametrize("beta", [0.0, 0.2, 1.0])
def test_no_policy_beats_the_softmax_of_the_rewards(beta):
    best = maximiser(beta)
    others = np.random.default_rng(0).dirichlet([0.5] * 3, 10_000)
    assert np.all(objective(others, beta) <= objective(best, beta) + 1e-9)
    if beta:
        np.testing.assert_allclose(best, torch.softmax(torch.from_numpy(MEANS / beta), 0))
        kl = F.kl_divergence(torch.from_numpy(others).log(), torch.from_numpy(best).log()).numpy()
        value = beta * np.log(np.exp(MEANS / beta).sum()) - beta * kl  # J, as its docstring says
        np.testing.assert_allclose(objective(others, beta), value, atol=1e-6)
    else:
        np.testing.assert_allclose(best, [1, 0, 0], atol=1e-12)


def test_without_a_bonus_learners_become_sure_of_the_wrong_action_and_with_too_much_of_none():
    ends = learn()[-1, RATES.index(0.5)]
    counts = {beta: np.bincount(outcomes(ends[i]), minlength=3) for i, beta in enumerate(BETAS)}
    earned = {beta: (ends[i] @ MEANS).mean() for i, beta in enumerate(BETAS)}
    assert all(sum(count) == SEEDS for count in counts.values())
    assert counts[0.0][1] >= SEEDS // 4 and counts[0.2][1] <= 2 and counts[1.0][2] > SEEDS // 3
    assert earned[0.2] > earned[0.0] + 0.1 and earned[0.2] > earned[1.0] + 0.1


def test_the_learners_follow_a_literal_loop():
    rate, i, seed = 0.3, BETAS.index(0.15), 7
    rng = np.random.default_rng(seed)
    gumbel, pays = rng.gumbel(size=(600, 3)), rng.random(600) < 0.1
    z = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for t in range(60):
        probs = z.detach().softmax(0)
        a = int((z.detach() + torch.from_numpy(gumbel[t])).argmax())
        advantage = [10.0 * pays[t], 0.5, 0.0][a] - float(probs @ torch.from_numpy(MEANS))
        J = advantage * z.log_softmax(0)[a] + 0.15 * F.entropy(z)
        np.testing.assert_allclose(learn()[t, RATES.index(rate), i, seed], probs, atol=1e-6)
        z = (z + rate * torch.autograd.grad(J, z)[0]).detach().requires_grad_()


def test_the_words_and_the_artists_follow_beta():
    explorer = entropy_bonus()
    triangle = explorer.figure.axes[0]
    *ends, star, _ = triangle.lines[-5:]
    words, stars, shades = set(), set(), set()
    for beta in (0.0, 0.2, 1.0):
        explorer.controls["beta"].value = beta
        text = explorer.status.value
        counts = [
            int(re.search(pattern, text)[1]) for pattern in (r"(\d+) of 40", r"(\d+) of another", r"(\d+) of none")
        ]
        assert sum(counts) == SEEDS and [len(dots.get_xdata()) for dots in ends] == counts
        words.add(text)
        stars.add(tuple(star.get_xydata()[0]))
        shades.add(triangle.images[0].get_array().tobytes())
    assert len(words) == len(stars) == len(shades) == 3
