"""The number of workers, live: what they gain over time and over steps, what they do, how stale gradients are."""

import time

import ipywidgets as widgets
import numpy as np

from rlkit.experiments.asynchrony import first_ready, rates
from rlkit.explore.controls import choice, slider
from rlkit.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Moving, picture, smooth
from rlkit.plotting.live import BackgroundPanel
from rlkit.presets import preset
from rlkit.running.laps import Lap
from rlkit.tasks import DelayedCartPole

TASKS = {"CartPole": dict(), "CartPole with 1 ms of waiting": dict(env=DelayedCartPole, t_max=16)}
COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY)
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
PHASES = dict(zip(Lap._fields, ((BLACK, 3), (BLUE, 6), (ORANGE, 9), (RED, 12))))  # colour and line width
SHOWN = 8  # lanes
WINDOW = 0.06  # seconds that the lanes show


def lanes(laps, now, window):
    """The bars of the last `window` seconds before `now` -> {phase: [(rank, from, to)]}, in milliseconds before `now`.

    `laps` are pairs (rank, lap): a lap holds the times at which its phases began, and its end.
    """
    bars = {phase: [] for phase in PHASES}
    for rank, lap in laps:
        if rank < SHOWN and lap.end > now - window:
            for i, phase in enumerate(PHASES):
                bars[phase].append((rank, 1e3 * (lap[i] - now), 1e3 * (lap[i + 1] - now)))
    return bars


def staleness(laps):
    """Updates by other workers between a worker's copy of θ and its own update: one number for each lap."""
    return np.array([lap.staleness for _, lap in laps])


class WorkersPicture:
    """Four panels: returns over time, over steps, and the staleness, a line for each run; the newest run's lanes."""

    def __init__(self):
        self.figure, axes = picture(2, 2, width=11, height=6.2)
        (self.by_clock, self.by_steps), (self.lanes, self.stale) = axes
        self.by_clock.set(xlabel="seconds since the first worker was ready", ylabel="return, mean of 20", ylim=(0, 520))
        self.by_steps.set(xlabel="steps of all workers, thousands", ylim=(0, 520))
        self.lanes.set(xlabel="milliseconds", ylabel="worker", xlim=(-1e3 * WINDOW, 0), yticks=range(SHOWN))
        self.stale.set(xlabel="staleness: updates by others in between", ylabel="share of updates", ylim=(0, 1))
        self.stale.set_xlim(-0.5, 16)
        for phase, (colour, width) in PHASES.items():
            self.lanes.plot([], [], color=colour, linewidth=width, label=phase, solid_capstyle="butt")
        self.lanes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, fontsize=11)
        self.bars = {
            phase: self.lanes.hlines([], [], [], colors=colour, linewidth=width)
            for phase, (colour, width) in PHASES.items()
        }
        self.moving = Moving(self.figure)

    def add(self, name, number, num_workers):
        """Lines for one more run, the `number`-th from 0 -> over time, over steps, staleness."""
        number %= len(COLOURS)
        style = dict(color=COLOURS[number], linestyle=STYLES[number], label=name)
        lines = [ax.plot([], [], **style)[0] for ax in (self.by_clock, self.by_steps)]
        lines += self.stale.plot([], [], marker="o", markersize=5, **style)
        self.by_steps.legend(loc="lower right", fontsize=11)
        self.lanes.set_ylim(min(num_workers, SHOWN) - 0.5, -0.5)
        return lines

    def draw(self, run, laps, seconds, steps):
        """Move the lines of a run to what there is of it -> PNG bytes. The axes reach to `seconds` and to `steps`."""
        by_clock, by_steps, stale = run["lines"]
        count = min(len(run[key]) for key in ("seconds", "steps", "returns"))
        curve = smooth(run["returns"][:count])
        by_clock.set_data(run["seconds"][:count], curve)
        by_steps.set_data(np.array(run["steps"][:count]) / 1e3, curve)
        self.by_clock.set_xlim(0, seconds)
        self.by_steps.set_xlim(0, max(1, steps / 1e3))
        if laps:
            values, counts = np.unique(staleness(laps), return_counts=True)
            stale.set_data(values, counts / len(laps))
            now = min({rank: lap.end for rank, lap in laps}.values())  # every worker has reported at least until then
            for phase, bars in lanes(laps, now, WINDOW).items():
                self.bars[phase].set_segments([((a, rank), (b, rank)) for rank, a, b in bars])
        return self.moving.png()


