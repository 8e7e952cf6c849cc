"""`python -m rlkit` as a shell sees it. Starting a process takes seconds, so most tests call `main` instead."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from conftest import PATIENCE, tiny

from rlkit import AGENTS, Result, evaluate, load
from rlkit import __main__ as module
from rlkit.__main__ import main, setting
from rlkit.running import report, terminal
from rlkit.running.content import read
from rlkit.running.result import Progress
from rlkit.running.terminal import Bar, clock
from rlkit.running.workers import WorkerError

ROOT = Path(__file__).resolve().parent.parent
heard = []  # (signal, handler) of every signal that a command set a handler for
SMALL = ["--set", "replay_size=400", "learning_starts=50", "hidden=16,", "batch_size=16"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run every command in an empty folder, without changing the signal handlers of pytest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(signal, "signal", lambda *arguments: heard.append(arguments))
    heard.clear()
    return tmp_path


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def start(*arguments):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "rlkit", *arguments], text=True, **pipes)


# --help -----------------------------------------------------------------------------------------------------


HELP = {"": ["train | eval | watch | cluster"], "eval": ["--episodes"], "watch": ["--out"], "cluster": ["ADDRESS"]}
HELP["train"] = ["--preset", "--resume", "--set", "dqn-pong-small", "train dqn --help"]
HELP["train dqn"] = ["gamma=0.99", "C, in updates", "for --set"]
HELP["train --preset ppo-kl-cartpole"] = ["adaptive KL penalty", "clip_coef=0.2", "epochs=4"]


def test_help_from_a_shell():
    process = start("train", "--help")
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("usage: python -m rlkit train") and "dqn-pong-small" in output


@pytest.mark.parametrize("command", HELP)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    output = capsys.readouterr().out
    assert ended.value.code == 0
    assert len(output.splitlines()) <= 60
    assert all(word in output for word in HELP[command])
    assert output.startswith("usage: python -m rlkit") or len(command.split()) > 1


def test_every_terminal_can_show_every_text(own_folder):
    """Windows' code pages lack most of the letters that rlkit uses, and LC_ALL=C has only ASCII."""
    encoding = "cp1252" if sys.platform == "win32" else "ascii"
    commands = [["rlkit", *command.split(), "--help"] for command in HELP]
    assert "ppo-kl-cartpole" in str(commands)  # whose settings have Greek letters
    commands += [["rlkit", "train", "dqn", "--out", "€δ.txt"], ["rlkit", "eval", "€δ.pt"]]
    commands += [["rlkit.experiments.remake"], ["rlkit.experiments.sweeps"]]
    program = f"""
import runpy, sys
for module, *arguments in {commands!r}:
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        print(module, *arguments, end.code)
"""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environment, capture_output=True)
    output, errors = process.stdout.decode(encoding), process.stderr.decode(encoding)
    assert process.returncode == 0 and "Traceback" not in errors
    assert "rlkit train --help 0" in output and "rlkit.experiments.remake 0" in output
    assert re.search(r"clip_coef=0.2 +\\u03b5", output) and "\\u03b4.pt" in errors and output.count(" 2\n") == 2


# train ------------------------------------------------------------------------------------------------------


