"""More workers than this machine has cores: a model in virtual time, beside our measurements and the paper's."""

import numpy as np
from matplotlib.collections import LineCollection

from rlkit.experiments.asynchrony import VIRTUAL_WORKERS
from rlkit.experiments.stored import stored
from rlkit.explore.controls import nearest_by_ratio, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREEN, GREY, ORANGE, RED, picture

PAPER = {1: 1.0, 2: 2.1, 4: 3.7, 8: 6.9, 16: 12.5}  # A3C 2016, table 2, the row of A3C


# Model ----------------------------------------------------------------------------------------------------------------


def speed_ups(runs):
    """The median time to solve the task with one worker, over that of each run -> {W: one number for each seed}.

    It is 0 for a run that did not solve the task, because such a run took longer than it was given.
    """
    single = np.median([run["solved"] or np.inf for run in runs["1"]])
    return {int(count): [single / (run["solved"] or np.inf) for run in seeds] for count, seeds in runs.items()}


def staleness_shares(seeds):
    """The share of updates with staleness 0, 1, ... 200, over all seeds of a number of workers: `[201]`."""
    counts = np.zeros(201)
    for run in seeds:
        counts[: len(run["staleness"])] += run["staleness"]
    return counts / counts.sum()


# Picture --------------------------------------------------------------------------------------------------------------


class ModelPicture:
    """Returns over the model's clock and over steps; the staleness; the speed-up: modelled, measured, and the paper's.

    `runs` and `real` are the stored runs of the model and of real processes.
    """

    def __init__(self, runs, real):
        self.figure, ((clock, frames), (stale, self.gain)) = picture(2, 2, width=11, height=6.8)
        self.curves = [  # what they are drawn over, its unit, a line for each seed
            (key, unit, self.add_curves(ax, runs, key, unit))
            for key, ax, unit in (("seconds", clock, 1.0), ("steps", frames, 1e-3))
        ]
        clock.set(xlabel="virtual seconds (a model)", ylabel="return, mean of 20", ylim=(0, 520))
        clock.set(xscale="log", xlim=(0.01, 12))
        frames.set(xlabel="steps of all workers, thousands", ylim=(0, 520), xlim=(0, 200))
        (self.shares,) = stale.plot(np.arange(201), np.zeros(201), drawstyle="steps-mid", color=ORANGE)
        stale.set(xlabel="staleness: updates by others in between", ylabel="share of updates")
        stale.set(xlim=(-0.5, 80), ylim=(0, 1))
        self.add_speed_ups(self.gain, runs, real)
        chosen = self.curves[0][2][0]
        chosen.set_label("chosen W")
        handles = [chosen, *self.gain.get_legend_handles_labels()[0]]
        self.figure.legend(handles=handles, loc="outside upper center", ncols=5)  # drawn once, away from all curves

    def add_curves(self, ax, runs, key, unit):
        """All runs in grey, drawn once, and a line for each seed of the chosen number of workers -> those lines."""
        lines = [ax.plot([0.1], [0], color=BLUE, linewidth=1.3)[0] for _ in runs["1"]]
        every = [
            np.column_stack([np.array(run[key]) * unit, run["returns"]]) for seeds in runs.values() for run in seeds
        ]
        ax.add_collection(LineCollection(every, colors=GREY, linewidths=0.5, alpha=0.35, zorder=1), autolim=False)
        return lines

    def add_speed_ups(self, ax, runs, real):
        """The speed-up over one worker, by the number of workers; a bar marks the chosen number."""
        ups = speed_ups(runs)
        for count, values in ups.items():
            solved = [value for value in values if value]
            ax.plot([count] * len(solved), solved, "o", color=BLUE, markersize=4, alpha=0.6)
        medians = {count: np.median(values) for count, values in ups.items() if np.median(values)}
        ax.plot(list(medians), list(medians.values()), "o-", color=BLUE, label="model: time to 475")
        ax.plot(list(PAPER), list(PAPER.values()), "s--", color=GREEN, label="paper: Atari")
        rates = {
            int(count): np.median([run["steps_per_second"] for run in seeds])
            for count, seeds in real["CartPole"].items()
        }
        label = f"measured: steps/s, {real['cores']} cores"
        ax.plot(list(rates), [rate / rates[1] for rate in rates.values()], "D", color=RED, label=label)
        ax.plot([1, 64], [1, 64], color=BLACK, linewidth=0.8, label="in proportion")
        self.chosen = ax.axvline(1, color=GREY, linewidth=6, alpha=0.3)
        ax.set(xlabel="W, workers", xscale="log", xlim=(0.9, 75))
        ax.set(ylabel="speed-up over W = 1", yscale="log", ylim=(0.7, 75))
        ax.set_xticks(VIRTUAL_WORKERS, [str(count) for count in VIRTUAL_WORKERS])
        ax.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
        ax.minorticks_off()

    def draw(self, num_workers, seeds, shares):
        """Move everything to a number of workers: its runs, one for each seed, and its shares of staleness `[201]`."""
        for key, unit, lines in self.curves:
            for line, run in zip(lines, seeds):
                line.set_data(np.array(run[key]) * unit, run["returns"])
        self.shares.set_ydata(shares)
        self.chosen.set_xdata([num_workers, num_workers])


