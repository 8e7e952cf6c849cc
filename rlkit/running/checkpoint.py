"""Agents on disk: tensors and plain values only, a checksum, and never half a file."""

import dataclasses
import hashlib
import importlib
import math
import os
import time
from pathlib import Path

import torch

FORMAT = "rlkit-1"


def save(agent, path, resume=True):
    """Write the agent to `path`: its settings, its tensors, and where it is in its episodes and random numbers.

    So a run that goes on from here is the run that was never interrupted, number for number, on one CPU, where
    `rlkit.envs.parts` can store the environments and the replay memory is below `rlkit.replay.SAVED`; else it begins
    new episodes with an empty memory. With `resume=False` only what is needed to act: a quarter of the size. The file
    is written beside `path` and moved into place, so that a crash leaves the old one whole.
    """
    path = writable(path)
    settings = {f.name: getattr(agent, f.name) for f in dataclasses.fields(agent) if f.init}
    if callable(settings["env"]):
        raise ValueError(
            "An environment made by a function cannot be saved; register it with gymnasium.register and pass its id."
        )
    content = {"algorithm": type(agent).__name__, "settings": settings, "state": on_cpu(agent.state(resume), {})}
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


def on_cpu(value, copies):
    """The same with copies of all tensors, on the CPU: a file from a GPU is like any other, and A3C's workers, who
    write meanwhile, change nothing between the checksum and the file. What was one tensor under two names stays one."""
    if isinstance(value, torch.Tensor):
        key = value.data_ptr(), value.dtype, value.shape, value.stride()
        if key not in copies:
            copies[key] = value.detach().to("cpu", copy=True)
        return copies[key]
    if isinstance(value, dict):
        return {name: on_cpu(item, copies) for name, item in value.items()}
    return type(value)(on_cpu(item, copies) for item in value) if isinstance(value, list | tuple) else value


def load(path, **changes):
    """The agent saved at `path`, with other settings where `changes` names them (`device="cpu"`, `num_envs=1`)."""
    content = read(path)
    algorithm = getattr(importlib.import_module("rlkit"), content["algorithm"], None)
    if algorithm is None:
        raise ValueError(f"{path} holds a {content['algorithm']!r}, which this version of rlkit does not know.")
    agent = algorithm(**{**content["settings"], **changes})
    agent.restore(content["state"])
    return agent


def read(path):
    """The content of a checkpoint, checked."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no checkpoint at {path}; look for the file's name, or train one first.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        claimed, form = content.pop("sha256"), content.pop("format")
    except Exception as error:  # torch raises half a dozen kinds for a file that is not its own
        raise ValueError(
            f"{path} is not a whole checkpoint of rlkit ({type(error).__name__}); "
            "it was cut short, or another program wrote it."
        ) from error
    if form != FORMAT or checksum(content) != claimed:
        raise ValueError(f"{path} is damaged: its checksum does not fit its content. Take another copy.")
    return content


def checkpoint(path, every=60.0):
    """A watcher that saves the agent to `path` at once, every so many seconds, and when the run ends."""
    return Checkpoint(writable(path), every)


class Checkpoint:
    def __init__(self, path, every):
        self.path, self.every = path, every
        self.saved = -math.inf  # at once: what cannot be saved shall fail now

    def __call__(self, progress, result):
        if time.monotonic() - self.saved > self.every:
            save(result.agent, self.path)
            self.saved = time.monotonic()

    def finish(self, result):
        save(result.agent, self.path)


def writable(path):
    """Refuse now what would fail after an hour of training."""
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"Nothing can be written to {path}; name a file in a folder that exists and is yours.")
    return path


def checksum(content):
    """SHA-256 over every value and every tensor's bytes: torch.load notices no flipped byte."""
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
