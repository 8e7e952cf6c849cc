"""Files on bad days: crafted ones, full disks, two runs at once, what lies beside them. One sentence, nothing lost."""

import contextlib
import errno
import json
import math
import os
import signal
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import one_line, small, tiny, weights

from rlkit import Result
from rlkit.__main__ import main
from rlkit.a2c import A2C
from rlkit.envs import Envs
from rlkit.ppo import PPO
from rlkit.prioritized import PrioritizedReplay
from rlkit.running import disk, memory
from rlkit.running.checkpoint import checkpoint, load, save
from rlkit.running.content import checksum, read
from rlkit.training import train


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.pt"


@pytest.fixture(scope="module")
def agent():
    agent = tiny(hidden=(8,))
    train(agent, 200)
    return agent


def files(path):
    return sorted(file.name for file in path.parent.iterdir())


def crafted(agent, path, change):
    """A file whose content was changed on purpose: its checksum fits."""
    content = torch.load(save(agent, path), weights_only=True)
    del content["sha256"]
    form = content.pop("format")
    given = change(content)
    form = given if isinstance(given, str | list) else form
    torch.save({"format": form, "sha256": checksum(content), **content}, path)


# Files that someone has changed -----------------------------------------------------------------------------


def moments(content, **values):
    content["state"]["optimizer"]["state"][0].update(values)


CRAFTED = {  # what was changed -> the words that must be in the sentence
    "another algorithm": (lambda c: c.update(algorithm="os.system"), "holds a 'os.system'"),
    "a function of rlkit": (lambda c: c.update(algorithm="train"), "holds a 'train'"),
    "a newer setting": (lambda c: c["settings"].update(curiosity=0.5), "does not know, curiosity;.* update rlkit"),
    "a long list as its format": (lambda c: ["x" * 500], r"has the format \['x{70,80}\.\.\., but"),
    "a newer format": (lambda c: "rlkit-9", "has the format 'rlkit-9', but this version of rlkit reads 'rlkit-2'"),
    "a setting of another kind": (lambda c: c["settings"].update(gamma="high"), "gamma='high' must be"),
    "no such environment": (lambda c: c["settings"].update(env="Nowhere-v0"), "'Nowhere-v0' cannot be made"),
    "a device of elsewhere": (lambda c: c["settings"].update(device="xpu:7"), "saved on 'xpu:7'.*--set device=cpu"),
    "a huge memory": (lambda c: c["settings"].update(replay_size=10**15), "needs .* GiB, but"),
    "no network": (lambda c: c["state"].pop("network"), "lacks network"),
    "no step": (lambda c: c["state"].pop("step"), "lacks step"),
    "half a step": (lambda c: c["state"].update(step=1.5), "step is 1.5, not a whole number"),
    "another space": (lambda c: c["settings"].update(env="Acrobot-v1"), r"network\.advantage.*\[8, 4\].* \[8, 6\]"),
    "NaN": (lambda c: c["state"]["network"]["advantage.2.bias"].fill_(math.nan), "numbers that are not finite"),
    "a moment of another shape": (
        lambda c: moments(c, exp_avg=torch.zeros(3)),
        r"optimizer\.0\.exp_avg is float32 \[3\]",
    ),
    "a moment of another type": (lambda c: moments(c, exp_avg=torch.zeros(8, 4).int()), "exp_avg is int32"),
    "no moment": (lambda c: c["state"]["optimizer"]["state"][0].pop("exp_avg_sq"), "optimizer.0 is 2 entries"),
    "a moment too many": (lambda c: c["state"]["optimizer"]["state"].update({9: {}}), "has a parameter 9"),
    "no optimiser": (lambda c: c["state"].update(optimizer=3), "optimizer is 3, not the state"),
    "a longer replay": (lambda c: c["state"]["play"]["replay"].update(added=7), "does not fit its settings"),
    "a narrower replay": (
        lambda c: c["state"]["play"]["replay"].update(frames=torch.zeros(200, 1, 3)),
        r"replay\.frames is float32 \[200, 1, 3\]",
    ),
    "another method": (
        lambda c: c["state"]["play"]["envs"]["parts"][0].update(step=torch.zeros(1)),
        r"play\.envs\.parts\[0\]",
    ),
    "other random numbers": (lambda c: c["state"]["play"]["rng"].update(bit_generator="MT19937"), "rng.bit_generator"),
    "a state that is a list": (lambda c: c.update(state=[1]), "not a whole checkpoint"),
    "a function": (lambda c: c["settings"].update(env=torch.float32), "not a whole checkpoint"),
    "a tensor without memory": (
        lambda c: c["state"].update(more=torch.zeros(1).expand(10**12)),
        "not a whole checkpoint",
    ),
    "a sparse tensor": (lambda c: c["state"].update(more=torch.eye(3).to_sparse()), "not a whole checkpoint"),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_file_is_refused_in_one_sentence(agent, path, what, monkeypatch):
    change, words = CRAFTED[what]
    if words == "not a whole checkpoint":
        monkeypatch.setitem(globals(), "checksum", lambda content: "0")  # it could not even be computed
    crafted(agent, path, change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=words) as error:
            load(path)
    assert str(path) in one_line(error) or "must be" in words or "made" in words or "GiB" in words


def test_lists_that_repeat_each_other_endlessly_are_not_followed(agent, path):
    endless = []
    for _ in range(30):
        endless = [endless] * 30
    torch.save({"format": "rlkit-2", "sha256": "0", "algorithm": "DQN", "settings": {}, "state": {"a": endless}}, path)
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load(path)


def test_a_file_that_grows_when_it_is_read_is_refused_unread(agent, path, monkeypatch):
    save(agent, path)
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, data in parts.items():
            bomb.writestr(name, data + bytes(10**6) * name.endswith("data/0"))
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: pytest.fail("it was read"))
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load(path)


