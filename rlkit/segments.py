"""What A2C and A3C learn from: a few steps of the current policy, and the LSTM's state in which they began."""

import threading
from typing import NamedTuple

import numpy as np
import torch

from rlkit.rollout import Scaling
from rlkit.running.memory import require_rollout


class Segment(NamedTuple):
    """Row t: what was seen, what the policy did, and what came of that. V is computed later, with the gradient."""

    obs: np.ndarray  # [T + 1, N, ...]: the last row is what the last step led to
    actions: np.ndarray  # [T, N], or [T, N, D]
    rewards: np.ndarray  # [T, N]
    terminated: np.ndarray  # [T, N]
    truncated: np.ndarray  # [T, N]
    valid: np.ndarray  # [T, N]: False in autoreset rows
    lstm_state: torch.Tensor | None  # [2, N, H] before row 0; None if the network is feed-forward


class Player:
    """Plays the policy in the agent's environments, a few steps at a time, and acts for it."""

    def __init__(self, agent):
        self.envs, self.network, self.policy, self.rng = agent.envs, agent.network, agent.policy, agent.rng
        require_rollout(self.envs, agent.t_max)
        self.fast_params = self.network.numpy_policy()
        self.lstm_state = self.network.initial_state(self.envs.num_envs) if agent.recurrent else None
        self.acting_states = {}  # the LSTM's state in `act`, of each thread: it plays other environments
        self.scaling = Scaling(agent)

    def play(self, num_steps):
        """`num_steps` steps in each environment -> Segment."""
        self.scaling.apply(self.network)
        lstm_state = self.lstm_state
        noise = self.policy.noise(self.rng, num_steps, self.envs.num_envs)
        rows = [self.take_step(noise[t]) for t in range(num_steps)]
        obs, *columns = zip(*rows)
        obs = np.array([*obs, self.envs.obs])
        actions, rewards, terminated, truncated, valid = (np.array(column) for column in columns)
        rewards = self.scaling.rewards(obs[:-1], rewards, terminated | truncated)
        return Segment(obs, actions, rewards, terminated, truncated, valid, lstm_state)

    def take_step(self, noise):
        """One step in each environment -> a row: obs, actions, rewards, terminated, truncated, valid."""
        obs = self.envs.obs
        params, state = self.params(obs, self.lstm_state)
        actions = self.policy.sample(params, noise)
        _, rewards, terminated, truncated, valid = self.envs.step(actions)
        if state is not None:
            self.lstm_state = state * torch.as_tensor(valid, device=state.device)[:, None]  # [2, N, H] * [N, 1]
        return obs, actions, rewards, terminated, truncated, valid

    def params(self, obs, lstm_state):
        """The policy's params `[N, K]` in NumPy, and the LSTM's state after it has seen `obs`."""
        if self.fast_params:
            return self.fast_params(obs), None
        with torch.no_grad():
            obs = torch.as_tensor(obs, device=self.network.device)
            if lstm_state is None:
                return self.network.policy(obs).cpu().numpy(), None
            params, lstm_state = self.network.step(obs, lstm_state)
            return params.cpu().numpy(), lstm_state

    def act(self, obs):
        """The most probable actions: `[B, ...]` -> `[B]` or `[B, D]`.

        A recurrent network remembers from call to call, as long as B stays the same. `forget` makes it start again.
        """
        state = self.acting_states.get(threading.get_ident())
        if self.lstm_state is not None and (state is None or state.shape[1] != len(obs)):
            state = self.network.initial_state(len(obs))
        params, self.acting_states[threading.get_ident()] = self.params(obs, state)
        return self.policy.mode(params)

    def forget(self):
        """Begin new episodes: a recurrent network starts from its initial state."""
        self.acting_states.pop(threading.get_ident(), None)
