"""The checks of the assignments are tested too: wrong solutions lose points, right ones lose none."""

import mutation
import pytest


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_wrong_solutions_lose_points_and_right_ones_none(assignment, capsys):
    rows = list(mutation.judge(assignment))
    with capsys.disabled():
        print(f"\n{mutation.table(rows)}")
    assert [row for row in rows if not mutation.good(row[1], *row[3:5])] == []


@pytest.mark.parametrize("assignment", mutation.ASSIGNMENTS)
def test_every_graded_task_has_wrong_and_right_solutions(assignment):
    notebook, mutants = mutation.source(assignment), mutation.tasks(assignment)
    solutions = [c.metadata.nbgrader.grade_id for c in notebook.cells if mutation.role(c) == "solution"]
    assert list(mutants) == solutions
    for task, kinds in mutants.items():
        assert mutation.tests_of(notebook, task), f"{task} is not graded"
        assert len(kinds["wrong"]) >= 5 and len(kinds["right"]) >= 2, task
