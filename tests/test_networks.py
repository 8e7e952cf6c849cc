"""The networks: their shapes, their inputs, and the NumPy twins that act for them."""

import numpy as np
import pytest
import torch
from conftest import Chain, Frames, Steering, disturb, small, weights

from rlkit.a2c import A2C
from rlkit.networks import ActorCritic, QNetwork, RecurrentActorCritic, numpy_layers
from rlkit.policies import Gaussian, Softmax
from rlkit.ppo import PPO
from rlkit.theta import concatenate, flat_parameter, flatten, views
from rlkit.trpo import TRPO


def observations(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def frames(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("hidden", [(), (8,), (16, 8), (16, 8, 12)])
def test_the_numpy_twin_is_the_network_and_follows_its_optimizer(dueling, hidden):
    torch.manual_seed(0)
    network = QNetwork((3,), 4, hidden, dueling, shift=(0.5, -1.0, 2.0), scale=(1.0, 2.0, 0.1))
    twin, obs = network.numpy_twin(), observations(9, 3)
    optimizer = torch.optim.Adam(network.parameters(), 0.05, fused=True)
    start = twin(obs)
    for _ in range(3):
        with torch.no_grad():
            expected = network(torch.from_numpy(obs)).numpy()
        np.testing.assert_allclose(twin(obs), expected, rtol=1e-4, atol=1e-5)
        optimizer.zero_grad()
        network(torch.from_numpy(obs)).square().sum().backward()
        optimizer.step()
    assert abs(twin(obs) - start).max() > 0.01
    fresh = QNetwork((3,), 4, hidden, dueling, shift=(0.0, 1.0, 0.0), scale=(2.0, 1.0, 1.0))
    network.load_state_dict(fresh.state_dict())
    with torch.no_grad():
        np.testing.assert_allclose(twin(obs), fresh(torch.from_numpy(obs)).numpy(), rtol=1e-4, atol=1e-5)


def test_only_a_network_of_linear_layers_has_a_twin():
    assert QNetwork((4, 84, 84), 6).numpy_twin() is None
    assert QNetwork((4, 42, 42), 6).numpy_twin() is None
    assert ActorCritic((4, 42, 42), Softmax(3)).numpy_twin() is None
    assert numpy_layers([torch.nn.Linear(2, 2), torch.nn.GELU()]) is None
    assert numpy_layers([torch.nn.Linear(2, 2, device="meta")]) is None  # as on a GPU


def test_numpy_layers_are_torchs():
    torch.manual_seed(0)
    nn = torch.nn
    layers = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2), nn.Tanh())
    obs = observations(6, 3)
    before = obs.copy()
    np.testing.assert_allclose(numpy_layers(layers)(obs), layers(torch.from_numpy(obs)).detach(), rtol=1e-4, atol=1e-6)
    assert (obs == before).all()


def test_a_network_is_the_formula_of_its_layers():
    network = QNetwork((2,), 3, (5,), shift=1.0, scale=4.0)
    (w1, b1), (w2, b2) = [(m.weight, m.bias) for m in network.modules() if isinstance(m, torch.nn.Linear)]
    obs = torch.from_numpy(observations(7, 2))
    expected = torch.relu((obs - 1) / 4 @ w1.T + b1) @ w2.T + b2
    torch.testing.assert_close(network(obs), expected)


def test_a_dueling_network_has_its_value_as_the_mean_over_actions():
    network = QNetwork((2,), 3, (8, 5), dueling=True)
    obs = torch.from_numpy(observations(7, 2))
    torch.testing.assert_close(network(obs).mean(1), network.value(network.body(obs))[:, 0])
    plain = QNetwork((2,), 3, (8, 5))
    assert len(weights(network)) - len(weights(plain)) == 8 * 5 + 5 + 5 + 1  # one more stream


def test_the_nature_network_has_the_papers_shape():
    network = QNetwork((4, 84, 84), 18, (512,), scale=255.0)
    shapes = [tuple(m.weight.shape) for m in network.modules() if hasattr(m, "weight")]
    assert shapes == [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 7 * 7 * 64), (18, 512)]
    assert network(frames(2, 4, 84, 84)).shape == (2, 18)


