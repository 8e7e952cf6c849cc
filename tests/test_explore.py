"""Explorers without a browser: the model's numbers, the controls at several settings, the page that has no kernel."""

import time

import numpy as np
import pytest

from rlkit import explore, preset
from rlkit import functional as F
from rlkit.explore.divergence import residual_run, semi_gradient_run, target_network_run
from rlkit.explore.max_bias import biases
from rlkit.explore.priority import td_errors, weighted_means
from rlkit.explore.replay import autocorrelation, consecutive, effective_size, minibatches, stream
from rlkit.explore.value_estimation import (
    FEATURES,
    STATES,
    best_fit,
    errors,
    learn,
    state_weights,
    true_values,
    walks,
)
from rlkit.live import Run
from rlkit.training import Result

ANALYTIC = ["divergence", "max_bias", "priority", "replay", "target_network", "value_estimation"]


def settings(control):
    """At least three values of a control, both ends among them; two for a switch."""
    if isinstance(control.value, bool):
        return [True, False]
    if hasattr(control, "options"):
        return list(control.options)
    if hasattr(control, "base"):
        return [control.base**exponent for exponent in (control.min, (control.min + control.max) / 2, control.max)]
    return [control.min, type(control.value)((control.min + control.max) / 2), control.max]


@pytest.mark.parametrize("name", ANALYTIC)
def test_every_control_changes_the_picture_or_the_words(name):
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
    assert bytes(explorer.image.value).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ANALYTIC)
def test_a_page_without_a_kernel_shows_a_picture(name):
    data, _ = getattr(explore, name)()._repr_mimebundle_()
    assert data["image/png"] and "0x" not in data["text/plain"]


def test_moving_draws_what_a_full_drawing_draws():
    explorer = explore.max_bias()
    explorer.controls["correlation"].value = 0.3
    moved = np.asarray(explorer.moving.canvas.buffer_rgba()).copy()
    explorer.moving.canvas.draw()
    assert np.abs(moved.astype(int) - np.asarray(explorer.moving.canvas.buffer_rgba())).mean() < 1


def test_prediction_locks_until_answered_or_skipped():
    for answer in ("b", "Skip"):
        panel = explore.max_bias()
        question = explore.predict("a", "b", answer=1, because="so it is.", then=panel)
        assert all(control.disabled for control in panel.controls.values())
        question.reveal(answer)
        assert not any(control.disabled for control in panel.controls.values())
        assert "b." in question.reply.value and "so it is." in question.reply.value
    data, _ = question._repr_mimebundle_()
    assert data["text/plain"] == "a  |  b" and data["image/png"]


# The models -----------------------------------------------------------------------------------------------------


def test_biases_are_those_of_the_lecture():
    mean, error = biases(actions=10, noise=1.0, correlation=0.9, seed=0)
    assert np.all(np.abs(mean - [1.539, 1.539, 0.9 * 1.539, 0.0]) < 4 * error)


def test_the_toy_diverges_as_its_formula_says():
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


def test_no_weights_beat_the_best_fit():
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


def test_a_batch_of_consecutive_steps_is_worth_what_its_autocorrelation_says():
    values, batch = stream(), 32
    rho = autocorrelation(values, batch)
    predicted = batch / (1 + 2 * sum((1 - k / batch) * rho[k] for k in range(1, batch)))
    rng = np.random.default_rng(0)
    assert effective_size(consecutive(values, batch, 20_000, rng)) == pytest.approx(predicted, rel=0.1)
    assert effective_size(minibatches(values, 20_000, batch, 5_000, rng)) == pytest.approx(batch, rel=0.15)


def test_full_correction_makes_prioritized_batches_unbiased():
    errors = td_errors(0)
    corrected, uncorrected = (weighted_means(errors, 1.0, beta, 0, 20_000) for beta in (1.0, 0.0))
    standard_error = corrected.std() / np.sqrt(len(corrected))
    assert abs(corrected.mean() - errors.mean()) < 4 * standard_error
    assert abs(uncorrected.mean() - errors.mean()) > 0.5


# Live runs ------------------------------------------------------------------------------------------------------


def wait_for(condition, seconds=30):
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
    assert "failed" in run.status.value


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


def test_target_network_explorer_runs_one_now():
    explorer = explore.target_network()
    explorer.controls["aliased"].value = True
    before = bytes(explorer.image.value)
    explorer.run_now(total_steps=3_000)
    assert bytes(explorer.image.value) != before and not explorer.run_button.disabled


def test_an_empty_result_describes_itself():
    assert "no episode finished" in repr(Result())
