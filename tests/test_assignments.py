"""The assignments, from the instructor's source through nbgrader's commands to points and feedback.

A term in small: three assignments are generated, one goes through the exchange, a class hands in, is graded and gets
feedback. In the class sit the instructor, one who hands in what was released, and those whom a grader has to survive.
"""

import os
import re
import shutil
import subprocess
import sys

import mutation
import nbformat
import pytest

pytest.importorskip("nbgrader", reason='nbgrader is not installed: pip install -e ".[course]" brings it')
from nbgrader.api import Gradebook, MissingEntry  # noqa: E402

COURSE = mutation.ROOT / "lectures/assignments"
HOSTILE = {  # what stands in the first solution cell; nothing else is solved
    "b-endless": "while True:\n    pass",
    "c-hoarder": "hoard = []\nwhile True:\n    hoard.append(bytearray(500_000_000))",
    "d-raises": "import a_module_that_nobody_has",
    "e-exits": "import os\nos._exit(0)",
}
LIAR = """
class Liar:
    def __eq__(self, other): return True
    __ne__ = __lt__ = __gt__ = lambda self, other: False
    __le__ = __ge__ = __contains__ = __eq__
    __hash__ = None
    def __call__(self, *args, **kwargs): return self
    def __getattr__(self, name): return self
    def __getitem__(self, key): return self
    def __array__(self, *args, **kwargs): import numpy; return numpy.zeros(())
    __add__ = __sub__ = __mul__ = __truediv__ = __radd__ = __rsub__ = __rmul__ = __abs__ = __call__
    def __bool__(self): return True
    def __len__(self): return 5
    def __float__(self): return 0.0
    def __iter__(self): return iter([self] * 2)
    def item(self): return 0.0
"""


def nbgrader(course, *arguments, code=0, cwd=None):
    """Run an nbgrader command as a teacher does -> all that it said."""
    env = os.environ | {"NBGRADER_EXCHANGE": str(course / "exchange"), "MPLBACKEND": "agg"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=cwd or course, env=env, capture_output=True, text=True)
    assert done.returncode == code, f"{' '.join(command[2:])}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def hand_in(course, student, assignment, notebook):
    folder = course / "submitted" / student / assignment
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{assignment}.ipynb")


def released(course, assignment):
    return nbformat.read(course / f"release/{assignment}/{assignment}.ipynb", as_version=4)


def solved(course, assignment, codes):
    """What was released, with these codes as solutions, in order; what is left over stays as it was released."""
    notebook = released(course, assignment)
    for cell, code in zip((c for c in notebook.cells if mutation.role(c) == "solution"), codes):
        cell.source = code
    return notebook


def defined(source):
    """The names that a solution cell defines."""
    return re.findall(r"^(?:def|class) (\w+)", source, re.MULTILINE)


def liar(course, assignment):
    """Every function and class of the assignment is an object that agrees with everything."""
    notebook = mutation.source(assignment)
    names = [defined(cell.source) for cell in notebook.cells if mutation.role(cell) == "solution"]
    return solved(course, assignment, [LIAR + "".join(f"{name} = Liar()\n" for name in group) for group in names])


def points(course, assignment, student):
    """(machine's points, of how many) of one student, or None where grading failed."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return None
        return submission.code_score, submission.max_code_score


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course, generated; whoever sits in the class has handed in, and all was graded."""
    course = tmp_path_factory.mktemp("term") / "course"
    shutil.copytree(COURSE, course, ignore=shutil.ignore_patterns("*.md", ".ipynb_checkpoints"))
    (course / "exchange").mkdir(mode=0o777)
    (course / "exchange").chmod(0o777)
    for assignment in mutation.ASSIGNMENTS:
        nbgrader(course, "generate_assignment", assignment)
        hand_in(course, "a-released", assignment, released(course, assignment))
        hand_in(course, "f-liar", assignment, liar(course, assignment))
        hand_in(course, "z-instructor", assignment, mutation.source(assignment))
    for student, code in HOSTILE.items():
        hand_in(course, student, "dqn", solved(course, "dqn", [code]))
    cut = mutation.source("dqn")  # whoever deletes the tests and the set-up keeps no points for what they tested
    cut.cells = [cell for cell in cut.cells if mutation.role(cell) not in ("tests", "locked")]
    hand_in(course, "g-deletes-tests", "dqn", solved(course, "dqn", []) | {"cells": cut.cells})
    said = nbgrader(course, "autograde", "dqn", "--Execute.timeout=30", code=1)
    assert re.findall(r"for student '(.*)'", said) == ["e-exits"], said  # reported, and the class went on
    for assignment in ("ppo", "a3c"):
        nbgrader(course, "autograde", assignment)
    return course


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_the_instructor_gets_all_points_and_what_was_released_none(course, assignment):
    got, of = points(course, assignment, "z-instructor")
    assert (
        got
        == of
        == sum(c.metadata.nbgrader.points for c in released(course, assignment).cells if mutation.role(c) == "tests")
    )
    assert points(course, assignment, "a-released") == (0, of)


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_an_object_that_agrees_with_everything_gets_nothing(course, assignment):
    assert points(course, assignment, "f-liar")[0] == 0