def test_the_small_network_has_the_size_that_it_claims():
    network = QNetwork((4, 42, 42), 3, (128,))
    assert network.advantage[0].in_features == 5 * 5 * 32


@pytest.mark.parametrize("size", [15, 42, 63, 64, 84])
def test_every_frame_size_that_envs_allows_fits(size):
    network = QNetwork((4, size, size), 3, (16,), scale=255.0)
    assert network(frames(2, 4, size, size)).shape == (2, 3)


def test_bytes_become_floats_without_touching_the_batch():
    network = QNetwork((4, 42, 42), 3, (16,), shift=87.0, scale=60.0)
    batch = frames(2, 4, 42, 42)
    before = batch.clone()
    q = network(batch)
    assert batch.equal(before)
    inputs = (before.float() - 87) / 60
    torch.testing.assert_close(q, network.advantage(network.body(inputs)), rtol=1e-4, atol=1e-5)
    floats = torch.from_numpy(observations(2, 3))
    before = floats.clone()
    QNetwork((3,), 2, (4,), shift=1.0, scale=2.0)(floats)  # it scales in place, so it must work on a copy
    assert floats.equal(before)


# Actor and critic -------------------------------------------------------------------------------------------

POLICIES = {"discrete": Softmax(4), "continuous": Gaussian(2)}  # both have four params


def actor_critic(policy="discrete", obs_shape=(3,), **options):
    torch.manual_seed(0)
    return ActorCritic(obs_shape, POLICIES[policy], **{"hidden": (8, 5), **options})


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_an_actor_critic_is_the_formula_of_its_layers(policy, activation):
    network = actor_critic(policy, activation=activation, shift=(1.0, 0.0, -2.0), scale=(4.0, 1.0, 0.5))
    disturb(network)
    f = getattr(torch, activation)
    linear = lambda module: [(m.weight, m.bias) for m in module.modules() if isinstance(m, torch.nn.Linear)]
    obs = torch.from_numpy(observations(7, 3))
    inputs = (obs - torch.tensor([1.0, 0.0, -2.0])) / torch.tensor([4.0, 1.0, 0.5])
    outputs = []
    for body, head in ((network.policy_body, network.policy_head), (network.value_body, network.value_head)):
        (w1, b1), (w2, b2), (w3, b3) = linear(body) + linear(head)
        outputs.append(f(f(inputs @ w1.T + b1) @ w2.T + b2) @ w3.T + b3)
    if policy == "continuous":
        outputs[0] = torch.cat([outputs[0], network.log_std.repeat(7, 1)], 1)
    params, values = network(obs)
    torch.testing.assert_close(params, outputs[0])
    torch.testing.assert_close(values, outputs[1][:, 0])
    assert params.shape == (7, 4) and values.shape == (7,)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_an_actor_critics_twin_is_the_network_and_follows_its_optimizer(policy, activation):
    network = actor_critic(policy, activation=activation, shift=(0.5, -1.0, 2.0), scale=(1.0, 2.0, 0.1))
    theta = flat_parameter(network.parameters())
    twin, obs = network.numpy_twin(), observations(9, 3)
    optimizer = torch.optim.Adam([theta], 0.05, fused=True)
    start = twin(obs)

    def assert_same():
        with torch.no_grad():
            expected = network(torch.from_numpy(obs))
        for got, want in zip(twin(obs), expected):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)

    for _ in range(3):
        assert_same()
        optimizer.zero_grad(set_to_none=False)
        params, values = network(torch.from_numpy(obs))
        (params.square().sum() + (values - 3).square().sum() + params.sum()).backward()
        optimizer.step()
    assert_same()
    assert all(abs(now - then).max() > 0.01 for now, then in zip(twin(obs), start))
    if policy == "continuous":
        assert (twin(obs)[0][:, 2:] != 0).all()  # so are the deviations
    with torch.no_grad():
        network.shift.copy_(torch.ones(3))  # as running scales do
        network.scale.copy_(torch.full((3,), 2.0))
    assert_same()
    fresh = ActorCritic((3,), POLICIES[policy], (8, 5), activation, shift=0.1)
    network.load_state_dict(fresh.state_dict())
    assert_same()
    np.testing.assert_array_equal(twin(obs.astype(float))[0], twin(obs)[0])


