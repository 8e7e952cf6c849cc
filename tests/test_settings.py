"""Every setting of every agent: what is refused, in which words, and what is accepted and becomes plain Python."""

import dataclasses
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from conftest import learn, one_line, small, weights

from rlkit import A2C, A3C, DQN, PPO, REINFORCE, TRPO, Gorila, load, save
from rlkit.__main__ import setting
from rlkit.presets import PRESETS, preset, presets
from rlkit.running import settings
from rlkit.running.kinds import (
    BelowOne,
    Count,
    CountOrZero,
    Limit,
    NotNegative,
    Number,
    Positive,
    Seed,
    ZeroToOne,
)
from rlkit.running.settings import check_settings

ALL = (DQN, Gorila, REINFORCE, TRPO, PPO, A2C, A3C)
ENV = str | Callable  # checked where the environment is made
FIELDS = [
    pytest.param(algorithm, name, kind, id=f"{algorithm.__name__}-{name}")
    for algorithm in ALL
    for name, kind in get_type_hints(algorithm, include_extras=True).items()
    if kind != ENV
]

THINGS = [{}, {"a": 1}, set(), 1j, np.complex64(1), b"1", object(), int, len, torch.ones(2, 2), np.ones((2, 2)), [[1]]]
NO_NUMBERS = [*THINGS, True, np.True_, "1", "", "inf", "x" * 500, nan, np.float32(nan), Decimal("NaN"), Decimal("sNaN")]
NO_COUNTS = [*NO_NUMBERS, -1, -1.0, 1.5, np.float64(0.5), np.int8(-1), Fraction(1, 2), -inf, inf, 1e300, -(10**5000)]
NO_FLOATS = [*NO_NUMBERS, -inf, 1e300, 1e-300, 10**400, -(10**400), -(10**5000)]
NEGATIVE = [-1, -1e-9, np.float32(-1), Fraction(-1, 2), Decimal(-1)]
NO_TUPLES = [
    "64",
    b"64",
    {1: 1},
    {64},
    range(3),
    iter([1]),
    object(),
    ("1",),
    (None,),
    (True,),
    ((1,),),
    (nan,),
    (inf,),
]

