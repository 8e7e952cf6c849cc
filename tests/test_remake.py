"""Stored experiments that are older than their code are named, and all the code that they run counts as theirs."""

import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlkit.experiments import fingerprint, one_batch, overestimation, remake, stored, sweeps, target_network
from rlkit.experiments.fingerprint import code_of, reached, shape
from rlkit.experiments.sweeps import SWEEPS

ROOT = Path(__file__).resolve().parent.parent


def test_stored_experiments_are_not_older_than_their_code():
    stale = {name: remake.changed(name) for name in remake.stale()}
    assert not stale, "\n".join(
        ["The code of these stored experiments has changed since they were made:"]
        + [f"  rlkit/data/{name}.json: {', '.join(modules)}" for name, modules in stale.items()]
        + ["Run them again:             python -m rlkit.experiments.remake stale"]
        + ['If the results are the same: python -m rlkit.experiments.remake stale --confirm "how you know that"']
        + ['CONTRIBUTING.md, section "Stored results and trained agents", says more.']
    )


# --- what a fingerprint covers ---


def same(before, after):
    return shape(ast.parse(before)) == shape(ast.parse(after))


@pytest.mark.parametrize(
    "before, after",
    [
        ("x = 1", "x = 1  # a comment"),
        ("f(1, 2)", "f(\n    1,\n    2,\n)"),
        ("def f(): return 1", 'def f():\n    """What it does."""\n    return 1'),
        ("class C: x = 1", 'class C:\n    """What it is."""\n    x = 1'),
        ("def f(x): return x", "def f(x: int) -> int: return x"),
        ("raise ValueError('wrong')", "raise ValueError('x should be positive.')"),
        ("assert x, 'wrong'", "assert x, 'x should be there'"),
        ("x = 10000", "x = 10_000"),
        ("x = 'a'", 'x = "a"'),
    ],
)
def test_what_cannot_change_a_result_does_not_count(before, after):
    assert same(before, after)


@pytest.mark.parametrize(
    "before, after",
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = -a + b", "x = -(a + b)"),
        ("def f(x=1): return x", "def f(x=2): return x"),
        ("f(a, b)", "f(b, a)"),
        ("x = f'{a}'", "x = f'{b}'"),
        ("x = f'{a}!'", "x = f'{a}?'"),
        ("class C:\n    x: int = 1", "class C:\n    x: float = 1"),
        ("for i in x:\n    f()\ng()", "for i in x:\n    f()\n    g()"),
        ("x = None", "x = 0"),
        ("x = []", "x = ()"),
    ],
)
def test_what_can_change_a_result_counts(before, after):
    assert not same(before, after)


def modules(experiment):
    return {name.removeprefix("rlkit.") for name in code_of(experiment)}


def test_an_experiment_depends_on_its_algorithm_and_on_no_other():
    assert {"dqn", "replay", "networks", "envs", "functional"} <= modules(target_network.target_network)
    assert not {"ppo", "a2c", "a3c", "trpo", "gorila", "reinforce"} & modules(target_network.target_network)
    assert {"ppo", "rollout"} <= modules(one_batch.reuse) and "dqn" not in modules(one_batch.reuse)


@pytest.mark.parametrize("name", SWEEPS)
def test_no_experiment_depends_on_pictures(name):
    assert not {module.split(".")[0] for module in modules(SWEEPS[name])} & {"plotting", "explore", "check", "grading"}


def executed(call):
    """The functions and classes of rlkit that run during a call -> {(module, name)}.

    Code without a name is left out: comprehensions, modules, and the methods that a dataclass generates.
    """
    seen = set()

    def note(frame, event, _):
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname.split(".")[0]
        if event == "call" and module.startswith("rlkit.") and not name.startswith(("<", "__")):
            seen.add((module, name))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize(
    "experiment, call",
    [
        (target_network.target_network, lambda: target_network.target_run(0, 16, total_steps=1_500)),
        (
            overestimation.overestimation,
            lambda: overestimation.overestimation_run(0, "DQN", "10 actions", 1_500, points=1),
        ),
        (one_batch.minibatch, lambda: one_batch.over_epochs(epochs=1, samples=10)),
    ],
    ids=["target_network", "overestimation", "minibatch"],
)
def test_every_function_that_an_experiment_runs_counts(experiment, call):
    ran = executed(call)
    # The presets that the experiment names count instead of `preset`, and so of the check in it, which only refuses.
    ran -= {("rlkit.presets", "preset"), ("rlkit.running.settings", "check_names")}
    assert len(ran) > 20 and ran <= reached(experiment)


METHODS = ["REINFORCE", "TRPO", "PPO adaptive KL", "PPO clip", "A2C"]


@pytest.mark.parametrize("method", METHODS)
def test_every_function_that_a_policy_gradient_runs_counts(method):
    from rlkit.experiments import policy_gradients
    from rlkit.experiments.curves import curve

    assert list(policy_gradients.METHODS) == METHODS
    ran = executed(lambda: curve(policy_gradients.METHODS[method](env="CartPole-v1", seed=0), 300))
    assert ran <= reached(policy_gradients.policy_gradients)


