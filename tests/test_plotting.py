"""Figures draw the numbers that they are given."""

import io
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from conftest import one_line
from matplotlib.colors import to_rgb
from PIL import Image

from rlkit import plotting
from rlkit.experiments import statistics
from rlkit.experiments.stored import stored
from rlkit.explore.atari49 import LOOKS as LOOKS49
from rlkit.explore.atari57 import LOOKS as LOOKS57
from rlkit.running.result import Result


def lines(ax):
    """{label: line} of the lines that have a label."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def thin_lines(ax):
    return [line for line in ax.lines if line.get_label().startswith("_") and line.get_linewidth() < 1]


# The look of a method -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [plotting.METHODS, *plotting.CASES.values(), LOOKS49, LOOKS57])
def test_no_two_methods_have_the_same_look(looks):
    pairs = {name: (look[0], str(look[1])) for name, look in looks.items()}
    assert len(set(pairs.values())) == len(pairs), pairs


def test_a_name_has_one_look():
    names = [*plotting.METHODS, *(name for cases in plotting.CASES.values() for name in cases)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "sweep", ["overestimation", "baselines", "policy_gradients", "memory", "stabilisers", "end_to_end"]
)
def test_what_a_chapter_draws_together_differs_in_colour_and_in_style(sweep):
    names = {name.split(", ")[0] for name in stored(sweep)[0]}
    assert len(names) > 1
    for one, other in combinations([plotting.look(name) for name in names], 2):
        assert one["color"] != other["color"] and str(one["linestyle"]) != str(other["linestyle"]), (one, other)


def test_methods_by_the_clock_differ_within_their_panel_in_colour_and_in_style():
    for ax in plotting.by_clock(stored("wall_clock")[0], ylabel="score").axes:
        for one, other in combinations(lines(ax).values(), 2):
            assert one.get_color() != other.get_color()
            assert one._unscaled_dash_pattern != other._unscaled_dash_pattern


def test_a_look_is_the_colour_the_style_and_the_name():
    colour, style = plotting.METHODS["TRPO"]
    assert plotting.look("TRPO") == {"color": colour, "linestyle": style, "label": "TRPO"}
    seed = plotting.thin("TRPO")
    assert (seed["color"], seed["linestyle"]) == (colour, style) and seed["linewidth"] < 1 and "label" not in seed
    assert plotting.look("LSTM")["linestyle"] == plotting.CASES["memory"]["LSTM"][1]


@pytest.mark.parametrize(
    "draw",
    [
        plotting.look,
        plotting.thin,
        lambda name: plotting.compare({name: [([0, 1], [0, 1])]}),
        lambda name: plotting.by_task({f"{name}, A": [{"steps": [0], "returns": [0.0]}] * 3}, "A"),
        lambda name: plotting.learning_curve(Result(), method=name),
    ],
    ids=["look", "thin", "compare", "by_task", "learning_curve"],
)
def test_an_unknown_method_is_refused_by_name(draw, monkeypatch):
    with pytest.raises(ValueError, match="No method is called 'mine'") as error:
        draw("mine")
    assert "PPO clip" in one_line(error) and "plotting.METHODS" in str(error.value)
    monkeypatch.setitem(plotting.METHODS, "mine", (plotting.GREY, "-"))  # as the message says
    draw("mine")


# Smoothing ------------------------------------------------------------------------------------------------------------


def test_smoothing_by_hand():
    assert plotting.smooth([4, 0, 2, 10], window=2).tolist() == [4, 2, 1, 6]
    assert plotting.smooth([4, 0, 2, 10], window=3).tolist() == [4, 2, 2, 4]
    assert plotting.smooth([4, 0, 2, 10], window=1).tolist() == [4, 0, 2, 10]


def test_smoothing_begins_with_the_mean_of_the_first_values():
    assert plotting.smooth([6, 0, 3]).tolist() == [6, 3, 3]
    values = np.arange(30.0)
    smoothed = plotting.smooth(values)
    assert smoothed[18] == values[:19].mean() and smoothed[19] == 9.5 and smoothed[20] == 10.5 and smoothed[29] == 19.5
    assert plotting.smooth([]).shape == (0,)


def test_smoothing_agrees_with_the_mean_return_of_a_result():
    returns = np.random.default_rng(0).normal(size=50).tolist()
    expected = [Result(returns=returns[: k + 1]).mean_return() for k in range(50)]
    np.testing.assert_allclose(plotting.smooth(returns), expected)


# Figures of results ---------------------------------------------------------------------------------------------------


def test_a_learning_curve_draws_each_episode_and_the_mean_of_20():
    runs = [Result(steps=[5, 10, 30], returns=[1.0, 3.0, 8.0]), Result(steps=[7], returns=[2.0])]
    (ax,) = plotting.learning_curve(*runs, method="TRPO", target=5).axes
    dots, means, other_dots, other_means, target = ax.lines
    assert dots.get_xydata().tolist() == [[5, 1], [10, 3], [30, 8]] and dots.get_linestyle() == "None"
    assert means.get_xydata().tolist() == [[5, 1], [10, 2], [30, 4]]
    assert other_dots.get_xydata().tolist() == other_means.get_xydata().tolist() == [[7, 2]]
    assert list(target.get_ydata()) == [5, 5] and means.get_color() == plotting.METHODS["TRPO"][0]


def test_compare_draws_every_seed_and_their_median():
    runs = {"DQN": [([0, 99], [0.0, 99.0]), ([0, 99], [99.0, 99.0]), ([0, 198], [30.0, 30.0])]}
    (ax,) = plotting.compare(runs, target=475, smoothed=True).axes
    grid = np.arange(100.0)  # ends where the shortest seed ends
    seeds = thin_lines(ax)
    for line, expected in zip(seeds, (grid, np.full(100, 99.0), np.full(100, 30.0)), strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.stack([grid, expected], 1))
    np.testing.assert_allclose(lines(ax)["DQN"].get_ydata(), grid.clip(30))
    assert list(ax.lines[-1].get_ydata()) == [475, 475]


def test_compare_averages_unsmoothed_returns():
    (ax,) = plotting.compare({"DQN": [([0, 1, 2], [0.0, 6.0, 3.0])]}).axes
    median = lines(ax)["DQN"]
    np.testing.assert_allclose(np.interp([0, 1, 2], *median.get_data()), [0, 3, 3], atol=0.05)


def test_seeds_can_start_later():
    _, ax = plotting.picture()
    plotting.over_seeds(ax, "TD", [([0, 10], [0, 10])], start=5)
    assert lines(ax)["TD"].get_xydata()[[0, -1]].tolist() == [[5, 5], [10, 10]]


def some_runs(methods, tasks, seeds=5):
    rng = np.random.default_rng(0)
    steps = [0, 10_000, 20_000]
    return {
        f"{m}, {t}": [{"steps": steps, "returns": rng.normal(size=3).tolist()} for _ in range(seeds)]
        for m in methods
        for t in tasks
    }


def test_by_task_draws_the_interquartile_mean_in_its_interval():
    runs = some_runs(("PPO clip", "TRPO"), ("A", "B", "C"))
    figure = plotting.by_task(runs, ("A", "B", "C"))
    for ax, task in zip(figure.axes, "ABC"):
        assert ax.get_title() == task
        assert [line.get_label() for line in ax.lines] == ["TRPO", "PPO clip"]  # in the order of METHODS
        for line, band in zip(ax.lines, ax.collections, strict=True):
            method = line.get_label()
            returns = np.array([run["returns"] for run in runs[f"{method}, {task}"]])
            assert line.get_xdata().tolist() == [0, 10, 20]
            np.testing.assert_allclose(line.get_ydata(), statistics.interquartile_mean(returns))
            assert (line.get_color(), line.get_linestyle()) == plotting.METHODS[method]
            low, high = statistics.bootstrap_interval(returns)
            edge = band.get_paths()[0].vertices[:, 1]
            assert edge.min() == pytest.approx(low.min()) and edge.max() == pytest.approx(high.max())


def test_by_method_gives_each_method_axes_of_its_own_over_the_others_in_pale_grey():
    runs = some_runs(("PPO clip", "TRPO"), ("A-v1", "B-v1"))
    figure = plotting.by_method(runs, ("A-v1", "B-v1"))
    for ax, (task, method) in zip(figure.axes, [(t, m) for t in ("A-v1", "B-v1") for m in ("TRPO", "PPO clip")]):
        returns = np.array([run["returns"] for run in runs[f"{method}, {task}"]])
        *_, mean = ax.lines
        assert mean.get_label() == method and mean.get_color() == plotting.METHODS[method][0]
        np.testing.assert_allclose(mean.get_ydata(), statistics.interquartile_mean(returns))
        seeds = [line.get_ydata().tolist() for line in ax.lines[1:-1]]
        assert (
            sorted(seeds) == sorted(returns.tolist())
            and ax.lines[0].get_color() == "0.8"
            and ax.lines[0].get_linewidth() < 1
        )
    assert [ax.get_ylabel() for ax in figure.axes] == ["A", "", "B", ""]


def test_by_clock_puts_methods_that_replay_on_the_left():
    seconds = [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]
    runs = {
        method: [{"seconds": s, "returns": [first, first + 2, first + 4]} for s, first in zip(seconds, (0.0, 10.0))]
        for method in ("DQN", "A2C")
    }
    left, right = plotting.by_clock(runs, ylabel="score", window=1).axes
    assert (list(lines(left)), list(lines(right))) == (["DQN"], ["A2C"])
    for ax in (left, right):
        (median,) = lines(ax).values()
        np.testing.assert_allclose(median.get_xdata(), np.linspace(2, 5, 100))  # where all seeds have episodes
        np.testing.assert_allclose(median.get_ydata(), np.linspace(2, 5, 100) + 3.5)  # between t - 1 and t + 8
        np.testing.assert_allclose(thin_lines(ax)[1].get_ydata(), np.linspace(2, 5, 100) + 8)
    assert left.get_ylabel() == "score"


def test_by_clock_averages_over_the_window():
    runs = dict.fromkeys(("DQN", "A2C"), [{"seconds": [0, 1, 2], "returns": [0.0, 6.0, 3.0]}])
    line = lines(plotting.by_clock(runs, ylabel="score", window=2).axes[1])["A2C"]
    assert line.get_ydata()[[0, -1]] == pytest.approx([0, 4.5])


def test_updates_are_points_where_each_run_ended():
    def run(steps, solved, weight):
        return {"total_steps": steps, "solved": solved, "largest_weight": weight}

    figure = plotting.updates({"one": [run(9_000, 8, 2.0), run(20_000, None, 7.0)], "other": [run(3_000, 2, 1.5)]})
    left, right = figure.axes
    assert lines(left)["reached 475"].get_xdata().tolist() == [9, 3]
    assert np.round(lines(left)["reached 475"].get_ydata()).tolist() == [0, 1]
    assert lines(left)["did not"].get_xdata().tolist() == [20] and right.lines[1].get_xdata().tolist() == [7]
    assert [text.get_text() for text in left.get_yticklabels()] == ["one", "other"]
    assert figure.alt.endswith("one: 1 of 2, 7.0; other: 1 of 1, 1.5")


def test_each_learning_rate_has_its_seeds_and_the_means_of_the_others_beside_them():
    early = np.arange(18.0).reshape(3, 3, 2)
    figure = plotting.by_rate({"early": early, "end": early + 100}, [3e-4, 0.01, 0.03], [0.1, 0.2, "adaptive"], "ε")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["learning rate 0.0003", "learning rate 0.01", "learning rate 0.03", "", "", ""]
    *others, thick = figure.axes[4].lines
    means = [line.get_ydata().tolist() for line in (thick, *others[:2])]
    assert means == [[106.5, 108.5, 110.5], [100.5, 102.5, 104.5], [112.5, 114.5, 116.5]]
    assert [line.get_ydata().tolist() for line in others[2:]] == [[106, 107], [108, 109], [110, 111]]
    assert [text.get_text() for text in figure.axes[4].get_xticklabels()] == ["0.1", "0.2", "adaptive"]
    assert "last 20 episodes, learning rate 0.03: 112, 114, 116" in figure.alt


# Pictures as bytes ----------------------------------------------------------------------------------------------------


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_picture_has_its_size_and_what_is_drawn():
    figure, ax = plotting.picture(width=5, height=3)
    empty = pixels(figure.png())
    assert empty.shape == (3 * plotting.DPI, 5 * plotting.DPI, 3)
    ax.axhspan(0.2, 0.8, color="#ff0000")
    drawn = pixels(figure.png())
    assert tuple(drawn[len(drawn) // 2, drawn.shape[1] // 2]) == (255, 0, 0)
    assert figure._repr_png_()[0] == figure.png()


def test_a_compact_png_is_smaller_and_looks_the_same():
    figure, ax = plotting.picture()
    ax.imshow(np.random.default_rng(0).random((20, 20)), cmap="gray")
    png = plotting.Moving(figure).png()
    small = plotting.compact(png)
    assert len(small) < len(png) / 2 and np.abs(pixels(small) - pixels(png)).max() <= 4


def test_the_colours_of_lines_are_kept_when_a_picture_gets_few():
    figure, ax = plotting.picture()
    own = (plotting.BLUE, plotting.ORANGE, plotting.RED, plotting.GREEN, plotting.SKY, plotting.PINK, plotting.GREY)
    for height, colour in enumerate(own):
        ax.plot([0, 1], [height, height], color=colour)
        ax.plot(np.linspace(0, 1, 50), height + np.random.default_rng(height).random((50, 5)), color=colour, alpha=0.3)
    found = pixels(figure.png()).reshape(-1, 3)
    assert len(np.unique(found, axis=0)) <= 40
    for colour in own:
        assert (found == np.round(255 * np.array(to_rgb(colour)))).all(1).sum() > 300  # a line is that long


def test_moving_draws_the_data_again_and_the_frame_when_a_limit_changes():
    figure, ax = plotting.picture()
    (line,) = ax.plot([0, 1], [0, 0], color="#ff0000")
    moving = plotting.Moving(figure)
    red = lambda: np.flatnonzero((pixels(moving.png()) == (255, 0, 0)).all(2).any(1))
    low, background = red(), moving.backgrounds[1]
    ax.lines[0].set_ydata([0.04, 0.04])
    high = red()
    assert high.mean() < low.mean() - 20 and moving.backgrounds[1] is background
    ax.set_ylim(-1, 1)
    assert len(red()) and moving.backgrounds[1] is not background
    line.set_visible(False)
    assert len(red()) == 0


LATE = """
import sys
from rlkit import plotting
plotting.compare({"DQN": [([0, 1], [0, 1])]})
late = {"rlkit.plotting.curve", "rlkit.plotting.live", "rlkit.plotting.video", "rlkit.plotting.film"}
late = (late | {"ipywidgets", "ale_py"}) & set(sys.modules)
assert not late, late
"""


def test_figures_load_no_widgets_and_no_emulator():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    assert all(hasattr(plotting, name) for name in plotting.__all__) and len(set(plotting.__all__)) == len(
        plotting.__all__
    )


def test_ticks_are_printed_as_in_a_textbook_and_leave_room_for_each_other():
    figure, (left, right) = plotting.picture(2, width=6)
    left.plot([0, 60_000], [-12_000, 0.5])
    right.loglog([1e-6, 1, 1e6], [0.01, 1, 1e4])
    figure.draw_without_rendering()
    printed = [
        [text.get_text() for text in axis.get_ticklabels()] for ax in (left, right) for axis in (ax.xaxis, ax.yaxis)
    ]
    assert {"0", "50,000"} <= set(printed[0]) and "−10,000" in printed[1]
    assert "10⁻⁶" in printed[2] and {"0.01", "10,000"} <= set(printed[3])
    assert_apart(left.get_xticklabels())

    left.set_xlim(0, 8_000_000)  # a run of some minutes
    figure.draw_without_rendering()
    assert "5,000,000" in [text.get_text() for text in left.get_xticklabels()]
    assert left.xaxis.get_offset_text().get_text() == ""
    assert_apart(left.get_xticklabels())


def assert_apart(texts):
    """Does some space lie between texts in a row?"""
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) >= 2 and all(one.x1 < next.x0 for one, next in zip(boxes, boxes[1:]))
