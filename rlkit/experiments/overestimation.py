"""What a Q-network claims, against what its greedy policy really gets."""

import gymnasium
import numpy as np
import torch

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


def button_noise(agent, steps=300):
    """The errors of Q where they can be read off: among actions that do the same -> (σ online, ρ online to target).

    With `actions` = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1) five actions are one and the same push, so their true values are
    equal and every difference between them is an error of the network. States: those of an ε-greedy episode.
    """
    kinds = np.asarray(agent.envs.settings["actions"])
    envs = agent.envs.again(8, seed=2_000_000)
    rng = np.random.default_rng(0)
    observed = []
    for _ in range(steps // 8):
        observed.append(envs.obs)
        random = rng.random(8) < 0.2
        envs.step(np.where(random, rng.integers(len(kinds), size=8), agent.act(envs.obs)))
    envs.close()
    obs = torch.as_tensor(np.concatenate(observed))
    with torch.no_grad():
        online, target = (network(obs).numpy() for network in (agent.network, agent.target))
    errors = [
        np.concatenate([q[:, kinds == k] - q[:, kinds == k].mean(1, keepdims=True) for k in set(kinds)])
        for q in (online, target)
    ]
    return float(errors[0].std()), float(np.corrcoef(errors[0].ravel(), errors[1].ravel())[0, 1])
