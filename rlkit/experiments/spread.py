"""A sweep on a Ray cluster: each run is a task of its own, so with enough nodes it takes as long as its longest run.

A run is a pure function of its arguments. So the runs of a lost node are made again elsewhere, and finished ones are
kept in a file beside the results: a sweep that was interrupted goes on from there. A run that fails is not tried again.

Runs that measure time have their cores to themselves, on nodes of one kind. They are not compared across machines.
"""

import json
import math
import platform
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from rlkit.experiments.plan import Run, filled, plan
from rlkit.language import count
from rlkit.running.cluster import connected
from rlkit.running.disk import hold, write_whole
from rlkit.running.remote import in_a_sentence
from rlkit.running.terminal import tell
from rlkit.running.workers import WorkerError, in_words

RETRIES = 3  # how often a run is made again whose process or node was lost
PATIENCE = 10.0  # seconds without a finished run, after which it looks whether there are nodes left
ASKED = 120.0  # seconds that a node has to say what kind it is: it unpacks rlkit and imports torch


class Made(NamedTuple):
    """A run that has been made, and where."""

    result: object
    seconds: float
    node: str  # Ray's own number of it
    kind: str  # "8 cores (x86_64, AMD EPYC 7B13, torch 2.13.0)"


def spread(name, sweep, code, address, path):
    """Make all runs of a sweep on the cluster at `address` -> (runs, [`Made` of each]).

    `code`: the fingerprint of the sweep. `path`: where finished runs are kept; those of other code are thrown away. The
    caller removes the file once the results are stored. Raises ValueError if the cluster cannot be used, and
    WorkerError for the first run that fails.
    """
    form, runs = plan(sweep)
    with hold(path), connected(address):
        nodes, kind = nodes_for(name, runs)
        made = kept(path, code, runs, kind)
        if made:
            tell(f"{name}: {len(made)} of {len(runs)} runs were made before. To make all again, delete {path}.")
        report = Report(name, runs, nodes)
        with path.open("a", encoding="utf-8") as file:
            for run in gather(name, runs, made, nodes, report):
                file.write(json.dumps([run, *made[runs[run]]]) + "\n")
                file.flush()
    return filled(form, {run: one.result for run, one in made.items()}), list(made.values())


def gather(name, runs, made, nodes, report):
    """Make the runs that are not in `made` and put them there, {Run: Made} -> iterator of their names."""
    import ray

    waiting, flying = {run: one for run, one in runs.items() if one not in made}, {}
    try:
        while waiting or flying:
            for run, one in list(waiting.items()):
                if all(part in made for part in needs(one)):
                    flying[submit(f"{name}: {run}", one, made, nodes)] = run
                    del waiting[run]
            ready, _ = ray.wait(list(flying), timeout=PATIENCE)
            if not ready:
                check_alive(name, runs, nodes)
            for task in ready:
                run = flying.pop(task)
                made[runs[run]] = outcome(task, name, run)
                yield run
            report(made)
    finally:
        for task in flying:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(task, force=True)


def needs(one):
    """The runs whose results a run is called with."""
    return [part for part in one.args if isinstance(part, Run)]


def submit(title, one, made, nodes):
    """Give a run to the cluster -> the task. The title is what Ray's own tools show."""
    import ray

    args = [made[part].result if isinstance(part, Run) else part for part in one.args]
    options = dict(name=title, num_cpus=one.cores or 1, max_retries=RETRIES, retry_exceptions=False)
    if one.cores:
        options["label_selector"] = {"ray.io/node-id": f"in({','.join(nodes)})"}
    return ray.remote(make).options(**options).remote(one.work, args, one.settings)


