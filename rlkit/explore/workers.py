"""The number of workers, live: what they gain over time and over steps, what they do, how stale gradients are."""

import time
from math import inf

import numpy as np

from rlkit.experiments.asynchrony import first_ready, rates
from rlkit.explore.controls import accepted, choice, slider
from rlkit.language import count, say
from rlkit.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, Moving, picture, smooth
from rlkit.plotting.curve import thinning
from rlkit.plotting.live import BackgroundPanel
from rlkit.presets import preset
from rlkit.running.laps import Lap
from rlkit.tasks import DelayedCartPole
from rlkit.training import check_positive

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

    def __init__(self, seconds):
        self.figure, axes = picture(2, 2, width=11, height=6.2)
        (self.by_clock, self.by_steps), (self.lanes, self.stale) = axes
        self.by_clock.set(xlabel="seconds since the first worker was ready", ylabel="return, mean of 20")
        self.by_clock.set(xlim=(0, 1.1 * seconds), ylim=(0, 520))  # a run reports a little late
        self.by_steps.set(xlabel="steps of all workers, thousands", xlim=(0, 10), ylim=(0, 520))
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
        """Move the lines of a run to what there is of it. The axes reach at least to `seconds` and to `steps`."""
        by_clock, by_steps, stale = run["lines"]
        number = min(len(run[key]) for key in ("seconds", "steps", "returns"))
        curve, shown = smooth(run["returns"][:number]), slice(0, number, thinning(number))
        by_clock.set_data(run["seconds"][shown], curve[shown])
        by_steps.set_data(np.array(run["steps"][shown]) / 1e3, curve[shown])
        for ax, end in ((self.by_clock, seconds), (self.by_steps, steps / 1e3)):
            if end > ax.get_xlim()[1]:  # in jumps, because redrawing axes is slow
                ax.set_xlim(0, 1.5 * end)
        if laps:
            values, counts = np.unique(staleness(laps), return_counts=True)
            stale.set_data(values, counts / len(laps))
            now = min({rank: lap.end for rank, lap in laps}.values())  # every worker has reported at least until then
            for phase, bars in lanes(laps, now, WINDOW).items():
                self.bars[phase].set_segments([((a, rank), (b, rank)) for rank, a, b in bars])


