"""The experiments that take minutes: run once, kept as small JSON files with the package, remade by one command.

    python -m rlkit.experiments.sweeps target_network
    python -m rlkit.experiments.sweeps target_network --cluster auto    each run on Ray, side by side (`spread.py`)

Each file says how it was made: the command, the seeds, the machine, the date, the seconds, and which code it depends on
(`fingerprint.py`). `rlkit.experiments.remake` finds the files whose code has changed since, and runs several again.
"""

import datetime
import json
import os
import platform
import re
import sys
import time
from argparse import RawDescriptionHelpFormatter
from inspect import signature

import torch

from rlkit.experiments.asynchrony import real_workers, updates, virtual_workers
from rlkit.experiments.baselines import baselines, gradient_noise
from rlkit.experiments.clinic import clinic
from rlkit.experiments.compared import compared
from rlkit.experiments.densities import densities
from rlkit.experiments.difficulties import end_to_end, overfitting, sample_efficiency, stabilisers
from rlkit.experiments.epochs import epochs
from rlkit.experiments.exploration import exploration
from rlkit.experiments.fingerprint import code_of
from rlkit.experiments.forgetting import forgetting
from rlkit.experiments.gorila import gorila
from rlkit.experiments.gradients import gradients
from rlkit.experiments.line_search import line_search
from rlkit.experiments.memory import memory
from rlkit.experiments.messages import messages, near_and_far
from rlkit.experiments.museum.runs import museum
from rlkit.experiments.one_batch import minibatch, reuse
from rlkit.experiments.overestimation import overestimation
from rlkit.experiments.policy_gradients import policy_gradients
from rlkit.experiments.pong import pong, pong_points
from rlkit.experiments.prices import prices
from rlkit.experiments.segment_length import segment_length
from rlkit.experiments.sensitivity import sensitivity
from rlkit.experiments.sentences import language_models
from rlkit.experiments.spine import spine
from rlkit.experiments.spread import machines, spread
from rlkit.experiments.stored import DATA
from rlkit.experiments.surprises import surprises
from rlkit.experiments.switchboard import switchboard
from rlkit.experiments.target_network import target_network
from rlkit.experiments.wall_clock import wall_clock
from rlkit.running.arguments import Parser
from rlkit.running.cluster import check_address
from rlkit.running.disk import write_whole
from rlkit.running.terminal import run, tell
from rlkit.running.workers import WorkerError

SWEEPS = {
    sweep.__name__: sweep
    for sweep in (
        # Chapter 1
        end_to_end,
        stabilisers,
        overfitting,
        sample_efficiency,
        # Chapter 2
        gradients,
        spine,
        target_network,
        forgetting,
        surprises,
        gorila,
        overestimation,
        # Chapter 3
        gradient_noise,
        baselines,
        reuse,
        minibatch,
        epochs,
        line_search,
        prices,
        policy_gradients,
        sensitivity,
        switchboard,
        language_models,
        densities,
        exploration,
        clinic,
        pong,
        pong_points,
        # Chapter 4
        segment_length,
        memory,
        virtual_workers,
        real_workers,
        updates,
        wall_clock,
        messages,
        near_and_far,
        # Chapters 2 to 4
        museum,
        compared,
    )
}
CLUSTER_HELP = "make the runs side by side on Ray; ADDRESS is local, auto, HOST:PORT or ray://HOST:PORT"


def main(name, cluster=None):
    """Run a sweep and write `rlkit/data/NAME.json`: the runs, and how they were made.

    On one thread of this machine, or on the Ray cluster at the address `cluster`; there finished runs are kept until
    all are. Raises ValueError if the cluster cannot be used, and WorkerError if a run on it failed.
    """
    path = DATA / f"{name}.json"
    if not os.access(path if path.exists() else DATA, os.W_OK):  # known now, not hours later
        sys.exit(f"{path} cannot be written; get permission to write it first.")
    code, unfinished = code_of(SWEEPS[name]), path.with_suffix(".unfinished")
    if cluster is None:
        torch.set_num_threads(1)
        began = time.perf_counter()
        runs = SWEEPS[name]()
        seconds, machine = time.perf_counter() - began, f"{platform.machine()}, one thread, torch {torch.__version__}"
    else:
        runs, made = spread(name, SWEEPS[name], code, cluster, unfinished)
        seconds, machine = sum(one.seconds for one in made), f"{machines(made)}, by Ray (--cluster {kind_of(cluster)})"
    how = {
        "command": f"python -m rlkit.experiments.sweeps {name}",
        "seeds": list(signature(SWEEPS[name]).parameters["seeds"].default),
        "machine": machine,
        "date": datetime.date.today().isoformat(),
        "seconds": round(seconds),  # of all runs together
        "code": code,
    }
    write_whole(path, json.dumps({"how": how, "runs": runs}).encode())
    unfinished.unlink(missing_ok=True)
    print(path, how)


def kind_of(address):
    """What may be said of an address of a cluster: "auto" and "local", but of others only their form."""
    return re.sub(r"(ray://)?.*:\d+$", r"\1HOST:PORT", address)


def command(arguments=None):
    """Do what the command line asks for -> an exit code."""
    try:
        given = parsed(arguments)
    except ValueError as error:
        sys.exit(str(error))
    try:
        main(given.sweep, given.cluster)
    except KeyboardInterrupt:
        kept = " Finished runs are kept: the same command goes on from here." if given.cluster else ""
        tell(f"\nInterrupted.{kept}", sys.stderr)
        return 130
    except (ValueError, WorkerError) as error:
        if given.cluster is None:  # not meant for the reader: shown with its traceback
            raise
        sys.exit(str(error))


def parsed(arguments):
    """The values of the command line. Raises ValueError for what means nothing."""
    parser = Parser(
        "python -m rlkit.experiments.sweeps", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", help=", ".join(SWEEPS))
    parser.add_argument("--cluster", metavar="ADDRESS", help=CLUSTER_HELP)
    given = parser.parse(arguments)
    if given.sweep not in SWEEPS:
        raise ValueError(f"There is no experiment {given.sweep!r}; name one of {', '.join(SWEEPS)}.")
    if given.cluster is not None:
        check_address(given.cluster)
    return given


if __name__ == "__main__":
    run(command)
