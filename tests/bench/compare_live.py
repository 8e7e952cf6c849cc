"""What a live comparison costs beside its runs alone. A script, not a test: it asserts nothing.

    python tests/bench/compare_live.py [ppo] [dqn] [--seeds 10]

`alone` is what the same runs take one after the other in this process, without their tests, divided by the number of
worker processes. `live` is the panel from its start to its end, `first curve` what it takes until there is something
to see, and `stop` from the click to the end of the last worker. `page` is the longest that a click had to wait while
the runs went on. The aim, on quiet cores: live below 1.3 x alone + 3 s. On a busy machine compare CPU seconds: those of
the workers hold their start-up, about 2.5 s each.
"""

import argparse
import os
import time

import common  # must come before NumPy, which it limits to one thread
import torch

from rlkit import compare_live, preset
from rlkit.plotting.painter import paint

PAIRS = {
    "ppo": {"clip": preset("ppo-cartpole"), "adaptive KL": preset("ppo-kl-cartpole")},
    "dqn": {"C = 16": preset("dqn-cartpole-plain", target_period=16), "C = 4": preset("dqn-cartpole-plain")},
}


def alone(panel):
    """All runs of a panel in this process, without a test or a curve -> wall and CPU seconds."""
    began, cpu = time.perf_counter(), time.process_time()
    for seed in panel.comparison.seeds:
        for make in panel.comparison.makers.values():
            for _ in make(seed).learn(panel.comparison.total_steps):
                pass
    return time.perf_counter() - began, time.process_time() - cpu


def workers_cpu():
    """CPU seconds of the worker processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def live(panel):
    """Run a panel to its end -> wall seconds, those until the first curve, the longest wait, CPU of the workers."""
    began, cpu, first, longest = time.perf_counter(), workers_cpu(), None, 0.0
    panel.start()
    while panel.running():
        asked = time.perf_counter()
        paint(lambda: None)  # every click goes through the painter
        longest = max(longest, time.perf_counter() - asked)
        first = first or (panel.begun and time.perf_counter() - began)
        time.sleep(0.02)
    panel.wait()
    return time.perf_counter() - began, first, longest, workers_cpu() - cpu


def stopping(panel):
    """Start over, and stop when there are curves -> seconds that stopping takes."""
    panel.start_over()
    while not panel.begun:
        time.sleep(0.02)
    time.sleep(0.5)
    began = time.perf_counter()
    panel.ask_to_stop()
    while panel.running():
        time.sleep(0.005)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", default=[*PAIRS], choices=PAIRS)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in args.pairs:
        panel = compare_live(PAIRS[name], seeds=args.seeds)
        wall, cpu = alone(panel)
        wall = wall / panel.comparison.processes
        seconds, first, longest, cpu_workers = live(panel)
        measured = [f"{each:.1f}" for each in (wall, seconds, first, stopping(panel), longest, cpu, cpu_workers)]
        rows.append([name, panel.comparison.processes, f"{(seconds - 3) / wall:.2f}", *measured])
    head = ["", "processes", "(live - 3) / alone", "alone", "live", "first curve", "stop", "page", "CPU alone"]
    title = f"Two settings, {args.seeds} seeds each, in seconds; load {os.getloadavg()[0]:.1f}"
    common.table(title, [*head, "CPU of workers"], rows)


if __name__ == "__main__":
    main()
