"""rlkit.running.workers: messages arrive, failures are reported, and no process is left behind, however a run ends."""

import functools
import importlib.util
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import types
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import PATIENCE, one_line

from rlkit.running import memory
from rlkit.running.importable import check_workers
from rlkit.running.workers import WorkerError, supervise

module = sys.modules["rlkit.running.workers"]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
pids = []  # of the workers in this test


@pytest.fixture(autouse=True)
def nobody_left():
    pids.clear()
    yield
    assert multiprocessing.active_children() == []
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    if os.name == "nt":  # on Windows, this signal would end it
        return False
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"  # dead, but its new parent has not read its exit code yet
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # not on Linux
        return not Path("/proc/self/stat").exists()


def received(work, jobs):
    """All messages of workers. Their first ones, the process ids, are kept in `pids`."""
    messages = []
    for message in supervise(work, jobs):
        if isinstance(message, dict):
            pids.append(message["pid"])
        elif message is not None:
            messages.append(message)
            yield message


# What the workers do: at the top level of a module, so that they can import it


def count(send, name, numbers):
    os.kill(os.getpid(), signal.SIGINT) if os.name != "nt" else None  # workers ignore it
    send({"pid": os.getpid()})
    send((name, "threads", torch.get_num_threads()))
    for number in range(numbers):
        send((name, number, np.full(50_000, number)))  # more than fits into a pipe


def fail(send, how):
    send({"pid": os.getpid()})
    if how == "stuck":
        time.sleep(1000)
    send("last words")
    if how == "raise":
        raise ValueError("no such state")
    if how == "sys.exit":
        sys.exit(0)
    if how.startswith("exit"):
        os._exit(int(how.split()[1]))
    os.kill(os.getpid(), signal.Signals[how])


def for_ever(send):
    send({"pid": os.getpid()})
    while True:
        send("again")


# What the parent sees


def test_messages_arrive_in_order_and_whole():
    messages = []
    thread = threading.Thread(target=lambda: messages.extend(received(count, [("a", 3), ("b", 5)])))
    thread.start()  # as `Run` does: no signal handler can be set in a thread
    thread.join()
    assert len(pids) == 2
    assert [value for _, what, value in messages if what == "threads"] == [1, 1]
    arrays = [(name, what, value) for name, what, value in messages if what != "threads"]
    assert all((value == what).all() for _, what, value in arrays)
    assert [what for name, what, _ in arrays if name == "a"] == [0, 1, 2]
    assert [what for name, what, _ in arrays if name == "b"] == [0, 1, 2, 3, 4]


def test_an_exception_brings_its_traceback_and_ends_the_others():
    with pytest.raises(WorkerError, match=r"(?s)^Worker 1 failed: ValueError: no such state\n\n.*in fail\n"):
        list(received(fail, [("stuck",), ("raise",)]))


def test_on_request_the_others_continue_whatever_happens_to_one_and_its_last_messages_arrive():
    jobs = [("raise",), ("SIGKILL" if os.name != "nt" else "exit 1",), ("exit 0",), ("sys.exit",), ("a", 3)]
    errors, messages = [], []
    for message in supervise(either, jobs, idle=600.0, go_on=True):  # noticed at once, not after `idle`
        if isinstance(message, WorkerError):
            errors.append(str(message))
        elif isinstance(message, dict):
            pids.append(message["pid"])
        else:
            messages.append(message)
    one, two, three, four = sorted(errors)
    assert one.startswith("Worker 0 failed: ValueError: no such state\n\n") and "in fail\n" in one
    assert "rlkit" not in one  # the traceback begins where the work does
    if os.name != "nt":
        assert two.startswith("Worker 1 was killed, probably because memory ran out (exit code -9: SIGKILL)")
    assert three.startswith("Worker 2 ended early, with exit code 0 and no message; ")  # not as if it had finished
    assert four.startswith("Worker 3 failed: something called sys.exit, which") and "in fail\n" in four
    assert messages.count("last words") == 4 and len(pids) == 5
    assert [message[1] for message in messages if message[0] == "a"] == ["threads", 0, 1, 2]


