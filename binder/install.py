"""Make the environment that the lectures and the tests run in: `.venv`, at the top of this repository.

    python binder/install.py            make it, or bring it up to date, and start nothing
    python binder/install.py --here     install into the Python that runs this instead (Binder does so)
    ... --cuda                          take torch's CUDA build, several GB, even if no NVIDIA GPU is found
    ... --newest                        the newest versions that pyproject.toml allows, not those of constraints.txt

`python lectures` and `python tests` begin with the same steps. Only the standard library is used, and only
syntax that an old Python can read, so that this file lives to say in one sentence what is missing.
"""

import contextlib
import datetime
import hashlib
import importlib.util
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "rlkit-stamp"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NOWHERE = {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}  # else than at the index
FLAGS = ("--cuda", "--newest")


def environment(arguments, extras="test"):
    """Make sure that `.venv` is ready, and return the arguments that were not meant for us."""
    check(sys.version_info)
    newest = "--newest" in arguments
    if not ready(extras, newest):
        with one_at_a_time():
            if not ready(extras, newest):  # whoever held the lock may have made it meanwhile
                make_venv(anew=newest)
                install(PYTHON, extras, cuda="--cuda" in arguments, newest=newest)
                ask_no_questions(VENV)
                made_from = fingerprint(newest)
                STAMP.write_text(made_from + " " + extras)  # last, so that an interrupted install is taken up again
    return [argument for argument in arguments if argument not in FLAGS]


def check(version):
    """Stop with one sentence if this Python cannot run the lectures."""
    if not (3, 11) <= tuple(version[:2]) <= (3, 13):
        stop(
            "rlkit needs Python 3.11, 3.12 or 3.13 and this is %d.%d.%d: install one of them beside it, and "
            "start this command with it (for instance python3.13 instead of python)." % tuple(version[:3])
        )


def fingerprint(newest=False):
    """What the environment was made from; if any of it changes, the environment is brought up to date."""
    files = [ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__)]
    parts = [path.read_bytes() for path in files] + [sys.version.encode(), str(ROOT).encode()]
    parts += [str(datetime.date.today()).encode()] * newest  # tomorrow there may be newer ones
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ready(extras, newest=False):
    """Is it there, up to date, and with these extras or more?"""
    if not (PYTHON.exists() and STAMP.exists()):
        return False
    made_from, _, there = STAMP.read_text().partition(" ")
    return made_from == fingerprint(newest) and set(extras.split(",")) <= set(there.split(","))


@contextlib.contextmanager
def one_at_a_time():
    """Two installs into one environment would spoil it. SQLite's lock is on every system and dies with us."""
    with contextlib.closing(sqlite3.connect(str(ROOT / ".venv.lock"), timeout=1800)) as lock:
        with contextlib.suppress(sqlite3.Error):  # some network drives know no locks: then go without
            lock.execute("BEGIN EXCLUSIVE")
        yield


def make_venv(anew=False):
    """Make `.venv` unless there is a working one of this Python's version."""
    probe = "import pip, sys; sys.exit(sys.version_info[:2] != %r)" % (sys.version_info[:2],)
    if not anew and PYTHON.exists() and subprocess.call([str(PYTHON), "-c", probe], stderr=subprocess.DEVNULL) == 0:
        return
    if importlib.util.find_spec("ensurepip") is None:
        stop(
            "this Python cannot make environments because its ensurepip is missing: on Debian and Ubuntu, "
            "`sudo apt install python3-venv` brings it."
        )
    say("making .venv for Python %d.%d; this is done once and takes a few minutes." % sys.version_info[:2])
    if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
        stop("no environment could be made in %s; the lines above say why." % VENV)


def install(python, extras="test", cuda=False, newest=False):
    """Install rlkit, what it needs and what these extras need, in the versions of constraints.txt or the newest."""
    version = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)
    versions = [] if newest else ["-c", "constraints.txt"]
    # Only on Linux is the torch that pip finds by itself a CUDA build.
    if sys.platform == "linux" and not cuda and not has_gpu():
        if newest or torch_version(python).split("+")[0] != version:
            install_cpu_torch(python, version, newest)
        if newest:  # to settle a conflict between the others, pip would put another torch in its place
            versions = ["torch==" + torch_version(python)]
    say("installing rlkit and the packages it needs.")
    if not pip(python, "install", "-e", ".[%s]" % extras, *versions):
        stop("pip could not install the packages; its last lines say why. The same command takes it up again.")


def install_cpu_torch(python, version, newest=False):
    """Install torch without CUDA, from PyTorch's own index or from where this machine's pip is told to look.

    The `+cpu` in the name is what keeps several GB of CUDA away: the plain name admits both builds, and to
    learn by a dry run which one it would be, pip downloads the larger one first. PyTorch's own index of CPU
    builds has no other, so that the newest can be asked for there, if pip looks nowhere else.
    """
    cpu_build = "torch==%s+cpu" % version
    wanted, elsewhere = (["--upgrade", "torch"], NOWHERE) if newest else ([cpu_build], {})
    say("no NVIDIA GPU found: installing torch's CPU build.")
    once = ["--timeout", "10", "--retries", "0"]
    if pip(python, "install", "--no-deps", "--index-url", CPU_INDEX, *once, *wanted, **elsewhere):
        return
    say("that did not work; trying %s where this machine's pip looks by itself." % cpu_build)
    if not pip(python, "install", "--no-deps", cpu_build):
        stop(
            "there is no way from here to the CPU build of torch %s, and the usual one carries several GB of "
            "CUDA: try again when %s can be reached, or accept the large one with --cuda." % (version, CPU_INDEX)
        )


def ask_no_questions(prefix):
    """JupyterLab would ask about news at its first start, before a class, and then look for them on the internet."""
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    settings = Path(prefix, "share", "jupyter", "lab", "settings")
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "overrides.json").write_text(json.dumps(quiet, indent=4) + "\n")


def has_gpu():
    try:
        return (
            subprocess.call(["nvidia-smi", "-L"], timeout=30, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def torch_version(python):
    """The version that is there already, with its build ("2.10.0+cpu"), or nothing."""
    found = "import importlib.metadata as m; print(m.version('torch'))"
    answer = subprocess.run([str(python), "-c", found], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return answer.stdout.decode().strip()


def pip(python, *arguments, **variables):
    command = [str(python), "-m", "pip"] + list(arguments)
    return subprocess.call(command, cwd=str(ROOT), env=dict(os.environ, **variables)) == 0


def run(*arguments, cwd=None):
    """Run the environment's Python and return its exit code. It hears Ctrl-C itself; SIGTERM is handed on."""
    process = subprocess.Popen([str(PYTHON), *arguments], cwd=cwd)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def say(sentence):
    print("rlkit: " + sentence, file=sys.stderr, flush=True)


def stop(sentence):
    sys.exit("rlkit: " + sentence)


if __name__ == "__main__":
    if "--here" in sys.argv:
        check(sys.version_info)
        install(sys.executable, cuda="--cuda" in sys.argv, newest="--newest" in sys.argv)
        ask_no_questions(sys.prefix)
    else:
        environment(sys.argv[1:])
