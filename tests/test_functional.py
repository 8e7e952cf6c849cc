"""Every equation against an oracle that is not itself: hand numbers, limits, slow literal twins, autograd."""

import doctest
import inspect
import math

import numpy as np
import pytest
import torch

from rlkit import functional as F


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mdp(rng):
    """Four states, three actions."""
    policy, transition = rng.dirichlet(np.ones(3), size=4), rng.dirichlet(np.ones(4), size=(4, 3))
    return {"policy": policy, "transition": transition, "reward": rng.normal(size=(4, 3))}


def test_every_function_has_a_doctest_and_all_pass():
    functions = [f for name, f in inspect.getmembers(F, inspect.isfunction) if f.__module__ == F.__name__]
    assert len(functions) >= 17
    assert [f.__name__ for f in functions if ">>>" not in (f.__doc__ or "")] == []
    assert doctest.testmod(F).failed == 0


# Exact values -----------------------------------------------------------------------------------------------


def literal_action_value(values, transition, reward, gamma, s, a):
    return reward[s, a] + sum(gamma * transition[s, a, to] * values[to] for to in range(len(values)))


def test_action_values_and_bellman_expectation_are_their_sums(mdp, rng):
    values = rng.normal(size=4)
    tables = mdp["transition"], mdp["reward"], 0.9
    q = [[literal_action_value(values, *tables, s, a) for a in range(3)] for s in range(4)]
    np.testing.assert_allclose(F.action_values(values, *tables), q)
    v = [sum(mdp["policy"][s, a] * q[s][a] for a in range(3)) for s in range(4)]
    np.testing.assert_allclose(F.bellman_expectation(values, mdp["policy"], *tables), v)


def test_policy_values_are_the_discounted_rewards_of_the_policys_markov_chain(mdp):
    step = sum(mdp["policy"][:, a, None] * mdp["transition"][:, a] for a in range(3))
    expected, ahead = np.zeros(4), np.eye(4)
    for k in range(400):
        expected += 0.9**k * ahead @ (mdp["policy"] * mdp["reward"]).sum(1)
        ahead = ahead @ step
    np.testing.assert_allclose(F.policy_values(**mdp, gamma=0.9), expected)


def test_policy_values_without_discount_need_an_end():
    forever = {"policy": np.ones((1, 1)), "transition": np.ones((1, 1, 1)), "reward": np.ones((1, 1))}
    with pytest.raises(np.linalg.LinAlgError):
        F.policy_values(**forever, gamma=1.0)
    forever["transition"] = 0.75 * forever["transition"]  # ends with probability 1/4: four steps on average
    np.testing.assert_allclose(F.policy_values(**forever, gamma=1.0), [4.0])


def test_bellman_optimality_contracts_to_the_values_of_its_greedy_policy(mdp, rng):
    tables = mdp["transition"], mdp["reward"], 0.9
    for _ in range(50):
        one, two = rng.normal(size=(2, 4, 3))
        closer = abs(F.bellman_optimality(one, *tables) - F.bellman_optimality(two, *tables)).max()
        assert closer <= 0.9 * abs(one - two).max() + 1e-12
    q = np.zeros((4, 3))
    for _ in range(400):
        q = F.bellman_optimality(q, *tables)
    best = F.policy_values(np.eye(3)[q.argmax(1)], *tables)
    np.testing.assert_allclose(q.max(1), best)
    policies = np.stack(np.meshgrid(*[range(3)] * 4), -1).reshape(-1, 4)  # all 81
    assert all((F.policy_values(np.eye(3)[actions], *tables) <= best + 1e-9).all() for actions in policies)


# Estimating values ------------------------------------------------------------------------------------------


def test_value_error_weighs_the_states():
    true = np.array([1.0, 2.0, 5.0])
    assert F.value_error(true, true, np.full(3, 1 / 3)) == 0
    assert F.value_error(true, np.zeros(3), np.array([0.0, 1.0, 0.0])) == 4
    many = np.stack([true, true + 2, true - 3])
    np.testing.assert_allclose(F.value_error(true, many, np.array([0.2, 0.3, 0.5])), [0, 4, 9])


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_n_step_returns_are_the_double_sum_over_time(rng, gamma):
    rewards, ended, bootstrap = rng.normal(size=(20, 3)), rng.random((20, 3)) < 0.2, rng.normal(size=3)
    expected = np.zeros((20, 3))
    for t in range(20):
        for i in range(3):
            for k in range(t, 20):
                expected[t, i] += gamma ** (k - t) * rewards[k, i]
                if ended[k, i]:
                    break
            else:
                expected[t, i] += gamma ** (20 - t) * bootstrap[i]
    for mask in (ended, ended.astype(float)):
        np.testing.assert_allclose(F.n_step_returns(rewards, mask, bootstrap, gamma), expected, atol=1e-12)


def test_n_step_returns_do_not_round_to_whole_numbers():
    ones, zeros = np.ones((2, 1), int), np.zeros((2, 1), int)
    assert F.n_step_returns(ones, zeros, zeros[0], 0.5).tolist() == [[1.5], [1.0]]


def test_semi_and_residual_gradient_are_autograds_of_minus_half_the_squared_error():
    w = torch.tensor([0.3, -0.7], requires_grad=True)
    features, next_features, reward, gamma = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.5]), 0.4, 0.9
    value, next_value = torch.tanh(features @ w), torch.tanh(next_features @ w)
    (gradient,) = torch.autograd.grad(value, w, retain_graph=True)
    (next_gradient,) = torch.autograd.grad(next_value, w, retain_graph=True)
    error = reward + gamma * next_value - value
    (full,) = torch.autograd.grad(-0.5 * error**2, w, retain_graph=True)
    (semi,) = torch.autograd.grad(-0.5 * (reward + gamma * next_value.detach() - value) ** 2, w)
    torch.testing.assert_close(F.semi_gradient(error.detach(), gradient), semi)
    torch.testing.assert_close(F.residual_gradient(error.detach(), gradient, next_gradient, gamma), full)


