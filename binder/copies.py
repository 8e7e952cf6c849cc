"""The reader's copies of the lectures: the folder `my_lectures`, beside `lectures`, which Git ignores.

JupyterLab saves a notebook by itself, with every output. In the copies that disturbs nobody: the originals stay as they
were committed, so an update finds nothing in its way.

- A file that is not there is copied. So whoever deletes a copy gets a fresh one.
- A new original replaces a copy in which the reader changed no cell. Outputs do not count: running is no change.
- A copy that the reader changed stays, and `refresh` says so if there is a newer original.
"""

import hashlib
import json
import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "my_lectures"
RECORD = ".originals.json"  # name: what was copied, as [all of its bytes, what a reader would change]
PATTERNS = ("*.ipynb", "*.md", "images/*.png", "images/*.svg")
START, CONTINUE = "start.md", "<!-- continue -->"  # this page is written at each start, with a link in that place
LAYOUT = ".layout/default-37a8.jupyterlab-workspace"  # where JupyterLab keeps which files and panels are open
PANELS = ["filebrowser", "running-sessions", "@jupyterlab/toc:plugin", "extensionmanager.main-view"]


def refresh(root=ROOT):
    """Bring the copies up to date -> the names of those that stay although there is a newer original."""
    originals, mine = root / "lectures", root / NAME
    record = read_record(mine / RECORD)
    kept = []
    for original in sorted(path for pattern in PATTERNS for path in originals.glob(pattern)):
        name = original.relative_to(originals).as_posix()
        if name == START:
            continue
        copy, new = mine / name, moved(original)
        whole = hashlib.sha256(new).hexdigest()
        before, changeable = record.get(name, ["", ""])
        if copy.exists() and before == whole:
            continue
        if copy.exists() and fingerprint(name, copy.read_bytes()) not in (changeable, fingerprint(name, new)):
            kept.append(name)
            continue
        put(copy, new)
        record[name] = [whole, fingerprint(name, new)]
    put(mine / RECORD, json.dumps(record, indent=1).encode())
    return kept


def put(path, content):
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def read_record(path):
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: [before, changeable] for name, (before, changeable) in record.items()}
    except (OSError, ValueError, AttributeError, TypeError):  # the first time, or damaged: copies that differ stay
        return {}


def fingerprint(name, content):
    """A hash of what a reader changes in a file: in a notebook the cells, without outputs."""
    if name.endswith(".ipynb"):
        try:
            cells = json.loads(content)["cells"]
            content = json.dumps([[cell["cell_type"], "".join(cell["source"])] for cell in cells]).encode()
        except (ValueError, KeyError, TypeError):  # no notebook any more
            pass
    return hashlib.sha256(content).hexdigest()


def moved(original):
    """The bytes of a copy. Links to the assignments, which are not copied, lead to the originals."""
    if original.suffix != ".md":
        return original.read_bytes()
    return original.read_bytes().replace(b"](assignments/", b"](../lectures/assignments/")


def last_place(mine):
    """Where the reader ran the last cell -> a link to that section, or nothing. JupyterLab notes the time of a run."""
    latest, link = "", ""
    for path in sorted(mine.glob("*.ipynb")):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError):
            continue
        section = ""
        for cell in cells:
            heading = re.match(r"## (.+)", "".join(cell["source"]))
            if cell["cell_type"] == "markdown" and heading:
                section = f"section {heading[1]}" if heading[1][0].isdigit() else heading[1]
                anchor = cell["id"]
            ran = cell["metadata"].get("execution", {}).get("shell.execute_reply", "")
            if section and ran > latest:
                latest = ran
                link = f"[chapter {int(path.stem[:2])}, {section}]({path.name}#cell-id={anchor})"
    return link


def write_start(root=ROOT):
    """Write the start page of the copies, with a link to where the reader stopped."""
    page = (root / "lectures" / START).read_text(encoding="utf-8")
    link = last_place(root / NAME)
    line = f"**Continue where you ran the last cell:** {link}" if link else ""
    put(root / NAME / START, page.replace(CONTINUE, line).encode())


def write_layout(root=ROOT):
    """At the first start the table of contents is open at the left. Later JupyterLab keeps what the reader chose."""
    path = root / NAME / LAYOUT
    if not path.exists():
        left = {"collapsed": False, "visible": True, "current": "@jupyterlab/toc:plugin", "widgets": PANELS}
        panels = {"left": left, "relativeSizes": [0.2, 0.8, 0]}
        layout = {"data": {"layout-restorer:data": panels}, "metadata": {"id": "default"}}
        put(path, json.dumps(layout).encode())


def prepare(root=ROOT):
    """All of the above -> the names of the copies that stay although there is a newer original."""
    kept = refresh(root)
    write_start(root)
    write_layout(root)
    return kept
