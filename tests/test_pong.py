"""Where the ball of Pong is, and what kind of moment that makes."""

from types import SimpleNamespace

import numpy as np
from explorers import short_game

from rlkit.plotting.pong import BALL, ball, moments


def made_up(columns):
    """A recording whose ball is at these columns, and nowhere for None."""
    screens = np.zeros((len(columns), 210, 160), np.uint8)
    screens[:, 10, 5] = screens[:, 200, 80] = 1  # of the same colour, but not on the field
    for screen, column in zip(screens, columns):
        if column is not None:
            screen[100:104, column : column + 2] = 1
    return SimpleNamespace(screens=screens, palette=np.array([[0, 0, 0], [BALL] * 3] + [[BALL, 0, BALL]] * 254))


def test_the_ball_is_found_on_the_field_alone():
    np.testing.assert_array_equal(ball(made_up([None, 20, 130])), [np.nan, 20.5, 130.5])


def test_each_kind_of_moment_is_told_by_where_the_ball_is_and_goes():
    kinds = moments(made_up([None, 90, 80, 60, 70, 90, None]))
    assert [[int(t) for t in np.flatnonzero(where)] for where in kinds.values()] == [[0, 6], [2, 3], [4], [5]]


def test_a_game_has_moments_of_more_than_one_kind():
    _, recording = short_game()
    kinds = moments(recording)
    assert sum(where.any() for where in kinds.values()) >= 2
    assert np.sum([*kinds.values()], axis=0).max() == 1
