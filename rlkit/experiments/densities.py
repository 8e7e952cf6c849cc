"""Does it matter whose density is learned from: the drawn action's, or the clipped one's? Chapter 3, section 14."""

import numpy as np

from rlkit.experiments.clinic import TOTAL, measured
from rlkit.experiments.curves import greedy_score
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.presets import FAST_PPO_PENDULUM


class ClippedDensity(PPO):
    """The log-probabilities are those of the actions as the environment got them, clipped to its bounds."""

    def update(self, rollout):
        space = self.envs.action_space
        clipped = np.clip(rollout.actions, space.low.ravel(), space.high.ravel()).astype(rollout.actions.dtype)
        return super().update(rollout._replace(actions=clipped))


KINDS = {"drawn": PPO, "clipped": ClippedDensity}


def densities(seeds=range(10)):
    """PPO on Pendulum-v1 with the log-density of the drawn and of the clipped action.

    {"drawn": one `density_run` for each seed, "clipped": the same}.
    """
    return {kind: [run(density_run, kind, seed) for seed in seeds] for kind in KINDS}


def density_run(kind, seed, total_steps=TOTAL, points=12):
    """One run -> {"steps": `[P]`, "return": `[P]`, "entropy": `[P]`, "outside", "greedy"}.

    outside: the share of actions drawn beyond the bounds, in one more rollout after training. greedy: the mean return
    of the policy's mean action over ten whole episodes.
    """
    agent = KINDS[kind](**FAST_PPO_PENDULUM, seed=seed)
    curves = measured(agent, total_steps, points)
    greedy = greedy_score(agent, seed)
    rollout, space = agent.collector.collect(agent.num_steps), agent.envs.action_space
    outside = ((rollout.actions < space.low) | (rollout.actions > space.high)).mean()
    return {
        **{name: curves[name] for name in ("steps", "return", "entropy")},
        "outside": round(float(outside), 4),
        "greedy": round(greedy, 1),
    }
