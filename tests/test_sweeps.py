"""Every stored result says how it was made, its command makes it, and it has the form that the experiment gives."""

import datetime
import json
import re
from functools import partial
from inspect import signature
from pathlib import Path

import pytest
from conftest import one_line
from test_asynchrony import agent_with_laps

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.experiments import (
    asynchrony,
    baselines,
    clinic,
    curves,
    densities,
    difficulties,
    epochs,
    exploration,
    forgetting,
    gorila,
    gradients,
    line_search,
    one_batch,
    overestimation,
    policy_gradients,
    prices,
    sensitivity,
    spine,
    surprises,
    sweeps,
    switchboard,
    target_network,
    wall_clock,
)
from rlkit.experiments import stored as module
from rlkit.experiments.museum import BUGS
from rlkit.experiments.museum import runs as museum_runs
from rlkit.experiments.stored import DATA, stored
from rlkit.experiments.sweeps import SWEEPS
from rlkit.experiments.virtual import Costs
from rlkit.presets import preset

ROOT = Path(__file__).parent.parent
EACH = pytest.mark.parametrize("name", SWEEPS)


# How it was made --------------------------------------------------------------------------------------------


def test_every_sweep_has_a_file_and_every_file_a_sweep():
    assert {path.stem for path in DATA.glob("*.json")} == set(SWEEPS)


@EACH
def test_a_file_says_how_it_was_made(name):
    _, how = stored(name)
    assert how["command"] == f"python -m rlkit.experiments.sweeps {name}"
    assert how["seeds"] == list(signature(SWEEPS[name]).parameters["seeds"].default)
    assert re.search(r"torch \d+\.\d+", how["machine"])
    assert datetime.date(2026, 1, 1) <= datetime.date.fromisoformat(how["date"]) <= datetime.date.today()
    assert isinstance(how["seconds"], int) and how["seconds"] > 0
    assert set(how) >= {"command", "seeds", "machine", "date", "seconds"}


def test_the_command_writes_what_stored_reads(monkeypatch, tmp_path, capsys):
    def doubled(seeds=(1, 5)):
        return {"twice": [2 * seed for seed in seeds]}

    for owner in (sweeps, module):
        monkeypatch.setattr(owner, "DATA", tmp_path)
    monkeypatch.setitem(SWEEPS, "doubled", doubled)
    sweeps.main("doubled")
    runs, how = stored("doubled")
    assert runs == {"twice": [2, 10]} and how["seeds"] == [1, 5]
    assert how["command"] == "python -m rlkit.experiments.sweeps doubled"
    assert how["date"] == datetime.date.today().isoformat() and how["seconds"] == 0 and how["machine"]
    assert str(tmp_path / "doubled.json") in capsys.readouterr().out


def found(pattern, *places):
    """The matches of a pattern in these files of the repository -> (path, name) pairs."""
    for path in (path for place in places for path in sorted(ROOT.glob(place))):
        yield from ((path, name) for name in re.findall(pattern, path.read_text(encoding="utf-8")))


def test_every_command_on_a_page_exists():
    commands = list(
        found(r"python -m rlkit\.experiments\.sweeps ([a-z]\w+)", "lectures/*.ipynb", "lectures/*.md", "rlkit/**/*.py")
    )
    assert len({name for _, name in commands}) >= 5
    for path, name in commands:
        assert name in SWEEPS, f"{path} mentions python -m rlkit.experiments.sweeps {name}"


def test_every_file_is_read_by_a_chapter_or_an_explorer():
    read = {name for _, name in found(r'stored\(\\?"(\w+)\\?"\)', "lectures/*.ipynb", "rlkit/**/*.py")}
    assert read == set(SWEEPS)


# What it holds ----------------------------------------------------------------------------------------------

