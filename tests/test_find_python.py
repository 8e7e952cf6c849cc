"""Any Python may start a command: one that cannot run the lectures finds another, or says what to install.

Shell scripts on a separate PATH play the other Pythons. Old Pythons that this machine has are tried as well.
"""

import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["tests", "lectures", "binder/install.py"]
posix = pytest.mark.skipif(os.name != "posix", reason="the other Pythons are shell scripts")

# A command that begins like `python tests`. PRETEND is the version that it claims to be, once.
COMMAND = """
from __future__ import print_function
import os, sys
sys.path.insert(0, "binder")
import find_python

if "PRETEND" in os.environ:
    sys.version_info = tuple(int(part) for part in os.environ.pop("PRETEND").split("."))
find_python.SECONDS = int(os.environ.pop("SECONDS", find_python.SECONDS))
if os.environ.pop("WINDOWS", None):
    find_python.os.name = "nt"
find_python.ensure()
try:
    print("%d.%d" % sys.version_info[:2], sys.argv[1:], sorted(set(os.environ) & {find_python.STARTED}), flush=True)
    if "wait" in sys.argv:
        import time
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(42)
sys.exit(7)
"""
HERE = "{}.{}".format(*sys.version_info)


@pytest.fixture
def find_python(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "binder")
    import find_python

    return find_python


