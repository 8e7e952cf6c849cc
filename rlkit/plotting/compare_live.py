"""Two settings over several seeds, trained side by side while the reader watches: curves, scores, and the difference.

The runs are made by worker processes (`rlkit.experiments.side_by_side`), so the page stays alive meanwhile.
"""

import html
import math
from contextlib import closing
from functools import cache

import numpy as np
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.mathtext import MathTextParser

from rlkit.experiments.compared import recall
from rlkit.experiments.curves import EPISODES
from rlkit.experiments.side_by_side import SideBySide
from rlkit.experiments.statistics import difference_interval, interquartile_mean
from rlkit.language import count, number, say
from rlkit.plotting.alt_text import plain
from rlkit.plotting.figures import BLACK, BLUE, GREY, RED, Moving, picture
from rlkit.plotting.live import BackgroundPanel

FEWEST = 5  # seeds: with fewer, an interval for 95 % is much too narrow
LONGEST = 34  # letters of a name over its curves


class ComparePicture:
    """A panel for each setting: seeds thin, their interquartile mean thick, the other setting's in grey, and the scores
    after training as dots at the right edge. A third panel for the differences, with their intervals.

    The figure is made once; `draw` only moves its artists. The axes grow in jumps, because redrawing them is slow.
    """

    def __init__(self, comparison):
        self.comparison = comparison
        first, second = map(in_figure, comparison.names)
        self.figure, axes = picture(3, width=12, height=4.2, width_ratios=(3, 3, 1.8))
        *self.axes, self.differences = axes
        self.settings = [SettingArtists(ax, comparison, *place) for ax, place in zip(axes, ((0, BLUE), (1, RED)))]
        axes[0].set_ylabel("return, mean of 20 episodes")
        self.differences.set(title="difference", ylabel=minus(first, second), xlim=(-0.5, 1.5))
        self.differences.set_xticks([0, 1], ["whole run", "after training"])
        self.differences.axhline(0, color=GREY, linewidth=1)
        self.intervals = [self.differences.plot([], [], color=BLACK, linewidth=3)[0] for _ in range(2)]
        (self.middles,) = self.differences.plot([], [], "o", color=BLACK, markersize=9)
        self.figure.legend(handles=[
            Line2D([], [], color=BLACK, linewidth=0.8, label="one seed"),
            Line2D([], [], color=BLACK, linewidth=3.5, label="interquartile mean"),
            Line2D([], [], color=GREY, linestyle="--", label="that of the other setting"),
            Line2D([], [], color=BLACK, marker="o", linestyle="", markersize=5, label="greedy score after training"),
        ], loc="outside upper center", ncols=4)  # fmt: skip
        curves = count(len(comparison.seeds), "Here: a thin line\nfor {n} seed", "Here: a thin line for each\n"
                       "of {n} seeds, and a thick one\nfor their interquartile mean")  # fmt: skip
        verdict = (
            say("Here: who is\nahead, and how\ncertain that is")
            if len(comparison.seeds) >= FEWEST
            else say("With {n} seeds or\nmore: who is ahead,\nand how certain\nthat is", n=FEWEST)
        )
        self.promises = [
            ax.text(x, 0.75, text, transform=ax.transAxes, ha="center", va="center", color="#555555", fontsize=14)
            for ax, x, text in zip(axes, (0.44, 0.44, 0.5), (curves, curves, verdict))
        ]
        self.range, self.widest = (math.inf, -math.inf), 0.0  # of the returns; of the differences, up or down
        for ax in axes:
            ax.set_ylim(-800, 800)  # numbers of this width have room from the beginning
        self.moving = Moving(self.figure)

    def draw(self):
        """Move the artists to what there is of the runs."""
        reports = [report for name in self.comparison.names for report in self.comparison.reports(name)]
        found = differences(self.comparison)
        for text, ax, known in zip(self.promises, self.figure.axes, map(bool, (reports, reports, found))):
            text.set_visible(not known)
            ax.tick_params(labelleft=known)
        for setting in self.settings:
            setting.draw()
        self.draw_differences(found)
        self.reach(reports)

    def draw_differences(self, found):
        """Show the second setting minus the first, with intervals: over the whole run, and after training."""
        self.middles.set_data(range(len(found)), [middle for middle, *_ in found])
        for place, line in enumerate(self.intervals):
            line.set_data(([place, place], found[place][1:]) if found else ([], []))
        ends = np.abs(found).max(initial=0.0)
        if ends > self.widest or (found and self.comparison.whole()):
            self.widest = 1.15 * ends or 1.0
            self.differences.set_ylim(-self.widest, self.widest)

    def reach(self, reports):
        """Let the axes grow until they hold all returns and scores. When all runs are finished, they fit closely."""
        values = np.array([value for each in reports for value in (*each.returns, each.score)], float)
        values, whole = values[np.isfinite(values)], self.comparison.whole()
        if not len(values):
            return
        low, high = values.min(), values.max()
        if low < self.range[0] or high > self.range[1] or whole:
            size = high - low or 1.0
            self.range = low - 0.05 * size, high + (0.05 if whole else 0.6) * size
            for ax in self.axes:
                ax.set_ylim(*self.range)


