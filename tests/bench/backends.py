"""Do chapters and tests depend on how a machine adds numbers? Run them with several numeric back ends.

    python tests/bench/backends.py                                      # every back end, one after the other
    python tests/bench/backends.py --only nehalem "no AVX"              # some of them
    python tests/bench/backends.py --files lectures/02_dqn.ipynb tests/test_dqn.py
    python tests/bench/backends.py --name 3.13 --only native --python PATH/TO/ANOTHER/python

A back end takes as long as `python tests`, minus the files without numbers to compare. Reports are in the folder
--reports. A back end that has a report is not run again, so an interrupted series continues where it was; delete the
reports to start over. The table shows all of them. "moved" counts outputs whose digits differ within their tolerance.

The switches take effect when a process loads the libraries, so each back end has its own process. They choose among the
kernels that this processor can run: AVX2 can be tried on a machine with AVX-512, but not the other way round.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WITHOUT_NUMBERS = {"browser", "assignments", "setup"}
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
REPORT = ["-q", "--color=no", "-o", "junit_logging=system-out", "-o", "junit_family=xunit1"]

# torch contains three libraries: its own loops, oneDNN for convolutions, MKL for matrix products
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
SSE = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
NO_AVX = {"NPY_DISABLE_CPU_FEATURES": "DISPATCHED"}  # "DISPATCHED" is replaced by what this NumPy can dispatch to here
BACK_ENDS = {
    "native": {},
    "torch default": {"ATEN_CPU_CAPABILITY": "default"},
    "torch avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "skylakex": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "zen": {"OPENBLAS_CORETYPE": "Zen"},
    "nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "prescott": {"OPENBLAS_CORETYPE": "Prescott"},
    "numpy no AVX": NO_AVX,
    "1 thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "an AVX2 machine": {**AVX2, "OPENBLAS_CORETYPE": "Haswell"},
    "an SSE machine": {**SSE, **NO_AVX, "OPENBLAS_CORETYPE": "Nehalem"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BACK_ENDS, default=list(BACK_ENDS), metavar="NAME")
    parser.add_argument("--files", nargs="+", default=files(), help="by default all chapters and tests with numbers")
    parser.add_argument("--name", help="what these runs are called in the table, besides their back ends")
    parser.add_argument("--python", default=sys.executable, help="an environment with everything installed")
    parser.add_argument("--reports", type=Path, default=Path(tempfile.gettempdir()) / "backends")
    args = parser.parse_args()
    args.reports.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        report = args.reports / f"{name}{f', {args.name}' if args.name else ''}.xml"
        if not report.exists():
            print(f"{report.stem} ...", flush=True)
            run(report, args.python, BACK_ENDS[name], args.files)
            print_row(report)
    print("\n| back end | cells | failed | moved | tests | failed | minutes |\n|---|---|---|---|---|---|---|")
    reports = sorted(args.reports.glob("*.xml"), key=lambda path: path.stat().st_mtime)
    for report in reports:
        print_row(report)
    for report in reports:
        print(f"\n{report.stem}")
        for case in read(report):
            for text in case["failures"] + case["moved"]:
                print(f"  {case['where']}: {text}")


def files():
    """All chapters and tests whose results could depend on numerics."""
    tests = [path for path in (ROOT / "tests").glob("test_*.py") if path.stem[5:] not in WITHOUT_NUMBERS]
    notebooks = [*ROOT.glob("lectures/*.ipynb"), *ROOT.glob("lectures/assignments/source/*/*.ipynb")]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*notebooks, *tests])


def run(report, python, switches, files):
    """Run pytest in a process with these switches. The report gets its name when it is complete."""
    switches = {key: dispatched(python) if value == "DISPATCHED" else value for key, value in switches.items()}
    env = os.environ | switches | {"PYTHONPATH": str(ROOT)}  # kernels and workers inherit them
    unfinished = report.with_suffix(".part")
    began = time.monotonic()
    with open(report.with_suffix(".log"), "w") as log:
        command = [python, "-m", "pytest", *REPORT, f"--junitxml={unfinished}", *NBVAL, *files]
        subprocess.run(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
    if not unfinished.exists():
        sys.exit(f"pytest wrote no report; see {report.with_suffix('.log')}.")
    print(f"  {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    unfinished.rename(report)


def dispatched(python):
    """The CPU features that NumPy uses here beyond its baseline, which it refuses to disable."""
    code = """if True:
        from numpy._core import _multiarray_umath as numpy
        print(*(feature for feature in numpy.__cpu_dispatch__ if numpy.__cpu_features__[feature]))"""
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def read(report):
    """One dict for each cell or test of a report."""
    for case in ElementTree.parse(report).iter("testcase"):
        notebook = re.search(r"\w+\.ipynb", f"{case.get('classname')} {case.get('file')} {case.get('name')}")
        where = f"{notebook[0]} {case.get('name')}" if notebook else f"{case.get('classname')}::{case.get('name')}"
        broken = [node for kind in ("failure", "error") for node in case.iter(kind)]
        printed = "\n".join(node.text or "" for node in case.iter("system-out"))
        yield {
            "where": where,
            "cell": bool(notebook),
            "failures": ["FAILED " + "; ".join(reasons(node)) for node in broken],
            "moved": sorted(set(re.findall(r"^moved, (.*)", printed, re.MULTILINE))) if notebook else [],
            "skipped": case.find("skipped") is not None,
        }


def reasons(node):
    """What a failure says about numbers; if nothing, its first line."""
    text = re.sub(r"#x1B\[[\d;]*m", "", node.text or "")  # without colours
    errors = re.findall(r"^(?:E +)?(\w*(?:Error|Exception|Exceeded)\b.*)", text, re.MULTILINE)
    return re.findall(r"line \d+: .*", text) or errors[-1:] or node.get("message", "?").split("\n")[:1]


def print_row(report):
    cases = [case for case in read(report) if not case["skipped"]]
    cells, tests = ([case for case in cases if case["cell"] is kind] for kind in (True, False))
    counts = len(cells), failed(cells), sum(bool(case["moved"]) for case in cells), len(tests), failed(tests)
    seconds = float(ElementTree.parse(report).getroot().find(".//testsuite").get("time"))
    print(f"| {report.stem} | " + " | ".join(map(str, counts)) + f" | {seconds / 60:.1f} |", flush=True)


def failed(cases):
    return sum(bool(case["failures"]) for case in cases)


if __name__ == "__main__":
    main()
