"""rlkit.experiments.forgetting: how much each memory holds, and what it keeps for good."""

import numpy as np
import pytest
import torch

from rlkit.experiments.forgetting import KEPT, SIZES, beginning, forgetful, forgetting_run, joined


def learned(agent, steps):
    for _ in agent.learn(steps):
        pass
    return agent


@pytest.mark.parametrize("size", SIZES)
def test_a_memory_holds_so_many_complete_transitions(size):
    agent = forgetful(0, size)
    rows, envs = agent.replay.rows, agent.num_envs
    agent.replay.added = 10 * rows
    first, last = agent.replay.complete_rows()
    assert (last - first) * envs == size


def test_the_smallest_memory_holds_what_came_since_the_last_update():
    agent = forgetful(0, 128)
    assert agent.num_envs * agent.train_period == 128


@pytest.mark.parametrize("falls", [True, False])
def test_a_tenth_of_a_batch_comes_from_the_beginning(falls):
    agent = learned(forgetful(0, 4_000, falls), 1_200)
    before = {tuple(obs) for obs in agent.replay.frames[: agent.replay.added].reshape(-1, 4).tolist()}
    learned(agent, 6_000)
    later = agent.replay.frames[-1].copy()
    batch = agent.replay.sample(256)
    old = batch.obs[-25:].tolist()
    assert len(batch.obs) == len(batch.slots) == 256 and all(tuple(obs) in before for obs in old)
    assert not any(tuple(obs) in before for obs in later.tolist())
    drawn = torch.cat([agent.replay.sample(256).terminated[-25:] for _ in range(40)])
    assert (drawn.sum() > 0) == falls


def test_the_beginning_is_drawn_without_repetition_from_all_that_is_there():
    replay = learned(forgetful(0, 4_000), 1_200).replay
    with_falls, without = (beginning(replay, falls, np.random.default_rng(0)) for falls in (True, False))
    for kept in (with_falls, without):
        assert len(set(kept.slots)) == KEPT == len(kept.obs) and replay.valid.flat[kept.slots].all()
    assert with_falls.terminated.any() and not without.terminated.any()


def test_rows_are_joined():
    replay = learned(forgetful(0, 4_000), 1_200).replay
    one, other = replay.sample(3), replay.sample(5)
    both = joined(one, other, np.array([4, 4]))
    assert torch.equal(both.obs, torch.cat([one.obs, other.obs[4:], other.obs[4:]]))
    assert both.slots.tolist() == [*one.slots, other.slots[4], other.slots[4]]


def test_a_run_is_measured_along_the_way():
    measured = forgetting_run(0, 1_000, total_steps=2_000, points=2)
    assert [len(values) for values in measured.values()] == [2, 2, 2]
    assert 1_000 <= measured["steps"][0] < 1_200 and all(8 <= score <= 500 for score in measured["scores"])
    assert 20 < measured["falls"][0] < 100  # a random policy falls after about 22 steps