class Workers(BackgroundPanel):
    """Choose a number of workers and press Start. Each run stays in the picture, beside the next one.

    `runs` holds a dict for each run: its name, agent and lines, and `seconds`, `steps` and `returns`, which the thread
    appends to, one entry an episode.
    """

    endless = True

    def __init__(self, seconds, task, num_workers, changes):
        self.seconds, self.changes, self.runs = seconds, changes, []
        self.limit = inf  # seconds that the next run may take
        self.task = choice("task", "CartPole", list(TASKS))
        self.task.value = accepted("task", self.task, task)
        self.count = slider("W, workers", 2, 1, 16, 1)
        self.count.value = accepted("num_workers", self.count, num_workers)
        self.picture = WorkersPicture(seconds)
        self.figure = self.picture.figure
        super().__init__(self.picture.moving.png(), [self.task, self.count], "")

    def prepare(self):
        """A new agent and new lines, for the number of workers that is chosen now."""
        if self.afresh:
            self.afresh = False
            self.clear()
        workers, number = self.count.value, len(self.runs)
        settings = dict(num_workers=workers, seed=number, **TASKS[self.task.value]) | self.changes
        name = f"W = {workers}" + (", waiting" if "waiting" in self.task.value else "")
        agent, lines = preset("a3c-cartpole", **settings), self.picture.add(name, number, workers)
        run = {"name": name, "agent": agent, "lines": lines, "limit": self.limit}
        self.runs.append(run | {"seconds": [], "steps": [], "returns": []})

    def clear(self):
        """Take all runs out of the picture."""
        for run in self.runs:
            for line in run["lines"]:
                line.remove()
        self.runs = []

    def work(self):
        """Learn until Stop, or until the run's limit has passed since its first worker was ready."""
        run = self.runs[-1]
        agent, began, ready = run["agent"], time.monotonic(), None
        for progress in agent.learn(10**9):
            self.begun = agent.startup.all()
            if agent.startup.any():
                ready = ready or began + first_ready(agent)
                for episode in progress.finished:
                    run["seconds"].append(time.monotonic() - ready)
                    run["steps"].append(episode.step)
                    run["returns"].append(episode.total_reward)
                if time.monotonic() - ready > run["limit"]:
                    return "finished"
            if self.stopping.is_set():
                return "stopped"

    def draw(self):
        """Show the newest run so far."""
        if self.runs:
            run = self.runs[-1]
            seconds, steps = (max((each[key][-1] for each in self.runs if each[key]), default=0)
                              for key in ("seconds", "steps"))  # fmt: skip
            self.picture.draw(run, recent(run["agent"]), seconds, steps)
        self.put(self.image, self.picture.moving)

    def words(self):
        """The numbers of the newest run -> str."""
        if not self.runs:
            return ""
        run = self.runs[-1]
        agent, laps = run["agent"], recent(run["agent"])
        if len({rank for rank, _ in laps}) < agent.num_workers:
            return ""
        numbers = rates(agent, laps)
        text = say(
            "{name}: {per_second:,.0f} steps per second; {per_cpu_second:,.0f} per CPU second, on {cpus:.1f} CPUs. "
            "Staleness, mean of the last updates: {staleness:.1f}.",
            name=run["name"], per_second=numbers["steps_per_second"], per_cpu_second=numbers["steps_per_cpu_second"],
            cpus=numbers["cpus"], staleness=staleness(laps).mean(),
        )  # fmt: skip
        if agent.num_workers == 1:
            return text
        late = agent.startup.max() - first_ready(agent)
        return text + " " + say("The last worker was ready {late:.1f} s after the first.", late=late)

    def sentence(self, phase):
        """What the newest run is doing, and what the reader can do -> str, HTML."""
        button = self.next_start()
        if phase == "ready":
            return say("Choose a number of workers and press “{button}”.", button=button)
        if phase == "failed":
            return super().sentence(phase)
        run = self.runs[-1]
        workers, ready = run["agent"].num_workers, int((run["agent"].startup > 0).sum())
        if phase == "starting":
            return count(workers, "{n} worker starts, which takes seconds: {ready} of {n} ready.",
                         "{n} workers start, which takes seconds: {ready} of {n} ready.", ready=ready)  # fmt: skip
        if phase == "learning" and run["limit"] < inf:
            return count(workers, "{n} worker, for {limit} s or until you press “Stop”.",
                         "{n} workers, for {limit} s or until you press “Stop”.", limit=run["limit"])  # fmt: skip
        if phase == "learning":
            return count(workers, "{n} worker, until you press “Stop”.", "{n} workers, until you press “Stop”.")
        if phase == "stopping":
            return say("It waits for the workers to end.")
        text = say("“{button}” begins the next run, which goes on until you press “Stop”.", button=button)
        if ready < workers:
            text = say("{ready} of {n} workers were ready. {text}", ready=ready, n=workers, text=text)
        return f"{self.why} {text}".strip()

    def next_start(self):
        return say("Start")

    def stop(self):
        """End the run and its workers. Its curve stays."""
        super().stop()

    def race(self, *counts, question=None):
        """Show the panel, and one run after the other: each trains for `seconds` after its first worker was ready.

        `question` is one that covers the panel: `explore.ask(name, then=panel)`.
        """
        if self.running():
            self.stop()
        with self.on_the_page(question):
            for workers in counts:
                handled, self.limit = self.handled, self.seconds
                self.count.value, self.handled = workers, handled  # it was not the reader who moved it
                try:
                    self.start()
                finally:
                    self.limit = inf
                self.wait()
                if self.ending == "stopped":
                    break


def recent(agent):
    """The last laps of an agent's workers -> list of (rank, lap): a copy, because the thread keeps adding to them."""
    return list(agent.laps.copy())


def workers(seconds=6, task="CartPole", num_workers=2, **changes):
    """A3C with real worker processes under a slider for their number -> Workers, idle until Start or `race(2, 4)`.

    A run of `race` trains for `seconds`, one that Start began until it is stopped. `task` and `num_workers` are where
    the controls start; `changes` are fields of the preset "a3c-cartpole".
    """
    check_positive(seconds=seconds)
    return Workers(seconds, task, num_workers, changes)
