"""The JSON file beside a checkpoint: what a run gave, and how it was made."""

import datetime
import importlib
import importlib.metadata
import json
import math
import os
import platform
import re
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from rlkit.running.checkpoint import later, write
from rlkit.running.content import read
from rlkit.running.disk import write_whole
from rlkit.running.result import read_report
from rlkit.running.state import settings_of

EVERY = 60.0  # seconds between two checkpoints


class Report:
    """Saves the agent at once, every minute and at the end. A JSON file beside it says what the run gave and how.

    The JSON is written first. If the machine fails between the two, the JSON holds more episodes than the checkpoint,
    and resuming drops them. In the other order episodes would be lost. A resumed run adds its episodes and its command
    to the JSON it finds. `Result.read` gives the episodes back. If the disk is full for a while, the run goes on.
    """

    def __init__(self, checkpoint, agent, resumed, command):
        self.checkpoint, self.path = checkpoint, checkpoint.with_suffix(".json")
        earlier = earlier_run(Path(resumed), self.path, agent) if resumed else {}
        kept = sum(step <= agent.step for step in earlier.get("steps", []))  # the JSON may be newer than the checkpoint
        self.steps, self.returns = earlier.get("steps", [])[:kept], earlier.get("returns", [])[:kept]
        self.seconds = earlier.get("seconds", 0.0)
        self.cpu_seconds = earlier.get("cpu_seconds", 0.0) - time.process_time()
        settings = {name: without_infinity(value) for name, value in settings_of(agent).items()}
        packages = ("torch", "numpy", "gymnasium", "ale-py")
        self.made = {
            "algorithm": type(agent).__name__,
            "command": " && ".join([*filter(None, [earlier.get("command")]), command]),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()}; used: {agent_device(agent)}",
            "threads": torch.get_num_threads(),
            "versions": {"python": platform.python_version(), "rlkit": importlib.import_module("rlkit").__version__}
            | {name: importlib.metadata.version(name) for name in packages},
            "seed": agent.seed,
            "settings": settings,
        }
        self.written = -math.inf

    def __call__(self, progress, result):
        if time.monotonic() - self.written > EVERY:
            with later(first=self.written == -math.inf):
                self.finish(result)
            self.written = time.monotonic()

    def finish(self, result):
        agent = result.agent
        told = getattr(agent, "cpu_seconds", None)  # A3C's workers report theirs; Gorila's do not
        workers = 0.0 if told is None else float(np.sum(told))
        whose = " and its workers" if told is not None else ", without its workers"
        content = self.made | {
            "stopped": result.stopped,
            "step": agent.step,
            "seconds": round(self.seconds + result.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds + time.process_time() + workers, 1),
            "cpu_seconds_of": "the process" + whose * hasattr(agent, "num_workers"),
            "steps": self.steps + result.steps,
            "returns": self.returns + result.returns,
        }
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in content.items())
        write_whole(self.path, ("{\n" + lines + "\n}\n").encode())
        write(agent, self.checkpoint)


def earlier_run(resumed, path, agent):
    """What the JSON beside a resumed checkpoint says; nothing, with a warning, if it cannot be continued.

    Raises ValueError if this run would overwrite a JSON that is damaged or of another run.
    """
    beside = resumed.with_suffix(".json")
    try:
        earlier = read_report(beside)
        run = read(resumed)
        if (earlier.get("algorithm"), earlier.get("seed")) != (run["algorithm"], run["settings"]["seed"]):
            raise ValueError(f"{beside} is of another run than {resumed}: {earlier.get('command')}.")
    except (ValueError, FileNotFoundError) as error:
        if beside.exists() and beside == path:
            raise ValueError(
                f"{error} Move it away; then the run continues, and its earlier episodes are left out."
            ) from error
        warnings.warn(f"The earlier episodes are left out: {error}", stacklevel=3)
        return {}
    if earlier["step"] < agent.step:
        warnings.warn(
            f"{beside} ends at step {earlier['step']}, before its checkpoint; the episodes up to step {agent.step} are "
            "left out.",
            stacklevel=3,
        )
    return earlier


def without_infinity(value):
    """JSON has no infinity, so it becomes a string."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def agent_device(agent):
    """Where its network is."""
    return next(agent.network.parameters()).device


def processor():
    """The name of the processor, which `platform` does not know on Linux."""
    try:
        return re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()
