"""Chapter 2: bugs of DQN. For each: the class with the one wrong line, the number that gives it away, and its card."""

import copy
from dataclasses import replace

import gymnasium
import torch
from gymnasium.utils import RecordConstructorArgs

from rlkit import functional as F
from rlkit.dqn import DQN
from rlkit.envs import Envs
from rlkit.experiments.museum.bug import Bug
from rlkit.experiments.overestimation import estimates_and_returns
from rlkit.networks import QNetwork
from rlkit.presets import FAST_CARTPOLE

BUGS = {}  # name -> Bug

FIVE_STEPS = dict(FAST_CARTPOLE, n_step=5)


# The target is the network itself -------------------------------------------------------------------------------------


class AliasedTarget(DQN):
    """The target network is another name for the network."""

    def __post_init__(self):
        super().__post_init__()
        self.target = self.network


def mean_value(agent):
    """The mean of max_a Q(s, a) over the states in the memory."""
    return agent.q_values(agent.replay.frames[agent.replay.valid]).max(-1).mean()


BUGS["aliased target"] = Bug(
    chapter=2,
    wrong="target = network",
    right="target = copy.deepcopy(network)",
    symptom="Q runs ahead of itself, past what any policy can get",
    number="mean of max Q over the memory",
    mark=(100.0, "balancing for ever"),
    test="tests/test_dqn.py::test_the_target_is_another_network_that_follows_every_target_period_updates",
    source="datawhalechina/easy-rl, issue 140",
    sound=DQN,
    broken=AliasedTarget,
    settings=FAST_CARTPOLE,
    steps=30_000,
    measure=mean_value,
)


# A time limit counts as an ending -------------------------------------------------------------------------------------


class OneMask(DQN):
    """An episode that the time limit cut off is stored as one that ended."""

    def __post_init__(self):
        super().__post_init__()
        add = self.replay.add
        self.replay.add = lambda obs, actions, rewards, terminated, truncated, valid: add(
            obs, actions, rewards, terminated | truncated, truncated, valid
        )


def short_cartpole():
    """CartPole with a time limit of 100 steps."""
    return gymnasium.make("CartPole-v1", max_episode_steps=100)


BUGS["truncated as terminated"] = Bug(
    chapter=2,
    wrong="done = terminated | truncated;  y = r + γ (1 - done) max Q",
    right="y = r + γ (1 - terminated) max Q",
    symptom="every value is too low by what would have come after the time limit",
    number="mean of max Q over the memory",
    mark=(100.0, "balancing for ever"),
    test="tests/test_dqn.py::test_the_learned_values_are_the_exact_ones",
    source="openai/baselines, issue 436",
    sound=DQN,
    broken=OneMask,
    settings=dict(FIVE_STEPS, env=short_cartpole, double=True, learning_rate=2e-3, epsilon_end=0.1),
    steps=30_000,
    measure=mean_value,
)


# Importance weights are not used -------------------------------------------------------------------------------------


class WeightsDropped(DQN):
    """Prioritized replay whose importance weights are not used: all are 1."""

    def objective(self, batch):
        return super().objective(replace(batch, weights=torch.ones_like(batch.weights)))


class Lottery(gymnasium.Wrapper, RecordConstructorArgs):
    """Pays 10 with probability 0.1 and otherwise 0: on average 1 a step, as CartPole does."""

    def __init__(self, env):
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)

    def step(self, action):
        obs, _, terminated, truncated, info = super().step(action)
        return obs, 10.0 * (self.unwrapped.np_random.random() < 0.1), terminated, truncated, info


def lottery_cartpole():
    """CartPole with the rewards of `Lottery`."""
    return Lottery(gymnasium.make("CartPole-v1"))


def claimed_to_true(agent):
    """The mean of max_a Q(s, a), divided by the return that the greedy policy then gets.

    Both are measured on CartPole-v1 itself, without its time limit.
    """
    judged = copy.copy(agent)
    judged.envs = Envs("CartPole-v1", 1, seed=0)
    claimed, true = estimates_and_returns(judged)
    return claimed / true


