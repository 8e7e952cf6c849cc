"""Explorers of chapters 1 and 2 under a pointer: where it goes, what is dragged goes too."""

import numpy as np
import pytest
from explorers import opened

from rlkit.explore.two_states import residual_run, semi_gradient_run


@pytest.mark.parametrize("k, size", [(100, 1e3), (50, 1e-1), (200, 1.0)])
def test_the_semi_gradient_follows_the_pointer_by_its_discount(k, size):
    panel = opened("two_states")
    panel.drag(panel.taken(panel.figure.axes[0], 100, 1e4), k, size)  # it went down near the line of the semi-gradient
    gamma = panel.values()["gamma"]
    assert panel.values() == {"gamma": gamma, "learning_rate": 0.1, "period": 20}
    assert semi_gradient_run(gamma - 0.01, 0.1, 200)[k] < size < semi_gradient_run(gamma + 0.01, 0.1, 200)[k]


def test_the_residual_gradient_follows_the_pointer_by_its_learning_rate():
    panel = opened("two_states")
    panel.point(panel.figure.axes[0], 150, 1e-4)  # nearer to it than to the others
    alpha = panel.values()["learning_rate"]
    assert alpha != 0.1 and panel.values()["gamma"] == 0.9
    assert residual_run(0.9, alpha + 0.01, 150)[-1] < 1e-4 < residual_run(0.9, alpha - 0.01, 150)[-1]


def test_a_pointer_that_asks_for_too_much_gets_what_there_is():
    panel = opened("two_states")
    (ax,) = panel.figure.axes
    panel.drag(panel.grips[0], 1, 1e6)
    assert panel.values()["gamma"] == 0.99
    panel.drag(panel.grips[0], 1, 1e-6)
    assert panel.values()["gamma"] == 0
    panel.move(gamma=0.5)
    panel.drag(panel.grips[1], 100, 1e-3)  # where the residual gradient moves nothing
    assert panel.values()["learning_rate"] == 0.5


def test_the_curve_of_double_dqn_goes_through_the_pointer():
    panel = opened("max_bias")
    curve = panel.figure.axes[1]
    panel.point(curve, 20, 0.7)
    (line,) = (line for line in curve.lines if line.get_label().startswith("Double"))
    assert panel.values()["actions"] == 20
    assert np.interp(20, *line.get_data()) == pytest.approx(0.7, abs=0.05)
    before = panel.values()["correlation"]
    panel.point(curve, 1, 0.5)  # the maximum of one number has no bias, whatever ρ is
    assert panel.values()["actions"] == 1 and panel.values()["correlation"] == before


def test_the_size_of_the_buffer_is_taken_from_its_axis():
    panel = opened("replay")
    for x, size in ((40, 32), (430, 512), (25_000, 20_000)):
        panel.point(panel.figure.axes[1], x, 3.0)
        assert panel.values()["buffer_size"] == size


def test_the_largest_probability_goes_to_the_pointer():
    panel = opened("priority")
    memory = panel.figure.axes[0]
    panel.point(memory, 1, 0.1)
    higher = panel.values()["alpha"]
    panel.point(memory, 1, 0.02)
    assert 0 < panel.values()["alpha"] < 0.6 < higher < 1
    panel.point(memory, 1, 0.01)
    assert panel.values()["alpha"] == 0


def test_the_mean_of_the_estimates_goes_to_the_pointer():
    panel = opened("priority", alpha=0.8, beta=0.5)
    batches = panel.figure.axes[1]
    panel.point(batches, 0, 0.5)
    assert panel.values()["beta"] == 1
    panel.point(batches, -3, 0.5)  # the mean of this memory's estimates goes down without weights
    assert panel.values() == {"alpha": 0.8, "beta": 0.0, "seed": 0}


def test_a_memory_is_chosen_by_its_row():
    panel = opened("priority")
    panel.point(panel.figure.axes[2], 0.5, 7.2)
    assert panel.values() == {"alpha": 1.0, "beta": 1.0, "seed": 7}


def test_time_is_dragged_along_the_curve_of_v():
    panel = opened("saliency")
    (curve,) = (ax for ax in panel.figure.axes if ax.get_xlabel().startswith("step"))
    panel.point(curve, 22.3, 0.0)
    assert panel.values()["t"] == 22 and panel.plays == "t" and panel.image.photo
    marker = curve.lines[-1]
    assert np.allclose(marker.get_xydata(), [[22, curve.lines[0].get_ydata()[22]]])
