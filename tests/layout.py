"""What covers what in a figure, measured in pixels from its artists."""

from itertools import combinations

import numpy as np
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SLACK = 1.0  # pixels


def faults(figure):
    """Sentences about texts and legends that cover each other or data, or that leave the figure -> list of str.

    The figure must have been laid out.
    """
    found = []
    written = [(what(text), inner(text.get_window_extent())) for text in texts(figure)]
    page = figure.bbox.padded(SLACK)
    for name, box in written:
        if not (page.x0 <= box.x0 and page.y0 <= box.y0 and box.x1 <= page.x1 and box.y1 <= page.y1):
            found.append(f"{name} leaves the figure.")
    found += [
        f"{one} and {other} overlap." for (one, a), (other, b) in combinations(written, 2) if a.overlaps(b)
    ]  # fmt: skip
    for legend in legends(figure):
        box = inner(legend.get_window_extent())
        for ax in figure.axes:
            found += [f"The legend {words(legend)} covers {each}." for each in crossed(ax, box)]
    for ax in figure.axes:
        for text in filter(is_seen, ax.texts):
            box = inner(text.get_window_extent())
            found += [f"{what(text)} covers {each}." for each in crossed(ax, box)]
    return found


def what(text):
    return repr(text.get_text())


def words(legend):
    return [text.get_text() for text in legend.get_texts()]


def inner(box):
    """A box without its outermost pixel. (A box that has not even one has no area.)"""
    return Box(box.x0 + SLACK, box.y0 + SLACK, max(box.x1 - SLACK, box.x0 + SLACK), max(box.y1 - SLACK, box.y0 + SLACK))


class Box:
    """A rectangle. Matplotlib's own are slow to compare."""

    def __init__(self, x0, y0, x1, y1):
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1

    def overlaps(self, other):
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def common(self, other):
        """Where two boxes overlap -> Box or None."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def holds(self, points):
        """Is any of these points inside? `[N, 2]`"""
        x, y = points.T
        return bool(np.any((self.x0 < x) & (x < self.x1) & (self.y0 < y) & (y < self.y1)))

    def padded(self, by):
        return Box(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by)

    def bbox(self):
        return Bbox.from_extents(self.x0, self.y0, self.x1, self.y1)


# What is in a figure --------------------------------------------------------------------------------------------------


def is_seen(artist):
    return artist.get_visible() and bool(artist.get_text().strip())


def texts(figure):
    """All texts that are seen: of axes, ticks, legends and the figure."""
    found = [*figure.texts]
    for legend in legends(figure):
        found += legend.get_texts()
    for ax in figure.axes:
        if ax.get_visible():
            found += [*ax.texts, ax.title, ax._left_title, ax._right_title]
            if ax.axison:
                found += ticks(ax.xaxis) + ticks(ax.yaxis) + [ax.xaxis.label, ax.yaxis.label]
    return [text for text in found if isinstance(text, Text) and is_seen(text)]


def ticks(axis):
    """The labels of the ticks within the limits of an axis."""
    scale = axis.get_transform().transform
    low, high = sorted(scale(np.array(axis.get_view_interval())))
    axis.get_ticklabels()  # makes the ticks
    marks = [mark for mark in (*axis.get_major_ticks(), *axis.get_minor_ticks()) if mark.label1.get_visible()]
    slack = 1e-6 * (high - low)
    return [mark.label1 for mark in marks if low - slack <= scale(mark.get_loc()) <= high + slack]


def legends(figure):
    """The legends that are seen: of the figure, of axes, and those that were drawn once."""
    inside = [artist for ax in figure.axes for artist in (ax.get_legend(), *ax.artists)]
    return [each for each in (*figure.legends, *inside) if isinstance(each, Legend) and each.get_visible()]


# Data -----------------------------------------------------------------------------------------------------------------


def crossed(ax, box):
    """What of the data of an axes is seen inside a box -> names."""
    box = box.common(ax.bbox)
    if box is None or not ax.get_visible():
        return
    for line in ax.lines:
        if line.get_visible() and line_crosses(line, box):
            yield f"the line {line.get_label()!r}"
    for patch in ax.patches:
        shape = patch.get_window_extent()
        if (
            patch.get_visible()
            and min(shape.width, shape.height) > 1
            and not is_band(ax, shape)
            and box.overlaps(shape)
        ):
            yield "a bar or another shape"
    for many in ax.collections:
        if many.get_visible() and collection_crosses(many, box):
            yield f"{type(many).__name__} {many.get_label()!r}"
    for image in ax.images:
        if image.get_visible() and box.overlaps(image.get_window_extent()):
            yield "an image"


def is_band(ax, shape):
    """Does a shape go from edge to edge? Text may stand on it."""
    return shape.width >= ax.bbox.width - 2 or shape.height >= ax.bbox.height - 2


def line_crosses(line: Line2D, box):
    """Does a line, or one of its markers, come into a box?"""
    corners = line.get_transform().transform(np.column_stack(line.get_data(orig=False)).astype(float))
    seen = np.isfinite(corners).all(-1)
    if line.get_marker() not in ("None", None, "", " ") and not isinstance(line.get_marker(), Path):
        half = line.get_markersize() * line.get_figure().dpi / 144
        if box.padded(half).holds(corners[seen]):
            return True
    if line.get_linestyle() == "None" or seen.sum() < 2:
        return False
    both = seen[1:] & seen[:-1]
    start, end = corners[:-1][both], corners[1:][both]
    return bool(segments_cross(start, end, box).any())


def segments_cross(start, end, box):
    """Which straight pieces from `start` to `end` `[N, 2]` come into a box? By cutting them at its edges -> `[N]`."""
    way = end - start
    enter, leave = np.zeros(len(start)), np.ones(len(start))
    for k, (low, high) in enumerate(((box.x0, box.x1), (box.y0, box.y1))):
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.stack([(low - start[:, k]) / way[:, k], (high - start[:, k]) / way[:, k]])
        still = way[:, k] == 0
        inside = (low < start[:, k]) & (start[:, k] < high)
        near = np.where(still, np.where(inside, -np.inf, np.inf), at.min(0))
        far = np.where(still, np.where(inside, np.inf, -np.inf), at.max(0))
        enter, leave = np.maximum(enter, near), np.minimum(leave, far)
    return enter < leave


def collection_crosses(many, box):
    """Does a collection of shapes come into a box?"""
    shapes, offsets = many.get_paths(), many.get_offset_transform().transform(many.get_offsets())
    if len(offsets) and not np.all(many.get_offsets() == 0):
        return box.padded(3).holds(np.ma.filled(offsets, np.nan))
    filled = bool(len(many.get_facecolor()))
    return any(many.get_transform().transform_path(shape).intersects_bbox(box.bbox(), filled) for shape in shapes)
