"""What holds of every equation for any numbers: bounds, limits, symmetries. Hypothesis looks for numbers that break it.

`test_functional.py` compares each equation with single results that were worked out in another way. Here each equation
has at least one law of its own, and three laws hold for all of them.
"""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_functional import CHANCES, EQUATIONS, FUNCTIONS, MASKS, NUMBERS, SHAPES, SIZES

from rlkit import functional as F

QUICK = settings(max_examples=30, deadline=None, derandomize=True, database=None)  # the same examples on every run
BRIEF = settings(QUICK, max_examples=5)
LAWS = {}  # name of an equation -> its tests


def law(*names):
    """A property test of these equations."""

    def decorate(test):
        for name in names:
            LAWS.setdefault(name, []).append(test)
        return QUICK(test)

    return decorate


def real(low=-100.0, high=100.0, **options):
    """Numbers between two bounds, without those so small that dividing by them is infinite."""
    return st.floats(low, high, allow_subnormal=False, **options).map(lambda x: 0.0 if abs(x) < 1e-6 else x)


def vector(elements=None, size=4, minimum=1):
    elements = real() if elements is None else elements
    return st.integers(minimum, size).flatmap(lambda n: arrays(float, n, elements=elements))


def together(*elements, shape=None):
    """Arrays of one shape, `[B]` by default, each with numbers of its own kind."""
    shapes = st.integers(1, 5).map(lambda n: (n,)) if shape is None else shape
    return shapes.flatmap(lambda s: st.tuples(*(arrays(e_type(e), s, elements=e) for e in elements)))


def e_type(elements):
    return bool if elements is MASK else float


MASK = st.booleans()
UNIT = st.floats(0.0, 1.0, allow_subnormal=False)
GAMMA = st.floats(0.0, 1.0, allow_subnormal=False)
TIMES = st.tuples(st.integers(1, 6), st.integers(1, 3))  # [T, N]
ROWS = st.tuples(st.integers(1, 4), st.integers(1, 4))  # [B, A] or [B, D]
LOGITS = ROWS.flatmap(lambda s: arrays(float, s, elements=real(-30, 30)))
WIDTHS = real(-3, 3)  # of ln σ


def t(array):
    return torch.as_tensor(array)


def close(one, other, tolerance=1e-9):
    one, other = np.asarray(one, float), np.asarray(other, float)
    return np.allclose(one, other, rtol=1e-7, atol=tolerance * (1 + np.abs(other).max(initial=0)))


@st.composite
def mdps(draw):
    """A policy, transitions and rewards of up to three states and two actions, and a γ below 1."""
    states, actions = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    positive = real(0.01, 1)

    def shares(*shape):
        weights = draw(arrays(float, shape, elements=positive))
        return weights / weights.sum(-1, keepdims=True)

    reward = draw(arrays(float, (states, actions), elements=real(-10, 10)))
    return shares(states, actions), shares(states, actions, states), reward, draw(st.floats(0, 0.95))


# What holds for all -----------------------------------------------------------------------------------------


def test_every_equation_has_a_law_here():
    assert set(EQUATIONS) <= set(LAWS), sorted(set(EQUATIONS) - set(LAWS))


def random_call(name, seed):
    """Arguments of the right shapes, drawn with this seed."""
    rng, arguments = np.random.default_rng(seed), {}
    for parameter in inspect.signature(FUNCTIONS[name]).parameters:
        if parameter in SHAPES[name]:
            array = rng.uniform(0.01, 1, [SIZES[letter] for letter in SHAPES[name][parameter].split()])
            if parameter in MASKS:
                array = array > 0.7
            elif (name, parameter) in CHANCES:
                array = array / array.sum(-1, keepdims=True)
            elif (name, parameter) == ("log_prob", "actions"):
                array = (array > 0.5).astype(int)
            tensors = "Tensor" in str(FUNCTIONS[name].__annotations__[parameter])
            arguments[parameter] = t(array) if tensors else array
        elif parameter in NUMBERS:
            arguments[parameter] = NUMBERS[parameter]
    return arguments


