"""REINFORCE: the policy gradient estimated from whole episodes, with no baseline, a mean one, or a learned one.

Williams 1992, Simple Statistical Gradient-following Algorithms; Sutton & Barto, section 13.4. (Chapter 3, sections 1
and 2.)
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlkit import functional as F
from rlkit.envs import Envs
from rlkit.networks import actor_critic
from rlkit.optimizers import TorchAdam
from rlkit.policies import make_policy
from rlkit.rollout import Collector
from rlkit.running.copies import become_copy, copied_state
from rlkit.running.kinds import Count, CountOrZero, Limit, Number, Positive, Seed, ZeroToOne
from rlkit.running.learning import one_learner
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.theta import all_or_nothing, descend, flat_parameter


@dataclass
class REINFORCE:
    """Plays whole episodes, makes the actions that were followed by much reward more probable, and forgets them."""

    env: str | Callable = "CartPole-v1"
    baseline: Literal["none", "mean", "value"] = "value"  # b: 0, the batch's mean return, or V(s_t; w)
    episodes: Count = 8  # N, for each update
    gamma: ZeroToOne = 0.99
    learning_rate: Positive = 3e-3
    value_learning_rate: Positive = 1e-2
    value_steps: Count = 20  # regression steps of V on the returns, after each policy update
    max_grad_norm: Limit = 0.5
    reward_clip: Limit = float("inf")  # learns from rewards clipped to ± this
    normalize: bool = False  # scales observations and rewards by running statistics
    hidden: tuple[Count, ...] = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    obs_shift: Number | tuple[Number, ...] = 0.0  # the network sees (obs - shift) / scale
    obs_scale: Positive | tuple[Positive, ...] | None = None  # None: 255 for pixels, otherwise 1
    frame_size: Count = 84  # pixels: the size of Atari's frames; larger images are shrunk to it
    actions: tuple[CountOrZero, ...] | None = None  # keep only these actions
    seed: Seed = 0
    device: str = "auto"

    saved_to_act = ("network", "step", "collector.scaling")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("policy_optimizer", "value_optimizer")
    saved_to_play_on = ("collector.scaling.running_return",)
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    def __post_init__(self):
        check_settings(self)
        self.envs = Envs(self.env, 1, self.seed, self.frame_size, actions=self.actions)
        self.policy = make_policy(self.envs)
        self.network = actor_critic(self, shared=False)
        self.theta = flat_parameter(self.network.policy_parameters())  # θ: the policy's weights are views of it
        self.w = flat_parameter(self.network.value_parameters())  # w: those of V
        self.policy_optimizer = TorchAdam([self.theta], self.learning_rate)
        self.value_optimizer = TorchAdam([self.w], self.value_learning_rate)
        self.rng = np.random.default_rng(self.seed)
        self.collector = Collector(self)
        self.step = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """N episodes, one gradient step, one `yield`."""
        while self.step < total_steps:
            rollout = self.collector.collect_episodes(self.episodes)
            self.step += len(rollout.rewards)
            metrics = self.update(rollout)
            yield Progress(self.step, self.envs.pop_finished(), metrics)

    @all_or_nothing("theta", "w", "policy_optimizer", "value_optimizer")
    def update(self, rollout):
        """One step along 1/N Σ_n Σ_t (G_t - b) ∇ ln π(a_t|s_t; θ). Then V learns the returns, for the next batch."""
        batch = self.returns_and_advantages(rollout)
        params = self.network.policy(batch.obs)
        log_probs = self.policy.log_prob(params, batch.actions)
        objective = F.policy_gradient(log_probs, batch.advantages).sum() / self.episodes
        norm = descend(-objective, self.theta, self.policy_optimizer, self.max_grad_norm)
        metrics = {"entropy": self.policy.entropy(params.detach()).mean(), "grad_norm": norm}
        return metrics | (self.fit_values(batch) if self.baseline == "value" else {})

    def fit_values(self, batch):
        """A few regression steps of V on the returns."""
        values = batch.returns - batch.advantages
        explained_variance = F.explained_variance(values, batch.returns)
        for _ in range(self.value_steps):
            loss = F.value_loss(self.network.values(batch.obs), batch.returns).mean()
            descend(loss, self.w, self.value_optimizer, math.inf)
        return {"value_loss": loss.detach(), "explained_variance": explained_variance}

    def returns_and_advantages(self, rollout):
        """G_t, and G_t - b, as a batch."""
        ended = rollout.terminated | rollout.truncated
        rewards = rollout.rewards
        if self.baseline == "value":  # a truncated episode would have gone on: V stands for the rest of it
            rewards = rewards + self.gamma * (ended & ~rollout.terminated) * rollout.values[1:]
        returns = F.n_step_returns(rewards, ended, np.zeros(1), self.gamma)
        baselines = {"none": 0.0, "mean": returns[rollout.valid].mean(), "value": rollout.values[:-1]}
        advantages = returns - baselines[self.baseline]
        return rollout.batch(self.policy, advantages, self.network.device)

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.collector.act(obs)
