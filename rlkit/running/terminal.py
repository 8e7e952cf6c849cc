"""What a terminal shows of a run: a bar that is overwritten, or lines where the output goes to a file.

A run must not end because its output cannot be shown.
"""

import contextlib
import math
import os
import shutil
import sys
import warnings

from rlkit.language import count


def run(main):
    """Run a command, wherever its output goes, and exit with the code that `main()` returns.

    Where the terminal or the file has no such letter (Windows' code pages, `LC_ALL=C`), it gets the letter's number. If
    nobody reads on (`... | head`, or a terminal that was closed), the command ends without complaint. Of a warning it
    shows the sentence, and not the line of code that warned.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *where: tell(message, sys.stderr)
    try:
        code = main()
    except SystemExit as end:  # of `--help`
        code = end.code
    except BrokenPipeError:
        code = 0
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # at its end Python flushes again, and would complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def tell(text, stream=None, end="\n"):
    """Print at once, if there is still somebody to read it."""
    stream = stream or sys.stdout
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
        print(text, end=end, file=stream, flush=True)


class Bar:
    """One line on a terminal that is overwritten again and again: how far, how well, how fast, how long to go."""

    def __init__(self, total_steps, limit, stream):
        self.total_steps, self.limit, self.stream = total_steps, limit, stream  # limit: in seconds
        try:
            "█░".encode(stream.encoding or "ascii")
            self.full, self.empty = "█░"
        except (UnicodeEncodeError, LookupError):
            self.full, self.empty = "#-"
        self.due, self.width = 0.0, 0
        self.begun, self.seconds, self.step, self.speed = None, 0.0, None, math.nan
        self.best, self.seen = -math.inf, 0

    def __call__(self, progress, result):
        if result.seconds >= self.due:
            self.draw(result)
            self.due = result.seconds + 0.2

    def finish(self, result):
        self.draw(result)
        tell("", self.stream)

    def draw(self, result):
        """Measure, then write what fits into the terminal's width. Its last column stays free: otherwise it wraps."""
        self.measure(result)
        width = max(1, shutil.get_terminal_size().columns - 1)
        share = min(1.0, result.step / self.total_steps)
        left = (self.total_steps - result.step) / self.speed if self.speed > 0 else math.inf
        left = min(left, self.limit - result.seconds)
        parts = [f"{share:4.0%}", count(result.step, "{n:,} step", "{n:,} steps")]
        if result.returns:
            parts.append(f"last-20 mean {result.mean_return():.2f}")
        if math.isfinite(left):
            parts.append(f"{clock(left)} left")
        if math.isfinite(self.speed):  # it is not known from the start
            parts.append(f"{self.speed:,.0f} step/s")
        if result.returns:
            parts.append(f"best {self.best:.2f}")
        parts.append(f"{clock(result.seconds)} elapsed")
        room = width - 11 if width >= 40 else width  # leave room for ten cells of the bar and a space
        while len(parts) > 1 and len("   ".join(parts)) > room:  # the last one matters least
            parts.pop()
        line = "   ".join(parts)
        cells = min(30, width - len(line) - 1)
        if cells >= 5:
            filled = int(share * cells)
            line = self.full * filled + self.empty * (cells - filled) + " " + line
        line = line[:width]
        tell("\r" + line.ljust(min(self.width, width)), self.stream, end="")  # spaces cover what was longer
        self.width = len(line)

    def measure(self, result):
        """The speed of about the last ten seconds, and the best return so far."""
        if self.step is not None and result.seconds > self.seconds:
            elapsed = result.seconds - self.seconds
            now = (result.step - self.step) / elapsed
            weight = 1.0 if math.isnan(self.speed) else 1 - math.exp(-elapsed / 10)
            self.speed = now if weight == 1.0 else self.speed + weight * (now - self.speed)
        self.seconds, self.step = result.seconds, result.step
        self.best = max([self.best, *result.returns[max(0, self.seen - 100) :]])  # workers may report a little late
        self.seen = len(result.returns)


def clock(seconds):
    """65 -> "1:05", 3_700 -> "1:01:40"."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, seconds = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Lines:
    """Prints lines of progress: often at first, then once a minute, so that the log of a week stays readable."""

    def __init__(self):
        self.due = 1.0
        self.seconds, self.step = 0.0, None

    def __call__(self, progress, result):
        self.step = progress.step if self.step is None else self.step  # a resumed agent does not begin at 0
        if result.seconds >= self.due:
            speed = (progress.step - self.step) / (result.seconds - self.seconds)
            mean = f"{result.mean_return():9.2f}" if result.returns else "        -"
            steps = count(progress.step, "{n:11,} step ", "{n:11,} steps")
            episodes = count(len(result.returns), "{n:7,} episode ", "{n:7,} episodes")
            tell(f"{steps} {speed:8,.0f} step/s {episodes}   last-20 mean {mean}   {result.seconds:7,.0f} s")
            self.seconds, self.step = result.seconds, progress.step
            self.due = result.seconds + min(60.0, max(2.0, result.seconds / 20))
