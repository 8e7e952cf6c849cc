"""rlkit.experiments.baselines: gradients of single episodes against autograd, and returns with and without V."""

import numpy as np
import pytest
import torch

from rlkit.experiments.baselines import KINDS, CutOff, episode_gradients, noise_run
from rlkit.reinforce import REINFORCE


@pytest.fixture(scope="module")
def played():
    agent = REINFORCE(seed=1)
    rollout = agent.collector.collect_episodes(5)
    lengths = [episode.length for episode in agent.envs.pop_finished()]
    return agent, rollout, lengths


def test_the_gradients_of_the_episodes_add_up_to_that_of_the_batch(played):
    agent, rollout, lengths = played
    batch = agent.returns_and_advantages(rollout)
    log_probs = agent.policy.log_prob(agent.network.policy(batch.obs), batch.actions)
    whole = torch.autograd.grad((batch.advantages * log_probs).sum(), agent.network.policy_parameters())
    found = episode_gradients(agent, batch, lengths)
    assert found.shape == (5, sum(part.numel() for part in whole))
    torch.testing.assert_close(found.sum(0), torch.cat([part.flatten() for part in whole]), rtol=1e-4, atol=1e-4)


def test_cut_off_returns_lack_the_value_of_what_would_have_followed(played):
    agent, rollout, _ = played
    ended = rollout.terminated | rollout.truncated
    stopped = rollout._replace(terminated=0 * ended > 0, truncated=ended)
    other = CutOff(seed=1)  # the same weights at first
    whole, cut = (each.returns_and_advantages(stopped) for each in (agent, other))
    last = np.flatnonzero(ended[rollout.valid])
    missing = (agent.gamma * rollout.values[1:][ended]).astype(np.float32)
    np.testing.assert_allclose((whole.returns - cut.returns).numpy()[last], missing, rtol=1e-4, atol=1e-5)
    both = [each.returns_and_advantages(rollout).returns for each in (agent, other)]
    assert not rollout.truncated.any() and torch.equal(*both)


def test_the_variances_are_of_one_set_of_episodes():
    found = noise_run(2, total_steps=500, count=10)
    assert set(found) == {*KINDS, "length", "truncated"}
    assert found["truncated"] == 0 and found["length"] > 8 and min(found[kind] for kind in KINDS) > 0
