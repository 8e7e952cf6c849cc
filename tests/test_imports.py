"""Which module may import which: equations import nothing of ours, `running` knows no algorithm, only pictures load
picture libraries, and no import goes in a circle."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "rlkit").rglob("*.py"))
ALGORITHMS = {"a2c", "a3c", "dqn", "gorila", "ppo", "reinforce", "trpo"}
PARTS = {"envs", "functional", "networks", "optimizers", "policies", "replay", "prioritized"}
PARTS |= {"rollout", "segments", "spaces"}
PACKAGES = {"experiments", "explore", "plotting", "running"}


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


def imports(module):
    """Everything that a module imports, at its top or inside functions: `rlkit.envs`, `numpy`."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)


def own(module):
    """The modules of rlkit that a module imports, without "rlkit."."""
    return {name.removeprefix("rlkit.") for name in imports(module) if name in MODULES}


def outside(module):
    return {name.split(".")[0] for name in imports(module)} - {"rlkit"}


def package(module):
    """ "rlkit.plotting.live" -> "plotting", "rlkit.envs" -> "" """
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in PACKAGES else ""


def of(name):
    return [module for module in MODULES if package(module) == name]


def test_every_package_is_known():
    folders = {path.name for path in (ROOT / "rlkit").iterdir() if (path / "__init__.py").exists()}
    assert folders == PACKAGES


def test_every_module_is_on_its_map():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    running = MODULES["rlkit.running"].read_text(encoding="utf-8")
    at_the_top = {path.name for path in (ROOT / "rlkit").glob("*.py")} - {"__init__.py"}
    assert at_the_top - set(readme.split()) == set()
    inside = {module.split(".")[-1] for module in of("running")} - {"running"}
    assert inside - set(running.replace(",", " ").split()) == set()


def test_imports_inside_functions_and_imports_of_modules_are_found():
    assert "plotting.curve" in own("rlkit.training") and "functional" in own("rlkit.dqn")


def test_no_import_goes_in_a_circle():
    graph = {module: {f"rlkit.{name}" if name != "rlkit" else name for name in own(module)} for module in MODULES}
    graph["rlkit.__main__"].discard("rlkit")  # nobody imports it
    while graph:
        ends = [module for module, needs in graph.items() if not needs & graph.keys() - {module}]
        assert ends, f"a circle among {sorted(graph)}"
        for module in ends:
            del graph[module]


@pytest.mark.parametrize("module", MODULES)
def test_picture_libraries_are_imported_by_pictures_only(module):
    if package(module) not in ("plotting", "explore"):
        assert not outside(module) & {"matplotlib", "ipywidgets", "IPython", "plotly", "PIL"}


def test_widgets_are_imported_by_live_panels_and_explorers_only():
    for module in of("plotting"):
        allowed = {
            "rlkit.plotting.live": {"ipywidgets", "IPython"},
            "rlkit.plotting.panel": {"ipywidgets"},
            "rlkit.plotting.curve": {"IPython"},
            "rlkit.plotting.cells": {"IPython"},
        }
        assert outside(module) & {"ipywidgets", "IPython"} <= allowed.get(module, set()), module


def test_the_equations_import_nothing_of_rlkit():
    assert own("rlkit.functional") == set() and outside("rlkit.functional") <= {"collections", "math", "numpy", "torch"}


@pytest.mark.parametrize("module, more", [("networks", "running.settings"), ("replay", ""), ("prioritized", "replay")])
def test_networks_and_replay_know_the_equations_and_no_environment(module, more):
    assert own(f"rlkit.{module}") <= {"functional", "running.memory", more}


def test_theta_knows_only_torch():
    assert own("rlkit.theta") == set() and outside("rlkit.theta") <= {"functools", "math", "torch"}


def test_policies_and_rollouts_know_the_equations_and_no_agent():
    assert own("rlkit.policies") == {"functional", "spaces"} and outside("rlkit.policies") <= {"math", "numpy"}
    assert own("rlkit.rollout") == {"functional", "running.memory", "running.messages", "running.result"}
    assert outside("rlkit.rollout") == {"numpy", "torch", "typing"}


@pytest.mark.parametrize("module", of("running"))
def test_what_runs_an_agent_knows_no_algorithm_and_no_picture(module):
    assert {name for name in own(module) if not name.startswith("running")} <= {"language"}


def test_training_draws_late_and_knows_no_algorithm():
    assert own("rlkit.training") == {"running.messages", "running.result", "plotting.curve"}


@pytest.mark.parametrize("module", of("experiments"))
def test_an_experiment_draws_nothing(module):
    assert not {name.split(".")[0] for name in own(module)} & {"plotting", "explore"}


@pytest.mark.parametrize("module", of("plotting"))
def test_a_picture_knows_no_algorithm_and_no_explorer(module):
    assert not {name.split(".")[0] for name in own(module)} & {*ALGORITHMS, "presets", "explore"}


def test_environments_know_no_learner():
    assert own("rlkit.envs") == {"running.answers", "running.contract", "running.result", "spaces"}


@pytest.mark.parametrize("agent", sorted(ALGORITHMS))
def test_an_agent_knows_no_picture_and_no_experiment(agent):
    assert not {name.split(".")[0] for name in own(f"rlkit.{agent}")} & {"plotting", "explore", "experiments"}


@pytest.mark.parametrize("agent", ["ppo", "reinforce", "trpo", "dqn", "a2c"])
def test_an_agent_on_its_own_knows_no_other(agent):
    others = {name for name in own(f"rlkit.{agent}") if not name.startswith("running.")}
    assert others <= PARTS | {"theta"}


def test_a_segment_and_an_optimizer_know_no_agent():
    assert own("rlkit.segments") <= {"rollout", "running.memory"} and own("rlkit.optimizers") == {"functional"}
    assert own("rlkit.tasks") == set() and outside("rlkit.tasks") <= {"gymnasium", "itertools", "numpy", "time"}


def test_a3c_is_a2c_with_workers_and_virtual_time_is_a2c_without():
    assert {name for name in own("rlkit.a3c") if name in ALGORITHMS} == {"a2c"}
    assert {name for name in own("rlkit.gorila") if name in ALGORITHMS} == {"dqn"}
    assert {name for name in own("rlkit.experiments.virtual") if name in ALGORITHMS} == {"a2c"}


HEADLESS = """
import sys
absent = ["matplotlib", "ipywidgets", "IPython", "ale_py", "cv2", "PIL", "pygame"]
import rlkit
assert not set(absent) & set(sys.modules), set(absent) & set(sys.modules)
for name in absent:
    sys.modules[name] = None  # its import fails, as if it were not installed
import rlkit.training
agent = rlkit.DQN(learning_starts=8, replay_size=64)
print(rlkit.train(agent, 40).step, len(rlkit.evaluate(agent, 2)))
"""


def test_training_without_a_screen_loads_no_picture_library_and_no_emulator():
    done = subprocess.run([sys.executable, "-c", HEADLESS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["40", "2"]


def test_run_is_exported_and_loaded_on_first_use():
    import rlkit
    from rlkit import Run
    from rlkit.plotting.live import Run as same

    assert Run is same
    assert {*rlkit.__all__} <= {*dir(rlkit)}  # what Tab offers
    with pytest.raises(AttributeError, match="has no attribute 'Runner'"):
        rlkit.Runner  # noqa: B018
