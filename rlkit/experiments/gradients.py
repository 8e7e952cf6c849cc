"""How alike are the gradients of transitions that follow each other? Chapter 2, section 7."""

import gymnasium
import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.plan import run
from rlkit.presets import preset

SEEDS = range(10)
STAGES = (5_000, 10_000, 20_000)  # steps that the agent has learned
LENGTH, LAGS, BATCH = 20_000, 64, 32
SIZES = (32, 64, 128, 256, 512, 1_000, 2_000, 5_000, 10_000, 20_000)  # N, transitions


def gradients(seeds=SEEDS):
    """Correlations along 20,000 steps of one environment, played by DQN agents that have learned for a while.

    {steps learned: one `along_the_stream` for each seed}.
    """
    return {str(stage): [run(along_the_stream, seed, stage) for seed in seeds] for stage in STAGES}


def along_the_stream(seed, stage, length=LENGTH):
    """One agent, its weights frozen -> {"angle", "gradient": c_k `[LAGS]`, "between" `[N]`, "cosines"}.

    between: the variance of the mean gradient of N consecutive steps, for each of SIZES, as a share of the variance of
    one step's. cosines: of the mean gradient of 32 steps with that of all, on average; first 32 in a row, then 32 drawn
    from all.
    """
    agent = preset("dqn-cartpole-plain", seed=seed)
    for _ in agent.learn(stage):
        pass
    obs, actions, next_obs, terminated = played(agent, seed, length)
    rows = last_layer_gradients(agent, obs, actions, next_obs, terminated)
    angle = obs[:, 2:3].astype(float) - obs[:, 2].mean()
    mean = rows.mean(0)
    apart = rows - mean
    variance = (apart**2).sum(1).mean()
    sums = np.concatenate([np.zeros((1, apart.shape[1])), apart.cumsum(0)])
    between = [(window_means(sums, min(size, length)) ** 2).sum(1).mean() / variance for size in SIZES]
    drawn = rows[np.random.default_rng(seed).integers(length, size=(1_000, BATCH))].mean(1)
    batches = mean + window_means(sums, BATCH), drawn
    return {
        "angle": np.round(correlations(angle), 3).tolist(),
        "gradient": np.round(correlations(apart), 3).tolist(),
        "between": np.round(between, 5).tolist(),
        "cosines": [round(float(cosines(each, mean).mean()), 3) for each in batches],
    }


def played(agent, seed, length):
    """What the agent's ε-greedy policy meets -> obs `[T, D]`, actions `[T]`, next_obs `[T, D]`, terminated `[T]`."""
    env, rng = gymnasium.make("CartPole-v1"), np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    steps = []
    for _ in range(length):
        greedy = rng.random() >= agent.current_epsilon()
        action = int(agent.act(obs[None])[0] if greedy else rng.integers(agent.num_actions))
        next_obs, _, terminated, truncated, _ = env.step(action)
        steps.append((obs, action, next_obs, terminated))
        obs = env.reset()[0] if terminated or truncated else next_obs
    return [np.array(column) for column in zip(*steps)]


@torch.no_grad()
def last_layer_gradients(agent, obs, actions, next_obs, terminated):
    """-∇ ½δ² of each transition by the weights and biases of the last layer: δ (x, 1) in the action's row, else 0.

    -> `[T, A (H + 1)]`, where x `[H]` are the features that the last layer gets. CartPole's reward is always 1.
    """
    *hidden, last = [*agent.network.body, *agent.network.advantage]
    features = (torch.from_numpy(obs) - agent.network.shift) / agent.network.scale
    for layer in hidden:
        features = layer(features)
    next_q = F.max_q(agent.target(torch.from_numpy(next_obs))).numpy()
    td_error = F.td_target(1.0, next_q, terminated, agent.gamma) - last(features).numpy()[np.arange(len(obs)), actions]
    rows = np.zeros((len(obs), agent.num_actions, features.shape[1] + 1))
    rows[np.arange(len(obs)), actions, :-1] = td_error[:, None] * features.numpy()
    rows[np.arange(len(obs)), actions, -1] = td_error
    return rows.reshape(len(obs), -1)


def correlations(apart, lags=LAGS):
    """c_k of vectors whose mean is 0: E[x_t · x_{t+k}] / E[x_t · x_t]. `[T, D]` -> `[lags]`, 1 at lag 0."""
    products = [(apart[: len(apart) - lag] * apart[lag:]).sum(1).mean() for lag in range(lags)]
    return np.array(products) / products[0]


def window_means(sums, size):
    """The mean of every `size` consecutive rows, from the sums of the first 0, 1, 2, ... rows.

    `[T + 1, D]` -> `[T - size + 1, D]`.
    """
    return (sums[size:] - sums[:-size]) / size


def cosines(batches, mean):
    """The cosine of each batch's mean with the mean of all: `[K, D]`, `[D]` -> `[K]`."""
    return batches @ mean / (np.linalg.norm(batches, axis=1) * np.linalg.norm(mean))
