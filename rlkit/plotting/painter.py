"""One thread, the painter, does all the drawing that is done while a page is alive.

Widgets call back from JupyterLab's threads, a run redraws itself while cells execute, and an interrupt strikes the main
thread anywhere. Two threads in one figure, or half a drawing, leave artists invisible for good. The painter's thread
has every figure to itself, and an interrupt never reaches it.
"""

import atexit
import functools
import queue
import threading
import time
import traceback

jobs = queue.SimpleQueue()  # pairs (work, queue for the answer). Written in C: an interrupt cannot leave it locked
repeated = []  # what the painter calls by itself
due = {}  # {name: (time, work)}: what it calls once, later


def paint(work):
    """Let the painter call `work()`, and wait -> what it returned. Raises what it raised."""
    if threading.current_thread() is painter or not painter.is_alive():  # at the very end there is one thread only
        return work()
    answer = queue.SimpleQueue()
    jobs.put((work, answer))
    returned, error = answer.get()
    if error is not None:
        raise error
    return returned


def painted(method):
    """Decorates a method: the painter calls it, from whichever thread it is asked to."""

    @functools.wraps(method)
    def by_the_painter(*arguments, **named):
        return paint(functools.partial(method, *arguments, **named))

    return by_the_painter


def repeat(work):
    """Let the painter call `work()` some twenty times a second, until it returns False."""
    paint(lambda: repeated.append(work))


@painted
def later(seconds, name, work):
    """Let the painter call `work()` once, `seconds` from now. It replaces what was to be called under the same name."""
    due[name] = time.monotonic() + seconds, work


@painted
def never(name):
    """Take back what was to be called later under this name."""
    due.pop(name, None)


def awaited():
    """Does anybody wait for a drawing?"""
    return not jobs.empty()


def painter_at_work():
    """The painter's thread: other threads' jobs as they come, and in between what is repeated or due.

    Each is a function of its own, because the variables of this one would keep the last panel in memory.
    """
    while do_next_job():
        do_repeated()
        do_due()


def do_next_job():
    """Wait for a thread that wants something painted, for a moment if there is other work -> False at the end."""
    try:
        job = jobs.get(timeout=0.05 if repeated or due else None)
    except queue.Empty:
        return True
    if job is None:
        return False
    work, answer = job
    answer.put(outcome(work))
    return True


def do_repeated():
    for work in [*repeated]:
        if not by_itself(work):
            repeated.remove(work)


def do_due():
    for name, (when, work) in [*due.items()]:
        if time.monotonic() >= when and not awaited():  # who waits for a drawing comes first
            due.pop(name, None)
            by_itself(work)


def by_itself(work):
    """Call `work()`, and print what it raises, because nobody waits for it -> what it returned."""
    returned, error = outcome(work)
    if error is not None:
        traceback.print_exception(error)
    return returned


def outcome(work):
    """Call `work()` -> what it returned, and what it raised."""
    try:
        return work(), None
    except BaseException as error:  # the painter must live on, and the one who asked gets the error
        return None, error


@atexit.register
def dismiss():
    """Let the painter finish its drawing. A thread that is cut off inside C++ aborts the process."""
    jobs.put(None)
    painter.join(timeout=5)


painter = threading.Thread(target=painter_at_work, name="painter", daemon=True)
painter.start()
