"""The lecture's table of 57 games: who is first depends on the statistic, on the games, and on one game."""

import time

import numpy as np
from IPython import get_ipython
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from rlkit.experiments import published
from rlkit.experiments.published import AS_IN_THE_TABLE, COLUMNS, PINBALL, STATISTICS, TRAINING
from rlkit.explore.controls import choice, several, shown, slider, switch
from rlkit.explore.panel import Explorer
from rlkit.language import count, number, say
from rlkit.plotting import GREY, METHODS, ORANGE, picture
from rlkit.plotting.painter import painted, repeat

LOOKS = {  # colour, line style, marker
    "DQN": (*METHODS["DQN"], "o"),
    "Gorila": (*METHODS["Gorila"], "v"),
    "D-DQN": (*METHODS["Double DQN"], "s"),
    "Dueling D-DQN": (*METHODS["Dueling DQN"], "D"),
    "Prioritized DQN": (*METHODS["Prioritized DQN"], "P"),
    "A3C, FF, 1 day": (ORANGE, "--", "<"),
    "A3C, FF": (*METHODS["A3C FF"], "^"),
    "A3C, LSTM": (*METHODS["A3C LSTM"], "X"),
}
HEADS = {  # what stands above a column
    "mean": "mean",
    "median": "median",
    "interquartile mean": "interquartile\nmean",
    "mean, capped at 100": "mean, capped\nat 100",
    "games above the human": "games above\nthe human",
    "games won": "games\nwon",
}
ALL, BOTH = "all that were reported, 49 or 57", "the 49 that all eight methods have"
PER = {  # what a number is divided by: in words, and as a function of (days, devices)
    "nothing": ("", lambda days, devices: 1),
    "days of training": (" a day", lambda days, devices: days),
    "days × devices": (" a day and device", lambda days, devices: days * devices),
}


def standings(methods, games=ALL, only=(), pinball=AS_IN_THE_TABLE, left_out=0, per="nothing"):
    """Methods in numbers -> {method: {statistic: number}}, {method: number of games}, [games left out].

    `games` is ALL or BOTH, and `only` a few of them, or none for all. `pinball` is a treatment of VideoPinball,
    `per` a key of PER. `left_out` games are left out for every method: those with the largest scores of any method.
    """
    rows = published.atari57()
    if games == BOTH:
        rows = published.reported_by_all(rows)
    rows = {game: row for game, row in rows.items() if not only or game in only}
    scores = {name: published.human_normalized(rows, COLUMNS[name][0], pinball) for name in COLUMNS if name in methods}
    without = published.largest(scores, left_out)
    numbers, counts = {}, {}
    for name, row in scores.items():
        kept = {game: score for game, score in row.items() if game not in without}
        if kept:
            days, devices, _ = TRAINING[name]
            divisor = PER[per][1](days, devices)
            numbers[name] = {statistic: value / divisor for statistic, value in published.summaries(kept).items()}
            counts[name] = len(kept)
    return numbers, counts, without


def short(value):
    """A number as the table prints it -> str: a count in full, another number with one decimal if it is below 100."""
    return number(value, "," if isinstance(value, int) else ",.0f" if abs(value) >= 99.95 else ".1f")


