"""`python lectures` sets up what is missing, then opens JupyterLab on the lectures.

Other arguments go to JupyterLab: `python lectures --no-browser --port 9000`.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "binder"))
import find_python

if __name__ == "__main__":
    find_python.ensure()

import install

if __name__ == "__main__":
    arguments = install.environment(sys.argv[1:])
    # The whole repository is served, so that a reader can open rlkit's files beside a chapter.
    lab = ["-m", "jupyterlab", "--ServerApp.root_dir=" + ROOT, "--LabApp.default_url=/lab/tree/lectures"]
    sys.exit(install.run(lab + arguments))
