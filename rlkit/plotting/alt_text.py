"""A figure in words, for readers who do not see it. The words are read from what is drawn, so they cannot be wrong.

The file goes from the whole to its parts: a figure, its axes, what is drawn in one axes, each kind of thing drawn.
"""

import html
import re
import textwrap

import numpy as np

from rlkit import language
from rlkit.language import count, say

LONGEST = 800  # characters: as much as one can listen to at once
MANY_BARS = 9  # if there are more, only the lowest and the highest are named
EXTREMES, ENDS, END = "extremes", "ends", "end"  # how much is said about a line, from most to least


def alt_text(figure):
    """What a matplotlib figure shows -> str of at most LONGEST characters.

    It is the figure's `alt`, if that is set; otherwise its axes and the numbers drawn in them. Of a line it says where
    it starts and ends, and its lowest and highest point if they lie elsewhere. If that gets too long, it says less.
    Lines without a label are counted; a reference line without a label is left out.
    """
    if getattr(figure, "alt", None):
        return plain(figure.alt)
    for detail in (EXTREMES, ENDS, END):
        text = in_words(figure, detail)
        if len(text) <= LONGEST:
            break
    return textwrap.shorten(text, LONGEST, placeholder=" …") or say("A figure whose numbers are not read aloud.")


def axes_in_words(figure):
    """The titles and labels of a figure's axes -> str, for figures whose numbers are said elsewhere."""
    heads = [": ".join(filter(None, (title(ax), headline(ax)))) for ax in panels(figure)]
    heads = list(filter(None, heads))
    if len(heads) > 1:
        return say("{n} panels: {heads}.", n=len(heads), heads="; ".join(heads))
    return say("{head}.", head=capital(heads[0])) if heads else ""


def plain(text):
    """HTML or TeX as it is read out -> str: no tags, no dollars and backslashes, one line."""
    text = re.sub(r"</?(b|code|i|em|strong|sub)>", "", str(text).replace("<sub>", "_"))  # within a word
    text = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    if "$" in text:
        text = re.sub(r"[${}\\]", "", text)
    text = re.sub(r"(?<![\w−-])-(?=\.?\d)", "−", text)
    return " ".join(text.split())


def number(value):
    """A number as it is read out -> str: a whole one in full, another with three significant digits.

    It has a true minus, because screen readers skip a hyphen.
    """
    value = float(value)
    if value % 1:  # true of inf and nan as well
        value = float(f"{value:.3g}")
    return language.number(value, ",.0f" if value % 1 == 0 and abs(value) < 1e9 else ".3g")


# A figure and its axes --------------------------------------------------------------------------------------------


def in_words(figure, detail):
    """All panels in words -> str. Labels that are the same as in the panel before are not repeated."""
    shown, x, y, before, texts = panels(figure), None, None, "", []
    for i, ax in enumerate(shown, start=1):
        called, head = [say("panel {n}", n=i) if len(shown) > 1 else "", title(ax)], []
        if ax.get_xlabel() != x or ax.get_ylabel() not in ("", y):
            x, y = ax.get_xlabel(), ax.get_ylabel()
            head = [headline(ax), span(ax)]
        elif span(ax) != before:
            called.append(span(ax))
        before = span(ax)
        parts = [", ".join(filter(None, part)) for part in (called, head)] + ["; ".join(contents(ax, detail))]
        if title(ax) or any(parts[1:]):
            texts.append(". ".join(capital(part) for part in parts if part) + ".")
    return " ".join(texts)


def panels(figure):
    """The axes in which something is drawn."""
    return [ax for ax in figure.axes if ax.get_visible() and ax.has_data()]


def title(ax):
    """The title of an axes, in the middle or on the left."""
    return plain(ax.get_title() or ax.get_title("left"))


def headline(ax):
    """What is drawn over what, as far as the labels say it: "return over steps"."""
    x, y = plain(ax.get_xlabel()), plain(ax.get_ylabel())
    if any(bars.orientation == "horizontal" for bars in bars_of(ax)):
        x, y = y, x
    return say("{y} over {x}", y=pause(y), x=x) if x and y else x or y


