"""A sweep on a cluster: the same numbers, a sentence for each failure, and nothing that was finished is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, one_line

from rlkit.experiments import spread as module
from rlkit.experiments import stored, sweeps
from rlkit.experiments.plan import plan, run
from rlkit.experiments.spread import Made, Report, kept, machines, spread
from rlkit.experiments.sweeps import SWEEPS, kind_of
from rlkit.experiments.target_network import target_run
from rlkit.running.cluster import connected
from rlkit.running.emulated import add_node, emulated
from rlkit.running.workers import WorkerError

ROOT = Path(__file__).resolve().parent.parent
CODE = {"rlkit.dqn": "01234567"}


# Without a cluster ----------------------------------------------------------------------------------------------------


def squared(seed):
    return seed**2


def added(seed, other):
    return seed + other


def small(seeds=(3, 5)):
    first = run(squared, 10, cores=1)
    return {"first": first, "added": [run(added, seed, first) for seed in seeds], "own": [run(squared, 2)]}


def lines(*made):
    return "".join(json.dumps(line) + "\n" for line in [["code", CODE], *made])


FIRST = ["first", 100, 0.5, "a", "1 core"]
ADDED = ["added, seed 5", 105, 0.5, "b", "2 cores"]
OWN = ["own, seed 3", 4, 0.5, "b", "2 cores"]


@pytest.mark.parametrize(
    "content, kind, expected",
    [
        (lines(FIRST, ADDED, OWN), "1 core", ["first", "added, seed 5", "own, seed 3"]),
        (lines(FIRST, ADDED, OWN), "2 cores", ["own, seed 3"]),  # time was measured on another kind of machine
        (lines(ADDED, OWN), "1 core", ["own, seed 3"]),  # the first of what it was called with is not there
        (lines(OWN, ["another", 1, 0.5, "a", "1 core"]), "1 core", ["own, seed 3"]),
        (lines(OWN, FIRST)[:-9], "1 core", ["own, seed 3"]),  # the last line was cut off
        (lines(FIRST, OWN).replace("01234567", "76543210"), "1 core", []),
        ("", "1 core", []),
        (None, "1 core", []),
        ("\0[]\n3\n[]\n{}\n", "1 core", []),
    ],
)
def test_finished_runs_are_kept_if_they_are_still_right(tmp_path, content, kind, expected):
    path = tmp_path / "small.unfinished"
    if content is not None:
        path.write_text(content)
    _, runs = plan(small)
    made = kept(path, CODE, runs, kind)
    assert made.keys() == {runs[name] for name in expected}
    assert all(
        made[runs[name]].result == {"first": 100, "added, seed 5": 105, "own, seed 3": 4}[name] for name in expected
    )
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert (
        found[0] == ["code", CODE] and [name for name, *_ in found[1:]] == expected
    )  # and nothing else is in the file


def test_the_report_says_how_many_runs_are_made_and_the_minutes_that_are_left(capsys):
    _, runs = plan(small, seeds=range(10))
    report, ones = Report("small", runs, {"a": 2, "b": 1}), list(runs.values())
    report({})
    assert capsys.readouterr().out == "small: 0 of 12 runs are made\n"
    report.due = 0.0
    report({one: Made(0, 50.0, "a", "1 core") for one in ones[:4]})  # 8 left, 3 at a time: 3 rounds of 50 s
    assert capsys.readouterr().out == "small: 4 of 12 runs are made, about 3 minutes left\n"
    report({one: Made(0, 50.0, "a", "1 core") for one in ones[:5]})  # too soon
    assert capsys.readouterr().out == ""
    report({one: Made(0, 50.0, "a", "1 core") for one in ones})
    assert capsys.readouterr().out == "small: 12 of 12 runs are made\n"


def test_the_machines_are_counted_by_kind():
    made = [
        Made(0, 1.0, node, kind) for node, kind in [("a", "8 cores (x)"), ("b", "8 cores (x)"), ("c", "1 core (y)")]
    ]
    assert machines([*made, made[0]]) == "2 nodes with 8 cores (x) and 1 node with 1 core (y)"


@pytest.mark.parametrize(
    "address, said",
    [
        ("auto", "auto"),
        ("local", "local"),
        ("10.1.2.3:6379", "HOST:PORT"),
        ("ray://head.example.org:10001", "ray://HOST:PORT"),
    ],
)
def test_a_result_does_not_say_whose_cluster_it_was(address, said):
    assert kind_of(address) == said


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "Name a sweep; see `python -m rlkit.experiments.sweeps --help`."),
        (["hunger"], "There is no experiment 'hunger'; name one of end_to_end, "),
        (["stabilisers", "--cluster"], "--cluster needs a value"),
        (["stabilisers", "--clusters", "auto"], "There is no option --clusters; did you mean --cluster?"),
        (["stabilisers", "--cluster", "the big one"], "'the big one'"),
        (["stabilisers", "memory"], "The word 'memory' does not belong here."),
    ],
)
def test_a_command_that_means_nothing_ends_before_anything_runs(monkeypatch, arguments, sentence):
    monkeypatch.setattr(sweeps, "main", lambda *given: pytest.fail(f"it ran {given}"))
    with pytest.raises(SystemExit) as ended:
        sweeps.command(arguments)
    assert sentence in ended.value.code and "\n" not in ended.value.code


def test_without_a_node_it_ends_instead_of_waiting(monkeypatch):
    _, any_node = plan(lambda seeds=(0,): [run(squared, 0)])
    _, one_kind = plan(small)
    monkeypatch.setattr(module, "alive", lambda: {"head": 0, "c": 8})
    module.check_alive("s", any_node, {"a": 8})  # a node that came later will do
    module.check_alive("s", one_kind, {"a": 8, "c": 8})
    with pytest.raises(WorkerError) as error:  # not for a run that measures time: it may be of another kind
        module.check_alive("s", one_kind, {"a": 8})
    assert one_line(error) == (
        "No node is left for the runs of s; start some, then the same command: it goes on from here."
    )
    monkeypatch.setattr(module, "alive", lambda: {"head": 0})
    with pytest.raises(WorkerError):
        module.check_alive("s", any_node, {"a": 8})


@pytest.fixture
def data(monkeypatch, tmp_path):
    """An empty folder for results, with `small` as the only sweep that is added."""
    for owner in (sweeps, stored):
        monkeypatch.setattr(owner, "DATA", tmp_path)
    monkeypatch.setitem(SWEEPS, "small", small)
    monkeypatch.setattr(sweeps, "code_of", lambda sweep: CODE)
    return tmp_path


def test_an_interrupt_says_what_is_kept_and_writes_no_result(monkeypatch, data, capsys):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "spread", interrupted)
    assert sweeps.command(["small", "--cluster", "auto"]) == 130
    assert "Finished runs are kept: the same command goes on from here." in capsys.readouterr().err
    monkeypatch.setitem(SWEEPS, "small", interrupted)
    monkeypatch.setitem(SWEEPS, "small", lambda seeds=(0,): interrupted())
    assert sweeps.command(["small"]) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"
    assert list(data.iterdir()) == []


def test_a_failure_on_a_cluster_is_a_sentence_and_one_on_this_machine_a_traceback(monkeypatch, data):
    def failing(*given, seeds=(0,)):
        raise WorkerError("The run 'own, seed 3' of small failed: KeyError.")

    monkeypatch.setattr(sweeps, "spread", failing)
    with pytest.raises(SystemExit, match="^The run 'own, seed 3' of small failed: KeyError.$"):
        sweeps.command(["small", "--cluster", "auto"])
    monkeypatch.setitem(SWEEPS, "small", failing)
    with pytest.raises(WorkerError):
        sweeps.command(["small"])


# On an emulated cluster -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodes():
    """An emulated cluster of a head without cores and nodes of one, one and two -> `ray.cluster_utils.Cluster`."""
    pytest.importorskip("ray", reason='Ray is missing: pip install "rlkit-lecture[cluster]"')
    from ray.cloudpickle import register_pickle_by_value, unregister_pickle_by_value

    here = sys.modules[__name__]
    register_pickle_by_value(here)  # the nodes know rlkit, but not its tests
    try:
        with emulated(0, 1, 1, 2) as cluster, connected(cluster.address):  # once: its tasks share processes
            yield cluster
    finally:
        unregister_pickle_by_value(here)


def learned(seeds=(0, 1)):
    return {str(period): [run(target_run, seed, period, total_steps=2_500) for seed in seeds] for period in (4, 64)}


def test_a_sweep_gives_the_same_numbers_on_a_cluster(nodes, tmp_path):
    runs, made = spread("learned", learned, CODE, nodes.address, tmp_path / "learned.unfinished")
    assert runs == learned() and len(made) == 4


def test_the_file_says_on_which_machines_it_was_made(nodes, data, capsys):
    assert sweeps.command(["small", "--cluster", nodes.address]) is None
    runs, how = stored.stored("small")
    assert runs == small() and how["seeds"] == [3, 5] and how["code"] == CODE
    assert how["machine"].endswith(", by Ray (--cluster HOST:PORT)") and " cores (" in how["machine"]
    host = nodes.address.split(":")[0]
    assert host not in json.dumps(how) and os.uname().nodename not in json.dumps(how)
    assert "small: 4 of 4 runs are made" in capsys.readouterr().out
    assert [path.name for path in data.iterdir()] == ["small.json"]  # nothing unfinished, no lock


def test_runs_that_measure_time_share_one_kind_of_node_and_have_its_cores(nodes, tmp_path):
    def timed(seeds=range(6)):
        return {"one": [run(squared, seed, cores=1) for seed in seeds], "two": [run(squared, 1, cores=2)]}

    def of_one_core(seeds=range(6)):
        return {"one": [run(squared, seed, cores=1) for seed in seeds]}

    _, made = spread("timed", timed, CODE, nodes.address, tmp_path / "a.unfinished")
    assert len({one.node for one in made}) == 1 and all(one.kind.startswith("2 cores (") for one in made)
    _, made = spread("of_one_core", of_one_core, CODE, nodes.address, tmp_path / "b.unfinished")
    assert len({one.kind for one in made}) == 1


def failing(seed, folder, first=None):
    with open(f"{folder}/tries", "a") as file:
        file.write("x")
    if seed == 5:
        raise ZeroDivisionError("seed 5 is unlucky")
    return seed


def test_a_run_that_fails_is_named_and_not_tried_again_and_the_finished_ones_are_kept(nodes, tmp_path, capsys):
    def unlucky(seeds=(3, 5)):
        first = run(failing, 3, str(tmp_path))
        return {"first": first, "arm": [run(failing, seed, str(tmp_path), first) for seed in seeds]}

    path = tmp_path / "unlucky.unfinished"
    for _ in range(2):
        with pytest.raises(WorkerError) as error:
            spread("unlucky", unlucky, CODE, nodes.address, path)
    sentence, *trace = str(error.value).splitlines()
    assert sentence == "The run 'arm, seed 5' of unlucky failed: ZeroDivisionError: seed 5 is unlucky"
    assert any("in failing" in line for line in trace)
    said, tries = capsys.readouterr().out, len((tmp_path / "tries").read_text())
    assert "of 3 runs were made before. To make all again, delete " in said
    assert 3 <= tries <= 5  # twice the one that fails, and the others once or, if they were ended, again


def dying(seed, folder):
    """The process of seed 3 dies once, that of seed 5 always."""
    with open(f"{folder}/{seed}", "a") as file:
        file.write("x")
    if seed == 5 or len(Path(f"{folder}/{seed}").read_text()) < 2:
        os._exit(1)
    return seed


def test_a_run_whose_process_was_lost_is_made_again_but_not_for_ever(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 1)

    def lost(seeds=(3,)):
        return {"arm": [run(dying, seed, str(tmp_path)) for seed in seeds]}

    def always_lost(seeds=(5,)):
        return lost(seeds)

    runs, _ = spread("lost", lost, CODE, nodes.address, tmp_path / "a.unfinished")
    assert runs == {"arm": [3]} and len((tmp_path / "3").read_text()) == 2
    with pytest.raises(WorkerError, match="^The run 'arm, seed 5' of always_lost was given up after 2 tries, because"):
        spread("always_lost", always_lost, CODE, nodes.address, tmp_path / "b.unfinished")
    assert len((tmp_path / "5").read_text()) == 2


def test_a_node_that_no_cluster_has_is_refused_at_once(nodes, tmp_path):
    def large(seeds=(0,)):
        return {"arm": [run(squared, seed, cores=3) for seed in seeds]}

    with pytest.raises(ValueError) as error:
        spread("large", large, CODE, nodes.address, tmp_path / "large.unfinished")
    assert str(error.value) == (
        "large needs a node with 3 cores, and the largest of this cluster has 2; start a larger one, or leave out "
        "--cluster to use this machine alone."
    )


def kind_unless_large():
    node, kind = actual_kind()
    if kind.startswith("2 cores"):
        raise ModuleNotFoundError("No module named 'gymnasium'")
    return node, kind


def silent():
    time.sleep(3600)


actual_kind = module.kind_here


def test_a_node_that_cannot_say_what_it_is_is_left_out(nodes, monkeypatch, capsys):
    monkeypatch.setattr(module, "kind_here", kind_unless_large)
    _, runs = plan(lambda seeds=(0,): [run(squared, 0, cores=1)])
    found, kind = module.nodes_for("s", runs)
    assert list(found.values()) == [1, 1] and kind.startswith("1 core (")
    assert capsys.readouterr().out == (
        "s: a node is left out, because it cannot say what kind it is: a node cannot import what it needs: "
        "No module named 'gymnasium'; install it on every node, or put it beside rlkit there.\n"
    )


def test_nodes_that_do_not_answer_do_not_hang_the_sweep(nodes, monkeypatch, capsys):
    monkeypatch.setattr(module, "kind_here", silent)
    monkeypatch.setattr(module, "ASKED", 0.5)
    _, runs = plan(lambda seeds=(0,): [run(squared, 0, cores=2)])
    with pytest.raises(WorkerError, match="^No node can make the runs of s; `python -m rlkit cluster ADDRESS` tells"):
        module.nodes_for("s", runs)
    assert capsys.readouterr().out == "s: a node is left out, because it does not answer within 0.5 s.\n"


def slow(seed, folder):
    Path(f"{folder}/began-{seed}").touch()
    while not Path(f"{folder}/go").exists():
        time.sleep(0.05)
    return seed


def test_the_runs_of_a_lost_node_are_made_elsewhere(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    extra = add_node(nodes, num_cpus=1)
    lost = []

    def everywhere(seeds=range(5)):
        return {"arm": [run(slow, seed, str(tmp_path)) for seed in seeds]}

    def lose(*_):
        if not lost and len(list(tmp_path.glob("began-*"))) == 5:  # on all five cores, so on the extra node too
            lost.append(nodes.remove_node(extra, allow_graceful=False))
            (tmp_path / "go").touch()

    monkeypatch.setattr(module, "check_alive", lose)
    runs, made = spread("everywhere", everywhere, CODE, nodes.address, tmp_path / "everywhere.unfinished")
    assert lost and runs == {"arm": [0, 1, 2, 3, 4]}


def test_when_no_node_is_left_it_says_so(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(module, "RETRIES", -1)
    extra = add_node(nodes, num_cpus=3)

    def large(seeds=(0,)):
        return {"arm": [run(slow, seed, str(tmp_path), cores=3) for seed in seeds]}

    check = module.check_alive

    def lose(*given):
        if list(tmp_path.glob("began-*")) and extra in nodes.list_all_nodes():
            nodes.remove_node(extra, allow_graceful=False)
        check(*given)

    monkeypatch.setattr(module, "check_alive", lose)
    with pytest.raises(WorkerError, match="^No node is left for the runs of large; start some, then the same command"):
        spread("large", large, CODE, nodes.address, tmp_path / "large.unfinished")


# Ctrl-C ---------------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
from rlkit.experiments import sweeps
from rlkit.running.terminal import run
from test_spread import CODE, interruptible
sweeps.DATA = Path(sys.argv[1])
sweeps.code_of = lambda sweep: CODE
sweeps.SWEEPS["interruptible"] = interruptible
run(lambda: sweeps.command(["interruptible", "--cluster", "local"]))
"""


def interruptible(seeds=(0,)):
    folder = sys.argv[1]
    return {"quick": [run(squared, seed) for seed in seeds], "slow": [run(slow, seed, folder) for seed in seeds]}


def processes(word):
    """The processes of Ray whose command line has this word in it."""
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    return [line for line in found if word in line]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to another process")
def test_an_interrupted_sweep_leaves_no_process_and_goes_on_where_it_was(tmp_path):
    pytest.importorskip("ray", reason='Ray is missing: pip install "rlkit-lecture[cluster]"')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    unfinished = tmp_path / "interruptible.unfinished"
    deadline = time.monotonic() + PATIENCE
    while not (list(tmp_path.glob("began-*")) and unfinished.exists() and "quick" in unfinished.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    errors = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130 and "the same command goes on from here" in errors
    assert [path.name for path in tmp_path.glob("inter*")] == ["interruptible.unfinished"]
    (tmp_path / "go").touch()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and "interruptible: 1 of 2 runs were made before." in done.stdout
    assert json.loads((tmp_path / "interruptible.json").read_text())["runs"] == {"quick": [0], "slow": [0]}
    assert not processes(str(process.pid))
