"""Pictures: figures with one look for all chapters, and what a pixel agent attends to.

Live curves (`rlkit.plotting.curve`), panels with widgets (`rlkit.plotting.live`) and films of games
(`rlkit.plotting.video`) are imported by their own names. They need IPython, widgets and an emulator, so they are loaded
only where they are used.
"""

from rlkit.plotting.attention import ATTENTION, attention, feature_maps, filters, lit, outline, spot, tiles
from rlkit.plotting.figures import (
    BLACK,
    BLUE,
    CASES,
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
    foretold,
    heatmap,
    learning_curve,
    look,
    message_costs,
    over_seeds,
    picture,
    smooth,
    thin,
    updates,
)

__all__ = [
    "ATTENTION", "attention", "BLACK", "BLUE", "by_clock", "by_task", "CASES", "claims", "compact", "compare",
    "DPI", "feature_maps", "filters", "foretold", "GREEN", "GREY", "heatmap", "learning_curve", "lit", "look",
    "message_costs", "METHODS", "Moving", "ORANGE", "outline", "over_seeds", "Picture", "picture", "PINK", "RED",
    "SKY", "smooth", "spot", "thin", "tiles", "updates", "YELLOW",
]  # fmt: skip
