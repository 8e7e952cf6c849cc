"""Figures for every reader: nothing depends on colour alone, lines are visible on white, text is large enough."""

import re
from functools import cache
from itertools import combinations
from pathlib import Path

import ipywidgets as widgets
import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text

from rlkit import AGENTS, explore, load, plotting
from rlkit.plotting.film import Video
from rlkit.plotting.video import Q_TITLES, Recording, play
from rlkit.running.result import Result

ROOT = Path(__file__).parent.parent
SMALLEST = 11  # drawn at 80 pixels an inch and shown at 96, that is 9.2 points on the screen
WIDEST = 12  # inches: 960 pixels, the width of a page on a projector

# Figures and explorers ------------------------------------------------------------------------------------------------


def curves(*methods):
    return {method: [(np.arange(5), np.arange(5.0) * seed) for seed in (1, 2)] for method in methods}


def on_tasks(*methods):
    run = {"steps": [0, 1_000], "returns": [0.0, 1.0]}
    return {f"{method}, {task}": [run] * 3 for method in methods for task in "AB"}


VALUES = ("DQN", "Double DQN", "Dueling DQN", "Prioritized DQN", "n-step DQN", "all of them")
POLICIES = ("REINFORCE", "TRPO", "PPO adaptive KL", "PPO clip", "A2C")
WORKERS = ("A2C", "A3C FF", "A3C LSTM", "PPO clip")
TOGETHER = [VALUES, POLICIES, WORKERS, ("DQN", "Gorila"), *plotting.CASES.values()]
BY_MARKER = {("truth", "MC"), ("PPO clip", "DQN")}  # share a style, but where they meet, the second has markers


def pong_run(reached):
    """A run of the sweep `pong` in its form."""
    return {"reached": reached, "end": reached or 900, "steps": [100, reached or 900], "returns": [None, 18.0]}


PICTURES = {
    "compare": lambda: plotting.compare(curves(*VALUES), target=3),
    "by_task": lambda: plotting.by_task(on_tasks(*POLICIES), "AB"),
    "by_method": lambda: plotting.by_method(on_tasks(*POLICIES), "AB"),
    "by_clock": lambda: plotting.by_clock(
        {name: [{"seconds": [1, 2, 3], "returns": [1, 2, 3]}] * 2 for name in {*VALUES[:4], *WORKERS}}, "return"
    ),
    "updates": lambda: plotting.updates(
        {kind: [{"total_steps": 9, "solved": solved, "largest_weight": 2} for solved in (1, None)] for kind in "ab"}
    ),
    "until_goal": lambda: plotting.until_goal([pong_run(300), pong_run(500), pong_run(None)]),
    "against": lambda: plotting.against({"the preset": [pong_run(None)], "one change": [pong_run(400)]}),
    "by_rate": lambda: plotting.by_rate(
        {score: np.ones((2, 3, 4)) for score in ("early", "end")}, (1e-3, 1e-2), (0.1, 0.2, "adaptive"), "ε"
    ),
    "learning_curve": lambda: plotting.learning_curve(Result(steps=[1, 2], returns=[1.0, 2.0]), target=2),
}
DRAWN = [
    "atari49", "atari57", "beta", "cliff", "clip_epsilon", "dueling", "two_states", "entropy_bonus", "gae",
    "importance_sampling", "max_bias", "messages", "museum", "n_step", "overestimation", "priority", "replay",
    "reward_hacking", "saliency", "t_max", "target_network", "trust_region", "value_estimation", "worker_model",
    "workers", "clinic",
]  # fmt: skip
RUNNING = ["beta_live", "clip_live", "epsilon"]
EXPLORERS = DRAWN + RUNNING


@cache
def explorer(name):
    if name == "saliency":
        agent = load(AGENTS / "ppo-pong-small.pt", num_envs=1)
        return explore.saliency(agent, play(agent, 2))  # a short game is faster
    if name not in RUNNING:
        return getattr(explore, name)()
    run = getattr(explore, name)(total_steps=1_000)
    run.stop()
    return run


@cache
def figures(name):
    """The figures of a plotting function or of an explorer, already drawn, because until then ticks have no text."""
    if name in PICTURES:
        figure = PICTURES[name]()
        figure.draw_without_rendering()
        return [figure]
    panel = explorer(name)  # draws its figures
    return [
        panel.figure,
        *(panel.__dict__[key].figure for key in ("second",) if hasattr(panel, key)),
    ]


def test_every_explorer_is_in_these_tests():
    assert set(EXPLORERS) == set(explore.__all__) - {"ask", "answers"}


# Not by colour alone --------------------------------------------------------------------------------------------------


def style(line):
    """What a line looks like without its colour. (Dashes given as numbers have no public name.)"""
    return line.get_linestyle(), line._unscaled_dash_pattern, str(line.get_marker())


