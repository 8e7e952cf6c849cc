"""What a Q-network claims, against what its greedy policy really gets. Chapter 2, section 14."""

import gymnasium
import numpy as np
import torch

from rlkit import functional as F
from rlkit.envs import Envs
from rlkit.experiments.curves import SEEDS
from rlkit.experiments.plan import run
from rlkit.presets import preset

BUTTONS = (0,) * 5 + (1,) * 5  # CartPole with ten buttons: five push left, five push right
SETTINGS = dict(
    train_period=4, updates=2, batch_size=64, learning_rate=1e-3, target_period=10, epsilon_end=0.05, replay_size=10_000
)


def overestimation(seeds=SEEDS):
    """DQN and Double DQN on CartPole-v1 with two buttons and with ten: claimed and true values along the run.

    {"method, number of actions": one `overestimation_run` for each seed}.
    """
    return {
        f"{name}, {task}": [run(overestimation_run, seed, double, actions) for seed in seeds]
        for task, actions in (("2 actions", None), ("10 actions", BUTTONS))
        for name, double in (("DQN", False), ("Double DQN", True))
    }


def overestimation_run(seed, double, actions, total_steps=60_000, points=12):
    """One run, measured at `points` equally spaced steps: a list of {"step", "claimed", "true", "sigma", "rho"}.

    `actions` as in `Envs`: None, or for each button the action that it stands for. Without it "sigma" and "rho" are
    None, because no two buttons do the same.
    """
    agent = preset("dqn-cartpole-plain", double=double, actions=actions, seed=seed, **SETTINGS)
    rows = []
    for step in np.linspace(0, total_steps, points + 1).astype(int)[1:]:
        for _ in agent.learn(int(step)):
            pass
        claimed, true = estimates_and_returns(agent)
        sigma, rho = button_noise(agent) if actions else (None, None)
        rows.append({"step": agent.step, "claimed": claimed, "true": true, "sigma": sigma, "rho": rho})
    return rows


def estimates_and_returns(agent, episodes=10, seed=1_000_000, horizon=500, tail=500):
    """Claimed and true values of the greedy policy -> (claimed, true), two means over the same states.

    Claimed is max_a Q(s, a; w), true is the discounted return that followed. The policy plays `horizon` + `tail` steps
    in `episodes` copies of the agent's environment, and the states of the first `horizon` steps count. There is no time
    limit, so each return is followed for at least `tail` more steps; what is cut off has a weight of γ^tail or less.

    The environment must be an id that Gymnasium knows, because its time limit is replaced.
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
    """A function that makes this environment with a time limit of `steps` instead of its own."""
    return lambda: gymnasium.make(env_id, max_episode_steps=steps)


def button_noise(agent, steps=300):
    """The errors of Q, measured across buttons that do the same thing -> (σ, ρ).

    With `BUTTONS` five buttons are the same push, so their true values are equal, and every difference between them is
    an error of the network. σ is the standard deviation of the online network's errors, in units of Q. ρ is the
    correlation between its errors and the target network's. They are measured in about `steps` states, played
    ε-greedily with ε = 0.2.
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
