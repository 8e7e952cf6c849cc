"""Random inputs for `fuzz.py`: what a student might give to a constructor, a preset, a driver, or the command line.

`draw(seed, number)` makes one input. It is a `Case`: a sentence that describes it, a function that does it, and what
must come of it, by these rules:

    good     it has to work
    bad      it has to be refused, with one sentence
    either   both are right; but if it works, nothing may become NaN

The rules are written here, value by value, and not taken from rlkit. So they do not repeat its mistakes.
"""

import contextlib
import copy
import io
import math
import os
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

import rlkit
from rlkit import A2C, A3C, DQN, PPO, REINFORCE, TRPO, Gorila, check, load, preset, save, train
from rlkit import functional as F
from rlkit.__main__ import main
from rlkit.running.result import Result
from rlkit.training import evaluate, stop_at, time_limit

INF, NAN = math.inf, math.nan
GOOD, BAD, EITHER = "good", "bad", "either"


@dataclass
class Case:
    """One input. `do` returns an agent, a Result, or anything else that the input gave."""

    text: str
    expected: str
    do: Callable


class StudentError(Exception):
    """What a student's own environment raises. It has to reach the student as it is."""


def draw(seed, number):
    """Input `number` of the series `seed` -> Case."""
    rng = np.random.default_rng([seed, number])
    kinds = [constructor, environment, command, driver, a_preset, file]
    return rng.choice(kinds, p=[0.35, 0.25, 0.15, 0.1, 0.05, 0.1])(rng)


def pick(rng, options):
    """One of the options. (`rng.choice` would turn them into an array.)"""
    return options[rng.integers(len(options))]


# Settings ---------------------------------------------------------------------------------------------------

