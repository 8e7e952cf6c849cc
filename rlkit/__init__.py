"""rlkit: the algorithms of the lectures, written to be read."""

from pathlib import Path

from rlkit import check, functional
from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.dqn import DQN
from rlkit.gorila import Gorila
from rlkit.ppo import PPO
from rlkit.presets import preset, presets
from rlkit.reinforce import REINFORCE
from rlkit.running.checkpoint import checkpoint, load, save
from rlkit.running.result import Progress, Result
from rlkit.training import evaluate, stop_at, time_limit, train
from rlkit.trpo import TRPO

AGENTS = Path(__file__).parent / "data" / "agents"  # the trained agents that come with the package

__version__ = "0.1.0"
__all__ = [
    "A2C", "A3C", "AGENTS", "DQN", "Gorila", "PPO", "Progress", "REINFORCE", "Result", "Run", "TRPO",
    "check", "checkpoint", "compare_live", "evaluate", "functional", "load", "preset", "presets", "save",
    "stop_at", "time_limit", "train",
]  # fmt: skip


def __getattr__(name):
    """`Run` and `compare_live` draw, so their libraries are loaded only when they are first used."""
    if name == "Run":
        from rlkit.plotting.live import Run

        return Run
    if name == "compare_live":
        from rlkit.plotting.compare_live import compare_live

        return compare_live
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """What Tab offers after `rlkit.`; `Run` and `compare_live` are among it before they are loaded."""
    return [*globals(), "Run", "compare_live"]
