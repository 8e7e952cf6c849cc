"""The networks: from an observation to values of actions, or to a policy and a value.

An observation is a vector `[D]` of floats, or a stack of frames `[stack, H, W]` of bytes (newest last). The body sees
it as features; a *stream* (one hidden layer, one output layer) turns features into values. A Q-network has one
stream, a dueling network two. With `hidden=()` a network of vectors is linear. Bytes become floats here and nowhere
else, so that replay and transfers stay small.
"""

import numpy as np
import torch
from torch import nn

from rlkit import functional as F
from rlkit.running.settings import choose_device


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
        self.value = stream(width, hidden[-1:], 1) if dueling else None
        self.advantage = stream(width, hidden[-1:], num_actions)  # is Q itself in a network that is not dueling

    def forward(self, obs):
        inputs = obs.to(torch.float32, copy=True).sub_(self.shift).div_(self.scale)  # in place: half the time
        features = self.body(inputs)
        if self.value is None:
            return self.advantage(features)
        return F.dueling(self.value(features), self.advantage(features))

    def numpy_twin(self):
        """The same function in NumPy: `[B, D]` -> `[B, A]`; None where that cannot be."""
        parts = [numpy_layers(part) for part in (self.body, self.advantage, self.value or ())]
        if None in parts:
            return None
        body, advantage, value = parts
        shift, scale = self.shift.numpy(), self.scale.numpy()

        def q_values(obs):
            features = body((obs - shift) / scale)
            return F.dueling(value(features), advantage(features)) if self.value else advantage(features)

        return q_values


class ActorCritic(nn.Module):
    """The params of π( · |s; θ) and V(s; w): observations `[B, ...]` -> `[B, K]`, `[B]`.

    For vectors two networks apart, as in the PPO paper; for frames one body with two heads, unless not `shared`.
    `hidden` are the widths of the hidden layers; for frames they follow the convolutions, those of DQN's paper of the
    `year`. The observation enters as (obs - shift) / scale.
    """

    def __init__(
        self, obs_shape, policy, hidden=(64, 64), activation="tanh", shared=True, shift=0.0, scale=1.0, year=2015
    ):
        super().__init__()
        frames = len(obs_shape) == 3
        size = () if frames else obs_shape
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32).expand(size).clone())
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32).expand(size).clone())
        self.policy_body = tower(obs_shape, hidden, activation, year)
        self.value_body = self.policy_body if frames and shared else tower(obs_shape, hidden, activation, year)
        width = num_features(self.policy_body, obs_shape)
        self.policy_head = orthogonal(nn.Linear(width, policy.num_params - policy.num_free), 0.01)  # all alike
        self.value_head = orthogonal(nn.Linear(width, 1), 1.0)
        self.log_std = nn.Parameter(torch.zeros(policy.num_free)) if policy.num_free else None

    def forward(self, obs):
        inputs = self.inputs(obs)
        features = self.policy_body(inputs)
        value_features = features if self.value_body is self.policy_body else self.value_body(inputs)
        return self.params(features), self.value_head(value_features).squeeze(-1)

    def policy(self, obs):
        """The params alone, `[B, K]`."""
        return self.params(self.policy_body(self.inputs(obs)))

    def values(self, obs):
        """V alone, `[B]`."""
        return self.value_head(self.value_body(self.inputs(obs))).squeeze(-1)

    def inputs(self, obs):
        layout = torch.channels_last if obs.dim() == 4 else torch.preserve_format  # of the convolutions' weights
        return obs.to(torch.float32, copy=True, memory_format=layout).sub_(self.shift).div_(self.scale)

    def params(self, features):
        params = self.policy_head(features)
        if self.log_std is not None:
            params = torch.cat([params, self.log_std.expand_as(params)], dim=-1)
        return params

    @property
    def device(self):
        return self.scale.device

    def policy_parameters(self):
        """θ, without what only the value function uses."""
        free = [] if self.log_std is None else [self.log_std]
        return [*self.policy_body.parameters(), *self.policy_head.parameters(), *free]

    def value_parameters(self):
        """w, without what only the policy uses."""
        return [*self.value_body.parameters(), *self.value_head.parameters()]

    def numpy_twin(self):
        """The same function in NumPy: `[B, D]` -> `[B, K]`, `[B]`; None where that cannot be."""
        params, value = self.numpy_params(), numpy_layers([*self.value_body, self.value_head])
        if params is None or value is None:
            return None
        scaled = self.numpy_inputs()

        def params_and_values(obs):
            inputs = scaled(obs)
            return params(inputs), value(inputs)[:, 0]

        return params_and_values

    def numpy_policy(self):
        """`policy` in NumPy: `[B, D]` -> `[B, K]`; None where that cannot be."""
        params, scaled = self.numpy_params(), self.numpy_inputs()
        return None if params is None else lambda obs: params(scaled(obs))

    def numpy_params(self):
        policy = numpy_layers([*self.policy_body, self.policy_head])
        if policy is None or self.log_std is None:
            return policy
        log_std = self.log_std.detach().numpy()

        def params(inputs):
            means = policy(inputs)
            return np.concatenate([means, np.broadcast_to(log_std, means.shape)], axis=-1)

        return params

    def numpy_inputs(self):
        shift, scale = self.shift.detach().cpu().numpy(), self.scale.detach().cpu().numpy()
        return lambda obs: np.subtract(obs, shift, dtype=np.float32) / scale  # MuJoCo's observations are float64


