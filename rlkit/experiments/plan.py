"""The runs of a sweep, one by one: made on the spot, or listed first, so that a cluster can share them.

    def target_network(seeds=SEEDS):
        return {"1": [run(target_run, seed, 1) for seed in seeds], "16": [run(target_run, seed, 16) for seed in seeds]}

`target_network()` makes the runs in this order. `plan(target_network)` makes none: it gives the same dict with a `Run`
in the place of each result.
"""

from dataclasses import dataclass
from inspect import signature

PLANNED = []  # the lists of the plans that are being made; empty: runs are made on the spot


@dataclass(frozen=True, eq=False)
class Run:
    """A run that has not been made: `work(*args, **settings)`. A positional argument that is a Run means its result."""

    work: object  # a function of a module
    args: tuple
    settings: dict
    cores: int | None  # that it must have for itself, because it measures time; None: it measures none


def run(work, *args, cores=None, **settings):
    """`work(*args, **settings)`, one run of a sweep -> its result, or a `Run` while a plan is made.

    The run makes its own agent, and depends on nothing but these arguments. `cores`: how many cores a run that measures
    time keeps busy.
    """
    if not PLANNED:
        return work(*args, **settings)
    PLANNED[-1].append(Run(work, args, settings, cores))
    return PLANNED[-1][-1]


def plan(sweep, **settings):
    """What a sweep would run -> (form, runs): what it returns, with a `Run` in the place of each result; {name: Run}.

    A name says where the result belongs: "16, seed 3". The runs are in the order in which one machine makes them.
    Raises ValueError if one is called with the result of another in any way but as a positional argument.
    """
    runs = []
    PLANNED.append(runs)
    try:
        form = sweep(**settings)
    finally:
        PLANNED.pop()
    for one in runs:
        check_needs(one)
    seeds = settings.get("seeds", signature(sweep).parameters["seeds"].default)
    names = {one: name(path, seeds) for path, one in places(form)}
    return form, {names[one]: one for one in runs}


def check_needs(one):
    """Raise ValueError if a run has another one in its settings or in an argument, where nobody would find it."""
    if any(places(one.settings)) or any(len(path) > 1 for path, _ in places([*one.args])):
        raise ValueError(
            f"A run of {one.work.__name__} has the result of another one in a list, a dict or a setting; give it as a "
            "positional argument."
        )


def places(form, path=()):
    """Where the runs are in nested dicts and lists -> iterator of (path, Run); a path holds keys and indices."""
    if isinstance(form, Run):
        yield path, form
    elif isinstance(form, dict | list):
        for key, part in form.items() if isinstance(form, dict) else enumerate(form):
            yield from places(part, (*path, key))


def name(path, seeds):
    """("clip", 0, 3) -> "clip, 0, seed 3": the innermost lists are over `seeds`."""
    words = [str(key) for key in path] or [f"seed {seeds[0]}"]
    if path and isinstance(path[-1], int):
        words[-1] = f"seed {seeds[path[-1]]}"
    return ", ".join(words)


def filled(form, results):
    """The form with each Run replaced by its result. results: {Run: result}."""
    if isinstance(form, Run):
        return results[form]
    if isinstance(form, dict):
        return {key: filled(part, results) for key, part in form.items()}
    return [filled(part, results) for part in form] if isinstance(form, list) else form
