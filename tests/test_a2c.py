"""A2C: its gradient against algorithm S3 written as loops, its segments, its memory, and what must never be NaN."""

import math

import numpy as np
import pytest
import torch
from conftest import Chain, Counting, Frames, Steering, distribution, disturb, learn, one_line, small, weights

from rlkit.a2c import A2C
from rlkit.tasks import BlindCartPole, DelayedCartPole


def counting(*lengths, t_max=7, **changes):
    """An agent in environments whose episodes have these lengths."""
    each = iter([*lengths, *lengths])
    settings = {"num_envs": len(lengths), "t_max": t_max, "obs_scale": 5.0, "max_grad_norm": math.inf}
    return small(A2C, lambda: Counting((next(each),)), **settings | changes)


# The gradient -----------------------------------------------------------------------------------------------


def lstm(network, features, memory):
    """One step of a single environment, from the equations of Hochreiter & Schmidhuber 1997 with Gers' forget gate."""
    output, cell = memory
    weight_ih, weight_hh, bias_ih, bias_hh = network.lstm.parameters()
    gates = weight_ih @ features + bias_ih + weight_hh @ output + bias_hh
    enter, keep, new, leave = gates.chunk(4)
    cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
    output = leave.sigmoid() * cell.tanh()
    return output, (output, cell)


def literal_outputs(agent, segment, i):
    """Params and V of environment i, row by row; each episode begins with the initial state, zeros."""
    network, outputs = agent.network, []
    memory = None if segment.lstm_state is None else tuple(segment.lstm_state[:, i])
    for t in range(len(segment.obs)):
        features = (torch.from_numpy(segment.obs[t, i]).float() - network.shift) / network.scale
        policy_features = value_features = network.policy_body(features[None])[0]
        if memory is not None:
            policy_features, memory = lstm(network, policy_features, memory)
            value_features = policy_features
            if t < len(segment.valid) and not segment.valid[t, i]:
                memory = tuple(torch.zeros_like(part) for part in memory)
        elif network.value_body is not network.policy_body:
            value_features = network.value_body(features[None])[0]
        params = network.policy_head.weight @ policy_features + network.policy_head.bias
        if network.log_std is not None:
            params = torch.cat([params, network.log_std])
        outputs.append((params, network.value_head.weight[0] @ value_features + network.value_head.bias[0]))
    return outputs


def algorithm_s3(agent, segment):
    """dθ and dθ_v of each environment, backwards through its episodes; then their mean, as a flat tensor."""
    steps, num_envs = segment.rewards.shape
    total, parameters = torch.zeros(()), list(agent.network.parameters())
    for i in range(num_envs):
        outputs = literal_outputs(agent, segment, i)
        R = outputs[steps][1].item()
        for t in reversed(range(steps)):
            if segment.terminated[t, i]:
                R = 0.0
            elif segment.truncated[t, i]:
                R = outputs[t + 1][1].item()  # V of the true last observation
            R = segment.rewards[t, i].item() + agent.gamma * R
            if not segment.valid[t, i]:
                continue
            params, V = outputs[t]
            pi = distribution(params, discrete=segment.actions.ndim == 2)
            log_prob = pi.log_prob(torch.from_numpy(np.asarray(segment.actions[t, i])))
            ascent = log_prob * (R - V.item()) + agent.entropy_coef * pi.entropy()
            total = total - ascent + agent.value_coef * (R - V) ** 2
    gradients = torch.autograd.grad(total / num_envs, parameters, allow_unused=True)
    flat = torch.zeros_like(agent.theta)
    for parameter, gradient in zip(parameters, gradients):
        start = parameter.storage_offset()
        view = flat.as_strided(parameter.shape, parameter.stride(), start)
        view.copy_(torch.zeros_like(parameter) if gradient is None else gradient)
    return flat


CASES = {
    "discrete": ("CartPole-v1", {}),
    "every ending": ("counting", {}),
    "continuous": (Steering, {}),
    "frames": (Frames, {}),
    "recurrent": ("counting", {"recurrent": True}),
    "recurrent, continuous": (Steering, {"recurrent": True}),
    "recurrent frames": (Frames, {"recurrent": True}),
}


