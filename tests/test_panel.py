"""What all explorers share: initial settings, a state to copy, the pointer, and the cover."""

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from rlkit import explore
from rlkit.explore.controls import allowed, choice, nearest, slider, steps
from rlkit.explore.panel import Explorer, Grip, distance
from rlkit.language import say
from rlkit.plotting import picture


def explorer(**settings):
    """A small explorer: a dot at (a, 10^b), which can be dragged."""
    figure, ax = picture()
    (dot,) = ax.plot([0], [1], "o")
    ax.set(xlim=(0, 10), ylim=(0.01, 100), yscale="log")

    def draw(a, b, kind):
        dot.set_data([a], [10**b])
        return say("a = {a}, b = {b:.1f}, {kind}", a=a, b=b, kind=kind)

    return Explorer(
        "small",
        settings,
        figure,
        draw,
        grips=[Grip(ax, x="a", at=lambda x, y: {"b": np.log10(y)})],
        a=slider("a", 3, 0, 10, 1),
        b=slider("b", 0.0, -2.0, 2.0, 0.1),
        kind=choice("kind", "one", ["one", "two"]),
    )


def test_a_state_is_copied_as_the_call_that_opens_it():
    panel = explorer(a=5)
    assert panel.state() == "explore.small(a=5)"
    panel.move(b=-0.3, kind="two")
    assert panel.state() == "explore.small(a=5, b=-0.3, kind='two')"
    again = explorer(a=5, b=-0.3, kind="two")
    assert bytes(again.image.value) == bytes(panel.image.value) and again.status.value == panel.status.value
    panel.reset()
    assert panel.state() == "explore.small(a=5)"  # its first state is the one that the reader asked for


@pytest.mark.parametrize(
    "settings, sentence",
    [
        (dict(aa=1), "explore.small has no setting 'aa'. Did you mean a? Its settings are a, b, kind."),
        (dict(a=11), "a=11 is not possible: take a number from 0 to 10."),
        (dict(a=2.5), "a=2.5 is not a whole number: take 2."),
        (dict(a=True), "a=True is not a number: take one from 0 to 10."),
        (dict(b=float("nan")), "b=nan is not a number: take one from −2 to 2."),
        (dict(b="1"), "b='1' is not a number: take one from −2 to 2."),
        (dict(b=10**400), f"b=1{'0' * 76}... is not a number: take one from −2 to 2."),
        (dict(kind="x" * 999), f"kind='{'x' * 76}... is not possible: take one of 'one', 'two'."),
        (dict(kind="three"), "kind='three' is not possible: take one of 'one', 'two'."),
    ],
)
def test_a_wrong_setting_is_explained_in_a_sentence(settings, sentence):
    with pytest.raises(ValueError) as raised:
        explorer(**settings)
    assert str(raised.value) == sentence


@pytest.mark.parametrize("values", [dict(a=9, aa=1), dict(a=9, b=float("nan")), dict(a=9, kind=None), dict(a=99)])
def test_a_move_to_what_is_not_allowed_is_explained_and_moves_nothing(values):
    panel = explorer(a=5)
    drawn = bytes(panel.image.value)
    with pytest.raises(ValueError, match="^explore.small has no setting|is not a number|is not possible"):
        panel.move(**values)
    assert panel.values() == panel.initial and bytes(panel.image.value) == drawn
    panel.move(a=9)
    assert panel.values()["a"] == 9


def test_a_panel_that_has_left_the_page_says_so():
    panel = explorer(a=5)
    panel.leave()
    for use in (lambda: panel.move(a=6), panel.reset, panel.save_picture):
        with pytest.raises(ValueError) as raised:
            use()
        assert str(raised.value) == (
            "This panel has left the page, because its cell was run again; explore.small(a=5) opens it anew."
        )


def test_numbers_of_other_kinds_are_taken_and_a_state_says_what_is_drawn():
    panel = explorer(a=np.int64(5), b=Fraction(1, 10), kind=np.str_("two"))
    assert panel.state() == "explore.small(a=5, b=0.1, kind='two')"
    panel = explorer(b=0.123456)  # between the stops of the slider
    assert panel.state() == "explore.small(b=0.123456)"
    assert not explore.clip_epsilon(minimum=np.False_).values()["minimum"]


@pytest.mark.parametrize("methods", [None, 5, "DQN", [["DQN"]], ("DQN", "TRPO")])
def test_a_wrong_choice_of_several_is_explained_in_a_sentence(methods):
    with pytest.raises(ValueError, match="^methods cannot hold .*: take a tuple of some of 'DQN', 'Gorila'"):
        explore.atari57(methods=methods)


