"""Where the ball is in a recording of Pong, and which moments of the game that makes."""

import numpy as np

FIELD = slice(34, 194)  # rows of the screen between the walls
BALL = 236  # red, green and blue of the ball alone, on the field
FAR = 80  # columns: half of the way to the player's paddle on the right


def ball(recording):
    """The column of the ball at each step `[T]`, nan where there is none."""
    white = (recording.palette == BALL).all(1)
    seen = (np.nonzero(white[screen[FIELD]])[1] for screen in recording.screens)  # one by one: a game has thousands
    return np.array([columns.mean() if columns.size else np.nan for columns in seen])


def moments(recording):
    """Four kinds of moment -> {its name: `[T]`, True where it is}."""
    x = ball(recording)
    moves = np.diff(x, prepend=np.nan)
    return {
        "no ball on the screen": np.isnan(x),
        "the ball flies away": moves < 0,
        "it comes, in the far half": (moves > 0) & (x < FAR),
        "it comes, in the near half": (moves > 0) & (x >= FAR),
    }
