"""Chapter 3, the switchboard: the sentences that report a result."""

from functools import cache

import numpy as np

from claims.common import says
from rlkit.experiments.details import CORE, FOUR, SWITCHES, contrasts, effects, scores
from rlkit.experiments.statistics import difference_interval, interquartile_mean
from rlkit.experiments.stored import stored
from rlkit.presets import preset

every_effect = cache(lambda task, kind: effects(stored("switchboard")[0][task], kind))


def effect(task, name, kind="score"):
    """What a detail is worth -> (with it minus without it, low, high, p by Holm)."""
    return every_effect(task, kind)[name]


def arms_of(task, kind="score"):
    """The scores of all arms on a task: {arm: `[seeds]`}."""
    return {arm: scores(made, kind) for arm, made in stored("switchboard")[0][task].items()}


def all_say(quoted, found):
    """Are these texts the found numbers, one after the other?"""
    return len(quoted) == len(found) and all(map(says, quoted, found))


def largest_effects(*quoted):
    clip, epochs = effect("Pendulum-v1", "ratio clipped"), effect("Pendulum-v1", "four epochs")
    assert all_say(quoted, [*clip[:3], *epochs[:3]])
    for one in (clip, epochs):
        assert one[3] <= 0.05
        assert all(one[1] > effect("Pendulum-v1", name)[2] for name in SWITCHES if name not in CORE)


def two_details_pass(*quoted):
    rewards, observations = effect("Pendulum-v1", "rewards scaled"), effect("Pendulum-v1", "observations scaled")
    assert all_say(quoted, [*rewards[:3], -observations[0], -observations[2], -observations[1]])
    passed = {name for name in SWITCHES if name not in CORE and effect("Pendulum-v1", name)[3] <= 0.05}
    assert passed == {"rewards scaled", "observations scaled"}


def five_of_one_kind_and_five_of_none():
    found = {name: effect("Pendulum-v1", name) for name in SWITCHES if name not in CORE}
    unsure = {name: one for name, one in found.items() if one[3] > 0.05}
    above = {name for name, one in unsure.items() if one[1] > 0}
    below = {name for name, one in unsure.items() if one[2] < 0}
    assert above == {"GAE, λ = 0.95", "learning rate annealed", "entropy bonus"}
    assert below == {"two networks", "tanh, not ReLU"} and len(unsure) - len(above) - len(below) == 5


def another_list_after_the_run(*quoted):
    names = ("rewards scaled", "orthogonal weights", "observations scaled")
    rewards, weights, inputs = (effect("Pendulum-v1", name, "end") for name in names)
    costs = [-cost[k] for cost in (weights, inputs) for k in (0, 2, 1)]
    assert all_say(quoted, [*rewards[:3], *costs])
    assert rewards[1] < 0 < rewards[2] and weights[3] <= 0.05 and inputs[3] <= 0.05


def the_edge_of_the_search(arms, of):
    board = stored("switchboard")[0]["Pendulum-v1"]
    rates = {name: made["best"][0]["setting"]["learning_rate"] for name, made in board.items() if "TRPO" not in name}
    assert (int(arms), int(of)) == (sum(rate == 0.01 for rate in rates.values()), len(rates))
    assert rates["ratio clipped"] == 0.001


def slow_with_the_clip_too(with_it, without_it):
    board = stored("switchboard")[0]["Pendulum-v1"]
    found = [np.mean([run["score"] for run in board[name]["search"][0]]) for name in ("all", "ratio clipped")]
    assert all_say((with_it, without_it), found)


def nothing_passes_on_cartpole(low, high):
    found = {name: effect("CartPole-v1", name) for name in SWITCHES}
    assert all(one[3] > 0.05 for one in found.values())
    assert [name for name, one in found.items() if not one[1] <= 0 <= one[2]] == ["ratio clipped"]
    assert all_say((low, high), found["ratio clipped"][1:3])


def wide_intervals(low, high):
    widths = [one[2] - one[1] for one in (effect("CartPole-v1", name) for name in SWITCHES)]
    assert all_say((low, high), (min(widths), max(widths)))


def details_on_cartpole(*quoted):
    found = contrasts(stored("switchboard")[0]["CartPole-v1"])
    trpo, ppo = found["TRPO's details"], found["PPO's details"]
    assert all_say(quoted, [*trpo, *ppo]) and trpo[1] > 0 and ppo[1] < 0 < ppo[2]


def who_is_ahead(*quoted):
    ppo, ppo_without, trpo, trpo_without = (arms_of("CartPole-v1")[name] for name in FOUR)
    pairs = [(ppo_without, trpo_without), (trpo, ppo)]
    middles = [interquartile_mean(one) - interquartile_mean(other) for one, other in pairs]
    (low, high), (least, most) = (difference_interval(*pair) for pair in pairs)
    assert all_say(quoted, [middles[0], low, high, middles[1], least, most]) and low > 0 > least


