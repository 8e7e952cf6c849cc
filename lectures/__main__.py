"""`python lectures` sets up what is missing, then opens JupyterLab on the lectures.

Other arguments go to JupyterLab: `python lectures --no-browser --port 9000`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "binder"))
import install  # noqa: E402

if __name__ == "__main__":
    arguments = install.environment(sys.argv[1:])
    # The whole repository is served, so that a reader can open rlkit's files beside a chapter.
    sys.exit(
        install.run(
            "-m",
            "jupyterlab",
            "--ServerApp.root_dir=" + str(ROOT),
            "--LabApp.default_url=/lab/tree/lectures",
            *arguments,
        )
    )