# --- naming what has changed, in a small package ---

LIBRARY = '''
"""A library."""
RATE = 0.5

def used(x):
    """Used."""
    return RATE * x

def unused(x):
    return x
'''
SWEEP = """
from rlkit.library import used

def sweep(seeds=(0,)):
    return {"runs": [used(seed) for seed in seeds]}

def helper():
    return 3
"""


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package of two modules instead of rlkit, with a stored experiment. Calling it rewrites a module."""
    data = tmp_path / "data"
    data.mkdir()
    files = {"rlkit": "__init__.py", "rlkit.library": "library.py", "rlkit.sweep": "sweep.py"}

    def write(name, text):
        (tmp_path / files[name]).write_text(text)
        for function in (fingerprint.contents, fingerprint.piece):
            function.cache_clear()

    def sweep(seeds=(0,)):
        raise NotImplementedError

    sweep.__module__ = "rlkit.sweep"
    write("rlkit", "")
    write("rlkit.library", LIBRARY)
    write("rlkit.sweep", SWEEP)
    monkeypatch.setattr(fingerprint, "find_spec", lambda name: SimpleNamespace(origin=tmp_path / files[name]))
    monkeypatch.setattr(fingerprint, "is_module", files.__contains__)
    monkeypatch.setattr(remake, "SWEEPS", {"sweep": sweep})
    for module in (remake, stored):
        monkeypatch.setattr(module, "DATA", data)
    how = {"seconds": 60, "date": "2026-01-01", "code": code_of(sweep)}
    (data / "sweep.json").write_text(json.dumps({"how": how, "runs": [0.1]}))
    yield write
    for function in (fingerprint.contents, fingerprint.piece):
        function.cache_clear()


def read(data):
    return json.loads((data / "sweep.json").read_text())


@pytest.mark.parametrize(
    "module, old, new, expected",
    [
        ("rlkit.library", "RATE = 0.5", "RATE = 0.6", ["rlkit.library"]),
        ("rlkit.library", "return RATE * x", "return x * RATE", ["rlkit.library"]),
        ("rlkit.library", "return x\n", "return x + 1\n", []),
        ("rlkit.library", "Used.", "Used by the sweep.", []),
        ("rlkit.library", "RATE = 0.5", "RATE = 0.5\nprint()", ["rlkit.library"]),
        ("rlkit.sweep", "seeds=(0,)", "seeds=(1,)", ["rlkit.sweep"]),
        ("rlkit.sweep", "return 3", "return 4", []),
        ("rlkit.sweep", "import used", "import unused as used", ["rlkit.library"]),
    ],
)
def test_what_has_changed_is_named(package, module, old, new, expected):
    text = {"rlkit.library": LIBRARY, "rlkit.sweep": SWEEP}[module]
    assert remake.stale() == [] and old in text
    package(module, text.replace(old, new))
    assert remake.changed("sweep") == expected
    assert remake.stale() == ["sweep"] * bool(expected)


def test_a_change_that_changes_nothing_is_confirmed_and_the_reason_is_kept(package):
    package("rlkit.library", LIBRARY.replace("RATE * x", "x * RATE"))
    assert remake.main(["stale", "--confirm", "a product commutes"]) == 0
    assert remake.stale() == []
    content = read(remake.DATA)
    (note,) = content["how"]["confirmed"]
    assert content["runs"] == [0.1] and note["because"] == "a product commutes" and note["changed"] == ["rlkit.library"]
    remake.main(["all", "--confirm", "nothing to confirm"])
    assert read(remake.DATA) == content


def test_a_file_that_names_no_code_is_stale(package):
    (remake.DATA / "sweep.json").write_text(json.dumps({"how": {"seconds": 1, "date": ""}, "runs": []}))
    assert remake.stale() == ["sweep"]


@pytest.mark.parametrize("content", [None, "", '{"how": {"sec', "[]", "null", '{"runs": []}', '{"how": 3, "runs": []}'])
def test_a_missing_or_damaged_file_is_stale_and_made_again_but_not_confirmed(package, content, monkeypatch, capsys):
    path = remake.DATA / "sweep.json"
    path.unlink() if content is None else path.write_text(content)
    monkeypatch.setattr(remake, "remade", lambda name, options: print(name, "made") or True)
    assert remake.stale() == ["sweep"]
    assert remake.main([]) == 0 and "rlkit/data/sweep.json is missing or damaged" in capsys.readouterr().out
    assert remake.main(["stale"]) == 0 and "sweep made" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        remake.main(["stale", "--confirm", "nothing changed"])
    assert "is missing or damaged: compute it again." in capsys.readouterr().err


def test_confirming_says_what_was_confirmed(package, capsys):
    package("rlkit.library", LIBRARY.replace("RATE * x", "x * RATE"))
    remake.main(["stale", "--confirm", "a product commutes"])
    assert capsys.readouterr().out == "sweep: confirmed for rlkit.library\n"


# --- making them again ---


class Commands(list):
    failing, interrupted, ended = frozenset(), frozenset(), 0

    def __call__(self, command):
        assert command[:3] == [sys.executable, "-m", "rlkit.experiments.sweeps"]
        name, *self.options = command[3:]
        self.append(name)
        waits = iter([KeyboardInterrupt] if name in self.interrupted else [])

        def wait():
            for error in waits:
                raise error
            self.ended += 1
            return int(name in self.failing)

        return SimpleNamespace(wait=wait)


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Record the names whose commands would run, instead of running them."""
    ran = Commands()
    monkeypatch.setattr(remake.subprocess, "Popen", ran)
    monkeypatch.setattr(remake, "DONE", tmp_path / "done.txt")
    return ran


