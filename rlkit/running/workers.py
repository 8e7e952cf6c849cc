"""Supervised worker processes: their messages and their failures arrive here, and none of them is left behind.

They are spawned, not forked: a fork copies torch's locks without the threads that would release them, and hangs. So a
worker starts by importing torch, which takes seconds. What it runs must be importable: a function in a module, not one
from a notebook's cell (`rlkit.running.importable`). Nothing here knows what is computed.
"""

import math
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait

import torch

from rlkit.running.importable import Later

GRACE = 1.0  # seconds that a worker has to end, or to say where it is
STARTUP = 60.0  # seconds that it has to start: to import what it needs and to send its first message
TURN = 5.0  # seconds of that which it may need a core for itself: with many workers on few cores, each waits its turn
UNGUARDED = 73  # exit code of a worker that was told to start workers while it imported the script
NO_ANSWER = "It did not say where it was, as it cannot while Python starts, when it is stopped, or inside native code."
CRASHED = "crashed in native code", "set the environment variable PYTHONFAULTHANDLER=1 and run it again to see where"
HOW = {  # signal: what happened, and what may help
    "SIGKILL": ("was killed, probably because memory ran out", "try fewer workers, or a smaller replay"),
    "SIGBUS": ("crashed, probably because shared memory is full", "give the container a larger --shm-size"),
    "SIGXCPU": ("used up the CPU time that it may take", "raise the limit, see ulimit -t"),
    **dict.fromkeys(["SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"], CRASHED),
}


class WorkerError(RuntimeError):
    """A worker failed; the message names it, and holds its traceback or how it died."""


