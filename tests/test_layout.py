"""What a reader sees fits on the page: code lines, tables, and the texts and legends of explorers."""

import re
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from explorers import DRAWN, in_words, opened, opened_by, short_game, states
from layout import faults, texts

from rlkit import explore, plotting
from rlkit.plotting.painter import painted

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


# Figures of explorers -------------------------------------------------------------------------------------------------

explorers = pytest.mark.parametrize("name", DRAWN)


@cache
@painted  # whose thread may otherwise be at work on the figure
def seen(name):
    """What is seen of an explorer in many states -> [(state, words and texts, faults of the layout, half counts)]."""
    panel, found = opened(name), []
    for values in states(panel):
        words = panel.draw(**values)
        shown = {words, *(text.get_text() for text in texts(panel.figure))}
        found.append((in_words(values), shown, faults(panel.figure), [*halves(panel.figure)]))
    return found


def sentences(pairs):
    """Pairs (fault, state) -> a line for each fault, with the first state that has it."""
    first = {}
    for fault, state in pairs:
        first.setdefault(fault, state)
    return "\n".join(f"{fault} Seen with {state}." for fault, state in first.items())


@explorers
def test_no_text_or_legend_covers_anything_in_any_state(name):
    found = [(fault, state) for state, _, faults, _ in seen(name) for fault in faults]
    assert not found, sentences(found)


def drawn(draw, **options):
    """The faults of a small figure."""
    figure, ax = plotting.picture(width=5, height=3)
    draw(ax)
    ax.set(xlim=(0, 10), ylim=(0, 10), **options)
    figure.draw_without_rendering()
    return faults(figure)


@pytest.mark.parametrize(
    "draw, sentence",
    [
        (lambda ax: ax.plot([0, 10], [8.8, 8.8], label="a") and ax.legend(loc="upper right"), "covers the line 'a'"),
        (lambda ax: ax.plot([9.5], [8.8], "o", label="a") and ax.legend(loc="upper right"), "covers the line 'a'"),
        (lambda ax: ax.bar([9], [9.5], label="a") and ax.legend(loc="upper right"), "a bar or another shape"),
        (lambda ax: ax.fill_between([8, 10], 10, label="a") and ax.legend(loc="upper right"), "FillBetween"),
        (lambda ax: ax.scatter([9, 9.3], [8.8, 8.8], label="a") and ax.legend(loc="upper right"), "PathCollection"),
        (lambda ax: (ax.text(4, 4, "one"), ax.text(4.3, 4.3, "two")), "'one' and 'two' overlap"),
        (lambda ax: ax.text(9.8, 5, "too long", in_layout=False), "'too long' leaves the figure"),
        (lambda ax: (ax.text(4, 4, "word"), ax.plot([0, 10], [4.3, 4.3])), "'word' covers the line"),
        (lambda ax: ax.set_xticks([4, 4.2], labels=["four", "more"]), "'four' and 'more' overlap"),
    ],
)  # fmt: skip
def test_what_covers_something_is_found(draw, sentence):
    found = drawn(draw)
    assert len(found) == 1 and sentence in found[0], found


def test_what_covers_nothing_is_not_found():
    def draw(ax):
        ax.plot([0, 6, 10], [10, 4, 3], label="a")
        ax.plot([4.5], [9], "o")
        ax.axhspan(0, 2, alpha=0.2)
        ax.text(1, 1, "on a band")
        ax.text(1, 3, "alone")
        ax.bar([9], [0.0])
        ax.legend(loc="upper right")

    assert drawn(draw, xlabel="x", title="title") == []


# Numbers as a textbook prints them ------------------------------------------------------------------------------------

UNLIKE_A_TEXTBOOK = {
    "an underscore or a caret": r"[_^]",
    "an exponent with e": r"\de[+−-]?\d",
    "a zero below zero": r"[-−]0(\.0+)?(?![\d.])",
    "a hyphen for a minus": r"(?<!\w)-\s?\d|\s-\s",
    "no space before %": r"\d%",
    "one of many": r"(?<![\d.,])1 (?!is\b|was\b|has\b)[a-z]+s\b",
    "no digit before the point": r"(?<!\d)\.\d",
    "no commas": r"(?<!\.)(?<!\d)\d{5,}",
}
COUNTS = re.compile("(state|number of .*|episodes|updates|epoch|action|samples later|.*workers)$")  # have no halves