def test_all_are_made_again_by_their_own_commands_after_a_list_with_their_hours(commands, capsys):
    assert remake.main(["all"]) == 0
    assert commands == list(SWEEPS) and not remake.DONE.exists()
    said = capsys.readouterr().out
    assert said.index("hours, one after the other") < said.index("$ python -m rlkit.experiments.sweeps end_to_end")


def test_after_an_interruption_the_rest_is_made(commands, capsys):
    third = list(SWEEPS)[2]
    commands.interrupted = {third}
    assert remake.main(["all"]) == 130
    assert commands.ended == 3  # the interrupted one was waited for
    commands.clear()
    commands.interrupted = set()
    assert remake.main(["all"]) == 0
    assert commands == list(SWEEPS)[2:] and "continuing after" in capsys.readouterr().out


def test_a_failure_does_not_stop_the_others_and_is_tried_again(commands, capsys):
    commands.failing = {"stabilisers", "memory"}
    assert remake.main(["all"]) == 1
    assert commands == list(SWEEPS) and "stabilisers, memory" in capsys.readouterr().err
    commands.clear()
    assert remake.main(["all"]) == 1 and commands == ["stabilisers", "memory"]


def test_an_address_of_a_cluster_is_passed_on(commands, capsys):
    assert remake.main(["stabilisers", "memory", "--cluster", "auto"]) == 0
    assert commands == ["stabilisers", "memory"] and commands.options == ["--cluster", "auto"]
    assert "$ python -m rlkit.experiments.sweeps stabilisers --cluster auto" in capsys.readouterr().out
    assert remake.main(["all", "--cluster", "ray://10.0.0.1:10001"]) == 0
    assert commands.options == ["--cluster", "ray://10.0.0.1:10001"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--cluster", "auto"], "--cluster needs names, `all` or `stale` before it"),
        (["stabilisers", "--cluster", "auto", "--confirm", "a reason"], "goes without --confirm."),
        (["stabilisers", "--cluster", "the big one"], "'the big one'"),
    ],
)
def test_a_cluster_without_names_or_without_an_address_runs_nothing(commands, capsys, arguments, sentence):
    with pytest.raises(SystemExit):
        remake.main(arguments)
    assert sentence in capsys.readouterr().err and commands == []


def test_some_can_be_made_again_by_name_and_a_wrong_name_is_refused(commands, capsys):
    assert remake.main(["stabilisers", "memory"]) == 0 and commands == ["stabilisers", "memory"]
    with pytest.raises(SystemExit):
        remake.main(["hunger"])
    assert "no experiment 'hunger'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["stabilisers", "--confirm", ""], ["stabilisers", "--confirm", " "], ["--confirm", "a reason"]]
)
def test_a_confirmation_without_names_or_reason_is_refused_and_runs_nothing(commands, capsys, arguments):
    with pytest.raises(SystemExit):
        remake.main(arguments)
    assert "--confirm needs names, `all` or `stale` before it, and a reason after it." in capsys.readouterr().err
    assert commands == []


def test_all_and_stale_stand_alone_and_a_name_given_twice_runs_once(commands, capsys):
    for arguments in (["all", "stabilisers"], ["stabilisers", "stale"]):
        with pytest.raises(SystemExit):
            remake.main(arguments)
        assert "stands alone" in capsys.readouterr().err
    assert remake.main(["stabilisers", "stabilisers"]) == 0 and commands == ["stabilisers"]


def test_results_that_could_not_be_stored_are_not_computed(monkeypatch, tmp_path):
    monkeypatch.setattr(sweeps, "DATA", tmp_path)
    monkeypatch.setattr(sweeps.os, "access", lambda path, mode: False)
    monkeypatch.setitem(SWEEPS, "stabilisers", lambda: pytest.fail("it was computed"))
    with pytest.raises(SystemExit, match=r"stabilisers.json cannot be written; get permission to write it first\.$"):
        sweeps.main("stabilisers")


def test_the_list_names_every_experiment_and_every_agent_with_its_command(capsys):
    assert remake.main([]) == 0
    said = capsys.readouterr().out
    for name in SWEEPS:
        assert f"\n{name} " in "\n" + said
    for path in (ROOT / "rlkit" / "data" / "agents").glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["command"] in said
