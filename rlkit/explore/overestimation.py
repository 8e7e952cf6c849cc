"""What a Q-network claims and what its policy gets, with two buttons and with ten: stored runs."""

import numpy as np

from rlkit.experiments.overestimation import METHODS, TASKS, Averaged, biases, foretold
from rlkit.experiments.stored import stored
from rlkit.explore.controls import choice, shown
from rlkit.explore.panel import Explorer
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREY, RED, picture

LOOKS = {"DQN": (BLUE, "o", -0.18), "Double DQN": (RED, "s", 0.18)}  # colour, marker, place beside the task's
KINDS = {"claimed": "-", "true": ":"}
HEIGHT = 300  # of the axes of values; batches of 13 need twice as much


class ClaimsPicture:
    """Claimed and true values of one kind of run along training, and how far apart they are in the end in all kinds."""

    def __init__(self, runs):
        self.figure, (self.along, self.apart) = picture(2, width=12, height=4.4, width_ratios=[1.3, 1])
        seeds = len(runs["DQN, 10 actions"])
        self.lines = {}
        for kind, style in KINDS.items():
            look = dict(color=BLACK, linestyle=style)
            thin = [self.along.plot([], [], **look, linewidth=0.8, alpha=0.6)[0] for _ in range(seeds)]
            self.lines[kind] = thin, self.along.plot([], [], **look, linewidth=3, label=f"{kind}, median")[0]
        ceiling = self.along.axhline(100, color=GREY, linestyle="--", linewidth=1, label="no true value is higher")
        self.along.set(xlabel="agent steps, thousands", ylabel="discounted value, mean over states")
        self.along.set_xlim(0, 61)
        clouds = {}
        for place, task in enumerate(TASKS):
            for method, (colour, marker, below) in LOOKS.items():
                found = biases(runs[f"{method}, {task}"])
                dots = dict(color=colour, markersize=7, alpha=0.5, markeredgewidth=0, label=method)
                (clouds[method],) = self.apart.plot(found, np.full(seeds, place + below), marker, **dots)
                self.apart.plot([np.median(found)] * 2, place + below + np.array([-0.15, 0.15]), color=colour)
        (self.here,) = self.apart.plot([], [], color=GREY, linewidth=17, alpha=0.35, zorder=0, solid_capstyle="butt")
        self.apart.axvline(0, color=GREY, linewidth=1)
        names = [shown(task).replace(", ", ",\n") for task in TASKS]
        self.apart.set(yticks=range(len(TASKS)), yticklabels=names, ylim=(len(TASKS) - 0.5, -0.5))
        self.apart.set_xlabel("claimed − true, last four checks")
        self.apart.grid(False, axis="y")
        handles = [*(thick for _, thick in self.lines.values()), ceiling, *clouds.values()]
        self.figure.legend(handles=handles, loc="outside upper left", ncols=5)

    def draw(self, runs, method, task):
        """Move the lines to the runs of a method on a task, one for each seed."""
        steps = [row["step"] / 1_000 for row in runs[0]]
        for kind, (thin, thick) in self.lines.items():
            values = np.array([[row[kind] for row in run] for run in runs])
            for line, of_a_seed in zip(thin, values):
                line.set_data(steps, of_a_seed)
            thick.set_data(steps, np.median(values, 0))
        highest = max(row["claimed"] for run in runs for row in run)
        self.along.set_ylim(0, HEIGHT if highest < HEIGHT else 2 * HEIGHT)
        colour, _, below = LOOKS[method]
        thin, thick = self.lines["claimed"]
        for line in (*thin, thick):
            line.set_color(colour)
        self.here.set_data(self.apart.get_xlim(), [list(TASKS).index(task) + below] * 2)


def overestimation(**settings):
    """Claimed and true values of DQN and Double DQN on CartPole with two buttons and with ten -> Explorer.

    Its controls are the method and the task.
    """
    runs, _ = stored("overestimation")
    picture = ClaimsPicture(runs)

    def draw(method, task):
        chosen = runs[f"{method}, {task}"]
        picture.draw(chosen, method, task)
        return words(method, task, chosen)

    return Explorer(
        "overestimation",
        settings,
        picture.figure,
        draw,
        ghosts=[thick for _, thick in picture.lines.values()],
        method=choice("method", "DQN", list(METHODS)),
        task=choice("task", "10 actions", list(TASKS)),
    )


def words(method, task, runs):
    """The line of text: medians over the seeds."""
    end = {kind: np.median([run[-1][kind] for run in runs]) for kind in KINDS}
    found = biases(runs)
    said = say(
        "<b>{method}, {task}</b>: at the end it claims {claimed:.0f} and gets {true:.0f} (medians of {n} seeds). Over "
        "the last four checks, claimed − true is {bias:+.0f}; seed by seed it goes from {low:+.0f} to {high:+.0f}.",
        method=shown(method), task=shown(task), n=len(runs), bias=np.median(found), low=found.min(), high=found.max(),
        **end,
    )  # fmt: skip
    if runs[0][-1]["sigma"] is None:
        return said
    gap = "double_gap" if METHODS[method] else "max_gap"
    sigma, rho, chosen = (np.median([row[name] for run in runs for row in run[-4:]]) for name in ("sigma", "rho", gap))
    said += "<br>" + say("Among buttons that do the same: σ = {sigma:.2f}, ρ = {rho:.2f}.", sigma=sigma, rho=rho) + " "
    if TASKS[task][0] is Averaged:
        return said + say("A target takes the mean over them, so it chooses no lucky one.")
    return said + say(
        "In each backup the chosen one is too high by {gap:.2f} on average. Over all copies that adds up to a bias of "
        "{bias:.0f}.",
        gap=chosen, bias=np.median([foretold(run, gap)[-1] for run in runs]),
    )  # fmt: skip
