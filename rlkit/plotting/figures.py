"""Pictures of numbers: functions from results to figures, with one look for every chapter.

No pyplot: a `Picture` has no global state, shows itself in a notebook, and may be drawn from any thread that owns it.
Colours are Okabe and Ito's, which colour-blind readers can tell apart. Three of them are darker here, so that each has
a contrast of 3 to 1 with white. (Yellow does not, and is never drawn on white.) Each method has its own colour and line
style, so that nothing is told by colour alone.
"""

import io
import re

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, LogFormatterSciNotation, ScalarFormatter
from PIL import Image  # comes with matplotlib

from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.language import number
from rlkit.plotting.alt_text import alt_text
from rlkit.plotting.apng import fast_png
from rlkit.plotting.painter import painted

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#000000", "#C68800", "#3D9CD3", "#009E73", "#F0E442", "#0072B2", "#B84A00", "#CC79A7",
)  # fmt: skip
GREY = "#8A8A8A"
OWN = (255 * to_rgba_array([BLACK, ORANGE, SKY, GREEN, BLUE, RED, PINK, GREY, "white"])[:, :3]).round().astype(int)
DPI = 80

METHODS = {  # colour and line style of a method, the same in every chapter; no two have the same pair
    "DQN": (BLUE, "-"),
    "Double DQN": (RED, "--"),
    "Dueling DQN": (GREEN, "-."),
    "Prioritized DQN": (PINK, ":"),
    "n-step DQN": (ORANGE, (0, (5, 1))),
    "all of them": (BLACK, (0, (1, 1))),
    "Gorila": (SKY, (0, (3, 1, 1, 1))),
    "REINFORCE": (GREY, (0, (1, 1))),
    "TRPO": (ORANGE, "-."),
    "PPO adaptive KL": (GREEN, "--"),
    "PPO clip": (SKY, "-"),
    "A2C": (RED, (0, (8, 1))),
    "A3C FF": (PINK, (0, (3, 2))),
    "A3C LSTM": (BLACK, "-."),
}
CASES = {  # what one experiment compares; looks differ within an experiment, and may repeat in another one
    "whose density": {
        "density of the drawn action": (BLUE, "-"),
        "density of the clipped action": (RED, "--"),
    },
    "learners of Catch": {
        "features by hand": (ORANGE, "--"),
        "linear on pixels": (GREY, ":"),
        "network on pixels": (BLUE, "-"),
        "table": (GREEN, "-."),
    },
    "what keeps DQN stable": {
        "all of DQN": (BLUE, "-"),
        "no target network": (ORANGE, "--"),
        "no replay": (GREEN, "-."),
        "neither": (RED, ":"),
    },
    "baselines of REINFORCE": {
        "baseline: none": (GREY, ":"),
        "baseline: mean": (ORANGE, "--"),
        "baseline: value": (BLUE, "-"),
        "value without bootstrap": (GREEN, "-."),
    },
    "memory": {"feed-forward": (ORANGE, "--"), "LSTM": (BLUE, "-")},
    "value estimation": {"truth": (BLACK, "-"), "MC": (ORANGE, "-"), "TD": (BLUE, "--")},
    "divergence": {"semi-gradient": (BLUE, "-"), "residual gradient": (RED, "--")},
}

matplotlib.rcParams.update(
    {  # readable on a projector; figures that the reader makes with pyplot get the same look
        "font.size": 13,
        "axes.titlesize": 13,
        "axes.labelsize": 13,
        "legend.fontsize": 12,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "lines.linewidth": 2.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "axes.axisbelow": True,
        "axes.formatter.limits": (-5, 10),  # 2,000,000 steps, and not 2.0 with 1e6 at the end of the axis
        "axes.formatter.min_exponent": 8,  # no raised exponents, which are too small to be read from afar
        "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PINK, SKY]),
    }
)


