"""The steps that follow a gradient, on one flat θ whose statistics are tensors that several processes may share.

torch's own optimizers would do for one process; but here the reading and writing of shared memory is the subject.
"""

import torch

from rlkit import functional as F


class RMSProp:
    """θ ← θ - η Δθ / √(g + ε), without momentum."""

    def __init__(self, theta, decay, eps):
        self.theta, self.decay, self.eps = theta, decay, eps
        self.square = torch.zeros_like(theta)  # g

    def step(self, gradient, learning_rate):
        direction, square = F.rmsprop(gradient, self.square, self.decay, self.eps)
        self.square.copy_(square)
        self.theta.sub_(learning_rate * direction)

    def statistics(self):
        return [self.square]


class Adam:
    """θ ← θ - η m^ / (√v^ + ε)."""

    def __init__(self, theta, betas, eps):
        self.theta, self.betas, self.eps = theta, betas, eps
        self.mean, self.square = torch.zeros_like(theta), torch.zeros_like(theta)  # m, v
        self.count = torch.zeros(())  # t

    def step(self, gradient, learning_rate):
        self.count += 1
        direction, mean, square = F.adam(gradient, self.mean, self.square, self.count, self.betas, self.eps)
        self.mean.copy_(mean)
        self.square.copy_(square)
        self.theta.sub_(learning_rate * direction)

    def statistics(self):
        return [self.mean, self.square, self.count]


def make_optimizer(agent, theta):
    """The one that the settings name."""
    if agent.optimizer == "adam":
        return Adam(theta, agent.adam_betas, agent.optimizer_eps)
    return RMSProp(theta, agent.rmsprop_decay, agent.optimizer_eps)
