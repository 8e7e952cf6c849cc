"""rlkit.experiments.difficulties and the game that it plays: Catch."""

import numpy as np
import pytest

from rlkit.experiments import difficulties
from rlkit.experiments.difficulties import (
    LEARNERS,
    STABILISERS,
    dqn_without,
    learner,
    learning_curve,
    score,
    steps_to,
    trained_on,
)
from rlkit.experiments.stored import stored
from rlkit.plotting import CASES
from rlkit.tasks import Catch, all_levels

LEFT, STAY, RIGHT = range(3)


def play(level, actions, **options):
    """The last reward of a game, and the sum of all."""
    game = Catch(levels=[level], **options)
    game.reset()
    steps = [game.step(action) for action in actions]
    assert [step[2] for step in steps] == [False] * (len(steps) - 1) + [True]
    return steps[-1][1], sum(step[1] for step in steps)


@pytest.mark.parametrize("level, actions, reward", [
    ((2, 5, True), [LEFT] * 3 + [STAY] * 4, 1),
    ((2, 5, True), [STAY] * 7, -1),
    ((5, 2, True), [RIGHT] * 3 + [STAY] * 4, 1),
    ((0, 7, True), [LEFT] * 7, 1),  # the longest way is just short enough
    ((0, 2, True), [LEFT] * 7, 1),  # the wall stops the paddle
    ((4, 4, False), [STAY] * 7, -1),  # a bomb that was caught
    ((4, 4, False), [LEFT] + [STAY] * 6, 1),
])  # fmt: skip
def test_catch(level, actions, reward):
    assert play(level, actions, bombs=True) == (reward, reward)  # only the last step pays


def test_the_observations_of_catch():
    level = (2, 5, False)
    pixels, features, table = (Catch(look=look, levels=[level], bombs=True) for look in ("pixels", "features", "table"))
    picture = pixels.look().reshape(8, 8)
    assert picture[0, 2] == 0.5 and picture[7, 5] == 1.0 and picture.sum() == 1.5
    assert features.look().tolist() == [1, 0, 0]
    assert table.look().sum() == 1.0 and table.look().shape == (8 * 8 * 8 * 2,)
    assert Catch(look="features", levels=[(5, 5, True)]).look().tolist() == [0, 1, 0]
    assert Catch(look="features", levels=[(6, 5, True)]).look().tolist() == [0, 0, 1]


def test_no_two_states_share_a_row_of_the_table():
    seen = set()
    for level in all_levels(4, bombs=True):
        game = Catch(4, "table", bombs=True, levels=[level])
        for _ in range(4):
            seen.add((int(game.look().argmax()), game.row, game.column, game.paddle, game.bright))
            if game.row < 3:
                game.step(STAY)
    assert len(seen) == len({row for row, *_ in seen}) == len(all_levels(4, bombs=True)) * 4


def test_levels():
    assert len(all_levels(8)) == 64 and len(set(all_levels(8, bombs=True))) == 128
    game = Catch(levels=all_levels(8)[:3])
    game.reset(seed=0)
    drawn = set()
    for _ in range(100):
        game.reset()
        drawn.add((game.column, game.paddle, game.bright))
    assert drawn == set(all_levels(8)[:3])


def test_one_seed_gives_one_run():
    one, same, other = (learning_curve(learner("network on pixels", seed), 2_000) for seed in (3, 3, 4))
    assert one == same and one["returns"] != other["returns"]


def test_the_right_features_are_learned_at_once_and_stay_linear():
    agent = learner("features by hand", 20)
    assert sum(p.numel() for p in agent.network.policy_parameters()) == (3 + 1) * 3
    assert steps_to(0.9, agent, 40_000) < 30_000
    assert steps_to(0.9, learner("linear on pixels", 20), 2_000) is None


def test_score_plays_each_level_once():
    class Left:
        def act(self, obs):
            return np.array([LEFT])

    levels = [(0, 7, True), (0, 3, True), (1, 3, True), (7, 7, True)]
    assert score(Left(), levels) == 0.0  # caught, caught, missed, missed


def test_an_agent_that_memorised_four_beginnings_fails_on_the_others():
    few = trained_on(2, seed=0)
    assert few["known"] == 1.0 and few["unseen"] < 0.5 and few["steps"] < 100_000


def test_a_removed_stabiliser_is_really_gone():
    agents = {name: dqn_without(parts, seed=0) for name, parts in STABILISERS.items()}
    assert [agent.target is agent.network for agent in agents.values()] == [False, True, False, True]
    assert agents["all of DQN"].replay.rows == 4_000 // 8
    for name in ("no replay", "neither"):
        agent = agents[name]
        for _ in agent.learn(agent.learning_starts + 500):
            pass
        first, last = agent.replay.complete_rows()
        assert last - first == agent.train_period == 16  # a batch comes from the last 16 steps of each environment


@pytest.mark.parametrize("name", ["end_to_end", "stabilisers", "overfitting", "sample_efficiency"])
def test_the_stored_files_are_what_the_command_makes(name):
    runs, how = stored(name)
    count = 10 if name == "stabilisers" else 5
    assert how["command"] == f"python -m rlkit.experiments.sweeps {name}"
    assert how["seeds"] == list(range(0, 100 * count, 100)) and all(len(seeds) == count for seeds in runs.values())
    kinds = {key.split(", ")[0] for key in runs}
    if name in ("end_to_end", "sample_efficiency"):
        assert kinds <= set(LEARNERS) & set().union(*CASES.values())
    if name == "stabilisers":
        assert list(runs) == list(STABILISERS) and kinds <= set().union(*CASES.values())


def test_a_stored_run_can_be_repeated():
    """One of the shortest. Its greedy score over 64 games does not depend on the last bits of the machine."""
    runs, _ = stored("overfitting")
    assert difficulties.trained_on(1, seed=0)["known"] == runs["1"][0]["known"] == 1.0
