"""Checks of an agent's settings, before any time is spent."""

import dataclasses
import math
from collections import defaultdict
from math import inf
from operator import attrgetter, is_not
from typing import get_type_hints

import numpy as np
import torch

from rlkit.running.kinds import read, words
from rlkit.running.messages import brief, similar

LARGEST = {"num_envs": 100_000, "num_workers": 1_000, "frame_size": 1_000, "hidden": 1_000_000}
LARGEST |= {"num_steps": 10_000_000, "t_max": 10_000_000, "n_step": 10_000_000, "batch_size": 10_000_000}
BUILT_IN = (  # a change of these after an agent was made would do nothing, and its file could not be loaded
    "env", "num_envs", "hidden", "activation", "orthogonal", "shared", "recurrent", "dueling", "normalize", "obs_shift",
    "obs_scale", "frame_size", "life_loss", "actions", "adam_eps", "device",
)  # fmt: skip


def check_settings(agent):
    """Raise ValueError, in one sentence, for the first setting that cannot be right, or that was changed too late.

    It is called when an agent is made, and again before it learns or is saved, and when a setting has been changed.

    The others become plain Python, which a checkpoint can hold: NumPy's and torch's numbers become Python's, a list
    becomes a tuple, and `1e6` a whole number where one is meant. A field of another type, such as `env`, may be
    anything here.
    """
    kinds = get_type_hints(type(agent), include_extras=True)
    for field in dataclasses.fields(agent):
        kind, found = kinds[field.name], getattr(agent, field.name)
        given = in_python(found)
        try:
            value = read(kind, given)
        except (ValueError, OverflowError):
            example = f", such as {field.default!r}" if isinstance(field.default, tuple) else ""
            raise ValueError(f"{field.name}={brief(given)} must be {words(kind)}{example}.") from None
        check_sizes(field.name, value)
        if value is not found and repr(value) != repr(found):  # a slider may be setting it now, in another thread
            setattr(agent, field.name, value)
    check_together(agent)
    check_unchanged(agent)


def check_unchanged(agent):
    """Raise ValueError if a setting that the agent was built with has been changed since the first call."""
    now = {name: vars(agent)[name] for name in BUILT_IN if name in vars(agent)}
    for name, value in vars(agent).setdefault("built_with", now).items():
        if now[name] != value:
            raise ValueError(
                f"{name}={brief(now[name])} comes too late: this agent was built with {name}={brief(value)}; put that "
                f"back, or make a new one, as in dataclasses.replace(agent, {name}=...)."
            )


class Changes:
    """The settings of an agent while it learns: they are checked again when one of them has been replaced."""

    def __init__(self, agent):
        names = [field.name for field in dataclasses.fields(agent)] if dataclasses.is_dataclass(agent) else []
        self.agent, self.read, self.known = agent, attrgetter(*names) if names else lambda agent: (), None

    def check(self):
        """Raise ValueError if a setting cannot be right. It takes microseconds if none is new."""
        now = self.read(self.agent)
        if now and (self.known is None or any(map(is_not, now, self.known))):
            check_settings(self.agent)
            self.known = now


def check_sizes(name, value):
    """Raise ValueError for a size that nothing could hold, or a number that becomes inf or 0 in single precision."""
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int) and number > LARGEST.get(name, 10**15):
            raise ValueError(f"{name}={brief(value)} is too large; take at most {LARGEST.get(name, 10**15)}.")
        if isinstance(number, float) and 1e30 < abs(number) < inf:
            raise ValueError(f"{name}={brief(value)} is too large; stay below 1e30.")
        if isinstance(number, float) and 0 < abs(number) < 1e-30:
            raise ValueError(f"{name}={brief(value)} is too close to 0; stay above 1e-30.")


