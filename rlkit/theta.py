"""θ: all weights of a network as views of one flat tensor. And one step down a gradient."""

import functools
import math

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

    `options` are those of `torch.autograd.grad`. Raises ValueError if the number is not finite.
    """
    gradient = concatenate(torch.autograd.grad(value, parameters, **options), parameters)
    require_finite("objective", value.detach())
    return gradient


def clip_norm(gradient, max_norm):
    """Shorten a flat gradient in place to the length `max_norm`, if it is longer -> its length before."""
    norm = gradient.norm()
    require_finite("length of the gradient", norm)
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
    return clip_and_step(loss.detach(), parameters, optimizer, max_grad_norm)


def clip_and_step(loss, parameters, optimizer, max_grad_norm):
    """One step of the optimiser down the gradients that the parameters hold -> their length before they are clipped.

    Raises ValueError, before the step, if the loss or that length is not finite.
    """
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
    require_finite("loss", loss)  # an infinite error has a finite gradient where the Huber loss is linear
    require_finite("length of the gradient", norm)  # clipping lets NaN through to the weights
    optimizer.step()
    return norm


def require_finite(name, number):
    """Raise ValueError unless this number of an update is finite."""
    number = float(number)
    if not math.isfinite(number):
        raise ValueError(
            f"The {name} is {number}: training diverged; take a smaller learning_rate, smaller rewards, or a larger "
            "obs_scale."
        )


def all_or_nothing(*names):
    """Decorates the `update` of an agent: if it raises or is interrupted, all its steps are undone.

    `names` are the agent's flat tensors and torch optimisers that the steps change.
    """

    def decorate(update):
        @functools.wraps(update)
        def update_or_undo(agent, *args):
            undo = [remember(getattr(agent, name)) for name in names]
            try:
                return update(agent, *args)
            except BaseException:
                for restore in undo:
                    restore()
                raise

        return update_or_undo

    return decorate


def remember(part):
    """A function that puts a tensor or an optimiser back into the state that it has now."""
    if isinstance(part, torch.Tensor):
        before = part.detach().clone()
        return lambda: part.detach().copy_(before)
    states = {p: {name: value.clone() for name, value in state.items()} for p, state in part.state.items()}

    def restore():
        part.state.clear()  # also what an interrupted first step has left half made
        part.state.update(states)

    return restore
