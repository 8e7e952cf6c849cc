"""Alternative texts of figures: their exact words, and that they reach the page."""

import html
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from nbconvert import HTMLExporter
from PIL import Image

from rlkit import explore, plotting
from rlkit.plotting.alt_text import LONGEST, alt_text, axes_in_words, number, plain
from rlkit.plotting.curve import Curve, CurvePicture, Still
from rlkit.plotting.live import Panel, Run
from rlkit.plotting.video import Q_TITLES, Recording
from rlkit.running.result import Result

LECTURES = Path(__file__).resolve().parent.parent / "lectures"


# The words ------------------------------------------------------------------------------------------------------


def test_a_line_says_its_ends_and_its_extremes_elsewhere():
    figure, ax = plotting.picture()
    ax.plot([0, 10, 20], [1.0, 7.123, 2.0], label="DQN")
    ax.plot([0, 10, 20], [3, 3, 3], label="human, given")
    ax.plot([0, 10, 20], [4, 5, 6], label="$V_k(s)$")
    ax.set(xlabel="steps", ylabel="return, mean of 20", title="Catch")
    assert alt_text(figure) == (
        "Catch. Return, mean of 20, over steps, from 0 to 20. DQN goes from 1 to 2, highest 7.12 at 10; "
        "human, given, stays at 3; V_k(s) goes from 4 to 6."
    )


def test_only_what_is_inside_the_axes_is_said():
    figure, ax = plotting.picture()
    ax.plot(np.arange(101), np.arange(101.0) ** 2, label="square")
    ax.plot([0, 4, 8], [0, 90, 1e9], label="out of sight")
    ax.set(xlim=(0, 10), ylim=(-1, 120), xlabel="x")
    words = "x, from 0 to 10. Square goes from 0 to 100; out of sight goes from 0 to 90, across from 0 to 4."
    assert alt_text(figure) == words


def test_lines_that_begin_or_end_at_different_places_say_where():
    figure, ax = plotting.picture()
    ax.plot([0, 1], [5, 6], label="a")
    ax.plot([1, 2], [-5, -6], label="b")
    ax.set(ylabel="loss")
    words = "Loss. a goes from 5 to 6, across from 0 to 1; b goes from −5 to −6, across from 1 to 2."
    assert alt_text(figure) == words


def test_lines_without_a_name_are_counted_and_named_reference_lines_are_said():
    figure, ax = plotting.picture()
    plotting.over_seeds(ax, "PPO clip", [([0, 4], [1, 3 + seed]) for seed in range(3)])
    ax.axhline(475)
    ax.axvline(2, label="smaller steps from here")
    ax.axhline(0.5, label="chance")
    ax.axhspan(2, 3, label="the band")
    assert alt_text(figure) == (
        "PPO clip goes from 1 to 4; smaller steps from here: 2; chance: 0.5; the band: from 2 to 3; "
        "and 3 thin lines, from 1 to 5."
    )


def test_the_thick_one_of_lines_without_names_is_said():
    figure, ax = plotting.picture()
    ax.plot(np.array([[0, 1], [2, 3]]), linewidth=0.6)
    ax.plot([0.5, 2.5])
    ax.plot([0.2, 0.8], [1, 2], ".")
    assert alt_text(figure) == (
        "The thick line goes from 0.5 to 2.5; and 2 points, from 1 to 2, across from 0.2 to 0.8; "
        "and 2 thin lines, from 0 to 3."
    )


def test_bars_say_their_numbers_and_names():
    figure, ax = plotting.picture()
    for i in range(2):
        ax.bar(np.arange(2) + 0.25 * i, [0.5, 1 + i], width=0.2, label=f"{i + 1} players")
    ax.set(xticks=[0, 1], xticklabels=["cart", "pole"], ylabel="variety")
    assert alt_text(figure) == "Variety. 1 players: 0.5 for cart, 1 for pole; 2 players: 0.5 for cart, 2 for pole."


def test_horizontal_bars_and_bars_without_names():
    figure, ax = plotting.picture()
    ax.barh(["none", "mean"], [1, 0.25])
    ax.set(xlabel="variance", ylabel="baseline")
    assert alt_text(figure) == "Variance over baseline. 1 for none, 0.25 for mean."
    figure, ax = plotting.picture()
    ax.bar(range(20), np.arange(20) % 7, width=1)
    assert alt_text(figure) == "20 bars, lowest 0 at 0, highest 6 at 6."


