"""The explorers of chapters 3 and 4 under the reader's pointer: what is dragged moves what it should."""

import numpy as np
import pytest

from rlkit import explore
from rlkit.explore.beta import LINE, along_the_line, maximisers
from rlkit.explore.controls import allowed
from rlkit.explore.entropy_bonus import CORNERS, policy


def through(panel, ax, *points):
    """Press the pointer at the first of some points of `ax`, in data units, and move it through the others."""
    for phase, point in zip(["down", *["move"] * len(points)], points):
        x, y = ax.figure.transFigure.inverted().transform(ax.transData.transform(point))
        panel.image.answer({"x": x, "y": y, "phase": phase})
    panel.image.answer({"x": x, "y": y, "phase": "up"})


def test_the_mean_whose_peak_is_nearer_is_dragged_even_past_the_other_one():
    panel = explore.importance_sampling(mu_p=-1, mu_q=1.5)
    x = panel.figure.axes[0]
    through(panel, x, (1.4, 0.4), (0.3, 0.4), (-1.4, 0.4))
    assert (panel.values()["mu_p"], panel.values()["mu_q"]) == (-1.0, -1.5)
    through(panel, x, (-0.95, 0.4), (-2.13, -0.5))
    assert (panel.values()["mu_p"], panel.values()["mu_q"]) == (-2.25, -1.5)
    panel.point(panel.figure.axes[1], 240, 0)
    assert panel.values()["n"] == 300


def test_the_step_on_the_map_goes_to_the_pointer():
    panel = explore.trust_region(confidence=2)
    plane, around, bars, _ = panel.figure.axes  # the last one is the scale of the shades
    for length, angle in ((1.0, 45), (2.5, 270), (0.3, 0), (3.0, 185)):
        end = np.array([2, 0]) + length * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        panel.point(plane, *end)
        assert (panel.values()["length"], panel.values()["angle"] % 360) == (pytest.approx(length), angle)
        arrow = next(line for line in plane.lines if line.get_label() == "the step")
        np.testing.assert_allclose(arrow.get_xydata()[-1], end)
    panel.move(angle=90, max_kl=0.01)
    kl = next(line for line in around.lines if line.get_marker() == "D").get_ydata()[0]
    panel.point(around, 137, kl)  # near the curve
    assert (panel.values()["angle"], panel.values()["max_kl"]) == (135, pytest.approx(0.01))
    panel.point(around, 10, 0.002)  # nearer to the line of δ
    assert (panel.values()["angle"], panel.values()["max_kl"]) == (135, pytest.approx(10**-2.75))


def test_the_maximiser_is_dragged_to_where_a_price_can_put_it():
    panel = explore.beta(samples=300)
    objectives, aim = panel.figure.axes
    J, kl, _ = along_the_line(300, 2.0, 0)
    reachable = LINE[maximisers(J, kl, allowed(panel.controls["kl_coef"]))].numpy()
    assert len(set(reachable)) > 5
    for length in (1.0, 3.0, 5.0, 16.0):
        panel.point(objectives, length, 0.5)
        best = next(line for line in objectives.lines if line.get_label() == "its maximiser").get_xdata()[0]
        assert abs(best - length) == pytest.approx(abs(reachable - length).min(), abs=1e-6)
    panel.point(aim, 1.1, 0.1)
    assert panel.values()["kl_coef"] == pytest.approx(1)


def test_epsilon_is_dragged_from_either_limit_in_every_panel():
    panel = explore.clip_epsilon()
    for ax in panel.figure.axes:
        panel.point(ax, 1.31, ax.get_ylim()[0])
        assert panel.values()["clip_coef"] == 0.3
        panel.point(ax, 0.62, ax.get_ylim()[1])
        assert panel.values()["clip_coef"] == 0.4
        limits = [line.get_xdata()[0] for line in ax.lines if line.get_label() == "1 ± ε"]
        assert sorted(limits) == pytest.approx([0.6, 1.4])
    panel.point(ax, 1, 0)
    assert panel.values()["clip_coef"] == 0.05


@pytest.mark.parametrize("place", [(0.2, 0.7, 0.1), (0.01, 0.98, 0.01), (0.6, 0.2, 0.2), (0.9, 0.02, 0.08)])
def test_a_policy_is_dragged_inside_its_triangle(place):
    panel = explore.entropy_bonus()
    triangle, over_steps, over_betas = panel.figure.axes
    panel.point(triangle, *np.array(place) @ CORNERS)
    np.testing.assert_allclose(policy(panel.values()["p1"], panel.values()["share"]), place, atol=0.011)
    yours = triangle.lines[-1].get_xydata()[0]
    np.testing.assert_allclose(yours, np.array(place) @ CORNERS, atol=0.011)
    panel.point(over_steps, 120, 0.5)
    panel.point(over_betas, 4.3, 0.5)
    assert (panel.values()["t"], panel.values()["beta"]) == (100, 0.2)


@pytest.mark.parametrize(
    "corner, kept", [((-0.1, 0.0), (0.01, 0.99)), ((1.1, 0.0), (0.01, 0.01)), ((0.5, 1.0), (0.99,))]
)
def test_a_policy_outside_of_the_triangle_stays_at_its_edge(corner, kept):
    panel = explore.entropy_bonus()
    panel.point(panel.figure.axes[0], *corner)
    assert (panel.values()["p1"], panel.values()["share"])[: len(kept)] == kept


def test_t_max_and_the_number_of_workers_are_dragged_on_their_logarithmic_axes():
    panel = explore.t_max()
    for x, t_max in ((1.1, 1), (11, 20), (9, 5), (90, 50), (200, 200)):
        panel.point(panel.figure.axes[0], x, 1)
        assert panel.values()["t_max"] == t_max
    panel = explore.worker_model()
    for x, num_workers in ((0.9, 1), (6.5, 8), (5.5, 4), (70, 64)):
        panel.point(panel.figure.axes[3], x, 1)
        assert panel.values()["num_workers"] == num_workers


def test_the_workers_of_messages_are_dragged_over_both_panels():
    panel = explore.messages()
    for ax, x, num_workers in ((0, 0.95, 1), (0, 13, 12), (1, 520, 500), (1, 1050, 1000)):
        panel.point(panel.figure.axes[ax], x, 5)
        assert panel.values()["num_workers"] == num_workers


def test_the_words_of_clip_epsilon_say_nothing_of_the_min_that_is_not_chosen():
    words = explore.clip_epsilon().status.value
    assert "43\xa0%" in words and "84" not in words
    assert "84\xa0%" in explore.clip_epsilon(minimum=False).status.value