def made(case, **changes):
    env, more = CASES[case]
    settings = {"entropy_coef": 0.3, "value_coef": 0.2, "gamma": 0.9, "max_grad_norm": math.inf} | more | changes
    agent = counting(3, 1, 5, **settings) if env == "counting" else small(A2C, env, num_envs=3, t_max=7, **settings)
    disturb(agent.network, size=0.1)  # because at first the policy is nearly uniform, whatever it sees
    return agent


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_algorithm_s3_written_as_loops(case):
    agent, endings = made(case), np.zeros(4, int)
    for _ in range(4):  # segments that begin with an episode, within one, and with an autoreset row
        segment = agent.player.play(7)
        expected = algorithm_s3(agent, segment)
        gradient, metrics = agent.gradient(segment)
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)
        assert metrics["grad_norm"].item() == pytest.approx(expected.norm().item(), rel=1e-3)
        endings += [x.sum() for x in (segment.terminated, segment.truncated, ~segment.valid, ~segment.valid[0])]
        agent.optimize.step(gradient, 0.01)
    assert expected.abs().max() > 0.01
    if "CartPole" not in str(CASES[case][0]):
        assert endings[1] > 0 and endings[2] > 0
    if CASES[case][0] == "counting":
        assert endings.min() > 0


def test_the_gradient_by_hand():
    """One step, no hidden difference: π is uniform, V = 0, R = r = 1, so only the heads' biases have a gradient."""
    agent = counting(1, t_max=1, value_coef=0.25, entropy_coef=0.0)
    for p in agent.network.parameters():
        p.data.zero_()
    segment = agent.player.play(1)
    gradients = dict(zip([name for name, _ in agent.network.named_parameters()], pieces(agent, segment)))
    taken = segment.actions[0, 0]
    assert gradients["policy_head.bias"].tolist() == [-0.5 if a == taken else 0.5 for a in range(2)]  # π - 1, π
    assert gradients["value_head.bias"].tolist() == [-0.5]  # λ 2 (V - R)
    assert not any(g.any() for name, g in gradients.items() if "bias" not in name)


def pieces(agent, segment):
    gradient, _ = agent.gradient(segment)
    sizes = [p.numel() for p in agent.parameters]
    return [part.view(p.shape) for part, p in zip(gradient.split(sizes), agent.parameters)]


def test_the_loss_is_the_sum_over_time_and_the_mean_over_environments():
    """Any number of equal environments has the gradient of one. A longer segment has a larger gradient."""
    one, many = (counting(*[100] * n, t_max=6) for n in (1, 5))
    segment = one.player.play(6)
    copies = [None if x is None else np.repeat(x, 5, axis=1) for x in segment]
    torch.testing.assert_close(many.gradient(type(segment)(*copies))[0], one.gradient(segment)[0], rtol=1e-4, atol=1e-6)
    one.gamma = 0.0  # then the share of each step depends only on that step
    rows = [type(segment)(segment.obs[t : t + 2], *(x[t : t + 1] for x in segment[1:-1]), None) for t in range(6)]
    total = sum(one.gradient(row)[0] for row in rows)
    torch.testing.assert_close(one.gradient(segment)[0], total, rtol=1e-4, atol=1e-5)


def test_lambda_0_looks_one_step_ahead():
    agent = counting(3, 5, gae_lambda=0.0)
    segment = agent.player.play(7)
    parts = []
    for t in range(7):
        part = type(segment)(segment.obs[t : t + 2], *(x[t : t + 1] for x in segment[1:-1]), None)
        parts.append(algorithm_s3(agent, part))  # a segment of one step bootstraps after that step
    torch.testing.assert_close(agent.gradient(segment)[0], sum(parts), rtol=1e-3, atol=1e-5)


