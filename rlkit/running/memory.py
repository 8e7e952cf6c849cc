"""How much memory this process may still take: the lowest limit of the machine, the container and `ulimit`."""

import contextlib
import math
import os
import shutil
from pathlib import Path

SMALL = 16 * 2**20  # bytes that are not worth a look: asking the system takes longer than making a small agent


def available_memory():
    """Bytes, or None if the system does not say."""
    limits = [container_memory(), machine_memory(), process_memory()]
    return min((limit for limit in limits if limit is not None), default=None)


def machine_memory():
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # macOS: the whole memory, not what is free
    except (AttributeError, ValueError, OSError):
        return None  # Windows


def process_memory():
    """What `ulimit -v` and `ulimit -d` still allow; None without such a limit."""
    left = []
    with contextlib.suppress(ImportError, OSError):  # Windows has none, and macOS does not say what is in use
        import resource

        pages = [int(count) for count in Path("/proc/self/statm").read_text().split()]
        for name, used in (("RLIMIT_AS", pages[0]), ("RLIMIT_DATA", pages[5])):
            limit, _ = resource.getrlimit(getattr(resource, name))
            if limit != resource.RLIM_INFINITY:
                left.append(max(0, limit - used * resource.getpagesize()))
    return min(left, default=None)


def container_memory(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """What control groups still allow, versions 2 and 1. Neither psutil nor np.zeros notices a container's limit."""
    left = []
    for group in control_groups(root, own):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            try:
                limit, usage = ((group / name).read_text().strip() for name in (limit, usage))
                stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            except OSError:
                continue
            if limit != "max":
                cache = stat.get("total_inactive_file", stat.get("inactive_file", 0))  # given back when it is needed
                left.append(max(0, int(limit) - int(usage) + int(cache)))
    return min(left, default=None)


def control_groups(root, own):
    """The folders of this process's control group and of every group above it."""
    try:
        lines = Path(own).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" or "memory" in controllers.split(","):
            top = Path(root) if number == "0" else Path(root, "memory")
            group = top / path.lstrip("/")
            yield from (group, *(parent for parent in group.parents if parent.is_relative_to(top)))


def require_rollout(envs, num_steps):
    """Raise ValueError if `num_steps` steps in each environment do not fit: as rows, stacked, and in random order."""
    row = math.prod(envs.obs_shape) * envs.obs_dtype.itemsize + 100
    what = f"Learning from {num_steps} steps of {envs.num_envs} environments at a time"
    require_memory(3 * num_steps * envs.num_envs * row, what, "fewer of them")


def require_memory(num_bytes, what, cure):
    """Raise ValueError before the allocation: np.zeros would succeed, and the process would be killed much later."""
    if num_bytes < SMALL:
        return
    available = available_memory()
    if available is not None and num_bytes > 0.9 * available:
        raise ValueError(
            f"{what} needs {num_bytes / 2**30:.2f} GiB, but this process may take only {available / 2**30:.2f} GiB "
            f"more; use {cure}."
        )


def require_shared_memory(num_bytes, folder="/dev/shm"):
    """Raise ValueError before the allocation: if shared memory is full, a process dies of a bare bus error."""
    if Path(folder).is_dir():
        total, _, free = shutil.disk_usage(folder)
        if num_bytes > free:
            raise ValueError(
                f"The workers need {num_bytes / 2**20:.1f} MiB of shared memory, but only {free / 2**20:.1f} of the "
                f"{total / 2**20:.1f} MiB at {folder} are free; use a smaller network, or start the container with a "
                "larger --shm-size."
            )
