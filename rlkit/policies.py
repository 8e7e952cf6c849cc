"""What a policy network's numbers mean: a distribution over actions, discrete or continuous.

For each state the network gives K numbers, the *params* `[..., K]`. A policy turns them into actions and
log-probabilities. Sampling is NumPy because it happens at every step of the environment; what is differentiated is
torch. The randomness is *noise* that is drawn for a whole rollout at once, ten times cheaper than step by step.
"""

import math

import numpy as np

from rlkit import functional as F
from rlkit.spaces import num_choices


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


class MultiSoftmax:
    """Several discrete actions at once, independent given the state: a softmax for each.

    Params are the logits of the first action, then those of the second, and so on. Actions are `[..., D]`.
    """

    num_free = 0

    def __init__(self, sizes):
        self.sizes = tuple(sizes)  # how many values each of the D actions has
        self.num_params = sum(self.sizes)

    def noise(self, rng, *shape):
        return rng.gumbel(size=(*shape, self.num_params)).astype(np.float32)

    def sample(self, params, noise):
        return self.mode(params + noise)

    def mode(self, params):
        logits = np.split(params, np.cumsum(self.sizes)[:-1], axis=-1)
        return np.stack([z.argmax(-1) for z in logits], axis=-1)

    def log_prob(self, params, actions):
        return sum(F.log_prob(z, a) for z, a in zip(params.split(self.sizes, -1), actions.unbind(-1)))

    def entropy(self, params):
        return sum(F.entropy(z) for z in params.split(self.sizes, -1))

    def kl(self, old_params, params):
        pairs = zip(old_params.split(self.sizes, -1), params.split(self.sizes, -1))
        return sum(F.kl_divergence(old, new) for old, new in pairs)


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
    """A policy for the environment's kind of actions."""
    if envs.num_actions is not None:
        return Softmax(envs.num_actions)
    sizes = num_choices(envs.action_space)
    return MultiSoftmax(sizes) if sizes else Gaussian(math.prod(envs.action_space.shape))