def unlike_a_textbook(text):
    """What in a text no textbook would print -> names of `UNLIKE_A_TEXTBOOK`. Code and TeX are left out."""
    text = re.sub(r"\$[^$]*\$|<code>.*?</code>|<[^>]*>", " ", text)
    return [name for name, pattern in UNLIKE_A_TEXTBOOK.items() if re.search(pattern, text)]


def halves(figure):
    """The ticks that are no whole numbers on axes that count something."""
    axes = [axis for ax in figure.axes if ax.axison for axis in (ax.xaxis, ax.yaxis)]
    for axis in (axis for axis in axes if COUNTS.match(axis.label.get_text())):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        yield from (f"{label} {axis.label.get_text()}" for label in labels if "." in label)


@explorers
def test_numbers_are_those_of_a_textbook_in_any_state(name):
    found = [(half + ".", state) for state, _, _, halves in seen(name) for half in halves]
    for state, shown, _, _ in seen(name):
        found += [(f"{fault}: {text}.", state) for text in sorted(shown) for fault in unlike_a_textbook(text)]
    assert not found, sentences(found)
    assert not [name for name, control in opened(name).controls.items() if unlike_a_textbook(control.description)]


@pytest.mark.parametrize(
    "text, fault",
    [
        ("E_p[f]", "an underscore or a caret"), ("0.79^n", "an underscore or a caret"),
        ("4.8e+06 steps", "an exponent with e"), ("bias −0.00", "a zero below zero"), ("-0", "a zero below zero"),
        ("at -3.5", "a hyphen for a minus"), ("2γ - 1", "a hyphen for a minus"), ("43% of all", "no space before %"),
        ("1 actions", "one of many"), ("ρ = .5", "no digit before the point"), ("30000 steps", "no commas"),
    ],
)  # fmt: skip
def test_what_no_textbook_prints_is_found(text, fault):
    assert fault in unlike_a_textbook(text)


def test_what_a_textbook_prints_is_not_found():
    for text in (
        "−0.05, 4.8 × 10⁶, 84 %, 10,000 steps and 1 action", "off-policy, A3C-LSTM: 11 actions, 0.12345, in 2016",
        r"$t_{\max}$ and <code>x_1 - 2 is 1e-3</code>", "1 is the first", "from 1.1 times",
    ):  # fmt: skip
        assert unlike_a_textbook(text) == []


# A state --------------------------------------------------------------------------------------------------------------


@explorers
def test_a_copied_state_opens_the_same_picture(name):
    panel = opened(name)
    for values in [*states(panel)][::-6]:
        panel.move(**values)
        panel.unghost()
        again = opened_by(panel.state())
        assert again.status.value == panel.status.value, panel.state()
        assert bytes(again.image.value) == bytes(panel.image.value), panel.state()


def test_a_state_keeps_the_arguments_that_are_no_controls():
    panel = explore.museum(3, broken=False)
    assert panel.state() == "explore.museum(chapter=3, broken=False)"
    assert opened_by(panel.state()).values() == panel.values()
    assert explore.museum(3).values() == {"bug": "no min", "broken": True}


def test_a_state_calls_agents_and_games_as_the_notebook_does(monkeypatch):
    agent, recording = short_game()
    assert explore.saliency(agent, recording, t=3).state() == "explore.saliency(agent=agent, recording=recording, t=3)"
    notebook = SimpleNamespace(user_ns={"_": agent, "player": agent, "game": recording})
    monkeypatch.setattr(sys.modules["rlkit.explore.saliency"], "get_ipython", lambda: notebook)
    assert explore.saliency(agent, recording).state() == "explore.saliency(agent=player, recording=game)"
