"""How often to refresh the target network: what the copies so far allow Q to be, stored runs, and one more run."""

import numpy as np

from rlkit import functional as F
from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.experiments.stored import stored
from rlkit.experiments.target_network import (
    PERIODS,
    Q_EVERY,
    SCORE_EVERY,
    SEEDS,
    UPDATES,
    copies_before,
    looks,
    target_agent,
)
from rlkit.explore.controls import nearest_by_ratio, steps, switch
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import count, say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, PINK, RED, picture
from rlkit.plotting.cells import close
from rlkit.plotting.live import BackgroundPanel

GAMMA = 0.99
MOST = 100  # the value of a reward of 1 a step for ever, at γ = 0.99; no true value in CartPole is higher
LATE = 5  # checks of the greedy score: from update 720 on
AT_Q = np.arange(Q_EVERY, UPDATES + 1, Q_EVERY)
AT_SCORE = np.arange(SCORE_EVERY, UPDATES + 1, SCORE_EVERY)
JITTER = np.geomspace(0.87, 1.15, len(SEEDS))  # so that the dots of ten seeds stand side by side


# Numbers --------------------------------------------------------------------------------------------------------------


def ceiling(update, period):
    """The largest Q that exact backups can have reached in the minibatch of an update; both numbers or arrays."""
    return F.value_ceiling(copies_before(update, period), GAMMA)


def last_q(runs):
    """The mean Q of the last minibatch of each run `[seeds]`."""
    return np.array([run["q"][-1] for run in runs])


def late_scores(runs):
    """What the greedy policy of each run gets, mean of the last five checks `[seeds]`."""
    return np.array([np.mean(run["scores"][-LATE:]) for run in runs])


# One more run ---------------------------------------------------------------------------------------------------------


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
        self.explorer, self.settings, self.so_far = explorer, {}, None
        self.total_steps, self.seed = 30_000, 99
        super().__init__(b"", ())
        self.buttons.children = [self.go_button, self.stop_button]

    def leave(self):
        super().leave()
        close(self.over_button)  # it is not among the buttons that are shown

    def prepare(self):
        self.settings, self.seed, self.so_far = self.explorer.values(), self.seed + 1, None

    def work(self):
        for run in looks(target_agent(self.seed, **self.settings), self.total_steps):
            self.so_far, self.begun = run, True
            if self.stopping.is_set():
                return "stopped"

    def run(self, **values):
        """The run so far, if it belongs to the explorer's present settings; otherwise None."""
        return self.so_far if values == self.settings else None

    def draw(self):
        self.explorer.redraw()

    def next_start(self):
        return say("Run it now")

    def sentence(self, phase):
        if phase in ("starting", "learning"):
            return say("One more run, with seed {seed}, until step {end:,}.", seed=self.seed, end=self.total_steps)
        if phase in ("ready", "stopped", "finished"):
            return say("“{button}” trains one more agent with these settings: about five seconds.",
                       button=self.next_start())  # fmt: skip
        return super().sentence(phase)


# Picture --------------------------------------------------------------------------------------------------------------


