"""Bad days on a cluster of three emulated nodes: training goes on, or stops with one clear sentence. Nothing is left.

All tests share one cluster and, but for those that connect on their own or in another process, one connection.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
import torch
from conftest import PATIENCE, learn, one_line
from gymnasium.envs.classic_control import CartPoleEnv
from test_workers import alive

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.gorila import Gorila
from rlkit.optimizers import RMSProp
from rlkit.running import cluster as module
from rlkit.running import parameters, remote
from rlkit.running.checkpoint import load, save
from rlkit.running.cluster import connected, modules_of
from rlkit.running.emulated import STORE, add_node, emulated
from rlkit.running.parameters import PUSH, Parameters, Part, RemoteMemory, Server, packed
from rlkit.running.transport import SharedMemory
from rlkit.running.workers import WorkerError
from rlkit.training import evaluate

ROOT = Path(__file__).resolve().parent.parent
FOR_EVER = 10**9
needs_ray = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason=f"Ray is not installed: {module.INSTALL}"),
    pytest.mark.skipif(sys.platform != "linux", reason="several nodes on one machine need Linux"),
]
on_cluster = lambda test: needs_ray[0](needs_ray[1](test))

SHAKY = '''
import os
import signal
import time
from pathlib import Path
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class Shaky(CartPoleEnv):
    """CartPole. In a worker, `how` goes wrong, in each or only in the one that makes `once` first."""

    def __init__(self, how="", once=None, driver=None):
        super().__init__()
        self.how = how if os.getpid() != driver and (once is None or first(once)) else ""
        if self.how == "starts slowly":
            time.sleep(15)
        if self.how == "cannot be made":
            raise OSError("there is no level 7")

    def step(self, action):
        if self.how == "raises":
            raise OSError("level 7 has no door")
        if self.how == "hangs":
            for_ever()
        if self.how == "exits":
            os._exit(5)
        return super().step(action)


def first(path):
    try:
        Path(path).touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def for_ever():
    while True:
        time.sleep(0.1)


gymnasium.register("Mine-v0", CartPoleEnv, max_episode_steps=50)
'''


@pytest.fixture(scope="module", autouse=True)
def patience():
    """Allow a busy machine minutes to start."""
    with pytest.MonkeyPatch.context() as patch:
        for part in (remote, parameters):
            patch.setattr(part, "STARTUP", 600.0)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_agent_register_timeout_ms", "120000")
        yield


@pytest.fixture(scope="module")
def shaky():
    """The module `shaky`, in a folder that only this process has in its path."""
    folder = tempfile.mkdtemp(prefix="rlkit-test-")
    Path(folder, "shaky.py").write_text(SHAKY)
    sys.path.append(folder)
    import shaky

    yield shaky
    sys.path.remove(folder)
    del sys.modules["shaky"]
    rmtree(folder)


@pytest.fixture(scope="module")
def nodes(patience):
    """A head without cores, as on many clusters, and two nodes that have some."""
    with emulated(0, 2, 3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def connection(nodes, shaky):
    with connected(nodes.address, modules=[shaky.__file__]):
        yield nodes


@pytest.fixture
def agent(connection):
    """`agent(**settings)`: a small A3C on the cluster. In the end nothing of it is left there."""
    yield partial(small, cluster=connection.address)
    wait_until(nothing_is_left)


def small(algorithm=A3C, **settings):
    return algorithm(**{"hidden": (8,), "learning_rate": 1e-2, "heartbeat": 600.0, **settings})


def actors(name=""):
    """The living actors whose class is called so: dictionaries, the oldest first."""
    from ray._private.state import actors as table

    found = [one for one in table().values() if one["State"] != "DEAD"]
    return sorted((one for one in found if one["ActorClassName"].startswith(name)), key=lambda one: one["StartTime"])


def nothing_is_left():
    """Have all runs given back what they had on the cluster?"""
    import ray

    groups = ray.util.placement_group_table().values()
    return not actors() and all(group["state"] == "REMOVED" for group in groups) and free_cores() == 5


def free_cores():
    import ray

    return ray.available_resources().get("CPU", 0)


def ended(pid):
    return not alive(pid)


def wait_until(happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"it never happened: {state()}"
        time.sleep(0.1)


def state():
    """What there is on the cluster, for the message of a test that has waited in vain."""
    there = [(one["ActorClassName"], one["State"], one["Pid"], not ended(one["Pid"])) for one in actors()]
    return f"actors, with their processes and whether these live: {there}; free cores: {free_cores()}"


def go(run, happened):
    """Learn until something has happened."""
    deadline = time.monotonic() + PATIENCE
    for progress in run:
        if happened(progress):
            return progress
        assert time.monotonic() < deadline, f"it never happened: step {progress.step}; {state()}"
    raise AssertionError("the run ended before")


def further(run, agent, steps=1_000):
    """Learn so many steps more."""
    before = agent.step
    return go(run, lambda progress: agent.step >= before + steps)


def send(name, what):
    """Send a signal to the actor of this class that started last -> its process."""
    found = []

    def lives():
        # Ray lists an actor before its process has begun to hold it, and for a while after the process has been killed.
        found[:] = [one["Pid"] for one in actors(name) if one["State"] == "ALIVE" and not ended(one["Pid"])]
        return found

    wait_until(lives)
    os.kill(found[-1], what)
    return found[-1]


# Workers -----------------------------------------------------------------------------------------------------


@on_cluster
def test_the_others_go_on_when_a_worker_is_killed_and_without_others_the_run_stops(agent):
    a3c = agent(on_failure="continue")
    with closing(a3c.learn(FOR_EVER)) as run, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        further(run, a3c)
        send("Work", signal.SIGKILL)
        go(run, lambda progress: told)
        theta = a3c.shared.theta.clone()
        further(run, a3c)
        assert str(told[0].message).startswith("Continuing with the other workers: Worker ") and len(told) == 1
        send("Work", signal.SIGKILL)
        with pytest.raises(
            WorkerError, match=r"^Worker \d was lost because its process on node .* was killed"
        ) as error:
            go(run, lambda progress: False)
    one_line(error)
    assert not a3c.shared.theta.equal(theta) and a3c.step > 2_000  # nothing of what the driver has seen is lost


@on_cluster
def test_a_stopped_worker_is_noticed_by_its_silence_and_its_process_ends(agent):
    a3c = agent(on_failure="continue", heartbeat=15.0)
    with closing(a3c.learn(FOR_EVER)) as run, pytest.warns(UserWarning, match="Worker . hangs: .*stopped") as told:
        further(run, a3c)
        stopped = send("Work", signal.SIGSTOP)
        go(run, lambda progress: told.list)
        wait_until(partial(ended, stopped))  # although the run and its cluster live on
        further(run, a3c)
    assert len(told) == 1


@on_cluster
def test_a_worker_whose_environment_hangs_says_where_and_one_that_starts_slowly_is_left_alone(agent, shaky, tmp_path):
    env = partial(shaky.Shaky, "hangs", once=str(tmp_path / "hanging"), driver=os.getpid())
    a3c = agent(env=env, num_workers=1, heartbeat=10.0)
    with pytest.raises(WorkerError, match=r"(?s)^Worker . hangs: it sent nothing for 10 s .*in for_ever\n") as error:
        learn(a3c, FOR_EVER)
    assert str(error.value).splitlines()[0].endswith("It was here:")
    slow = partial(shaky.Shaky, "starts slowly", driver=os.getpid())
    a3c = agent(env=slow, num_workers=1, heartbeat=10.0)
    learn(a3c, 500)
    assert a3c.step >= 500


@on_cluster
def test_what_fails_in_an_environment_is_told_with_its_traceback(agent, shaky):
    told = {
        "cannot be made": r"(?s)^Worker \d failed: OSError: there is no level 7\n\n.*in __init__",
        "raises": r"(?s)^Worker \d failed: OSError: level 7 has no door\n\n.*in step",
        "exits": r"^Worker \d was lost because its process on node .* called os._exit; .*\.$",
    }
    for how, words in told.items():
        with pytest.raises(WorkerError, match=words):
            learn(agent(env=partial(shaky.Shaky, how, driver=os.getpid()), num_workers=1), FOR_EVER)


@on_cluster
def test_what_a_node_cannot_have_is_named(agent, monkeypatch):
    def refused(env, words, error, algorithm=A3C):
        with pytest.raises(error, match=words) as told:
            learn(agent(algorithm, env=env, num_workers=1), FOR_EVER)
        assert len(one_line(told).split(".")) < 6

    elsewhere = types.ModuleType("made_by_hand")  # like a package that is not installed there
    exec(
        "class Env(parent): pass",
        vars(elsewhere) | {"parent": CartPoleEnv, "__name__": "made_by_hand"},
        vars(elsewhere),
    )
    monkeypatch.setitem(sys.modules, "made_by_hand", elsewhere)
    refused(elsewhere.Env, "^Worker . failed: a node cannot import .*made_by_hand.*; install it", WorkerError)
    lock = threading.Lock()
    for algorithm in (A3C, Gorila):  # a worker is sent the environment, and Gorila's server, too
        refused(lambda: CartPoleEnv() if lock else None, "cannot be given this: .*lock", ValueError, algorithm)


# Parameter actors --------------------------------------------------------------------------------------------


@on_cluster
def test_a_parameter_actor_that_is_killed_or_stopped_comes_back_and_nothing_seen_is_lost(agent):
    a3c = agent(shards=2, heartbeat=15.0)
    with closing(a3c.learn(FOR_EVER)) as run, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for what, words in ((signal.SIGKILL, "was lost"), (signal.SIGSTOP, "did not answer for 15 s")):
            further(run, a3c)
            before, version, pid = a3c.shared.theta.clone(), a3c.shared.version, send("Parameters", what)
            go(run, lambda progress: told)
            assert str(told.pop().message).startswith(f"A parameter actor {words}. It goes on from a copy that is ")
            wait_until(partial(ended, pid))
            further(run, a3c)
            assert a3c.shared.version > version and a3c.shared.theta.isfinite().all()
            for shard in range(2):  # each goes on learning
                assert not torch.equal(a3c.shared.theta.chunk(2)[shard], before.chunk(2)[shard])
    assert not told


def memory(num_workers=1):
    """Three weights and their statistics, as `A3C` holds them."""
    return SharedMemory.hold(RMSProp(torch.arange(3.0), decay=0.9, eps=0.1), num_workers, shared=False)


def message(number, steps=5):
    """A push of worker 0: its gradient is its number, three times."""
    return packed(PUSH, (0, number, steps, number, 0.1), np.full(3, float(number), np.float32))


def pushed(held, numbers):
    """`Parameters` that hold this, after the pushes with these numbers."""
    actor = Parameters()
    actor.restore(held, {})
    for number in numbers:
        actor.push(message(number))
    return actor


def test_a_push_is_never_applied_twice_not_even_by_a_restarted_actor():
    once, again = (Part(memory(), slice(0, 3)) for _ in range(2))
    pushed(once, [1, 2, 3])
    actor = pushed(again, [1, 1, 2, 2, 1])
    held, pushes = actor.snapshot()
    copy = Part(memory(), slice(0, 3))
    copy.take(held)
    restarted = Parameters()
    assert restarted.push(message(3)) is None is restarted.snapshot()  # it holds nothing
    restarted.restore(copy, pushes)
    restarted.restore(Part(memory(), slice(0, 3)), {})  # too late
    for number in (2, 3, 3):
        restarted.push(message(number))
    assert copy.shared.theta.equal(once.shared.theta) and copy.shared.optimizer.square.equal(
        once.shared.optimizer.square
    )
    assert copy.shared.T == once.shared.T == 15 and copy.shared.version == 3


def test_a_part_that_lags_behind_takes_nothing_from_the_counts():
    ours = memory()
    parts = [Part(ours, slice(0, 2)), Part(ours, slice(2, 3))]
    ahead, behind = memory(), memory()
    ahead.steps.fill_(100), ahead.updates.fill_(20), behind.steps.fill_(90), behind.updates.fill_(18)
    for part, other in zip(parts, (ahead, behind)):
        part.take(Part(other, slice(0, 2) if other is ahead else slice(2, 3)).snapshot())
    assert (ours.T, ours.version) == (100, 20)


@on_cluster
def test_a_push_whose_answer_was_lost_is_applied_once_and_a_last_copy_that_is_missing_is_told(connection, monkeypatch):
    import ray

    held, twin = memory(), memory()
    server = Server([Part(held, slice(0, 3))], RemoteMemory)
    ray.get(server.start([{"num_cpus": 0}]))
    try:
        worker = RemoteMemory(server.actors, 1)
        worker.join()
        for number in (1, 2):
            twin.push(0, torch.full((3,), float(number)), 0, 0.1)
        worker.push(0, torch.ones(3), 0, 0.1)
        ray.get(server.actors[0].push.remote(message(2, steps=0)))  # the answer gets lost
        wait_until(lambda: server.poll(0.1, 60.0) or held.version == 2)
        send("Parameters", signal.SIGKILL)
        thread = threading.Thread(target=worker.push, args=(0, torch.full((3,), 2.0), 0, 0.1), daemon=True)
        thread.start()  # it gets no answer, and asks again
        with pytest.warns(UserWarning, match="A parameter actor was lost. It goes on from a copy"):
            wait_until(lambda: server.poll(0.1, 60.0) or not thread.is_alive())
        wait_until(lambda: server.poll(0.1, 60.0) or held.version == 2)
        send("Parameters", signal.SIGSTOP)
        monkeypatch.setattr(parameters, "LAST", 0.5)
        with pytest.warns(UserWarning, match=r"did not answer at the end: the last \d+\.\d s of learning are lost"):
            server.end()
    finally:
        server.end()
    assert held.version == 2 and held.theta.equal(twin.theta)


@on_cluster
def test_a_lost_node_takes_a_worker_and_the_parameters_and_the_run_goes_on_when_there_is_another(
    agent, nodes, monkeypatch
):
    import ray

    def lose():
        """The node of the parameter actor -> how many cores it had."""
        lost = actors("Parameters")[0]["Address"]["NodeID"]
        node = next(node for node in nodes.list_all_nodes() if node.node_id == lost)
        nodes.remove_node(node, allow_graceful=False)
        return int(node.get_resource_and_label_spec().num_cpus)

    a3c, missing = agent(num_workers=4, on_failure="continue"), 0  # on all cores, so there is a worker beside it
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            words = lambda: " ".join(str(one.message) for one in told)
            with closing(a3c.learn(FOR_EVER)) as run:
                further(run, a3c)
                missing = lose()
                go(run, lambda progress: "A parameter actor was lost" in words())
                add_node(nodes, num_cpus=missing, object_store_memory=STORE)
                missing = 0
                further(run, a3c)
                assert "was lost when its node or the network failed; " in words()
                step = a3c.step
                missing = lose()
                monkeypatch.setattr(parameters, "STARTUP", 3.0)
                with pytest.raises(
                    WorkerError, match="actor was lost and could not be restarted within 3 s; .* go on"
                ) as e:
                    go(run, lambda progress: False)
                one_line(e)
        assert a3c.step >= step
        wait_until(lambda: ray.cluster_resources()["CPU"] < 5)
        with pytest.raises(
            ValueError, match="num_workers=4 and the parameters need 5 cores, and the cluster has .:"
        ) as e:
            learn(a3c, FOR_EVER)
        one_line(e)
    finally:
        if missing:
            add_node(nodes, num_cpus=missing, object_store_memory=STORE)


@on_cluster
def test_gorila_goes_on_without_a_killed_worker_and_with_a_server_that_is_back(agent):
    def update(run, times):
        before = gorila.server.num_updates
        go(run, lambda progress: gorila.server.num_updates >= before + times)

    gorila = agent(Gorila, learning_starts=100, on_failure="continue")
    failures = {"Work": "Continuing with the other workers: Worker ", "Parameters": "A parameter actor was lost. "}
    with closing(gorila.learn(FOR_EVER)) as run, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for name, words in failures.items():
            update(run, 1)
            send(name, signal.SIGKILL)
            go(run, lambda progress: told)
            assert str(told.pop().message).startswith(words)
            update(run, 100)
    assert not told and gorila.theta.isfinite().all()


# Cores, other runs, the same numbers ---------------------------------------------------------------------------


@on_cluster
def test_cores_that_another_run_holds_are_waited_for_and_then_one_sentence_ends_it(agent, monkeypatch, capsys):
    import ray

    holders = [ray.remote(Parameters).options(num_cpus=2).remote() for _ in range(2)]  # one on each node
    ray.get([holder.snapshot.remote() for holder in holders], timeout=PATIENCE)
    monkeypatch.setattr(remote, "STARTUP", 4.0)
    with pytest.raises(WorkerError, match="Other runs hold the cores that num_workers=2 .* even after 4 s; wait") as e:
        learn(agent(), FOR_EVER)
    one_line(e)
    assert "Other runs hold the cores that num_workers=2 and the parameters need: waiting." in capsys.readouterr().out
    del holders


@on_cluster
def test_two_runs_in_two_threads_share_the_connection_and_no_other_is_possible_meanwhile(agent):
    agents = [agent(num_workers=1, seed=seed) for seed in range(2)]
    threads = [threading.Thread(target=learn, args=(a3c, 3_000)) for a3c in agents]
    for thread in threads:
        thread.start()
    with pytest.raises(
        ValueError, match="This process is connected to cluster='.*'; end that run before one on 'local'"
    ) as e:
        learn(small(cluster="local"), 100)
    one_line(e)
    for thread in threads:
        thread.join()
    assert all(a3c.step >= 3_000 for a3c in agents)


@on_cluster
@pytest.mark.parametrize(
    "settings", [{"shards": 3}, {"optimizer": "adam", "gradients_per_push": 1}], ids=["rmsprop", "adam"]
)
def test_one_worker_on_a_cluster_is_a2c_number_for_number(agent, settings):
    a3c, twin = (
        agent(num_workers=1, **settings),
        A2C(hidden=(8,), learning_rate=1e-2, num_envs=1, optimizer=settings.get("optimizer", "rmsprop")),
    )
    assert learn(a3c, 1_000) == learn(twin, 1_000)
    assert a3c.shared.theta.equal(twin.theta) and a3c.step == twin.step == 1_000
    for ours, theirs in zip(a3c.optimize.statistics(), twin.optimize.statistics(), strict=True):
        assert ours.equal(theirs)


# Other processes -----------------------------------------------------------------------------------------------

DRIVER = """
import sys
from rlkit import A3C

