"""What the checks of the assignments stand on: numbers that cannot lie, sentences that teach, limits while grading."""

import math
import os

import numpy as np
import torch


def fail(sentence):
    """Take the points, and say why."""
    raise AssertionError(sentence)


def numbers(value, shape=None, name="your result"):
    """`value` as a fresh array of doubles; an AssertionError says what it is if it is no such thing.

    `rlkit.check` trusts the writer; this does not. What is compared later are these copies, so an object with its own
    idea of == or of array arithmetic gains nothing.
    """
    if value is None:
        fail(f"{name} is None: does every path through your code end in a return?")
    try:
        array = np.array(torch.Tensor.tolist(value.detach()) if isinstance(value, torch.Tensor) else value)
        array = array.astype(np.float64, casting="same_kind", subok=False)
    except (TypeError, ValueError, RuntimeError):
        fail(f"{name} must be numbers, and is of the type {type(value).__name__}.")
    if shape is not None and array.shape != tuple(shape):
        fail(f"{name} must have the shape {tuple(shape)}, and has {array.shape}.")
    return array


def expect(got, want, mistakes=None, name="your result", tolerance=1e-6):
    """Assert that `got` holds the numbers `want`.

    `mistakes` maps a sentence to what a known mistake gives; if that is what was got, the sentence is the message. Else
    it names the first place that is wrong, and both numbers. NaN is never right.
    """
    want = np.asarray(want, dtype=np.float64)
    got = numbers(got, want.shape, name)
    place = first_difference(got, want, tolerance)
    if place is None:
        return
    for sentence, wrong in (mistakes or {}).items():
        if first_difference(got, np.broadcast_to(wrong, want.shape), tolerance) is None:
            fail(sentence)
    where = f" at {place[0] if len(place) == 1 else place}" if place else ""
    fail(f"{name} is {got[place]:.6g}{where}, where {want[place]:.6g} is right.")


def first_difference(got, want, tolerance):
    """The first index at which two arrays of one shape differ, or None. Compared one by one, as plain floats."""
    for place in np.ndindex(want.shape):
        a, b = float(got[place]), float(want[place])
        if not (a == b or abs(a - b) <= tolerance * (1 + abs(b)) < math.inf):
            return place


def limits(memory=4 * 2**30, seconds=300):
    """While nbgrader grades, let this process have so many bytes and so many seconds of CPU at most; else do nothing.

    An allocation beyond that raises MemoryError in the student's cell, and a loop that swallows the grader's interrupt
    is killed, instead of the machine and of the students who come next. Memory is limited on Linux only, nothing on
    Windows.
    """
    if os.environ.get("NBGRADER_EXECUTION") != "autograde":
        return
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