@posix
def test_a_dead_workers_exit_code_is_put_into_words():
    told = {
        3: "ended early, with exit code 3 and no message; look at what it printed",
        None: "closed its connection and was ended",
        -signal.SIGKILL: "was killed, probably because memory ran out (exit code -9: SIGKILL); try fewer workers",
        -signal.SIGTERM: "was ended from outside (exit code -15: SIGTERM); run it again.",
        -signal.SIGSEGV: "crashed in native code (exit code -11: SIGSEGV); set the environment variable PYTHONFAULTH",
        -signal.SIGBUS: "crashed, probably because shared memory is full (exit code",
        -50: "was ended from outside (exit code -50: another signal)",
    }
    for code, words in told.items():
        assert module.how_it_ended(code).startswith(words) and module.how_it_ended(code).endswith(".")


def either(send, what, *more):
    (count if more else fail)(send, what, *more)


def test_closing_early_ends_the_workers():
    messages = received(for_ever, [()])
    assert next(messages) == "again"
    messages.close()
    assert len(pids) == 1


def test_closing_before_the_workers_have_started():
    messages = supervise(for_ever, [()], idle=0.01)
    assert next(messages) is None
    assert len(multiprocessing.active_children()) == 1
    messages.close()


def test_an_interrupt_ends_the_workers():
    with pytest.raises(KeyboardInterrupt):
        for _ in received(for_ever, [()]):
            signal.raise_signal(signal.SIGINT)
    assert len(pids) == 1


def test_a_function_that_no_worker_can_import_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="A worker cannot be given a lambda.*top level of a .py file"):
        next(supervise(lambda send: None, [()]))

    def from_a_cell(send):
        pass

    from_a_cell.__module__, from_a_cell.__qualname__ = "__main__", "from_a_cell"
    program = sys.modules["__main__"]  # it has a file, unless xdist started it
    monkeypatch.setattr(program, "__spec__", importlib.util.find_spec("pytest.__main__"))
    monkeypatch.setattr(program, "from_a_cell", from_a_cell, raising=False)
    with pytest.raises(WorkerError, match="(?s)A worker cannot find this.*from_a_cell.*top level of a .py file"):
        list(supervise(from_a_cell, [()]))


NOTEBOOK = """
import functools
class Env:
    def make(self): pass
class Maker:
    def __call__(self): pass
def work(send): pass
def outer():
    def inner(): pass
    return inner
things = {
    "work": work, "Env": Env, "Maker": Maker(), "inner": outer(), "a lambda": lambda: None,
    "work ": functools.partial(work, 1), "Env ": Env().make, "Env  ": functools.partial(dict, env=[Env()]),
}
"""


def test_what_a_notebook_defines_is_refused_wherever_it_hides(monkeypatch):
    notebook = types.ModuleType("__main__")
    exec(NOTEBOOK, vars(notebook))
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    resource_tracker.ensure_running()  # it is no worker
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", lambda *args: pytest.fail("it was started"))
    for name, thing in notebook.things.items():
        with pytest.raises(ValueError, match=f"cannot be given {name.strip()}, .*top level of a .py file") as error:
            check_workers(1, thing)
        one_line(error)
        with pytest.raises(ValueError, match=f"cannot be given {name.strip()}, "):
            next(supervise(count, [(1, {"env": (thing,)})]))
    notebook.__file__ = "a_script.py"  # a worker can import that
    check_workers(1, notebook.work)


def test_what_cannot_be_pickled_is_refused_in_one_sentence():
    for thing in (threading.Lock(), sys, (n for n in range(3))):
        with pytest.raises(
            ValueError, match="cannot be given this: cannot pickle .* object. Let the function"
        ) as error:
            check_workers(1, functools.partial(count, thing))
        one_line(error)


def test_more_workers_than_the_memory_can_hold_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2**30)
    check_workers(9, "CartPole-v1")
    with pytest.raises(
        ValueError, match="num_workers=10 needs 0.98 GiB, .* only 1.00 GiB more; use fewer workers"
    ) as error:
        check_workers(10, "CartPole-v1")
    one_line(error)


def test_more_workers_than_the_system_allows_are_refused_and_the_others_end(monkeypatch):
    started = []

    def start_process(process):
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(real(process))

    real = module.start_process
    monkeypatch.setattr(module, "start_process", start_process)
    with pytest.raises(WorkerError, match="Worker 1 could not be started: .*unavailable; use fewer workers") as error:
        next(supervise(for_ever, [(), ()]))
    one_line(error)


