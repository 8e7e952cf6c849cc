"""Run wrong and right solutions of the assignments instead of the instructor's: `python tests/mutation.py [dqn ...]`.

A wrong one must fail a test of its task. A right one must pass them all, however it is written. They are in
`tests/mutants/`, one file per assignment. Each is a list of replacements in the instructor's cell, or a whole cell.
"""

import contextlib
import io
import os
import runpy
import sys
import warnings
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENTS = ("dqn", "ppo", "a3c")
REGION = "### BEGIN SOLUTION", "### END SOLUTION"  # students get a stub for what is between these


def source(assignment):
    """The instructor's notebook."""
    return nbformat.read(ROOT / f"lectures/assignments/source/{assignment}/{assignment}.ipynb", as_version=4)


def tasks(assignment):
    """The mutants of an assignment: {solution cell: {"wrong": {name: change}, "right": {name: code}}}."""
    return runpy.run_path(str(ROOT / f"tests/mutants/{assignment}.py"))["TASKS"]


def role(cell):
    """What a cell is to nbgrader: "locked", "solution", "tests", "answer" or, for an illustration, None."""
    marks = cell.metadata.get("nbgrader")
    if not marks:
        return None
    if marks["grade"]:
        return "answer" if marks["solution"] else "tests"
    return "solution" if marks["solution"] else "locked"


def tests_of(notebook, task):
    """The test cells between the solution cell `task` and the next one."""
    found, current = [], None
    for cell in notebook.cells:
        if role(cell) == "solution":
            current = cell.metadata.nbgrader.grade_id
        elif role(cell) == "tests" and current == task:
            found.append(cell)
    return found


def run(notebook, task, code):
    """Run `code` as the solution of `task` -> for each of its tests, the first sentence of the failure, or "".

    The locked cells and the instructor's solutions before it run first, in the notebook's order; illustrations do not.
    """
    names = {"__name__": "__main__"}
    failures = []
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        for cell in notebook.cells:
            if role(cell) == "solution" and cell.metadata.nbgrader.grade_id == task:
                attempt(code, names)
                break
            if cell.cell_type == "code" and role(cell) in ("locked", "solution"):
                exec(cell.source, names)
        for cell in tests_of(notebook, task):
            failures.append(attempt(cell.source, names))
    return failures


def attempt(code, names):
    """Run `code` as a cell -> what it raised, in one line, or ""."""
    try:
        exec(compile(code, "<cell>", "exec"), names)
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
    return ""


def mutated(code, change):
    """The instructor's cell with a change: (old, new) pairs, each old one occurring exactly once; or a whole cell."""
    if isinstance(change, str):
        return change
    for old, new in change:
        if code.count(old) != 1:
            raise ValueError(f"{old!r} stands {code.count(old)} times in the solution, not once.")
        code = code.replace(old, new)
    return code


def judge(assignment):
    """Rows (task, kind, name, points kept, points, first failure), the instructor's own solution and the stub first."""
    notebook = source(assignment)
    cells = {c.metadata.nbgrader.grade_id: c.source for c in notebook.cells if role(c) == "solution"}
    for task, mutants in tasks(assignment).items():
        start, end = (cells[task].index(mark) for mark in REGION)
        stub = cells[task][:start] + "raise NotImplementedError()" + cells[task][end + len(REGION[1]) :]
        points = [cell.metadata.nbgrader.points for cell in tests_of(notebook, task)]
        solutions = [("right", "the instructor's", []), ("stub", "as released", stub)]
        solutions += [(kind, name, change) for kind in ("right", "wrong") for name, change in mutants[kind].items()]
        for kind, name, change in solutions:
            failures = run(notebook, task, mutated(cells[task], change))
            kept = sum(p for p, failure in zip(points, failures) if not failure)
            yield task, kind, name, kept, sum(points), next(filter(None, failures), "")


def good(kind, kept, points):
    """Is the verdict on this solution as it must be?"""
    return {"right": kept == points, "stub": kept == 0, "wrong": kept < points}[kind]


def table(rows):
    """The rows as text, one line each."""
    lines = [f"{'task':22} {'kind':6} {'points':>7}  solution; what the student is told"]
    for task, kind, name, kept, points, failure in rows:
        mark = "" if good(kind, kept, points) else "  <-- MUST NOT BE"
        lines.append(f"{task:22} {kind:6} {kept:3} / {points}  {name}{'; ' + failure[:110] if failure else ''}{mark}")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    for assignment in sys.argv[1:] or ASSIGNMENTS:
        print(f"\n{assignment}\n{table(judge(assignment))}")
