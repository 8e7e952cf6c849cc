"""Rounds of what a class does to a live run, in a real Jupyter kernel: none of them may kill it, or lose a curve.

A round runs a cell that starts a run and waits for it, moves sliders meanwhile, interrupts the waiting, presses
Continue, Stop and Continue, moves sliders again, and runs another cell beside the run. The next round runs the same
cell again while the run is still going on. Clicks and moves arrive as JupyterLab sends them: over a subshell.

python tests/bench/kernel_rounds.py --rounds 100
"""

import argparse
import ast
import os
import queue
import random
import sys
import time
from collections import Counter
from pathlib import Path

from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 120  # the longest that a cell may take: the machine may be busy
PREPARE = """
import faulthandler, io, json, logging, numpy, threading, torch
from matplotlib.colors import to_rgb
from PIL import Image
from rlkit import explore, preset
from rlkit.plotting.live import Run
faulthandler.enable()
torch.set_num_threads(1)
agent = preset("ppo-cartpole", num_envs=2)  # one agent for all rounds of this kind

def comms():
    return [widget.comm.comm_id for widget in (live.go_button, live.stop_button, *sliders)]

def coloured(png, colour):
    pixels = numpy.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB")).astype(int)
    return int((abs(pixels - 255 * numpy.array(to_rgb(colour))).sum(-1) < 60).sum())

def seen():
    '''Is the run going on, how many threads learn, what went wrong, and the pixels of the emptiest curve.'''
    pictures = [(live.image, line.get_color()) for line in (live.curve.dots,) if live.result.returns]
    pictures += [(live.second_image, line.get_color()) for line in getattr(live, "lines", ())]
    pixels = [coloured(image.value, colour) for image, colour in pictures]
    names = [thread.name for thread in threading.enumerate()]
    learning = sum(name.endswith(("Run", "(in_thread)")) for name in names)
    return live.running(), learning, str(live.error or ""), min(pixels, default=999)
"""
CELLS = {
    "clip": "live = explore.clip_live(num_envs=2); sliders = [live.clip]",
    "beta": "live = explore.beta_live(num_envs=2); sliders = [live.by_hand, live.price]",
    "epsilon": "live = explore.epsilon(); sliders = [live.by_hand, live.slider]",
    "one agent": "live = Run(agent, 10**7); sliders = []",
}
VALUES = {"clip": [(0, 0.02, 1.0)], "beta": [(1, -2.0, 1.0)], "epsilon": [(1, 0.0, 1.0)], "one agent": []}


class Page:
    """A kernel, and what a page does with it."""

    def __init__(self):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.manager, self.client = start_new_kernel(
            kernel_name="python3", cwd=str(ROOT), env=os.environ | {"PYTHONPATH": path}
        )
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        self.subshell = self.client.get_control_msg(timeout=SECONDS)["content"].get("subshell_id")

    def begin(self, code, cell="another"):
        """Run a cell without waiting for it -> the id of the request."""
        message = self.client.session.msg("execute_request", {"code": code, "silent": False, "store_history": True})
        message["metadata"] = {"cellId": cell}
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def end(self, request):
        """Wait until the cell has ended -> its result or its error, in words."""
        until, words = time.monotonic() + SECONDS, ""
        while time.monotonic() < until:
            if not self.manager.is_alive():
                raise ConnectionError("the kernel died")
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == request:
                content = message["content"]
                if message["msg_type"] == "execute_result":
                    words = content["data"]["text/plain"]
                elif message["msg_type"] == "error":
                    words = f"{content['ename']}: {content['evalue']}"
                elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                    return words
        raise TimeoutError(f"a cell did not end within {SECONDS} s")

    def run(self, code, cell="another"):
        return self.end(self.begin(code, cell))

    def send(self, comm, data):
        """A message to a widget."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if self.subshell:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def click(self, comm):
        self.send(comm, {"method": "custom", "content": {"event": "click"}})

    def move(self, comm, value):
        self.send(comm, {"method": "update", "state": {"value": value}, "buffer_paths": []})


def play_round(page, kind, rng):
    """One round -> what went wrong, in words; "" if nothing did."""

    def slide(times):
        for _ in range(times):
            for index, low, high in VALUES[kind]:
                value = rng.uniform(low, high)
                page.move(sliders[index], 10**value if kind == "beta" else value)
            time.sleep(rng.uniform(0, 0.2))

    page.run(CELLS[kind], cell="live")
    go, stop, *sliders = ast.literal_eval(page.run("comms()"))
    waiting = page.begin("live.wait()", cell="wait")
    time.sleep(rng.uniform(0, 0.5))
    slide(3)
    time.sleep(0.2)
    page.manager.interrupt_kernel()
    said = page.end(waiting)
    if not said.startswith("KeyboardInterrupt"):
        return f"the interrupted wait said: {said!r}"
    page.click(go)
    slide(3)
    for button in (stop, go, go):
        page.click(button)
        time.sleep(rng.uniform(0, 0.3))
    for _ in range(5):  # a click on Stop may arrive late, and then the run has to be started again
        page.run("live.start(); live.wait(1)")
        slide(2)
        running, learning, error, pixels = ast.literal_eval(page.run("seen()"))
        if running and learning:
            break
    if not running or learning != 1 or error or pixels < 5:
        return f"running: {running}, threads that learn: {learning}, error: {error!r}, pixels of a curve: {pixels}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng, counts, page = random.Random(args.seed), Counter(), None
    for number in range(args.rounds):
        kind = rng.choice([*CELLS]) if number % 3 else [*CELLS][number // 3 % len(CELLS)]
        try:
            if page is None:
                page = Page()
                page.run(PREPARE)
            wrong = play_round(page, kind, rng)
        except (ConnectionError, TimeoutError) as error:
            wrong = str(error)
            page.manager.shutdown_kernel(now=True)
            page = None
        counts[wrong or "well"] += 1
        print(f"round {number + 1}, {kind}: {wrong or 'well'}", flush=True)
    if page:
        page.manager.shutdown_kernel()
    print(f"{counts['well']} of {args.rounds} rounds went well; the kernel died in {counts['the kernel died']}")
    return counts["well"] != args.rounds


if __name__ == "__main__":
    sys.exit(main())
