"""The worker count, live: real processes, what they gain by the clock and by steps, what they do, how stale it is."""

import asyncio
import threading
import time

import ipywidgets as widgets
import numpy as np

from rlkit.a3c import LAP
from rlkit.experiments.asynchrony import first_ready, rates
from rlkit.explore.panel import choice, slider
from rlkit.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Moving, picture, smooth
from rlkit.plotting.live import Panel, Redraw
from rlkit.presets import preset
from rlkit.tasks import DelayedCartPole

TASKS = {"CartPole": dict(), "CartPole with 1 ms of waiting": dict(env=DelayedCartPole, t_max=16)}
COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY)
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
PHASES = dict(zip(LAP, ((BLACK, 3), (BLUE, 6), (ORANGE, 9), (RED, 12))))  # colour and width, the later the thicker
SHOWN = 8  # lanes


def lanes(laps, now, window):
    """The bars of the last `window` seconds: phase -> [(rank, from, to)], in milliseconds before `now`."""
    bars = {phase: [] for phase in PHASES}
    for rank, lap in laps:
        if rank < SHOWN and lap[4] > now - window:
            for i, phase in enumerate(PHASES):
                bars[phase].append((rank, 1e3 * (lap[i] - now), 1e3 * (lap[i + 1] - now)))
    return bars