@pytest.mark.parametrize("name", SHAPES)
@given(seed=st.integers(0, 2**32))
@BRIEF
def test_arguments_are_not_changed_and_results_are_finite_and_the_same_again(name, seed):
    arguments = random_call(name, seed)
    copies = {n: a.clone() if torch.is_tensor(a) else np.copy(a) for n, a in arguments.items()}
    first, again = FUNCTIONS[name](**arguments), FUNCTIONS[name](**arguments)
    for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (first, again))):
        assert np.isfinite(np.asarray(one)).all() and np.array_equal(np.asarray(one), np.asarray(other))
    for parameter, copy in copies.items():
        assert np.array_equal(np.asarray(arguments[parameter]), np.asarray(copy)), f"{parameter} was changed"


ROW_BY_ROW = sorted(n for n in SHAPES if n != "explained_variance" and all(s[0] == "B" for s in SHAPES[n].values()))


@pytest.mark.parametrize("name", ROW_BY_ROW)
@given(seed=st.integers(0, 2**32))
@BRIEF
def test_a_sample_has_the_same_result_alone_and_in_a_batch(name, seed):
    arguments, row = random_call(name, seed), seed % SIZES["B"]
    batch = np.asarray(FUNCTIONS[name](**arguments))
    alone = {n: a[row : row + 1] if n in SHAPES[name] else a for n, a in arguments.items()}
    assert close(np.asarray(FUNCTIONS[name](**alone))[0], batch[row])


# Exact values -----------------------------------------------------------------------------------------------


@law("policy_values", "bellman_expectation", "action_values")
@given(mdps())
def test_the_value_of_a_policy_is_the_fixed_point_of_its_backup(mdp):
    policy, transition, reward, gamma = mdp
    values = F.policy_values(policy, transition, reward, gamma)
    assert close(F.bellman_expectation(values, policy, transition, reward, gamma), values)
    assert close((policy * F.action_values(values, transition, reward, gamma)).sum(-1), values)
    assert (abs(values) <= abs(reward).max() / (1 - gamma) + 1e-9).all()


@law("discounted_visits", "performance_difference")
@given(mdps())
def test_the_states_of_one_policy_and_the_advantages_of_another_give_the_difference_of_their_returns(mdp):
    policy, transition, reward, gamma = mdp
    other, start = np.roll(policy, 1, 0), transition[0, 0]
    values = F.policy_values(other, transition, reward, gamma)
    advantages = F.action_values(values, transition, reward, gamma) - values[:, None]
    visits = F.discounted_visits(policy, transition, start, gamma)
    assert close(visits.sum(), 1) and (visits >= -1e-12).all()
    difference = start @ (F.policy_values(policy, transition, reward, gamma) - values)
    found = F.performance_difference(visits, policy, advantages, gamma)
    assert abs(found - difference) <= 1e-9 * abs(reward).max() / (1 - gamma) ** 2 + 1e-9


@law("bellman_optimality")
@given(mdps(), st.data())
def test_the_optimality_backup_is_a_contraction_and_never_below_a_policy(mdp, data):
    policy, transition, reward, gamma = mdp
    one, other = (data.draw(arrays(float, reward.shape, elements=real(-10, 10))) for _ in range(2))
    backup = lambda q: F.bellman_optimality(q, transition, reward, gamma)
    assert abs(backup(one) - backup(other)).max() <= gamma * abs(one - other).max() + 1e-9
    assert (backup(one) >= F.action_values((policy * one).sum(-1), transition, reward, gamma) - 1e-9).all()


# Estimating values ------------------------------------------------------------------------------------------