def test_a_run_is_saved_with_its_results_and_can_be_resumed(own_folder, capsys):
    train = ["train", "dqn", "--seed", "3", "--set", "double=true", "gamma=0.9", *SMALL, "--steps", "600"]
    assert main([*train, "--out", "new/folder/a.pt"]) == 0
    assert files(own_folder) == ["new/folder/a.json", "new/folder/a.pt"]
    agent = load("new/folder/a.pt")
    assert (agent.step, agent.double, agent.gamma, agent.hidden, agent.seed) == (600, True, 0.9, (16,), 3)
    first = json.loads(Path("new/folder/a.json").read_text())
    assert len(first["steps"]) == len(first["returns"]) > 5
    as_json = {"hidden": [16], "reward_clip": "inf"}
    assert first["settings"] == read("new/folder/a.pt")["settings"] | as_json
    assert (first["step"], first["seed"], first["stopped"], first["threads"]) == (600, 3, "", 1)
    assert first["command"].endswith("--steps 600 --out new/folder/a.pt") and first["machine"] and first["date"]

    assert main(["train", "--resume", "new/folder/a.pt", "--steps", "1_000"]) == 0
    assert files(own_folder) == ["new/folder/a.json", "new/folder/a.pt"]
    second = json.loads(Path("new/folder/a.json").read_text())
    assert load("new/folder/a.pt").step == second["step"] == 1000
    known = len(first["steps"])
    assert second["steps"][:known] == first["steps"] and second["returns"][:known] == first["returns"]
    assert all(600 < step <= 1000 for step in second["steps"][known:]) and len(second["steps"]) > known
    assert second["command"] == first["command"] + " && python -m rlkit train --resume new/folder/a.pt --steps 1_000"
    assert second["seconds"] >= first["seconds"]

    capsys.readouterr()
    assert main(["train", "--resume", "new/folder/a.pt", "--steps", "1000"]) == 2
    assert "already taken 1000 steps" in capsys.readouterr().err


def test_results_newer_than_the_checkpoint_are_dropped():
    main(["train", "dqn", *SMALL, "--steps", "300", "--out", "a.pt"])
    content = json.loads(Path("a.json").read_text())
    Path("a.json").write_text(json.dumps(content | {"steps": [100, 300, 301, 400], "returns": [1, 2, 3, 4]}))
    main(["train", "--resume", "a.pt", "--steps", "304"])
    assert json.loads(Path("a.json").read_text())["returns"][:3] == [1, 2]


def test_presets_limits_and_small_checkpoints(own_folder, capsys):
    preset = ["train", "--preset", "dqn-cartpole", "--seed", "1", "--threads", "1"]
    assert main([*preset, "--stop-at", "5", "--small"]) == 0
    assert files(own_folder) == ["runs/dqn-cartpole-CartPole-v1-seed1.json", "runs/dqn-cartpole-CartPole-v1-seed1.pt"]
    assert "reached 5.0" in capsys.readouterr().out
    assert set(read("runs/dqn-cartpole-CartPole-v1-seed1.pt")["state"]) == {"network", "step"}
    assert main([*preset, "--minutes", "0.0001", "--out", "b.pt"]) == 0
    assert load("b.pt").step < 10_000 and "optimizer" in read("b.pt")["state"]
    assert main(preset) == 2 and "--resume" in capsys.readouterr().err  # the first run is not overwritten


def test_a_log_gets_lines_of_progress(capsys):
    main(["train", "dqn", *SMALL, "learning_starts=10_000_000", "--minutes", "0.02", "--out", "a.pt"])
    first, line, *_, last = capsys.readouterr().out.splitlines()
    assert "CartPole-v1" in first and "a.pt" in first and "a.pt" in last
    assert all(word in line for word in ("steps", "step/s", "episodes", "last-20 mean"))
    assert line.isascii() and line.isprintable()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGINT between processes")
def test_an_interrupted_run_is_saved(own_folder):
    process = start("train", "dqn", *SMALL, "--out", "a.pt")
    assert "a.pt" in process.stdout.readline()
    assert "step/s" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    last = output.splitlines()[-1]
    assert (process.returncode, errors) == (130, "")
    assert last.startswith("Interrupted after") and last.endswith("train --resume a.pt --steps 1000000")
    assert files(own_folder) == ["a.json", "a.pt"]
    agent = load("a.pt")
    results = json.loads(Path("a.json").read_text())
    assert agent.step == results["step"] > 0 and results["stopped"] == "interrupted"


needs_hangups = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")


@needs_hangups
def test_other_signals_interrupt_a_run_too(monkeypatch):
    train = ["train", "dqn", *SMALL, "--steps", "100", "--out"]
    main([*train, "a.pt"])
    assert [number for number, _ in heard[:3]] == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)  # by nohup
    heard.clear()
    main([*train, "b.pt"])
    assert [number for number, _ in heard[:2]] == [signal.SIGINT, signal.SIGTERM]


