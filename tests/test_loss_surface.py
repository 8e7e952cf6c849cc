"""rlkit.experiments.loss_surface: cuts through the loss of a DQN."""

import numpy as np
import pytest
import torch

from rlkit import DQN
from rlkit import functional as F
from rlkit.experiments.loss_surface import cut, moved, plane, random_direction, remembered

STEPS = np.linspace(-1, 1, 9)


def agent(hidden=(), **changes):
    return DQN("CartPole-v1", hidden=hidden, num_envs=4, huber_delta=float("inf"), learning_rate=1e-2, **changes)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_filter_of_a_direction_has_the_length_of_the_networks_and_biases_stay():
    network = agent((16, 8)).network
    direction = random_direction(network, generator())
    for change, weights in zip(direction, network.parameters()):
        if weights.dim() == 1:
            assert not change.any()
        else:
            assert torch.allclose(change.norm(dim=1), weights.norm(dim=1), rtol=1e-5)


def test_filters_of_a_convolution():
    weights, direction = torch.rand(4, 2, 3, 3) + 1, torch.randn(4, 2, 3, 3)
    scaled = F.filter_normalized(direction, weights)
    for i in range(4):
        assert float(scaled[i].norm()) == pytest.approx(float(weights[i].norm()), rel=1e-5)
        assert torch.allclose(scaled[i] / scaled[i].norm(), direction[i] / direction[i].norm(), atol=1e-6)


@pytest.mark.parametrize("hidden, parabola", [((), True), ((16,), False)])
def test_the_loss_of_a_linear_network_is_a_parabola_and_that_of_a_deep_one_is_not(hidden, parabola):
    learner = agent(hidden)
    batch = remembered(learner, steps=400, size=64)
    losses = cut(learner, batch, random_direction(learner.network, generator()), STEPS)
    bend = abs(np.diff(losses.astype(float), 3)).max() / np.ptp(losses)
    assert (bend < 1e-4) == parabola  # in single precision


def test_the_middle_of_a_cut_is_the_loss_and_the_weights_do_not_change():
    learner = agent((8,))
    batch = remembered(learner, steps=400, size=32)
    before = [p.detach().clone() for p in learner.network.parameters()]
    first, second = random_direction(learner.network, generator(1)), random_direction(learner.network, generator(2))
    loss = learner.objective(batch)[0].item()
    heights = plane(learner, batch, first, second, STEPS)
    assert cut(learner, batch, first, STEPS)[4] == pytest.approx(loss) and heights[4, 4] == pytest.approx(loss)
    assert heights[:, 4] == pytest.approx(cut(learner, batch, first, STEPS), rel=1e-4)
    assert heights[4] == pytest.approx(cut(learner, batch, second, STEPS), rel=1e-4)
    assert all(torch.equal(p, b) for p, b in zip(learner.network.parameters(), before))


def test_the_weights_come_back_after_an_error():
    network = agent((8,)).network
    before = [p.detach().clone() for p in network.parameters()]
    with (
        pytest.raises(ZeroDivisionError),
        torch.no_grad(),
        moved(network, [(1.0, random_direction(network, generator()))]),
    ):
        assert not torch.equal(next(network.parameters()), before[0])
        1 / 0  # noqa: B018
    assert all(torch.equal(p, b) for p, b in zip(network.parameters(), before))


def test_remembering_does_not_learn():
    learner = agent((8,))
    before = [p.detach().clone() for p in learner.network.parameters()]
    batch = remembered(learner, steps=2_000, size=16)
    assert batch.obs.shape == (16, 4) and learner.num_updates == 0
    assert all(torch.equal(p, b) for p, b in zip(learner.network.parameters(), before))