JUNK = ["", "7", "abc", None, [], {}, object(), b"1", 1j, NAN, {3}, lambda: 1]
COUNT = {
    GOOD: [1, 2, 5, np.int64(3), np.int32(1), np.uint8(2)],
    BAD: [*JUNK, 0, -1, -(10**9), 1.5, INF, True, (2,), np.float64(2.5), np.array([1, 2])],
    EITHER: [2.0, np.array(3), Fraction(2), torch.tensor(2)],
}
FROM_ZERO = {GOOD: [0, 1, 3, np.int64(2)], BAD: [*JUNK, -1, 1.5, INF, True], EITHER: [2.0]}
POSITIVE = {
    GOOD: [1e-3, 0.5, 1, np.float32(0.25), np.float64(1e-4)],
    BAD: [*JUNK, 0, -1, -0.5, True, (0.1,), np.array([0.1, 0.2]), -INF],
    EITHER: [INF, 1e300, 1e-300, Fraction(1, 2), np.array(0.5), torch.tensor(0.5)],
}
NOT_NEGATIVE = {GOOD: [0, 0.0, 0.1, 1], BAD: [*JUNK, -1, -0.5, True], EITHER: [INF, 1e300]}
UNIT = {
    GOOD: [0.0, 0.5, 1.0, 1, 0, np.float32(0.5)],
    BAD: [*JUNK, -0.1, 1.1, INF, -INF, True, 10**30, (0.5,)],
    EITHER: [Fraction(1, 2)],
}
SWITCH = {
    GOOD: [True, False],
    BAD: ["False", "True", "yes", "", None, [], {}, 2, NAN, 0.5, object()],
    EITHER: [0, 1, np.True_, np.False_],
}
BETAS = {
    GOOD: [(0.9, 0.99), [0.5, 0.9], (0.0, 0.0), np.array([0.9, 0.95])],
    BAD: [(0.9, 1.5), (0.9,), 0.9, "ab", (NAN, 0.9), (-0.1, 0.9), None, (), (0.9, 0.9, 0.9), ("0.9", 0.9), (True, 0.9)],
    EITHER: [],
}
HIDDEN = {
    GOOD: [(), (8,), [8, 4], (np.int64(4),)],
    BAD: [(0,), (-1,), (1.5,), "64", None, (True,), ((8,),), ("8",), {}, NAN, (NAN,), (10**6, 10**6), -5, (None,)],
    EITHER: [16, np.array([8]), (8.0,), range(1, 3)],
}
SHIFT = {
    GOOD: [0.0, 1, -3.5, (0.0, 1.0, 2.0, 3.0), [0, 0, 0, 0]],
    BAD: ["a", NAN, INF, None, (1.0, 2.0), 1j, (NAN,) * 4, (0, 0, 0, "0"), {}, ()],
    EITHER: [np.zeros(4), 1e30, True],
}
SCALE = {
    GOOD: [None, 1.0, 2, (1, 2, 3, 4), [0.5, 0.5, 0.5, 0.5]],
    BAD: [0, -1, NAN, "1", (1, 2), (0, 1, 1, 1), (1, 1, 1, -1), (NAN, 1, 1, 1), 1j, {}, (), ("1",) * 4, "abc"],
    EITHER: [INF, np.ones(4), 1e-30, True],
}
SOME_ACTIONS = {
    GOOD: [None, (0, 1), [1, 0], (np.int64(0), 1)],
    BAD: [(), (2,), (-1, 0), (0.5, 1), "01", 3, (None,), ("0",), (NAN, 1), {}, ((0, 1),), (10**30,)],
    EITHER: [(0,), (0, 0), (True, False), np.array([0, 1]), range(2), (0.0, 1.0)],
}
LIFE_LOSS = {GOOD: [False], BAD: [True, "False", None, 2, [], NAN], EITHER: [0, 1]}
ANNEAL = {GOOD: [None, 1000, np.int64(500)], BAD: [0, -1, "1000", 1.5, NAN, INF, True, [], {}], EITHER: [1e6]}
DEVICE = {
    GOOD: ["cpu", "auto"],
    BAD: ["gpu", "", None, 3, "cuda:99", [], "cpu:0:0", NAN, True, {}],
    EITHER: [torch.device("cpu"), "cpu:0", "meta", "mps"],
}
SEED = {GOOD: [0, 1, 7, 10**9, np.int64(5)], BAD: [*JUNK, -1, 1.5, INF, True, 10**30], EITHER: [2.0, 2**32, 2**63]}
SETTINGS = {
    **dict.fromkeys(("num_steps", "epochs", "minibatch_size", "t_max", "batch_size", "target_period"), COUNT),
    **dict.fromkeys(("train_period", "updates", "n_step", "num_envs", "num_workers", "max_staleness"), COUNT),
    **dict.fromkeys(("cg_iterations", "line_search_steps", "episodes", "value_steps"), COUNT),
    **dict.fromkeys(("epsilon_steps", "beta_steps"), COUNT),
    **dict.fromkeys(("learning_rate", "value_learning_rate", "adam_eps", "optimizer_eps", "max_kl"), POSITIVE),
    **dict.fromkeys(
        ("max_grad_norm", "huber_delta", "reward_clip", "value_clip", "clip_coef", "kl_coef", "heartbeat"), POSITIVE
    ),
    **dict.fromkeys(("damping", "entropy_coef", "value_coef"), NOT_NEGATIVE),
    **dict.fromkeys(("gamma", "gae_lambda", "epsilon_start", "epsilon_end", "alpha", "beta_start"), UNIT),
    "rmsprop_decay": {GOOD: [0.0, 0.5, 0.99], BAD: UNIT[BAD], EITHER: [1.0, 1]},
    "kl_min": {GOOD: [1e-3, 1e-4], BAD: [*JUNK, -1, 0.5, INF, True], EITHER: [0.0]},
    "kl_max": {GOOD: [0.02, 1.0], BAD: [*JUNK, -1, 1e-5, 0, True], EITHER: [INF]},
    **dict.fromkeys(("double", "dueling", "prioritized", "normalize", "recurrent", "shared_statistics"), SWITCH),
    **dict.fromkeys(("locked", "normalize_advantages", "orthogonal", "reward_ends"), SWITCH),
    "shared": {**SWITCH, GOOD: [True, False, None], BAD: [value for value in SWITCH[BAD] if value is not None]},
    "learning_starts": FROM_ZERO,
    "replay_size": {GOOD: [200, 500, np.int64(300)], BAD: [*JUNK, 0, 1, -5, 1.5, INF, True, 10**13], EITHER: [300.0]},
    "variant": {GOOD: ["clip", "adaptive_kl"], BAD: ["", "kl", None, 3, [], "Clip", True], EITHER: []},
    "activation": {GOOD: ["tanh", "relu"], BAD: ["", "gelu", None, 3, [], torch.nn.ReLU, {}], EITHER: []},
    "baseline": {GOOD: ["none", "mean", "value"], BAD: ["", None, 0, [], "None", False], EITHER: []},
    "optimizer": {GOOD: ["rmsprop", "adam", "adam_in_place"], BAD: ["sgd", None, 0, [], torch.optim.Adam], EITHER: []},
    "on_failure": {GOOD: ["stop", "continue"], BAD: ["", None, 0, [], "raise"], EITHER: []},
    "hidden": HIDDEN,
    "adam_betas": BETAS,
    "obs_shift": SHIFT,
    "obs_scale": SCALE,
    "actions": SOME_ACTIONS,
    "life_loss": LIFE_LOSS,
    **dict.fromkeys(("anneal_steps", "entropy_steps"), ANNEAL),
    "device": DEVICE,
    "seed": SEED,
    "frame_size": {GOOD: [84, 42], BAD: [*JUNK, 0, -1, 1.5, INF, True], EITHER: [1, 84.0, 10**6]},
}
HUGE = {"num_envs": 10**8, "num_steps": 10**12, "replay_size": 10**13, "num_workers": 10**7, "t_max": 10**12}

