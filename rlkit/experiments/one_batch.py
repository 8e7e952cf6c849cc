"""How far can one batch of data be trusted? A PPO agent's policy, trained on one rollout again and again.

Chapter 3, sections 4 and 11.
"""

import copy

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.plan import run
from rlkit.presets import preset
from rlkit.rollout import Collector

OBJECTIVES = {  # of new log-probabilities, those of the policy that acted, and advantages, all `[B]`
    "no ratio": lambda new, old, advantages: F.policy_gradient(new, advantages),
    "ratio": lambda new, old, advantages: F.surrogate(F.ratio(new, old), advantages),
    "ratio, clipped": lambda new, old, advantages: F.clipped_surrogate(F.ratio(new, old), advantages, 0.2),
}
EPOCHS = (0, 1, 2, 4, 8, 16, 32, 64)  # after which the policy is measured


def reuse(seeds=range(10)):
    """One rollout of CartPole-v1, used up to 64 times: what it promises, and what its policy then gets.

    {objective: `one_batch` for each seed}.
    """
    return {objective: [run(one_batch, seed, objective) for seed in seeds] for objective in OBJECTIVES}


def minibatch(seeds=(0,)):
    """Some samples of a rollout of CartPole-v1: `over_epochs` with the only seed."""
    (seed,) = seeds
    return run(over_epochs, seed)


def one_batch(seed, objective, learning_rate=3e-3):
    """Train on one batch for 64 epochs: a list with one row for each of `EPOCHS`.

    {"epoch", what `measure` gives, "return": what the policy gets, the mean of 40 episodes}. "promised" is J^{θ'}(θ) of
    the lecture. `objective`: one of `OBJECTIVES`.
    """
    agent, batch = trained_a_little(seed)
    optimizer = torch.optim.Adam(agent.network.policy_parameters(), learning_rate)  # V does not learn
    rng = np.random.default_rng(seed)
    rows = []
    for epoch in range(EPOCHS[-1] + 1):
        if epoch in EPOCHS:
            rows.append({"epoch": epoch, **measure(agent, batch), "return": sampled_return(agent, seed)})
        use_once(agent, batch, OBJECTIVES[objective], optimizer, rng)
    return rows


def trained_a_little(seed):
    """A PPO agent on CartPole-v1 after four iterations, and its next rollout as a batch with normalised advantages."""
    agent = preset("ppo-cartpole", seed=seed)
    for _ in agent.learn(4 * agent.num_steps * agent.num_envs):
        pass
    rollout = agent.collector.collect(agent.num_steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
    return agent, batch._replace(advantages=F.normalize(batch.advantages))


def use_once(agent, batch, objective, optimizer, rng):
    """One epoch of minibatches: a step of `optimizer` on each."""
    for part in batch.minibatches(agent.minibatch_size, rng):
        log_probs = agent.policy.log_prob(agent.network.policy(part.obs), part.actions)
        loss = -objective(log_probs, part.old_log_probs, part.advantages).mean()
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()


@torch.no_grad()
def new_ratios(agent, batch):
    """π(a|s) / π_old(a|s) of every sample of the batch -> `[B]`."""
    return F.ratio(agent.policy.log_prob(agent.network.policy(batch.obs), batch.actions), batch.old_log_probs)


@torch.no_grad()
def measure(agent, batch):
    """What the batch says about the policy.

    {"promised": the mean surrogate, "kl": the mean KL(π_old || π) in nats, "effective_size": a share of B}.
    """
    ratio = new_ratios(agent, batch)
    kl = agent.policy.kl(batch.old_params, agent.network.policy(batch.obs))
    return {
        "promised": round(F.surrogate(ratio, batch.advantages).mean().item(), 4),
        "kl": kl.mean().item(),
        "effective_size": F.effective_sample_size(ratio).item() / len(ratio),
    }


def sampled_return(agent, seed, episodes=40):
    """The mean return of the policy when it samples its actions, as it does in training.

    One episode in each of `episodes` fresh environments. The agent's own episodes and random numbers are not touched.
    """
    player = copy.copy(agent)
    player.envs = agent.envs.again(episodes, 1_000 + seed)
    player.rng = np.random.default_rng(seed)
    collector = Collector(player)
    ended = np.zeros(episodes, bool)
    total = np.zeros(episodes)
    while not ended.all():
        total += collector.take_step(agent.policy.noise(player.rng, episodes))[3] * ~ended
        ended |= player.envs.ended
    return float(total.mean())


def over_epochs(seed=0, epochs=10, samples=300):
    """Train on one rollout without clipping and follow some of its samples, S.

    {"advantages": `[S]`, "ratios": `[epochs + 1, S]`, a row before the first epoch and after each}.
    """
    agent, batch = trained_a_little(seed)
    rng = np.random.default_rng(seed)
    shown = torch.from_numpy(rng.choice(len(batch.actions), samples, replace=False))
    optimizer = torch.optim.Adam(agent.network.policy_parameters(), 3e-3)
    rows = []
    for _ in range(epochs + 1):
        rows.append(new_ratios(agent, batch)[shown].tolist())
        use_once(agent, batch, OBJECTIVES["ratio"], optimizer, rng)
    return {"advantages": np.round(batch.advantages[shown].tolist(), 3).tolist(), "ratios": np.round(rows, 4).tolist()}
