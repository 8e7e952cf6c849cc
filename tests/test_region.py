"""The pictures of chapter 3's trust regions and of its reuse of data: what they draw is what the numbers say."""

import numpy as np
import pytest

from rlkit.experiments.one_batch import EPOCHS
from rlkit.experiments.stored import stored
from rlkit.plotting.region import conjugate_steps, line_search, natural_gradient
from rlkit.plotting.reuse import one_batch


def line(figure, label, axes=0):
    (found,) = (one for one in figure.axes[axes].lines if one.get_label().startswith(label))
    return found.get_xydata()


@pytest.mark.parametrize("seed", range(3))
def test_the_natural_gradient_gains_most_on_its_ellipse(seed):
    rng = np.random.default_rng(seed)
    B, g = rng.normal(size=(2, 2)), rng.normal(size=2)
    H = B @ B.T + 0.1 * np.eye(2)
    figure = natural_gradient(H, g, max_kl=0.02)
    ellipse = line(figure, "½")
    np.testing.assert_allclose(0.5 * np.einsum("ni,ij,nj->n", ellipse, H, ellipse), 0.02)
    best = np.sqrt(2 * 0.02 * g @ np.linalg.solve(H, g))
    assert f"natural gradient {best:.3f}" in figure.alt and (ellipse @ g).max() <= best * 1.0001


def test_the_way_of_conjugate_gradients_ends_at_the_star():
    H, g = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.0])
    y = np.linalg.solve(H, g)
    figure = conjugate_steps(H, g, np.array([[0, 0], [0.5, -0.5], y]), np.array([[0, 0], y / 2]))
    np.testing.assert_allclose(line(figure, "the solution")[0], y)
    np.testing.assert_allclose(line(figure, "conjugate")[-1], y)
    assert "after 1 steps 50\xa0% of the way is left" in figure.alt


def test_the_shares_of_the_line_search_add_up():
    runs, _ = stored("line_search")
    figure = line_search(runs)
    heights, sizes = [bar.get_height() for bar in figure.axes[0].patches], [run["size"] for run in runs["line search"]]
    assert sum(heights) == pytest.approx(1) and heights[1] == np.mean(np.array(sizes) == 0.5)
    assert len(figure.axes[1].lines) == 2 * (10 + 1)


def test_one_batch_has_a_panel_for_each_objective_and_measure():
    runs, _ = stored("reuse")
    figure = one_batch(runs, EPOCHS)
    panels = np.reshape(figure.axes, (3, 3))
    assert [ax.get_title() for ax in panels[0]] == list(runs)
    for column, seeds in zip(panels.T, runs.values()):
        returns = np.array([[row["return"] for row in seed] for seed in seeds])
        assert len(column[1].lines) == 11
        np.testing.assert_allclose(column[1].lines[-1].get_ydata(), np.median(returns, 0))
    assert not panels[0, 0].lines and "no ratio, promised" not in figure.alt


@pytest.mark.parametrize(
    "H, g, max_kl, words",
    [
        (np.eye(3), np.ones(3), 0.01, r"^H \[3, 3\] and g \[3\] must have the shapes \[2, 2\] and \[2\].$"),
        (np.zeros((2, 2)), np.ones(2), 0.01, "must be symmetric and positive definite.$"),
        (np.array([[1.0, 1.0], [0.0, 1.0]]), np.ones(2), 0.01, "must be symmetric and positive definite.$"),
        (np.eye(2), np.zeros(2), 0.01, r"^g=\[0.0, 0.0\] must be finite, and not 0: it is a direction.$"),
        (np.eye(2), np.full(2, np.nan), 0.01, "^g=.* must be finite, and not 0"),
        (np.eye(2), np.ones(2), 0, "^max_kl=0 must be a finite number above 0.$"),
    ],
)
def test_what_is_no_trust_region_in_the_plane_is_refused(H, g, max_kl, words):
    with pytest.raises(ValueError, match=words):
        natural_gradient(H, g, max_kl)
    if max_kl:
        with pytest.raises(ValueError, match=words):
            conjugate_steps(H, g, np.zeros((3, 2)), np.zeros((4, 2)))
