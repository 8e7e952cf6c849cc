"""What a Q-network claims, against what its greedy policy really gets."""

import gymnasium
import numpy as np

from rlkit import functional as F
from rlkit.envs import Envs


def estimates_and_returns(agent, episodes=10, seed=1_000_000, horizon=500, tail=500):
    """Claimed and true values of the greedy policy -> two numbers, means over the same states.

    Plays `horizon` + `tail` steps of the agent's Gymnasium environment in `episodes` copies, without its time limit, so
    that a return is cut only where γ^tail of it is left; for the first `horizon` steps compares max_a Q(s, a; w) with
    the discounted return that followed.
    """
    settings = agent.envs.settings
    envs = Envs(unlimited(settings["env"], horizon + tail + 1), episodes, seed, actions=settings["actions"])
    claimed, rewards, ended, valid = [], [], [], []
    for _ in range(horizon + tail):
        q = agent.q_values(envs.obs)
        _, reward, terminated, truncated, was_valid = envs.step(q.argmax(-1))
        claimed.append(q.max(-1))
        rewards.append(reward)
        ended.append(terminated | truncated)
        valid.append(was_valid)
    envs.close()
    true = F.n_step_returns(np.array(rewards, float), np.array(ended), bootstrap=0.0, gamma=agent.gamma)
    counted = np.array(valid)[:horizon]
    return float(np.array(claimed)[:horizon][counted].mean()), float(true[:horizon][counted].mean())


def unlimited(env_id, steps):
    return lambda: gymnasium.make(env_id, max_episode_steps=steps)
