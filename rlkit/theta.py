"""θ: all weights of a network in one flat tensor, of which they are views; and one step down a gradient."""

import itertools

import torch
from torch import nn


def flatten(parameters):
    """One flat tensor θ with all the parameters, which become views of it: `theta.copy_(other)` sets all."""
    parameters = list(parameters)
    theta = torch.empty(sum(p.numel() for p in parameters), device=parameters[0].device)
    for parameter, view in zip(parameters, views(theta, parameters)):
        parameter.data = view.copy_(parameter.detach())
    return theta


def flat_parameter(parameters):
    """The same as one `nn.Parameter` with one gradient: for a small network, whose time goes into torch's bookkeeping
    of its dozen tensors, clipping and the optimiser's step become twice as fast.

    Its gradient must be zeroed and never dropped: `descend` does that.
    """
    parameters = list(parameters)
    theta = nn.Parameter(flatten(parameters))
    theta.grad = torch.zeros_like(theta)
    for parameter, view in zip(parameters, views(theta.grad, parameters)):
        parameter.grad = view
    return theta


def descend(loss, theta, optimizer, max_grad_norm):
    """One step of the optimiser down the gradient of `loss`, θ a `flat_parameter` -> the gradient's norm, unclipped."""
    theta.grad.zero_()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(theta, max_grad_norm)
    if not norm.isfinite():
        raise ValueError(f"The gradient is {norm}: it diverged; take a smaller learning_rate.")
    optimizer.step()
    return norm


def views(flat, parameters):
    """A flat tensor cut into pieces of the parameters' shapes and memory formats, in their order."""
    ends = itertools.accumulate(p.numel() for p in parameters)
    return [flat.as_strided(p.shape, p.stride(), end - p.numel()) for p, end in zip(parameters, ends)]


def concatenate(tensors, parameters):
    """Tensors of the parameters' shapes as one flat one, the opposite of `views`: in the order of the memory."""
    orders = (sorted(range(p.dim()), key=p.stride, reverse=True) for p in parameters)
    return torch.cat([tensor.permute(order).reshape(-1) for tensor, order in zip(tensors, orders)])
