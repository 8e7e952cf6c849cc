"""Agents on disk: tensors and plain values only, a checksum, and never half a file.

An agent declares what is saved of it, as names of its attributes (dotted for attributes of attributes):

    saved_to_act        what it needs to act
    saved_to_learn      what else it needs to continue learning
    saved_to_play_on    what belongs to its current episodes; environments and random numbers are saved with it
"""

import copy
import dataclasses
import hashlib
import importlib
import math
import os
import time
import warnings
from operator import attrgetter
from pathlib import Path

import numpy as np
import torch

from rlkit.running.resume import plain, play_state, resume_play, unplain
from rlkit.running.settings import check_names

FORMAT = "rlkit-2"
EARLIER = "rlkit-1"  # the same, but with other names for what is needed to continue learning
STAND_INS = {"target": "network", "server.target": "network"}  # an agent that was saved to act has no target network


def save(agent, path, resume=True):
    """Write the agent to `path`: its settings, its tensors, and where it is in its episodes and random numbers.

    A run that is resumed from this file equals the uninterrupted run, number for number, on one CPU. That holds if
    `rlkit.running.resume` can store the environments and the replay memory is at most `rlkit.replay.SAVED` bytes.
    Otherwise it begins new episodes with an empty memory.

    With `resume=False` the file holds only what is needed to act, and is a quarter of the size. The file is written
    beside `path` and moved into place, so a crash leaves the old one whole. Returns the path.

    Raises ValueError if nothing can be written there, or if the environment is a function, which no file can hold.
    """
    path = writable(path)
    settings = {f.name: getattr(agent, f.name) for f in dataclasses.fields(agent) if f.init}
    if callable(settings["env"]):
        raise ValueError(
            "An environment made by a function cannot be saved; register it with gymnasium.register and pass its id."
        )
    content = {"algorithm": type(agent).__name__, "settings": settings, "state": on_cpu(agent_state(agent, resume), {})}
    content = {"format": FORMAT, "sha256": checksum(content), **content}
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def agent_state(agent, resume=True):
    """What the agent declares, as tensors and plain values: {name: value}.

    Some are the tensors that the agent goes on learning with, so `save` copies them.
    """
    names = agent.saved_to_act + (agent.saved_to_learn if resume else ())
    state = {name: part_state(attrgetter(name)(agent)) for name in names}
    if resume and hasattr(agent, "saved_to_play_on"):
        state["play"] = play_state(agent)
        if state["play"]["envs"]:  # otherwise these episodes will not continue
            state["play"] |= {name: part_state(attrgetter(name)(agent)) for name in agent.saved_to_play_on}
    return state


def restore_agent(agent, state):
    """Put an agent into the state that `agent_state` gave. What is not in `state` stays as in a new agent."""
    for name in agent.saved_to_act + agent.saved_to_learn:
        saved = state.get(name, state.get(STAND_INS.get(name)))
        if saved is not None:
            restore_part(agent, name, saved)
    if hasattr(agent, "saved_to_play_on"):
        play = state.get("play", {})
        if resume_play(agent, play):
            for name in agent.saved_to_play_on:
                if play.get(name) is not None:
                    restore_part(agent, name, play[name])


def part_state(part):
    """Part of an agent as tensors and plain values: a network, an optimiser, something with `state()`, or a value."""
    if hasattr(part, "state_dict"):
        return part.state_dict()
    return part.state() if hasattr(part, "state") else plain(part)


def restore_part(agent, name, saved):
    """Put the part of the agent that has this dotted name into a state that `part_state` gave."""
    owner, _, attribute = name.rpartition(".")
    owner = attrgetter(owner)(agent) if owner else agent
    part = getattr(owner, attribute)
    if isinstance(part, torch.optim.Optimizer):  # the agent's settings, not the saved ones, decide the learning rate
        groups = part.state_dict()["param_groups"]
        part.load_state_dict(copy.deepcopy(saved) | {"param_groups": groups})  # it keeps the tensors that it is given
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(saved)
    elif hasattr(part, "restore"):
        part.restore(saved)
    elif isinstance(part, torch.Tensor):
        setattr(owner, attribute, saved.to(part.device))
    else:
        setattr(owner, attribute, unplain(saved) if isinstance(part, np.ndarray) else saved)


