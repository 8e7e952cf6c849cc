"""Files that are whole or not there at all, and that only one run at a time writes."""

import contextlib
import errno
import os
import re
import shutil
import warnings
from pathlib import Path

from filelock import FileLock, Timeout

from rlkit.running.messages import brief


def as_path(path):
    """A path from text or from a Path. Raises ValueError for anything else."""
    if not isinstance(path, str | os.PathLike) or "\0" in os.fspath(path):
        raise ValueError(f"{brief(path)} is not the name of a file; give it as text, as in 'dqn.pt'.")
    return Path(path)


def writable(path):
    """The path, if a file can be written there. Otherwise raise ValueError now, not after an hour of training."""
    path = as_path(path)
    folder = Path(os.path.realpath(path)).parent  # where a link leads
    if path.exists() and not path.is_file() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"Nothing can be written to {path}; name a file in a folder that exists and is writable.")
    return path


@contextlib.contextmanager
def hold(path, wait=0.0):
    """Inside, nobody else holds `path`: no other process, and no other run in this one.

    The system itself takes the lock from a process that dies. Raises ValueError if someone else holds it for longer
    than `wait` seconds.
    """
    lock = FileLock(f"{os.path.realpath(path)}.lock", thread_local=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise ValueError(f"Another run is writing {path}; wait until it has ended, or name another file.") from None
    except OSError as error:  # some network folders have no locks
        warnings.warn(f"{path} cannot be locked ({error}); make sure that no other run writes it.", stacklevel=3)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes it by itself
            if lock.is_locked:
                os.unlink(lock.lock_file)  # still locked, so nobody else holds it
        lock.release()


def write_whole(path, data):
    """Write bytes to `path`: beside it first, then moved into place, so a crash leaves the old file whole.

    The caller holds `path`. So what others left unfinished beside it is from dead processes, and is removed.
    Raises OSError, in a sentence, if the disk is full.
    """
    place = Path(os.path.realpath(path))
    unfinished = place.with_name(f"{place.name}.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)  # someone may have moved the folder during the run
        for name in os.listdir(place.parent):
            if re.fullmatch(rf"{re.escape(place.name)}\.\d+\.tmp", name):
                place.with_name(name).unlink(missing_ok=True)
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, place)
    except OSError as error:
        cure = "name another file"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = shutil.disk_usage(place.parent).free
            room = f"it needs {len(data) / 2**20:.1f} MiB, and {free / 2**20:.1f} MiB are free"
            cure = f"{room}; make room, or name another folder"
        reason = error.strerror or error
        raise OSError(f"{path} was not written, and what was there before is whole ({reason}): {cure}.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
