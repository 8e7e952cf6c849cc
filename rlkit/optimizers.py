"""Optimisers of one flat θ, whose statistics are tensors that several processes may share.

For one process, torch's optimisers would do. Here, how shared memory is read and written is what we study.
"""

import copy
import importlib
import threading

import torch

from rlkit import functional as F


def torch_adam(parameters, learning_rate, eps=1e-8):
    """torch's Adam, for agents of one process. An interrupt breaks nothing while the first one is made.

    The first one loads torch's compiler, which takes seconds. If an interrupt left that half loaded, no more could be
    made until the kernel is restarted. Interrupts strike the main thread only, so another thread loads it.
    """
    loading = threading.Thread(target=importlib.import_module, args=("torch._dynamo",))
    loading.start()
    loading.join()
    return torch.optim.Adam(parameters, learning_rate, eps=eps, fused=True)


class Optimizer:
    """An optimiser of one flat θ. `statistics` are all other tensors that a step changes."""

    def state(self):
        """For a checkpoint."""
        return self.statistics()

    def restore(self, state):
        for ours, saved in zip(self.statistics(), state, strict=True):
            ours.copy_(saved)  # in place, because other processes may hold the same memory

    def with_tensors(self, change):
        """The same optimiser with `change(tensor)` in the place of each of its tensors."""
        other = copy.copy(self)
        vars(other).update({name: change(part) for name, part in vars(self).items() if torch.is_tensor(part)})
        return other


class RMSProp(Optimizer):
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


class Adam(Optimizer):
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


class InPlaceAdam(Adam):
    """The same formula, written as in torch.optim.Adam and most public A3C code.

    Each statistic is changed in place, in two steps, and then read again. In one process this makes no difference.
    """

    def step(self, gradient, learning_rate):
        self.count += 1
        count, (decay, square_decay) = self.count.item(), self.betas
        self.mean.mul_(decay).add_(gradient, alpha=1 - decay)
        self.square.mul_(square_decay).addcmul_(gradient, gradient, value=1 - square_decay)
        root = (self.square / (1 - square_decay**count)).sqrt_().add_(self.eps)
        self.theta.addcdiv_(self.mean, root, value=-learning_rate / (1 - decay**count))


def make_optimizer(agent, theta):
    """The optimiser that the agent's settings name, for the flat θ."""
    if agent.optimizer != "rmsprop":
        kind = {"adam": Adam, "adam_in_place": InPlaceAdam}[agent.optimizer]
        return kind(theta, agent.adam_betas, agent.optimizer_eps)
    return RMSProp(theta, agent.rmsprop_decay, agent.optimizer_eps)
