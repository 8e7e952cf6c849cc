"""Compare a function from the notebook with rlkit's own, and say clearly where they differ."""

import inspect
from collections.abc import Iterable, Mapping
from numbers import Real

import numpy as np


def same(mine, reference, cases, tolerance=1e-6):
    """Call both on every case and assert equal results.

    A case is a dict of keyword arguments of `reference`. They are passed to `mine` by position, so its arguments may
    have any names; arrays are passed as copies, so it cannot change a case. Raises an AssertionError with the first
    case, the place and the numbers that differ, or with what is not a number. Raises ValueError if the two cannot be
    called with these cases.
    """
    order, cases = check_arguments(mine, reference, cases, tolerance)
    for number, case in enumerate(cases):
        arguments = [copied(case[name]) for name in order if name in case]
        where = f"case {number} of {len(cases)}"
        expected = as_array(reference(**case))
        result = mine(*arguments)
        try:
            got = as_array(result)
        except (TypeError, ValueError):
            kind = type(result).__name__
            raise AssertionError(f"{where}: your result must be numbers, and is of the type {kind}.") from None
        if got.shape != expected.shape:
            raise AssertionError(f"{where}: your result has the shape {got.shape}, rlkit's {expected.shape}.")
        wrong = ~np.isclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            inputs = "\n".join(f"  {name} = {brief(value)}" for name, value in case.items())
            numbers = f"yours is {got[place]:.6g}, rlkit's {expected[place]:.6g}"
            raise AssertionError(f"{where}: at {place or 'its only number'} {numbers}, with\n{inputs}")
    print(f"{getattr(mine, '__name__', 'yours')} = rlkit.functional.{reference.__name__} on {len(cases)} cases")


def check_arguments(mine, reference, cases, tolerance):
    """The names of the reference's arguments, and the cases as a list. Raises ValueError if they do not fit."""
    for name, function in (("mine", mine), ("reference", reference)):
        if not callable(function):
            raise ValueError(f"{name} must be a function, and {brief(function)} is none; write its name without ().")
    if not (isinstance(tolerance, Real) and tolerance >= 0):
        raise ValueError(f"tolerance={brief(tolerance)} must be a number, at least 0.")
    if isinstance(cases, dict) or not isinstance(cases, Iterable) or getattr(cases, "ndim", 1) == 0:
        raise ValueError(f"cases must be a list of dicts, one for each call, and {brief(cases)} is none.")
    cases, signature = list(cases), inspect.signature(reference)
    assert cases, "There are no cases to compare; pass at least one."
    for case in cases:
        if not isinstance(case, Mapping):
            raise ValueError(f"A case must be a dict of arguments, and {brief(case)} is none.")
        try:
            signature.bind(**case)
        except TypeError as error:
            raise ValueError(f"A case does not fit {reference.__name__}{signature}: {error}.") from None
        check_number_of_arguments(mine, [name for name in signature.parameters if name in case], reference)
    return list(signature.parameters), cases


def check_number_of_arguments(mine, names, reference):
    """Raise AssertionError if `mine` cannot be called with that many arguments."""
    try:
        inspect.signature(mine).bind(*names)
    except TypeError:
        count = f"{len(names)} argument{'s' * (len(names) != 1)}"
        message = f"your function must take {count}, as {reference.__name__} does: {', '.join(names)}."
        raise AssertionError(message) from None
    except ValueError:  # some built-in functions do not tell what they take
        pass


def as_array(value):
    """Numbers in any container -> an array of doubles. Raises TypeError or ValueError if there is anything else."""
    if isinstance(value, list | tuple):
        value = [as_array(part) for part in value]
    return np.asarray(value.detach() if hasattr(value, "detach") else value).astype(float, casting="same_kind")


def copied(value):
    return value.clone() if hasattr(value, "clone") else value.copy() if isinstance(value, np.ndarray) else value


def brief(value):
    try:
        text = repr(value) if np.isscalar(value) else np.array2string(as_array(value), precision=3, threshold=12)
    except (TypeError, ValueError):  # a function, say
        text = repr(value)
    return " ".join(text.split())[:500]
