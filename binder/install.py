"""Make the environment that the lectures and the tests run in: `.venv`, at the top of this repository.

    python binder/install.py            make it, or bring it up to date, and start nothing
    python binder/install.py --here     install into the Python that runs this instead, as Binder does
    ... --cuda                          install torch's CUDA build, several GB, even if no NVIDIA GPU is found
    ... --newest                        the newest versions that pyproject.toml allows, not those of constraints.txt

`python lectures` and `python tests` begin with the same steps. Only the standard library is used, and only syntax that
Python 2.7 can read, so that an old Python gets as far as `find_python`.
"""

import sys

import find_python

FLAGS = ("--cuda", "--newest")
HERE = "--here" in sys.argv
if __name__ == "__main__":
    find_python.help_if_asked(__doc__)
    for word in sys.argv[1:]:
        if word not in FLAGS + ("--here",):
            find_python.stop("there is no option %s; `python binder/install.py --help` lists all." % word)
    find_python.check_version() if HERE else find_python.ensure()

import contextlib
import datetime
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
from pathlib import Path

from find_python import say, stop

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "rlkit-stamp"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIP_LOG = VENV / "pip.log"
# What pip writes into its log if it cannot reach the place where it looks for packages.
NO_NETWORK = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError")
# A program that runs another one and passes Ctrl-C on to it. When the pipe to its own parent closes, it ends the other
# one with all that this has started. The pipe closes even if the parent was killed.
GUARD = """
import os, signal, subprocess, sys, threading
posix = os.name == "posix"
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=posix)
def end(number):
    os.killpg(child.pid, number) if posix else child.terminate()
signal.signal(signal.SIGINT, lambda *_: end(signal.SIGINT))
threading.Thread(target=lambda: (os.read(0, 1), end(signal.SIGTERM)), daemon=True).start()
os._exit(child.wait() & 255)
"""
NOWHERE_ELSE = {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}


def environment(arguments, extras="test"):
    """Make sure that `.venv` is ready, and return the arguments that were not meant for us."""
    newest = "--newest" in arguments
    if not ready(extras, newest):
        if not os.access(str(ROOT), os.W_OK):
            stop("%s cannot be written, and .venv is made in it: copy the repository to a folder of your own." % ROOT)
        try:
            with one_at_a_time():
                if not ready(extras, newest):  # another process may have made it while we waited for the lock
                    make_ready(extras, newest, cuda="--cuda" in arguments)
        except KeyboardInterrupt:
            say("interrupted; the same command continues from there.")
            sys.exit(130)
    return [argument for argument in arguments if argument not in FLAGS]


def make_ready(extras, newest, cuda):
    """Make `.venv` or bring it up to date. It has a stamp only when all is done, so that an interruption is noticed."""
    with contextlib.suppress(OSError):  # there is none
        STAMP.unlink()
    make_venv(fresh=newest)
    install(PYTHON, extras, cuda=cuda, newest=newest)
    set_up_jupyterlab(VENV)
    STAMP.write_text(fingerprint(newest) + " " + extras)


def fingerprint(newest=False):
    """What the environment was made from; if any of it changes, the environment is brought up to date."""
    files = [ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__)]
    parts = [path.read_bytes() for path in files] + [sys.version.encode(), str(ROOT).encode()]
    parts += [str(datetime.date.today()).encode()] * newest  # tomorrow there may be newer ones
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ready(extras, newest=False):
    """Is `.venv` there, up to date, and with at least these extras?"""
    if not (PYTHON.exists() and STAMP.exists()):
        return False
    made_from, _, there = STAMP.read_text(errors="replace").partition(" ")
    return made_from == fingerprint(newest) and set(extras.split(",")) <= set(there.split(","))


@contextlib.contextmanager
def one_at_a_time():
    """Hold a lock, because two installs at once would spoil the environment.

    SQLite's lock works on every system, and the system releases it when the process ends, however it ends.
    """
    with contextlib.ExitStack() as held:
        try:
            lock = held.enter_context(contextlib.closing(sqlite3.connect(str(ROOT / ".venv.lock"), timeout=0)))
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if "locked" in str(error):
                say("another command is making .venv; waiting for it.")
                with contextlib.suppress(sqlite3.Error):
                    lock.execute("PRAGMA busy_timeout = 1800000")  # milliseconds
                    lock.execute("BEGIN EXCLUSIVE")
        yield  # some network drives have no locks: go on without one