def test_the_output_of_a_twin_is_not_overwritten():
    twin = actor_critic("continuous").numpy_twin()
    one, two = observations(2, 4, 3)
    first = twin(one)
    kept = [x.copy() for x in first]
    twin(two)
    assert all((x == y).all() for x, y in zip(first, kept))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("obs_shape", [(3,), (4, 16, 16)])
@pytest.mark.parametrize("shared", [True, False, None])
def test_policy_and_values_are_the_two_outputs_of_the_network(policy, obs_shape, shared):
    network = actor_critic(policy, obs_shape, shared=shared, scale=255.0)
    disturb(network, size=0.1)
    obs = frames(5, *obs_shape) if len(obs_shape) == 3 else torch.from_numpy(observations(5, *obs_shape))
    before = obs.clone()
    params, values = network(obs)
    torch.testing.assert_close(network.policy(obs), params)
    torch.testing.assert_close(network.values(obs), values)
    assert obs.equal(before)
    theta, w = ({id(p) for p in ps} for ps in (network.policy_parameters(), network.value_parameters()))
    assert theta | w == {id(p) for p in network.parameters()}
    one_body = len(obs_shape) == 3 if shared is None else shared
    assert bool(theta & w) == one_body == (network.value_body is network.policy_body)
    for loss, own, others in ((params.sum(), theta, w), (values.sum(), w, theta)):
        gradients = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, allow_unused=True)
        used = {id(p) for p, g in zip(network.parameters(), gradients) if g is not None}
        assert used == own and not used & (others - own)


def test_at_first_all_actions_are_equally_likely_and_the_weights_orthogonal():
    network = actor_critic(obs_shape=(6,), hidden=(32, 32))
    params, _ = network(torch.from_numpy(observations(50, 6)))
    assert 0 < params.abs().max() < 0.1
    gains = {network.policy_head: 0.01, network.value_head: 1.0}
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linear) == 6
    for layer in linear:
        weight = layer.weight if layer.in_features >= layer.out_features else layer.weight.T
        gain = gains.get(layer, 2**0.5)
        torch.testing.assert_close(weight @ weight.T, gain**2 * torch.eye(len(weight)), rtol=1e-4, atol=1e-5)
        assert not layer.bias.any()
    assert actor_critic("continuous").log_std.tolist() == [0, 0]


@pytest.mark.parametrize("env, shape", [(Chain, (5,)), (Steering, (2,)), (Frames, ())])
def test_an_agents_network_has_its_settings(env, shape):
    agent = small(PPO, env, hidden=(9, 7), activation="relu", obs_shift=0.5, seed=3)
    network = agent.network
    assert network.shift.tolist() == np.full(shape, 0.5).tolist()
    assert network.scale.tolist() == np.full(shape, 255.0 if env is Frames else 1.0).tolist()
    assert [m.out_features for m in network.policy_body if isinstance(m, torch.nn.Linear)] == [9, 7]
    assert isinstance(network.policy_body[-1], torch.nn.ReLU)
    assert network.device.type == "cpu" or env is Frames
    assert (network.value_body is network.policy_body) == (env is Frames)
    apart = small(TRPO, env).network
    assert apart.value_body is not apart.policy_body


