"""For test_browser.py: a real JupyterLab on loopback, and a real browser in front of it."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
from conftest import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
DEADLINE = 180  # seconds for one reaction of a page, while other tests keep the processors busy
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path():
    """The path of the first browser command that exists, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def write_notebook(path, *sources):
    """Write a notebook with these cells; those that begin with # are Markdown."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = []
    for number, source in enumerate(sources):
        cell = {"id": f"cell-{number}", "metadata": {}, "source": source}
        code = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append(cell | ({"cell_type": "markdown"} if source.startswith("#") else code))
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    path.write_text(json.dumps(notebook))


NO_RAY = "import sys\n\nsys.modules['ray'] = None  # as if it were not installed\n"


class Lab:
    """JupyterLab on a copy of the chapters, without anyone's settings. `close` leaves nothing behind.

    Its kernels find no Ray, as most readers have none; a cell that needs it says so. nbval runs the cells with Ray.
    """

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "lectures", folder / "lectures", ignore=shutil.ignore_patterns(".*"))
        (folder / "start").mkdir()
        (folder / "start" / "sitecustomize.py").write_text(NO_RAY)  # Python imports it when it starts
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.token = secrets.token_hex(16)
        places = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
        settings = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
        settings |= {f"JUPYTER_{name}": place for name, place in places.items()}
        self.log = folder / "jupyterlab.log"
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={self.address[1]}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}",
            f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ]  # fmt: skip
        self.environment = {name: str(folder / place) for name, place in settings.items()}
        path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder / "start"), *path]))
        options = {"env": os.environ | self.environment, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        with self.log.open("w") as log:
            self.server = subprocess.Popen(command, stdout=log, **options)
        try:
            self.wait()
        except BaseException:  # Ctrl-C as well
            self.close()
            raise

    def wait(self, seconds=PATIENCE):
        """Wait until the server answers."""
        until = time.monotonic() + seconds
        while self.server.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(self.address, timeout=2):
                return
            time.sleep(0.25)
        raise RuntimeError(f"JupyterLab does not answer: {self.log.read_text()[-2_000:]}")

    def processes(self):
        """The server, its kernels and what these have started, orphans included: all share one environment variable."""
        ours = self.environment.items()
        return [p for p in psutil.process_iter(["environ"]) if ours <= (p.info["environ"] or {}).items()]

    def close(self):
        """Send SIGTERM, on which the server ends its kernels -> the processes that are left, which should be none."""
        family = self.processes()
        self.server.terminate()
        _, left = psutil.wait_procs(family, timeout=DEADLINE)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return left


class Chapter:
    """One notebook in its own tab, in JupyterLab ("lab") or in Notebook 7 ("notebook"). lab.js runs on its page."""

    def __init__(self, browser, lab, name, application="lab"):
        self.name = name
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(1_000 * DEADLINE)
        self.page.add_init_script(path=ROOT / "tests" / "lab.js")
        self.script_errors = []
        self.page.on("pageerror", lambda error: self.script_errors.append(str(error)))
        folder = {"lab": f"lab/workspaces/{name}/tree", "notebook": "notebooks"}[application]
        self.page.goto(f"{lab.url}/{folder}/lectures/{name}.ipynb?token={lab.token}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function("lab.idle()")

    def begin(self, command, **options):
        """Start a JupyterLab command, as its menus do, without waiting for it."""
        self.page.evaluate("([command, options]) => lab.begin(command, options)", [command, options])

    def end(self, seconds=DEADLINE):
        """Wait until the command ends, and check that it succeeded."""
        answer = self.page.wait_for_function("lab.answer", timeout=1_000 * seconds).json_value()
        assert answer == "done", answer

    def do(self, command, **options):
        self.begin(command, **options)
        self.end()

    def cell(self, text):
        """Scroll to the first cell whose source contains `text` -> that cell of the page."""
        assert self.page.evaluate("text => lab.select(text)", text), f"no cell of {self.name} contains {text!r}"
        self.page.wait_for_function("lab.inSight()")
        return self.page.locator(".jp-Cell.jp-mod-active")

    def write(self, source):
        """Add a cell at the end of the chapter."""
        self.page.evaluate("lab.selectLast()")
        self.do("notebook:insert-cell-below")
        self.page.evaluate("source => lab.write(source)", source)

    def run(self, source):
        """Add a cell at the end and run it -> its last output as text."""
        self.write(source)
        self.do("notebook:run-cell")
        cell = self.code_cells()[-1]
        assert failures([cell]) == []
        return cell["outputs"][-1]["data"]["text/plain"]

    def code_cells(self):
        """{"count", "outputs"} of each code cell."""
        return self.page.evaluate("lab.codeCells()")

    def outline(self):
        """What no key on a panel may change: the kinds of the cells, the active one, and what is collapsed."""
        return self.page.evaluate("lab.outline()")

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}-{name}.png")


def failures(cells):
    """What went wrong in code cells, one line each: errors, text on stderr, cells that did not run."""
    outputs = [output for cell in cells for output in cell["outputs"]]
    errors = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
    warned = ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]
    return errors + warned + ["not run"] * sum(not cell["count"] for cell in cells)
