"""Policies: actions are drawn from the distribution that `log_prob` describes."""

import itertools

import numpy as np
import pytest
import torch
from conftest import Chain, Counting, Frames, Steering, distribution, one_line, small, surprise
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from rlkit.dqn import DQN
from rlkit.envs import Envs
from rlkit.policies import Gaussian, MultiSoftmax, Softmax, make_policy
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.trpo import TRPO

LOGITS = np.array([[0.0, 1.0, -1.0], [5.0, 5.0, 5.0], [3.0, 0.0, 0.0]], np.float32)
PARAMS = np.array([[1.0, -2.0, 0.0, -1.0], [0.5, 30.0, 1.0, -3.0]], np.float32)  # two means, then two ln σ


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Drawing ----------------------------------------------------------------------------------------------------


def test_softmax_actions_have_the_frequencies_of_their_probabilities(rng):
    policy, draws = Softmax(3), 20_000
    actions = policy.sample(LOGITS, policy.noise(rng, draws, 3))
    assert actions.shape == (draws, 3) and actions.dtype.kind == "i"
    for state, logits in enumerate(LOGITS.astype(float)):
        expected = draws * np.exp(logits) / np.exp(logits).sum()
        assert surprise(np.bincount(actions[:, state], minlength=3), expected) < 5
    repeated = (actions[:, 1:] == actions[:, :-1]).mean(0)[0]  # the first two states are drawn independently
    pi = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    assert repeated == pytest.approx(pi.sum() / 3, abs=0.02)


def test_gaussian_actions_have_the_mean_and_deviation_of_the_params(rng):
    policy, draws = Gaussian(2), 20_000
    actions = policy.sample(PARAMS, policy.noise(rng, draws, 2))
    assert actions.shape == (draws, 2, 2) and actions.dtype == np.float32
    mean, std = PARAMS[:, :2], np.exp(PARAMS[:, 2:])
    np.testing.assert_allclose(((actions - mean) / std).mean(0), 0, atol=0.04)
    np.testing.assert_allclose(((actions - mean) / std).std(0), 1, atol=0.04)
    np.testing.assert_allclose(np.corrcoef(actions.reshape(draws, 4).T), np.eye(4), atol=0.04)


@pytest.mark.parametrize("policy", [Softmax(3), Gaussian(2)], ids=["discrete", "continuous"])
def test_noise_comes_from_the_given_generator_only_and_differs_at_each_step(policy):
    one, two = (policy.noise(np.random.default_rng(5), 6, 4) for _ in range(2))
    assert (one == two).all() and one.dtype == np.float32 and one.shape[:2] == (6, 4)
    assert len(np.unique(one)) == one.size
    rng = np.random.default_rng(5)
    assert (policy.noise(rng, 4) == one[0]).all()  # drawing step by step gives the same
    assert (policy.noise(rng, 4) == one[1]).all()


def test_the_mode_is_the_most_probable_action():
    assert Softmax(3).mode(LOGITS).tolist() == [1, 0, 0]
    policy = Gaussian(2)
    mode = torch.from_numpy(policy.mode(PARAMS))
    assert mode.tolist() == [[1.0, -2.0], [0.5, 30.0]]
    at_mode = policy.log_prob(torch.from_numpy(PARAMS), mode)
    for shift in torch.eye(2).repeat(2, 1) * torch.tensor([[0.1], [0.1], [-0.1], [-0.1]]):
        assert (policy.log_prob(torch.from_numpy(PARAMS), mode + shift) < at_mode).all()


# Probabilities ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Softmax(4), Gaussian(2)], ids=["discrete", "continuous"])
def test_log_prob_entropy_and_kl_are_those_of_torchs_distributions(policy):
    old_params, params = torch.randn(2, 30, policy.num_params, generator=torch.Generator().manual_seed(0))
    discrete = isinstance(policy, Softmax)
    old, new = distribution(old_params, discrete), distribution(params, discrete)
    actions = old.sample()
    torch.testing.assert_close(policy.log_prob(params, actions), new.log_prob(actions))
    torch.testing.assert_close(policy.entropy(params), new.entropy())
    kl = torch.distributions.kl_divergence(old, new)
    torch.testing.assert_close(policy.kl(old_params, params), kl, rtol=1e-4, atol=1e-5)
    assert (kl - torch.distributions.kl_divergence(new, old)).abs().max() > 0.1  # so the order of the arguments matters


def test_the_width_of_a_gaussian_is_learned_but_the_same_in_every_state():
    for policy, num_params, num_free in ((Softmax(5), 5, 0), (Gaussian(3), 6, 3)):
        assert (policy.num_params, policy.num_free) == (num_params, num_free)
    network = small(PPO, Steering).network
    params = network.policy(torch.randn(9, 2))
    assert (params[:, 2:] == params[0, 2:]).all() and (params[1:, :2] != params[0, :2]).any()
    assert network.log_std.requires_grad


# Several actions at once ------------------------------------------------------------------------------------

JOINT = list(itertools.product(range(3), range(2), range(2)))  # every action of MultiSoftmax([3, 2, 2])


def joint_log_probs(policy, params):
    """ln π of every joint action: params `[B, K]` -> `[B, 12]`."""
    return torch.stack([policy.log_prob(params, torch.tensor(a).expand(len(params), 3)) for a in JOINT], dim=1)


