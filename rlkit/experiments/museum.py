"""The museum of real bugs: faults that public code has had, each as the one line that differs, on a run of seconds.

A broken agent is a real one with that line put in. Most of them learn: what gives a fault away is a number that nobody
looks at while the return rises. `python -m rlkit.experiments.sweeps museum` measures both, return and number.
"""

import copy
from collections.abc import Callable
from dataclasses import fields, replace
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from rlkit import functional as F
from rlkit.a2c import A2C
from rlkit.dqn import DQN
from rlkit.envs import Envs
from rlkit.experiments.overestimation import estimates_and_returns
from rlkit.experiments.stored import stored
from rlkit.networks import QNetwork
from rlkit.policies import Softmax
from rlkit.ppo import PPO
from rlkit.presets import FAST_CARTPOLE, FAST_PPO_CARTPOLE
from rlkit.running.result import Progress
from rlkit.segments import Segment


class Bug(NamedTuple):
    chapter: int
    wrong: str  # the line as it was
    right: str  # the line as it must be
    symptom: str  # what gives it away, in words
    number: str  # and in a number: what `measure` gives
    mark: tuple | None  # a value to compare the number with, and what that value is
    test: str  # of ours, that catches it
    source: str  # public code that had it
    sound: type
    broken: type
    settings: dict  # of both
    steps: int  # of a run
    measure: Callable  # a trained agent -> the number; the agent may learn on meanwhile


# Chapter 2 ----------------------------------------------------------------------------------------------------------


class AliasedTarget(DQN):
    """The target network is another name for the network."""

    def __post_init__(self):
        super().__post_init__()
        self.target = self.network


class OneMask(DQN):
    """An episode that a time limit stopped counts as one that is over."""

    def __post_init__(self):
        super().__post_init__()
        add = self.replay.add
        self.replay.add = lambda obs, actions, rewards, terminated, truncated, valid: add(
            obs, actions, rewards, terminated | truncated, truncated, valid
        )


class WeightsDropped(DQN):
    """Prioritized replay whose importance weights nobody uses."""

    def objective(self, batch):
        return super().objective(replace(batch, weights=torch.ones_like(batch.weights)))


class MeanOverBatch(QNetwork):
    """A dueling network that subtracts one mean for all the states that it is shown at once."""

    def forward(self, obs):
        features = self.body((obs - self.shift) / self.scale)
        advantages = self.advantage(features)
        return self.value(features) + advantages - advantages.mean()


class BatchDueling(DQN):
    """Dueling DQN with `MeanOverBatch`."""

    def __post_init__(self):
        super().__post_init__()
        self.network.__class__ = self.target.__class__ = MeanOverBatch
        self.fast_q_values = None  # acts by the same network


class GradientThroughTarget(DQN):
    """The target comes from the network that learns, and its gradient is not cut: an unwanted residual gradient."""

    def td_target(self, batch):
        return F.td_target(batch.rewards, F.max_q(self.network(batch.next_obs)), batch.terminated, batch.discounts)


# Chapter 3 ----------------------------------------------------------------------------------------------------------


class NoMin(PPO):
    """The ratio is clipped, and the smaller of the two is not taken."""

    def objective(self, batch, clip_coef):
        params, values = self.network(batch.obs)
        ratio = F.ratio(self.policy.log_prob(params, batch.actions), batch.old_log_probs)
        surrogate = F.surrogate(ratio.clip(1 - clip_coef, 1 + clip_coef), batch.advantages)
        return self.value_coef * F.value_loss(values, batch.returns).mean() - surrogate.mean()


class NewFirst(Softmax):
    """KL(π || π_old) where KL(π_old || π) is meant."""

    def kl(self, old_params, params):
        return super().kl(params, old_params)


class ReversedKL(PPO):
    """Penalises and measures the KL of `NewFirst`."""

    def __post_init__(self):
        super().__post_init__()
        self.policy = NewFirst(self.envs.num_actions)


class Broadcast(PPO):
    """Values `[B]` minus returns `[B, 1]` are `[B, B]`: each value is compared with every return."""

    def objective(self, batch, clip_coef):
        return super().objective(batch._replace(returns=batch.returns[:, None]), clip_coef)


class ResetsLearned(PPO):
    """The row after an ending, in which the action does nothing, counts like any other."""

    def update(self, rollout):
        return super().update(rollout._replace(valid=np.ones_like(rollout.valid)))


