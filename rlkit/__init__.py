"""rlkit: the algorithms of the lectures, to be read."""

from rlkit import check, functional
from rlkit.checkpoint import checkpoint, load, save
from rlkit.dqn import DQN

from rlkit.presets import preset, presets
from rlkit.training import Progress, Result, evaluate, stop_at, time_limit, train

__version__ = "0.1.0"
__all__ = [
    "DQN", "Progress", "Result", "check", "checkpoint", "evaluate", "functional", "load",
    "preset", "presets", "save", "stop_at", "time_limit", "train",
]  # fmt: skip
