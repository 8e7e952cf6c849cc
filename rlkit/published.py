"""Scores that papers have printed, as data."""

import csv
from importlib import resources

import numpy as np

from rlkit import functional as F

COLUMNS = {  # in the order of the lecture's table: its name, the column of the file, the training it gives
    "DQN": ("dqn", "8 days on GPU"),
    "Gorila": ("gorila", "4 days, 100 machines"),
    "D-DQN": ("double_dqn", "8 days on GPU"),
    "Dueling D-DQN": ("dueling_double_dqn", "8 days on GPU"),
    "Prioritized DQN": ("prioritized_double_dqn", "8 days on GPU"),
    "A3C, FF, 1 day": ("a3c_ff_1day", "1 day on CPU"),
    "A3C, FF": ("a3c_ff", "4 days on CPU"),
    "A3C, LSTM": ("a3c_lstm", "4 days on CPU"),
}


def atari57():
    """Raw scores of 57 Atari games from human starts -> game -> {column: score, or None where it was not reported}.

    Nair et al. 2015, van Hasselt et al. 2016, Wang et al. 2016, Schaul et al. 2016, Mnih et al. 2016 (table S3).
    """
    text = resources.files("rlkit").joinpath("data/atari57_human_starts.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    return {row.pop("game"): {name: float(value) if value else None for name, value in row.items()} for row in rows}


def human_normalized(games, column):
    """One number for each game that has a score, in percent: game -> score.

    VideoPinball's random player is better than its human; the papers' means come out with its random score at 0, over
    57 games. DQN and Gorila were reported on 49 games, with its random score as it stands.
    """
    reported = {game: row for game, row in games.items() if row[column] is not None}
    scores = {}
    for game, row in reported.items():
        random = 0.0 if game == "VideoPinball" and len(reported) == 57 else row["random"]
        scores[game] = F.human_normalized(row[column], random, row["human"])
    return scores


def table(games):
    """The lecture's table, recomputed: method -> (mean, median), in percent."""
    values = {name: list(human_normalized(games, column).values()) for name, (column, _) in COLUMNS.items()}
    return {name: (float(np.mean(v)), float(np.median(v))) for name, v in values.items()}
