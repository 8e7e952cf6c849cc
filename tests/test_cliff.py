"""rlkit.experiments.cliff: promises and truths along a step, against sums over states and differences of returns."""

import numpy as np
import pytest

from rlkit import explore
from rlkit import functional as F
from rlkit.experiments.cliff import (
    BEGINNING,
    FALL,
    PLACES,
    WEIGHTS,
    cliff,
    features,
    logits,
    lowest_truths,
    path,
    random_start,
    softmax,
)
from rlkit.explore.truths import truth

SHARED, TABLE = WEIGHTS
LINES = {f"{make.__name__}, {weights}": make(3 if make is random_start else 0.2, weights)
         for make in (path, random_start) for weights in WEIGHTS}  # fmt: skip


@pytest.fixture(params=LINES)
def line(request):
    return LINES[request.param]


def test_on_from_the_last_place_is_a_fall_and_leads_to_the_first():
    mdp = cliff()
    s, total = 0, 0.0
    for _ in range(PLACES):
        total += mdp["reward"][s, 1]
        s = int(mdp["transition"][s, 1].argmax())
    assert s == 0 and total == PLACES - 1 - FALL
    assert [mdp["transition"][s, 0].argmax() for s in range(PLACES)] == [0, 0, 1, 2, 3, 4]
    np.testing.assert_array_equal(mdp["transition"].sum(-1), 1)


def test_the_policy_goes_on_as_often_as_it_is_asked_to():
    np.testing.assert_allclose(softmax(logits(0.3)), np.tile([0.7, 0.3], (PLACES, 1)))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_direction_is_the_gradient_of_the_return_by_the_weights(weights):
    table, mdp = features(weights), cliff()
    J = lambda w: BEGINNING @ F.policy_values(softmax(logits(0.2) + table @ w), **mdp)
    nudges = 1e-5 * np.eye(table.shape[-1])
    slopes = np.array([(J(nudge) - J(-nudge)) / 2e-5 for nudge in nudges])
    np.testing.assert_allclose(path(0.2, weights).direction, table @ slopes / np.linalg.norm(slopes), atol=1e-6)


def test_promise_and_truth_are_sums_over_the_states_of_two_policies(line):
    assert line.promise(0) == pytest.approx(0, abs=1e-12) and line.truth(0) == 0
    for length in (0.1, 1, 5):
        assert line.truth(length) == pytest.approx(line.added(line.visits_after(length), length).sum())
    assert line.truth(1e-4) == pytest.approx(line.promise(1e-4), rel=1e-2)  # the slope is the same


def test_the_truth_is_never_below_the_bound_which_is_safe_up_to_where_it_crosses_0(line):
    assert all(line.truth(length) >= line.bound(length) for length in np.geomspace(1e-4, 10, 30))
    safe = line.safe()
    assert line.bound(0.99 * safe) > 0 > line.bound(1.01 * safe)


def test_a_budget_ends_where_the_mean_kl_is_used_up(line):
    assert line.mean_kl(line.within(0.01)) == pytest.approx(0.01)


def test_in_a_table_no_state_loses_and_with_one_weight_some_do():
    for seed in range(20):
        line = random_start(seed, TABLE)
        assert all((line.added(line.visits, length) >= -1e-12).all() for length in (0.1, 1, 10, 100))
    starts = range(10)
    assert (lowest_truths(TABLE, starts) > 0).all() and (lowest_truths(SHARED, starts) < 0).any()


def test_the_explorer_and_the_question_say_what_the_line_gives():
    panel, line = explore.cliff(step=4.0), path()
    assert f"{line.promise(4):+.2f}" in panel.status.value
    assert f"{abs(line.truth(4)):.2f}" in panel.status.value and line.truth(4) < -10
    assert truth("cliff")["end"] == pytest.approx(line.truth(6))
    dragged = panel.figure.axes[0]
    panel.point(dragged, 2.0, 0.0)
    assert panel.values()["step"] == 2.0
    bars = panel.figure.axes[2].containers[1]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(line.truth(2))


def test_weights_or_a_chance_that_there_is_not_are_not_taken_for_others():
    for use in (path, lambda weights: lowest_truths(weights, [0])):
        with pytest.raises(
            ValueError, match="^weights='all' must be one of 'one for all places', 'one for each place'.$"
        ):
            use(weights="all")
    for on in (0, 1, -0.5, float("nan")):
        with pytest.raises(ValueError, match=f"^on={on} must lie between 0 and 1: each action needs a chance.$"):
            path(on)