@law("value_error")
@given(together(real(), real(), UNIT))
def test_the_value_error_is_a_distance(three):
    true, values, weights = three
    error = F.value_error(true, values, weights)
    assert error >= 0 and error == F.value_error(values, true, weights) and F.value_error(true, true, weights) == 0


@law("n_step_returns")
@given(together(real(), MASK, shape=TIMES), real(), GAMMA)
def test_returns_obey_their_recursion_and_stop_at_ends(two, bootstrap, gamma):
    rewards, ended = two
    returns = F.n_step_returns(rewards, ended, bootstrap, gamma)
    following = np.concatenate([returns[1:], np.full_like(rewards[:1], bootstrap)])
    assert close(returns, rewards + gamma * ~ended * following)
    assert (returns[ended] == rewards[ended]).all()


@law("q_update")
@given(together(real(), real(), UNIT), real())
def test_a_q_update_stays_between_the_value_and_its_target_and_moves_with_them(three, shift):
    q, target, alpha = three
    updated = F.q_update(q, target, alpha)
    assert (updated >= np.minimum(q, target) - 1e-9).all() and (updated <= np.maximum(q, target) + 1e-9).all()
    assert close(F.q_update(q + shift, target + shift, alpha), updated + shift)
    assert close(F.q_update(q, target, 0.0), q) and close(F.q_update(q, target, 1.0), target)


@law("polynomial_step_size")
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 3))
def test_polynomial_step_sizes_fall_and_forget_the_unit_of_the_count(one, other, power):
    step_size = lambda visits: F.polynomial_step_size(visits, power)
    assert step_size(1) == 1 and close(step_size(one * other), step_size(one) * step_size(other), 1e-15)
    assert step_size(one + other) <= step_size(one) and F.polynomial_step_size(one, 0.0) == 1


@law("semi_gradient", "residual_gradient")
@given(together(real(), real(), shape=ROWS), real(), GAMMA)
def test_without_a_next_value_both_gradients_are_the_same(two, td_error, gamma):
    gradient, next_gradient = two
    semi = F.semi_gradient(td_error, gradient)
    assert close(F.residual_gradient(td_error, gradient, 0 * gradient, gamma), semi)
    assert close(F.residual_gradient(td_error, gradient, next_gradient, 0.0), semi)
    assert close(F.semi_gradient(-td_error, gradient), -semi)


# Q-learning -------------------------------------------------------------------------------------------------


@law("max_q", "double_q")
@given(together(real(), real(), shape=ROWS))
def test_double_q_is_never_above_max_q_and_the_same_for_one_network(two):
    online, target = two
    best = F.max_q(target)
    assert (F.double_q(online, target) <= best).all() and torch.equal(F.double_q(target, target), best)
    assert all(value in row for value, row in zip(best.tolist(), target.tolist()))


@law("td_target")
@given(together(real(), real(), MASK), GAMMA)
def test_a_terminal_target_is_the_reward_and_others_differ_by_the_discounted_value(three, gamma):
    rewards, next_q, terminated = three
    target = F.td_target(rewards, next_q, terminated, gamma)
    assert (target[terminated] == rewards[terminated]).all()
    assert close((target - rewards)[~terminated], gamma * next_q[~terminated])


@law("huber")
@given(vector(), st.floats(0.01, 50), st.floats(0.01, 50))
def test_huber_is_even_below_the_square_and_grows_with_delta(error, delta, more):
    loss = F.huber(error, delta)
    assert (loss >= 0).all() and (loss <= 0.5 * error**2 + 1e-9).all() and close(loss, F.huber(-error, delta))
    assert (loss <= F.huber(error, delta + more) + 1e-9).all() and close(F.huber(error, math.inf), 0.5 * error**2)


@law("value_ceiling")
@given(st.integers(0, 2_000), st.floats(0, 0.999))
def test_each_copy_lifts_the_ceiling_of_values_by_one_backup_and_none_above_the_value_of_reward_for_ever(copies, gamma):
    ceiling = F.value_ceiling(copies, gamma)
    assert close(F.value_ceiling(copies + 1, gamma), 1 + gamma * ceiling)
    assert 1 - 1e-9 <= ceiling <= 1 / (1 - gamma) + 1e-9 and ceiling <= copies + 1 + 1e-9