# Chapter 4 ----------------------------------------------------------------------------------------------------------


class TakingTurns(A2C):
    """A3C whose workers, one for each environment, take a step each in turn: stale, and yet it can be repeated."""

    def __post_init__(self):
        super().__post_init__()
        settings = {field.name: getattr(self, field.name) for field in fields(A2C)} | {"num_envs": 1}
        self.workers = [A2C(**settings | {"seed": 1_000 * self.seed + rank}) for rank in range(self.num_envs)]
        self.turns = [self.laps(worker, rank) for rank, worker in enumerate(self.workers)]
        self.distances = [0.0]

    def learn(self, total_steps):
        while self.step < total_steps:
            for worker, turn in zip(self.workers, self.turns):
                next(turn)
                self.step += 1
                yield Progress(self.step, [e._replace(step=self.step) for e in worker.envs.pop_finished()], {})

    def laps(self, worker, rank):
        """Algorithm S3 of one worker, which pauses after every step. The first segments end at different times."""
        length = 1 + rank * self.t_max // self.num_envs
        while True:
            worker.theta.copy_(self.theta)  # θ' ← θ
            parts = []
            for _ in range(length):
                parts.append(self.take_step(worker))
                yield
            gradient, _ = worker.gradient(joined(parts))
            self.optimize.step(gradient, self.learning_rate)
            length = self.t_max

    def take_step(self, worker):
        return worker.player.play(1)


class ActsOnShared(TakingTurns):
    """The worker acts by θ as the others have made it meanwhile; its gradient is taken at θ'."""

    def take_step(self, worker):
        own, obs = worker.theta.clone(), torch.from_numpy(worker.envs.obs)
        worker.theta.copy_(self.theta)
        acting, part = worker.network.policy(obs).detach(), worker.player.play(1)
        worker.theta.copy_(own)
        self.distances.append(F.kl_divergence(acting, worker.network.policy(obs).detach()).mean().item())
        return part


def joined(parts):
    """Segments of one step each as one."""
    *columns, _ = zip(*(part._replace(obs=part.obs[:1]) for part in parts))
    obs, *columns = (np.concatenate(column) for column in columns)
    return Segment(np.concatenate([obs, parts[-1].obs[1:]]), *columns, parts[0].memory)


class Accumulates(A2C):
    """Gradients are added to those of all segments before: nobody sets them to zero any more.

    The classic worker calls `optimizer.zero_grad()`, which knows the shared parameters only. It used to fill their
    gradients with zeros, and the worker's own with them, for they were the same tensors. Since torch 2.0 it sets them
    to None instead; the worker's own stay, and `backward` adds to them.
    """

    def __post_init__(self):
        super().__post_init__()
        self.total = torch.zeros_like(self.theta)

    def gradient(self, segment):
        gradient, metrics = super().gradient(segment)
        self.total += gradient
        return self.total * (self.max_grad_norm / self.total.norm()).clip(max=1), metrics


# Where they play ----------------------------------------------------------------------------------------------------


class Lottery(gymnasium.Wrapper):
    """Pays 10 in one step out of ten, by chance, and 0 in the others: 1 on average, as CartPole does."""

    def step(self, action):
        obs, _, terminated, truncated, info = super().step(action)
        return obs, 10.0 * (self.unwrapped.np_random.random() < 0.1), terminated, truncated, info


def lottery_cartpole():
    return Lottery(gymnasium.make("CartPole-v1"))


def short_cartpole():
    """CartPole that is stopped after 100 steps."""
    return gymnasium.make("CartPole-v1", max_episode_steps=100)


class Corridor(gymnasium.Env):
    """Five places in a row and a door on the right, which pays 1. Who has left still sees the last place."""

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


# What gives them away -----------------------------------------------------------------------------------------------


def mean_value(agent):
    """The mean of max_a Q(s, a) over the states in the memory."""
    return agent.q_values(agent.replay.frames[agent.replay.valid]).max(-1).mean()


def claimed_to_true(agent):
    """The mean of max_a Q(s, a), over what the greedy policy then gets on CartPole-v1 itself without a time limit."""
    judged = copy.copy(agent)
    judged.envs = Envs("CartPole-v1", 1, seed=0)
    claimed, true = estimates_and_returns(judged)
    return claimed / true


