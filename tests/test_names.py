"""Every rlkit name in the overview's table of names exists."""

import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest

import rlkit
from rlkit import functional

CHAPTER = Path(__file__).parent.parent / "lectures" / "01_overview.ipynb"


def table_of_names(markdown):
    """The rows of the first table whose header contains "elsewhere": one {header: cell} each."""
    lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in markdown.splitlines() if "|" in line]
    starts = [number for number, cells in enumerate(lines) if "elsewhere" in cells]
    if not starts:
        return []
    header, _, *rows = lines[starts[0] :]
    return [dict(zip(header, row)) for row in rows if len(row) == len(header)]


def known_names():
    agents = [value for value in vars(rlkit).values() if dataclasses.is_dataclass(value) and hasattr(value, "learn")]
    functions = [value for value in vars(functional).values() if inspect.isfunction(value)]
    fields = {field.name for agent in agents for field in dataclasses.fields(agent)}
    return fields | {name for function in functions for name in inspect.signature(function).parameters}


def test_a_table_is_found_and_a_wrong_name_is_not_known():
    text = (
        "words\n\n| what | rlkit | elsewhere |\n| --- | --- | --- |\n| γ | `gamma` | `gamma` |\n| K | `n_epochs` | x |"
    )
    assert [row["rlkit"] for row in table_of_names(text)] == ["`gamma`", "`n_epochs`"]
    assert {"gamma", "clip_coef", "replay_size", "gae_lambda"} <= known_names() and "n_epochs" not in known_names()


@pytest.mark.skipif(not CHAPTER.exists(), reason="chapter 1 is not written yet")
def test_every_name_in_the_overviews_table_exists():
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    rows = [row for cell in cells if cell["cell_type"] == "markdown" for row in table_of_names("".join(cell["source"]))]
    assert len(rows) > 15
    for row in rows:
        names = re.findall(r"`(\w+)`", row["rlkit"])
        assert names and set(names) <= known_names(), row
