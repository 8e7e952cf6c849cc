"""Runs of Pong as plain numbers, and their pictures."""

import numpy as np
import pytest

from rlkit.experiments.goal import middle
from rlkit.experiments.pong import METRICS, POINTS, Diary, summary
from rlkit.plotting.until import against, until_goal
from rlkit.running.result import Episode, Progress, Result


def made_up(iterations=100, stopped="reached 18"):
    """A run whose i-th iteration takes 10 steps, has i as each of its metrics, and from step 300 ends a game each."""
    diary, result = Diary(), Result()
    for i in range(1, iterations + 1):
        games = [Episode(float(i), 7 * i, 10 * i)] if i >= 30 else []
        progress = Progress(10 * i, games, dict.fromkeys(METRICS, i))
        result.add(progress)
        diary(progress, result)
    result.stopped = stopped
    return summary(result, diary)


def test_a_run_in_plain_numbers():
    run = made_up(120)
    assert (run["reached"], run["end"]) == (1_200, 1_200) and run["steps"] == list(range(20, 1_201, 20))
    assert run["returns"][:14] == run["lengths"][:14] == [None] * 14  # no game has ended before step 300
    assert run["returns"][14] == 30 and run["lengths"][14] == 210
    assert run["returns"][-1] == np.mean(range(101, 121)) and run["lengths"][-1] == round(7 * run["returns"][-1])
    assert run["kl"] == [i - 0.5 for i in range(2, 121, 2)]  # two iterations a point


def test_a_run_that_is_short_or_never_gets_there():
    assert made_up(stopped="")["reached"] is None
    run = made_up(iterations=20)  # fewer than points, and no game
    assert run["returns"] == [None] * POINTS and run["kl"].count(None) == 40


def test_the_run_in_the_middle_is_the_slower_of_two_and_one_that_failed_is_the_slowest():
    ends = [(None, 1_000), (300, 300), (700, 700), (500, 500)]
    seeds = [{"reached": reached, "end": end} for reached, end in ends]
    assert middle(seeds)["end"] == 700
    assert middle(seeds[1:])["end"] == 500


@pytest.mark.parametrize("stopped, marker", [("reached 18", "o"), ("", "x")])
def test_the_picture_marks_where_a_run_ended_and_how(stopped, marker):
    seeds = [made_up(120, stopped), made_up(60, "reached 18"), made_up(90, "reached 18")]
    ax = until_goal(seeds).axes[0]
    thick = max(ax.lines, key=lambda line: line.get_linewidth())
    assert thick.get_xdata()[-1] == 0.9  # of 0.6, 0.9 and 1.2 thousand steps
    marks = [line for line in ax.lines if line.get_marker() != "None"]
    assert [line.get_marker() for line in marks] == [marker, "o", "o", "o"]
    assert [line.get_xdata()[0] for line in marks] == [1.2, 0.6, 0.9, 0.9]


def test_settings_are_compared_up_to_where_the_shorter_ends():
    (ax,) = against({"the preset": [made_up(120)], "one change": [made_up(100), made_up(50)]}).axes
    assert [line.get_label() for line in ax.lines if line.get_linewidth() > 1] == ["the preset", "one change"]
    assert len(ax.lines) == 5 and all(line.get_xdata()[-1] == 1.0 for line in ax.lines)