class RecurrentActorCritic(ActorCritic):
    """An actor-critic that remembers: one body, an LSTM on top of it, and both heads on the LSTM's output.

    A3C 2016, section 5.1. Its *memory* `[2, N, H]` holds the LSTM's output and cell for each of N environments.
    """

    def __init__(self, obs_shape, policy, hidden, activation, **options):
        super().__init__(obs_shape, policy, hidden, activation, **options)
        self.value_body = self.policy_body
        width = self.value_head.in_features
        self.lstm = nn.LSTMCell(width, width)

    def blank_memory(self, num_envs):
        """What an episode begins with."""
        return torch.zeros(2, num_envs, self.lstm.hidden_size, device=self.device)

    def remember(self, features, memory):
        return torch.stack(self.lstm(features, tuple(memory)))

    def step(self, obs, memory):
        """One row, `[N, ...]`, `[2, N, H]` -> params `[N, K]`, the memory after it."""
        memory = self.remember(self.policy_body(self.inputs(obs)), memory)
        return self.params(memory[0]), memory

    def unroll(self, obs, memory, valid):
        """T rows one after the other, `[T, N, ...]` -> params `[T, N, K]`, V `[T, N]`.

        An episode ends with a row that is not valid; what comes after it knows nothing of it.
        """
        features = self.policy_body(self.inputs(obs.flatten(0, 1))).unflatten(0, obs.shape[:2])
        outputs = []
        for t in range(len(obs)):
            memory = self.remember(features[t], memory)
            outputs.append(memory[0])
            memory = memory * valid[t][:, None]
        outputs = torch.stack(outputs)
        return self.params(outputs), self.value_head(outputs).squeeze(-1)

    def numpy_policy(self):
        return None  # torch's LSTM is as fast as one in NumPy would be


def actor_critic(agent, kind=ActorCritic, **options):
    """The network that an agent's settings and environments describe, its weights drawn by the agent's seed."""
    frames = len(agent.envs.obs_shape) == 3
    scale = agent.obs_scale if agent.obs_scale is not None else 255.0 if frames else 1.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(agent.seed)
        network = kind(
            agent.envs.obs_shape, agent.policy, agent.hidden, agent.activation,
            shift=agent.obs_shift, scale=scale, **options,
        )  # fmt: skip
    return network.to(choose_device(agent.device, frames))


