"""The explorers of n-step targets and of dueling: their models against slow or exact twins, and the pointer."""

import sys

import numpy as np
import pytest
import torch
from explorers import opened

from rlkit import functional as F
from rlkit.explore.dueling import (
    ACTIONS,
    DUELING,
    PLAIN,
    RATES,
    STARTS,
    UPDATES,
    VALUE,
    learned,
    plain,
    share,
    streams,
    transitions,
    true_values,
    value_streams,
)
from rlkit.networks import QNetwork

dial = sys.modules["rlkit.explore.n_step"]  # the package has a function of this name
GAMMA, LENGTHS, COPIES = dial.GAMMA, dial.LENGTHS, dial.COPIES

# n-step targets ---------------------------------------------------------------------------------------------------


def test_a_target_loses_the_advantages_of_the_random_actions_in_it():
    advantages = -0.5 * GAMMA**LENGTHS  # of a random action k steps later, on average
    lost = -np.concatenate([[0.0], np.cumsum(advantages)[:-1]])  # the first action is not random
    np.testing.assert_allclose(dial.losses(), lost, atol=1e-12)


def test_copies_take_the_error_of_the_guess_away_and_not_that_of_random_actions():
    history = dial.errors(3.0, 0.4, 0.0)
    k = np.arange(COPIES + 1)[:, None]
    np.testing.assert_allclose(history[..., 0], 3.0 * GAMMA ** (LENGTHS * k))
    np.testing.assert_allclose(history[:, 0, 1], 0)  # n = 1 asks for no later action
    at_rest = 0.4 * dial.losses() / (1 - GAMMA**LENGTHS)
    np.testing.assert_allclose(history[-1, 10:, 1], at_rest[10:], rtol=1e-6)
    assert np.all(np.diff(history[1:, :, 1], axis=1) > 0) and np.all(dial.errors(3.0, 0.0, 1.0)[..., 1] == 0)


@pytest.mark.parametrize("n", [1, 3, 16])
@pytest.mark.parametrize("epsilon, noise", [(0.0, 2.0), (0.5, 1.0)])
def test_the_exact_errors_are_those_of_many_runs(n, epsilon, noise):
    values = np.concatenate([dial.runs(n, 4.0, epsilon, noise, seed) for seed in range(60)], axis=1)
    guess, others, deviation = dial.errors(4.0, epsilon, noise)[:, n - 1].T
    rooms = values.mean(-1)  # the rooms of a run share their past, so a run counts once
    standard_error = rooms.std(1) / np.sqrt(rooms.shape[1]) + 1e-9
    assert np.all(np.abs(rooms.mean(1) - (dial.VALUE - guess - others)) < 4.5 * standard_error)
    np.testing.assert_allclose(values.std(axis=(1, 2))[1:], deviation[1:], rtol=0.12)


def test_few_copies_favour_many_rewards_and_many_copies_few():
    best = [LENGTHS[dial.total(dial.errors(4.0, 0.3, 1.0)[k]).argmin()] for k in (1, 5, 10, COPIES)]
    assert best == sorted(best, reverse=True) and best[0] == 64 and best[-1] <= 2


def test_each_error_goes_to_the_pointer_by_its_own_control():
    panel = opened("n_step")
    ax, over_copies = panel.figure.axes[:2]
    first = panel.values()
    for line, name, n, height in (
        ("guess", "guess_error", 1, 0.9),
        ("random", "epsilon", 30, 2.0),
        ("noise", "noise", 9, 1.5),
    ):
        panel.reset()
        grip = next(grip for grip in panel.grips if grip.line is not None and line in grip.line.get_label())
        panel.drag(grip, n, height)
        assert {key for key in first if panel.values()[key] != first[key]} == {name}
        assert np.interp(n, *grip.line.get_data()) == pytest.approx(height, abs=0.2)
    panel.reset()
    panel.point(ax, 15, dial.total(dial.errors(4.0, 0.3, 1.0)[10])[14])
    assert panel.values() == first | {"n": 16}
    panel.point(over_copies, 3.2, 1)
    assert panel.values()["copies"] == 3
    panel.drag(next(grip for grip in panel.grips if grip.line is not None and "random" in grip.line.get_label()), 1, 2)
    assert panel.values()["epsilon"] == 0.3, "at n = 1 no share of random actions makes an error"


# Dueling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subtract", [True, False])
def test_the_streams_follow_the_gradient(subtract):
    tried, targets = (each[:40, :1] for each in transitions(5, 2.0, 0))
    values, history = streams(tried, targets, np.array([0.3]), 5, subtract, start=1.5)
    value = torch.full((1, 1), 1.5, dtype=torch.float64, requires_grad=True)
    advantages = torch.full((1, 5), -1.5, dtype=torch.float64, requires_grad=True)
    for t in range(len(tried) + 1):
        q = F.dueling(value, advantages) if subtract else value + advantages
        np.testing.assert_allclose(history[t, 0, 0], q[0].detach(), atol=1e-12)
        assert values[t, 0, 0] == pytest.approx(value.item(), abs=1e-12)
        if t < len(tried):
            loss = 0.5 * (float(targets[t, 0]) - q[0, tried[t, 0]]) ** 2
            for stream, slope in zip((value, advantages), torch.autograd.grad(loss, (value, advantages))):
                stream.data -= 0.3 * slope