def test_the_workshop_network_has_the_papers_shape():
    """A3C 2016, section 8: 16 filters of 8 x 8 every 4, 32 of 4 x 4 every 2, 256 units, and two heads on them."""
    agent = small(A2C, "ALE/Pong-v5", num_envs=1, hidden=(256,), activation="relu", frame_size=84, actions=(0, 2, 3))
    network = agent.network
    assert (network.scale, network.value_body is network.policy_body) == (255.0, True)
    shapes = [tuple(m.weight.shape) for m in network.modules() if hasattr(m, "weight")]
    assert shapes == [(16, 4, 8, 8), (32, 16, 4, 4), (256, 9 * 9 * 32), (3, 256), (1, 256)]
    assert [m.stride for m in network.modules() if isinstance(m, torch.nn.Conv2d)] == [(4, 4), (2, 2)]
    obs = frames(2, 4, 84, 84)
    conv1, conv2, linear = (m for m in network.policy_body if hasattr(m, "weight"))
    features = torch.relu(linear(torch.relu(conv2(torch.relu(conv1(obs / 255)))).flatten(1)))
    params, values = network(obs)
    torch.testing.assert_close(params, network.policy_head(features), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(values, network.value_head(features)[:, 0], rtol=1e-4, atol=1e-6)
    other = ActorCritic((4, 84, 84), Softmax(3), (256,)).policy_body  # PPO has the network of Nature
    assert [m.out_channels for m in other if isinstance(m, torch.nn.Conv2d)] == [32, 64, 64]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_policy_alone_has_a_twin_too(policy, activation):
    network = actor_critic(policy, activation=activation, shift=(0.5, -1.0, 2.0), scale=(1.0, 2.0, 0.1))
    twin, obs = network.numpy_policy(), observations(9, 3)
    for seed in (0, 1):
        disturb(network, seed)
        np.testing.assert_allclose(twin(obs), network.policy(torch.from_numpy(obs)).detach(), rtol=1e-4, atol=1e-5)
    assert actor_critic(obs_shape=(4, 16, 16)).numpy_policy() is None
    assert recurrent().numpy_policy() is None


# Memory -----------------------------------------------------------------------------------------------------


def recurrent(policy="discrete", obs_shape=(3,), **options):
    torch.manual_seed(0)
    network = RecurrentActorCritic(obs_shape, POLICIES[policy], (8, 5), "tanh", **options)
    disturb(network, size=0.3)
    return network


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("obs_shape", [(3,), (4, 16, 16)])
def test_a_recurrent_network_is_a_body_then_torchs_lstm_then_two_heads(policy, obs_shape):
    """nn.LSTM runs through whole sequences, with other code than the cell that goes step by step."""
    network, (T, N) = recurrent(policy, obs_shape, scale=2.0), (6, 4)
    lstm = torch.nn.LSTM(5, 5)
    lstm.load_state_dict({f"{name}_l0": value for name, value in network.lstm.state_dict().items()})
    obs = torch.from_numpy(observations(T, N, *obs_shape))
    memory = torch.from_numpy(observations(2, N, 5))
    features = network.policy_body(obs.flatten(0, 1) / 2).unflatten(0, (T, N))
    outputs, (output, cell) = lstm(features, (memory[:1].contiguous(), memory[1:].contiguous()))
    params, values = network.unroll(obs, memory, torch.ones(T, N, dtype=torch.bool))
    expected = network.policy_head(outputs)
    if policy == "continuous":
        expected = torch.cat([expected, network.log_std.expand(T, N, 2)], -1)
    torch.testing.assert_close(params, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(values, network.value_head(outputs)[..., 0], rtol=1e-4, atol=1e-5)
    stepped = memory
    for t in range(T):
        now, stepped = network.step(obs[t], stepped)
        torch.testing.assert_close(now, params[t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stepped, torch.cat([output, cell]), rtol=1e-4, atol=1e-5)


def test_rows_after_an_autoreset_row_do_not_depend_on_the_rows_before_it():
    network, obs = recurrent(), torch.from_numpy(observations(6, 3, 3))
    valid = torch.ones(6, 3, dtype=torch.bool)
    valid[2, 1] = False
    memory = torch.from_numpy(observations(2, 3, 5))
    params, values = network.unroll(obs, memory, valid)
    whole, _ = network.unroll(obs, memory, torch.ones_like(valid))
    fresh, fresh_values = network.unroll(obs[3:, 1:2], network.initial_state(1), valid[3:, 1:2])
    torch.testing.assert_close(params[3:, 1:2], fresh)
    torch.testing.assert_close(values[3:, 1:2], fresh_values)
    torch.testing.assert_close(params[:, ::2], whole[:, ::2])  # the other environments
    torch.testing.assert_close(params[:3, 1], whole[:3, 1])  # the autoreset row itself still depends on them
    assert (params[3:, 1] - whole[3:, 1]).abs().max() > 1e-3
    params, _ = network.unroll(obs, memory.requires_grad_(), valid)
    (gradient,) = torch.autograd.grad(params[3:].sum(), memory)
    assert gradient[:, ::2].abs().min(-1).values.min() > 0 and not gradient[:, 1].any()


def test_the_initial_state_is_zero_and_one_body_serves_both_heads():
    network = recurrent(obs_shape=(7,))
    assert network.value_body is network.policy_body
    sizes = [7 * 8 + 8, 8 * 5 + 5, 2 * 4 * 5 * 5 + 2 * 4 * 5, 5 * 4 + 4, 5 + 1]  # two layers, the LSTM, two heads
    assert len(weights(network)) == sum(sizes)
    assert network.initial_state(7).equal(torch.zeros(2, 7, 5))


# One flat tensor --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("obs_shape, dueling", [((4,), True), ((4, 42, 42), False), ((4, 84, 84), True)])
def test_flatten_changes_only_where_the_weights_are_stored(obs_shape, dueling):
    network = QNetwork(obs_shape, 3, (32, 32), dueling)
    obs = torch.rand(2, *obs_shape)
    before, strides = network(obs), [p.stride() for p in network.parameters()]
    theta = flatten(network.parameters())
    assert torch.equal(network(obs), before)
    assert [p.stride() for p in network.parameters()] == strides  # convolutions keep their fast memory format
    assert len(theta) == sum(p.numel() for p in network.parameters())
    theta.zero_()
    assert not network(obs).any()


@pytest.mark.parametrize("obs_shape", [(3,), (4, 42, 42)])
def test_concatenated_gradients_have_the_order_of_the_weights(obs_shape):
    network = actor_critic("continuous", obs_shape)
    parameters = list(network.parameters())
    theta = flatten(parameters)
    tensors = [p.detach().clone(memory_format=torch.contiguous_format) for p in parameters]  # in another memory format
    assert concatenate(tensors, parameters).equal(theta)
    assert concatenate([p.detach() for p in parameters], parameters).equal(theta)
    flat = torch.randn(len(theta))
    assert concatenate(views(flat, parameters), parameters).equal(flat)


@pytest.mark.parametrize("obs_shape", [(3,), (4, 42, 42)])
def test_a_flat_parameter_learns_as_its_parts_do(obs_shape):
    one, two = (actor_critic("continuous", obs_shape, scale=255.0) for _ in range(2))
    strides = [p.stride() for p in one.parameters()]
    theta = flat_parameter(one.parameters())
    assert [p.stride() for p in one.parameters()] == strides
    assert [p.grad.stride() for p in one.parameters()] == strides
    optimizers = torch.optim.Adam([theta], 0.01), torch.optim.Adam(two.parameters(), 0.01)
    obs = frames(6, *obs_shape)
    for _ in range(4):
        for network, optimizer in zip((one, two), optimizers):
            optimizer.zero_grad(set_to_none=False)
            params, values = network(obs)
            (params.square().sum() + (values - 1).square().sum()).backward()
            torch.nn.utils.clip_grad_norm_(theta if network is one else network.parameters(), 0.1)
        for p, q in zip(one.parameters(), two.parameters()):
            torch.testing.assert_close(p.grad, q.grad)
        assert theta.grad.norm().item() == pytest.approx(0.1, rel=1e-3)
        for optimizer in optimizers:
            optimizer.step()
        torch.testing.assert_close(weights(one), weights(two), rtol=1e-4, atol=1e-6)
    pieces = torch.cat([p.detach().as_strided((p.numel(),), (1,), p.storage_offset()) for p in one.parameters()])
    assert theta.detach().equal(pieces)  # one after the other in memory