WRONG = {
    bool: ["True", "False", "no", "", 0, 1, 1.0, nan, np.int64(1), torch.ones(()), (True,), None, *THINGS],
    bool | None: ["True", "None", "", 0, 1, nan, (True,), *THINGS],
    bool | Literal["obs", "rewards"]: ["True", "OBS", "both", "", 0, 1, 1.0, nan, ("obs",), None, *THINGS],
    str: [0, True, 1.5, nan, ("cpu",), None, *THINGS],
    str | None: [0, True, 1.5, nan, ("local",), *THINGS],
    Count: [*NO_COUNTS, 0, 0.0, np.int64(0), None, (1,)],
    CountOrZero: [*NO_COUNTS, None, (1,)],
    Seed: [*NO_COUNTS, 2**31, 2**32, 2**63, 2**64, None, (1,)],
    Number: [*NO_FLOATS, inf, None],
    Positive: [*NO_FLOATS, *NEGATIVE, 0, 0.0, -0.0, inf, None, (1.0,)],
    Limit: [*NO_FLOATS, *NEGATIVE, 0, 0.0, None, (1.0,)],
    NotNegative: [*NO_FLOATS, *NEGATIVE, inf, None, (1.0,)],
    ZeroToOne: [*NO_FLOATS, *NEGATIVE, 1.5, 2, 1 + 1e-9, inf, None, (1.0,)],
    BelowOne: [*NO_FLOATS, *NEGATIVE, 1, 1.0, 2, inf, None, (0.5,)],
    Count | None: [*NO_COUNTS, 0, (1,), ()],
    tuple[Count, ...]: [*NO_TUPLES, 64, None, (0,), (64, -1), (1.5,), [64, "64"], (64, 1e300)],
    tuple[CountOrZero, ...] | None: [*NO_TUPLES, 0, (-1,), (0.5,), (0, 2, "3"), ()],
    tuple[BelowOne, BelowOne]: [*NO_TUPLES, 0.9, None, (), (0.9,), (0.9, 0.99, 0.999), (0.9, 1), (0.9, 1.5), (-0.1, 0)],
    Number | tuple[Number, ...]: [*NO_TUPLES, inf, None, (0.0, nan), (1e300,), ()],
    Positive | tuple[Positive, ...] | None: [*NO_TUPLES, *NEGATIVE, 0, inf, (1.0, 0.0), (1, -1), (1e-300,), ()],
}
NUMBERS = [1, 1.0, np.float32(1), np.int8(1), np.array(1.0), torch.tensor(1), Fraction(1), Decimal(1)]
UNIT = [(value, 1.0) for value in NUMBERS] + [(0, 0.0), (Fraction(1, 2), 0.5)]
COUNTS = [(value, 1) for value in NUMBERS] + [(1e3, 1_000), (np.uint8(255), 255), (np.array([[20]])[0, 0], 20)]
SMALLEST = {"frame_size": 15, "replay_size": 3}
OTHERS = {"kl_min": {"kl_max": 10}, "replay_size": {"learning_starts": 0}}  # what else they are compared with
RIGHT = {
    bool: [(True, True), (np.False_, False), (torch.tensor(True), True)],
    bool | None: [(True, True), (np.False_, False), (None, None)],
    bool | Literal["obs", "rewards"]: [(True, True), (np.False_, False), ("obs", "obs"), ("rewards", "rewards")],
    str: [("cpu", "cpu"), (torch.device("cpu"), "cpu"), (np.str_("auto"), "auto")],
    str | None: [(None, None), ("auto", "auto")],
    Count: COUNTS,
    CountOrZero: [*COUNTS, (0, 0), (0.0, 0)],
    Seed: [*COUNTS, (0, 0), (np.int64(3), 3)],
    Number: [*UNIT, (-1, -1.0), (1e30, 1e30)],
    Positive: [(value, 1.0) for value in NUMBERS],
    Limit: [(1, 1.0), (inf, inf), (np.inf, inf), (Decimal("inf"), inf)],
    NotNegative: [*UNIT, (100, 100.0)],
    ZeroToOne: UNIT,
    BelowOne: [(0, 0.0), (np.float64(0.999), 0.999)],
    Count | None: [*COUNTS, (None, None)],
    tuple[Count, ...]: [((), ()), ([], ()), ((1,), (1,)), ([64, 2.0], (64, 2)), (np.array([8, 9]), (8, 9))],
    tuple[CountOrZero, ...] | None: [(None, None), ((0,), (0,)), (np.array([1, 0]), (1, 0)), ([1], (1,))],
    tuple[BelowOne, BelowOne]: [((0, 0), (0.0, 0.0)), ([0.9, 0.99], (0.9, 0.99)), (torch.zeros(2), (0.0, 0.0))],
    Number | tuple[Number, ...]: [(-1, -1.0), ((0, -2.5), (0.0, -2.5)), (np.zeros(2), (0.0, 0.0)), ([1], (1.0,))],
    Positive | tuple[Positive, ...] | None: [
        (None, None),
        (3, 3.0),
        ([1, 2.5], (1.0, 2.5)),
        (torch.ones(2), (1.0, 1.0)),
    ],
}


def wrong_values(kind):
    if get_origin(kind) is Literal:
        word = get_args(kind)[0]
        return ["x", "", word.upper(), word + " ", 0, nan, True, (word,), [word], None, *THINGS]
    return WRONG[kind]


def right_values(kind):
    return [(word, word) for word in get_args(kind)] if get_origin(kind) is Literal else RIGHT[kind]


def checked(algorithm, **settings):
    """An agent with these settings after its check, without its environments and networks."""
    agent = object.__new__(algorithm)
    defaults = {field.name: field.default for field in dataclasses.fields(algorithm)}
    vars(agent).update(defaults | settings)
    check_settings(agent)
    return agent


# Each alone ---------------------------------------------------------------------------------------------------


def test_every_kind_is_tried():
    kinds = {param.values[2] for param in FIELDS}
    assert {kind for kind in kinds if get_origin(kind) is not Literal} <= WRONG.keys() == RIGHT.keys()
    assert len(FIELDS) > 140


@pytest.mark.parametrize("algorithm, name, kind", FIELDS)
def test_an_impossible_value_is_refused_in_one_sentence(algorithm, name, kind):
    for value in wrong_values(kind):
        with pytest.raises(ValueError) as error:
            checked(algorithm, **{name: value})
        assert re.match(rf"{name}=.+ (must (not )?be|is too) ", one_line(error)), one_line(error)
        assert len(str(error.value)) < 250


