"""The corridor with two doors: what its doors pay, where it begins, and who reaches the far one."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlkit.experiments.exploration import FAR, LENGTHS, NEAR, SETTINGS, TESTS, TwoDoors, corridor, far_share
from rlkit.experiments.stored import stored
from rlkit.ppo import PPO


@pytest.mark.parametrize("anywhere", [False, True])
def test_the_doors_pay_and_end_the_episode_and_the_clock_only_cuts_it(anywhere):
    env = TwoDoors(6, anywhere)
    check_env(env, skip_render_check=True)
    env.reset(seed=0)
    env.place = 0
    assert env.step(0)[1:4] == (NEAR, True, False)
    env.reset(seed=0)
    env.place = 4
    assert env.step(1)[1:4] == (0.0, False, False)
    assert env.step(1)[1:4] == (FAR, True, False)
    env.reset(seed=0)
    env.place = 2
    ends = [env.step(time % 2)[2:4] for time in range(30)]
    assert ends == [(False, False)] * 29 + [(False, True)]


def test_it_begins_at_the_left_end_or_anywhere():
    starts = [{int(TwoDoors(4, anywhere).reset(seed=seed)[0].argmax()) for seed in range(40)} for anywhere in (0, 1)]
    assert starts == [{0}, {0, 1, 2, 3}]


@pytest.mark.parametrize("action, share", [(0, 0.0), (1, 1.0)])
def test_the_share_is_that_of_episodes_which_end_at_the_far_door(action, share):
    agent = PPO(corridor(5, False), **SETTINGS)
    agent.collector.forward = lambda obs: (50.0 * np.eye(2)[[action]], np.zeros(1))
    assert far_share(agent, 5) == share


def test_a_walk_by_chance_reaches_the_far_door_as_often_as_a_gambler_wins():
    agent = PPO(corridor(2, False), **SETTINGS)
    agent.collector.forward = lambda obs: (np.zeros((1, 2)), np.zeros(1))
    by_chance = 1 / 3  # 1 / (length + 1), as in the gambler's ruin
    assert far_share(agent, 2) == pytest.approx(by_chance, abs=4 * np.sqrt(2 / 9 / TESTS))


def test_the_stored_runs_are_those_of_all_lengths():
    runs, _ = stored("exploration")
    assert list(runs) == [f"{start}, {length}" for start in ("left", "anywhere") for length in LENGTHS]
    assert all(0 <= share <= 1 for shares in runs.values() for share in shares)
