"""What TRPO's line search is good for: a setting in which it acts, with it and without it. Chapter 3, section 9."""

import numpy as np
import torch

from rlkit.experiments.curves import played, returns_at
from rlkit.experiments.plan import run
from rlkit.trpo import TRPO

DARING = dict(max_kl=0.1, damping=1e-3, num_steps=32, learning_rate=3e-3)  # ten times the budget, few samples


class Searching(TRPO):
    """TRPO that also measures its full step. It learns exactly as TRPO does."""

    @torch.no_grad()
    def line_search(self, batch, full_step):
        old_theta = self.theta.clone()
        before, *_ = self.surrogate_and_kl(batch)
        self.theta.add_(full_step)
        after, kl, entropy = self.surrogate_and_kl(batch)
        self.full_kl, self.full_gain = float(kl), float(after - before)
        return self.take(batch, old_theta, full_step, entropy)

    def take(self, batch, old_theta, full_step, entropy):
        """The step as TRPO takes it."""
        self.theta.copy_(old_theta)
        return super().line_search(batch, full_step)


class Unsearched(Searching):
    """TRPO without its line search: it takes each step in full."""

    def take(self, batch, old_theta, full_step, entropy):
        return {"kl": self.full_kl, "step_size": 1.0, "gain": self.full_gain, "entropy": entropy}


KINDS = {"line search": Searching, "full steps": Unsearched}


def line_search(seeds=range(10)):
    """TRPO on CartPole-v1 with a large budget and small batches, with and without its line search.

    {kind: a `searched_run` for each seed}.
    """
    return {kind: [run(searched_run, seed, kind) for seed in seeds] for kind in KINDS}


def searched_run(seed, kind, total_steps=30_000):
    """One run, update by update, U of them -> {"returns": `[60]`, and "size", "kl", "full_kl", "full_gain": `[U]`}.

    size: the share of the full step that was taken. kl: that of the step as it was taken. full_kl and full_gain: the KL
    of the full step, and what it changes in the surrogate.
    """
    agent, rows = KINDS[kind](**DARING, seed=seed), []

    def look(progress):
        kl, size = (float(progress.metrics[name]) for name in ("kl", "step_size"))
        rows.append({"size": size, "kl": kl, "full_kl": agent.full_kl, "full_gain": agent.full_gain})

    result, _ = played(agent, total_steps, look)
    columns = {name: [float(f"{row[name]:.3g}") for row in rows] for name in rows[0]}
    return {"returns": returns_at(result, np.linspace(0, total_steps, 60).astype(int))["returns"], **columns}
