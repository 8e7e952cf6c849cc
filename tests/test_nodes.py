"""`python -m rlkit cluster`: what it says of nodes that fit, that lack something, and that do not answer."""

import copy
import doctest
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE

import rlkit
from rlkit.__main__ import main
from rlkit.running import nodes
from rlkit.running.cluster import connected
from rlkit.running.emulated import emulated
from rlkit.running.nodes import Node, judge, room, table

ROOT = Path(rlkit.__file__).parents[1]
OURS = {"Python": "3.11.7", "ray": "2.60.0", "torch": "2.13.0+cpu", "gymnasium": "1.4.0", "ale-py": "0.12.1"}
OURS = {"versions": OURS, "digest": "a1", "token": True, "failed": ""}


def node(number=1, cores=4.0, **changes):
    """A node that fits, but for these changes; `versions` changes some of its versions."""
    versions = OURS["versions"] | changes.pop("versions", {})
    return Node(
        number,
        f"lab-{number}",
        cores,
        8 * 2.0**30,
        f"id{number}",
        versions,
        **{"digest": "a1", "token": True, **changes},
    )


def test_nodes_like_this_process_fit():
    assert judge([node(1), node(2), node(3)], OURS) == ([], [])
    assert room([node(1), node(2, cores=2.0)]) == 5
    assert room([node(1), node(2, cores=0.0)]) == 3  # a head on which nothing is to run
    assert doctest.testmod(nodes).failed == 0


