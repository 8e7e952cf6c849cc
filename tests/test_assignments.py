"""The assignments, from the instructor's source through nbgrader's commands to points and feedback.

This is a small term: three assignments are generated, one goes through the exchange, a class hands in its work, is
graded and gets feedback. The class has the instructor's solution, the released version, and submissions that try to
break the grader.
"""

import contextlib
import copy
import io
import multiprocessing
import re
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor

import mutation
import nbformat
import pytest
from jupyter_core.application import NoStart

pytest.importorskip("nbgrader", reason='nbgrader is not installed: pip install -e ".[course]" brings it')
from nbgrader.api import Gradebook, MissingEntry  # noqa: E402
from nbgrader.apps import NbGraderApp  # noqa: E402

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits a kernel's memory, and nbgrader has no exchange on Windows"
)
COURSE = mutation.ROOT / "lectures/assignments"
HOSTILE = {  # the code in the first solution cell; nothing else is solved
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


def nbgrader(folder, *arguments, code=0):
    """Run an nbgrader command in a folder -> its output. In this process, because importing nbgrader takes seconds."""
    said = io.StringIO()
    NbGraderApp.clear_instance()
    NbGraderApp.subcommands[arguments[0]][0].clear_instance()  # an earlier command had the settings of another folder
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        app = NbGraderApp.instance()
        try:
            app.initialize(list(arguments))
            app.start()
        except NoStart:  # the command has run
            ended = 0
        except SystemExit as stop:
            ended = stop.code or 0
    assert ended == code, f"nbgrader {' '.join(arguments)} ended with {ended}:\n{said.getvalue()}"
    return said.getvalue()


def hand_in(course, student, assignment, notebook):
    folder = course / "submitted" / student / assignment
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{assignment}.ipynb")


def released(course, assignment):
    return nbformat.read(course / f"release/{assignment}/{assignment}.ipynb", as_version=4)


def illustrations_cut(notebook):
    """Only what is graded: a notebook without its figures runs faster."""
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown" or mutation.role(cell)]
    return notebook


def solved(course, assignment, codes):
    """The released notebook with these solutions, in order; the other cells stay as released."""
    notebook = illustrations_cut(released(course, assignment))
    for cell, code in zip((c for c in notebook.cells if mutation.role(c) == "solution"), codes):
        cell.source = code
    return notebook


def defined(source):
    """The names that a solution cell defines."""
    return re.findall(r"^(?:def|class) (\w+)", source, re.MULTILINE)


def liar(course, assignment):
    """A solution in which every function and class is an object that equals everything."""
    notebook = mutation.source(assignment)
    names = [defined(cell.source) for cell in notebook.cells if mutation.role(cell) == "solution"]
    return solved(course, assignment, [LIAR + "".join(f"{name} = Liar()\n" for name in group) for group in names])


def forgotten(notebook):
    """As some editors save it: without the metadata of its cells, and without their ids."""
    notebook = illustrations_cut(notebook)
    notebook.nbformat_minor = 0
    for cell in notebook.cells:
        cell.metadata.clear()
        cell.pop("id")
    return notebook


def copied(release, notebook):
    """A solved notebook with a second copy of the first task, unsolved, and of a test and an answer."""
    notebook = illustrations_cut(notebook)
    graded = [c for c in notebook.cells if mutation.role(c) == "tests"]
    stubs = [c for c in release.cells if mutation.role(c) == "solution"]
    answers = [c for c in release.cells if c.cell_type == "markdown" and "nbgrader" in c.metadata]
    for number, cell in enumerate([graded[0], stubs[0], answers[0]]):
        again = copy.deepcopy(cell)
        again.id = f"copy-{number}"
        notebook.cells.append(again)
    return notebook


def points(course, assignment, student):
    """(points from the tests, maximum) of one student, or None if grading failed."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return None
        return submission.code_score, submission.max_code_score


def term(folder, assignment):
    """Generate one assignment in a copy of the course, hand it in for a class, and grade it -> the copy."""
    course = folder / assignment
    shutil.copytree(COURSE / "source" / assignment, course / "source" / assignment)
    shutil.copy(COURSE / "nbgrader_config.py", course)
    nbgrader(course, "generate_assignment", assignment)
    hand_in(course, "a-released", assignment, released(course, assignment))
    hand_in(course, "f-liar", assignment, liar(course, assignment))
    hand_in(course, "z-instructor", assignment, mutation.source(assignment))
    if assignment == "ppo":  # dqn has the hostile students, and both are graded side by side
        hand_in(course, "h-loses-metadata", assignment, forgotten(mutation.source(assignment)))
        hand_in(course, "i-copies-cells", assignment, copied(released(course, assignment), mutation.source(assignment)))
    if assignment != "dqn":
        nbgrader(course, "autograde", assignment)
        return course
    for student, code in HOSTILE.items():
        hand_in(course, student, assignment, solved(course, assignment, [code]))
    cut = mutation.source(assignment)
    cut.cells = [cell for cell in cut.cells if mutation.role(cell) != "tests"]
    hand_in(course, "g-deletes-tests", assignment, cut)
    said = nbgrader(course, "autograde", assignment, "--Execute.timeout=45", code=1)
    assert re.findall(r"for student '(.*)'", said) == ["e-exits"], said  # reported, and the others were graded
    return course


@pytest.fixture(scope="module")
def courses(tmp_path_factory):
    """The copies that `term` makes of each assignment, in two processes."""
    folder = tmp_path_factory.mktemp("term")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        return dict(zip(mutation.ASSIGNMENTS, pool.map(term, [folder] * 3, mutation.ASSIGNMENTS)))


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_the_instructor_gets_all_points_and_the_released_version_none(courses, assignment):
    tests = [cell for cell in mutation.source(assignment).cells if mutation.role(cell) == "tests"]
    of = sum(cell.metadata.nbgrader.points for cell in tests)
    assert points(courses[assignment], assignment, "z-instructor") == (of, of)
    assert points(courses[assignment], assignment, "a-released") == (0, of)


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_an_object_that_equals_everything_gets_no_points(courses, assignment):
    assert points(courses[assignment], assignment, "f-liar")[0] == 0


@pytest.mark.parametrize("student", HOSTILE)
def test_breaking_the_grader_earns_nothing_and_the_next_student_is_graded(courses, student):
    graded = points(courses["dqn"], "dqn", student)
    assert graded is None or graded[0] == 0
    assert points(courses["dqn"], "dqn", "z-instructor")[0] == 20


def test_deleted_tests_are_put_back(courses):
    assert points(courses["dqn"], "dqn", "g-deletes-tests") == (20, 20)


@pytest.mark.parametrize("student", ["h-loses-metadata", "i-copies-cells"])
def test_cells_that_were_copied_or_lost_their_metadata_are_found_and_graded(courses, student):
    course = courses["ppo"]
    assert points(course, "ppo", student) == (20, 20)
    graded = nbformat.read(course / f"autograded/{student}/ppo/ppo.ipynb", as_version=4)
    ids = [cell.metadata.nbgrader.grade_id for cell in graded.cells if cell.metadata.get("nbgrader")]
    wanted = [c.metadata.nbgrader.grade_id for c in mutation.source("ppo").cells if "nbgrader" in c.metadata]
    assert sorted(ids) == sorted(wanted)
    answers = [c.source for c in graded.cells if c.cell_type == "markdown" and c.metadata.get("nbgrader")]
    assert len(answers) == 2 and all("BEGIN SOLUTION" in answer for answer in answers)


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_an_answer_can_be_found_by_the_heading_above_it(assignment):
    cells = mutation.source(assignment).cells
    for above, cell in zip(cells, cells[1:]):
        if cell.cell_type == "markdown" and "nbgrader" in cell.metadata:
            title = re.match(r"## Question \d+\. (.+?) \(", above.source)[1]
            assert re.sub(r"\W+", "-", title.lower()).strip("-") == cell.metadata.nbgrader.grade_id


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_the_released_version_has_no_solution_no_hidden_test_and_no_output(courses, assignment):
    source, release = mutation.source(assignment), released(courses[assignment], assignment)
    region = re.compile(
        r"[ \t]*### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)[ \t]*### END (?:SOLUTION|HIDDEN TESTS)", re.DOTALL
    )
    assert [cell.id for cell in release.cells] == [cell.id for cell in source.cells]
    for whole, cut in zip(source.cells, release.cells):
        outside = {line.strip() for line in region.sub("", whole.source).splitlines()}
        stub = {"# YOUR CODE HERE", "raise NotImplementedError()", "YOUR ANSWER HERE"}
        assert {line.strip() for line in cut.source.splitlines()} <= outside | stub, cut.id
        assert len(cut.source) < len(whole.source) or not region.search(whole.source), cut.id
        assert not cut.get("outputs") and not cut.get("execution_count"), cut.id
        assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN)", cut.source), cut.id


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_headings_give_the_right_minutes_and_points(assignment):
    cells, minutes, points = mutation.source(assignment).cells, 0, {"Task": 0, "Question": 0}
    for position, cell in enumerate(cells):
        heading = re.match(r"## (Task|Question) \d+\. .*?(\d+) minutes, (\d+) points\)", cell.source)
        if heading:
            rest = cells[position + 1 :]
            end = next((i for i, c in enumerate(rest) if c.source.startswith("## ")), len(rest))
            there = sum(c.metadata.get("nbgrader", {}).get("points", 0) for c in rest[:end])
            assert int(heading[3]) == there, heading[0]
            points[heading[1]] += there
            minutes += int(heading[2])
    assert points == {"Task": 20, "Question": 8}
    assert f"{minutes} minutes" in cells[0].source


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_the_instructors_notebook_is_stored_with_outputs(assignment):
    for cell in mutation.source(assignment).cells:
        assert cell.cell_type == "markdown" or cell.execution_count, f"{cell.id} was not run"
        outputs = cell.get("outputs", [])
        assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs), cell.id


def test_one_student_from_release_to_feedback(courses, tmp_path):
    course = courses["dqn"]
    exchange = ["--course", "deep-rl", f"--Exchange.root={course / 'exchange'}"]
    nbgrader(course, "release_assignment", "dqn")
    nbgrader(tmp_path, "fetch_assignment", "dqn", *exchange)
    fetched = nbformat.read(tmp_path / "dqn/dqn.ipynb", as_version=4)
    solutions = [c.source for c in mutation.source("dqn").cells if mutation.role(c) == "solution"]
    for cell, code in zip((c for c in fetched.cells if mutation.role(c) == "solution"), solutions):
        cell.source = code.replace("rewards + gamma *", "rewards - gamma *")
    nbformat.write(illustrations_cut(fetched), tmp_path / "dqn/dqn.ipynb")
    before = set(course.glob("submitted/*/dqn"))
    nbgrader(tmp_path, "submit", "dqn", *exchange)
    nbgrader(course, "collect", "dqn")
    (folder,) = set(course.glob("submitted/*/dqn")) - before
    student = folder.parent.name
    nbgrader(course, "autograde", "dqn", "--student", student)
    nbgrader(course, "generate_feedback", "dqn")
    said = nbgrader(course, "release_feedback", "dqn")
    assert "z-instructor did not submit through the exchange" in said and student not in said.split("WARNING")
    nbgrader(tmp_path, "fetch_feedback", "dqn", *exchange)
    assert list(tmp_path.glob("dqn/feedback/*/dqn.html"))
    assert 0 < points(course, "dqn", student)[0] < 20
    page = (course / "feedback" / student / "dqn/dqn.html").read_text(encoding="utf-8")
    assert "targets is -4 at 0, where 6 is right" in page
    assert "HIDDEN TESTS" not in page and "default_rng(11)" not in page
