"""`python lectures` sets up what is missing, then opens JupyterLab on the lectures.

    python lectures --originals    opens the chapters of this repository, to edit them, instead of your copies
    python lectures --cuda         with torch's CUDA build, several GB, even if no NVIDIA GPU is found
    python lectures --newest       with the newest versions that pyproject.toml allows, in a fresh .venv
    python lectures --help         this text

You read and run copies of the chapters, in the folder my_lectures. What you change there stays. A chapter in which you
changed nothing is replaced when there is a newer one. To start over with one, delete your copy.

Other arguments go to JupyterLab: `python lectures --no-browser --port 9000`. `.venv/bin/python -m jupyterlab --help`
lists them; on Windows it is `.venv\\Scripts\\python`.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "binder"))
import find_python

if __name__ == "__main__":
    find_python.help_if_asked(__doc__)
    find_python.ensure()

import copies
import install


def folder(originals):
    """The folder to open, with the reader's copies or with the originals, and what JupyterLab has to know about it."""
    if originals:
        return "lectures", []
    try:
        kept = copies.prepare()
    except OSError as error:
        find_python.say("no copies of the chapters can be made (%s), so the originals are opened." % error)
        return "lectures", []
    if kept:
        some = ", ".join(kept)
        find_python.say("you changed %s, so it stays, although there is a newer one; to get that, delete yours." % some)
    layout = os.path.join(ROOT, copies.NAME, os.path.dirname(copies.LAYOUT))
    return copies.NAME, ["--LabApp.workspaces_dir=" + layout]


if __name__ == "__main__":
    arguments = install.environment(sys.argv[1:])
    opened, options = folder("--originals" in arguments)
    lab = [os.path.join(ROOT, "binder", "serve.py")] + options
    # The whole repository is served, so that a reader can open rlkit's files beside a chapter.
    lab += ["--ServerApp.root_dir=" + ROOT, "--LabApp.default_url=/lab/tree/%s/start.md" % opened]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        lab.append("--allow-root")  # as in most containers; JupyterLab would refuse to start
    sys.exit(install.run(lab + [argument for argument in arguments if argument != "--originals"]))
