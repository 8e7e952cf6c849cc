"""The explorers: one function each, which returns a widget with `controls`, `refresh()` and `reset()`.

A file holds first the model (numbers, no widgets), then the picture (a figure whose artists move), then the explorer
(the controls, and the numbers in words). The explorers that train an agent return a run in the background instead.
"""

from rlkit.explore.ask import answers, ask
from rlkit.explore.atari49 import atari49
from rlkit.explore.atari57 import atari57
from rlkit.explore.beta import beta
from rlkit.explore.beta_live import beta_live
from rlkit.explore.cliff import cliff
from rlkit.explore.clinic import clinic
from rlkit.explore.clip_epsilon import clip_epsilon
from rlkit.explore.clip_live import clip_live
from rlkit.explore.dueling import dueling
from rlkit.explore.entropy_bonus import entropy_bonus
from rlkit.explore.epsilon import epsilon
from rlkit.explore.gae import gae
from rlkit.explore.importance_sampling import importance_sampling
from rlkit.explore.max_bias import max_bias
from rlkit.explore.messages import messages
from rlkit.explore.museum import museum
from rlkit.explore.n_step import n_step
from rlkit.explore.overestimation import overestimation
from rlkit.explore.priority import priority
from rlkit.explore.replay import replay
from rlkit.explore.reward_hacking import reward_hacking
from rlkit.explore.saliency import saliency
from rlkit.explore.t_max import t_max
from rlkit.explore.target_network import target_network
from rlkit.explore.trust_region import trust_region
from rlkit.explore.two_states import two_states
from rlkit.explore.value_estimation import value_estimation
from rlkit.explore.worker_model import worker_model
from rlkit.explore.workers import workers

__all__ = [
    "answers", "ask", "atari49", "atari57", "beta", "beta_live", "cliff", "clinic", "clip_epsilon", "clip_live",
    "dueling",
    "entropy_bonus", "epsilon", "gae", "importance_sampling", "max_bias", "messages", "museum", "n_step",
    "overestimation", "priority", "replay", "reward_hacking", "saliency", "t_max", "target_network", "trust_region",
    "two_states",
    "value_estimation", "worker_model", "workers",
]  # fmt: skip
