"""The way onto a Ray cluster: one that runs already, or one that is started on this machine and ended after the run.

Ray is an extra (`pip install "rlkit-lecture[cluster]"`) and is imported only when a run asks for a cluster. Whoever can
reach a port of Ray can run any code on its nodes: see lectures/cluster.md.
"""

import ast
import atexit
import importlib.util
import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import ModuleType

from rlkit.running.importable import check_known_everywhere, check_workers
from rlkit.running.messages import brief, reason
from rlkit.running.quick import fewer_processes, import_ray, without_grammar

INSTALL = 'pip install "rlkit-lecture[cluster]"'
ADDRESS = re.compile(r"(ray://)?[^\s:/]+:\d{1,5}")
TRIES = 4  # to start a node on this machine
ANSWER = 5.0  # seconds that a cluster has to accept a connection
# The raylet ends its agents. If it is killed before, they stay for a minute, and make their folder again.
WAIT = {"wait_for_processes": True}
EXIT = 60.0  # seconds that this process waits for the connection when it ends
OBJECTS = 256 * 2**20  # bytes in which the nodes of a local cluster keep larger messages than these
# Ray would keep messages above 100 kB there. Up to about twice this size they cost less CPU when a call carries them.
CARRIED = {"max_direct_call_object_size": 2**20}  # bytes
RLKIT = Path(__file__).parents[1]
INSTALLED = {"site-packages", "dist-packages"}  # folders

# Waits until the process ends that started it, however that ends. Then it ends the processes whose command line names a
# folder, and deletes the folder, until there is neither. Some of Ray's have a title instead of their command line. Of
# these it looks at the files that are open, their logs.
JANITOR = """
import os, shutil, signal, sys, time
from contextlib import suppress
from pathlib import Path
folder, own = sys.argv[1], os.getpid()
def inside(process):
    words = (process / "cmdline").read_bytes()
    files = (process / "fd").iterdir() if words.startswith(b"ray::") else []
    return folder.encode() in words or any(os.path.realpath(file).startswith(folder) for file in files)
sys.stdin.read()
for _ in range(100):
    there = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != own and inside(process):
                there.append(int(process.name))
                os.kill(there[-1], signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    if not there and not Path(folder).exists():
        break
    time.sleep(0.1)
"""


def check_address(cluster):
    """Raise ValueError, in one sentence, for what cannot be the setting `cluster` of an agent."""
    if cluster in (None, "local", "auto") or (isinstance(cluster, str) and ADDRESS.fullmatch(cluster)):
        return
    raise ValueError(
        f"cluster={brief(cluster)} must be None, 'local', 'auto', 'host:port' or 'ray://host:port': this machine "
        "without Ray, Ray on this machine, the cluster of this machine, or one at an address."
    )


def check_cluster(agent):
    """Raise ValueError, in one sentence, if the workers of this agent cannot run where its settings say."""
    if agent.cluster is None:
        check_workers(agent.num_workers, agent.env)
        if getattr(agent, "shards", 1) > 1:
            raise ValueError(f"shards={agent.shards} needs a cluster; set one, such as cluster='local'.")
        return
    check_address(agent.cluster)
    if isinstance(agent.env, str):
        check_known_everywhere(agent.env)
    if not getattr(agent, "shared_statistics", True):
        raise ValueError(
            "shared_statistics=False is possible in shared memory only; leave out cluster, or take "
            "shared_statistics=True."
        )


def ray_is_here():
    """Is Ray installed? It is not imported to find out."""
    return importlib.util.find_spec("ray") is not None


def require_ray():
    """Raise ValueError, in one sentence, if Ray is not installed."""
    if not ray_is_here():
        raise ValueError(f"A cluster needs Ray, which is not installed: {INSTALL}.")


@contextmanager
def connected(address, num_cpus=None, modules=()):
    """Connect this process to the cluster at `address`, and disconnect at the end.

    "local" starts a cluster on this machine, which takes some seconds, and ends it. It has `num_cpus` cores by name;
    None: as many as the machine. Other addresses are as for `check_address`; rlkit and `modules`, files or folders of
    Python, are then sent to its nodes. If this process is connected already, the connection is shared: what it has sent
    to the nodes stays as it is.

    Raises ValueError, in one sentence, if Ray is not installed, if nothing answers there, or if this process is
    connected to another cluster.
    """
    connection = connect(address, num_cpus, modules)
    try:
        connection.ready.wait()
        connection.check()
        yield
    finally:
        leave(connection)