# Small, so that one iteration takes milliseconds
SMALL = {
    DQN: dict(replay_size=500, learning_starts=8, num_envs=2, hidden=(8,)),
    Gorila: dict(replay_size=500, learning_starts=8, hidden=(8,)),
    REINFORCE: dict(episodes=1, hidden=(8,), value_steps=2),
    TRPO: dict(num_envs=2, num_steps=8, hidden=(8,), minibatch_size=8),
    PPO: dict(num_envs=2, num_steps=8, hidden=(8,), minibatch_size=8),
    A2C: dict(num_envs=2, hidden=(8,)),
    A3C: dict(hidden=(8,)),
}
IN_ONE_PROCESS = [DQN, REINFORCE, TRPO, PPO, A2C]


def together(*expected):
    """What must come of several things at once."""
    return BAD if BAD in expected else EITHER if EITHER in expected else GOOD


def some_setting(rng, names):
    """-> the name of a setting, a value for it, and whether that is good."""
    name = pick(rng, names)
    if name in HUGE and rng.random() < 0.1:
        return name, HUGE[name], BAD
    table = SETTINGS[name]
    kind = pick(rng, [kind for kind in (GOOD, BAD, BAD, EITHER) if table[kind]])
    return name, pick(rng, table[kind]), kind


def constructor(rng):
    """An agent with one to three strange settings, which then learns for a moment."""
    kind = pick(rng, list(SMALL))
    names = [field.name for field in fields(kind) if field.name in SETTINGS]
    changes, expected = {}, []
    for _ in range(rng.integers(1, 4)):
        name, value, good = some_setting(rng, names)
        if name not in changes:
            changes[name] = value
            expected.append(good)
    together_with(changes, expected)

    def do():
        agent = kind(**SMALL[kind] | changes)
        if kind in IN_ONE_PROCESS:
            advance(agent, 2)
        return agent

    return Case(f"{kind.__name__}({in_words(changes)})", together(*expected), do)


def together_with(changes, expected):
    """Good settings that may not go together: then both answers are right."""
    pairs = [{"kl_min", "kl_max"}, {"actions", "env"}, {"batch_size", "replay_size"}, {"num_envs", "replay_size"}]
    if any(pair <= changes.keys() for pair in pairs):
        expected.append(EITHER)


def advance(agent, iterations):
    """Let an agent learn for a few iterations."""
    learner = agent.learn(agent.step + 10**6)
    for _ in range(iterations):
        next(learner)
    learner.close()


def in_words(changes):
    return ", ".join(f"{name}={value!r}" for name, value in changes.items())


