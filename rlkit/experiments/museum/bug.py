"""What a card of the museum says about a bug."""

from collections.abc import Callable
from typing import NamedTuple


class Bug(NamedTuple):
    """One exhibit: a card to read, and what it takes to run the agent with and without the bug."""

    chapter: int  # that shows it
    wrong: str  # the line as it was
    right: str  # the line as it must be
    symptom: str  # what can be noticed, in words
    number: str  # the name of the number that gives it away
    mark: tuple | None  # (a value to compare the number with, what it means), drawn as a line
    test: str  # the one in tests/ that catches it
    source: str  # public code that had it
    sound: type  # the agent without the bug
    broken: type  # a subclass with the wrong line in it
    settings: dict  # fields of both agents
    steps: int  # how long a run is
    measure: Callable  # trained agent -> the number; some let the agent keep learning