FAULTS = {
    "Python": ({"versions": {"Python": "3.12.7"}}, "Python 3.12.7, but 3.11.7 in this process; use the same version."),
    "ray": ({"versions": {"ray": "2.59.0"}}, "ray 2.59.0, but 2.60.0 in this process; use the same version."),
    "torch": ({"versions": {"torch": ""}, "failed": "rlkit cannot ..."}, "no torch; install torch==2.13.0 there."),
    "gymnasium": ({"versions": {"gymnasium": ""}}, "no gymnasium; install gymnasium==1.4.0 there."),
    "import": ({"failed": "rlkit cannot be imported (x)"}, "rlkit cannot be imported (x)."),
    "another rlkit": ({"digest": "b2"}, "another rlkit than in this process; remove the one that is installed there."),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_node_lacks_is_named_with_the_cure(fault):
    changes, sentence = FAULTS[fault]
    assert judge([node(1), node(2, **copy.deepcopy(changes)), node(3)], OURS) == ([f"Node 2: {sentence}"], [])


WARNINGS = {
    "torch": ({"versions": {"torch": "2.12.0+cu128"}}, "torch 2.12.0, but 2.13.0 in this process; the numbers of a"),
    "ale-py": ({"versions": {"ale-py": ""}}, "no ale-py, so no Atari games."),
    "token": (
        {"token": False},
        "no token is asked for, so whoever reaches a port of Ray can run any program; set RAY_A",
    ),
}


@pytest.mark.parametrize("warning", WARNINGS)
def test_what_is_only_different_is_a_warning(warning):
    changes, sentence = WARNINGS[warning]
    faults, (said,) = judge([node(1), node(2, **copy.deepcopy(changes))], OURS)
    assert faults == [] and said.startswith(f"Node 2: {sentence}") and said.endswith(".")


def test_the_build_of_torch_and_the_last_number_of_python_may_differ():
    assert judge([node(1, versions={"torch": "2.13.0+cu128", "Python": "3.11.9"})], OURS) == ([], [])


def test_the_same_fault_of_several_nodes_is_said_once():
    assert judge([node(1), node(2, digest="b"), node(3, digest="b")], OURS)[0][0].startswith(
        "Nodes 2, 3: another rlkit"
    )
    assert judge([node(1, digest="b"), node(2, digest="b")], OURS)[0][0].startswith("All nodes: another rlkit")


def test_a_node_that_does_not_answer_is_no_room_for_workers():
    silent = Node(2, "lab-2", 4.0, 2.0**30, failed="no answer within 120 s")
    assert judge([node(1), silent], OURS) == (["Node 2: no answer within 120 s."], [])
    assert room([node(1), silent]) == 3


@pytest.mark.parametrize("cores, said", [(1.0, "1 core."), (0.0, "0 cores."), (1.5, "1.5 cores.")])
def test_a_cluster_without_room_for_one_worker_does_not_fit(cores, said):
    (fault,), _ = judge([node(1, cores=cores)], OURS)
    assert fault.startswith("No room for a worker") and fault.endswith(said)


def test_the_table_has_a_line_for_each_node_and_its_columns_in_line():
    far = node(2, cores=16.0, latency=0.00123, bandwidth=118e6)
    lines = table([node(1, cores=1.0), far, Node(3, "lab-3", 4.0, 0.0, failed="no answer")])
    assert [line.split("   ")[0] for line in lines] == ["node 1", "node 2", "node 3"]
    assert "1 core " in lines[0] and "16 cores" in lines[1] and "torch 2.13.0+cpu" in lines[1]
    assert lines[1].endswith("1.2 ms to node 1 and back   118 MB/s") and lines[2].endswith("4 cores    0.0 GiB")
    assert lines[0].index("Python") == lines[1].index("Python")
    assert table([]) == []


# On an emulated cluster -----------------------------------------------------------------------------------------

try:
    import ray
except ImportError:
    ray = None
needs_ray = pytest.mark.skipif(ray is None, reason="Ray is not installed (the extra `cluster`)")


@pytest.fixture(scope="module")
def address():
    """The address of a cluster of three nodes on this machine. They ask for a token: their ports are open."""
    with emulated(1, 2, 1) as cluster:
        yield cluster.address


@needs_ray
def test_three_nodes_fit_and_the_exit_code_is_0(address, capsys):
    assert main(["cluster", address, "--env", "CartPole-v1"]) == 0
    *lines, verdict = capsys.readouterr().out.splitlines()
    assert [line.split("   ")[0] for line in lines] == ["node 1", "node 2", "node 3"]
    for line in lines:
        assert all(f"   {name} {version}" in line for name, version in nodes.here()["versions"].items())
    assert "MB/s" not in lines[0] and all(line.endswith(" MB/s") for line in lines[1:])
    assert verdict == "Fits: room for 3 workers, one on each core, and one core for the parameters."


@needs_ray
def test_a_node_that_cannot_import_rlkit_is_found_and_the_exit_code_is_1(address, capsys, monkeypatch):
    there = nodes.here

    def broken(env=None):
        if ray.is_initialized() and ray.get_runtime_context().get_node_id() == second:
            sys.modules["torch"] = None  # its import fails, as if it were not installed
            os.environ.pop("RAY_AUTH_MODE")
        return there(env)

    def living():
        nonlocal second
        found = original()
        second = found[1].id
        return found

    second, original = "", nodes.living
    monkeypatch.setattr(nodes, "here", broken)
    monkeypatch.setattr(nodes, "living", living)
    assert main(["cluster", address]) == 1
    *lines, warning, fault = capsys.readouterr().out.splitlines()
    assert warning.startswith("Warning. Node 2: no token is asked for")
    assert re.match(r"Does not fit\. Node 2: rlkit cannot be imported \(ModuleNotFoundError: .*torch", fault)
    assert [line.endswith("MB/s") for line in lines] == [False, False, True]


@needs_ray
def test_a_node_whose_process_dies_says_so(address, monkeypatch):
    def die(env):
        if ray.get_runtime_context().get_node_id() == first:
            os._exit(1)
        return OURS

    with connected(address):
        first = nodes.living()[0].id
        monkeypatch.setattr(nodes, "here", die)
        found = nodes.examine()
    assert "died" in found[0].failed and "\n" not in found[0].failed
    assert [node.failed for node in found[1:]] == ["", ""] and found[2].latency > 0
    (fault,), _ = judge(found, OURS)
    assert fault.startswith("Node 1: no answer (")


@needs_ray
def test_a_node_that_hangs_is_waited_for_only_so_long(address, monkeypatch):
    def hang(env):
        import time

        time.sleep(600)

    monkeypatch.setattr(nodes, "here", hang)
    with connected(address):
        found = nodes.examine(patience=0.5)
    faults, _ = judge(found, OURS)
    assert faults[0] == "All nodes: no answer within 0.5 s." and faults[1].startswith("No room for a worker")


@needs_ray
def test_ray_on_this_machine_fits_and_asks_for_a_token():
    variables = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rlkit", "cluster", "local"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    first, line, verdict = done.stdout.splitlines()
    assert (done.returncode, done.stderr, first) == (0, "", "Starting Ray on this machine.")
    assert line.endswith("MB/s") and verdict.startswith("Fits: room for ")


@needs_ray
def test_an_environment_of_ones_own_is_sent_to_the_nodes_and_made_there(address, capsys, monkeypatch, tmp_path):
    (tmp_path / "sent_env.py").write_text(OWN.format(here=os.getpid()))
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["cluster", address, "--env", "sent_env:Sent-v0"]) == 1
    (fault,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Does not fit. All nodes")]
    assert fault.endswith("sent_env:Sent-v0 does not work (OSError: it is a copy: True).")


OWN = """
import os
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

def make(render_mode=None):
    if os.getpid() != {here}:
        raise OSError(f"it is a copy: {{'_ray_pkg_' in __file__}}")
    return CartPoleEnv()

gymnasium.register("Sent-v0", make, max_episode_steps=10)
"""


def test_an_environment_that_does_not_work_here_is_not_tried_there(capsys):
    assert main(["cluster", "local", "--env", "CartPol-v1"]) == 2
    assert "did you mean 'CartPole-v1'?" in capsys.readouterr().err


@needs_ray
def test_where_no_cluster_is_one_sentence_says_so(capsys):
    assert main(["cluster", "127.0.0.1:1"]) == 2
    output, error = capsys.readouterr()
    assert output == "" and "127.0.0.1:1" in error and error.count("\n") == 1


def test_without_ray_one_sentence_names_the_extra(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["cluster", "local"]) == 2
    assert 'pip install "rlkit-lecture[cluster]"' in capsys.readouterr().err
