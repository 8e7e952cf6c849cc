"""Ray starts on this machine with fewer processes, and each of them starts sooner.

With Ray 2.60, until three actors had imported rlkit: 6.5 s of CPU time in all processes together instead of 20.6 s. The
methods that are left out are private to Ray. A version that has no such methods starts as it always does.
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

# Ray imports jsonschema, and that imports this package if it is there, as beside JupyterLab. It checks web addresses
# that nobody here checks, and builds a grammar for them whenever it is imported: a second of CPU time in each process.
GRAMMAR = "rfc3987_syntax"
# The autoscaler, the dashboard's server, and what collects logs for it. Of one machine nobody needs them.
LEFT_OUT = ("start_monitor", "start_api_server", "start_log_monitor")


def import_ray():
    """Import Ray -> the module."""
    absent = GRAMMAR not in sys.modules
    if absent:
        sys.modules[GRAMMAR] = None  # as if it were not installed
    try:
        import ray
    finally:
        if absent:
            sys.modules.pop(GRAMMAR, None)  # another thread may have done so
    return ray


@contextmanager
def fewer_processes():
    """What Ray starts meanwhile on this machine are the processes that a run needs."""
    try:
        from ray._private.node import Node
    except ImportError:
        Node = object
    before = {name: vars(Node)[name] for name in LEFT_OUT if name in vars(Node)}
    for name in before:
        setattr(Node, name, lambda node, *args, **options: None)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Node, name, method)


@contextmanager
def without_grammar(folder):
    """Processes that are started meanwhile, and those that they start, do not find the slow package.

    They look into `folder`, which must stay as long as they may import something.
    """
    hidden = Path(folder, "quick")
    hidden.mkdir(parents=True, exist_ok=True)
    (hidden / f"{GRAMMAR}.py").write_text("raise ImportError('left out, because it takes long')\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(hidden), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
