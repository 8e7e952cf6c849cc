"""Numbers that are not finite: each is refused in one sentence, and nothing has learned from it."""

import copy
import math

import gymnasium
import numpy as np
import pytest
import torch
from conftest import Chain, Counting, Steering, learn, one_line, small, tiny, weights
from gymnasium.spaces import Box, Discrete

from rlkit import functional as F
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.envs import Envs
from rlkit.gorila import Gorila, Gradient
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import agent_state
from rlkit.trpo import TRPO

# From the environment ---------------------------------------------------------------------------------------


class Script(gymnasium.Env):
    """Shows and pays what the script says, which begins with a reset: (obs, reward), (obs, reward), ..."""

    def __init__(self, script, dtype=np.float32):
        self.observation_space, self.action_space = Box(-np.inf, np.inf, (3,), dtype), Discrete(2)
        self.script = iter(script)

    def reset(self, *, seed=None, options=None):
        return self.step(None)[0], {}

    def step(self, action):
        obs, reward = next(self.script, (0.0, 0.0))
        return np.array([0.0, obs, -obs], self.observation_space.dtype), reward, False, False, {}


def plays(*script, steps=5, **settings):
    envs = Envs(lambda: Script(script, **settings), 1, seed=0)
    for _ in range(steps):
        envs.step(np.zeros(1, int))
    return envs


GOOD = (1.0, 1.0)
WRONG = [
    ({}, (math.nan, 0.0), "the observation nan", 0),
    ({}, (math.inf, 0.0), "the observation inf", 2),
    ({"dtype": np.float64}, (1e39, 0.0), "the observation 1e+39", 1),  # plus its opposite is 0
    ({"dtype": np.float64}, (1e200, 0.0), r"the observation 1e+200", 3),
    ({"dtype": np.float16}, (math.inf, 0.0), "the observation inf", 2),
    ({}, (0.0, math.nan), "the reward nan", 2),
    ({}, (0.0, -(2**1100)), "the reward -inf", 2),
    ({}, (0.0, -math.inf), "the reward -inf", 1),
    ({}, (0.0, 1e39), "the reward 1e+39", 1),
    ({}, (0.0, -1e308), "the reward -1e+308", 3),
]


@pytest.mark.parametrize("settings, bad, words, when", WRONG)
def test_the_first_number_that_32_bits_cannot_hold_is_named(settings, bad, words, when):
    with pytest.raises(ValueError) as error:
        plays(*[GOOD] * when, bad, **settings)
    message = one_line(error)
    assert f"Environment 0 returned {words} at step {max(0, when - 1)}" in message
    assert "entry [1]" in message or "reward" in words


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_are_not_refused():
    largest = float(np.finfo(np.float32).max)
    envs = plays(*[(largest, -largest)] * 4, steps=3)
    assert envs.obs.tolist() == [[0.0, largest, -largest]] and envs.steps == 3
    plays(*[(largest, largest)] * 4, steps=3, dtype=np.float64)
    plays(*[(60_000, largest)] * 4, steps=3, dtype=np.float16)


AGENTS = {
    "dqn": lambda env, **more: tiny(env, **more),
    "ppo": lambda env, **more: small(PPO, env, num_envs=1, normalize=True, **more),
    "trpo": lambda env, **more: small(TRPO, env, num_envs=1, normalize=True, **more),
    "a2c": lambda env, **more: small(A2C, env, num_envs=1, normalize=True, **more),
    "reinforce": lambda env, **more: small(REINFORCE, lambda: gymnasium.wrappers.TimeLimit(env(), 8), **more),
}


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("bad", [(math.nan, 0.0), (0.0, 1e39)], ids=["obs", "reward"])
def test_learning_goes_on_after_a_bad_number_without_it(name, bad):
    agent = AGENTS[name](lambda: Script([GOOD] * 40 + [bad, (5.0, 5.0)] + [GOOD] * 60))
    with pytest.raises(ValueError, match="Environment 0 returned"):
        learn(agent, 1_000)
    next(agent.learn(1_000))  # its first observation is the one after the bad one
    assert_finite(agent)
    assert np.isfinite(agent.envs.obs).all()


