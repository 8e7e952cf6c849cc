"""Chapter 3, sections 14 and 16 to 18: continuous actions, the recording of Pong, the bugs, and the clinic.

A row is a sentence with a place for each number, and a function that computes the numbers from the stored data and
asserts what the sentence says about them.
"""

import json
import math
import re
from functools import cache, partial
from itertools import combinations

import numpy as np

import rlkit
from claims.common import says
from rlkit.experiments.clinic import HEALTHY, PATIENTS
from rlkit.experiments.exploration import LENGTHS
from rlkit.experiments.goal import middle
from rlkit.experiments.statistics import bootstrap_interval, difference_interval, interquartile_mean, permutation_p
from rlkit.experiments.stored import stored
from rlkit.explore.clinic import departure
from rlkit.plotting.pong import ball, moments
from rlkit.plotting.video import play

CHAPTER = "03_ppo.ipynb"
RECORD = json.loads((rlkit.AGENTS / "ppo-pong-small.json").read_text())  # of the agent that plays Pong


def compared(above, below):
    """Two samples -> (first, second, low, high): interquartile means, and the interval of their difference."""
    above, below = np.array(above, float), np.array(below, float)
    return interquartile_mean(above), interquartile_mean(below), *difference_interval(above, below)


# Continuous actions ---------------------------------------------------------------------------------------------------


def clipped_bias():
    """The mean of ∂ ln π / ∂μ over drawn and over clipped actions, by a numerical integral."""
    mu, sigma = 0.8, 0.5
    a = np.linspace(mu - 10 * sigma, mu + 10 * sigma, 200_001)
    density = lambda z: np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    weights = density((a - mu) / sigma) / sigma * (a[1] - a[0])
    drawn, clipped = ((weights * (actions - mu)).sum() / sigma**2 for actions in (a, a.clip(-1, 1)))
    assert abs(drawn) < 1e-9 and clipped < -0.4
    beyond = lambda z: density(z) - z * math.erfc(z / math.sqrt(2)) / 2  # the mean of (x - z)⁺, x standard normal
    formula = (beyond((1 + mu) / sigma) - beyond((1 - mu) / sigma)) / sigma
    assert math.isclose(clipped, formula, abs_tol=1e-6)
    return drawn, clipped


def density():
    """Does the clipped action's density change the greedy return?"""
    runs, _ = stored("densities")
    drawn, clipped = ([run["greedy"] for run in runs[kind]] for kind in ("drawn", "clipped"))
    clipped, drawn, low, high = compared(clipped, drawn)
    assert high < 0
    return clipped, low, high


def outside():
    runs, _ = stored("densities")
    return tuple(100 * np.median([run["outside"] for run in runs[kind]]) for kind in ("drawn", "clipped"))


def pendulum():
    """The preset after training: the greedy return over ten seeds, and how many of them balance."""
    greedy = np.array([run["greedy"] for run in stored("densities")[0]["drawn"]])
    return interquartile_mean(greedy), *bootstrap_interval(greedy), sum(greedy > -300)


# The recording of Pong ------------------------------------------------------------------------------------------------


@cache
def game(seed):
    """A whole game of the shipped agent -> Recording."""
    return play(rlkit.load(rlkit.AGENTS / "ppo-pong-small.pt", num_envs=1), 5_000, seed)


def ten_of_pong():
    """The runs of the preset that reach 18, and the steps of the fastest, the slowest and the one in the middle."""
    runs = stored("pong")[0]["preset"]
    steps = [run["reached"] for run in runs if run["reached"] is not None]
    assert len(runs) == 10 and middle(runs)["reached"] is not None
    return len(steps), min(steps), max(steps), middle(runs)["reached"]


def still_on_its_way():
    """The one run that does not reach 18: its steps, and the mean of its last 20 games."""
    (run,) = (run for run in stored("pong")[0]["preset"] if run["reached"] is None)
    return run["end"], run["returns"][-1]


def long_games():
    """The mean length of the last 20 games: of the run that does not reach 18, and the range of the others."""
    others = [run["lengths"][-1] for run in stored("pong")[0]["preset"] if run["reached"] is not None]
    (slow,) = (run["lengths"][-1] for run in stored("pong")[0]["preset"] if run["reached"] is None)
    assert slow > 1.5 * max(others)
    return slow, min(others), max(others)


