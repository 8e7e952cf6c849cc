"""A cell that is run again leaves nothing of what it made before in memory."""

import gc
import time
import weakref

import pytest
from ipywidgets.widgets import widget

from rlkit import explore
from rlkit.plotting import Picture, cells, painter


@pytest.fixture
def run_cell(monkeypatch):
    """A function that runs a cell of JupyterLab: its id and what it does -> what that returned."""
    executions = iter(range(1_000))

    def run(cell, do):
        execution = next(executions)
        monkeypatch.setattr(cells, "executing", lambda: (cell, execution))
        return do()

    monkeypatch.setattr(cells, "made", {})
    return run


def settled():
    """Wait until the painter has drawn at double resolution what it was to draw later, and collect garbage."""
    while painter.due:
        time.sleep(0.02)
    painter.paint(gc.collect)  # when the last drawing has ended


CELLS = {
    "an explorer": lambda: explore.two_states(),
    "an explorer with a run": lambda: explore.target_network(),
    "rows that glide": lambda: explore.atari49(),
    "a question with an explorer": lambda: explore.ask("two_states", then=explore.two_states()),
    "a question with a figure": lambda: explore.ask("two_states", then=Picture()),
    "a question with a text": lambda: explore.ask("two_states", then="a text"),
}


@pytest.mark.parametrize("what", CELLS)
def test_a_cell_that_is_run_again_leaves_no_widgets(run_cell, what):
    before = run_cell("a", CELLS[what])
    settled()
    number, kept = len(widget._instances), weakref.ref(before)
    out = [before.then if what.startswith("a question") else before]  # as IPython keeps what a cell shows
    del before
    for _ in range(3):
        again = run_cell("a", CELLS[what])
    settled()
    assert len(widget._instances) == number
    del again
    if what.startswith("a question"):
        assert kept() is None
    assert getattr(out[0], "moving", None) is None


def test_panels_of_other_cells_and_of_the_same_execution_stay(run_cell):
    other = run_cell("b", explore.two_states)
    first, second = run_cell("a", lambda: (explore.two_states(), explore.two_states()))
    question = run_cell("c", lambda: explore.ask("two_states", then=other))
    question = run_cell("c", lambda: explore.ask("two_states", then=other))  # its panel was made elsewhere
    for panel in (other, first, second):
        assert panel.comm is not None
        panel.move(gamma=0.5)
    question.skip()
    assert other.children == other.parts


def test_a_panel_that_is_gone_is_not_kept_by_the_painter_or_its_script():
    panel = explore.two_states()
    panel.move(gamma=0.5)
    settled()
    cells.close(panel)
    gone = weakref.ref(panel)
    del panel
    for _ in range(100):  # the painter may just be leaving the function that drew it
        gc.collect()
        if gone() is None:
            return
        time.sleep(0.05)
    assert gone() is None