class Print:
    """Words and numbers, drawn as markers of lines. Matplotlib lays text out again for every picture, which is slow."""

    SIZE = 11

    def __init__(self, ax):
        self.ax = ax
        left, right = ax.get_xlim()
        self.point = (right - left) / (ax.figure.get_figwidth() * 72)  # in units of x
        advances = {
            **dict.fromkeys("0123456789", 0.65),
            **dict.fromkeys(".,", 0.34),
            **dict.fromkeys("()", 0.42),
            "−": 0.84,
        }
        self.glyphs = {glyph: (self.marker(glyph), self.SIZE * wide) for glyph, wide in advances.items()}

    def marker(self, words, centre=False):
        """A line whose markers are these words, to the right of each point or around it. It has no points yet."""
        paths = [TextPath((0, 0), line, self.SIZE) for line in words.split("\n")]
        shifts = [
            (-path.get_extents().x1 / 2 if centre else 0, self.SIZE * (1.25 * (len(paths) - 1 - i) - 0.36))
            for i, path in enumerate(paths)
        ]
        lean = [[1.0, 0.0], [0.01, 1.0]]  # too little to be seen; without it, upright edges would snap to whole pixels
        path = Path.make_compound_path(*(Path((p.vertices + by) @ lean, p.codes) for p, by in zip(paths, shifts)))
        (line,) = self.ax.plot([], [], color="black", linestyle="none", marker=path, markeredgewidth=0)
        line.set_markersize(2 * np.abs(path.vertices).max())  # undoes matplotlib's scaling of the path to one half
        return line

    def numbers(self, cells):
        """Print all cells: (x of the right end, y, digits)."""
        places = {glyph: [] for glyph in self.glyphs}
        for x, y, digits in cells:
            for glyph in reversed(digits):
                x -= self.glyphs[glyph][1] * self.point
                places[glyph].append((x, y))
        for glyph, (line, _) in self.glyphs.items():
            line.set_data(np.reshape(places[glyph], (-1, 2)).T)


class Ranking:
    """A table whose rows move. Each column ranks the methods by one statistic, and lines join a method's places.

    The chosen statistic is the last column, where bars show the numbers as well. `looks` maps a method to its colour,
    line style and marker.
    """

    def __init__(self, looks, statistics):
        self.figure, ax = picture(width=10, height=1.2 + 0.42 * len(looks))
        self.last, self.bottom = len(statistics) - 1, len(looks) + 0.6
        self.bars_from, self.bars_to = self.last + 1.7, self.last + 3.3
        ax.set(xlim=(-0.5, self.bars_to + 0.05), ylim=(self.bottom + 0.5, -0.75))
        ax.set_axis_off()
        ax.bar(self.last, self.bottom + 0.75, width=0.86, bottom=-0.75, color=GREY, alpha=0.2)
        self.unit = ax.text(self.bars_to, 0.2, "", ha="right", va="bottom", fontsize=11)
        self.zero, self.human = (ax.plot([], [], color=GREY, linewidth=1, linestyle=style)[0] for style in ("-", "--"))
        self.says_human = ax.text(0, self.bottom, "human", ha="center", va="top", fontsize=11)
        self.print = Print(ax)
        self.heads = {statistic: self.print.marker(HEADS[statistic], centre=True) for statistic in statistics}
        self.rows = {}
        for name, (colour, style, marker) in looks.items():
            bar = ax.barh(0, 0, height=0.6, color=colour)[0]
            (line,) = ax.plot([], [], color=colour, linestyle=style)
            (dots,) = ax.plot([], [], marker, color=colour, markersize=8, linestyle="none")
            self.rows[name] = (bar, line, dots, self.print.marker(name))

    def show(self, numbers, notes, chosen, unit, human):
        """Draw the table: `numbers` maps a method to {statistic: number}.

        The `chosen` statistic goes last, with bars in this `unit` and a line at the `human` number unless it is None.
        `notes` maps some methods to what is printed after their names.
        """
        columns = [statistic for statistic in self.heads if statistic != chosen] + [chosen]
        ranks = [published.places({name: row[column] for name, row in numbers.items()}) for column in columns]
        for i, column in enumerate(columns):
            self.heads[column].set_data([i], [0.1])
        self.digits = {name: [short(row[column]) for column in columns] for name, row in numbers.items()}
        self.notes = notes
        self.unit.set_text(unit)
        shown = [row[chosen] for row in numbers.values()]
        low, high = min([0.0, *shown]), max([0.0, *shown])
        scale = (self.bars_to - self.bars_from) / ((high - low) or 1.0)
        zero = self.bars_from - low * scale
        for artist in (self.human, self.says_human):
            artist.set_visible(human is not None and low <= human <= high)
        for name, artists in self.rows.items():
            for artist in artists:
                artist.set_visible(name in numbers)
        self.put(
            {name: np.array([*(place[name] for place in ranks), row[chosen] * scale]) for name, row in numbers.items()},
            np.array([zero, zero + (human or 0.0) * scale]),
        )

    def put(self, rows, upright):
        """Put everything that moves in its place.

        `rows` maps a method to its rank in each column and the length of its bar; `upright` are the x of the lines at 0
        and at the human.
        """
        self.at = rows, upright
        zero, human = upright
        self.zero.set_data([zero, zero], [0.5, self.bottom - 0.1])
        self.human.set_data([human, human], [0.5, self.bottom - 0.1])
        self.says_human.set_x(min(human, self.bars_to - 0.3))  # within the figure
        for name, (*rank, width) in rows.items():
            bar, line, dots, label = self.rows[name]
            line.set_data(*joined(rank))
            dots.set_data([i - 0.22 for i in range(len(rank))], rank)
            label.set_data([self.last + 0.52], [rank[-1]])
            bar.set(x=zero + min(width, 0), width=abs(width), y=rank[-1] - 0.3)
        cells = [(i + 0.28, rows[name][i], text) for name, texts in self.digits.items() for i, text in enumerate(texts)]
        behind = [(self.bars_from - 0.1, rows[name][-2], note) for name, note in self.notes.items()]
        self.print.numbers(cells + behind)