@torch.no_grad()
def mean_td_error(agent):
    """The mean of y - Q(s, a) over a thousand transitions of the memory."""
    return agent.objective(agent.replay.sample(1_000))[2].mean().item()


@torch.no_grad()
def change_when_alone(agent):
    """By how much Q(s, a) differs, on average, between a state alone and among a hundred."""
    obs = torch.from_numpy(agent.replay.frames[agent.replay.valid][:100])
    alone = torch.cat([agent.network(obs[i : i + 1]) for i in range(len(obs))])
    return (agent.network(obs) - alone).abs().mean().item()


def next_updates(agent, count=5):
    """The agent learns on: the batch of each of its next rollouts, and the params of the policy after the update."""
    for _ in range(count):
        rollout = agent.collector.collect(agent.num_steps)
        batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
        agent.update(rollout)
        with torch.no_grad():
            yield batch._replace(advantages=F.normalize(batch.advantages)), agent.network.policy(batch.obs)


def moved_the_wrong_way(agent):
    """The share of samples that an update moves beyond 1 ± ε, against their advantage."""
    shares = []
    for batch, params in next_updates(agent):
        change = F.ratio(agent.policy.log_prob(params, batch.actions), batch.old_log_probs) - 1
        shares.append(((change.abs() > agent.clip_coef) & (change * batch.advantages < 0)).float().mean().item())
    return np.mean(shares)


def new_first_to_old_first(agent):
    """KL(π || π_old) over KL(π_old || π), of the next updates together."""
    new_first, old_first = 0.0, 0.0
    for batch, params in next_updates(agent):
        new_first += F.kl_divergence(params, batch.old_params).mean().item()
        old_first += F.kl_divergence(batch.old_params, params).mean().item()
    return new_first / old_first


