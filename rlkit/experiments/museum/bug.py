"""What is told of a bug in the museum."""

from collections.abc import Callable
from typing import NamedTuple


class Bug(NamedTuple):
    chapter: int
    wrong: str  # the line as it was
    right: str  # the line as it must be
    symptom: str  # what gives it away, in words
    number: str  # and in a number: what `measure` gives
    mark: tuple | None  # a value to compare the number with, and what that value is
    test: str  # of ours, that catches it
    source: str  # public code that had it
    sound: type
    broken: type
    settings: dict  # of both
    steps: int  # of a run
    measure: Callable  # a trained agent -> the number; the agent may learn on meanwhile