def test_the_probabilities_of_all_joint_actions_sum_to_one_and_are_products():
    policy, params = MultiSoftmax([3, 2, 2]), 2 * torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    probs = joint_log_probs(policy, params).exp()
    torch.testing.assert_close(probs.sum(1), torch.ones(5))
    each = [part.softmax(1) for part in (params[:, :3], params[:, 3:5], params[:, 5:])]
    product = torch.stack([each[0][:, i] * each[1][:, j] * each[2][:, k] for i, j, k in JOINT], dim=1)
    torch.testing.assert_close(probs, product)


def test_entropy_and_kl_of_several_actions_are_those_of_the_joint_distribution():
    policy = MultiSoftmax([3, 2, 2])
    old, new = 2 * torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(1))
    old_joint, joint = joint_log_probs(policy, old), joint_log_probs(policy, new)
    torch.testing.assert_close(policy.entropy(new), -(joint.exp() * joint).sum(1))
    torch.testing.assert_close(policy.kl(old, new), (old_joint.exp() * (old_joint - joint)).sum(1))
    torch.testing.assert_close(policy.kl(new, new), torch.zeros(5))
    assert (policy.kl(old, new) > 0.1).all()


def test_several_actions_have_the_frequencies_of_their_joint_probabilities(rng):
    policy, draws = MultiSoftmax([3, 2, 2]), 20_000
    params = np.float32([[0, 1, -1, 0.5, 0, 0, 2]])
    actions = policy.sample(params, policy.noise(rng, draws, 1))[:, 0]
    assert actions.shape == (draws, 3) and actions.dtype.kind == "i"
    counts = np.bincount(np.ravel_multi_index(actions.T, (3, 2, 2)), minlength=12)
    assert surprise(counts, draws * joint_log_probs(policy, torch.from_numpy(params))[0].exp().numpy()) < 5


def test_one_action_of_several_is_a_softmax_bit_by_bit(rng):
    one, several, params = Softmax(3), MultiSoftmax([3]), torch.from_numpy(LOGITS)
    noise = one.noise(np.random.default_rng(3), 3)
    assert (several.noise(np.random.default_rng(3), 3) == noise).all()
    assert (several.sample(LOGITS, noise)[:, 0] == one.sample(LOGITS, noise)).all()
    actions = torch.tensor([2, 0, 1])
    assert (several.log_prob(params, actions[:, None]) == one.log_prob(params, actions)).all()
    assert (several.entropy(params) == one.entropy(params)).all()
    assert MultiSoftmax([3, 2]).mode(np.float32([[0, 5, 1, 7, 9]])).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    "space, sizes",
    [
        (MultiDiscrete([4, 2]), (4, 2)),
        (MultiDiscrete([[4, 2], [3, 3]]), (4, 2, 3, 3)),
        (MultiBinary(3), (2, 2, 2)),
        (Box(np.array([-1, 0]), np.array([2, 9]), dtype=np.int64), (4, 10)),
    ],
    ids=str,
)
def test_several_actions_get_a_softmax_each(space, sizes):
    envs = Envs(acting(space), 2, seed=0)
    policy = make_policy(envs)
    assert type(policy) is MultiSoftmax and policy.sizes == sizes and envs.num_actions is None
    largest = envs.perform(np.tile(np.array(sizes) - 1, (2, 1)))  # the highest number of each is the highest there is
    smallest = envs.perform(np.zeros((2, len(sizes)), int))
    for actions in (largest, smallest):
        assert all(space.contains(action) for action in actions)
    assert not any(space.contains(action + 1) for action in largest)
    assert not any(space.contains(action - 1) for action in smallest)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_real_actions_have_the_shape_of_their_box(shape):
    envs = Envs(acting(Box(-1, 1, shape, np.float32)), 2, seed=0)
    policy = make_policy(envs)
    assert type(policy) is Gaussian and policy.num_free == np.prod(shape)
    actions = np.linspace(-3, 3, 2 * policy.num_free, dtype=np.float32).reshape(2, -1)
    given = envs.perform(actions)
    assert given.shape == (2, *shape) and (given.reshape(2, -1) == actions.clip(-1, 1)).all()


# Which policy an environment gets ---------------------------------------------------------------------------


@pytest.mark.parametrize("env, kind, num_params", [(Chain, Softmax, 2), (Frames, Softmax, 3), (Steering, Gaussian, 4)])
def test_the_environments_action_space_decides(env, kind, num_params):
    policy = make_policy(Envs(env, 1, seed=0))
    assert type(policy) is kind and policy.num_params == num_params


def test_only_the_chosen_actions_have_logits():
    assert make_policy(Envs(Frames, 1, seed=0, actions=(2, 0))).num_params == 2


def acting(space):
    class Strange(Counting):
        def __init__(self):
            super().__init__()
            self.action_space = space

    return Strange


@pytest.mark.parametrize("space", [Dict({"a": Discrete(2)}), Tuple([Discrete(2), Discrete(2)])], ids=str)
@pytest.mark.parametrize("algorithm", [PPO, TRPO, REINFORCE, DQN])
def test_action_spaces_without_a_policy_are_refused_with_the_cure(algorithm, space):
    with pytest.raises(ValueError, match="no agent here gives; wrap it in") as error:
        algorithm(acting(space))
    assert str(space) in one_line(error)