@law("copy_factor")
@given(UNIT, GAMMA, st.integers(1, 500))
def test_a_copy_multiplies_by_something_between_1_and_2_gamma_and_long_periods_by_2_gamma(alpha, gamma, period):
    factor = F.copy_factor(alpha, gamma, period)
    assert min(1, 2 * gamma) - 1e-9 <= factor <= max(1, 2 * gamma) + 1e-9
    longer = F.copy_factor(alpha, gamma, period + 1)
    assert close(longer, F.q_update(factor, 2 * gamma, alpha))  # each update closes the share α of the distance


@law("accumulated_bias")
@given(vector(), st.floats(0, 0.999))
def test_the_accumulated_bias_is_a_fixed_point_of_the_loop(gap, gamma):
    bias = F.accumulated_bias(gap, gamma)
    assert close(gamma * (bias + gap), bias) and close(F.accumulated_bias(-2 * gap, gamma), -2 * bias)


@law("dueling")
@given(together(real(), shape=ROWS), real())
def test_dueling_has_the_value_as_its_mean_and_forgets_a_shift_of_the_advantages(one, shift):
    (advantages,) = one
    value = advantages[:, :1] * 2
    q = F.dueling(value, advantages)
    assert close(q.mean(-1, keepdims=True), value) and close(q, F.dueling(value, advantages + shift))


# Acting and replaying ---------------------------------------------------------------------------------------


@law("linear_schedule")
@given(real(0, 1e6), real(-10, 10), real(-10, 10), real(1, 1e6))
def test_a_schedule_stays_between_its_ends(step, start, end, duration):
    value = F.linear_schedule(step, start, end, duration)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9
    assert (
        F.linear_schedule(0, start, end, duration) == start and F.linear_schedule(duration, start, end, duration) == end
    )


@law("epsilon_greedy")
@given(LOGITS, UNIT)
def test_epsilon_greedy_is_a_distribution_with_the_best_action_on_top(q, epsilon):
    chances = F.epsilon_greedy(q, epsilon)
    assert close(chances.sum(-1), 1) and (chances >= epsilon / q.shape[1] - 1e-12).all()
    assert (chances.argmax(-1) == q.argmax(-1)).all()


@law("effective_batch_size")
@given(st.integers(1, 64), UNIT, UNIT)
def test_a_batch_is_worth_between_one_sample_and_all_and_less_the_longer_they_resemble_each_other(size, one, other):
    worth = lambda c: F.effective_batch_size(c ** np.arange(64.0), size)
    assert 1 - 1e-9 <= worth(one) <= size + 1e-9
    assert (
        (worth(min(one, other)) >= worth(max(one, other)) - 1e-9) and close(worth(0.0), size) and close(worth(1.0), 1)
    )


@law("priority_probabilities", "importance_weights")
@given(vector(real(0.01, 100)), UNIT, UNIT)
def test_probabilities_follow_the_priorities_and_weights_undo_them(priorities, alpha, beta):
    chances = F.priority_probabilities(priorities, alpha)
    assert close(chances.sum(), 1) and (np.argsort(chances, kind="stable").shape == priorities.shape)
    assert close(F.priority_probabilities(7 * priorities, alpha), chances)
    weights = F.importance_weights(chances, len(chances), beta)
    assert weights.max() == 1 and (weights > 0).all() and close(F.importance_weights(chances, 10**6, beta), weights)
    full = F.importance_weights(chances, len(chances), 1.0) * chances
    assert close(full, full[0])


# Policies ---------------------------------------------------------------------------------------------------


