"""Loops whose end the environment decides: an episode that never ends must not hold anybody up."""

import threading

import gymnasium
import numpy as np
import pytest
from conftest import one_line, small, tiny, weights
from gymnasium.spaces import Box, Discrete

from rlkit import a2c, reinforce, rollout
from rlkit.training import evaluate, time_limit, train


class Endless(gymnasium.Env):
    """An episode without an end. Each step pays 1."""

    def __init__(self):
        self.observation_space, self.action_space = Box(0, 1, (2,), np.float32), Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.ones(2, np.float32), 1.0, False, False, {}


class LateEnd(Endless):
    """Ends after 30 steps."""

    def reset(self, *, seed=None, options=None):
        self.left = 30
        return super().reset()

    def step(self, action):
        self.left -= 1
        obs, reward, *_ = super().step(action)
        return obs, reward, self.left == 0, False, {}


CURE = "TimeLimit"


@pytest.mark.parametrize("algorithm", [reinforce.REINFORCE, a2c.A2C])
def test_evaluate_gives_up_on_an_episode_that_does_not_end(algorithm):
    with pytest.raises(ValueError, match="Endless has not ended after 40 steps") as error:
        evaluate(small(algorithm, Endless), 3, max_steps=40)
    assert CURE in one_line(error) and "max_steps" in one_line(error)
    assert evaluate(small(algorithm, LateEnd), 3, max_steps=30).tolist() == [30, 30, 30]
    with pytest.raises(ValueError, match="after 29 steps"):
        evaluate(small(algorithm, LateEnd), 3, max_steps=29)


def test_no_honest_environment_is_refused():
    longest = 108_000 // 4  # an Atari game of half an hour, in steps
    assert 7 * longest < rollout.LONGEST and evaluate.__defaults__[-1] == rollout.LONGEST


def test_reinforce_gives_up_on_an_episode_that_does_not_end(monkeypatch):
    monkeypatch.setattr(rollout, "LONGEST", 100)
    agent = small(reinforce.REINFORCE, Endless)
    before = weights(agent.network)
    with pytest.raises(ValueError, match="Endless has not ended after 100 steps") as error:
        train(agent, 50, time_limit(1e-9))  # neither the total nor a watcher can end an episode
    assert CURE in one_line(error) and weights(agent.network).equal(before)
    assert len(train(small(reinforce.REINFORCE, LateEnd), 50).returns) == 2


@pytest.mark.parametrize(
    "agent", [lambda: small(reinforce.REINFORCE, Endless), lambda: tiny(Endless, train_period=10**9)]
)
def test_a_thread_that_learns_is_interrupted_inside_an_episode(agent):
    """An iteration of `learn` that does not end never comes to a watcher, and Ctrl-C reaches only the main thread."""
    agent, results = agent(), []
    thread = threading.Thread(target=lambda: results.append(train(agent, 10**9)))
    thread.start()
    while agent.envs.steps < 50:
        assert thread.is_alive()
    agent.envs.interrupt()
    thread.join(30)
    assert not thread.is_alive() and results[0].stopped == "interrupted"
    steps = agent.envs.steps
    agent.envs.step(np.zeros(1, int))  # it was interrupted once, not for ever
    assert agent.envs.steps == steps + 1
