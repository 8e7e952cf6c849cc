"""Explorers in tests: all of them by name, and the many states that they can be in."""

from functools import cache

import numpy as np

from rlkit import AGENTS, explore, load
from rlkit.explore.controls import allowed
from rlkit.plotting.video import play

DRAWN = [
    "atari49", "atari57", "beta", "cliff", "clip_epsilon", "dueling", "two_states", "entropy_bonus", "gae",
    "importance_sampling", "max_bias", "messages", "museum", "n_step", "overestimation", "priority", "replay",
    "reward_hacking", "saliency", "t_max", "target_network", "trust_region", "value_estimation", "worker_model",
    "clinic",
]  # fmt: skip


@cache
def short_game():
    """An agent that is shipped, and a game of a few steps: a long one takes seconds."""
    agent = load(AGENTS / "ppo-pong-small.pt", num_envs=1)
    return agent, play(agent, 40)


def opened(name, **settings):
    """The explorer of this name -> Explorer."""
    arguments = short_game() if name == "saliency" else ()
    return getattr(explore, name)(*arguments, **settings)


def opened_by(state):
    """What a copied state opens -> Explorer."""
    agent, recording = short_game()
    return eval(state, {"explore": explore, "agent": agent, "recording": recording})


def some(control, rng=None):
    """Both ends and the middle of what a control allows, or one value by chance."""
    values = allowed(control)
    if values is None:  # a choice of several
        options = tuple(value for _, value in control.options)
        values = [control.value, options[:2], options[-3:], options]
    if rng is not None:
        return values[rng.integers(len(values))]
    return list(dict.fromkeys([values[0], values[len(values) // 2], values[-1]])) if allowed(control) else values


def states(panel, combinations=6):
    """States of an explorer, as the values of its controls by name: as it opens, each control at both ends and in the
    middle, and some combinations by chance."""
    first, rng = panel.values(), np.random.default_rng(0)
    yield first
    for name, control in panel.controls.items():
        yield from (first | {name: value} for value in some(control) if value != first[name])
    for _ in range(combinations):
        yield {name: some(control, rng) for name, control in panel.controls.items()}


def in_words(values):
    """A state as a reader types it: "kl_coef=3.0, seed=4"."""
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
