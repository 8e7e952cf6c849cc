"""Compare stored outputs of notebooks as a reader does: words and integers exactly, other numbers approximately.

A pytest plugin, which pyproject.toml loads. nbval (0.11) passes every text through `IPyNbCell.sanitize` and then asks
whether the stored and the new one are unequal. So here `sanitize` returns a `Text`, which decides that itself.
A number that moved within its tolerance is printed; `pytest -rP` shows it.
"""

import re
from decimal import Decimal
from functools import partial
from itertools import zip_longest
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from nbformat.v4 import new_output
from nbval.plugin import IPyNbCell

RELATIVE = Decimal("1e-5")  # float32 has seven digits, and a long sum loses one or two
NOISE = Decimal("1e-6")  # what rounding in float32 may leave of an exact 0
MOST = 10  # differences that a message lists; after a missing line, every line differs

TOKEN = re.compile(
    r"""[ \t]*(                                                # blanks beside a number only align it
    (?i:\b(?:(?:chapter|section|table|figure|equation|version)s?|(?:sec|fig|eq)s?\.|python|arxiv:?)|§+)   # a name,
    \s?\d+(?:\.\d+)*(?:(?:\ and\ |\ to\ |[-–])\d+(?:\.\d+)*)*                                        # no number
    |
    (?:(?<![\w.)\]])[-+−])?                                    # the sign, but not the minus in 0.1-0.2
    (?<![\w.])                                                 # in w_1, float32, 2.13.0 there is no number
    (?:
        (?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?(?!\.?\d)
        |
        (?:nan|inf)\b
    )
    )[ \t]*""",
    re.VERBOSE,
)

FRACTIONAL = re.compile(r"[-+−]?[\d,]+(?:\.\d*(?:[eE][-+]?\d+)?|[eE][-+]?\d+)")  # numbers with a point or an exponent


class Difference(NamedTuple):
    """A place where the new text differs from the stored one, and whether a reader would accept it."""

    line: int
    stored: str
    new: str
    within: bool  # is it within the tolerance?

    def __str__(self):
        return f"line {self.line}: {self.new} instead of the stored {self.stored}"


def differences(stored, new):
    """Compare two texts line by line -> a list of `Difference`, empty if they are equal."""
    lines = enumerate(zip_longest(stored.split("\n"), new.split("\n")), start=1)
    return [difference for number, pair in lines for difference in in_line(number, *pair)]


def in_line(number, stored, new):
    """The differences of two lines: single numbers if everything else is equal, otherwise the whole lines."""
    olds, news = TOKEN.split(stored or ""), TOKEN.split(new or "")
    if None in (stored, new) or olds[::2] != news[::2]:  # the text between the numbers
        return [Difference(number, *("no line" if line is None else repr(line) for line in (stored, new)), False)]
    pairs = zip(olds[1::2], news[1::2])
    return [Difference(number, old, new, close(old, new)) for old, new in pairs if old != new]


def close(stored, new):
    """Whether two numbers differ by at most a unit of the last digit and a little of their size.

    The unit is the finer of the two: what Python leaves out at the end of a number are zeros, so 0.5 means 0.50 beside
    0.41, and 1e-05 is not nearly 0.0001. A 0 may become noise, as in 1.2e-16.
    """
    if not (FRACTIONAL.fullmatch(stored) and FRACTIONAL.fullmatch(new)):
        return False  # an integer, nan, inf, or part of a name
    (a, unit_a), (b, unit_b) = parse(stored), parse(new)
    units = [unit for unit in (unit_a, unit_b) if unit]
    if not (a and b) and abs(a - b) <= NOISE:
        return True
    return abs(a - b) <= (min(units) + RELATIVE * max(abs(a), abs(b)) if units else 0)


def parse(number):
    """-> the value, and the unit of its last digit: 0 for NumPy's `1.`, which is exact."""
    value = Decimal(number.replace(",", "").replace("−", "-"))
    return value, 0 if number.endswith(".") else Decimal(1).scaleb(value.as_tuple().exponent)


class Text(str):
    """A text that equals another if a reader would call them the same."""

    def __eq__(self, other):
        return not self != other

    def __ne__(self, other):
        if not isinstance(other, str):
            return True  # some MIME types are no text
        found = differences(self, other)
        for difference in found:
            if difference.within:
                print("moved,", difference)
        return not all(difference.within for difference in found)

    __hash__ = str.__hash__


# In nbval ----------------------------------------------------------------------------------------------------

exact = IPyNbCell.sanitize


def sanitize(cell, text):
    """nbval's own `sanitize`, but its result compares numbers approximately."""
    text = exact(cell, text)
    return Text(text) if isinstance(text, str) else text


def pytest_configure(config):
    IPyNbCell.sanitize = sanitize
    if not in_force():
        raise pytest.UsageError(
            "nbval no longer compares what IPyNbCell.sanitize returns, so numbers in notebooks would be compared "
            "character by character: adapt tests/nbval_numbers.py to this version, or install nbval 0.11."
        )


def in_force():
    """Try nbval's comparison: a number that is only aligned differently must pass, a different number must not."""
    parent = SimpleNamespace(sanitize_patterns={}, skip_compare=())
    cell = SimpleNamespace(parent=parent, colors=None, format_output_compare=lambda *mismatch: None)
    cell.sanitize = partial(IPyNbCell.sanitize, cell)

    def passes(text):
        outputs = [[new_output("stream", text=t)] for t in (text, "loss 0.92")]
        return IPyNbCell.compare_outputs(cell, *outputs)

    try:
        return passes("loss  0.92") and not passes("loss 0.95")
    except Exception:  # any error means that this file does not fit this nbval
        return False


def pytest_assertrepr_compare(left, right):
    """The lines that nbval prints below the cell: the first numbers and lines that a reader would call different."""
    if isinstance(left, Text):
        found = [str(difference) for difference in differences(left, right) if not difference.within]
        return found[:MOST] + ([f"and {len(found) - MOST} more"] if len(found) > MOST else [])
