"""Compare a function from the notebook with rlkit's own, and say clearly where they differ."""

import contextlib
import html
import inspect
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import NamedTuple

import numpy as np

from rlkit import functional
from rlkit.exercises import EXERCISES
from rlkit.language import count, say
from rlkit.probes import probes

__all__ = ["exercise", "in_place_of", "probes", "same"]


def same(mine, reference, cases, tolerance=1e-6):
    """Call both on every case and assert equal results.

    A case is a dict of keyword arguments of `reference`. They are passed to `mine` by position, so its arguments may
    have any names; arrays are passed as copies, so it cannot change a case. Raises an AssertionError with the first
    case, the place and the numbers that differ, or with what is not a number. Raises ValueError if the two cannot be
    called with these cases.
    """
    order, cases = check_arguments(mine, reference, cases, tolerance)
    for number, case in enumerate(cases):
        where = f"case {number} of {len(cases)}"
        got = mine(*in_order(order, case))
        found = difference(got, reference(**case), tolerance)
        if isinstance(found, NotNumbers):
            raise AssertionError(f"{where}: your result must be numbers, and is of the type {found.kind}.")
        if isinstance(found, OtherShape):
            raise AssertionError(f"{where}: your result has the shape {found.mine}, rlkit's {found.right}.")
        if isinstance(found, OtherNumber):
            numbers = f"yours is {found.mine:.6g}, rlkit's {found.right:.6g}"
            raise AssertionError(f"{where}: at {found.place or 'its only number'} {numbers}, with{inputs(case)}")
    print(f"{getattr(mine, '__name__', 'yours')} = rlkit.functional.{reference.__name__} on {len(cases)} cases")


# Exercises ------------------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What is said about a reader's function. A notebook shows the sentence."""

    right: bool
    sentence: str

    def __repr__(self):
        return self.sentence

    def _repr_markdown_(self):
        """The sentence as text that wraps between words, and the case as code."""
        words, *case = html.escape(self.sentence, quote=False).split("\n")
        return words + "".join(f"\n    {line}" for line in ["", *case] if case)


def exercise(name, mine):
    """Does `mine` solve the exercise of this name, one of `rlkit.exercises.EXERCISES`? -> Answer.

    A function that is wrong, or not written yet, raises nothing, so that Run All goes on. The sentence says what to
    mend, with the first case that differs.
    """
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}. There are: {', '.join(EXERCISES)}.")
    right, cases, mistakes = EXERCISES[name]
    try:
        order, cases = check_arguments(mine, right, cases, tolerance=1e-5)
    except AssertionError as error:
        return Answer(False, str(error))
    title, results = getattr(mine, "__name__", "yours"), []
    for case in cases:
        try:
            results.append(mine(*in_order(order, case)))
        except Exception as error:  # whatever the reader's code may raise
            kind, message = type(error).__name__, str(error).split("\n")[0].rstrip(".")
            words = say("{title} stops with {kind}: {message}. The case has", title=title, kind=kind, message=message)
            return Answer(False, words + inputs(case))
    if all(result is None or result is ... for result in results):
        return Answer(False, say("{title} is not written yet: its body goes where the three dots are.", title=title))
    for number, (case, result) in enumerate(zip(cases, results), start=1):
        found = difference(result, right(**case), tolerance=1e-5)
        if found:
            arguments = [in_order(order, case) for case in cases]
            where = say("case {number} of {total}", number=number, total=len(cases))
            words = f"{what_is_wrong(title, found, where)} {usual_mistake(mistakes, arguments, results)}"
            return Answer(False, say("{words} The case has", words=words.strip()) + inputs(case))
    return Answer(
        True, count(len(cases), "{title} is right in {n} case.", "{title} is right in all {n} cases.", title=title)
    )


def what_is_wrong(title, found, where):
    """A `difference` in a sentence."""
    if isinstance(found, NotNumbers):
        return say("In {where} {title} returns a {kind} instead of numbers.", where=where, title=title, kind=found.kind)
    if isinstance(found, OtherShape):
        places = dict(where=where, title=title, mine=found.mine, right=found.right)
        return say("In {where} {title} returns the shape {mine}, where {right} is right.", **places)
    places = dict(where=where, title=f"{title}(...){list(found.place) or ''}", mine=found.mine, right=found.right)
    return say("In {where} {title} is {mine:.4g}, where {right:.4g} is right.", **places)


def usual_mistake(mistakes, arguments, results):
    """The sentence of the mistake that gives the same numbers as the reader's function in every case, or ""."""
    for mistake in mistakes:
        wrong = (mistake.function(*given) for given in arguments)
        if not any(difference(result, theirs, 1e-5) for result, theirs in zip(results, wrong)):
            return say(mistake.sentence)
    return ""


@contextlib.contextmanager
def in_place_of(reference, mine):
    """For a `with` block, agents call `mine` where they call this function of `rlkit.functional`.

    Each equation is one function, so this changes one line of an agent. `mine` itself may call `reference`. Workers in
    other processes keep `reference`.
    """
    name = getattr(reference, "__name__", "")
    if getattr(functional, name, None) is not reference:
        raise ValueError(f"{brief(reference)} is no function of rlkit.functional, so no agent would call yours.")

    def replacement(*arguments, **named):
        setattr(functional, name, reference)  # for `mine`
        try:
            return mine(*arguments, **named)
        finally:
            setattr(functional, name, replacement)

    setattr(functional, name, replacement)
    try:
        yield
    finally:
        setattr(functional, name, reference)


# Differences ----------------------------------------------------------------------------------------------------------


class NotNumbers(NamedTuple):
    kind: str


class OtherShape(NamedTuple):
    mine: tuple
    right: tuple


class OtherNumber(NamedTuple):
    place: tuple
    mine: float
    right: float


def difference(mine, right, tolerance):
    """The first difference of two results, in any containers of numbers -> None if there is none."""
    right = as_array(right)
    try:
        got = as_array(mine)
    except (TypeError, ValueError):
        return NotNumbers(type(mine).__name__)
    if got.shape != right.shape:
        return OtherShape(got.shape, right.shape)
    wrong = ~np.isclose(got, right, rtol=tolerance, atol=tolerance, equal_nan=True)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        return OtherNumber(place, float(got[place]), float(right[place]))


def in_order(order, case):
    """The arguments of a case by position, arrays as copies."""
    return [copied(case[name]) for name in order if name in case]


def inputs(case):
    """A line for each argument."""
    return "".join(f"\n  {name} = {brief(value)}" for name, value in case.items())


# Arguments ------------------------------------------------------------------------------------------------------------


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
        message = count(
            len(names),
            "your function must take {n} argument, as {title} does: {names}.",
            "your function must take {n} arguments, as {title} does: {names}.",
            title=reference.__name__,
            names=", ".join(names),
        )
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
        array = None if np.isscalar(value) else as_array(value)
        if "bool" in str(getattr(value, "dtype", "")) and array is not None:
            array = array.astype(bool)
        text = repr(value) if array is None else np.array2string(array, precision=3, threshold=12)
    except (TypeError, ValueError):  # a function, say
        text = repr(value)
    return " ".join(text.split())[:500]