def a_preset(rng):
    """A preset with a strange setting, or a misspelt one, or one that does not exist."""
    name = pick(rng, ["ppo-cartpole", "ppo-kl-cartpole", "dqn-cartpole", "dqn-cartpole-plain", "a2c-cartpole"])
    wrong = rng.random()
    if wrong < 0.2:
        name, changes, expected = pick(rng, ["ppo", "PPO-cartpole", "", None, 3, "ppo_cartpole", [], {}]), {}, BAD
    elif wrong < 0.4:
        changes, expected = {pick(rng, ["lerning_rate", "gama", "Seed", "steps", "hidden_size"]): 1}, BAD
    else:
        kind = {"ppo": PPO, "dqn": DQN, "a2c": A2C}[name.split("-")[0]]
        setting, value, expected = some_setting(rng, [f.name for f in fields(kind) if f.name in SETTINGS])
        changes = {setting: value}
        if setting in ("batch_size", "num_envs", "replay_size", "n_step", "kl_min", "kl_max", "minibatch_size"):
            expected = expected if expected == BAD else EITHER
    return Case(f"preset({name!r}, {in_words(changes)})", expected, lambda: preset(name, **changes))


# Environments -----------------------------------------------------------------------------------------------

BOX = spaces.Box(-1.0, 1.0, (3,), np.float32)
OBSERVATIONS = [
    (BOX, GOOD),
    (spaces.Box(-INF, INF, (2,), np.float64), GOOD),
    (spaces.Box(0, 255, (4,), np.uint8), GOOD),
    (spaces.Box(-5, 5, (3,), np.int32), EITHER),
    (spaces.Box(0, 255, (3, 40, 40), np.uint8), EITHER),
    (spaces.Box(0, 255, (40, 40, 3), np.uint8), EITHER),
    (spaces.Box(0.0, 1.0, (2, 2), np.float32), EITHER),
    (spaces.Box(0.0, 1.0, (), np.float32), EITHER),
    (spaces.Box(0.0, 1.0, (0,), np.float32), BAD),
    (spaces.Discrete(4), GOOD),
    (spaces.Discrete(4, start=2), GOOD),
    (spaces.MultiDiscrete([2, 3]), GOOD),
    (spaces.MultiBinary(3), GOOD),
    (spaces.Dict(a=BOX, b=BOX), GOOD),
    (spaces.Dict(a=BOX, b=spaces.Discrete(3)), EITHER),
    (spaces.Tuple([BOX, BOX]), EITHER),
    (spaces.Dict(a=BOX, t=spaces.Text(5)), BAD),
    (spaces.Text(5), BAD),
    (spaces.Sequence(BOX), BAD),
    (spaces.Graph(BOX, None), BAD),
]
ACTIONS = [
    (spaces.Discrete(2), GOOD),
    (spaces.Discrete(3, start=-1), GOOD),
    (spaces.Discrete(1), EITHER),
    (spaces.Box(-1.0, 1.0, (2,), np.float32), GOOD),
    (spaces.Box(-INF, INF, (1,), np.float32), GOOD),
    (spaces.Box(-1.0, 1.0, (2, 2), np.float32), EITHER),
    (spaces.Box(0, 5, (2,), np.int64), EITHER),
    (spaces.MultiDiscrete([2, 3]), GOOD),
    (spaces.MultiBinary(2), EITHER),
    (spaces.Dict(a=spaces.Discrete(2)), BAD),
    (spaces.Text(3), BAD),
]
# name -> whether it is right, and what it does to (obs, reward, terminated, truncated, info)
FAULTS = {
    "none": (GOOD, lambda o, r, te, tr, i: (o, r, te, tr, i)),
    "both ends": (GOOD, lambda o, r, te, tr, i: (o, r, True, True, i)),
    "reward int": (GOOD, lambda o, r, te, tr, i: (o, 1, te, tr, i)),
    "reward np.float32": (GOOD, lambda o, r, te, tr, i: (o, np.float32(r), te, tr, i)),
    "terminated np.bool_": (GOOD, lambda o, r, te, tr, i: (o, r, np.bool_(te), tr, i)),
    "info mixed": (GOOD, lambda o, r, te, tr, i: (o, r, te, tr, {"x": pick_info()})),
    "reward nan": (BAD, lambda o, r, te, tr, i: (o, NAN, te, tr, i)),
    "reward inf": (BAD, lambda o, r, te, tr, i: (o, INF, te, tr, i)),
    "reward 1e39": (BAD, lambda o, r, te, tr, i: (o, 1e39, te, tr, i)),
    "reward string": (BAD, lambda o, r, te, tr, i: (o, "1", te, tr, i)),
    "reward None": (BAD, lambda o, r, te, tr, i: (o, None, te, tr, i)),
    "reward vector": (BAD, lambda o, r, te, tr, i: (o, np.ones(2), te, tr, i)),
    "reward complex": (BAD, lambda o, r, te, tr, i: (o, 1j, te, tr, i)),
    "reward [1]": (EITHER, lambda o, r, te, tr, i: (o, np.ones(1), te, tr, i)),
    "reward bool": (EITHER, lambda o, r, te, tr, i: (o, True, te, tr, i)),
    "reward tensor": (EITHER, lambda o, r, te, tr, i: (o, torch.tensor(1.0), te, tr, i)),
    "terminated None": (BAD, lambda o, r, te, tr, i: (o, r, None, tr, i)),
    "terminated string": (BAD, lambda o, r, te, tr, i: (o, r, "False", tr, i)),
    "terminated 1": (EITHER, lambda o, r, te, tr, i: (o, r, 1, tr, i)),
    "four values": (BAD, lambda o, r, te, tr, i: (o, r, te, i)),
    "nothing": (BAD, lambda o, r, te, tr, i: None),
    "info None": (EITHER, lambda o, r, te, tr, i: (o, r, te, tr, None)),
    "info list": (EITHER, lambda o, r, te, tr, i: (o, r, te, tr, [])),
    "obs None": (BAD, lambda o, r, te, tr, i: (None, r, te, tr, i)),
    "obs string": (BAD, lambda o, r, te, tr, i: ("obs", r, te, tr, i)),
    "obs longer": (BAD, lambda o, r, te, tr, i: (longer(o), r, te, tr, i)),
    "obs nan": (BAD, lambda o, r, te, tr, i: (like(o, NAN), r, te, tr, i)),
    "obs inf": (BAD, lambda o, r, te, tr, i: (like(o, INF), r, te, tr, i)),
    "obs outside": (EITHER, lambda o, r, te, tr, i: (like(o, 7.0), r, te, tr, i)),
    "obs float64": (EITHER, lambda o, r, te, tr, i: (like(o, 0.5, np.float64), r, te, tr, i)),
    "obs list": (EITHER, lambda o, r, te, tr, i: (o.tolist() if hasattr(o, "tolist") else o, r, te, tr, i)),
    "raises": ("theirs", lambda o, r, te, tr, i: raise_(StudentError("a bug in my environment"))),
    "raises ValueError": ("theirs", lambda o, r, te, tr, i: raise_(ValueError("a bug in my environment"))),
    "raises KeyError": ("theirs", lambda o, r, te, tr, i: raise_(KeyError("velocity"))),
}
ONLY_FLOAT_VECTORS = {"obs nan", "obs inf"}