def test_points_say_how_many_and_where():
    figure, ax = plotting.picture()
    ax.plot([3, 1, 2], [-1, 0.5, 0], "o", label="samples")
    ax.plot([1, 2, 1], [0, 1, 1], "o", label="solved")
    ax.set(xlabel="x", ylabel="y")
    assert alt_text(figure) == (
        "y over x, from 1 to 3. Samples: 3 points, from −1 to 0.5; solved: 3 points, from 0 to 1, across from 1 to 2."
    )


def test_two_axes_say_their_labels_once_and_empty_ones_nothing():
    figure, axes = plotting.picture(3)
    for ax, title in zip(axes, "AB"):
        ax.plot([0, 5], [1, 2], label="TD")
        ax.set(title=title, xlabel="steps")
    axes[0].set_ylabel("error")
    axes[2].set_axis_off()
    assert alt_text(figure) == (
        "Panel 1, A. Error over steps, from 0 to 5. TD goes from 1 to 2. Panel 2, B. TD goes from 1 to 2."
    )
    assert axes_in_words(figure) == "2 panels: A: error over steps; B: steps."
    axes[1].plot([7], [1])
    assert "Panel 2, B, from 0 to 7. TD" in alt_text(figure)


def test_a_text_given_by_hand_comes_first():
    figure, ax = plotting.picture()
    ax.plot([1, 2])
    figure.alt = "A line that rises from -1."
    assert alt_text(figure) == "A line that rises from −1."


def test_it_is_never_too_long_and_says_less_of_each_if_there_is_more():
    figure, ax = plotting.picture()
    endings = ("0, highest 1 at 1.", "goes from 0 to 0.", "0; number 39 0.", "…")
    for lines, ending in zip((10, 25, 40, 70), endings):
        while len(ax.lines) < lines:
            ax.plot([0, 1, 0], label=f"number {len(ax.lines)}")
        words = alt_text(figure)
        assert len(words) <= LONGEST and words.endswith(ending), words


@pytest.mark.parametrize(
    "draw", ["pie", "boxplot", "hexbin", "image", "scatter", "errorbar", "text", "nothing", "only nan", "polar", "3d"]
)
def test_a_figure_of_the_readers_own_is_not_lost(draw):
    figure, ax = plotting.picture(subplot_kw={"projection": draw} if draw in ("polar", "3d") else None)
    {
        "pie": lambda: ax.pie([1, 2]),
        "boxplot": lambda: ax.boxplot([[1, 2, 3]]),
        "hexbin": lambda: ax.hexbin([1, 2, 3], [1, 2, 3]),
        "image": lambda: ax.imshow(np.zeros((8, 6))),
        "scatter": lambda: ax.scatter([1, 2], [3, 4]),
        "errorbar": lambda: ax.errorbar([1, 2], [3, 4], [1, 1]),
        "text": lambda: ax.text(0.5, 0.5, "here"),
        "nothing": lambda: ax.plot([]),
        "only nan": lambda: ax.bar([1, 2], [np.nan, np.nan]),
        "polar": lambda: ax.plot([0, 1], [1, 2]),
        "3d": lambda: ax.plot([0, 1], [1, 2], [2, 3]),
    }[draw]()
    png, metadata = figure._repr_png_()
    shown = Image.open(io.BytesIO(png)).convert("L")
    assert shown.size == (720, 320) and shown.getextrema()[0] < 200  # at least the axes are drawn
    assert len(metadata["alt"]) > 1


def test_numbers_and_words_are_written_to_be_read_aloud():
    numbers = (0, -0.0, 1e-5, 0.0012345, 12_288, 123_456, -3.14159, 1e12, 1234.5)
    read = ["0", "0", "10⁻⁵", "0.00123", "12,288", "123,456", "−3.14", "10¹²", "1,230"]
    assert [number(value) for value in numbers] == read
    assert plain("<b>ε = -0.5</b>:<br>a&lt;b") == "ε = −0.5: a<b"
    assert plain(r"logit  $z_{1}(\pi)$") == "logit z_1(pi)"