def supervise(work, jobs, idle=0.5, heartbeat=math.inf, go_on=False):
    """Run `work(send, *job)` in one process for each of `jobs`, and yield what they `send`, as it arrives.

    Yields None when nothing came for `idle` seconds, so that the caller can stop while workers start. Ends when all
    workers have finished. Raises WorkerError when one failed, did not start in time, or has then sent nothing for
    `heartbeat` seconds. Only time in which this process listens counts as silence. With `go_on` that error is yielded
    like a message, and raised only when no worker is left and none has finished.

    However it ends (closed, interrupted or killed), the workers end too: at their next `send`, or otherwise within a
    second; if they are still importing, when that is done. Send NumPy arrays, not tensors: each tensor would travel as
    a file of shared memory.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker imports the script, down to here
        raise SystemExit(UNGUARDED)
    workers = []
    startup = max(STARTUP, TURN * len(jobs) / (os.cpu_count() or 1))
    try:
        for number, job in enumerate(jobs):
            try:
                workers.append(Worker(work, job, number, startup, heartbeat))
                workers[-1].start()
            except OSError as error:  # too many open files or processes
                raise WorkerError(f"Worker {number} could not be started: {error}; use fewer workers.") from error
        yield from listen(list(workers), idle, go_on)
    finally:
        shut_down(workers)


def listen(running, idle, go_on):
    """The loop of `supervise`: yield messages until all `running` workers have ended."""
    finished = False
    while running:
        began = time.monotonic()
        ready = wait([end for worker in running for end in (worker.pipe, worker.process.sentinel)], idle)
        # No more than `idle`: if it took longer, this process was stopped, and perhaps the workers too.
        passed = min(time.monotonic() - began, idle)
        for worker in list(running):
            worker.silence += passed
            try:
                kind, content = worker.receive(ready)
                if kind == "message":
                    yield content
                elif kind == "done":
                    running.remove(worker)
                    finished = True
            except WorkerError as error:
                running.remove(worker)
                if not go_on or not (running or finished):
                    raise
                for other in running:
                    other.silence = 0.0  # it may have waited for this one
                yield error
        if not ready:
            yield None


def shut_down(workers):
    """End all workers: those that do not end by themselves in two seconds are killed."""
    with interrupts_later():
        for worker in workers:
            worker.pipe.close()  # tells it to end
        deadline = time.monotonic() + 2 * GRACE
        for process in (worker.process for worker in workers):
            if process.pid is not None:
                process.join(max(0.0, deadline - time.monotonic()))
                process.kill()  # does nothing to one that has ended
                process.join(GRACE)


class Worker:
    """A worker process, as its parent sees it."""

    def __init__(self, work, job, number, startup, heartbeat):
        spawn = multiprocessing.get_context("spawn")
        self.pipe, self.theirs = spawn.Pipe()  # a queue shared by all workers would stay locked if one died inside it
        self.name, args = f"Worker {number}", (self.theirs, Later(work, job))
        self.process = spawn.Process(target=run, args=args, name=self.name, daemon=True)
        self.startup, self.heartbeat, self.started = startup, heartbeat, False
        self.silence = 0.0  # seconds since its last message

    def start(self):
        limit_reads(self.pipe, self.heartbeat)
        start_process(self.process)
        self.theirs.close()  # now only the worker holds it, so when the worker ends we read the end of the file

    def receive(self, ready):
        """Its next message, ("message" or "done", content), or (None, None). Raises WorkerError if none will come."""
        kind, content = None, None
        if self.pipe in ready or self.process.exitcode is not None:
            kind, content = self.read()
        elif self.silence > (self.heartbeat if self.started else self.startup):
            kind, content = self.ask()
        if kind == "failure":
            raise WorkerError(f"{self.name} failed: {content}")
        if kind == "end":
            self.process.join(GRACE)
            raise WorkerError(f"{self.name} {how_it_ended(self.process.exitcode)}")
        if kind in ("message", "done"):
            self.started, self.silence = True, 0.0
        return kind, content

    def read(self):
        """What it sent last can arrive after it has died, so look in the pipe before the exit code."""
        try:
            return self.pipe.recv() if self.pipe.poll() else ("end", None)
        except BlockingIOError:
            raise WorkerError(f"{self.hangs()} It stopped in the middle of a message.") from None
        except (EOFError, OSError):  # all was read, or (OSError) it died in the middle of a message
            return "end", None

    def ask(self):
        """Ask a silent worker where it is. Raises WorkerError, unless it sends something else after all."""
        with suppress(OSError):
            self.pipe.send("where")
        kind, content = self.read() if self.pipe.poll(GRACE) else ("where", NO_ANSWER)
        if kind == "where":
            raise WorkerError(f"{self.hangs()} {content}")
        return kind, content

    def hangs(self):
        """End it -> a sentence that says why."""
        self.process.kill()
        if self.started:
            return (
                f"{self.name} hangs: it sent nothing for {self.heartbeat:g} s and was ended. If a step of its "
                "environment takes that long, use a larger heartbeat."
            )
        return (
            f"{self.name} did not start within {self.startup:.0f} s and was ended. Its imports, and making and "
            "resetting its environment, must not take that long."
        )


def limit_reads(pipe, seconds):
    """Let a read fail that waits this long for the rest of a message: its sender was stopped in the middle of it."""
    if hasattr(socket, "socketpair") and os.name != "nt" and math.isfinite(seconds):
        with socket.socket(fileno=os.dup(pipe.fileno())) as ours:
            ours.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
            )


@contextmanager
def interrupts_later():
    """An interrupt waits until the end: halfway through `start_process` or `shut_down` it would leave processes behind.

    Blocking the signal is not enough, because another thread of this process, as a notebook has several, may take it.
    """
    if threading.current_thread() is not threading.main_thread():  # interrupts never arrive here
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *signal_and_frame: came.append(signal_and_frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def start_process(process):
    """Start a worker that ignores interrupts: Ctrl-C goes to the whole process group, but is meant for the parent."""
    with interrupts_later():
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return process.start()
        resource_tracker.ensure_running()  # otherwise `start` would do it, which unblocks the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: holds while torch is imported
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(code):
    """What an exit code says about a worker that ended before its work did, and what may help."""
    if code == UNGUARDED:
        return (
            'imported the script, which starts workers itself; put what starts them below `if __name__ == "__main__":`.'
        )
    if code is None:
        return "closed its connection and was ended; look for what its environment does to open files."
    if code >= 0:
        return f"ended early, with exit code {code} and no message; look at what it printed, and for os._exit."
    name = next((s.name for s in signal.Signals if s == -code), "another signal")
    how, cure = HOW.get(name, ("was ended from outside", "run it again"))
    return f"{how} (exit code {code}: {name}); {cure}."


# In the worker ----------------------------------------------------------------------------------------------------


def run(pipe, later):
    """What a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sending = threading.Lock()

    def send(content, kind="message"):
        try:
            with sending:
                pipe.send((kind, content))
        except (BrokenPipeError, ConnectionResetError):  # the parent has closed its end
            raise SystemExit from None  # a clean way out: locks are released

    threading.Thread(target=attend, args=(pipe, send), daemon=True).start()
    torch.set_num_threads(1)  # the other cores are for the other workers
    try:
        work, job = later.open()
        work(send, *job)
        send(None, "done")
    except BaseException as error:  # also sys.exit, which an environment may call
        send(in_words(error), "failure")


def in_words(error):
    """An exception: first what it is, then its traceback from the work on, with its notes."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__.tb_next))
    what = f"{type(error).__name__}: {error}".removesuffix(": ").splitlines()[0]
    if isinstance(error, SystemExit):
        what = "something called sys.exit, which an environment must not do."
    return f"{what}\n\n{trace}"


def attend(pipe, send):
    """A second thread of the worker: says where the first one is when the parent asks, and ends with the parent."""
    parent = multiprocessing.parent_process()
    with suppress(EOFError, OSError):
        while parent.pid == os.getppid():  # a killed parent cannot say goodbye
            if pipe in wait([pipe, parent.sentinel], GRACE):
                pipe.recv()  # EOFError: the parent has closed its end
                frame = sys._current_frames()[threading.main_thread().ident]
                send("It was here:\n\n" + "".join(traceback.format_stack(frame, limit=6)), "where")
    time.sleep(GRACE)
    os._exit(0)
