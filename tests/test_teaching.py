"""The teacher's papers agree with the chapters that they speak of."""

import ast
import re

import nbformat
import pytest
from mutation import ROOT

LECTURES = ROOT / "lectures"
CHAPTERS = {path.stem: nbformat.read(path, as_version=4) for path in sorted(LECTURES.glob("*.ipynb"))}
GUIDE = (LECTURES / "teaching.md").read_text(encoding="utf-8")
SLIDES = (LECTURES / "slides.md").read_text(encoding="utf-8")


def headings(notebook):
    return [line[3:] for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("## ")]


def predictions(notebook):
    """The words of the right option of each `explore.predict(...)`."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "explore.predict(" in cell.source:
            for call in ast.walk(ast.parse(cell.source)):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "explore.predict":
                    answer = next(word.value for word in call.keywords if word.arg == "answer")
                    yield ast.literal_eval(call.args[ast.literal_eval(answer)])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_guide_has_the_right_answer_to_every_prediction(chapter):
    options = list(predictions(CHAPTERS[chapter]))
    assert len(options) >= 4
    flat = " ".join(GUIDE.split())
    assert [option for option in options if " ".join(option.split()) not in flat] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_section_has_its_row_in_the_slide_map(chapter):
    rows = {row.split("|")[1].strip() for row in SLIDES.splitlines() if row.startswith("| ")}
    assert [heading for heading in headings(CHAPTERS[chapter]) if heading not in rows] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_section_names_the_slides_that_the_map_gives_it(chapter):
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", SLIDES, re.MULTILINE))
    for cell in CHAPTERS[chapter].cells:
        heading = re.match(r"## (.+)", cell.source)
        if heading:
            named = re.search(r"^\*\[Slides? ([\d, and]+)\]\(slides\.md\)", cell.source, re.MULTILINE)
            there = re.findall(r"\d+", named[1]) if named else []
            assert there == re.findall(r"(?:^|; )(\d+) ", rows[heading[1]]), heading[1]


def test_plans_of_ninety_minutes_take_ninety_minutes():
    plans = re.findall(r"^### (?:Chapter \d|All four) in 90 minutes\n\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert len(plans) == 5
    for plan in plans:
        rows = [row.split("|")[2].strip() for row in plan.splitlines()[2:]]
        assert sum(int(minutes) for minutes in rows) == 90, plan


def test_the_errata_are_counted_without_a_gap():
    for letter in "WL":
        found = [int(number) for number in re.findall(rf"^\*\*{letter}(\d+)\.", SLIDES, re.MULTILINE)]
        assert found == list(range(1, len(found) + 1)) and found
