"""Results of long experiments, as they come with the package; `rlkit.experiments.sweeps` makes them."""

import json
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"


def stored(name):
    """The results of a sweep as they were shipped, and how they were made -> (runs, how)."""
    content = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content["runs"], content["how"]
