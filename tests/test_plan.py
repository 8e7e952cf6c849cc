"""Every sweep can be listed before its runs are made, and each run is small enough to be sent to another machine."""

import json
import pickle

import pytest

from rlkit.experiments.plan import Run, filled, plan, run
from rlkit.experiments.stored import stored
from rlkit.experiments.sweeps import SWEEPS

EACH = pytest.mark.parametrize("name", SWEEPS)
BUSY = {  # cores that the runs of a sweep keep busy, if they measure time; else None
    "segment_length": {1},
    "memory": {1},
    "virtual_workers": {1, None},
    "real_workers": {1, 2, 4, 8},
    "updates": {4},
    "wall_clock": {1, 2},
    "gorila": {3},
    "messages": {4},
    "near_and_far": {4},
}


def twice(seed):
    return 2 * seed


def added(seed, other):
    return seed + other


def small(seeds=(3, 5)):
    first = run(twice, 50, cores=2)
    return {"first": first, "added": [run(added, seed, first) for seed in seeds], "axis": (1, 2)}


def test_a_run_is_made_on_the_spot_or_listed():
    assert small() == {"first": 100, "added": [103, 105], "axis": (1, 2)}
    form, runs = plan(small)
    assert list(runs) == ["first", "added, seed 3", "added, seed 5"]
    first, *others = runs.values()
    assert (first.work, first.args, first.cores) == (twice, (50,), 2)
    assert [(one.args, one.cores) for one in others] == [((3, first), None), ((5, first), None)]
    assert filled(form, dict(zip(runs.values(), (100, 103, 105)))) == small()
    assert small()["first"] == 100  # the plan has ended


def test_a_sweep_that_fails_while_it_is_listed_leaves_no_plan_behind():
    def broken(seeds=(0,)):
        run(twice, 0)
        raise KeyError

    with pytest.raises(KeyError):
        plan(broken)
    assert small()["first"] == 100


@pytest.mark.parametrize(
    "needs", [lambda one: run(twice, seed=one), lambda one: run(added, 3, [one]), lambda one: run(added, 3, {"a": one})]
)
def test_a_run_is_given_to_another_as_a_positional_argument_only(needs):
    """Elsewhere it would be sent to the cluster as it is: without its result."""
    with pytest.raises(ValueError, match="^A run of (twice|added) has the result of another one in a list, a dict or"):
        plan(lambda seeds=(0,): [needs(run(twice, 0))])


def test_runs_are_listed_in_the_order_of_one_machine():
    order = []

    def crossed(seeds=(1, 2)):
        runs = {"a": [], "b": []}
        for seed in seeds:
            for arm in runs:
                runs[arm].append(run(lambda *which: order.append(which), arm, seed))
        return runs

    crossed()
    assert [one.args for one in plan(crossed)[1].values()] == order == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def leaves(form):
    """Everything in nested dicts and lists that is neither."""
    if isinstance(form, dict | list):
        for part in form.values() if isinstance(form, dict) else form:
            yield from leaves(part)
    else:
        yield form


@EACH
def test_every_result_of_a_sweep_comes_from_a_run_of_its_own(name):
    form, runs = plan(SWEEPS[name])
    found = list(leaves(form))
    assert found and all(isinstance(part, Run) for part in found)
    assert set(found) == set(runs.values()) and len(runs) == len(found)  # no two have the same name


def assert_one_for_each(form, kept, place):
    """Check that a plan has a run where there is a stored result, and nowhere else."""
    if isinstance(form, dict):
        assert set(form) == set(kept), place
        for key in form:
            assert_one_for_each(form[key], kept[key], f"{place}[{key!r}]")
    elif isinstance(form, list):
        assert len(form) == len(kept), place
        for part, other in zip(form, kept):
            assert_one_for_each(part, other, place)


@EACH
def test_there_are_as_many_runs_as_stored_results(name):
    assert_one_for_each(plan(SWEEPS[name])[0], stored(name)[0], name)


@EACH
def test_a_run_can_be_sent_to_another_machine_and_brings_no_agent(name):
    _, runs = plan(SWEEPS[name])
    for one in runs.values():
        args = [None if isinstance(part, Run) else part for part in one.args]
        assert len(pickle.dumps((one.work, args, one.settings))) < 1_000
        json.dumps([args, one.settings])  # plain values


@EACH
def test_a_run_that_measures_time_says_how_many_cores_it_needs(name):
    assert {one.cores for one in plan(SWEEPS[name])[1].values()} == BUSY.get(name, {None})


def test_the_number_of_runs_follows_from_the_seeds():
    assert len(plan(SWEEPS["stabilisers"])[1]) == 40 and len(plan(SWEEPS["stabilisers"], seeds=(7,))[1]) == 4
    assert "all of DQN, seed 7" in plan(SWEEPS["stabilisers"], seeds=(7,))[1]
    form, _ = plan(SWEEPS["sensitivity"])
    assert [(len(arms), {len(seeds) for seeds in arms.values()}) for arms in form.values()] == [(25, {10}), (30, {10})]
