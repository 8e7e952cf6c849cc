"""What a policy network's numbers mean: a distribution over actions, discrete or continuous.

For each state the network gives K numbers, the *params* `[..., K]`. A policy turns them into actions and
log-probabilities. Sampling is NumPy because it happens at every step of the environment; what is differentiated is
torch. The randomness is *noise* that is drawn for a whole rollout at once, ten times cheaper than step by step.
"""

import numpy as np
from gymnasium.spaces import Box

from rlkit import functional as F


class Softmax:
    """Discrete actions: params are logits `[..., A]`, π(a|s) = e^{z_a} / Σ e^{z_a'}."""

    num_free = 0  # params that do not depend on the state

    def __init__(self, num_actions):
        self.num_params = num_actions

    def noise(self, rng, *shape):
        return rng.gumbel(size=(*shape, self.num_params)).astype(np.float32)

    def sample(self, params, noise):
        """argmax_a (z_a + g_a), which with Gumbel noise g is a draw from the softmax (Gumbel 1954)."""
        return (params + noise).argmax(-1)

    def mode(self, params):
        return params.argmax(-1)

    def log_prob(self, params, actions):
        return F.log_prob(params, actions)

    def entropy(self, params):
        return F.entropy(params)

    def kl(self, old_params, params):
        return F.kl_divergence(old_params, params)


class Gaussian:
    """Continuous actions: independent normals, params are means and ln σ, `[..., 2 D]`.

    An action may fall outside the environment's bounds. The environment then gets it clipped. Its log-probability stays
    that of the action that was drawn, because otherwise the gradient would be wrong.
    """

    def __init__(self, num_dimensions):
        self.num_params = 2 * num_dimensions
        self.num_free = num_dimensions  # ln σ is learned, but is the same in every state, as in the papers

    def noise(self, rng, *shape):
        return rng.standard_normal((*shape, self.num_free), dtype=np.float32)

    def sample(self, params, noise):
        mean, log_std = np.split(params, 2, axis=-1)
        return mean + np.exp(log_std) * noise

    def mode(self, params):
        return np.split(params, 2, axis=-1)[0]

    def log_prob(self, params, actions):
        return F.gaussian_log_prob(*params.chunk(2, -1), actions)

    def entropy(self, params):
        return F.gaussian_entropy(params.chunk(2, -1)[1])

    def kl(self, old_params, params):
        return F.gaussian_kl(*old_params.chunk(2, -1), *params.chunk(2, -1))


def make_policy(envs):
    """A policy for the environment's kind of actions. Raises ValueError if there is none."""
    if envs.num_actions is not None:
        return Softmax(envs.num_actions)
    if isinstance(envs.action_space, Box) and len(envs.action_space.shape) == 1:
        return Gaussian(envs.action_space.shape[0])
    raise ValueError(
        f"{envs.settings['env']} takes actions from {envs.action_space}, but a policy here gives Discrete ones or a "
        "Box of one dimension; wrap the environment in a gymnasium.ActionWrapper that takes these."
    )
