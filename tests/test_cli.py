"""`python -m rlkit` as a shell sees it. Starting it costs seconds, so most tests call its `main` instead."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlkit import evaluate, load
from rlkit.__main__ import main, setting
from rlkit.checkpoint import read

ROOT = Path(__file__).resolve().parent.parent
heard = []  # the signals that a command took, and what it does at them
SMALL = ["--set", "replay_size=400", "learning_starts=50", "hidden=16,", "batch_size=16"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Every command runs in an empty folder, and leaves the signals of pytest alone."""
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


HELP = {"": ["train | eval | watch"], "eval": ["--episodes"], "watch": ["--out"]}
HELP["train"] = ["--preset", "--resume", "--set", "dqn-pong-small", "gamma=0.99"]


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
    assert output.startswith("usage: python -m rlkit") and all(word in output for word in HELP[command])


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
    assert "1000 steps already" in capsys.readouterr().err


def test_results_that_are_younger_than_the_checkpoint_are_forgotten():
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


def test_lines_of_progress_are_for_logs(capsys):
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
    output, errors = process.communicate(timeout=60)
    last = output.splitlines()[-1]
    assert (process.returncode, errors) == (130, "")
    assert last.startswith("Interrupted after") and last.endswith("train --resume a.pt")
    assert files(own_folder) == ["a.json", "a.pt"]
    agent = load("a.pt")
    results = json.loads(Path("a.json").read_text())
    assert agent.step == results["step"] > 0 and results["stopped"] == "interrupted"


def test_a_machine_that_shuts_down_interrupts_too():
    main(["train", "dqn", *SMALL, "--steps", "100", "--out", "a.pt"])
    assert heard == [(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)]


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
    ],
)
def test_settings_are_values_of_python_or_words(text, wanted):
    assert setting(text) == wanted
    assert type(setting(text)[1]) is type(wanted[1])


# Mistakes ---------------------------------------------------------------------------------------------------

MISTAKES = {
    "train": "three: an algorithm (a2c",
    "train dqn --preset dqn-cartpole": "Name one of these three",
    "train dqnn": "no algorithm 'dqnn'; there are a2c",
    "train --preset dqn-cartpol": "no preset 'dqn-cartpol'; there are dqn-cartpole",
    "train dqn --env CartPol-v1": "'CartPol-v1' cannot be made",
    "train dqn --env Pendulum-v1": "continuous actions",
    "train dqn --set gama=0.9": "no setting 'gama'",
    "train --preset dqn-cartpole --set gama=0.9": "no setting 'gama'",
    "train dqn --set gamma=2": "gamma=2 must lie between 0 and 1",
    "train dqn --set gamma=x": "gamma='x' must be a number",
    "train dqn --set double=no": "double='no' must be True or False",
    "train dqn --set actions=x": "wrong kind",
    "train dqn --steps 0": "steps=0 must be",
    "train dqn --minutes -1": "minutes=-1.0 must be",
    "train dqn --threads 0": "threads=0 must be",
    "train dqn --out a.json": "must end in .pt",
    "train --resume nothing.pt": "no checkpoint at nothing.pt",
    "eval nothing.pt": "no checkpoint at nothing.pt",
    "watch nothing.pt": "no checkpoint at nothing.pt",
    "watch nothing.pt --out a.mp4": "a.mp4 is none of them",
    "watch nothing.pt --out nowhere/a.gif": "Nothing can be written to nowhere",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_answered_by_one_sentence_and_nothing_is_written(command, own_folder, capsys):
    assert main(command.split()) == 2
    output, errors = capsys.readouterr()
    assert MISTAKES[command] in errors and output == ""
    assert errors.count("\n") == 1 and errors[-2] in ".?"
    assert not list(own_folder.iterdir())


def test_a_broken_file_is_named(own_folder, capsys):
    Path("broken.pt").write_bytes(b"not a checkpoint")
    for command in (["train", "--resume"], ["eval"], ["watch"]):
        assert main([*command, "broken.pt"]) == 2
        assert capsys.readouterr().err.startswith("broken.pt is not a whole checkpoint")
    assert files(own_folder) == ["broken.pt"]


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
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


def test_watch_films_no_cartpole(own_folder, capsys):
    main(["train", "dqn", *SMALL, "--steps", "100", "--out", "a.pt"])
    capsys.readouterr()
    assert main(["watch", "a.pt"]) == 2
    assert "Only Atari games" in capsys.readouterr().err
    assert files(own_folder) == ["a.json", "a.pt"]
