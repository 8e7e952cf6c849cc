"""A picture in words, for those who do not see it. The words are read from what is drawn, so they say what it shows."""

import html
import re
import textwrap

import numpy as np

LONGEST = 800  # characters, for many panels; more than that nobody wants to hear at once
EXTREMES, ENDS, END = "extremes", "ends", "end"  # what is said of a line: less and less


def alt_text(figure):
    """What a matplotlib figure shows -> str: its `alt` if it has one, else its axes and the numbers drawn in them.

    Of a line: where it starts and ends, and its lowest and highest point if they lie elsewhere. Of bars: each. The more
    there is, the less is said of it. Lines without a label are counted, lines of reference without one left out.
    """
    if getattr(figure, "alt", None):
        return figure.alt
    for most, detail in ((8, EXTREMES), (8, ENDS), (8, END), (4, END), (2, END), (0, END)):
        text = in_words(figure, most, detail)
        if len(text) <= LONGEST:
            return text or "A figure whose numbers are not read aloud."
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def axes_in_words(figure):
    """Only the titles and labels of its axes -> str; the numbers stand elsewhere."""
    heads = [": ".join(part for part in (plain(ax.get_title()), headline(ax)) if part) for ax in panels(figure)]
    heads = [head for head in heads if head]
    number_of = f"{len(heads)} panels: " if len(heads) > 1 else ""
    return capital(number_of + "; ".join(heads)) + "." if heads else ""


def plain(text):
    """HTML or TeX as it is read: no tags, no dollars and backslashes, one line."""
    text = re.sub(r"</?(b|code|i|em|strong)>", "", str(text))  # within a word or before a full stop
    text = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    if "$" in text:
        text = re.sub(r"\\(mathrm|mathbf|mathcal|mathit|mathdefault|text|operatorname|left|right)\b", "", text)
        text = re.sub(r"[${}\\]", "", text)
    text = re.sub(r"(?<![\w−-])-(?=\.?\d)", "−", text)
    return " ".join(text.split())


def number(value):
    """Three significant digits, whole numbers in full up to five, with a true minus: a hyphen is not read aloud."""
    value = float(value) + 0.0  # -0 becomes 0
    if value % 1 or abs(value) >= 100_000:  # also of nan, and false of inf
        value = float(f"{value:.3g}")
    text = f"{value:,.0f}" if value % 1 == 0 and abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("-", "−")


# A figure and its axes --------------------------------------------------------------------------------------------


def in_words(figure, most, detail):
    """Every panel with at most so many series. Labels that are those of the panel before are not said again."""
    shown, x, y, span, texts = panels(figure), None, None, None, []
    for i, ax in enumerate(shown):
        series, others = contents(ax, detail)
        known = ax.get_xlabel() == x and ax.get_ylabel() in ("", y)
        head = common_span(ax) * (common_span(ax) != span) if known else headline(ax, common_span(ax))
        x, y, span = (x, y, common_span(ax)) if known else (ax.get_xlabel(), ax.get_ylabel(), common_span(ax))
        if len(series) > most:
            series[most:] = [f"and {len(series) - most} more" if most else f"{len(series)} series"]
        called = ", ".join(part for part in (f"Panel {i + 1}" * (len(shown) > 1), title(ax)) if part)
        called += f": {head}" if called and head else head
        if detail == END and series:
            others = []
        parts = [part for part in (called, "; ".join([*series, *others])) if part]
        texts.append(". ".join(map(capital, parts)) + ".")
    return " ".join(texts)


def panels(figure):
    """The axes that show something, colour bars left out."""
    axes = [ax for ax in figure.axes if ax.get_visible()]
    bars = [artist.colorbar.ax for ax in axes for artist in mappables(ax) if getattr(artist, "colorbar", None)]
    return [ax for ax in axes if ax not in bars and any(contents(ax, END))]


def mappables(ax):
    return [*ax.images, *ax.collections]


def title(ax):
    return plain(ax.get_title() or ax.get_title("left"))


def headline(ax, span=""):
    """What is drawn over what, as far as the labels say it."""
    x, y = plain(ax.get_xlabel()), plain(ax.get_ylabel())
    if any(getattr(bars, "orientation", "") == "horizontal" for bars in ax.containers):
        x, y = y, x
    if not x:
        return y
    if ax.images:
        return f"{pause(x)} across" + (f", {pause(y)} {'down' if ax.yaxis_inverted() else 'up'}" if y else "")
    if not y:
        return f"{pause(x)} across" + (f" {span}" if span else "")
    return f"{pause(y)} over {x}" + (f"{',' * (',' in x)} {span}" if span else "")


