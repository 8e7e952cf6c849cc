"""rlkit.optimizers: against torch's own, and with two processes in the middle of each other's step."""

import copy
import math
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from rlkit.optimizers import Adam, RMSProp, TorchAdam, make_optimizer


def gradients(steps, size=5):
    generator = torch.Generator().manual_seed(0)
    return [10.0**n * torch.randn(size, generator=generator) for n in (0, -3, 2, 0, 1, -6, 0, 0)][:steps]


def torch_steps(kind, theta, rates, **settings):
    """θ after torch's optimizer has taken a step along each gradient."""
    parameter = torch.nn.Parameter(theta.clone())
    optimizer = kind([parameter], lr=0.0, **settings)
    for gradient, rate in zip(gradients(len(rates)), rates):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = gradient
        optimizer.step()
        yield parameter.detach().clone()


RATES = (0.1, 0.1, 0.05, 0.2, 0.0, 0.1, 0.3, 0.01)
TWINS = {
    "adam": (lambda theta: Adam(theta, (0.9, 0.99), 1e-3), torch.optim.Adam, {"betas": (0.9, 0.99), "eps": 1e-3}),
    "rmsprop": (lambda theta: RMSProp(theta, 0.9, 0.0), torch.optim.RMSprop, {"alpha": 0.9, "eps": 0.0}),
}  # torch's RMSProp has ε beside the root, so the two agree only without ε


@pytest.mark.parametrize("name", TWINS)
def test_steps_are_those_of_torch(name):
    make, kind, settings = TWINS[name]
    theta = torch.arange(5.0)
    optimizer = make(theta)
    for gradient, rate, expected in zip(gradients(8), RATES, torch_steps(kind, theta, RATES, **settings)):
        before = gradient.clone()
        optimizer.step(gradient, rate)
        torch.testing.assert_close(theta, expected, rtol=1e-5, atol=1e-6)
        assert gradient.equal(before)


def test_torchs_adam_without_its_class_is_the_same_bit_for_bit_and_takes_what_that_has_saved():
    """One of the two parameters has no gradient at first."""
    settings, pairs = {"eps": 1e-5, "betas": (0.8, 0.99)}, []
    for kind in (TorchAdam, partial(torch.optim.Adam, fused=True)):
        parameters = [torch.nn.Parameter(torch.arange(5.0)), torch.nn.Parameter(torch.ones(5))]
        pairs.append((parameters, kind(parameters, 0.3, **settings)))
    (ours, one), (theirs, other) = pairs
    for number, gradient in enumerate(gradients(8)):
        for parameters, optimizer in pairs:
            optimizer.zero_grad()
            assert all(parameter.grad is None for parameter in parameters)
            optimizer.param_groups[0]["lr"] = RATES[number]
            for parameter in parameters[: number + 1]:
                parameter.grad = gradient.clone()
            optimizer.step()
        if number == 3:
            one = TorchAdam(ours, 1.0)
            one.load_state_dict(copy.deepcopy(other.state_dict()))
            pairs[0] = ours, one
        for mine, yours in zip(ours, theirs):
            assert mine.equal(yours)
            assert (mine in one.state) == (yours in other.state) == (mine is ours[0] or number > 0)
            for name, value in other.state.get(yours, {}).items():
                assert one.state[mine][name].equal(value)
    saved, expected = one.state_dict(), other.state_dict()
    assert saved["state"].keys() == expected["state"].keys() == {0, 1}
    assert saved["param_groups"][0].items() <= expected["param_groups"][0].items()


