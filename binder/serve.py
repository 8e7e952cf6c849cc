"""Start JupyterLab, and say in two lines of our own what it says in forty. `python lectures` runs this in `.venv`.

Warnings and errors are printed as ever. All arguments are JupyterLab's.
"""

import mimetypes
import re
import sys

from jupyter_server.extension.application import NoStart
from jupyterlab.labapp import LabApp
from tornado.ioloop import IOLoop

# What the two lines replace, what is said of every notebook that was made elsewhere, and what Jupyter repairs itself.
UNASKED = re.compile("To access the server|is not trusted|websocket_ping_timeout")


def address(server):
    """Where the server can be opened, with its token."""
    lines = server.connect_url.splitlines()
    return lines[0].strip() if len(lines) == 2 else "\n".join(lines)  # the second of two says the same with a number


def announce(server):
    print(f"rlkit: the lectures are at {address(server)}")
    print("rlkit: press Ctrl-C here to stop.", flush=True)


def main(arguments):
    mimetypes.add_type("text/plain", ".md")  # Notebook 7 shows our pages as they are: this says that they are UTF-8
    server = LabApp.initialize_server(argv=["--ServerApp.answer_yes=True", "--Application.log_level=WARN", *arguments])
    server.log.addFilter(lambda record: not UNASKED.search(record.getMessage()))
    IOLoop.current().add_callback(announce, server)  # runs as soon as the server answers
    try:
        server.start()
    except NoStart:
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
