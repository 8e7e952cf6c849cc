"""Faulty environments, as students write them: each is refused in one sentence, warned about, or simply works."""

import functools
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from conftest import Frames, assert_as_literal, learn, one_line, play, small, tiny
from gymnasium import wrappers
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlkit import tasks
from rlkit.a2c import A2C
from rlkit.envs import Envs
from rlkit.experiments.museum.dqn import Lottery, lottery_cartpole
from rlkit.experiments.museum.ppo import Corridor
from rlkit.ppo import PPO
from rlkit.replay import Replay
from rlkit.running.resume import play_state, resume_play
from rlkit.training import evaluate

AGENTS = {"ppo": functools.partial(small, PPO), "a2c": functools.partial(small, A2C), "dqn": tiny}
VECTOR = Box(-np.inf, np.inf, (2,), np.float32)


class Task(gymnasium.Env):
    """Right in everything but what a test changes, from its third step on. Episodes of seven steps."""

    def __init__(self, obs=None, reward=1.0, terminated=None, truncated=False, info=None, space=VECTOR, actions=None):
        self.observation_space, self.action_space = space, actions or Discrete(2)
        self.wrong = obs, reward, terminated, truncated, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(self.observation_space.shape, self.observation_space.dtype), {}

    def step(self, action):
        self.time += 1
        right = np.full(self.observation_space.shape, self.time, self.observation_space.dtype)
        if self.time < 3:
            return right, 1.0, False, False, {}
        obs, reward, terminated, truncated, info = self.wrong
        over = self.time == 7 if terminated is None else terminated
        return right if obs is None else obs, reward, over, truncated, {} if info is None else info


def task(**wrong):
    return functools.partial(Task, **wrong)


class OldStep(Task):
    def step(self, action):
        obs, reward, terminated, _, info = super().step(action)
        return obs, reward, terminated, info


class OldReset(Task):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Silent(Task):
    def step(self, action):
        pass


class Infoless(Task):
    def step(self, action):
        return *super().step(action)[:-1], None


class Seedless(Task):
    def reset(self):
        return super().reset()


class Growing(Task):
    def step(self, action):
        obs, *rest = super().step(action)
        return np.zeros(self.time, np.float32) if self.time > 4 else obs, *rest


class Spaceless(gymnasium.Env):
    pass


class Sized(Task):
    def __init__(self, size):
        super().__init__()


class Duck:
    """Has the methods of an environment but is none."""

    def reset(self):
        pass


shared = gymnasium.make("CartPole-v1")

