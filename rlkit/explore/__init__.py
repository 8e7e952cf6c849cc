"""The explorers: one function each, returning a widget.

Inside a file: the model (numbers, no widgets), then the picture (artists that move) and its controls.
"""

from rlkit.explore.divergence import divergence
from rlkit.explore.epsilon import epsilon
from rlkit.explore.max_bias import max_bias
from rlkit.explore.panel import predict
from rlkit.explore.priority import priority
from rlkit.explore.replay import replay
from rlkit.explore.target_network import target_network
from rlkit.explore.value_estimation import value_estimation

__all__ = [
    "divergence", "epsilon", "max_bias", "predict", "priority", "replay", "target_network", "value_estimation",
]  # fmt: skip