class Picture(Figure):
    """A figure that shows itself in a notebook: as a PNG, and in words for those who do not see it.

    The words are `alt` if it is set, and otherwise what `alt_text` reads from the axes.
    """

    alt = None

    def draw(self, renderer):
        """Draw the figure, its ticks as a textbook prints them."""
        for axis in (axis for ax in self.axes for axis in (ax.xaxis, ax.yaxis)):
            if better := TICKS.get(type(axis.get_major_formatter())):
                axis.set_major_formatter(better())
            if type(axis.get_major_locator()) is AutoLocator and axis.axis_name == "x":
                axis.set_major_locator(Places())
        super().draw(renderer)

    @painted
    def _repr_png_(self):
        return self.png(), {"alt": alt_text(self)}

    def png(self):
        """The figure as PNG bytes."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        return compact(buffer.getvalue(), self)


class Ticks(ScalarFormatter):
    """Numbers on a linear axis, with commas: 10,000."""

    def __call__(self, x, pos=None):
        whole, point, rest = super().__call__(x, pos).partition(".")
        return re.sub(r"(?<=\d)(?=(\d{3})+$)", ",", whole) + point + rest


class Places(AutoLocator):
    """Where the numbers of a horizontal axis stand: as many as there is room for, since commas take room."""

    def __call__(self):
        letters = max(len(f"{end:,.0f}") for end in self.axis.get_view_interval())
        room = 3 * self.axis.get_tick_space() / max(3, 1.2 + 0.65 * letters)  # in numbers; a letter is 0.65 high
        self.set_params(nbins=min(max(int(room), 1), 9))
        return super().__call__()


class LogTicks(LogFormatterSciNotation):
    """Numbers on a logarithmic axis: 0.01, 1, 10,000, 10⁶."""

    def __call__(self, x, pos=None):
        return number(float(x), ".3g") if super().__call__(x, pos) else ""


TICKS = {ScalarFormatter: Ticks, LogFormatterSciNotation: LogTicks}  # matplotlib's own, and what replaces them


def compact(png, figure=None):
    """PNG bytes -> the same picture in few colours, a third of the bytes or less, so that notebooks stay small.

    Of lines, 40 colours are kept, among them those of this module as they are. A `figure` with images in it, or none,
    gets 256.
    """
    image = Image.open(io.BytesIO(png)).convert("RGB")
    few = figure is not None and not any(ax.images for ax in figure.axes)
    small = in_colours(image, 40) if few else image.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def in_colours(image, count):
    """An RGB image with at most `count` colours -> image with a palette. The lines' own colours are not changed."""
    rest = count - len(OWN)
    common = np.array(image.quantize(rest, dither=Image.Dither.NONE).getpalette()).reshape(-1, 3)[:rest]
    palette = np.concatenate([OWN, common])
    numbers, places = np.unique(np.array(image, int) @ (65_536, 256, 1), return_inverse=True)  # one for each colour
    colours = numbers[:, None, None] >> np.array((16, 8, 0)) & 255
    nearest = ((colours - palette) ** 2).sum(-1).argmin(1).astype(np.uint8)
    small = Image.fromarray(nearest[places].reshape(image.height, image.width), "P")
    small.putpalette(palette.ravel().tolist())
    return small


def stacked(*pngs):
    """PNGs, one below the other -> PNG bytes."""
    images = [Image.open(io.BytesIO(png)).convert("RGB") for png in pngs]
    sheet = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    return compact(buffer.getvalue())


def picture(columns=1, rows=1, width=9.0, height=4.0, **subplots):
    """A picture and its axes -> Picture, and one Axes or an array of them.

    `width` and `height` are in inches, for the whole; `subplots` are options of `Figure.subplots`.
    """
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **subplots)


class Moving:
    """A figure that is redrawn for every step of a slider.

    Axes, ticks and labels are drawn once and kept as pixels, because text is what costs time in a figure. The data is
    drawn over them each time. Only when a limit or a title has changed is everything drawn again. `remember` keeps the
    present course of the lines `ghosts`, which is drawn as a pale shadow from then on.
    """

    def __init__(self, figure, ghosts=()):
        self.figure, self.ghosts, self.past = figure, ghosts, []
        self.canvas = FigureCanvasAgg(figure)
        figure.set_dpi(DPI)
        self.layout = figure.get_layout_engine()
        self.lay_out()
        self.frames, self.backgrounds = {}, {}  # by scale

    def lay_out(self):
        """Place the axes beside their present labels. There they stay when a slider moves the data."""
        self.figure.set_layout_engine(self.layout)
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def png(self, scale=1, unless=lambda: False):
        """The figure as it is now -> PNG bytes, made fast and not small, with `scale` times the pixels each way.

        The drawing is broken off as soon as `unless()` is true, and then the answer is None.
        """
        self.figure.set_dpi(scale * DPI)
        try:
            return self.drawn(scale, unless)
        finally:
            self.figure.set_dpi(DPI)

    def drawn(self, scale, unless):
        """The figure at its present resolution, over a background that is kept for each scale -> PNG bytes or None."""
        data = [(ax, artist) for ax in self.figure.axes for artist in data_artists(ax)]
        frame = [
            (ax.get_xlim(), ax.get_ylim(), *(ax.get_title(loc) for loc in ("left", "center")))
            for ax in self.figure.axes
        ]
        if frame != self.frames.get(scale):
            for _, artist in data:
                artist.set_animated(True)  # the canvas leaves it out, unless it saves the figure to a file
            self.canvas.draw()
            self.backgrounds[scale] = self.canvas.copy_from_bbox(self.figure.bbox)
            self.frames[scale] = frame
        self.canvas.get_renderer()  # with as many pixels as the background
        self.canvas.restore_region(self.backgrounds[scale])
        for line, data_then in self.past:
            draw_shadow(line, data_then)
        for ax, artist in data:
            if unless():
                return None
            ax.draw_artist(artist)
        return None if unless() else fast_png(np.asarray(self.canvas.buffer_rgba())[..., :3])

    def remember(self):
        """Keep the present course of the ghosts' lines."""
        self.past = [(line, np.array(line.get_data())) for line in self.ghosts if line.get_visible()]

    def forget(self):
        """Draw no shadows any longer."""
        self.past = []