def connect(address, num_cpus=None, modules=()):
    """Begin to connect, or share the connection of this process -> Connection. Wait until it is `ready`, then check it.

    Each call needs one of `leave`.
    """
    check_address(address)
    require_ray()
    with Connection.lock:
        current = Connection.current
        if current.runs == 0:
            current = Connection.current = Connection(address, num_cpus, modules, earlier=current)
            current.start()
        elif address != current.address:
            raise ValueError(
                f"This process is connected to cluster={current.address!r}; end that run before one on {address!r}."
            )
        current.runs += 1
        return current


def leave(connection):
    """Disconnect, if no other run of this process shares the connection."""
    with Connection.lock:
        connection.runs -= 1
        if connection.runs:
            return
        connection.over.set()
    if connection.ready.is_set():  # otherwise a run was stopped while Ray started, and nobody needs to wait for the end
        connection.join(EXIT)


class Connection(threading.Thread):
    """A thread that connects, waits, and disconnects.

    It is a thread because it takes seconds to connect, in which a run may be stopped. And it lives as long as the
    connection because Linux ends what Ray has started together with the thread that started it.
    """

    lock, current = threading.Lock(), None  # a process has one connection

    def __init__(self, address=None, num_cpus=None, modules=(), earlier=None):
        super().__init__(name="the connection to a cluster", daemon=True)
        self.address, self.num_cpus, self.modules, self.earlier = address, num_cpus, modules, earlier
        self.ready, self.over = threading.Event(), threading.Event()
        self.runs, self.error = 0, None

    def run(self):
        if self.earlier.ident is not None:
            self.earlier.join()
        self.earlier = None
        try:
            self.stay()
        except Exception as error:
            self.error = self.error or error
        finally:
            self.ready.set()
            atexit.unregister(self.end)

    def stay(self):
        """Connect, wait, and disconnect."""
        atexit.register(self.end)
        ray = import_ray()
        atexit.register(self.end)  # once more: the last one that was registered comes first, and Ray has its own
        if ray.is_initialized():  # the reader has called ray.init, and ends what that began
            self.ready.set()
            return
        with hushed():
            self.hold(ray)

    def hold(self, ray):
        for left in reversed(range(TRIES)):
            with janitor() if self.address == "local" else nullcontext() as folder:
                self.error = self.begin(ray, folder)
                if left and too_slow(self.error):
                    ray.shutdown(**WAIT)
                    continue
                self.ready.set()
                self.over.wait()
                ray.shutdown(**WAIT)
            break

    def end(self):
        """Wait for the end when this process ends: a thread that is cut off inside C++ crashes it."""
        self.over.set()
        self.join(timeout=EXIT)

    def begin(self, ray, folder):
        """Connect, unless nobody waits for it any more -> the error, or None."""
        quiet = dict(log_to_driver=False, logging_level="ERROR")
        try:
            if self.over.is_set():
                return None
            if self.address == "local":
                options = dict(num_cpus=self.num_cpus, include_dashboard=False, object_store_memory=OBJECTS)
                with fewer_processes(), without_grammar(folder):
                    ray.init("local", _temp_dir=folder, _system_config=CARRIED, **options, **quiet)
            else:
                require_answer(self.address)
                ray.init(self.address, runtime_env=parcel(self.modules), **quiet)
        except Exception as error:
            return error

    def check(self):
        """Raise ValueError, in one sentence, if there is no connection."""
        if self.error is not None:
            raise ValueError(cannot_connect(self.address, self.error)) from self.error


Connection.current = Connection()


def too_slow(error):
    """Ray gives a node 30 seconds to start, which may be too few on a busy machine. Then it may be tried again."""
    return "timed out during startup" in str(error)


