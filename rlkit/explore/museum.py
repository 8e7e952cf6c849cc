"""The museum of real bugs: what a bug does to the return, and the number that gives it away."""

import numpy as np

from rlkit.experiments.curves import SEEDS
from rlkit.experiments.museum import BUGS, medians
from rlkit.experiments.stored import stored
from rlkit.explore.controls import choice, shown, switch
from rlkit.explore.panel import Explorer
from rlkit.language import number, say
from rlkit.plotting import BLUE, GREY, RED, picture

KINDS = {"sound": (BLUE, "-", "o"), "broken": (RED, "--", "X")}


# Picture --------------------------------------------------------------------------------------------------------------


def limits(values):
    """The limits of a y axis: from the least to the largest value and a little more, and including 0."""
    low, high = min(0.0, *values), max(0.0, *values)
    return low - 0.08 * (high - low), high + 0.12 * (high - low)


class BugPicture:
    """Returns without a bug and with it, and the number that gives it away, a point for each seed."""

    def __init__(self):
        self.figure, (self.returns, self.telling) = picture(2, width=10, width_ratios=[1.4, 1])
        self.curves, self.points = {}, {}
        for place, (kind, (colour, style, marker)) in enumerate(KINDS.items()):
            line = dict(color=colour, linestyle=style)
            thin = [self.returns.plot([], [], **line, linewidth=0.8, alpha=0.6)[0] for _ in SEEDS]
            (thick,) = self.returns.plot([], [], **line, linewidth=3, label=f"{kind}, median")
            (dots,) = self.telling.plot([], [], marker, color=colour, markersize=8, alpha=0.5, markeredgewidth=0)
            (bar,) = self.telling.plot([], [], color=colour, linewidth=3)
            below = dict(transform=self.telling.get_xaxis_transform(), ha="center", va="top")
            value = self.telling.text(place, -0.12, "0", **below)  # below the axis, where no seed can be
            self.curves[kind], self.points[kind] = (thin, thick), (place, dots, bar, value)
        (self.line,) = self.telling.plot([-0.5, 1.5], [0, 0], color=GREY, linewidth=1)
        self.returns.set(xlabel="agent steps, thousands", ylabel="return, mean of 20 episodes")
        self.telling.set(xlim=(-0.5, 1.5), xticks=[0, 1], xticklabels=list(KINDS))
        self.telling.grid(False, axis="x")
        for ax in (self.returns, self.telling):
            ax.set_title("\n", fontsize=11)  # axes are laid out once, with room for a title of two lines
            ax.locator_params(axis="y", nbins=5)  # few labels, because text is what costs time
        handles = [thick for _, thick in self.curves.values()]
        self.figure.legend(handles=handles, loc="outside upper left", ncols=2)
        self.returns.set_ylim(0, 500)
        self.telling.set_ylim(0, 0.15)  # its numbers are the widest
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")  # laid out here, so that the axes do not depend on the first bug

    def draw_kind(self, kind, runs, visible):
        """The runs of one of KINDS, one for each seed, unless they are not to be `visible`."""
        steps = np.array(runs[0]["steps"]) / 1_000
        returns, numbers = [run["returns"] for run in runs], [run["number"] for run in runs]
        (thin, thick), (place, dots, bar, value) = self.curves[kind], self.points[kind]
        for seed, values in zip(thin, returns):
            seed.set_data(steps, values)
        thick.set_data(steps, np.median(returns, axis=0))
        dots.set_data(place + np.linspace(-0.15, 0.15, len(numbers)), numbers)
        bar.set_data([place - 0.25, place + 0.25], [np.median(numbers)] * 2)
        value.set_text(f"median {number(np.median(numbers), '.3g')}")
        for artist in (*thin, thick, dots, bar, value):
            artist.set_visible(visible)

    def draw(self, name, runs, broken):
        """A bug by its name and its `runs`, {kind: one for each seed}. Those that have it are drawn if `broken`."""
        bug = BUGS[name]
        for kind in KINDS:
            self.draw_kind(kind, runs[kind], broken or kind == "sound")
        height, meaning = bug.mark or (0.0, "")
        self.line.set_ydata([height] * 2)
        both = [run for kind in KINDS for run in runs[kind]]
        self.returns.set(xlim=(0, bug.steps / 1_000), ylim=limits([max(run["returns"]) for run in both]))
        self.telling.set(ylim=limits([height, *(run["number"] for run in both)]))
        self.returns.title.set_text(name)
        self.telling.title.set_text(f"{bug.number}\ngrey line: {meaning}" if meaning else bug.number)


# Explorer -------------------------------------------------------------------------------------------------------------


def museum(chapter=None, **settings):
    """The bugs of a chapter, 2 to 4, or of all: returns without and with one, and what gives it away -> Explorer.

    Its controls are the bug, by its name, and whether it is in.
    """
    runs, _ = stored("museum")
    names = [name for name in BUGS if chapter in (None, BUGS[name].chapter)]
    if not names:
        raise ValueError(say("chapter={chapter!r} has no bugs here: take 2, 3 or 4, or leave it out.", chapter=chapter))
    picture = BugPicture()

    def draw(bug, broken):
        picture.draw(bug, runs[bug], broken)
        return words(bug, BUGS[bug], runs[bug], broken)

    explorer = Explorer(
        "museum",
        settings,
        picture.figure,
        draw,
        bug=choice("bug", names[0], names),
        broken=switch("bug in", True),
    )
    explorer.arguments = [] if chapter is None else [f"chapter={int(chapter)}"]
    return explorer


def words(name, bug, runs, broken):
    """The line of text: the wrong line and the right one, and the medians of the stored runs without and with it."""
    (good_return, good), (bad_return, bad) = medians(runs["sound"]), medians(runs["broken"])
    line = say(
        "<b>{bug}</b>: <code>{wrong}</code> where <code>{right}</code> is right. Seen in {source}.",
        bug=shown(name), wrong=bug.wrong, right=bug.right, source=bug.source,
    )  # fmt: skip
    seen = say(
        "Medians without the bug: return at the end {returned:.3g}; {name} {value:.3g}.",
        returned=good_return, name=say(bug.number), value=good,
    )  # fmt: skip
    if not broken:
        return f"{line}<br>{seen}"
    with_it = say(
        "With it: {returned:.3g}; {value:.3g}. What gives it away: {symptom}.",
        returned=bad_return, value=bad, symptom=say(bug.symptom),
    )  # fmt: skip
    return f"{line}<br>{seen} {with_it}<br>" + say("Caught by <code>{test}</code>.", test=bug.test)