@law("log_prob", "entropy")
@given(LOGITS, real())
def test_probabilities_sum_to_one_forget_a_shift_and_have_an_entropy_below_ln_a(logits, shift):
    z = t(logits)
    rows, actions = z.shape
    log_probs = torch.stack([F.log_prob(z, torch.full((rows,), a)) for a in range(actions)], -1)
    assert close(log_probs.exp().sum(-1), 1) and close(F.log_prob(z + shift, z.argmax(-1)), log_probs.amax(-1))
    entropy = F.entropy(z)
    assert (entropy >= -1e-12).all() and (entropy <= math.log(actions) + 1e-9).all()
    assert close(entropy, -(log_probs.exp() * log_probs).sum(-1))


@law("kl_divergence")
@given(together(real(-30, 30), real(-30, 30), shape=ROWS))
def test_the_kl_is_zero_only_for_equal_policies_and_obeys_pinsker(two):
    old, new = map(t, two)
    kl = F.kl_divergence(old, new)
    assert (kl >= -1e-9).all() and close(F.kl_divergence(old, old + 3.0), 0)
    distance = (old.softmax(-1) - new.softmax(-1)).abs().sum(-1)
    assert (kl >= 0.5 * distance**2 - 1e-9).all()


@law("gaussian_log_prob", "gaussian_entropy", "gaussian_kl")
@given(together(real(-5, 5), WIDTHS, real(-5, 5), WIDTHS, shape=ROWS))
def test_normals(four):
    mean, log_std, other_mean, other_log_std = map(t, four)
    normal = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    other = torch.distributions.Independent(torch.distributions.Normal(other_mean, other_log_std.exp()), 1)
    assert close(F.gaussian_log_prob(mean, log_std, other_mean), normal.log_prob(other_mean))
    assert (F.gaussian_log_prob(mean, log_std, other_mean) <= F.gaussian_log_prob(mean, log_std, mean) + 1e-9).all()
    assert close(F.gaussian_entropy(log_std), normal.entropy())
    kl = F.gaussian_kl(mean, log_std, other_mean, other_log_std)
    assert close(kl, torch.distributions.kl_divergence(normal, other)) and (kl >= -1e-9).all()


# Policy gradients -------------------------------------------------------------------------------------------


@law("policy_gradient", "surrogate")
@given(together(real(-5, 0), real()))
def test_where_the_policies_agree_the_surrogate_has_the_policy_gradient(two):
    log_probs, advantages = map(t, two)
    log_probs.requires_grad_()
    wanted = torch.autograd.grad(F.policy_gradient(log_probs, advantages).sum(), log_probs)[0]
    ratio = F.ratio(log_probs, log_probs.detach())
    assert close(torch.autograd.grad(F.surrogate(ratio, advantages).sum(), log_probs)[0], wanted)


@law("gae")
@given(together(real(), real(), real(), MASK, MASK, shape=TIMES), GAMMA, UNIT)
def test_gae_obeys_its_recursion_and_its_limits(five, gamma, gae_lambda):
    rewards, values, next_values, terminated, truncated = five
    ended = terminated | truncated
    deltas = F.td_target(rewards, next_values, terminated, gamma) - values
    advantages = F.gae(*five, gamma, gae_lambda)
    following = np.concatenate([advantages[1:], 0 * advantages[:1]])
    assert close(advantages, deltas + gamma * gae_lambda * ~ended * following)
    assert close(F.gae(*five, gamma, 0.0), deltas)
    as_numbers = (rewards, values, next_values, terminated.astype(float), truncated.astype(int))
    assert close(F.gae(*as_numbers, gamma, gae_lambda), advantages)


@law("normalize")
@given(vector(size=8), st.floats(0.5, 10), real())
def test_normalized_advantages_have_mean_0_and_forget_scale_and_shift(advantages, scale, shift):
    scaled = F.normalize(t(advantages))
    assert scaled.isfinite().all() and close(scaled.mean(), 0)
    spread = advantages.std()
    if spread > 1e-2:
        assert close(scaled.std(correction=0), 1, 1e-5)
        assert close(F.normalize(t(scale * advantages + shift)), scaled, 1e-4)
    if np.ptp(advantages) == 0:
        assert (scaled == 0).all()