def on_cpu(value, copies):
    """The same with copies of all tensors, on the CPU, so that a file from a GPU is like any other.

    A3C's workers keep writing θ meanwhile. Copies cannot change between the checksum and the file. What was one tensor
    under two names stays one: `copies` remembers them.
    """
    if isinstance(value, torch.Tensor):
        key = value.data_ptr(), value.dtype, value.shape, value.stride()
        if key not in copies:
            copies[key] = value.detach().to("cpu", copy=True)
        return copies[key]
    if isinstance(value, dict):
        return {name: on_cpu(item, copies) for name, item in value.items()}
    return type(value)(on_cpu(item, copies) for item in value) if isinstance(value, list | tuple) else value


def load(path, **changes):
    """The agent saved at `path`, with the settings in `changes` replaced (`device="cpu"`, `num_envs=1`).

    Raises FileNotFoundError if there is no such file, ValueError if it is not a whole checkpoint of rlkit, or if its
    tensors do not fit the changed settings.
    """
    content = read(path)
    algorithm = getattr(importlib.import_module("rlkit"), content["algorithm"], None)
    if algorithm is None:
        raise ValueError(f"{path} holds a {content['algorithm']!r}, which this version of rlkit does not know.")
    check_names(algorithm, changes)
    agent = algorithm(**{**content["settings"], **changes})
    state = content["state"]
    if content["format"] == EARLIER and state.keys() - {"network", "step"}:
        message = f"An earlier version wrote {path}: the agent can act, but learning continues from its network alone."
        warnings.warn(message, stacklevel=2)
        state = {name: state[name] for name in ("network", "step")}
    try:
        restore_agent(agent, state)
    except (RuntimeError, ValueError) as error:
        changed = ", ".join(f"{name}={value!r}" for name, value in changes.items())
        raise ValueError(f"What {path} holds does not fit {changed or 'its settings'}; load it unchanged.") from error
    return agent


def read(path):
    """The content of a checkpoint, checked."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no checkpoint at {path}; look for the file's name, or train one first.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        claimed, form = content.pop("sha256"), content.pop("format")
    except Exception as error:  # torch raises half a dozen kinds of error for a file that is not its own
        raise ValueError(
            f"{path} is not a whole checkpoint of rlkit ({type(error).__name__}); "
            "it was cut short, or another program wrote it."
        ) from error
    if form not in (FORMAT, EARLIER) or checksum(content) != claimed:
        raise ValueError(f"{path} is damaged: its checksum does not fit its content. Take another copy.")
    return {"format": form, **content}


def checkpoint(path, every=60.0):
    """A watcher for `train` that saves the agent to `path` at once, every `every` seconds, and when the run ends."""
    return Checkpoint(writable(path), every)


class Checkpoint:
    """See `checkpoint`."""

    def __init__(self, path, every):
        self.path, self.every = path, every
        self.saved = -math.inf  # save at once, so that what cannot be saved fails now

    def __call__(self, progress, result):
        if time.monotonic() - self.saved > self.every:
            save(result.agent, self.path)
            self.saved = time.monotonic()

    def finish(self, result):
        save(result.agent, self.path)


def writable(path):
    """The path, if a file can be written there. Otherwise raise ValueError now, not after an hour of training."""
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"Nothing can be written to {path}; name a file in a folder that exists and is writable.")
    return path


def checksum(content):
    """SHA-256 over every value and every tensor's bytes, because torch.load does not notice a flipped byte."""
    digest = hashlib.sha256()

    def feed(value):
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().contiguous()
            digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.numpy().tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                digest.update(f"{key!r}:".encode())
                feed(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                feed(item)
        else:
            digest.update(repr(value).encode())

    feed(content)
    return digest.hexdigest()