def test_a_gradient_is_clipped_to_the_largest_norm_and_a_shorter_one_is_left_alone():
    agent = counting(3, 5)
    segment = agent.player.play(7)
    whole, metrics = agent.gradient(segment)
    norm = whole.norm().item()
    assert metrics["grad_norm"].item() == pytest.approx(norm)
    for limit, factor in [(norm / 8, 1 / 8), (norm * 1.01, 1.0), (math.inf, 1.0)]:
        agent.max_grad_norm = limit
        clipped, metrics = agent.gradient(segment)
        torch.testing.assert_close(clipped, factor * whole, rtol=1e-4, atol=1e-7)
        assert metrics["grad_norm"].item() == pytest.approx(norm)  # the norm before clipping


def test_without_reward_and_value_there_is_no_gradient():
    agent = small(A2C, Chain, entropy_coef=0.0, num_envs=1, t_max=1)
    agent.network.value_head.weight.data.zero_()
    segment = agent.player.play(1)._replace(rewards=np.zeros((1, 1), np.float32))
    gradient, metrics = agent.gradient(segment)
    assert gradient.eq(0).all() and metrics["grad_norm"] == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_of_nan_stops_the_run_with_one_sentence_and_leaves_finite_weights(bad):
    agent = small(A2C)
    learn(agent, 128)
    segment = agent.player.play(16)
    segment.rewards[3, 2] = bad
    agent.player.play = lambda num_steps: segment
    before = agent.theta.clone()
    with pytest.raises(ValueError, match="diverged.*smaller learning_rate") as error:
        learn(agent, 192)
    one_line(error)
    assert agent.theta.equal(before)


def test_steps_that_are_far_too_large_leave_finite_weights_or_one_sentence():
    agent = small(A2C, learning_rate=100.0)
    try:
        learn(agent, 640)
    except ValueError as error:
        assert "diverged" in str(error)
    assert torch.isfinite(weights(agent.network)).all()


# Learning ---------------------------------------------------------------------------------------------------


def test_an_update_is_the_optimizers_step_along_the_segments_gradient():
    agent, twin = (counting(3, 5, anneal_steps=56, learning_rate=0.1) for _ in range(2))
    square = torch.zeros_like(twin.theta)
    for _, remaining in zip(agent.learn(56), (0.75, 0.5, 0.25, 0.0), strict=True):
        gradient = algorithm_s3(twin, twin.player.play(7))
        square = 0.99 * square + 0.01 * gradient**2
        twin.theta.sub_(0.1 * remaining * gradient / (square + 1e-5).sqrt())
        torch.testing.assert_close(agent.theta, twin.theta, rtol=1e-3, atol=1e-5)
    assert agent.step == 56
    assert weights(agent.network).equal(torch.cat([p.flatten() for p in agent.parameters]))


def test_an_agent_counts_its_steps_and_reports_each_episode_once():
    agent = small(A2C, lambda: Counting((3,)))
    steps, episodes = zip(*((p.step, p.finished) for p in agent.learn(200)))
    assert steps == (64, 128, 192, 256)
    finished = [episode for part in episodes for episode in part]
    assert len(finished) == 4 * 16 and {episode.length for episode in finished} == {3}
    assert finished[0].step == 12 and agent.step == agent.envs.steps == 256


def test_the_metrics_are_means_over_the_segment():
    agent = counting(3, 5)
    disturb(agent.network, size=0.1)
    segment = agent.player.play(7)
    _, metrics = agent.gradient(segment)
    params, V = (torch.stack(x) for x in zip(*literal_outputs(agent, segment, 0), *literal_outputs(agent, segment, 1)))
    entropies = distribution(params, discrete=True).entropy().view(2, 8)[:, :7]
    assert metrics["entropy"].item() == pytest.approx(entropies.mean().item(), rel=1e-5)
    assert V.shape == (16,) and metrics["value_loss"] > 0


# Segments ---------------------------------------------------------------------------------------------------


