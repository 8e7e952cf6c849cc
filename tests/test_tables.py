"""rlkit.experiments.tables: random behaviour, the update of Q-learning, and four step sizes that end as they must."""

import numpy as np
import pytest
from conftest import one_line

from rlkit import functional as F
from rlkit.experiments.tables import little_mdp, optimal_q, q_learning_tables, wander

STEP_SIZES = {
    "0.1": lambda n: np.full(n.shape, 0.1),
    "1/n": lambda n: F.polynomial_step_size(n, 1.0),
    "n^-0.7": lambda n: F.polynomial_step_size(n, 0.7),
    "1/n²": lambda n: F.polynomial_step_size(n, 2.0),
}


@pytest.fixture(scope="module")
def mdp():
    return little_mdp()


def test_the_optimal_values_are_those_of_their_greedy_policy(mdp):
    q = optimal_q(mdp)
    np.testing.assert_allclose(F.bellman_optimality(q, **mdp), q)
    np.testing.assert_allclose(F.policy_values(np.eye(3)[q.argmax(1)], **mdp), q.max(1))


def test_the_behaviour_draws_all_actions_alike_and_goes_where_the_mdp_sends_it(mdp):
    states, actions, visits = wander(mdp, 10_000, range(3))
    assert states.shape == (10_001, 3) and (states[0] == 0).all()
    went = np.zeros((4, 3, 4))
    np.add.at(went, (states[:-1], actions, states[1:]), 1)
    pairs = went.sum(-1)
    np.testing.assert_allclose(pairs / pairs.sum(1, keepdims=True), 1 / 3, atol=0.03)  # about five standard errors
    np.testing.assert_allclose(went / pairs[..., None], mdp["transition"], atol=0.06)
    for n in range(3):
        met = {}
        for pair, count in zip(zip(states[:, n], actions[:, n]), visits[:, n]):
            met[pair] = met.get(pair, 0) + 1
            assert count == met[pair]


def test_a_seed_has_the_same_trajectory_in_any_company_and_for_any_length(mdp):
    alone, many = wander(mdp, 50, [7]), wander(mdp, 80, [3, 7])
    for one, several in zip(alone, many):
        assert (one[:50, 0] == several[:50, 1]).all() and (several[:50, 0] != several[:50, 1]).any()


def test_tables_learn_as_a_loop_over_one_trajectory_does(mdp):
    step_sizes = {"half": lambda n: 0.5 + 0 * n, "1/n": STEP_SIZES["1/n"]}
    moments, distances = q_learning_tables(mdp, step_sizes, 300, seeds=[4, 5])
    assert list(distances) == ["half", "1/n"] and moments[0] == 1 and moments[-1] == 300
    states, actions, visits = wander(mdp, 300, [4, 5])
    best = optimal_q(mdp)
    for name, step_size in (("half", lambda n: 0.5), ("1/n", lambda n: 1 / n)):
        for n in range(2):
            q, found = [[0.0] * 3 for _ in range(4)], []
            for t in range(300):
                s, a, s_next = states[t, n], actions[t, n], states[t + 1, n]
                target = mdp["reward"][s, a] + 0.9 * max(q[s_next])
                q[s][a] += step_size(visits[t, n]) * (target - q[s][a])
                if t + 1 in moments:
                    found.append(max(abs(q[i][j] - best[i, j]) for i in range(4) for j in range(3)))
            np.testing.assert_allclose(distances[name][:, n], found)


def test_without_noise_step_sizes_of_1_reach_the_optimum_and_1_over_n_nears_it_as_n_to_the_gamma_minus_1():
    """One state, one action: Q* = 1 / (1 - γ). The error of the n-th visit is multiplied by 1 - (1 - γ) α_n."""
    alone = {"transition": np.ones((1, 1, 1)), "reward": np.ones((1, 1)), "gamma": 0.9}
    step_sizes = {"1": lambda n: 1.0 + 0 * n, "1/n": STEP_SIZES["1/n"], "1/n²": STEP_SIZES["1/n²"]}
    moments, distances = q_learning_tables(alone, step_sizes, 2_000, seeds=[0])
    np.testing.assert_allclose(distances["1"][:, 0], 10 * 0.9**moments, atol=1e-9)
    late = moments > 100
    slope = np.polyfit(np.log(moments[late]), np.log(distances["1/n"][late, 0]), 1)[0]
    assert slope == pytest.approx(-(1 - 0.9), abs=1e-3)
    stops = np.sin(np.pi * 0.1**0.5) / (np.pi * 0.1**0.5)  # Π (1 - 0.1 / n²), Euler's product for the sine
    assert distances["1/n²"][-1, 0] == pytest.approx(10 * stops, rel=1e-3)


def test_only_step_sizes_that_meet_both_conditions_and_fall_slowly_come_near(mdp):
    moments, distances = q_learning_tables(mdp, STEP_SIZES, 30_000, seeds=range(4))
    end = {name: runs[-1].max() for name, runs in distances.items()}
    assert end["n^-0.7"] < 0.3 < 1 < distances["1/n"][-1].min() and end["1/n"] < distances["1/n²"][-1].min()
    assert 0.05 < distances["0.1"][moments > 15_000].mean() < 0.5  # the noise floor


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(steps=0), "steps=0 must be a whole number above 0"),
        (dict(step_sizes={"mine": 0.1}), "The step size 'mine' is 0.1; give a function of n"),
        (dict(gamma=1.0), "gamma=1.0 must be below 1"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_sentence(mdp, changes, words):
    settings = dict(step_sizes=STEP_SIZES, steps=10, seeds=range(2), gamma=0.9) | changes
    with pytest.raises(ValueError, match=words) as error:
        q_learning_tables(mdp | {"gamma": settings.pop("gamma")}, **settings)
    one_line(error)


def test_a_step_size_may_be_a_single_number(mdp):
    one, many = {"0.1": lambda n: 0.1}, {"0.1": STEP_SIZES["0.1"]}
    found = [q_learning_tables(mdp, each, 50, range(2))[1]["0.1"] for each in (one, many)]
    np.testing.assert_array_equal(*found)
