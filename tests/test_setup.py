"""The repository as a newcomer finds it: what install.py decides, which versions it takes, what is committed."""

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
import threading
import time
import tomllib
import types
from pathlib import Path

import pytest
from conftest import PATIENCE
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HERE = "{}.{}".format(*sys.version_info)
NOTEBOOKS = sorted(ROOT.glob("lectures/*.ipynb"))


sys.path.append(str(ROOT / "binder"))  # its scripts import each other from there


def load(path):
    """Load a script that is in no package as a module."""
    spec = importlib.util.spec_from_file_location(path.parent.name + "_" + path.stem.strip("_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def install(monkeypatch, tmp_path):
    """install.py on a Linux machine without a GPU and without torch, where every pip command succeeds."""
    module = load(ROOT / "binder" / "install.py")
    module.asked = []
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module, "has_gpu", lambda: False)
    monkeypatch.setattr(module, "torch_version", lambda python: "")
    monkeypatch.setattr(module, "pip", lambda python, *arguments, **_: module.asked.append(arguments) or True)
    monkeypatch.setattr(module, "VENV", tmp_path / "venv")
    return module


def is_cpu_torch(arguments):
    return any(re.fullmatch(r"torch==[\d.]+\+cpu", argument) for argument in arguments)


# --- what install.py decides ---


def test_an_environment_is_made_for_the_python_that_runs_and_says_what_it_replaces(install, monkeypatch, capsys):
    monkeypatch.setattr(install, "guarded", lambda command: 0)
    said = {}
    for there, fresh in [(HERE, False), ("", False), ("3.6", False), (HERE, True)]:
        monkeypatch.setattr(install, "venv_version", lambda there=there: there)
        install.make_venv(fresh)
        said[there, fresh] = capsys.readouterr().err
    assert said[HERE, False] == ""
    assert said["", False] == said[HERE, True] and f"making .venv for Python {HERE};" in said["", False]
    assert f"making .venv for Python {HERE} in place of the one for Python 3.6;" in said["3.6", False]


def test_the_python_of_an_environment_tells_its_version(install, monkeypatch, tmp_path):
    monkeypatch.setattr(install, "PYTHON", tmp_path / "none")
    assert install.venv_version() == ""
    monkeypatch.setattr(install, "PYTHON", Path(sys.executable))
    assert install.venv_version() == HERE


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "install.py", "Python", "folder"])
def test_the_fingerprint_changes_with_all_that_the_environment_was_made_from(install, monkeypatch, tmp_path, changed):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for name in ("pyproject.toml", "constraints.txt", "install.py"):
            (tmp_path / folder / name).write_text(name)
    monkeypatch.setattr(install, "ROOT", tmp_path / "here")
    monkeypatch.setattr(install, "__file__", str(tmp_path / "here" / "install.py"))
    before = install.fingerprint()
    assert install.fingerprint() == before
    if changed == "Python":
        monkeypatch.setattr(install.sys, "version", "3.12.99")
    elif changed == "folder":
        monkeypatch.setattr(install, "ROOT", tmp_path / "there")
    else:
        (tmp_path / "here" / changed).write_text("something else")
    assert install.fingerprint() != before


def test_environment_installs_once_and_again_after_an_interruption(install, monkeypatch, tmp_path):
    python, stamp = tmp_path / "python", tmp_path / "stamp"
    monkeypatch.setattr(install, "PYTHON", python)
    monkeypatch.setattr(install, "STAMP", stamp)
    monkeypatch.setattr(install, "make_venv", lambda fresh: python.touch())
    monkeypatch.setattr(install, "one_at_a_time", install.contextlib.nullcontext)
    monkeypatch.setattr(install, "pip", lambda *_, **__: sys.exit("interrupted"))
    with pytest.raises(SystemExit):
        install.environment([])
    assert not stamp.exists()
    monkeypatch.setattr(install, "pip", lambda *_, **__: install.asked.append("pip") or True)
    assert install.environment(["--cuda", "-k", "gae"]) == ["-k", "gae"]
    assert install.asked == ["pip"]
    assert install.environment([]) == []
    assert install.asked == ["pip"]


