"""How often to refresh the target network: stored runs, and one that the reader can start."""

import numpy as np

from rlkit.experiments.curves import SEEDS, curve_of
from rlkit.experiments.stored import stored
from rlkit.experiments.target_network import PERIODS, target_agent
from rlkit.explore.controls import steps, switch
from rlkit.explore.panel import Explorer
from rlkit.language import count, number, say
from rlkit.plotting import BLUE, GREY, RED, picture
from rlkit.plotting.cells import close
from rlkit.plotting.live import BackgroundPanel
from rlkit.running.result import Result, watch

CEILING = 100  # the value of a reward of 1 a step for ever, at γ = 0.99; no value in CartPole is higher


class TargetNetworkExplorer(Explorer):
    """The stored runs under the sliders, and a button that trains one more agent with the same settings."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.one_more = OneMore(self)
        self.control_box.children = [*self.control_box.children, self.one_more.buttons, self.one_more.banner]

    def redraw(self):
        """Show the figure as the run goes on, its controls unchanged."""
        self.show(self.draw(**self.values()))


class OneMore(BackgroundPanel):
    """One more agent, trained as the stored ones were but with another seed. Its curve grows over theirs.

    Its buttons and its banner stand among the controls of the explorer.
    """

    def __init__(self, explorer):
        self.explorer, self.settings, self.result = explorer, {}, None
        self.total_steps, self.seed = 30_000, 99
        super().__init__(b"", ())
        self.buttons.children = [self.go_button, self.stop_button]

    def leave(self):
        super().leave()
        close(self.over_button)  # it is not among the buttons that are shown

    def prepare(self):
        self.settings, self.seed, self.result = self.explorer.values(), self.seed + 1, Result()

    def work(self):
        agent = target_agent(self.seed, **self.settings)
        for _ in watch(agent, self.total_steps, self.result):
            self.begun = True
            if self.stopping.is_set():
                return "stopped"

    def curve(self, **values):
        """Its curve so far, if it belongs to the explorer's present settings; otherwise None."""
        if values == self.settings and self.result.returns and "q" in self.result.metrics:
            run = curve_of(self.result, self.total_steps)
            reached = sum(step <= self.result.step for step in run["steps"])
            return {key: values[:reached] for key, values in run.items()}

    def draw(self):
        self.explorer.redraw()

    def next_start(self):
        return say("Run it now")

    def sentence(self, phase):
        if phase in ("starting", "learning"):
            return say("One more run, with seed {seed}, until step {end:,}.", seed=self.seed, end=self.total_steps)
        if phase in ("ready", "stopped", "finished"):
            return say("“{button}” trains one more agent with these settings: about ten seconds.",
                       button=self.next_start())  # fmt: skip
        return super().sentence(phase)


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
        fresh_run = explorer.one_more.curve(period=period, aliased=aliased) if explorer is not None else None
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
