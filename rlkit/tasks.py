"""Small environments of the lectures' own, at the top level of a module: workers have to import them."""

import time

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class DelayedCartPole(gymnasium.Wrapper):
    """CartPole-v1 that takes a millisecond for a step and no computation: like a robot, or a simulator elsewhere."""

    def __init__(self, delay=1e-3):
        super().__init__(gymnasium.make("CartPole-v1"))
        self.delay = delay

    def step(self, action):
        time.sleep(self.delay)
        return self.env.step(action)


class BlindCartPole(gymnasium.ObservationWrapper):
    """CartPole-v1 without its velocities: a single observation does not tell which way anything moves."""

    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))
        self.observation_space = Box(self.env.observation_space.low[::2], self.env.observation_space.high[::2])

    def observation(self, observation):
        return np.ascontiguousarray(observation[::2])


class ScaledPendulum(gymnasium.RewardWrapper):
    """Pendulum-v1 with its rewards, which go down to -16, divided by 8: networks like numbers near 1."""

    def __init__(self):
        super().__init__(gymnasium.make("Pendulum-v1"))

    def reward(self, reward):
        return reward / 8
