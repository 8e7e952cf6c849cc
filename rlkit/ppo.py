"""PPO: several careful steps on each rollout, held near the policy that acted by a penalty or by clipping.

Schulman et al. 2017, Proximal Policy Optimization Algorithms; algorithm 1. (Chapter 3, sections 10 to 16.)
`variant="adaptive_kl"` is the lecture's PPO, section 4 of the paper. `variant="clip"` is the lecture's PPO2, section 3.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from rlkit import functional as F
from rlkit.envs import Envs
from rlkit.networks import actor_critic
from rlkit.optimizers import TorchAdam
from rlkit.policies import make_policy
from rlkit.rollout import Collector
from rlkit.running.copies import become_copy, copied_state
from rlkit.running.kinds import Count, CountOrZero, Limit, NotNegative, Number, Positive, Seed, ZeroToOne
from rlkit.running.learning import one_learner
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.theta import all_or_nothing, descend, flat_parameter, require_finite


@dataclass
class PPO:
    """An actor-critic that takes several careful steps on each rollout."""

    env: str | Callable = "CartPole-v1"
    variant: Literal["clip", "adaptive_kl"] = "clip"
    clip_coef: Positive = 0.2  # ε
    kl_coef: Positive = 1.0  # adaptive_kl: the first β
    kl_min: Positive = 0.01 / 1.5  # adaptive_kl: below it β shrinks
    kl_max: Limit = 0.01 * 1.5  # adaptive_kl: above it β grows
    gamma: ZeroToOne = 0.99
    gae_lambda: ZeroToOne = 0.95
    learning_rate: Positive = 3e-4
    num_envs: Count = 8  # N
    num_steps: Count = 128  # T, of each environment between updates
    epochs: Count = 4  # K, how often each sample is used
    minibatch_size: Count = 256
    value_coef: NotNegative = 0.5  # c_1
    entropy_coef: NotNegative = 0.0  # c_2
    entropy_steps: Count | None = None  # c_2 falls linearly to 0 over this many steps; None: constant
    max_grad_norm: Limit = 0.5
    value_clip: Limit = float("inf")  # V gains nothing from moving further than this in an update
    adam_eps: Positive = 1e-5
    anneal_steps: Count | None = None  # learning rate and ε fall linearly to 0 over this many steps; None: constant
    normalize_advantages: bool = True  # to mean 0 and standard deviation 1 over the rollout
    reward_clip: Limit = float("inf")  # learns from rewards clipped to ± this
    normalize: bool | Literal["obs", "rewards"] = False  # scales by running statistics; True: both
    hidden: tuple[Count, ...] = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    orthogonal: bool = True  # orthogonal first weights, small in the policy's last layer; False: torch's own
    shared: bool | None = None  # one body for π and V; None: for pixels only
    obs_shift: Number | tuple[Number, ...] = 0.0  # the network sees (obs - shift) / scale
    obs_scale: Positive | tuple[Positive, ...] | None = None  # None: 255 for pixels, otherwise 1
    frame_size: Count = 84  # pixels: the size of Atari's frames; larger images are shrunk to it
    life_loss: bool = False  # Atari: a lost life counts as terminated
    reward_ends: bool = False  # a reward counts as terminated: a point of Pong is an episode of its own
    actions: tuple[CountOrZero, ...] | None = None  # keep only these actions
    seed: Seed = 0
    device: str = "auto"

    saved_to_act = ("network", "step", "collector.scaling")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("optimizer", "beta")
    saved_to_play_on = ("collector.scaling.running_return",)
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    def __post_init__(self):
        check_settings(self)
        self.envs = Envs(self.env, self.num_envs, self.seed, self.frame_size, self.life_loss, self.actions)
        self.policy = make_policy(self.envs)
        self.network = actor_critic(self, shared=self.shared, orthogonally=self.orthogonal)
        self.theta = flat_parameter(self.network.parameters())  # θ: all weights are views of it
        self.optimizer = TorchAdam([self.theta], self.learning_rate, self.adam_eps)
        self.rng = np.random.default_rng(self.seed)
        self.collector = Collector(self)
        self.beta = self.kl_coef  # β adapts
        self.step = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Algorithm 1, one iteration per `yield`."""
        while self.step < total_steps:
            rollout = self.collector.collect(self.num_steps)
            self.step += self.num_steps * self.num_envs
            metrics = self.update(rollout) if rollout.valid.any() else {}  # all rows may be autoreset rows
            yield Progress(self.step, self.envs.pop_finished(), metrics)

    @all_or_nothing("theta", "optimizer")
    def update(self, rollout):
        """K epochs of minibatches on one rollout; then, for adaptive_kl, the next β."""
        if self.reward_ends:
            rollout = rollout.ending_at_rewards()
        advantages = rollout.advantages(self.gamma, self.gae_lambda)
        batch = rollout.batch(self.policy, advantages, self.network.device)
        metrics = {"explained_variance": rollout.explained_variance(advantages)}
        if self.normalize_advantages:
            batch = batch._replace(advantages=F.normalize(batch.advantages))
        remaining = F.linear_schedule(self.step, 1.0, 0.0, self.anneal_steps or math.inf)
        clip_coef = self.clip_coef * remaining
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * remaining
        norms = []
        for _ in range(self.epochs):
            for minibatch in batch.minibatches(self.minibatch_size, self.rng):
                loss = self.objective(minibatch, clip_coef)
                norms.append(descend(loss, self.theta, self.optimizer, self.max_grad_norm))
        metrics["grad_norm"] = torch.stack(norms).mean()
        if self.variant == "clip":
            return metrics | self.measure(minibatch, clip_coef)
        metrics |= self.measure(batch, clip_coef)  # on the whole batch, because β depends on it
        self.beta = F.adapt_kl_coef(self.beta, metrics["kl"], self.kl_min, self.kl_max)
        return metrics | {"beta": self.beta}

    def objective(self, batch, clip_coef):
        """The loss of a minibatch: minus the mean of L^{CLIP or KLPEN} - c_1 L^VF + c_2 H (eq. 9)."""
        params, values = self.network(batch.obs)
        ratio = F.ratio(self.policy.log_prob(params, batch.actions), batch.old_log_probs)
        if self.variant == "clip":
            surrogate = F.clipped_surrogate(ratio, batch.advantages, clip_coef)
        else:
            kl = self.policy.kl(batch.old_params, params)
            surrogate = F.kl_penalized_surrogate(ratio, batch.advantages, kl, self.beta)
        value_loss = F.clipped_value_loss(values, batch.old_values, batch.returns, self.value_clip)
        objective = surrogate.mean() - self.value_coef * value_loss.mean()
        if entropy_coef := F.linear_schedule(self.step, self.entropy_coef, 0.0, self.entropy_steps or math.inf):
            objective = objective + entropy_coef * self.policy.entropy(params).mean()
        return -objective

    @torch.no_grad()
    def measure(self, batch, clip_coef):
        """How far an update went from the policy that acted. Raises ValueError if any of it is not finite."""
        params, values = self.network(batch.obs)
        ratio = F.ratio(self.policy.log_prob(params, batch.actions), batch.old_log_probs)
        metrics = {
            "kl": self.policy.kl(batch.old_params, params).mean(),
            "clip_fraction": ((ratio - 1).abs() > clip_coef).float().mean(),
            "dead_share": F.dead_samples(ratio, batch.advantages, clip_coef).float().mean(),
            "entropy": self.policy.entropy(params).mean(),
            "value_loss": F.value_loss(values, batch.returns).mean(),
        }
        for name, value in metrics.items():
            require_finite(name, value)
        return metrics

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.collector.act(obs)