STEPS = {  # where they can be given
    "segment_length": 1_600, "memory": 1_100, "virtual_workers": 400, "updates": 400, "compared": 2_000,
    "pong": 4_096, "pong_points": 4_096,
}  # fmt: skip
SMALLER = {  # fewer settings for sweeps that need extras, processes or minutes
    "policy_gradients": (policy_gradients, "TASKS", {"CartPole-v1": 100_000}),
    "gradients": (gradients, "STAGES", (5_000,)),
    "surprises": (surprises, "CHECKS", 2),
    "spine": (spine, "ARMS", {"C = 4": spine.ARMS["C = 4"]}),
    "switchboard": (switchboard, "TASKS", {"CartPole-v1": dict(total=1_200, gamma=0.99)}),
    "updates": (asynchrony, "UPDATES", {"Adam, own": asynchrony.UPDATES["Adam, own"]}),
    "wall_clock": (wall_clock, "METHODS", {"A2C": lambda seed: A2C(seed=seed), "A3C FF": lambda seed: A3C(seed=seed)}),
    "museum": (
        museum_runs,
        "BUGS",
        {name: BUGS[name] for name in ("aliased target", "no min", "gradients accumulate")},
    ),
}


@pytest.fixture
def short(monkeypatch, name):
    """Every experiment with few steps and few settings. Learning and measuring stay as they are."""
    trained = curves.trained
    for owner in (curves, difficulties, sensitivity):
        monkeypatch.setattr(
            owner, "trained", lambda agent, steps, *watchers: trained(agent, min(steps, 1_200), *watchers)
        )
    monkeypatch.setattr(one_batch, "EPOCHS", (0, 1))
    for owner, function, changes in (
        (baselines, "noise_run", dict(total_steps=600, count=4)),
        (one_batch, "over_epochs", dict(epochs=1, samples=20)),
        (overestimation, "estimates_and_returns", dict(horizon=20, tail=20)),
        (overestimation, "overestimation_run", dict(total_steps=1_200, points=2)),
        (asynchrony, "solving_run", dict(total_steps=600)),
        (target_network, "target_run", dict(total_steps=2_500)),
        (gradients, "along_the_stream", dict(length=200)),
        (forgetting, "forgetting_run", dict(total_steps=1_200, points=2)),
        (surprises, "surprise_run", dict(total_steps=1_200)),
        (line_search, "searched_run", dict(total_steps=1_200)),
        (prices, "watched_run", dict(total_steps=2_100)),
        (gorila, "gorila_run", dict(total_steps=3_000, num_workers=1)),
        (clinic, "clinic_run", dict(total_steps=4_096, points=2)),
        (densities, "density_run", dict(total_steps=4_096, points=2)),
        (exploration, "doors_run", dict(total_steps=1_100)),
    ):
        monkeypatch.setattr(owner, function, partial(getattr(owner, function), **changes))
    monkeypatch.setattr(asynchrony, "measured_costs", lambda agent, updates: Costs(1e-3, 1e-3, 1e-3, 1e-3))
    monkeypatch.setattr(asynchrony, "throughput", lambda agent, seconds: asynchrony.rates(agent_with_laps()))
    monkeypatch.setattr(asynchrony, "preset", lambda name, **changes: preset(name, **changes | {"num_workers": 1}))
    monkeypatch.setattr(asynchrony, "REAL_WORKERS", (1,))
    monkeypatch.setattr(wall_clock, "SECONDS", 0.2)
    for settings in ("RATES", "CLIPS", "BETAS"):
        monkeypatch.setattr(sensitivity, settings, getattr(sensitivity, settings)[:2])
    cartpole, _, objectives = epochs.TASKS["CartPole"]
    for setting, value in (
        ("TASKS", {"CartPole": (cartpole, 2_100, objectives[:1])}),
        ("EPOCHS", (1,)),
        ("RATES", (3e-2,)),
    ):
        monkeypatch.setattr(epochs, setting, value)
    monkeypatch.setattr(epochs, "TUNING", (100,))
    for setting, value in (("ALONE", {}), ("TOTAL", 1_200), ("CHECKS", 2), ("TUNING", (100,))):
        monkeypatch.setattr(spine, setting, value)
    monkeypatch.setattr(surprises, "TUNING", (100,))
    for setting, value in (("TUNING", (100,)), ("ARMS", ("all", "TRPO, without"))):
        monkeypatch.setattr(switchboard, setting, value)
    for owner, settings, some in SMALLER.values():
        monkeypatch.setattr(owner, settings, some)