def labelled(artists):
    return [artist for artist in artists if not artist.get_label().startswith("_")]


@pytest.mark.parametrize("name", [*PICTURES, *EXPLORERS])
def test_labelled_lines_differ_without_their_colours(name):
    for ax in (ax for figure in figures(name) for ax in figure.axes):
        lines = {
            line.get_label(): style(line) for line in labelled(ax.lines) if name != "workers" or line.get_xdata().size
        }
        assert len(set(lines.values())) == len(lines), lines


@pytest.mark.parametrize("name", [*PICTURES, *EXPLORERS])
def test_the_entries_of_a_legend_differ_without_their_colours(name):
    for legend in (legend for figure in figures(name) for legend in figure.findobj(Legend)):
        entries = [
            (*style(handle), handle.get_linewidth())
            if isinstance(handle, Line2D)
            else (type(handle), handle.get_hatch())
            for handle in legend.legend_handles
        ]
        assert len(set(entries)) == len(entries), [text.get_text() for text in legend.texts]


def test_methods_in_one_figure_have_different_styles():
    assert set().union(*TOGETHER) == set(plotting.METHODS).union(*plotting.CASES.values())
    pairs = {pair for together in TOGETHER for pair in combinations(together, 2)} | BY_MARKER
    for one, other in pairs:
        look, other_look = plotting.look(one), plotting.look(other)
        assert look["color"] != other_look["color"], (one, other)
        assert (look["linestyle"] == other_look["linestyle"]) == ((one, other) in BY_MARKER), (one, other)


# Can be seen ----------------------------------------------------------------------------------------------------------


def contrast(colour):
    """The contrast with white, as WCAG 2 defines it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)


@pytest.mark.parametrize("colour", ["BLACK", "ORANGE", "SKY", "GREEN", "BLUE", "RED", "PINK", "GREY"])
def test_colours_are_visible_on_white(colour):
    assert contrast(getattr(plotting, colour)) >= 3  # what WCAG requires of graphics


@pytest.mark.parametrize("name", [*PICTURES, *EXPLORERS])
def test_text_is_large_and_dark_enough(name):
    for figure in figures(name):
        assert figure.get_figwidth() <= WIDEST
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text().strip():
                assert text.get_fontsize() >= SMALLEST, text
                assert contrast(text.get_color()) >= 4.5, text  # what WCAG requires of text


def test_no_text_in_a_video_is_under_9_points():
    for count in (3, 6, 18):
        bars = np.zeros((2, count), np.float32)
        recording = Recording(
            np.zeros((2, 210, 160), np.uint8), np.zeros((256, 3), np.uint8), None, bars, bars[:, 0], bars[:, 0],
            np.zeros(2, int), np.zeros(2), ("NOOP",) * count, Q_TITLES, True,
        )  # fmt: skip
        assert Video(recording).letters >= 12  # pixels: 96 of them are 72 points


SOURCES = [
    *ROOT.glob("rlkit/**/*.py"), *ROOT.glob("lectures/*.ipynb"), *ROOT.glob("lectures/assignments/source/*/*.ipynb")
]  # fmt: skip
SIZE = re.compile(r"""(?:font\.?|label|title)_?size["']?\s*[=:(]\s*([^,)\s]+)|\.set_size\(([^)]*)""")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_code_asks_for_smaller_text(path):
    code = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        code = "\n".join(cell.source for cell in nbformat.reads(code, 4).cells if cell.cell_type == "code")
    for match in SIZE.finditer(code):
        assert float(match[1] or match[2]) >= SMALLEST, match[0]


# Controls -------------------------------------------------------------------------------------------------------------

IN_WORDS = {  # labels without a symbol, or with one in the middle
    "VideoPinball", "a lead that is a tie, %", "alias: the target is w (a bug)", "bug", "bug in", "divided by",
    "ends of ten runs", "games", "hold β by hand", "hold ε by hand", "layer", "method", "methods", "more choices",
    "patient",
    "only these (none: all)", "seed", "statistic", "subtract the mean of A", "task", "whose attention",
}  # fmt: skip


def controls(widget):
    """Everything that can be moved, chosen or pressed."""
    inside = [control for child in getattr(widget, "children", ()) for control in controls(child)]
    return inside + ([widget] if hasattr(widget, "disabled") and not isinstance(widget, widgets.HTML) else [])


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_says_what_it_is(name):
    found = controls(explorer(name))
    assert found
    for control in found:
        words = control.description
        if isinstance(control, widgets.Button):
            assert words
        else:
            assert words in IN_WORDS or re.fullmatch(r"\S{1,5}, \w[\w ]+.*", words), f"{words}: no symbol and word"
