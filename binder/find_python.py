"""Find a Python that can run the lectures, and start the same command again with it.

`python` may be too old, or so new that some package has no wheel for it yet, while another Python on the same machine
would do. This file keeps to syntax and modules that Python 2.7 has too, because an old Python has to read it.
"""

import os
import subprocess
import sys
import tempfile
import threading

OLDEST, NEWEST = (3, 11), (3, 14)
VERSIONS = ["3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = 20  # a Python that does not answer in this time hangs
STARTED = "RLKIT_STARTED_AGAIN"  # set for a Python that this file has started: it looks for no other one

# What each candidate runs: it prints its version and its path, or fails if it cannot make environments.
PROBE = "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)"


def help_if_asked(text):
    """Print the help and end, if it is asked for. That needs no environment and no other Python."""
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(text)
        sys.exit()


def ensure():
    """Return in a Python that can run the lectures. In any other one, start this command again and end with it."""
    started_again = os.environ.pop(STARTED, None)
    if serves(sys.version_info) and can_make_environments():
        return
    if started_again is None:
        for command in candidates():
            found = ask(command)
            if found:
                version, path = found
                say("this is Python %s; going on with Python %s, %s." % (name(sys.version_info), version, path))
                start_again(path)
    check_version()
    check_environments()


def check_version():
    """Stop with one sentence if this Python has the wrong version."""
    if not serves(sys.version_info):
        stop(
            "the lectures need Python %s to %s, and this is Python %s: install Python %s beside it, and start the "
            "same command again." % (VERSIONS[-1], VERSIONS[0], name(sys.version_info), VERSIONS[1])
        )


def check_environments():
    """Stop with one sentence if this Python lacks what makes environments."""
    if not can_make_environments():
        stop(
            "this Python cannot make environments because its ensurepip is missing: on Debian and Ubuntu, "
            "`sudo apt install python3-venv` installs it."
        )


def serves(version):
    """Is everything that rlkit needs available for this version of Python?"""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def can_make_environments():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def candidates():
    """Commands that may start another Python. The first is the one that `.venv` was made with, which can then stay."""
    for path in maker():
        yield [path]
    for program in ["python" + version for version in VERSIONS] + ["python3", "python"]:
        for path in on_path(program):
            yield [path]
    if os.name == "nt":
        for version in VERSIONS:
            yield ["py", "-" + version]
    wanted = ">=%d.%d,<%d.%d" % (OLDEST + (NEWEST[0], NEWEST[1] + 1))
    path = output(["uv", "python", "find", "--system", "--no-project", wanted])
    if path:
        yield [path]


def maker():
    """The Python that `.venv` was made with: a list of one path, or of none."""
    try:
        with open(os.path.join(ROOT, ".venv", "pyvenv.cfg")) as lines:
            settings = dict(line.strip().split(" = ", 1) for line in lines if " = " in line)
    except (IOError, ValueError):
        return []
    return [settings["executable"]] if "executable" in settings else []


def on_path(program):
    """Every place of a program on the PATH: the first one may be a version manager's shim that refuses to run it."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, program + (".exe" if os.name == "nt" else ""))
        if folder and os.path.isfile(path):
            yield path


def ask(command):
    """The version of another Python and its path, or None if it does not start, or cannot run the lectures."""
    lines = output(command + ["-c", PROBE], SECONDS).splitlines()
    try:
        version, path = lines
        serving = serves([int(part) for part in version.split(".")])
    except ValueError:  # it printed something else
        return None
    return (version, path) if serving and os.path.isfile(path) and os.access(path, os.X_OK) else None


def output(command, seconds=120):
    """What a command prints, or nothing if it is not there, fails, or does not end within these seconds."""
    # Into a file, because a pipe ends only with the last process that holds it.
    with open(os.devnull, "r+") as nothing, tempfile.TemporaryFile() as said:
        environment = dict(os.environ, PYTHONIOENCODING="utf-8")
        try:
            process = subprocess.Popen(command, stdin=nothing, stdout=said, stderr=nothing, env=environment)
        except OSError:
            return ""
        alarm = threading.Timer(seconds, process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            process.wait()
        finally:
            alarm.cancel()
        said.seek(0)
        return said.read(10000).decode("utf-8", "replace").strip() if process.returncode == 0 else ""


def start_again(path):
    """Run this command with another Python instead of this one."""
    os.environ[STARTED] = "1"
    os.environ.pop("__PYVENV_LAUNCHER__", None)  # on macOS it would tell the other Python that it is this one
    command = [path] + sys.argv
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(path, command)  # the same process: Ctrl-C and the exit code need no care
    process = subprocess.Popen(command)  # Windows has no exec that keeps the terminal
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:  # the other Python hears it too, and decides what to do
            pass


def name(version):
    return "%d.%d.%d" % tuple(version[:3])


def say(sentence):
    sys.stderr.write("rlkit: " + sentence + "\n")
    sys.stderr.flush()


def stop(sentence):
    sys.exit("rlkit: " + sentence)