def sharp():
    """The largest of the three probabilities in the four kinds of moment, over the whole game."""
    kinds, largest = moments(game(2)), game(2).bars.max(1)
    no_ball, away, far, near = (largest[where].mean() for where in kinds.values())
    assert near > 0.75 > 0.7 > max(no_ball, away, far)
    assert (largest[kinds["it comes, in the near half"]] > 0.9).mean() < 0.45
    return no_ball, away, far, near


def value_of_a_point():
    """V before the ball is hit, at the hit, on its way to the opponent, in the part of the game that is shown."""
    value, rewards = game(2).curve_low, game(2).rewards
    (point, *_) = np.flatnonzero(rewards == 1)
    assert point == 875 and abs(value[point + 1]) < 0.05
    return value[840], value[841], value[857:875].mean()


def least_sure():
    """The smallest of the largest probabilities, and how many of all steps have one below 0.4."""
    recording = game(2)
    largest = recording.bars.max(1)
    assert np.isnan(ball(recording)[largest.argmin()])
    return largest.min(), (largest < 0.4).sum(), len(recording)


def value_before_a_point():
    """The mean of V over the ten steps that end with a point: with one that is won, with one that is lost."""
    value, rewards = game(2).curve_low, game(2).rewards
    won, lost = ([value[t - 9 : t + 1].mean() for t in np.flatnonzero(rewards == sign)] for sign in (1, -1))
    assert min(won) > 0.5 and max(lost) < -0.5
    return np.mean(won), np.mean(lost)


def shipped():
    """The seed of the agent that comes with the package, which is the run in the middle."""
    assert RECORD["step"] == middle(stored("pong")[0]["preset"])["reached"]
    return (RECORD["seed"],)


def greedy_games():
    """Of the greedy games: how many there are, are won, are lost, and by how many points."""
    scores = RECORD["evaluation"]["returns"]
    lost = [score for score in scores if score < 0]
    assert len(set(lost)) == 1 and len(set(scores)) == 4 and np.mean(scores) < np.mean(RECORD["returns"][-20:]) - 5
    return len(scores), sum(score > 0 for score in scores), len(lost), -lost[0]


def points_in_a_row():
    """In the whole game: the points lost at first, then those won, and how many steps each of those takes."""
    rewards = game(2).rewards
    points = np.flatnonzero(rewards)
    won = points[rewards[points] > 0]
    assert (np.sort(rewards[points]) == rewards[points]).all()
    return len(points) - len(won), len(won), *np.unique(np.diff(won))


# Bugs -----------------------------------------------------------------------------------------------------------------


def museum(name, kind, what):
    """Of each of the five seeds: the return at the end, or the number that gives the bug away -> `[5]`."""
    runs = stored("museum")[0][name][kind]
    return np.array([run["returns"][-1] if what == "return" else run["number"] for run in runs])


def unnoticed(name):
    """The difference that a bug makes in the return at the end: (broken - sound, low, high). It cannot be seen."""
    broken, sound, low, high = compared(*(museum(name, kind, "return") for kind in ("broken", "sound")))
    assert low <= 0 <= high
    return broken - sound, low, high


def broadcast():
    broken, sound, low, high = compared(*(museum("[B] minus [B, 1]", kind, "number") for kind in ("broken", "sound")))
    assert high < -0.5
    return broken, sound, low, high


def no_min():
    times = museum("no min", "broken", "number") / museum("no min", "sound", "number")
    assert times.min() > 2
    return np.median(times), times.min(), times.max()


def reversed_kl():
    broken, sound, low, high = compared(*(museum("KL reversed", kind, "number") for kind in ("broken", "sound")))
    assert low < 0 < high
    return broken, sound, low, high


def reset_rows():
    broken, sound, low, high = compared(*(museum("reset row learned", kind, "number") for kind in ("broken", "sound")))
    assert high < -0.2 and (museum("reset row learned", "broken", "return") == 1).all()
    return broken, sound, low, high


def two_doors():
    runs, _ = stored("exploration")
    found = {name: sum(share > 0.5 for share in shares) for name, shares in runs.items()}
    assert all(found[f"left, {length}"] == 10 for length in LENGTHS[:2])
    assert not any(sum(runs[f"left, {length}"]) for length in LENGTHS[3:])
    assert all(found[f"anywhere, {length}"] == 10 for length in LENGTHS)
    return (found["left, 20"],)


# The clinic -----------------------------------------------------------------------------------------------------------


def departs(patient, metric, ratio=False, least=None):
    """How far a metric of a patient is from that of healthy runs: (patient's, healthy, low, high).

    With `ratio` (times, low, high). The interval must hold no 0, or no 1; `least` is how far from it at least.
    """
    sick, well, low, high = departure(stored("clinic")[0], patient, metric)
    if ratio:
        assert low > 1 or high < 1
        assert least is None or low > least
        return sick / well, low, high
    assert low > 0 or high < 0
    return sick, well, low, high


