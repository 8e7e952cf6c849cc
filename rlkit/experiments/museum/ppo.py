"""Chapter 3: bugs of PPO. For each: the class with the one wrong line, the number that gives it away, and its card."""

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from rlkit import functional as F
from rlkit.experiments.museum.bug import Bug
from rlkit.policies import Softmax
from rlkit.ppo import PPO
from rlkit.presets import FAST_PPO_CARTPOLE

BUGS = {}  # name -> Bug

REUSE = dict(num_envs=8, num_steps=128, epochs=10, minibatch_size=256, learning_rate=1e-3)


def next_updates(agent, count=5):
    """Let the agent keep learning for `count` rollouts -> the batch of each, and the policy's params after its update.

    The batch's advantages are normalised, as the update saw them.
    """
    for _ in range(count):
        rollout = agent.collector.collect(agent.num_steps)
        batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
        agent.update(rollout)
        with torch.no_grad():
            params = agent.network.policy(batch.obs)
        yield batch._replace(advantages=F.normalize(batch.advantages)), params


# A clip without the min -----------------------------------------------------------------------------------------------


class NoMin(PPO):
    """The surrogate with the clipped ratio alone, where PPO takes the smaller one of clipped and not clipped."""

    def objective(self, batch, clip_coef):
        params, values = self.network(batch.obs)
        ratio = F.ratio(self.policy.log_prob(params, batch.actions), batch.old_log_probs)
        surrogate = F.surrogate(ratio.clip(1 - clip_coef, 1 + clip_coef), batch.advantages)
        return self.value_coef * F.value_loss(values, batch.returns).mean() - surrogate.mean()


def moved_the_wrong_way(agent):
    """The share of samples whose ratio an update moves beyond 1 ± ε, against the sign of their advantage."""
    shares = []
    for batch, params in next_updates(agent):
        change = F.ratio(agent.policy.log_prob(params, batch.actions), batch.old_log_probs) - 1
        shares.append(((change.abs() > agent.clip_coef) & (change * batch.advantages < 0)).float().mean().item())
    return np.mean(shares)


BUGS["no min"] = Bug(
    chapter=3,
    wrong="clip(r, 1 - ε, 1 + ε) A",
    right="min( r A, clip(r, 1 - ε, 1 + ε) A )",
    symptom="a sample moved beyond 1 ± ε against its advantage has no gradient that pulls it back",
    number="share moved the wrong way",
    mark=None,
    test="tests/test_ppo.py::test_the_objective_is_that_of_a_literal_loop_over_the_batch",
    source="tensorforce/tensorforce, issue 106",
    sound=PPO,
    broken=NoMin,
    settings=REUSE,
    steps=40_000,
    measure=moved_the_wrong_way,
)


# The other KL ---------------------------------------------------------------------------------------------------------


class NewFirst(Softmax):
    """KL(π || π_old) where KL(π_old || π) is meant."""

    def kl(self, old_params, params):
        return super().kl(params, old_params)


class ReversedKL(PPO):
    """PPO with a KL penalty that penalises and measures the KL of `NewFirst`."""

    def __post_init__(self):
        super().__post_init__()
        self.policy = NewFirst(self.envs.num_actions)


def new_first_to_old_first(agent):
    """KL(π || π_old) divided by KL(π_old || π), each summed over the next updates."""
    new_first, old_first = 0.0, 0.0
    for batch, params in next_updates(agent):
        new_first += F.kl_divergence(params, batch.old_params).mean().item()
        old_first += F.kl_divergence(batch.old_params, params).mean().item()
    return new_first / old_first


BUGS["KL reversed"] = Bug(
    chapter=3,
    wrong="β KL(π || π_old)",
    right="β KL(π_old || π)",
    symptom="almost nothing, because with small steps both are the same to second order",
    number="KL(new || old) / KL(old || new)",
    mark=(1.0, "the same"),
    test="tests/test_ppo.py::test_the_objective_is_that_of_a_literal_loop_over_the_batch",
    source="tensorforce/tensorforce, issue 107, where it was only logged",
    sound=PPO,
    broken=ReversedKL,
    settings=dict(REUSE, variant="adaptive_kl", minibatch_size=128),
    steps=40_000,
    measure=new_first_to_old_first,
)


# [B] minus [B, 1] -----------------------------------------------------------------------------------------------------


class Broadcast(PPO):
    """Values `[B]` minus returns `[B, 1]` give `[B, B]`: each value is compared with every return.

    `F.value_loss` refuses these shapes, so the wrong line is written out.
    """

    def objective(self, batch, clip_coef):
        params, values = self.network(batch.obs)
        ratio = F.ratio(self.policy.log_prob(params, batch.actions), batch.old_log_probs)
        surrogate = F.clipped_surrogate(ratio, batch.advantages, clip_coef)
        value_errors = (values - batch.returns[:, None]) ** 2
        return self.value_coef * value_errors.mean() - surrogate.mean()


def explained_by_v(agent):
    """The explained variance of V on a fresh rollout: 1 if V predicts every return, 0 if it is the same everywhere."""
    rollout = agent.collector.collect(agent.num_steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
    with torch.no_grad():
        return F.explained_variance(agent.network.values(batch.obs), batch.returns).item()


BUGS["[B] minus [B, 1]"] = Bug(
    chapter=3,
    wrong="(V [B] - returns [B, 1])^2, which is [B, B]",
    right="(V [B] - returns [B])^2",
    symptom="V becomes the same number in every state, the mean return",
    number="explained variance of V",
    mark=(1.0, "perfect"),
    test="tests/test_ppo.py::test_the_objective_is_that_of_a_literal_loop_over_the_batch",
    source="RLinf/RLinf, issue 1568",
    sound=PPO,
    broken=Broadcast,
    settings=FAST_PPO_CARTPOLE,
    steps=30_000,
    measure=explained_by_v,
)


# Autoreset rows are learned from --------------------------------------------------------------------------------------


class ResetsLearned(PPO):
    """The autoreset row after each ending, in which the action does nothing, is learned from like any other."""

    def update(self, rollout):
        return super().update(rollout._replace(valid=np.ones_like(rollout.valid)))


class Corridor(gymnasium.Env):
    """Five places in a row, and a door behind the last one that pays 1. After it the last place is still shown."""

    def __init__(self):
        self.observation_space, self.action_space = Box(0, 1, (5,), np.float32), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(5)), 0
        return np.eye(5, dtype=np.float32)[self.place], {}

    def step(self, action):
        self.time += 1
        ahead = self.place + (1 if action else -1)
        self.place = min(max(ahead, 0), 4)
        return np.eye(5, dtype=np.float32)[self.place], float(ahead == 5), ahead == 5, self.time == 10, {}


def value_at_the_door(agent):
    """V at the last place of the corridor, beside the door."""
    return agent.collector.forward(np.eye(5, dtype=np.float32))[1][-1]


CORRIDOR = dict(
    env=Corridor, gamma=0.8, num_envs=16, num_steps=32, minibatch_size=256, learning_rate=3e-3, hidden=(32,)
)  # fmt: skip
BUGS["reset row learned"] = Bug(
    chapter=3,
    wrong="batch = all rows",
    right="batch = rows[valid]",
    symptom="the last state is worth a part of the next episode",
    number="V at the door, where 1 is paid",
    mark=(1.0, "exact"),
    test="tests/test_ppo.py::test_each_epoch_sees_every_valid_sample_once_and_never_a_reset",
    source="vwxyzjn/cleanrl, issue 475",
    sound=PPO,
    broken=ResetsLearned,
    settings=CORRIDOR,
    steps=30_000,
    measure=value_at_the_door,
)
