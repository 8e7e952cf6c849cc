"""Experience replay: a ring of the last observations, each stored once.

Row t holds what was seen *before* the action and what came of it, for N environments side by side. The observation
after row t is the one in row t + 1. A stack of four frames is rebuilt from rows t-3 ... t. So a transition
of 84 x 84 pixels takes 7 KB instead of 56.

The convention of `rlkit.envs` makes this right at the ends of episodes: the autoreset row after an ending holds the
true last observation, and `valid` is False there because its action did nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rlkit import functional as F
from rlkit.running.memory import require_memory

SAVED = 64 * 2**20  # bytes: a larger memory is not saved with its agent, and is empty when the run is resumed
COLUMNS = ("frames", "actions", "rewards", "terminated", "ended", "valid")


@dataclass
class Batch:
    """B transitions as tensors. `rewards` are sums over up to n steps, `discounts` the γ^n of the value after them."""

    obs: torch.Tensor  # [B, ...]
    actions: torch.Tensor  # [B]
    rewards: torch.Tensor  # [B]
    next_obs: torch.Tensor  # [B, ...]
    terminated: torch.Tensor  # [B]
    discounts: torch.Tensor  # [B]
    weights: torch.Tensor  # [B]: importance weights, all 1 when sampled uniformly
    slots: np.ndarray  # [B]: where they lie in the replay, to update their priorities

    def to(self, device):
        moved = {name: x.to(device) for name, x in vars(self).items() if name != "slots"}
        return Batch(**moved, slots=self.slots)


class Replay:
    """The last `capacity` transitions of N environments, sampled uniformly.

    A *slot* is row * N + environment. Rows are counted from the first one ever added; row t lies at `t % rows`.
    """

    def __init__(self, capacity, num_envs, obs_shape, obs_dtype, n_step=1, gamma=0.99, seed=0, stacked=True):
        self.num_envs, self.n_step, self.gamma = num_envs, n_step, gamma
        self.stack = obs_shape[0] if stacked and len(obs_shape) == 3 else None  # other pictures are stored whole
        frame_shape = obs_shape[1:] if self.stack else obs_shape
        self.history = (self.stack or 1) - 1  # rows needed before a row to rebuild its stack
        self.rows = capacity // num_envs
        needed = num_envs * (self.history + n_step + 2)
        if capacity < needed:
            raise ValueError(
                f"A replay of {capacity} transitions is too small for stacks and {n_step}-step returns in {num_envs} "
                f"environments; take replay_size >= {needed}."
            )
        per_row = num_envs * (int(np.prod(frame_shape)) * np.dtype(obs_dtype).itemsize + 15)
        needed = self.rows * per_row + self.bytes_for_priorities()
        require_memory(needed, f"A replay of {capacity} transitions", "a smaller replay_size")
        self.frames = np.zeros((self.rows, num_envs, *frame_shape), obs_dtype)
        self.actions = np.zeros((self.rows, num_envs), np.int64)
        self.rewards = np.zeros((self.rows, num_envs), np.float32)
        self.terminated = np.zeros((self.rows, num_envs), bool)
        self.ended = np.zeros((self.rows, num_envs), bool)
        self.valid = np.zeros((self.rows, num_envs), bool)  # False before the first row: stacks stop there
        self.added = 0
        self.rng = np.random.default_rng(seed)

    def bytes_for_priorities(self):
        return 0

    def __len__(self):
        return min(self.added, self.rows) * self.num_envs

    def add(self, obs, actions, rewards, terminated, truncated, valid):
        """One row: what each environment showed, what was done, what came of it. All `[N, ...]`.

        Raises ValueError if stacks of frames do not start with frames of 0, because they could not be rebuilt.
        """
        if self.stack and self.added == 0 and obs[:, :-1].any():
            raise ValueError(
                f"A first observation {obs.shape[1:]} must be one frame after frames of 0, as the replay rebuilds it; "
                "stack with gymnasium.wrappers.FrameStackObservation(env, 4, padding_type='zero')."
            )
        row = self.added % self.rows
        self.added += 1  # first, so that a row that is being overwritten is never drawn, even after an interrupt
        self.frames[row] = obs[:, -1] if self.stack else obs
        self.actions[row] = actions
        self.rewards[row] = rewards
        self.terminated[row] = terminated
        self.ended[row] = terminated | truncated
        self.valid[row] = valid

    def cut(self):
        """Let no transition and no stack reach from the rows so far into those to come: these episodes broke off.

        The last row may be half written, so the row before it has no certain successor. Both become autoreset rows, and
        the row before them is the last of its episode: truncated, unless it terminated.
        """
        last = np.arange(max(0, self.added - 2), self.added) % self.rows
        self.valid[last] = False
        self.ended[(self.added - 3) % self.rows] = True  # with fewer than three rows, this one is not in use yet

    def state(self):
        """For a checkpoint: rows, their number, random numbers; None if that is more than `SAVED` bytes."""
        if sum(getattr(self, name).nbytes for name in COLUMNS) > SAVED:
            return None
        rows = {name: torch.from_numpy(getattr(self, name)[: self.added]) for name in COLUMNS}
        return {"added": self.added, "rng": self.rng.bit_generator.state, **rows}

    def restore(self, state):
        self.added, self.rng.bit_generator.state = state["added"], state["rng"]
        for name in COLUMNS:
            getattr(self, name)[: self.added] = state[name].numpy()

    def complete_rows(self):
        """The range of rows whose stack and n successors are all stored."""
        return max(0, self.added - self.rows + self.history), self.added - self.n_step

    def ready(self):
        """Is there anything to sample yet?"""
        first, last = self.complete_rows()
        return last > first and bool(self.valid[np.arange(first, last) % self.rows].any())

    def sample(self, batch_size):
        """`batch_size` transitions, uniform over the valid ones: slots with autoreset rows are drawn again."""
        slots = self.draw(batch_size)
        while (wrong := ~self.valid.flat[slots]).any():
            slots[wrong] = self.draw(wrong.sum())
        return self.gather(slots, np.ones(batch_size, np.float32))

    def draw(self, count):
        """`count` random slots, valid or not."""
        first, last = self.complete_rows()
        rows = self.rng.integers(first, last, count) % self.rows
        return rows * self.num_envs + self.rng.integers(self.num_envs, size=count)

    def gather(self, slots, weights):
        """The n-step transitions that start in these slots `[B]` -> Batch."""
        row, env = np.divmod(slots, self.num_envs)  # [B], [B]: row t and its environment
        rows = (row + np.arange(self.n_step)[:, None]) % self.rows  # [n, B]: rows t ... t + n - 1
        rewards, ended = self.rewards[rows, env], self.ended[rows, env]  # [n, B]
        returns = F.n_step_returns(rewards, ended, bootstrap=0.0, gamma=self.gamma)[0]  # [n, B] -> [B]
        length = 1 + np.cumprod(~ended[:-1], axis=0).sum(0)  # [B]: n, or fewer steps where the episode ended
        last = (row + length - 1) % self.rows  # [B]: the row of the last step
        return Batch(
            obs=torch.from_numpy(self.observation(row, env)),
            actions=torch.from_numpy(self.actions[row, env]),
            rewards=torch.from_numpy(returns),
            next_obs=torch.from_numpy(self.observation((last + 1) % self.rows, env)),
            terminated=torch.from_numpy(self.terminated[last, env]),
            discounts=torch.from_numpy((self.gamma**length).astype(np.float32)),
            weights=torch.from_numpy(weights),
            slots=slots,
        )

    def observation(self, row, env):
        """What environment `env` showed before row `row`, both `[B]` -> `[B, D]`, or stacks `[B, stack, H, W]`."""
        if not self.stack:
            return self.frames[row, env]
        rows = (row[:, None] + np.arange(-self.history, 1)) % self.rows  # [B, stack], the oldest first
        stack = self.frames[rows, env[:, None]]  # [B, stack, H, W]
        # An autoreset row holds the last observation of the episode before: a frame up to it belongs to that episode.
        valid = self.valid[rows[:, -2::-1], env[:, None]]  # [B, stack - 1], from the newest older frame backwards
        same_episode = np.cumprod(valid, axis=1)[:, ::-1]  # [B, stack - 1], the oldest first
        stack[:, :-1] *= same_episode[..., None, None].astype(np.uint8)
        return stack
