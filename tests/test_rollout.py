"""Rollouts: their rows against environments whose every transition is known, their batches, their running scales."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from conftest import Chain, Counting, Frames, Steering, distribution, disturb, record, small

from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.rollout import Batch, Moments
from rlkit.trpo import TRPO


def made_up(obs):
    """Instead of the network: logits 0, and a value that identifies the state."""
    return np.zeros((len(obs), 2), np.float32), (100 * obs[:, 0] + obs[:, 1]).astype(np.float32)


def counting(num_steps, *lengths, algorithm=PPO, **changes):
    """An agent in environments whose episodes have these lengths, with made-up values."""
    each = iter([*lengths, *lengths])
    changes = changes if algorithm is REINFORCE else {"num_envs": len(lengths), "num_steps": num_steps} | changes
    agent = small(algorithm, lambda: Counting((next(each),)), **changes)
    agent.collector.forward = made_up
    return agent


# Rows -------------------------------------------------------------------------------------------------------


def test_every_row_is_one_transition_with_the_value_of_its_true_next_state():
    agent = counting(40, 3, 1, 5)
    rollout = agent.collector.collect(40)
    assert rollout.values.shape == (41, 3) and rollout.rewards.shape == (40, 3)
    endings = Counter()
    for t in range(40):
        for i, length in enumerate((3, 1, 5)):
            episode, time = rollout.obs[t, i]
            assert rollout.values[t, i] == 100 * episode + time
            if not rollout.valid[t, i]:
                assert time == length
                continue
            assert rollout.rewards[t, i] == 10 * episode + time + 1
            assert rollout.values[t + 1, i] == 100 * episode + time + 1  # also at the end of an episode
            ends = rollout.terminated[t, i], rollout.truncated[t, i]
            over = time + 1 == length
            assert ends == (over and episode % 2 == 0, over and episode % 2 == 1)
            endings[ends] += 1
    assert min(endings.values()) > 5 and len(endings) == 3
    assert rollout.valid[:36].mean(0).tolist() == [3 / 4, 1 / 2, 5 / 6]
    assert (rollout.params == 0).all() and set(np.unique(rollout.actions)) == {0, 1}


def test_a_rollout_begins_where_the_last_one_ended():
    agent, whole = counting(3, 3, 5), counting(15, 3, 5)
    parts = [agent.collector.collect(3) for _ in range(5)]
    together = whole.collector.collect(15)
    for name in ("obs", "rewards", "terminated", "truncated", "valid"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(together, name))
    assert not parts[1].valid[0].all()  # an ending in the last row: the autoreset row is in the next rollout
    for part, after in zip(parts, parts[1:]):
        np.testing.assert_array_equal(part.values[-1], after.values[0])


@pytest.mark.parametrize("env", [Chain, Steering, Frames, "CartPole-v1", "Pendulum-v1"])
def test_a_row_holds_the_params_of_the_policy_that_acted(env):
    agent = small(PPO, env)
    rollout = agent.collector.collect(16)
    with torch.no_grad():
        for t in range(16):
            params, values = agent.network(torch.from_numpy(rollout.obs[t]))
            np.testing.assert_allclose(rollout.params[t], params, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(rollout.values[t], values, rtol=1e-4, atol=1e-5)
    assert rollout.rewards.dtype == rollout.values.dtype == np.float32
    assert len(np.unique(rollout.obs.reshape(16, -1), axis=0)) > 4  # no array was overwritten


def test_the_emulators_frames_are_not_overwritten():
    agent = small(PPO, "ALE/Pong-v5", num_envs=2, frame_size=42)
    agent.collector.collect(16)  # after this the ball is in play
    rollout = agent.collector.collect(16)
    assert rollout.valid.all()
    np.testing.assert_array_equal(rollout.obs[1:, :, :-1], rollout.obs[:-1, :, 1:])  # each stack moves on by one frame
    assert (rollout.obs[1:] != rollout.obs[:-1]).any((2, 3, 4)).all()
    np.testing.assert_array_equal(agent.envs.obs[:, :-1], rollout.obs[-1, :, 1:])


def test_learning_from_a_rollout_does_not_change_it():
    agent = small(PPO, Steering)
    rollout = agent.collector.collect(16)
    before = [x.copy() for x in rollout]
    agent.update(rollout)
    agent.collector.collect(16)
    assert all((x == y).all() for x, y in zip(rollout, before))


def test_actions_out_of_bounds_are_clipped_for_the_environment_only():
    agent = small(PPO, Steering)
    rollout = agent.collector.collect(16)
    outside = abs(rollout.actions) > 0.5
    assert outside.mean() > 0.4  # σ is 1 at first
    for t in range(15):
        played = rollout.valid[t]
        np.testing.assert_allclose(rollout.obs[t + 1][played], rollout.actions[t].clip(-0.5, 0.5)[played])
    batch = rollout.batch(agent.policy, rollout.rewards, "cpu")
    np.testing.assert_array_equal(batch.actions, rollout.actions[rollout.valid])
    drawn = distribution(torch.from_numpy(rollout.params), discrete=False).log_prob(torch.from_numpy(rollout.actions))
    np.testing.assert_allclose(batch.old_log_probs, drawn[rollout.valid], rtol=1e-4, atol=1e-5)


def test_rewards_are_clipped_for_learning_but_not_in_the_score():
    agent = counting(8, 3, reward_clip=2.0)
    rollout = agent.collector.collect(8)
    assert rollout.rewards[:, 0].tolist() == [1, 2, 2, 0, 2, 2, 2, 0]
    assert [episode.total_reward for episode in agent.envs.pop_finished()] == [6.0, 36.0]


def test_where_a_reward_counts_as_terminated_no_later_reward_is_credited():
    rollout = counting(8, 8).collector.collect(8)
    rewards = np.zeros((8, 1), np.float32)
    rewards[2], rewards[5] = -1, 1
    never = np.zeros((8, 1), bool)
    rollout = rollout._replace(rewards=rewards, values=0 * rollout.values, terminated=never, truncated=never)
    split = rollout.ending_at_rewards()
    assert split.terminated[:, 0].tolist() == [t in (2, 5) for t in range(8)] and not rollout.terminated.any()
    assert split.advantages(0.5, 1.0)[:, 0].tolist() == [-0.25, -0.5, -1, 0.25, 0.5, 1, 0, 0]
    assert rollout.advantages(0.5, 1.0)[0, 0] == -0.25 + 0.5**5


def test_a_ppo_whose_rewards_end_something_learns_from_such_rollouts():
    agents = [small(PPO, "CartPole-v1", reward_ends=ends, num_steps=16) for ends in (False, False, True)]
    rollout = agents[0].collector.collect(16)
    agents[0].update(rollout)
    agents[1].update(rollout.ending_at_rewards())
    agents[2].update(rollout)
    weights = [agent.theta.detach() for agent in agents]
    assert weights[1].equal(weights[2]) and not weights[0].equal(weights[2])


@pytest.mark.parametrize("env", [Frames, "CartPole-v1"])
def test_minibatches_hold_every_row_once_and_frames_stay_channels_last(env):
    agent = small(PPO, env)
    batch = agent.collector.collect(16).batch(agent.policy, np.zeros((16, agent.num_envs)), "cpu")
    order = np.random.default_rng(4).permutation(len(batch.obs))
    parts = list(batch.minibatches(8, np.random.default_rng(4)))
    for name in ("obs", "actions", "old_params"):
        assert torch.cat([getattr(part, name) for part in parts]).equal(getattr(batch, name)[order])
    if env is Frames:
        assert all(part.obs.is_contiguous(memory_format=torch.channels_last) for part in [batch, *parts])


# Whole episodes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
def test_whole_episodes_are_whole(count):
    agent = counting(None, 3, algorithm=REINFORCE)
    for first in (0, count, 2 * count):
        rollout = agent.collector.collect_episodes(count)
        played = rollout.obs[rollout.valid].tolist()
        assert played == [[episode, time] for episode in range(first, first + count) for time in range(3)]
        assert (rollout.terminated | rollout.truncated).sum() == count
        assert (rollout.terminated | rollout.truncated)[-1, 0]
        assert len(rollout.values) == len(rollout.rewards) + 1
        assert rollout.values[-1, 0] == 100 * (first + count - 1) + 3


# Batches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(3, 1, 5), (1000, 1000)], ids=["resets", "no resets"])
def test_a_batch_is_the_valid_rows_in_order_and_nothing_else(lengths):
    agent = counting(30, *lengths, gamma=0.9, gae_lambda=0.8)
    rollout = agent.collector.collect(30)
    advantages = rollout.advantages(0.9, 0.8)
    batch = rollout.batch(agent.policy, advantages, "cpu")
    expected = []
    for t in range(30):
        for i, length in enumerate(lengths):
            episode, time = rollout.obs[t, i].tolist()
            if time < length:  # otherwise an autoreset row
                advantage, factor = 0.0, 1.0
                for k in range(t, 30):
                    ahead = time + k - t
                    over = ahead + 1 == length
                    following = 0.0 if over and episode % 2 == 0 else 100 * episode + ahead + 1
                    advantage += factor * (10 * episode + ahead + 1 + 0.9 * following - 100 * episode - ahead)
                    factor *= 0.9 * 0.8
                    if over:
                        break
                value = 100 * episode + time
                expected.append((episode, time, rollout.actions[t, i], advantage, advantage + value))
    got = zip(*batch.obs.T.tolist(), batch.actions.tolist(), batch.advantages.tolist(), batch.returns.tolist())
    np.testing.assert_allclose(list(got), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(batch.old_log_probs, math.log(1 / 2), rtol=1e-6)
    assert batch.old_params.shape == (len(expected), 2)
    assert {column.dtype for column in batch} == {torch.float32, torch.int64}


def numbered(size):
    """A batch with the number of the sample in every column."""
    n = torch.arange(size)
    return Batch(n[:, None] * torch.ones(3), n, n[:, None] * torch.ones(2), n + 0.25, n + 0.5, n + 0.75, n + 0.8)


@pytest.mark.parametrize(
    "batch_size, size", [(64, 16), (50, 16), (16, 16), (17, 16), (23, 16), (25, 16), (5, 16), (1, 1)]
)
def test_minibatches_hold_every_sample_once_in_nearly_equal_parts(batch_size, size):
    parts = list(numbered(batch_size).minibatches(size, np.random.default_rng(0)))
    seen = torch.cat([part.actions for part in parts]).tolist()
    assert sorted(seen) == list(range(batch_size))
    sizes = [len(part.actions) for part in parts]
    assert max(sizes) - min(sizes) <= 1 and min(sizes) > 0
    assert len(parts) == 1 or 2 / 3 * size <= min(sizes) <= max(sizes) <= 1.5 * size
    assert batch_size < 10 or seen != sorted(seen)
    for part in parts:
        n = part.actions
        torch.testing.assert_close(part, Batch(n[:, None] * torch.ones(3), n, n[:, None] * torch.ones(2), *(
            n + fraction for fraction in (0.25, 0.5, 0.75, 0.8)
        )))  # fmt: skip


def test_minibatches_are_drawn_again_each_time_by_the_given_generator():
    def order(rng):
        return torch.cat([part.actions for part in numbered(40).minibatches(8, rng)]).tolist()

    rng, same = np.random.default_rng(0), np.random.default_rng(0)
    first, second = order(rng), order(rng)
    assert first != second and first == order(same) and second == order(same)


# Running scales ---------------------------------------------------------------------------------------------


def test_moments_merged_batch_by_batch_are_those_of_all_samples():
    rng = np.random.default_rng(0)
    moments, parts = Moments((3,)), [rng.normal((1e4, 0, -3), (1, 0.01, 50), size=(n, 3)) for n in (1, 7, 200, 2)]
    for n, part in enumerate(parts):
        moments.add(part)
        so_far = np.concatenate(parts[: n + 1])
        np.testing.assert_allclose(moments.mean, so_far.mean(0), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(moments.std, np.maximum(so_far.std(0), 1e-4), rtol=1e-6)
    assert moments.count == 210


def test_the_scale_of_rewards_is_the_deviation_of_the_discounted_return_so_far():
    agent = small(PPO, lambda: Counting((3, 4)), num_envs=2, num_steps=10, gamma=0.9, normalize=True)
    plain = small(PPO, lambda: Counting((3, 4)), num_envs=2, num_steps=10, gamma=0.9)
    running, seen = np.zeros(2), []
    for _ in range(3):
        rollout, unscaled = agent.collector.collect(10), plain.collector.collect(10)
        for t in range(10):
            for i in range(2):
                running[i] = unscaled.rewards[t, i] + 0.9 * running[i]
            seen.append(running.copy())
            running[unscaled.terminated[t] | unscaled.truncated[t]] = 0
        np.testing.assert_allclose(rollout.rewards, unscaled.rewards / np.std(seen), rtol=1e-5)
    assert [e.total_reward for e in agent.envs.pop_finished()] == [e.total_reward for e in plain.envs.pop_finished()]


@pytest.mark.parametrize("algorithm", [PPO, TRPO, REINFORCE])
def test_the_network_sees_observations_scaled_by_all_rollouts_before_its_own(algorithm):
    agent = small(algorithm, "Pendulum-v1" if algorithm is PPO else "CartPole-v1", normalize=True)
    rollouts, shifts = record(agent), []
    for _ in agent.learn(6 * 64):
        shifts.append((agent.network.shift.clone(), agent.network.scale.clone()))
    assert len(shifts) > 2 and shifts[0][0].eq(0).all() and shifts[0][1].eq(1).all()
    for n in range(1, len(shifts)):
        before = np.concatenate([r.obs.reshape(-1, r.obs.shape[-1]) for r in rollouts[:n]])
        np.testing.assert_allclose(shifts[n][0], before.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(shifts[n][1], before.std(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("what", ["obs", "rewards"])
@pytest.mark.parametrize("algorithm", [PPO, TRPO])
def test_observations_and_rewards_can_be_scaled_alone(algorithm, what):
    agent, plain, both = (small(algorithm, normalize=normalize, gamma=0.9) for normalize in (what, False, True))
    first, unscaled, scaled = (one.collector.collect(16) for one in (agent, plain, both))
    np.testing.assert_array_equal(first.rewards, (scaled if what == "rewards" else unscaled).rewards)
    for one in (agent, plain, both):
        one.collector.collect(16)
    assert not np.allclose(scaled.rewards, unscaled.rewards)
    for name in ("shift", "scale"):
        like = (both if what == "obs" else plain).network
        torch.testing.assert_close(getattr(agent.network, name), getattr(like, name))


def test_rewards_alone_can_be_scaled_with_frames():
    agent = small(PPO, Frames, normalize="rewards")
    agent.collector.collect(16)
    assert agent.collector.scaling.returns.count > 0 and agent.network.scale == 255.0


def test_constant_observations_and_no_rewards_stay_finite():
    class Dull(Counting):
        def look(self):
            return np.full(2, 3.0, np.float32)

        def step(self, action):
            obs, _, *rest = super().step(action)
            return obs, 0.0, *rest

    agent = small(PPO, Dull, normalize=True)
    for progress in agent.learn(256):
        assert all(np.isfinite(float(value)) for value in progress.metrics.values())
    rollout = agent.collector.collect(16)
    assert np.isfinite(rollout.params).all() and (rollout.rewards == 0).all()


@pytest.mark.parametrize("algorithm", [PPO, TRPO, REINFORCE])
def test_running_scales_work_with_frames_or_are_refused_in_a_sentence(algorithm):
    try:
        agent = small(algorithm, Frames, normalize=True)
    except ValueError as error:
        assert "normalize" in str(error) and str(error).endswith(".")
        return
    for _ in agent.learn(192):
        pass
    assert torch.isfinite(agent.network.shift).all()


@pytest.mark.parametrize("env", [Chain, Steering, Frames])
def test_act_takes_the_mode_and_draws_no_random_numbers(env):
    agent = small(PPO, env)
    disturb(agent.network, size=0.1)
    before = agent.rng.bit_generator.state
    actions = agent.act(agent.envs.obs)
    with torch.no_grad():
        params, _ = agent.network(torch.from_numpy(agent.envs.obs))
    expected = params[:, :2] if env is Steering else params.argmax(-1)
    np.testing.assert_allclose(actions, expected, rtol=1e-4, atol=1e-5)
    assert actions.shape == (4, 2) if env is Steering else actions.shape == (4,)
    assert agent.rng.bit_generator.state == before