def pause(text):
    """A text with a comma behind it, if there is one in it: "return, mean of 20," before "over steps"."""
    return text + "," * ("," in text)


def span(ax):
    """Where the lines of an axes begin and end, if the x axis has a label: "from 0 to 100"."""
    if not lines(ax) or not ax.get_xlabel():
        return ""
    low, high = ends(ax)
    return say("from {low} to {high}", low=name(ax.xaxis, low), high=name(ax.xaxis, high))


def ends(ax):
    """The smallest and the largest x of all lines."""
    x = np.concatenate([points(line)[0] for line in lines(ax)])
    return x.min(), x.max()


def capital(text):
    """A text as a sentence begins: a word with a capital letter, a symbol such as `y` as it is."""
    word = re.match(r"[a-z]{2,}", text)
    return text[0].upper() + text[1:] if word else text


# What is drawn in one axes ----------------------------------------------------------------------------------------


def contents(ax, detail):
    """What is drawn in an axes -> texts: one for each series with a name, then one for all lines and points without."""
    named = [line for line in lines(ax) if label(line)]
    nameless = [line for line in lines(ax) if not label(line)]
    texts = [bars_in_words(ax, bars) for bars in bars_of(ax)]
    if detail == END and named:
        last = "; ".join(f"{pause(label(line))} {number(points(line)[1][-1])}" for line in named)
        texts.append(say("at the end {values}", values=last))
    else:
        texts += [line_in_words(ax, line, label(line), detail) for line in named]
    joined = [line for line in nameless if is_joined(line)]
    thick = max((line.get_linewidth() for line in joined), default=0)
    thickest = [line for line in joined if line.get_linewidth() == thick]
    if not named and len(thickest) == 1:  # a single thick line is what the picture is about
        nameless.remove(thickest[0])
        texts.append(line_in_words(ax, thickest[0], say("the line" if len(joined) == 1 else "the thick line"), detail))
    texts += references(ax)
    if detail != END:
        texts += [say("and {rest}", rest=text) if texts else text for text in together(ax, nameless)]
    return texts


def bars_of(ax):
    """The groups of bars in an axes, without error bars."""
    return [bars for bars in ax.containers if len(getattr(bars, "patches", ()))]


def lines(ax):
    """The visible lines and points of an axes, without reference lines, which cross the whole axes."""
    return [
        line
        for line in ax.lines
        if line.get_visible() and line.get_transform() == ax.transData and len(points(line)[0])
    ]


def points(line):
    """The points of a line that lie within its axes -> x, y."""
    x, y = (np.asarray(values, float) for values in line.get_data(orig=False))
    seen = np.isfinite(x) & np.isfinite(y)
    for values, limits in ((x, line.axes.get_xlim()), (y, line.axes.get_ylim())):
        low, high = sorted(limits)
        slack = 1e-9 * (high - low)
        seen &= (values >= low - slack) & (values <= high + slack)
    return x[seen], y[seen]


def is_joined(line):
    """Are its points joined by a line?"""
    return line.get_linestyle() != "None"


def label(artist):
    """The name of an artist in the legend, or ''."""
    text = str(artist.get_label())
    return "" if text.startswith("_") else plain(text)


def name(axis, value, within=1e-6):
    """What stands at this value of an axis: a label, if labels were set by hand, or the number."""
    formatter, ticks = axis.get_major_formatter(), axis.get_majorticklocs()
    if type(formatter).__name__ in ("FuncFormatter", "FixedFormatter", "StrCategoryFormatter"):
        for tick, text in zip(ticks, formatter.format_ticks(ticks)):
            if abs(tick - value) <= within and str(text).strip():
                return plain(text)
    return number(value)


# Each kind ----------------------------------------------------------------------------------------------------------


