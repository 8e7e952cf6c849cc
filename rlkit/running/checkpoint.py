"""Agents on disk: tensors and plain values only, a checksum, and never half a file."""

import contextlib
import dataclasses
import importlib
import io
import math
import time
import warnings

import torch

from rlkit.running.content import EARLIER, FORMAT, checksum, read, require_finite, require_plain
from rlkit.running.disk import hold, writable, write_whole
from rlkit.running.fit import check_fit, lacking
from rlkit.running.learning import check_idle
from rlkit.running.settings import check_names, choose_device
from rlkit.running.state import agent_state, on_cpu, restore_agent, settings_of


def save(agent, path, resume=True):
    """Write the agent to `path`: its settings, its tensors, and where it is in its episodes and random numbers.

    A run that is resumed from this file equals the uninterrupted run, number for number, on one CPU. That holds if
    `rlkit.running.resume` can store the environments and the replay memory is at most `rlkit.replay.SAVED` bytes.
    Otherwise it begins new episodes with an empty memory.

    With `resume=False` the file holds only what is needed to act, and is a quarter of the size. The file is written
    beside `path` and moved into place, so a crash leaves the old one whole. Returns the path.

    Raises ValueError if nothing can be written there, if another run is writing there, if the environment is a
    function, which no file can hold, if a setting has been changed to what it cannot be, if the weights are no longer
    finite, or if the agent is learning in another thread. Raises OSError if the disk is full.
    """
    check_idle(agent)
    path = writable(path)
    with hold(path, wait=5.0):
        return write(agent, path, resume)


def write(agent, path, resume=True):
    """`save`, for a run that already holds `path`."""
    settings = settings_of(agent)
    if callable(settings["env"]):
        raise ValueError(
            "An environment made by a function cannot be saved; register it with gymnasium.register and pass its id."
        )
    content = {"algorithm": type(agent).__name__, "settings": settings, "state": on_cpu(agent_state(agent, resume), {})}
    require_plain(content)  # so that `load` can read it
    require_finite(path, content["state"])
    content = {"format": FORMAT, "sha256": checksum(content), **content}
    data = io.BytesIO()  # torch itself reports a full disk as "unexpected pos"
    torch.save(content, data)
    write_whole(path, data.getbuffer())
    return path


def load(path, **changes):
    """The agent saved at `path`, with the settings in `changes` replaced (`device="cpu"`, `num_envs=1`).

    Raises FileNotFoundError if there is no such file. Raises ValueError if it is not a whole checkpoint of rlkit that
    this version and this machine can use, or if its tensors do not fit the changed settings.
    """
    content = read(path)
    agent, state = make(path, content, changes), content["state"]
    if content["format"] == EARLIER and state.keys() - {"network", "step"}:
        message = f"An earlier version wrote {path}: the agent can act, but learning continues from its network alone."
        warnings.warn(message, stacklevel=2)
        state = {name: state[name] for name in ("network", "step") if name in state}
    elif lacks := lacking(agent, state):
        message = f"{path} lacks {', '.join(lacks)}: the agent can act, but learning continues without."
        warnings.warn(message, stacklevel=2)
    try:
        check_fit(agent, state)
        restore_agent(agent, state)
    except Exception as error:  # in a file that someone has changed, anything can be wrong
        changed = ", ".join(f"{name}={value!r}" for name, value in changes.items())
        cure = "load it unchanged" if changes else "perhaps its environment has changed"
        reason = " ".join(str(error).split())
        raise ValueError(f"What {path} holds does not fit {changed or 'its settings'} ({reason}); {cure}.") from error
    return agent


def make(path, content, changes):
    """A new agent with the settings of a checkpoint."""
    algorithm = getattr(importlib.import_module("rlkit"), content["algorithm"], None)
    if not hasattr(algorithm, "saved_to_act"):
        raise ValueError(f"{path} holds a {content['algorithm']!r}, which this version of rlkit does not know.")
    settings = content["settings"]
    known = {field.name for field in dataclasses.fields(algorithm) if field.init}
    if unknown := sorted(map(str, settings.keys() - known)):
        raise ValueError(
            f"{path} has settings that this version of rlkit does not know, {', '.join(unknown)}; "
            "a newer one wrote it, so update rlkit."
        )
    check_names(algorithm, changes)
    require_device(path, settings, changes)
    try:
        return algorithm(**{**settings, **changes})
    except ValueError:
        raise  # a sentence already
    except Exception as error:
        raise ValueError(f"The settings in {path} cannot be used here ({error}); load another copy.") from error


def require_device(path, settings, changes):
    """An agent that was saved on a GPU does not move by itself: on another device it continues with other numbers."""
    device = settings.get("device", "auto")
    if "device" not in changes and not usable(device):
        raise ValueError(
            f"{path} was saved on {device!r}, which is not here; load it with device='cpu' (on the command line: "
            "--set device=cpu)."
        )


def usable(device):
    """Is there a device of this name here?"""
    try:
        choose_device(device, frames=False)
    except ValueError:
        return False
    return True


# The watcher ------------------------------------------------------------------------------------------------


def checkpoint(path, every=60.0):
    """A watcher for `train` that saves the agent to `path` at once, every `every` seconds, and when the run ends.

    Until the run ends, no other run can write there. If the disk is full for a while, the run goes on with a warning.
    """
    return Checkpoint(writable(path), every)


class Checkpoint:
    """See `checkpoint`."""

    def __init__(self, path, every):
        self.path, self.every = path, every
        self.saved = -math.inf  # save at once, so that what cannot be saved fails now
        self.held = None

    def __call__(self, progress, result):
        if time.monotonic() - self.saved > self.every:
            self.hold()
            with later(first=self.saved == -math.inf):
                write(result.agent, self.path)
            self.saved = time.monotonic()

    def finish(self, result):
        self.hold()  # the run may have ended before its first iteration did
        try:
            write(result.agent, self.path)
        finally:
            self.held.close()
            self.held, self.saved = None, -math.inf

    def hold(self):
        if self.held is None:
            with contextlib.ExitStack() as stack:
                stack.enter_context(hold(self.path))
                self.held = stack.pop_all()


@contextlib.contextmanager
def later(first):
    """A save that fails in the middle of a run, because the disk is full, is tried again later. The first must work."""
    try:
        yield
    except OSError as error:
        if first:
            raise
        warnings.warn(f"{error} The run goes on, and will try again.", stacklevel=2)
