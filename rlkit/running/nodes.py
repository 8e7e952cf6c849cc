"""Is this cluster fit for a run? What its nodes have, what is missing there, and what a message between them costs.

`examine` needs a process that is connected already (`rlkit.running.cluster`). It asks each node itself: a list of what
was once installed would not show that one node was forgotten.
"""

import hashlib
import importlib
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rlkit.language import count

PACKAGES = ("ray", "torch", "gymnasium", "ale-py")
PATIENCE = 120.0  # seconds that a node has for its answer: it unpacks rlkit and imports torch
MESSAGE = 4_000_000  # bytes of a large message: as many as a million weights have
LARGE, SMALL = 5, 50  # how many messages of each kind are timed


@dataclass
class Node:
    """One node: what Ray says of it, and what it said itself."""

    number: int  # 1 is the head
    host: str
    cores: float
    memory: float  # bytes that Ray gives to workers
    id: str = ""
    versions: dict = field(default_factory=dict)  # "Python" or a package: its version, "" if it is not there
    digest: str = ""  # of rlkit's code, as this node imports it
    token: bool = False  # does it ask for a token?
    failed: str = ""  # why it has not answered, or cannot import rlkit
    latency: float | None = None  # seconds that a small message to the head and its answer take
    bandwidth: float | None = None  # bytes a second of large messages to the head


def here(env=None):
    """What this process has, as a node says it -> dict with `versions`, `digest`, `token`, `failed`.

    With the id of an environment it also tries to make that one. It runs on every node, where nothing of ours may be
    importable, so all that it calls is in this file.
    """
    versions = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = ""
    digest = failed = ""
    try:
        rlkit = importlib.import_module("rlkit")
    except Exception as error:  # whatever an import may raise there
        failed = f"rlkit cannot be imported ({type(error).__name__}: {' '.join(str(error).split())})"
    else:
        digest = digest_of(Path(rlkit.__file__).parent)
        try:
            if env is not None:
                importlib.import_module("rlkit.envs").Envs(env, num_envs=1, seed=0)
        except Exception as error:
            failed = f"{env} does not work ({type(error).__name__}: {' '.join(str(error).split()).rstrip('.')})"
    token = os.environ.get("RAY_AUTH_MODE", "").lower() == "token"  # every process of a node has its raylet's
    return {"versions": versions, "digest": digest, "token": token, "failed": failed}


def digest_of(folder):
    """A short fingerprint of all Python files in a folder -> str."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


class Echo:
    """Answers at once, whatever it gets."""

    def take(self, message):
        return None


def throw(echo):
    """Time messages from this node to `echo` -> (seconds of a small one and its answer, bytes a second of large ones).

    Both are medians. The first messages are not counted: they open the connection.
    """
    import ray

    def seconds(message, times):
        ray.get(echo.take.remote(message))
        measured = []
        for _ in range(times):
            begun = time.perf_counter()
            ray.get(echo.take.remote(message))
            measured.append(time.perf_counter() - begun)
        return statistics.median(measured)

    latency = seconds(None, SMALL)
    return latency, MESSAGE / seconds(np.ones(MESSAGE, np.uint8), LARGE)


# Asking --------------------------------------------------------------------------------------------------------


def examine(env=None, patience=PATIENCE):
    """Ask every living node of the cluster that this process is connected to -> list of `Node`, the head first.

    `env` is the id of an environment that each of them is to make. A node that does not answer within `patience`
    seconds says so in `failed`.
    """
    import ray

    by_value = sys.modules[__name__]  # send what runs there as code, and not as a name to import there
    ray.cloudpickle.register_pickle_by_value(by_value)
    try:
        nodes = living()
        ask(nodes, env, patience)
        measure([node for node in nodes if not node.failed], patience)
        return nodes
    finally:
        ray.cloudpickle.unregister_pickle_by_value(by_value)


def living():
    """The living nodes as Ray lists them, with nothing of what they have to say themselves."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    alive.sort(key=lambda node: ("node:__internal_head__" not in node["Resources"], node["NodeManagerHostname"]))
    nodes = []
    for number, node in enumerate(alive, 1):
        has = node["Resources"]
        host, cores, memory = node["NodeManagerHostname"], has.get("CPU", 0.0), has.get("memory", 0.0)
        nodes.append(Node(number, host, cores, memory, node["NodeID"]))
    return nodes