def draw_shadow(line, then):
    """Draw a line pale and thin as it was `then`, `[2, N]`, unless it is there now."""
    now = line.get_data()
    if np.array_equal(then, now, equal_nan=True):
        return
    look = {"alpha": line.get_alpha(), "linewidth": line.get_linewidth()}
    line.set(data=then, alpha=0.3, linewidth=1.5)
    line.axes.draw_artist(line)
    line.set(data=now, **look)


def data_artists(ax):
    """What moves in an axes, in drawing order: everything but its frame, its ticks and its labels."""
    artists = [*ax.images, *ax.collections, *ax.patches, *ax.lines, *ax.texts]
    legend = ax.get_legend()
    return sorted(artists, key=lambda artist: artist.get_zorder()) + ([legend] if legend else [])


def colour_and_style(name):
    """Colour and line style of a method, or of a case of an experiment. Raises ValueError for any other name."""
    known = METHODS | {case: look for cases in CASES.values() for case, look in cases.items()}
    if name not in known:
        raise ValueError(
            f"No method is called {name!r}: add it to plotting.METHODS, as a colour and a line style, or use one of "
            f"{', '.join(known)}."
        )
    return known[name]


def look(method):
    """Keyword arguments for `Axes.plot`: colour and line style of a method, and its name as the label."""
    colour, style = colour_and_style(method)
    return {"color": colour, "linestyle": style, "label": method}


def thin(method):
    """Keyword arguments for one seed of several: the same look, thin and without a label."""
    colour, style = colour_and_style(method)
    return {"color": colour, "linestyle": style, "linewidth": 0.8, "alpha": 0.6}


def smooth(values, window=20):
    """The mean of the last `window` values up to each one, or of as many as there are: `[K]` -> `[K]`."""
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(values, float)]))
    end = np.arange(1, len(sums))
    start = np.maximum(end - window, 0)
    return (sums[end] - sums[start]) / (end - start)


def learning_curve(*results, method="DQN", target=None):
    """The returns of one run or several -> Picture: a dot for each episode, a line for the mean of the last 20.

    `results` are Results of one `method`, which sets the colour. A grey line marks the return `target`.
    """
    figure, ax = picture()
    colour, style = colour_and_style(method)
    for result in results:
        ax.plot(result.steps, result.returns, ".", color=colour, alpha=0.25, markersize=4)
        ax.plot(result.steps, smooth(result.returns), color=colour, linestyle=style)
    if target is not None:
        ax.axhline(target, color=GREY, linewidth=1)
    ax.set(xlabel="agent steps", ylabel="return of an episode")
    return figure


def compare(runs, xlabel="agent steps", ylabel="return, mean of the last 20 episodes", target=None, smoothed=False):
    """Several methods over several seeds -> Picture: a thin line for each seed, a thick one for their median.

    `runs` maps a method to a list of (steps, returns), a pair for each seed. `returns` has one entry an episode and is
    averaged over the last 20, unless it is `smoothed` already. A grey line marks the return `target`.
    """
    figure, ax = picture()
    for method, seeds in runs.items():
        over_seeds(ax, method, [(steps, returns if smoothed else smooth(returns)) for steps, returns in seeds])
    if target is not None:
        ax.axhline(target, color=GREY, linewidth=1)
    ax.legend()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def over_seeds(ax, method, seeds, start=0):
    """Draw one method on these axes: a thin line for each seed, a thick one for their median.

    `seeds` is a list of (x, y), a pair for each seed. They are drawn from `start` to where the first of them ends.
    """
    grid = np.linspace(start, min(x[-1] for x, _ in seeds), 100)
    curves = np.array([np.interp(grid, x, y) for x, y in seeds])
    ax.plot(grid, curves.T, **thin(method))
    ax.plot(grid, np.median(curves, axis=0), **look(method))