@law("clipped_value_loss")
@given(together(real(), real(), real()), real(1e-3, 10))
def test_the_clipped_value_loss_is_never_below_the_value_loss_and_equals_it_inside(three, value_clip):
    values, old_values, returns = three
    errors, clipped = F.value_loss(values, returns), F.clipped_value_loss(values, old_values, returns, value_clip)
    assert (clipped >= errors).all()
    inside = abs(values - old_values) <= value_clip
    assert close(clipped[inside], errors[inside])
    assert close(F.clipped_value_loss(values, old_values, returns, math.inf), errors)


@law("group_advantages")
@given(together(real(-10, 10), shape=ROWS), real(-10, 10))
def test_a_group_has_no_advantage_on_average_and_a_bonus_for_all_changes_nothing(one, bonus):
    rewards = t(one[0])
    for scale in (True, False):
        advantages = F.group_advantages(rewards, scale=scale)
        assert close(advantages.mean(), 0, 1e-4)
    assert close(F.group_advantages(rewards + bonus, scale=False), F.group_advantages(rewards, scale=False), 1e-4)


@law("kl_estimate")
@given(together(real(-5, 0), real(-5, 0)))
def test_the_estimate_of_a_kl_is_never_negative_and_0_where_both_agree(two):
    log_probs, ref_log_probs = map(t, two)
    assert (F.kl_estimate(log_probs, ref_log_probs) >= -1e-6).all()
    assert close(F.kl_estimate(log_probs, log_probs), 0)


@law("kl_optimal_policy")
@given(together(real(-5, 0), real(-3, 3)), real(0.1, 10))
def test_the_best_policy_is_a_distribution_that_a_bonus_for_all_leaves_as_it_is(two, kl_coef):
    reference, rewards = map(t, two)
    best = F.kl_optimal_policy(reference, rewards, kl_coef)
    assert close(best.exp().sum(), 1, 1e-4)
    assert close(F.kl_optimal_policy(reference, rewards + 2.0, kl_coef), best, 1e-4)


@law("value_loss", "actor_critic_loss")
@given(together(real(-5, 0), real(), real(), real(), real(0, 1)))
def test_the_loss_of_an_actor_critic_is_the_sum_of_its_parts(five):
    log_probs, advantages, values, returns, entropy = five
    errors = F.value_loss(values, returns)
    assert (errors >= 0).all() and close(errors, F.value_loss(returns, values))
    parts = [
        (log_probs, 0 * errors, 0 * entropy),
        (0 * log_probs, errors, 0 * entropy),
        (0 * log_probs, 0 * errors, entropy),
    ]
    losses = [F.actor_critic_loss(p, advantages, v, h, 0.5, 0.01) for p, v, h in parts]
    assert close(sum(losses), F.actor_critic_loss(log_probs, advantages, errors, entropy, 0.5, 0.01))


@law("explained_variance")
@given(together(real(), real()), st.floats(0.5, 10), real())
def test_explained_variance_is_at_most_1_and_forgets_scale_and_shift(two, scale, shift):
    values, returns = two
    assume(np.std(returns) > 0.1)
    explained = F.explained_variance(values, returns)
    assert explained <= 1 and close(F.explained_variance(returns, returns), 1)
    assert close(F.explained_variance(scale * values + shift, scale * returns + shift), explained, 1e-6)


# Scores, speed, optimisers ----------------------------------------------------------------------------------


@law("human_normalized")
@given(real(), real(), st.floats(0.1, 100))
def test_random_play_is_0_and_a_human_100(score, random, more):
    human = random + more
    assert F.human_normalized(random, random, human) == 0 and close(F.human_normalized(human, random, human), 100)
    assert (F.human_normalized(score, random, human) > 0) == (score > random)


