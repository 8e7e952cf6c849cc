"""An interrupt may strike between any two instructions. What the agent learns from afterwards must still be true."""

import itertools
import random
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from conftest import complete_slots, record, small, tiny, weights
from gymnasium.spaces import Box, Discrete

import rlkit
from rlkit.a2c import A2C
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import load, save
from rlkit.running.learning import mend
from rlkit.running.result import Result, watch
from rlkit.trpo import TRPO

episodes = itertools.count()  # no two episodes of this file have the same number


class Diary(gymnasium.Env):
    """Shows (episode, time, last action). So two observations tell whether one step led from one to the other."""

    def __init__(self):
        self.observation_space = Box(-1, 1e6, (3,), np.float32)
        self.action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.episode, self.time = next(episodes), 0
        return np.array([self.episode, 0, -1], np.float32), {}

    def step(self, action):
        reward = pay(self.episode, self.time)
        self.time += 1
        over, even = self.time == length(self.episode), self.episode % 2 == 0
        return np.array([self.episode, self.time, action], np.float32), reward, over and even, over and not even, {}


def length(episode):
    return 1 + int(episode) % 7


def pay(episode, time):
    return float((7 * int(episode) + 3 * int(time)) % 11)


def is_step(obs, action, next_obs):
    """Does this action lead from one observation to the other?"""
    return next_obs.tolist() == [obs[0], obs[1] + 1, action] and next_obs[1] <= length(obs[0])


class Interrupts:
    """Raises KeyboardInterrupt before a random instruction of rlkit, Gymnasium or this file."""

    FOLDERS = tuple(str(Path(module.__file__).parent) for module in (rlkit, gymnasium)) + (__file__,)

    def __init__(self, seed):
        self.random, self.count = random.Random(seed), 0

    def strike(self, progresses, within):
        """Take iterations until one is interrupted, which happens within so many instructions."""
        left = self.random.randrange(within)

        def trace(frame, event, argument):
            nonlocal left
            if event == "call" and not frame.f_code.co_filename.startswith(self.FOLDERS):
                return None
            frame.f_trace_opcodes = True
            left -= event == "opcode"
            if left < 0:
                sys.settrace(None)
                self.count += 1
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for _ in progresses:
                pass
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)


def disturbed(agent, rounds, within, seed=0):
    """Let the agent learn and interrupt it `rounds` times. Yields after each, when a few iterations have followed."""
    interrupts, result = Interrupts(seed), Result()
    for number in range(rounds):
        interrupts.strike(watch(agent, 10**9, result), within)
        for _, _ in zip(range(1 + number % 3), watch(agent, 10**9, result)):
            pass
        yield
        assert agent.step == agent.envs.steps
    assert interrupts.count == rounds
    assert result.steps == sorted(result.steps) and len(result.steps) > rounds / 2


def check_replay(agent):
    """Every transition that can be drawn is one that the environment made."""
    replay = agent.replay
    first, last = replay.complete_rows()
    rows = np.arange(first, last) % replay.rows
    slots = rows[:, None] * replay.num_envs + np.arange(replay.num_envs)
    slots = slots[replay.valid[rows]]
    if agent.prioritized:
        assert set(np.flatnonzero(replay.tree[np.arange(replay.valid.size)])) == set(slots.tolist())
        sums = replay.tree.nodes
        np.testing.assert_allclose(sums[1 : replay.tree.first_leaf], sums[2::2] + sums[3::2])
    if not len(slots):
        return
    batch = replay.gather(slots, np.ones(len(slots), np.float32))
    columns = batch.obs, batch.actions, batch.rewards, batch.next_obs, batch.terminated, batch.discounts
    for obs, action, reward, next_obs, terminated, discount in zip(*(column.numpy() for column in columns)):
        episode, time = obs[:2]
        steps = int(next_obs[1] - time)  # fewer than n before the end of an episode, or before a cut
        assert next_obs[0] == episode and 1 <= steps <= replay.n_step and time + steps <= length(episode)
        assert steps > 1 or is_step(obs, action, next_obs)
        assert reward == pytest.approx(sum(replay.gamma**k * pay(episode, time + k) for k in range(steps)))
        assert discount == pytest.approx(replay.gamma**steps)
        assert terminated == (time + steps == length(episode) and episode % 2 == 0)


@pytest.mark.parametrize("num_envs", [1, 4])
@pytest.mark.parametrize(
    "flags",
    [{}, {"n_step": 3}, {"prioritized": True, "n_step": 3}, {"prioritized": True}],
    ids=["plain", "n-step", "prioritized-n-step", "prioritized"],
)
def test_no_replayed_transition_is_one_that_never_was(flags, num_envs):
    agent = tiny(Diary, num_envs=num_envs, replay_size=40 * num_envs, batch_size=8, **flags)
    for _ in disturbed(agent, rounds=25, within=6_000):
        check_replay(agent)