def raise_(error):
    """Raise an error that belongs to the student."""
    error.of_the_student = True
    raise error


def pick_info():
    pick_info.turn += 1
    return (1, "a", None, np.ones(2), {"y": 1})[pick_info.turn % 5]


pick_info.turn = 0


def like(obs, value, dtype=None):
    floats = isinstance(obs, np.ndarray) and obs.dtype.kind == "f"
    return np.full(obs.shape, value, dtype or obs.dtype) if floats else obs


def longer(obs):
    return np.zeros(7, np.float32) if isinstance(obs, np.ndarray) else "no observation"


class Made(gymnasium.Env):
    """Five steps of random observations, with one fault from step `when` on. Step 0 is `reset`."""

    def __init__(self, observation_space, action_space, fault, when):
        self.observation_space, self.action_space = copy.deepcopy(observation_space), copy.deepcopy(action_space)
        self.fault, self.when, self.steps = fault, when, 0

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.in_episode = 0
        if self.when == 0 and (self.fault.startswith("obs") or self.fault.startswith("raises")):
            return FAULTS[self.fault][1](self.observation_space.sample(), 0.0, False, False, {})[0], {}
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action) or isinstance(self.action_space, spaces.Box), action
        self.steps += 1
        self.in_episode += 1
        right = (self.observation_space.sample(), 1.0, self.in_episode >= 5, False, {})
        return FAULTS[self.fault][1](*right) if self.steps >= max(1, self.when) else right