FOREIGN = {
    "empty": b"",
    "garbage": np.random.default_rng(0).bytes(5000),
    "text": b"notes on deep reinforcement learning\n",
    "pickle": b"\x80\x04cos\nsystem\n(S'exit'\ntR.",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_refused(path, what):
    path.write_bytes(FOREIGN[what])
    with pytest.raises(ValueError, match="not a whole checkpoint") as error:
        load(path)
    one_line(error)


def test_a_zip_a_folder_and_a_link_to_nowhere(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("homework.txt", "done")
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load(path)
    path.with_name("link.pt").symlink_to("nowhere.pt")
    for name in (".", "link.pt"):
        with pytest.raises(FileNotFoundError, match="no checkpoint"):
            load(path.with_name(name) if name != "." else path.parent)


def test_saving_through_a_link_writes_where_it_leads(agent, path):
    path.symlink_to("elsewhere.pt")
    save(agent, path)
    assert path.is_symlink() and files(path) == ["agent.pt", "elsewhere.pt"]
    assert load(path).step == 200


def test_saving_to_a_device_or_a_pipe_is_refused(agent, path):
    os.mkfifo(path)
    with pytest.raises(ValueError, match="Nothing can be written"):
        save(agent, path)
    assert path.is_fifo()


# What is worth saving ---------------------------------------------------------------------------------------


def test_weights_that_are_not_finite_leave_the_last_good_file(path):
    agent = tiny(hidden=(8,))
    save(agent, path)
    whole = path.read_bytes()
    with torch.no_grad():
        next(agent.network.parameters())[0, 0] = math.nan
    with pytest.raises(ValueError, match="no longer finite numbers, so nothing was written") as error:
        save(agent, path)
    one_line(error)
    assert path.read_bytes() == whole and files(path) == ["agent.pt"]


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_a_small_file_keeps_the_statistics_of_normalize(path, algorithm):
    agent = small(algorithm, "Pendulum-v1", normalize=True)
    train(agent, 600)
    save(agent, path, resume=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(path)
    before = agent.network.shift.clone()
    train(loaded, loaded.step + 64)
    scaling = [getattr(a, "collector", getattr(a, "player", None)).scaling for a in (agent, loaded)]
    assert scaling[1].obs.count > scaling[0].obs.count > 500 and scaling[1].returns.count > scaling[0].returns.count
    assert (loaded.network.shift - before).abs().max() < 0.3


def test_a_file_without_the_statistics_says_so(path):
    agent = small(PPO, normalize=True)
    train(agent, 100)
    crafted(agent, path, lambda content: content["state"].pop("collector.scaling") and None)
    with pytest.warns(UserWarning, match="lacks collector.scaling: the agent can act, but"):
        load(path)


# Disks ------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_named_and_the_old_file_is_whole(agent, path):
    """A limit on the size of files acts like a full disk, and needs no disk."""
    save(agent, path)
    code = (
        "import resource, sys, rlkit\n"
        "agent = rlkit.DQN(hidden=(256, 256), replay_size=100)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: rlkit.save(agent, sys.argv[1])\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert (
        f"{path} was not written, and what was there before is whole (" in done.stdout and "MiB are free" in done.stdout
    )
    assert done.stdout.count("\n") == 1 and files(path) == ["agent.pt"] and load(path).step == 200


def test_a_disk_that_is_full_for_a_while_does_not_end_a_run(path, monkeypatch):
    fsync, calls = os.fsync, []

    def full_at_second(number):
        calls.append(number)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full_at_second)
    with pytest.warns(UserWarning, match=r"was not written.* \(No space left on device\).*The run goes on"):
        train(tiny(), 40, checkpoint(path, every=0.0))
    assert load(path).step == 40 and files(path) == ["agent.pt"]


def test_a_disk_that_is_full_at_the_start_ends_the_run_at_once(path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *arguments: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    agent = tiny()
    with pytest.raises(OSError, match="make room"):
        train(agent, 4000, checkpoint(path))
    assert agent.step == 4 and files(path) == []


SAVING = """
import sys, rlkit
agent = rlkit.DQN(hidden=(512, 512), replay_size=100)
while True:
    rlkit.save(agent, sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be moved there")
def test_a_folder_that_is_moved_or_removed_does_not_end_a_run(own_folder, monkeypatch, capsys):
    Path("runs").mkdir()

    def move(progress, result):
        if Path("runs/a.pt").exists() and not Path("moved").exists():
            os.rename("runs", "moved")

    train(tiny(), 200, move, checkpoint("runs/a.pt", every=0.0))
    assert load("runs/a.pt").step == 200 and Path("moved/a.pt").is_file()
    os.chdir("moved")
    Path("a.pt").unlink()
    Path("a.pt.lock").unlink()
    Path("../moved").rmdir()
    assert main(["eval", "a.pt"]) == 2
    assert "has been removed; change to another one" in capsys.readouterr().err


def test_a_name_that_is_too_long_is_named_without_talk_of_room(path):
    with pytest.raises(OSError, match="too long.*: name another file") as error, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it cannot be locked either
        disk.write_whole(path.with_name("x" * 250), b"")
    assert "MiB" not in one_line(error)


def test_what_killed_processes_left_is_removed_and_their_locks_are_free(agent, path):
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SAVING, path])
        while not any(name.endswith(".tmp") for name in files(path)):
            assert process.poll() is None
        process.kill()
        process.wait()
        if path.exists():
            assert read(path)["algorithm"] == "DQN"
    path.with_name("agent.pt.123456.tmp").write_text("from another machine")
    path.with_name("agent.pt.mine.tmp").write_text("not ours")
    save(agent, path)
    assert files(path) == ["agent.pt", "agent.pt.mine.tmp"] and load(path).step == 200


# Two at once ------------------------------------------------------------------------------------------------


def test_a_second_run_to_the_same_file_is_refused_and_the_first_is_whole(path):
    first, second = tiny(), tiny(seed=1)

    def also(progress, result):
        if progress.step == 40:
            with pytest.raises(ValueError, match="Another run is writing .*agent.pt; wait until") as error:
                train(second, 400, checkpoint(path))
            one_line(error)

    train(first, 80, checkpoint(path), also)
    assert second.step == 4 and load(path).seed == 0 and load(path).step == 80
    assert files(path) == ["agent.pt"]  # no lock is left
    train(second, 40, checkpoint(path))
    assert load(path).seed == 1


def test_a_watcher_can_be_used_for_the_next_call_of_train(path):
    agent, watcher = tiny(), checkpoint(path)
    for steps in (40, 80):
        train(agent, steps, watcher)
        assert load(path).step == steps


def test_saves_at_the_same_time_take_turns(path):
    code = "import sys, rlkit\nfor _ in range(15): rlkit.save(rlkit.PPO(hidden=(int(sys.argv[2]),)), sys.argv[1])\n"
    processes = [subprocess.Popen([sys.executable, "-c", code, path, width]) for width in ("16", "17")]
    while any(process.poll() is None for process in processes):
        with contextlib.suppress(FileNotFoundError):
            assert read(path)["algorithm"] == "PPO"
    assert [process.returncode for process in processes] == [0, 0] and files(path) == ["agent.pt"]


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    return tmp_path


TRAIN = ["train", "dqn", "--set", "hidden=8,", "replay_size=500", "--steps"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--resume", "a.pt", "--steps", "2000"],
        ["train", "--resume", "a.pt", "--out", "./a.pt", "--steps", "2000"],
        [*TRAIN, "90", "--out", "b.pt"],
    ],
)
def test_a_second_command_on_the_same_file_is_refused(own_folder, capsys, monkeypatch, arguments):
    assert main([*TRAIN, "60", "--out", "a.pt"]) == 0
    before = Path("a.pt").read_bytes()
    with disk.hold("a.pt"), disk.hold("b.pt"), monkeypatch.context() as m:  # as another run would
        m.setattr("rlkit.__main__.load", None)  # not even read: the other run may write it again, and end
        assert main(arguments) == 2
    assert "Another run is writing" in capsys.readouterr().err and Path("a.pt").read_bytes() == before
    assert main(arguments) == 0


# Beside a checkpoint ----------------------------------------------------------------------------------------

BROKEN = {
    "cut": '{"steps": [1, 2',
    "text": "results",
    "empty": "",
    "list": "[]",
    "bytes": b"\xff\xfe\x00",
    "lengths": '{"returns": [1], "steps": [], "seconds": 1, "step": 2, "stopped": ""}',
    "words": '{"returns": ["a"], "steps": [1], "seconds": 1, "step": 2, "stopped": ""}',
    "deep": "[" * 100_000,
    "no lists": '{"returns": {}, "steps": {}, "seconds": 1, "step": 2, "stopped": ""}',
    "huge": '{"returns": [], "steps": [], "seconds": 1, "step": 1%s, "stopped": ""}' % ("0" * 400),
    "time": '{"returns": [], "steps": [], "seconds": 1, "step": 2, "stopped": "", "cpu_seconds": null}',
    "command": '{"returns": [], "steps": [], "seconds": 1, "step": 2, "stopped": "", "command": 7}',
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_results_are_a_sentence(tmp_path, what):
    beside = tmp_path / "a.json"
    beside.write_bytes(BROKEN[what] if isinstance(BROKEN[what], bytes) else BROKEN[what].encode())
    with pytest.raises(ValueError, match="does not hold the episodes of a run") as error:
        Result.read(beside)
    one_line(error)
    for missing in (tmp_path, tmp_path / "b.json"):
        with pytest.raises(FileNotFoundError, match="There are no results"):
            Result.read(missing)


def test_a_run_does_not_overwrite_results_that_it_cannot_continue(own_folder, capsys):
    main([*TRAIN, "100", "--out", "a.pt"])
    whole = json.loads(Path("a.json").read_text())
    for text in ('{"steps": [1', json.dumps(whole | {"seed": 7}), json.dumps(whole | {"algorithm": "PPO"})):
        Path("a.json").write_text(text)
        assert main(["train", "--resume", "a.pt", "--steps", "200"]) == 2
        assert "Move it away" in capsys.readouterr().err and Path("a.json").read_text() == text
    Path("a.json").unlink()
    with pytest.warns(UserWarning, match="earlier episodes are left out: There are no results"):
        assert main(["train", "--resume", "a.pt", "--steps", "200"]) == 0
    Path("a.json").write_text(json.dumps(json.loads(Path("a.json").read_text()) | {"step": 150}))
    with pytest.warns(UserWarning, match="ends at step 150, before its checkpoint; the episodes up to step 200"):
        assert main(["train", "--resume", "a.pt", "--steps", "300"]) == 0


def test_a_run_does_not_overwrite_what_lies_where_its_results_go(own_folder, capsys):
    Path("a.json").write_text("the only copy")
    main([*TRAIN, "100", "--out", "b.pt"])
    for arguments in ([*TRAIN, "100"], ["train", "--resume", "b.pt", "--steps", "200"]):
        assert main([*arguments, "--out", "a.pt"]) == 2
        assert "There is already a file a.json" in capsys.readouterr().err
    assert Path("a.json").read_text() == "the only copy" and not Path("a.pt").exists()
    assert main([*TRAIN, "100", "--out", "a.json/c.pt"]) == 2
    assert "Nothing can be written to a.json/c.pt; name" in capsys.readouterr().err.replace("\\", "/")
    Path("b.pt").unlink()
    assert main([*TRAIN, "90", "--out", "b.pt"]) == 2
    assert main([*TRAIN, "100", "--out", "b.pt"]) == 0  # the same command: its first save may have met a full disk


def test_a_checkpoint_from_a_gpu_plays_here_and_says_how_to_go_on_learning(agent, own_folder, capsys):
    crafted(agent, Path("a.pt"), lambda content: content["settings"].update(device="xpu:7"))
    assert main(["eval", "a.pt", "--episodes", "2"]) == 0
    said = capsys.readouterr()
    assert "a.pt was saved on 'xpu:7', which is not here; it plays on the CPU." in said.err and "mean" in said.out
    assert main(["train", "--resume", "a.pt", "--steps", "300"]) == 2
    assert "--set device=cpu" in capsys.readouterr().err
    assert weights(load("a.pt", device="cpu").network).equal(weights(agent.network))


# Memory -----------------------------------------------------------------------------------------------------

HUGE = {
    "weights": (lambda: tiny(hidden=(10**6, 10**6)), r"A network with layers of 4, 1000000 units|1000000, 1000000"),
    "environments": (lambda: Envs("MountainCar-v0", 10**9, seed=0), "num_envs=1000000000 .* needs"),
    "rollout": (lambda: small(PPO, num_steps=10**7, num_envs=64), "from 10000000 steps of 64 environments"),
    "segment": (lambda: small(A2C, t_max=10**7, num_envs=64), "from 10000000 steps of 64 environments"),
    "replay": (lambda: tiny(replay_size=10**12), "A replay of 1000000000000 transitions"),
}


@pytest.mark.parametrize("what", HUGE)
def test_what_does_not_fit_into_the_memory_is_refused_before_it_is_taken(what):
    make, words = HUGE[what]
    with pytest.raises(ValueError, match=words) as error:
        make()
    assert "GiB more; use" in one_line(error)


def test_the_priorities_are_counted_too(monkeypatch):
    asked = []
    monkeypatch.setattr("rlkit.replay.require_memory", lambda num_bytes, *words: asked.append(num_bytes))
    for capacity in (999, 1024):
        replay = PrioritizedReplay(capacity, 3, (4,), np.float32)
        taken = sum(x.nbytes for x in vars(replay).values() if isinstance(x, np.ndarray)) + replay.tree.nodes.nbytes
        assert asked.pop() == taken


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux only")
@pytest.mark.parametrize("limit", ["AS", "DATA"])
def test_a_limit_of_the_shell_counts(limit):
    code = (
        "import resource, rlkit\n"
        f"resource.setrlimit(resource.RLIMIT_{limit}, (8 * 2**30, 8 * 2**30))\n"
        "try: rlkit.DQN(replay_size=10**10)\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    left = float(done.stdout.split("may take only ")[1].split()[0])
    assert 0 < left < 8


def test_without_limits_the_shell_says_nothing():
    assert memory.process_memory() is None