def explained_variance(agent):
    """1 - Var(V^target - V) / Var(V^target) on a fresh rollout: 1 where V tells returns apart, 0 where it is flat."""
    rollout = agent.collector.collect(agent.num_steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
    with torch.no_grad():
        return (1 - (batch.returns - agent.network.values(batch.obs)).var() / batch.returns.var()).item()


def value_at_the_door(agent):
    """V at the last place of the corridor."""
    return agent.collector.forward(np.eye(5, dtype=np.float32))[1][-1]


def acting_to_own(agent):
    """The mean KL, over the last thousand steps, between the policy that acted and the one of the gradient."""
    return np.mean(agent.distances[-1_000:])


def fresh_share(agent):
    """The cosine between what is pushed and the gradient of the newest segment alone, over fifty segments."""
    cosines = []
    for _ in range(50):
        segment = agent.player.play(agent.t_max)
        own, pushed = A2C.gradient(agent, segment)[0], agent.gradient(segment)[0]
        cosines.append(torch.cosine_similarity(own, pushed, dim=0).item())
        agent.optimize.step(pushed, agent.learning_rate)
    return np.mean(cosines)


# The table ----------------------------------------------------------------------------------------------------------

REUSE = dict(num_envs=8, num_steps=128, epochs=10, minibatch_size=256, learning_rate=1e-3)
CORRIDOR = dict(
    env=Corridor, gamma=0.8, num_envs=16, num_steps=32, minibatch_size=256, learning_rate=3e-3, hidden=(32,)
)  # fmt: skip
SEGMENTS_OF_32 = dict(
    num_envs=8, t_max=32, gae_lambda=0.95, learning_rate=3e-3, value_coef=0.05, entropy_coef=0.01, max_grad_norm=2.0,
    hidden=(32, 32), activation="relu",
)  # fmt: skip
FIVE_STEPS = dict(FAST_CARTPOLE, n_step=5)

BUGS = {
    "aliased target": Bug(
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
    ),
    "truncated as terminated": Bug(
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
    ),
    "weights dropped": Bug(
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
    ),
    "mean over the batch": Bug(
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
    ),
    "target not detached": Bug(
        chapter=2,
        wrong="y = r + γ max Q(s'; w), with its gradient",
        right="y = r + γ max Q(s'; w_T), a constant",
        symptom="Q stays below its own targets, for what moves it moves them as well, and the step all but cancels",
        number="mean TD error, y - Q",
        mark=(0.0, "right on average"),
        test="tests/test_dqn.py::test_the_gradient_flows_into_the_online_network_only_and_not_through_the_target",
        source="datawhalechina/easy-rl, pull request 117",
        sound=DQN,
        broken=GradientThroughTarget,
        settings=dict(FIVE_STEPS, learning_rate=5e-3),
        steps=30_000,
        measure=mean_td_error,
    ),
    "no min": Bug(
        chapter=3,
        wrong="clip(r, 1 - ε, 1 + ε) A",
        right="min( r A, clip(r, 1 - ε, 1 + ε) A )",
        symptom="a sample moved beyond 1 ± ε against its advantage has no gradient, and nothing brings it back",
        number="share moved the wrong way",
        mark=None,
        test="tests/test_ppo.py::test_the_objective_is_that_of_a_literal_loop_over_the_batch",
        source="tensorforce/tensorforce, issue 106",
        sound=PPO,
        broken=NoMin,
        settings=REUSE,
        steps=40_000,
        measure=moved_the_wrong_way,
    ),
    "KL reversed": Bug(
        chapter=3,
        wrong="β KL(π || π_old)",
        right="β KL(π_old || π)",
        symptom="almost nothing, for with small steps both are the same to second order",
        number="KL(new || old) / KL(old || new)",
        mark=(1.0, "the same"),
        test="tests/test_ppo.py::test_the_objective_is_that_of_a_literal_loop_over_the_batch",
        source="tensorforce/tensorforce, issue 107, where it was only logged",
        sound=PPO,
        broken=ReversedKL,
        settings=dict(REUSE, variant="adaptive_kl", minibatch_size=128),
        steps=40_000,
        measure=new_first_to_old_first,
    ),
    "[B] minus [B, 1]": Bug(
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
        measure=explained_variance,
    ),
    "reset row learned": Bug(
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
    ),
    "acting on the shared network": Bug(
        chapter=4,
        wrong="a ~ π( · |s; θ), which others change meanwhile",
        right="a ~ π( · |s; θ')",
        symptom="the actions are another policy's than the one whose gradient is taken",
        number="KL(acting || of the gradient), nats",
        mark=(0.0, "the same policy"),
        test="tests/test_a3c.py::test_a_worker_acts_by_its_own_theta",
        source="seungeunrho/minimalRL, issue 9",
        sound=TakingTurns,
        broken=ActsOnShared,
        settings=SEGMENTS_OF_32,
        steps=30_000,
        measure=acting_to_own,
    ),
    "gradients accumulate": Bug(
        chapter=4,
        wrong="optimizer.zero_grad() on the shared network alone",
        right="a new gradient each time: torch.autograd.grad",
        symptom="every push holds all gradients since the beginning, the newest drowned in them",
        number="cosine of the push and the newest gradient",
        mark=(1.0, "the newest alone"),
        test="tests/test_a2c.py::test_a_gradient_is_of_its_segment_alone",
        source="the pattern of ikostrikov/pytorch-a3c, train.py, run with torch 2.0 or later",
        sound=A2C,
        broken=Accumulates,
        settings=SEGMENTS_OF_32,
        steps=40_000,
        measure=fresh_share,
    ),
}


def make(name, broken, seed=0):
    """The agent of a bug's run, with the bug in it or without."""
    bug = BUGS[name]
    return (bug.broken if broken else bug.sound)(**bug.settings, seed=seed)


class Table:
    """Rows that a notebook shows as a table."""

    def __init__(self, rows):
        self.text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)

    def _repr_markdown_(self):
        return self.text

    def __repr__(self):
        return self.text


def table():
    """All bugs, with the medians of the stored runs."""

    runs, _ = stored("museum")
    rows = [("bug", "chapter", "what the return says", "what gives it away", "the test that catches it"), ("---",) * 5]
    for name, bug in BUGS.items():
        (sound, good), (broken, bad) = (medians(runs[name][kind]) for kind in ("sound", "broken"))
        rows.append(
            (
                name,
                str(bug.chapter),
                f"{broken:.3g}; without the bug {sound:.3g}",
                f"{bug.symptom}; {bug.number}: {bad:.3g}; without the bug {good:.3g}",
                f"`{bug.test}`",
            )
        )
    return Table(rows)


def medians(runs):
    """Of the returns at the end, and of the numbers."""
    return np.median([run["returns"][-1] for run in runs]), np.median([run["number"] for run in runs])