# Silence ----------------------------------------------------------------------------------------------------


class Puppet:
    """A worker without a process. The test moves it, and the clock."""

    def __init__(self, target, args, name, daemon):
        self.theirs, self.name, self.killed = args[0], name, False
        self.pid, self.exitcode = None, None
        self.sentinel, self.life = multiprocessing.Pipe(duplex=False)

    def start(self):
        self.pid = 1
        self.theirs = Connection(os.dup(self.theirs.fileno()))

    def send(self, content, kind="message"):
        self.theirs.send((kind, content))

    def join(self, timeout=None):
        pass

    def kill(self):
        self.killed = True

    def says_where_it_is(self):
        assert self.theirs.recv() == "where"
        self.send("It was here: line 7", "where")


@pytest.fixture
def puppets(monkeypatch):
    """`begin(number, **options)` -> what `supervise` yields, and the workers. Each None that it yields is a second."""
    made, clock = [], SimpleNamespace(now=1000.0)
    spawn = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=lambda **how: made.append(Puppet(**how)) or made[-1])
    monkeypatch.setattr(module.multiprocessing, "get_context", lambda kind: spawn)
    monkeypatch.setattr(module, "start_process", lambda process: process.start())
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=time.sleep))
    monkeypatch.setattr(module, "GRACE", 0.01)
    monkeypatch.setattr(module, "STARTUP", 60.0)

    def wait_a_second(ends, seconds):
        ready = wait(ends, 0)
        clock.now += 0 if ready else seconds
        return ready

    def begin(number, **options):
        messages = supervise(count, [()] * number, idle=1.0, **options)
        assert next(messages) is None
        return messages, made

    monkeypatch.setattr(module, "wait", wait_a_second)
    clock.begin = begin
    return clock


def seconds(messages, number):
    assert [next(messages) for _ in range(number)] == [None] * number


@posix
def test_a_worker_that_is_silent_for_longer_than_a_heartbeat_is_named_and_ended(puppets):
    messages, (one, other) = puppets.begin(2, heartbeat=5.0)
    one.send("ready"), other.send("ready")
    assert [next(messages), next(messages)] == ["ready"] * 2
    seconds(messages, 4)
    one.send("here")
    assert next(messages) == "here"
    seconds(messages, 1)
    assert not other.killed
    with pytest.raises(
        WorkerError,
        match="Worker 1 hangs: it sent nothing for 5 s and was ended.*larger heartbeat.*did not say where it was",
    ) as e:
        next(messages)
    one_line(e)
    assert one.killed and other.killed


@posix
def test_a_worker_may_be_silent_while_it_starts_but_not_for_ever_whatever_the_heartbeat(puppets):
    for heartbeat in (5.0, 500.0):
        messages, made = puppets.begin(1, heartbeat=heartbeat)
        seconds(messages, 59)
        with pytest.raises(WorkerError, match="Worker 0 did not start within 60 s and was ended. Its imports") as e:
            next(messages)
        one_line(e)
        assert made[-1].killed