@law("perturbation_saliency")
@given(together(real(), real(), shape=ROWS))
def test_saliency_is_0_where_nothing_changes_and_never_below(two):
    outputs, perturbed = two
    saliency = F.perturbation_saliency(outputs[0], perturbed)
    assert (saliency >= 0).all() and F.perturbation_saliency(outputs[0], outputs)[0] == 0


@law("filter_normalized")
@given(together(real(0.1, 10), real(), shape=ROWS), st.floats(0.1, 10))
def test_a_filter_normalized_direction_is_as_long_as_the_weights(two, scale):
    direction, weights = map(t, two)
    scaled = F.filter_normalized(direction, weights)
    assert close(scaled.norm(dim=1), weights.norm(dim=1)) and close(
        F.filter_normalized(scale * direction, weights), scaled
    )
    assert (F.filter_normalized(direction[0], weights[0]) == 0).all()


@law("amdahl")
@given(UNIT, st.floats(1, 1e6), st.floats(1, 1e6))
def test_amdahl_lies_between_1_and_its_limit(share, factor, more):
    speedup = F.amdahl(share, factor)
    assert 1 - 1e-12 <= speedup <= factor + 1e-9 * factor
    assert speedup <= F.amdahl(share, factor + more) + 1e-9 * factor and close(F.amdahl(0.0, factor), 1)


@law("service_demand", "throughput_bound", "saturation_point", "mean_staleness")
@given(st.integers(1, 10_000), st.floats(0, 1), st.lists(st.floats(1e-6, 1), min_size=1, max_size=4))
def test_more_workers_and_cheaper_servers_never_lower_the_throughput(workers, think_time, demands):
    bound, most = F.throughput_bound(workers, think_time, demands), F.saturation_point(think_time, demands)
    assert bound <= F.throughput_bound(workers + 1, think_time, demands) * (1 + 1e-12)
    assert bound <= F.throughput_bound(workers, think_time, [demand / 2 for demand in demands]) * (1 + 1e-12)
    assert most >= 1 - 1e-12 and close(F.throughput_bound(most, think_time, demands), 1 / max(demands))
    assert 0 <= F.mean_staleness(workers, held=think_time, lap=think_time + sum(demands)) <= workers - 1
    assert F.service_demand(demands[0], 0.5, 0.1, shards=workers) <= F.service_demand(demands[0], 0.5, 0.1)


@law("delay_bound")
@given(st.integers(0, 10**6))
def test_a_later_gradient_allows_a_smaller_step_and_2_tau_plus_1_times_it_is_between_2_and_pi(delay):
    bound, lags = F.delay_bound(delay), 2 * delay + 1
    assert F.delay_bound(delay + 1) < bound and 2 - 1e-9 <= lags * bound <= math.pi + 1e-9
    assert math.isclose(bound, 2 * math.cos(delay * math.pi / lags), abs_tol=1e-12)  # as Levin and May write it


@law("rmsprop", "adam")
@given(together(real(), real(0, 100)), st.floats(0, 0.99), st.floats(0, 0.99), st.integers(1, 100))
def test_steps_of_the_optimisers_are_finite_and_point_along_the_gradient(two, decay, beta, count):
    gradient, square = map(t, two)
    step, after = F.rmsprop(gradient, square, decay, 1e-8)
    assert step.isfinite().all() and (after >= 0).all() and (step * gradient >= 0).all()
    assert (step.abs() <= 1 / math.sqrt(1 - decay) + 1e-6).all()
    step, mean, after = F.adam(gradient, 0 * gradient, 0 * square, count, (beta, decay), 1e-8)
    assert step.isfinite().all() and (after >= 0).all() and close(mean, (1 - beta) * gradient)
    first, *_ = F.adam(gradient, 0 * gradient, 0 * square, 1, (beta, decay), 1e-30)
    assert close(first, gradient.sign())


