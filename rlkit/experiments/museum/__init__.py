"""The museum of real bugs: faults that public code has had, each as the one line that differs, on a run of seconds.

A broken agent is a real one with that line put in. Most of them learn: what gives a fault away is a number that nobody
looks at while the return rises. `python -m rlkit.experiments.sweeps museum` measures both, return and number.

    museum.table()                            # all bugs, with the medians of the stored runs
    museum.make("no min", broken=True)        # an agent with a bug in it

There is one file for each chapter: `dqn`, `ppo`, `a3c`. In it a bug's class, the function that measures it and its
card stand together.
"""

import numpy as np

from rlkit.experiments.museum import a3c, dqn, ppo
from rlkit.experiments.stored import stored

BUGS = dqn.BUGS | ppo.BUGS | a3c.BUGS


def make(name, broken, seed=0):
    """The agent of a bug's run, with the bug in it or without."""
    bug = BUGS[name]
    return (bug.broken if broken else bug.sound)(**bug.settings, seed=seed)


class Table:
    """Rows that a notebook shows as a table."""

    def __init__(self, rows):
        self.text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)

    def _repr_markdown_(self):
        return self.text

    def __repr__(self):
        return self.text


def table():
    """All bugs, with the medians of the stored runs."""

    runs, _ = stored("museum")
    rows = [("bug", "chapter", "what the return says", "what gives it away", "the test that catches it"), ("---",) * 5]
    for name, bug in BUGS.items():
        (sound, good), (broken, bad) = (medians(runs[name][kind]) for kind in ("sound", "broken"))
        rows.append(
            (
                name,
                str(bug.chapter),
                f"{broken:.3g}; without the bug {sound:.3g}",
                f"{bug.symptom}; {bug.number}: {bad:.3g}; without the bug {good:.3g}",
                f"`{bug.test}`",
            )
        )
    return Table(rows)


def medians(runs):
    """Of the returns at the end, and of the numbers."""
    return np.median([run["returns"][-1] for run in runs]), np.median([run["number"] for run in runs])
