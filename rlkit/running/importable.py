"""What can be imported: environments that a module registers, as in "module:id", and what a worker process is given."""

import importlib
import inspect
import io
import pickle
import sys
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import FunctionType

import gymnasium

from rlkit.running.memory import require_memory

MEMORY = 100 * 2**20  # bytes that a process with torch takes at least
IMPORTABLE = "Define it at the top level of a .py file: a worker imports what it needs, and a notebook has no file."

# Into this process ------------------------------------------------------------------------------------------------


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


# Into a worker ----------------------------------------------------------------------------------------------------


def check_workers(number, env):
    """Raise ValueError at once, in one sentence, if workers cannot have this environment, or not so many fit.

    `env` is an environment's id, or a callable that makes one.
    """
    require_memory(number * MEMORY, f"num_workers={number}", "fewer workers")
    if callable(env):
        bytes_for_a_worker(env)
    else:
        check_known_everywhere(env)


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


class Checker(ForkingPickler):
    """Pickles for a worker. Refuses functions and classes that a worker could not find, wherever they are inside."""

    def reducer_override(self, thing):
        if isinstance(thing, type | FunctionType):
            if "<" in thing.__qualname__ or (in_a_shell() and thing.__module__ == "__main__"):  # <lambda>, f.<locals>.g
                name = "a lambda" if thing.__name__ == "<lambda>" else thing.__name__
                raise ValueError(f"A worker cannot be given {name}, because it was defined here. {IMPORTABLE}")
            if not findable(thing.__module__):
                raise ValueError(
                    f"A worker cannot be given {thing.__name__}, because it would not find the module "
                    f"{thing.__module__}; put the folder of that file into sys.path."
                )
        return NotImplemented


def bytes_for_a_worker(content):
    """Pickle it. Raises ValueError, in one sentence, if a worker could not have it."""
    file = io.BytesIO()
    try:
        Checker(file).dump(content)  # tensors in shared memory stay shared
    except (AttributeError, TypeError, pickle.PicklingError, RecursionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"A worker cannot be given this: {reason}. Let the function that makes the environment make it, too."
        ) from error
    return file.getvalue()


class Later:
    """Content that is unpickled only when `open` is called, so that a failure there is reported like any other."""

    def __init__(self, *content):
        self.content = content

    def __getstate__(self):
        return bytes_for_a_worker(self.content)

    def __setstate__(self, state):
        self.pickled = state

    def open(self):
        try:
            return pickle.loads(self.pickled)
        except (AttributeError, ImportError) as error:
            raise ImportError(f"A worker cannot find this: {error}. {IMPORTABLE}") from error
