"""REINFORCE: its gradient against a literal loop over episodes, for each baseline."""

import math

import numpy as np
import pytest
import torch
from conftest import Counting, Frames, Steering, distribution, disturb, learn, one_line, record, small, weights

from rlkit.reinforce import REINFORCE

GAMMA = 0.9
BASELINES = ["none", "mean", "value"]


class Varied(Counting):
    """Episodes of three and two steps in turn, with growing rewards; they terminate and are truncated in turn."""

    def __init__(self):
        super().__init__((3, 2, 4))

    def step(self, action):
        obs, reward, *rest = super().step(action)
        return obs / 10, reward / 10, *rest  # (10 episode + time) / 10

    def reset(self, **kwargs):
        return super().reset(**kwargs)[0] / 10, {}


class VariedSteering(Steering):
    """Continuous actions; every other episode terminates after three steps, the rest are truncated after five."""

    episode = 0

    def reset(self, **kwargs):
        self.episode += 1
        return super().reset(**kwargs)

    def step(self, action):
        obs, reward, _, truncated, info = super().step(action)
        return obs, reward, self.episode % 2 == 0 and self.time == 3, truncated, info


def agent_for(env, **settings):
    """An agent with other weights than at first, whose gradient is not clipped."""
    settings = {"episodes": 4, "gamma": GAMMA, "max_grad_norm": 1e9, "learning_rate": 1e-3} | settings
    agent = small(REINFORCE, env, **settings)
    disturb(agent.network, size=0.3)
    return agent


def value(agent, obs):
    with torch.no_grad():
        return agent.network(torch.from_numpy(obs[None]))[1].item()


def episodes_of(rollout):
    """(obs, actions, rewards, terminated, last observation) of each episode, without the autoreset rows."""
    ends = np.flatnonzero(rollout.terminated | rollout.truncated)
    rows = np.flatnonzero(rollout.valid[:, 0])
    for first, last in zip([0, *(ends[:-1] + 1)], ends):
        own = [t for t in rows if first <= t <= last]
        yield own, bool(rollout.terminated[last, 0])


def literal_returns(agent, rollout, baseline):
    """(obs, action, G) of each step, added up reward by reward."""
    last_obs = agent.envs.obs[0]
    for own, terminated in episodes_of(rollout):
        for t in own:
            total = sum(GAMMA ** (k - t) * float(rollout.rewards[k, 0]) for k in own if k >= t)
            if baseline == "value" and not terminated:
                after = rollout.obs[own[-1] + 1, 0] if own[-1] + 1 < len(rollout.obs) else last_obs
                total += GAMMA ** (own[-1] + 1 - t) * value(agent, after)
            yield rollout.obs[t, 0], rollout.actions[t, 0], total


def literal_gradients(agent, rollout, baseline):
    """1/N ΣΣ (G - b) ∇ ln π and ∇ mean (V - G)^2, sample by sample, for the parameters of π and of V."""
    theta, w = agent.network.policy_parameters(), agent.network.value_parameters()
    policy, critic = [torch.zeros_like(p) for p in theta], [torch.zeros_like(p) for p in w]
    samples = list(literal_returns(agent, rollout, baseline))
    mean = sum(total for *_, total in samples) / len(samples)
    num_episodes = len(list(episodes_of(rollout)))
    for obs, action, total in samples:
        params, values = agent.network(torch.from_numpy(obs[None]))
        b = {"none": 0.0, "mean": mean, "value": values.item()}[baseline]
        log_prob = distribution(params, discrete=np.ndim(action) == 0).log_prob(torch.tensor(action[None])).sum()
        for whole, part in zip(policy, torch.autograd.grad(log_prob, theta)):
            whole += (total - b) * part / num_episodes
        for whole, part in zip(critic, torch.autograd.grad((values.sum() - total) ** 2, w)):
            whole += part / len(samples)
    return policy, critic


