"""Chapter 1, sections 1, 5 and 9: the sentences that report a result."""

import json
from functools import cache

import numpy as np

import rlkit
from claims.common import says
from rlkit.experiments.saliency import saliency
from rlkit.experiments.statistics import difference_interval, interquartile_mean
from rlkit.experiments.stored import stored
from rlkit.explore.saliency import effect, moment
from rlkit.plotting.pong import ball
from rlkit.plotting.video import play

PLAYER = rlkit.AGENTS / "ppo-pong-small.pt"


@cache
def opening():
    """The Pong player and the game that opens the chapter."""
    player = rlkit.load(PLAYER, num_envs=1)
    return player, play(player, steps=160, seed=7)


def the_largest_spots(near, far):
    player, recording = opening()
    S = {t: saliency(player, recording.stacks[t])["policy"].max() for t in (41, 56, 61, 90)}
    assert says(near, S[56]) and says(far, S[90]) and max(S, key=S.get) == 56 and min(S, key=S.get) == 90
    at = ball(recording)
    assert 120 < at[56] < 140 and at[90] < 25  # our paddle is at 142, the other at 17


def the_first_spot(step, before, after):
    player, recording = opening()
    t = int(step)
    _, now, blurred = moment(player, recording.stacks[t])["policy"]
    name, full, without = effect(player, recording, t, "policy", now, blurred)
    assert name == "π(LEFT|s)" and says(before, full) and says(after, without)
    assert rlkit.explore.saliency(player, recording).values()["t"] == t


def costs(name):
    """Agent steps and CPU seconds of the training of an agent that comes with the package."""
    record = json.loads((rlkit.AGENTS / f"{name}.json").read_text())
    return np.array(record["rows"][-1][:2] if "rows" in record else [record["step"], record["cpu_seconds"]])


def the_costs(seconds):
    ppo, a3c, dqn = (costs(f"{name}-pong-small") for name in ("ppo", "a3c", "dqn"))
    assert (abs(a3c / ppo - 3) < 0.1).all() and abs(dqn[0] / ppo[0] - 1.2) < 0.05 and says(seconds, dqn[1] / ppo[1])
    assert 9.5 < ppo[1] / 60 < 10.5  # "ten CPU minutes later"


def without(part):
    """Returns of DQN without a part of it `[seeds, points]`."""
    return np.array([run["returns"] for run in stored("stabilisers")[0][part]])


def the_ends(*quoted):
    middles, intervals = quoted[:4], quoted[4:]
    ends = {part: without(part)[:, -1] for part in ("all of DQN", "no target network", "no replay", "neither")}
    for text, part in zip(middles, ends, strict=True):
        assert says(text, interquartile_mean(ends[part]))
    target = difference_interval(ends["all of DQN"], ends["no target network"])
    replay = difference_interval(ends["all of DQN"], ends["no replay"])
    assert all(map(says, intervals, (*target, *replay))) and target[0] > 0 and replay[0] < 0 < replay[1]


def fell(returns):
    """Has a run that had reached 100 been below 30 later?"""
    high = returns >= 100
    return bool(high.any() and returns[high.argmax() :].min() < 30)


def the_falls(*quoted):
    for text, part in zip(quoted, ("all of DQN", "no target network", "no replay", "neither"), strict=True):
        assert int(text) == sum(map(fell, without(part)))


CLAIMS = {
    "overview-saliency-largest": (
        "01_overview.ipynb",
        "the largest S is # with the ball near our paddle, and # with the ball at the other end.",
        the_largest_spots,
    ),
    "overview-saliency-explorer": (
        "01_overview.ipynb",
        "at step #, where the explorer begins, the spot is where the ball has just been, and with it blurred LEFT "
        "falls from # to #.",
        the_first_spot,
    ),
    "overview-costs": (
        "01_overview.ipynb",
        "A3C took three times as many steps and CPU seconds as PPO for it. DQN took only a fifth more steps than PPO, "
        "but # times the CPU seconds.",
        the_costs,
    ),
    "overview-stabilisers-end": (
        "01_overview.ipynb",
        "the whole of DQN ends at #, without a target network at #, without replay at #, and with neither at #. "
        "Without the target network the runs end lower: the 95 % interval of the difference goes from # to #. "
        "Without replay they cannot be told apart at the end (# to #).",
        the_ends,
    ),
    "overview-stabilisers-falls": (
        "01_overview.ipynb",
        "With both parts # of the ten runs fall so low, without the target network #, without replay #, and with "
        "neither #.",
        the_falls,
    ),
}
