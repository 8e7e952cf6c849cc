"""`python lectures` sets up what is missing, then opens JupyterLab on the lectures.

    python lectures --cuda     with torch's CUDA build, several GB, even if no NVIDIA GPU is found
    python lectures --newest   with the newest versions that pyproject.toml allows, in a fresh .venv
    python lectures --help     this text

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

import install

if __name__ == "__main__":
    arguments = install.environment(sys.argv[1:])
    # The whole repository is served, so that a reader can open rlkit's files beside a chapter.
    lab = ["-m", "jupyterlab", "--ServerApp.root_dir=" + ROOT, "--LabApp.default_url=/lab/tree/lectures"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        lab.append("--allow-root")  # as in most containers; JupyterLab would refuse to start
    sys.exit(install.run(lab + arguments))