class SettingArtists:
    """The lines and dots of one of the two settings, in its axes."""

    def __init__(self, ax, comparison, place, colour):
        self.comparison, self.end = comparison, thousands(comparison.total_steps)
        self.name, self.rival = comparison.names[place], comparison.names[1 - place]
        ax.set_title(in_figure(self.name), color=colour)
        ax.set(xlabel="agent steps, thousands", xlim=(0, 1.13 * self.end))
        ax.axvline(self.end, color=GREY, linewidth=0.8)
        (self.other,) = ax.plot([], [], color=GREY, linestyle="--")
        self.seeds = [ax.plot([], [], color=colour, linewidth=0.8, alpha=0.6)[0] for _ in comparison.seeds]
        (self.mean,) = ax.plot([], [], color=colour, linewidth=3.5)
        (self.scores,) = ax.plot([], [], "o", color=colour, markersize=5, alpha=0.6)
        (self.score,) = ax.plot([], [], color=colour, linewidth=3.5)

    def draw(self):
        """Move them to what there is of the runs. Means are over the seeds that both settings have finished."""
        for seed, line in zip(self.comparison.seeds, self.seeds):
            report = self.comparison.runs[self.name].get(seed)
            line.set_data((thousands(report.steps), report.returns) if report else ([], []))
        tested = [each for each in self.comparison.reports(self.name) if each.score is not None]
        across = [self.end * (1.03 + 0.08 * each.seed / len(self.seeds)) for each in tested]
        self.scores.set_data(across, [each.score for each in tested])
        some = len(self.comparison.both()) > 0
        for line, name in ((self.mean, self.name), (self.other, self.rival)):
            mean = interquartile_mean(self.comparison.curves(name)) if some else np.zeros(0)
            line.set_data(np.linspace(0, self.end, len(mean)), mean)
        mean = interquartile_mean(self.comparison.scores(self.name)) if some else math.nan
        self.score.set_data([1.01 * self.end, 1.13 * self.end], [mean, mean])


def in_figure(name):
    """A name as the figure can show it: not too long, with a box for each letter that its font does not have."""
    name = "".join(letter if ord(letter) in letters_of_the_font() else "□" for letter in name)
    if formula(name):
        return name
    return (name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip()}…").replace("$", r"\$")


def in_words(name):
    """A name as the line of text can show it -> str, HTML."""
    return html.escape(plain(name) if formula(name) else name)


def formula(name):
    """Does it hold a formula that matplotlib can draw?"""
    if name.count("$") < 2 or len(name) > 3 * LONGEST:
        return False
    try:
        MathTextParser("path").parse(name)
    except ValueError:
        return False
    return True


@cache
def letters_of_the_font():
    """The letters that matplotlib's own font has -> set of their numbers."""
    return set(get_font(findfont("DejaVu Sans")).get_charmap())


def minus(first, second):
    """What the differences are, by their settings' names as the figure shows them, if there is room for them."""
    fits = len(first) + len(second) <= LONGEST
    return f"{second} minus {first}" if fits else say("the right one minus the left one")


def thousands(steps):
    """Steps as the axes count them."""
    return steps / 1_000


def differences(comparison):
    """The second setting minus the first, by returns over the whole run and by scores -> [(difference, low, high)] * 2.

    These are differences of interquartile means over the seeds that both have finished, and their intervals for 95 %.
    Empty before there are FEWEST such seeds.
    """
    if len(comparison.both()) < FEWEST:
        return []
    first, second = comparison.names
    measured = [
        (comparison.curves(second).mean(1), comparison.curves(first).mean(1)),
        (comparison.scores(second), comparison.scores(first)),
    ]
    return [
        (interquartile_mean(above) - interquartile_mean(below), *difference_interval(above, below))
        for above, below in measured
    ]


def verdict(names, difference, low, high):
    """Which of two settings is ahead, or that they cannot be told apart -> str, HTML.

    `difference` is the second minus the first, and `low` and `high` are the ends of its interval.
    """
    first, second = map(in_words, names)
    if high < 0:
        first, second, difference, low, high = second, first, -difference, -high, -low
    decimals = 0 if high == low else max(0, 1 - math.floor(math.log10(high - low)))  # two digits of its width
    places = [number(float(value), f",.{decimals}f") for value in (difference, low, high)]
    places = dict(zip(("difference", "low", "high"), places))
    if low > 0:
        return say("{name} is ahead by {difference} (95 % interval {low} to {high}).", name=second, **places)
    return say("{first} and {second} cannot be told apart here ({second} minus {first}: {difference}, 95 % interval "
               "{low} to {high}).", first=first, second=second, **places)  # fmt: skip