class Workers(Panel):
    """Choose a number, press Start; each run stays in the picture beside the next one."""

    def __init__(self, seconds, **changes):
        self.seconds, self.changes = seconds, changes
        self.task = choice("task", "CartPole", list(TASKS))
        self.count = slider("W, workers", 2, 1, 16, 1)
        self.start_button = widgets.Button(description="Start", tooltip="Run A3C with so many worker processes")
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        self.start_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        self.runs, self.thread, self.error, self.stopping = [], None, None, threading.Event()
        self.figure, axes = picture(2, 2, width=11, height=6.2)
        (self.by_clock, self.by_steps), (self.lane_ax, self.stale_ax) = axes
        self.by_clock.set(xlabel="seconds since the first worker was ready", ylabel="return, mean of 20", ylim=(0, 520))
        self.by_steps.set(xlabel="steps of all workers, thousands", ylim=(0, 520))
        self.lane_ax.set(xlabel="milliseconds", ylabel="worker", xlim=(-60, 0), yticks=range(SHOWN))
        self.stale_ax.set(xlabel="staleness: updates by others in between", ylabel="share of updates", ylim=(0, 1))
        self.stale_ax.set_xlim(-0.5, 16)
        for phase, (colour, width) in PHASES.items():
            self.lane_ax.plot([], [], color=colour, linewidth=width, label=phase, solid_capstyle="butt")
        self.lane_ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, fontsize=11)
        self.bars = {
            phase: self.lane_ax.hlines([], [], [], colors=colour, linewidth=width)
            for phase, (colour, width) in PHASES.items()
        }
        self.moving = Moving(self.figure)
        row = widgets.HBox([self.start_button, self.stop_button])
        super().__init__(self.moving.png(), [self.task, self.count, row], "Choose a number of workers and press Start.")

    def start(self):
        if self.thread and self.thread.is_alive():
            return
        self.stopping.clear()
        self.error = None
        count, look = self.count.value, len(self.runs) % len(COLOURS)
        settings = dict(num_workers=count, seed=len(self.runs), **TASKS[self.task.value]) | self.changes
        agent = preset("a3c-cartpole", **settings)
        name = f"W = {count}" + (", waiting" if "waiting" in self.task.value else "")
        style = dict(color=COLOURS[look], linestyle=STYLES[look])
        lines = [ax.plot([], [], label=name, **style)[0] for ax in (self.by_clock, self.by_steps)]
        lines += self.stale_ax.plot([], [], marker="o", markersize=5, label=name, **style)
        self.runs.append({"name": name, "agent": agent, "lines": lines, "seconds": [], "steps": [], "returns": []})
        self.by_steps.legend(loc="lower right", fontsize=11)
        self.lane_ax.set_ylim(min(count, SHOWN) - 0.5, -0.5)
        self.thread = threading.Thread(target=self.learn, args=(self.runs[-1],), daemon=True)
        self.thread.start()
        self.buttons(running=True)
        try:
            self.drawing = asyncio.get_running_loop().create_task(self.keep_drawing())
        except RuntimeError:  # no event loop: a script or a test
            self.drawing = None

    def learn(self, run):
        """In a thread: it only appends."""
        agent, began, ready = run["agent"], time.monotonic(), None
        try:
            for progress in agent.learn(10**9):
                if agent.startup.any():
                    ready = ready or began + first_ready(agent)
                    for episode in progress.finished:
                        run["seconds"].append(time.monotonic() - ready)
                        run["steps"].append(episode.step)
                        run["returns"].append(episode.total_reward)
                    if time.monotonic() - ready > self.seconds:
                        return
                if self.stopping.is_set():
                    return
        except Exception as error:  # shown in the panel and raised by wait(): a thread has nobody to raise to
            self.error = error

    async def keep_drawing(self):
        redraw = Redraw()
        while self.thread.is_alive():
            if redraw.due():
                redraw.timed(self.draw)
            await asyncio.sleep(0.05)
        self.draw()
        self.buttons(running=False)

    def draw(self):
        run = self.runs[-1]
        laps = list(run["agent"].laps.copy())  # the thread goes on adding to them
        count = min(len(run[key]) for key in ("seconds", "steps", "returns"))
        curve = smooth(run["returns"][:count])
        run["lines"][0].set_data(run["seconds"][:count], curve)
        run["lines"][1].set_data(np.array(run["steps"][:count]) / 1e3, curve)
        self.by_clock.set_xlim(0, self.seconds)
        self.by_steps.set_xlim(0, max(1, *(r["steps"][-1] / 1e3 if r["steps"] else 1 for r in self.runs)))
        if laps:
            stale = np.array([lap[6] - lap[5] for _, lap in laps])
            values, shares = np.unique(stale, return_counts=True)
            run["lines"][2].set_data(values, shares / len(stale))
            now = min({rank: lap[4] for rank, lap in laps}.values())  # until when every worker has told
            for phase, bars in lanes(laps, now, 0.06).items():
                self.bars[phase].set_segments([((a, rank), (b, rank)) for rank, a, b in bars])
        self.image.value = self.moving.png()
        self.say(self.words(run, laps))

    def words(self, run, laps):
        if self.error:
            return f"Stopped: {self.error}"
        agent = run["agent"]
        if len({rank for rank, _ in laps}) < agent.num_workers:
            return (
                f"{run['name']}: starting workers, {int((agent.startup > 0).sum())} of {agent.num_workers} are ready."
            )
        numbers = rates(agent, laps)
        return (
            f"{run['name']}: ready after {agent.startup.max():.1f} s. {numbers['steps_per_second']:,.0f} steps per "
            f"second; {numbers['steps_per_cpu_second']:,.0f} per CPU second, on {numbers['cpus']:.1f} CPUs. "
            f"Staleness, mean of the last updates: {np.mean([lap[6] - lap[5] for _, lap in laps]):.1f}."
        )

    def buttons(self, running):
        self.start_button.disabled, self.stop_button.disabled = running, not running

    def stop(self):
        """End the run and its workers; the curve stays."""
        self.stopping.set()
        self.wait()

    def wait(self, timeout=None):
        """Until the run has ended. Raises what it raised."""
        self.thread.join(timeout)
        self.draw()
        self.buttons(running=self.thread.is_alive())
        if self.error:
            raise self.error

    def race(self, *counts):
        """One run after the other, as if each number had been chosen and Start pressed."""
        for count in counts:
            self.count.value = count
            self.start()
            self.wait()
        return self


def workers(seconds=6, **changes):
    """A3C with real worker processes under a slider for their number, `seconds` of training a run."""
    return Workers(seconds, **changes)
