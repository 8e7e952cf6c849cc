"""What works on one machine works on a cluster, as a reader would use it. It is always "local": Ray starts here."""

import contextlib
import copy
import importlib.util
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from conftest import PATIENCE

from rlkit import A3C, Gorila, evaluate, stop_at, time_limit, train
from rlkit.__main__ import main
from rlkit.experiments.asynchrony import rates
from rlkit.plotting.live import Run
from rlkit.running.checkpoint import checkpoint, load
from rlkit.running.cluster import Connection, connected

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: python tests --cluster"
)
SMALL = dict(num_workers=1, hidden=(16,))
STARTS = "Ray starts on this machine, for 1 worker: this takes some seconds."


def a3c(**settings):
    """With Adam, whose t counts the updates."""
    return A3C("CartPole-v1", **SMALL, num_envs=4, optimizer="adam", **settings)


def gorila(**settings):
    return Gorila("CartPole-v1", **SMALL, learning_starts=100, **settings)


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def held(agent):
    """All numbers of an agent that belong together: θ, statistics, T."""
    if isinstance(agent, Gorila):
        moments = agent.server.optimizer.state_dict()["state"].values()
        return [agent.theta, agent.theta_target, *(x for each in moments for x in each.values())]
    return [agent.shared.theta, *agent.optimize.statistics()]


def updates(agent):
    """How many updates A3C's Adam has counted."""
    return int(agent.optimize.statistics()[-1])


def same(a, b):
    return a.step == b.step and all(torch.equal(x, y) for x, y in zip(held(a), held(b), strict=True))


# --- without a cluster that runs already ---


def test_stop_during_the_start_is_obeyed_at_once_and_continue_starts_again(capsys):
    run = Run(a3c(cluster="local"), 10**9)
    wait_for(lambda: run.phase() == "learning")  # it waits for Ray, but can be stopped from now on
    assert run.agent.step == 0 and Connection.current.runs == 1
    run.stop()
    assert run.phase() == "stopped" and Connection.current.runs == 0
    run.start()
    wait_for(lambda: run.agent.step > 0)
    run.stop()
    assert run.phase() == "stopped" and run.agent.step >= run.result.step > 0
    assert capsys.readouterr() == ("", "")  # the panel says what goes on


