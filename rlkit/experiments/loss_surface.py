"""Cuts through the loss of a DQN. Chapter 1, section 4.

Li et al. 2018, Visualizing the Loss Landscape of Neural Nets.
"""

import contextlib

import torch

from rlkit import functional as F


def random_direction(network, generator):
    """A random direction in weight space: one tensor for each parameter of the network, with its shape.

    Every filter is as long as the network's own (Li et al. 2018, section 4); biases do not move.
    """
    return [
        F.filter_normalized(torch.randn(parameter.shape, generator=generator), parameter.detach())
        for parameter in network.parameters()
    ]


@torch.no_grad()
def cut(agent, batch, direction, steps):
    """A DQN's loss on `batch` at w + α · direction, for each α of `steps` -> `[len(steps)]`.

    The target network does not move. Afterwards the weights are w again.
    """
    return torch.stack([loss_at(agent, batch, [(alpha, direction)]) for alpha in steps]).numpy()


@torch.no_grad()
def plane(agent, batch, first, second, steps):
    """The loss at w + α · first + β · second -> `[len(steps), len(steps)]`: a row for each α, a column for each β."""
    rows = [[loss_at(agent, batch, [(alpha, first), (beta, second)]) for beta in steps] for alpha in steps]
    return torch.tensor(rows).numpy()


def loss_at(agent, batch, moves):
    """The loss with the weights `moved`."""
    with moved(agent.network, moves):
        return agent.objective(batch)[0]


@contextlib.contextmanager
def moved(network, moves):
    """A context in which the weights are w + Σ α · direction over the `moves` (α, direction). After it they are w."""
    own = [parameter.detach().clone() for parameter in network.parameters()]
    try:
        for alpha, direction in moves:
            for parameter, change in zip(network.parameters(), direction):
                parameter.add_(change, alpha=float(alpha))
        yield
    finally:
        for parameter, before in zip(network.parameters(), own):
            parameter.copy_(before)


def remembered(agent, steps, size):
    """Keep playing ε-greedily for `steps` without learning -> a batch of `size` transitions from the replay memory."""
    agent.learning_starts = agent.step + 2 * steps
    for _ in agent.learn(agent.step + steps):
        pass
    return agent.replay.sample(size)