@pytest.mark.parametrize("algorithm, name, kind", FIELDS)
def test_a_possible_value_becomes_plain(algorithm, name, kind):
    for value, expected in right_values(kind):
        if expected == 1 and name in SMALLEST:
            value = expected = SMALLEST[name] * (2 if algorithm is Gorila else 1)  # two workers share it
        result = getattr(checked(algorithm, **{name: value}, **OTHERS.get(name, {})), name)
        assert result == expected and type(result) is type(expected), value
        if isinstance(expected, tuple):
            assert [type(x) for x in result] == [type(x) for x in expected], value


@pytest.mark.parametrize("algorithm", ALL)
def test_defaults_stay_as_they_are(algorithm):
    agent = checked(algorithm)
    for field in dataclasses.fields(algorithm):
        value = getattr(agent, field.name)
        assert value == field.default and type(value) is type(field.default), field.name


def test_a_long_value_is_cut_and_a_huge_one_is_not_printed():
    with pytest.raises(ValueError, match=r"^gamma='x{76}\.\.\. must be a number from 0 to 1\.$"):
        checked(PPO, gamma="x" * 1000)
    with pytest.raises(ValueError, match=r"^seed=a huge number must be a whole number"):
        checked(PPO, seed=10**5000)


def test_types_may_be_written_as_strings():
    @dataclasses.dataclass
    class Agent:
        gamma: "ZeroToOne" = 0.9
        frame_size: "Count" = 84
        seed: "Seed" = 0

    assert checked(Agent, gamma=np.float32(0.5), seed=3.0) == Agent(0.5, seed=3)
    with pytest.raises(ValueError, match=r"^gamma=2 must be a number from 0 to 1\.$"):
        checked(Agent, gamma=2)


SENTENCES = [
    (PPO, {"gamma": 2}, "gamma=2 must be a number from 0 to 1."),
    (PPO, {"learning_rate": np.float64(-1)}, "learning_rate=-1.0 must be a finite number above 0."),
    (PPO, {"hidden": 64}, "hidden=64 must be a tuple of whole numbers above 0, such as (64, 64)."),
    (PPO, {"variant": "x"}, "variant='x' must be one of 'clip', 'adaptive_kl'."),
    (PPO, {"reward_clip": 0}, "reward_clip=0 must be a number above 0, or inf."),
    (PPO, {"anneal_steps": 0}, "anneal_steps=0 must be a whole number above 0, or None."),
    (PPO, {"normalize": "yes"}, "normalize='yes' must be True or False, or one of 'obs', 'rewards'."),
    (PPO, {"entropy_coef": 1e-300}, "entropy_coef=1e-300 is too close to 0; stay above 1e-30."),
    (PPO, {"num_envs": 10**9}, "num_envs=1000000000 is too large; take at most 100000."),
    (DQN, {"hidden": (64, 10**9)}, "hidden=(64, 1000000000) is too large; take at most 1000000."),
    (DQN, {"obs_scale": -1},
     "obs_scale=-1 must be a finite number above 0, a tuple of finite numbers above 0, or None."),
    (A2C, {"adam_betas": (0.9, 1.5)},
     "adam_betas=(0.9, 1.5) must be a tuple of 2 numbers of at least 0 and below 1, such as (0.9, 0.999)."),
]  # fmt: skip


@pytest.mark.parametrize("algorithm, settings, sentence", SENTENCES, ids=[next(iter(case[1])) for case in SENTENCES])
def test_the_words_of_a_refusal(algorithm, settings, sentence):
    with pytest.raises(ValueError) as error:
        algorithm(**settings)
    assert one_line(error) == sentence


# Together -----------------------------------------------------------------------------------------------------

TOGETHER = [
    (PPO, {"kl_min": 0.2, "kl_max": 0.2}, {"kl_min": 0.2, "kl_max": 0.1}),
    (PPO, {"num_envs": 1, "num_steps": 1}, {}),  # V learns, although one normalised advantage is 0
    (PPO, {"seed": 2**31 - 8}, {"seed": 2**31 - 7}),
    (REINFORCE, {"seed": 2**31 - 1}, {"seed": 2**31}),
    (PPO, {"normalize": True}, {"normalize": True, "obs_scale": 2.0}),
    (A2C, {"normalize": True}, {"normalize": True, "obs_shift": (1.0, 0.0)}),
    (TRPO, {"normalize": "rewards", "obs_scale": 2.0}, {"normalize": "obs", "obs_scale": 2.0}),
    (DQN, {"frame_size": 15}, {"frame_size": 14}),
    (DQN, {"actions": None}, {"actions": ()}),
    (DQN, {"learning_starts": 10_000, "replay_size": 1_000, "batch_size": 2_000}, {}),  # it counts steps, not rows
    (Gorila, {"learning_starts": 1_000, "replay_size": 1_000}, {"learning_starts": 1_002, "replay_size": 1_000}),
    (Gorila, {"n_step": 8, "replay_size": 20, "learning_starts": 0}, {"n_step": 9, "replay_size": 20}),
    (Gorila, {"num_workers": 100}, {"num_workers": 1_000, "replay_size": 999}),
]