@needs_hangups
def test_closing_the_terminal_saves_the_run(own_folder):
    """Nothing can be printed any more, and the shell and the system may both send the signal."""
    process = start("train", "dqn", *SMALL, "--out", "a.pt")
    assert "a.pt" in process.stdout.readline()
    assert "step/s" in process.stdout.readline()
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 130
    results = json.loads(Path("a.json").read_text())
    assert load("a.pt").step == results["step"] > 0 and results["stopped"] == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe breaks in another way there")
def test_a_reader_that_leaves_early_does_not_end_the_run(own_folder):
    process = start("train", "dqn", *SMALL, "learning_starts=10_000_000", "--minutes", "0.03", "--out", "a.pt")
    assert "a.pt" in process.stdout.readline()
    process.stdout.close()  # as `| head -1` does
    assert (process.wait(PATIENCE), process.stderr.read()) == (0, "")
    assert json.loads(Path("a.json").read_text())["stopped"].startswith("time limit")


def test_a_warning_is_shown_as_a_sentence(capsys):
    with warnings.catch_warnings(), pytest.raises(SystemExit):
        warnings.simplefilter("always")
        terminal.run(lambda: warnings.warn("The run goes on.", stacklevel=1))
    assert capsys.readouterr().err == "The run goes on.\n"


def test_no_output_can_end_a_run(own_folder, monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["train", "dqn", *SMALL, "--steps", "100", "--out", "a.pt"]) == 0
    monkeypatch.setattr(sys, "stdout", None)  # as `>&-` does
    assert main(["train", "dqn", *SMALL, "--steps", "100", "--out", "b.pt"]) == 0
    assert main(["eval", "b.pt", "--episodes", "1"]) == 0
    assert load("a.pt").step == load("b.pt").step == 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_continues_as_if_nothing_had_happened(own_folder, monkeypatch, number):
    train = ["train", "ppo", "--set", "hidden=16,", "num_envs=4", "num_steps=64", "--out"]
    assert main([*train, "whole.pt", "--steps", "2560"]) == 0
    step = module.Report.__call__

    def press(self, progress, result):  # in the middle of the third iteration
        if progress.step == 512:
            collect = result.agent.collector.take_step
            result.agent.collector.take_step = lambda noise: hear(number) or collect(noise)
        step(self, progress, result)

    def hear(number):
        del result_agent().collector.take_step
        dict(heard)[number](number, None)

    agents = []
    monkeypatch.setattr(module.Report, "__call__", lambda *args: agents.append(args[2].agent) or press(*args))
    result_agent = lambda: agents[-1]  # noqa: E731
    assert main([*train, "cut.pt", "--steps", "2560"]) == 130
    monkeypatch.undo()
    monkeypatch.chdir(own_folder)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    assert load("cut.pt").step == 768
    assert main(["train", "--resume", "cut.pt", "--steps", "2560"]) == 0
    whole, cut = (Result.read(f"{name}.json") for name in ("whole", "cut"))
    assert (whole.returns, whole.steps, whole.step) == (cut.returns, cut.steps, cut.step) and len(cut.returns) > 20
    assert load("cut.pt").theta.equal(load("whole.pt").theta)


def test_a_run_whose_workers_fail_is_saved_and_says_how_to_go_on(own_folder, monkeypatch, capsys):
    def fail(self, progress, result):
        if interrupted:
            dict(heard)[signal.SIGTERM](signal.SIGTERM, None)  # to the whole group: the workers end first
        raise WorkerError("Worker 0 was ended.")

    monkeypatch.setattr(module.Report, "__call__", fail)
    train = ["train", "dqn", *SMALL, "--steps", "100", "--stop-at", "500", "--small", "--out"]
    for interrupted, path, code in ((False, "a.pt", 1), (True, "b.pt", 130)):
        assert main([*train, path]) == code
        said = capsys.readouterr()
        said = said.out if interrupted else said.err
        assert said.endswith(
            f"continue with: python -m rlkit train --resume {path} --steps 100 --stop-at 500.0 --small\n"
        )
        assert ("Worker 0" in said) is not interrupted
        assert load(path).step == Result.read(f"{path[0]}.json").step > 0
        assert Result.read(f"{path[0]}.json").stopped == "interrupted" * interrupted