class CompareLive(BackgroundPanel):
    """Two settings under their curves, idle until “Run it” or `watch`. Stored runs are shown first, if there are any.

    `comparison` is the SideBySide with all runs.
    """

    def __init__(self, settings, seeds, total_steps):
        self.comparison = SideBySide(settings, seeds, total_steps)
        self.date = recall(self.comparison)  # of the stored runs that are shown; empty if none are
        self.picture = ComparePicture(self.comparison)
        self.figure = self.picture.figure
        super().__init__(b"", ())
        self.refresh()

    def prepare(self):
        if self.afresh or self.date:
            self.comparison.clear()
        self.afresh, self.date = False, ""

    def work(self):
        """Make the runs that are missing, until Stop."""
        self.may_break_off = bool(self.comparison.here)  # workers end by themselves
        try:
            with closing(self.comparison.train()) as reports:
                for report in reports:
                    self.begun = self.begun or (report is not None and len(report.steps) > 0)
                    if self.stopping.is_set():
                        return "stopped"
        except KeyboardInterrupt:
            return "stopped"

    def watch(self, seconds, question=None):
        """Make the runs, show the panel and watch it for some seconds. Then the cell ends; the runs go on."""
        self.start()
        super().watch(seconds, question)

    def draw(self):
        """Show what there is of the runs."""
        self.picture.draw()
        self.put(self.image, self.picture.moving)

    # In words ---------------------------------------------------------------------------------------------------------

    def words(self):
        """Who is ahead, by both measures, and what they are -> str, HTML."""
        found, seeds, ready = differences(self.comparison), len(self.comparison.seeds), len(self.comparison.both())
        steps = self.comparison.total_steps
        text = self.different_games()
        if seeds < FEWEST:
            return text + say("Each run takes {steps:,} steps. With fewer than {n} seeds nothing is said about which "
                              "of the two is ahead; seeds={n} or more would do.", steps=steps, n=FEWEST)  # fmt: skip
        if not found:
            return text + say("Each run takes {steps:,} steps. From {n} seeds on that both settings have finished, it "
                              "says here which of the two is ahead, and how certain that is.",
                              steps=steps, n=FEWEST)  # fmt: skip
        whole_run, after = (verdict(self.comparison.names, *each) for each in found)
        text += f'<span class="rlkit-verdict">{whole_run}</span> '
        text += say("This compares the mean return of the training episodes over the whole run of {steps:,} steps: "
                    "interquartile means of {n} seeds each.", steps=steps, n=ready)  # fmt: skip
        text += " " + say("By the score after training, the mean return of {episodes} whole episodes of the greedy "
                          "policy with frozen weights: {verdict}", episodes=EPISODES, verdict=after)  # fmt: skip
        if ready < seeds:
            text += " " + say("These are {ready} of {n} seeds; the interval that counts is the last one.",
                              ready=ready, n=seeds)  # fmt: skip
        return text

    def different_games(self):
        """What to think of, if the two settings do not play the same game -> a sentence and a space, HTML; or ""."""
        if len({*self.comparison.games}) == 1:
            return ""
        first, second = map(html.escape, self.comparison.games)
        return say("The two play different games, {first} and {second}: compare their returns with care.",
                   first=first, second=second) + " "  # fmt: skip

    def sentence(self, phase):
        comparison, button = self.comparison, self.next_start()
        runs, done = 2 * len(comparison.seeds), sum(map(len, map(comparison.finished, comparison.names)))
        if phase == "ready":
            text = say("These runs are stored, made on {date}.", date=self.date) if self.date else ""
            return f"{text} {say('“{button}” trains {n} agents.', button=button, n=runs)} {self.where()}".strip()
        if phase == "starting":
            return self.where()
        if phase == "learning":
            return say("{done} of {n} runs are finished.", done=done, n=runs)
        if phase == "stopping" and not self.again:
            return say("The runs end.")
        if phase == "stopped":
            return say("{why} {done} of {n} runs are finished. “{button}” makes the others.",
                       why=self.why, done=done, n=runs, button=button)  # fmt: skip
        return say("All {n} runs are finished.", n=runs) if phase == "finished" else super().sentence(phase)

    def where(self):
        """Where the runs are made -> a sentence, HTML."""
        if self.comparison.here:
            return say("They are trained one after the other, in the process of this notebook. {why}",
                       why=html.escape(self.comparison.here))  # fmt: skip
        return count(self.comparison.processes, "They are trained by {n} worker process, which starts in seconds.",
                     "They are trained by {n} worker processes, which start in seconds.")  # fmt: skip

    def next_start(self):
        return say("Run it") if not self.ending or self.ending == "finished" else super().next_start()

    def announce(self):
        super().announce()
        self.go_button.disabled |= self.phase() == "finished"


def compare_live(settings, seeds=10, total_steps=40_000):
    """Two settings trained over several seeds side by side, live -> CompareLive, idle until “Run it” or `watch`.

        compare_live({"C = 16": preset("dqn-cartpole-plain", target_period=16), "C = 4": preset("dqn-cartpole-plain")})

    `settings` maps two names to an agent, or to a function from a seed to an agent. Of an agent only the fields count:
    each seed gets a new one, as `dataclasses.replace(agent, seed=seed)` makes it. The seeds are 0, 1, ..., `seeds` - 1,
    the same for both. Runs are made on as many worker processes as cores and memory allow. If an agent cannot be sent
    to a worker, because its class was defined in the notebook or because it has workers of its own, all runs are made
    in this process, one after the other. Raises ValueError for what cannot be compared.
    """
    return CompareLive(settings, seeds, total_steps)