@cache
def told_apart():
    """By the return at the end alone: {pair of letters: is it told apart, after Holm's correction for all pairs?}."""
    runs, names = stored("clinic")[0], (HEALTHY, *PATIENTS)
    ends = {name: np.array([run["return"][-1] for run in runs[name]]) for name in names}
    p = {pair: permutation_p(ends[pair[0]], ends[pair[1]]) for pair in combinations(names, 2)}
    told, order = {}, sorted(p, key=p.get)
    for place, pair in enumerate(order):
        told[pair] = p[pair] * (len(order) - place) <= 0.05 and all(told.values())
    return told


def by_return_alone():
    """A, B, D and E are alike; all other pairs of the seven groups are told apart -> (their pairs, all pairs)."""
    told = told_apart()
    alike = {pair for pair in told if not told[pair]}
    assert alike == set(combinations("ABDE", 2))
    return len(alike), len(told)


def clock_hidden():
    """The explained variance of D over the last third of the runs: it cannot be told from that of healthy runs."""
    runs, _ = stored("clinic")
    sick, well = (np.array([one["explained_variance"][-4:] for one in runs[name]]).mean(1) for name in ("D", HEALTHY))
    low, high = difference_interval(sick, well)
    assert low < 0 < high
    return low, high


def below(kind):
    return sum(run["greedy"] < -300 for run in stored("densities")[0][kind])


def fall():
    """How many of the ten seeds end below -300 with the clipped and with the drawn action's density."""
    assert below("clipped") >= 4 and below("drawn") == 0
    return below("clipped"), below("drawn")


