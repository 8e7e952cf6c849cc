"""The course for nbgrader. Run its commands in this folder; README.md explains them."""

import os
import sys
import warnings

from nbgrader.preprocessors import ClearHiddenTests

HERE = os.path.dirname(os.path.abspath(__file__))
# nbgrader starts alembic by its name only, which is found only if the environment is activated.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]


class HideTests(ClearHiddenTests):
    """Feedback shows what a failed check says, but not the hidden test, because next year's class will get it too."""

    def preprocess_cell(self, cell, resources, index):
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
            self._remove_hidden_test_region(cell)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy warns about nbgrader's own queries

c = get_config()  # noqa: F821  (nbgrader defines it)
c.CourseDirectory.root = HERE
c.CourseDirectory.course_id = "deep-rl"
c.Exchange.root = os.environ.get("NBGRADER_EXCHANGE", os.path.join(HERE, "exchange"))
if c.Exchange.root.startswith(HERE):
    os.makedirs(c.Exchange.root, exist_ok=True)
c.Execute.timeout = 120  # seconds; then the cell is interrupted and fails, and the next one runs
c.OverwriteCells.add_missing_cells = True  # tests that a student deleted are put back
c.Execute.iopub_timeout = c.Execute.startup_timeout = 120  # a busy machine must not cost a student points
c.GenerateFeedback.preprocessors = [
    HideTests,
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
