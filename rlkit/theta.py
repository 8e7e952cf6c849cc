"""θ: all weights of a network as views of one flat tensor. And one step down a gradient."""

import torch
from torch import nn


def flatten(parameters):
    """Move the parameters into one flat tensor θ `[D]` and return it. They become views of it.

    `theta.copy_(other)` then sets all weights at once. NumPy twins of a network hold views of the old weights, so make
    them after this call.
    """
    parameters = list(parameters)
    theta = torch.empty(sum(p.numel() for p in parameters), device=parameters[0].device)
    for parameter, view in zip(parameters, views(theta, parameters)):
        parameter.data = view.copy_(parameter.detach())
    return theta


def flat_parameter(parameters):
    """The same, but θ is an `nn.Parameter`, and the gradients of the parameters are views of its gradient.

    A small network spends most of its time in torch's bookkeeping. With one tensor instead of a dozen, clipping and the
    optimiser's step take half the time.
    """
    parameters = list(parameters)
    theta = nn.Parameter(flatten(parameters))
    theta.grad = torch.zeros_like(theta)
    for parameter, view in zip(parameters, views(theta.grad, parameters)):
        parameter.grad = view
    return theta


def views(flat, parameters):
    """Cut a flat tensor `[D]` into pieces with the parameters' shapes and memory formats, in their order."""
    pieces = flat.split([p.numel() for p in parameters])
    return [piece.as_strided(p.shape, p.stride()) for piece, p in zip(pieces, parameters)]


def concatenate(tensors, parameters):
    """The opposite of `views`: tensors with the parameters' shapes become one flat tensor `[D]`, in memory order."""
    orders = (sorted(range(p.dim()), key=p.stride, reverse=True) for p in parameters)
    return torch.cat([tensor.permute(order).reshape(-1) for tensor, order in zip(tensors, orders)])


def flat_gradient(value, parameters, **options):
    """The gradient of a number with respect to the parameters, as one tensor `[D]` in the order of θ.

    `options` are those of `torch.autograd.grad`.
    """
    return concatenate(torch.autograd.grad(value, parameters, **options), parameters)


def clip_norm(gradient, max_norm):
    """Shorten a flat gradient in place to the length `max_norm`, if it is longer -> its length before."""
    norm = gradient.norm()
    require_finite(norm)
    gradient *= (max_norm / norm).clip(max=1)
    return norm


def descend(loss, parameters, optimizer, max_grad_norm):
    """One step of the optimiser down the gradient of `loss` -> the length of the gradient before it was clipped.

    `parameters` are those of the optimiser: a list, or one `flat_parameter`.
    """
    if isinstance(parameters, torch.Tensor):
        parameters.grad.zero_()  # its pieces are the gradients of the network's parameters, so it must stay this tensor
    else:
        optimizer.zero_grad()
    loss.backward()
    return clip_and_step(parameters, optimizer, max_grad_norm)


def clip_and_step(parameters, optimizer, max_grad_norm):
    """One step of the optimiser down the gradients that the parameters hold -> their length before they are clipped."""
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
    require_finite(norm)
    optimizer.step()
    return norm


def require_finite(norm):
    """Raise ValueError unless the length of a gradient is a finite number: clipping lets NaN through to the weights."""
    if not norm.isfinite():
        raise ValueError(f"The length of the gradient is {norm}: training diverged; take a smaller learning_rate.")
