"""Every setting of every agent: what is refused, in which words, and what is accepted and becomes plain Python."""

import dataclasses
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from conftest import one_line

from rlkit import A2C, A3C, DQN, PPO, REINFORCE, TRPO, Gorila
from rlkit.running.kinds import (
    BelowOne,
    Count,
    CountOrZero,
    Limit,
    NotNegative,
    Number,
    Positive,
    Seed,
    ZeroToOne,
)
from rlkit.running.settings import check_settings

ALL = (DQN, Gorila, REINFORCE, TRPO, PPO, A2C, A3C)
ENV = str | Callable  # checked where the environment is made
FIELDS = [
    pytest.param(algorithm, name, kind, id=f"{algorithm.__name__}-{name}")
    for algorithm in ALL
    for name, kind in get_type_hints(algorithm, include_extras=True).items()
    if kind != ENV
]

THINGS = [{}, {"a": 1}, set(), 1j, np.complex64(1), b"1", object(), int, len, torch.ones(2, 2), np.ones((2, 2)), [[1]]]
NO_NUMBERS = [*THINGS, True, np.True_, "1", "", "inf", "x" * 500, nan, np.float32(nan), Decimal("NaN"), Decimal("sNaN")]
NO_COUNTS = [*NO_NUMBERS, -1, -1.0, 1.5, np.float64(0.5), np.int8(-1), Fraction(1, 2), -inf, inf, 1e300, -(10**5000)]
NO_FLOATS = [*NO_NUMBERS, -inf, 1e300, 1e-300, 10**400, -(10**400), -(10**5000)]
NEGATIVE = [-1, -1e-9, np.float32(-1), Fraction(-1, 2), Decimal(-1)]
NO_TUPLES = [
    "64",
    b"64",
    {1: 1},
    {64},
    range(3),
    iter([1]),
    object(),
    ("1",),
    (None,),
    (True,),
    ((1,),),
    (nan,),
    (inf,),
]

WRONG = {
    bool: ["True", "False", "no", "", 0, 1, 1.0, nan, np.int64(1), torch.ones(()), (True,), None, *THINGS],
    str: [0, True, 1.5, nan, ("cpu",), None, *THINGS],
    Count: [*NO_COUNTS, 0, 0.0, np.int64(0), None, (1,)],
    CountOrZero: [*NO_COUNTS, None, (1,)],
    Seed: [*NO_COUNTS, 2**31, 2**32, 2**63, 2**64, None, (1,)],
    Number: [*NO_FLOATS, inf, None],
    Positive: [*NO_FLOATS, *NEGATIVE, 0, 0.0, -0.0, inf, None, (1.0,)],
    Limit: [*NO_FLOATS, *NEGATIVE, 0, 0.0, None, (1.0,)],
    NotNegative: [*NO_FLOATS, *NEGATIVE, inf, None, (1.0,)],
    ZeroToOne: [*NO_FLOATS, *NEGATIVE, 1.5, 2, 1 + 1e-9, inf, None, (1.0,)],
    BelowOne: [*NO_FLOATS, *NEGATIVE, 1, 1.0, 2, inf, None, (0.5,)],
    Count | None: [*NO_COUNTS, 0, (1,), ()],
    tuple[Count, ...]: [*NO_TUPLES, 64, None, (0,), (64, -1), (1.5,), [64, "64"], (64, 1e300)],
    tuple[CountOrZero, ...] | None: [*NO_TUPLES, 0, (-1,), (0.5,), (0, 2, "3"), ()],
    tuple[BelowOne, BelowOne]: [*NO_TUPLES, 0.9, None, (), (0.9,), (0.9, 0.99, 0.999), (0.9, 1), (0.9, 1.5), (-0.1, 0)],
    Number | tuple[Number, ...]: [*NO_TUPLES, inf, None, (0.0, nan), (1e300,), ()],
    Positive | tuple[Positive, ...] | None: [*NO_TUPLES, *NEGATIVE, 0, inf, (1.0, 0.0), (1, -1), (1e-300,), ()],
}
NUMBERS = [1, 1.0, np.float32(1), np.int8(1), np.array(1.0), torch.tensor(1), Fraction(1), Decimal(1)]
UNIT = [(value, 1.0) for value in NUMBERS] + [(0, 0.0), (Fraction(1, 2), 0.5)]
COUNTS = [(value, 1) for value in NUMBERS] + [(1e6, 10**6), (np.uint8(255), 255)]
RIGHT = {
    bool: [(True, True), (np.False_, False), (torch.tensor(True), True)],
    str: [("cpu", "cpu"), (torch.device("cpu"), "cpu"), (np.str_("auto"), "auto")],
    Count: COUNTS,
    CountOrZero: [*COUNTS, (0, 0), (0.0, 0)],
    Seed: [*COUNTS, (0, 0), (np.int64(3), 3)],
    Number: [*UNIT, (-1, -1.0), (1e30, 1e30)],
    Positive: [(value, 1.0) for value in NUMBERS],
    Limit: [(1, 1.0), (inf, inf), (np.inf, inf), (Decimal("inf"), inf)],
    NotNegative: [*UNIT, (100, 100.0)],
    ZeroToOne: UNIT,
    BelowOne: [(0, 0.0), (np.float64(0.999), 0.999)],
    Count | None: [*COUNTS, (None, None)],
    tuple[Count, ...]: [((), ()), ([], ()), ((1,), (1,)), ([64, 2.0], (64, 2)), (np.array([8, 9]), (8, 9))],
    tuple[CountOrZero, ...] | None: [(None, None), ((0,), (0,)), (np.array([1, 0]), (1, 0)), ([1], (1,))],
    tuple[BelowOne, BelowOne]: [((0, 0), (0.0, 0.0)), ([0.9, 0.99], (0.9, 0.99)), (torch.zeros(2), (0.0, 0.0))],
    Number | tuple[Number, ...]: [(-1, -1.0), ((0, -2.5), (0.0, -2.5)), (np.zeros(2), (0.0, 0.0)), ([1], (1.0,))],
    Positive | tuple[Positive, ...] | None: [
        (None, None),
        (3, 3.0),
        ([1, 2.5], (1.0, 2.5)),
        (torch.ones(2), (1.0, 1.0)),
    ],
}


