"""A2C: advantage actor-critic; N environments step together, and one gradient comes from all of them.

Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning, algorithm S3, without the asynchrony: that is
`rlkit.a3c`, which differs in nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from rlkit import functional as F
from rlkit.envs import Envs, play_state, resume_play
from rlkit.networks import ActorCritic, RecurrentActorCritic, actor_critic
from rlkit.optimizers import make_optimizer
from rlkit.policies import make_policy
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings
from rlkit.segments import Player
from rlkit.theta import concatenate, flatten


@dataclass
class A2C:
    """An actor-critic that learns from every few steps once, and forgets them."""

    env: str | Callable = "CartPole-v1"
    num_envs: int = 8  # N
    t_max: int = 5  # steps of each environment between updates
    recurrent: bool = False  # an LSTM on top of the hidden layers
    gamma: float = 0.99
    gae_lambda: float = 1.0  # 1: n-step returns, as in the paper
    learning_rate: float = 1e-3  # η
    optimizer: Literal["rmsprop", "adam", "adam_in_place"] = "rmsprop"
    rmsprop_decay: float = 0.99  # α
    adam_betas: tuple = (0.9, 0.999)
    optimizer_eps: float = 1e-5
    value_coef: float = 0.5  # λ
    entropy_coef: float = 0.01  # β
    max_grad_norm: float = 0.5
    anneal_steps: int | None = None  # the learning rate falls linearly to 0 over so many steps; None: never
    reward_clip: float = float("inf")  # learns from rewards in ± this
    normalize: bool = False  # scales observations and rewards by running statistics
    hidden: tuple = (64, 64)
    activation: Literal["tanh", "relu"] = "tanh"
    obs_shift: float | tuple = 0.0  # the network sees (obs - shift) / scale
    obs_scale: float | tuple | None = None  # None: 255 for frames, 1 for vectors
    frame_size: int = 84  # Atari: pixels
    life_loss: bool = False  # Atari: a lost life counts as terminated
    actions: tuple | None = None  # keep only these actions
    seed: int = 0
    device: str = "auto"

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

    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Algorithm S3 with one thread and N environments, one update per `yield`."""
        while self.step < total_steps:
            segment = self.player.play(self.t_max)
            self.step += self.t_max * self.num_envs
            gradient, metrics = self.gradient(segment)
            self.optimize.step(gradient, self.learning_rate * self.remaining())
            yield Progress(self.step, self.envs.pop_finished(), metrics)

    def gradient(self, segment):
        """dθ of algorithm S3: the gradient of the loss, summed over time, averaged over environments; flat as θ."""
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
        loss = (loss * valid).sum() / self.num_envs

        gradient = concatenate(torch.autograd.grad(loss, self.parameters), self.parameters)
        norm = gradient.norm()
        if not norm.isfinite():
            raise ValueError(f"The gradient is {norm}: it diverged; take a smaller learning_rate.")
        gradient *= (self.max_grad_norm / norm).clip(max=1)
        metrics = {"entropy": entropy.detach().mean(), "value_loss": value_errors.detach().mean(), "grad_norm": norm}
        return gradient, metrics

    def unroll(self, segment):
        """Params `[T, N, K]`, and V `[T + 1, N]`: also of the state after the last step, to bootstrap from."""
        obs = self.tensor(segment.obs)
        if self.recurrent:
            last = np.ones((1, self.num_envs), bool)
            params, values = self.network.unroll(obs, segment.memory, self.tensor(np.append(segment.valid, last, 0)))
        else:
            params, values = (x.unflatten(0, obs.shape[:2]) for x in self.network(obs.flatten(0, 1)))
        return params[:-1], values

    def tensor(self, array):
        return torch.from_numpy(array).to(self.network.device)

    def remaining(self):
        """1, or with `anneal_steps` the share of them that is left."""
        return 1.0 if self.anneal_steps is None else F.linear_schedule(self.step, 1.0, 0.0, self.anneal_steps)

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.player.act(obs)

    def forget(self):
        """Begin anew: a recurrent network remembers what it acted on."""
        self.player.forget()

    def state(self, resume=True):
        """What a checkpoint holds: the network, and with `resume` what it takes to go on learning."""
        state = {"network": self.network.state_dict(), "step": self.step}
        if resume:
            state |= {"statistics": self.optimize.statistics(), "scales": self.player.state(), "play": play_state(self)}
        return state

    def restore(self, state):
        self.network.load_state_dict(state["network"])
        self.step = state["step"]
        same_episodes = resume_play(self, state.get("play", {}))
        if "statistics" in state:
            for ours, saved in zip(self.optimize.statistics(), state["statistics"]):
                ours.copy_(saved)
            self.player.restore(state["scales"], same_episodes)
