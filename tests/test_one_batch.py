"""rlkit.experiments.one_batch: its bookkeeping, and the order of the three objectives."""

import numpy as np
import pytest

from rlkit.experiments import one_batch as module
from rlkit.experiments.one_batch import OBJECTIVES, one_batch, over_epochs, sampled_return, trained_a_little


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
