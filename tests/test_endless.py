"""Loops whose end the environment decides: an episode that never ends must not hold anybody up."""

import gymnasium
import numpy as np
import pytest
from conftest import one_line, small, weights
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
