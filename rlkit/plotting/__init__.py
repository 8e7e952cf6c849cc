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
    by_method,
    by_task,
    compact,
    compare,
    foretold,
    learning_curve,
    look,
    message_costs,
    over_seeds,
    picture,
    smooth,
    stacked,
    thin,
    updates,
)
from rlkit.plotting.growth import all_parts, each_alone, grown
from rlkit.plotting.sensitive import by_rate
from rlkit.plotting.switches import two_by_two, worth
from rlkit.plotting.until import against, until_goal

__all__ = [
    "against", "all_parts", "attention", "ATTENTION", "BLACK", "BLUE", "by_clock", "by_method", "by_rate", "by_task",
    "CASES", "compact", "compare", "DPI", "each_alone", "feature_maps", "filters", "foretold", "GREEN", "GREY", "grown",
    "learning_curve", "lit", "look", "message_costs", "METHODS", "Moving", "ORANGE", "outline",
    "over_seeds", "picture", "Picture", "PINK", "RED", "SKY", "smooth", "spot", "stacked", "thin", "tiles",
    "two_by_two", "until_goal", "updates", "worth", "YELLOW",
]  # fmt: skip
