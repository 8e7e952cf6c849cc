"""DQN: its loss against a literal loop, its target network, its randomness, and a task solved exactly."""

import dataclasses
import itertools
import math
import random

import numpy as np
import pytest
import torch
from conftest import Chain, Counting, Frames, disturb, learn, tiny, weights

from rlkit import functional as F
from rlkit.prioritized import PrioritizedReplay

# The loss ---------------------------------------------------------------------------------------------------


def literal_q(network, obs):
    with torch.no_grad():
        return network(obs[None])[0].tolist()


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("double, dueling, prioritized", list(itertools.product([False, True], repeat=3)))
def test_the_loss_is_that_of_a_literal_loop_over_the_batch(double, dueling, prioritized, n_step):
    flags = {"double": double, "dueling": dueling, "prioritized": prioritized, "n_step": n_step}
    agent = tiny(**flags, huber_delta=0.7, gamma=0.9, learning_starts=10**6)
    learn(agent, 200)
    disturb(agent.target)
    if prioritized:
        agent.replay.update_priorities(np.arange(50), np.linspace(0, 9, 50))
    batch = agent.replay.sample(64)
    losses, qs, errors = [], [], []
    for b in range(64):
        next_target = literal_q(agent.target, batch.next_obs[b])
        chooser = literal_q(agent.network, batch.next_obs[b]) if double else next_target
        best = max(range(2), key=lambda a: chooser[a])
        target = float(batch.rewards[b])
        if not batch.terminated[b]:
            target += float(batch.discounts[b]) * next_target[best]
        qs.append(literal_q(agent.network, batch.obs[b])[int(batch.actions[b])])
        errors.append(target - qs[-1])
        size = abs(errors[-1])
        loss = 0.5 * size**2 if size <= 0.7 else 0.7 * (size - 0.35)
        losses.append(float(batch.weights[b]) * loss)
    loss, q, td_error = agent.objective(batch)
    np.testing.assert_allclose(q.tolist(), qs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(td_error.tolist(), errors, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(loss.item(), sum(losses) / 64, rtol=1e-4)
    assert batch.terminated.any() and not batch.terminated.all()  # so both branches are tested
    assert (min(batch.weights) < 0.9) == prioritized
    assert isinstance(agent.replay, PrioritizedReplay) == prioritized
    assert batch.discounts.min() == np.float32(0.9**n_step)


def test_the_gradient_flows_into_the_online_network_only_and_not_through_the_target():
    agent = tiny(double=True, learning_starts=10**6)
    learn(agent, 200)
    batch = agent.replay.sample(32)
    agent.objective(batch)[0].backward()
    assert all(p.grad is None for p in agent.target.parameters())
    constant = agent.td_target(batch)
    assert not constant.requires_grad
    q = agent.network(batch.obs)[torch.arange(32), batch.actions]
    expected = torch.autograd.grad(F.huber(constant - q).mean(), list(agent.network.parameters()))
    for p, gradient in zip(agent.network.parameters(), expected):
        torch.testing.assert_close(p.grad, gradient)


def test_an_update_takes_the_clipped_gradient_of_its_own_batch_only():
    agent = tiny(max_grad_norm=1e-3, learning_starts=10**6)
    learn(agent, 100)
    batch = agent.replay.sample(16)
    agent.replay.sample = lambda *arguments: batch
    parameters = list(agent.network.parameters())
    gradients = torch.autograd.grad(agent.objective(batch)[0], parameters)
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    assert norm > 0.01
    for p in parameters:
        p.grad = torch.ones_like(p)  # left by an earlier batch
    agent.update()
    for p, gradient in zip(parameters, gradients):
        torch.testing.assert_close(p.grad, gradient * 1e-3 / norm, rtol=1e-3, atol=1e-8)


def test_prioritized_updates_write_the_errors_back():
    agent = tiny(prioritized=True, learning_starts=10**6, learning_rate=1e-9)
    learn(agent, 200)
    seen = []
    sample = agent.replay.sample
    agent.replay.sample = lambda *arguments: seen.append((arguments, sample(*arguments))) or seen[-1][1]
    agent.update()
    ((_, beta), batch) = seen[0]
    with torch.no_grad():
        expected = agent.objective(batch)[2].abs().numpy()
    np.testing.assert_allclose(agent.replay.tree[batch.slots], (expected + 1e-6) ** 0.6, rtol=1e-3)
    assert beta == pytest.approx(0.4 + 0.6 * 200 / 100_000)


# The target network and the schedules -----------------------------------------------------------------------


def test_the_target_is_another_network_that_follows_every_target_period_updates():
    agent = tiny(target_period=3, learning_starts=10**6, learning_rate=0.01)
    learn(agent, 100)
    frozen = weights(agent.target)
    assert frozen.equal(weights(agent.network))
    for update in range(1, 10):
        agent.update()
        if update % 3 == 0:
            assert weights(agent.target).equal(weights(agent.network))
            assert not weights(agent.target).equal(frozen)
            frozen = weights(agent.target)
        else:
            assert weights(agent.target).equal(frozen)
            assert not weights(agent.network).equal(frozen)
    parameters = [*agent.network.parameters(), *agent.target.parameters()]
    assert len({p.data_ptr() for p in parameters}) == len(parameters) == 8


@pytest.mark.parametrize("num_envs, train_period, updates", [(1, 4, 1), (4, 2, 3)])
def test_learning_starts_and_updates_happen_as_set(num_envs, train_period, updates):
    agent = tiny(num_envs=num_envs, train_period=train_period, updates=updates, learning_starts=80)
    start = weights(agent.network)
    steps = []
    for progress in agent.learn(160):
        steps.append(progress.step)
        rounds = max(0, (progress.step - 80) // (num_envs * train_period) + 1)
        assert agent.num_updates == updates * rounds
        assert ("loss" in progress.metrics) == (progress.step >= 80)
        assert weights(agent.network).equal(start) == (progress.step < 80)
    assert steps == list(range(num_envs * train_period, 161, num_envs * train_period))
    assert agent.step == agent.envs.steps == 160 == len(agent.replay)


def test_epsilon_falls_with_the_steps_and_stays_where_it_is_set():
    agent = tiny(epsilon_start=0.9, epsilon_end=0.1, epsilon_steps=200)
    seen = {progress.step: progress.metrics["epsilon"] for progress in agent.learn(300)}
    assert seen[100] == pytest.approx(0.5) and seen[200] == 0.1 and seen[300] == 0.1
    agent.epsilon = 0.7
    assert {progress.metrics["epsilon"] for progress in agent.learn(340)} == {0.7}
    agent.epsilon = None
    assert {progress.metrics["epsilon"] for progress in agent.learn(380)} == {0.1}


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_exploring_is_epsilon_greedy(epsilon):
    agent = tiny()
    disturb(agent.network)
    agent.epsilon = epsilon
    obs = np.tile(agent.envs.obs, (10_000, 1))
    policy = F.epsilon_greedy(agent.q_values(agent.envs.obs), epsilon)[0]
    np.testing.assert_allclose(np.bincount(agent.explore(obs), minlength=2) / 10_000, policy, atol=0.02)
    assert (agent.act(obs) == policy.argmax()).all()


def test_rewards_are_clipped_for_learning_but_not_in_the_score():
    agent = tiny(lambda: Counting((3,)), reward_clip=2.0)
    returns = learn(agent, 8)
    assert returns == [6.0, 36.0]
    assert agent.replay.rewards[:8, 0].tolist() == [1, 2, 2, 0, 2, 2, 2, 0]


# Randomness -------------------------------------------------------------------------------------------------

VARIANTS = [{}, {"prioritized": True, "double": True, "dueling": True, "n_step": 3, "num_envs": 4}]


@pytest.mark.parametrize("flags", VARIANTS, ids=["plain", "everything"])
def test_one_seed_gives_one_run(flags):
    one, two, other = tiny(seed=1, **flags), tiny(seed=1, **flags), tiny(seed=2, **flags)
    returns = learn(one, 800)
    assert len(returns) > 10
    assert learn(two, 800) == returns != learn(other, 800)
    assert weights(one.network).equal(weights(two.network))
    assert not weights(one.network).equal(weights(other.network))


@pytest.mark.parametrize("flags", VARIANTS, ids=["plain", "everything"])
def test_agents_that_take_turns_learn_as_if_they_were_alone(flags):
    alone = [tiny(seed=seed, **flags) for seed in (1, 2)]
    returns = [learn(agent, 400) for agent in alone]
    together = [tiny(seed=seed, **flags) for seed in (1, 2)]
    finished = [[], []]
    for progresses in zip(*(agent.learn(400) for agent in together)):
        for found, progress in zip(finished, progresses):
            found += [episode.total_reward for episode in progress.finished]
    assert finished == returns
    for one, two in zip(alone, together):
        assert weights(one.network).equal(weights(two.network))


def test_an_agent_leaves_global_random_numbers_alone():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    learn(tiny(**VARIANTS[1]), 200)
    after = torch.random.get_rng_state(), np.random.get_state()[1], random.getstate()
    assert before[0].equal(after[0]) and (before[1] == after[1]).all() and before[2] == after[2]


def test_the_first_weights_depend_only_on_the_agents_seed():
    torch.manual_seed(3)
    one, other = tiny(seed=1), tiny(seed=2)
    torch.manual_seed(4)
    assert weights(tiny(seed=1).network).equal(weights(one.network))
    assert not weights(other.network).equal(weights(one.network))


@pytest.mark.parametrize("flags", VARIANTS, ids=["plain", "everything"])
def test_learning_in_two_parts_equals_learning_in_one(flags):
    parts, whole = tiny(**flags), tiny(**flags)
    assert learn(parts, 400) + learn(parts, 800) == learn(whole, 800)
    assert weights(parts.network).equal(weights(whole.network))
    assert list(parts.learn(800)) == []  # it has taken its 800 steps


# Learning ---------------------------------------------------------------------------------------------------


def chain_values(gamma):
    """Q* of `Chain`, by value iteration on its table; states 0 to 4, and 5 for the end."""
    transition, reward = np.zeros((6, 2, 6)), np.zeros((6, 2))
    for s in range(5):
        transition[s, 0, max(s - 1, 0)] = transition[s, 1, s + 1] = 1
    reward[4, 1] = 1
    q = np.zeros((6, 2))
    for _ in range(300):
        q = F.bellman_optimality(q, transition, reward, gamma)
    return q[:5]


@pytest.mark.parametrize(
    "flags", [{}, {"double": True, "dueling": True, "prioritized": True}], ids=["plain", "everything"]
)
def test_the_learned_values_are_the_exact_ones(flags):
    agent = tiny(
        Chain, **flags, gamma=0.8, num_envs=8, train_period=1, batch_size=64, replay_size=4000,
        target_period=10, learning_rate=0.01, hidden=(32,), epsilon_end=0.5, epsilon_steps=8000,
    )  # fmt: skip
    learn(agent, 4800)
    exact = chain_values(0.8)
    assert exact[0, 1] == pytest.approx(0.8**4) and exact[0, 0] == pytest.approx(0.8**5)
    np.testing.assert_allclose(agent.q_values(np.eye(5, dtype=np.float32)), exact, atol=0.05)


def test_frames_are_learned_from():
    agent = tiny(Frames, double=True, dueling=True, prioritized=True, n_step=2, num_envs=2, replay_size=200)
    start = weights(agent.network)
    losses = [float(progress.metrics["loss"]) for progress in agent.learn(200) if "loss" in progress.metrics]
    assert len(losses) > 10 and np.isfinite(losses).all()
    assert not weights(agent.network).equal(start)
    assert agent.network.scale == 255
    assert agent.act(agent.envs.obs).shape == (2,)


# What is refused --------------------------------------------------------------------------------------------


def test_settings_at_their_limits_work():
    agent = tiny(
        prioritized=True, gamma=1.0, epsilon_start=0.0, epsilon_end=0.0, alpha=0.0, beta_start=0.0, seed=0,
        learning_starts=0, huber_delta=math.inf, max_grad_norm=math.inf, obs_shift=-1.0,
    )  # fmt: skip
    learn(agent, 100)
    assert torch.isfinite(weights(agent.network)).all()


def test_numpy_numbers_are_accepted_as_settings():
    agent = tiny(seed=np.int64(3), learning_rate=np.float64(1e-3), obs_scale=np.float32([1, 2, 0.5, 1]))
    assert (type(agent.seed), type(agent.learning_rate)) == (int, float)
    assert agent.obs_scale == (1.0, 2.0, 0.5, 1.0)
    assert learn(agent, 200) == learn(tiny(seed=3, obs_scale=(1.0, 2.0, 0.5, 1.0)), 200)


def test_a_device_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="device='nonsense' cannot be used here"):
        tiny(device="nonsense")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
            tiny(device="cuda")


def test_an_agent_prints_and_copies_its_settings():
    agent = tiny(double=True)
    assert "double=True" in repr(agent) and "batch_size=16" in repr(agent)
    ablation = dataclasses.replace(agent, double=False)
    assert not ablation.double and ablation.batch_size == 16 and ablation.network is not agent.network
