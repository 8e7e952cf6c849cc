"""Sentences and numbers as a reader sees them."""

import doctest

import pytest

from rlkit import language
from rlkit.language import count, number, pseudo_translation, say


def test_examples():
    assert doctest.testmod(language).failed == 0


@pytest.mark.parametrize(
    "value, form, printed",
    [
        (0.0, "", "0.0"), (-0.0, ".2f", "0.00"), (-0.004, "+.2f", "0.00"), (0.3, "+.1f", "+0.3"),
        (-1.5, ".1f", "−1.5"), (12345, ",", "12,345"), (99999.5, ".3g", "100,000"), (48123.0, ".2g", "48,000"),
        (-4.81e6, ".3g", "−4.81 × 10⁶"), (2.5e-7, ".2g", "2.5 × 10⁻⁷"), (1e6, ".0e", "10⁶"), (0.845, ".0%", "84\xa0%"),
        (float("inf"), ".2f", "∞"), (float("-inf"), ".2f", "−∞"), (float("nan"), ".2f", "nan"),
    ],
)  # fmt: skip
def test_numbers_are_printed_as_in_a_textbook(value, form, printed):
    assert number(value, form) == printed
    assert say("x = {x:" + form + "}!", x=value) == f"x = {printed}!"


def test_words_and_truth_values_are_left_alone():
    assert say("{name}, {yes}, {code!r}", name="off-policy", yes=True, code="a-b") == "off-policy, True, 'a-b'"


def test_a_catalogue_replaces_templates_and_not_numbers(monkeypatch):
    monkeypatch.setattr(language, "catalogue", {"{n} steps": "{n} Schritte", "β": "beta"})
    assert count(2, "{n} step", "{n} steps") == "2 Schritte"
    assert count(1, "{n} step", "{n} steps") == "1 step"
    with pseudo_translation():
        assert say("KL {kl:.1f}", kl=-0.5) == "⟦KL −0.5⟧"
    assert say("β") == "beta"