def between(start, end, share):
    """What `Ranking.put` gets on the way from one table to another, `share` of the way. A new row is there at once."""
    (old, old_upright), (new, new_upright) = start, end
    rows = {name: old.get(name, row) + share * (row - old.get(name, row)) for name, row in new.items()}
    return rows, old_upright + share * (new_upright - old_upright)


def joined(rank):
    """Points of a line from the number in each column to the marker in the next -> x, y, with NaN at the numbers."""
    x = [x for i in range(len(rank) - 1) for x in (i + 0.35, i + 0.7, np.nan)]
    y = [y for before, after in zip(rank, rank[1:]) for y in (before, after, np.nan)]
    return x, y


# Explorer -------------------------------------------------------------------------------------------------------------


class RankingExplorer(Explorer):
    """An explorer of a Ranking whose rows glide to their new places, so that one can see which of them cross.

    Without a notebook nobody watches, and the table is drawn at once.
    """

    SECONDS = 0.4

    def __init__(self, name, settings, ranking, draw, /, **controls):
        self.ranking, self.watched, self.start, self.gliding = ranking, hasattr(get_ipython(), "kernel"), None, False
        super().__init__(name, settings, ranking.figure, draw, **controls)

    @painted
    def refresh(self):
        """Let the rows go from where they are to where the controls put them. A second call changes where they go."""
        if self.resetting or not self.watched:
            super().refresh()
            return
        self.start, self.began = self.ranking.at, time.perf_counter()
        self.say(self.draw(**self.values()))
        self.end = self.ranking.at
        if not self.gliding:
            self.gliding = True
            repeat(self.glide)

    def leave(self):
        super().leave()
        self.ranking = None

    def glide(self):
        """Draw the rows where they are by now -> are they still on their way?"""
        share = (time.perf_counter() - self.began) / self.SECONDS
        self.gliding = share < 1
        if self.gliding:
            self.ranking.put(*between(self.start, self.end, share * share * (3 - 2 * share)))  # starts and ends slowly
            self.image.show(self.moving)
        else:
            super().refresh()
        return self.gliding


