"""What a policy gradient method learns from: T steps of the current policy in N environments, then thrown away."""

from typing import NamedTuple

import numpy as np
import torch

from rlkit import functional as F
from rlkit.running.memory import require_rollout
from rlkit.running.messages import endless
from rlkit.running.result import LONGEST


class Rollout(NamedTuple):
    """Row t: what was seen, what the policy made of it and did, and what came of that. All NumPy."""

    obs: np.ndarray  # [T, N, ...]
    params: np.ndarray  # [T, N, K] of the policy that acted
    actions: np.ndarray  # [T, N], or [T, N, D]: continuous ones as they were drawn, before they were clipped
    rewards: np.ndarray  # [T, N]
    terminated: np.ndarray  # [T, N]
    truncated: np.ndarray  # [T, N]
    valid: np.ndarray  # [T, N]: False in autoreset rows
    values: np.ndarray  # [T + 1, N]: row t + 1 is V of the true next state of row t, also where an episode ends

    def ending_at_rewards(self):
        """The same rollout, but a step with a reward counts as terminated. V then says what the next reward will be."""
        return self._replace(terminated=self.terminated | (self.rewards != 0))

    def advantages(self, gamma, gae_lambda):
        """Generalized advantage estimates `[T, N]`."""
        ends = self.terminated, self.truncated
        return F.gae(self.rewards, self.values[:-1], self.values[1:], *ends, gamma, gae_lambda)

    def explained_variance(self, advantages):
        """How much of the spread of the targets A + V is explained by V, on the valid rows."""
        values = self.values[:-1][self.valid]
        return F.explained_variance(values, values + advantages[self.valid])

    def batch(self, policy, advantages, device):
        """The valid rows as one `Batch`. The targets of V are A + V, those of TD(λ)."""
        returns = advantages + self.values[:-1]
        keep = slice(None) if self.valid.all() else self.valid.reshape(-1)

        def flat(rows):
            rows = rows.reshape(-1, *rows.shape[2:])[keep]
            return torch.from_numpy(rows).to(device)

        obs, actions, params = flat(self.obs), flat(self.actions), flat(self.params)
        if obs.dim() == 4:  # once, and not for every minibatch
            obs = obs.contiguous(memory_format=torch.channels_last)
        return Batch(
            obs, actions, params, policy.log_prob(params, actions),
            flat(advantages.astype(np.float32)), flat(returns.astype(np.float32)), flat(self.values[:-1]),
        )  # fmt: skip


class Batch(NamedTuple):
    """B samples, in torch."""

    obs: torch.Tensor  # [B, ...]
    actions: torch.Tensor  # [B] or [B, D]
    old_params: torch.Tensor  # [B, K] of π_old
    old_log_probs: torch.Tensor  # [B]
    advantages: torch.Tensor  # [B]
    returns: torch.Tensor  # [B], the target of V
    old_values: torch.Tensor  # [B], V of the network that acted

    def minibatches(self, size, rng):
        """All samples once, in random order, in parts of nearly equal size."""
        order = torch.from_numpy(rng.permutation(len(self.actions))).to(self.actions.device)
        shuffled = (in_order(column, order) for column in self)
        count = max(1, round(len(order) / size))
        yield from map(Batch._make, zip(*(column.tensor_split(count) for column in shuffled)))


def in_order(column, order):
    """The rows of a column in this order. Frames stay channels_last, which `index_select` by itself would undo."""
    if column.dim() != 4:
        return column.index_select(0, order)
    return column.permute(0, 2, 3, 1).index_select(0, order).permute(0, 3, 1, 2)