def line_in_words(ax, line, called, detail):
    """One line, or points in no order, under the name `called`."""
    x, y = points(line)
    if not is_joined(line) and np.any(np.diff(x) <= 0):  # in no order
        return say("{name}: {points}", name=called, points=cloud_in_words(ax, x, y))
    if number(y.min()) == number(y.max()):
        return say("{name} stays at {value}", name=pause(called), value=number(y[0])) + across(ax, x)
    text = say("{name} goes from {start} to {end}", name=pause(called), start=number(y[0]), end=number(y[-1]))
    if detail == EXTREMES:
        said, far = (number(y[0]), number(y[-1])), 0.02 * (y.max() - y.min())
        for lowest, i in ((True, y.argmin()), (False, y.argmax())):
            if number(y[i]) not in said and min(abs(y[i] - y[0]), abs(y[i] - y[-1])) > far:
                text += say(
                    ", lowest {value} at {place}" if lowest else ", highest {value} at {place}",
                    value=number(y[i]), place=name(ax.xaxis, x[i]),
                )  # fmt: skip
    return text + across(ax, x)


def across(ax, x):
    """Where on the x axis something lies, or '' if it goes from end to end."""
    low, high = ends(ax)
    if max(x.min() - low, high - x.max()) <= 0.02 * (high - low):
        return ""
    return say(", across from {low} to {high}", low=name(ax.xaxis, x.min()), high=name(ax.xaxis, x.max()))


def cloud_in_words(ax, x, y):
    """Points in no order: how many, and how far they spread."""
    return count(len(x), "{n:,} point, {extent}", "{n:,} points, {extent}", extent=extent(y)) + across(ax, x)


def extent(values):
    """The smallest and the largest value: "from 1 to 5"."""
    low, high = number(values.min()), number(values.max())
    return say("from {low} to {high}", low=low, high=high) if low != high else say("at {value}", value=low)


def together(ax, nameless):
    """The lines and points without a name, counted: a text for the points and one for the lines."""
    joined = [line for line in nameless if is_joined(line)]
    dots = [points(line) for line in nameless if not is_joined(line)]
    if dots:
        yield cloud_in_words(ax, *map(np.concatenate, zip(*dots)))
    if joined:
        spread = extent(np.concatenate([points(line)[1] for line in joined]))
        if max(line.get_linewidth() for line in joined) < 1:
            yield count(len(joined), "{n} thin line, {extent}", "{n} thin lines, {extent}", extent=spread)
        else:
            yield count(len(joined), "{n} line, {extent}", "{n} lines, {extent}", extent=spread)


def references(ax):
    """The lines and bands across the whole axes that have a label: a text for each, with its place."""
    for line in ax.lines:
        if label(line) and line.get_transform() != ax.transData:
            x, y = line.get_data(orig=False)
            yield say("{name}: {value}", name=label(line), value=number(y[0] if y[0] == y[-1] else x[0]))
    for patch in ax.patches:
        if label(patch) and hasattr(patch, "get_width") and (patch.get_x(), patch.get_width()) == (0, 1):
            low, high = patch.get_y(), patch.get_y() + patch.get_height()
            yield say("{name}: {value}", name=label(patch), value=extent(np.array([low, high])))


def bars_in_words(ax, bars):
    """A group of bars: the number and the name of each, or of many only the lowest and the highest."""
    upright = bars.orientation == "vertical"
    boxes = [patch.get_bbox() for patch in bars.patches]
    places = [(b.x0 + b.x1) / 2 if upright else (b.y0 + b.y1) / 2 for b in boxes]
    sizes = [number(patch.get_height() if upright else patch.get_width()) for patch in bars.patches]
    names = [name(ax.xaxis if upright else ax.yaxis, place, 0.5) for place in places]
    words = [
        say("{size} at {name}" if called == number(place) else "{size} for {name}", size=size, name=called)
        for size, called, place in zip(sizes, names, places)
    ]
    called = say("{name}: ", name=label(bars)) if label(bars) else ""
    if len(words) > MANY_BARS:
        lengths = [b.height if upright else b.width for b in boxes]
        return called + say(
            "{n} bars, lowest {lowest}, highest {highest}",
            n=len(words), lowest=words[np.argmin(lengths)], highest=words[np.argmax(lengths)],
        )  # fmt: skip
    return called + ("; " if "," in "".join(names) else ", ").join(words)
