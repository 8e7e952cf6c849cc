"""What every agent asks of its hyper-parameters, before any time is spent."""

import dataclasses
import math

import torch

IN_UNIT = {"gamma", "gae_lambda", "epsilon_start", "epsilon_end", "alpha", "beta_start"}
MAY_BE_ZERO = {"learning_starts", "entropy_coef", "seed", "obs_shift"}


def check_settings(agent):
    """Raise one sentence for the first number that cannot be right."""
    for field in dataclasses.fields(agent):
        value = getattr(agent, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if field.type in (int, "int") and not isinstance(value, int):
            raise ValueError(f"{field.name}={value!r} must be a whole number.")
        if field.name in IN_UNIT:
            if not 0 <= value <= 1:
                raise ValueError(f"{field.name}={value!r} must lie between 0 and 1.")
        elif math.isnan(value) or value < 0 or value == 0 and field.name not in MAY_BE_ZERO:
            raise ValueError(f"{field.name}={value!r} must be above 0.")


def choose_device(device, frames):
    """ "auto": a GPU for frames where there is one; a small network on vectors is faster on the CPU."""
    if device == "auto":
        device = "cuda" if frames and torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={device!r} cannot be used here: {str(error).splitlines()[0]}") from None
