"""The results of long experiments that come with the package. `rlkit.experiments.sweeps` makes them."""

import json
from pathlib import Path

from rlkit.running.messages import brief, similar

DATA = Path(__file__).parent.parent / "data"


def stored(name):
    """The results of a sweep as they come with the package, and how they were made -> (runs, how).

    runs: what the experiment of this name yields. how: {"command", "seeds", "machine", "date", "seconds"}, and
    sometimes a "note". Raises FileNotFoundError if there is no such sweep.
    """
    names = sorted(path.stem for path in DATA.glob("*.json"))
    if name not in names:
        close = similar(str(name), names)
        meant = f"Did you mean {close!r}?" if close else f"There are: {', '.join(names)}."
        raise FileNotFoundError(f"There are no stored results called {brief(name)}. {meant}")
    content = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content["runs"], content["how"]
