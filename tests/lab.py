"""A real JupyterLab on loopback and a real browser in front of it, as a reader has them. For test_browser.py."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# As root there is no sandbox; the others keep the browser from asking for anything but our pages.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def browser_path():
    """Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Lab:
    """JupyterLab on a copy of the chapters, with no settings of its user; nothing of it is left after `close`."""

    def __init__(self, folder):
        shutil.copytree(ROOT / "lectures", folder / "lectures", ignore=shutil.ignore_patterns(".*"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.token = secrets.token_hex(16)
        places = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
        settings = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
        settings |= {f"JUPYTER_{name}": place for name, place in places.items()}
        self.log = folder / "jupyterlab.log"
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={self.url.rpartition(':')[2]}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}",
            f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip
        environment = os.environ | {name: str(folder / place) for name, place in settings.items()}
        with self.log.open("w") as log:
            self.server = psutil.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.wait()

    def wait(self):
        for _ in range(480):
            try:
                return urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=2).close()
            except OSError:
                time.sleep(0.25)
        raise TimeoutError(f"JupyterLab does not answer: {self.log.read_text()[-2_000:]}")

    def processes(self):
        """The kernels, and whatever these have started."""
        return self.server.children(recursive=True)

    def close(self):
        """End it as Ctrl-C does -> the processes that are left, which should be none."""
        family = [self.server, *self.processes()]
        self.server.terminate()
        _, left = psutil.wait_procs(family, timeout=30)
        for process in left:
            process.kill()
        return left


class Chapter:
    """One notebook in a tab of its own. lab.js holds what runs on the page."""

    def __init__(self, browser, lab, name):
        self.name = name
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(60_000)
        self.page.add_init_script(path=ROOT / "tests" / "lab.js")
        self.script_errors = []
        self.page.on("pageerror", lambda error: self.script_errors.append(str(error)))
        self.page.goto(f"{lab.url}/lab/workspaces/{name}/tree/lectures/{name}.ipynb?token={lab.token}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function("lab.idle()")

    def begin(self, command, **options):
        """Give JupyterLab a command, as its menus do, and do not wait for its end."""
        self.page.evaluate("([command, options]) => lab.begin(command, options)", [command, options])

    def end(self, seconds=60):
        self.page.wait_for_function("lab.answer", timeout=1_000 * seconds)

    def do(self, command, **options):
        self.begin(command, **options)
        self.end()

    def cell(self, text):
        """Scroll to the first cell whose source has this in it -> the cell, on the page."""
        assert self.page.evaluate("text => lab.select(text)", text), f"no cell of {self.name} has {text!r} in it"
        self.page.wait_for_function("lab.inSight()")
        return self.page.locator(".jp-Cell.jp-mod-active")

    def write(self, source):
        """A new cell at the end of the chapter."""
        self.page.evaluate("lab.selectLast()")
        self.do("notebook:insert-cell-below")
        self.page.evaluate("source => lab.write(source)", source)

    def code_cells(self):
        """{"count", "outputs"} for each."""
        return self.page.evaluate("lab.codeCells()")

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{self.name}-{name}.png")


def failures(cells):
    """What went wrong in code cells, a line each: errors, words on stderr, cells that did not run."""
    outputs = [output for cell in cells for output in cell["outputs"]]
    errors = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
    warned = ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]
    return errors + warned + ["not run"] * sum(not cell["count"] for cell in cells)
