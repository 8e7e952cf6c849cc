"""Small environments whose every transition is known, and helpers that several tests share."""

import signal
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from rlkit.a2c import A2C
from rlkit.dqn import DQN
from rlkit.reinforce import REINFORCE

torch.set_num_threads(1)  # for the same numbers on every machine, and free cores for other tests
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell sets this for what it starts with `&`
    signal.signal(signal.SIGINT, signal.default_int_handler)


PATIENCE = 600.0  # seconds in which something must have happened, on however busy a machine


class Counting(gymnasium.Env):
    """Shows (episode, time) and pays 10 episode + time. Episodes terminate and are truncated in turn."""

    def __init__(self, lengths=(3,)):
        self.observation_space = Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = Discrete(2)
        self.lengths, self.episode = lengths, -1

    def reset(self, *, seed=None, options=None):
        self.episode, self.time = self.episode + 1, 0
        return self.look(), {}

    def step(self, action):
        self.time += 1
        over = self.time >= self.lengths[self.episode % len(self.lengths)]
        odd = self.episode % 2 == 1
        return self.look(), 10.0 * self.episode + self.time, over and not odd, over and odd, {}

    def look(self):
        return np.array([self.episode, self.time], np.float32)


class Frames(gymnasium.Env):
    """Stacks of four 16 x 16 byte frames, 0 before the first, like those of AtariVectorEnv. All frames differ."""

    def __init__(self, lengths=(1, 2, 7, 3, 5)):
        self.observation_space = Box(0, 255, (4, 16, 16), np.uint8)
        self.action_space = Discrete(3)
        self.lengths, self.episode, self.shown = lengths, -1, 0

    def reset(self, *, seed=None, options=None):
        self.episode, self.time = self.episode + 1, 0
        self.obs = np.zeros((4, 16, 16), np.uint8)
        return self.look(), {}

    def step(self, action):
        self.time += 1
        over = self.time >= self.lengths[self.episode % len(self.lengths)]
        return self.look(), float(action), over and self.episode % 2 == 0, over and self.episode % 2 == 1, {}

    def look(self):
        self.shown += 1
        self.obs = np.roll(self.obs, -1, axis=0)
        self.obs[-1] = 1 + self.shown % 250
        return self.obs.copy()


class Chain(gymnasium.Env):
    """Five states in a row. Actions: left, right. Reward 1 for leaving on the right. Truncated after six steps."""

    def __init__(self):
        self.observation_space = Box(0, 1, (5,), np.float32)
        self.action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.time = int(self.np_random.integers(5)), 0
        return np.eye(5, dtype=np.float32)[self.state], {}

    def step(self, action):
        self.time += 1
        left = self.state + (1 if action else -1)
        self.state = min(max(left, 0), 4)
        return np.eye(5, dtype=np.float32)[self.state], float(left == 5), left == 5, self.time == 6, {}


