"""A2C: advantage actor-critic. N environments step together, and one gradient comes from all of them.

Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning; algorithm S3 without its asynchrony, which
`rlkit.a3c` adds. (Chapter 4, section 4.)
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from rlkit import functional as F
from rlkit.envs import Envs
from rlkit.networks import ActorCritic, RecurrentActorCritic, actor_critic
from rlkit.optimizers import make_optimizer
from rlkit.policies import make_policy
from rlkit.running.copies import become_copy, copied_state
from rlkit.running.kinds import BelowOne, Count, CountOrZero, Limit, NotNegative, Number, Positive, Seed, ZeroToOne
from rlkit.running.learning import one_learner
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.segments import Player
from rlkit.theta import clip_norm, flat_gradient, flatten


@dataclass
class A2C:
    """An actor-critic that learns once from every few steps, then forgets them."""

    env: str | Callable = "CartPole-v1"
    num_envs: Count = 8  # N
    t_max: Count = 5  # steps of each environment between updates
    recurrent: bool = False  # with an LSTM on top of the hidden layers
    gamma: ZeroToOne = 0.99
    gae_lambda: ZeroToOne = 1.0  # 1: n-step returns, as in the paper
    learning_rate: Positive = 1e-3  # η
    optimizer: Literal["rmsprop", "adam", "adam_in_place"] = "rmsprop"
    rmsprop_decay: BelowOne = 0.99  # α
    adam_betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    optimizer_eps: Positive = 1e-5
    value_coef: NotNegative = 0.5  # λ
    entropy_coef: NotNegative = 0.01  # β
    max_grad_norm: Limit = 0.5
    anneal_steps: Count | None = None  # the learning rate falls linearly to 0 over this many steps; None: constant
    reward_clip: Limit = float("inf")  # learns from rewards clipped to ± this
    normalize: bool = False  # scales observations and rewards by running statistics
    hidden: tuple[Count, ...] = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    obs_shift: Number | tuple[Number, ...] = 0.0  # the network sees (obs - shift) / scale
    obs_scale: Positive | tuple[Positive, ...] | None = None  # None: 255 for pixels, otherwise 1
    frame_size: Count = 84  # pixels: the size of Atari's frames; larger images are shrunk to it
    life_loss: bool = False  # Atari: a lost life counts as terminated
    actions: tuple[CountOrZero, ...] | None = None  # keep only these actions
    seed: Seed = 0
    device: str = "auto"

    saved_to_act = ("network", "step", "player.scaling")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("optimize",)
    saved_to_play_on = ("player.lstm_state", "player.scaling.running_return")
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    def __post_init__(self):
        check_settings(self)
        self.envs = Envs(self.env, self.num_envs, self.seed, self.frame_size, self.life_loss, self.actions)
        self.policy = make_policy(self.envs)
        self.network = actor_critic(self, RecurrentActorCritic if self.recurrent else ActorCritic, year=2013)
        self.parameters = list(self.network.parameters())
        self.theta = flatten(self.parameters)  # θ: all weights are views of it
        self.optimize = make_optimizer(self, self.theta)
        self.rng = np.random.default_rng(self.seed)
        self.player = Player(self)
        self.step = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Algorithm S3 with one thread and N environments, one update per `yield`."""
        while self.step < total_steps:
            segment = self.player.play(self.t_max)
            self.step += self.t_max * self.num_envs
            gradient, metrics = self.gradient(segment)
            self.optimize.step(gradient, self.current_learning_rate())
            yield Progress(self.step, self.envs.pop_finished(), metrics)

    def gradient(self, segment):
        """dθ of algorithm S3 -> a flat tensor like θ, and metrics."""
        loss, metrics = self.objective(segment)
        gradient = flat_gradient(loss, self.parameters)
        norm = clip_norm(gradient, self.max_grad_norm)
        return gradient, metrics | {"grad_norm": norm}

    def objective(self, segment):
        """The loss of a segment, summed over time and averaged over environments -> a number, and metrics."""
        params, values = self.unroll(segment)
        V = values.detach().cpu().numpy()
        advantages = F.gae(
            segment.rewards, V[:-1], V[1:], segment.terminated, segment.truncated, self.gamma, self.gae_lambda
        )
        returns = advantages + V[:-1]  # with λ = 1 the R of algorithm S3

        actions, advantages, returns, valid = map(
            self.tensor, (segment.actions, advantages.astype(np.float32), returns.astype(np.float32), segment.valid)
        )
        entropy = self.policy.entropy(params)
        value_errors = F.value_loss(values[:-1], returns)
        log_probs = self.policy.log_prob(params, actions)
        loss = F.actor_critic_loss(log_probs, advantages, value_errors, entropy, self.value_coef, self.entropy_coef)
        metrics = {"entropy": entropy.detach().mean(), "value_loss": value_errors.detach().mean()}
        return (loss * valid).sum() / self.num_envs, metrics

    def unroll(self, segment):
        """Params `[T, N, K]`, and V `[T + 1, N]`: the last row is the state to bootstrap from."""
        obs = self.tensor(segment.obs)
        if self.recurrent:
            valid = np.append(segment.valid, np.ones((1, self.num_envs), bool), axis=0)  # [T + 1, N]
            params, values = self.network.unroll(obs, segment.lstm_state, self.tensor(valid))
        else:
            params, values = (x.unflatten(0, obs.shape[:2]) for x in self.network(obs.flatten(0, 1)))
        return params[:-1], values

    def tensor(self, array):
        return torch.from_numpy(array).to(self.network.device)

    def current_learning_rate(self):
        """η, annealed if `anneal_steps` is set."""
        return self.learning_rate * F.linear_schedule(self.step, 1.0, 0.0, self.anneal_steps or math.inf)

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.player.act(obs)

    def forget(self):
        """The next `act` begins new episodes: a recurrent network starts from its initial state."""
        self.player.forget()
