"""Explorers without a browser: the numbers of their models, their controls, and pages without a kernel."""

import base64
import io
import math
import threading
import time
from functools import partial

import numpy as np
import pytest
import torch
from conftest import PATIENCE
from PIL import Image

from rlkit import checkpoint, explore, load, preset
from rlkit import functional as F
from rlkit.experiments.stored import stored
from rlkit.explore.beta import BETAS, LINE, along_the_line, maximisers
from rlkit.explore.clip_epsilon import shares, slope
from rlkit.explore.controls import allowed
from rlkit.explore.importance_sampling import FUNCTIONS, exact_mean, final_estimates, normals, weighted_samples
from rlkit.explore.max_bias import biases
from rlkit.explore.priority import MEMORIES, compared, mean_and_spread, td_errors, uniform, weighted_means
from rlkit.explore.trust_region import circle, contour, ellipse, fisher, kl, logits
from rlkit.explore.two_states import residual_run, semi_gradient_run, target_network_run
from rlkit.explore.value_estimation import (
    FEATURES,
    STATES,
    best_fit,
    errors,
    last_values,
    learn,
    state_weights,
    true_values,
    walks,
)
from rlkit.plotting import DPI, painter, smooth
from rlkit.plotting.alt_text import plain
from rlkit.plotting.curve import CurvePicture, Redraw
from rlkit.plotting.figures import data_artists
from rlkit.plotting.live import BackgroundPanel, Run
from rlkit.running.result import Result

ANALYTIC = [
    "beta", "clinic", "clip_epsilon", "two_states", "importance_sampling", "max_bias", "priority", "replay",
    "target_network",
    "trust_region", "value_estimation", "entropy_bonus", "museum", "t_max", "worker_model",
    "messages", "atari49", "atari57", "saliency", "n_step", "dueling", "overestimation", "cliff", "gae",
    "reward_hacking",
]  # fmt: skip