def test_a_second_interrupt_or_a_long_wait_ends_the_iteration_itself(monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.05)
    called = []
    monkeypatch.setattr(module._thread, "interrupt_main", lambda: called.append(True))
    interrupts = module.Interrupts()
    assert interrupts(None, None) is None
    interrupts.hear()
    interrupts.hear(signal.SIGTERM)  # only a person means more by a second signal
    with pytest.raises(KeyboardInterrupt):
        interrupts.hear()
    interrupts.came.join()
    assert called == [True]
    assert interrupts(None, None) == "interrupted"
    interrupts.hear()  # the iteration has ended, and so do the workers, which is not to be interrupted
    interrupts.came, interrupts.finished = None, False
    interrupts.hear()
    interrupts.finish(Result())
    interrupts.came.join()
    assert called == [True]
    interrupts.hear()  # the run is being saved, which is not to be interrupted
    interrupts.__exit__()  # otherwise the next tests would hear no interrupt


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("gamma=0.9", ("gamma", 0.9)),
        ("replay_size=1_000", ("replay_size", 1000)),
        ("hidden=64,64", ("hidden", (64, 64))),
        ("reward_clip=inf", ("reward_clip", float("inf"))),
        ("double=false", ("double", False)),
        ("actions=None", ("actions", None)),
        ("env=ALE/Pong-v5", ("env", "ALE/Pong-v5")),
        ("device=cpu", ("device", "cpu")),
        ("gamma={[]:1}", ("gamma", "{[]:1}")),
        ("gamma=" + "(" * 1000, ("gamma", "(" * 1000)),
        ("gamma=", ("gamma", "")),
        ("learning-rate=0.1", ("learning_rate", 0.1)),
    ],
)
def test_settings_are_python_values_or_words(text, wanted):
    assert setting(text) == wanted
    assert type(setting(text)[1]) is type(wanted[1])


# A terminal -------------------------------------------------------------------------------------------------