class Steering(gymnasium.Env):
    """Shows the last action, two numbers within ± 0.5, and pays most for (0.3, -0.2). Truncated after five steps."""

    def __init__(self):
        self.observation_space = Box(-1, 1, (2,), np.float64)
        self.action_space = Box(-0.5, 0.5, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.np_random.uniform(-1, 1, 2), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        return action.astype(float), -float(((action - (0.3, -0.2)) ** 2).sum()), False, self.time == 5, {}


class Row(NamedTuple):
    """What `Envs` showed before a step, and the result of the step."""

    obs: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    valid: np.ndarray


def play(envs, steps, seed=0, right=0.5):
    """Take random actions -> rows, as copies that the environment cannot change."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        obs = envs.obs.copy()
        actions = rng.integers(envs.action_space.n, size=envs.num_envs)
        if right != 0.5:
            actions = (rng.random(envs.num_envs) < right).astype(int)
        yield Row(obs, actions, *(np.copy(x) for x in envs.step(actions)[1:]))


def literal_transition(rows, t, i, n_step, gamma):
    """The n-step transition of environment i from row t, one reward at a time, as (obs, action, ...)."""
    total, discount = 0.0, 1.0
    for last in range(t, t + n_step):
        total += discount * rows[last].rewards[i]
        discount *= gamma
        if rows[last].terminated[i] or rows[last].truncated[i]:
            break
    start, end = rows[t], rows[last]
    return start.obs[i], start.actions[i], total, rows[last + 1].obs[i], end.terminated[i], discount


def assert_as_literal(replay, batch, rows):
    """Check that every transition of `batch` is the one in the rows."""
    wanted = []
    for slot in batch.slots.tolist():
        row, i = divmod(slot, replay.num_envs)
        t = len(rows) - 1 - (len(rows) - 1 - row) % replay.rows  # the step that last wrote this slot
        assert rows[t].valid[i], f"slot {slot} holds an autoreset row"
        wanted.append(literal_transition(rows, t, i, replay.n_step, replay.gamma))
    for name, want in zip(("obs", "actions", "rewards", "next_obs", "terminated", "discounts"), zip(*wanted)):
        got, want = getattr(batch, name).numpy(), np.stack(want)
        assert np.allclose(got, want, rtol=1e-6), f"{name} of slots {batch.slots}: {got}, not {want}"


def complete_slots(replay):
    """The slots that may be sampled: valid ones whose past and future are both stored."""
    first, last = replay.complete_rows()
    rows = np.arange(first, last) % replay.rows
    slots = rows[:, None] * replay.num_envs + np.arange(replay.num_envs)
    return set(slots[replay.valid[rows]].tolist())


def surprise(counts, expected):
    """How many standard deviations chi-square is above its mean: below 5 if the frequencies fit."""
    freedom = len(counts) - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


def tiny(env="CartPole-v1", **changes):
    """A DQN that is fast and starts to learn at once."""
    settings = {"learning_starts": 50, "replay_size": 400, "batch_size": 16, "target_period": 20}
    settings |= {"hidden": (16,), "epsilon_steps": 500, "learning_rate": 1e-3}
    return DQN(env, **{**settings, **changes})


def small(algorithm, env="CartPole-v1", **changes):
    """A fast policy gradient agent: REINFORCE with two episodes for each update, others with 64 steps."""
    sizes = {REINFORCE: {"episodes": 2}, A2C: {"num_envs": 4, "t_max": 16}}
    size = sizes.get(algorithm, {"num_envs": 4, "num_steps": 16, "minibatch_size": 16})
    return algorithm(env, **{"hidden": (16,), **size, **changes})


def record(agent):
    """A list that fills with the rollouts of the agent."""
    rollouts = []
    for name in ("collect", "collect_episodes"):
        collect = getattr(agent.collector, name)
        setattr(agent.collector, name, lambda n, collect=collect: rollouts.append(collect(n)) or rollouts[-1])
    return rollouts


def distribution(params, discrete):
    """torch's own distribution with these parameters: logits, or means and log deviations."""
    if discrete:
        return torch.distributions.Categorical(logits=params)
    mean, log_std = params.chunk(2, -1)
    return torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)


def disturb(network, seed=0, size=1.0):
    """Add noise to every weight."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p += size * torch.randn(p.shape, generator=generator)


def learn(agent, total_steps):
    """Run `agent.learn` to the end -> all returns."""
    return [episode.total_reward for progress in agent.learn(total_steps) for episode in progress.finished]


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def one_line(error):
    """The message of a caught exception. It must be one line and more than a name."""
    message = str(error.value)
    assert "\n" not in message and len(message.split()) >= 5 and message.endswith((".", "?")), message
    return message


@pytest.fixture
def short_cartpole():
    """`make(n)` -> the id of a CartPole, with its native vector version, that is truncated after n steps."""
    made = []

    def make(steps):
        spec = gymnasium.spec("CartPole-v1")
        made.append(f"CartPole{steps}-v0")
        gymnasium.register(
            made[-1], spec.entry_point, max_episode_steps=steps, vector_entry_point=spec.vector_entry_point
        )
        return made[-1]

    yield make
    for name in made:
        del gymnasium.registry[name]
