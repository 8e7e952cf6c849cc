"""The networks: their shapes, what enters them, and the NumPy twin that acts for them."""

import numpy as np
import pytest
import torch
from conftest import weights

from rlkit.networks import QNetwork


def observations(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def frames(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("hidden", [(8,), (16, 8), (16, 8, 12)])
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
    assert numpy_twin(QNetwork((4, 84, 84), 6)) is None
    assert numpy_twin(QNetwork((4, 42, 42), 6)) is None


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
    assert len(weights(network)) - len(weights(plain)) == 8 * 5 + 5 + 5 + 1  # a stream more


def test_the_nature_network_has_the_papers_shape():
    network = QNetwork((4, 84, 84), 18, (512,), scale=255.0)
    shapes = [tuple(m.weight.shape) for m in network.modules() if hasattr(m, "weight")]
    assert shapes == [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 7 * 7 * 64), (18, 512)]
    assert network(frames(2, 4, 84, 84)).shape == (2, 18)


def test_the_small_network_is_as_small_as_it_says():
    network = QNetwork((4, 42, 42), 3, (128,))
    assert network.advantage[0].in_features == 5 * 5 * 32


@pytest.mark.parametrize("size", [15, 42, 63, 64, 84])
def test_every_size_of_frames_that_envs_allows_fits(size):
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
    QNetwork((3,), 2, (4,), shift=1.0, scale=2.0)(floats)  # in place inside, so it must work on a copy
    assert floats.equal(before)
