"""Environments that only some process knows: Gymnasium's "module:id", and what a notebook has defined."""

import importlib
import inspect
import sys
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path

import gymnasium


def import_env(env):
    """Gymnasium's form "module:id" -> the id, after the module has been imported. Other ids are returned as they are.

    A checkpoint names its environment in this form too. So that no file can make us import just anything, a module is
    imported only if its source speaks of gymnasium, as one that registers an environment must. (A module that has been
    imported already does no harm.)

    Raises ValueError if there is no such module, if it is not one of environments, or if it cannot be imported.
    """
    module, colon, name = env.rpartition(":")
    if not colon or module in sys.modules:
        return name
    if "gymnasium" not in source(module):
        raise ValueError(
            f"The environment {env!r} cannot be made: there is no module {module} here whose source calls "
            "gymnasium.register; run the command in the folder of that file, and name the file without its .py."
        )
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:  # it is the reader's code, so this can be anything
        raise ValueError(
            f"The environment {env!r} cannot be made: importing {module} failed with {type(error).__name__}: "
            f"{' '.join(str(error).split())}; fix {module} first."
        ) from error
    return name


def source(module):
    """The source of a module that has not been imported; empty if there is none. Imports nothing."""
    importlib.invalidate_caches()  # the file may be new
    folders, spec = None, None
    for end in [i for i, letter in enumerate(module) if letter == "."] + [len(module)]:
        spec = PathFinder.find_spec(module[:end], folders)
        folders = getattr(spec, "submodule_search_locations", None) or []
    path = Path(getattr(spec, "origin", None) or "")
    return path.read_text(encoding="utf-8", errors="replace") if path.suffix == ".py" else ""


# New processes ------------------------------------------------------------------------------------------------------


def in_a_shell():
    """Is this a notebook or a shell? A new process cannot import what is defined there. (It does import a script.)"""
    main = sys.modules["__main__"]
    return getattr(main, "__file__", None) is None and getattr(main, "__spec__", None) is None


def findable(module):
    """Would a new process find this module, too? Not if it was made by hand, or loaded from outside `sys.path`."""
    top = module.partition(".")[0]
    return top == "__main__" or any(finder.find_spec(top, None) for finder in sys.meta_path)


def check_known_everywhere(env):
    """Raise ValueError for an id that was registered in a notebook or a shell: a new process would not know it."""
    spec = gymnasium.registry.get(env)
    if not in_a_shell() or ":" in env or env.startswith("ALE/") or spec is None or registered_by_gymnasium(spec):
        return
    raise ValueError(
        f"A worker does not know {env}, because it was registered here; move gymnasium.register and what it needs into "
        f"a file my_env.py, and use env='my_env:{env}'."
    )


def registered_by_gymnasium(spec):
    """Does gymnasium register this when it is imported, by itself or by one of its plug-ins?"""
    where = str(spec.entry_point)
    if f'"{spec.id}"' in (own := inspect.getsource(gymnasium.envs)) and f'"{where}"' in own:
        return True
    plugins = {plugin.module.partition(".")[0] for plugin in entry_points(group="gymnasium.envs")}
    return where.partition(":")[0].partition(".")[0] in plugins
