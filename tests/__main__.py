"""`python tests` sets up what is missing, then lints, runs the tests and runs every lecture and assignment again.

    python tests --fast       for daily work: lint and quick tests, under four minutes on two cores; it leaves out
                              the lectures, the browser, nbgrader, and the files listed as SLOW in tests/__main__.py
    python tests --newest     everything with the newest versions that pyproject.toml allows, in a fresh .venv
    python tests --cluster    everything, with Ray: it is installed, stays, and runs several nodes on this machine;
                              without it the tests that need Ray are skipped
    python tests --help       this text

Any other arguments go to pytest, which then runs alone: `python tests -k gae`, or one lecture against its stored
outputs, `python tests --nbval lectures/02_dqn.ipynb`. Paths start at the top of the repository.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "binder"))
import find_python

if __name__ == "__main__":
    find_python.help_if_asked(__doc__)
    find_python.ensure()

from glob import glob

import install

NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-cell-timeout",
    "300",
    "--nbval-sanitize-with",
    "tests/nbval_sanitize.cfg",
]
LONG = [  # minutes each
    "tests/test_browser.py",
    "tests/test_assignments.py",  # with nbgrader
    "tests/test_cluster.py",  # with Ray, if it is installed; so do the next three
    "tests/test_cluster_use.py",
    "tests/test_nodes.py",
    "tests/test_spread.py",
]
SLOW = LONG + [  # left out by --fast
    "tests/test_cli.py",  # dozens of shells
    "tests/test_mutants.py",  # hundreds of wrong solutions
    "tests/test_resume.py",  # every agent, interrupted and continued
    "tests/test_saliency.py",  # trained agents on whole screens
    "tests/test_workers.py",  # processes that hang, crash and are killed
]
HALF_A_MINUTE = [  # and more: if one of them came last, two of three workers would wait for it
    "tests/test_compare_live.py",
    "tests/test_agents.py",
    "tests/test_explore.py",
    "tests/test_a3c.py",
    "tests/test_files.py",
    "tests/test_cells.py",
    "tests/test_explore_drag.py",
    "tests/test_exit.py",
    "tests/test_accessibility.py",
    "tests/test_copies.py",
]
THREE_AT_A_TIME = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]  # even on two cores: many tests only wait
INTERRUPTED = 2


def legs(arguments):
    """The commands to run one after the other, without `python -m`."""
    lint, tests = ["ruff", "check"], files("tests/test_*.py")
    if "--fast" in arguments:
        quick = in_order([path for path in tests if path not in SLOW])
        return [lint, ["pytest"] + THREE_AT_A_TIME + quick + [word for word in arguments if word != "--fast"]]
    if arguments:
        return [["pytest"] + (NBVAL if "--nbval" in arguments else []) + arguments]
    notebooks = files("lectures/*.ipynb") + files("lectures/assignments/source/*/*.ipynb")
    return [lint, ["pytest"] + NBVAL + THREE_AT_A_TIME + in_order(tests + notebooks)]


def in_order(paths):
    """The long ones first, the others as they are."""
    first = LONG + [path for path in paths if path.endswith(".ipynb")] + SLOW + HALF_A_MINUTE
    return sorted(paths, key=lambda path: first.index(path) if path in first else len(first))


def files(pattern):
    """The files of the repository that fit a pattern, with `/` on every system."""
    return sorted(os.path.relpath(path, ROOT).replace(os.sep, "/") for path in glob(os.path.join(ROOT, pattern)))


def main(arguments):
    """Run all legs, even after a failure, and return the first exit code that is not 0."""
    codes, extras = [], "test,course,browser" + ",cluster" * ("--cluster" in arguments)
    for leg in legs(install.environment([word for word in arguments if word != "--cluster"], extras)):
        sys.stdout.write("\n$ python -m " + " ".join(leg) + "\n")
        sys.stdout.flush()
        codes.append(install.run(["-m"] + leg, cwd=ROOT))
        if codes[-1] == INTERRUPTED:
            break
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack a letter of an argument
    sys.exit(main(sys.argv[1:]))