@pytest.mark.parametrize("algorithm, right, wrong", TOGETHER)
def test_settings_that_contradict_each_other_are_refused(algorithm, right, wrong):
    checked(algorithm, **right)
    if wrong:
        with pytest.raises(ValueError) as error:
            checked(algorithm, **wrong)
        assert any(name in one_line(error) for name in wrong)


@pytest.mark.parametrize("num_workers, num_envs, starts", [(2, 1, 1_001), (3, 4, 1_000), (7, 3, 50), (1, 1, 0)])
def test_the_smallest_replay_memory_of_gorila_is_named(num_workers, num_envs, starts):
    settings = dict(num_workers=num_workers, num_envs=num_envs, learning_starts=starts, n_step=3)
    with pytest.raises(ValueError, match="is too small for") as error:
        checked(Gorila, replay_size=1, **settings)
    needed = int(re.search(r"take at least (\d+)", one_line(error))[1])
    agent = checked(Gorila, replay_size=needed, **settings)
    assert agent.replay_size // num_workers // num_envs * num_envs >= starts // num_workers
    with pytest.raises(ValueError):
        checked(Gorila, replay_size=needed - 1, **settings)


@pytest.mark.parametrize("algorithm", [DQN, REINFORCE, TRPO, PPO, A2C])
def test_there_is_one_scale_for_all_or_one_for_each_number_observed(algorithm):
    algorithm(obs_scale=(1, 2, 3, 4), obs_shift=[1, 2, 3, 4])
    for name in ("obs_scale", "obs_shift"):
        with pytest.raises(ValueError) as error:
            algorithm(**{name: (1, 2)})
        expected = f"{name}=(1.0, 2.0) does not fit the observations of CartPole-v1; give one number or 4."
        assert one_line(error) == expected


def test_frames_have_one_scale():
    with pytest.raises(ValueError, match="give one number for all pixels"):
        PPO("ALE/Pong-v5", num_envs=1, obs_scale=(1.0,) * 84)


# Changed after the agent was made -----------------------------------------------------------------------------

LATER = [
    (PPO, "clip_coef", -0.2, "clip_coef=-0.2 must be a finite number above 0."),
    (PPO, "epochs", 0, "epochs=0 must be a whole number above 0."),
    (PPO, "minibatch_size", 0, "minibatch_size=0 must be a whole number above 0."),
    (PPO, "entropy_steps", "1e4", "entropy_steps='1e4' must be a whole number above 0, or None."),
    (PPO, "value_clip", nan, "value_clip=nan must be a number above 0, or inf."),
    (PPO, "learning_rate", -1, "learning_rate=-1 must be a finite number above 0."),
    (PPO, "kl_min", 5, "kl_min=5.0 must not be above kl_max=0.015."),
    (TRPO, "max_kl", None, "max_kl=None must be a finite number above 0."),
    (A2C, "gamma", 2, "gamma=2 must be a number from 0 to 1."),
    (REINFORCE, "episodes", 0, "episodes=0 must be a whole number above 0."),
]
BUILT = [
    (PPO, "num_envs", 0, "num_envs=0 must be a whole number above 0."),  # no step would ever be counted
    (PPO, "num_envs", 5, "num_envs=5 comes too late: this agent was built with num_envs=4; put that back, or make a "
     "new one, as in dataclasses.replace(agent, num_envs=...)."),
    (PPO, "hidden", [9], "hidden=(9,) comes too late: this agent was built with hidden=(16,); put that back, or make "
     "a new one, as in dataclasses.replace(agent, hidden=...)."),
    (PPO, "shared", True, "shared=True comes too late"),
    (PPO, "normalize", "obs", "normalize='obs' comes too late"),
    (TRPO, "orthogonal", False, "orthogonal=False comes too late"),
    (A2C, "env", "Pendulum-v1", "env='Pendulum-v1' comes too late"),
]  # fmt: skip