address, env, total = sys.argv[1:]
a3c = A3C(env, num_workers=1, hidden=(8,), heartbeat=600.0, cluster=address)


def learn():
    before, told = a3c.step, False
    for progress in a3c.learn(int(total)):
        if a3c.step > before and not told:
            told = True
            print("learning", flush=True)


try:
    learn()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.stdin.readline()
    learn()
print("finished", flush=True)
"""

MEETING = """
import os
import time
from pathlib import Path
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv
from my_levels import first


class Meeting(CartPoleEnv):
    def step(self, action):
        if not all("_ray_pkg_" in file for file in (__file__, first.__file__)):
            raise OSError("it was not sent")
        Path(first.FOLDER, f"met-{os.getpid()}").touch()
        while len(list(Path(first.FOLDER).glob("met-*"))) < 2:
            time.sleep(0.05)
        return super().step(action)


gymnasium.register("Meeting-v0", Meeting, max_episode_steps=50)
"""

FIRST = """
import json
from pathlib import Path

FOLDER = json.loads(Path(__file__).with_name("levels.json").read_text())
"""


@contextmanager
def driver(address, env="CartPole-v1", total=FOR_EVER, folder=ROOT):
    """Another process that learns on a cluster. What is in `folder` can be imported there."""
    path = os.pathsep.join([str(ROOT), str(folder)])
    command = [sys.executable, "-c", DRIVER, address, env, str(total)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, **pipes)
    late = threading.Timer(PATIENCE, process.kill)
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        process.kill()
        process.communicate()


@pytest.fixture
def meeting(tmp_path):
    """A folder with an environment that waits in each step until two processes have one. It reads a file of levels."""
    (tmp_path / "my_levels").mkdir()
    (tmp_path / "my_env.py").write_text(MEETING)
    (tmp_path / "my_levels" / "first.py").write_text(FIRST)
    (tmp_path / "my_levels" / "levels.json").write_text(f'"{tmp_path}"')
    return tmp_path


def test_what_an_environment_imports_goes_with_it(meeting, monkeypatch):
    monkeypatch.syspath_prepend(meeting)
    assert modules_of("my_env:Meeting-v0") == [meeting / "my_env.py", meeting / "my_levels"]
    assert modules_of("CartPole-v1") == modules_of("no_such_module:Mine-v0") == []


@on_cluster
def test_two_processes_learn_at_the_same_time_with_an_environment_that_is_sent(connection, meeting):
    there = [driver(connection.address, "my_env:Meeting-v0", 500, meeting) for _ in range(2)]
    with there[0] as one, there[1] as other:
        for process in (one, other):
            assert process.communicate()[0].splitlines() == ["learning", "finished"]
            assert process.returncode == 0
    wait_until(nothing_is_left)


@on_cluster
def test_an_interrupted_driver_leaves_nothing_and_goes_on_and_a_killed_one_leaves_nothing(connection):
    with driver(connection.address) as process:
        assert process.stdout.readline() == "learning\n"
        assert len(actors()) == 2 and not nothing_is_left()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        wait_until(nothing_is_left)
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == "learning\n"
        assert len(actors()) == 2
        process.kill()
        assert process.communicate()[0] == ""  # and Ray has printed nothing before
        wait_until(nothing_is_left)


@on_cluster
def test_a_driver_that_is_killed_leaves_nothing_of_a_cluster_on_its_machine():
    import psutil

    with driver("local") as process:
        assert process.stdout.readline().startswith("Ray starts on this machine, for 1 worker")
        assert process.stdout.readline() == "learning\n"
        started = psutil.Process(process.pid).children(recursive=True)
        words = {child.cmdline()[-1] for child in started if child.ppid() == process.pid}
        (folder,) = [Path(word) for word in words if Path(word).name.startswith("rlkit-") and Path(word).is_dir()]
        assert any("raylet" in child.name() for child in started)
        process.kill()
        wait_until(lambda: all(ended(child.pid) for child in started) and not folder.exists())


def test_what_fails_before_ray_starts_is_one_sentence(monkeypatch):
    def broken():
        raise OSError("no space is left")

    monkeypatch.setattr(module, "require_ray", lambda: None)
    monkeypatch.setattr(module, "import_ray", broken)
    monkeypatch.setattr(module.Connection, "current", module.Connection())
    words = "^Ray could not be started on this machine: no space is left; "
    with pytest.raises(ValueError, match=words) as error, connected("local"):
        pass
    one_line(error)


# Without Ray ---------------------------------------------------------------------------------------------------


def test_without_ray_an_agent_for_a_cluster_can_do_everything_but_learn(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    a3c = small(cluster="auto")
    loaded = load(save(a3c, tmp_path / "agent.pt"))
    assert loaded.cluster == "auto" and evaluate(loaded, 2).shape == (2,)
    for one in (loaded, Gorila(cluster="local", hidden=(8,))):
        with pytest.raises(
            ValueError, match="needs Ray, which is not installed: pip install .rlkit-lecture.cluster."
        ) as e:
            learn(one, 100)
        one_line(e)
