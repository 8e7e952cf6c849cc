"""A process ends cleanly while work is still going on in it: with exit code 0 and no further output."""

import subprocess
import sys
from pathlib import Path

from conftest import PATIENCE

ROOT = Path(__file__).resolve().parent.parent

LEFT_RUNNING = """
import threading
import time

from rlkit import preset
from rlkit.envs import Envs
from rlkit.plotting.live import Run


def hold():
    kept.append(Envs("ALE/Pong-v5", num_envs=1, seed=0))
    time.sleep(1_000)


def test_something():
    threading.Thread(target=hold, daemon=True).start()
    run = Run(preset("ppo-pong-small", num_envs=2, num_steps=16), 10**9)
    while not (kept and run.result.step) and run.running():
        time.sleep(0.1)
    assert kept and not run.error


kept = []
"""


def test_a_test_run_ends_with_its_summary_although_a_game_is_still_played(tmp_path):
    (tmp_path / "test_left_running.py").write_text(LEFT_RUNNING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE
    )
    assert run.returncode == 0 and run.stdout.splitlines()[-1].startswith("1 passed"), run.stdout
