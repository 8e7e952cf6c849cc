"""The museum of real bugs: bugs that public code has had, each as the one line that differs, in runs of seconds.

A broken agent is a sound one with the wrong line put in. Most of them learn. What gives a bug away is a number that few
people look at while the return rises. `python -m rlkit.experiments.sweeps museum` measures both, return and number.

    museum.table()                            # all bugs, with the medians of the stored runs
    museum.make("no min", broken=True)        # an agent with a bug in it

Each chapter has a file: `dqn`, `ppo`, `a3c`. It keeps a bug's class, the function that measures it and its card
together.
"""

import numpy as np

from rlkit.experiments.museum import a3c, dqn, ppo
from rlkit.experiments.stored import stored
from rlkit.language import say

BUGS = dqn.BUGS | ppo.BUGS | a3c.BUGS


def make(name, broken, seed=0):
    """The agent of a bug's runs, with the bug in it or without. `name` is one of `BUGS`; any other raises KeyError."""
    bug = BUGS[name]
    return (bug.broken if broken else bug.sound)(**bug.settings, seed=seed)


class Table:
    """Rows of text that a notebook shows as a table."""

    def __init__(self, rows):
        """rows: lists of strings, the header and its rule "---" first."""
        self.text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)

    def _repr_markdown_(self):
        return self.text

    def __repr__(self):
        return self.text


def table():
    """All bugs with the medians of their stored runs -> Table. A test stands there in words: its name without "_"."""
    runs, _ = stored("museum")
    titles = say("bug"), say("return"), say("what gives it away"), say("the test that catches it")
    rows = [titles, ("---",) * len(titles)]
    for name, bug in BUGS.items():
        (sound, good), (broken, bad) = (medians(runs[name][kind]) for kind in ("sound", "broken"))
        file, test = bug.test.removeprefix("tests/").split("::test_")
        rows.append(
            (
                say("**{bug}** (chapter {chapter})", bug=name, chapter=bug.chapter),
                say("{broken:.3g}; without the bug {sound:.3g}", broken=broken, sound=sound),
                say(
                    "{symptom}. {number}: {bad:.3g}; without the bug {good:.3g}",
                    symptom=capital(say(bug.symptom)), number=capital(say(bug.number)), bad=bad, good=good,
                ),
                f"`{file}`: {test.replace('_', ' ')}",
            )
        )  # fmt: skip
    return Table(rows)


def capital(text):
    return text[:1].upper() + text[1:]


def medians(runs):
    """The medians over seeds of the return at the end, and of the number that gives the bug away -> two numbers.

    runs: one `museum_run` for each seed.
    """
    return np.median([run["returns"][-1] for run in runs]), np.median([run["number"] for run in runs])