@pytest.mark.parametrize("chapter", [1, 5, "2"])
def test_a_chapter_without_bugs_is_explained_in_a_sentence(chapter):
    with pytest.raises(ValueError, match=f"^chapter={chapter!r} has no bugs here: take 2, 3 or 4, or leave it out.$"):
        explore.museum(chapter=chapter)


@pytest.mark.parametrize("method", ["play", "reset"])
def test_a_click_while_a_step_is_drawn_is_not_lost(method):
    figure, clicks = picture()[0], []

    def draw(a):
        if a == 1:  # the reader clicks during this step
            click = threading.Thread(target=getattr(panel, method))
            click.start()
            clicks.append(click)
            time.sleep(0.05)
        return ""

    panel = Explorer("playing", {}, figure, draw, plays="a", a=slider("a", 0, 0, 200, 1))
    panel.play()
    while not clicks:
        time.sleep(0.01)
    clicks[0].join()
    assert not panel.playing


def test_dragging_moves_the_controls_to_what_they_allow():
    panel = explorer()
    (ax,) = panel.figure.axes
    panel.point(ax, 7.2, 1.26)
    assert panel.values() == {"a": 7, "b": 0.1, "kind": "one"}
    left, bottom, right, top = panel.image.areas[0]
    panel.image.answer({"x": left + 0.001, "y": top - 0.001, "phase": "down"})
    assert panel.values() == {"a": 0, "b": 2.0, "kind": "one"}
    panel.image.answer({"x": 2.0, "y": -1.0, "phase": "move"})  # outside of the picture: as far as it goes
    assert panel.values() == {"a": 10, "b": -2.0, "kind": "one"}
    panel.image.answer({"x": 0.5, "y": 0.5, "phase": "up"})
    panel.image.answer({"x": 0.5, "y": 0.5, "phase": "move"})
    assert panel.values() == {"a": 10, "b": -2.0, "kind": "one"}


def test_of_several_grips_the_pointer_takes_the_one_with_the_nearest_line_and_keeps_it():
    figure, ax = picture()
    (low,), high = ax.plot([0, 10], [1, 1]), ax.axhline(3)
    ax.set(xlim=(0, 10), ylim=(0, 4))

    def draw(a, b):
        low.set_ydata([a, a])
        high.set_ydata([b, b])
        return ""

    grips = [Grip(ax, y="a", line=low), Grip(ax, y="b", line=high)]
    controls = dict(a=slider("a", 1.0, 0.0, 4.0, 0.1), b=slider("b", 3.0, 0.0, 4.0, 0.1))
    panel = Explorer("two_lines", {}, figure, draw, grips=grips, **controls)
    panel.point(ax, 5, 1.5)
    assert panel.values() == {"a": 1.5, "b": 3.0}
    panel.point(ax, 5, 2.5)
    assert panel.values() == {"a": 1.5, "b": 2.5}
    left, bottom, right, top = panel.image.areas[0]
    for phase, height in (("down", 0.3), ("move", 0.9), ("up", 0.9)):  # past the other line
        panel.image.answer({"x": (left + right) / 2, "y": bottom + height * (top - bottom), "phase": phase})
    assert panel.values() == {"a": 3.6, "b": 2.5}


@pytest.mark.parametrize("corners", [[[3.0, 4.0]], [[3.0, 4.0], [3.0, 9.0]], [[5.0, -9.0], [5.0, 9.0], [99.0, 9.0]]])
def test_the_distance_to_a_line_is_that_to_its_nearest_point(corners):
    assert distance(np.zeros(2), np.array(corners)) == pytest.approx(5)


def test_a_covered_panel_shows_nothing_of_itself():
    panel = explorer()
    panel.cover()
    assert not set(panel.children) & {panel.control_box, panel.picture_box, panel.status}
    assert "image" not in str(panel._repr_mimebundle_())
    panel.cover(False)
    assert panel.children == panel.parts


def test_the_numbers_of_a_slider_over_a_list_are_printed_as_in_a_textbook():
    assert [name for name, _ in steps("n, samples", 10, [10, 10_000]).options] == ["10", "10,000"]
    assert [name for name, _ in steps("β, price", 0.0, [0.0, 0.05, 1.0, 1e6]).options] == ["0", "0.05", "1", "10⁶"]


def test_nearest_goes_by_the_scale_of_the_control():
    control = explore.beta().controls["kl_coef"]
    assert nearest(control, 0.13) == allowed(control)[allowed(control).index(0.1)]
    assert nearest(control, 1e9) == allowed(control)[-1] == pytest.approx(10**1.25)