@posix
def test_many_workers_on_few_cores_have_longer_to_start(puppets, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    messages, _ = puppets.begin(30)
    seconds(messages, 74)
    with pytest.raises(WorkerError, match="Worker 0 did not start within 75 s"):
        next(messages)


@posix
def test_a_silent_worker_is_asked_where_it_is(puppets):
    messages, (one,) = puppets.begin(1, heartbeat=5.0)
    one.send("ready")
    assert next(messages) == "ready"
    seconds(messages, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GRACE", 10.0)
        answer = threading.Thread(target=one.says_where_it_is)
        answer.start()
        seconds(messages, 1)
        with pytest.raises(WorkerError, match="Worker 0 hangs: .*It was here: line 7"):
            next(messages)
        answer.join()
    assert one.killed


@posix
def test_a_worker_that_sends_something_when_it_is_asked_does_not_hang(puppets, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 10.0)
    messages, (one,) = puppets.begin(1, heartbeat=5.0)
    one.send("ready")
    assert next(messages) == "ready"
    seconds(messages, 5)

    def answer():
        one.theirs.recv()
        one.send("after all")
        one.send("It was here", "where")

    thread = threading.Thread(target=answer)
    thread.start()
    assert next(messages) == "after all" and not one.killed
    thread.join()
    one.send("and more")
    assert next(message for message in messages if message) == "and more" and not one.killed
    messages.close()


@posix
def test_a_worker_that_is_stopped_in_the_middle_of_a_message_does_not_block_the_parent(puppets):
    messages, (one,) = puppets.begin(1, heartbeat=0.2)
    os.write(one.theirs.fileno(), struct.pack("!i", 1_000) + b"the first bytes of a thousand")
    with pytest.raises(WorkerError, match="Worker 0 .* was ended.* It stopped in the middle of a message.") as e:
        next(messages)
    one_line(e)
    assert one.killed


@posix
def test_without_a_heartbeat_silence_is_no_failure(puppets):
    messages, (one,) = puppets.begin(1)
    one.send("ready")
    assert next(messages) == "ready"
    seconds(messages, 1_000)
    messages.close()


@posix
def test_only_time_in_which_the_parent_listens_counts_as_silence(puppets, monkeypatch):
    messages, (one, other) = puppets.begin(2, heartbeat=5.0)
    one.send("ready"), other.send("ready")
    assert [next(messages), next(messages)] == ["ready"] * 2
    one.send("here")
    assert next(messages) == "here"
    puppets.now += 60.0  # the parent evaluates, for instance
    seconds(messages, 4)
    listen = module.wait

    def stopped(ends, seconds):
        puppets.now += 60.0  # Ctrl-Z stopped all of them, and they have just been continued
        return listen(ends, seconds)

    monkeypatch.setattr(module, "wait", stopped)
    seconds(messages, 1)
    assert not (one.killed or other.killed)
    messages.close()


@posix
def test_after_a_failure_the_others_get_a_new_heartbeat_and_may_still_be_starting(puppets):
    messages, (one, waiting, starting) = puppets.begin(3, heartbeat=5.0, go_on=True)
    one.send("ready"), waiting.send("ready")
    assert [next(messages), next(messages)] == ["ready"] * 2
    seconds(messages, 4)
    one.send("its traceback", kind="failure")
    assert "Worker 0 failed" in str(next(messages))
    seconds(messages, 5)  # a worker may have waited for a lock that the dead one held
    assert "Worker 1 hangs" in str(next(messages)) and waiting.killed
    with pytest.raises(WorkerError, match="Worker 2 did not start within 60 s"):  # now no worker is left
        seconds(messages, 59)
        assert not starting.killed
        seconds(messages, 2)


@posix
def test_a_failure_after_others_have_finished_does_not_spoil_what_they_did(puppets):
    messages, (one, other) = puppets.begin(2, go_on=True)
    one.send(None, kind="done")
    other.send("its traceback", kind="failure")
    assert "Worker 1 failed" in str(next(messages))
    assert list(messages) == []


PARENT = """
import sys
from test_workers import for_ever, supervise
if __name__ == "__main__":
    try:
        for message in supervise(for_ever, [()], idle=0.05):
            print("starting", flush=True)  # the test now interrupts the whole process group
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    for message in supervise(for_ever, [()]):
        if isinstance(message, dict):
            print(message["pid"], flush=True)  # the test now kills this process
"""


@posix
def test_ctrl_c_while_starting_is_silent_and_a_killed_parent_leaves_no_worker(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout.readline() == "starting\n"
        os.killpg(parent.pid, signal.SIGINT)
        lines = iter(parent.stdout.readline, "")
        assert next(line for line in lines if line != "starting\n") == "interrupted\n"
        worker = int(next(lines))
        assert alive(worker)
        parent.kill()
        assert "Traceback" not in parent.stderr.read()  # the pipe ends when the last process that holds it has ended
    pids.append(worker)
    deadline = time.monotonic() + PATIENCE
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)


UNGUARDED = """
from test_workers import for_ever, supervise
print("imported", flush=True)
next(supervise(for_ever, [()], idle=600.0))
"""


def test_a_script_that_starts_workers_while_it_is_imported_is_told_how_to_mend_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    run = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert run.stdout.splitlines() == ["imported", "imported"]  # by the parent and by its worker, and no more
    assert run.stderr.count("Traceback") == 1  # the worker prints none
    told = "Worker 0 imported the script, which starts workers itself; put what starts them below `if __name__"
    assert told in run.stderr.splitlines()[-1]