def make(work, args, settings):
    """On a node: make a run -> (Made, "") or (None, what failed)."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    try:
        result = work(*args, **settings)
    except (Exception, SystemExit) as error:
        return None, in_words(error)
    return Made(result, round(time.perf_counter() - began, 1), *kind_here()), ""


def outcome(task, name, run):
    """What a task gave -> Made. Raises WorkerError, which names the run, if it failed or was lost too often."""
    import ray

    words = f"The run {run!r} of {name}"
    try:
        made, failure = ray.get(task)
    except ray.exceptions.RayTaskError as error:  # it did not come as far as `work`
        raise WorkerError(f"{words} failed: {in_a_line(error.cause)}") from None
    except ray.exceptions.TaskUnschedulableError:
        raise no_node(name) from None
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"{words} was given up after {RETRIES + 1} tries, because each time its process or its node was lost "
            f"({in_a_line(error)})"
        ) from None
    if failure:
        raise WorkerError(f"{words} failed: {failure}")
    return made


def in_a_line(error):
    return f"{type(error).__name__}: {error}".strip().split("\n")[0]


# What is kept and what is said ----------------------------------------------------------------------------------------


def kept(path, code, runs, kind):
    """The runs that an interrupted sweep has finished, {Run: Made}; the file then holds no others.

    Not those of other code, those that measured time on another kind of machine, and those that were called with the
    results of such runs.
    """
    lines = []
    with suppress(OSError, UnicodeDecodeError):
        lines = path.read_text(encoding="utf-8").splitlines()
    found = dict(read(line) for line in lines)  # of a line that was cut off: None
    made = {}
    if found.get("code") == code:
        for run, one in runs.items():
            old = found.get(run)
            if old and (not one.cores or old.kind == kind) and all(part in made for part in needs(one)):
                made[one] = old
    names = {one: run for run, one in runs.items()}
    content = [["code", code], *([names[one], *old] for one, old in made.items())]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in content).encode())
    return made


def read(line):
    """A line of the file -> (its name, Made or the code)."""
    try:
        run, *content = json.loads(line)
        return run, Made(*content) if len(content) > 1 else content[0]
    except (ValueError, TypeError, IndexError):
        return None, None


class Report:
    """Says how many runs are made and how long the rest may take: often at first, then once a minute."""

    def __init__(self, name, runs, nodes):
        self.name, self.total = name, len(runs)
        self.side_by_side = max(1, sum(nodes.values()) // max(one.cores or 1 for one in runs.values()))
        self.began, self.due = time.monotonic(), 0.0

    def __call__(self, made):
        seconds = time.monotonic() - self.began
        if seconds < self.due and len(made) < self.total:
            return
        self.due = seconds + min(60.0, max(2.0, seconds / 20))
        left = ""
        if made and len(made) < self.total:
            rounds = math.ceil((self.total - len(made)) / self.side_by_side)
            minutes = max(1, math.ceil(rounds * sum(one.seconds for one in made.values()) / len(made) / 60))
            left = count(minutes, ", about {n} minute left", ", about {n} minutes left")
        tell(f"{self.name}: {len(made)} of {self.total} runs are made{left}")


# The nodes ------------------------------------------------------------------------------------------------------------


def kind_here():
    """On a node: (its number, what kind of machine it is, without its name or address)."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    cores = next(int(other["Resources"].get("CPU", 0)) for other in ray.nodes() if other["NodeID"] == node)
    processor = f"{platform.machine()}, {model()}, torch {torch.__version__}"
    return node, count(cores, "{n} core", "{n} cores") + f" ({processor})"


def model():
    """The name that this machine's processor goes by."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
    return platform.processor() or "a processor without a name"


def alive():
    """The nodes of the cluster -> {number: its cores}."""
    import ray

    return {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}


def nodes_for(name, runs):
    """The nodes for the runs of a sweep -> ({number: its cores}, their kind, or None if they may be of any).

    If some runs measure time, these are nodes of one kind: of those with enough cores, the kind with most of them.
    Raises ValueError if no node has enough, for which Ray would wait without a word, and WorkerError if none answers.
    """
    nodes = alive()
    needed, largest = max(one.cores or 1 for one in runs.values()), max(nodes.values(), default=0)
    if needed > largest:
        cores = count(needed, "{n} core", "{n} cores")
        raise ValueError(
            f"{name} needs a node with {cores}, and the largest of this cluster has {largest}; start a larger one, or "
            "leave out --cluster to use this machine alone."
        )
    if not timed(runs):
        return nodes, None
    kinds = kinds_of(name, [node for node in nodes if nodes[node] >= needed])
    cores = Counter()
    for node, kind in kinds.items():
        cores[kind] += nodes[node]
    best = max(cores, key=cores.get)
    return {node: nodes[node] for node, kind in kinds.items() if kind == best}, best


def kinds_of(name, nodes):
    """Ask these nodes what kind they are -> {number: kind}. A word is said of those that do not answer, or cannot.

    Raises WorkerError if none does.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    tasks, kinds = {}, {}
    for node in nodes:
        place = NodeAffinitySchedulingStrategy(node, soft=False)
        tasks[node] = ray.remote(kind_here).options(num_cpus=0, scheduling_strategy=place).remote()
    ray.wait([*tasks.values()], num_returns=len(tasks), timeout=ASKED)
    for node, task in tasks.items():
        try:
            _, kinds[node] = ray.get(task, timeout=0)
        except ray.exceptions.GetTimeoutError:
            ray.cancel(task, force=True)
            tell(f"{name}: a node is left out, because it does not answer within {ASKED:g} s.")
        except ray.exceptions.RayError as error:
            tell(f"{name}: a node is left out, because it cannot say what kind it is: {in_a_sentence(error)}")
    if not kinds:
        raise WorkerError(f"No node can make the runs of {name}; `python -m rlkit cluster ADDRESS` tells more of them.")
    return kinds


def timed(runs):
    """Do some of these runs measure time?"""
    return any(one.cores for one in runs.values())


def check_alive(name, runs, nodes):
    """Raise WorkerError if no node is left: Ray would wait for one without a word."""
    left = alive()
    if not (left.keys() & nodes if timed(runs) else any(left.values())):
        raise no_node(name)


def no_node(name):
    return WorkerError(
        f"No node is left for the runs of {name}; start some, then the same command: it goes on from here."
    )


def machines(made):
    """On what machines runs were made: "2 nodes with 8 cores (x86_64, ...) and 1 node with 4 cores (...)"."""
    kinds = Counter(kind for _, kind in {(one.node, one.kind) for one in made})
    return " and ".join(count(n, "{n} node", "{n} nodes") + f" with {kind}" for kind, n in kinds.most_common())
