"""PPO tries only what its policy finds probable: a corridor with a near door and a better one far away. Chapter 3."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from rlkit.experiments.curves import trained
from rlkit.experiments.plan import run
from rlkit.ppo import PPO

LENGTHS = (5, 10, 20, 30, 40)  # places between the doors
NEAR, FAR = 0.1, 1.0  # what the doors pay
SETTINGS = dict(num_envs=16, num_steps=64, minibatch_size=256, learning_rate=3e-3, hidden=(32,), entropy_coef=0.01)
STEPS, TESTS = 20_000, 100  # steps of a run; episodes of the policy as it acts, after training


class TwoDoors(gymnasium.Env):
    """Places in a row, and a door at each end. The left one pays 0.1, the right one 1; either ends the episode.

    An episode begins at the leftmost place, or at a place drawn by chance if `anywhere`. It is truncated after five
    times as many steps as there are places.
    """

    def __init__(self, length=8, anywhere=False):
        self.length, self.anywhere = length, anywhere
        self.observation_space, self.action_space = Box(0, 1, (length,), np.float32), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(self.length)) if self.anywhere else 0, 0
        return self.look(), {}

    def step(self, action):
        self.place, self.time = self.place + (1 if action else -1), self.time + 1
        near, far = self.place < 0, self.place == self.length
        return self.look(), NEAR * near + FAR * far, near or far, self.time == 5 * self.length, {}

    def look(self):
        seen = np.zeros(self.length, np.float32)
        seen[min(max(self.place, 0), self.length - 1)] = 1.0
        return seen


def exploration(seeds=range(10)):
    """PPO in corridors of several lengths, begun at the left end or anywhere.

    {"left, 8": [the share of episodes from the left end that end at the far door, for each seed], ...}.
    """
    return {
        f"{start}, {length}": [run(doors_run, length, start == "anywhere", seed) for seed in seeds]
        for start in ("left", "anywhere")
        for length in LENGTHS
    }


def doors_run(length, anywhere, seed, total_steps=STEPS):
    """One run -> the share of the last 100 episodes from the left end that end at the far door, once it has learned."""
    agent = PPO(corridor(length, anywhere), seed=seed, **SETTINGS)
    trained(agent, total_steps)
    return far_share(agent, length)


def corridor(length, anywhere):
    """A function that makes a TwoDoors."""
    return lambda: TwoDoors(length, anywhere)


def far_share(agent, length):
    """The share of TESTS episodes from the left end, with drawn actions, that end at the far door."""
    env, rng, found = TwoDoors(length), np.random.default_rng(0), 0
    for _ in range(TESTS):
        (obs, _), over, reward = env.reset(seed=0), False, 0.0
        while not over:
            params, _ = agent.collector.forward(obs[None])
            action = agent.policy.sample(params, agent.policy.noise(rng, 1))[0]
            obs, reward, terminated, truncated, _ = env.step(int(action))
            over = terminated or truncated
        found += reward == FAR
    return found / TESTS
