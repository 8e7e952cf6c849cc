"""rlkit.published: the lecture's table from the raw scores."""

import pytest

from rlkit.published import COLUMNS, atari57, human_normalized, table

SLIDE = {  # mean, median, in percent, as the lecture prints them
    "DQN": (121.9, 47.5), "Gorila": (215.2, 71.3), "D-DQN": (332.9, 110.9), "Dueling D-DQN": (343.8, 117.1),
    "Prioritized DQN": (463.6, 127.6), "A3C, FF, 1 day": (344.1, 68.2), "A3C, FF": (496.8, 116.6),
    "A3C, LSTM": (623.0, 112.6),
}  # fmt: skip


def test_the_lectures_table_comes_out_of_the_raw_scores():
    recomputed = table(atari57())
    assert list(recomputed) == list(SLIDE) == list(COLUMNS)
    for method, numbers in SLIDE.items():
        assert recomputed[method] == pytest.approx(numbers, abs=0.4 if method == "DQN" else 0.3)


def test_the_random_player_of_videopinball_counts_as_zero_where_57_games_were_reported():
    games = atari57()
    row = games["VideoPinball"]
    assert row["random"] > row["human"]
    assert human_normalized(games, "a3c_lstm")["VideoPinball"] == pytest.approx(100 * row["a3c_lstm"] / row["human"])
    assert len(human_normalized(games, "dqn")) == 49 and len(human_normalized(games, "a3c_lstm")) == 57
