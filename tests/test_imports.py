"""Who may import whom: equations know nothing, drivers know no RL, only pictures load picture libraries."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "rlkit").rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
DRIVERS = ("checkpoint", "memory", "settings", "training", "workers")  # know no RL
PICTURES = ("live", "plotting", "video", "explore")


def imports(module, everywhere=True):
    """The names that a module imports, as `rlkit.envs`; without `everywhere` only on loading it."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    late = {node for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if not everywhere and node in late:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(module, **options):
    """The modules of rlkit that a module imports, by their short names."""
    return {name.split(".")[1] for name in imports(module, **options) if name.startswith("rlkit.")}


def outside(module, **options):
    return {name.split(".")[0] for name in imports(module, **options)} - {"rlkit"}


@pytest.mark.parametrize("module", MODULES)
def test_picture_libraries_are_imported_by_pictures_only(module):
    if module.split(".")[1] not in PICTURES:
        assert not outside(module) & {"matplotlib", "ipywidgets", "IPython", "plotly", "PIL"}


def test_the_equations_import_nothing_of_ours():
    assert own("rlkit.functional") == set() and outside("rlkit.functional") <= {"math", "numpy", "torch"}


@pytest.mark.parametrize("module, more", [("networks", "settings"), ("replay", "memory"), ("prioritized", "replay")])
def test_networks_and_replay_know_the_equations_and_no_environment(module, more):
    assert own(f"rlkit.{module}") <= {"functional", more}


def test_policies_and_rollouts_know_the_equations_and_no_agent():
    assert own("rlkit.policies") == {"functional"} and outside("rlkit.policies") <= {"gymnasium", "numpy"}
    assert own("rlkit.rollout") == {"functional"} and outside("rlkit.rollout") <= {"numpy", "torch", "typing"}


@pytest.mark.parametrize("module", [m for m in DRIVERS if f"rlkit.{m}" in MODULES])
def test_drivers_know_no_rl(module):
    assert own(f"rlkit.{module}", everywhere=False) <= set(DRIVERS)
    assert own(f"rlkit.{module}") - set(DRIVERS) <= ({"live"} if module == "training" else set())


def test_environments_know_no_learner():
    assert own("rlkit.envs") <= {"atari"}


def test_agents_know_no_picture():
    agents = [f"rlkit.{name}" for name in ("dqn", "reinforce", "a2c", "trpo", "ppo", "a3c", "gorila")]
    assert agents[0] in MODULES
    for agent in set(agents) & set(MODULES):
        assert not own(agent) & set(PICTURES)


@pytest.mark.parametrize("agent", ["ppo", "reinforce", "trpo"])
def test_a_policy_gradient_agent_knows_no_other_agent(agent):
    parts = {"envs", "functional", "networks", "policies", "rollout", "settings", "training"}
    assert own(f"rlkit.{agent}") == parts


def test_a_segment_and_an_optimizer_know_no_agent():
    assert own("rlkit.segments") == {"rollout"} and own("rlkit.optimizers") == {"functional"}
    assert own("rlkit.tasks") == set() and outside("rlkit.tasks") <= {"gymnasium", "itertools", "numpy", "time"}


def test_a3c_is_a2c_with_workers_and_virtual_time_is_a2c_without():
    a2c = {"envs", "functional", "networks", "optimizers", "policies", "segments", "settings", "training"}
    assert own("rlkit.a2c") == a2c
    assert own("rlkit.a3c") == {"a2c", "memory", "optimizers", "segments", "settings", "training", "workers"}
    assert own("rlkit.virtual") == {"a2c", "training"}


HEADLESS = """
import sys
absent = ["matplotlib", "ipywidgets", "IPython", "ale_py", "cv2", "PIL", "pygame"]
import rlkit
assert not set(absent) & set(sys.modules), set(absent) & set(sys.modules)
for name in absent:
    sys.modules[name] = None  # an import of it fails, as where it is not installed
import rlkit.training
agent = rlkit.DQN(learning_starts=8, replay_size=64)
print(rlkit.train(agent, 40).step, len(rlkit.evaluate(agent, 2)))
"""


def test_training_without_a_screen_loads_no_picture_library_and_no_emulator():
    done = subprocess.run([sys.executable, "-c", HEADLESS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["40", "2"]