def settings(control):
    """Some values of a control: both ends and one in between, or both values of a switch."""
    if isinstance(control.value, bool):
        return [True, False]
    if isinstance(control.value, tuple):
        options = tuple(value for _, value in control.options)
        return [options[:2], options[-3:], options]
    if hasattr(control, "options"):
        options = allowed(control)
        return [options[0], options[len(options) // 2], options[-1]]
    if hasattr(control, "base"):
        return [control.base**exponent for exponent in (control.min, (control.min + control.max) / 2, control.max)]
    return [control.min, type(control.value)((control.min + control.max) / 2), control.max]


@pytest.mark.parametrize("name", ANALYTIC)
def test_every_control_changes_the_picture_or_the_text(name):
    explorer = getattr(explore, name)()
    first = bytes(explorer.image.value), explorer.status.value
    for label, control in explorer.controls.items():
        seen = set()
        for value in settings(control):
            control.value = value
            seen.add((bytes(explorer.image.value), explorer.status.value))
        assert len(seen) > 1, f"{name}: {label} changes nothing"
        explorer.reset()
    assert (bytes(explorer.image.value), explorer.status.value) == first, "reset brings the first picture back"
    width, height = explorer.figure.get_size_inches() * DPI
    assert Image.open(io.BytesIO(explorer.image.value)).size == (int(width), int(height))


@pytest.mark.parametrize("name", ANALYTIC)
def test_a_page_without_a_kernel_shows_a_picture(name):
    explorer = getattr(explore, name)()
    data, metadata = explorer._repr_mimebundle_()
    shown, live = (
        np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
        for png in (base64.b64decode(data["image/png"]), explorer.image.value)
    )
    assert shown.shape == live.shape and np.abs(shown - live).mean() < 4  # the same picture in 256 colours
    assert data["text/plain"] == type(explorer).__name__
    assert plain(explorer.status.value)[:60] in metadata["image/png"]["alt"]


@pytest.mark.parametrize("name, control, value", [("max_bias", "correlation", 0.3), ("importance_sampling", "n", 100)])
def test_moving_draws_the_same_as_drawing_everything(name, control, value):
    explorer = getattr(explore, name)()

    def both():
        explorer.controls[control].value = value
        moved = np.asarray(explorer.moving.canvas.buffer_rgba()).astype(int)
        for ax in explorer.figure.axes:
            for artist in data_artists(ax):
                artist.set_animated(False)
        explorer.moving.canvas.draw()
        return moved, np.asarray(explorer.moving.canvas.buffer_rgba()).astype(int)

    moved, everything = painter.paint(both)  # at once: at rest, the painter draws at double resolution
    assert np.abs(moved - everything).mean() < 1


# The models -----------------------------------------------------------------------------------------------------


def test_biases_are_those_of_the_lecture():
    mean, error = biases(actions=10, noise=1.0, correlation=0.9, seed=0)
    assert np.all(np.abs(mean - [1.539, 1.539, 0.9 * 1.539, 0.0]) < 4 * error)


def test_the_two_states_diverge_as_their_formula_says():
    gamma, alpha, updates = 0.9, 0.1, 50
    growth = (1 + alpha * (2 * gamma - 1)) ** np.arange(updates + 1)
    np.testing.assert_allclose(semi_gradient_run(gamma, alpha, updates), growth)
    np.testing.assert_allclose(target_network_run(gamma, alpha, updates, period=1), growth)
    assert abs(residual_run(gamma, alpha, updates)[-1]) < 0.1
    long_rounds = target_network_run(gamma, 0.5, 600, period=200)
    assert long_rounds[-1] == pytest.approx((2 * gamma) ** 3, rel=1e-6)  # each round multiplies w by 2γ


def test_value_estimation_finds_the_truth_with_a_table():
    history = learn(np.eye(STATES), walks(3_000, 4, seed=0), 0.01)
    assert errors(history[-1:], np.eye(STATES)).max() < 0.01
    assert errors(history[:1], np.eye(STATES)) == pytest.approx((state_weights() * true_values() ** 2).sum())


def test_mc_is_right_on_average_and_td_is_quiet():
    history = learn(np.eye(STATES), walks(40, 1_000, seed=5), 10**-0.5)
    (mc, td), (mc_spread, td_spread) = last_values(history, np.eye(STATES))
    assert np.abs(mc - true_values()).max() < 0.03 < np.abs(td - true_values()).max()
    assert np.all(td_spread < mc_spread / 2)


def test_the_axes_follow_what_they_show():
    panel = explore.two_states()
    (ax,) = panel.figure.axes
    for gamma, alpha, power in ((0.9, 0.1, 8), (0.9, 0.2, 24), (0.99, 0.5, 64), (0.0, 0.5, 64)):
        panel.move(gamma=gamma, learning_rate=alpha)
        ends = [line.get_ydata()[-1] for line in panel.moving.ghosts]
        assert ax.get_ylim() == pytest.approx((10.0**-power, 10.0**power))
        assert 10.0**-power < min(ends) and max(ends) < 10.0**power
    panel = explore.max_bias()
    for actions, noise in ((10, 1.0), (50, 1.5), (2, 0.5), (50, 0.0)):
        panel.move(actions=actions, noise=noise)
        highest, top = max(bar.get_height() for bar in panel.figure.axes[0].patches), panel.figure.axes[0].get_ylim()[1]
        assert highest < 0.9 * top and (highest > 0.4 * top or top == 0.5)


def test_no_weights_are_better_than_the_best_fit():
    rng = np.random.default_rng(0)
    for features in FEATURES.values():
        least = F.value_error(true_values(), best_fit(features), state_weights())
        for _ in range(100):
            other = features @ rng.normal(0.5, 0.5, features.shape[1])
            assert F.value_error(true_values(), other, state_weights()) >= least


def test_state_weights_are_the_visits_of_real_walks():
    positions = walks(20_000, 1, seed=1)[:, 0]
    outside = (positions < 0) | (positions >= STATES)
    alive = np.cumsum(outside, axis=1) == 0
    visits = np.bincount(positions[alive], minlength=STATES)
    np.testing.assert_allclose(visits / visits.sum(), state_weights(), atol=0.01)


def test_full_correction_makes_prioritized_batches_unbiased():
    corrected, uncorrected = (weighted_means(0, 1.0, beta, batches=20_000) for beta in (1.0, 0.0))
    standard_error = corrected.std() / np.sqrt(len(corrected))
    assert abs(corrected.mean() - td_errors(0).mean()) < 4 * standard_error
    assert abs(uncorrected.mean() - td_errors(0).mean()) > 0.5


@pytest.mark.parametrize("alpha, beta", [(1.0, 1.0), (0.6, 0.4), (1.0, 0.0), (0.0, 1.0)])
def test_mean_and_spread_are_those_of_many_batches(alpha, beta):
    drawn = weighted_means(3, alpha, beta, batches=20_000)
    mean, spread = mean_and_spread(3, alpha, beta)
    assert abs(drawn.mean() - mean) < 4 * drawn.std() / np.sqrt(len(drawn))
    assert drawn.std() == pytest.approx(spread, rel=0.05)


def test_priorities_lessen_the_spread_in_every_memory_only_with_their_weights():
    bias, spread = compared(1.0, 1.0)
    assert spread.max() < 0.75 and np.abs(bias).max() < 1e-9
    # With α = β = 1 each transition adds the mean of |δ|, with the sign of its δ.
    sizes = np.array([np.abs(td_errors(seed)).mean() for seed in range(MEMORIES)])
    means, unit = np.array([uniform(seed) for seed in range(MEMORIES)]).T
    np.testing.assert_allclose(spread, np.sqrt((sizes**2 - means**2) / 32) / unit, rtol=1e-4)
    bias, spread = compared(1.0, 0.0)
    assert spread.min() > 1.5 and np.abs(bias).min() > 0.4


STEP, LINEAR, HOLE = FUNCTIONS.values()


def test_the_exact_mean_is_that_of_the_formula():
    for mu in (-2.5, -1.0, 0.0, 0.75):
        assert exact_mean(LINEAR, mu) == pytest.approx(mu, abs=1e-6)
        hole = 0.5 - 2 * np.exp(-2 * (mu + 2) ** 2 / 5) / np.sqrt(5)  # the mean of a Gaussian bump is a Gaussian again
        assert exact_mean(HOLE, mu) == pytest.approx(hole, abs=1e-6)
    assert exact_mean(STEP, 0.0) == pytest.approx(0, abs=1e-6)
    assert exact_mean(STEP, -8.0) == pytest.approx(-1, abs=1e-6)


def test_importance_weights_are_density_ratios():
    x, weights = weighted_samples(-1.0, 0.5, 2.0, normals(3_000, 0)[:, :3])
    density = lambda x, mu, sigma: np.exp(-0.5 * ((x - mu) / sigma) ** 2) / sigma
    np.testing.assert_allclose(weights, density(x.numpy(), -1, 1) / density(x.numpy(), 0.5, 2), rtol=1e-3)
    assert x.std() == pytest.approx(2, rel=0.05) and weights.mean() == pytest.approx(1, rel=0.05)
    _, same = weighted_samples(-1.0, -1.0, 1.0, normals(3_000, 0)[:, 0])
    np.testing.assert_allclose(same, 1, rtol=1e-4)
    assert F.effective_sample_size(same) == pytest.approx(len(same), rel=1e-4)
    assert torch.equal(normals(20, 0)[:10], normals(10, 0)), "a longer run begins like a shorter one"


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_importance_sampling_is_unbiased(f):
    estimates = final_estimates(f, -1.0, 0.0, 2.0, 300, seed=1)
    assert abs(estimates.mean() - exact_mean(f, -1.0)) < 4 * estimates.std() / np.sqrt(len(estimates))


def test_few_samples_give_the_wrong_sign_and_many_do_not():
    share = [(final_estimates(STEP, -1.0, 1.5, 1.0, n, seed=0) > 0).mean() for n in (10, 100, 1_000, 3_000)]
    assert exact_mean(STEP, -1.0) < -0.5 and 0.4 < share[0] < 0.8
    assert share == sorted(share, reverse=True) and share[-1] < 0.05


def test_the_kl_along_the_line_is_that_of_shifted_normals():
    _, kls, true_J = along_the_line(30, 2.0, 0)
    np.testing.assert_allclose(
        kls, LINE**2 / 80, rtol=1e-4, atol=1e-6
    )  # 40 means, all moves together LINE long: ½ / 40
    assert true_J[0] == pytest.approx(0, abs=1e-6)


def test_many_clean_samples_estimate_the_true_surrogate():
    near = LINE < 4  # further away the ratios vary too much
    estimate, _, true_J = along_the_line(200_000, 0.0, 0)
    np.testing.assert_allclose(estimate[near], true_J[near], atol=0.02)


@pytest.mark.parametrize("samples, noise, seed", [(30, 5.0, 0), (30, 2.0, 3), (100, 2.0, 0)])
def test_a_batch_promises_nothing_where_its_line_begins_and_no_loss_at_its_maximiser(samples, noise, seed):
    estimate, kls, _ = along_the_line(samples, noise, seed)
    assert estimate[0] == 0
    assert all(estimate[top] >= 0 for top in maximisers(estimate, kls, BETAS))


def test_few_noisy_samples_promise_too_much_and_a_price_holds_them_back():
    gap, at = [], []
    for seed in range(10):
        estimate, kls, true_J = along_the_line(100, 2.0, seed)
        for kl_coef in (0.01, 10.0):
            top = F.kl_penalized_surrogate(1.0, estimate, kls, kl_coef).argmax()
            gap.append(float(estimate[top] - true_J[top]))
            at.append(float(kls[top]))
    free, priced = np.reshape(gap, (-1, 2)).T
    assert np.all(np.reshape(at, (-1, 2)) @ [1, -1] > 0) and np.all(free > 0.1) and free.mean() > 3 * abs(priced.mean())


def test_the_rule_and_autograd_agree_on_samples_without_gradient():
    rng = np.random.default_rng(0)
    ratio, advantages = rng.uniform(0, 2.5, 2_000), rng.standard_normal(2_000)
    for clip_coef in (0.05, 0.2, 0.5):
        high, low = ratio > 1 + clip_coef, ratio < 1 - clip_coef
        beyond = (high & (advantages > 0)) | (low & (advantages < 0))
        np.testing.assert_allclose(slope(ratio, advantages, clip_coef, True), np.where(beyond, 0, advantages))
        np.testing.assert_allclose(slope(ratio, advantages, clip_coef, False), np.where(high | low, 0, advantages))
        assert shares(ratio, advantages, clip_coef, True) == (beyond.mean(), 0)
        np.testing.assert_allclose(
            shares(ratio, advantages, clip_coef, False), [beyond.mean(), ((high | low) & ~beyond).mean()]
        )


def test_the_stored_minibatch_starts_at_ratio_1_and_loses_gradients_with_reuse():
    data, _ = stored("minibatch")
    advantages, ratios = np.array(data["advantages"]), np.array(data["ratios"])
    assert ratios.shape == (11, len(advantages)) and np.all(ratios[0] == 1)
    dead = [sum(shares(ratio, advantages, 0.2, False)) for ratio in ratios]
    assert dead[0] == 0 and dead[1] < dead[-1] > 0.5


@pytest.mark.parametrize("confidence", [0.0, 2.0, 5.0])
def test_the_trust_region_has_the_kl_that_it_claims(confidence):
    old = np.array([confidence, 0.0])
    H = torch.autograd.functional.hessian(
        lambda x: F.kl_divergence(logits(old), torch.cat([x, torch.zeros(1, dtype=x.dtype)])), torch.tensor(old)
    )
    np.testing.assert_allclose(fisher(old), H, atol=1e-12)
    for max_kl in (1e-4, 0.03, 0.5):
        step = ellipse(old, max_kl) - old
        np.testing.assert_allclose(0.5 * np.einsum("ni,ij,nj->n", step, H, step), max_kl)
        true_step = contour(old, max_kl, halvings=40) - old
        inside = np.linalg.norm(true_step, axis=1) < 29
        np.testing.assert_allclose(kl(old, old + true_step)[inside], max_kl, rtol=1e-6)
    small = [np.linalg.norm(path(old, 1e-6) - old, axis=1) for path in (ellipse, lambda *at: contour(*at, halvings=40))]
    np.testing.assert_allclose(*small, rtol=0.01)  # near the policy the quadratic model is exact


def test_the_surer_the_policy_the_more_steps_of_one_length_differ():
    factors = []
    for confidence in (0.0, 2.0, 5.0):
        old = np.array([confidence, 0.0])
        around = kl(old, circle(old, 1e-3))
        low, high = np.linalg.eigvalsh(fisher(old))
        assert around.max() / around.min() == pytest.approx(high / low, rel=0.01)
        factors.append(high / low)
    assert factors[0] == pytest.approx(3) and factors == sorted(factors)


def test_a_very_small_kl_is_printed_as_all_numbers_are():
    said = explore.trust_region(confidence=5.0, length=0.1, angle=0).status.value
    assert "× 10⁻" in said and "e-" not in said


@pytest.mark.parametrize("confidence", [0.0, 3.0, 5.0])
def test_the_trust_region_marks_the_steps_with_the_least_and_the_largest_kl(confidence):
    panel = explore.trust_region(confidence=confidence)
    plane, around = panel.figure.axes[:2]
    old = np.array([confidence, 0.0])
    steps = circle(old, 1.0)
    kls = kl(old, steps)
    marked = [line for ax in (plane, around) for line in ax.lines if line.get_marker() == "s"]
    for point, extreme in zip(marked[0].get_xydata(), (kls.min(), kls.max())):
        assert kl(old, point) == pytest.approx(extreme)
    np.testing.assert_allclose(marked[1].get_ydata(), [kls.min(), kls.max()])
    assert f"1 : {kls.max() / kls.min():.0f}" in around.get_title(loc="left")


def test_samples_beyond_the_edge_are_counted_and_no_sample_is_lost():
    panel = explore.clip_epsilon(epoch=10)
    ratios = np.array(stored("minibatch")[0]["ratios"][10])
    cloud = panel.figure.axes[2]
    assert f"{(ratios > 2.5).sum()} beyond 2.5" in cloud.get_title() and (ratios > 2.5).any()
    assert sum(len(line.get_xdata()) for line in cloud.lines if line.get_marker() in "ox>") == len(ratios)
    panel.move(epoch=0)
    assert "beyond" not in cloud.get_title()


# Live runs ------------------------------------------------------------------------------------------------------


class Counter(BackgroundPanel):
    """Work that counts up to a limit and may fail at its end."""

    def __init__(self, limit, failure=None):
        self.limit, self.failure, self.count, self.prepared, self.drawn = limit, failure, 0, 0, []
        super().__init__(b"", ())

    def prepare(self):
        self.prepared += 1

    def work(self):
        while self.count < self.limit and not self.stopping.is_set():
            self.count += 1
            time.sleep(0.001)
        if self.failure:
            raise self.failure

    def draw(self):
        self.drawn.append((self.count, threading.current_thread()))


def test_work_in_the_background_starts_once_ends_and_starts_again():
    panel = Counter(10**9)
    assert panel.stop_button.disabled and not panel.go_button.disabled and not panel.running()
    panel.go_button.click()
    first = panel.thread
    panel.start()
    assert panel.thread is first and panel.prepared == 1, "it is running already"
    assert panel.go_button.disabled and not panel.stop_button.disabled
    panel.wait(timeout=0.01)
    assert panel.running() and not panel.stop_button.disabled, "a wait that timed out changes nothing"
    panel.stop_button.click()
    wait_for(lambda: not panel.running())
    counted = panel.count
    assert not panel.running() and panel.stop_button.disabled and panel.drawn[-1][0] == counted > 0
    panel.start()
    panel.stop()
    assert panel.prepared == 2 and panel.count > counted


def test_what_fails_in_the_background_is_raised_by_wait_and_forgotten_by_the_next_start():
    panel = Counter(3, failure=ZeroDivisionError("by 0"))
    panel.start()
    with pytest.raises(ZeroDivisionError, match="by 0"):
        panel.wait()
    assert panel.drawn and not panel.go_button.disabled
    panel.failure = None
    panel.start()
    panel.wait()
    assert panel.error is None


def test_a_run_is_drawn_on_the_way_and_at_its_end_and_only_by_the_painter():
    panel = Counter(1_000)
    panel.start()
    panel.wait()
    counts, threads = zip(*panel.drawn)
    assert len(counts) >= 3 and 0 < counts[1] < counts[-1] == 1_000
    assert set(threads) == {painter.painter}
    assert panel.stop_button.disabled and not panel.go_button.disabled


def test_drawing_takes_a_tenth_of_the_time_at_most(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("rlkit.plotting.live.time.perf_counter", lambda: now[0])
    redraw = Redraw(shortest=0.5)

    def draw(cost):
        now[0] += cost
        return "drawn"

    for cost, pause in ((0.01, 0.5), (0.2, 1.8)):
        assert redraw.due() and redraw.timed(partial(draw, cost)) == "drawn"
        now[0] += pause - 0.001
        assert not redraw.due()
        now[0] += 0.002


def test_a_curve_draws_the_returns_and_its_axis_grows_in_jumps():
    curve, result = CurvePicture(100_000), Result(steps=[10, 20, 30], returns=[2.0, 4.0], step=30)
    curve.draw(result)  # the third return has not come yet
    assert curve.dots.get_xydata().tolist() == [[10, 2], [20, 4]]
    assert curve.line.get_xydata().tolist() == [[10, 2], [20, 3]] and curve.ax.get_xlim() == (0, 2_000)
    result.steps, result.returns = list(range(100, 3_001, 100)), [float(k) for k in range(30)]
    result.step = 3_000
    curve.draw(result)
    np.testing.assert_allclose(curve.line.get_ydata(), smooth(result.returns))
    assert curve.ax.get_xlim() == (0, 4_500) and curve.ax.get_ylim()[1] > 29
    result.step, result.stopped = 3_500, "stopped"
    curve.draw(result)
    assert curve.ax.get_xlim() == (0, 3_500)


def test_the_margin_of_a_curve_follows_its_numbers():
    curve = CurvePicture(math.inf)
    curve.draw(Result(steps=[10, 20], returns=[-1_834.0, -1_200.0], step=20))
    assert curve.ax.yaxis.label.get_window_extent().x0 >= 0
    assert curve.ax.yaxis.label.get_window_extent().x1 <= min(
        label.get_window_extent().x0 for label in curve.ax.get_yticklabels() if label.get_text()
    )


def test_a_curve_over_a_stored_one_shows_all_of_that_from_the_start():
    curve = CurvePicture(100_000, before=([100, 200, 9_000], [-21.0, -5.0, 18.0]))
    for result in (Result(), Result(steps=[10], returns=[-20.0], step=30), Result([-20.0], [10], step=30, stopped="x")):
        curve.draw(result)
        assert curve.ax.get_xlim() == (0, 9_000)
        assert curve.ax.get_ylim()[0] < -21 and curve.ax.get_ylim()[1] > 18
    assert curve.before.get_xydata().tolist() == [[100, -21], [200, -5], [9_000, 18]]


def test_a_run_that_fails_says_so_and_raises():
    def fail(progress, result):
        raise RuntimeError("no more")

    run = Run(preset("dqn-cartpole", replay_size=2_000), 1_000_000, fail)
    with pytest.raises(RuntimeError, match="no more"):
        run.wait()
    assert run.result.stopped == "failed: no more" and "no more" in run.banner.value


def test_a_watcher_stops_a_run_with_its_reason():
    run = Run(preset("dqn-cartpole", replay_size=2_000), 1_000_000, lambda progress, result: "enough")
    assert run.wait() is run.result and run.result.stopped == "enough" and run.result.step < 1_000


def test_a_run_tells_its_watchers_that_it_has_ended(tmp_path):
    told = []

    class Enough:
        def __call__(self, progress, result):
            if progress.step >= 200:
                return "enough"

        def finish(self, result):
            told.append((result.step, result.stopped))

    run = Run(preset("dqn-cartpole", replay_size=2_000), 1_000_000, Enough(), checkpoint(tmp_path / "agent.pt"))
    run.wait()
    assert told == [(run.agent.step, "enough")] and load(tmp_path / "agent.pt").step == run.agent.step >= 200

    def fail(progress, result):
        raise RuntimeError("no more")

    run = Run(preset("dqn-cartpole", replay_size=2_000), 1_000_000, Enough(), fail)
    with pytest.raises(RuntimeError, match="no more"):
        run.wait()
    assert told[1:] == [(run.agent.step, "failed: no more")]


def wait_for(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_a_run_stops_and_continues():
    run = Run(preset("dqn-cartpole", replay_size=2_000), 1_000_000)
    wait_for(lambda: run.result.step > 500)
    run.stop()
    stopped_at = run.result.step
    assert run.result.stopped == "stopped" and not run.thread.is_alive() and not run.go_button.disabled
    run.start()
    wait_for(lambda: run.result.step > stopped_at)
    run.stop()
    assert run.agent.step == run.result.step


def test_a_failed_run_says_so_and_raises_in_wait():
    agent = preset("dqn-cartpole", replay_size=2_000)
    agent.update = lambda: 1 / 0
    run = Run(agent, 10_000)
    with pytest.raises(ZeroDivisionError):
        run.wait()
    assert "Failed" in run.banner.value and "division by zero" in run.banner.value


def test_the_epsilon_slider_acts_on_the_running_agent():
    run = explore.epsilon(total_steps=1_000_000, replay_size=2_000)
    wait_for(lambda: run.result.step > 300)
    scheduled = run.agent.current_epsilon()
    run.by_hand.value = True
    for value in (0.0, 0.37, 1.0):
        run.slider.value = value
        assert run.agent.current_epsilon() == value and f"ε = {value:.2f}" in run.status.value
    run.by_hand.value = False
    assert run.agent.current_epsilon() <= scheduled
    run.stop()
    run.slider.value = 0.4
    assert set(np.round(run.policy.get_ydata(), 6)) <= {0.2, 0.8}  # the other action has the rest
    steps, epsilons = run.lines[0].get_data()
    assert len(steps) == len(epsilons) > 1 and 0.9 < epsilons[0] <= 1  # where the schedule begins


def more(run, iterations=5):
    """The numbers of the next few iterations."""
    seen = len(run.rows) + 1  # the current iteration may have begun before the change
    wait_for(lambda: len(run.rows) >= seen + iterations)
    return np.array(run.rows[seen : seen + iterations])[:, 1:]


def test_the_beta_slider_acts_on_the_running_agent():
    run = explore.beta_live(total_steps=10_000_000)
    by_hand, price = run.by_hand, run.price
    more(run, 1)
    by_hand.value = True
    for value in (1e-3, 1.0, 10.0):
        price.value = value
        assert np.all(more(run)[:, 1] == value)
    by_hand.value = False
    (_, before), *rows = more(run, 12)
    for kl_now, now in rows:
        assert now == F.adapt_kl_coef(before, kl_now, run.agent.kl_min, run.agent.kl_max)
        before = now
    run.stop()
    assert run.result.stopped == "stopped" and not run.thread.is_alive()
    assert f"β = {run.agent.beta:.3g}" in run.status.value
    kl, beta = run.lines
    steps, kls, betas = map(list, zip(*run.rows))
    for line, values in ((kl, kls), (beta, betas)):
        assert list(line.get_xdata()) == steps and list(line.get_ydata()) == values
    assert bytes(run.second_image.value) == run.second.png()


def test_the_clip_slider_acts_on_the_running_agent():
    run = explore.clip_live(total_steps=10_000_000)
    clip = run.clip
    outside = []
    for value in (0.02, 0.5, 1.0):
        clip.value = value
        assert run.agent.clip_coef == value and f"ε = {value:.2f}" in run.status.value
        dead, beyond = more(run)[:, :2].mean(0)
        assert dead < beyond
        outside.append(beyond)
    assert outside[0] > 0.1 > outside[2]
    run.stop()
    assert run.result.stopped == "stopped" and run.rows[-1][0] == run.result.step == run.agent.step
    before = len(run.rows)
    run.start()
    more(run, 1)
    run.stop()
    assert len(run.rows) > before and not run.thread.is_alive()


def test_the_target_network_explorer_trains_one_more_agent_in_the_background():
    explorer = explore.target_network(aliased=True)
    run, before = explorer.one_more, bytes(explorer.image.value)
    run.total_steps = 3_000
    run.go_button.click()
    run.wait()
    assert bytes(explorer.image.value) != before and "Finished" in run.banner.value
    with_run = bytes(explorer.image.value)
    explorer.controls["period"].value = 4  # other settings: it does not belong to them
    explorer.controls["period"].value = 64
    explorer.unghost()
    assert bytes(explorer.image.value) == with_run
    run.total_steps = 10**9
    run.start()
    wait_for(lambda: run.phase() == "learning")
    run.stop()
    assert "Stopped" in run.banner.value and not run.go_button.disabled


def test_an_empty_result_describes_itself():
    assert "no episode finished" in repr(Result())