def test_what_an_agent_sees_is_described_from_its_numbers():
    weights = np.zeros((3, 2, 4, 4))
    weights[1, 1], weights[2] = 1.0, 1.0
    assert alt_text(plotting.filters(weights[1:], count=2)).endswith("frame to frame: filter 0 by 50%, filter 1 by 0%.")
    seen = {"convolution 1": np.eye(4)[None].repeat(3, 0), "hidden": np.zeros(5)}
    words = alt_text(plotting.feature_maps(np.zeros((2, 8, 8)), seen))
    assert "the 2 frames" in words and words.endswith("convolution 1, 3 maps of 4 by 4, 75% of their numbers 0.")


# On the page ----------------------------------------------------------------------------------------------------


def a_recording(steps=30):
    q_values = np.stack([np.zeros(steps), np.linspace(-1, 2, steps)], axis=1).astype(np.float32)
    screens, palette = np.zeros((steps, 210, 160), np.uint8), np.zeros((256, 3), np.uint8)
    rewards = np.array([0] * 15 + [1] * 15)
    thoughts = q_values, q_values.min(1), q_values.max(1), q_values.argmax(1)
    return Recording(screens, palette, None, *thoughts, rewards, ("NOOP", "UP"), Q_TITLES, True, "Pong")


def a_picture():
    figure, ax = plotting.picture()
    ax.plot([1, 2], label="TD < MC & all")
    return figure


SHOWN = {
    "picture": (a_picture, "TD < MC & all goes from 1 to 2."),
    "still": (lambda: Still(a_picture().png(), "Learning curve: five steps"), "Learning curve: five steps"),
    "panel": (lambda: Panel(a_picture().png(), text="<b>W = 2</b>: ready, at -3."), "W = 2: ready, at −3."),
    "explorer": (explore.max_bias, "over number of actions. 10 actions, noise 1.0, ρ = 0.90. Bias: single"),
    "video": (
        lambda: a_recording().show(),
        "Animation of Pong, from second 0 to 2: an agent plays, and the return goes from 0 to 14. Beside the screen a "
        "bar for each action, Q(s, a), the chosen one in blue with an arrow: NOOP 10 times, UP 20 times. Below, "
        "max Q over time, between 0.00 and 2.00.",
    ),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_the_text_is_where_a_page_looks_for_it(kind):
    make, words = SHOWN[kind]
    data, metadata = DisplayFormatter().format(make())
    outputs = [nbformat.v4.new_output("display_data", {"image/png": "iVBORw=="}, metadata=metadata)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=outputs)])
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)  # the template "lab" writes no alt
    (alt,) = re.findall(r'<img[^>]*?alt="([^"]*)"', page)
    assert data["image/png"] and words in html.unescape(alt)


@pytest.mark.parametrize(
    "make", [lambda result: Curve(9).still(result).alt, lambda result: run_that_drew(result).alt()]
)
def test_a_curve_describes_what_was_drawn_and_not_what_came_later(make):
    assert make(Result()) == "0 steps in 0 s, no episode finished yet. Return of an episode over agent steps."
    words = make(Result(steps=[10, 20, 30], returns=[2.0, 4.0, 0.0], step=32))
    assert words == (
        "32 steps in 0 s, 3 episodes, mean of the last 3: 2.0. Return of an episode over agent steps, from 10 to 30. "
        "Mean of 20 goes from 2 to 2, highest 3 at 20; and 3 points, from 0 to 4."
    )


def run_that_drew(result):
    run = Run.__new__(Run)  # without its thread
    run.result, run.curve = Result(), CurvePicture(9)
    run.figure = run.curve.figure
    run.curve.draw(result)
    return run


def test_a_slider_does_not_wait_for_the_text(monkeypatch):
    explorer = explore.max_bias()

    def fail(figure):
        raise AssertionError("words are made when something is shown, not while it moves")

    for name in ("figures.alt_text", "live.alt_text", "panel.axes_in_words"):
        monkeypatch.setattr(f"rlkit.plotting.{name}", fail)
    explorer.controls["correlation"].value = 0.3
    with pytest.raises(AssertionError):
        explorer._repr_mimebundle_()


@pytest.mark.parametrize("path", sorted(LECTURES.rglob("*.ipynb")), ids=lambda path: path.stem)
def test_every_stored_picture_has_a_text(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert 30 <= len(alt) <= 1_000, f"{path.name}, {cell.id}: {alt!r}"
