"""Tools for the checks of the assignments: safe comparison of numbers, sentences that teach, limits while grading."""

import math
import os

import numpy as np
import torch


def fail(sentence):
    """Fail a check with this sentence."""
    raise AssertionError(sentence)


def numbers(value, shape=None, name="your result"):
    """`value` as a new array of doubles, or an AssertionError that says what is wrong with it.

    `rlkit.check` trusts the author of the code; this does not. What is compared later is the copy, so an object that
    redefines == or arithmetic gains nothing.
    """
    if value is None:
        fail(f"{name} is None: does every path through your code end in a return?")
    try:
        array = np.array(plain(value))
        array = array.astype(np.float64, casting="same_kind", subok=False)
    except (TypeError, ValueError, RuntimeError):
        fail(f"{name} must be numbers, and is of the type {type(value).__name__}.")
    if shape is not None and array.shape != tuple(shape):
        fail(f"{name} must have the shape {tuple(shape)}, and has {array.shape}.")
    return array


def plain(value):
    """Tensors as lists of numbers, also those inside lists; everything else as it is."""
    if isinstance(value, torch.Tensor):
        return torch.Tensor.tolist(value.detach())
    return [plain(part) for part in value] if type(value) in (list, tuple) else value


def expect(got, want, mistakes=None, name="your result", tolerance=1e-6):
    """Assert that `got` holds the numbers `want`.

    `mistakes` maps a sentence to the numbers that a known mistake gives. If `got` has these numbers, that sentence is
    the message. Otherwise the message names the first wrong place and both numbers. NaN is never right.
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
    """The first index at which two arrays of the same shape differ, or None. Compares plain floats one by one."""
    for place in np.ndindex(want.shape):
        a, b = float(got[place]), float(want[place])
        if not (a == b or abs(a - b) <= tolerance * (1 + abs(b)) < math.inf):
            return place


def limits(memory=4 * 2**30, seconds=300):
    """While nbgrader grades, limit this process to `memory` bytes and `seconds` of CPU time. Otherwise do nothing.

    Without it, one student's code could stop the machine and the grading of all others. A larger allocation raises
    MemoryError in the student's cell, and a loop that ignores the grader's interrupt is killed. macOS does not limit
    memory, and Windows limits nothing.
    """
    if os.environ.get("NBGRADER_EXECUTION") != "autograde":
        return
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
