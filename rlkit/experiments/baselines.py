"""Does a baseline help REINFORCE? Chapter 3, section 2."""

import torch

from rlkit import functional as F
from rlkit.experiments.curves import curve
from rlkit.experiments.plan import run
from rlkit.reinforce import REINFORCE

KINDS = ("none", "mean", "value")


class CutOff(REINFORCE):
    """REINFORCE whose returns end where an episode was truncated, although the episode would have gone on."""

    def returns_and_advantages(self, rollout):
        return super().returns_and_advantages(rollout._replace(terminated=rollout.terminated | rollout.truncated))


def baselines(seeds=range(10)):
    """REINFORCE on CartPole-v1 with no baseline, with the batch's mean return, and with a learned value.

    Only a learned value can stand for the rest of an episode that was truncated. In the last arm it does not, so its
    returns are those of the first two. {"baseline: none": one `curve` for each seed, ...}.
    """
    arms = {f"baseline: {kind}": dict(baseline=kind) for kind in KINDS}
    arms |= {"value without bootstrap": dict(baseline="value", cut_off=True)}
    return {name: [run(baseline_run, seed, **arm) for seed in seeds] for name, arm in arms.items()}


def baseline_run(seed, baseline, cut_off=False):
    """The `curve` of one run."""
    agent = CutOff if cut_off else REINFORCE
    return curve(agent(baseline=baseline, seed=seed), 60_000)


def gradient_noise(seeds=range(10)):
    """How noisy is the gradient of one episode of CartPole-v1, with each baseline? A `noise_run` for each seed."""
    return {"REINFORCE": [run(noise_run, seed) for seed in seeds]}


def noise_run(seed, total_steps=20_000, count=100):
    """A policy that has learned for a while, held still, plays `count` episodes.

    {"none", "mean", "value": the variance of a one-episode gradient, summed over all weights of the policy, "length":
    the mean length of an episode, "truncated": how many were}. All three have the same returns: for the rest of a
    truncated episode V stands.
    """
    agent = REINFORCE(seed=seed)
    for _ in agent.learn(total_steps):
        pass
    agent.envs.pop_finished()
    rollout = agent.collector.collect_episodes(count)
    lengths = [episode.length for episode in agent.envs.pop_finished()]
    batch = agent.returns_and_advantages(rollout)
    values = {"none": 0.0, "mean": batch.returns.mean(), "value": batch.returns - batch.advantages}
    found = {
        kind: episode_gradients(agent, batch._replace(advantages=batch.returns - value), lengths).var(0).sum().item()
        for kind, value in values.items()
    }
    return found | {"length": sum(lengths) / count, "truncated": int(rollout.truncated.sum())}


def episode_gradients(agent, batch, lengths):
    """Σ_t A_t ∇ ln π(a_t|s_t; θ) of each episode: `[episodes, weights of the policy]`.

    `lengths` of the episodes, in the order in which the batch has them.
    """
    gradients = []
    columns = (batch.obs, batch.actions, batch.advantages)
    for obs, actions, advantages in zip(*(column.split(lengths) for column in columns)):
        log_probs = agent.policy.log_prob(agent.network.policy(obs), actions)
        objective = F.policy_gradient(log_probs, advantages).sum()
        parts = torch.autograd.grad(objective, agent.network.policy_parameters())
        gradients.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(gradients)
