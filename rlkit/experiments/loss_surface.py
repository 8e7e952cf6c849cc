"""Cuts through a loss. Li et al. 2018, Visualizing the Loss Landscape of Neural Nets."""

import contextlib

import torch

from rlkit import functional as F


def random_direction(network, generator):
    """One tensor for each parameter: random, every filter as long as the network's own (section 4)."""
    return [
        F.filter_normalized(torch.randn(parameter.shape, generator=generator), parameter.detach())
        for parameter in network.parameters()
    ]


@torch.no_grad()
def cut(agent, batch, direction, steps):
    """A DQN's loss on `batch` at w + α · direction, for each α of `steps` -> `[len(steps)]`. The targets stay."""
    return torch.stack([loss_at(agent, batch, [(alpha, direction)]) for alpha in steps]).numpy()


@torch.no_grad()
def plane(agent, batch, first, second, steps):
    """The loss at w + α · first + β · second -> `[len(steps), len(steps)]`, a row for each α."""
    rows = [[loss_at(agent, batch, [(alpha, first), (beta, second)]) for beta in steps] for alpha in steps]
    return torch.tensor(rows).numpy()


def loss_at(agent, batch, moves):
    with moved(agent.network, moves):
        return agent.objective(batch)[0]


@contextlib.contextmanager
def moved(network, moves):
    """The network with other weights, for a while."""
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
    """A batch of what the agent meets when it plays on ε-greedily, without learning."""
    agent.learning_starts = agent.step + 2 * steps
    for _ in agent.learn(agent.step + steps):
        pass
    return agent.replay.sample(size)
