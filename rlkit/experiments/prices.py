"""What a price of KL and a clip do to every update of a run on CartPole. Chapter 3, sections 10 and 11."""

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.curves import played, returns_at
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.presets import FAST_PPO_CARTPOLE

TOTAL = 80_000
ADAPTIVE = dict(variant="adaptive_kl", kl_min=0.02 / 1.5, kl_max=0.02 * 1.5)  # as in the preset "ppo-kl-cartpole"
ARMS = {  # settings, and the β that is held
    "adaptive": (ADAPTIVE, None),
    "β = 0.001": (ADAPTIVE, 1e-3),
    "β = 100": (ADAPTIVE, 100.0),
    "ε = 0.02": (dict(clip_coef=0.02), None),
    "ε = 0.2": (dict(clip_coef=0.2), None),
    "ε = 1": (dict(clip_coef=1.0), None),
}


class Watched(PPO):
    """PPO that looks at its whole batch once more after each update. It learns exactly as PPO does."""

    def update(self, rollout):
        metrics = super().update(rollout)
        batch = rollout.batch(self.policy, rollout.advantages(self.gamma, self.gae_lambda), self.network.device)
        self.seen = how_far(self, batch._replace(advantages=F.normalize(batch.advantages)))
        return metrics


@torch.no_grad()
def how_far(agent, batch):
    """How far an update has taken the samples of its batch -> {"kl", "outside", "dead", "wrong", "largest"}.

    outside: the share of ratios beyond 1 ± ε. dead: the share without a gradient. wrong: the share beyond 1 ± ε on the
    other side, where the gradient pulls back. largest: the ratio that only one sample in a hundred exceeds.
    """
    params = agent.network.policy(batch.obs)
    ratio = F.ratio(agent.policy.log_prob(params, batch.actions), batch.old_log_probs)
    outside = ((ratio - 1).abs() > agent.clip_coef).float().mean().item()
    dead = F.dead_samples(ratio, batch.advantages, agent.clip_coef).float().mean().item()
    return {
        "kl": agent.policy.kl(batch.old_params, params).mean().item(),
        "outside": outside,
        "dead": dead,
        "wrong": outside - dead,
        "largest": ratio.quantile(0.99).item(),
    }


def prices(seeds=range(10)):
    """PPO on CartPole-v1 with a price of KL or a clip, 80,000 steps -> {arm: a `watched_run` for each seed}."""
    return {arm: [run(watched_run, seed, arm) for seed in seeds] for arm in ARMS}


def watched_run(seed, arm, total_steps=TOTAL):
    """One run, update by update, U of them -> {"returns": `[60]`, "beta": `[U]`, and what `how_far` gives: `[U]`}.

    returns: the mean of the last 20 episodes, at 60 steps from 0 to the end. beta: β after each update.
    """
    changes, held = ARMS[arm]
    agent, rows = Watched(**FAST_PPO_CARTPOLE | changes | {"seed": seed}), []

    def look(progress):
        if held is not None:
            agent.beta = held
        rows.append(agent.seen | {"beta": agent.beta})

    if held is not None:
        agent.beta = held
    result, _ = played(agent, total_steps, look)
    columns = {name: [float(f"{row[name]:.3g}") for row in rows] for name in rows[0]}
    return {"returns": returns_at(result, np.linspace(0, total_steps, 60).astype(int))["returns"], **columns}