def environment(rng):
    """An agent in a student's environment: any spaces, and perhaps a fault."""
    kind = pick(rng, IN_ONE_PROCESS)
    wrong = rng.random()
    if wrong < 0.1:
        return an_env_setting(rng, kind)
    observations, good_observations = pick(rng, OBSERVATIONS) if rng.random() < 0.5 else OBSERVATIONS[0]
    actions, good_actions = pick(rng, ACTIONS) if rng.random() < 0.5 else ACTIONS[0]
    if kind is DQN and not isinstance(actions, spaces.Discrete):
        good_actions = BAD
    fault = pick(rng, list(FAULTS)) if rng.random() < 0.6 else "none"
    vector = isinstance(observations, spaces.Box) and len(observations.shape) == 1 and observations.dtype.kind == "f"
    good_fault = FAULTS[fault][0] if vector or fault not in ONLY_FLOAT_VECTORS else EITHER
    when, num_envs = int(rng.integers(0, 6)), int(rng.integers(1, 4))
    many = {} if kind is REINFORCE else dict(num_envs=num_envs)

    def do():
        agent = kind(lambda: Made(observations, actions, fault, when), **SMALL[kind] | many)
        advance(agent, 6)
        return agent

    expected = together(good_observations, good_actions, good_fault)
    if good_fault == "theirs" and expected != BAD:
        expected = "theirs" if expected == GOOD else EITHER
    text = f"{kind.__name__} plays {observations} -> {actions}, {num_envs} envs, fault {fault!r} from step {when}"
    return Case(text, expected, do)


def an_env_setting(rng, kind):
    """The setting `env` itself."""
    one = gymnasium.make("CartPole-v1")
    options = [
        ("an id", "CartPole-v1", GOOD), ("a class", rlkit.tasks.BlindCartPole, GOOD),
        ("a function", lambda: gymnasium.make("CartPole-v1"), GOOD), ("module:id", "gymnasium:CartPole-v1", EITHER),
        ("None", None, BAD), ("3", 3, BAD), ("''", "", BAD), ("NaN", NAN, BAD), ("a list", [], BAD),
        ("a tuple", ("CartPole-v1",), BAD), ("a Path", Path("CartPole-v1"), BAD), ("bytes", b"CartPole-v1", BAD),
        ("Nope-v0", "Nope-v0", BAD), ("CartPole", "CartPole", EITHER), ("CartPole-v99", "CartPole-v99", BAD),
        ("Cartpole-v1", "Cartpole-v1", BAD), ("ALE/Nope-v5", "ALE/Nope-v5", BAD), ("a colon", ":", BAD),
        ("no_module:A-v0", "no_module:A-v0", BAD), ("a/b/c", "a/b/c", BAD), ("spaces", "  CartPole-v1  ", EITHER),
        ("an environment", one, BAD), ("lambda: 3", lambda: 3, BAD), ("lambda: None", lambda: None, BAD),
        ("one object", lambda: one, BAD if kind is not REINFORCE else EITHER), ("a spec", one.spec, EITHER),
        ("needs an argument", lambda size: one, BAD), ("raises", lambda: raise_(StudentError("mine")), "theirs"),
        ("the space", one.observation_space, BAD),
    ]  # fmt: skip
    text, env, expected = pick(rng, options)

    def do():
        agent = kind(env, **SMALL[kind])
        advance(agent, 1)
        return agent

    return Case(f"{kind.__name__}(env={text})", expected, do)


# Drivers ----------------------------------------------------------------------------------------------------


def small_agent(seed=0):
    return PPO(**SMALL[PPO] | {"seed": seed})


