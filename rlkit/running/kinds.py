"""What a setting may be. An agent's fields say it themselves: `gamma: ZeroToOne`, `hidden: tuple[Count, ...]`.

Each name stands for one of Python's types, the words for it, and the condition.
"""

from contextlib import suppress
from decimal import Decimal
from math import inf, isfinite
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

Count = Annotated[int, "a whole number above 0", lambda n: n > 0]
CountOrZero = Annotated[int, "a whole number of at least 0", lambda n: n >= 0]
Seed = Annotated[int, "a whole number from 0 to 2**31 - 1", lambda n: 0 <= n < 2**31]  # what Atari's emulator takes

Number = Annotated[float, "a finite number", isfinite]
Positive = Annotated[float, "a finite number above 0", lambda x: 0 < x < inf]
Limit = Annotated[float, "a number above 0, or inf", lambda x: x > 0]
NotNegative = Annotated[float, "a finite number of at least 0", lambda x: 0 <= x < inf]
ZeroToOne = Annotated[float, "a number from 0 to 1", lambda x: 0 <= x <= 1]
BelowOne = Annotated[float, "a number of at least 0 and below 1", lambda x: 0 <= x < 1]


def read(kind, value):
    """The value as one of this kind, which is a type. Raises ValueError if it is none."""
    form, parts = get_origin(kind), get_args(kind)
    if form in (Union, UnionType):
        for part in parts:
            with suppress(ValueError, OverflowError):
                return read(part, value)
    elif form is Annotated:
        return read_number(value, *parts)
    elif form is tuple:
        if isinstance(value, tuple):
            kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
            return tuple(read(part, item) for part, item in zip(kinds, value, strict=True))
    elif form is Literal:
        if isinstance(value, str) and value in parts:
            return value
    elif kind not in (bool, str, NoneType) or isinstance(value, kind):
        return value
    raise ValueError


def read_number(value, python_type, words, holds):
    """The value as an int or a float that fulfils a condition. Raises ValueError, or OverflowError, if it is none."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise ValueError
    if python_type is int and not isinstance(value, Integral) and not float(value).is_integer():
        raise ValueError
    number = python_type(value)
    if not holds(number):
        raise ValueError
    return number


def words(kind):
    """What follows "must be"."""
    form, parts = get_origin(kind), get_args(kind)
    if form in (Union, UnionType):
        *first, last = map(words, parts)
        return f"{', '.join(first)}, or {last}"
    if form is Annotated:
        return parts[1]
    if form is tuple:
        count = "" if parts[-1] is Ellipsis else f"{len(parts)} "
        return f"a tuple of {count}" + words(parts[0]).removeprefix("a ").replace("number", "numbers")
    if form is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    return {bool: "True or False", str: "a string", NoneType: "None"}[kind]
