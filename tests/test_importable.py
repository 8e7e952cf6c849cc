"""Environments that are named by their module, as Gymnasium does: "module:id"."""

import functools
import sys
import types
from importlib.metadata import EntryPoint

import gymnasium
import pytest
from conftest import one_line
from gymnasium.envs.classic_control import CartPoleEnv

from rlkit import A3C, DQN, Gorila, load
from rlkit.__main__ import main
from rlkit.running import importable
from rlkit.running.importable import check_known_everywhere, check_workers

REGISTERED = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

gymnasium.register("{id}", entry_point=CartPoleEnv, max_episode_steps=30)
"""
SMALL = ["--set", "hidden=4,", "replay_size=100", "learning_starts=50", "batch_size=8"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that modules are found in, as in that in which `python -m rlkit` is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def forget(*modules):
    """As in a new process: the modules and what they registered are unknown."""
    for name in modules:
        sys.modules.pop(name, None)
    for name in [name for name in gymnasium.registry if name.startswith("Mine")]:
        del gymnasium.registry[name]


def test_the_command_line_plays_an_environment_from_a_file_in_this_folder(folder, capsys):
    (folder / "my_env.py").write_text(REGISTERED.format(id="Mine-v0"))
    assert main(["train", "dqn", "--env", "my_env:Mine-v0", *SMALL, "--steps", "100"]) == 0
    (path,) = folder.glob("runs/*.pt")
    assert path.name == "dqn-Mine-v0-seed0.pt"  # Windows has no file names with a colon
    forget("my_env")
    assert main(["train", "--resume", str(path), "--steps", "200"]) == 0
    forget("my_env")
    assert main(["eval", str(path), "--episodes", "2"]) == 0
    assert "my_env:Mine-v0" in capsys.readouterr().out
    forget("my_env")
    assert (load(path).step, load(path).env) == (200, "my_env:Mine-v0")
    assert max(load(path).envs.again(1, 0).vector.envs[0].spec.max_episode_steps, 0) == 30
    forget("my_env")


def test_a_package_that_registers_in_a_module_of_its_own(folder):
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "registry.py").write_text(REGISTERED.format(id="Mine-v1"))
    assert DQN("pack.registry:Mine-v1", replay_size=100).envs.obs_shape == (4,)
    forget("pack", "pack.registry")


def test_emulators_can_be_named_by_their_module_too():
    assert DQN("ale_py:ALE/Pong-v5", replay_size=100).envs.obs_shape == (4, 84, 84)


def test_a_checkpoint_cannot_make_us_import_just_anything(folder):
    """It names its environment, and whoever wrote it may have named a script that deletes files."""
    (folder / "script.py").write_text("raise SystemExit('was run')")
    for name in (
        "script",
        "this",
        "antigravity",
        "idlelib.idle",
        "nowhere",
        "pack.nowhere",
        "",
        ".",
        "a b",
        "../script",
    ):
        before = set(sys.modules)
        with pytest.raises(ValueError, match="there is no module") as error:
            DQN(f"{name}:CartPole-v1")
        assert repr(f"{name}:CartPole-v1") in one_line(error)
        assert set(sys.modules) == before


@pytest.mark.parametrize(
    "fault", ["1 / 0", "import nowhere", "raise SystemExit(3)", "def f(:", "raise ValueError('a\\nb')"]
)
def test_a_module_that_cannot_be_imported_is_named(folder, fault):
    (folder / "broken.py").write_text(f"import gymnasium\n{fault}\n")
    with pytest.raises(ValueError, match="fix broken first") as error:
        DQN("broken:Mine-v0")
    one_line(error)


def test_a_module_that_registers_something_else(folder):
    (folder / "my_env.py").write_text(REGISTERED.format(id="Mine-v0"))
    with pytest.raises(ValueError, match="'my_env:Mine-v7' cannot be made") as error:
        DQN("my_env:Mine-v7")
    one_line(error)
    forget("my_env")


# New processes ------------------------------------------------------------------------------------------------------


@pytest.fixture
def notebook(monkeypatch):
    """The namespace of a notebook: `__main__` without a file."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    main.__dict__.update(gymnasium=gymnasium, functools=functools, CartPoleEnv=CartPoleEnv)
    yield vars(main)
    forget()


@pytest.mark.parametrize("make", [A3C, Gorila])
def test_workers_refuse_an_id_that_a_notebook_registered(notebook, make):
    exec(REGISTERED.format(id="Mine-v0"), notebook)
    assert DQN("Mine-v0", replay_size=100).envs.num_actions == 2  # which needs no workers
    with pytest.raises(ValueError, match="env='my_env:Mine-v0'") as error:
        make("Mine-v0")
    one_line(error)
    gymnasium.register("MineToo-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv")
    with pytest.raises(ValueError, match="env='my_env:MineToo-v0'"):
        make("MineToo-v0")


@pytest.mark.filterwarnings("ignore:.*Overriding environment")
def test_workers_notice_an_id_that_a_notebook_registered_again(notebook, monkeypatch):
    monkeypatch.setitem(gymnasium.registry, "CartPole-v1", gymnasium.registry["CartPole-v1"])  # and put it back
    exec("class Other(CartPoleEnv): pass\ngymnasium.register('CartPole-v1', Other)", notebook)
    with pytest.raises(ValueError, match="does not know CartPole-v1"):
        check_known_everywhere("CartPole-v1")


def test_workers_know_what_every_process_knows(notebook, monkeypatch):
    own = [name for name, spec in gymnasium.registry.items() if "gymnasium" in str(spec.entry_point)]
    assert len(own) > 40
    for name in [*own, "ALE/Pong-v5", "my_env:Mine-v0", "Nowhere-v0"]:
        check_known_everywhere(name)
    plugin = EntryPoint("__root__", "mine_package.envs:register_all", "gymnasium.envs")
    monkeypatch.setattr(importable, "entry_points", lambda group: [plugin])
    gymnasium.register("Mine-v3", "mine_package.envs.one:One")
    check_known_everywhere("Mine-v3")


def test_a_script_is_imported_by_workers(notebook):
    exec(REGISTERED.format(id="Mine-v0"), notebook)
    sys.modules["__main__"].__file__ = "script.py"
    check_known_everywhere("Mine-v0")


@pytest.mark.parametrize("env", ["functools.partial(make, 1)", "lambda: 0", "Env().step", "Env"])
def test_workers_refuse_what_a_notebook_defines(notebook, env):
    exec("def make(n): return CartPoleEnv()\nclass Env(CartPoleEnv): pass", notebook)
    check_workers(1, functools.partial(CartPoleEnv, True))
    with pytest.raises(ValueError, match="A worker cannot be given") as error:
        A3C(eval(env, notebook))
    one_line(error)


def test_workers_refuse_a_module_that_they_would_not_find(tmp_path):
    module = types.ModuleType("made_by_hand")
    sys.modules["made_by_hand"] = module
    exec("def make(): pass", vars(module))
    try:
        with pytest.raises(ValueError, match="would not find the module made_by_hand") as error:
            check_workers(1, module.make)
        one_line(error)
    finally:
        del sys.modules["made_by_hand"]
    check_workers(1, CartPoleEnv)