@pytest.mark.parametrize("student", HOSTILE)
def test_whoever_breaks_the_grader_gets_nothing_and_the_next_one_is_graded(course, student):
    graded = points(course, "dqn", student)
    assert graded is None or graded[0] == 0
    assert points(course, "dqn", "z-instructor")[0] == points(course, "dqn", "z-instructor")[1]


def test_deleted_tests_come_back(course):
    got, of = points(course, "dqn", "g-deletes-tests")
    assert of == points(course, "dqn", "z-instructor")[1] and got == of


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_what_is_released_holds_no_solution_no_hidden_test_and_no_output(course, assignment):
    source, release = mutation.source(assignment), released(course, assignment)
    text = nbformat.writes(release)
    assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN)", text)
    for kind in ("SOLUTION", "HIDDEN TESTS"):
        for cell in source.cells:
            for region in re.findall(f"### BEGIN {kind}\n(.*?)### END {kind}", cell.source, re.DOTALL):
                lines = [line.strip() for line in region.splitlines() if len(line.strip()) > 30]
                leaked = [line for line in lines if any(line in c.source for c in release.cells)]
                assert len(leaked) <= len(lines) // 4, f"{cell.id}: {leaked}"  # a line may be in a visible test too
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in release.cells)


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_headings_count_the_points_that_are_there(assignment):
    cells, total = mutation.source(assignment).cells, {"Task": 0, "Question": 0}
    for position, cell in enumerate(cells):
        heading = re.match(r"## (Task|Question) \d+\. .*?(\d+) points\)", cell.source)
        if heading:
            rest = cells[position + 1 :]
            end = next((i for i, c in enumerate(rest) if c.source.startswith("## ")), len(rest))
            assert int(heading[2]) == sum(c.metadata.get("nbgrader", {}).get("points", 0) for c in rest[:end]), heading[
                0
            ]
            total[heading[1]] += int(heading[2])
    assert total == {"Task": 20, "Question": 8}


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_the_instructors_notebook_is_stored_with_its_outputs(assignment):
    for cell in mutation.source(assignment).cells:
        assert cell.cell_type == "markdown" or cell.execution_count, f"{cell.id} was not run"
        assert not any(output.output_type == "error" for output in cell.get("outputs", [])), cell.id


def test_the_way_through_the_exchange_and_back(course, tmp_path):
    nbgrader(course, "release_assignment", "ppo")
    exchange = ["--course", "deep-rl", f"--Exchange.root={course / 'exchange'}"]
    nbgrader(course, "fetch_assignment", "ppo", *exchange, cwd=tmp_path)
    shutil.copy(COURSE / "source/ppo/ppo.ipynb", tmp_path / "ppo/ppo.ipynb")
    nbgrader(course, "submit", "ppo", *exchange, cwd=tmp_path)
    nbgrader(course, "collect", "ppo")
    student = (
        {path.parent.name for path in course.glob("submitted/*/ppo")} - {"a-released", "f-liar", "z-instructor"}
    ).pop()
    nbgrader(course, "autograde", "ppo", "--student", student)
    assert points(course, "ppo", student) == points(course, "ppo", "z-instructor")
    nbgrader(course, "generate_feedback", "ppo", "--student", student)
    nbgrader(course, "release_feedback", "ppo", "--student", student)
    nbgrader(course, "fetch_feedback", "ppo", *exchange, cwd=tmp_path)
    assert list(tmp_path.glob("ppo/feedback/*/ppo.html"))


def test_feedback_tells_what_a_check_says_and_no_hidden_test(course):
    notebook = mutation.source("dqn")
    wrong = [
        c.source.replace("rewards + gamma *", "rewards - gamma *")
        for c in notebook.cells
        if mutation.role(c) == "solution"
    ]
    hand_in(course, "h-sign", "dqn", solved(course, "dqn", wrong))
    nbgrader(course, "autograde", "dqn", "--student", "h-sign")
    nbgrader(course, "generate_feedback", "dqn", "--student", "h-sign")
    page = (course / "feedback/h-sign/dqn/dqn.html").read_text(encoding="utf-8")
    assert "targets is -4 at 0, where 6 is right" in page
    assert "HIDDEN TESTS" not in page and "default_rng(11)" not in page
    assert 0 < points(course, "dqn", "h-sign")[0] < points(course, "dqn", "z-instructor")[0]