def wrong_values(kind):
    if get_origin(kind) is Literal:
        word = get_args(kind)[0]
        return ["x", "", word.upper(), word + " ", 0, nan, True, (word,), [word], None, *THINGS]
    return WRONG[kind]


def right_values(kind):
    return [(word, word) for word in get_args(kind)] if get_origin(kind) is Literal else RIGHT[kind]


def checked(algorithm, **settings):
    """An agent with these settings after its check, without its environments and networks."""
    agent = object.__new__(algorithm)
    defaults = {field.name: field.default for field in dataclasses.fields(algorithm)}
    vars(agent).update(defaults | settings)
    check_settings(agent)
    return agent


# Each alone ---------------------------------------------------------------------------------------------------


def test_every_kind_is_tried():
    kinds = {param.values[2] for param in FIELDS}
    assert {kind for kind in kinds if get_origin(kind) is not Literal} <= WRONG.keys() == RIGHT.keys()
    assert len(FIELDS) > 140


@pytest.mark.parametrize("algorithm, name, kind", FIELDS)
def test_an_impossible_value_is_refused_in_one_sentence(algorithm, name, kind):
    for value in wrong_values(kind):
        with pytest.raises(ValueError) as error:
            checked(algorithm, **{name: value})
        assert re.match(rf"{name}=.+ (must (not )?be|is too) ", one_line(error)), one_line(error)
        assert len(str(error.value)) < 250


@pytest.mark.parametrize("algorithm, name, kind", FIELDS)
def test_a_possible_value_becomes_plain(algorithm, name, kind):
    others = {"kl_max": 10.0} if name == "kl_min" else {}
    for value, expected in right_values(kind):
        result = getattr(checked(algorithm, **{name: value}, **others), name)
        assert result == expected and type(result) is type(expected), value
        if isinstance(expected, tuple):
            assert [type(x) for x in result] == [type(x) for x in expected], value


@pytest.mark.parametrize("algorithm", ALL)
def test_defaults_stay_as_they_are(algorithm):
    agent = checked(algorithm)
    for field in dataclasses.fields(algorithm):
        value = getattr(agent, field.name)
        assert value == field.default and type(value) is type(field.default), field.name
