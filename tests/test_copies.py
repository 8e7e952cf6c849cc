"""`copy.deepcopy` and `pickle` give a second agent that continues like the first and shares nothing with it."""

import copy
import dataclasses
import pickle
import types

import gymnasium
import numpy as np
import pytest
import torch
from conftest import Chain, disturb, one_line, small, tiny, weights

from rlkit import replay as replay_module
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.gorila import Gorila
from rlkit.ppo import PPO
from rlkit.reinforce import REINFORCE
from rlkit.running.content import checksum
from rlkit.running.state import agent_state
from rlkit.training import train
from rlkit.trpo import TRPO

AGENTS = {
    "dqn": lambda **more: tiny(num_envs=3, n_step=2, **more),
    "dqn-prioritized": lambda **more: tiny(prioritized=True, dueling=True, **more),
    "ppo": lambda **more: small(PPO, normalize=True, variant="adaptive_kl", **more),
    "trpo": lambda **more: small(TRPO, normalize=True, **more),
    "a2c": lambda **more: small(A2C, normalize=True, **more),
    "a2c-lstm": lambda **more: small(A2C, recurrent=True, optimizer="adam", **more),
    "reinforce": lambda **more: small(REINFORCE, normalize=True, **more),
}


def pickled(agent):
    return pickle.loads(pickle.dumps(agent))


def by_its_weights(agent, obs):
    """The greedy actions that the agent's network gives."""
    with torch.no_grad():
        if hasattr(agent, "q_values"):
            return agent.network(torch.from_numpy(obs)).argmax(-1).numpy()
        if getattr(agent, "recurrent", False):
            return (
                agent.network.step(torch.from_numpy(obs), agent.network.initial_state(len(obs)))[0].argmax(-1).numpy()
            )
        return agent.network(torch.from_numpy(obs))[0].argmax(-1).numpy()


OBS = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, pickled])
@pytest.mark.parametrize("name", AGENTS)
def test_a_copy_continues_like_the_original_and_leaves_it_alone(name, duplicate):
    agent = AGENTS[name]()
    train(agent, 300)
    before = checksum(agent_state(agent))
    twin = duplicate(agent)
    assert repr(twin) == repr(agent) and checksum(agent_state(twin)) == before
    np.testing.assert_array_equal(twin.act(OBS), agent.act(OBS))
    getattr(twin, "forget", lambda: None)()
    returns = train(twin, 700).returns
    assert checksum(agent_state(agent)) == before  # the original has not moved
    assert not weights(twin.network).equal(weights(agent.network))
    np.testing.assert_array_equal(twin.act(OBS), by_its_weights(twin, OBS))
    assert train(agent, 700).returns == returns and checksum(agent_state(agent)) == checksum(agent_state(twin))


@pytest.mark.parametrize("make", [lambda: A3C(hidden=(8,), optimizer="adam"), lambda: Gorila(hidden=(8,))])
def test_a_copy_of_an_agent_with_workers_has_its_own_shared_memory(make):
    agent = make()
    disturb(agent.network)
    agent.step = 40
    twin = copy.deepcopy(agent)
    assert twin.step == 40 and checksum(agent_state(twin)) == checksum(agent_state(agent))
    theirs = twin.shared.theta if isinstance(agent, A3C) else twin.theta
    theirs += 1.0
    twin.step = 80
    assert weights(twin.network).equal(theirs) and not weights(agent.network).equal(theirs) and agent.step == 40
    np.testing.assert_array_equal(twin.act(OBS), by_its_weights(twin, OBS))
    assert twin.shared.theta.is_shared() and twin.shared.theta.data_ptr() != agent.shared.theta.data_ptr()


def test_a_copy_keeps_epsilon_where_a_slider_left_it():
    agent = tiny()
    agent.epsilon = np.float64(0.25)
    assert copy.deepcopy(agent).epsilon == 0.25


def test_replace_still_makes_a_new_agent():
    agent = tiny()
    train(agent, 200)
    fresh = dataclasses.replace(agent, double=True)
    assert fresh.double and fresh.step == 0 and weights(fresh.network).equal(weights(tiny(double=True).network))


# Environments that no file could hold -----------------------------------------------------------------------


def test_episodes_of_a_students_environment_are_copied_too():
    agent = small(PPO, Chain, normalize=True)
    train(agent, 100)
    twin = copy.deepcopy(agent)
    assert twin.envs.vector.envs[0] is not agent.envs.vector.envs[0]
    returns = train(twin, 400).returns
    assert returns and train(agent, 400).returns == returns
    assert checksum(agent_state(twin)) == checksum(agent_state(agent))


class Connected(Chain):
    """Holds something that cannot be copied."""

    def __init__(self):
        super().__init__()
        self.module = types.ModuleType("a connection")


class Reborn(Chain, gymnasium.utils.EzPickle):
    """A copy of it is made anew, so its episode is lost."""

    def __init__(self):
        Chain.__init__(self)
        gymnasium.utils.EzPickle.__init__(self)


@pytest.mark.parametrize("env", [Connected, Reborn, "ALE/Pong-v5"])
def test_what_cannot_be_copied_is_refused_in_one_sentence(env):
    agent = small(PPO, env, num_envs=2, frame_size=42)
    with pytest.raises(ValueError, match=r"PPO on .* cannot be copied .* rlkit\.load\(path\)") as error:
        copy.deepcopy(agent)
    one_line(error)


def test_a_replay_memory_that_is_too_large_for_a_copy_is_refused(monkeypatch):
    agent = tiny()
    train(agent, 100)
    monkeypatch.setattr(replay_module, "SAVED", 100)
    with pytest.raises(ValueError, match="replay memory of DQN on CartPole-v1 is too large") as error:
        copy.deepcopy(agent)
    one_line(error)
