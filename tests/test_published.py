"""rlkit.experiments.published: the lecture's table follows from the raw scores, and so does the PPO paper's count."""

import doctest

import numpy as np
import pytest

from rlkit.experiments import published
from rlkit.experiments.published import COLUMNS, PINBALL, atari57, human_normalized, pinball_means, ppo49, table, wins

SLIDE = {  # mean, median, in percent, as the lecture prints them
    "DQN": (121.9, 47.5), "Gorila": (215.2, 71.3), "D-DQN": (332.9, 110.9), "Dueling D-DQN": (343.8, 117.1),
    "Prioritized DQN": (463.6, 127.6), "A3C, FF, 1 day": (344.1, 68.2), "A3C, FF": (496.8, 116.6),
    "A3C, LSTM": (623.0, 112.6),
}  # fmt: skip


def test_the_lectures_table_follows_from_the_raw_scores():
    recomputed = table(atari57())
    assert list(recomputed) == list(SLIDE) == list(COLUMNS) == list(published.TRAINING)
    for method, numbers in SLIDE.items():
        assert recomputed[method] == pytest.approx(numbers, abs=0.4 if method == "DQN" else 0.3)


def test_van_hasselts_treatment_of_videopinball_brings_dqns_mean_closer():
    games = atari57()
    scores = human_normalized(games, "dqn", "|human − random|")
    assert scores["VideoPinball"] == pytest.approx(-4.65, abs=0.005), "van Hasselt et al. 2016, table 6"
    assert human_normalized(games, "double_dqn", "|human − random|")["VideoPinball"] == pytest.approx(
        7220.51, abs=0.005
    )
    assert np.mean(list(scores.values())) == pytest.approx(SLIDE["DQN"][0], abs=0.2)
    assert np.median(list(scores.values())) == pytest.approx(SLIDE["DQN"][1], abs=0.05)
    tuned = human_normalized(published.reported_by_all(games), "double_dqn", "|human − random|")
    assert np.mean(list(tuned.values())) == pytest.approx(475.2, abs=0.05), "their mean over the 49 games"


def test_the_random_player_of_videopinball_counts_as_zero_where_57_games_were_reported():
    games = atari57()
    row = games["VideoPinball"]
    assert row["random"] > row["human"]
    assert [name for name, row in games.items() if row["random"] > row["human"]] == ["VideoPinball"]
    assert human_normalized(games, "a3c_lstm")["VideoPinball"] == pytest.approx(100 * row["a3c_lstm"] / row["human"])
    assert len(human_normalized(games, "dqn")) == 49 and len(human_normalized(games, "a3c_lstm")) == 57
    assert human_normalized(games, "dqn") == human_normalized(games, "dqn", "as listed")
    assert len(human_normalized(games, "a3c_lstm", "left out")) == 56


def test_one_game_moves_a_mean_by_hundreds_and_changes_the_winner():
    means = pinball_means(atari57())
    assert all(set(row) == set(PINBALL) for row in means.values())
    lstm, prioritized, dueling = means["A3C, LSTM"], means["Prioritized DQN"], means["Dueling D-DQN"]
    assert lstm["random = 0"] - lstm["as listed"] > 200
    assert prioritized["random = 0"] > dueling["random = 0"] and prioritized["as listed"] < dueling["as listed"]
    assert all(row["as listed"] < row["left out"] for row in means.values())


def test_statistics_by_hand():
    row = published.summaries(dict(zip("abcdefgh", (-40.0, 0.0, 50.0, 100.0, 110.0, 120.0, 200.0, 2_000.0))))
    assert row["mean"] == 317.5 and row["median"] == 105 and row["interquartile mean"] == 95
    assert row["mean, capped at 100"] == (-40 + 0 + 50 + 5 * 100) / 8 and row["games above the human"] == 50


def test_doctests():
    assert doctest.testmod(published).failed == 0


def test_largest_games_are_the_same_for_every_method():
    scores = {"x": {"a": 1.0, "b": 5.0, "c": 2.0}, "y": {"a": 9.0, "c": 3.0}}
    assert published.largest(scores, 2) == ["a", "b"] and published.largest(scores, 0) == []
    games = atari57()
    found = published.largest({name: human_normalized(games, column) for name, (column, _) in COLUMNS.items()}, 2)
    assert found == ["Atlantis", "DemonAttack"]


def test_the_ppo_papers_count_of_won_games():
    games = ppo49()
    assert len(games) == 49 and set(games) - set(atari57()) == set()
    assert wins(games) == {"A2C": 1, "ACER": 27, "PPO": 19, "tie": 2}
    assert games["Pong"]["acer"] == games["Pong"]["ppo"] == 20.7, "the tie that only rounding makes"
    games["Pong"]["acer"] += 0.01
    assert wins(games) == {"A2C": 1, "ACER": 28, "PPO": 19, "tie": 1}, "table 2 of the paper"
    assert wins(games, margin=1e9) == {"A2C": 0, "ACER": 0, "PPO": 0, "tie": 49}


def test_statistics_other_than_the_papers_prefer_ppo():
    games = ppo49()
    row = {name: published.summaries(human_normalized(games, name, "random = 0")) for name in ("acer", "ppo")}
    ahead = {statistic for statistic in published.STATISTICS if row["ppo"][statistic] > row["acer"][statistic]}
    assert ahead == {"median", "interquartile mean", "mean, capped at 100", "games above the human"}
    means = {
        pinball: [np.mean(list(human_normalized(games, name, pinball).values())) for name in ("acer", "ppo")]
        for pinball in PINBALL
    }
    ppo_ahead = {pinball for pinball, (acer, ppo) in means.items() if ppo > acer}
    assert ppo_ahead == {"as listed", "left out"}, "by the mean VideoPinball decides"
    positive = [row for row in games.values() if row["acer"] > 0 and row["ppo"] > 0]
    assert len(positive) == 42
    assert np.median([row["ppo"] / row["acer"] for row in positive]) == pytest.approx(0.892, abs=0.001)