REFUSED = {
    "one environment for all": (lambda: shared, "same environment twice; it must make a new one"),
    "wrappers of one environment": (lambda: wrappers.TimeLimit(shared, 9), "same environment twice"),
    "an environment": (shared, "pass its id, 'CartPole-v1', or a function that makes it"),
    "None": (None, "env=None must be an id such as 'CartPole-v1', or a function"),
    "a number": (3, "env=3 must be an id"),
    "no environment": (Duck, "no environment of Gymnasium; return a gymnasium.Env"),
    "returns nothing": (lambda: None, "returns None, which is no environment"),
    "needs arguments": (Sized, "Sized cannot be called without arguments (missing a required argument: 'size')"),
    "no space": (Spaceless, "Spaceless has no observation_space; set it in __init__"),
    "a vector environment": (lambda: gymnasium.make_vec("CartPole-v1", 2), "returns a vector environment; return one"),
    "misspelt": ("CartPol-v1", "there is none; did you mean 'CartPole-v1'?"),
    "no such version": ("CartPole-v9", "there is none; did you mean 'CartPole-v1'?"),
    "not imported": ("MyTask-v0", "write 'package:MyTask-v0'"),
    "no module": ("no_module:Task-v0", "no module no_module"),
    "malformed": ("Cart Pole", "an id looks like 'CartPole-v1'"),
    "empty": ("", "an id looks like"),
    "no such game": ("ALE/Ponk-v5", "there is none; did you mean 'ALE/Pong-v5'?"),
    "observations normalized": (
        lambda: wrappers.NormalizeObservation(gymnasium.make("CartPole-v1")),
        "NormalizeObservation, whose statistics an evaluation would begin again; remove it, and use normalize=True",
    ),
    "rewards normalized": (
        lambda: wrappers.TimeLimit(wrappers.NormalizeReward(gymnasium.make("CartPole-v1")), 9),
        "CartPoleEnv is wrapped in NormalizeReward, whose statistics an evaluation would begin again; remove it, and "
        "use normalize=True if the agent has that setting, or gymnasium.wrappers.TransformReward with a constant",
    ),
    "old step": (
        OldStep,
        "OldStep.step() returned (array([1., 1.], dtype=float32), 1.0, False, {}); it must return obs",
    ),
    "old reset": (OldReset, "it must return obs, info, as Gymnasium says"),
    "no seed": (Seedless, "Seedless.reset() takes no seed and options; write def reset(self, *, seed=None"),
    "reward of shape (1,)": (task(reward=np.ones(1)), "Task.step() returned the reward array([1.]); it must be one"),
    "reward in words": (task(reward="1.5"), "the reward '1.5'; it must be one number, as float(...) makes it"),
    "reward None": (task(reward=None), "the reward None"),
    "reward a tensor": (task(reward=torch.tensor(1.0)), "the reward tensor(1.)"),
    "terminated in words": (task(terminated="no"), "terminated='no'; it must be True or False"),
    "terminated two": (task(terminated=2), "terminated=2"),
    "truncated None": (task(truncated=None), "truncated=None; it must be True or False, as bool(...) makes it"),
    "observation too long": (
        task(obs=np.zeros(3)),
        "an observation of the shape (3,), but its observation_space is Box",
    ),
    "observation of a batch": (task(obs=np.zeros((1, 2))), "an observation of the shape (1, 2)"),
    "observation a number": (task(obs=0.0), "an observation of the shape ()"),
    "observation in words": (task(obs="left"), "the observation 'left', but"),
    "observation ragged": (task(obs=[[1], [1, 2]]), "the observation [[1], [1, 2]]"),
    "observation with a gradient": (task(obs=torch.zeros(2, requires_grad=True)), "return an array of numbers"),
    "observation grows": (Growing, "an observation of the shape (5,)"),
    "too long for a stack": (
        lambda: wrappers.FrameStackObservation(Task(obs=np.zeros(3)), 2),
        "Task.step() returned something its wrapper cannot take (",
    ),
    "no space, with Gymnasium's checks": (
        lambda: wrappers.PassiveEnvChecker(Spaceless()),
        "cannot be made: The environment must specify an action space.",
    ),
    "no answer, with Gymnasium's checks": (
        lambda: wrappers.PassiveEnvChecker(Silent()),
        "Silent.step() returned something its wrapper cannot take (Expects step result to be a tuple",
    ),
    "no info, with Gymnasium's checks": (
        lambda: wrappers.PassiveEnvChecker(Infoless()),
        "Infoless.step() returned something its wrapper cannot take (The `info` returned by `step()` must be",
    ),
    "pixels as fractions": (
        task(obs=np.full((1, 20, 20), 0.5), space=Box(0, 255, (1, 20, 20), np.uint8)),
        "float64 numbers that uint8 cannot hold",
    ),
}

WORKS = {
    "a class": Task,
    "a partial": task(reward=2),
    "an id with its module": "gymnasium:CartPole-v1",
    "reward a boolean": task(reward=True),
    "reward an integer": task(reward=np.int8(3)),
    "reward of 32 bits": task(reward=np.float32(0.5)),
    "flags of NumPy": task(terminated=np.bool_(False), truncated=np.bool_(True)),
    "flags 0 and 1": task(terminated=0, truncated=1),
    "both flags": task(terminated=True, truncated=True),
    "observation of 64 bits": task(obs=np.zeros(2)),
    "observation a list": task(obs=[0, 1]),
    "observation a tensor": task(obs=torch.zeros(2)),
    "info None": task(info=()),
    "start of the actions": task(actions=Discrete(3, start=5)),
}


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("env, sentence", REFUSED.values(), ids=REFUSED)
def test_a_fault_is_named_in_one_sentence(env, sentence, agent):
    with pytest.raises(ValueError) as error:
        made = AGENTS[agent](env)
        learn(made, 100)
        evaluate(made, 2)  # one environment alone is shared only with the evaluation's
    assert sentence in one_line(error)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("env", WORKS.values(), ids=WORKS)