def neither_on_pendulum(*quoted):
    found = contrasts(stored("switchboard")[0]["Pendulum-v1"])
    assert all_say(quoted, [*found["details"], *found["algorithm"]])
    assert all(found[words][1] < 0 < found[words][2] for words in ("details", "algorithm"))


def solved_without_details(without, of, with_them):
    end = arms_of("CartPole-v1", "end")
    assert [int(without), int(with_them)] == [(end[name] == 500).sum() for name in ("PPO, without", "values clipped")]
    assert int(of) == len(end["PPO, without"])


def all_minus_none(ahead, low, high):
    every, none = [
        np.array([run["returns"] for run in stored("compared")[0][name]]).mean(1)
        for name in ("PPO, all details", "PPO, no details")
    ]
    least, most = sorted(-difference_interval(none, every))  # as the panel computes it: the second minus the first
    assert (
        all_say((ahead, low, high), [interquartile_mean(every) - interquartile_mean(none), least, most]) and least > 0
    )


def with_its_own_rate(rate, none, every, low, high):
    board = stored("switchboard")[0]["CartPole-v1"]
    assert float(rate) == board["PPO, without"]["best"][0]["setting"]["learning_rate"]
    without, all_of_them = (scores(board[name]) for name in ("PPO, without", "all"))
    found = difference_interval(all_of_them, without)
    assert all_say((none, every), [interquartile_mean(without), interquartile_mean(all_of_them)])
    assert found[0] < 0 < found[1]
    assert all_say((low, high), found)
    assert preset("ppo-cartpole-details").learning_rate == board["all"]["best"][0]["setting"]["learning_rate"] == 0.003


CLAIMS = {
    "ppo-largest-effects": (
        "03_ppo.ipynb",
        "The largest effects are those of the algorithm itself: the clip is worth # (95 % interval # to #), and four "
        "epochs instead of one # (# to #).",
        largest_effects,
    ),
    "ppo-two-details-pass": (
        "03_ppo.ipynb",
        "Of the twelve details two pass the test over the whole run: scaling the rewards helps by # (# to #), and "
        "scaling the observations costs # (# to #).",
        two_details_pass,
    ),
    "ppo-details-unsure": (
        "03_ppo.ipynb",
        "GAE, the annealed rate and the entropy bonus have intervals above 0, and two networks and tanh have intervals "
        "below it, but none of the five passes. The other five cannot be told from 0.",
        five_of_one_kind_and_five_of_none,
    ),
    "ppo-details-after-the-run": (
        "03_ppo.ipynb",
        "for the greedy policy, scaled rewards cannot be told from 0 (#, interval # to #), orthogonal weights cost # "
        "(# to #), and scaled observations cost again, # (# to #).",
        another_list_after_the_run,
    ),
    "ppo-details-edge": (
        "03_ppo.ipynb",
        "On Pendulum # of the # arms of PPO chose the largest of the three rates. And the arm without the clip chose "
        "the smallest",
        the_edge_of_the_search,
    ),
    "ppo-details-slow": (
        "03_ppo.ipynb",
        "at that rate PPO learned little with the clip too: # against #, on the three tuning seeds.",
        slow_with_the_clip_too,
    ),
    "ppo-details-cartpole": (
        "03_ppo.ipynb",
        "On CartPole no switch passes the test, and of the fourteen intervals over the whole run only that of the "
        "clip, # to #, leaves 0 out.",
        nothing_passes_on_cartpole,
    ),
    "ppo-details-wide": (
        "03_ppo.ipynb",
        "The intervals are # to # wide, so a detail can be worth tens of steps here without being seen.",
        wide_intervals,
    ),
    "ppo-details-of-both": (
        "03_ppo.ipynb",
        "On CartPole the details help TRPO, by # (# to #), and for PPO no help can be seen: # (# to #).",
        details_on_cartpole,
    ),
    "ppo-who-is-ahead": (
        "03_ppo.ipynb",
        "without details PPO leads by # (# to #), with them TRPO leads by #, which cannot be told from 0 (# to #).",
        who_is_ahead,
    ),
    "ppo-details-pendulum": (
        "03_ppo.ipynb",
        "On Pendulum neither can be told from 0: the details change # (# to #), and PPO minus TRPO is # (# to #).",
        neither_on_pendulum,
    ),
    "ppo-solved-without-details": (
        "03_ppo.ipynb",
        "here PPO without any of the seven details ends at 500 in # of # runs of CartPole, and with all of them in #.",
        solved_without_details,
    ),
    "ppo-all-minus-none": (
        "03_ppo.ipynb",
        "all of them minus none is # over the whole run (95 % interval # to #).",
        all_minus_none,
    ),
    "ppo-own-rate": (
        "03_ppo.ipynb",
        "With its own, #, PPO without details scored # on the switchboard, and the setting of this panel # too "
        "(difference # to #): the gain is gone.",
        with_its_own_rate,
    ),
}
