"""Both replays against a slow literal list of what happened; hypothesis looks for a counterexample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.prioritized import PrioritizedReplay
from rlkit.replay import Replay

GAMMA, ALPHA, EPSILON = 0.9, 0.6, 1e-6


class World:
    """Environments whose every observation is new, and a list of all that they did."""

    def __init__(self, num_envs, stack, endings, seed):
        self.num_envs, self.stack, self.endings, self.rng = num_envs, stack, endings, np.random.default_rng(seed)
        self.shown, self.rows, self.lost, self.ends = 0, [], set(), []
        self.begin(range(num_envs))

    def begin(self, envs):
        """New episodes in these environments: a stack begins with one frame after zeros."""
        if not self.rows:
            self.obs = [None] * self.num_envs
            self.over = [False] * self.num_envs
        for i in envs:
            self.obs[i] = (*[0] * (self.stack - 1), self.new())
            self.over[i] = False

    def new(self):
        self.shown += 1
        return 1 + self.shown % 255

    def step(self):
        """One row: for each environment what was seen, done and paid, how it ended, and what was seen then."""
        row = []
        for i in range(self.num_envs):
            obs, action, reward = self.obs[i], int(self.rng.integers(5)), float(self.rng.integers(9))
            if self.over[i]:
                self.begin([i])
                row.append((obs, action, 0.0, False, False, False, self.obs[i]))
                continue
            terminated, truncated = (bool(self.rng.random() < chance) for chance in self.endings)
            self.over[i] = terminated or truncated
            self.obs[i] = (*obs[1:], self.new())
            row.append((obs, action, reward, terminated, truncated, True, self.obs[i]))
        self.rows.append(row)
        return row

    def break_off(self):
        """The last row may be half stored, so its observation and what led to it are given up."""
        self.lost |= {len(self.rows) - 1, len(self.rows) - 2}
        self.ends.append(len(self.rows) - 2)
        self.begin(range(self.num_envs))

    def transition(self, t, i, n_step):
        """The n-step transition of environment i from row t, one reward at a time."""
        total, discount = 0.0, 1.0
        for row in self.rows[t : t + n_step]:
            *_, reward, terminated, truncated, _, next_obs = row[i]
            total, discount, t = total + discount * reward, discount * GAMMA, t + 1
            if terminated or truncated or t in self.ends:
                break
        return total, next_obs, terminated, discount

    def complete(self, rows, n_step):
        """(t, i) of all transitions of which everything is among the last `rows` rows."""
        oldest = max(0, len(self.rows) - rows + self.stack - 1)
        kept = [t for t in range(oldest, len(self.rows) - n_step) if t not in self.lost]
        return [(t, i) for t in kept for i in range(self.num_envs) if self.rows[t][i][5]]


def columns(world, row):
    """A row as `Replay.add` takes it."""
    obs, actions, rewards, terminated, truncated, valid, _ = zip(*row)
    if world.stack > 1:
        obs = np.array(obs, np.uint8)[..., None, None]  # [N, stack, 1, 1]
    else:
        obs = np.array(obs, np.float32)
    return obs, np.array(actions), np.array(rewards), *map(np.array, (terminated, truncated, valid))


def seen(world, obs):
    return obs.numpy().reshape(len(obs), world.stack).tolist()


def check_transitions(world, replay, batch):
    """All transitions of the batch are those of the literal list."""
    assert seen(world, batch.obs) == [list(world.rows[t][i][0]) for t, i in batch_places(world, replay, batch.slots)]
    for k, (t, i) in enumerate(batch_places(world, replay, batch.slots)):
        total, next_obs, terminated, discount = world.transition(t, i, replay.n_step)
        assert batch.actions[k] == world.rows[t][i][1] and batch.terminated[k] == terminated
        assert seen(world, batch.next_obs[k : k + 1]) == [list(next_obs)]
        assert batch.rewards[k].item() == pytest.approx(total) and batch.discounts[k].item() == pytest.approx(discount)


def batch_places(world, replay, slots):
    """The (t, i) that these slots hold."""
    newest = len(world.rows) - 1
    return [
        (newest - (newest - slot // world.num_envs) % replay.rows, slot % world.num_envs) for slot in slots.tolist()
    ]


def check(world, replay, priorities):
    places = world.complete(replay.rows, replay.n_step)
    assert replay.ready() == bool(places) and len(replay) == min(len(world.rows), replay.rows) * world.num_envs
    slots = np.array([t % replay.rows * world.num_envs + i for t, i in places], int)
    if isinstance(replay, PrioritizedReplay):
        leaves = replay.tree[np.arange(replay.valid.size)]
        assert set(np.flatnonzero(leaves).tolist()) == set(slots.tolist())
        powers = np.array([priorities.get(place, priorities["new", place[0]]) ** ALPHA for place in places])
        np.testing.assert_allclose(leaves[slots] / replay.tree.total, powers / powers.sum(), rtol=1e-5)
    if places:
        check_transitions(world, replay, replay.gather(slots, np.ones(len(slots), np.float32)))
        batch = replay.sample(8)
        assert set(batch.slots.tolist()) <= set(slots.tolist())
        check_transitions(world, replay, batch)


COMMANDS = st.one_of(
    st.integers(1, 12),  # so many steps
    st.sampled_from(["cut", "cut", "torn", "torn", "reload", "learn", "learn"]),
)


@pytest.mark.parametrize("kind", [Replay, PrioritizedReplay])
@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(
    num_envs=st.integers(1, 3),
    n_step=st.integers(1, 4),
    stack=st.integers(1, 4),
    spare=st.integers(0, 25),
    endings=st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 1.0])] * 2),
    seed=st.integers(0, 99),
    commands=st.lists(COMMANDS, min_size=4, max_size=12),
)
def test_a_replay_gives_back_what_happened(kind, num_envs, n_step, stack, spare, endings, seed, commands):
    world = World(num_envs, stack, endings, seed)
    more = {"alpha": ALPHA} if kind is PrioritizedReplay else {}

    def empty():
        shape, dtype = ((stack, 1, 1), np.uint8) if stack > 1 else ((1,), np.float32)
        capacity = num_envs * (stack + n_step + 1) + spare
        return kind(capacity, num_envs, shape, dtype, n_step=n_step, gamma=GAMMA, seed=seed, **more)

    replay, priorities, largest = empty(), {}, 1.0
    for command in commands:
        if command == "cut":
            replay.cut()
            world.break_off()
        elif command == "reload":
            state, replay = replay.state(), empty()
            replay.restore(state)
        elif command == "learn" and more and replay.ready():
            slots = replay.sample(4).slots
            errors = np.abs(slots) * 0.7 + 0.1  # equal slots get equal errors
            replay.update_priorities(slots, -errors)
            for place, error in zip(batch_places(world, replay, slots), errors):
                priorities[place] = error + EPSILON
            largest = max(largest, errors.max() + EPSILON)
        for _ in range(command if isinstance(command, int) else command == "torn"):
            row = columns(world, world.step())
            priorities["new", len(world.rows) - 1 - n_step] = largest
            if command == "torn":
                torn = 1 + world.rng.integers(5)
                with pytest.raises((ValueError, TypeError)):
                    replay.add(*row[:torn], *[np.zeros(99)] * (6 - torn))
                replay.cut()
                world.break_off()
            else:
                replay.add(*row)
        check(world, replay, priorities)


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(
    errors=st.lists(st.floats(0, 1e6, width=32), min_size=2, max_size=30),
    alpha=st.floats(0, 1),
    beta=st.floats(0, 1),
)
def test_probabilities_and_weights_are_those_of_the_paper(errors, alpha, beta):
    size = len(errors)
    replay = PrioritizedReplay(size + 1, 1, (1,), np.float32, gamma=GAMMA, alpha=alpha)
    for k in range(size + 1):
        no = np.zeros(1, bool)
        replay.add(np.full((1, 1), k, np.float32), np.zeros(1, int), np.zeros(1), no, no, ~no)
    replay.update_priorities(np.arange(size), np.array(errors))
    p = (np.array(errors) + EPSILON) ** alpha
    np.testing.assert_allclose(replay.tree[np.arange(size)] / replay.tree.total, p / p.sum(), rtol=1e-6)
    batch = replay.sample(16, beta)
    weights = (1 / ((size + 1) * p[batch.slots] / p.sum())) ** beta
    np.testing.assert_allclose(batch.weights, weights / weights.max(), rtol=1e-5)
    edges = np.append(0, np.cumsum(p) / p.sum())  # one draw from each sixteenth of the total
    assert (edges[batch.slots] <= np.arange(1, 17) / 16 + 1e-9).all()
    assert (edges[batch.slots + 1] >= np.arange(16) / 16 - 1e-9).all()
    assert isinstance(batch.weights, torch.Tensor)
