"""Two rounds of tests/bench/kernel_rounds.py: a run's cell in a real kernel, interrupted, continued and run again.

A hundred of them take a quarter of an hour: RLKIT_ROUNDS=100 python -m pytest tests/test_kernel.py
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_a_kernel_survives_interrupts_sliders_and_cells_that_are_run_again():
    rounds = os.environ.get("RLKIT_ROUNDS", "2")
    command = [sys.executable, "tests/bench/kernel_rounds.py", "--rounds", rounds]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == f"{rounds} of {rounds} rounds went well; the kernel died in 0"