class Terminal(io.TextIOWrapper):
    """A stream that remembers what the line on the screen shows."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding, write_through=True)

    def screens(self):
        """What the line showed, in order."""
        shown, line = [], ""
        for text in self.buffer.getvalue().decode(self.encoding).rstrip("\n").split("\r"):
            line = text + line[len(text) :]
            shown.append(line.rstrip())
        return shown[1:]


@pytest.fixture
def columns(monkeypatch):
    width = [120]
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((width[0], 24)))
    return width


def drawn(columns, encoding="utf-8", limit=float("inf"), points=((0.0, 0), (1.0, 100), (2.0, 200), (4.0, 500))):
    terminal, result = Terminal(encoding), Result()
    bar = Bar(1000, limit, terminal)
    for seconds, result.step in points:
        result.seconds = seconds
        if result.step:
            result.returns.append(float(result.step))
        bar(Progress(result.step, [], {}), result)
    bar.finish(result)
    return terminal


def test_the_bar_says_how_far_how_fast_how_well_and_how_much_longer(columns):
    columns[0] = 140
    terminal = drawn(columns)
    first, *_, last = terminal.screens()
    assert first == "░" * 30 + "   0%   0 steps   0:00 elapsed"  # nothing more is known yet
    assert last.startswith("█" * 15 + "░" * 15 + "  50%   500 steps   last-20 mean 266.67   0:0")
    assert last.endswith("best 500.00   0:04 elapsed")
    speed = int(re.search(r"(\d+) step/s", last)[1])
    assert 100 < speed < 150  # steps per second: 100 at first, 150 in the last two seconds
    assert f"{clock(500 / speed)} left" in last
    text = terminal.buffer.getvalue().decode()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert "0:02 left" in drawn(columns, limit=6.0).screens()[-1]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_the_bar_fits_every_terminal_and_every_encoding(columns, encoding):
    for columns[0] in (200, 80, 60, 40, 20, 10, 4, 1):
        screens = drawn(columns, encoding).screens()
        assert all(len(screen) <= max(1, columns[0] - 1) for screen in screens)
        assert columns[0] < 10 or all("%" in screen for screen in screens)
        assert columns[0] < 60 or ("█" in screens[-1]) == (encoding == "utf-8")


def test_a_shorter_line_erases_the_longer_one(columns):
    columns[0] = 200
    terminal, result = Terminal(), Result(returns=[12345.0], step=900_000, seconds=0.5)
    bar = Bar(1_000_000, 10.0, terminal)
    bar.draw(result)  # nothing is known of the speed
    result.seconds = 1.0
    bar.draw(result)
    result.returns.extend([0.0] * 20)
    result.seconds = 2.0
    bar.draw(result)
    _, first, second = terminal.screens()
    assert len(first) > len(second) and second.endswith("0:02 elapsed")


def test_the_bar_is_drawn_five_times_a_second_at_most(columns):
    terminal = drawn(columns, points=[(i / 1000, i) for i in range(1000)])
    assert len(terminal.screens()) == 5 + 1


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_a_run_in_a_terminal_shows_the_bar_and_ctrl_c_interrupts_it(own_folder):
    import pty

    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "rlkit", "train", "dqn", *SMALL, "--out", "a.pt"]
    process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    output = b""
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and (output.count(b"\r") < 8 or b"last-20" not in output):
            output += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        while chunk := os.read(ours, 4096):
            output += chunk
    except OSError:  # on Linux, the other end is closed
        pass
    assert process.wait(PATIENCE) == 130
    first, line, last = output.decode().replace("\r\n", "\n").rstrip("\n").split("\n")
    assert "writes a.pt" in first and last.startswith("Interrupted after") and "Traceback" not in line
    assert line.count("\r") > 4 and all(len(part) < 80 for part in line.split("\r"))
    assert files(own_folder) == ["a.json", "a.pt"]


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (65, "1:05"), (3_700, "1:01:40"), (float("nan"), "-:--")])
def test_times_are_shown_as_on_a_clock(seconds, text):
    assert clock(seconds) == text


# The results ------------------------------------------------------------------------------------------------


def test_the_results_of_a_run_are_read_back_and_drawn():
    from rlkit.plotting import learning_curve

    main(["train", "dqn", *SMALL, "--steps", "1_000", "--out", "a.pt"])
    result = Result.read("a.json")
    again = module.train(tiny(learning_starts=50, batch_size=16, hidden=(16,), **PLAIN), 1_000)
    assert (result.returns, result.steps, result.step, result.stopped) == (again.returns, again.steps, 1_000, "")
    points, smoothed, *_ = learning_curve(result).axes[0].lines
    assert list(points.get_xdata()) == result.steps and list(points.get_ydata()) == result.returns


PLAIN = {"target_period": 500, "epsilon_steps": 10_000, "learning_rate": 2.5e-4}


def test_the_results_of_shipped_agents_are_read_back():
    result = Result.read(AGENTS / "ppo-pong-small.json")
    assert (len(result.returns), result.step, result.stopped) == (184, 425984, "reached 18.0")
    assert result.mean_return() >= 18 and result.seconds > 600
    with pytest.raises(ValueError, match="does not hold the episodes"):
        Result.read(AGENTS / "dqn-pong-small.json")  # made by a script, before such files existed


def test_the_results_are_written_before_the_checkpoint(monkeypatch):
    """If the checkpoint were newer than its results, resuming it would lose episodes."""
    order = []
    write, replace = report.write, os.replace
    monkeypatch.setattr(report, "write", lambda *args, **kwargs: order.append("pt") or write(*args, **kwargs))
    monkeypatch.setattr(os, "replace", lambda *args: order.append(Path(args[1]).suffix) or replace(*args))
    main(["train", "dqn", *SMALL, "--steps", "100", "--out", "a.pt"])
    assert order == [".json", "pt", ".pt"] * 2


def test_cpu_seconds_include_workers_that_report_theirs(monkeypatch):
    main(["train", "a3c", "--set", "hidden=16,", "num_workers=2", "--minutes", "0.02", "--out", "a.pt"])
    content = json.loads(Path("a.json").read_text())
    assert content["cpu_seconds_of"] == "the process and its workers"
    monkeypatch.setattr(module.rlkit.A3C, "learn", lambda self, total_steps: told(self))

    def told(agent):
        agent.cpu_seconds[:] = 1000.0, 2000.0
        yield Progress(5, [], {})

    main(["train", "a3c", "--set", "hidden=16,", "num_workers=2", "--out", "b.pt"])
    assert 3000 <= json.loads(Path("b.json").read_text())["cpu_seconds"] < 3000 + time.process_time()


def test_cpu_seconds_say_what_they_leave_out(monkeypatch):
    monkeypatch.setattr(module.rlkit.Gorila, "learn", lambda self, total_steps: iter([Progress(5, [], {})]))
    main(["train", "gorila", *SMALL, "--out", "a.pt"])
    assert json.loads(Path("a.json").read_text())["cpu_seconds_of"] == "the process, without its workers"
    main(["train", "dqn", *SMALL, "--steps", "60", "--out", "b.pt"])
    assert json.loads(Path("b.json").read_text())["cpu_seconds_of"] == "the process"


# Mistakes ---------------------------------------------------------------------------------------------------

MISTAKES = {
    "train": "three: an algorithm (a2c",
    "train dqn --preset dqn-cartpole": "Name one of these three",
    "train dqnn": "no algorithm 'dqnn'; did you mean 'dqn'?",
    "train --preset dqn-cartpol": "no preset 'dqn-cartpol'; did you mean 'dqn-cartpole'?",
    "train dqn --env CartPol-v1": "'CartPol-v1' cannot be made",
    "train dqn --env Pendulum-v1": "continuous actions",
    "train dqn --set gama=0.9": "DQN has no setting 'gama'; did you mean 'gamma'?",
    "train --preset dqn-cartpole --set gama=0.9": "DQN has no setting 'gama'; did you mean 'gamma'?",
    "train ppo --set double=True": "PPO has no setting 'double'; take one of env, variant",
    "train dqn --set gamma=2": "gamma=2 must be a number from 0 to 1",
    "train dqn --set gamma=x": "gamma='x' must be a number",
    "train dqn --set double=no": "double='no' must be True or False",
    "train dqn --set actions=x": "actions='x' must be a tuple of whole numbers",
    "train dqn --set hidden=64": "hidden=64 must be a tuple of whole numbers above 0, such as (64, 64).",
    "train dqn --set gamma={[]:1}": "gamma='{[]:1}' must be a number",
    "train dqn --set seed=-1": "seed=-1 must be a whole number",
    "train dqn --steps 0": "steps=0 must be",
    "train dqn --minutes -1": "minutes=-1.0 must be",
    "train dqn --threads 0": "threads=0 must be",
    "train dqn --threads 99999999999": "threads=99999999999 must be",
    "train dqn --minutes nan": "minutes=nan must be",
    "train dqn --stop-at nan": "score=nan must be",
    "train dqn --stop-at x": "--stop-at must be a number, such as 0.5, not 'x'; see `python -m rlkit train --help`.",
    "train dqn --steps 1.5": "--steps must be a whole number, such as 100_000 or 1e5, not '1.5'; see",
    "train dqn --steps 10k": "--steps must be a whole number, such as 100_000 or 1e5, not '10k'; see",
    "train dqn --steps nan": "--steps must be a whole number, such as 100_000 or 1e5, not 'nan'; see",
    "train dqn --seed 1e400": "--seed must be a whole number, such as 100_000 or 1e5, not '1e400'; see",
    "train dqn --steps": "--steps needs a value; see `python -m rlkit train --help`.",
    "train dqn --set x": "--set takes NAME=VALUE, without spaces, as in gamma=0.9, and not 'x'",
    "train dqn --set gamma 0.9": "--set takes NAME=VALUE, without spaces, as in gamma=0.9, and not 'gamma'",
    "train dqn --set gamma=0.9,seed=1": "--set takes settings with spaces between them, as in a=1 b=2",
    "train dqn --set lr=0.1": "DQN has no setting 'lr'; did you mean 'learning_rate'?",
    "train dqn ppo": "The word 'ppo' does not belong here. See `python -m rlkit train --help`.",
    "train dqn --stesp 9": "There is no option --stesp; did you mean --steps? See `python -m rlkit train --help`.",
    "train dqn --stesp=9": "There is no option --stesp; did you mean --steps? See",
    "train dqn -steps 9": "There is no option -steps; did you mean --steps?",
    "train dqn steps 9": "The word 'steps' does not belong here; did you mean --steps?",
    "train dqn --save a.pt": "There is no option --save; did you mean --out?",
    "train dqn --quiet": "There is no option --quiet. See `python -m rlkit train --help`.",
    "train dqn --gamma 0.9": "--gamma is a setting, not an option; write --set gamma=0.9.",
    "train dqn --learning-rate=0.1": "--learning-rate is a setting, not an option; write --set learning_rate=0.1.",
    "train dqn --double --steps 9": "--double is a setting, not an option; write --set double=VALUE.",
    "train dqn --lr 0.1": "There is no option --lr; did you mean --set learning_rate=...?",
    "train --s 5": "Ambiguous option: --s could match",
    "eval a.pt --epsiodes 3": "did you mean --episodes? See `python -m rlkit eval --help`.",
    "watch a.pt --stesp 3": "did you mean --steps? See `python -m rlkit watch --help`.",
    "watch a.pt --speed 3": "There is no option --speed; did you mean --fps?",
    "train ppo-cartpole": "ppo-cartpole is a preset, not an algorithm; write --preset ppo-cartpole.",
    "train a.pt": "a.pt is a file, not an algorithm; write --resume a.pt",
    "train --preset PPO_CartPole": "did you mean 'ppo-cartpole'? `python -m rlkit train --help` lists all presets.",
    "train --preset pong": "'pong'; take one of dqn-pong-small, ppo-pong-small, a3c-pong-small. `python -m",
    "train --preset xyz": "There is no preset 'xyz'; `python -m rlkit train --help` lists all presets.",
    "train --preset a3c-pendulum": "a3c-pendulum plays ScaledPendulum, an environment without an id",
    "train --preset xyz --help": "There is no preset 'xyz'; `python",
    "train dqnn --help": "no algorithm 'dqnn'; did you mean 'dqn'?",
    "train dqn --env cartpole": "'cartpole' cannot be made: there is none; did you mean 'CartPole-v1'?",
    "train dqn --env Acrobot": "'Acrobot' cannot be made: there is none; did you mean 'Acrobot-v1'?",
    "train dqn --env breakout": "did you mean 'ALE/Breakout-v5'?",
    "trian dqn": "There is no command 'trian'; did you mean 'train'? See `python -m rlkit --help`.",
    "--train dqn": "There is no command '--train'; did you mean 'train'?",
    "eval": "Name a CHECKPOINT; see `python -m rlkit eval --help`.",
    "train dqn --env my_env:Mine-v0": "there is no module my_env",
    "train dqn --out .": "must end in .pt",
    "fly": "There is no command 'fly'; take one of train, eval, watch, cluster.",
    "": "Name a command: train, eval, watch, cluster; see `python -m rlkit --help`.",
    "train dqn --out a.json": "must end in .pt",
    "train --resume nothing.pt": "no checkpoint at nothing.pt",
    "eval nothing.pt": "no checkpoint at nothing.pt",
    "watch nothing.pt": "no checkpoint at nothing.pt",
    "watch nothing.pt --out a.mp4": "a.mp4 is none of them",
    "watch nothing.pt --out nowhere/a.gif": "Nothing can be written to nowhere",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_gets_one_sentence_and_no_file_is_written(command, own_folder, capsys):
    assert main(command.split()) == 2
    output, errors = capsys.readouterr()
    assert MISTAKES[command] in errors and output == ""
    assert errors.count("\n") == 1 and errors[-2] in ".?"
    assert not list(own_folder.iterdir())


def test_a_file_that_is_almost_named_is_suggested(own_folder, capsys):
    assert main(["train", "DQN", *SMALL, "--steps", "100", "--out", "mine.pt"]) == 0
    for name, words in (("mien.pt", "did you mean mine.pt?"), ("mine", "did you mean mine.pt?")):
        capsys.readouterr()
        assert main(["eval", name]) == 2 and words in capsys.readouterr().err
    assert main(["watch", "mine.json"]) == 2
    assert capsys.readouterr().err == "mine.json holds the results of a run; its agent is in mine.pt.\n"


def test_one_is_not_plural(capsys):
    assert main(["train", "dqn", *SMALL, "train_period=1", "--steps", "1", "--out", "a.pt"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 step, 0 episodes, ")
    assert main(["train", "--resume", "a.pt", "--steps", "1"]) == 2
    assert "already taken 1 step;" in capsys.readouterr().err
    assert main(["eval", "a.pt", "--episodes", "1", "--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith("1 greedy episode of CartPole-v1, seed 3, after 1 step of training\n")
    assert main(["watch", "a.pt", "--steps", "1"]) == 0
    assert "a.gif: 1 step of CartPole-v1, not to the end, return 1;" in capsys.readouterr().out


def test_a_broken_file_is_named(own_folder, capsys):
    Path("broken.pt").write_bytes(b"not a checkpoint")
    for command in (["train", "--resume"], ["eval"], ["watch"]):
        assert main([*command, "broken.pt"]) == 2
        assert capsys.readouterr().err.startswith("broken.pt is not a whole checkpoint")
    assert files(own_folder) == ["broken.pt"]


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("rlkit.__main__.evaluate", lambda *arguments: int("no sentence of rlkit's"))
    main(["train", "dqn", *SMALL, "--steps", "100", "--out", "a.pt"])
    with pytest.raises(ValueError, match="invalid literal"):
        main(["eval", "a.pt"])


# eval and watch ---------------------------------------------------------------------------------------------


def test_eval_prints_every_return(capsys):
    main(["train", "dqn", *SMALL, "--steps", "300", "--out", "a.pt"])
    capsys.readouterr()
    assert main(["eval", "a.pt", "--episodes", "4", "--seed", "7"]) == 0
    _, numbers, returns = capsys.readouterr().out.splitlines()
    values = evaluate(load("a.pt"), 4, 7)
    assert returns == "returns: " + " ".join(f"{value:g}" for value in values)
    low, middle, also, high = sorted(values)
    median = (middle + also) / 2
    assert numbers == f"mean {values.mean():.2f}   median {median:.2f}   min {low:g}   max {high:g}"


def test_watch_shows_cartpole(own_folder, capsys):
    main(["train", "dqn", *SMALL, "--steps", "100", "--out", "a.pt"])
    capsys.readouterr()
    assert main(["watch", "a.pt"]) == 0
    (steps,) = evaluate(load("a.pt"), 1)
    assert f"a.gif: {steps:.0f} steps of CartPole-v1, return {steps:.0f};" in capsys.readouterr().out
    assert files(own_folder) == ["a.gif", "a.json", "a.pt"]


def test_after_a_run_signals_do_what_they_did_before(tmp_path):
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    command = ["train", "ppo", "--steps", "64", "--set", "num_envs=2", "num_steps=8", "--out", str(tmp_path / "a.pt")]
    assert main(command) == 0
    assert [signal.getsignal(number) for number in numbers] == before