def test_every_row_of_a_segment_is_one_transition():
    agent = counting(3, 1, 5)
    segment = agent.player.play(40)
    assert segment.obs.shape == (41, 3, 2) and segment.rewards.shape == (40, 3) and segment.lstm_state is None
    for t in range(40):
        for i, length in enumerate((3, 1, 5)):
            episode, time = segment.obs[t, i]
            if not segment.valid[t, i]:
                assert time == length and segment.obs[t + 1, i].tolist() == [episode + 1, 0]
                continue
            assert segment.obs[t + 1, i].tolist() == [episode, time + 1]  # the true next one, also at an ending
            assert segment.rewards[t, i] == 10 * episode + time + 1
            over = time + 1 == length
            ends = segment.terminated[t, i], segment.truncated[t, i]
            assert ends == (over and episode % 2 == 0, over and episode % 2 == 1)
    assert segment.rewards.dtype == np.float32 and set(np.unique(segment.actions)) == {0, 1}


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_segment_begins_where_the_last_one_ended(recurrent):
    parts, whole = counting(3, 5, recurrent=recurrent), counting(3, 5, recurrent=recurrent)
    segments = [parts.player.play(3) for _ in range(5)]
    together = whole.player.play(15)
    for name in ("actions", "rewards", "terminated", "truncated", "valid"):
        joined = np.concatenate([getattr(segment, name) for segment in segments])
        np.testing.assert_array_equal(joined, getattr(together, name))
    assert not segments[1].valid[0].all()  # an ending in the last row: the autoreset row is in the next segment
    for segment, after in zip(segments, segments[1:]):
        np.testing.assert_array_equal(segment.obs[-1], after.obs[0])


def test_rewards_are_clipped_for_learning_but_not_in_the_score():
    agent = counting(3, t_max=8, reward_clip=2.0)
    assert agent.player.play(8).rewards[:, 0].tolist() == [1, 2, 2, 0, 2, 2, 2, 0]
    assert [episode.total_reward for episode in agent.envs.pop_finished()] == [6.0, 36.0]


def test_the_actions_of_a_segment_are_drawn_from_the_policy():
    agent = counting(1000, t_max=4000)
    agent.network.policy_head.weight.data.zero_()
    agent.network.policy_head.bias.data.copy_(torch.tensor([0.0, math.log(3.0)]))  # π = (1/4, 3/4)
    assert agent.player.play(4000).actions.mean() == pytest.approx(0.75, abs=0.03)  # ± 4 standard deviations


def test_normalize_scales_by_everything_seen_before():
    agent = counting(3, 5, normalize=True, obs_scale=None, gamma=0.9)
    plain = counting(3, 5, gamma=0.9)
    running, returns, obs = np.zeros(2), [], []
    for n in range(4):
        segment, unscaled = agent.player.play(7), plain.player.play(7)
        if n == 0:
            assert agent.network.shift.eq(0).all() and agent.network.scale.eq(1).all()
        else:
            seen = np.concatenate(obs)
            np.testing.assert_allclose(agent.network.shift, seen.mean(0), rtol=1e-5)
            np.testing.assert_allclose(agent.network.scale, seen.std(0), rtol=1e-5)
        obs.append(segment.obs[:7].reshape(-1, 2))
        for t in range(7):
            running = unscaled.rewards[t] + 0.9 * running
            returns.append(running)
            running = np.where(unscaled.terminated[t] | unscaled.truncated[t], 0, running)
        np.testing.assert_allclose(segment.rewards, unscaled.rewards / np.std(returns), rtol=1e-5)
    with pytest.raises(ValueError, match="normalize=True is for vectors") as error:
        small(A2C, Frames, normalize=True)
    one_line(error)


# Memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", ["counting", Steering, Frames])
def test_unrolling_a_segment_gives_the_same_as_acting_step_by_step(env):
    settings = {"recurrent": True}
    agent = counting(3, 1, 5, **settings) if env == "counting" else small(A2C, env, num_envs=3, **settings)
    disturb(agent.network, size=0.1)
    acted, params = [], agent.player.params

    def record(obs, memory):
        result = params(obs, memory)
        acted.append(result[0])
        return result

    agent.player.params = record
    segments = [agent.player.play(7) for _ in range(3)]
    assert segments[0].lstm_state.eq(0).all() and segments[1].lstm_state.any()
    for n, segment in enumerate(segments):
        with torch.no_grad():
            unrolled, values = agent.unroll(segment)
        np.testing.assert_allclose(unrolled, np.stack(acted[7 * n : 7 * n + 7]), rtol=1e-4, atol=1e-5)
        assert values.shape == (8, 3)