@pytest.fixture
def made(install, monkeypatch, tmp_path):
    """install.py with an environment in a temporary folder, which is there at once."""
    monkeypatch.setattr(install, "ROOT", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("torch==2.0")
    monkeypatch.setattr(install, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(install, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(install, "make_venv", lambda fresh: (tmp_path / "python").touch())
    return install


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupted_change_leaves_no_environment_that_seems_ready(made, monkeypatch, capsys):
    made.environment([])
    (made.ROOT / "constraints.txt").write_text("torch==3.0")
    pip = made.pip
    monkeypatch.setattr(made, "pip", interrupt)
    with pytest.raises(SystemExit) as stopped:
        made.environment([])
    assert stopped.value.code == 130
    assert capsys.readouterr().err.endswith("rlkit: interrupted; the same command continues from there.\n")
    (made.ROOT / "constraints.txt").write_text("torch==2.0")  # as before, but half of it was replaced
    monkeypatch.setattr(made, "pip", pip)
    made.asked.clear()
    made.environment([])
    assert made.asked


@pytest.mark.parametrize("stamp", [b"", b"\xff\xfe\x00", b"half"])
def test_a_damaged_stamp_means_not_ready(made, stamp):
    made.environment([])
    made.STAMP.write_bytes(stamp)
    assert not made.ready("test")


def test_a_checkout_that_cannot_be_written_is_named_and_its_cure_too(made, monkeypatch):
    monkeypatch.setattr(made.os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit, match=r"cannot be written, .* copy the repository to a folder of your own\.$"):
        made.environment([])
    assert made.asked == []


def test_where_there_are_no_locks_the_environment_is_made_without(made):
    (made.ROOT / ".venv.lock").mkdir()  # it cannot be opened
    made.environment([])
    assert made.ready("test")


def test_a_second_command_says_that_it_waits_and_then_finds_the_environment_made(made, capsys):
    entered = threading.Event()

    def second():
        entered.set()
        made.environment([])

    with made.one_at_a_time():
        thread = threading.Thread(target=second)
        thread.start()
        assert entered.wait(10)
        for _ in range(1000):
            if "waiting for it." in (said := capsys.readouterr().err):
                break
            time.sleep(0.01)
        made.make_ready("test", newest=False, cuda=False)
        asked = len(made.asked)
    thread.join(30)
    assert said == "rlkit: another command is making .venv; waiting for it.\n"
    assert made.ready("test") and len(made.asked) == asked


def test_the_newest_versions_get_a_fresh_environment(install, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(install, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(install, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(install, "make_venv", lambda fresh: made.append(fresh) or (tmp_path / "python").touch())
    monkeypatch.setattr(install, "one_at_a_time", install.contextlib.nullcontext)
    for arguments in (["--newest"], ["--newest", "-k", "gae"], [], ["--newest"]):
        assert install.environment(arguments) == [word for word in arguments if word in ("-k", "gae")]
    assert made == [True, False, True]  # the second call found everything it needs
    newest, pinned, _ = (arguments for arguments in install.asked if "-e" in arguments)
    assert "-c" not in newest and "-c" in pinned


def test_what_jupyterlab_is_told_are_settings_that_it_knows(install, tmp_path):
    install.set_up_jupyterlab(tmp_path)
    told = json.loads((tmp_path / "share/jupyter/lab/settings/overrides.json").read_text())
    for name, settings in told.items():
        extension, _, plugin = name.partition(":")
        schema = Path(sys.prefix, "share/jupyter/lab/schemas", extension, plugin + ".json")
        known = json.loads(schema.read_text(encoding="utf-8"))["properties"]
        assert settings.keys() <= known.keys(), name
        for key, value in settings.items():
            choices = [choice["const"] for choice in known[key].get("oneOf", []) if "const" in choice]
            assert not choices or value in choices, key


def test_more_extras_are_installed_on_first_use_and_then_kept(install, monkeypatch, tmp_path):
    monkeypatch.setattr(install, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(install, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(install, "make_venv", lambda fresh: (tmp_path / "python").touch())
    monkeypatch.setattr(install, "one_at_a_time", install.contextlib.nullcontext)
    monkeypatch.setattr(install, "torch_version", lambda python: pins()["torch"])
    for extras in ("test", "test,course", "test", "test,course"):
        install.environment([], extras)
    assert [arguments[2] for arguments in install.asked] == [".[test]", ".[test,course]"]


def test_without_a_gpu_the_cpu_build_comes_first_and_from_its_own_index(install):
    install.install("python")
    torch, everything = install.asked
    assert is_cpu_torch(torch) and install.CPU_INDEX in torch
    assert "--retries" in torch and "--timeout" in torch and "--no-deps" in torch
    assert everything == ("install", "-e", ".[test]", "-c", "constraints.txt")


def test_the_second_try_is_where_pip_looks_itself_and_there_too_only_the_cpu_build(install, monkeypatch):
    monkeypatch.setattr(install, "pip", lambda python, *a, **_: install.asked.append(a) or "--index-url" not in a)
    install.install("python")
    _, own, everything = install.asked
    assert is_cpu_torch(own) and "--index-url" not in own
    assert everything[1] == "-e"


@pytest.mark.parametrize("newest", [False, True])
def test_cuda_is_never_installed_unasked(install, monkeypatch, newest):
    monkeypatch.setattr(install, "pip", lambda python, *a, **_: install.asked.append(a) and False)
    with pytest.raises(SystemExit, match="--cuda"):
        install.install("python", newest=newest)
    first, second = install.asked
    assert install.CPU_INDEX in first and (first[-1] == "torch" if newest else is_cpu_torch(first))
    assert is_cpu_torch(second)


@pytest.mark.parametrize("case", ["a GPU", "--cuda", "torch is there", "darwin", "win32"])
def test_otherwise_pip_finds_the_right_torch_by_itself(install, monkeypatch, case):
    monkeypatch.setattr(install, "has_gpu", lambda: case == "a GPU")
    monkeypatch.setattr(install, "torch_version", lambda python: pins()["torch"] if case == "torch is there" else "")
    if case in ("darwin", "win32"):
        monkeypatch.setattr(install.sys, "platform", case)
    install.install("python", cuda=case == "--cuda")
    assert [arguments[1] for arguments in install.asked] == ["-e"]


def test_a_gpu_is_found_by_asking_the_driver(monkeypatch):
    module = load(ROOT / "binder" / "install.py")
    for answer, expected in [
        (0, True),
        (9, False),
        (OSError(), False),
        (subprocess.TimeoutExpired("nvidia-smi", 30), False),
    ]:

        def call(*_, answer=answer, **__):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(module.subprocess, "call", call)
        assert module.has_gpu() is expected


def test_the_installed_torch_is_found():
    import torch

    found = load(ROOT / "binder" / "install.py").torch_version(sys.executable)
    assert found in (torch.__version__, torch.__version__.split("+cu")[0])  # CUDA builds do not name theirs in metadata


def test_the_newest_torch_is_asked_for_by_its_plain_name_only_where_pip_looks_nowhere_else(install, monkeypatch):
    asked = []
    monkeypatch.setattr(install, "pip", lambda python, *words, **variables: asked.append((words, variables)) and False)
    with pytest.raises(SystemExit):
        install.install("python", newest=True)
    (plain, nowhere_else), (pinned, as_usual) = asked
    assert plain[-1] == "torch" and install.CPU_INDEX in plain and is_cpu_torch(pinned) and as_usual == {}
    assert nowhere_else == {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}


def test_the_newest_cpu_build_stays_whatever_pip_would_prefer(install, monkeypatch):
    monkeypatch.setattr(install, "torch_version", lambda python: "2.99.0+cpu")
    install.install("python", newest=True)
    torch, everything = install.asked
    assert torch[-2:] == ("--upgrade", "torch") and everything[-1] == "torch==2.99.0+cpu"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("ending", ["kill", "terminate"])
def test_what_an_install_started_ends_with_it_however_it_ends(ending, tmp_path):
    sign = tmp_path / "sign"
    grandchild = f"import os, time; open({str(sign)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    child = f"import subprocess, sys; subprocess.call([sys.executable, '-c', {grandchild!r}])"
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'binder')!r}); import install\n"
    script += f"install.guarded([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", script]) as installing:
        assert wait_for(lambda: sign.exists() and sign.read_text())
        getattr(installing, ending)()
    assert wait_for(lambda: not is_alive(int(sign.read_text())))


def wait_for(condition):
    """Wait until a condition holds -> whether it does."""
    for _ in range(1000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def is_alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except OSError:
        return False


def test_a_guarded_command_gives_its_exit_code():
    guarded = load(ROOT / "binder" / "install.py").guarded
    assert [guarded([sys.executable, "-c", f"import sys; sys.exit({code})"]) for code in (0, 7)] == [0, 7]


def test_without_a_network_the_cure_is_a_network_and_not_other_versions(install, monkeypatch, tmp_path):
    monkeypatch.setattr(install, "PIP_LOG", tmp_path / "log")
    monkeypatch.setattr(install, "pip", lambda *_, **__: False)
    said = []
    for log in ("Retrying after connection broken by 'NewConnectionError('<...>'", "ERROR: ResolutionImpossible", None):
        install.PIP_LOG.unlink(missing_ok=True)
        if log:
            install.PIP_LOG.write_text(log)
        with pytest.raises(SystemExit) as stopped:
            install.install("python")
        said.append("to the network" in str(stopped.value))
    assert said == [True, False, False]


def start_lectures(monkeypatch, arguments, prepare):
    """Run `python lectures` up to where it would start JupyterLab -> what it would start."""
    started = []
    monkeypatch.setitem(sys.modules, "install", types.SimpleNamespace(environment=lambda a: a, run=started.append))
    copies = load(ROOT / "binder" / "copies.py")
    copies.prepare = prepare
    monkeypatch.setitem(sys.modules, "copies", copies)
    monkeypatch.setattr(sys, "argv", ["lectures", *arguments])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "lectures" / "__main__.py"), run_name="__main__")
    return started[0]


@pytest.mark.parametrize("root", [True, False])
def test_jupyterlab_is_told_that_root_may_start_it_as_in_a_container(root, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000, raising=False)
    assert ("--allow-root" in start_lectures(monkeypatch, [], lambda: [])) == root


def test_the_start_page_of_the_copies_is_opened_and_on_request_that_of_the_originals(monkeypatch, capsys):
    mine = start_lectures(monkeypatch, ["--port", "9000"], lambda: ["02_dqn.ipynb"])
    assert "--LabApp.default_url=/lab/tree/my_lectures/start.md" in mine and mine[-2:] == ["--port", "9000"]
    assert any(word.startswith("--LabApp.workspaces_dir=") for word in mine)
    assert capsys.readouterr().err == (
        "rlkit: you changed 02_dqn.ipynb, so it stays, although there is a newer one; to get that, delete yours.\n"
    )
    originals = start_lectures(monkeypatch, ["--originals"], lambda: pytest.fail("no copies are needed"))
    assert "--LabApp.default_url=/lab/tree/lectures/start.md" in originals and "--originals" not in originals


def test_where_no_copies_can_be_made_the_originals_are_opened(monkeypatch, capsys):
    def prepare():
        raise PermissionError(13, "Permission denied")

    assert "--LabApp.default_url=/lab/tree/lectures/start.md" in start_lectures(monkeypatch, [], prepare)
    assert "Permission denied" in capsys.readouterr().err


@pytest.fixture
def lectures(tmp_path):
    """A repository with one chapter and a page, and copies.py: `copies.prepare(root)`."""
    copies = load(ROOT / "binder" / "copies.py")
    (tmp_path / "lectures" / "images").mkdir(parents=True)
    (tmp_path / "lectures" / "images" / "a.png").write_bytes(b"picture")
    (tmp_path / "lectures" / "start.md").write_text("# Start\n\n<!-- continue -->\n")
    (tmp_path / "lectures" / "page.md").write_text("[a](assignments/README.md)")
    write_chapter(tmp_path / "lectures" / "02_a.ipynb", "1 + 1")
    assert copies.prepare(tmp_path) == []
    return types.SimpleNamespace(copies=copies, root=tmp_path, mine=tmp_path / "my_lectures")


def write_chapter(path, code, outputs=(), ran=""):
    heading = {"cell_type": "markdown", "id": "head", "metadata": {}, "source": ["## 3. Sums\n", "\n", "words"]}
    cell = {"cell_type": "code", "id": "sum", "metadata": {}, "source": [code], "outputs": list(outputs)}
    if ran:
        cell["metadata"] = {"execution": {"shell.execute_reply": ran}}
    path.write_text(json.dumps({"cells": [heading, cell]}))


def code_of(path):
    return json.loads(path.read_text())["cells"][1]["source"]


def test_a_copy_that_was_only_run_is_replaced_by_a_newer_original_and_stays_as_long_as_there_is_none(lectures):
    copy = lectures.mine / "02_a.ipynb"
    write_chapter(copy, "1 + 1", outputs=["2"])
    ran = copy.read_bytes()
    assert lectures.copies.prepare(lectures.root) == [] and copy.read_bytes() == ran
    write_chapter(lectures.root / "lectures" / "02_a.ipynb", "1 + 2")
    assert lectures.copies.prepare(lectures.root) == [] and code_of(copy) == ["1 + 2"]


def test_a_copy_that_the_reader_changed_stays_until_it_is_deleted(lectures):
    copy = lectures.mine / "02_a.ipynb"
    write_chapter(copy, "my own")
    assert lectures.copies.prepare(lectures.root) == []
    write_chapter(lectures.root / "lectures" / "02_a.ipynb", "1 + 2")
    for _ in range(2):  # each start says so
        assert lectures.copies.prepare(lectures.root) == ["02_a.ipynb"] and code_of(copy) == ["my own"]
    copy.unlink()
    assert lectures.copies.prepare(lectures.root) == [] and code_of(copy) == ["1 + 2"]


@pytest.mark.parametrize("record", ["", "[]", '{"02_a.ipynb": 1}', '{"02_a.ipynb": ["a", "b"]}'])
def test_a_damaged_record_of_the_copies_loses_nothing_of_the_readers(lectures, record):
    copy = lectures.mine / "02_a.ipynb"
    write_chapter(copy, "my own")
    (lectures.mine / ".originals.json").write_text(record)
    assert lectures.copies.prepare(lectures.root) == ["02_a.ipynb"] and code_of(copy) == ["my own"]
    assert (lectures.mine / "page.md").read_text() == "[a](../lectures/assignments/README.md)"


def test_a_copy_that_is_no_notebook_any_more_stays(lectures):
    (lectures.mine / "02_a.ipynb").write_text("{")
    write_chapter(lectures.root / "lectures" / "02_a.ipynb", "1 + 2", outputs=["3"])
    assert lectures.copies.prepare(lectures.root) == ["02_a.ipynb"]
    assert (lectures.mine / "02_a.ipynb").read_text() == "{"


def test_the_start_page_leads_to_where_the_last_cell_was_run(lectures):
    page = lectures.mine / "start.md"
    assert page.read_text() == "# Start\n\n\n"
    write_chapter(lectures.mine / "02_a.ipynb", "1 + 1", ran="2026-01-02T10:00:00.000000Z")
    write_chapter(lectures.mine / "01_b.ipynb", "1 + 1", ran="2026-01-01T10:00:00.000000Z")
    lectures.copies.prepare(lectures.root)
    assert "[chapter 2, section 3. Sums](02_a.ipynb#cell-id=head)" in page.read_text()


def test_git_does_not_see_the_copies_and_the_start_page_has_a_place_for_the_link():
    copies = load(ROOT / "binder" / "copies.py")
    assert f"{copies.NAME}/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert copies.CONTINUE in (ROOT / "lectures" / copies.START).read_text(encoding="utf-8")


def test_the_first_layout_has_the_name_that_jupyterlab_gives_its_default(lectures):
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    folder = lectures.mine / ".layout"
    assert "toc" in WorkspacesManager(str(folder)).load("default")["data"]["layout-restorer:data"]["left"]["current"]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_the_start_says_two_lines_and_ctrl_c_ends_it(tmp_path):
    import signal
    import urllib.request

    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, ROOT / "binder" / "serve.py", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--ServerApp.root_dir={tmp_path}", "--LabApp.default_url=/lab/tree/start.md"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    server = subprocess.Popen(command, env=os.environ | places, **pipes)
    try:
        first, second = server.stdout.readline(), server.stdout.readline()
        url = re.fullmatch(r"rlkit: the lectures are at (http://\S+/lab/tree/start\.md\?token=\w+)\n", first)[1]
        assert second == "rlkit: press Ctrl-C here to stop.\n"
        with urllib.request.urlopen(url, timeout=PATIENCE) as page:
            assert page.status == 200
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=PATIENCE)
    finally:
        server.kill()
        server.communicate()
    said = [line for line in err.splitlines() if line.strip() and "nbgrader" not in line.lower()]
    assert server.returncode == 0 and out == "" and len(said) <= 1, err  # "Shutting down..."


def test_the_exit_code_of_the_program_is_returned(install, monkeypatch):
    monkeypatch.setattr(install, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(install.signal, "signal", lambda *_: None)
    assert install.run(["-c", "import sys; sys.exit(7)"]) == 7


# --- python tests ---


def test_python_tests_lints_tests_and_runs_every_lecture_and_assignment():
    ruff, pytest = load(ROOT / "tests" / "__main__.py").legs([])
    assert ruff[0] == "ruff" and pytest[0] == "pytest" and "--nbval" in pytest
    assignments = list(ROOT.glob("lectures/assignments/source/*/*.ipynb"))  # with their solutions
    assert len(assignments) == 3
    files = {path.relative_to(ROOT).as_posix() for path in [*NOTEBOOKS, *assignments, *ROOT.glob("tests/test_*.py")]}
    assert sorted(word for word in pytest if word.startswith(("tests/test_", "lectures/"))) == sorted(files)


def test_the_fast_tests_leave_out_lectures_and_files_that_exist():
    module = load(ROOT / "tests" / "__main__.py")
    ruff, pytest = module.legs(["--fast", "-x"])
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/test_*.py")}
    assert ruff[0] == "ruff" and pytest[-1] == "-x" and "--nbval" not in pytest and "--fast" not in pytest
    assert set(module.SLOW) <= files
    assert {word for word in pytest if word.startswith(("tests/test_", "lectures/"))} == files - set(module.SLOW)


def test_python_tests_hands_its_arguments_to_pytest():
    legs = load(ROOT / "tests" / "__main__.py").legs
    assert legs(["-k", "gae"]) == [["pytest", "-k", "gae"]]
    assert "tests/nbval_sanitize.cfg" in legs(["--nbval", "lectures/02_dqn.ipynb"])[0]


def test_ray_is_installed_on_request_only(monkeypatch):
    module = load(ROOT / "tests" / "__main__.py")
    asked, ran = [], []
    monkeypatch.setattr(module.install, "environment", lambda words, extras: asked.append(extras.split(",")) or words)
    monkeypatch.setattr(module.install, "run", lambda leg, cwd: ran.append(leg[1:]) or 0)
    for arguments in (["--version"], ["--cluster", "--version"], ["--cluster"]):
        assert module.main(arguments) == 0
    assert ["cluster" in extras for extras in asked] == [False, True, True]
    assert ran == [["pytest", "--version"]] * 2 + module.legs([])  # pytest knows no such word


def test_binder_the_dev_container_and_readers_do_without_ray(install, monkeypatch):
    install.install("python")
    assert install.asked[-1][2] == ".[test]"
    extras = project()["optional-dependencies"]
    assert not any("ray" in line for line in [*project()["dependencies"], *extras["test"], *extras["course"]])


def test_continuous_integration_runs_the_tests_that_need_ray():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line.split("tests ")[1].split()[0] for line in lines if '"$python" tests' in line] == ["--cluster"] * 2
    for workflow in ("test", "canary"):
        text = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
        assert re.search(r"run: python tests (.* )?--cluster$", text, re.MULTILINE), workflow


def test_the_first_failure_is_the_exit_code_and_an_interruption_ends_it(monkeypatch):
    module = load(ROOT / "tests" / "__main__.py")
    monkeypatch.setattr(module.install, "environment", lambda arguments, extras: arguments)
    monkeypatch.setattr(module, "legs", lambda _: [["a"], ["b"], ["c"]])
    for codes, expected, runs in [([0, 0, 0], 0, 3), ([0, 1, 4], 1, 3), ([0, 2, 0], 2, 2)]:
        answers = iter(codes)
        monkeypatch.setattr(module.install, "run", lambda leg, cwd, answers=answers: next(answers))
        assert module.main([]) == expected
        assert len(list(answers)) == 3 - runs


# --- the versions ---


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_constraints_satisfy_pyproject():
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    extras = [project()["optional-dependencies"][extra] for extra in ("test", "course", "browser", "cluster")]
    for line in sum(extras, project()["dependencies"]):
        requirement = Requirement(line)
        assert requirement.specifier, f"{line}: no bound"
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def test_constraints_are_exact_versions_that_every_index_has():
    for name, version in pins().items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name) and re.fullmatch(r"[0-9][0-9a-z.]*", version), name