def make_venv(fresh=False):
    """Make `.venv`, unless there is a working one of this Python's version and no fresh one is asked for."""
    version = "%d.%d" % sys.version_info[:2]
    there = venv_version()
    if there == version and not fresh:
        return
    find_python.check_environments()
    instead = " in place of the one for Python %s" % there if there and there != version else ""
    say("making .venv for Python %s%s; this is done once and takes a few minutes." % (version, instead))
    if guarded([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
        stop("no environment could be made in %s; the lines above say why." % VENV)


def venv_version():
    """The version of the Python in `.venv` ("3.13"), or nothing if there is none that works."""
    return find_python.output([str(PYTHON), "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2])"])


def install(python, extras="test", cuda=False, newest=False):
    """Install rlkit, its packages and those of the extras, in the versions of constraints.txt or the newest."""
    version = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)
    versions = [] if newest else ["-c", "constraints.txt"]
    # Only on Linux does pip choose a CUDA build of torch by itself.
    if sys.platform == "linux" and not cuda and not has_gpu():
        if newest or torch_version(python).split("+")[0] != version:
            install_cpu_torch(python, version, newest)
        if newest:  # otherwise pip may replace this torch to settle a conflict between other packages
            versions = ["torch==" + torch_version(python)]
    say("installing rlkit and the packages it needs.")
    if not pip(python, "install", "-e", ".[%s]" % extras, *versions):
        stop_if_offline()
        stop("pip could not install the packages; its last lines say why. The same command continues from there.")


def install_cpu_torch(python, version, newest=False):
    """Install torch without CUDA, from PyTorch's own index or from wherever this machine's pip is told to look.

    The `+cpu` in the version keeps several GB of CUDA away. Without it pip may choose either build, and even a dry run
    downloads the large one. PyTorch's index of CPU builds holds nothing else, so the newest version can be
    installed from there by its plain name, as long as pip looks nowhere else.
    """
    cpu_build = "torch==%s+cpu" % version
    wanted, elsewhere = (["--upgrade", "torch"], NOWHERE_ELSE) if newest else ([cpu_build], {})
    say("no NVIDIA GPU found: installing torch's CPU build.")
    once = ["--timeout", "10", "--retries", "0"]
    if pip(python, "install", "--no-deps", "--index-url", CPU_INDEX, *(once + wanted), **elsewhere):
        return
    say("that did not work; trying %s from where this machine's pip usually looks." % cpu_build)
    if not pip(python, "install", "--no-deps", cpu_build):
        stop_if_offline()
        stop(
            "the CPU build of torch %s cannot be reached from here, and the usual build brings several GB of "
            "CUDA: try again when %s can be reached, or accept the large build with --cuda." % (version, CPU_INDEX)
        )


def set_up_jupyterlab(prefix):
    """Set JupyterLab up for readers, if they have not set it up themselves.

    Its question about news would come at the first start, in front of a class. The pages of the lectures are shown and
    not edited. With the time of each run the start page knows where a reader stopped. All cells of a chapter are laid
    out at once (`windowingMode`), because a link lands a screen too high if those above its target are not.
    """
    settings = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
        "@jupyterlab/notebook-extension:tracker": {"recordTiming": True, "windowingMode": "none"},
    }
    folder = Path(prefix, "share", "jupyter", "lab", "settings")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(settings, indent=4) + "\n")


def has_gpu():
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        return subprocess.call(["nvidia-smi", "-L"], timeout=30, **quiet) == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def torch_version(python):
    """The version of torch that is installed, with its build ("2.10.0+cpu"), or nothing."""
    return find_python.output([str(python), "-c", "import importlib.metadata as m; print(m.version('torch'))"])


def pip(python, *arguments, **variables):
    """Run pip, and say whether it succeeded. Its log is that of this call alone."""
    with contextlib.suppress(OSError):  # there is none
        PIP_LOG.unlink()
    few = {} if "PIP_RETRIES" in os.environ else {"PIP_RETRIES": "2"}  # each failed try waits longer than the last
    command = [str(python), "-m", "pip", "--log", str(PIP_LOG)] + list(arguments)
    return guarded(command, cwd=str(ROOT), env=dict(os.environ, **dict(few, **variables))) == 0


def stop_if_offline():
    """Stop if pip's last call failed because there is no network. pip itself would call that a conflict of versions."""
    with contextlib.suppress(OSError):
        if NO_NETWORK.search(PIP_LOG.read_text(errors="replace")):
            stop(
                "pip cannot reach the place where it looks for packages: connect this machine to the network, or tell "
                "pip about your proxy or mirror, and start the same command again. It continues from there."
            )


def guarded(command, **options):
    """Run a command -> its exit code. It ends when this process does, so that two installs never meet in `.venv`."""
    with subprocess.Popen([sys.executable, "-c", GUARD] + command, stdin=subprocess.PIPE, **options) as process:
        return process.wait()


def run(arguments, cwd=None):
    """Run the environment's Python and return its exit code. Ctrl-C reaches it by itself, SIGTERM is passed on."""
    process = subprocess.Popen([str(PYTHON)] + arguments, cwd=cwd)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


if __name__ == "__main__":
    if HERE:
        install(sys.executable, cuda="--cuda" in sys.argv, newest="--newest" in sys.argv)
        set_up_jupyterlab(sys.prefix)
    else:
        environment(sys.argv[1:])
