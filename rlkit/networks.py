"""The networks: from an observation to one number per action.

An observation is a vector `[D]` of floats, or a stack of frames `[stack, H, W]` of bytes (newest last). The body sees
it as features; a *stream* (one hidden layer, one output layer) turns features into values. A Q-network has one
stream, a dueling network two. Bytes become floats here and nowhere else, so that replay and transfers stay small.
"""

import numpy as np
import torch
from torch import nn

from rlkit import functional as F


class QNetwork(nn.Module):
    """Q(s, · ; w): observations `[B, ...]` -> action values `[B, A]`.

    `hidden` are the widths of the hidden layers; for frames the last one follows the convolutions. The observation
    enters as (obs - shift) / scale. Frames of 64 pixels and more get the convolutions of the Nature paper, smaller
    ones a small pair of them.
    """

    def __init__(self, obs_shape, num_actions, hidden=(64, 64), dueling=False, shift=0.0, scale=1.0):
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.body = body(obs_shape, hidden[:-1])
        width = num_features(self.body, obs_shape)
        self.value = stream(width, hidden[-1], 1) if dueling else None
        self.advantage = stream(width, hidden[-1], num_actions)  # is Q itself in a network that is not dueling

    def forward(self, obs):
        inputs = obs.to(torch.float32, copy=True).sub_(self.shift).div_(self.scale)  # in place: half the time
        features = self.body(inputs)
        if self.value is None:
            return self.advantage(features)
        return F.dueling(self.value(features), self.advantage(features))


def body(obs_shape, hidden):
    """What comes before the streams: convolutions for `[stack, H, W]`, linear layers for `[D]`."""
    if len(obs_shape) == 1:
        widths = [obs_shape[0], *hidden]
        return nn.Sequential(*(layer for i, o in zip(widths, widths[1:]) for layer in (nn.Linear(i, o), nn.ReLU())))
    convolutions = nature_convolutions if min(obs_shape[1:]) >= 64 else small_convolutions
    return convolutions(obs_shape[0])


def stream(num_inputs, hidden, num_outputs):
    return nn.Sequential(nn.Linear(num_inputs, hidden), nn.ReLU(), nn.Linear(hidden, num_outputs))


def nature_convolutions(num_frames):
    """The convolutions of DQN 2015, Methods: 84 x 84 x 4 in, 7 x 7 x 64 out."""
    return nn.Sequential(
        nn.Conv2d(num_frames, 32, kernel_size=8, stride=4), nn.ReLU(),
        nn.Conv2d(32, 64, kernel_size=4, stride=2), nn.ReLU(),
        nn.Conv2d(64, 64, kernel_size=3, stride=1), nn.ReLU(), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # a third faster on a CPU at large batches  # fmt: skip


def small_convolutions(num_frames):
    """For frames of 42 x 42 on one CPU core: 5 x 5 x 32 out, a twentieth of the Nature network's work."""
    return nn.Sequential(
        nn.Conv2d(num_frames, 16, kernel_size=6, stride=3), nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=4, stride=2), nn.ReLU(), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # fmt: skip


def num_features(body, obs_shape):
    with torch.no_grad():
        return body(torch.zeros(1, *obs_shape)).shape[1]


def numpy_twin(network):
    """The same function in NumPy, on views of the same weights; None where that cannot be.

    A tiny network spends its time in torch's bookkeeping: for 8 observations and 64-64 units NumPy answers in a third
    of the time, and acting is half the work of a CartPole run. The arrays share memory with the parameters, so an
    optimiser's step is seen at once. Observations are `[B, D]` floats.
    """
    streams = [s for s in (network.value, network.advantage) if s is not None]
    modules = [m for part in (network.body, *streams) for m in part]
    if not all(isinstance(m, nn.Linear | nn.ReLU) for m in modules) or network.shift.device.type != "cpu":
        return None
    shift, scale = network.shift.numpy(), network.scale.numpy()
    body, *streams = [linear_layers(part) for part in (network.body, *streams)]

    def q_values(obs):
        features = (obs - shift) / scale
        for weight, bias in body:
            features = np.maximum(features @ weight + bias, 0.0)
        outputs = [np.maximum(features @ w1 + b1, 0.0) @ w2 + b2 for (w1, b1), (w2, b2) in streams]
        return outputs[0] if len(outputs) == 1 else F.dueling(*outputs)

    return q_values


def linear_layers(sequential):
    layers = (m for m in sequential if isinstance(m, nn.Linear))
    return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in layers]