def on(node):
    """The options of a task or an actor that has to run on this node, even if no core is free there."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False)}


def ask(nodes, env, patience):
    """Fill in what each node says of itself, all at the same time."""
    import ray

    answers = [ray.remote(here).options(**on(node), max_retries=0).remote(env) for node in nodes]
    ray.wait(answers, num_returns=len(answers), timeout=patience)
    for node, answer in zip(nodes, answers):
        try:
            for name, value in ray.get(answer, timeout=0).items():
                setattr(node, name, value)
        except ray.exceptions.GetTimeoutError:
            ray.cancel(answer, force=True)
            node.failed = f"no answer within {patience:g} s"
        except ray.exceptions.RayError as error:
            node.failed = f"no answer ({last_line(error)})"


def measure(nodes, patience):
    """Time messages from every node to the first one, one node after the other. A single node sends to itself."""
    import ray

    if not nodes:
        return
    echo = ray.remote(Echo).options(**on(nodes[0])).remote()
    try:
        for node in nodes[1:] or nodes:
            timed = ray.remote(throw).options(**on(node), max_retries=0).remote(echo)
            try:
                node.latency, node.bandwidth = ray.get(timed, timeout=patience)
            except ray.exceptions.RayError as error:  # a time-out is one, too
                ray.cancel(timed, force=True)
                node.failed = f"no way to node {nodes[0].number} ({last_line(error)})"
    finally:
        ray.kill(echo)


def last_line(error):
    """What an error of Ray says, without the traceback that comes before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


# Judging -------------------------------------------------------------------------------------------------------


def room(nodes):
    """How many workers fit: one on each whole core, but for the core of the parameters -> int."""
    return max(0, sum(int(node.cores) for node in nodes if not node.failed) - 1)


def judge(nodes, ours):
    """Compare what nodes have with what this process has (`here`) -> (faults, warnings), sentences.

    With a fault, a run on this cluster would fail. With a warning it may give other numbers, or others may disturb it.
    """
    faults = together(nodes, lambda node: faults_of(node, ours))
    warnings = together(nodes, lambda node: warnings_of(node, ours))
    if not room(nodes):
        cores = count(sum(node.cores for node in nodes), "{n:g} core", "{n:g} cores")
        faults.append(f"No room for a worker: it needs one core and the parameters another, and there is {cores}.")
    return faults, warnings


def together(nodes, say_of):
    """What is said of each node, where the same is said of several of them only once -> list of sentences."""
    said = {}
    for node in nodes:
        for sentence in say_of(node):
            said.setdefault(sentence, []).append(node.number)
    return [f"{called(numbers, len(nodes))}: {sentence}" for sentence, numbers in said.items()]


def called(numbers, total):
    """Nodes by their numbers -> str.

    >>> called([2], 3), called([1, 3], 3), called([1, 2, 3], 3)
    ('Node 2', 'Nodes 1, 3', 'All nodes')
    """
    if len(numbers) == total > 1:
        return "All nodes"
    return f"Node{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def faults_of(node, ours):
    """What makes a run on this node impossible, as ends of sentences."""
    if not node.versions:
        yield f"{node.failed}."
        return
    for name, same in (("Python", minor), ("ray", str)):
        theirs, mine = node.versions[name], ours["versions"][name]
        if same(theirs) != same(mine):
            yield f"{name} {theirs or 'of no version'}, but {mine} in this process; use the same version."
    missing = [name for name in ("torch", "gymnasium") if not node.versions[name]]
    for name in missing:
        yield f"no {name}; install {name}=={public(ours['versions'][name])} there."
    if node.failed and not missing:  # what is missing is the reason
        yield f"{node.failed}."
    elif node.digest and node.digest != ours["digest"]:
        yield "another rlkit than in this process; remove the one that is installed there."


def warnings_of(node, ours):
    """What makes a run on this node different, as ends of sentences."""
    if not node.versions:
        return
    if not node.versions["ale-py"]:
        yield "no ale-py, so no Atari games."
    for name in ("torch", "gymnasium", "ale-py"):
        theirs, mine = public(node.versions[name]), public(ours["versions"][name])
        if theirs and mine and theirs != mine:
            yield f"{name} {theirs}, but {mine} in this process; the numbers of a run may differ."
    if not node.token:
        yield "no token is asked for, so whoever reaches a port of Ray can run any program; set RAY_AUTH_MODE=token."


def minor(version):
    """ "3.11.7" -> "3.11" """
    return ".".join(version.split(".")[:2])


def public(version):
    """ "2.13.0+cpu" -> "2.13.0": the builds for a CPU and for a GPU are the same version."""
    return version.partition("+")[0]


# Saying --------------------------------------------------------------------------------------------------------


def table(nodes):
    """What each node has, a line for each, its columns in line -> list of str."""
    rows = []
    for node in nodes:
        row = [f"node {node.number}", node.host, count(node.cores, "{n:g} core", "{n:g} cores")]
        row += [f"{node.memory / 2**30:.1f} GiB"]
        row += [f"{name} {version or '-'}" for name, version in node.versions.items()]
        if node.latency is not None:
            row += [f"{1000 * node.latency:.1f} ms to node 1 and back", f"{node.bandwidth / 1e6:,.0f} MB/s"]
        rows.append(row)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows), default=0))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