class Workers(BackgroundPanel):
    """Choose a number of workers and press Start. Each run stays in the picture, beside the next one.

    `runs` holds a dict for each run: its name, agent and lines, and `seconds`, `steps` and `returns`, which the thread
    appends to, one entry an episode.
    """

    def __init__(self, seconds, **changes):
        self.seconds, self.changes, self.runs = seconds, changes, []
        self.task = choice("task", "CartPole", list(TASKS))
        self.count = slider("W, workers", 2, 1, 16, 1)
        self.picture = WorkersPicture()
        self.figure = self.picture.figure
        go = widgets.Button(description="Start", tooltip="Train A3C with this number of worker processes")
        stop = widgets.Button(description="Stop")
        controls = [self.task, self.count, widgets.HBox([go, stop])]
        super().__init__(go, stop, self.picture.moving.png(), controls, "Choose a number of workers and press Start.")

    def prepare(self):
        """A new agent and new lines, for the number of workers that is chosen now."""
        count, number = self.count.value, len(self.runs)
        settings = dict(num_workers=count, seed=number, **TASKS[self.task.value]) | self.changes
        name = f"W = {count}" + (", waiting" if "waiting" in self.task.value else "")
        agent, lines = preset("a3c-cartpole", **settings), self.picture.add(name, number, count)
        self.runs.append({"name": name, "agent": agent, "lines": lines, "seconds": [], "steps": [], "returns": []})

    def work(self):
        """Learn until `seconds` have passed since the first worker was ready."""
        run = self.runs[-1]
        agent, began, ready = run["agent"], time.monotonic(), None
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

    def draw(self):
        """Show the newest run so far: picture and words."""
        run = self.runs[-1]
        laps = list(run["agent"].laps.copy())  # a copy, because the thread keeps adding to them
        steps = max(run["steps"][-1] if run["steps"] else 0 for run in self.runs)
        self.image.value = self.picture.draw(run, laps, self.seconds, steps)
        self.say(self.words(run, laps))

    def words(self, run, laps):
        """The line of text: how a run failed, how many workers are ready, or what they achieve -> str."""
        if self.error:
            return f"Stopped: {self.error}"
        agent = run["agent"]
        if len({rank for rank, _ in laps}) < agent.num_workers:
            ready = int((agent.startup > 0).sum())
            if self.stopping.is_set() or not self.working():
                return f"{run['name']}: ended when {ready} of {agent.num_workers} workers were ready."
            return f"{run['name']}: starting workers, {ready} of {agent.num_workers} are ready."
        numbers = rates(agent, laps)
        return (
            f"{run['name']}: ready after {agent.startup.max():.1f} s. {numbers['steps_per_second']:,.0f} steps per "
            f"second; {numbers['steps_per_cpu_second']:,.0f} per CPU second, on {numbers['cpus']:.1f} CPUs. "
            f"Staleness, mean of the last updates: {staleness(laps).mean():.1f}."
        )

    def stop(self):
        """End the run and its workers. Its curve stays."""
        super().stop()

    def race(self, *counts):
        """One run after the other, as if each number had been chosen and Start pressed -> self."""
        for count in counts:
            self.count.value = count
            self.start()
            self.wait()
        return self


def workers(seconds=6, **changes):
    """A3C with real worker processes under a slider for their number -> Workers, idle until Start or `race(2, 4)`.

    Each run trains for `seconds`; `changes` are fields of the preset "a3c-cartpole".
    """
    return Workers(seconds, **changes)
