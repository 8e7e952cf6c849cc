"""The ways through the lectures: contents, "you are here", and links whose numbers follow what they lead to.

    python tests/links.py        brings them up to date, after a section was moved, added or renamed

The anchor of a section is the id of its cell, as in `02_dqn.ipynb#cell-id=target-network`: it stays when the section
moves. Numbers are what changes, so this script writes them: those of the links, the contents of each chapter, the line
below each heading, and the words that appear when the pointer rests on a link to the glossary. `test_teaching.py`
checks that nothing is left to write, that every link leads somewhere, and that every mention is a link.
"""

import json
import re
from pathlib import Path

LECTURES = Path(__file__).resolve().parent.parent / "lectures"
FILES = ["01_overview.ipynb", "02_dqn.ipynb", "03_ppo.ipynb", "04_a3c.ipynb"]
NO_BREAK = "\u00a0"  # a number stays on the line of its title
PAGES = ["start.md", "glossary.md", "slides.md", "teaching.md", "metrics.md", "spaces.md", "cluster.md"]
LINK = re.compile(r'\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)(?: "([^"]*)")?\)')
HIDDEN = re.compile(r"```.*?```|<pre.*?</pre>|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", re.S)  # code and formulas
MENTION = re.compile(
    r"\b[Cc]hapters? \d|\b[Ss]ections? \d|\bnext chapter\b|\b[A-Z][\w-]+ et al\.? \(?\d{4}"
    r"|\b(?!In |Since |January|February|March|April|May |June|July|August|September|October|November|December)"
    r"[A-Z][a-z]+ \(?(?:19[5-9]|20[0-2])\d\b"
)


def read(name):
    return json.loads((LECTURES / name).read_text(encoding="utf-8"))


def write(name, notebook):
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    (LECTURES / name).write_text(text, encoding="utf-8", newline="\n")


def source(cell):
    return "".join(cell["source"])


class Chapter:
    """What links have to know about a chapter: its title, its sections, and where its equations are."""

    def __init__(self, number, notebook):
        self.number, self.file, self.cells = number, FILES[number - 1], notebook["cells"]
        self.title = re.match(r"# (.+)", source(self.cells[0]))[1]
        self.ids = {cell["id"] for cell in self.cells}
        self.sections = {}  # the id of its cell: number (None if it has none) and title
        self.equations = {}  # the id of a cell: the numbers of the equations in it
        for cell in self.cells:
            if cell["cell_type"] == "markdown":
                if heading := re.match(r"## (?:(\d+)\. )?(.+)", source(cell)):
                    self.sections[cell["id"]] = (heading[1] and int(heading[1]), heading[2])
                self.equations[cell["id"]] = re.findall(r"\\tag\{(\d+)\}", source(cell))
        self.last = max(number for number, _ in self.sections.values() if number)


def chapters():
    return [Chapter(number, read(name)) for number, name in enumerate(FILES, 1)]


# --- what is written below a heading, before the first section, and at both ends ---


def ends(chapter, all_chapters):
    """The links at the top and at the bottom of a chapter."""
    before, after = all_chapters[chapter.number - 2 : chapter.number - 1], all_chapters[chapter.number :][:1]
    links = ["[Start](start.md)"]
    links += [f"[← Chapter {other.number}: {other.title}]({other.file})" for other in before]
    links += ["[contents](#cell-id=contents)", "[glossary](glossary.md)"]
    links += [f"[Chapter {other.number}: {other.title} →]({other.file})" for other in after]
    return " · ".join(links)


def contents(chapter):
    """All sections of a chapter, each a link."""
    items = []
    for anchor, (number, title) in chapter.sections.items():
        items.append(f"[{f'{number}.{NO_BREAK}' if number else ''}{title}](#cell-id={anchor})")
    return "**Contents of this chapter**\n\n" + " ·\n".join(items)


def here(chapter, anchor, all_chapters):
    """The line below a heading: where one is, and the way to the neighbours, the contents and the other chapters."""
    anchors = list(chapter.sections)
    place = anchors.index(anchor)
    number, title = chapter.sections[anchor]
    names = [str(number or title) for number, title in chapter.sections.values()]
    line = [f"Chapter {chapter.number}, " + (f"section {number} of {chapter.last}" if number else title)]
    step = "[{}](#cell-id={})".format
    if place:
        line.append(step(f"← {names[place - 1]}", anchors[place - 1]))
    line += [step("contents", "contents"), "[glossary](glossary.md)"]
    if place + 1 < len(anchors):
        line.append(step(f"{names[place + 1]} →", anchors[place + 1]))
    others = [other for other in all_chapters if abs(other.number - chapter.number) == 1]
    line += [f"[chapter {other.number}]({other.file})" for other in others]
    return " · ".join(line)


def small(line):
    return f"<sub>{line}</sub>"


def below(heading, line, text):
    """`text` with this small line as the paragraph below its heading, instead of the one that is there."""
    rest = re.sub(r"\A\s*<sub>.*?</sub>\s*", "\n\n", text.removeprefix(heading), flags=re.S)
    return f"{heading}\n\n{small(line)}\n\n{rest.lstrip()}"


