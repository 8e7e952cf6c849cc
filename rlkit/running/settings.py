"""Checks of an agent's hyper-parameters, before any time is spent."""

import dataclasses
import math
from numbers import Integral, Real
from typing import Literal, get_args, get_origin

import numpy as np
import torch

IN_UNIT = {"gamma", "gae_lambda", "epsilon_start", "epsilon_end", "alpha", "beta_start", "rmsprop_decay"}
MAY_BE_ZERO = {"learning_starts", "entropy_coef", "value_coef", "damping", "seed"}
ANY_NUMBER = {"obs_shift"}


def check_settings(agent):
    """Raise ValueError, in one sentence, for the first setting that cannot be right.

    NumPy's numbers and arrays become plain Python.
    """
    for field in dataclasses.fields(agent):
        value = plain(getattr(agent, field.name))
        setattr(agent, field.name, value)
        widths = value if isinstance(value, tuple) else (None,)
        if field.name == "hidden" and not all(isinstance(h, int) and h > 0 for h in widths):
            raise ValueError(
                f"hidden={value!r} must be whole numbers above 0, as in hidden=(64, 64), or (), which is linear."
            )
        if get_origin(field.type) is Literal and value not in get_args(field.type):
            raise ValueError(f"{field.name}={value!r} must be one of {', '.join(map(repr, get_args(field.type)))}.")
        if field.type == int | None and value is None:
            continue
        if field.type in (int, "int", float, "float", int | None) and not isinstance(value, Real):
            raise ValueError(f"{field.name}={value!r} must be a number.")
        if isinstance(value, bool) or not isinstance(value, Real) or field.name in ANY_NUMBER:
            continue
        if field.type in (int, "int", int | None) and not isinstance(value, Integral):
            raise ValueError(f"{field.name}={value!r} must be a whole number.")
        if field.name in IN_UNIT:
            if not 0 <= value <= 1:
                raise ValueError(f"{field.name}={value!r} must lie between 0 and 1.")
        elif math.isnan(value) or value < 0 or value == 0 and field.name not in MAY_BE_ZERO:
            raise ValueError(
                f"{field.name}={value!r} must be {'at least' if field.name in MAY_BE_ZERO else 'above'} 0."
            )


def plain(value):
    """NumPy's numbers and arrays as plain Python, which a checkpoint can hold and a seed must be."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return tuple(plain(v) for v in value) if isinstance(value, list | tuple) else value


def choose_device(device, frames):
    """The torch device of this name. "auto" takes a GPU for frames if there is one: small networks are faster on a CPU.

    Raises ValueError if the device cannot be used.
    """
    if device == "auto":
        device = "cuda" if frames and torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={device!r} cannot be used here: {str(error).splitlines()[0]}") from None