def pause(text):
    """With a comma behind it, if there is one in it."""
    return text + "," * ("," in text)


def common_span(ax):
    """`from a to b` of all lines, if they begin and end together, or nearly so."""
    ends = np.array([points(line)[0][[0, -1]] for line in lines(ax) if not is_dots(line)])
    if not len(ends) or ax.containers or np.ptp(ends, axis=0).max() > 0.02 * abs(np.diff(ax.get_xlim())):
        return ""
    low, high = ("about " * bool(np.ptp(end)) + name(ax.xaxis, np.median(end)) for end in ends.T)
    return f"from {low} to {high}" if low != high else ""


def capital(text):
    """A word begins a sentence with a capital letter, a symbol stays as it is."""
    word = re.match(r"[a-z]{2,}", text)
    return text[0].upper() + text[1:] if word else text


# What is drawn in one axes ----------------------------------------------------------------------------------------


def contents(ax, detail):
    """What is drawn -> the series with a name, a text each; and a text for each kind of those without."""
    drawn = lines(ax)
    named = [line for line in drawn if label(line)]
    nameless = [line for line in drawn if not label(line)]
    series = [bars_in_words(ax, bars) for bars in ax.containers if hasattr(bars, "patches") and len(bars.patches)]
    series += [line_in_words(ax, line, label(line), detail) for line in named]
    if detail == END and named:
        series[-len(named)] = "at the end " + series[-len(named)]
    series += [f"{pause(label(line))} lies at {number(value)}" for line, value in references(ax)]
    series += [cloud_in_words(ax, label(c), *points_of(c)) for c in ax.collections if is_cloud(c)]
    series += [map_in_words(ax, artist, detail) for artist in mappables(ax) if is_map(artist)]
    thick = max((line.get_linewidth() for line in nameless), default=0)
    thickest = [line for line in nameless if line.get_linewidth() == thick and not is_dots(line)]
    if not named and len(thickest) == 1:  # it is the one that matters
        nameless = [line for line in nameless if line is not thickest[0]]
        called = "the line" if all(map(is_dots, nameless)) else "the thick line"
        series += [line_in_words(ax, thickest[0], called, detail)]
    return series, list(together(ax, nameless))


def lines(ax):
    """The lines and dots of an axes that have a point in sight; not those of reference, which cross all of it."""
    return [
        line
        for line in ax.lines
        if line.get_visible() and line.get_transform() == ax.transData and len(points(line)[0])
    ]


def points(line):
    """The points of a line that lie between the ends of the x axis -> x, y."""
    x, y = (np.asarray(line.get_data(orig=False)[i], float) for i in range(2))
    low, high = sorted(line.axes.get_xlim())
    slack = 1e-9 * (high - low)
    seen = np.isfinite(x) & np.isfinite(y) & (x >= low - slack) & (x <= high + slack)
    return x[seen], y[seen]


def references(ax):
    """The lines across all of an axes that have a label, and where they are: [(line, value)]."""
    across = [line for line in ax.lines if line.get_visible() and line.get_transform() != ax.transData and label(line)]
    for line in across:
        x, y = (np.asarray(values, float) for values in line.get_data(orig=False))
        if len(x) and (x[0] == x[-1]) != (y[0] == y[-1]):
            yield line, x[0] if x[0] == x[-1] else y[0]


def label(artist):
    """Its name in the legend, or nothing."""
    text = str(artist.get_label())
    return "" if text.startswith("_") else plain(text)


def written(axis):
    """The labels of an axis that were set by hand: {place: label}."""
    formatter, ticks = axis.get_major_formatter(), np.asarray(axis.get_majorticklocs(), float)
    if type(formatter).__name__ not in ("FuncFormatter", "FixedFormatter", "StrCategoryFormatter"):
        return {}
    return {tick: plain(text) for tick, text in zip(ticks, formatter.format_ticks(ticks)) if str(text).strip()}


def name(axis, value, within=1e-6):
    """What is written at this place of an axis: a label, if labels were set by hand, else the number."""
    return next((text for place, text in written(axis).items() if abs(place - value) <= within), number(value))


# Each kind ----------------------------------------------------------------------------------------------------------


def is_dots(line):
    """Points that no line joins, and more than one would list."""
    joined = line.get_linestyle() not in ("None", "none", " ", "")
    x, _ = points(line)
    return not joined and (len(x) > 20 or bool(np.any(np.diff(x) <= 0)))


