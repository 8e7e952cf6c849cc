"""The course for nbgrader. Run its commands in this folder; README.md explains them."""

import glob
import os
import re
import sys
import warnings

from nbgrader import preprocessors
from nbgrader.api import Gradebook
from nbgrader.exchange.default import ExchangeReleaseFeedback

HERE = os.path.dirname(os.path.abspath(__file__))
# nbgrader starts alembic by its name only, which is found only if the environment is activated.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]


class HideTests(preprocessors.ClearHiddenTests):
    """Feedback shows what a failed check says, but not the hidden test, because next year's class will get it too."""

    def preprocess_cell(self, cell, resources, index):
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
            self._remove_hidden_test_region(cell)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


class FindCells(preprocessors.NbGraderPreprocessor):
    """Before grading, make sure that nbgrader knows every task, test and answer of a submission, and each only once.

    nbgrader knows a cell by its metadata. Some editors lose them, and then Validate finds nothing to complain about and
    the student would get no points. A copied cell has them twice, and nbgrader would stop.
    """

    def preprocess(self, nb, resources):
        there = resources["nbgrader"]
        with Gradebook(there["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(there["notebook"], there["assignment"])
            graded = {cell.name: cell for cell in notebook.grade_cells}
            solutions = {cell.name for cell in notebook.solution_cells}
            for cell in notebook.source_cells:
                found = self.copies(nb.cells, cell)
                for copy in found:
                    copy.metadata.pop("nbgrader", None)
                if found:
                    found[-1].metadata.nbgrader = self.marks(cell, graded.get(cell.name), cell.name in solutions)
        return nb, resources

    def copies(self, cells, wanted):
        """All cells of a submission that are this cell of the assignment. The one to grade is the last."""
        known = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == wanted.name]
        if not known:
            strays = [cell for cell in cells if not cell.metadata.get("nbgrader")]
            known = [cell for cell in strays if cell.get("id") == wanted.name] or [
                cell
                for before, cell in zip([None, *cells], cells)
                if cell in strays and cell.cell_type == wanted.cell_type and self.alike(cell, before, wanted)
            ]
        untouched = wanted.source.strip()
        known.sort(key=lambda cell: cell.source.strip() != untouched)  # what the student has written comes last
        return known

    def alike(self, cell, before, wanted):
        """Is this the cell, as far as its content tells? An answer has only its place: below the question's heading."""
        if wanted.cell_type == "markdown":
            heading = re.match(r"## Question \d+\. (.+?) \(", before.source) if before else None
            return bool(heading) and re.sub(r"\W+", "-", heading[1].lower()).strip("-") == wanted.name
        names = re.findall(r"^(?:def|class) (\w+)", wanted.source, re.MULTILINE)
        same = cell.source.strip() == wanted.source.strip()
        return same or bool(names) and re.findall(r"^(?:def|class) (\w+)", cell.source, re.MULTILINE) == names

    def marks(self, cell, grade, solution):
        """The metadata that nbgrader gave this cell when it made the assignment."""
        marks = {"grade_id": cell.name, "schema_version": 3, "cell_type": cell.cell_type, "checksum": cell.checksum}
        marks |= {"grade": grade is not None, "solution": solution, "locked": cell.locked, "task": False}
        return marks | ({"points": grade.max_score} if grade is not None else {})


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Leaves out submissions that were put into their folders by hand: they have no place in the exchange."""

    def copy_files(self):
        for folder in glob.glob(self.src_path):
            if not os.path.exists(os.path.join(folder, "submission_secret.txt")):
                student = os.path.basename(os.path.dirname(folder))
                self.coursedir.student_id_exclude += f",{student}"
                self.log.warning(f"{student} did not submit through the exchange; give them the page in {folder}.")
        super().copy_files()


warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy warns about nbgrader's own queries

c = get_config()  # noqa: F821  (nbgrader defines it)
c.CourseDirectory.root = HERE
c.CourseDirectory.course_id = "deep-rl"
c.Exchange.root = os.environ.get("NBGRADER_EXCHANGE", os.path.join(HERE, "exchange"))
if c.Exchange.root.startswith(HERE):
    os.makedirs(c.Exchange.root, exist_ok=True)
c.ExchangeFactory.release_feedback = ReleaseFeedback
c.Execute.timeout = 120  # seconds; then the cell is interrupted and fails, and the next one runs
c.OverwriteCells.add_missing_cells = True  # tests that a student deleted are put back
c.Autograde.sanitize_preprocessors = [
    preprocessors.ClearOutput,
    FindCells,
    preprocessors.OverwriteKernelspec,
    preprocessors.OverwriteCells,
    preprocessors.CheckCellMetadata,
]
c.Execute.iopub_timeout = c.Execute.startup_timeout = 120  # a busy machine must not cost a student points
c.GenerateFeedback.preprocessors = [
    HideTests,
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