# Explorer -------------------------------------------------------------------------------------------------------------


def worker_model(**settings):
    """A3C on CartPole-v1 with 1 to 64 workers, in a model's virtual time -> Explorer.

    It shows returns by the model's clock and by steps, the staleness, and the speed-up beside what was measured.
    """
    runs, real = stored("virtual_workers")[0]["runs"], stored("real_workers")[0]
    picture = ModelPicture(runs, real)

    def draw(num_workers):
        seeds = runs[str(num_workers)]
        shares = staleness_shares(seeds)
        picture.draw(num_workers, seeds, shares)
        return " ".join(filter(None, (words(num_workers, seeds, shares), words_measured(real, num_workers))))

    return Explorer(
        "worker_model",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.gain, at=lambda x, y: {"num_workers": nearest_by_ratio(VIRTUAL_WORKERS, x)})],
        ghosts=[picture.shares],
        num_workers=steps("W, workers", 8, list(VIRTUAL_WORKERS)),
    )


def words(num_workers, seeds, shares):
    """What the model says of a number of workers: staleness, seeds that solved the task, and how long it took them."""
    solved = [run["solved"] for run in seeds if run["solved"]]
    text = say(
        "W = {num_workers}, a model: mean staleness {staleness:.1f}; {solved} of {seeds} seeds solved CartPole.",
        num_workers=num_workers,
        staleness=shares @ np.arange(201),
        solved=len(solved),
        seeds=len(seeds),
    )
    if len(solved) <= len(seeds) / 2:
        return text
    seconds, total_steps = (
        np.median([run[key] if run["solved"] else np.inf for run in seeds]) for key in ("solved", "total_steps")
    )
    median = say(
        "The median of all {seeds} is {seconds:.2f} virtual seconds and {steps:,.0f} steps.",
        seeds=len(seeds),
        seconds=seconds,
        steps=total_steps,
    )
    return f"{text} {median}"


def words_measured(real, num_workers):
    """What real processes achieved with this number of workers, if it was measured -> str."""
    if str(num_workers) not in real["CartPole"]:
        return ""
    rate, per_cpu, cpus = (
        np.median([run[key] for run in real["CartPole"][str(num_workers)]])
        for key in ("steps_per_second", "steps_per_cpu_second", "cpus")
    )
    return say(
        "Measured with real processes on {cores} cores: {rate:,.0f} steps per second, {per_cpu:,.0f} per CPU second, "
        "{cpus:.1f} CPUs in use.",
        cores=real["cores"],
        rate=rate,
        per_cpu=per_cpu,
        cpus=cpus,
    )