@contextmanager
def janitor():
    """A folder for what Ray starts on this machine -> its path. In the end it is deleted, however this process ends."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports nothing to anyone
    # Ray's sockets are in here, and a socket's path has at most 107 letters.
    folder = tempfile.mkdtemp(prefix="rlkit-", dir="/tmp" if Path("/tmp").is_dir() else None)
    command = [sys.executable, "-c", JANITOR, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as cleaner:
        try:
            yield folder
        finally:
            cleaner.communicate()


@contextmanager
def hushed():
    """Ray prints a paragraph when a worker dies. A run says it in its own words, and only once."""
    worker = sys.modules.get("ray._private.worker")
    before = getattr(worker, "print_to_stdstream", None)  # private to Ray
    if before is None:
        yield
        return
    worker.print_to_stdstream = lambda *lines, **options: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def parcel(modules):
    """What is sent to the nodes, as Ray's runtime environment: rlkit without its results, and `modules`."""
    # What is left out is left out of each of them. So it is named file by file: a reader has no such files.
    results = [f"/{path.relative_to(RLKIT)}" for path in sorted((RLKIT / "data").rglob("*")) if path.is_file()]
    return {"py_modules": [str(RLKIT), *map(str, modules)], "excludes": ["__pycache__", *results]}


def cannot_connect(address, error):
    """A sentence that says why there is no connection."""
    if address == "local":
        return (
            f"Ray could not be started on this machine: {reason(error)}; look whether it is very busy, and try again."
        )
    if address == "auto" and isinstance(error, ConnectionError):
        return (
            "cluster='auto' looks for a Ray cluster that this machine is part of, and there is none; start one with "
            "`ray start --head`, or take cluster='local' or its address."
        )
    return f"cluster={address!r} cannot be reached: {reason(error)}"


def require_answer(address):
    """Raise ConnectionError unless something accepts connections at host:port. Ray itself would try for a minute."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"nothing answers there ({error}); look whether the cluster runs, and whether its network lets this "
            "machine in."
        ) from None


def modules_of(env):
    """The files or folders that a node needs for this environment, an id "module:id" or a callable.

    These are its modules, and what they import in turn, as far as an import names it. Empty for what Gymnasium
    registers and for what is installed: that must be installed on the nodes, too.
    """
    todo = {env.rpartition(":")[0]} if isinstance(env, str) else names_in(env)
    seen, found = {"", "__main__", "rlkit", *sys.stdlib_module_names}, set()
    while todo := {name.partition(".")[0] for name in todo} - seen:
        seen |= todo
        new = {path for top in todo for path in places(top)}
        found |= new
        todo = {name for path in new for name in imported_by(path)}
    return sorted(found)


def places(top):
    """Where a module lies: its file, or the folder of a package -> list of paths, empty if it is installed."""
    try:
        spec = importlib.util.find_spec(top)
        paths = [Path(place) for place in spec.submodule_search_locations or [spec.origin]]
    except (ImportError, ValueError, AttributeError, TypeError):  # it has no file, or there is none
        return []
    return [path for path in paths if (path.is_dir() or path.suffix == ".py") and not INSTALLED & set(path.parts)]


def imported_by(path):
    """The modules that a file imports, or the files in a folder -> iterator of names."""
    for file in path.rglob("*.py") if path.is_dir() else [path]:
        with suppress(OSError, SyntaxError, ValueError):  # a file that nobody can import
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    yield node.module


def names_in(thing):
    """The modules that something needs when it is unpickled, and perhaps a few more."""
    require_ray()
    cloudpickle, names = import_ray().cloudpickle, set()

    class Pickler(cloudpickle.CloudPickler):
        def reducer_override(self, part):
            names.add(part.__name__ if isinstance(part, ModuleType) else getattr(part, "__module__", None) or "")
            return super().reducer_override(part)

    with suppress(Exception):  # what cannot be pickled is refused later, in a sentence
        Pickler(io.BytesIO()).dump(thing)
    return names


def require_cores(needed, what):
    """Raise ValueError, in one sentence, if the nodes together do not have so many cores: Ray would wait for ever."""
    import ray

    there = ray.cluster_resources().get("CPU", 0)
    if needed > there:
        raise ValueError(
            f"{what} need {needed} cores, and the cluster has {there:g}: use fewer workers, or add nodes first."
        )
