"""The networks: from an observation to action values, or to a policy and a value.

An observation is a vector `[D]` of floats, or a stack of frames `[stack, H, W]` of bytes, the newest last. The *body*
turns it into features. In a Q-network a *stream* (one hidden layer, one output layer) turns features into values: one
stream gives Q, and a dueling network has two. With `hidden=()` a network for vectors is linear. Bytes become floats
here and nowhere else, which keeps the replay memory and transfers small.
"""

import contextlib

import numpy as np
import torch
from torch import nn

from rlkit import functional as F
from rlkit.running.memory import require_memory
from rlkit.running.settings import check_lengths, choose_device

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


class QNetwork(nn.Module):
    """Q(s, · ; w): observations `[B, ...]` -> action values `[B, A]`.

    `hidden` are the widths of the hidden layers; with frames only the last of them is used, after the convolutions. The
    observation enters as (obs - shift) / scale. Frames of 64 pixels or more get the three convolutions of the Nature
    paper, smaller frames get two small ones.
    """

    def __init__(self, obs_shape, num_actions, hidden=(64, 64), dueling=False, shift=0.0, scale=1.0):
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.body = body(obs_shape, hidden[:-1])
        width = num_features(self.body, obs_shape)
        self.value = stream(width, hidden[-1:], 1) if dueling else None
        self.advantage = stream(width, hidden[-1:], num_actions)  # without dueling this is Q itself

    def forward(self, obs):
        inputs = obs.to(torch.float32, copy=True).sub_(self.shift).div_(self.scale)  # in place: half the time
        features = self.body(inputs)
        if self.value is None:
            return self.advantage(features)
        return F.dueling(self.value(features), self.advantage(features))

    def numpy_twin(self):
        """The same function in NumPy, `[B, D]` -> `[B, A]`; None if `numpy_layers` cannot do it."""
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

    Vectors get two separate networks, as in the PPO paper, and frames get one body with two heads, unless `shared` says
    which. `hidden` are the widths of the hidden layers. With frames these come after the convolutions of DQN's paper of
    2013 or 2015; `year` says which. The observation enters as (obs - shift) / scale. The first weights are orthogonal
    or, without `orthogonally`, torch's own.
    """

    def __init__(
        self, obs_shape, policy, hidden=(64, 64), activation="tanh", shared=None, orthogonally=True,
        shift=0.0, scale=1.0, year=2015,
    ):  # fmt: skip
        super().__init__()
        frames = len(obs_shape) == 3
        size = () if frames else obs_shape
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32).expand(size).clone())
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32).expand(size).clone())
        start = orthogonal if orthogonally else lambda module, gain: module
        self.policy_body = start(tower(obs_shape, hidden, activation, year), 2**0.5)
        one = frames if shared is None else shared
        self.value_body = self.policy_body if one else start(tower(obs_shape, hidden, activation, year), 2**0.5)
        width = num_features(self.policy_body, obs_shape)
        head = nn.Linear(width, policy.num_params - policy.num_free)
        self.policy_head = start(head, 0.01)  # so small that at first all actions are equally probable
        self.value_head = start(nn.Linear(width, 1), 1.0)
        self.log_std = nn.Parameter(torch.zeros(policy.num_free)) if policy.num_free else None

    def forward(self, obs):
        inputs = self.inputs(obs)
        features = self.policy_body(inputs)
        value_features = features if self.value_body is self.policy_body else self.value_body(inputs)
        return self.params(features), self.value_head(value_features).squeeze(-1)

    def policy(self, obs):
        """The params alone: `[B, ...]` -> `[B, K]`."""
        return self.params(self.policy_body(self.inputs(obs)))

    def values(self, obs):
        """V alone: `[B, ...]` -> `[B]`."""
        return self.value_head(self.value_body(self.inputs(obs))).squeeze(-1)

    def inputs(self, obs):
        if obs.dim() == 4:  # like the convolutions' weights; bytes are put in order in half the time that floats take
            obs = obs.contiguous(memory_format=torch.channels_last)
        return obs.to(torch.float32, copy=True).sub_(self.shift).div_(self.scale)

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
        """The same function in NumPy, `[B, D]` -> `[B, K]`, `[B]`; None if `numpy_layers` cannot do it."""
        params, value = self.numpy_params(), numpy_layers([*self.value_body, self.value_head])
        if params is None or value is None:
            return None
        scaled = self.numpy_inputs()

        def params_and_values(obs):
            inputs = scaled(obs)
            return params(inputs), value(inputs)[:, 0]

        return params_and_values

    def numpy_policy(self):
        """`policy` in NumPy, `[B, D]` -> `[B, K]`; None if `numpy_layers` cannot do it."""
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

    A3C 2016, section 5.1. Its *state* `[2, N, H]` holds the LSTM's output and its cell, for each of N environments.
    """

    def __init__(self, obs_shape, policy, hidden, activation, **options):
        super().__init__(obs_shape, policy, hidden, activation, **options)
        self.value_body = self.policy_body
        width = self.value_head.in_features
        self.lstm = nn.LSTMCell(width, width)

    def initial_state(self, num_envs):
        """The state `[2, N, H]` in which every episode begins: zeros."""
        return torch.zeros(2, num_envs, self.lstm.hidden_size, device=self.device)

    def next_state(self, features, state):
        """One step of the LSTM: features `[N, H]`, state `[2, N, H]` -> the state after it."""
        return torch.stack(self.lstm(features, tuple(state)))

    def step(self, obs, state):
        """One row: `[N, ...]`, `[2, N, H]` -> params `[N, K]`, the state after it."""
        state = self.next_state(self.policy_body(self.inputs(obs)), state)
        return self.params(state[0]), state

    def unroll(self, obs, state, valid):
        """T rows one after the other: `[T, N, ...]`, `[2, N, H]`, `[T, N]` -> params `[T, N, K]`, V `[T, N]`.

        After an autoreset row, where `valid` is False, the state is the initial one again.
        """
        flat = self.policy_body(self.inputs(obs.flatten(0, 1)))  # [T, N, ...] -> [T N, ...] -> [T N, H]
        features = flat.unflatten(0, obs.shape[:2])  # [T, N, H]
        outputs = []
        for t in range(len(obs)):
            state = self.next_state(features[t], state)  # [N, H], [2, N, H] -> [2, N, H]
            outputs.append(state[0])  # [N, H]
            state = state * valid[t][:, None]  # [2, N, H] * [N, 1]
        outputs = torch.stack(outputs)  # [T, N, H]
        return self.params(outputs), self.value_head(outputs).squeeze(-1)  # [T, N, K], [T, N]

    def numpy_policy(self):
        return None  # torch's LSTM is as fast as one in NumPy would be