def line_in_words(ax, line, called, detail):
    x, y = points(line)
    if is_dots(line):
        return cloud_in_words(ax, called, x, y)
    if detail == END:
        return f"{pause(called)} {number(y[-1])}"
    if len(y) == 1:
        return f"{pause(called)} is {number(y[0])} at {name(ax.xaxis, x[0])}"
    if number(y.min()) == number(y.max()):
        return f"{pause(called)} stays at {number(y[0])}"
    text = f"{pause(called)} goes from {number(y[0])} to {number(y[-1])}"
    if detail == EXTREMES:
        ends, far = (number(y[0]), number(y[-1])), 0.02 * (y.max() - y.min())
        for word, i in (("lowest", y.argmin()), ("highest", y.argmax())):
            if number(y[i]) not in ends and min(abs(y[i] - y[0]), abs(y[i] - y[-1])) > far:
                text += f", {word} {number(y[i])} at {name(ax.xaxis, x[i])}"
    if not common_span(ax):
        text += f", across from {name(ax.xaxis, x[0])} to {name(ax.xaxis, x[-1])}"
    return text


def cloud_in_words(ax, called, x, y):
    """How many points lie where; what their rows are called, where these have names."""
    text = (f"{called}: " if called else "") + f"{len(x):,} point{'s' * (len(x) > 1)}, {extent(x)} across"
    if rows := written(ax.yaxis):
        counts = {label: np.sum(abs(y - row) <= 0.5) for row, label in rows.items()}
        return f"{text}: " + ", ".join(f"{n} for {label}" for label, n in counts.items() if n)
    return f"{text} and {extent(y)} up"


def extent(values):
    low, high = number(values.min()), number(values.max())
    return f"from {low} to {high}" if low != high else f"at {low}"


def together(ax, nameless):
    """Lines and dots without a name, counted: a text for each kind that there is."""
    dots = [line for line in nameless if is_dots(line)]
    joined = [line for line in nameless if not is_dots(line)]
    if dots:
        yield cloud_in_words(ax, "", *(np.concatenate(part) for part in zip(*map(points, dots))))
    if joined:
        thin = "thin " * (max(line.get_linewidth() for line in joined) < 1)
        low_to_high = extent(np.concatenate([points(line)[1] for line in joined]))
        yield f"{len(joined)} {thin}line{'s' * (len(joined) > 1)} without a name, {low_to_high}"


def bars_in_words(ax, bars):
    upright = getattr(bars, "orientation", "vertical") != "horizontal"
    axis = ax.xaxis if upright else ax.yaxis
    boxes = [patch.get_bbox() for patch in bars.patches]
    places = [(b.x0 + b.x1) / 2 if upright else (b.y0 + b.y1) / 2 for b in boxes]
    sizes = [patch.get_height() if upright else patch.get_width() for patch in bars.patches]
    called = f"{label(bars)}: " if label(bars) else ""
    if len(sizes) > 12:
        top = int(np.argmax(sizes))
        ends = f"from {number(places[0])} to {number(places[-1])}"
        return f"{called}{len(sizes)} bars {ends}, the highest {number(sizes[top])} at {number(places[top])}"
    names = [name(axis, place, 0.5) for place in places]
    return called + ("; " if "," in "".join(names) else ", ").join(
        f"{number(size)} {'at' if where == number(place) else 'for'} {where}"
        for size, place, where in zip(sizes, places, names)
    )


def is_cloud(collection):
    return type(collection).__name__ == "PathCollection" and collection.get_visible() and len(collection.get_offsets())


def points_of(collection):
    return np.ma.getdata(collection.get_offsets()).T


def is_map(artist):
    return artist.get_visible() and (hasattr(artist, "get_size") or hasattr(artist, "levels"))


def map_in_words(ax, artist, detail):
    """An image: the numbers that are written in its cells, or its size. Contours: their levels."""
    bar = getattr(artist, "colorbar", None)
    what = plain(bar.ax.get_ylabel() or bar.ax.get_xlabel()) if bar else ""
    if hasattr(artist, "levels"):
        return f"contours{f' of {what}' if what else ''} {extent(np.asarray(artist.levels))}"
    rows, columns = artist.get_size()
    cells = {tuple(round(float(place)) for place in text.get_position()[::-1]): text.get_text() for text in ax.texts}
    if set(np.ndindex(rows, columns)) != set(cells):
        return f"an image of {rows} by {columns} pixels" + (f", {what}" if what else "")
    across = ", ".join(name(ax.xaxis, j) for j in range(columns))
    down = "; ".join(
        f"{name(ax.yaxis, i)}: {', '.join(plain(cells[i, j]) for j in range(columns))}" for i in range(rows)
    )
    return f"the columns are {across}; the rows: {down}"