def test_an_episode_remembers_its_own_beginning_and_nothing_of_the_one_before():
    """All episodes of `Same` show the same, so each must give the same params."""

    class Same(Counting):
        def look(self):
            return np.array([1.0, self.time], np.float32)

    agent = small(A2C, lambda: Same((3,)), num_envs=1, t_max=32, recurrent=True)
    disturb(agent.network, size=0.3)
    segment = agent.player.play(32)
    with torch.no_grad():
        params = agent.unroll(segment)[0][:, 0]
        steady = small(A2C, lambda: Same((100,)), num_envs=1, t_max=32, recurrent=True)
        steady.network.load_state_dict(agent.network.state_dict())
        other = steady.unroll(steady.player.play(32))[0][:, 0]
    assert segment.valid[:, 0].tolist() == [True, True, True, False] * 8
    for episode in range(1, 8):
        torch.testing.assert_close(params[4 * episode : 4 * episode + 4], params[:4])
    torch.testing.assert_close(other[:4], params[:4])
    assert not torch.allclose(other[4:8], params[4:8], atol=1e-3)


def test_acting_remembers_until_it_is_told_to_forget():
    agent = small(A2C, BlindCartPole, recurrent=True)
    disturb(agent.network, size=0.3)
    obs = agent.envs.again(6, seed=1).obs
    seen, params = [], agent.player.params
    agent.player.params = lambda *state: seen.append(params(*state)) or seen[-1]
    played = agent.player.lstm_state
    for _ in range(2):
        agent.act(obs)
    agent.forget()
    agent.act(obs)
    agent.act(obs[:2])  # another number of environments: these are new ones
    first, second, again, fewer = (x[0] for x in seen)
    assert abs(second - first).max() > 1e-3
    np.testing.assert_array_equal(again, first)
    np.testing.assert_allclose(fewer, first[:2], rtol=1e-4, atol=1e-5)
    assert agent.player.lstm_state is played  # playing has its own state


def test_only_a_recurrent_agent_learns_what_needs_memory():
    """The first row shows the sign, the third one asks for it."""
    scores = {}
    for recurrent in (True, False):
        agent = small(
            A2C, Recall, num_envs=16, t_max=8, recurrent=recurrent, learning_rate=0.01, gamma=0.9, gae_lambda=0.9
        )  # fmt: skip
        scores[recurrent] = np.mean(learn(agent, 10_000)[-400:])
    assert scores[True] > 0.9 and scores[False] < 0.65


class Recall(Counting):
    """Three steps; pays 1 if the last action is the sign that the first observation showed."""

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.sign = self.rng.integers(2)
        return super().reset()

    def step(self, action):
        self.time += 1
        return self.look(), float(self.time == 3 and action == self.sign), self.time == 3, False, {}

    def look(self):
        return np.array([2 * self.sign - 1 if self.time == 0 else 0, self.time / 3], np.float32)


# The tasks --------------------------------------------------------------------------------------------------


def test_the_lectures_small_environments_are_cartpole_blind_or_slow():
    blind, plain = BlindCartPole(), DelayedCartPole(delay=0.0)
    seen, whole = blind.reset(seed=3)[0], plain.reset(seed=3)[0]
    assert seen.tolist() == [whole[0], whole[2]] and blind.observation_space.contains(seen)
    (seen, *rest), (whole, *others) = blind.step(1), plain.step(1)
    assert seen.tolist() == [whole[0], whole[2]] and rest == others
    assert DelayedCartPole().delay == 1e-3


def test_a_gradient_is_of_its_segment_alone():
    agent = A2C(lambda: Counting((3, 4)), hidden=(8,), num_envs=1)
    segment = agent.player.play(5)
    first, _ = agent.gradient(segment)
    agent.gradient(agent.player.play(5))
    again, _ = agent.gradient(segment)
    assert first.equal(again)
