"""How many worker processes fit side by side: cores, the container's limit of CPU time, and memory."""

import os
from contextlib import suppress
from math import inf
from pathlib import Path

from rlkit.running.memory import available_memory, control_groups

MEMORY = 300 * 2**20  # bytes that a process takes with torch, its optimiser and a small agent: 230 to 330 were measured


def processes(most, memory=MEMORY):
    """How many processes can work side by side here, if each takes `memory` bytes -> int, from 1 to `most`."""
    available = available_memory()
    fit = inf if available is None else available // memory
    return int(max(1, min(most, available_cores(), container_cores(), fit)))


def available_cores():
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def container_cores(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """How many cores' time control groups allow, versions 2 and 1 -> float, inf without a limit.

    A container sees all cores of its machine, however little of their time it may take.
    """
    limits = []
    for group in (Path(root, "cpu"), *control_groups(root, own)):  # version 1 mounts a container's own group there
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text().split()
            limits.append(int(quota) / int(period))  # ValueError: the quota is "max"
        with suppress(OSError):
            quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            limits.append(quota / period if quota > 0 else inf)
    return min(limits, default=inf)
