"""Sentences of the chapters that report a result, each with the data that it rests on, and with a margin.

Prose cannot change behind the back of this table: a test finds each sentence in its chapter. And when a sweep is made
again, the table says which sentences are no longer true. So far it holds sections 1, 5 and 9 of chapter 1,
chapters 2 and 3, and section 13 of chapter 4.
"""

import re
from pathlib import Path

import nbformat
import pytest
from claims import a3c, dqn, overview, ppo, ppo_limits, ppo_sensitivity

LECTURES = Path(__file__).parent.parent / "lectures"
NUMBER = r"([−\d.,]*\d)"
CLAIMS = overview.CLAIMS | dqn.CLAIMS | ppo.CLAIMS | ppo_limits.CLAIMS | ppo_sensitivity.CLAIMS | a3c.CLAIMS


def prose(chapter):
    """The text of a chapter on one line: links without their targets, numbers without dollars."""
    cells = nbformat.read(LECTURES / chapter, 4).cells
    text = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("$", "").split())


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_sentence_stands_in_its_chapter_and_the_data_say_so(claim):
    chapter, sentence, check = CLAIMS[claim]
    pattern = NUMBER.join(map(re.escape, sentence.split("#")))
    found = re.search(pattern, prose(chapter))
    assert found, f"{chapter} does not say: {sentence}"
    check(*found.groups())
