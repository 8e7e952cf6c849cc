"""The picture of a panel: double resolution at rest, shadows of the setting before, what plays, and the pointer."""

import io
import time

import numpy as np
import pytest
from conftest import PATIENCE
from PIL import Image
from test_panel import explorer

from rlkit import explore
from rlkit.explore.controls import allowed, slider
from rlkit.explore.panel import Explorer
from rlkit.plotting import BLUE, picture, view
from rlkit.plotting.painter import later, paint


def size(png):
    return Image.open(io.BytesIO(png)).size


def until(true):
    """Wait until `true()`; a test that waits in vain fails."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def level(a=2.0, **more):
    """An explorer of one line at the height a."""
    figure, ax = picture()
    (line,) = ax.plot([0, 1], [0, 0], color=BLUE, label="level")
    ax.set(xlim=(0, 1), ylim=(0, 10))

    def draw(a):
        line.set_ydata([a, a])
        return f"{a}"

    return Explorer("level", dict(a=a), figure, draw, ghosts=[line], a=slider("a", 1.0, 0.0, 10.0, 1.0), **more)


def rows_with_colour(png):
    """Which rows of a picture have pixels that are neither grey nor white, as shares of its height."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)
    coloured = (pixels.max(-1) - pixels.min(-1) > 20).sum(1) > 200
    return np.flatnonzero(coloured) / len(pixels)


def test_a_picture_is_sharp_at_rest_and_fast_while_a_control_moves():
    panel = explorer()
    single = size(panel.image.value)
    until(lambda: panel.image.sharp)
    assert size(panel.image.sharp) == (2 * single[0], 2 * single[1])
    assert size(panel.image.value) == single
    assert panel.image.alt == panel.alt()
    panel.controls["a"].value = 9
    assert size(panel.image.value) == single and panel.image.sharp == b""
    until(lambda: panel.image.sharp)
    panel.controls["a"].value = 3
    again = bytes(panel.image.value)
    panel.controls["a"].value = 9
    panel.controls["a"].value = 3
    assert bytes(panel.image.value) == again  # a picture in between at double resolution leaves no trace


def test_a_picture_at_double_resolution_gives_way_to_a_move(monkeypatch):
    panel = level()
    until(lambda: panel.image.sharp)
    panel.image.sharp, whole = b"", panel.moving.png(scale=2)
    monkeypatch.setattr(
        panel.figure.axes[0].lines[0], "draw", lambda renderer: pytest.fail("drawn although somebody waits")
    )
    monkeypatch.setattr(view, "awaited", lambda: True)
    paint(lambda: panel.image.sharpen(panel.moving))
    assert panel.image.sharp == b""
    monkeypatch.undo()
    until(lambda: panel.image.sharp)  # it was only put off
    assert panel.image.sharp == whole


def test_a_pointer_that_asks_for_nothing_new_costs_no_drawing(monkeypatch):
    panel, shown = explore.clip_epsilon(), []
    monkeypatch.setattr(panel, "show", shown.append)
    for ratio in (1.3, 1.31, 1.29, 1.4):
        panel.point(panel.grips[0].ax, ratio, 1)
    assert len(shown) == 2 and panel.controls["clip_coef"].value == pytest.approx(0.4)


def test_what_is_due_later_is_done_once_and_the_last_one_of_a_name_counts():
    done = []
    for word in ("first", "last"):
        later(0.05, "a name", lambda word=word: done.append(word))
    later(0.05, "another", lambda: 1 / 0)  # the painter lives on
    until(lambda: done)
    time.sleep(0.2)
    assert done == ["last"] and paint(lambda: "alive") == "alive"


def test_the_setting_before_stays_as_a_shadow_until_reset():
    panel = level()
    first = bytes(panel.image.value)
    (before,) = np.unique(rows_with_colour(first).round(1))
    panel.controls["a"].value = 8.0
    now = rows_with_colour(panel.image.value)
    assert now.max() - now.min() > 0.3  # two lines
    panel.controls["a"].value = 9.0  # still moving: the shadow is where the move began
    assert rows_with_colour(panel.image.value).max() == pytest.approx(now.max(), abs=0.01)
    panel.reset()
    assert bytes(panel.image.value) == first
    assert before == pytest.approx(now.max(), abs=0.1)


