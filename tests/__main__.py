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
GRADING = "tests/test_assignments.py"  # minutes of nbgrader
INTERRUPTED = 2


def legs(arguments):
    """What to run, one `python -m ...` after the other."""
    if arguments:
        return [["pytest", *(NBVAL if "--nbval" in arguments else []), *arguments]]
    notebooks = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("lectures/*.ipynb"))
    two_at_a_time = ["-n", "2", "--dist", "loadfile"]  # not the other tests: some of them measure
    return [
        ["ruff", "check"],
        ["pytest", "tests", f"--ignore={GRADING}"],
        ["pytest", *NBVAL, *two_at_a_time, GRADING, *notebooks],
    ]


def main(arguments):
    """Run all legs, whichever fails, and return the first exit code that is not 0."""
    codes = []
    for leg in legs(install.environment(arguments, "test,course")):
        print("\n$ python -m " + " ".join(leg), flush=True)
        codes.append(install.run("-m", *leg, cwd=str(ROOT)))
        if codes[-1] == INTERRUPTED:
            break
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
