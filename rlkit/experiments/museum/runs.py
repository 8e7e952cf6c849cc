"""The runs of the museum: each bug's learning curve and number, without the bug and with it."""

from rlkit.experiments.curves import SEEDS, curve
from rlkit.experiments.museum import BUGS, make
from rlkit.experiments.plan import run


def museum(seeds=SEEDS):
    """Runs without and with each bug: {bug: {"sound": one `museum_run` for each seed, "broken": the same}}."""
    return {
        name: {kind: [run(museum_run, name, kind == "broken", seed) for seed in seeds] for kind in ("sound", "broken")}
        for name in BUGS
    }


def museum_run(name, broken, seed):
    """{"steps": `[60]`, "returns": `[60]`, "number": what gives the bug away, measured at the end of the run}."""
    agent, bug = make(name, broken, seed), BUGS[name]
    learned = curve(agent, bug.steps)
    return {"steps": learned["steps"], "returns": learned["returns"], "number": round(float(bug.measure(agent)), 4)}
