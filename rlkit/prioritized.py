"""Prioritized replay (PER 2016): sample transitions in proportion to their TD error."""

import numpy as np
import torch

from rlkit import functional as F
from rlkit.replay import Replay


class SumTree:
    """Non-negative numbers that can be searched by their prefix sums in logarithmic time, a whole batch at once.

    It is a complete binary tree in one array. Node i has the children 2i and 2i + 1 and holds their sum. Node 1 holds
    the total, and the leaves are the second half.
    """

    def __init__(self, size):
        self.first_leaf = 1 << max(0, size - 1).bit_length()
        self.depth = self.first_leaf.bit_length() - 1
        self.nodes = np.zeros(2 * self.first_leaf)

    @staticmethod
    def num_bytes(size):
        return 16 << max(0, size - 1).bit_length()  # two nodes for each leaf, of eight bytes

    def __getitem__(self, leaves):
        return self.nodes[self.first_leaf + leaves]

    def __setitem__(self, leaves, values):
        nodes = self.first_leaf + leaves
        self.nodes[nodes] = values
        for _ in range(self.depth):
            nodes = nodes >> 1  # duplicates are harmless: each writes the same sum
            self.nodes[nodes] = self.nodes[2 * nodes] + self.nodes[2 * nodes + 1]

    @property
    def total(self):
        return self.nodes[1]

    def find(self, mass):
        """For each mass in [0, total), the leaf into whose share of the total it falls: `[B]` -> `[B]`."""
        mass = mass.copy()
        nodes = np.ones(len(mass), np.int64)
        for _ in range(self.depth):
            left = 2 * nodes
            # An empty right child is never entered, even if rounding carried the mass past the left one's sum.
            right = (mass >= self.nodes[left]) & (self.nodes[left + 1] > 0)
            mass -= np.where(right, self.nodes[left], 0.0)
            nodes = left + right
        return nodes - self.first_leaf


class PrioritizedReplay(Replay):
    """Replay in which slot i is drawn with probability P(i) = p_i^α / Σ p^α (`F.priority_probabilities`).

    The tree holds p^α, and 0 for every slot that cannot be sampled: an autoreset row, a row whose successors have not
    arrived yet, or a row whose frames are being overwritten.
    """

    def __init__(self, *args, alpha=0.6, **kwargs):
        super().__init__(*args, **kwargs)
        self.alpha = alpha
        self.tree = SumTree(self.rows * self.num_envs)
        self.largest = 1.0  # new transitions get the largest priority so far, so that each is seen at least once

    def bytes_for_priorities(self):
        return SumTree.num_bytes(self.rows * self.num_envs)

    def add(self, *row):
        super().add(*row)
        first, last = self.complete_rows()
        newest = self.largest**self.alpha * self.valid[(last - 1) % self.rows]  # its n successors are here now
        nothing = np.zeros(self.num_envs)
        rows = {
            first - 1: nothing,  # part of its stack is overwritten now
            last - 1: newest,
            self.added - 1: nothing,  # the row that was just written; its turn comes n rows later
        }
        rows = {row: values for row, values in rows.items() if row >= 0}
        slots = np.array(list(rows))[:, None] % self.rows * self.num_envs + np.arange(self.num_envs)
        self.tree[slots.ravel()] = np.concatenate(list(rows.values()))

    def cut(self):
        """The same, and all sums are computed again: an interrupt may have left some of them old."""
        super().cut()
        rows = np.arange(*self.complete_rows()) % self.rows
        drawn = np.zeros((self.rows, self.num_envs), bool)
        drawn[rows] = self.valid[rows]
        slots = np.arange(drawn.size)
        priorities = np.where(self.tree[slots] > 0, self.tree[slots], self.largest**self.alpha)
        self.tree[slots] = np.where(drawn.ravel(), priorities, 0.0)

    def state(self):
        state = super().state()
        more = {"tree": torch.from_numpy(self.tree.nodes), "largest": torch.from_numpy(np.array(self.largest))}
        return state and state | more

    def restore(self, state):
        super().restore(state)
        self.tree.nodes[:] = state["tree"].numpy()
        self.largest = state["largest"].numpy()[()]  # stays a float32, so that its power is rounded the same way

    def sample(self, batch_size, beta=1.0):
        """One draw from each of `batch_size` equal parts of the total (PER 2016, appendix B.2.1)."""
        parts = (np.arange(batch_size) + self.rng.random(batch_size)) / batch_size
        slots = self.tree.find(parts * self.tree.total)
        probabilities = self.tree[slots] / self.tree.total
        return self.gather(slots, F.importance_weights(probabilities, len(self), beta).astype(np.float32))

    def update_priorities(self, slots, td_errors, epsilon=1e-6):
        """p_i = |δ_i| + ε (PER 2016, section 3.3, proportional)."""
        priorities = np.abs(td_errors) + epsilon
        self.largest = max(self.largest, priorities.max())
        self.tree[slots] = priorities**self.alpha
