"""rlkit.grading: only real numbers pass, the sentence about a mistake is the right one, and the limits hold."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from rlkit.grading import expect, numbers


class Agrees:
    """Equals everything, but is not a number."""

    def __eq__(self, other):
        return True

    def __array__(self, *args, **kwargs):
        return np.array([Agrees()], dtype=object)


class Crooked(np.ndarray):
    """An array that cheats in comparisons and differences."""

    def __eq__(self, other):
        return np.ones(self.shape, bool)

    def __sub__(self, other):
        return np.zeros(self.shape)


def test_numbers_are_a_copy_of_plain_doubles():
    source = np.arange(3, dtype=np.float32)
    copy = numbers(source, (3,))
    copy[0] = 9
    assert copy.dtype == np.float64 and source[0] == 0 and type(copy) is np.ndarray
    assert numbers(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
    assert numbers([torch.tensor(1.0), 2]).tolist() == [1, 2]
    assert numbers([torch.tensor(1.0, requires_grad=True), 2]).tolist() == [1, 2]  # as a slow loop makes it
    assert numbers([(torch.tensor([1.0], requires_grad=True), [2])]).tolist() == [[[1], [2]]]


def test_a_list_that_contains_itself_is_no_number():
    endless = []
    endless.append(endless)
    with pytest.raises(AssertionError, match="must be numbers, and is of the type list"):
        numbers(endless)


@pytest.mark.parametrize("value", [None, "3", [None], Agrees(), [Agrees()], {"a": 1}, [[1], [2, 3]], object(), 1 + 2j])
def test_a_value_that_is_no_number_is_named_in_a_sentence(value):
    with pytest.raises(AssertionError, match=r"\.$|\?$") as error:
        numbers(value, name="the targets")
    assert str(error.value).startswith("the targets") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "liar", [np.array([7.0, 7.0]).view(Crooked), [float("nan"), 2.0], [1.0, float("inf")], [True, 2]]
)
def test_only_the_right_numbers_pass(liar):
    if isinstance(liar[0], bool):
        return expect(liar, [1.0, 2.0])  # a bool is a number here
    with pytest.raises(AssertionError):
        expect(liar, [1.0, 2.0])


def test_a_known_mistake_is_named_and_another_is_located():
    mistakes = {"The sign is wrong.": [-1.0, -2.0], "All zero.": 0.0}
    for got, sentence in (
        ([-1, -2], "The sign is wrong."),
        ([0, 0], "All zero."),
        ([1, 3], "x is 3 at 1, where 2 is right."),
    ):
        with pytest.raises(AssertionError) as error:
            expect(got, [1.0, 2.0], mistakes, "x")
        assert str(error.value) == sentence
    expect([1.0, 2.0 + 1e-9], [1.0, 2.0], mistakes)


def test_infinity_equals_only_itself():
    expect([np.inf], [np.inf])
    for wrong in (-np.inf, 1e300, np.nan):
        with pytest.raises(AssertionError):
            expect([wrong], [np.inf])


def limited(code, grading=True):
    """Run code in a process after `limits`, as the kernel of the grader does."""
    setup = "import time\nfrom rlkit import grading\nspent = int(time.process_time())\n"
    setup += "grading.limits(memory=2 * 2**30, seconds=spent + 2)\n"
    env = os.environ | ({"NBGRADER_EXECUTION": "autograde"} if grading else {})
    return subprocess.run([sys.executable, "-c", setup + code], env=env, capture_output=True, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_too_much_memory_is_an_error_while_grading_and_only_then():
    hoard = "import numpy as np\nhoard = [np.empty(2**28) for _ in range(2)]\nprint('kept')"  # 4 GiB, never touched
    assert "MemoryError" in limited(hoard).stderr
    assert limited(hoard, grading=False).stdout == "kept\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_loop_that_ignores_interrupts_is_killed():
    stubborn = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    assert limited(stubborn).returncode < 0
