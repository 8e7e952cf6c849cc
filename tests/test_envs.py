"""The convention for the end of an episode, and environments that are refused."""

import itertools

import numpy as np
import pytest
from conftest import Counting, Frames, complete_slots, one_line, play, tiny
from gymnasium.spaces import Box, Discrete

from rlkit.envs import Envs
from rlkit.replay import Replay

# The end of an episode --------------------------------------------------------------------------------------


def counting_envs(*lengths):
    """One environment for each length, whose episodes all have that length."""
    each = itertools.cycle(lengths)
    return Envs(lambda: Counting((next(each),)), len(lengths), seed=0)


def test_every_valid_row_is_a_true_transition_and_every_other_row_an_autoreset_row():
    envs = counting_envs(3, 1, 5)
    rows = list(play(envs, 60))
    for row, after in zip(rows, [*rows[1:], None]):
        for i, length in enumerate((3, 1, 5)):
            episode, time = row.obs[i]
            next_episode, next_time = after.obs[i] if after else envs.obs[i]
            over = row.terminated[i], row.truncated[i]
            if row.valid[i]:
                assert (next_episode, next_time) == (episode, time + 1)
                assert row.rewards[i] == 10 * episode + next_time
                end = next_time == length
                assert over == (end and episode % 2 == 0, end and episode % 2 == 1)
            else:
                assert time == length
                assert (next_episode, next_time, row.rewards[i], *over) == (episode + 1, 0, 0, False, False)
    valid = np.stack([row.valid for row in rows])
    assert valid.mean(0).tolist() == [3 / 4, 1 / 2, 5 / 6]


def test_episodes_report_their_return_length_and_step():
    envs = counting_envs(3, 1)
    for _ in play(envs, 8):
        pass
    # Environment 0 ends an episode at step 3, is reset in step 4 and ends at 7; environment 1 ends at each odd step.
    expected = [(1, 1, 2), (1 + 2 + 3, 3, 6), (11, 1, 6), (21, 1, 10), (31, 1, 14), (11 + 12 + 13, 3, 14)]
    finished = envs.pop_finished()
    assert sorted(finished, key=lambda e: (e.step, e.total_reward)) == expected
    assert envs.pop_finished() == []


def test_again_makes_the_same_kind_of_environment_and_leaves_this_one_alone():
    envs = Envs("CartPole-v1", 3, seed=5, actions=(1,))
    before = envs.obs.copy()
    other = envs.again(5, seed=5)
    assert other.obs.shape == (5, 4) and other.actions.tolist() == [1] and other.steps == 0
    np.testing.assert_array_equal(Envs("CartPole-v1", 3, seed=5).obs, before)
    np.testing.assert_array_equal(envs.again(3, seed=5).obs, before)
    assert not np.array_equal(envs.again(3, seed=6).obs, before)
    other.step(np.zeros(5, int))
    np.testing.assert_array_equal(envs.obs, before)


# Physics ----------------------------------------------------------------------------------------------------


def cartpole(obs, action):
    """Barto, Sutton and Anderson 1983, as corrected by Florian 2007: the state 0.02 s later."""
    x, x_dot, angle, angle_dot = obs
    force, gravity, cart, pole, half_length = (10.0 if action == 1 else -10.0), 9.8, 1.0, 0.1, 0.5
    sin, cos = np.sin(angle), np.cos(angle)
    push = (-force - pole * half_length * angle_dot**2 * sin) / (cart + pole)
    angle_acc = (gravity * sin + cos * push) / (half_length * (4 / 3 - pole * cos**2 / (cart + pole)))
    x_acc = (force + pole * half_length * (angle_dot**2 * sin - angle_acc * cos)) / (cart + pole)
    return np.array([x, x_dot, angle, angle_dot]) + 0.02 * np.array([x_dot, x_acc, angle_dot, angle_acc])


