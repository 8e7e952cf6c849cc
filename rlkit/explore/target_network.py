"""How often to refresh the target network: stored runs, and one that the reader can start."""

import ipywidgets as widgets
import numpy as np

from rlkit.experiments.curves import SEEDS
from rlkit.experiments.stored import stored
from rlkit.experiments.target_network import PERIODS, target_run
from rlkit.explore.controls import steps, switch
from rlkit.explore.panel import Explorer
from rlkit.language import count, number, say
from rlkit.plotting import BLUE, GREY, RED, picture

CEILING = 100  # the value of a reward of 1 a step for ever, at γ = 0.99; no value in CartPole is higher


class TargetNetworkExplorer(Explorer):
    """The stored runs under the sliders, and a button that trains one more agent with the same settings."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.run_button = widgets.Button(
            description=say("Run it now"), tooltip=say("Train one more agent with these settings: about ten seconds")
        )
        self.run_button.on_click(lambda _: self.run_now())
        self.control_box.children = [*self.control_box.children, self.run_button]
        self.fresh = None

    def run_now(self, total_steps=30_000):
        """Train one agent as the stored ones were trained, with another seed, and draw its run over theirs."""
        self.run_button.disabled = True
        self.say(say("Training …"))
        period, aliased = self.controls["period"].value, self.controls["aliased"].value
        try:
            self.fresh = target_run(100, period, aliased, total_steps)
        finally:  # an interrupt too
            self.run_button.disabled = False
        self.refresh()
        self.fresh = None


def thousands(steps):
    """Steps as the axes count them: `[K]` -> `[K]`."""
    return np.array(steps) / 1_000


def target_network(**settings):
    """Returns and Q-values of DQN on CartPole-v1 by the period C of the target network -> TargetNetworkExplorer.

    Its controls are C and a switch for a bug: the target network is the online network. A button trains one more run.
    """
    runs, how = stored("target_network")
    figure, (ax, values) = picture(2, width=10)
    lines = {}
    for axes, key in ((ax, "returns"), (values, "q")):
        seeds = [axes.plot([0, 1], [1, 1], color=BLUE, linewidth=0.8, alpha=0.6)[0] for _ in SEEDS]
        (median,) = axes.plot([0, 1], [1, 1], color=BLUE, label="median of the seeds")
        (fresh,) = axes.plot([0, 1], [1, 1], color=RED, linestyle="--", label="run now")
        lines[key] = (seeds, median, fresh)
    ax.set(xlabel="agent steps, thousands", ylabel="return, mean of 20", ylim=(0, 520), xlim=(0, 30))
    values.set(ylabel="mean Q of a minibatch", yscale="log", ylim=(0.5, 1e4), xlim=(0, 30))
    values.set_xlabel("agent steps, thousands")
    ceiling = values.axhline(CEILING, color=GREY, linestyle=":", label="no true value is higher")
    figure.legend(handles=[*lines["q"][1:], ceiling], loc="outside upper center", ncols=3)
    explorer = None

    def draw(period, aliased):
        chosen = runs["aliased"] if aliased else runs[str(period)]
        fresh_run = explorer.fresh if explorer is not None else None
        for key, (seeds, median, fresh) in lines.items():
            for line, run in zip(seeds, chosen):
                line.set_data(thousands(run["steps"]), run[key])
            median.set_data(thousands(chosen[0]["steps"]), np.median([run[key] for run in chosen], axis=0))
            fresh.set_visible(fresh_run is not None)
            if fresh_run:
                fresh.set_data(thousands(fresh_run["steps"]), fresh_run[key])
        said = count(period, "C = {n} update.", "C = {n} updates.")
        if aliased:
            said = say("Target network = online network, whatever C is.")
        ends = ", ".join(number(run["returns"][-1], ".0f") for run in chosen)
        q = np.median([run["q"][-1] for run in chosen])
        return f"{said} " + say(
            "Return at the end, seed by seed: {ends}; median of the mean Q: {q:,.0f}.", ends=ends, q=q
        )

    explorer = TargetNetworkExplorer(
        "target_network",
        settings,
        figure,
        draw,
        ghosts=[median for _, median, _ in lines.values()],
        period=steps("C, updates between copies", 16, list(PERIODS)),
        aliased=switch("alias: the target is w (a bug)"),
    )
    return explorer