BUGS["weights dropped"] = Bug(
    chapter=2,
    wrong="mean of huber(δ)",
    right="mean of w huber(δ)",
    symptom="rare luck is replayed more often than it happens, and is taken for the rule",
    number="claimed value / true value",
    mark=(1.0, "true"),
    test="tests/test_dqn.py::test_the_loss_is_that_of_a_literal_loop_over_the_batch",
    source="rlcode/per, issue 3",
    sound=DQN,
    broken=WeightsDropped,
    settings=dict(
        FAST_CARTPOLE, env=lottery_cartpole, prioritized=True, double=True, learning_rate=5e-3, beta_start=1.0
    ),
    steps=30_000,
    measure=claimed_to_true,
)


# One mean for the whole batch -----------------------------------------------------------------------------------------


class MeanOverBatch(QNetwork):
    """A dueling network that subtracts one mean over the whole batch: obs `[B, D]` -> Q `[B, A]`."""

    def forward(self, obs):
        features = self.body((obs - self.shift) / self.scale)
        advantages = self.advantage(features)
        return self.value(features) + advantages - advantages.mean()


class BatchDueling(DQN):
    """Dueling DQN with `MeanOverBatch`."""

    def __post_init__(self):
        super().__post_init__()
        self.network.__class__ = self.target.__class__ = MeanOverBatch
        self.fast_q_values = None  # without this it would act by the right formula


@torch.no_grad()
def change_when_alone(agent):
    """The mean of |Q(s, a) in a batch of a hundred states - Q(s, a) of the state alone|."""
    obs = torch.from_numpy(agent.replay.frames[agent.replay.valid][:100])
    alone = torch.cat([agent.network(obs[i : i + 1]) for i in range(len(obs))])
    return (agent.network(obs) - alone).abs().mean().item()


BUGS["mean over the batch"] = Bug(
    chapter=2,
    wrong="V + A - A.mean()",
    right="V + A - A.mean(-1, keepdims=True)",
    symptom="the value of a state depends on which other states are in the batch",
    number="change of Q when a state stands alone",
    mark=(0.0, "none"),
    test="tests/test_networks.py::test_a_dueling_network_has_its_value_as_the_mean_over_actions",
    source="PacktPublishing/Deep-Reinforcement-Learning-Hands-On, issue 6",
    sound=DQN,
    broken=BatchDueling,
    settings=dict(FIVE_STEPS, dueling=True, double=True, learning_rate=5e-3),
    steps=30_000,
    measure=change_when_alone,
)


# The target has a gradient --------------------------------------------------------------------------------------------


class GradientThroughTarget(DQN):
    """The target comes from the online network and keeps its gradient: an unwanted residual gradient."""

    def td_target(self, batch):
        return F.td_target(batch.rewards, F.max_q(self.network(batch.next_obs)), batch.terminated, batch.discounts)


@torch.no_grad()
def mean_td_error(agent):
    """The mean of y - Q(s, a) over a thousand transitions of the memory."""
    return agent.objective(agent.replay.sample(1_000))[2].mean().item()


BUGS["target not detached"] = Bug(
    chapter=2,
    wrong="y = r + γ max Q(s'; w), with its gradient",
    right="y = r + γ max Q(s'; w_T), a constant",
    symptom="Q stays below its own targets, because what moves Q moves them as well, and the step all but cancels",
    number="mean TD error, y - Q",
    mark=(0.0, "right on average"),
    test="tests/test_dqn.py::test_the_gradient_flows_into_the_online_network_only_and_not_through_the_target",
    source="datawhalechina/easy-rl, pull request 117",
    sound=DQN,
    broken=GradientThroughTarget,
    settings=dict(FIVE_STEPS, learning_rate=5e-3),
    steps=30_000,
    measure=mean_td_error,
)