# Importance sampling, trust regions, PPO --------------------------------------------------------------------


@law("ratio")
@given(together(real(-1000, 1000), real(-1000, 1000)))
def test_the_ratio_is_positive_finite_and_1_for_equal_policies(two):
    new, old = map(t, two)
    ratio = F.ratio(new, old)
    assert ratio.isfinite().all() and (ratio >= 0).all() and (F.ratio(new, new) == 1).all()


@law("effective_sample_size")
@given(vector(real(0.01, 100)))
def test_the_effective_sample_size_lies_between_1_and_n(weights):
    size = F.effective_sample_size(weights)
    assert 1 - 1e-9 <= size <= len(weights) + 1e-9 and close(F.effective_sample_size(3 * weights), size)


@law("clipped_surrogate")
@given(together(real(0, 10), real()), st.floats(0.01, 0.9))
def test_the_clipped_surrogate_is_never_above_the_surrogate_and_equals_it_inside(two, clip_coef):
    ratio, advantages = map(t, two)
    clipped = F.clipped_surrogate(ratio, advantages, clip_coef)
    assert (clipped <= F.surrogate(ratio, advantages) + 1e-9).all()
    inside = (ratio - 1).abs() <= clip_coef
    assert torch.equal(clipped[inside], F.surrogate(ratio, advantages)[inside])
    assert close(F.clipped_surrogate(ratio, advantages, math.inf), F.surrogate(ratio, advantages))


@law("dead_samples")
@given(together(real(0, 10), real()), st.floats(0.01, 0.9))
def test_only_samples_outside_the_band_are_dead(two, clip_coef):
    ratio, advantages = two
    dead = F.dead_samples(ratio, advantages, clip_coef)
    assert (abs(ratio[dead] - 1) > clip_coef).all()
    assert ((ratio[dead] - 1) * advantages[dead] > 0).all()  # moved as asked


@law("kl_penalized_surrogate")
@given(together(real(0, 10), real(), real(0, 5)), st.floats(0, 10))
def test_the_penalty_only_takes_away(three, kl_coef):
    ratio, advantages, kl = three
    penalized = F.kl_penalized_surrogate(ratio, advantages, kl, kl_coef)
    assert (penalized <= F.surrogate(ratio, advantages) + 1e-9).all()
    assert close(F.kl_penalized_surrogate(ratio, advantages, kl, 0.0), F.surrogate(ratio, advantages))


@law("adapt_kl_coef")
@given(st.floats(1e-3, 1e3), real(0, 1), st.floats(1e-3, 0.1), st.floats(0, 0.1), st.floats(1.1, 10))
def test_beta_grows_only_above_the_band_and_falls_only_below(beta, kl, kl_min, width, factor):
    after = F.adapt_kl_coef(beta, kl, kl_min, kl_min + width, factor)
    assert (after > beta) == (kl > kl_min + width) and (after < beta) == (kl < kl_min)


@law("conjugate_gradient", "trust_region_step")
@given(st.integers(1, 4), st.integers(0, 1000), st.floats(1e-4, 1.0))
def test_the_natural_step_solves_its_system_and_has_the_kl_it_may_have(size, seed, max_kl):
    rng = np.random.default_rng(seed)
    root = t(rng.normal(size=(size, size)))
    H, b = root @ root.T + torch.eye(size, dtype=float), t(rng.normal(size=size))
    x = F.conjugate_gradient(lambda v: H @ v, b, 4 * size)
    assert close(H @ x, b, 1e-4)
    step = F.trust_region_step(x, H @ x, max_kl)
    assert close(0.5 * step**2 * (x @ H @ x), max_kl, 1e-6)
    assert (F.conjugate_gradient(lambda v: H @ v, 0 * b) == 0).all() and F.trust_region_step(0 * x, 0 * x, max_kl) == 0