def test_what_is_only_unusual_works(env, agent):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = AGENTS[agent](env)
        learn(made, 100)
    assert np.isfinite(evaluate(made, 2)).all()


@pytest.mark.parametrize("method", ["__init__", "reset", "step"])
def test_an_error_of_the_environment_itself_keeps_its_traceback_and_gets_a_note(method):
    def fail(*args, **kwargs):
        raise KeyError("my bug")

    broken = type("Broken", (Task,), {method: fail})
    with pytest.raises(KeyError, match="my bug") as error:
        learn(small(PPO, broken), 100)
    assert error.traceback[-1].name == "fail"
    assert "environment 0" in error.value.__notes__[0] and "Broken" in error.value.__notes__[0]


def test_data_that_come_to_their_end_are_no_riddle():
    class Prices(Task):
        def step(self, action):
            self.prices = getattr(self, "prices", iter(range(10)))
            next(self.prices)
            return super().step(action)

    for agent in AGENTS.values():
        with pytest.raises(ValueError, match=r"Prices.step\(\) raised StopIteration after \d+ steps") as error:
            learn(agent(Prices), 200)
        one_line(error)
        assert isinstance(error.value.__cause__, StopIteration)


def test_a_wrapper_that_meets_an_old_step_is_no_riddle():
    with pytest.raises(ValueError, match=r"must return obs, reward, terminated, truncated, info") as error:
        learn(small(PPO, lambda: wrappers.TimeLimit(OldStep(), 9)), 100)
    one_line(error)


def test_infos_that_differ_in_type_are_no_matter():
    infos = iter([{"a": 1}, {"a": "one"}, {"a": np.zeros(3)}, {"a": {"b": None}}] * 9)
    learn(small(PPO, lambda: Task(info=next(infos))), 200)


