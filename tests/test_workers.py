"""rlkit.running.workers: messages arrive, failures are reported, and no process is left behind, however a run ends."""

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import types
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import one_line

from rlkit.running.workers import STARTUP, WorkerError, supervise

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
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


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
    with pytest.raises(WorkerError, match=r"(?s)^Worker 1 failed.*in fail\n.*ValueError: no such state"):
        list(received(fail, [("stuck",), ("raise",)]))


@pytest.mark.parametrize(
    "how, sentence",
    [
        ("exit", "Worker 0 ended with exit code 3 and no message"),
        pytest.param(
            "kill", r"Worker 0 was killed \(exit code -9: SIGKILL\), probably because memory ran out", marks=posix
        ),
    ],
)
def test_a_dead_worker_is_named_after_its_last_messages_have_arrived(how, sentence):
    messages = []
    with pytest.raises(WorkerError, match=sentence):
        messages.extend(received(fail, [(how,)]))
    assert messages == ["last words"]


def test_on_request_the_others_continue_whatever_happens_to_one():
    jobs = [("raise",), ("kill" if os.name != "nt" else "exit",), ("a", 3)]
    errors, messages = [], []
    for message in supervise(either, jobs, idle=600.0, go_on=True):  # noticed at once, not after `idle`
        if isinstance(message, WorkerError):
            errors.append(str(message).splitlines()[0])
        elif isinstance(message, dict):
            pids.append(message["pid"])
        else:
            messages.append(message)
    assert len(errors) == 2 and len(pids) == 3
    assert min(errors).startswith("Worker 0 failed") and max(errors).startswith("Worker 1 ")
    assert messages.count("last words") == 2
    assert [message[1] for message in messages if message[0] == "a"] == ["threads", 0, 1, 2]


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
    with pytest.raises(ValueError, match="A worker cannot be given this.*top level of a .py file"):
        next(supervise(lambda send: None, [()]))

    def from_a_cell(send):
        pass

    from_a_cell.__module__, from_a_cell.__qualname__ = "__main__", "from_a_cell"
    program = sys.modules["__main__"]  # it has a file, unless xdist started it
    monkeypatch.setattr(program, "__spec__", importlib.util.find_spec("pytest.__main__"))
    monkeypatch.setattr(program, "from_a_cell", from_a_cell, raising=False)
    with pytest.raises(WorkerError, match="(?s)A worker cannot find this.*from_a_cell.*top level of a .py file"):
        list(supervise(from_a_cell, [()]))


def test_what_a_notebook_defines_is_refused_before_any_worker_starts(monkeypatch):
    notebook = types.ModuleType("__main__")
    exec("class Env: pass\nclass Maker:\n    def __call__(self): pass\ndef work(send): pass", vars(notebook))
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    monkeypatch.setattr(module, "start", lambda process: pytest.fail("it was started"))
    refused = [(notebook.work, [()]), (count, [(1, 2), ({"env": notebook.Env}, 3)]), (count, [((notebook.Env,), 3)])]
    for (work, jobs), name in zip([*refused, (count, [(notebook.Maker(),)])], ("work", "Env", "Env", "Maker")):
        with pytest.raises(ValueError, match=f"cannot be given {name}, .*top level of a .py file") as error:
            next(supervise(work, jobs))
        one_line(error)
    notebook.__file__ = "a_script.py"  # a worker can import that
    module.check_importable(*refused[1])


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


@pytest.fixture
def puppets(monkeypatch):
    """`begin(number, **options)` -> what `supervise` yields, and the workers; `puppets.now` is the time."""
    made, clock = [], SimpleNamespace(now=1000.0)
    spawn = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=lambda **how: made.append(Puppet(**how)) or made[-1])
    monkeypatch.setattr(module.multiprocessing, "get_context", lambda kind: spawn)
    monkeypatch.setattr(module, "start", lambda process: process.start())
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=time.sleep))

    def begin(number, **options):
        messages = supervise(count, [()] * number, idle=0.01, **options)
        assert next(messages) is None
        return messages, made

    clock.begin = begin
    return clock


@posix
def test_a_worker_that_is_silent_for_longer_than_a_heartbeat_is_named_and_ended(puppets):
    messages, (one, other) = puppets.begin(2, heartbeat=5.0)
    one.send("ready"), other.send("ready")
    assert [next(messages), next(messages)] == ["ready"] * 2
    puppets.now += 4.9
    one.send("here")
    assert [next(messages), next(messages)] == ["here", None] and not other.killed
    puppets.now += 0.2
    with pytest.raises(
        WorkerError, match="Worker 1 hangs: it sent nothing for 5 s and was ended.*larger heartbeat"
    ) as e:
        next(messages)
    one_line(e)
    assert one.killed and other.killed


@posix
def test_a_worker_may_be_silent_while_it_starts_but_not_for_ever(puppets):
    messages, (one,) = puppets.begin(1, heartbeat=5.0)
    puppets.now += STARTUP + 4.9
    assert next(messages) is None
    puppets.now += 0.2
    with pytest.raises(WorkerError, match="Worker 0 hangs"):
        next(messages)


@posix
def test_without_a_heartbeat_silence_is_no_failure(puppets):
    messages, (one,) = puppets.begin(1)
    one.send("ready")
    assert next(messages) == "ready"
    puppets.now += 1e9
    assert next(messages) is None
    messages.close()


@posix
def test_the_time_that_the_parent_takes_does_not_count_as_silence(puppets):
    messages, (one, other) = puppets.begin(2, heartbeat=5.0)
    one.send("ready"), other.send("ready")
    assert [next(messages), next(messages)] == ["ready"] * 2
    one.send("here")
    assert next(messages) == "here"
    puppets.now += 60.0  # the parent evaluates, for instance, while the workers keep playing
    one.send("still here"), other.send("here too")
    assert [next(messages), next(messages)] == ["still here", "here too"] and not other.killed
    messages.close()


@posix
def test_after_a_failure_the_others_get_a_new_heartbeat_and_may_still_be_starting(puppets):
    messages, (one, waiting, starting) = puppets.begin(3, heartbeat=5.0, go_on=True)
    one.send("ready"), waiting.send("ready")
    assert [next(messages), next(messages)] == ["ready"] * 2
    puppets.now += 4.9
    one.send("its traceback", kind="failure")
    assert "Worker 0 failed" in str(next(messages))
    puppets.now += 4.9  # a worker may have waited for a lock that the dead one held
    assert next(messages) is None
    puppets.now += 0.2
    assert "Worker 1 hangs" in str(next(messages)) and waiting.killed
    puppets.now += STARTUP - 10.1 + 4.9
    assert [next(messages), next(messages)] == [None, None] and not starting.killed
    puppets.now += 0.3
    with pytest.raises(WorkerError, match="Worker 2 hangs"):  # now no worker is left
        next(messages)


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
    deadline = time.monotonic() + 30
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
