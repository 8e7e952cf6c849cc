"""rlkit.experiments.one_batch: its bookkeeping, and the order of the three objectives."""

import gymnasium
import numpy as np
import pytest
import torch
from conftest import disturb, small
from gymnasium.spaces import Box, Discrete

from rlkit.experiments import one_batch as module
from rlkit.experiments.one_batch import OBJECTIVES, measure, one_batch, over_epochs, sampled_return, trained_a_little
from rlkit.ppo import PPO


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch):
    monkeypatch.setattr(module, "EPOCHS", (0, 1, 8))


def test_clipping_keeps_the_policy_near_and_without_a_ratio_it_runs_away():
    runs = {name: one_batch(0, name) for name in OBJECTIVES}
    for rows in runs.values():
        assert [row["epoch"] for row in rows] == [0, 1, 8]
        assert rows[0]["kl"] == pytest.approx(0, abs=1e-5) and rows[0]["promised"] == pytest.approx(0, abs=1e-3)
        assert rows[0]["effective_size"] == pytest.approx(1, abs=1e-4)
        assert rows[0]["return"] == runs["ratio"][0]["return"], "all start from the same policy and play the same games"
    assert runs["ratio, clipped"][-1]["kl"] < 0.05 < runs["ratio"][-1]["kl"] < runs["no ratio"][-1]["kl"]
    assert runs["ratio"][-1]["promised"] > runs["ratio, clipped"][-1]["promised"] > 0


def test_the_ratios_of_the_minibatch_begin_at_one_and_spread():
    data = over_epochs(epochs=2, samples=50)
    ratios = np.array(data["ratios"])
    assert ratios.shape == (3, 50) and len(data["advantages"]) == 50
    np.testing.assert_allclose(ratios[0], 1, atol=1e-4)
    assert ratios[1].std() < ratios[2].std()


def test_measuring_the_return_leaves_the_agent_unchanged():
    agent, _ = trained_a_little(0)
    before = agent.envs.obs.copy(), agent.rng.bit_generator.state["state"]["state"]
    assert 9 <= sampled_return(agent, 0, episodes=3) <= 500
    assert np.array_equal(agent.envs.obs, before[0]) and agent.rng.bit_generator.state["state"]["state"] == before[1]


class Lasting(gymnasium.Env):
    """Pays 1 a step. The first episode of a seed lasts 1 to 4 steps, and every later one 7."""

    def __init__(self):
        self.observation_space, self.action_space = Box(0, 1, (2,), np.float32), Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.left = 7 if seed is None else 1 + seed % 4
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(2, np.float32), 1.0, self.left == 0, False, {}


@pytest.mark.parametrize("seed, episodes", [(0, 4), (0, 8), (3, 2)])
def test_the_return_is_that_of_the_first_episode_in_each_environment(seed, episodes):
    agent = small(PPO, Lasting, seed=seed)
    lengths = [1 + (1_000 + seed + i) % 4 for i in range(episodes)]
    assert sampled_return(agent, seed, episodes) == np.mean(lengths)


def test_a_measure_is_that_of_a_loop_over_the_samples():
    agent, batch = trained_a_little(0)
    disturb(agent.network, size=0.4)
    old, new = (torch.log_softmax(x, -1).detach() for x in (batch.old_params, agent.network.policy(batch.obs)))
    ratios, promised, kl = [], 0.0, 0.0
    for i, action in enumerate(batch.actions.tolist()):
        ratios.append(np.exp(float(new[i, action] - old[i, action])))
        promised += ratios[-1] * float(batch.advantages[i]) / len(old)
        kl += sum(np.exp(float(old[i, a])) * float(old[i, a] - new[i, a]) for a in range(2)) / len(old)
    numbers = measure(agent, batch)
    assert numbers["promised"] == pytest.approx(promised, abs=2e-4) and abs(promised) > 2e-3
    assert numbers["kl"] == pytest.approx(kl, rel=1e-3)
    share = sum(ratios) ** 2 / sum(ratio**2 for ratio in ratios) / len(old)
    assert numbers["effective_size"] == pytest.approx(share, rel=1e-4) and share < 0.99