def test_every_file_that_names_the_pythons_names_the_same(install):
    oldest, newest, versions = install.find_python.VERSIONS[-1], install.find_python.VERSIONS[0], []
    for classifier in project()["classifiers"]:
        versions += re.findall(r"Python :: (3\.\d+)", classifier)
    assert versions == install.find_python.VERSIONS[::-1]
    assert project()["requires-python"] == f">={oldest},<3.{int(newest[2:]) + 1}"
    for name in ("constraints.txt", "CONTRIBUTING.md"):
        assert f"Python {oldest} to {newest}" in (ROOT / name).read_text(encoding="utf-8"), name
    assert f"Python {', '.join(versions[:-1])} or {newest}" in README
    for workflow in ("test", "canary"):
        text = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
        tried = json.loads(re.search(r"python: (\[.*\])", text).group(1))
        assert tried[0] == oldest and tried[-1] == newest and set(tried) <= set(versions), workflow


def test_the_version_of_rlkit_is_the_same_everywhere_it_is_written():
    import rlkit

    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest_change = re.search(r"^## (\S+) \(", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rlkit.__version__ == project()["version"] == citation.group(1) == newest_change.group(1)


# --- what the README says ---

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_torch_line_of_the_readme_is_the_pinned_version():
    assert f"torch=={pins()['torch']}+cpu --index-url {load(ROOT / 'binder' / 'install.py').CPU_INDEX} " in README


def test_the_map_of_the_readme_names_every_file_of_rlkit():
    block = README.split("```\nrlkit/\n")[1].split("```")[0]
    named = {name.rstrip("/") for line in block.splitlines() for name in re.split(r"\s{2,}", line.strip())[0].split()}
    files = {path.name for path in (ROOT / "rlkit").glob("*.py")} - {"__init__.py"}
    assert named == files | {path.parent.name for path in (ROOT / "rlkit").glob("*/__init__.py")}


def page(path):
    """The text of a page; for a notebook, that of its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


# --- opened elsewhere ---


@pytest.fixture
def address():
    return load(ROOT / "binder" / "address.py")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_chapter_opens_itself_on_binder_and_on_colab(address, path):
    first = page(path).split("\n## ")[0]
    where = f"/lectures/{path.name})"
    assert f"](https://mybinder.org/v2/gh/{address.address()}/HEAD?urlpath=lab/tree{where}" in first
    assert f"](https://colab.research.google.com/github/{address.address()}/blob/main{where}" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_installs_rlkit_on_colab_and_nowhere_else(address, monkeypatch, path):
    from IPython.core.interactiveshell import InteractiveShell

    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    shell, asked = InteractiveShell(), []
    monkeypatch.setattr(shell, "run_line_magic", lambda name, line, **_: asked.append((name, line)))
    for there in (False, True):
        if there:
            monkeypatch.setitem(sys.modules, "google.colab", sys)
        shell.run_cell("".join(cells[0]["source"])).raise_error()
        package = f'"{project()["name"]} @ git+{project()["urls"]["Repository"]}"'
        assert asked == ([("pip", f"install --quiet {package}")] if there else [])


def test_one_command_changes_the_address_in_every_link(address, monkeypatch, tmp_path):
    names = [str(Path(ROOT, name).relative_to(ROOT)) for name in address.PAGES]
    before = {name: (ROOT / name).read_bytes() for name in names}
    (tmp_path / "lectures").mkdir()
    for name, text in before.items():
        (tmp_path / name).write_bytes(text)
    monkeypatch.setattr(address, "PAGES", names)
    monkeypatch.setattr(address, "ROOT", tmp_path)
    here = address.address()
    address.main("Prof-X/deep.rl")
    links = "|".join(["github.com", "mybinder.org/v2/gh", "colab.research.google.com/github", "codespaces.new"])
    for name in names:
        found = re.findall(rf"(?:{links})(?:/|%2F)([\w.-]+(?:/|%2F)[\w.-]+)", (tmp_path / name).read_text("utf-8"))
        assert {link.replace("%2F", "/") for link in found} - {"LibreTexts/ngshare"} == {"Prof-X/deep.rl"}, name
    with pytest.raises(SystemExit, match="OWNER/REPO"):
        address.main("https://github.com/Prof-X/deep.rl")
    address.main(here)
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_the_dev_container_has_a_python_that_will_do_and_runs_a_script_that_exists(install):
    lines = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8").splitlines()
    settings = json.loads("\n".join(line for line in lines if not line.startswith("//")))
    assert install.find_python.serves(tuple(map(int, re.match(r"python:(\d+)\.(\d+)-", settings["image"]).groups())))
    assert (ROOT / settings["postCreateCommand"].removeprefix("python ")).exists()


# --- what is committed ---


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lectures_are_small_enough_for_a_web_page(path):
    assert path.stat().st_size < 1.5e6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_without_a_kernel_each_panel_is_a_picture_and_each_question_has_its_answer_folded_below(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    widgets = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    texts = ["".join(data.get("text/html", "")) for data in widgets]
    assert widgets and all("image/png" in data or text for data, text in zip(widgets, texts))
    asked = sum("explore.ask(" in "".join(cell["source"]) for cell in cells)
    assert sum(text.count("<details>") for text in texts) == asked >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lectures_are_committed_executed(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    ids = [cell.get("id") for cell in notebook["cells"]]
    assert all(ids) and len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            assert cell["execution_count"], f"not executed: {''.join(cell['source'])[:80]}"
            assert all(out["output_type"] != "error" for out in cell["outputs"]), "".join(cell["source"])[:80]


# The brackets keep the search from finding this file. Two homes are on the nodes of a cluster: lectures/cluster.md.
HOSTS = r"py[p]i\.org|python[h]osted\.org|registry\.np[m]js|deb\.deb[i]an\.org"
PATHS = r"(?<![\w.~}])/(?!h[o]me/(?:teacher|ray)/)(w[o]rk|f[a]rm|ro[o]t|t[m]p|h[o]me|Us[e]rs)/|[A-Z]:\\\\?Us[e]rs"


def committed():
    """The text files of the repository; without Git, the files in its folders."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / line for line in listing.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        folders = ("rlkit", "lectures", "tests", "binder", ".ci", ".github")
        paths = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    suffixes = {"", ".py", ".md", ".toml", ".txt", ".cfg", ".cff", ".yml", ".json", ".csv", ".ipynb"}
    return [path for path in paths if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts]


def test_no_file_names_a_machine_or_a_registry():
    found = []
    for path in committed():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := re.search(f"{HOSTS}|{PATHS}", line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    assert not found, "\n".join(found)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permission")
@pytest.mark.parametrize("name", [".ci/run", "binder/postBuild"])
def test_scripts_are_executable(name):
    assert os.access(ROOT / name, os.X_OK)