SENTENCES = {
    "ppo-clipped-bias": (
        "With μ = 0.8, σ = 0.5 and bounds of ±1 it is {:.2f} over drawn actions and {:.2f} over clipped ones.",
        clipped_bias,
    ),
    "ppo-pendulum-learned": (
        "Of ten seeds, each with 49,152 steps, the mean action gets {:.0f} in the end (95 % interval {:.0f} to "
        "{:.0f}), and {} of the ten are above −300.",
        pendulum,
    ),
    "ppo-clipped-density": (
        "With the clipped action’s density it gets {:.0f}; the 95 % interval of the difference is {:.0f} to {:.0f}.",
        density,
    ),
    "ppo-clipped-outside": (
        "After training {:.0f} % of the actions lie beyond the bounds with the right density, and {:.0f} % with the "
        "wrong one.",
        outside,
    ),
    "ppo-pong-ten": (
        "Of the ten runs {} reach 18, the fastest after {:,.0f} steps and the slowest after {:,.0f}. The run in the "
        "middle of all ten needs {:,.0f}.",
        ten_of_pong,
    ),
    "ppo-pong-not": (
        "The tenth does not: after {:,.0f} steps, when it was ended, its last 20 games have a mean of {:.1f}.",
        still_on_its_way,
    ),
    "ppo-pong-long-games": (
        "At the end its games last {:,.0f} steps on average, and those of the other nine {:,.0f} to {:,.0f}",
        long_games,
    ),
    "ppo-pong-sharp": (
        "Over this whole game, the largest of the three probabilities is {:.2f} on average while no ball is on the "
        "screen, {:.2f} while the ball flies away, {:.2f} while it comes but is still in the far half, and {:.2f} when "
        "it comes and is in the near half.",
        sharp,
    ),
    "ppo-pong-value": (
        "V is {:.2f} just before the ball is hit, {:.2f} at the hit itself, {:.2f} on average in the second half of "
        "the flight to the opponent, and about 0 when the point is over.",
        value_of_a_point,
    ),
    "ppo-pong-least-sure": (
        "At its smallest the largest of them is {:.2f}, with no ball on the screen; it is below 0.4 in {} of the "
        "{:,} steps.",
        least_sure,
    ),
    "ppo-pong-value-ends": (
        "In the ten steps before a point V is {:.2f} on average if the point is won, and {:.2f} if it is lost.",
        value_before_a_point,
    ),
    "ppo-pong-shipped": (
        "The agent that is shipped is that run in the middle, seed {}.",
        shipped,
    ),
    "ppo-pong-greedy-mean": (
        "Its 30 greedy games have a mean of {:.1f}, and the last 20 games of training had {:.1f}.",
        lambda: (np.mean(RECORD["evaluation"]["returns"]), np.mean(RECORD["returns"][-20:])),
    ),
    "ppo-pong-greedy": (
        "Of {} greedy games it wins {}, and it loses the other {}, each by {} points. Only four scores occur.",
        greedy_games,
    ),
    "ppo-pong-in-a-row": (
        "it loses the first {} points, and then it wins {} in a row. After the first of those, every point takes {} or "
        "{} steps.",
        points_in_a_row,
    ),
    "ppo-bug-broadcast": (
        "the explained variance is {:.2f} with the bug and {:.2f} without it (95 % interval of the difference {:.2f} "
        "to {:.2f}).",
        broadcast,
    ),
    "ppo-bug-broadcast-return": (
        "Over five seeds the return with the bug is {:.0f} higher, and the interval, {:.0f} to {:.0f}, holds 0.",
        partial(unnoticed, "[B] minus [B, 1]"),
    ),
    "ppo-bug-no-min": (
        "Seed by seed, {:.1f} times as many samples are left beyond the band on the wrong side (median; {:.1f} to "
        "{:.1f}).",
        no_min,
    ),
    "ppo-bug-no-min-return": (
        "The return does not tell: the difference is {:.0f} ({:.0f} to {:.0f}).",
        partial(unnoticed, "no min"),
    ),
    "ppo-bug-kl-reversed": (
        "The ratio of the two directions is {:.2f} with the bug and {:.2f} without it ({:.2f} to {:.2f}).",
        reversed_kl,
    ),
    "ppo-bug-kl-reversed-return": (
        "The return is {:.0f} away ({:.0f} to {:.0f}), so five seeds do not tell; a loss of 100 would not be excluded.",
        partial(unnoticed, "KL reversed"),
    ),
    "ppo-bug-reset-row": (
        "V at the door is {:.2f} with the bug and {:.2f} without it ({:.2f} to {:.2f}), while every episode of every "
        "seed ends at the door.",
        reset_rows,
    ),
    "ppo-limited-exploration": (
        "Begun at the left end, all ten seeds end at the far door if there are 5 or 10 places between the doors, {} of "
        "the ten if there are 20, and none if there are 30 or 40.",
        two_doors,
    ),
    "ppo-clinic-a": (
        "A, the dead value function: the explained variance is {:.2f} and in healthy runs {:.2f} ({:.2f} to {:.2f}).",
        partial(departs, "A", "explained_variance"),
    ),
    "ppo-clinic-b": (
        "B, the exploding KL: the KL is {:.0f} times that of healthy runs ({:.0f} to {:.0f}).",
        partial(departs, "B", "kl", ratio=True, least=10),
    ),
    "ppo-clinic-c": (
        "C, the wrong sign: the return is {:.0f} and in healthy runs {:.0f} ({:.0f} to {:.0f}).",
        partial(departs, "C", "return"),
    ),
    "ppo-clinic-d": (
        "D, truncation taken as termination: the explained variance is {:.2f} and in healthy runs {:.2f} ({:.2f} to "
        "{:.2f}).",
        partial(departs, "D", "explained_variance"),
    ),
    "ppo-clinic-e": (
        "E, the collapsed entropy: the entropy is {:.2f} and in healthy runs {:.2f} ({:.2f} to {:.2f}).",
        partial(departs, "E", "entropy"),
    ),
    "ppo-clinic-f": (
        "F, no normalisation: the gradient is {:.0f} times as long as in healthy runs ({:.0f} to {:.0f}).",
        partial(departs, "F", "grad_norm", ratio=True, least=10),
    ),
    "ppo-clinic-d-late": (
        "Over the last third of the runs alone the interval holds 0 ({:.2f} to {:.2f}).",
        clock_hidden,
    ),
    "ppo-clinic-return": (
        "By the return of the last 20 episodes A, B, D and E cannot be told from each other: after Holm’s correction "
        "none of their {} pairs differs, and all the others of the {} pairs do.",
        by_return_alone,
    ),
    "ppo-clipped-density-seeds": (
        "{} of ten seeds end below −300 with the wrong density, and {} with the right one.",
        fall,
    ),
}


def row(sentence, numbers):
    """A row of the table: the chapter, the sentence with # for each number, and a check of the numbers in it."""

    def check(*quoted):
        values = numbers()
        assert len(quoted) == len(values) and all(map(says, quoted, values)), values

    return CHAPTER, re.sub(r"{[^}]*}", "#", sentence), check


CLAIMS = {name: row(*sentence) for name, sentence in SENTENCES.items()}
