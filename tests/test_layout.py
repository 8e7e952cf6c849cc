"""What a reader sees fits on the page: code lines."""

from pathlib import Path

import nbformat
import pytest

CHAPTERS = sorted((Path(__file__).parent.parent / "lectures").glob("*.ipynb"))
WIDEST_CODE = 96  # characters: at 1280 pixels JupyterLab cuts off the rest

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def too_wide(source):
    return [line for line in source.splitlines() if len(line) > WIDEST_CODE]


def test_a_line_that_is_too_wide_is_found():
    assert too_wide("x = 1\n" + 97 * "y" + "\n" + 96 * "z") == [97 * "y"]


@chapters
def test_code_lines_fit_on_the_page(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert len(cells) > 20
    wide = {cell.id: too_wide(cell.source) for cell in cells if "explore.predict(" not in cell.source}
    assert {name: lines for name, lines in wide.items() if lines} == {}
