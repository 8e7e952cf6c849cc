"""TRPO: the longest step along the natural gradient that keeps the new policy within δ of the old one.

Schulman et al. 2015, Trust Region Policy Optimization; section 6 and appendix C, with generalized advantage estimation
as in Schulman et al. 2016. (Chapter 3, section 9.)
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
from rlkit.theta import all_or_nothing, descend, flat_gradient, flat_parameter, flatten, require_finite


@dataclass
class TRPO:
    """Maximises the surrogate J subject to KL(π_old || π) <= δ, by conjugate gradient and a line search."""

    env: str | Callable = "CartPole-v1"
    max_kl: Positive = 0.01  # δ
    cg_iterations: Count = 10
    damping: NotNegative = 0.1  # times the identity, added to the Fisher matrix, which may be singular
    line_search_steps: Count = 10  # each tries half the previous step
    gamma: ZeroToOne = 0.99
    gae_lambda: ZeroToOne = 0.95
    learning_rate: Positive = 1e-3  # of V
    epochs: Count = 4  # of V
    minibatch_size: Count = 256  # of V
    max_grad_norm: Limit = 0.5  # of V
    value_clip: Limit = float("inf")  # V gains nothing from moving further than this in an update
    anneal_steps: Count | None = None  # the learning rate of V falls linearly to 0 over this many steps; None: constant
    num_envs: Count = 8  # N
    num_steps: Count = 128  # T, of each environment between updates
    reward_clip: Limit = float("inf")  # learns from rewards clipped to ± this
    normalize: bool | Literal["obs", "rewards"] = False  # scales by running statistics; True: both
    hidden: tuple[Count, ...] = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    orthogonal: bool = True  # orthogonal first weights, small in the policy's last layer; False: torch's own
    obs_shift: Number | tuple[Number, ...] = 0.0  # the network sees (obs - shift) / scale
    obs_scale: Positive | tuple[Positive, ...] | None = None  # None: 255 for pixels, otherwise 1
    frame_size: Count = 84  # pixels: the size of Atari's frames; larger images are shrunk to it
    life_loss: bool = False  # Atari: a lost life counts as terminated
    actions: tuple[CountOrZero, ...] | None = None  # keep only these actions
    seed: Seed = 0
    device: str = "auto"

    saved_to_act = ("network", "step", "collector.scaling")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("optimizer",)
    saved_to_play_on = ("collector.scaling.running_return",)
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    def __post_init__(self):
        check_settings(self)
        self.envs = Envs(self.env, self.num_envs, self.seed, self.frame_size, self.life_loss, self.actions)
        self.policy = make_policy(self.envs)
        self.network = actor_critic(self, shared=False, orthogonally=self.orthogonal)  # V must not move the policy
        self.theta = flatten(self.network.policy_parameters())  # θ: the policy's weights are views of it
        self.w = flat_parameter(self.network.value_parameters())  # w: those of V
        self.optimizer = TorchAdam([self.w], self.learning_rate)
        self.rng = np.random.default_rng(self.seed)
        self.collector = Collector(self)
        self.step = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Collect, step within the trust region, fit V; one `yield`."""
        while self.step < total_steps:
            rollout = self.collector.collect(self.num_steps)
            self.step += self.num_steps * self.num_envs
            metrics = self.update(rollout) if rollout.valid.any() else {}  # all rows may be autoreset rows
            yield Progress(self.step, self.envs.pop_finished(), metrics)

    @all_or_nothing("theta", "w", "optimizer")
    def update(self, rollout):
        """One step of the policy within the trust region; then V learns the returns."""
        advantages = rollout.advantages(self.gamma, self.gae_lambda)
        batch = rollout.batch(self.policy, advantages, self.network.device)
        metrics = self.improve_policy(batch._replace(advantages=F.normalize(batch.advantages)))
        return metrics | self.fit_values(batch) | {"explained_variance": rollout.explained_variance(advantages)}

    def improve_policy(self, batch):
        """θ <- θ + x, the step to the edge of the trust region along y, where H y = g."""
        parameters = self.network.policy_parameters()
        surrogate, kl, _ = self.surrogate_and_kl(batch)
        g = flat_gradient(surrogate, parameters, retain_graph=True)
        require_finite("length of the gradient", g.norm())
        kl_gradient = flat_gradient(kl, parameters, create_graph=True)

        def fisher(v):
            """H v, the Hessian of the KL times a vector: the gradient of (∇KL · v)."""
            return flat_gradient(kl_gradient @ v, parameters, retain_graph=True) + self.damping * v

        y = F.conjugate_gradient(fisher, g, self.cg_iterations)
        full_step = F.trust_region_step(y, fisher(y), self.max_kl) * y
        require_finite("length of the step", full_step.norm())
        return self.line_search(batch, full_step)

    @torch.no_grad()
    def line_search(self, batch, full_step):
        """Take the first of α, α/2, α/4, ... that improves J and keeps the KL below δ; if none does, take no step."""
        old_theta = self.theta.clone()
        old_surrogate, *_ = self.surrogate_and_kl(batch)
        for k in range(self.line_search_steps):
            self.theta.copy_(old_theta + 0.5**k * full_step)
            surrogate, kl, entropy = self.surrogate_and_kl(batch)
            if surrogate > old_surrogate and kl <= self.max_kl:
                return {"kl": kl, "step_size": 0.5**k, "gain": surrogate - old_surrogate, "entropy": entropy}
        self.theta.copy_(old_theta)
        return {"kl": 0.0, "step_size": 0.0, "gain": 0.0, "entropy": self.surrogate_and_kl(batch)[2]}

    def surrogate_and_kl(self, batch):
        """J^{θ'}(θ), KL(θ' || θ) and the entropy: means over the batch."""
        params = self.network.policy(batch.obs)
        ratio = F.ratio(self.policy.log_prob(params, batch.actions), batch.old_log_probs)
        kl = self.policy.kl(batch.old_params, params).mean()
        return F.surrogate(ratio, batch.advantages).mean(), kl, self.policy.entropy(params).mean()

    def fit_values(self, batch):
        """A few epochs of regression of V on the returns."""
        remaining = F.linear_schedule(self.step, 1.0, 0.0, self.anneal_steps or math.inf)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * remaining
        for _ in range(self.epochs):
            for minibatch in batch.minibatches(self.minibatch_size, self.rng):
                values = self.network.values(minibatch.obs)
                loss = F.clipped_value_loss(values, minibatch.old_values, minibatch.returns, self.value_clip).mean()
                descend(loss, self.w, self.optimizer, self.max_grad_norm)
        return {"value_loss": loss.detach()}

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.collector.act(obs)
