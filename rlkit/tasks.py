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


# Probes: tasks whose Q-values are known exactly -----------------------------------------------------------------------
#
# In this order, each adds one part to those before, so the first that an agent fails points at what is broken.
# `rlkit.check.probes` runs them. The idea is Andy L. Jones's, https://andyljones.com/posts/rl-debugging.html.

GAMMA = 0.5  # the discount of the exact values: so small that they are learned in a few hundred steps


class Probe(gymnasium.Env):
    """One or two states, given by tables. State 0 is seen as the number -1, and state 1 as 1."""

    adds = suspects = ""  # what is new in this probe, and where to look if it is the first to fail
    rewards = [[1.0]]  # [S, A]
    after = {}  # the state after each state; where there is none, the episode terminates
    starts = [0]  # the states in which episodes begin, with equal chance
    clock = None  # the steps after which an episode is truncated, if there is a clock
    q = [[1.0]]  # [S, A]: the exact values of the best policy, for GAMMA

    def __init__(self, most=np.inf):
        """most: steps after which it raises an error, for agents whose `learn` would never end"""
        self.taken, self.most = 0, most
        self.observation_space = Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = Discrete(len(self.rewards[0]))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.time = int(self.np_random.choice(self.starts)), 0
        return self.look(), {}

    def step(self, action):
        self.taken += 1
        if self.taken > self.most:
            raise ValueError(
                f"The agent has taken {self.most:,} steps in {type(self).__name__}, and goes on; let "
                "learn(total_steps) end after total_steps of them."
            )
        reward, terminated = self.rewards[self.state][action], self.state not in self.after
        self.state = self.after.get(self.state, self.state)
        self.time += 1
        return self.look(), reward, terminated, self.time == self.clock, {}

    def look(self):
        return np.array([2 * self.state - 1], np.float32)


class ConstantReward(Probe):
    """One state, one action, one step. It pays 1."""

    adds = "a value to learn"
    suspects = "the loss, the optimiser, or a target that goes on after the end of an episode"


class RewardByObservation(Probe):
    """One step from either state. The reward is the number that is seen, -1 or 1."""

    adds = "an input"
    suspects = "the way of the observation into the memory or into the network"
    rewards = q = [[-1.0], [1.0]]
    starts = [0, 1]


class DelayedReward(Probe):
    """Two steps, from state 0 to state 1 and to the end. The second pays 1, so the first is worth γ."""

    adds = "a second step"
    suspects = "the bootstrap: the discount, the next observation, or the target network"
    rewards = [[0.0], [1.0]]
    after = {0: 1}
    q = [[GAMMA], [1.0]]


class RewardByAction(Probe):
    """One state and two actions. One pays -1, the other pays 1."""

    adds = "a choice of actions"
    suspects = "the value that is moved towards the target: it must be that of the action that was taken"
    rewards = q = [[-1.0, 1.0]]


class RewardByBoth(Probe):
    """Two states and two actions. The action that is right in one state is wrong in the other."""

    adds = "observation and action together"
    suspects = "rows that are mixed up: an observation with another one's action or reward"
    rewards = q = [[1.0, -1.0], [-1.0, 1.0]]
    starts = [0, 1]


class TruncatedEpisode(Probe):
    """From state 0, which pays nothing, to state 1, which pays 1 for ever. A clock cuts the episode after two steps.

    Nothing has ended then, so state 1 is worth 1 + γ + γ² + ... = 1 / (1 - γ).
    """

    adds = "a clock"
    suspects = "the end by the clock: it keeps its bootstrap, from the last observation of its own episode"
    rewards = [[0.0], [1.0]]
    after = {0: 1, 1: 1}
    clock = 2
    q = [[GAMMA / (1 - GAMMA)], [1 / (1 - GAMMA)]]


PROBES = [ConstantReward, RewardByObservation, DelayedReward, RewardByAction, RewardByBoth, TruncatedEpisode]
