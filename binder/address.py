"""Change the repository's address on GitHub in every link:  python binder/address.py OWNER/REPO

The buttons that open a chapter on Binder, on Colab or in a codespace contain that address, and so do links in the
teacher's guide. Run this once in your own copy of the repository. pyproject.toml holds the current address.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["pyproject.toml", "README.md", "CONTRIBUTING.md", "lectures/teaching.md"]
PAGES += sorted(ROOT.glob("lectures/*.ipynb"))


def address():
    """OWNER/REPO, as pyproject.toml has it."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^Repository = "https://github.com/([^"]+)"', project, re.M).group(1)


def renamed(text, old, new):
    """`text` with the new address instead of the old one, in every way that links spell it."""
    (old_owner, old_name), (owner, name) = old.split("/"), new.split("/")
    text = text.replace(f"{old_owner}/{old_name}", f"{owner}/{name}")
    text = text.replace(f"{old_owner}%2F{old_name}", f"{owner}%2F{name}")
    return text.replace(f"lab%2Ftree%2F{old_name}%2F", f"lab%2Ftree%2F{name}%2F")  # the folder nbgitpuller makes


def main(new):
    if not re.fullmatch(r"[\w-]+/[\w.-]+", new):
        sys.exit(f"rlkit: {new!r} is not an address on GitHub: write it as OWNER/REPO, without https://github.com/.")
    old = address()
    for path in PAGES:
        path = ROOT / path
        before = path.read_text(encoding="utf-8")
        after = renamed(before, old, new)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="\n")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
