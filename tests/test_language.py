"""Sentences and numbers as a reader sees them."""

import ast
import doctest
import html
import re
from pathlib import Path
from string import Formatter

import ipywidgets as widgets
import numpy as np
import pytest
from explorers import DRAWN, opened

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
        (np.float32(0.1), "", "0.1"), (10**30, ".2g", "10³⁰"),
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
    assert count(np.float32(3), "{n} step", "{n} things") == "3 things"
    assert count(1.5, "{n} step", "{n} things") == "1.5 things"
    with pseudo_translation():
        assert say("KL {kl:.1f}", kl=-0.5) == "⟦KL −0.5⟧"
    assert say("β") == "beta"


# Every sentence can be translated ---------------------------------------------------------------------------------

PACKAGE = Path(language.__file__).parent
FIRST = {"say": 1, "count": 3, "slider": 1, "log_slider": 1, "steps": 1, "switch": 1, "choice": 1, "several": 1}
PASS_ON = {"language.py", "explore/controls.py", "explore/ask.py"}  # what they say was written out by their callers


def calls(path):
    """The calls of a file that take a template: (name, its first arguments, the names of its places, line)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FIRST:
            name, places = node.func.id, {word.arg for word in node.keywords}
            yield name, node.args[: FIRST[name]], places, node.lineno


def written_out(node):
    """The strings of an argument, if it is a string or a choice between strings; otherwise None."""
    if isinstance(node, ast.IfExp):
        texts = [written_out(node.body), written_out(node.orelse)]
        return None if None in texts else sum(texts, [])
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@pytest.mark.parametrize("path", [str(p.relative_to(PACKAGE)) for p in sorted(PACKAGE.rglob("*.py"))])
def test_templates_are_written_out_and_their_places_are_filled(path):
    if path in PASS_ON or "rlkit.language import" not in (PACKAGE / path).read_text(encoding="utf-8"):
        return
    for name, arguments, places, line in calls(PACKAGE / path):
        templates = arguments[1:] if name == "count" else arguments
        for argument in templates:
            if isinstance(argument, ast.Attribute):
                continue  # a text that is written out in a table, such as the symptom of a bug
            texts = written_out(argument)
            assert texts is not None, f"{path}:{line}: {name} needs its text written out, so that it can be collected"
            for text in texts if name in ("say", "count") else ():
                needed = {field.split(".")[0].split("[")[0] for _, field, *_ in Formatter().parse(text) if field}
                given = places | ({"n"} if name == "count" else set())
                assert None in places or needed <= given, f"{path}:{line}: nothing fills {needed - given}"


# Nothing on a panel goes past it --------------------------------------------------------------------------------------


def on_the_page(widget):
    """The texts of a widget and of all that is in it."""
    for child in getattr(widget, "children", ()):
        yield from on_the_page(child)
    if isinstance(widget, widgets.HTML):
        yield from re.split(r"<br>|</?div[^>]*>", widget.value)
    for trait in ("description", "tooltip", "alt"):
        yield (getattr(widget, trait) or "") if widget.has_trait(trait) else ""
    yield from getattr(widget, "_options_labels", ())
    yield from getattr(widget, "titles", ())
    yield from getattr(widget, "words", {}).values()


def not_said(text):
    """The words of a text that did not pass through `say` in a pseudo-translation -> list."""
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    outside, depth = "", 0
    for letter in text:
        depth += {"⟦": 1, "⟧": -1}.get(letter, 0)
        outside += letter * (depth == 0)
    return re.findall(r"[^\W\d_]{2,}", outside)


def test_what_did_not_pass_through_is_found():
    assert not_said("<b>⟦by ⟦mean⟧ of all⟧</b>; 3 × 4, x") == []
    assert not_said("⟦one⟧ and ⟦two⟧ more") == ["and", "more"]


@pytest.mark.parametrize("name", DRAWN)
def test_every_text_of_a_panel_passes_through(name):
    with pseudo_translation():
        panel = opened(name)
        for control in panel.controls.values():  # other settings say other things
            if isinstance(control, widgets.Checkbox):
                control.value = not control.value
            elif isinstance(control, widgets.Dropdown):
                control.value = control.options[-1][1]
        shown = [*on_the_page(panel), panel.alt(), panel.play_button.description if panel.plays else ""]
        panel.cover()
        shown += on_the_page(panel)
    assert len(shown) > 10
    assert [text for text in shown if not_said(text)] == []
