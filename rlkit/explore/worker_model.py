"""More workers than this machine has cores: the model in virtual time, beside what was measured and the paper's."""

import numpy as np
from matplotlib.collections import LineCollection

from rlkit.experiments.asynchrony import VIRTUAL_WORKERS
from rlkit.experiments.stored import stored
from rlkit.explore.panel import Explorer, steps
from rlkit.plotting import BLACK, BLUE, GREEN, GREY, ORANGE, RED, picture

PAPER = {1: 1.0, 2: 2.1, 4: 3.7, 8: 6.9, 16: 12.5}  # A3C 2016, table 2, the row of A3C


def speed_ups(runs):
    """Time to solve the task with one worker, the median, over that of each run: W -> one number a seed.

    0 for a run that did not solve it: its time was longer than it was given.
    """
    single = np.median([run["solved"] or np.inf for run in runs["1"]])
    return {int(count): [single / (run["solved"] or np.inf) for run in seeds] for count, seeds in runs.items()}


def worker_model():
    """A3C on CartPole-v1 with 1 to 64 workers: returns by the model's clock and by steps, staleness, speed-up."""
    model, _ = stored("virtual_workers")
    real, how = stored("real_workers")
    runs = model["runs"]
    figure, axes = picture(2, 2, width=11, height=6.6)
    (clock, frames), (stale, gain) = axes
    series = {"seconds": (clock, 1.0), "steps": (frames, 1e-3)}
    thin = {
        key: [ax.plot([0.1], [0], color=BLUE, linewidth=1.3)[0] for _ in runs["1"]] for key, (ax, _) in series.items()
    }
    for key, (ax, unit) in series.items():
        curves = [
            np.column_stack([np.array(run[key]) * unit, run["returns"]]) for seeds in runs.values() for run in seeds
        ]
        ax.add_collection(LineCollection(curves, colors=GREY, linewidths=0.5, alpha=0.35, zorder=1), autolim=False)
    clock.set(
        xlabel="virtual seconds (a model)", ylabel="return, mean of 20", xscale="log", ylim=(0, 520), xlim=(0.01, 12)
    )
    frames.set(xlabel="steps of all workers, thousands", ylim=(0, 520), xlim=(0, 200))
    (shares,) = stale.plot(np.arange(201), np.zeros(201), drawstyle="steps-mid", color=ORANGE)
    stale.set(xlabel="staleness: updates by others in between", ylabel="share of updates", xlim=(-0.5, 80), ylim=(0, 1))
    ups = speed_ups(runs)
    for count, values in ups.items():
        solved = [value for value in values if value]
        gain.plot([count] * len(solved), solved, "o", color=BLUE, markersize=4, alpha=0.6)
    medians = {count: np.median(values) for count, values in ups.items() if np.median(values)}
    gain.plot(list(medians), list(medians.values()), color=BLUE, label="model: time to 475")
    gain.plot(list(PAPER), list(PAPER.values()), "s--", color=GREEN, label="paper, seven Atari games")
    measured = {
        int(count): np.median([run["steps_per_second"] for run in seeds]) for count, seeds in real["CartPole"].items()
    }
    gain.plot(list(measured), [rate / measured[1] for rate in measured.values()], "D", color=RED,
              label=f"measured: steps/s, {real['cores']} cores")  # fmt: skip
    gain.plot([1, 64], [1, 64], color=BLACK, linewidth=0.8)
    chosen = gain.axvline(1, color=GREY, linewidth=6, alpha=0.3)
    gain.set(
        xlabel="W, workers", ylabel="speed-up over W = 1", xscale="log", yscale="log", xlim=(0.9, 75), ylim=(0.7, 75)
    )
    gain.set_xticks(VIRTUAL_WORKERS, [str(count) for count in VIRTUAL_WORKERS])
    gain.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    gain.minorticks_off()
    gain.legend(loc="upper left", fontsize=11)

    def draw(num_workers):
        seeds = runs[str(num_workers)]
        for key, (_, unit) in series.items():
            for line, run in zip(thin[key], seeds):
                line.set_data(np.array(run[key]) * unit, run["returns"])
        staleness = np.zeros(201)
        for run in seeds:
            staleness[: len(run["staleness"])] += run["staleness"]
        shares.set_ydata(staleness / staleness.sum())
        chosen.set_xdata([num_workers, num_workers])
        mean = (staleness * np.arange(201)).sum() / staleness.sum()
        solved = [run["solved"] for run in seeds if run["solved"]]
        text = f"W = {num_workers}, a model: mean staleness {mean:.1f}; "
        text += f"{len(solved)} of {len(seeds)} seeds solved CartPole"
        if len(solved) > len(seeds) / 2:
            seconds, steps_needed = (
                np.median([run[key] if run["solved"] else np.inf for run in seeds]) for key in ("solved", "total_steps")
            )
            text += f", median {seconds:.2f} virtual seconds and {steps_needed:,.0f} steps"
        if str(num_workers) in real["CartPole"]:
            measured_runs = real["CartPole"][str(num_workers)]
            rate, per_cpu, cpus = (
                np.median([run[key] for run in measured_runs])
                for key in ("steps_per_second", "steps_per_cpu_second", "cpus")
            )
            text += (
                f". Measured with real processes on {real['cores']} cores: {rate:,.0f} steps per second, "
                f"{per_cpu:,.0f} per CPU second, {cpus:.1f} CPUs in use"
            )
        return text + "."

    return Explorer(figure, draw, num_workers=steps("W, workers", 8, list(VIRTUAL_WORKERS)))