@pytest.mark.skipif(os.name != "posix", reason="opens a terminal")
def test_a_terminal_shows_a_bar_and_nothing_of_rays_and_the_file_needs_no_ray(tmp_path, monkeypatch):
    import pty

    monkeypatch.chdir(tmp_path)
    ours, theirs = pty.openpty()
    settings = ["cluster=local", "num_workers=1", "hidden=(16,)"]
    words = ["train", "--preset", "a3c-cartpole", "--set", *settings, "--steps", "3_000", "--out", "a.pt"]
    process = subprocess.Popen([sys.executable, "-m", "rlkit", *words], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # on Linux, the other end is closed
        while chunk := os.read(ours, 4096):
            output += chunk
    assert process.wait(PATIENCE) == 0
    first, second, bar, last = output.decode().replace("\x1b[0m", "").replace("\r\n", "\n").rstrip("\n").split("\n")
    assert first.endswith("writes a.pt and a.json") and second == STARTS
    assert bar.count("\r") > 4 and all("%" in part and len(part) < 80 for part in bar.split("\r")[1:])
    assert last.startswith("3") and last.endswith("saved in a.pt")

    monkeypatch.setitem(sys.modules, "ray", None)  # as on a machine without it
    agent, on_one_machine = load("a.pt"), load("a.pt", cluster=None)
    assert agent.cluster == "local" and on_one_machine.cluster is None and same(agent, on_one_machine)
    assert agent.step >= 3_000 and np.isfinite(evaluate(agent, 2)).all()


CELLS = (
    "from rlkit import A3C, train\nagent = A3C(num_workers=1, hidden=(16,), num_envs=4, cluster='local')",
    "result = train(agent, 2_000)",
    "result = train(agent, 4_000)",
    "agent.step >= 4_000, result.step == agent.step, result.stopped",
)


def test_a_notebook_shows_the_curve_and_one_sentence():
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    heard = []
    try:
        for cell in CELLS:
            shown = []
            reply = client.execute_interactive(cell, timeout=PATIENCE, output_hook=shown.append)
            assert reply["content"]["status"] == "ok", reply["content"]
            heard.append([message["content"] for message in shown if message["msg_type"] != "status"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    for outputs in heard[1:3]:
        assert "".join(output.get("text", "") for output in outputs) == STARTS + "\n"
        assert all("image/png" in output["data"] for output in outputs if "data" in output)
    assert heard[3][-1]["data"]["text/plain"] == "(True, True, '')"


def test_what_ray_starts_here_is_little_and_leaves_no_trace_in_this_process():
    import psutil

    before = os.environ.get("PYTHONPATH")
    with connected("local", num_cpus=1):
        from ray._private.node import Node

        children = psutil.Process().children(recursive=True)
        words = " ".join(word for child in children for word in alive(child.cmdline))
        assert "raylet" in words and not any(name in words for name in ("monitor.py", "dashboard.py"))
        assert os.environ.get("PYTHONPATH") == before
        assert Node.start_monitor.__name__ == "start_monitor" and "rfc3987_syntax" not in missing()
    from ray._private import worker

    assert worker.print_to_stdstream.__name__ == "print_to_stdstream"  # Ray may print again


def alive(question):
    """The answer of a process, or nothing if it has ended."""
    import psutil

    try:
        return question()
    except psutil.Error:
        return []


def missing():
    """Modules that cannot be imported although they are installed."""
    return {name for name, module in sys.modules.items() if module is None}


def test_a_process_that_ends_while_ray_starts_ends_without_a_crash():
    script = "from rlkit.running.cluster import connect, leave; leave(connect('local', 1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- on one that runs ---


@pytest.fixture(scope="module")
def local():
    """Ray on this machine, for several runs: the next ones need not start it."""
    with connected("local", num_cpus=3):
        yield


def watch(agent, steps, kept):
    """Keep (step, a copy of the agent) now and then, and the returns of one evaluation during the run."""

    def watcher(progress, result):
        steps.append(progress.step)
        if progress.step and progress.step != (kept[-1].step if kept else 0) and len(kept) < 3:
            kept.append(copy.deepcopy(agent))
            assert np.isfinite(evaluate(agent, 2, max_steps=1_000)).all()

    return watcher


def test_a_run_of_a3c_with_all_that_watches_it(local, tmp_path, capsys):
    agent, steps, kept = a3c(cluster="local", t_max=10), [], []
    assert same(agent, copy.deepcopy(agent))
    file = tmp_path / "a.pt"
    result = train(agent, 20_000, checkpoint(file, every=0.5), stop_at(501), watch(agent, steps, kept))
    assert 20_000 <= agent.step < 20_080 and result.step == agent.step and result.stopped == ""
    assert steps == sorted(steps) and len(set(steps)) >= 4  # T moves on during the run
    assert len(result.returns) > 20 and result.steps == sorted(result.steps)
    assert {"entropy", "grad_norm", "staleness", "value_loss"} == set(result.metrics)
    for copied in [*kept, agent]:  # θ, t and T belong together: one worker pushes once for 40 steps
        assert updates(copied) * 40 == copied.step
    assert len(agent.laps) == 20_000 / 40 and rates(agent)["steps_per_second"] > 0
    assert capsys.readouterr() == ("", "")  # Ray runs already

    same_file, on_one_machine = load(file), load(file, cluster=None)
    assert same(same_file, agent) and same(on_one_machine, agent) and same(copy.deepcopy(agent), agent)
    assert (evaluate(on_one_machine, 3) == evaluate(agent, 3)).all()
    train(on_one_machine, 22_000)  # in shared memory, in the same process
    result = train(agent, 22_000)
    for each in (agent, on_one_machine):
        assert 22_000 <= each.step < 22_080 and updates(each) * 40 == each.step
    assert min(result.steps) > 20_000


def test_a_run_of_gorila_with_all_that_watches_it(local, tmp_path):
    agent, steps, kept = gorila(cluster="local"), [], []
    assert same(agent, copy.deepcopy(agent))
    file = tmp_path / "g.pt"
    result = train(agent, 3_000, checkpoint(file, every=0.5), watch(agent, steps, kept))
    assert agent.step >= 3_000 and result.stopped == "" and len(result.returns) > 20
    assert steps == sorted(steps) and len(set(steps)) >= 4
    assert {"loss", "q", "staleness", "dropped", "epsilon", "updates_per_second"} == set(result.metrics)
    on_one_machine = load(file, cluster=None)
    assert same(load(file), agent) and same(on_one_machine, agent) and same(copy.deepcopy(agent), agent)
    assert (evaluate(on_one_machine, 2) == evaluate(agent, 2)).all()
    before = agent.server.num_updates
    assert before > 0 and not train(agent, 4_000).stopped
    assert agent.step >= 4_000 and agent.server.num_updates > before


def test_a_run_that_is_interrupted_or_out_of_time_goes_on_from_there(local):
    agent = a3c(cluster="local")

    def interrupt(progress, result):
        if progress.step >= due:
            raise KeyboardInterrupt

    threads = set(threading.enumerate())
    due = 0  # while the actors start
    assert train(agent, 10**9, interrupt).stopped == "interrupted" and agent.step == 0
    due = 1  # in the middle
    assert train(agent, 10**9, interrupt).stopped == "interrupted"
    assert (there := agent.step) > 0
    assert train(agent, 10**9, time_limit(0.01)).stopped == "time limit of 0.01 s"
    assert agent.step == there
    result = train(agent, there + 400)
    assert there + 400 <= agent.step == result.step and result.stopped == "" and result.returns
    assert set(threading.enumerate()) <= threads


def test_without_ray_a_command_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = ["train", "a3c", "--set", "cluster=local", "--steps", "100", "--out", "a.pt"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said == 'A cluster needs Ray, which is not installed: pip install "rlkit-lecture[cluster]".\n'
