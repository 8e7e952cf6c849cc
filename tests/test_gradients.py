"""The gradients along a stream of transitions: against autograd, and their statistics against sampling."""

import numpy as np
import pytest
import torch

from rlkit import functional as F
from rlkit import preset
from rlkit.experiments import gradients
from rlkit.explore.replay import worth_in_a_row, worth_replayed


@pytest.fixture(scope="module")
def stream():
    agent = preset("dqn-cartpole-plain", seed=0)
    return agent, gradients.played(agent, 0, 60)


def test_the_gradients_are_those_of_autograd(stream):
    agent, (obs, actions, next_obs, terminated) = stream
    rows = gradients.last_layer_gradients(agent, obs, actions, next_obs, terminated)
    assert terminated.any() and set(actions) == {0, 1}
    last = agent.network.advantage[-1]
    for t in [*range(5), int(terminated.argmax())]:
        q = agent.network(torch.from_numpy(obs[t : t + 1]))[0, actions[t]]
        with torch.no_grad():
            target = 1 + 0.99 * (not terminated[t]) * agent.target(torch.from_numpy(next_obs[t : t + 1])).max()
        weight, bias = torch.autograd.grad(-0.5 * (target - q) ** 2, [last.weight, last.bias])
        np.testing.assert_allclose(rows[t].reshape(2, -1), torch.cat([weight, bias[:, None]], 1), rtol=1e-4, atol=1e-6)


def test_the_stream_is_one_environment_played_on(stream):
    _, (obs, _, next_obs, terminated) = stream
    same = (obs[1:] == next_obs[:-1]).all(1)
    assert (same == ~terminated[:-1]).all()


def test_what_a_batch_is_worth_is_what_sampling_says():
    rng = np.random.default_rng(0)
    noise, rows = rng.standard_normal((40_000, 3)), np.zeros((40_000, 3))
    for t in range(1, len(rows)):
        rows[t] = 0.9 * rows[t - 1] + noise[t]
    rows -= rows.mean(0)
    variance = (rows**2).sum(1).mean()
    sums = np.concatenate([np.zeros((1, 3)), rows.cumsum(0)])
    windows = {size: gradients.window_means(sums, size) for size in (32, 512)}
    run = {
        "gradient": gradients.correlations(rows),
        "between": [(means**2).sum(1).mean() / variance for means in windows.values()],
    }
    in_a_row = variance / (windows[32] ** 2).sum(1).mean()
    assert worth_in_a_row([run], 32)[0] == pytest.approx(in_a_row, rel=0.01)
    for size, worth in zip(windows, worth_replayed([run], 32)[0]):
        starts = rng.integers(0, len(rows) - size, size=(4_000, 1))
        batches = rows[starts + rng.integers(size, size=(4_000, 32))].mean(1)
        assert worth == pytest.approx(variance / (batches**2).sum(1).mean(), rel=0.06)


def test_a_memory_of_the_whole_stream_is_worth_the_whole_batch():
    apart = np.random.default_rng(0).standard_normal((100, 2))
    apart -= apart.mean(0)
    sums = np.concatenate([np.zeros((1, 2)), apart.cumsum(0)])
    between = (gradients.window_means(sums, 100) ** 2).sum() / (apart**2).sum(1).mean()
    assert worth_replayed([{"between": [between]}], 32)[0, 0] == pytest.approx(32)
    assert gradients.cosines(apart, apart[0])[0] == pytest.approx(1)
    assert F.effective_batch_size(gradients.correlations(apart, 8), 8) > 0