# Q-learning with deep networks ------------------------------------------------------------------------------


def test_max_q_and_double_q_are_their_loops():
    online, target = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
    assert F.max_q(target).tolist() == [max(row) for row in target.tolist()]
    expected = [row[max(range(4), key=lambda a: o[a])] for o, row in zip(online.tolist(), target.tolist())]
    assert F.double_q(online, target).tolist() == expected
    assert F.double_q(target, target).equal(F.max_q(target))
    assert (F.double_q(online, target) <= F.max_q(target)).all()


def test_td_target_masks_the_terminal_and_discounts_each_sample():
    rewards, next_q = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 10.0, 10.0])
    terminated, gamma = torch.tensor([False, True, False]), torch.tensor([0.5, 0.5, 0.125])
    assert F.td_target(rewards, next_q, terminated, gamma).tolist() == [6.0, 2.0, 4.25]
    assert F.td_target(rewards, next_q, terminated.float(), gamma).tolist() == [6.0, 2.0, 4.25]
    truncated_only = torch.zeros(3, dtype=torch.bool)
    assert F.td_target(rewards, next_q, truncated_only, 1.0).tolist() == [11.0, 12.0, 13.0]


@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_huber_is_torchs_and_its_slope_the_clipped_error(delta):
    error = torch.linspace(-6, 6, 101, requires_grad=True)
    loss = F.huber(error, delta)
    zeros = torch.zeros(101)
    torch.testing.assert_close(loss, torch.nn.functional.huber_loss(error, zeros, "none", delta))
    (slope,) = torch.autograd.grad(loss.sum(), error)
    torch.testing.assert_close(slope, error.detach().clamp(-delta, delta))
    np.testing.assert_allclose(F.huber(error.detach().numpy(), delta), loss.detach().numpy())


def test_huber_with_an_infinite_delta_is_half_the_square():
    error = torch.tensor([-100.0, 0.0, 3.0], requires_grad=True)
    loss = F.huber(error, math.inf)
    assert loss.tolist() == [5000.0, 0.0, 4.5]
    assert torch.autograd.grad(loss.sum(), error)[0].tolist() == error.tolist()


def test_dueling_has_the_value_as_its_mean_and_ignores_a_shift_of_the_advantages(rng):
    value, advantages = rng.normal(size=(6, 1)), rng.normal(size=(6, 4))
    q = F.dueling(value, advantages)
    np.testing.assert_allclose(q.mean(1), value[:, 0])
    np.testing.assert_allclose(q - q[:, :1], advantages - advantages[:, :1])
    np.testing.assert_allclose(F.dueling(value, advantages + 7), q)
    np.testing.assert_allclose(F.dueling(torch.tensor(value), torch.tensor(advantages)).numpy(), q)


# Acting and replaying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start, end", [(1.0, 0.1), (0.4, 1.0)])
def test_linear_schedule_is_straight_and_stays_at_its_end(start, end):
    values = [F.linear_schedule(step, start, end, 40) for step in range(60)]
    np.testing.assert_allclose(values[:41], np.linspace(start, end, 41))
    assert set(values[40:]) == {end}


def test_epsilon_greedy_mixes_the_greedy_and_the_uniform_policy(rng):
    q = rng.normal(size=(5, 3))
    assert F.epsilon_greedy(q, 0.0).tolist() == np.eye(3)[q.argmax(1)].tolist()
    np.testing.assert_allclose(F.epsilon_greedy(q, 1.0), 1 / 3)
    policy = F.epsilon_greedy(q, 0.3)
    np.testing.assert_allclose(policy.sum(1), 1)
    np.testing.assert_allclose(policy.max(1), 0.8)
    np.testing.assert_allclose(np.sort(policy)[:, :2], 0.1)
    np.testing.assert_allclose(F.epsilon_greedy(np.zeros((1, 3)), 0.3), [[0.8, 0.1, 0.1]])  # a tie


def test_priority_probabilities_go_from_uniform_to_proportional():
    priorities = np.array([1.0, 4.0, 9.0, 16.0])
    np.testing.assert_allclose(F.priority_probabilities(priorities, 0.0), 0.25)
    np.testing.assert_allclose(F.priority_probabilities(priorities, 0.5), np.array([1, 2, 3, 4]) / 10)
    np.testing.assert_allclose(F.priority_probabilities(priorities, 1.0), priorities / 30)


def test_importance_weights_undo_the_prioritized_sampling(rng):
    probabilities, x = rng.dirichlet(np.ones(10)), rng.normal(size=10)
    weights = F.importance_weights(probabilities, 10, 1.0)
    corrected = probabilities * weights
    np.testing.assert_allclose((corrected * x).sum() / corrected.sum(), x.mean())
    assert weights.max() == 1 and weights.argmax() == probabilities.argmin()
    np.testing.assert_allclose(F.importance_weights(probabilities, 10, 0.0), 1)
    np.testing.assert_allclose(F.importance_weights(np.full(4, 0.1), 10, 0.7), 1)
    np.testing.assert_allclose(F.importance_weights(np.array([0.25, 0.01]), 9, 0.5), [0.2, 1.0])
