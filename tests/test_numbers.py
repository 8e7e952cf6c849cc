"""tests/nbval_numbers.py: which stored outputs of a notebook count as equal."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from conftest import PATIENCE
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import IPyNbCell, get_sanitize_patterns

from tests import nbval_numbers
from tests.nbval_numbers import Text, differences

ROOT = Path(__file__).resolve().parent.parent

SAME = [
    ("correlation 0.91", "correlation 0.92"),
    ("correlation 0.92", "correlation 0.91"),
    ("ends a sentence: 0.91.", "ends a sentence: 0.92."),
    ("x = -0.50", "x = -0.51"),
    ("x = −0.50", "x = −0.49"),  # the minus of matplotlib
    ("bias -0.00", "bias +0.00"),
    ("bias  0.00", "bias -0.01"),
    ("off by 1e-05", "off by 9e-06"),
    ("off by 1.8e-03", "off by 1.7e-03"),
    ("|w| = 5.9E+10", "|w| = 6.0E+10"),
    ("1,234.5 steps", "1,234.4 steps"),
    ("0.1-0.2 and 0.1–0.2", "0.1-0.3 and 0.2–0.2"),  # ranges
    ("99.5 %, 60.5ms, v0 = 0.5", "99.6 %, 60.4ms, v0 = 0.6"),
    ("0.2482125", "0.248214"),  # a unit of the coarser digit and 1e-5 of the size
    ("123456.78", "123457.5"),
    ("0.5", "0.49999997"),
    ("0.0", "1.2e-16"),  # rounding noise in place of an exact 0
    ("[0. 1.]", "[1.2e-16 1.0e+00]"),
    ("mean    9.9", "mean   10.0"),  # the padding changes when a number becomes longer
    ("9.9    mean", "10.0   mean"),
    ("[ 0.95 -0.01]", "[0.95 0.00]"),
    ("array([1., 0.])", "array([0.9999999, 0.       ])"),
    ("nan, inf and -inf", "nan, inf and -inf"),
    ('<circle cx="10.25" r="3"/>', '<circle cx="10.26" r="3"/>'),
]

DIFFERENT = [
    ("a word", "a ward"),
    ("0.91", "0.93"),
    ("one\ntwo\nthree", "one\nthree"),
    ("one\ntwo", "one\ntwo\nthree"),
    ("one\ntwo\n", "one\ntwo"),
    ("one 0.5\n\ntwo", "one 0.5\ntwo"),
    ("3 games", "4 games"),
    ("1,234 games", "1,235 games"),
    ("63 %", "64 %"),
    ("-5", "5"),
    ("3", "3.0"),
    ("0.5", "-0.5"),
    ("0.01", "-0.01"),
    ("loss 0.5", "loss nan"),
    ("nan", "inf"),
    ("inf", "-inf"),
    ("0.1 0.2 0.3", "0.1 0.2"),
    ("0.1 0.2", "0.1, 0.2"),
    ("1.5 s", "1.5 ms"),
    ("1.5 %", "1.5"),
    ("1e-05", "1e-04"),
    ("5.0e+10", "5.2e+10"),
    ("5e+10", "45000000000.0"),
    ("1e-05", "0.0001"),
    ("0.1", "1e-05"),
    ("0.0", "3e-05"),
    ("0.5", "0.41"),  # a half printed without format is not "about 0.5"
    ("1.0", "0.93"),
    ("0.0", "0.0871"),
    ("[0. 1.]", "[1. 0.]"),  # NumPy prints a point without digits only after whole numbers
    ("[0. 1.]", "[0.4 1. ]"),
    ("w_1 = 0.5", "w_2 = 0.5"),
    ("PPO2", "PPO3"),
    ("Pong-v0", "Pong-v1"),
    ("float32", "float64"),
    ("torch 2.13.0", "torch 2.13.1"),
    ("Python 3.11", "Python 3.12"),
    ("see section 3.12", "see section 3.13"),
    ("§ 3.1", "§ 3.2"),
    ("Sec. 3.1 and Eq. 3.4", "Sec. 3.1 and Eq. 3.5"),
    ("sections 3.1 and 3.2", "sections 3.1 and 3.3"),
    ("arXiv:1707.06347", "arXiv:1707.06348"),
    ("2026-11-29", "2026-11-30"),
    ("0.1-0.2", "0.1 0.2"),
    ("123456.78", "123459.78"),
    ("    return x", "  return x"),
]


@pytest.mark.parametrize("stored, new", SAME)
def test_a_reader_would_not_see_the_difference(stored, new):
    assert Text(stored) == new
    assert (Text(stored) != new) is False  # the comparison that nbval makes


@pytest.mark.parametrize("stored, new", DIFFERENT)
def test_a_reader_would_see_the_difference(stored, new):
    assert Text(stored) != new and Text(new) != stored
    assert (Text(stored) == new) is False


def test_the_message_has_the_line_and_both_numbers():
    stored = "first: 0.50\nsecond: 0.91 of 12\n"
    assert [str(d) for d in differences(stored, stored.replace("0.91", "0.95").replace("12", "13"))] == [
        "line 2: 0.95 instead of the stored 0.91",
        "line 2: 13 instead of the stored 12",
    ]
    assert [str(d) for d in differences("a\nb", "a")] == ["line 2: no line instead of the stored 'b'"]
    assert [str(d) for d in differences("a 1", "b 1")] == ["line 1: 'b 1' instead of the stored 'a 1'"]


def test_what_is_no_text_differs_from_a_text():
    assert Text("{}") != {} and Text("None") != None  # noqa: E711


def test_a_message_lists_the_first_differences_only():
    shifted = nbval_numbers.pytest_assertrepr_compare(Text("\n".join("abcdefghijklmno")), "\n".join("bcdefghijklmno"))
    assert shifted[0] == "line 1: 'b' instead of the stored 'a'" and shifted[-1] == "and 5 more" and len(shifted) == 11


def test_an_nbval_with_another_comparison_is_refused(monkeypatch):
    monkeypatch.setattr(IPyNbCell, "sanitize", nbval_numbers.sanitize)
    assert nbval_numbers.in_force()
    monkeypatch.setattr(IPyNbCell, "compare_outputs", lambda cell, test, ref: test[0]["text"] == ref[0]["text"])
    with pytest.raises(pytest.UsageError, match="nbval no longer compares what IPyNbCell.sanitize returns"):
        nbval_numbers.pytest_configure(None)
    monkeypatch.delattr(IPyNbCell, "compare_outputs")
    with pytest.raises(pytest.UsageError, match="install nbval 0.11"):
        nbval_numbers.pytest_configure(None)


@pytest.fixture
def sanitized():
    """What nbval leaves of a text under the rules of tests/nbval_sanitize.cfg."""
    rules = get_sanitize_patterns((ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8"))
    notebook = SimpleNamespace(parent=SimpleNamespace(sanitize_patterns=dict(rules)))
    return lambda text: str(IPyNbCell.sanitize(notebook, text))


@pytest.mark.parametrize(
    "text",
    [
        "<Picture size 900x580 with 25 Axes>",  # "0x580" is no address
        "a board of 10x10 and 0x1F",
        "7.9 hours of play in 9.7 CPU minutes",  # read from a file, so the same everywhere
        "318 steps/s with one worker",
        "three 1s and two 0s",
    ],
)
def test_the_exceptions_hide_nothing_that_is_the_same_everywhere(sanitized, text):
    assert sanitized(text) == text


def test_an_address_is_an_exception(sanitized):
    assert sanitized("<function f at 0x7f3a52c4b9d0>") == sanitized("<function f at 0x0000023E5C8A1F40>")


def cell(source, *outputs):
    return new_code_cell(source, execution_count=1, outputs=list(outputs))


def printed(text):
    return new_output("stream", text=text)


def test_in_a_notebook_a_last_digit_may_move_and_nothing_else(tmp_path):
    source = "print('correlation 0.92')\nprint('in 12 games')"
    displayed = "from IPython.display import HTML\nHTML('<b>0.92</b>')"
    html = {"text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>0.91</b>"}
    cells = {
        "a last digit": cell(source, printed("correlation 0.91\nin 12 games\n")),
        "a last digit of HTML": cell(displayed, new_output("execute_result", html, execution_count=1)),
        "a word": cell(source, printed("correlations 0.92\nin 12 games\n")),
        "a line": cell(source, printed("correlation 0.92\n")),
        "a number": cell(source, printed("correlation 0.94\nin 12 games\n")),
        "an integer": cell(source, printed("correlation 0.92\nin 13 games\n")),
    }
    nbformat.write(new_notebook(cells=list(cells.values())), tmp_path / "tiny.ipynb")
    options = ["-c", "pyproject.toml", "-p", "no:cacheprovider", "-rA", "--color=no", "--nbval", "--nbval-current-env"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path / "tiny.ipynb")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)

    outcomes = re.findall(r"^(PASSED|FAILED) .*?Cell (\d)", run.stdout, re.MULTILINE)
    passed = [name for i, name in enumerate(cells) if ("PASSED", str(i)) in outcomes]
    assert passed == ["a last digit", "a last digit of HTML"] and len(outcomes) == len(cells), run.stdout + run.stderr
    assert "moved, line 1: 0.92 instead of the stored 0.91" in run.stdout
    assert "line 1: 0.92 instead of the stored 0.94" in run.stdout
    assert "line 2: 12 instead of the stored 13" in run.stdout
    assert "line 2: 'in 12 games' instead of the stored ''" in run.stdout