def driver(rng):
    """train, its watchers, evaluate, check.same, Result.read, linear algebra of the wrong kind."""
    number = pick(rng, [0, -1, 1.5, NAN, INF, -INF, "10", None, True, [], {}, 1j, object(), b"1"])
    options = [
        (f"train(total_steps={number!r})", EITHER if number in (1.5, INF) else BAD,
         lambda: train(small_agent(), number, time_limit(0.2))),
        (f"stop_at({number!r})", EITHER if is_number(number) else BAD,
         lambda: train(small_agent(), 64, stop_at(number))),
        (f"stop_at(1, window={number!r})", EITHER if number in (1.5,) else BAD,
         lambda: train(small_agent(), 64, stop_at(1, window=number))),
        (f"time_limit({number!r})", EITHER if number in (1.5, INF) else BAD,
         lambda: train(small_agent(), 64, time_limit(number))),
        (f"evaluate(episodes={number!r})", EITHER if number in (1.5,) else BAD,
         lambda: evaluate(small_agent(), number)),
        (f"evaluate(seed={number!r})", EITHER if number in (0, 1.5) and number is not True else BAD,
         lambda: evaluate(small_agent(), 2, number)),
        (f"train(agent, 64, {number!r})", BAD, lambda: train(small_agent(), 64, number)),
        (f"train({number!r}, 64)", BAD, lambda: train(number, 64)),
        (f"evaluate({number!r})", BAD, lambda: evaluate(number, 1)),
        (f"save(agent, {number!r})", BAD if not isinstance(number, str) else EITHER,
         lambda: save(small_agent(), in_folder(number))),
        (f"save({number!r}, path)", BAD, lambda: save(number, in_folder("a.pt"))),
        (f"load({number!r})", BAD, lambda: load(in_folder(number))),
        (f"Result.read({number!r})", BAD, lambda: Result.read(in_folder(number))),
        ("train to 64", GOOD, lambda: train(small_agent(), 64)),
        ("train to np.int64(64)", GOOD, lambda: train(small_agent(), np.int64(64))),
        ("evaluate 2", GOOD, lambda: evaluate(small_agent(), 2)),
        ("check.same", GOOD, lambda: check.same(F.huber, F.huber, [dict(error=np.ones(3))])),
    ]  # fmt: skip
    text, expected, do = pick(rng, options)
    return Case(text, expected, do)


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def in_folder(name):
    """A new name in a folder that is thrown away; anything that is not a name, as it is."""
    return Path(tempfile.mkdtemp(dir=folder()), name) if isinstance(name, str) else name


def folder():
    """The folder of this process for files."""
    if not hasattr(folder, "made"):
        folder.made = tempfile.TemporaryDirectory(prefix="fuzz-")
    return folder.made.name


# Files ------------------------------------------------------------------------------------------------------


def file(rng):
    """A damaged, foreign or strange checkpoint."""
    kind = pick(rng, [PPO, DQN, A2C])
    what, draws = pick(rng, list(DAMAGE)), rng.integers(0, 2**31, 8)

    def do():
        path, saved = Path(folder(), "agent.pt"), kind(**SMALL[kind])
        save(saved, path, resume=bool(draws[0] % 2))
        DAMAGE[what](path, draws[1:])
        agent = load(path)
        if what == "a flipped bit":  # a few bits of the file mean nothing
            assert all(map(torch.equal, agent.network.parameters(), saved.network.parameters())), "weights changed"
        advance(agent, 2)
        return agent

    expected = GOOD if what == "nothing" else EITHER if what in ("one value", "a flipped bit") else BAD
    return Case(f"load a {kind.__name__} after {what} {draws.tolist()}", expected, do)


def flip(path, draws):
    data = bytearray(path.read_bytes())
    data[draws[0] % len(data)] ^= 1 << draws[1] % 8
    path.write_bytes(data)


def edit(path, change):
    """Change the content of a checkpoint, as someone who can compute its checksum would."""
    from rlkit.running import checkpoint

    content = torch.load(path, weights_only=True)
    change(content)
    for name in ("checksum", "sha256", "digest"):
        if name in content:
            content[name] = getattr(checkpoint, "checksum", lambda c: "")(content)
    torch.save(content, path)


def one_value(path, draws):
    """Replace one value, anywhere in the file, by something of another kind."""

    def change(content):
        node = content
        for draw in draws:
            if not isinstance(node, dict) or not node:
                break
            key = list(node)[draw % len(node)]
            if not isinstance(node[key], dict) or not node[key]:
                strange = [None, -1, 10**30, "x", [], {}, NAN, torch.ones(2, 2)]
                node[key] = strange[draw % len(strange)]
                break
            node = node[key]

    edit(path, change)


