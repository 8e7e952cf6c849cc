"""TRPO: its Fisher matrix against the explicit Hessian, its step against the exact one, its trust region."""

import math

import numpy as np
import pytest
import torch
from conftest import Chain, Frames, Steering, distribution, disturb, learn, one_line, record, small, weights

from rlkit import functional as F
from rlkit.trpo import TRPO, flat_gradient

ENVS = {"discrete": Chain, "continuous": Steering}
KINDS = pytest.mark.parametrize("kind", ENVS)


def played(env, **settings):
    """A tiny agent with other weights than at first, and a batch that it played, with normalised advantages."""
    agent = small(TRPO, env, **{"hidden": (3,), "num_steps": 32, **settings})
    disturb(agent.network, size=0.3)
    rollout = agent.collector.collect(agent.num_steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
    return agent, batch._replace(advantages=F.normalize(batch.advantages))


def at(agent, theta, obs):
    """The policy's params at weights θ, computed without touching the agent's own weights."""
    names = {id(p): name for name, p in agent.network.named_parameters()}
    named = {names[id(p)]: theta.as_strided(p.shape, p.stride(), start) for p, start in places(agent)}
    return torch.func.functional_call(agent.network, named, (obs,))[0]


def places(agent):
    """Each parameter of the policy, and where it starts in θ."""
    parameters = agent.network.policy_parameters()
    starts = [p.storage_offset() for p in parameters]
    assert starts == [sum(p.numel() for p in parameters[:i]) for i in range(len(parameters))]
    return list(zip(parameters, starts))


def as_theta(agent, tensors):
    """One tensor for each parameter of the policy, in the layout of θ: convolutions have channels_last weights."""
    flat = torch.full_like(agent.theta, math.nan)
    for (p, start), tensor in zip(places(agent), tensors):
        flat.as_strided(p.shape, p.stride(), start).copy_(tensor)
    return flat


def surrogate_and_kl(agent, batch, theta, discrete):
    """Both from torch's own distributions."""
    old, new = distribution(batch.old_params, discrete), distribution(at(agent, theta, batch.obs), discrete)
    ratio = (new.log_prob(batch.actions) - old.log_prob(batch.actions)).exp()
    return (ratio * batch.advantages).mean(), torch.distributions.kl_divergence(old, new).mean()


def hessian(agent, batch, discrete):
    """The explicit Hessian of the KL at the agent's own weights."""
    kl = lambda theta: surrogate_and_kl(agent, batch, theta, discrete)[1]
    return torch.autograd.functional.hessian(kl, agent.theta.clone())


@pytest.fixture
def spy(monkeypatch):
    """What `improve_policy` computed: the matrix of its products, the vector g, and the full step."""
    seen, solve, search = {}, F.conjugate_gradient, TRPO.line_search

    def conjugate_gradient(matvec, b, iterations):
        seen.update(g=b, iterations=iterations)
        if len(b) < 100:
            seen["matrix"] = torch.stack([matvec(row) for row in torch.eye(len(b))])
        return solve(matvec, b, iterations)

    def line_search(agent, batch, full_step):
        seen["full_step"] = full_step.clone()
        return search(agent, batch, full_step)

    monkeypatch.setattr(F, "conjugate_gradient", conjugate_gradient)
    monkeypatch.setattr(TRPO, "line_search", line_search)
    return seen


# The step ---------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_the_fisher_vector_product_uses_the_hessian_of_the_kl(spy, kind, activation, damping):
    agent, batch = played(ENVS[kind], activation=activation, damping=damping)
    expected = hessian(agent, batch, kind == "discrete") + damping * torch.eye(len(agent.theta))
    agent.improve_policy(batch)
    torch.testing.assert_close(spy["matrix"], expected, rtol=1e-3, atol=1e-5)
    assert spy["iterations"] == 10
    curvature = torch.linalg.eigvalsh(expected)
    assert curvature.min() > damping - 1e-4 and curvature.max() > damping + 0.01


@pytest.mark.parametrize("env", [Chain, Steering, Frames])
def test_g_is_the_policy_gradient_by_an_independent_loop(spy, env):
    agent, batch = played(env, num_steps=4)
    parameters = agent.network.policy_parameters()
    expected = torch.zeros(len(agent.theta))
    for obs, action, advantage in zip(batch.obs, batch.actions, batch.advantages):
        log_prob = distribution(agent.network(obs[None])[0], env is not Steering).log_prob(action[None])
        expected += advantage * as_theta(agent, torch.autograd.grad(log_prob.sum(), parameters))
    agent.improve_policy(batch)
    torch.testing.assert_close(spy["g"], expected / len(batch.advantages), rtol=1e-3, atol=1e-5)


@KINDS
def test_the_full_step_is_the_natural_gradient_to_the_edge_of_the_region(spy, kind):
    agent, batch = played(ENVS[kind], cg_iterations=200, max_kl=0.02)
    H = hessian(agent, batch, kind == "discrete") + 0.1 * torch.eye(len(agent.theta))
    theta = agent.theta.clone().requires_grad_()
    (g,) = torch.autograd.grad(surrogate_and_kl(agent, batch, theta, kind == "discrete")[0], theta)
    natural = torch.linalg.solve(H, g)
    step = spy_step(agent, batch, spy)
    torch.testing.assert_close(step / step.norm(), natural / natural.norm(), rtol=1e-2, atol=1e-3)
    assert (0.5 * step @ H @ step).item() == pytest.approx(0.02, rel=1e-2)
    assert step @ g > 0  # uphill


def spy_step(agent, batch, spy):
    agent.improve_policy(batch)
    return spy["full_step"]


# The line search --------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("length", [0.1, 3.0, 30.0])
def test_the_line_search_takes_the_first_halving_that_gains_within_the_region(spy, kind, length):
    agent, batch = played(ENVS[kind])
    discrete = kind == "discrete"
    old = agent.theta.clone()
    full_step = length * spy_step(agent, batch, spy)
    agent.theta.copy_(old)
    before, _ = surrogate_and_kl(agent, batch, old, discrete)
    for k in range(10):
        surrogate, kl = surrogate_and_kl(agent, batch, old + 0.5**k * full_step, discrete)
        if surrogate > before and kl <= 0.01:
            break
    metrics = agent.line_search(batch, full_step)
    assert metrics["step_size"] == 0.5**k
    assert (metrics["step_size"] < 1) == (length > 1)
    torch.testing.assert_close(agent.theta, old + 0.5**k * full_step)
    assert metrics["kl"].item() == pytest.approx(kl.item(), rel=1e-3, abs=1e-7)
    assert metrics["gain"].item() == pytest.approx((surrogate - before).item(), rel=1e-2, abs=1e-6)


def fallen_back(agent, batch, before, metrics):
    assert agent.theta.equal(before)  # bit for bit
    assert float(metrics["step_size"]) == float(metrics["kl"]) == float(metrics["gain"]) == 0
    assert math.isfinite(metrics["entropy"])
    params, _ = agent.collector.forward(batch.obs.numpy())
    np.testing.assert_allclose(params, batch.old_params, rtol=1e-4, atol=1e-5)


@KINDS
def test_no_step_is_taken_downhill(kind):
    agent, batch = played(ENVS[kind])
    before = agent.theta.clone()
    theta = before.clone().requires_grad_()
    (g,) = torch.autograd.grad(surrogate_and_kl(agent, batch, theta, kind == "discrete")[0], theta)
    fallen_back(agent, batch, before, agent.line_search(batch, -0.01 * g / g.norm()))


@KINDS
def test_no_step_is_taken_out_of_the_region(kind):
    agent, batch = played(ENVS[kind], line_search_steps=3, max_kl=1e-9)
    before = agent.theta.clone()
    theta = before.clone().requires_grad_()
    (g,) = torch.autograd.grad(surrogate_and_kl(agent, batch, theta, kind == "discrete")[0], theta)
    fallen_back(agent, batch, before, agent.line_search(batch, 0.3 * g / g.norm()))


@KINDS
def test_no_step_is_taken_if_the_gradient_is_zero(kind):
    agent, batch = played(ENVS[kind])
    before = agent.theta.clone()
    nothing = batch._replace(advantages=torch.zeros_like(batch.advantages))
    fallen_back(agent, nothing, before, agent.improve_policy(nothing))


def test_no_step_is_taken_if_no_step_improves(monkeypatch):
    agent, batch = played(Chain)
    before = agent.theta.clone()
    surrogate = F.surrogate
    worse = iter(range(10**6))
    monkeypatch.setattr(F, "surrogate", lambda *arguments: surrogate(*arguments) - next(worse))
    fallen_back(agent, batch, before, agent.improve_policy(batch))
    assert next(worse) == 2 + agent.line_search_steps + 1  # calls: g, the old J, every halving, and the entropy


# Runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env, max_kl", [("CartPole-v1", 0.01), ("Pendulum-v1", 0.002), (Frames, 0.01)])
def test_every_step_of_a_run_stays_in_the_trust_region_and_improves(env, max_kl):
    agent = small(TRPO, env, max_kl=max_kl, num_steps=64)
    rollouts, kls, gains, sizes = record(agent), [], [], []
    thetas = [agent.theta.clone()]
    for progress in agent.learn((4 if env is Frames else 10) * 256):
        thetas.append(agent.theta.clone())
        rollout = rollouts[-1]
        batch = rollout.batch(agent.policy, rollout.advantages(0.99, 0.95), "cpu")
        batch = batch._replace(advantages=F.normalize(batch.advantages))
        discrete = rollout.actions.ndim == 2
        before, same = surrogate_and_kl(agent, batch, thetas[-2], discrete)
        after, kl = (x.item() for x in surrogate_and_kl(agent, batch, thetas[-1], discrete))
        assert same < 1e-5  # the policy that acted is the one before the step
        assert float(progress.metrics["kl"]) == pytest.approx(kl, rel=1e-2, abs=1e-6)
        kls.append(kl)
        gains.append(after - before.item())
        sizes.append(float(progress.metrics["step_size"]))
    assert max(kls) <= max_kl * 1.001
    accepted = np.array(sizes) > 0
    assert accepted.mean() > 0.7 and (np.array(gains)[accepted] > 0).all()
    assert np.mean(kls) > 0.2 * max_kl  # the steps use the region


@pytest.mark.parametrize("env", [Chain, Steering, Frames])
def test_fitting_v_does_not_move_the_policy_and_the_policy_step_does_not_move_v(env):
    agent, batch = played(env)
    policy, values = agent.theta.clone(), agent.w.detach().clone()
    assert len(policy) + len(values) == len(weights(agent.network))
    agent.fit_values(batch)
    assert agent.theta.equal(policy) and not agent.w.equal(values)
    params = agent.network.policy(batch.obs).detach()
    torch.testing.assert_close(params, batch.old_params, rtol=1e-4, atol=1e-5)
    values = agent.w.detach().clone()
    fitted = agent.network.values(batch.obs).detach()
    assert agent.improve_policy(batch)["step_size"] > 0
    assert not agent.theta.equal(policy) and agent.w.equal(values)
    assert agent.network.values(batch.obs).detach().equal(fitted)


def test_values_are_fitted_to_the_returns_without_normalising_them():
    agent = small(TRPO, "CartPole-v1", learning_rate=0.02, epochs=200, gae_lambda=1.0, minibatch_size=64)
    rollout = agent.collector.collect(16)
    batch = rollout.batch(agent.policy, rollout.advantages(0.99, 1.0), "cpu")
    assert batch.returns.mean() > 3
    error = lambda: (agent.network.values(batch.obs) - batch.returns).square().mean().item()
    before = error()
    agent.fit_values(batch)
    assert error() < before / 3
    assert abs((agent.network.values(batch.obs) - batch.returns).mean().item()) < 1


@KINDS
def test_the_numpy_twin_acts_with_the_new_weights(kind):
    agent, batch = played(ENVS[kind])
    before, _ = agent.collector.forward(batch.obs.numpy())
    for _ in range(3):
        agent.improve_policy(batch)
        agent.fit_values(batch)
        params, values = agent.collector.forward(batch.obs.numpy())
        with torch.no_grad():
            expected = agent.network(batch.obs)
        np.testing.assert_allclose(params, expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(values, expected[1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(params, at(agent, agent.theta, batch.obs).detach(), rtol=1e-4, atol=1e-5)
    assert abs(params - before).max() > 0.01


@pytest.mark.parametrize("env", [Chain, Steering, Frames])
def test_a_flat_gradient_has_the_order_of_theta(env):
    agent, _ = played(env, num_steps=2)
    parameters = agent.network.policy_parameters()
    gradient = flat_gradient(sum((p**2).sum() / 2 for p in parameters), parameters)
    torch.testing.assert_close(gradient, agent.theta)  # ∇ ½ |θ|^2 = θ


def test_a_gradient_of_nan_stops_the_run_with_one_sentence():
    agent = small(TRPO, "CartPole-v1")
    learn(agent, 64)
    rollout = agent.collector.collect(16)
    rollout.rewards[3, 2] = math.nan
    agent.collector.collect = lambda num_steps: rollout
    before = weights(agent.network)
    with pytest.raises(ValueError, match="diverged.*smaller learning_rate") as error:
        learn(agent, 128)
    one_line(error)
    assert weights(agent.network).equal(before)


def test_one_step_in_one_environment_is_enough():
    agent = small(TRPO, Chain, num_envs=1, num_steps=1)
    for progress in agent.learn(40):
        assert float(progress.metrics.get("step_size", 0)) == 0  # one advantage is normalised to 0
    assert torch.isfinite(weights(agent.network)).all()


def test_values_that_diverge_stop_the_run_with_one_sentence():
    agent = small(TRPO)
    rollout = agent.collector.collect(8)
    rollout.values[:] = np.nan
    batch = rollout.batch(agent.policy, np.zeros_like(rollout.rewards), "cpu")
    before = agent.w.detach().clone()
    with pytest.raises(ValueError, match="smaller learning_rate"):
        agent.fit_values(batch)
    assert agent.w.equal(before)


def test_the_learning_rate_of_v_falls_and_its_step_is_clipped_as_the_settings_say(monkeypatch):
    agent, seen = small(TRPO, anneal_steps=128, learning_rate=0.01, epochs=1, value_clip=0.2), []
    monkeypatch.setattr(F, "clipped_value_loss", lambda *given: seen.append(given) or F.value_loss(given[0], given[2]))
    rates = []
    for _ in agent.learn(128):
        rates.append(agent.optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [0.005, 0.0], atol=1e-9)
    assert {value_clip for *_, value_clip in seen} == {0.2}
    values, old_values, *_ = seen[0]
    torch.testing.assert_close(values.detach(), old_values, rtol=1e-4, atol=1e-5)  # before the first step of V


def test_the_first_weights_are_torchs_own_if_the_settings_say_so():
    network = small(TRPO, orthogonal=False).network
    assert (network.policy_head.bias != 0).all() and (network.value_body[0].bias != 0).all()