def test_a_value_for_each_action_moves_alone():
    tried, targets = transitions(3, 1.0, 0)
    q = np.zeros(3)
    for action, target in zip(tried[:, 2], targets[:, 2]):
        q[action] += 0.2 * (target - q[action])
    np.testing.assert_allclose(plain(tried, targets, np.array([0.1, 0.2]), 3)[-1, 1, 2], q)


@pytest.mark.parametrize("actions", ACTIONS)
def test_the_mean_is_learned_as_many_times_faster_as_there_are_actions_and_the_differences_no_faster(actions):
    truth, rate = true_values(actions, 1.0, 0), np.array([0.01])
    every = np.arange(actions)[None]  # one update, of each action in a column of its own
    steps = {
        "plain": plain(every, truth[every], rate, actions)[-1, 0].mean(0),
        "dueling": streams(every, truth[every], rate, actions, True)[1][-1, 0].mean(0),
    }
    assert steps["dueling"].mean() == pytest.approx(actions * steps["plain"].mean())
    np.testing.assert_allclose(*(step - step.mean() for step in steps.values()), atol=1e-12)
    kernel = np.eye(actions) + 1 - 1 / actions
    np.testing.assert_allclose(steps["dueling"], 0.01 * kernel @ truth / actions)


def kernel_of(network):
    """∇Q(s, a) · ∇Q(s, b) over all weights, in a random state of four numbers: `[A, A]`."""
    (q,) = network(torch.randn(1, 4))
    weights = list(network.parameters())
    slopes = [torch.autograd.grad(value, weights, retain_graph=True) for value in q]
    jacobian = torch.stack([torch.cat([slope.flatten() for slope in each]) for each in slopes])
    return (jacobian @ jacobian.T).numpy()


@pytest.mark.parametrize("dueling, low, high", [(True, 0.75, 1.5), (False, 0.07, 0.14)])
def test_a_fresh_network_shares_as_the_table_does(dueling, low, high):
    actions, ratios = 10, []
    for seed in range(5):
        torch.manual_seed(seed)
        kernel = kernel_of(QNetwork((4,), actions, dueling=dueling))
        of_mean = kernel.mean() * actions
        ratios.append(of_mean / ((kernel.trace() - of_mean) / (actions - 1)))
    assert low < np.mean(ratios) / actions < high  # 1 in the table of streams, 1/|A| without


@pytest.mark.parametrize("actions", ACTIONS)
def test_an_update_moves_the_other_values_about_half_as_far(actions):
    assert share(actions, True) == pytest.approx((actions - 1) / (2 * actions - 1))
    assert share(actions, False) == pytest.approx(1 / 2)


def test_only_with_the_mean_subtracted_the_values_say_what_v_is():
    data = transitions(5, 1.0, 0)
    values, history = streams(*data, np.array([0.2]), 5, True)
    np.testing.assert_allclose(values, history.mean(-1))
    apart, together = (value_streams(5, 1.0, subtract, 0) for subtract in (False, True))
    np.testing.assert_allclose(apart - apart[:, :1], np.tile(STARTS - STARTS[0], (UPDATES + 1, 1)), atol=1e-12)
    assert np.ptp(together[-1]) < 0.01


def gain(actions, spread):
    """How many times larger the error of a value for each action is than dueling's, over the run, over six seeds."""
    learners = [learned(actions, spread, True, seed) for seed in range(6)]
    alone, shared = (np.mean([each[name].by_rate.min() for each in learners]) for name in (PLAIN, DUELING))
    return alone / shared


def test_dueling_gains_more_with_more_actions_and_nothing_if_they_differ_a_lot():
    by_actions = [gain(actions, 0.0) for actions in ACTIONS]
    assert by_actions == sorted(by_actions) and by_actions[-1] > 2.5
    by_spread = [gain(10, spread) for spread in (0.0, 1.0, 2.0, 3.0, 4.0)]
    assert by_spread == sorted(by_spread, reverse=True) and by_spread[-1] < 1.05
    assert gain(2, 4.0) < 1 and gain(5, 4.0) < 1


def test_the_best_rate_is_never_the_largest_or_the_smallest_that_was_tried():
    for actions in ACTIONS:
        for spread in (0.0, 4.0):
            for learner in learned(actions, spread, True, 0).values():
                assert RATES[0] < learner.rate < RATES[-1]


def test_a_true_value_is_dragged_and_so_is_the_number_of_updates():
    panel = opened("dueling")
    values, over_updates, _ = panel.figure.axes
    truth = true_values(10, 1.0, 0) - VALUE
    panel.point(values, 0.0, VALUE + 2 * truth[0])
    assert panel.values()["spread"] == 2
    panel.point(values, 1.0, VALUE + 3 * truth[-1])
    assert panel.values()["spread"] == 3
    panel.point(values, 1.15, 0)  # V follows from the actions
    panel.point(values, np.abs(truth).argmin() / 9, 12)  # a value near the mean
    assert panel.values()["spread"] == 3
    panel.point(over_updates, 41.3, 1)
    assert panel.values()["updates"] == 41
