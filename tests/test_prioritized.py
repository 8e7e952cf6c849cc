"""The sum tree against a literal cumulative sum; prioritized replay against the probabilities in its paper."""

import numpy as np
import pytest
from conftest import Counting, Frames, assert_as_literal, complete_slots, play, surprise

from rlkit import functional as F
from rlkit.envs import Envs
from rlkit.prioritized import PrioritizedReplay, SumTree


def literal_find(leaves, mass):
    total = 0
    for i, leaf in enumerate(leaves):
        total += leaf
        if mass < total:
            return i


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 64, 100])
def test_the_sum_tree_finds_what_a_cumulative_sum_finds(size):
    rng = np.random.default_rng(size)
    tree, leaves = SumTree(size), np.zeros(size, int)
    for _ in range(20):
        changed = rng.integers(size, size=3)  # may hold duplicates
        values = rng.integers(0, 4, size)[changed]  # whole numbers, so sums are exact; equal slots get equal values
        tree[changed], leaves[changed] = values, values
        assert tree[np.arange(size)].tolist() == leaves.tolist()
        assert tree.total == leaves.sum()
        mass = np.arange(0, leaves.sum(), 0.5)
        assert tree.find(mass).tolist() == [literal_find(leaves, m) for m in mass]


def test_an_empty_leaf_is_never_found_even_if_rounding_pushes_the_mass_past_the_end():
    rng = np.random.default_rng(0)
    for size in (3, 9, 50):
        tree = SumTree(size)
        values = rng.random(size) * 10.0 ** rng.integers(-9, 9, size) * (rng.random(size) < 0.4)
        values[1], values[-1] = 1.0, 0.0
        tree[np.arange(size)] = values
        mass = np.concatenate([rng.random(5000), [0.0, 1.0, np.nextafter(1, 0)]]) * tree.total
        copy = mass.copy()
        assert (values[tree.find(mass)] > 0).all()
        assert (mass == copy).all()  # the caller's array is unchanged
        boundaries = np.cumsum(values)
        assert (values[tree.find(boundaries[boundaries < tree.total])] > 0).all()


def filled(kind=Counting, steps=60, capacity=40, num_envs=2, **settings):
    envs = Envs(kind, num_envs, seed=0)
    replay = PrioritizedReplay(capacity, num_envs, envs.obs_shape, envs.obs_dtype, **settings)
    rows = list(play(envs, steps))
    for row in rows:
        replay.add(*row)
    return replay, rows


def prioritized(alpha):
    """A replay whose complete slots have priorities 1, 2, 3, ... -> replay, slots, their P(i)."""
    replay, _ = filled(alpha=alpha)
    slots = np.array(sorted(complete_slots(replay)))
    replay.update_priorities(slots, np.arange(1.0, len(slots) + 1) * (-1) ** slots, epsilon=0.0)
    return replay, slots, F.priority_probabilities(np.arange(1.0, len(slots) + 1), alpha)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_transitions_are_sampled_with_the_papers_probabilities(alpha, batch_size):
    replay, slots, probabilities = prioritized(alpha)
    counts = np.zeros(replay.rows * replay.num_envs)
    draws = 20_000 if batch_size > 1 else 2_000
    for _ in range(draws // batch_size):
        np.add.at(counts, replay.sample(batch_size).slots, 1)
    assert counts.sum() == counts[slots].sum() == draws
    assert surprise(counts[slots], draws * probabilities) < 5


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_the_weights_are_the_papers(beta):
    replay, slots, probabilities = prioritized(0.6)
    batch = replay.sample(32, beta)
    drawn = probabilities[np.searchsorted(slots, batch.slots)]
    expected = (1 / (len(replay) * drawn)) ** beta
    np.testing.assert_allclose(batch.weights.numpy(), expected / expected.max(), rtol=1e-5)
    assert batch.weights.numpy().dtype == np.float32


def test_a_new_transition_gets_the_largest_priority_ever_seen():
    replay, rows = filled(alpha=0.6)
    (slot,) = sorted(complete_slots(replay))[:1]
    replay.update_priorities(np.array([slot]), np.array([-50.0]), epsilon=0.5)
    replay.update_priorities(np.array([slot]), np.array([0.1]))  # 50 is no longer in the tree, but it has been seen
    for row in rows[:2]:
        replay.add(*row)
    new = 60 % replay.rows * 2 + np.arange(2)  # the slots of row 60 and its successor
    np.testing.assert_allclose(replay.tree[new], 50.5**0.6)


def test_an_error_of_zero_still_has_a_priority_above_zero():
    replay, _ = filled()
    slots = np.array(sorted(complete_slots(replay)))
    replay.update_priorities(slots, np.zeros(len(slots)))
    assert (replay.tree[slots] > 0).all()


@pytest.mark.parametrize("kind", [Counting, Frames])
@pytest.mark.parametrize("n_step", [1, 2, 3])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_the_tree_holds_exactly_the_complete_and_valid_slots_after_every_add(kind, n_step, num_envs):
    envs = Envs(lambda: kind((1, 2, 7, 3, 5)), num_envs, seed=0)
    shape, dtype = envs.obs_shape, envs.obs_dtype
    replay = PrioritizedReplay(9 * num_envs, num_envs, shape, dtype, n_step=n_step, gamma=0.9)
    rng = np.random.default_rng(0)
    rows = []
    for row in play(envs, 40):
        replay.add(*row)
        rows.append(row)
        priorities = replay.tree[np.arange(replay.rows * num_envs)]
        assert set(np.flatnonzero(priorities).tolist()) == complete_slots(replay)
        if replay.ready():
            batch = replay.sample(20)
            assert set(batch.slots.tolist()) <= complete_slots(replay)
            assert_as_literal(replay, batch, rows)
            replay.update_priorities(batch.slots, rng.normal(size=20))
