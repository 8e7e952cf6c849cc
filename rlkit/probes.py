"""Run an agent through the probes of `rlkit.tasks`, and compare its Q-values with the exact ones."""

import inspect
from collections import deque
from collections.abc import Iterator
from functools import partial

import numpy as np

from rlkit.language import number, say
from rlkit.running.messages import brief
from rlkit.tasks import GAMMA, PROBES

STEPS = 500  # in each probe
MOST = 20 * STEPS  # in one environment: an agent that goes on after so many does not end
TOLERANCE = 0.1  # of a Q-value


def probes(make):
    """Let new agents learn the probes for 500 steps each, up to the first that fails -> Verdicts, shown as a table.

    `make(env)` returns an agent with gamma=0.5, for an `env` that makes an environment when it is called. An agent has
    `learn(total_steps)`, a generator or not, and `q_values(obs)`, `[B, 1]` -> `[B, A]`. Its other settings must let it
    learn that fast. Raises ValueError if it is no such agent.
    """
    check_maker(make)
    learned = {}
    for probe in PROBES:
        try:
            learned[probe] = learned_q(make(partial(probe, most=MOST)), probe)
        except Exception as error:  # the reader's own
            error.add_note(f"That was in the probe {probe.__name__}.")
            raise
        if not passes(learned[probe], probe):
            return Verdicts(learned, failed=probe)
    return Verdicts(learned)


def check_maker(make):
    """Raise ValueError if it cannot be called with an environment."""
    try:
        if isinstance(make, type) or not callable(make):
            raise TypeError
        inspect.signature(make).bind(None)
    except TypeError:
        raise ValueError(
            f"make={brief(make)} must be a function that makes an agent; write lambda env: MyDQN(env, gamma=0.5)."
        ) from None
    except ValueError:  # some built-in functions do not tell what they take
        pass


def learned_q(agent, probe):
    """The Q-values `[S, A]` that an agent learns in a probe."""
    if not all(callable(getattr(agent, name, None)) for name in ("learn", "q_values")):
        raise ValueError(f"make(env) returns {brief(agent)}; it must return an agent with learn and q_values.")
    if getattr(agent, "gamma", GAMMA) != GAMMA:
        raise ValueError(f"The agent has gamma={brief(agent.gamma)}; take gamma={GAMMA}, as the exact values do.")
    learning = agent.learn(STEPS)
    if isinstance(learning, Iterator):
        deque(learning, maxlen=0)  # runs a generator to its end
    obs = np.array([[-1.0], [1.0]], np.float32)[: len(probe.q)]  # [S, 1]
    q = as_numbers(agent.q_values(obs))
    if q.shape != np.shape(probe.q):
        raise ValueError(f"q_values(obs) has the shape {q.shape}; it must be {np.shape(probe.q)} for obs {obs.shape}.")
    return q


def as_numbers(q):
    """What `q_values` returns -> array. Raises ValueError if it does not hold numbers."""
    try:
        return np.asarray(q.detach() if hasattr(q, "detach") else q).astype(float, casting="same_kind")
    except (TypeError, ValueError):
        raise ValueError(f"q_values(obs) returns {brief(q)}; it must return an array of numbers, [B, A].") from None


def passes(q, probe):
    return np.allclose(q, probe.q, rtol=0, atol=TOLERANCE)


class Verdicts:
    """The Q-values that were learned in each probe, and the one that `failed`, or None. A notebook shows a table."""

    def __init__(self, learned, failed=None):
        """learned: {probe: Q-values `[S, A]`}"""
        self.learned, self.failed = learned, failed

    def rows(self):
        """The table, cell by cell: its header and one row for each probe."""
        yield say("probe"), say("what it adds"), say("exact Q"), say("learned Q"), say("verdict")
        for probe in PROBES:
            verdict = say("**fails**") if probe is self.failed else say("passes")
            found = (in_words(self.learned[probe]), verdict) if probe in self.learned else ("", say("not tried"))
            yield probe.__name__, say(probe.adds), in_words(probe.q), *found

    def sentence(self):
        if not self.failed:
            return say("All probes pass.")
        probe, suspects = self.failed.__name__, say(self.failed.suspects)
        return say("{probe} is the first probe that fails. Look at {suspects}.", probe=probe, suspects=suspects)

    def __repr__(self):
        rows = [list(row) for row in self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        rows.insert(1, ["-" * width for width in widths])
        lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
        return "\n".join([*lines, "", self.sentence()])

    _repr_markdown_ = __repr__


def in_words(q):
    """Q-values `[S, A]` -> str. Commas part actions, and semicolons part states."""
    return "; ".join(", ".join(number(value, ".2f") for value in row) for row in np.asarray(q))
