"""What A2C and A3C learn from: a few steps of the current policy, and the memory it began them with."""

from typing import NamedTuple

import numpy as np
import torch

from rlkit.rollout import RunningScales


class Segment(NamedTuple):
    """Row t: what was seen, what the policy did, and what came of that. V is computed later, with the gradient."""

    obs: np.ndarray  # [T + 1, N, ...]: one more, which the last step led to
    actions: np.ndarray  # [T, N], or [T, N, D]
    rewards: np.ndarray  # [T, N]
    terminated: np.ndarray  # [T, N]
    truncated: np.ndarray  # [T, N]
    valid: np.ndarray  # [T, N]: False in the row after an ending, a mere reset
    memory: torch.Tensor | None  # [2, N, H] before row 0, of a recurrent network


class Player:
    """Plays the policy, a few steps at a time. `reward_clip` and `normalize` change what is learned from only."""

    def __init__(self, agent):
        self.envs, self.network, self.policy, self.rng = agent.envs, agent.network, agent.policy, agent.rng
        self.reward_clip = agent.reward_clip
        self.fast_params = self.network.numpy_policy()
        self.memory = self.network.blank_memory(self.envs.num_envs) if agent.recurrent else None
        self.acting_memory = None  # that of `act`
        if agent.normalize and len(self.envs.obs_shape) == 3:
            raise ValueError(f"normalize=True is for vectors; the frames of {agent.env} are scaled by obs_scale.")
        self.scales = RunningScales(self.envs, agent.gamma) if agent.normalize else None

    def play(self, num_steps):
        """`num_steps` steps in each environment -> Segment."""
        if self.scales:
            self.scales.apply(self.network)
        memory = self.memory
        noise = self.policy.noise(self.rng, num_steps, self.envs.num_envs)
        rows = [self.take_step(noise[t]) for t in range(num_steps)]
        obs, actions, rewards, *ends = zip(*rows)
        obs, rewards, *ends = (np.array(column) for column in ([*obs, self.envs.obs], rewards, *ends))
        if self.scales:
            self.scales.see(obs[:-1])
            rewards = self.scales.scale(rewards, ended=ends[0] | ends[1])
        rewards = rewards.clip(-self.reward_clip, self.reward_clip).astype(np.float32)
        return Segment(obs, np.array(actions), rewards, *ends, memory)

    def take_step(self, noise):
        obs = self.envs.obs
        params, memory = self.params(obs, self.memory)
        actions = self.policy.sample(params, noise)
        _, rewards, terminated, truncated, valid = self.envs.step(actions)
        if memory is not None:
            self.memory = memory * torch.as_tensor(valid, device=memory.device)[:, None]
        return obs, actions, rewards, terminated, truncated, valid

    def params(self, obs, memory):
        """The policy's params as NumPy, and its memory afterwards."""
        if self.fast_params:
            return self.fast_params(obs), None
        with torch.no_grad():
            obs = torch.as_tensor(obs, device=self.network.device)
            params, memory = self.network.step(obs, memory) if memory is not None else (self.network.policy(obs), None)
        return params.cpu().numpy(), memory

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`.

        A recurrent network remembers from call to call, as long as B is the same; `forget` begins anew.
        """
        memory = self.acting_memory
        if self.memory is not None and (memory is None or memory.shape[1] != len(obs)):
            memory = self.network.blank_memory(len(obs))
        params, self.acting_memory = self.params(obs, memory)
        return self.policy.mode(params)

    def forget(self):
        self.acting_memory = None

    def state(self):
        scales = self.scales.state() if self.scales else {}
        return scales | ({} if self.memory is None else {"memory": self.memory})

    def restore(self, state, same_episodes):
        if self.scales and state:
            self.scales.restore(state, same_episodes)
        if self.memory is not None and same_episodes:
            self.memory = state["memory"].to(self.memory.device)
