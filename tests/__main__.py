"""`python tests` sets up what is missing, then lints, runs the tests and runs every lecture again.

With arguments only pytest runs, and gets them: `python tests -k gae`, or one lecture against its stored
outputs, `python tests --nbval lectures/02_dqn.ipynb`. Paths start at the top of the repository.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "binder"))
import install  # noqa: E402

NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-cell-timeout",
    "300",
    "--nbval-sanitize-with",
    "tests/nbval_sanitize.cfg",
]
LONG = ["tests/test_browser.py", "tests/test_assignments.py"]  # minutes of a browser, and of nbgrader
THREE_AT_A_TIME = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]  # even on two cores: many tests wait
INTERRUPTED = 2


def legs(arguments):
    """What to run, one `python -m ...` after the other."""
    if arguments:
        return [["pytest", *(NBVAL if "--nbval" in arguments else []), *arguments]]
    notebooks = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("lectures/*.ipynb"))
    short = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/test_*.py"))
    files = LONG + notebooks + [path for path in short if path not in LONG]  # the long ones first, to end together
    return [["ruff", "check"], ["pytest", *NBVAL, *THREE_AT_A_TIME, *files]]


def main(arguments):
    """Run all legs, whichever fails, and return the first exit code that is not 0."""
    codes = []
    for leg in legs(install.environment(arguments, "test,course,browser")):
        print("\n$ python -m " + " ".join(leg), flush=True)
        codes.append(install.run("-m", *leg, cwd=str(ROOT)))
        if codes[-1] == INTERRUPTED:
            break
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