@pytest.mark.parametrize("num_envs", [1, 3, 8])
@pytest.mark.parametrize("limit, right, truncates, terminates", [(7, 0.5, 1, 0), (12, 0.8, 1, 1), (500, 0.5, 0, 1)])
def test_replayed_transitions_obey_the_physics_of_cartpole(
    short_cartpole, num_envs, limit, right, truncates, terminates
):
    envs = Envs(short_cartpole(limit), num_envs, seed=1)
    native = type(envs.vector).__name__ == "CartPoleVectorEnv"
    assert native == (num_envs == 8)
    replay = Replay(300, num_envs, (4,), np.float32)
    rows = list(play(envs, 700 // num_envs, right=right))
    for row in rows:
        replay.add(*row)
    batch = replay.gather(np.array(sorted(complete_slots(replay))), np.ones(1))
    assert len(batch.slots) > 200
    columns = batch.obs, batch.actions, batch.next_obs, batch.terminated
    for obs, action, next_obs, over in zip(*(column.numpy() for column in columns)):
        np.testing.assert_allclose(next_obs, cartpole(obs.astype(float), action), atol=1e-5)
        assert over == (abs(next_obs[0]) > 2.4 or abs(next_obs[2]) > np.radians(12))
    assert (batch.rewards == 1).all()
    assert batch.terminated.any() == bool(terminates)
    assert any(row.truncated.any() for row in rows) == bool(truncates)
    assert max(episode.length for episode in envs.pop_finished()) <= limit


# Lives and actions ------------------------------------------------------------------------------------------


class Lives(Counting):
    """Three lives of two steps each; the game is over with the last."""

    def __init__(self):
        super().__init__((6,))

    def reset(self, **kwargs):
        return super().reset(**kwargs)[0], {"lives": 3}

    def step(self, action):
        obs, reward, *_ = super().step(action)
        return obs, reward, self.time == 6, False, {"lives": 3 - self.time // 2}


def test_a_lost_life_is_terminal_and_the_game_goes_on():
    envs = Envs(Lives, 2, seed=0, life_loss=True)
    rows = list(play(envs, 14))
    for t, row in enumerate(rows):  # six steps and an autoreset row, twice
        assert row.terminated.tolist() == [t % 7 in (1, 3, 5)] * 2
        assert row.valid.tolist() == [t % 7 != 6] * 2
    assert [episode.length for episode in envs.pop_finished()] == [6, 6, 6, 6]
    plain = Envs(Lives, 2, seed=0)
    assert [row.terminated[0] for row in play(plain, 7)] == [False] * 5 + [True, False]


class Bonus(Lives):
    """Gains a life and is truncated with it after two steps."""

    def step(self, action):
        obs, reward, *_ = super().step(action)
        return obs, reward, False, self.time == 2, {"lives": 4}


def test_a_new_game_with_fewer_lives_is_not_a_lost_life():
    envs = Envs(Bonus, 1, seed=0, life_loss=True)
    assert not any(row.terminated[0] for row in play(envs, 12))
    assert len(envs.pop_finished()) == 4


class Actions(Counting):
    """Shows which action it got."""

    def __init__(self, n=4, start=0):
        super().__init__()
        self.action_space = Discrete(n, start=start)

    def step(self, action):
        assert self.action_space.contains(action)
        return np.array([0, action], np.float32), 0.0, False, False, {}


@pytest.mark.parametrize("start", [0, -1])
def test_actions_are_chosen_by_index(start):
    envs = Envs(lambda: Actions(start=start), 2, seed=0, actions=(3, 1))
    assert envs.step(np.array([0, 1]))[0][:, 1].tolist() == [3 + start, 1 + start]
    everything = Envs(lambda: Actions(start=start), 4, seed=0)
    assert everything.step(np.arange(4))[0][:, 1].tolist() == [start, 1 + start, 2 + start, 3 + start]
    assert tiny(lambda: Actions(start=start)).num_actions == 4
    assert tiny(lambda: Actions(start=start), actions=(3, 1)).num_actions == 2


@pytest.mark.parametrize("env, actions", [("CartPole-v1", (2,)), ("CartPole-v1", (-1,)), ("Pendulum-v1", (0,))])
def test_actions_that_do_not_exist_are_refused(env, actions):
    with pytest.raises(ValueError, match=env) as error:
        Envs(env, 1, seed=0, actions=actions)
    assert str(actions) in one_line(error)


class Receiving(Counting):
    """Takes two continuous actions and keeps what it received."""

    def __init__(self, low, high):
        super().__init__((100,))
        self.action_space = Box(np.float32(low), np.float32(high))
        self.received = []

    def step(self, action):
        self.received.append(action.copy())
        return super().step(action)


@pytest.mark.parametrize(
    "low, high, expected",
    [
        ((-1, 0), (1, 5), [[-1, 5], [0.5, 3], [1, 0]]),
        ((-np.inf, -1), (0, np.inf), [[-7, 9], [0, 3], [0, -1]]),
        ((-np.inf, -np.inf), (np.inf, np.inf), [[-7, 9], [0.5, 3], [3, -2]]),
    ],
)
def test_continuous_actions_are_clipped_to_the_bounds_of_each_dimension(low, high, expected):
    made = []
    envs = Envs(lambda: made.append(Receiving(low, high)) or made[-1], 3, seed=0)
    actions = np.float32([[-7, 9], [0.5, 3], [3, -2]])
    before = actions.copy()
    envs.step(actions)
    assert [env.received[0].tolist() for env in made[-3:]] == expected
    assert (actions == before).all()  # the learner keeps the unclipped action
    assert envs.num_actions is None and envs.actions is None


@pytest.mark.parametrize("env, actions, expected", [(Counting, None, 2), (Frames, None, 3), (Frames, (2, 1), 2)])
def test_num_actions_counts_the_actions_that_can_be_chosen(env, actions, expected):
    envs = Envs(env, 2, seed=0, actions=actions)
    assert envs.num_actions == expected and type(envs.num_actions) is int
    assert Envs(lambda: Actions(start=-1), 2, seed=0).num_actions == 4


# What is refused --------------------------------------------------------------------------------------------


class Broken(Counting):
    """Returns a bad number at its fifth step."""

    def __init__(self, reward=1.0, obs=0.0):
        super().__init__((100,))
        self.bad = reward, obs

    def step(self, action):
        obs, reward, *rest = super().step(action)
        if self.time == 5:
            reward, obs = self.bad[0], obs + np.float32(self.bad[1])
        return obs, reward, *rest


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["reward", "obs"])
def test_nan_and_infinity_stop_the_run_at_once_and_say_where(where, bad):
    makers = iter([Counting, lambda: Broken(**{where: bad})])
    envs = Envs(lambda: next(makers)(), 2, seed=0)
    with pytest.raises(ValueError) as error:
        list(play(envs, 10))
    assert envs.steps == 8  # two environments took four good steps
    what = {"reward": "reward", "obs": "observation"}[where]
    assert f"Environment 1 returned the {what}" in str(error.value)
    assert str(bad) in str(error.value) and "step 8" in one_line(error) and "fix" in str(error.value)


@pytest.mark.parametrize("env", ["NoSuchTask-v0", "CartPole-v99", "no_package:Task-v0", "ALE/NoSuchGame-v5"])
def test_an_unknown_id_is_named(env):
    with pytest.raises(ValueError, match="cannot be made") as error:
        Envs(env, 1, seed=0)
    assert repr(env) in str(error.value)


def test_continuous_actions_are_refused_with_the_cure():
    with pytest.raises(ValueError, match="Pendulum-v1 takes continuous actions") as error:
        tiny("Pendulum-v1")
    assert "policy gradient" in one_line(error)


def test_frames_are_bytes():
    envs = Envs(Frames, 2, seed=0)
    assert (envs.obs.shape, envs.obs.dtype) == ((2, 4, 16, 16), np.uint8)
