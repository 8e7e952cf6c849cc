"""Small environments of the lectures. They are at the top level of a module, because workers have to import them.

A wrapper takes the environment that it wraps, and records its other arguments, so that Gymnasium can make it again from
its `spec`.
"""

import itertools
import time

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.utils import RecordConstructorArgs


class DelayedCartPole(gymnasium.Wrapper, RecordConstructorArgs):
    """CartPole-v1 whose steps wait a millisecond without computing, like a robot or a simulator on another machine."""

    def __init__(self, env=None, delay=1e-3):
        RecordConstructorArgs.__init__(self, delay=delay)
        gymnasium.Wrapper.__init__(self, env or gymnasium.make("CartPole-v1"))
        self.delay = delay

    def step(self, action):
        time.sleep(self.delay)
        return self.env.step(action)


class BlindCartPole(gymnasium.ObservationWrapper, RecordConstructorArgs):
    """CartPole-v1 without its velocities: a single observation does not tell which way anything moves."""

    def __init__(self, env=None):
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env or gymnasium.make("CartPole-v1"))
        self.observation_space = Box(self.env.observation_space.low[::2], self.env.observation_space.high[::2])

    def observation(self, observation):
        return np.ascontiguousarray(observation[::2])


class ScaledPendulum(gymnasium.RewardWrapper, RecordConstructorArgs):
    """Pendulum-v1 with its rewards, which go down to -16, divided by 8: networks like numbers near 1."""

    def __init__(self, env=None):
        RecordConstructorArgs.__init__(self)
        gymnasium.RewardWrapper.__init__(self, env or gymnasium.make("Pendulum-v1"))

    def reward(self, reward):
        return reward / 8


class Catch(gymnasium.Env):
    """The smallest video game: a ball falls one row a step, and a paddle on the bottom row has to be there to catch it.

    The reward comes only at the end: 1 if the ball was caught, -1 if not. With `bombs`, every other level has a dim
    ball, which must not be caught.

    `look` is what the agent sees. "pixels": the picture. "features": what a person who knows the game would look at:
    is the ball to the left of the paddle, above it, or to the right? "table": a 1 at the index of this state, 0
    elsewhere. `levels` are the beginnings to draw from, some of `all_levels(size, bombs)`; None means all.
    """

    def __init__(self, size=8, look="pixels", bombs=False, levels=None):
        self.size = size
        self.levels = all_levels(size, bombs) if levels is None else levels
        self.look = {"pixels": self.pixels, "features": self.features, "table": self.table}[look]
        self.action_space = Discrete(3)  # left, stay, right
        self.reset(seed=0)
        self.observation_space = Box(-1.0, 1.0, self.look().shape, np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.column, self.paddle, self.bright = self.levels[self.np_random.integers(len(self.levels))]
        self.row = 0
        return self.look(), {}

    def step(self, action):
        self.paddle = min(max(self.paddle + int(action) - 1, 0), self.size - 1)
        self.row += 1
        over = self.row == self.size - 1
        caught = self.column == self.paddle
        return self.look(), float(over and (1 if caught == self.bright else -1)), over, False, {}

    def pixels(self):
        """The ball, 1 or 0.5, and the paddle: `[size * size]`."""
        picture = np.zeros((self.size, self.size), np.float32)
        picture[-1, self.paddle] = 1.0
        picture[self.row, self.column] = 1.0 if self.bright else 0.5
        return picture.ravel()

    def features(self):
        side = np.sign(self.column - self.paddle)
        return np.array([side < 0, side == 0, side > 0], np.float32)

    def table(self):
        state = np.zeros((self.size, self.size, self.size, 2), np.float32)
        state[self.row, self.column, self.paddle, int(self.bright)] = 1.0
        return state.ravel()


def all_levels(size, bombs=False):
    """Every way in which a game of Catch can begin: the ball's column, the paddle's, and whether the ball is bright."""
    return list(itertools.product(range(size), range(size), (True, False) if bombs else (True,)))
