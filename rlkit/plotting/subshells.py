"""A click is heard while a cell runs.

JupyterLab sends what a reader does with a widget over a subshell of the kernel: a second thread, which is free while a
cell runs in the first. But ipykernel, since version 7.4, hands it to the thread from which the widget last sent
something, at first the cell's. So a click on Stop during Run All would wait for the cell to end.
"""


def hear_at_once(widget):
    """Let the page's messages to a widget, and to all widgets inside it, take the way that the page has chosen."""
    comm = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = as_the_page_asks
    for part in (*getattr(widget, "children", ()), *getattr(widget, "parts", ())):
        hear_at_once(part)


def as_the_page_asks(data, subshell):
    """The subshell that a message is for -> the same."""
    return subshell