def check_together(agent):
    """Raise ValueError, in one sentence, for settings that are right one by one, but not together."""
    values = defaultdict(lambda: None, vars(agent))
    for name in ("actions", "obs_shift", "obs_scale"):
        if values[name] == ():
            raise ValueError(f"{name}=() must not be empty.")
    if agent.frame_size < 15:
        raise ValueError(f"frame_size={agent.frame_size} must be at least 15, so that the convolutions fit.")
    if values["num_envs"] and agent.seed + agent.num_envs > 2**31:
        raise ValueError(f"seed={agent.seed} must be at most 2**31 - {agent.num_envs}: each environment has its own.")
    if values["normalize"] in (True, "obs") and (agent.obs_shift, agent.obs_scale) != (0, None):
        raise ValueError(
            f"normalize={agent.normalize!r} must not be set with obs_shift or obs_scale, because it replaces both."
        )
    if values["kl_min"] and agent.kl_min > agent.kl_max:
        raise ValueError(f"kl_min={agent.kl_min} must not be above kl_max={agent.kl_max}.")
    if values["num_workers"] and values["replay_size"]:
        check_shares(agent)


def check_shares(agent):
    """Raise ValueError if a worker's share of the replay memory is too small to ever learn from."""
    share = agent.replay_size // agent.num_workers // agent.num_envs  # rows
    needed = max(agent.n_step + 2, math.ceil(agent.learning_starts // agent.num_workers / agent.num_envs))
    if share < needed:
        raise ValueError(
            f"replay_size={agent.replay_size} is too small for num_workers={agent.num_workers} and learning_starts="
            f"{agent.learning_starts}; take at least {needed * agent.num_workers * agent.num_envs}."
        )


def check_lengths(agent):
    """Raise ValueError, in one sentence, if `obs_shift` or `obs_scale` do not have one number for each one observed."""
    shape = agent.envs.obs_shape
    for name in ("obs_shift", "obs_scale"):
        value = getattr(agent, name)
        if isinstance(value, tuple) and shape != (len(value),):
            needed = f"one number or {shape[0]}" if len(shape) == 1 else "one number for all pixels"
            raise ValueError(
                f"{name}={brief(value)} does not fit the observations of {agent.envs.name}; give {needed}."
            )


def in_python(value):
    """NumPy's and torch's numbers, arrays and devices as plain Python, which a checkpoint can hold. Lists as tuples."""
    if isinstance(value, np.generic | np.ndarray | torch.Tensor):
        value = value.tolist()
    if isinstance(value, torch.device):
        return str(value)
    return tuple(in_python(v) for v in value) if isinstance(value, list | tuple) else value


def check_names(algorithm, settings):
    """Raise ValueError for the first name in `settings` that is no setting of the algorithm."""
    known = [field.name for field in dataclasses.fields(algorithm) if field.init]
    for name in settings:
        if name not in known:
            raise ValueError(f"{algorithm.__name__} has no setting {name!r}; {nearest(name, known)}")


def nearest(name, known, where=""):
    """The end of a sentence about an unknown name: the known one that is most similar, or else some or all of them.

    `where` is a sentence that says where all are listed, if they are many.
    """
    meant = similar(str(name), known)
    if meant:
        return f"did you mean {meant!r}? {where}".rstrip()
    some = [one for one in known if len(str(name)) > 1 and str(name).lower() in one.lower()]
    if where and not some:
        return where
    return f"take one of {', '.join(some or known)}. {where}".rstrip()


def choose_device(device, frames):
    """The torch device of this name. "auto" takes a GPU for frames if there is one: small networks are faster on a CPU.

    Raises ValueError if the device cannot be used.
    """
    if device == "auto":
        device = "cuda" if frames and torch.cuda.is_available() else "cpu"
    try:
        number = torch.zeros(1, device=device)
        number.cpu()  # a device such as "meta" holds no numbers that could be read
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")  # torch may go on for a page
        raise ValueError(f"device={device!r} cannot be used here ({reason}); take 'cpu' or 'auto'.") from None
    return number.device
