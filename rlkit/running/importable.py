"""Environments that only some process knows: Gymnasium's "module:id", and what a notebook has defined."""

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path


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