# --- the numbers in links ---


def target(link, file, all_chapters):
    """(chapter, id of the cell) of a link that stands in `file`; the id is "" if it leads to a whole chapter."""
    page, _, anchor = link.partition("#")
    page = page or file
    if page not in FILES or (anchor and not anchor.startswith("cell-id=")):
        return None, ""
    return all_chapters[FILES.index(page)], anchor.removeprefix("cell-id=")


def label(words, chapter, anchor):
    """The words of a link with the numbers that its target has now."""
    number = chapter.sections.get(anchor, (None, ""))[0]
    words = re.sub(r"\b([Cc]hapter) \d+", rf"\1 {chapter.number}", words)
    words = re.sub(r"^\d(, section )", rf"{chapter.number}\1", words)
    if number:
        words = re.sub(r"\b([Ss]ection) \d+", rf"\1 {number}", words)
        words = re.sub(r"^\d+$", str(number), words)
        words = re.sub(r"^\d\.\d+$", f"{chapter.number}.{number}", words)
        if re.match(r"\d+\. ", words):
            words = f"{number}. {chapter.sections[anchor][1]}"
    tags = chapter.equations.get(anchor, [])
    if tags and re.fullmatch(r"\(\d+\)", words) and words[1:-1] not in tags:
        words = f"({tags[0]})"
    return words


def renewed(text, file, all_chapters, glossary):
    """`text` with the right numbers in its links, and with the glossary's words as their titles."""

    def link(match):
        words, where, title = match.groups()
        chapter, anchor = target(where, file, all_chapters)
        if chapter:
            words = label(words, chapter, anchor)
        if where.startswith("glossary.md#"):
            title = glossary.get(where.partition("#")[2], title)
        return f"[{words}]({where}" + (f' "{title}")' if title else ")")

    return LINK.sub(link, text)


def glossary_words():
    """anchor: the words of each entry of the glossary, as plain text."""
    path = LECTURES / "glossary.md"
    words = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        if entry := re.match(r'- <a id="([\w-]+)"></a>(.*)', line):
            words[entry[1]] = plain(entry[2])
    return words


def plain(entry):
    """Markdown as the plain text that a browser shows beside the pointer, without the numbers of sections."""
    text = re.sub(r"(,? \[\d\.\d+\]\([^)]*\))+$", "", entry.strip())
    return LINK.sub(r"\1", text).replace("*", "").replace("`", "").replace('"', "'")


# --- all of it ---


def unlinked(text):
    """Mentions of chapters, sections and papers in `text` that are no links."""
    text = HIDDEN.sub("", LINK.sub("", re.sub(r"<sub>.*?</sub>", "", text, flags=re.S)))
    return [match[0] for match in MENTION.finditer(re.sub(r"\*Chapter \d of 4\.", "", text))]


def unlinked_equations(chapter):
    """(cell, "(3)") of each mention of an equation that stands in another cell and is no link."""
    home = {tag: anchor for anchor, tags in chapter.equations.items() for tag in tags}
    for cell in chapter.cells:
        if cell["cell_type"] == "markdown":
            text = HIDDEN.sub("", LINK.sub("", source(cell)))
            for number in re.findall(r"(?<![\w^_])\((\d{1,2})\)", text):
                if number in home and home[number] != cell["id"]:
                    yield cell["id"], f"({number})"


def updated():
    """{file name: its new text or notebook} of everything that is not as it should be."""
    changes = {}
    all_chapters, glossary = chapters(), glossary_words()
    for chapter in all_chapters:
        cells = [dict(cell) for cell in chapter.cells if cell["id"] not in ("contents", "next")]
        place = next(number for number, cell in enumerate(cells) if cell["id"] in chapter.sections)
        cells.insert(place, markdown("contents", contents(chapter)))
        cells.append(markdown("next", ends(chapter, all_chapters)))
        for cell in cells:
            if cell["cell_type"] == "markdown":
                text = renewed(source(cell), chapter.file, all_chapters, glossary)
                if cell is cells[0]:
                    heading = re.match(r"# .+", text)[0]
                    text = below(heading, ends(chapter, all_chapters), text)
                elif cell["id"] in chapter.sections:
                    heading = re.match(r"## .+", text)[0]
                    text = below(heading, here(chapter, cell["id"], all_chapters), text)
                cell["source"] = text.splitlines(keepends=True)
        if cells != chapter.cells:
            changes[chapter.file] = read(chapter.file) | {"cells": cells}
    for name in PAGES:
        if (LECTURES / name).exists():
            text = (LECTURES / name).read_text(encoding="utf-8")
            new = renewed(text, name, all_chapters, glossary)
            if new != text:
                changes[name] = new
    return changes


def markdown(name, text):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


if __name__ == "__main__":
    for name, new in updated().items():
        if name in FILES:
            write(name, new)
        else:
            (LECTURES / name).write_text(new, encoding="utf-8", newline="\n")
        print(name)