def atari57(**settings):
    """Eight methods on 57 Atari games, ranked by the statistic that is chosen -> RankingExplorer.

    Other controls choose the treatment of VideoPinball, the games left out and a division by time or devices; the
    games and the methods are chosen by controls that a box shows.
    """
    ranking = Ranking(LOOKS, STATISTICS)

    def draw(statistic, pinball, left_out, per, games, only, methods):
        numbers, counts, without = standings(methods, games, only, pinball, left_out, per)
        few = [name for name in counts if counts[name] < max(counts.values())]
        shares = statistic == "games above the human"
        unit = ("% of the games" if shares else "% of the human") + PER[per][0]
        notes = {name: f"({counts[name]})" for name in few}
        ranking.show(numbers, notes, statistic, unit, None if shares or per != "nothing" else 100)
        return words(numbers, statistic, unit, counts, without, few, pinball, per)

    explorer = RankingExplorer(
        "atari57",
        settings,
        ranking,
        draw,
        statistic=choice("statistic", "mean", list(STATISTICS)),
        pinball=choice("VideoPinball", AS_IN_THE_TABLE, [AS_IN_THE_TABLE, *PINBALL]),
        left_out=slider("k, largest games left out", 0, 0, 10, 1),
        per=choice("divided by", "nothing", list(PER)),
        games=choice("games", ALL, [ALL, BOTH]),
        only=several("only these (none: all)", (), list(published.atari57()), 4),
        methods=several("methods", tuple(COLUMNS), list(COLUMNS), 4),
    )
    fold(explorer, "games", "only", "methods")
    return explorer


def fold(explorer, *names):
    """Hide some controls of an explorer until a box is ticked. It is ticked if the reader gave one of them a value."""
    folded = [explorer.controls[name] for name in names]
    given = any(explorer.initial[name] != explorer.usual[name] for name in names)
    more = switch("more choices", given)

    def show(change=None):
        for control in folded:
            control.layout.display = None if more.value else "none"

    more.observe(show, "value")
    show()
    *before, tools = (child for child in explorer.control_box.children if child not in folded)
    explorer.control_box.children = [*before, more, *folded, tools]


def in_order(numbers, statistic, unit):
    """In words: all methods in the order of one statistic, and the places of the first one by the others."""
    order = list(published.places({name: row[statistic] for name, row in numbers.items()}))
    first = numbers[order[0]]
    ranked = say(
        "<b>By {statistic}</b>, in {unit}: {methods}.",
        statistic=shown(statistic), unit=shown(unit),
        methods="; ".join(f"{shown(name)} {short(numbers[name][statistic])}" for name in order),
    )  # fmt: skip
    places = "; ".join(
        say("{place} by {statistic}", statistic=shown(other),
            place=1 + sum(row[other] > first[other] for row in numbers.values()))
        for other in first
        if other != statistic
    )  # fmt: skip
    return ranked + " " + say("The place of {method} otherwise: {places}.", method=shown(order[0]), places=places)


def words(numbers, statistic, unit, counts, without, few, pinball, per):
    """The lines of text: the order, what it was computed from, and what cannot be compared. `few` have fewer games."""
    if not numbers:
        return say("No score is left: choose a method, and games that it was reported on.")
    said = [
        count(max(counts.values()), "{n} game.", "{n} games."),
        say("VideoPinball: {treatment} (as listed for DQN and Gorila, random = 0 for the others).",
            treatment=shown(pinball))
        if pinball == AS_IN_THE_TABLE
        else say("VideoPinball: {treatment}.", treatment=shown(pinball)),
    ]  # fmt: skip
    if without:
        said.append(say("Left out: {games}.", games=", ".join(without)))
    if few:
        said.append(
            say(
                "{names} has only {n} of them: numbers over different games cannot be compared."
                if len(few) == 1
                else "{names} have only {n} of them: numbers over different games cannot be compared.",
                names=say(" and ").join(few),
                n=counts[few[0]],
            )
        )
    lines = [in_order(numbers, statistic, unit), " ".join(said)]
    if per != "nothing":
        what = "; ".join(
            say("{method} {days} × {devices} {device}", method=name, days=days, devices=devices, device=shown(device))
            for name, (days, devices, device) in TRAINING.items()
        )
        lines.append(say("Days × devices: {what}. A GPU, a machine and a core are not the same thing.", what=what))
    return "<br>".join(lines)