@pytest.mark.parametrize(
    "env, sentence",
    [
        (task(obs=np.float32([5, 0]), space=Box(-4, 4, (2,))), "shows an observation outside its observation_space"),
        (task(actions=Box(-1000, 1000, (2,))), r"RescaleAction\(env, -1, 1\)"),
        (task(actions=Box(100, 102, (2,))), r"RescaleAction\(env, -1, 1\)"),
    ],
)
def test_what_cannot_be_meant_is_warned_about(env, sentence):
    with pytest.warns(UserWarning, match=sentence):
        learn(small(PPO, env), 100)


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCarContinuous-v0", Task])
def test_usual_environments_raise_no_warning(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = Envs(env, 2, seed=0)
        for _ in range(300):
            envs.step(np.array([envs.action_space.sample() for _ in range(2)]))


def test_an_environment_in_use_is_not_given_to_another_agent_until_it_is_closed():
    env = Task()
    agent = tiny(lambda: env)
    with pytest.raises(ValueError, match="same environment twice"):
        tiny(lambda: env)
    agent.envs.close()
    tiny(lambda: env)


# Arrays that are used again ---------------------------------------------------------------------------------


class Reusing(Task):
    """All copies show one array, and write into it."""

    array = np.zeros(2, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.look()

    def look(self):
        self.array[:] = id(self) % 1000, self.time
        return self.array, {}

    def step(self, action):
        obs, *rest = super().step(action)
        return self.look()[0], *rest


def reusing(num_envs, max_episode_steps=None):
    return SyncVectorEnv([Task] * num_envs, copy=False)


@pytest.fixture
def registered():
    """`name(vector_entry_point)` -> an id that has it."""
    names = []

    def register(vector_entry_point, entry_point=Task):
        names.append(f"Vector{len(names)}-v0")
        gymnasium.register(names[-1], entry_point, vector_entry_point=vector_entry_point)
        return names[-1]

    yield register
    for name in names:
        del gymnasium.registry[name]


@pytest.mark.parametrize("native", [False, True])
def test_observations_are_safe_to_keep(native, registered):
    envs = Envs(registered(reusing) if native else Reusing, 4, seed=0)
    kept = [envs.obs]
    copies = [envs.obs.copy()]
    for _ in range(10):
        kept.append(envs.step(np.zeros(4, int))[0])
        copies.append(kept[-1].copy())
    np.testing.assert_array_equal(kept, copies)
    assert [obs[0, 1] for obs in kept] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2]
    assert len(set(kept[0][:, 0].tolist())) == (1 if native else 4)


@pytest.mark.parametrize(
    "space", [Discrete(4), MultiBinary(4), MultiDiscrete([2] * 4), Box(0, 1, (4,), np.int8)], ids=str
)
def test_copies_that_share_an_array_are_told_apart(space):
    shared_array = np.zeros(space.shape, space.dtype)

    class Sharing(Task):
        made = 0

        def __init__(self):
            super().__init__(space=space)
            self.number = Sharing.made
            Sharing.made += 1

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            shared_array[...] = self.number if space.shape == () else np.arange(4) == self.number
            return shared_array, {}

    envs = Envs(Sharing, 3, seed=0)
    assert len({tuple(row) for row in envs.obs.tolist()}) == 3


# Vector environments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", AutoresetMode)
def test_only_the_autoreset_mode_that_agents_expect_is_accepted(mode, registered):
    def vector(num_envs):
        return SyncVectorEnv([Task] * num_envs, autoreset_mode=mode)

    env = registered(vector)
    if mode == AutoresetMode.NEXT_STEP:
        assert Envs(env, 4, seed=0).num_envs == 4
        return
    with pytest.raises(ValueError, match=f"{mode.name}.* NEXT_STEP") as error:
        Envs(env, 4, seed=0)
    one_line(error)
    with pytest.raises(ValueError, match="NEXT_STEP"):  # there is no other version of it, also for one environment
        Envs(registered(vector, entry_point=None), 1, seed=0)


@pytest.mark.parametrize(
    "field, value, sentence",
    [(1, 1.0, "an array of 4 numbers"), (2, False, "an array of 4 booleans"), (0, np.zeros(4), r"\(4,\)")],
)
def test_the_answers_of_a_vector_environment_are_checked(field, value, sentence, registered):
    class Wrong(SyncVectorEnv):
        def step(self, actions):
            answer = list(super().step(actions))
            answer[field] = value
            return tuple(answer)

    envs = Envs(registered(lambda num_envs: Wrong([Task] * num_envs)), 4, seed=0)
    with pytest.raises(ValueError, match=sentence) as error:
        envs.step(np.zeros(4, int))
    one_line(error)


# Frames, lives, actions -------------------------------------------------------------------------------------


class Planes(Frames):
    """Three planes that are no stack of frames: each step draws all of them."""

    def __init__(self, planes=3):
        super().__init__()
        self.observation_space = Box(0, 255, (planes, 16, 16), np.uint8)

    def look(self):
        self.shown += 1
        return np.random.default_rng(self.shown).integers(256, size=self.observation_space.shape).astype(np.uint8)


class OneFrame(Planes):
    def __init__(self):
        super().__init__()
        self.observation_space = Box(0, 255, (16, 16), np.uint8)


def stack(padding_type="zero", make=OneFrame, above=lambda env: env):
    return above(wrappers.FrameStackObservation(make(), 4, padding_type=padding_type))


@pytest.mark.parametrize(
    "env, stacked",
    [
        (Planes, False),
        (stack, True),
        (lambda: stack(above=lambda env: wrappers.TimeLimit(env, 5)), True),
        (lambda: stack("reset"), False),
        (lambda: stack(above=lambda env: wrappers.TransformObservation(env, lambda x: x[::-1], None)), False),
        ("ALE/Pong-v5", True),
        ("CartPole-v1", False),
    ],
)
def test_only_stacks_of_frames_are_stored_frame_by_frame(env, stacked):
    agent = tiny(env, num_envs=2, replay_size=60)
    assert agent.replay.stack == (4 if stacked else None)
    if env == "ALE/Pong-v5":
        return
    rows = list(play(agent.envs, 25))
    for row in rows:
        agent.replay.add(*row)
    slots = np.flatnonzero(agent.replay.valid[:24])
    slots = slots[slots // 2 >= 3]
    assert_as_literal(agent.replay, agent.replay.gather(slots, np.ones(len(slots))), rows)


def test_lives_are_needed_where_a_lost_life_is_to_count():
    with pytest.raises(ValueError, match="life_loss=True needs lives, but .* CartPole-v1 returns none") as error:
        Envs("CartPole-v1", 1, seed=0, life_loss=True)
    one_line(error)


@pytest.mark.parametrize("actions", [(), (0, 2), (0.5,), (-1, 0), (True, False)])
def test_chosen_actions_are_different_ones_that_exist(actions):
    with pytest.raises(ValueError, match="must be some of the actions 0 to 1 of CartPole-v1") as error:
        Envs("CartPole-v1", 1, seed=0, actions=actions)
    one_line(error)


@pytest.mark.parametrize("frame_size", [1, 14, 161, 10**6])
def test_a_game_is_shown_in_a_sensible_size(frame_size):
    with pytest.raises(ValueError, match=f"frame_size={frame_size} must lie between 15 and 160"):
        Envs("ALE/Pong-v5", 1, seed=0, frame_size=frame_size)


@pytest.mark.parametrize("env", ["Acrobot-v1", Task, "ALE/Pong-v5", "CartPole-v1"])
def test_more_environments_than_fit_are_refused_before_they_are_made(env):
    with pytest.raises(ValueError, match="num_envs=1000000000 of .* needs .* GiB"):
        Envs(env, 10**9, seed=0)


# The ends of episodes ---------------------------------------------------------------------------------------


def test_an_episode_that_is_terminated_and_truncated_at_once_ends_without_bootstrap():
    envs = Envs(task(terminated=True, truncated=True), 1, seed=0)
    replay = Replay(20, 1, (2,), np.float32)
    rows = list(play(envs, 12))
    for row in rows:
        replay.add(*row)
    batch = replay.gather(np.flatnonzero(replay.valid[:11]), np.ones(1))
    assert [bool(row.terminated[0] and row.truncated[0]) for row in rows[:4]] == [False, False, True, False]
    assert batch.terminated.tolist()[:4] == [False, False, True, False]
    assert batch.next_obs[:3, 0].tolist() == [1, 2, 3]  # the true last observation, not that of the new episode
    assert len(envs.pop_finished()) == 3


def test_the_last_observation_of_an_atari_game_is_its_own():
    envs = Envs("ALE/Breakout-v5", 1, seed=0, frame_size=42)
    ended = None
    for _ in range(2_000):
        before = envs.obs
        obs, _, terminated, truncated, valid = envs.step(np.zeros(1, int) + envs.steps % 4)
        if ended is not None:
            assert not valid[0] and not obs[0, :3].any()  # a new stack begins, 0 before its first frame
            break
        assert valid[0] and (obs[0, :3] == before[0, 1:]).all()  # also in the last step
        ended = obs if terminated[0] or truncated[0] else None
    assert ended is not None


# Our own environments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        *(env for env in vars(tasks).values() if isinstance(env, type) and issubclass(env, gymnasium.Env)),
        functools.partial(tasks.Catch, 4, "table", True),
        lottery_cartpole,
        Corridor,
        functools.partial(Task),
    ],
)
@pytest.mark.filterwarnings("ignore:.*WARN")
def test_gymnasium_finds_no_fault_in_our_own_environments(make):
    check_env(make(), skip_render_check=True)


def test_a_wrapper_can_be_made_again_from_its_spec():
    delayed = tasks.DelayedCartPole(delay=0.0)
    again = delayed.spec.make()
    assert type(again) is tasks.DelayedCartPole and again.delay == 0.0
    assert isinstance(lottery_cartpole().spec.make(), Lottery)
    assert isinstance(tasks.BlindCartPole().spec.make(), tasks.BlindCartPole)


def test_a_stored_state_of_environments_with_other_wrappers_begins_new_episodes():
    agent = tiny("CartPole-v1")
    assert resume_play(agent, play_state(agent))
    stored = play_state(agent)
    stored["envs"]["parts"].insert(1, {})
    assert not resume_play(agent, stored)
    learn(agent, 60)
