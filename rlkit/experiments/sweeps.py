"""The experiments that take minutes: run once, kept as small JSON files with the package, remade by one command.

    python -m rlkit.experiments.sweeps target_network

Each file says how it was made: the command, the seeds, the machine, the date, the seconds, and which code it depends on
(`fingerprint.py`). `rlkit.experiments.remake` finds the files whose code has changed since, and runs several again.
"""

import datetime
import json
import os
import platform
import sys
import time
from inspect import signature

import torch

from rlkit.experiments.asynchrony import real_workers, updates, virtual_workers
from rlkit.experiments.baselines import baselines
from rlkit.experiments.difficulties import end_to_end, overfitting, sample_efficiency, stabilisers
from rlkit.experiments.dqn_variants import variants
from rlkit.experiments.fingerprint import code_of
from rlkit.experiments.memory import memory
from rlkit.experiments.museum.runs import museum
from rlkit.experiments.one_batch import minibatch, reuse
from rlkit.experiments.overestimation import overestimation
from rlkit.experiments.policy_gradients import policy_gradients
from rlkit.experiments.segment_length import segment_length
from rlkit.experiments.sensitivity import sensitivity
from rlkit.experiments.stored import DATA
from rlkit.experiments.target_network import target_network
from rlkit.experiments.wall_clock import wall_clock
from rlkit.running.terminal import run

SWEEPS = {
    sweep.__name__: sweep
    for sweep in (
        # Chapter 1
        end_to_end,
        stabilisers,
        overfitting,
        sample_efficiency,
        # Chapter 2
        target_network,
        variants,
        overestimation,
        # Chapter 3
        baselines,
        reuse,
        minibatch,
        policy_gradients,
        sensitivity,
        # Chapter 4
        segment_length,
        memory,
        virtual_workers,
        real_workers,
        updates,
        wall_clock,
        # Chapters 2 to 4
        museum,
    )
}


def main(name):
    """Run a sweep on one thread and write `rlkit/data/NAME.json`: the runs, and how they were made."""
    path = DATA / f"{name}.json"
    if not os.access(path if path.exists() else DATA, os.W_OK):  # known now, not hours later
        sys.exit(f"{path} cannot be written; get permission to write it first.")
    torch.set_num_threads(1)
    code, began = code_of(SWEEPS[name]), time.perf_counter()
    runs = SWEEPS[name]()
    how = {
        "command": f"python -m rlkit.experiments.sweeps {name}",
        "seeds": list(signature(SWEEPS[name]).parameters["seeds"].default),
        "machine": f"{platform.machine()}, one thread, torch {torch.__version__}",
        "date": datetime.date.today().isoformat(),
        "seconds": round(time.perf_counter() - began),
        "code": code,
    }
    path.write_text(json.dumps({"how": how, "runs": runs}))
    print(path, how)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SWEEPS:
        sys.exit(f"usage: python -m rlkit.experiments.sweeps {' | '.join(SWEEPS)}")
    run(lambda: main(sys.argv[1]))
