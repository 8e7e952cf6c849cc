"""Optimisers of one flat θ, whose statistics are tensors that several processes may share.

For one process, torch's optimisers would do, and `TorchAdam` is one. In the others, how shared memory is read and
written is what we study.
"""

import copy

import torch
from torch.optim.adam import adam

from rlkit import functional as F


class TorchAdam:
    """torch's fused Adam, bit for bit, for agents of one process. It is used, and saved, like torch.optim.Adam.

    It calls the same function. The class would load torch's compiler, which nobody here uses: a second of CPU time and
    80 MB in every process.
    """

    def __init__(self, parameters, learning_rate, eps=1e-8, betas=(0.9, 0.999)):
        self.param_groups = [{"params": list(parameters), "lr": learning_rate, "betas": betas, "eps": eps}]
        self.state = {}  # parameter: t, m and v, from its first step on

    def zero_grad(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        group = self.param_groups[0]
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        for parameter in parameters:
            if parameter not in self.state:
                zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter] = {"step": torch.zeros((), device=parameter.device), **zeros}
        if parameters:
            count, mean, square = (
                [self.state[parameter][name] for parameter in parameters] for name in ("step", "exp_avg", "exp_avg_sq")
            )
            gradients, (beta1, beta2) = [parameter.grad for parameter in parameters], group["betas"]
            settings = dict(lr=group["lr"], beta1=beta1, beta2=beta2, eps=group["eps"], weight_decay=0.0)
            flags = dict(fused=True, amsgrad=False, maximize=False)
            adam(parameters, gradients, mean, square, [], count, **settings, **flags)

    def state_dict(self):
        """As torch has it: parameters by their numbers."""
        group = self.param_groups[0]
        states = {i: self.state[p] for i, p in enumerate(group["params"]) if p in self.state}
        return {"state": states, "param_groups": [group | {"params": [*range(len(group["params"]))]}]}

    def load_state_dict(self, saved):
        """Take what `state_dict` gave, here or in torch. The tensors are kept if they are on this device."""
        group, (settings,) = self.param_groups[0], saved["param_groups"]
        group.update({name: settings[name] for name in ("lr", "betas", "eps")})
        for i, state in saved["state"].items():
            parameter = group["params"][i]
            self.state[parameter] = {name: value.to(parameter.device) for name, value in state.items()}


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