def assert_alike(made, kept, place="runs"):
    """Check for the same keys, lists with the same kinds of entries, numbers (or None, a missing number) and words."""
    if isinstance(made, dict):
        assert isinstance(kept, dict) and list(made) == list(kept), place
        for key in made:
            assert_alike(made[key], kept[key], f"{place}[{key!r}]")
    elif isinstance(made, list):
        assert isinstance(kept, list), place
        for one, other in [(one, kept[0]) for one in made if kept] + [(made[0], other) for other in kept if made]:
            assert_alike(one, other, f"{place}[...]")
    else:
        both_are = [all(isinstance(one, kind) for one in (made, kept)) for kind in (int | float | None, str)]
        assert any(both_are), place


def only(runs, names):
    return {name: runs[name] for name in names}


@EACH
def test_a_stored_result_has_the_form_that_the_experiment_gives(name, short):
    kept, _ = stored(name)
    steps = {"total_steps": STEPS[name]} if name in STEPS else {}
    made = json.loads(json.dumps(SWEEPS[name](seeds=(0,), **steps)))
    if name in SMALLER or name == "epochs":
        kept = only(kept, made)
    if name == "real_workers":
        kept["CartPole"] = only(kept["CartPole"], made["CartPole"])
    if name in ("switchboard", "sensitivity"):
        kept = {part: only(arms, made[part]) for part, arms in kept.items()}
    assert_alike(made, kept)


def test_results_of_different_form_are_noticed():
    kept = {"DQN": [{"steps": [1, 2], "returns": [None, 0.5]}]}
    assert_alike({"DQN": [{"steps": [3], "returns": []}]}, kept)
    for other in (
        {"DQN": [{"steps": [1, 2]}]},
        {"PPO": kept["DQN"]},
        {"DQN": kept["DQN"][0]},
        {"DQN": [{"steps": 1, "returns": [0.5]}]},
        {"DQN": [{"steps": ["1"], "returns": [0.5]}]},
        {"DQN": [*kept["DQN"], {"steps": [1, 2]}]},
    ):
        for pair in ((other, kept), (kept, other)):
            with pytest.raises(AssertionError):
                assert_alike(*pair)


def over_seeds(runs):
    """The first lists inside the dicts: one entry for each seed. A search for settings has other seeds."""
    if isinstance(runs, dict):
        for part in (part for name, part in runs.items() if name != "search"):
            yield from over_seeds(part)
    elif isinstance(runs, list):
        yield runs


@pytest.mark.parametrize("name", [name for name in SWEEPS if name not in ("minibatch", "spine")])
def test_there_is_a_run_for_each_seed(name):
    runs, how = stored(name)
    lists = list(over_seeds(runs))
    assert lists and {len(seeds) for seeds in lists} == {len(how["seeds"])}


def test_the_comparison_has_every_method_on_every_task():
    runs, _ = stored("policy_gradients")
    pairs = [f"{method}, {task}" for task in policy_gradients.TASKS for method in policy_gradients.METHODS]
    assert sorted(runs) == sorted(pairs)
    for task, steps in policy_gradients.TASKS.items():
        ends = {run["steps"][-1] for name in runs if name.endswith(f", {task}") for run in runs[name]}
        assert ends == {steps}


@pytest.mark.parametrize(
    "name, words", [("spines", "Did you mean 'spine'"), ("../x", "There are: "), (3, "There are: ")]
)
def test_a_sweep_that_is_not_stored_is_named_with_those_that_are(name, words):
    with pytest.raises(FileNotFoundError, match=words) as error:
        stored(name)
    one_line(error)