DAMAGE = {
    "nothing": lambda path, draws: None,
    "a flipped bit": flip,
    "a cut": lambda path, draws: path.write_bytes(path.read_bytes()[: draws[0] % path.stat().st_size]),
    "random bytes": lambda path, draws: path.write_bytes(np.random.default_rng(int(draws[0])).bytes(1000)),
    "text": lambda path, draws: path.write_text("not a checkpoint"),
    "nothing in it": lambda path, draws: path.write_bytes(b""),
    "another file of torch": lambda path, draws: torch.save({"weights": torch.ones(3)}, path),
    "a tensor": lambda path, draws: torch.save(torch.ones(3), path),
    "no file": lambda path, draws: path.unlink(),
    "one value": one_value,
}


# The command line -------------------------------------------------------------------------------------------

TRAIN = ["train", "ppo", "--steps", "64", "--set", "num_envs=2", "num_steps=8", "hidden=8,"]
COMMANDS = [
    (TRAIN, GOOD),
    ([], BAD), (["fly"], BAD), (["train"], BAD), (["train", "ppo", "dqn"], BAD), (["train", "nope"], BAD),
    (["train", "--preset", "nope"], BAD), (["train", "--preset", "ppo-cartpole", "--steps", "0"], BAD),
    (["train", "--resume", "nowhere.pt"], BAD), (["eval", "nowhere.pt"], BAD), (["watch", "nowhere.pt"], BAD),
    (["eval"], BAD), (["watch"], BAD), (["eval", "."], BAD), (["watch", "."], BAD), (["--help"], GOOD),
    (["train", "--help"], GOOD), (["eval", "--help"], GOOD), (["watch", "--help"], GOOD),
    ([*TRAIN, "--env"], BAD),
]  # fmt: skip
OPTIONS = {
    "--steps": ["0", "-5", "1.5", "x", "", "nan", "1e2", "99999999999999999999", "64"],
    "--seed": ["-1", "x", "1.5", "", "99999999999999999999999", "3"],
    "--minutes": ["0", "-1", "nan", "x", "", "0.01", "inf"],
    "--stop-at": ["nan", "x", "", "1", "-inf"],
    "--threads": ["0", "-1", "x", "1.5", "1", "99999999999"],
    "--env": ["", "Nope-v0", "CartPole-v1", "ALE/Nope-v5", "a:b", ":", "CartPole", "Pendulum-v1", "../x", "os:path-v0"],
    "--out": ["", ".", "x", "x.txt", "/", "/dev/null/x.pt", "a:b.pt", "x.pt", "a" * 300 + ".pt", "x\0.pt"],
}
GOOD_OPTIONS = {("--steps", "64"), ("--seed", "3"), ("--stop-at", "1"), ("--threads", "1"), ("--env", "CartPole-v1"),
                ("--env", "Pendulum-v1"), ("--out", "x.pt"), ("--minutes", "0.01")}  # fmt: skip
EITHER_OPTIONS = {("--steps", "1e2"), ("--steps", "99999999999999999999"), ("--minutes", "inf"), ("--stop-at", "-inf"),
                  ("--threads", "99999999999"), ("--env", "CartPole"), ("--out", "a:b.pt")}  # fmt: skip


def command(rng):
    """A command line."""
    if rng.random() < 0.3:
        arguments, expected = pick(rng, COMMANDS)
    elif rng.random() < 0.5:
        name = pick(rng, list(OPTIONS))
        value = pick(rng, OPTIONS[name])
        arguments = [*TRAIN, name, value]
        expected = GOOD if (name, value) in GOOD_OPTIONS else EITHER if (name, value) in EITHER_OPTIONS else BAD
        if name == "--steps" and expected == EITHER:
            arguments += ["--minutes", "0.005"]
    else:
        name, value, expected = some_setting(rng, [f.name for f in fields(PPO) if f.name in SETTINGS])
        text = value if isinstance(value, str) else repr(value)
        arguments = [*TRAIN, f"{name}={text}"]
        if isinstance(value, str) and expected == BAD or "object" in text or "array" in text or "(" in text:
            expected = EITHER  # on a command line everything is text, and some text means something else there

    def do():
        before = Path.cwd()
        output, errors = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory(prefix="fuzz-") as there:
            os.chdir(there)
            try:
                with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                    return Exit(main(arguments), errors.getvalue())
            except SystemExit as end:
                return Exit(end.code, errors.getvalue())
            finally:
                os.chdir(before)

    return Case(f"python -m rlkit {shlex.join(arguments)}", expected, do)


@dataclass
class Exit:
    """How a command ended."""

    code: int
    errors: str