def assert_finite(agent):
    """Nothing that the agent keeps is NaN or infinite."""

    def check(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for item in value:
                check(item)
        elif isinstance(value, torch.Tensor | np.ndarray | float):
            assert torch.as_tensor(value).isfinite().all()

    check({name: value for name, value in agent_state(agent).items() if name != "play"})
    if hasattr(agent, "replay"):
        check([agent.replay.frames, agent.replay.rewards])
        if agent.prioritized:
            check(agent.replay.tree.nodes)


# In an update -----------------------------------------------------------------------------------------------


def kept(agent):
    """All that an update changes, as copies."""
    state = {name: value for name, value in agent_state(agent).items() if name != "play"}
    if hasattr(agent, "target"):
        state["priorities"] = (agent.replay.tree.nodes, agent.replay.largest) if agent.prioritized else ()
    return copy.deepcopy(state)


def same(one, two):
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, torch.Tensor | np.ndarray):
        return torch.as_tensor(one).equal(torch.as_tensor(two))
    return one == two


class Fails:
    """A function that calls another one, and gives something bad at its n-th call."""

    def __init__(self, function, n, bad):
        self.function, self.left, self.bad = function, n, bad

    def __call__(self, *args):
        self.left -= 1
        good = self.function(*args)
        if self.left:
            return good
        return tuple(map(self.bad, good)) if isinstance(good, tuple) else self.bad(good)


def interrupted(good):
    raise KeyboardInterrupt


BAD = {"nan": lambda x: x * math.nan, "inf": lambda x: x * math.inf, "interrupt": interrupted}
MAKERS = {
    "ppo": lambda: small(PPO, epochs=2),
    "ppo-kl": lambda: small(PPO, epochs=2, variant="adaptive_kl", learning_rate=0.01),
    "trpo": lambda: small(TRPO, epochs=2),
    "reinforce": lambda: small(REINFORCE),
    "a2c": lambda: small(A2C),
    "a2c-adam": lambda: small(A2C, optimizer="adam"),
    "a2c-lstm": lambda: small(A2C, recurrent=True),
    "dqn": lambda: tiny(learning_starts=8),
    "dqn-all": lambda: tiny(learning_starts=8, prioritized=True, double=True, dueling=True, n_step=3),
}
PLACES = [  # agent, what gives a bad number, at which of its calls in an update
    ("ppo", "network.forward", 1), ("ppo", "objective", 1), ("ppo", "objective", 8), ("ppo", "policy.kl", 1),
    ("ppo", "network.forward", 9), ("ppo-kl", "objective", 5), ("ppo-kl", "policy.kl", 3), ("ppo-kl", "policy.kl", 9),
    ("trpo", "policy.kl", 1), ("trpo", "network.policy", 1), ("trpo", "surrogate_and_kl", 1),
    ("trpo", "network.values", 1), ("trpo", "network.values", 7),
    ("reinforce", "network.policy", 1), ("reinforce", "network.values", 1), ("reinforce", "network.values", 20),
    ("a2c", "unroll", 1), ("a2c", "policy.entropy", 1), ("a2c-adam", "unroll", 1), ("a2c-lstm", "unroll", 1),
    ("dqn", "td_target", 1), ("dqn", "network.forward", 1), ("dqn-all", "td_target", 1),
    ("dqn-all", "target.forward", 1), ("dqn-all", "network.forward", 1),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad, warm", [("nan", False), ("inf", True), ("interrupt", False), ("interrupt", True)])
@pytest.mark.parametrize("name, place, n", PLACES)
def test_an_update_that_fails_changes_nothing(name, place, n, warm, bad):
    agent = MAKERS[name]()
    if warm:
        learn(agent, 200)
    make_fail(agent, place, n, BAD[bad])
    before = None

    def remember(function):
        def and_call(*args):
            nonlocal before
            before = kept(agent)
            return function(*args)

        return and_call

    update = "gradient" if name.startswith("a2c") else "update"
    setattr(agent, update, remember(getattr(agent, update)))
    with pytest.raises(KeyboardInterrupt if bad == "interrupt" else ValueError) as error:
        learn(agent, 2_000)
    assert before and same(kept(agent), before)
    if bad != "interrupt":
        assert "training diverged" in one_line(error) or "finite" in one_line(error)
    vars(agent).pop(update)
    next(agent.learn(4_000))  # it learns on
    assert_finite(agent)


def make_fail(agent, place, n, bad):
    """Let a method of the agent, or of a part of it, give something bad at its n-th call in an update."""
    *owner, name = place.split(".")
    owner = getattr(agent, owner[0]) if owner else agent
    setattr(owner, name, Fails(getattr(owner, name), n, bad))


def test_an_infinite_error_is_refused_although_its_gradient_is_finite():
    agent = tiny(learning_starts=100)
    learn(agent, 99)
    agent.replay.rewards[:] = np.inf
    before = kept(agent)
    with pytest.raises(ValueError, match="The loss is inf: training diverged") as error:
        agent.update()
    one_line(error)
    assert same(kept(agent), before)


@pytest.mark.parametrize("value, loss", [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.inf), (1.0, math.nan)])
@pytest.mark.parametrize("warm", [False, True])
def test_gorilas_server_takes_no_bad_gradient(warm, value, loss):
    agent = Gorila(hidden=(8,), num_workers=1)

    def gradient(value, loss):
        return Gradient(np.full(len(agent.theta), value, np.float32), agent.server.num_updates, loss, q=0.0)

    if warm:
        agent.update(gradient(1.0, 1.0))
    before, published, staleness = kept(agent), [tensor.clone() for tensor in agent.shared], agent.staleness
    with pytest.raises(ValueError, match="training diverged") as error:
        agent.update(gradient(value, loss))
    one_line(error)
    assert same(kept(agent), before) and same(list(agent.shared), published) and agent.staleness == staleness


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_a_worker_of_a3c_pushes_no_bad_gradient(monkeypatch, bad):
    agent = A3C(hidden=(8,), num_workers=1)
    states = []

    def spoil(good):
        states.append(kept(agent)["optimize"])
        return BAD[bad](good)

    unroll = Fails(A2C.unroll, 3, spoil)
    monkeypatch.setattr(A2C, "unroll", lambda self, segment: unroll(self, segment))
    with pytest.raises(ValueError, match="training diverged") as error:
        agent.actor_learner(lambda *report: None, agent.settings(0), agent.shared, 0, 1_000)
    one_line(error)
    assert agent.shared.version == 2 and same(kept(agent)["optimize"], states[-1])
    assert torch.isfinite(agent.shared.theta).all()