class Machine:
    """A copy of the repository's commands, and a PATH with the Pythons of the test."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "path"
        for part in ("binder", "tests", "lectures", "path"):
            (folder / part).mkdir()
        for file in ("binder/find_python.py", "binder/install.py", "tests/__main__.py", "lectures/__main__.py"):
            shutil.copy(ROOT / file, folder / file)
        (folder / "command.py").write_text(COMMAND)

    def put(self, name, script):
        (self.path / name).write_text("#!/bin/sh\n" + script + "\n")
        (self.path / name).chmod(0o755)
        return self.path / name

    def put_good(self, name):
        return self.put(name, f'echo {name} >> "{self.folder}/asked"\nexec "{sys.executable}" "$@"')

    def asked(self):
        return (self.folder / "asked").read_text().split()

    def start(self, *command, python=sys.executable, **variables):
        kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # Windows needs it
        environment = {"PATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"} | kept | variables
        return subprocess.Popen(
            [python, *command], cwd=self.folder, env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *command, **options):
        """Its standard output, its standard error, and its exit code."""
        process = self.start(*command, **options)
        said, complained = process.communicate(timeout=PATIENCE)
        return said, complained, process.returncode


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


# --- a suitable Python ---


def test_a_suitable_python_is_used_as_it_is(machine):
    assert machine.run("command.py", "-k", "gae") == (f"{HERE} ['-k', 'gae'] []\n", "", 7)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_needs_no_environment(machine, command, option):
    said, complained, code = machine.run(command, option)
    assert "--newest" in said and (complained, code) == ("", 0)


@pytest.mark.parametrize("option", ["--newst", "cuda", "--here=x"])
def test_the_installer_refuses_an_option_that_it_does_not_know_before_it_installs_anything(machine, option):
    said, complained, code = machine.run("binder/install.py", option)
    assert (said, code) == ("", 1) and f"there is no option {option};" in complained and complained.count("\n") == 1


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 13, 9), (3, 14, 0)])
def test_supported_versions(find_python, version):
    assert find_python.serves(version)


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13), (3, 15, 0), (4, 0, 0)])
def test_other_versions_are_refused_with_what_was_found_and_what_to_do(find_python, monkeypatch, version):
    monkeypatch.setattr(find_python.sys, "version_info", version)
    with pytest.raises(SystemExit) as stopped:
        find_python.check_version()
    sentence = str(stopped.value)
    assert ".".join(map(str, version)) in sentence and "install Python 3.13" in sentence and "\n" not in sentence


# --- finding another ---


@posix
@pytest.mark.parametrize("pretend", ["2.7.18", "3.6.15", "3.10.13", "3.15.0"])
def test_another_python_continues_with_the_same_arguments_and_exit_code(machine, pretend):
    machine.put_good("python3.12")
    said, complained, code = machine.run("command.py", "-k", "a b", PRETEND=pretend)
    assert (said, code) == (f"{HERE} ['-k', 'a b'] []\n", 7)
    assert complained.startswith(f"rlkit: this is Python {pretend}; going on with Python {HERE}.")
    assert complained.count("\n") == 1


@posix
def test_the_newest_that_works_is_chosen_and_every_candidate_is_tried_first(machine):
    machine.put("python3.14", "echo no such version is active >&2; exit 127")  # like the shim of a version manager
    machine.put("python3.13", "echo 3.10.2; echo /somewhere/python")  # it is not the version that its name says
    machine.put("python3.12", "echo hello")
    machine.put_good("python3.11")
    machine.put_good("python3")
    assert machine.run("command.py", PRETEND="3.10.13")[2] == 7
    assert machine.asked() == ["python3.11"]


@posix
@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 60",
        "sleep 60",  # killing the shell leaves its child
        "while :; do echo 3.13.0; done",
        "sleep 60 & exit 1",  # it has ended, but its child keeps what it writes to open
    ],
)
def test_a_python_that_hangs_is_passed_over(machine, script):
    machine.put("python3.13", script.replace("sleep", shutil.which("sleep")))
    machine.put_good("python3.12")
    _, complained, code = machine.run("command.py", PRETEND="3.10.13", SECONDS="1")
    assert code == 7 and machine.asked()[0] == "python3.12", complained


@posix
@pytest.mark.parametrize("place", ["/nowhere/python", "{folder}", "{folder}/command.py", "python"])
def test_a_python_that_names_a_place_where_it_is_not_is_passed_over(machine, place):
    machine.put("python3.13", f"echo 3.13.0; echo {place.format(folder=machine.folder)}")
    machine.put_good("python3.12")
    _, complained, code = machine.run("command.py", PRETEND="3.10.13")
    assert code == 7 and complained.count("\n") == 1, complained


@posix
@pytest.mark.parametrize("name", ["python3", "python"])
def test_a_python_without_a_version_in_its_name_is_found_too(machine, name):
    machine.put_good(name)
    assert machine.run("command.py", PRETEND="3.10.13")[2] == 7


@posix
def test_a_shim_that_refuses_hides_no_python_behind_it(machine):
    machine.put("python3.12", "exit 127")
    machine.put_good("further").rename(machine.folder / "python3.12")
    path = f"{machine.path}{os.pathsep}{machine.folder}"
    assert machine.run("command.py", PRETEND="3.10.13", PATH=path)[2] == 7


@posix
def test_uv_is_asked_for_a_python_of_its_own(machine):
    hidden = machine.put_good("hidden")
    machine.put("uv", f'[ "$1 $2" = "python find" ] && echo "{hidden}"')
    assert machine.run("command.py", PRETEND="3.10.13")[2] == 7


@posix
def test_on_windows_the_launcher_is_asked_and_the_exit_code_comes_back(machine):
    machine.put("py", f'[ "$1" = -3.12 ] && shift && exec "{sys.executable}" "$@"')
    said, _, code = machine.run("command.py", "-x", PRETEND="3.10.13", WINDOWS="1")
    assert (said, code) == (f"{HERE} ['-x'] []\n", 7)


@posix
@pytest.mark.parametrize("name, system", [("python3.12", {}), ("python3.12.exe", {"WINDOWS": "1"})])
def test_ctrl_c_reaches_the_other_python_and_its_exit_code_comes_back(machine, name, system):
    machine.put_good(name)
    process = machine.start("command.py", "wait", PRETEND="3.10.13", **system)
    process.stdout.readline()  # it is running
    os.killpg(process.pid, signal.SIGINT)
    _, complained = process.communicate(timeout=PATIENCE)
    assert process.returncode == 42, complained


@posix
def test_the_python_that_made_the_environment_comes_first_so_that_the_environment_stays(machine):
    machine.put_good("python3.13")
    maker = machine.put_good("maker")
    (machine.folder / ".venv").mkdir()
    (machine.folder / ".venv" / "pyvenv.cfg").write_text(f"home = somewhere\nexecutable = {maker}\n")
    assert machine.run("command.py", PRETEND="3.10.13")[2] == 7
    assert machine.asked() == ["maker"]
    maker.unlink()  # that Python was removed or replaced
    assert machine.run("command.py", PRETEND="3.10.13")[2] == 7
    assert machine.asked() == ["maker", "python3.13"]


def test_an_environment_names_the_python_that_made_it(find_python, monkeypatch, tmp_path):
    monkeypatch.setattr(find_python, "ROOT", str(tmp_path))
    assert find_python.maker() == []
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    (path,) = find_python.maker()
    assert find_python.ask([path])[0] == platform.python_version()


# --- finding none ---


@posix
def test_with_no_other_python_one_sentence_says_what_to_install(machine):
    machine.put("python3", "echo 3.10.13; echo /somewhere/python")
    said, complained, code = machine.run("command.py", PRETEND="3.10.13")
    assert (said, code) == ("", 1)
    assert "Python 3.11 to 3.14" in complained and "3.10.13" in complained and complained.count("\n") == 1


@posix
def test_a_python_that_lies_about_its_version_is_started_once(machine):
    liar = machine.put("python3.13", f'echo lied >> asked\nPRETEND=3.10.1 exec "{sys.executable}" "$@"')
    machine.put("python3.14", f'echo 3.14.0; echo "{liar}"')
    said, complained, code = machine.run("command.py", PRETEND="3.10.13")
    assert (said, code) == ("", 1) and "this is Python 3.10.1:" in complained
    assert machine.asked() == ["lied"]


@posix
def test_a_python_without_ensurepip_gives_way_to_one_that_has_it_or_names_the_cure(machine):
    crippled = machine.folder / "crippled"
    crippled.mkdir()
    (crippled / "ensurepip.py").write_text("raise ImportError")
    _, complained, code = machine.run("command.py", PYTHONPATH=str(crippled))
    assert code == 1 and "python3-venv" in complained and complained.count("\n") == 1
    machine.put("python3.12", f'unset PYTHONPATH\nexec "{sys.executable}" "$@"')
    assert "going on with" in machine.run("command.py", PYTHONPATH=str(crippled))[1]


# --- old Pythons that this machine has ---


def old_pythons():
    """{version: path} of all that start."""
    places = Path.home().glob(".pyenv/versions/*/bin/python")
    paths = [shutil.which(f"python{version}") for version in ("2.7", *(f"3.{minor}" for minor in range(5, 11)))]
    found = {}
    for path in filter(None, [*paths, *map(str, places)]):
        ask = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(ask, capture_output=True, text=True)
        if answer.returncode == 0 and tuple(map(int, answer.stdout.split("."))) < (3, 11):
            found.setdefault(answer.stdout.strip(), path)
    return found


OLD = old_pythons() if os.name == "posix" else {}


@pytest.mark.parametrize("version", sorted(OLD) or [pytest.param("", marks=pytest.mark.skip("there is none here"))])
def test_each_command_can_be_started_by_an_old_python(machine, version):
    for command in COMMANDS:
        said, complained, code = machine.run(command, python=OLD[version])
        assert (said, code) == ("", 1), command
        assert f"this is Python {version}." in complained and complained.count("\n") == 1, command
    machine.put_good("python3.12")
    assert machine.run("tests", "--help", python=OLD[version])[0].startswith("`python tests`")
    said, _, code = machine.run("command.py", "-k", "gae", python=OLD[version])
    assert (said, code) == (f"{HERE} ['-k', 'gae'] []\n", 7)