def test_play_steps_to_the_end_and_then_from_the_start():
    panel = level(a=8.0, plays="a")
    seen = []
    panel.controls["a"].observe(lambda change: seen.append(change.new), "value")
    assert panel.play_button.description == "Play"
    panel.play_button.click()
    assert panel.play_button.description == "Pause"
    until(lambda: panel.play_button.description == "Play")
    assert seen == [9.0, 10.0]
    panel.play_button.click()
    until(lambda: len(seen) > 3)
    panel.play_button.click()
    until(lambda: panel.play_button.description == "Play")
    assert seen[2:5] == [0.0, 1.0, 2.0][: len(seen) - 2] and panel.controls["a"].value < 10


def test_hovering_reads_the_labelled_lines():
    figure, ax = picture()
    ax.plot([1, 100], [1e-4, 1], label="straight on these axes")
    ax.plot([1, 10], [0.2, 0.3], label=r"$\hat{J}$, half")
    ax.plot([1, 100], [1, 1])
    ax.axvline(20, label="upright")
    ax.plot([9, 30], [0.5, 0.25], "o", label="dots")
    ax.set(xscale="log", yscale="log")
    panel = Explorer("lines", {}, figure, lambda a: "", a=slider("a", 1, 0, 10, 1))
    assert panel.reading(ax, 10, 0.5).splitlines() == ["straight on these axes: 0.01", "hatJ, half: 0.3", "dots: 0.5"]
    assert panel.reading(ax, 99.9, 0.5) == "straight on these axes: 0.998"
    left, bottom, right, top = ax.get_position().extents
    panel.image.answer({"x": (left + right) / 2, "y": (bottom + top) / 2, "phase": "hover"})
    assert panel.image.hint.startswith("straight on these axes: 0.0")
    panel.image.answer({"x": 0, "y": 0, "phase": "leave"})
    assert panel.image.hint == ""


def test_every_message_of_the_page_is_answered(monkeypatch):
    panel, sent = explorer(), []
    monkeypatch.setattr(panel.image, "send", lambda message, buffers=None: sent.append((message, buffers)))
    panel.image.answer({"phase": "ask"})
    panel.image.pointed = lambda x, y, phase: 1 / 0
    with pytest.raises(ZeroDivisionError):
        panel.image.answer({"x": 0, "y": 0, "phase": "down"})
    assert sent == [({"answered": True}, None)] * 2


def test_a_state_is_copied_and_a_picture_saved_at_double_resolution(monkeypatch):
    panel, sent = explorer(a=5), []
    monkeypatch.setattr(panel.image, "send", lambda message, buffers=None: sent.append((message, buffers)))
    panel.copy_button.click()
    panel.save_button.click()
    assert sent[0] == ({"copy": "explore.small(a=5)", "done": "Copied: explore.small(a=5)"}, None)
    message, (png,) = sent[1]
    assert message == {"save": "small.png"} and size(png)[0] == 2 * size(panel.image.value)[0]


ANALYTIC = sorted({*explore.__all__} & {
    "atari49", "atari57", "beta", "cliff", "clip_epsilon", "dueling", "two_states", "entropy_bonus", "gae",
    "importance_sampling", "max_bias", "messages", "museum", "n_step", "overestimation", "priority", "replay",
    "reward_hacking", "t_max", "target_network", "trust_region", "value_estimation", "worker_model",
})  # fmt: skip


@pytest.mark.parametrize("name", ANALYTIC)
def test_the_pointer_can_be_anywhere(name):
    panel = getattr(explore, name)()
    seen = []
    for x in np.linspace(0, 1, 15):
        for y in np.linspace(0, 1, 7):
            panel.image.answer({"x": x, "y": y, "phase": "hover"})
            seen.append(panel.image.hint)
    readings = {line for hint in seen for line in hint.splitlines()}
    assert not [line for line in readings if "$" in line or "nan" in line or "e+" in line], readings


@pytest.mark.parametrize("name", ANALYTIC)
def test_shadows_and_double_resolution_of_every_explorer(name):
    panel = getattr(explore, name)()
    first, until_sharp = bytes(panel.image.value), lambda: until(lambda: panel.image.sharp)
    until_sharp()
    sharp = bytes(panel.image.sharp)
    control = next(each for each in panel.controls.values() if allowed(each) and len(allowed(each)) > 1)
    control.value = next(value for value in allowed(control) if value != control.value)
    until_sharp()
    assert size(panel.image.sharp)[0] == 2 * size(first)[0]
    panel.reset()
    assert bytes(panel.image.value) == first
    until_sharp()
    assert bytes(panel.image.sharp) == sharp