def check_rows(obs, actions, rewards, ended, valid):
    """Each row of a rollout leads to the next, in each environment; an autoreset row leads to another episode."""
    for t in range(len(rewards)):
        for i in range(rewards.shape[1]):
            if valid[t, i]:
                assert is_step(obs[t, i], actions[t, i], obs[t + 1, i])
                assert rewards[t, i] == pay(*obs[t, i, :2])
                assert ended[t, i] == (obs[t + 1, i, 1] == length(obs[t, i, 0]))
            else:
                assert obs[t + 1, i, 1] == 0 and obs[t + 1, i, 0] > obs[t, i, 0] and rewards[t, i] == 0


@pytest.mark.parametrize("algorithm, changes", [(PPO, {}), (TRPO, {}), (PPO, {"num_envs": 1})])
def test_no_rollout_has_a_step_that_never_was(algorithm, changes):
    agent = small(algorithm, Diary, **changes)
    rollouts = record(agent)
    for _ in disturbed(agent, rounds=20, within=15_000):
        for rollout in rollouts:
            ended = rollout.terminated | rollout.truncated
            check_rows(rollout.obs, rollout.actions, rollout.rewards[:-1], ended, rollout.valid)
        rollouts.clear()


def test_whole_episodes_begin_at_their_beginning():
    agent = small(REINFORCE, Diary)
    rollouts = record(agent)
    for _ in disturbed(agent, rounds=20, within=4_000):
        for rollout in rollouts:
            times, ended = rollout.obs[rollout.valid][:, 1], (rollout.terminated | rollout.truncated)[rollout.valid]
            assert times[0] == 0 and ended[-1] and ended.sum() == agent.episodes
            assert (times[1:] == np.where(ended[:-1], 0, times[:-1] + 1)).all()
        rollouts.clear()


@pytest.mark.parametrize("num_envs", [1, 4])
def test_a_recurrent_agent_remembers_nothing_of_an_episode_that_broke_off(num_envs):
    agent = small(A2C, Diary, recurrent=True, num_envs=num_envs)
    segments, play = [], agent.player.play
    agent.player.play = lambda num_steps: segments.append(play(num_steps)) or segments[-1]
    for _ in disturbed(agent, rounds=20, within=15_000):
        for segment in segments:
            ended = segment.terminated | segment.truncated
            check_rows(segment.obs, segment.actions, segment.rewards, ended, segment.valid)
            new = segment.obs[0, :, 1] == 0
            assert segment.lstm_state[:, new].eq(0).all() and segment.lstm_state[:, ~new].ne(0).any(-1).all()
        segments.clear()


@pytest.mark.parametrize("flags", [{}, {"prioritized": True}], ids=["plain", "prioritized"])
def test_a_file_remembers_that_an_iteration_was_broken_off(tmp_path, flags):
    agent, interrupts = tiny(num_envs=2, **flags), Interrupts(seed=1)
    physics = gymnasium.make("CartPole-v1").unwrapped
    for _ in range(12):
        interrupts.strike(agent.learn(10**9), within=4_000)
        save(agent, tmp_path / "agent.pt")
        agent = load(tmp_path / "agent.pt")
        before = agent.replay.added
        next(agent.learn(10**9))
        assert agent.replay.added == before + agent.train_period  # it is not forgotten
        if agent.replay.ready():
            slots = np.array(sorted(complete_slots(agent.replay)))
            batch = agent.replay.gather(slots, np.ones(1, np.float32))
            for obs, action, next_obs in zip(batch.obs.numpy(), batch.actions.tolist(), batch.next_obs.numpy()):
                physics.reset()
                physics.state = obs.astype(float)
                np.testing.assert_allclose(physics.step(action)[0], next_obs, atol=1e-5)


def test_a_running_return_ends_with_its_episodes():
    agent = small(PPO, Diary, normalize=True)
    next(agent.learn(10**9))
    scaling = agent.collector.scaling
    scaling.running_return += 1.0
    mend(agent)
    assert (scaling.running_return == 0).all() and scaling.returns.count > 0


def test_an_iteration_that_ends_by_an_error_of_the_environment_is_broken_off_too():
    agent = tiny(Diary, num_envs=2)
    next(agent.learn(100))
    step, agent.envs.vector.envs[1].step = agent.envs.vector.envs[1].step, None
    with pytest.raises(TypeError):
        next(agent.learn(100))
    agent.envs.vector.envs[1].step = step
    next(agent.learn(100))
    check_replay(agent)
    assert agent.learning.torn is False


def test_an_interrupt_between_two_iterations_breaks_nothing_off():
    agent, whole = tiny(num_envs=2, seed=3), tiny(num_envs=2, seed=3)
    for _ in agent.learn(200):
        if agent.step > 100:
            break
    for one in (agent, whole):
        for _ in one.learn(400):
            pass
    assert weights(agent.network).equal(weights(whole.network))
