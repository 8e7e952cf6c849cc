"""The PPO paper's table of 49 games: A2C, ACER and PPO, and which one wins by each statistic."""

from rlkit.experiments import published
from rlkit.experiments.published import PINBALL, PPO_COLUMNS, STATISTICS
from rlkit.explore.atari57 import Ranking, RankingExplorer, in_order
from rlkit.explore.controls import choice, shown, slider
from rlkit.language import count, say
from rlkit.plotting import METHODS, ORANGE

LOOKS = {"A2C": (*METHODS["A2C"], "s"), "ACER": (ORANGE, "--", "v"), "PPO": (*METHODS["PPO clip"], "o")}


def standings(pinball="random = 0", left_out=0, margin=0.0):
    """The three methods in numbers -> {method: {statistic: number}}, {method or "tie": games won}, [games left out].

    `pinball` is a treatment of VideoPinball, whose random player beats the human: a key of PINBALL. `left_out` games
    are left out, those with the largest scores. A lead of `margin` percent or less is a tie.
    """
    rows = published.ppo49()
    scores = {name: published.human_normalized(rows, column, pinball) for name, column in PPO_COLUMNS.items()}
    without = published.largest(scores, left_out)
    scores = {name: {game: v for game, v in row.items() if game not in without} for name, row in scores.items()}
    won = published.wins({game: rows[game] for game in scores["PPO"]}, margin)
    numbers = {name: {"games won": won[name], **published.summaries(scores[name])} for name in scores}
    return numbers, won, without


def atari49(**settings):
    """Three policy gradient methods on 49 Atari games: who wins by the statistic that is chosen -> RankingExplorer.

    Its controls are the statistic, the treatment of VideoPinball, the games left out, and what counts as a tie.
    """
    ranking = Ranking(LOOKS, ["games won", *STATISTICS])

    def draw(statistic, pinball, left_out, margin):
        numbers, won, without = standings(pinball, left_out, margin)
        counts = {"games won": "games", "games above the human": "% of the games"}
        unit = counts.get(statistic, "% of the human")
        ranking.show(numbers, {}, statistic, unit, None if statistic in counts else 100)
        said = [
            count(sum(won.values()), "{n} game.", "{n} games."),
            say("VideoPinball: {treatment}.", treatment=shown(pinball)),
        ]
        if without:
            said.append(say("Left out: {games}.", games=", ".join(without)))
        said.append(say("Won: A2C {A2C}, ACER {ACER}, PPO {PPO}, tie {tie}.", **won))
        if margin:
            said.append(say("A lead of {margin} % or less is a tie.", margin=margin))
        said.append(say("Random and human are of another protocol: read the order, not the percentages."))
        return f"{in_order(numbers, statistic, unit)}<br>{' '.join(said)}"

    return RankingExplorer(
        "atari49",
        settings,
        ranking,
        draw,
        statistic=choice("statistic", "games won", ["games won", *STATISTICS]),
        pinball=choice("VideoPinball", "random = 0", list(PINBALL)),
        left_out=slider("k, largest games left out", 0, 0, 10, 1),
        margin=slider("a lead that is a tie, %", 0, 0, 50, 1),
    )