def by_task(runs, tasks):
    """Methods on several tasks -> Picture: the interquartile mean over the seeds, in its 95 % bootstrap interval.

    `runs` maps "method, task" to one {"steps", "returns"} for each seed; all seeds have the same steps.
    """
    order = [*METHODS]
    methods = sorted({name.split(", ")[0] for name in runs}, key=lambda name: order.index(name) if name in order else 0)
    columns = -(-(len(tasks) + 1) // 2)  # two rows, with one place for the legend
    figure, axes = picture(columns, 2, width=11, height=6)
    *axes, legend = axes.flat
    for ax, task in zip(axes, tasks):
        for method in methods:
            seeds = runs[f"{method}, {task}"]
            returns, steps = np.array([run["returns"] for run in seeds]), np.array(seeds[0]["steps"]) / 1_000
            low, high = bootstrap_interval(returns)
            colour, style = colour_and_style(method)
            edge = {"edgecolor": (colour, 0.7), "linestyle": style, "linewidth": 0.8}
            ax.fill_between(steps, low, high, facecolor=(colour, 0.2), **edge)
            ax.plot(steps, interquartile_mean(returns), **look(method))
        ax.set_title(task)
        ax.set_xlabel("agent steps, thousands")
    for ax in axes[::columns]:
        ax.set_ylabel("return, last 20 episodes")
    legend.set_axis_off()
    legend.legend(*axes[0].get_legend_handles_labels(), loc="center left", fontsize=14)
    return figure


def by_method(runs, tasks):
    """The same runs as for `by_task`, with axes for each method and task, so that no line hides another -> Picture.

    Each seed is a thin line, and their interquartile mean is thick. Pale and thin are the means of the others.
    """
    order = [*METHODS]
    methods = sorted({name.split(", ")[0] for name in runs}, key=lambda name: order.index(name) if name in order else 0)
    figure, axes = picture(len(methods), len(tasks), width=12, height=2 * len(tasks), sharex="row", sharey="row")
    for row, task in zip(np.reshape(axes, (len(tasks), -1)), tasks):
        curves = {method: np.array([run["returns"] for run in runs[f"{method}, {task}"]]) for method in methods}
        steps = np.array(runs[f"{methods[0]}, {task}"][0]["steps"]) / 1_000
        for ax, method in zip(row, methods):
            for other in methods:
                if other != method:
                    ax.plot(steps, interquartile_mean(curves[other]), color="0.8", linewidth=0.8)
            colour, _ = colour_and_style(method)
            ax.plot(steps, curves[method].T, color=colour, linewidth=0.8, alpha=0.8)
            ax.plot(steps, interquartile_mean(curves[method]), color=colour, linewidth=3, label=method)
        row[0].set_ylabel(task.split("-")[0])
    for ax, method in zip(np.reshape(axes, (len(tasks), -1))[0], methods):
        ax.set_title(method)
    figure.supxlabel("agent steps, thousands", fontsize=13)
    return figure


def by_clock(runs, ylabel, window=5):
    """Methods over wall-clock time -> Picture, those that replay on the left: seeds thin, their median thick.

    `runs` maps a method to one {"seconds", "returns"} for each seed, an entry for each finished episode. Returns are
    averaged over the last `window` episodes.
    """
    figure, axes = picture(2, width=11, height=4.2, sharey=True)
    for method, seeds in runs.items():
        curves = [(run["seconds"], smooth(run["returns"], window)) for run in seeds]
        ax = axes[0] if "DQN" in method else axes[1]
        over_seeds(ax, method, curves, start=max(seconds[0] for seconds, _ in curves))
    for ax, title in zip(axes, ("replay", "no replay")):
        ax.set(xlabel="seconds by the clock", title=title)
        ax.legend(loc="upper left", fontsize=11)
    axes[0].set_ylabel(ylabel)
    return figure


def updates(runs):
    """Kinds of update, a row each -> Picture: the steps of each run, and the largest weight at its end.

    `runs` maps a kind of update to one {"total_steps", "solved", "largest_weight"} for each seed. A run ended when it
    solved its task; `solved` is None if it never did.
    """
    figure, (left, right) = picture(2, width=11, height=4, sharey=True, width_ratios=[1.5, 1])
    for solved, style in ((True, dict(color=BLUE, marker="o")), (False, dict(color=RED, marker="x"))):
        points = [
            (row + 0.12 * (number - 2), run["total_steps"] / 1e3, run["largest_weight"])
            for row, seeds in enumerate(runs.values())
            for number, run in enumerate(seeds)  # one above the other
            if (run["solved"] is not None) == solved
        ]
        rows, steps, weights = zip(*points) if points else ((), (), ())
        label = "reached 475" if solved else "did not"
        left.plot(steps, rows, linestyle="none", markersize=8, label=label, **style)
        right.plot(weights, rows, linestyle="none", markersize=8, **style)
    left.set(yticks=range(len(runs)), yticklabels=list(runs), xlabel="steps, thousands", xlim=(0, None))
    right.set(xlabel="largest weight at the end", xscale="log", xlim=(0.5, 5_000))
    left.invert_yaxis()
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    figure.alt = "How many runs reached 475, and the largest weight at the end of any: " + "; ".join(
        f"{kind}: {sum(run['solved'] is not None for run in seeds)} of {len(seeds)}, "
        f"{max(run['largest_weight'] for run in seeds):,.1f}"
        for kind, seeds in runs.items()
    )
    return figure


def message_costs(sizes):
    """What an update costs with messages, as a multiple of shared memory -> Picture.

    `sizes` maps "shared memory" and "messages" to {network: one {"cpu_per_update"} for each seed}.
    """
    figure, ax = picture(width=8.5, height=3.6)
    rows = {}
    for size, seeds in sizes["messages"].items():
        shared = np.median([run["cpu_per_update"] for run in sizes["shared memory"][size]])
        rows[f"{size}, {seeds[0]['weights']:,} weights"] = [run["cpu_per_update"] / shared for run in seeds]
    dots_by_row(ax, rows, "shared memory")
    ax.set(xlabel="CPU time for an update / median in shared memory", xlim=(0, None))
    figure.alt = "CPU time for an update with messages, as a multiple of shared memory. " + medians_in_words(rows)
    return figure


def foretold(rows):
    """What was measured as a multiple of what a model foretold -> Picture.

    `rows`: (network, K, S, foretold, what is the limit, measured `[seeds]`) for each setting. With one shard workers
    learn, with several they only push.
    """
    figure, axes = picture(2, width=12, height=4.2, sharex=True)
    rows, said, most = list(rows), [], 0.0
    for ax, learn, title in zip(axes, (True, False), ("workers that learn", "workers that only push")):
        named = {
            f"{network}, {f'K = {gradients}' if learn else f'S = {shards}'}: {expected:,.0f}": measured / expected
            for network, gradients, shards, expected, _, measured in rows
            if (shards == 1) == learn
        }
        dots_by_row(ax, named, "foretold")
        ax.set(xlabel="gradients per second, measured / foretold", title=title)
        most = max(most, *(np.max(ratios) for ratios in named.values()))
        said.append(f"{title}: {medians_in_words(named)}")
    axes[0].set_xlim(0, 1.05 * most)
    figure.alt = "Gradients per second, measured as a multiple of foretold. " + " ".join(said)
    return figure


def dots_by_row(ax, rows, reference):
    """A row for each name: its numbers as dots one above the other, their median thick; a line at 1, the reference."""
    for row, numbers in enumerate(rows.values()):
        heights = row + 0.5 * (np.arange(len(numbers)) - (len(numbers) - 1) / 2) / len(numbers)
        ax.plot(numbers, heights, "o", color=BLUE, markersize=6)
        ax.plot([np.median(numbers)] * 2, [row - 0.35, row + 0.35], color=BLUE, linewidth=4)
    ax.axvline(1, color=GREY, linewidth=2)
    ax.annotate(reference, (1, -0.55), color=BLACK, xytext=(5, 2), textcoords="offset points", va="bottom")
    ax.set(yticks=range(len(rows)), yticklabels=list(rows), ylim=(len(rows) - 0.45, -0.95))


def medians_in_words(rows):
    """The medians of `dots_by_row`."""
    return "Medians: " + "; ".join(f"{name}: {np.median(numbers):.2f}" for name, numbers in rows.items()) + "."