class Collector:
    """Plays the policy in the agent's environments, and acts for it."""

    def __init__(self, agent):
        self.env, self.envs = agent.env, agent.envs
        self.network, self.policy, self.rng = agent.network, agent.policy, agent.rng
        require_rollout(self.envs, getattr(agent, "num_steps", 0))  # REINFORCE has none: it plays whole episodes
        self.forward = self.network.numpy_twin() or self.torch_forward
        self.scaling = Scaling(agent)

    def collect(self, num_steps):
        """`num_steps` steps in each environment -> Rollout."""
        self.scaling.apply(self.network)
        noise = self.policy.noise(self.rng, num_steps, self.envs.num_envs)
        return self.stack([self.take_step(noise[t]) for t in range(num_steps)])

    def collect_episodes(self, count):
        """`count` whole episodes of one environment, so that no return is cut short -> Rollout.

        Raises ValueError if an episode does not end.
        """
        self.scaling.apply(self.network)
        rows, ended = [], 0
        while ended < count:
            rows.append(self.take_step(self.policy.noise(self.rng, self.envs.num_envs)))
            ended += int(self.envs.ended.sum())
            if self.envs.length[0] >= LONGEST:
                raise endless(self.env, LONGEST, ", or take PPO, which does not wait for it")
        return self.stack(rows)

    def take_step(self, noise):
        """One step in each environment -> a row: obs, params, actions, rewards, terminated, truncated, valid, V."""
        obs = self.envs.obs
        params, values = self.forward(obs)
        actions = self.policy.sample(params, noise)
        _, rewards, terminated, truncated, valid = self.envs.step(actions)
        return obs, params, actions, rewards, terminated, truncated, valid, values

    def stack(self, rows):
        """Rows, one after the other, as a Rollout."""
        *columns, values = zip(*rows)
        obs, params, actions, rewards, terminated, truncated, valid = (np.array(column) for column in columns)
        values = np.array([*values, self.forward(self.envs.obs)[1]])
        rewards = self.scaling.rewards(obs, rewards, terminated | truncated)
        return Rollout(obs, params, actions, rewards, terminated, truncated, valid, values)

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`."""
        return self.policy.mode(self.forward(obs)[0])

    @torch.no_grad()
    def torch_forward(self, obs):
        params, values = self.network(torch.as_tensor(obs, device=self.network.device))
        return params.cpu().numpy(), values.cpu().numpy()


class Scaling:
    """Scales what a policy gradient method learns from. The returns that it reports stay unscaled.

    Rewards are clipped to ± `reward_clip`. With `normalize`, observations are scaled to mean 0 and standard deviation
    1, and rewards so that a discounted return has standard deviation 1. Both use everything seen so far. `normalize`
    may also be "obs" or "rewards", for one of the two. This is no paper's equation (Engstrom et al. 2020).
    """

    def __init__(self, agent):
        self.normalize, self.reward_clip, self.gamma = agent.normalize, agent.reward_clip, agent.gamma
        self.scales_obs, self.scales_rewards = self.normalize in (True, "obs"), self.normalize in (True, "rewards")
        if self.scales_obs and len(agent.envs.obs_shape) == 3:
            raise ValueError(
                f"normalize={self.normalize!r} is for vectors; leave it off for the frames of {agent.env}."
            )
        self.obs, self.returns = Moments(agent.envs.obs_shape), Moments(())
        self.running_return = np.zeros(agent.envs.num_envs)

    def apply(self, network):
        """Give the network the mean and standard deviation of the observations so far.

        Only between two rollouts, because the network that learns from a rollout must be the one that acted in it.
        """
        if self.scales_obs and self.obs.count:
            network.shift.copy_(torch.from_numpy(self.obs.mean))
            network.scale.copy_(torch.from_numpy(self.obs.std))

    def rewards(self, obs, rewards, ended):
        """Take in T steps, obs `[T, N, ...]`, rewards and ended `[T, N]` -> rewards to learn from, `[T, N]` float32."""
        if self.scales_obs:
            self.obs.add(obs.reshape(-1, *self.obs.mean.shape))
        if self.scales_rewards:
            for t in range(len(rewards)):
                self.running_return = rewards[t] + self.gamma * self.running_return
                self.returns.add(self.running_return)
                self.running_return = self.running_return * ~ended[t]
            rewards = rewards / self.returns.std
        return rewards.clip(-self.reward_clip, self.reward_clip).astype(np.float32)

    def state(self):
        """For a checkpoint: the statistics. (The running return belongs to the episodes.)"""
        return {"obs": self.obs.state(), "returns": self.returns.state()} if self.normalize else None

    def restore(self, state):
        self.obs.restore(state["obs"])
        self.returns.restore(state["returns"])


class Moments:
    """Mean and standard deviation of a stream of arrays, merged batch by batch (Chan et al. 1979)."""

    def __init__(self, shape):
        self.count, self.mean, self.squares = 0, np.zeros(shape), np.zeros(shape)

    def add(self, values):
        count, mean = len(values), values.mean(0, dtype=float)
        total, distance = self.count + count, mean - self.mean
        squares = self.squares + ((values - mean) ** 2).sum(0) + distance**2 * self.count * count / total
        # All three at once, because an interrupt between two of them would leave numbers that belong to no stream.
        self.count, self.mean, self.squares = total, self.mean + distance * count / total, squares

    @property
    def std(self):
        return np.maximum(np.sqrt(self.squares / max(self.count, 1)), 1e-4)  # a constant column stays finite

    def state(self):
        return {"count": self.count, "mean": torch.tensor(self.mean), "squares": torch.tensor(self.squares)}

    def restore(self, state):
        self.count, self.mean, self.squares = state["count"], state["mean"].numpy(), state["squares"].numpy()