@pytest.mark.parametrize("algorithm, name, value, sentence", LATER + BUILT)
def test_a_setting_that_went_wrong_later_is_refused_before_anything_is_learned_or_saved(
    algorithm, name, value, sentence, tmp_path
):
    agent, path = small(algorithm), tmp_path / "agent.pt"
    save(agent, path)
    good, before, step = path.read_bytes(), weights(agent.network), agent.step
    right = getattr(agent, name)
    setattr(agent, name, value)
    for use in (lambda: learn(agent, 10_000), lambda: save(agent, path)):
        with pytest.raises(ValueError) as error:
            use()
        assert one_line(error).startswith(sentence)
    assert agent.step == step and torch.equal(weights(agent.network), before) and path.read_bytes() == good
    setattr(agent, name, right)
    learn(agent, 1)
    assert agent.step > 0


def test_a_setting_that_goes_wrong_while_an_agent_learns_ends_the_run_before_the_next_iteration():
    agent = small(PPO)
    run = agent.learn(10_000)
    next(run)
    agent.clip_coef = 0.3
    next(run)
    before, step, agent.epochs = weights(agent.network), agent.step, 0
    with pytest.raises(ValueError, match="^epochs=0 must be a whole number above 0.$"):
        next(run)
    assert agent.step == step and torch.equal(weights(agent.network), before) and not agent.learning.torn
    agent.epochs = 1
    learn(agent, step + 1)
    assert agent.step > step


def test_settings_are_checked_again_only_when_one_is_new(monkeypatch):
    agent, calls = small(PPO, hidden=[16], obs_scale=np.ones(4)), []
    monkeypatch.setattr(settings, "check_settings", lambda agent: calls.append(check_settings(agent)))
    run = agent.learn(10_000)
    for _ in range(3):
        next(run)
    assert len(calls) == 1
    check_settings(agent)  # as `save` does
    next(run)
    assert len(calls) == 1
    agent.clip_coef = np.float32(0.25)
    for _ in range(4):
        next(run)
    assert 2 <= len(calls) <= 3 and type(agent.clip_coef) is float


def test_a_setting_that_was_changed_to_another_kind_of_number_is_saved_as_a_plain_one(tmp_path):
    agent = small(PPO)
    agent.clip_coef, agent.entropy_steps, agent.value_clip = np.float32(0.25), np.int64(5), torch.tensor(0.5)
    again = load(save(agent, tmp_path / "agent.pt"))
    assert (again.clip_coef, again.entropy_steps, again.value_clip) == (0.25, 5, 0.5)
    assert [type(each) for each in (again.clip_coef, again.entropy_steps, again.value_clip)] == [float, int, float]


def test_a_new_agent_may_be_built_with_what_was_changed():
    agent = small(PPO)
    agent.hidden = (9,)
    again = dataclasses.replace(agent)
    learn(again, 1)
    assert again.network.policy_parameters()[0].shape == (9, 4)


# Names --------------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"^PPO has no setting 'lerning_rate'; did you mean 'learning_rate'\?$"):
        preset("ppo-cartpole", lerning_rate=1)
    with pytest.raises(ValueError, match=r"^There is no preset 'ppo_cartpole'; did you mean 'ppo-cartpole'\?$"):
        preset("ppo_cartpole")
    for name in ("zzz", None, [1], np.array(["zzz", "x"])):
        with pytest.raises(ValueError, match=r"^There is no preset .*; take one of dqn-cartpole, .*\.$"):
            preset(name)


@pytest.mark.parametrize("name", presets())
def test_a_preset_says_what_it_returns(name):
    algorithm = PRESETS[name].__annotations__["return"]
    with pytest.raises(ValueError, match=f"^{algorithm.__name__} has no setting 'zzz'; take one of env, "):
        preset(name, zzz=1)
    with pytest.raises(ValueError, match="^gamma=2 must be a number from 0 to 1.$"):
        preset(name, gamma=2)


TEXTS = {"gamma=.5": 0.5, "gamma=1e-3": 1e-3, "reward_clip=inf": inf, "double=no": "no", "double=true": True}
TEXTS |= {"hidden=8,": (8,), "anneal_steps=none": None, "env=CartPole-v1": "CartPole-v1", "x=": "", "x=a=b": "a=b"}
TEXTS |= {"x={[]:1}": "{[]:1}", "x=" + "(" * 500: "(" * 500, "x=" + "-" * 9_999 + "1": "-" * 9_999 + "1", "x=\0": "\0"}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_a_setting_on_the_command_line_is_a_literal_or_a_string(text):
    name, value = setting(text)
    assert value == TEXTS[text] and type(value) is type(TEXTS[text]) and text.startswith(f"{name}=")
