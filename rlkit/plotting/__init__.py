"""Pictures: figures with one look for all chapters, what a pixel agent attends to, live curves, films.

`rlkit.plotting.live` and `rlkit.plotting.video` are loaded only by those who ask for them.
"""

from rlkit.plotting.attention import ATTENTION, attention, feature_maps, filters, lit, outline, spot, tiles
from rlkit.plotting.figures import (
    BLACK,
    BLUE,
    DPI,
    GREEN,
    GREY,
    METHODS,
    ORANGE,
    PINK,
    RED,
    SKY,
    YELLOW,
    Moving,
    Picture,
    by_clock,
    by_task,
    claims,
    compact,
    compare,
    heatmap,
    learning_curve,
    look,
    over_seeds,
    picture,
    smooth,
    thin,
    updates,
)

__all__ = [
    "ATTENTION", "BLACK", "BLUE", "DPI", "GREEN", "GREY", "METHODS", "Moving", "ORANGE", "PINK", "Picture", "RED",
    "SKY", "YELLOW", "attention", "by_clock", "by_task", "claims", "compact", "compare", "feature_maps", "filters",
    "heatmap", "learning_curve", "lit", "look", "outline", "over_seeds", "picture", "smooth", "spot", "thin", "tiles",
    "updates",
]  # fmt: skip
