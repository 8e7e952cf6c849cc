"""The pages agree with the chapters and with the code that they mention."""

import importlib
import re

import links
import nbformat
import pytest
from mutation import ROOT

from rlkit import explore, functional

LECTURES = ROOT / "lectures"
CHAPTERS = {path.stem: nbformat.read(path, as_version=4) for path in sorted(LECTURES.glob("*.ipynb"))}
GUIDE = (LECTURES / "teaching.md").read_text(encoding="utf-8")
SLIDES = (LECTURES / "slides.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *LECTURES.rglob("*.md"), *LECTURES.rglob("*.ipynb")]
PAGES = [path for path in PAGES if ".ipynb_checkpoints" not in path.parts]
FOLDERS = ["", "rlkit", "rlkit/experiments", "rlkit/plotting", "rlkit/running"]  # where a page's `name.py` may be


def prose(path):
    """The Markdown of a page or of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def anchors(path, text):
    """The anchors of a page. JupyterLab and GitHub name those of headings differently, so `<a id="...">` counts."""
    if path.suffix == ".ipynb":
        return {f"cell-id={cell.id}" for cell in nbformat.read(path, as_version=4).cells}
    return set(re.findall(r'<a id="([\w-]+)"></a>', text))


def broken_links(path, text):
    for _, link, _ in links.LINK.findall(text):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        page = path.parent / target if target else path
        if (target and not page.exists()) or (anchor and anchor not in anchors(page, prose(page) if target else text)):
            yield link


def exists(name):
    """Is "rlkit.x.y" a module, or something in one?"""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def missing_names(path, text):
    """The files and names of our code that the text of a page mentions and that do not exist."""
    files = set(re.findall(r"(?<![\w./])rlkit/[\w./-]*\w", text)) | set(re.findall(r"`([\w./]+\.py)`", text))
    folders = [path.parent, *(ROOT / folder for folder in FOLDERS)]
    yield from (name for name in files if not any((folder / name).exists() for folder in folders))
    yield from (name for name in set(re.findall(r"(?<![\w./-])rlkit(?:\.\w+)+", text)) if not exists(name))
    for prefix, module in {"explore": explore, "F": functional}.items():
        yield from (name for name in set(re.findall(rf"`{prefix}\.(\w+)", text)) if not hasattr(module, name))


def test_a_missing_file_name_or_heading_is_found():
    page = LECTURES / "page.md"
    text = """[a](absent.md) [b](slides.md#errata) [c](slides.md#absent "words") [d](#here) <a id="here"></a> [e](#gone)
        [f](02_dqn.ipynb#cell-id=replay) [g](02_dqn.ipynb#cell-id=gone) `rlkit/dqn.py` `rlkit/gone.py` `live.py`
        `absent.py` `rlkit.absent` `rlkit.functional.gae` `rlkit.functional.absent` rlkit.Run `explore.absent`"""
    missing = ["absent.md", "slides.md#absent", "#gone", "02_dqn.ipynb#cell-id=gone"]
    assert list(broken_links(page, text)) == missing
    wrong = ["absent", "absent.py", "rlkit.absent", "rlkit.functional.absent", "rlkit/gone.py"]
    assert sorted(missing_names(page, text)) == wrong


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    assert list(broken_links(path, prose(path))) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_page_mentions_of_rlkit_exists(path):
    assert list(missing_names(path, prose(path))) == []


def test_the_links_carry_the_numbers_of_what_they_lead_to():
    assert list(links.updated()) == [], "run: python tests/links.py"


def test_a_number_that_is_no_longer_right_is_found_and_put_right():
    chapters = links.chapters()
    right = "[section 8](#cell-id=target-network) [chapter 2, section 7](02_dqn.ipynb#cell-id=replay)"
    wrong = "[section 4](#cell-id=target-network) [chapter 3, section 1](02_dqn.ipynb#cell-id=replay)"
    assert links.renewed(wrong, "02_dqn.ipynb", chapters, {}) == right
    dotted = "[2.9](02_dqn.ipynb#cell-id=replay) [(9)](04_a3c.ipynb#cell-id=one-loss) [8. Old](#cell-id=huber)"
    title = "[11. An error of a hundred](#cell-id=huber)"
    now = "[2.7](02_dqn.ipynb#cell-id=replay) [(4)](04_a3c.ipynb#cell-id=one-loss) " + title
    assert links.renewed(dotted, "02_dqn.ipynb", chapters, {}) == now


def test_a_mention_that_is_no_link_is_found():
    text = "As chapter 3 and Baird 1995 say; [section 2](#x). In 2015, `chapter 4`, $section 5$; Mnih et al. (2013). "
    text += "Sections 6"
    assert links.unlinked(text) == ["chapter 3", "Baird 1995", "Mnih et al. (2013", "Sections 6"]


@pytest.mark.parametrize("page", [*links.FILES, *links.PAGES])
def test_every_mention_of_a_chapter_a_section_or_a_paper_is_a_link(page):
    text = "\n".join(line for line in prose(LECTURES / page).splitlines() if not line.startswith("#"))
    assert links.unlinked(text) == []


@pytest.mark.parametrize("chapter", links.chapters(), ids=lambda chapter: chapter.file)
def test_every_mention_of_an_equation_further_away_is_a_link(chapter):
    assert sum(map(len, chapter.equations.values())) >= 2
    assert list(links.unlinked_equations(chapter)) == []


@pytest.mark.parametrize("chapter", links.chapters(), ids=lambda chapter: chapter.file)
def test_each_section_of_a_chapter_links_to_its_neighbours_and_to_the_other_chapters(chapter):
    cells = {cell["id"]: links.source(cell) for cell in chapter.cells}
    sections = list(chapter.sections)
    for before, section, after in zip([None, *sections], sections, [*sections[1:], None], strict=False):
        line = re.search(r"\A## .+\n\n<sub>(.+)</sub>\n", cells[section])[1]
        steps = [anchor for anchor in (before, "contents", after) if anchor]
        assert re.findall(r"\(#cell-id=([\w-]+)\)", line) == steps
        neighbours = [n for n in (chapter.number - 1, chapter.number + 1) if 1 <= n <= 4]
        assert re.findall(r"\[chapter (\d)\]", line) == [str(n) for n in neighbours]
    assert chapter.cells[-1]["id"] == "next" and "start.md" in cells["next"] and "glossary.md" in cells["top"]


@pytest.mark.parametrize("chapter", ["02_dqn", "03_ppo", "04_a3c"])
def test_the_code_beside_an_algorithm_is_what_runs(chapter):
    """It stands in rlkit or, where the reader writes the algorithm, in the chapter."""
    cells = {kind: [c.source for c in CHAPTERS[chapter].cells if c.cell_type == kind] for kind in ("markdown", "code")}
    markdown = "\n".join(cells["markdown"])
    table = re.search(r"^\| Algorithm .*\n\| :-- .*\n((?:\|.*\n)+)", markdown, re.MULTILINE)[1]
    code = [code for row in table.splitlines() for code in re.findall(r"`([^`]+)`", row.split("|")[2])]
    files = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "rlkit").glob("*.py"))]
    source = "\n".join(files + cells["code"])
    source = re.sub(r",?\s+\)", ")", source)  # as if a call were on one line
    assert len(code) >= 6
    assert [line for line in code if not re.search(re.escape(line).replace(r"\.\.\.", r"[\s\S]{,150}"), source)] == []


def test_the_formulas_of_the_slide_map_exist():
    rows = [row.split("|") for row in SLIDES.splitlines() if re.match(r"\| \d+ \|", row)]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row[-2])}
    assert len(names) > 20 and [name for name in names if not hasattr(functional, name)] == []


def headings(notebook):
    return [line[3:] for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("## ")]


def right_answers(notebook):
    """The answer to each `explore.ask(...)`, as the guide gives it: an option, a number, or a sentence on a curve."""
    for cell in notebook.cells:
        for name in re.findall(r'explore\.ask\("(\w+)"', cell.source):
            kind = explore.ask(name).kind
            if "right" in kind.truth:
                yield kind.options[kind.truth["right"]]
            else:
                yield kind.value(kind.truth["value"]) if "value" in kind.truth else kind.said("answer")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_guide_has_the_right_answer_to_every_question(chapter):
    answers = [" ".join(answer.split()) for answer in right_answers(CHAPTERS[chapter])]
    assert len(answers) >= 4
    flat = " ".join(GUIDE.split())
    assert [answer for answer in answers if f"**{answer}**" not in flat] == []


def test_the_controls_that_the_guide_asks_for_have_these_names():
    tables = re.findall(r"^\| explorer \|.*\n\|.*\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    rows = [re.split(r"(?<!\\)\|", row) for table in tables for row in table.splitlines()]
    labels = {label.replace("\\|", "|") for row in rows for label in re.findall(r"`([^`]+)`", row[2])}
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rlkit/explore").glob("*.py"))
    assert len(tables) == 4 and len(labels) > 30
    assert [label for label in labels if label not in code] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_section_has_its_row_in_the_slide_map(chapter):
    text = links.LINK.sub(r"\1", SLIDES)
    rows = {row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ")}
    assert [heading for heading in headings(CHAPTERS[chapter]) if heading not in rows] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_section_names_the_slides_that_the_map_gives_it(chapter):
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", links.LINK.sub(r"\1", SLIDES), re.MULTILINE))
    for cell in CHAPTERS[chapter].cells:
        heading = re.match(r"## (.+)", cell.source)
        if heading:
            named = re.search(r"^\*\[Slides? ([\d, and]+)\]\(slides\.md#slide-\d+\)", cell.source, re.MULTILINE)
            there = re.findall(r"\d+", named[1]) if named else []
            assert there == re.findall(r"(?:^|; )(\d+) ", rows[heading[1]]), heading[1]


def test_plans_of_ninety_minutes_take_ninety_minutes():
    plans = re.findall(r"^### (?:Chapter \d|All four) in 90 minutes\n\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert len(plans) == 5
    for plan in plans:
        rows = [row.split("|")[2].strip() for row in plan.splitlines()[2:]]
        assert sum(int(minutes) for minutes in rows) == 90, plan


def test_both_classes_of_a_long_plan_take_ninety_minutes():
    plans = re.findall(r"^### Chapter \d in 2 x 90 minutes\n\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert len(plans) == 3
    for plan in plans:
        rows = [[cell.strip() for cell in row.split("|")] for row in plan.splitlines()[2:]]
        assert [sum(int(row[column] or 0) for row in rows) for column in (2, 4)] == [90, 90], plan


def test_the_errata_are_counted_without_a_gap():
    for letter in "WL":
        found = [int(number) for number in re.findall(rf"^\*\*{letter}(\d+)\.", SLIDES, re.MULTILINE)]
        assert found == list(range(1, len(found) + 1)) and found


GLOSSARY = (LECTURES / "glossary.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r'^- <a id="([\w-]+)"></a>(.+)$', GLOSSARY, re.MULTILINE))
SYMBOLS = {  # what formulas write: the entries that explain it
    r"\theta": ["theta"],
    "w_T": ["w-target"],
    r"\pi": ["pi"],
    r"\gamma": ["gamma"],
    r"\alpha": ["alpha", "alpha-priority", "alpha-rmsprop"],
    r"\beta": ["beta-correction", "beta-price", "beta-entropy"],
    r"\delta": ["delta", "delta-budget"],
    r"\varepsilon": ["epsilon-greedy", "epsilon-clip", "epsilon-optimizer"],
    r"\lambda": ["lambda-gae", "lambda-value", "lambda-curvature"],
    r"\rho": ["rho-correlation", "rho-step"],
    r"\sigma": ["sigma"],
    r"t_{\max}": ["t-max"],
}


def links_to_the_glossary(chapter):
    return {
        link[12:] for _, link, _ in links.LINK.findall(prose(LECTURES / chapter)) if link.startswith("glossary.md#")
    }


def test_the_glossary_has_short_entries_that_say_where_they_are_introduced():
    assert len(ENTRIES) > 70 and len(set(ENTRIES)) == len(re.findall('^- <a id="', GLOSSARY, re.MULTILINE))
    for anchor, entry in ENTRIES.items():
        assert re.search(r"\. \[\d\.\d+\]\(0\d_\w+\.ipynb#cell-id=[\w-]+\)(, \[|$)", entry), anchor
        assert re.match(r"\*\*.+\*\*: \S", entry) and len(links.plain(entry)) < 220, anchor


@pytest.mark.parametrize("chapter", links.FILES)
def test_a_chapter_links_to_each_entry_of_the_glossary_that_it_introduces(chapter):
    introduced = {anchor for anchor, entry in ENTRIES.items() if f"({chapter}#cell-id=" in entry}
    assert len(introduced) > 10 and introduced - links_to_the_glossary(chapter) == set()


@pytest.mark.parametrize("chapter", links.FILES)
def test_a_chapter_links_each_symbol_of_its_formulas_to_the_glossary(chapter):
    formulas = "".join(re.findall(r"\$[^$]+\$", links.LINK.sub("", prose(LECTURES / chapter))))
    used = [symbol for symbol in SYMBOLS if re.search(re.escape(symbol) + r"(?![a-zA-Z])", formulas)]
    linked = links_to_the_glossary(chapter)
    assert len(used) >= 3 and [symbol for symbol in used if not linked & set(SYMBOLS[symbol])] == []


def test_the_words_over_a_link_to_the_glossary_are_those_of_its_entry():
    entry = 'x, "y": the [weights](#w) of `a`, *twice*. [2.5](02_dqn.ipynb#cell-id=a), [3.1](03_ppo.ipynb#cell-id=b)'
    assert links.plain(entry) == "x, 'y': the weights of a, twice."
    titled = links.renewed("[w](glossary.md#w)", "02_dqn.ipynb", links.chapters(), links.glossary_words())
    assert titled == f'[w](glossary.md#w "{links.plain(ENTRIES["w"])}")'


def test_the_glossary_names_all_that_agents_report_and_every_paper_that_a_chapter_cites():
    metrics = (LECTURES / "metrics.md").read_text(encoding="utf-8")
    reported = re.findall(r'^\| <a id="([\w-]+)"></a>`', metrics, re.MULTILINE)
    assert len(reported) == metrics.count("\n| ") - 2 and all(f"metrics.md#{name})" in GLOSSARY for name in reported)
    cited = {link for name in links.FILES for _, link, _ in links.LINK.findall(prose(LECTURES / name))}
    papers = {link for link in cited if re.match(r"https://(arxiv|doi)\.org/|http://(www\.cs\.rhul|incomplete)", link)}
    assert len(papers) > 25 and [link for link in papers if f"]({link})" not in GLOSSARY] == []


def test_the_start_page_has_a_film_a_line_and_the_time_for_each_chapter():
    page = (LECTURES / "start.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in row.split(" | ")] for row in page.splitlines() if row.startswith("| ")]
    pictures, _, titles, lines, times = ([cell.strip("| ") for cell in row] for row in rows)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for chapter, picture, title, line, time in zip(links.chapters(), pictures, titles, lines, times, strict=True):
        film = LECTURES / re.search(r"\((images/[\w-]+\.png)\)", picture)[1]
        assert film.stat().st_size < 150_000 and b"acTL" in film.read_bytes()[:100] and chapter.file in picture
        assert title == f"**[Chapter {chapter.number}: {chapter.title}]({chapter.file})**" and len(line.split()) > 5
        assert f"{time} of reading" in prose(LECTURES / chapter.file)
        assert re.search(rf"\({'lectures/' + chapter.file}\).*\| {time.lower()} \|", readme)