class TargetNetworkPicture:
    """Above: where Q and the score end for each C, with a dot for each run. Below: the runs with the chosen C."""

    def __init__(self, runs):
        self.runs = runs
        self.figure, ((self.ends, self.scores), (q, score)) = picture(2, 2, width=10.5, height=6.6)
        self.dots = [self.add_dots(self.ends, last_q), self.add_dots(self.scores, late_scores)]
        self.lines = {"q": self.add_lines(q, AT_Q), "scores": self.add_lines(score, AT_SCORE)}
        every = np.unique(np.geomspace(1, PERIODS[-1], 100).astype(int))
        self.ends.plot(every, ceiling(UPDATES, every), color=ORANGE, label="what the copies allow")
        (self.stairs,) = q.plot(np.arange(1, UPDATES + 1), np.ones(UPDATES), color=ORANGE)
        self.ends.axhline(MOST, color=GREY, linestyle=":", label="no true value is higher")
        q.axhline(MOST, color=GREY, linestyle=":")
        for ax, label in ((self.ends, "Q at the end"), (q, "Q")):
            ax.set(ylabel=f"mean {label}", yscale="log", ylim=(0.6, 600))
        for ax, label in ((self.scores, "greedy score, last 5 checks"), (score, "greedy score")):
            ax.set(ylabel=label, ylim=(0, 520))
        self.figure.legend(loc="outside upper center", ncols=5)  # the figure's: drawn once, away from all curves

    def add_dots(self, ax, measure):
        """A dot for each run by C -> the dots of the chosen C, those of the alias at this C, and a bar behind them."""
        values = [measure(self.runs[str(period)]) for period in PERIODS]
        first = ax is self.ends
        here = ax.axvline(1, color=GREY, linewidth=14, alpha=0.25)
        ax.plot(np.outer(PERIODS, JITTER).ravel(), np.concatenate(values), ".", color=GREY)
        (chosen,) = ax.plot([1], [1], ".", color=BLUE, label="chosen C, ten seeds" if first else "")
        (aliased,) = ax.plot([1], [1], "^", color=RED, markersize=4)
        middle = [interquartile_mean(seeds) for seeds in values]
        ax.plot(PERIODS, middle, "_", color=BLACK, markersize=14, markeredgewidth=2.5)
        ax.set(xlabel="C, updates between copies", xscale="log", xlim=(0.75, 1_400))
        ax.set_xticks(PERIODS, [f"{period:,}" for period in PERIODS])
        ax.minorticks_off()
        return measure, chosen, aliased, here

    def add_lines(self, ax, updates):
        """Lines over updates -> x, those of the seeds, the middle of the chosen C and of the alias, and of one more."""
        seeds = [ax.plot(updates, updates, linewidth=0.8, alpha=0.6)[0] for _ in SEEDS]
        first = "interquartile mean" if updates is AT_Q else ""
        (middle,) = ax.plot(updates, updates, color=BLACK, linewidth=2.5, label=first)
        (aliased,) = ax.plot(updates, updates, color=RED, linestyle="--", linewidth=2.5)
        (fresh,) = ax.plot(updates, updates, color=PINK, linewidth=2.5)
        ax.set(xlabel=f"updates, {UPDATES} in 30,000 steps", xlim=(0, UPDATES))
        return updates, seeds, middle, aliased, fresh

    def draw(self, period, aliased, fresh_run):
        """Show the runs with this C, those with the alias if it is on, and one more, if there is one."""
        broken, sound = self.runs["aliased"], self.runs[str(period)]
        for measure, chosen, triangles, here in self.dots:
            chosen.set_data(period * JITTER, measure(sound))
            triangles.set_data(period * JITTER, measure(broken))
            triangles.set_visible(aliased)
            here.set_xdata([period, period])
        for key, (updates, seeds, middle, red, fresh) in self.lines.items():
            for line, run in zip(seeds, broken if aliased else sound):
                line.set(ydata=run[key], color=RED if aliased else BLUE)
            middle.set_ydata(interquartile_mean(np.array([run[key] for run in sound])))
            red.set_ydata(interquartile_mean(np.array([run[key] for run in broken])))
            red.set_visible(aliased)
            so_far = fresh_run[key] if fresh_run else []
            fresh.set_data(updates[: len(so_far)], so_far)
        self.stairs.set_ydata(ceiling(self.stairs.get_xdata(), period))


# Explorer -------------------------------------------------------------------------------------------------------------


def target_network(**settings):
    """Q and the greedy score of DQN on CartPole-v1 by the period C of the target network -> TargetNetworkExplorer.

    Its controls are C and a switch for a bug: the target network is the online network. A button trains one more run.
    """
    runs, _ = stored("target_network")
    picture = TargetNetworkPicture(runs)
    explorer = None

    def draw(period, aliased):
        fresh_run = explorer.one_more.run(period=period, aliased=aliased) if explorer is not None else None
        picture.draw(period, aliased, fresh_run)
        return words(period, aliased, runs["aliased" if aliased else str(period)])

    at = lambda x, y: {"period": nearest_by_ratio(PERIODS, x)}
    explorer = TargetNetworkExplorer(
        "target_network",
        settings,
        picture.figure,
        draw,
        ghosts=[middle for _, _, middle, _, _ in picture.lines.values()],
        grips=[Grip(picture.ends, at=at), Grip(picture.scores, at=at)],
        period=steps("C, updates between copies", 64, list(PERIODS)),
        aliased=switch("alias: the target is w (a bug)"),
    )
    return explorer


def words(period, aliased, runs):
    """The line of text: how many copies there were, what they allow, where Q ended, and the score."""
    copies = copies_before(UPDATES, period)
    if aliased:
        said = say("Red: the target network is the online network. It moves with every update, whatever C is.")
    else:
        said = count(
            copies,
            "C = {period:,}: {n:,} copy before the last minibatch, which allows {most:.1f}.",
            "C = {period:,}: {n:,} copies before the last minibatch, which allow {most:.1f}.",
            period=period, most=ceiling(UPDATES, period),
        )  # fmt: skip
    q, scores = last_q(runs), late_scores(runs)
    low, high = bootstrap_interval(scores)
    ended = say(
        "Q ends at {q:.1f} (interquartile mean of ten runs, which end between {lowest:.1f} and {highest:.1f}). Greedy "
        "score of the last five checks: {score:.0f} ({confidence:.0%} interval: {low:.0f} to {high:.0f}).",
        q=interquartile_mean(q), lowest=q.min(), highest=q.max(),
        score=interquartile_mean(scores), low=low, high=high, confidence=0.95,
    )  # fmt: skip
    return f"{said} {ended}"
