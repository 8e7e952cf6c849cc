"""Which cell made a panel. When this cell is run again, the panel goes, and with it the memory that it takes.

ipywidgets keeps every widget until it is closed. So a cell that is run fifty times would leave fifty panels in memory,
each with its picture.
"""

import weakref

from IPython import get_ipython

made = {}  # id of a cell -> (id of its last execution, the panels and questions that it made)


def executing():
    """The ids of the cell that is being executed and of this execution; None and None outside JupyterLab."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent() if kernel else {}
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def replace_those_of_the_cell(panel):
    """Note that the cell which is being executed has made this panel. Those that it made before leave."""
    cell, execution = executing()
    if cell is None:
        return
    before, panels = made.get(cell, (None, ()))
    if before != execution:
        for each in list(panels):
            each.leave()
        panels = weakref.WeakSet()
    panels.add(panel)
    made[cell] = execution, panels


def close(widget):
    """Close a widget and all that is in it, so that ipywidgets lets go of them."""
    looks = [getattr(widget, name) for name in ("layout", "style") if widget.has_trait(name)]
    for part in (*looks, *getattr(widget, "children", ()), *getattr(widget, "parts", ())):
        close(part)
    widget.close()