def test_conjugate_gradient_refuses_what_is_not_finite():
    for factor, size in ((math.nan, 1.0), (math.inf, 1.0), (0.0, 1.0), (1.0, math.inf), (1.0, math.nan)):
        with pytest.raises(ValueError, match="b must be finite and H positive definite") as error:
            F.conjugate_gradient(lambda v, factor=factor: factor * v, size * torch.ones(3))
        one_line(error)
    assert F.conjugate_gradient(lambda v: v, torch.zeros(3)).eq(0).all()  # nothing to solve is no error


# Batches with almost nothing in them ------------------------------------------------------------------------

LEAST = {
    "ppo": lambda env: small(PPO, env, num_envs=1, num_steps=1, minibatch_size=1),
    "ppo-kl": lambda env: small(PPO, env, num_envs=1, num_steps=3, minibatch_size=2, variant="adaptive_kl"),
    "trpo": lambda env: small(TRPO, env, num_envs=1, num_steps=1, minibatch_size=1),
    "trpo-3": lambda env: small(TRPO, env, num_envs=1, num_steps=3, minibatch_size=2),
    "a2c": lambda env: small(A2C, env, num_envs=1, t_max=1, optimizer="adam"),
    "a2c-lstm": lambda env: small(A2C, env, num_envs=1, t_max=1, recurrent=True),
    "reinforce": lambda env: small(REINFORCE, env, episodes=1),
    "dqn": lambda env: tiny(env, learning_starts=0, batch_size=1, train_period=1, prioritized=True),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("env", [lambda: Counting((1,)), lambda: Counting((1, 3)), Chain, Steering])
def test_the_smallest_batches_leave_finite_numbers(name, env):
    if env is Steering and name == "dqn":
        return
    agent = LEAST[name](env)
    for progress in agent.learn(30):
        numbers = {name: value for name, value in progress.metrics.items() if name != "explained_variance"}
        assert all(math.isfinite(value) for value in numbers.values())  # a single return has no variance to explain
    assert agent.step >= 30 and torch.isfinite(weights(agent.network)).all()
    assert_finite(agent)
