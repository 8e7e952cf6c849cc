"""DQN: Q-learning with a deep network, a replay memory and a target network. (Chapter 2, sections 5 to 15.)

Mnih et al. 2015, Human-level control through deep reinforcement learning; algorithm 1. Each flag changes one line:
double (van Hasselt et al. 2016), dueling (Wang et al. 2016), prioritized (Schaul et al. 2016), n_step > 1
(Sutton & Barto, chapter 7; Hessel et al. 2018).
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rlkit import functional as F
from rlkit.envs import Envs
from rlkit.networks import q_network
from rlkit.optimizers import TorchAdam
from rlkit.prioritized import PrioritizedReplay
from rlkit.replay import Replay
from rlkit.running.copies import become_copy, copied_state
from rlkit.running.kinds import Count, CountOrZero, Limit, Number, Positive, Seed, ZeroToOne
from rlkit.running.learning import one_learner
from rlkit.running.result import Progress
from rlkit.running.settings import check_settings, choose_device
from rlkit.spaces import num_actions
from rlkit.theta import descend


@dataclass
class DQN:
    """Learns Q(s, a) from replayed transitions, and acts ε-greedily on it."""

    env: str | Callable = "CartPole-v1"
    double: bool = False
    dueling: bool = False
    prioritized: bool = False
    n_step: Count = 1
    gamma: ZeroToOne = 0.99
    learning_rate: Positive = 2.5e-4
    batch_size: Count = 32
    target_period: Count = 500  # C, in updates
    replay_size: Count = 50_000  # N, in transitions
    learning_starts: CountOrZero = 1_000  # steps before the first update
    num_envs: Count = 1
    train_period: Count = 4  # actions in each environment between updates
    updates: Count = 1  # gradient steps per update phase
    epsilon_start: ZeroToOne = 1.0
    epsilon_end: ZeroToOne = 0.1
    epsilon_steps: Count = 10_000
    huber_delta: Limit = 1.0  # where the loss turns linear; inf: squared error
    reward_clip: Limit = float("inf")  # learns from rewards clipped to ± this
    max_grad_norm: Limit = 10.0
    adam_eps: Positive = 1e-8
    alpha: ZeroToOne = 0.6  # prioritized: how much the priority counts
    beta_start: ZeroToOne = 0.4  # prioritized: how much of the bias is corrected at first; it grows to 1
    beta_steps: Count = 100_000
    hidden: tuple[Count, ...] = (64, 64)
    obs_shift: Number | tuple[Number, ...] = 0.0  # the network sees (obs - shift) / scale
    obs_scale: Positive | tuple[Positive, ...] | None = None  # None: 255 for pixels, otherwise 1
    frame_size: Count = 84  # pixels: the size of Atari's frames; larger images are shrunk to it
    life_loss: bool = False  # Atari: a lost life counts as terminated
    actions: tuple[CountOrZero, ...] | None = None  # keep only these actions
    seed: Seed = 0
    device: str = "auto"

    saved_to_act = ("network", "step")  # what a checkpoint holds: see `rlkit.running.state`
    saved_to_learn = ("target", "optimizer", "num_updates", "epsilon")
    saved_to_play_on = ("replay",)
    __getstate__, __setstate__ = copied_state, become_copy  # for `copy.deepcopy`: see `rlkit.running.copies`

    def __post_init__(self):
        check_settings(self)
        self.envs = Envs(self.env, self.num_envs, self.seed, self.frame_size, self.life_loss, self.actions)
        self.num_actions = num_actions(self.envs)
        self.torch_device = choose_device(self.device, frames=len(self.envs.obs_shape) == 3)
        self.network = q_network(self).to(self.torch_device)  # w
        self.target = copy.deepcopy(self.network)  # w_T
        self.parameters = list(self.network.parameters())
        self.optimizer = TorchAdam(self.parameters, self.learning_rate, eps=self.adam_eps)
        memory = (self.replay_size, self.num_envs, self.envs.obs_shape, self.envs.obs_dtype)
        memory += (self.n_step, self.gamma, self.seed, self.envs.stacked)
        self.replay = PrioritizedReplay(*memory, alpha=self.alpha) if self.prioritized else Replay(*memory)
        self.rng = np.random.default_rng(self.seed)
        self.fast_q_values = self.network.numpy_twin()
        self.epsilon = None  # None: ε follows its schedule; a number holds it fixed
        self.step = 0
        self.num_updates = 0

    @one_learner
    def learn(self, total_steps: int) -> Iterator[Progress]:
        """Algorithm 1; one `yield` for every `train_period` actions in each environment."""
        while self.step < total_steps:
            for _ in range(self.train_period):
                obs = self.envs.obs
                actions = self.explore(obs)
                _, rewards, terminated, truncated, valid = self.envs.step(actions)
                rewards = np.clip(rewards, -self.reward_clip, self.reward_clip)
                self.replay.add(obs, actions, rewards, terminated, truncated, valid)
                self.step += self.num_envs
            metrics = {"epsilon": self.current_epsilon()}
            if self.step >= self.learning_starts and self.replay.ready():
                for _ in range(self.updates):
                    metrics |= self.update()
            yield Progress(self.step, self.envs.pop_finished(), metrics)

    def explore(self, obs):
        """With probability ε a random action, otherwise argmax_a Q(s, a; w). `[N, ...]` -> `[N]`."""
        random = self.rng.random(len(obs)) < self.current_epsilon()
        actions = self.rng.integers(self.num_actions, size=len(obs))
        return actions if random.all() else np.where(random, actions, self.act(obs))

    def update(self):
        """One gradient step on one minibatch. After every C steps, w_T = w."""
        if self.prioritized:
            beta = F.linear_schedule(self.step, self.beta_start, 1.0, self.beta_steps)
            batch = self.replay.sample(self.batch_size, beta).to(self.torch_device)
        else:
            batch = self.replay.sample(self.batch_size).to(self.torch_device)
        loss, q, td_error = self.objective(batch)
        descend(loss, self.parameters, self.optimizer, self.max_grad_norm)
        if self.prioritized:
            self.replay.update_priorities(batch.slots, td_error.detach().cpu().numpy())
        self.num_updates += 1
        if self.num_updates % self.target_period == 0:
            self.target.load_state_dict(self.network.state_dict())
        return {"loss": loss.detach(), "q": q.detach().mean()}

    def objective(self, batch):
        """The loss of a minibatch: the mean of w_i · huber(y_i - Q(s_i, a_i; w))."""
        q = self.network(batch.obs).gather(1, batch.actions[:, None]).squeeze(1)
        td_error = self.td_target(batch) - q
        return (batch.weights * F.huber(td_error, self.huber_delta)).mean(), q, td_error

    @torch.no_grad()
    def td_target(self, batch):
        """y = r + γ max_a' Q(s', a'; w_T). When double, w selects a' and w_T evaluates it."""
        q_target = self.target(batch.next_obs)
        next_q = F.double_q(self.network(batch.next_obs), q_target) if self.double else F.max_q(q_target)
        return F.td_target(batch.rewards, next_q, batch.terminated, batch.discounts)

    def act(self, obs):
        """Greedy actions: `[B, ...]` -> `[B]`."""
        return self.q_values(obs).argmax(-1)

    @torch.no_grad()
    def q_values(self, obs):
        """Q(s, · ; w) as NumPy: `[B, ...]` -> `[B, A]`."""
        if self.fast_q_values:
            return self.fast_q_values(obs)
        return self.network(torch.as_tensor(obs, device=self.torch_device)).cpu().numpy()

    def current_epsilon(self):
        if self.epsilon is not None:
            return self.epsilon
        return F.linear_schedule(self.step, self.epsilon_start, self.epsilon_end, self.epsilon_steps)