# The gradient -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("env", [Varied, VariedSteering, Frames], ids=["discrete", "continuous", "frames"])
def test_an_update_follows_the_gradient_summed_over_episodes_and_steps(baseline, env):
    agent = agent_for(env, baseline=baseline, value_steps=1)
    learn(agent, 10)  # so that the rollout begins with an autoreset row
    rollout = agent.collector.collect_episodes(4)
    assert rollout.terminated.any() and rollout.truncated.any() and not rollout.valid[0]
    policy, critic = literal_gradients(agent, rollout, baseline)
    agent.update(rollout)
    assert max(part.abs().max() for part in policy) > 0.01
    for p, part in zip(agent.network.policy_parameters(), policy):
        torch.testing.assert_close(-p.grad, part, rtol=1e-2, atol=1e-4)
    if baseline == "value":
        for p, part in zip(agent.network.value_parameters(), critic):
            torch.testing.assert_close(p.grad, part, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_gradient_belongs_to_its_own_update_only(baseline):
    fresh, used = agent_for(Varied, baseline=baseline), agent_for(Varied, baseline=baseline)
    rollouts = [agent.collector.collect_episodes(4) for agent in (fresh, used)]
    used.theta.grad.fill_(100.0)  # left by an earlier update
    used.w.grad.fill_(100.0)
    for agent, rollout in zip((fresh, used), rollouts):
        agent.update(rollout)
    assert used.theta.grad.equal(fresh.theta.grad)
    assert weights(used.network).equal(weights(fresh.network))


@pytest.mark.parametrize("max_grad_norm", [1e-3, 1e9])
def test_the_gradient_is_clipped_by_its_norm(max_grad_norm):
    agent = agent_for(Varied, max_grad_norm=max_grad_norm)
    norm = agent.update(agent.collector.collect_episodes(4))["grad_norm"].item()
    assert norm > 0.1
    assert agent.theta.grad.norm().item() == pytest.approx(min(norm, max_grad_norm), rel=1e-3)


@pytest.mark.parametrize("baseline", BASELINES)
def test_returns_and_advantages_by_hand(baseline):
    """The first two episodes: rewards 0.1 0.2 0.3, terminated; 1.1 1.2, truncated, where V is 5."""
    agent = small(REINFORCE, Varied, episodes=2, baseline=baseline, gamma=0.5)
    agent.collector.forward = lambda obs: (np.zeros((1, 2), np.float32), np.float32([5.0]))
    batch = agent.returns_and_advantages(agent.collector.collect_episodes(2))
    last = 1.2 + (2.5 if baseline == "value" else 0)
    expected = np.array([0.275, 0.35, 0.3, 1.1 + last / 2, last])
    b = {"none": 0.0, "mean": expected.mean(), "value": 5.0}[baseline]
    np.testing.assert_allclose(batch.advantages, expected - b, rtol=1e-5)
    assert batch.obs.tolist() == np.float32([[0, 0], [0, 0.1], [0, 0.2], [0.1, 0], [0.1, 0.1]]).tolist()


@pytest.mark.parametrize("baseline", BASELINES)
def test_v_is_learned_only_where_it_is_the_baseline(baseline):
    agent = agent_for(Varied, baseline=baseline)
    before = agent.w.detach().clone()
    for progress in agent.learn(50):
        assert ("value_loss" in progress.metrics) == (baseline == "value")
    assert agent.w.equal(before) == (baseline != "value")


def test_v_learns_the_returns_without_moving_the_policy():
    agent = agent_for(Varied, value_steps=200)
    rollout = agent.collector.collect_episodes(4)
    samples = list(literal_returns(agent, rollout, "value"))
    error = lambda: np.mean([(value(agent, obs) - total) ** 2 for obs, _, total in samples])
    first, theta = error(), agent.theta.detach().clone()
    agent.fit_values(agent.returns_and_advantages(rollout))
    assert error() < first / 10 and agent.theta.equal(theta)


def test_a_baseline_changes_the_spread_of_the_gradient_and_not_its_mean():
    """Over many rollouts of the same policy, the gradients with and without a baseline agree on average."""
    gradients = {}
    for baseline in ("none", "value"):
        agent = small(REINFORCE, VariedSteering, baseline=baseline, learning_rate=1e-12, max_grad_norm=1e9)
        agent.fit_values = lambda batch: {}
        agent.network.value_head.bias.data.fill_(-1.5)  # roughly the return of an episode
        found = []
        for _ in range(120):
            agent.update(agent.collector.collect_episodes(2))
            found.append(agent.network.log_std.grad.clone())
        gradients[baseline] = torch.stack(found)
    spread = {baseline: found.std(0) for baseline, found in gradients.items()}
    error = (sum(s**2 for s in spread.values()) / 120).sqrt()
    assert ((gradients["none"].mean(0) - gradients["value"].mean(0)).abs() < 4 * error).all()
    assert (spread["value"] < spread["none"]).all()


# Whole episodes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_every_update_uses_whole_episodes(count):
    agent = agent_for(Varied, episodes=count)
    rollouts = record(agent)
    lengths, reported, steps = [], [], []
    for progress in agent.learn(40):
        steps.append(progress.step)
        assert len(progress.finished) == count
        reported += [episode.length for episode in progress.finished]
        lengths += [len(own) for own, _ in episodes_of(rollouts[-1])]
        assert rollouts[-1].terminated[-1, 0] or rollouts[-1].truncated[-1, 0]
    assert lengths == reported == ([3, 2, 4] * len(lengths))[: len(lengths)]
    assert steps[-1] == agent.step == agent.envs.steps == sum(len(rollout.rewards) for rollout in rollouts) >= 40
    assert len(rollouts) > 2


def test_a_gradient_of_nan_stops_the_run_with_one_sentence_and_leaves_finite_weights():
    agent = agent_for(Varied)
    learn(agent, 10)
    rollout = agent.collector.collect_episodes(4)
    rollout.rewards[1] = math.nan
    before = weights(agent.network)
    with pytest.raises(ValueError, match="diverged.*smaller learning_rate") as error:
        agent.update(rollout)
    one_line(error)
    assert weights(agent.network).equal(before)