def tower(obs_shape, hidden, activation, year):
    """All layers below a head."""
    convolutions = body(obs_shape, (), year)
    width = num_features(convolutions, obs_shape)
    activations = {"tanh": nn.Tanh, "relu": nn.ReLU}
    layers = [layer for i, o in zip([width, *hidden], hidden) for layer in (nn.Linear(i, o), activations[activation]())]
    return orthogonal(nn.Sequential(*convolutions, *layers), 2**0.5)


def body(obs_shape, hidden, year=2015):
    """What comes before the streams: convolutions for `[stack, H, W]`, linear layers for `[D]`."""
    if len(obs_shape) == 1:
        widths = [obs_shape[0], *hidden]
        return nn.Sequential(*(layer for i, o in zip(widths, widths[1:]) for layer in (nn.Linear(i, o), nn.ReLU())))
    if min(obs_shape[1:]) < 64:
        return small_convolutions(obs_shape[0])
    return {2013: workshop_convolutions, 2015: nature_convolutions}[year](obs_shape[0])


def stream(num_inputs, hidden, num_outputs):
    widths = [num_inputs, *hidden]
    layers = [layer for i, o in zip(widths, hidden) for layer in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(widths[-1], num_outputs))


def nature_convolutions(num_frames):
    """The convolutions of DQN 2015, Methods: 84 x 84 x 4 in, 7 x 7 x 64 out."""
    return nn.Sequential(
        nn.Conv2d(num_frames, 32, kernel_size=8, stride=4), nn.ReLU(),
        nn.Conv2d(32, 64, kernel_size=4, stride=2), nn.ReLU(),
        nn.Conv2d(64, 64, kernel_size=3, stride=1), nn.ReLU(), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # a third faster on a CPU at large batches  # fmt: skip


def workshop_convolutions(num_frames):
    """The convolutions of DQN 2013, which A3C 2016 uses: 84 x 84 x 4 in, 9 x 9 x 32 out."""
    return nn.Sequential(
        nn.Conv2d(num_frames, 16, kernel_size=8, stride=4), nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=4, stride=2), nn.ReLU(), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # fmt: skip


def small_convolutions(num_frames):
    """For frames of 42 x 42 on one CPU core: 5 x 5 x 32 out, a twentieth of the Nature network's work."""
    return nn.Sequential(
        nn.Conv2d(num_frames, 16, kernel_size=6, stride=3), nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=4, stride=2), nn.ReLU(), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # fmt: skip


def num_features(body, obs_shape):
    with torch.no_grad():
        return body(torch.zeros(1, *obs_shape)).shape[1]


def orthogonal(module, gain):
    """Orthogonal weights and no bias (Saxe et al. 2014), which policy gradient methods start from since Baselines."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weight = nn.init.orthogonal_(torch.empty(layer.weight.shape), gain)  # does not take channels_last itself
            layer.weight.data.copy_(weight)
            nn.init.zeros_(layer.bias)
    return module


# The same in NumPy ----------------------------------------------------------------------------------------------------
#
# A tiny network spends its time in torch's bookkeeping: for 8 observations and 64-64 units NumPy answers in a third of
# the time, and acting is half the work of a CartPole run. The arrays share memory with the parameters, so that an
# optimiser's step is seen at once. Observations are `[B, D]` floats.


def numpy_layers(sequential):
    """The function of a `Sequential` in NumPy, on views of the same weights; None where that cannot be."""
    steps = []
    for layer in sequential:
        if isinstance(layer, nn.Linear) and layer.weight.device.type == "cpu":
            steps.append((layer.weight.detach().numpy().T, layer.bias.detach().numpy()))
        elif type(layer) in NUMPY_ACTIVATIONS:
            steps.append(NUMPY_ACTIVATIONS[type(layer)])
        else:
            return None

    def apply(x):
        for step in steps:
            if isinstance(step, tuple):
                weight, bias = step
                x = x @ weight
                x += bias
            else:
                x = step(x)
        return x

    return apply


NUMPY_ACTIVATIONS = {nn.ReLU: lambda x: np.maximum(x, 0.0, out=x), nn.Tanh: lambda x: np.tanh(x, out=x)}
