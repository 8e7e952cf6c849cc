"""The course for nbgrader: run its commands in this folder. README.md beside this file goes through them."""

import os
import sys
import warnings

from nbgrader.preprocessors import ClearHiddenTests

HERE = os.path.dirname(os.path.abspath(__file__))
# nbgrader starts alembic by its mere name, which is found only if the environment has been activated.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]


class HideTests(ClearHiddenTests):
    """Feedback tells what a failed check says, not the hidden test behind it, which next year's class will meet."""

    def preprocess_cell(self, cell, resources, index):
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
            self._remove_hidden_test_region(cell)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


warnings.filterwarnings("ignore", module="nbgrader")  # of SQLAlchemy, about nbgrader's own queries

c = get_config()  # noqa: F821  (nbgrader defines it)
c.CourseDirectory.root = HERE
c.CourseDirectory.course_id = "deep-rl"
c.Exchange.root = os.environ.get("NBGRADER_EXCHANGE", os.path.join(HERE, "exchange"))
if c.Exchange.root.startswith(HERE):
    os.makedirs(c.Exchange.root, exist_ok=True)
c.Execute.timeout = 120  # seconds for a cell; then it is interrupted, fails, and the next one runs
c.OverwriteCells.add_missing_cells = True  # tests that a student has deleted come back
c.Execute.iopub_timeout = c.Execute.startup_timeout = 120  # a busy machine must not cost a student the points
c.GenerateFeedback.preprocessors = [
    HideTests,
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
