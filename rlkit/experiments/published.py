"""Scores that papers have published, as data, and what can be concluded from them. Chapters 1 and 4."""

import csv
from importlib import resources

import numpy as np

from rlkit import functional as F
from rlkit.experiments.statistics import interquartile_mean

COLUMNS = {  # method, in the order of the lecture's table: (column of the file, training as the table gives it)
    "DQN": ("dqn", "8 days on GPU"),
    "Gorila": ("gorila", "4 days, 100 machines"),
    "D-DQN": ("double_dqn", "8 days on GPU"),
    "Dueling D-DQN": ("dueling_double_dqn", "8 days on GPU"),
    "Prioritized DQN": ("prioritized_double_dqn", "8 days on GPU"),
    "A3C, FF, 1 day": ("a3c_ff_1day", "1 day on CPU"),
    "A3C, FF": ("a3c_ff", "4 days on CPU"),
    "A3C, LSTM": ("a3c_lstm", "4 days on CPU"),
}
TRAINING = {  # method: (days, number of devices, what a device is); A3C's CPU has 16 cores
    "DQN": (8, 1, "GPU"),
    "Gorila": (4, 100, "machines"),
    "D-DQN": (8, 1, "GPU"),
    "Dueling D-DQN": (8, 1, "GPU"),
    "Prioritized DQN": (8, 1, "GPU"),
    "A3C, FF, 1 day": (1, 16, "cores"),
    "A3C, FF": (4, 16, "cores"),
    "A3C, LSTM": (4, 16, "cores"),
}
ON_49_GAMES = ("dqn", "gorila")  # the columns that were reported on 49 of the 57
PPO_COLUMNS = {"A2C": "a2c", "ACER": "acer", "PPO": "ppo"}

PINBALL = {  # VideoPinball, where the random player beats the human: (random, human) -> the two to put in the formula
    "random = 0": lambda random, human: (0.0, human),
    "as listed": lambda random, human: (random, human),
    "|human − random|": lambda random, human: (random, random + abs(human - random)),
    "left out": None,
}
AS_IN_THE_TABLE = "as in the lecture's table"  # random = 0 where 57 games were reported, as listed where 49 were

STATISTICS = {  # a method's scores `[games]` -> one number; both in percent, and more is better
    "mean": np.mean,
    "median": np.median,
    "interquartile mean": interquartile_mean,
    "mean, capped at 100": lambda scores: np.minimum(scores, 100).mean(),
    "games above the human": lambda scores: 100 * np.mean(scores > 100),
}


def rows_of(file):
    """A CSV file of `rlkit/data` -> game -> {column: number, or None where the field is empty}."""
    text = resources.files("rlkit").joinpath(f"data/{file}").read_text()
    rows = csv.DictReader(text.splitlines())
    return {row.pop("game"): {name: float(value) if value else None for name, value in row.items()} for row in rows}


def atari57():
    """Raw scores of 57 Atari games from human starts -> game -> {column: score, or None where it was not reported}.

    Nair et al. 2015, van Hasselt et al. 2016, Wang et al. 2016, Schaul et al. 2016, Mnih et al. 2016 (table S3).
    """
    return rows_of("atari57_human_starts.csv")


def ppo49():
    """Mean reward of the last 100 episodes after 40 M frames on 49 games -> game -> {"a2c", "acer", "ppo", ...}.

    Schulman et al. 2017, table 6: three seeds, ordinary starts. "random" and "human" are those of `atari57`, from human
    starts. A percentage that mixes the two protocols can only rank the methods.
    """
    players = atari57()
    return {
        game: {**row, "random": players[game]["random"], "human": players[game]["human"]}
        for game, row in rows_of("ppo_atari49.csv").items()
    }


def human_normalized(games, column, pinball=AS_IN_THE_TABLE):
    """The human-normalised score of each game that has one: game -> percent.

    VideoPinball's random player is better than its human. `pinball` says what is done about it: one of `PINBALL`, or
    `AS_IN_THE_TABLE`, which reproduces the papers' means. That takes its random score as 0 for methods reported on 57
    games, and as listed for DQN and Gorila, which were reported on 49. Van Hasselt et al. 2016, table 6, divide by
    |human − random|.

    games: as from `atari57` or `ppo49`. column: one of its columns. Raises KeyError for any other name.
    """
    if pinball == AS_IN_THE_TABLE:
        pinball = "as listed" if column in ON_49_GAMES else "random = 0"
    scores = {}
    for game, row in games.items():
        if row[column] is None or (game == "VideoPinball" and pinball == "left out"):
            continue
        random, human = row["random"], row["human"]
        if game == "VideoPinball":
            random, human = PINBALL[pinball](random, human)
        scores[game] = F.human_normalized(row[column], random, human)
    return scores


def table(games):
    """The lecture's table, computed from the scores: method -> (mean, median), both in percent."""
    values = {name: list(human_normalized(games, column).values()) for name, (column, _) in COLUMNS.items()}
    return {name: (float(np.mean(v)), float(np.median(v))) for name, v in values.items()}


def pinball_means(games):
    """How much VideoPinball alone changes a mean over games: method -> {treatment: mean in percent}."""
    return {
        name: {pinball: float(np.mean(list(human_normalized(games, column, pinball).values()))) for pinball in PINBALL}
        for name, (column, _) in COLUMNS.items()
    }


def reported_by_all(games):
    """The games for which every column has a score: 49 of `atari57`'s."""
    return {game: row for game, row in games.items() if None not in row.values()}


def summaries(scores):
    """Each of `STATISTICS` of one method's scores, game -> percent: statistic -> percent.

    The interquartile mean is taken over games here: it leaves out the best and the worst quarter, 14 of 57 each.
    Agarwal et al. 2021 take it over runs x games and get an interval from the runs, but these papers give only one
    number for each game. "mean, capped at 100" is 100 minus their optimality gap. In it no game can make up for
    another.
    """
    values = np.array(list(scores.values()))
    return {name: float(statistic(values)) for name, statistic in STATISTICS.items()}


def largest(scores, count):
    """The `count` games with the largest score by any method, largest first. scores: method -> {game: score}."""
    top = {}
    for row in scores.values():
        for game, score in row.items():
            top[game] = max(score, top.get(game, -np.inf))
    return sorted(top, key=top.get, reverse=True)[:count]


def places(values):
    """Ranks: {method: number} -> {method: rank}, 1 for the largest number. Equal numbers keep their order.

    >>> places({"a": 1.0, "b": 3.0, "c": 3.0})
    {'b': 1, 'c': 2, 'a': 3}
    """
    return {name: place for place, name in enumerate(sorted(values, key=values.get, reverse=True), start=1)}


def wins(games, margin=0.0):
    """In how many games each method has the largest raw score: {"A2C", "ACER", "PPO", "tie"} -> a number of games.

    `games` as from `ppo49`. A lead of no more than `margin` percent of |human − random| is a tie.

    Schulman et al. 2017, table 2, count 1, 28, 19 and one tie. Pong is a second tie here, because the paper prints 20.7
    for both ACER and PPO. By the mean over all of training they count 1, 18, 30 and 0, which final scores cannot show.
    """
    counts = dict.fromkeys([*PPO_COLUMNS, "tie"], 0)
    for row in games.values():
        *_, (second, _), (best, winner) = sorted((row[column], name) for name, column in PPO_COLUMNS.items())
        counts["tie" if 100 * (best - second) <= margin * abs(row["human"] - row["random"]) else winner] += 1
    return counts
