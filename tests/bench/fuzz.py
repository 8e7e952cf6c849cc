"""Does everything a student might type end well? Random inputs, and what came of each of them.

    python tests/bench/fuzz.py                       # 5,000 inputs, in about ten minutes
    python tests/bench/fuzz.py --inputs 500 --seed 3
    python tests/bench/fuzz.py --number 1234         # one of them again, with its traceback

`fuzz_inputs.py` makes the inputs and says what must come of each. The outcomes:

    works            it did what it should
    refused          one clear sentence, from rlkit
    theirs           the exception of a student's own environment, which arrived as it was
    raw              BAD: somebody else's traceback, or no clear sentence
    nonsense         BAD: a wrong input was accepted, or a number became NaN
    refused wrongly  BAD: a right input was refused
    hang             BAD: no answer for `--limit` seconds
    died             BAD: the process died

Exits with 1 if there was a bad outcome. Each process works through its share of the inputs; one that hangs or dies is
replaced, and goes on with the next input.
"""

import argparse
import json
import math
import os
import re
import selectors
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BAD_OUTCOMES = ("raw", "nonsense", "refused wrongly", "hang", "died")


def outcome(case):
    """Do what a Case says -> (outcome, what was said, in a line)."""
    try:
        given = case.do()
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if getattr(error, "of_the_student", False):
            return "theirs", said
        if not is_a_sentence(error):
            return "raw", f"{said} ({place(error)})"
        return ("refused wrongly" if case.expected == "good" else "refused"), said
    if hasattr(given, "code"):
        return command_outcome(case, given)
    if nan := first_nan(given):
        return "nonsense", f"{nan} is not finite"
    return ("nonsense", "accepted") if case.expected in ("bad", "theirs") else ("works", "")


def command_outcome(case, given):
    """What a command's exit code and its last line say."""
    said = given.errors.strip()
    if given.code == 0:
        return ("nonsense", "exit code 0") if case.expected == "bad" else ("works", "")
    last = said.splitlines()[-1] if said else ""
    if given.code != 2 or not last or "Traceback" in said or not (sentence(last) or ": error: " in last):
        return "raw", f"exit code {given.code}: {said!r}"
    return ("refused wrongly" if case.expected == "good" else "refused"), last


def is_a_sentence(error):
    """Did rlkit raise this, in words for its user?"""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    ours = Path(frame.f_code.co_filename).is_relative_to(ROOT / "rlkit")
    return isinstance(error, ValueError | OSError) and ours and sentence(str(error))


def sentence(text):
    """One or two sentences in one line."""
    return bool(re.fullmatch(r"[^\n]{15,600}[.!?)]", text.strip()))


def place(error):
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{Path(frame.f_code.co_filename).name}:{line}"


def first_nan(given):
    """The first number of an agent or a Result that is not finite -> its name, or None."""
    if hasattr(given, "returns") and not all(map(math.isfinite, given.returns)):
        return "a return"
    network = getattr(given, "network", getattr(getattr(given, "agent", None), "network", None))
    if network is not None:
        for name, weights in network.state_dict().items():
            if not weights.isfinite().all():
                return name
    return None


# Processes --------------------------------------------------------------------------------------------------


def work(seed, numbers):
    """What a child does: one line before each input, and one after it."""
    import torch
    from fuzz_inputs import draw

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    report = os.fdopen(os.dup(1), "w")  # environments and commands may print
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for number in numbers:
        print(json.dumps({"number": number}), file=report, flush=True)
        case = draw(seed, number)
        result, said = outcome(case)
        line = {"number": number, "text": case.text, "expected": case.expected, "outcome": result, "said": said}
        print(json.dumps(line), file=report, flush=True)


def run(inputs, seed, processes, limit):
    """All inputs, in some processes -> a list of dicts, one for each input."""
    results, selector = [], selectors.DefaultSelector()
    for share in range(processes):
        start(selector, seed, list(range(share, inputs, processes)))
    while selector.get_map():
        ready = [key.data for key, _ in selector.select(timeout=1)]
        for child in [key.data for key in selector.get_map().values()]:
            lines = child.read() if child in ready else []
            results += [line for line in lines if "outcome" in line]
            late = time.monotonic() > child.heard + limit
            if not late and child.process.poll() is None or lines:
                continue
            selector.unregister(child.pipe)
            child.process.kill()
            child.process.wait()
            if child.left:
                kind = "hang" if late else "died"
                said = f"exit code {child.process.returncode}: {child.last_words()}"
                results.append(describe(seed, child.left[0]) | {"outcome": kind, "said": said})
                start(selector, seed, child.left[1:])
        if sys.stderr.isatty():
            print(f"\r{len(results)} of {inputs}", end="", file=sys.stderr)
    return sorted(results, key=lambda line: line["number"])


class Child:
    """A process at work, and the inputs that it has not finished."""

    def __init__(self, seed, numbers):
        self.left = list(numbers)
        self.heard = time.monotonic() + 60  # it has to import torch first
        self.errors = (ROOT / "build" / f"fuzz-{os.getpid()}-{numbers[0]}.txt").open("w+")
        command = [sys.executable, "-X", "faulthandler", __file__, "--work", str(seed), json.dumps(numbers)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, env=environment())
        self.pipe, self.rest = self.process.stdout, b""
        os.set_blocking(self.pipe.fileno(), False)

    def read(self):
        """The lines that have arrived."""
        self.heard = time.monotonic()
        *whole, self.rest = (self.rest + (self.pipe.read() or b"")).split(b"\n")
        lines = [json.loads(line) for line in whole]
        for line in lines:
            if "outcome" in line:
                self.left.remove(line["number"])
        return lines

    def last_words(self):
        self.errors.seek(0)
        return " | ".join(self.errors.read().strip().splitlines()[-12:])[-800:]


def start(selector, seed, numbers):
    if numbers:
        (ROOT / "build").mkdir(exist_ok=True)
        child = Child(seed, numbers)
        selector.register(child.pipe, selectors.EVENT_READ, child)


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "COLUMNS": "100"}


def describe(seed, number):
    from fuzz_inputs import draw

    case = draw(seed, number)
    return {"number": number, "text": case.text, "expected": case.expected}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that one input may take")
    parser.add_argument("--number", type=int, help="only this input, with its traceback")
    parser.add_argument("--work", nargs=2, metavar=("SEED", "NUMBERS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    if args.work:
        return work(int(args.work[0]), json.loads(args.work[1]))
    if args.number is not None:
        return one(args.seed, args.number)
    results = run(args.inputs, args.seed, args.processes, args.limit)
    report(results)
    return int(any(result["outcome"] in BAD_OUTCOMES for result in results))


def one(seed, number):
    """Do one input again, and show everything."""
    from fuzz_inputs import draw

    case = draw(seed, number)
    print(f"{case.text}\nexpected: {case.expected}")
    given = case.do()
    print("gave:", given)


def report(results):
    """The counts, and the bad outcomes one by one."""
    counts = Counter(result["outcome"] for result in results)
    print(f"{len(results)} inputs:", ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    for result in results:
        if result["outcome"] in BAD_OUTCOMES:
            print(f"\n{result['number']}: {result['outcome']}, expected {result['expected']}\n  {result['text'][:300]}")
            print(f"  {result['said'][:400]}")


if __name__ == "__main__":
    sys.exit(main())