def obs_scaling(agent):
    """The keyword arguments that make a network see (obs - shift) / scale, as the agent's settings say."""
    check_lengths(agent)
    scale = agent.envs.obs_scale if agent.obs_scale is None else agent.obs_scale
    return {"shift": agent.obs_shift, "scale": scale}


def q_network(agent):
    """The Q-network that a DQN's settings and environments describe, with weights drawn by its seed."""
    with seeded(agent.seed):
        return QNetwork(agent.envs.obs_shape, agent.num_actions, agent.hidden, agent.dueling, **obs_scaling(agent))


def actor_critic(agent, kind=ActorCritic, **options):
    """The actor-critic that an agent's settings and environments describe, with weights drawn by its seed."""
    with seeded(agent.seed):
        shape, policy = agent.envs.obs_shape, agent.policy
        network = kind(shape, policy, agent.hidden, agent.activation, **obs_scaling(agent), **options)
    return network.to(choose_device(agent.device, frames=len(agent.envs.obs_shape) == 3))


@contextlib.contextmanager
def seeded(seed):
    """Inside, torch draws as after `torch.manual_seed(seed)`. The rest of the program keeps its random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def tower(obs_shape, hidden, activation, year):
    """All layers below a head of an actor-critic: convolutions for frames, then linear layers."""
    convolutions = body(obs_shape, (), year)
    width = num_features(convolutions, obs_shape)
    return nn.Sequential(*convolutions, *mlp([width, *hidden], ACTIVATIONS[activation]))


def body(obs_shape, hidden, year=2015):
    """What comes before the streams or heads: convolutions for `[stack, H, W]`, linear layers for `[D]`."""
    if len(obs_shape) == 1:
        return nn.Sequential(*mlp([obs_shape[0], *hidden]))
    if min(obs_shape[1:]) < 64:
        return small_convolutions(obs_shape[0])
    return {2013: workshop_convolutions, 2015: nature_convolutions}[year](obs_shape[0])


def stream(num_inputs, hidden, num_outputs):
    """Hidden layers, then a linear one."""
    widths = [num_inputs, *hidden]
    return nn.Sequential(*mlp(widths), nn.Linear(widths[-1], num_outputs))


def mlp(widths, activation=nn.ReLU):
    """Linear layers from each width to the next, each followed by the activation, as a list.

    Raises ValueError if they do not fit into the memory, with their gradients and an optimiser's two numbers for each.
    """
    weights = sum(i * o for i, o in zip(widths, widths[1:]))
    require_memory(16 * weights, f"A network with layers of {', '.join(map(str, widths))} units", "a smaller hidden")
    return [layer for i, o in zip(widths, widths[1:]) for layer in (nn.Linear(i, o), activation())]


def nature_convolutions(num_frames):
    """The convolutions of DQN 2015, Methods: 84 x 84 x 4 in, 7 x 7 x 64 out."""
    return nn.Sequential(
        nn.Conv2d(num_frames, 32, kernel_size=8, stride=4), nn.ReLU(),
        nn.Conv2d(32, 64, kernel_size=4, stride=2), nn.ReLU(),
        nn.Conv2d(64, 64, kernel_size=3, stride=1), nn.ReLU(), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # a third faster on a CPU with large batches  # fmt: skip


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
    """How many features the body makes from one observation."""
    with torch.no_grad():
        return body(torch.zeros(1, *obs_shape)).shape[1]


def orthogonal(module, gain):
    """Orthogonal weights and zero biases (Saxe et al. 2014): the usual start of policy gradients since Baselines."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weight = nn.init.orthogonal_(torch.empty(layer.weight.shape), gain)  # it cannot fill channels_last itself
            layer.weight.data.copy_(weight)
            nn.init.zeros_(layer.bias)
    return module


# The same in NumPy ----------------------------------------------------------------------------------------------------
#
# A tiny network spends most of its time in torch's bookkeeping. For 8 observations and two layers of 64 units NumPy
# needs a third of the time, and acting is half the work of a CartPole run. The arrays share memory with the parameters,
# so they see an optimiser's step at once. Observations are `[B, D]` floats.


def numpy_layers(sequential):
    """What these layers compute, in NumPy, on views of the same weights.

    None if one of the layers is neither linear nor an activation, or is not on the CPU.
    """
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