def test_an_agent_of_one_process_does_not_load_torchs_compiler():
    """It would cost every process a second of CPU time and 80 MB."""
    script = """
import sys
from rlkit import DQN, PPO, REINFORCE, TRPO
for kind in (DQN, PPO, REINFORCE, TRPO):
    next(kind().learn(10**6))
assert "torch.optim" in sys.modules and "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_rmsprop_by_hand():
    theta = torch.tensor([1.0, 1.0])
    optimizer = RMSProp(theta, decay=0.75, eps=3.0)
    optimizer.step(torch.tensor([2.0, 0.0]), 0.5)
    assert optimizer.square.tolist() == [1.0, 0.0]  # 1/4 2^2
    assert theta.tolist() == [1 - 0.5 * 2 / 2, 1.0]  # √(1 + 3): ε is inside the root
    optimizer.step(torch.tensor([0.0, math.sqrt(24.0)]), 1.0)
    torch.testing.assert_close(optimizer.square, torch.tensor([0.75, 6.0]))
    torch.testing.assert_close(theta, torch.tensor([0.5, 1 - math.sqrt(24) / 3]))


@pytest.mark.parametrize("name", TWINS)
def test_theta_and_statistics_stay_in_the_same_memory(name):
    """Other processes use the same memory, so everything is written in place, and nothing is kept elsewhere."""
    theta = torch.zeros(5)
    one = TWINS[name][0](theta)
    other = copy.copy(one)  # like that of another worker: the same tensors
    twin = TWINS[name][0](torch.zeros(5))
    for turn, gradient in enumerate(gradients(6)):
        (one, other)[turn % 2].step(gradient, 0.1)
        twin.step(gradient, 0.1)
    assert theta.equal(twin.theta) and theta.any()
    for mine, theirs in zip(one.statistics(), twin.statistics(), strict=True):
        assert mine.equal(theirs) and mine.any()
    assert all(mine is yours for mine, yours in zip(one.statistics(), other.statistics()))


def test_the_settings_name_the_optimizer():
    settings = SimpleNamespace(optimizer="adam", adam_betas=(0.8, 0.9), rmsprop_decay=0.7, optimizer_eps=0.1)
    adam = make_optimizer(settings, torch.zeros(3))
    assert (type(adam), adam.betas, adam.eps) == (Adam, (0.8, 0.9), 0.1)
    settings.optimizer = "rmsprop"
    rmsprop = make_optimizer(settings, torch.zeros(3))
    assert (type(rmsprop), rmsprop.decay, rmsprop.eps) == (RMSProp, 0.7, 0.1)


# Without a lock ---------------------------------------------------------------------------------------------


class Interrupted(torch.Tensor):
    """Shared memory; before it is written, another process has its turn."""

    def copy_(self, other):
        self.meanwhile()
        return super().copy_(other)


def interrupted(optimizer, meanwhile):
    """An optimizer that is about to write g (or v) when `meanwhile` happens."""
    slow = copy.copy(optimizer)
    slow.square = optimizer.square.as_subclass(Interrupted)
    slow.square.meanwhile = meanwhile
    return slow


def test_adam_without_a_lock_can_take_an_enormous_step_and_rmsprop_cannot():
    """A has written m but not yet v when B comes. The weight's gradient is 0 for B, which divides m by √0 + ε."""
    moved = {}
    for name, optimizer in {
        "adam": Adam(torch.zeros(1), (0.9, 0.999), 1e-5),
        "rmsprop": RMSProp(torch.zeros(1), 0.99, 1e-5),
    }.items():
        seen = []

        def step_of_b(optimizer=optimizer, seen=seen):
            optimizer.step(torch.zeros(1), learning_rate=1.0)
            seen.append(optimizer.theta.item())

        interrupted(optimizer, step_of_b).step(torch.ones(1), learning_rate=1.0)
        moved[name] = abs(seen[0])
        assert len(seen) == 1
    m_hat = 0.9 * 0.1 / (1 - 0.9**2)  # t is 2 at that moment
    assert moved["adam"] == pytest.approx(m_hat / 1e-5, rel=1e-4) and moved["adam"] > 40_000
    assert moved["rmsprop"] == 0.0


def test_the_step_of_rmsprop_is_bounded_whatever_g_is():
    """g is at least (1 - α) Δθ^2, because the step itself has just added that."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        size = 10.0 ** torch.randint(-6, 6, (2, 50), generator=generator)
        gradient, left_by_others = size[0] * torch.randn(50, generator=generator), size[1]
        optimizer = RMSProp(torch.zeros(50), 0.99, 1e-5)
        optimizer.square.copy_(left_by_others)
        optimizer.step(gradient, learning_rate=1.0)
        assert optimizer.theta.abs().max() <= 10 * 1.001  # 1 / √(1 - α)


def test_with_a_lock_the_two_steps_come_one_after_the_other():
    adam = Adam(torch.zeros(1), (0.9, 0.999), 1e-5)
    for gradient in (torch.ones(1), torch.zeros(1)):
        adam.step(gradient, learning_rate=1.0)
    assert adam.theta.abs() < 2
