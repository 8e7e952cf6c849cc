"""Supervised worker processes: their messages and their failures arrive here, and none of them is left behind.

They are spawned, not forked: a fork copies torch's locks without the threads that would release them, and hangs. So a
worker starts by importing torch, which takes seconds. What it runs must be importable: a function in a module, not one
from a notebook's cell. Nothing here knows what is computed.
"""

import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler

import torch

GRACE = 1.0  # seconds that a worker has to end
STARTUP = 60.0  # seconds that it has to start before its silence counts
IMPORTABLE = "Define it at the top level of a .py file: a worker imports what it needs, and a notebook has no file."


class WorkerError(RuntimeError):
    """A worker failed; the message names it and holds its traceback, or how it died."""


def supervise(work, jobs, idle=0.5, heartbeat=math.inf, go_on=False):
    """Run `work(send, *job)` in one process for each of `jobs`, and yield what they `send`, as it arrives.

    Yields None when nothing came for `idle` seconds, so that the caller can stop while workers start. Ends when all
    workers have ended. Raises WorkerError when one failed, or has sent nothing for `heartbeat` seconds. With `go_on`
    that error is yielded like a message, and raised only when no worker is left.

    However it ends (closed, interrupted or killed), the workers end too: at their next `send`, or otherwise within a
    second. Send NumPy arrays, not tensors: each tensor would travel as a file of shared memory.
    """
    check_importable(work, jobs)
    workers = {}  # our end of its pipe -> process; a queue shared by all would stay locked if one died inside it
    try:
        for number, job in enumerate(jobs):
            add_worker(workers, work, job, number)
        yield from listen(dict(workers), idle, heartbeat, go_on)
    finally:
        shut_down(workers)


def add_worker(workers, work, job, number):
    """Start one process and add it to `workers`."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=run, args=(theirs, Later(work, job)), name=f"Worker {number}", daemon=True)
    workers[ours] = process  # before it starts, so that `shut_down` ends it whatever happens
    start(process)
    theirs.close()  # now only the worker holds it, so when the worker ends we read the end of the file


def listen(running, idle, heartbeat, go_on):
    """The loop of `supervise`: yield messages until all `running` workers, {pipe: process}, have ended."""
    heard = dict.fromkeys(running, time.monotonic() + STARTUP)  # when each last sent something
    while running:
        ready = wait([*running, *(process.sentinel for process in running.values())], idle)
        now = time.monotonic()  # before the yield: what the caller does with a message is not a worker's silence
        for pipe, process in list(running.items()):
            try:
                if pipe in ready or process.sentinel in ready:
                    kind, content = receive(pipe)
                    heard[pipe] = time.monotonic()
                    if kind == "message":
                        yield content
                        continue
                    check_end(process, kind, content)
                    del running[pipe]
                elif now > heard[pipe] + heartbeat:
                    process.kill()
                    raise WorkerError(
                        f"{process.name} hangs: it sent nothing for {heartbeat:g} s and was ended. If a step of its "
                        "environment takes that long, use a larger heartbeat."
                    )
            except WorkerError as error:
                del running[pipe]
                if not (go_on and running):
                    raise
                for other in running:
                    heard[other] = max(heard[other], time.monotonic())  # they may have waited for this one
                yield error
        if not ready:
            yield None


def shut_down(workers):
    """End all workers, {pipe: process}: those that do not end by themselves in two seconds are killed."""
    for pipe in workers:
        pipe.close()  # tells a worker to end
    deadline = time.monotonic() + 2 * GRACE
    for process in workers.values():
        if process.pid is not None:
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()  # does nothing to one that has ended
            process.join()


def start(process):
    """Start a worker that ignores interrupts: Ctrl-C goes to the whole process group, but is meant for the parent."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return process.start()
    resource_tracker.ensure_running()  # otherwise `start` would do it, which unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited, so it holds while torch is imported
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def receive(pipe):
    """The next message. A worker's last ones can arrive after it has died, so look here before its exit code."""
    try:
        return pipe.recv() if pipe.poll() else ("end", None)
    except (EOFError, OSError):  # all was read, or (OSError) it died in the middle of a message
        return "end", None


def check_end(process, kind, content):
    """Raise WorkerError unless the worker exited cleanly."""
    if kind == "failure":
        raise WorkerError(f"{process.name} failed:\n\n{content}")
    process.join(GRACE)
    code = process.exitcode or 0
    if code < 0:
        how = f"was killed (exit code {code}: {signal.Signals(-code).name}), probably because memory ran out"
        raise WorkerError(f"{process.name} {how}; try fewer workers, or a smaller replay.")
    if code > 0:
        raise WorkerError(
            f"{process.name} ended with exit code {code} and no message; look at what it printed. (A script may start "
            'workers only below `if __name__ == "__main__":`, because each worker imports it.)'
        )


def check_importable(work, jobs):
    """Raise ValueError at once for what a spawned worker could not find: things defined in a notebook or a shell."""
    main = sys.modules["__main__"]
    if getattr(main, "__file__", None) is None and getattr(main, "__spec__", None) is None:
        for thing in (work, *(part for job in jobs for part in flat(job))):
            if callable(thing) and getattr(thing, "__module__", None) == "__main__":
                name = getattr(thing, "__qualname__", type(thing).__qualname__)
                raise ValueError(f"A worker cannot be given {name}, because it was defined here. {IMPORTABLE}")


def flat(job):
    """The values of nested tuples, lists and dicts, as one list."""
    if not isinstance(job, tuple | list | dict):
        return [job]
    return [part for value in (job.values() if isinstance(job, dict) else job) for part in flat(value)]


class Later:
    """Content that is unpickled only when `open` is called, so that a failure there is reported like any other."""

    def __init__(self, *content):
        self.content = content

    def __getstate__(self):
        try:
            return bytes(ForkingPickler.dumps(self.content))  # tensors in shared memory stay shared
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise ValueError(f"A worker cannot be given this: {error}. {IMPORTABLE}") from error

    def __setstate__(self, state):
        self.pickled = state

    def open(self):
        try:
            return pickle.loads(self.pickled)
        except (AttributeError, ImportError) as error:
            raise ImportError(f"A worker cannot find this: {error}. {IMPORTABLE}") from error


def run(pipe, later):
    """What a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, args=(pipe,), daemon=True).start()
    torch.set_num_threads(1)  # the other cores are for the other workers

    def send(content, kind="message"):
        try:
            pipe.send((kind, content))
        except (BrokenPipeError, ConnectionResetError):  # the parent has closed its end
            raise SystemExit from None  # a clean way out: locks are released

    try:
        work, job = later.open()
        work(send, *job)
    except Exception:
        send(traceback.format_exc(), "failure")


def end_with_parent(pipe):
    """End this process soon after its parent closed the pipe, or died: a killed parent cannot say goodbye."""
    wait([pipe, multiprocessing.parent_process().sentinel])  # nothing is ever sent this way, so readable means closed
    time.sleep(GRACE)
    os._exit(0)
