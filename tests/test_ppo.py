"""PPO: its objective against a literal loop, its epochs, the weight of its penalty, and what must never be NaN."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from conftest import Chain, Counting, Frames, Steering, distribution, disturb, learn, one_line, record, small, weights

from rlkit import functional as F
from rlkit.ppo import PPO
from rlkit.rollout import Batch

ENVS = {"discrete": "CartPole-v1", "continuous": Steering}
KINDS = pytest.mark.parametrize("kind", ENVS)
VARIANTS = pytest.mark.parametrize("variant", ["clip", "adaptive_kl"])


def played(env, **settings):
    """An agent, and the batch of its first rollout with normalised advantages."""
    agent = small(PPO, env, **settings)
    rollout = agent.collector.collect(agent.num_steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), agent.network.device)
    return agent, batch._replace(advantages=F.normalize(batch.advantages))


# The objective ----------------------------------------------------------------------------------------------


def literal_policy(params, action, discrete):
    """Log-probability of the action, and entropy, in plain Python floats."""
    if discrete:
        total = sum(math.exp(z) for z in params)
        pi = [math.exp(z) / total for z in params]
        return math.log(pi[action]), -sum(p * math.log(p) for p in pi)
    half, log_prob, entropy = len(params) // 2, 0.0, 0.0
    for mean, log_std, a in zip(params[:half], params[half:], action):
        std = math.exp(log_std)
        log_prob += math.log(math.exp(-((a - mean) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi)))
        entropy += 0.5 * math.log(2 * math.pi * math.e * std**2)
    return log_prob, entropy


def literal_kl(old, new, discrete):
    old, new = (distribution(torch.tensor(params, dtype=torch.float64), discrete) for params in (old, new))
    return torch.distributions.kl_divergence(old, new).item()


@KINDS
@VARIANTS
@pytest.mark.parametrize("entropy_coef", [0.0, 0.05])
def test_the_objective_is_that_of_a_literal_loop_over_the_batch(kind, variant, entropy_coef):
    discrete = kind == "discrete"
    agent, batch = played(ENVS[kind], variant=variant, entropy_coef=entropy_coef, value_coef=0.3, kl_coef=2.5)
    disturb(agent.network, size=0.6)
    agent.beta = 1.7  # the objective uses the present β
    with torch.no_grad():
        params, values = (x.double().tolist() for x in agent.network(batch.obs))
    terms, corners, kls = [], Counter(), []
    for b in range(len(values)):
        action, advantage = batch.actions[b].tolist(), batch.advantages[b].item()
        log_prob, entropy = literal_policy(params[b], action, discrete)
        ratio = math.exp(log_prob - batch.old_log_probs[b].item())
        if variant == "clip":
            clipped = min(max(ratio, 0.9), 1.1)
            surrogate = min(ratio * advantage, clipped * advantage)
            corners[(ratio > 1.1) - (ratio < 0.9), advantage > 0] += 1
        else:
            kls.append(literal_kl(batch.old_params[b].tolist(), params[b], discrete))
            surrogate = ratio * advantage - 1.7 * kls[-1]
        error = (values[b] - batch.returns[b].item()) ** 2
        terms.append(surrogate - 0.3 * error + entropy_coef * entropy)
    loss = agent.objective(batch, 0.1)
    assert loss.shape == () and loss.requires_grad
    assert loss.item() == pytest.approx(-sum(terms) / len(terms), rel=1e-4)
    assert len(corners) == 6 if variant == "clip" else np.mean(kls) > 0.01  # below, inside, above; both signs


@pytest.mark.parametrize("env", [Chain, Steering, Frames, "CartPole-v1"])
@VARIANTS
def test_the_first_gradient_on_a_fresh_batch_is_the_policy_gradient(env, variant):
    """An independent loop: the mean of A ∇ ln π(a|s; θ), sample by sample."""
    agent, batch = played(env, variant=variant, value_coef=0.0, num_steps=8)
    parameters = list(agent.network.parameters())
    expected = [torch.zeros_like(p) for p in parameters]
    for obs, action, advantage in zip(batch.obs, batch.actions, batch.advantages):
        params, _ = agent.network(obs[None])
        log_prob = distribution(params, discrete=env is not Steering).log_prob(action[None])
        gradients = torch.autograd.grad(log_prob.sum(), parameters, allow_unused=True)
        for total, gradient in zip(expected, gradients):
            if gradient is not None:
                total += advantage * gradient / len(batch.advantages)
    agent.objective(batch, 0.2).backward()
    assert max(gradient.abs().max() for gradient in expected) > 1e-4
    for p, gradient in zip(parameters, expected):
        torch.testing.assert_close(-p.grad, gradient, rtol=1e-3, atol=1e-6)  # the loss is minimised


@pytest.mark.parametrize("env", [Chain, Steering, Frames, "CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_ratio_is_1_on_every_fresh_batch(env, normalize):
    if env is Frames and normalize:
        pytest.skip("see test_rollout.py")
    agent = small(PPO, env, normalize=normalize, learning_rate=0.01)
    ratios = []
    update = agent.update

    def look_first(rollout):
        batch = rollout.batch(agent.policy, rollout.rewards, "cpu")
        with torch.no_grad():
            params, values = agent.network(batch.obs)
            log_probs = distribution(params, discrete=batch.actions.dim() == 1).log_prob(batch.actions)
        ratios.append((log_probs - batch.old_log_probs).exp())
        np.testing.assert_allclose(values, rollout.values[:-1][rollout.valid], rtol=1e-3, atol=1e-4)
        metrics = update(rollout)
        with torch.no_grad():
            assert not torch.allclose(agent.network(batch.obs)[0], params, atol=1e-3)  # it has learned since then
        return metrics

    agent.update = look_first
    learn(agent, 320)
    assert len(ratios) == 5
    for ratio in ratios:
        torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0, atol=1e-5)


# The details -----------------------------------------------------------------------------------------------


def test_values_are_clipped_around_those_of_the_network_that_acted():
    agent, batch = played("CartPole-v1", value_clip=0.3, value_coef=0.7)
    disturb(agent.network, size=0.6)
    with torch.no_grad():
        params, values = agent.network(batch.obs)
        moved = values - batch.old_values
        batch = batch._replace(returns=values + moved * torch.tensor([1, -1]).repeat(len(moved) // 2))  # ahead, behind
        policy_loss = -F.clipped_surrogate(
            F.ratio(agent.policy.log_prob(params, batch.actions), batch.old_log_probs), batch.advantages, 0.1
        ).mean()
    errors = []
    for value, old, target in zip(values.tolist(), batch.old_values.tolist(), batch.returns.tolist()):
        clipped = min(max(value, old - 0.3), old + 0.3)
        errors.append(max((value - target) ** 2, (clipped - target) ** 2))
    assert agent.objective(batch, 0.1).item() == pytest.approx(policy_loss.item() + 0.7 * np.mean(errors), rel=1e-4)
    agent.value_clip = math.inf
    plain = policy_loss + 0.7 * ((values - batch.returns) ** 2).mean()
    assert agent.objective(batch, 0.1).item() == pytest.approx(plain.item(), rel=1e-4)
    assert not math.isclose(np.mean(errors), ((values - batch.returns) ** 2).mean().item(), rel_tol=0.01)


def test_old_values_are_those_of_the_network_that_acted():
    agent, batch = played("CartPole-v1")
    torch.testing.assert_close(batch.old_values, agent.network.values(batch.obs).detach(), rtol=1e-4, atol=1e-5)


def test_advantages_are_left_as_they_are_without_their_normalisation():
    agent = small(PPO, epochs=1, normalize_advantages=False)
    rollouts, seen = record(agent), spy(agent)
    learn(agent, 64)
    advantages = torch.cat([batch.advantages for batch, *_ in seen])
    np.testing.assert_allclose(
        np.sort(advantages), np.sort(rollouts[0].advantages(0.99, 0.95)[rollouts[0].valid]), rtol=1e-5
    )


def test_one_body_can_serve_vectors_and_two_frames():
    for env, shared in (("CartPole-v1", True), (Frames, False)):
        network = small(PPO, env, shared=shared).network
        assert (network.value_body is network.policy_body) == shared
    agent = small(PPO, shared=True)
    batch = agent.collector.collect(16)
    with torch.no_grad():
        params, values = agent.network(torch.from_numpy(batch.obs))
    np.testing.assert_allclose(batch.params, params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.values[:-1], values, rtol=1e-4, atol=1e-5)
    before = weights(agent.network)
    learn(agent, 128)
    assert not weights(agent.network).equal(before)


def test_the_first_weights_and_adams_epsilon_are_what_the_settings_say():
    body = small(PPO, hidden=(4,)).network.policy_body[0].weight
    torch.testing.assert_close(body.T @ body, 2 * torch.eye(4), rtol=0, atol=1e-5)
    plain = small(PPO, hidden=(4,), orthogonal=False, adam_eps=0.25)
    body = plain.network.policy_body[0]
    assert not torch.allclose(body.weight.T @ body.weight, 2 * torch.eye(4), atol=0.1)
    assert (body.bias != 0).all() and plain.network.policy_head.weight.abs().max() > 0.1  # torch's own, up to 1/2
    assert plain.optimizer.param_groups[0]["eps"] == 0.25 and small(PPO).optimizer.param_groups[0]["eps"] == 1e-5


# The epochs -------------------------------------------------------------------------------------------------


def spy(agent):
    """A list that fills with every (minibatch, clip_coef) that `agent.objective` gets, and the learning rate then."""
    seen, objective = [], agent.objective

    def look(batch, clip_coef):
        seen.append((batch, clip_coef, agent.optimizer.param_groups[0]["lr"]))
        return objective(batch, clip_coef)

    agent.objective = look
    return seen


@pytest.mark.parametrize("epochs, size", [(1, 64), (3, 16), (2, 7)])
def test_each_epoch_sees_every_valid_sample_once_and_never_a_reset(epochs, size):
    agent = small(PPO, lambda: Counting((3,)), epochs=epochs, minibatch_size=size, num_steps=16, num_envs=1)
    seen = spy(agent)
    learn(agent, 32)
    # In 32 steps: 8 episodes of three steps, 4 in each rollout of 16.
    for first, part in ((0, seen[: len(seen) // 2]), (4, seen[len(seen) // 2 :])):
        played = [(episode, time) for episode in range(first, first + 4) for time in range(3)]
        for epoch in range(epochs):
            minibatches = part[epoch * len(part) // epochs : (epoch + 1) * len(part) // epochs]
            rows = [tuple(row) for batch, *_ in minibatches for row in batch.obs.tolist()]
            assert sorted(rows) == played
    assert len(seen) == 2 * epochs * max(1, round(12 / size))


def test_advantages_have_mean_0_and_deviation_1_over_the_whole_batch():
    agent = small(PPO, epochs=1)
    rollouts, seen = record(agent), spy(agent)
    learn(agent, 64)
    advantages = torch.cat([batch.advantages for batch, *_ in seen])
    assert advantages.mean().abs() < 1e-5 and advantages.std(correction=0).item() == pytest.approx(1, abs=1e-4)
    plain = rollouts[0].advantages(0.99, 0.95)[rollouts[0].valid]
    np.testing.assert_allclose(np.sort(advantages), (np.sort(plain) - plain.mean()) / plain.std(), atol=1e-4)
    assert max(abs(batch.advantages.mean()) for batch, *_ in seen) > 0.05  # while the minibatches have other means
    returns = torch.cat([batch.returns for batch, *_ in seen])
    expected = (rollouts[0].advantages(0.99, 0.95) + rollouts[0].values[:-1])[rollouts[0].valid]
    np.testing.assert_allclose(np.sort(returns), np.sort(expected), rtol=1e-5)  # V's targets are not normalised


def test_an_update_takes_the_clipped_gradient_of_its_own_minibatch_only():
    agent = small(PPO, epochs=1, minibatch_size=1000, max_grad_norm=1e-3)
    rollout = agent.collector.collect(16)
    seen = spy(agent)
    twin = small(PPO, epochs=1, minibatch_size=1000)
    twin.collector.collect(16)
    agent.theta.grad.fill_(100.0)  # left by an earlier batch
    agent.update(rollout)
    twin.objective(seen[0][0], 0.2).backward()
    norm = twin.theta.grad.norm()
    assert len(seen) == 1 and norm > 0.01  # one minibatch, whose gradient is longer than the limit
    torch.testing.assert_close(agent.theta.grad, twin.theta.grad * 1e-3 / norm, rtol=1e-3, atol=1e-8)


def test_the_learning_rate_and_epsilon_fall_to_0_over_anneal_steps():
    agent = small(PPO, anneal_steps=256, learning_rate=0.01, clip_coef=0.3, epochs=1, minibatch_size=64)
    seen = spy(agent)
    before = weights(agent.network)
    learn(agent, 256)
    np.testing.assert_allclose([lr for *_, lr in seen], [0.0075, 0.005, 0.0025, 0.0], atol=1e-9)
    np.testing.assert_allclose([clip_coef for _, clip_coef, _ in seen], [0.225, 0.15, 0.075, 0.0], atol=1e-9)
    assert not weights(agent.network).equal(before)
    at_the_end = weights(agent.network)
    learn(agent, 384)
    assert weights(agent.network).equal(at_the_end)  # the learning rate is 0
    agent = small(PPO, learning_rate=0.01, epochs=1, minibatch_size=64)
    seen = spy(agent)
    learn(agent, 256)
    assert {(clip_coef, lr) for _, clip_coef, lr in seen} == {(0.2, 0.01)}


def test_the_bonus_of_the_entropy_falls_to_0_over_entropy_steps():
    agent, batch = played("CartPole-v1", entropy_coef=0.4, entropy_steps=1_000)
    plain, _ = played("CartPole-v1")
    without = plain.objective(batch, 0.2).item()
    entropy = agent.policy.entropy(agent.network.policy(batch.obs)).mean().item()
    for step, coefficient in ((0, 0.4), (250, 0.3), (500, 0.2), (1_000, 0.0), (5_000, 0.0)):
        agent.step = step
        assert agent.objective(batch, 0.2).item() == pytest.approx(without - coefficient * entropy, rel=1e-5)
    agent.entropy_steps = None
    assert agent.objective(batch, 0.2).item() == pytest.approx(without - 0.4 * entropy, rel=1e-5)


# β ----------------------------------------------------------------------------------------------------------


def whole_kl(agent, rollout):
    """The mean KL from the policy that acted to the present one, over the whole rollout."""
    kept = torch.from_numpy(rollout.params[rollout.valid])
    discrete = rollout.actions.ndim == 2
    with torch.no_grad():
        params, _ = agent.network(torch.from_numpy(rollout.obs[rollout.valid]))
    return torch.distributions.kl_divergence(distribution(kept, discrete), distribution(params, discrete)).mean().item()


@KINDS
@pytest.mark.parametrize("learning_rate, factor", [(0.02, 2.0), (1e-6, 0.5)])
def test_beta_follows_the_kl_of_the_whole_batch(kind, learning_rate, factor):
    agent = small(
        PPO, ENVS[kind], variant="adaptive_kl", kl_coef=0.01, learning_rate=learning_rate, epochs=4, num_steps=50
    )
    rollouts, beta = record(agent), 0.01
    for progress in agent.learn(1000):
        kl = whole_kl(agent, rollouts[-1])
        assert float(progress.metrics["kl"]) == pytest.approx(kl, rel=1e-3, abs=1e-6)
        assert (kl > 0.015) == (factor == 2) and (kl < 0.01 / 1.5) == (factor == 0.5)
        beta *= factor
        assert agent.beta == progress.metrics["beta"] == pytest.approx(beta)
    assert len(rollouts) == 5


def test_beta_does_not_change_while_the_kl_is_within_its_bounds():
    agent = small(PPO, variant="adaptive_kl", kl_coef=3.0, kl_min=1e-12, kl_max=1e3)
    learn(agent, 256)
    assert agent.beta == 3.0 == agent.kl_coef
    clip = small(PPO, kl_coef=3.0)
    assert all("beta" not in progress.metrics for progress in clip.learn(256)) and clip.beta == 3.0


def test_the_penalty_grows_until_the_kl_is_near_its_target():
    settings = {"learning_rate": 0.01, "epochs": 8, "num_steps": 64, "num_envs": 8, "minibatch_size": 128}
    agent = small(PPO, variant="adaptive_kl", kl_coef=0.05, **settings)
    betas, kls = zip(*((float(p.metrics["beta"]), float(p.metrics["kl"])) for p in agent.learn(15 * 512)))
    assert kls[0] > 0.1 and max(betas) >= 0.4
    assert np.median(kls[-8:]) < 0.04


# Clipping ---------------------------------------------------------------------------------------------------


@KINDS
def test_clipping_keeps_a_policy_near_the_old_one_over_many_epochs(kind):
    far = {}
    for clip_coef in (0.2, 1e6):
        agent = small(
            PPO, ENVS[kind], clip_coef=clip_coef, epochs=40, learning_rate=3e-3, num_steps=64, minibatch_size=256
        )
        rollout = agent.collector.collect(64)
        agent.update(rollout)
        batch = rollout.batch(agent.policy, rollout.rewards, "cpu")
        with torch.no_grad():
            params, _ = agent.network(batch.obs)
        log_probs = distribution(params, discrete=kind == "discrete").log_prob(batch.actions)
        outside = ((log_probs - batch.old_log_probs).exp() - 1).abs() > 0.3
        far[clip_coef] = whole_kl(agent, rollout), outside.float().mean().item()
    (kl, outside), (free_kl, free_outside) = far[0.2], far[1e6]
    assert 0.001 < kl < 0.1 and kl < free_kl / 3
    assert outside < free_outside / 2


def test_the_metrics_are_those_of_the_last_minibatch_or_of_the_whole_batch():
    agent, batch = played("CartPole-v1")
    disturb(agent.network)
    metrics = {name: float(value) for name, value in agent.measure(batch, 0.2).items()}
    with torch.no_grad():
        params, values = agent.network(batch.obs)
    old, new = distribution(batch.old_params, True), distribution(params, True)
    ratio = (new.log_prob(batch.actions) - old.log_prob(batch.actions)).exp()
    asked = torch.where(batch.advantages > 0, ratio > 1.2, ratio < 0.8)  # moved far enough, as the advantage asks
    assert metrics == {
        "kl": pytest.approx(torch.distributions.kl_divergence(old, new).mean().item(), rel=1e-3),
        "clip_fraction": pytest.approx(((ratio < 0.8) | (ratio > 1.2)).float().mean().item()),
        "dead_share": pytest.approx(asked.float().mean().item()),
        "entropy": pytest.approx(new.entropy().mean().item(), rel=1e-4),
        "value_loss": pytest.approx(((values - batch.returns) ** 2).mean().item(), rel=1e-4),
    }
    assert 0.05 < metrics["dead_share"] < metrics["clip_fraction"] < 0.9


@VARIANTS
def test_the_length_of_the_gradient_is_the_mean_over_the_minibatches_before_they_are_clipped(variant):
    agent = small(PPO, variant=variant, epochs=2, num_steps=64, minibatch_size=16, max_grad_norm=1e-3)
    rollout, lengths, objective = agent.collector.collect(64), [], agent.objective

    def measured(batch, clip_coef):
        loss = objective(batch, clip_coef)
        pieces = torch.autograd.grad(loss, [*agent.network.parameters()], retain_graph=True)
        lengths.append(torch.cat([piece.flatten() for piece in pieces]).norm().item())
        return loss

    agent.objective = measured
    metrics = agent.update(rollout)
    assert len(lengths) >= 8 and min(lengths) > 10 * agent.max_grad_norm
    assert metrics["grad_norm"].item() == pytest.approx(np.mean(lengths), rel=1e-4)


# What must not break ----------------------------------------------------------------------------------------


class Even(Counting):
    """Always shows the same and pays the same: all advantages are equal."""

    def look(self):
        return np.ones(2, np.float32)

    def step(self, action):
        return self.look(), 0.1, False, False, {}


@VARIANTS
def test_equal_advantages_do_not_move_the_policy_by_chance(variant):
    agent = small(PPO, Even, variant=variant, gamma=0.5, gae_lambda=0.0, epochs=4)
    before = agent.network.policy(torch.ones(1, 2)).detach()
    learn(agent, 256)
    torch.testing.assert_close(agent.network.policy(torch.ones(1, 2)).detach(), before, rtol=0, atol=1e-4)


@VARIANTS
@pytest.mark.filterwarnings("error")
def test_one_step_in_one_environment_is_enough_and_an_autoreset_row_is_no_batch(variant):
    agent = small(PPO, lambda: Counting((3,)), variant=variant, num_envs=1, num_steps=1, minibatch_size=1)
    for progress in agent.learn(40):  # every fourth row is an autoreset row
        explained_variance = progress.metrics.pop("explained_variance", math.nan)
        assert math.isnan(explained_variance)  # a single return has no variance
        assert all(math.isfinite(value) for value in progress.metrics.values())
    assert torch.isfinite(weights(agent.network)).all()


@VARIANTS
@KINDS
@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_ratios_that_explode_or_vanish_leave_finite_weights(variant, kind, shift):
    agent, batch = played(ENVS[kind], variant=variant)
    batch = batch._replace(old_log_probs=batch.old_log_probs + shift)
    for _ in range(5):
        agent.theta.grad.zero_()
        loss = agent.objective(batch, 0.2)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(agent.theta.grad).all()
        torch.nn.utils.clip_grad_norm_(agent.theta, 0.5)
        agent.optimizer.step()
    assert torch.isfinite(weights(agent.network)).all()
    assert all(math.isfinite(value) for value in agent.measure(batch, 0.2).values())


@VARIANTS
@KINDS
def test_steps_that_are_far_too_large_leave_finite_weights_or_one_sentence(variant, kind):
    agent = small(PPO, ENVS[kind], variant=variant, learning_rate=30.0, epochs=5)
    try:
        learn(agent, 640)
    except ValueError as error:
        assert "diverged" in str(error)
    assert torch.isfinite(weights(agent.network)).all()


@VARIANTS
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_of_nan_stops_the_run_with_one_sentence_and_leaves_finite_weights(variant, bad):
    agent = small(PPO, variant=variant)
    learn(agent, 64)
    rollout = agent.collector.collect(16)
    rollout.rewards[3, 2] = bad
    before = weights(agent.network)
    with pytest.raises(ValueError, match="diverged.*smaller learning_rate") as error:
        agent.update(rollout)
    one_line(error)
    assert weights(agent.network).equal(before)


def test_a_batch_is_seven_columns_in_the_order_that_objective_expects():
    assert Batch._fields == ("obs", "actions", "old_params", "old_log_probs", "advantages", "returns", "old_values")


# What is refused --------------------------------------------------------------------------------------------


def test_bounds_of_the_kl_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match=r"kl_min=0.5 .* kl_max=0.2\.") as error:
        PPO(kl_min=0.5, kl_max=0.2)
    one_line(error)
    assert PPO(kl_min=0.2, kl_max=0.2).kl_min == 0.2


def test_an_agent_counts_its_steps_and_reports_each_episode_once():
    agent = small(PPO, lambda: Counting((3,)))
    steps, episodes = zip(*((p.step, p.finished) for p in agent.learn(200)))
    assert steps == (64, 128, 192, 256)
    finished = [episode for part in episodes for episode in part]
    assert len(finished) == 4 * 16 and {episode.length for episode in finished} == {3}
    assert finished[0].step == 12 and agent.step == agent.envs.steps == 256
