"""What a reader sees fits on the page: code lines and tables."""

import re
from pathlib import Path

import nbformat
import pytest

CHAPTERS = sorted((Path(__file__).parent.parent / "lectures").glob("*.ipynb"))
WIDEST_CODE = 96  # characters: at 1280 pixels JupyterLab cuts off the rest
NARROWEST_PAGE = 60  # characters: what a table has at 768 pixels, beside margins and padding

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def too_wide(source):
    return [line for line in source.splitlines() if len(line) > WIDEST_CODE]


def test_a_line_that_is_too_wide_is_found():
    assert too_wide("x = 1\n" + 97 * "y" + "\n" + 96 * "z") == [97 * "y"]


@chapters
def test_code_lines_fit_on_the_page(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert len(cells) > 20
    wide = {cell.id: too_wide(cell.source) for cell in cells}
    assert {name: lines for name, lines in wide.items() if lines} == {}


# Tables ---------------------------------------------------------------------------------------------------------------


def tables(cells):
    """The tables of Markdown cells and of stored outputs, as rows of cells."""
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    texts += [output.data["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    for block in re.findall(r"(?:^\|.*\n?)+", "\n\n".join(texts), re.MULTILINE):
        yield [
            re.split(r"(?<!\\)\|", row.strip()[1:-1]) for row in block.splitlines() if not re.match(r"\|[ :|-]+$", row)
        ]


def words(cell):
    """The parts of a cell between which a line may break, as a reader sees them."""
    seen = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell.replace("<br>", " "))  # links
    seen = re.sub(r"\\[a-zA-Z]+|[{}$]", "x", seen)  # a symbol for each command of LaTeX
    return [word.strip("`*") for word in re.split(r"\s+", seen) if word]


def narrowest(table):
    """How many characters wide a table is if each of its columns is as wide as its longest word."""
    return sum(max(len(word) for cell in column for word in words(cell) or [""]) for column in zip(*table))


def test_a_table_that_needs_a_wide_page_is_found():
    table = ["| bug | test |", "| --- | --- |", f"| {20 * 'a'} b | `{60 * 'c'}` |"]
    (found,) = tables([nbformat.v4.new_markdown_cell("\n".join(["text", "", *table, "", "text"]))])
    assert found[0] == [" bug ", " test "] and narrowest(found) == 80
    html = nbformat.v4.new_output("display_data", {"text/html": '<table><td style="min-width: 300px">1</td></table>'})
    assert forced([nbformat.v4.new_code_cell(outputs=[html])]) == ["min-width"]


def forced(cells):
    """What forces a stored HTML table to be wide."""
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    return [
        found for page in pages if "<table" in page for found in re.findall(r"nowrap|min-width|width: *\d+px", page)
    ]


@chapters
def test_tables_fit_on_a_narrow_page(path):
    cells = nbformat.read(path, as_version=4).cells
    found = list(tables(cells))
    assert found and {narrowest(table): table[0] for table in found if narrowest(table) > NARROWEST_PAGE} == {}
    assert forced(cells) == []


@chapters
def test_tables_print_numbers_as_a_textbook_does(path):
    for table in tables(nbformat.read(path, as_version=4).cells):
        text = re.sub(r"`[^`]*`|\$[^$]*\$", "", " ".join(sum(table, [])))
        assert re.findall(r"\de[+-]\d|(?<![\w.-])-\d|\d%|\b1 actions", text) == []
