"""The explorers of published Atari scores: their numbers at several settings, and what is drawn from them."""

import sys
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pytest

from rlkit import explore
from rlkit.experiments import published
from rlkit.experiments.published import COLUMNS, STATISTICS, TRAINING
from rlkit.explore.atari49 import standings as standings49
from rlkit.explore.atari57 import ALL, BOTH, LOOKS, PER, Ranking, between, joined, short, standings
from rlkit.plotting.painter import paint


def place(numbers, statistic, name):
    return published.places({name: row[statistic] for name, row in numbers.items()})[name]


def test_at_first_it_shows_the_lectures_table():
    numbers, counts, without = standings(list(COLUMNS))
    for name, (mean, median) in published.table(published.atari57()).items():
        assert (numbers[name]["mean"], numbers[name]["median"]) == pytest.approx((mean, median))
    assert counts == {name: 49 if name in ("DQN", "Gorila") else 57 for name in COLUMNS} and without == []
    assert [place(numbers, statistic, "A3C, LSTM") for statistic in ("mean", "median", "interquartile mean")] == [
        1,
        4,
        3,
    ]
    assert {place(numbers, statistic, "Prioritized DQN") for statistic in STATISTICS} == {1, 3}


def test_each_setting_changes_the_numbers_as_it_should():
    numbers, counts, _ = standings(list(COLUMNS), games=BOTH)
    assert set(counts.values()) == {49}
    numbers, _, without = standings(list(COLUMNS), left_out=10)
    assert without[0] == "Atlantis" and len(set(without)) == 10 and place(numbers, "mean", "A3C, LSTM") == 2
    numbers, _, _ = standings(list(COLUMNS), pinball="as listed")
    assert place(numbers, "mean", "Prioritized DQN") == 4 and numbers["A3C, LSTM"]["mean"] == pytest.approx(
        406.3, abs=0.1
    )
    numbers, counts, _ = standings(["DQN", "A3C, FF"], only=("Pong", "Berzerk"))
    assert counts == {"DQN": 1, "A3C, FF": 2} and place(numbers, "mean", "DQN") == 1
    assert standings(["DQN"], only=("Berzerk",))[:2] == ({}, {}) and standings([])[:2] == ({}, {})


def test_scores_are_divided_by_the_printed_days_and_devices():
    whole, day, device = (standings(list(COLUMNS), per=per)[0] for per in PER)
    for name, (days, devices, _) in TRAINING.items():
        assert day[name]["mean"] == pytest.approx(whole[name]["mean"] / days)
        assert device[name]["median"] == pytest.approx(whole[name]["median"] / days / devices)
    assert place(day, "mean", "A3C, FF, 1 day") == 1 and place(device, "mean", "Gorila") == len(COLUMNS)


def ranked(numbers, statistic):
    ranking = Ranking(LOOKS, STATISTICS)
    ranking.show(numbers, {}, statistic, "%", None)
    return ranking


def read(ranking):
    """The numbers as printed: reads the markers of the digits from left to right -> {(column, rank): text}."""
    marks = [(y, round(x), x, glyph) for glyph, (line, _) in ranking.print.glyphs.items() for x, y in line.get_xydata()]
    cells = {}
    for y, column, _, glyph in sorted(marks):
        cells[column, y] = cells.get((column, y), "") + glyph
    return cells


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_numbers_are_what_is_drawn(statistic):
    numbers, _, _ = standings(list(COLUMNS))
    ranking = ranked(numbers, statistic)
    columns = [other for other in STATISTICS if other != statistic] + [statistic]
    assert [ranking.heads[column].get_xdata()[0] for column in columns] == list(range(len(columns)))
    printed, widths = read(ranking), {}
    for name, (bar, line, dots, label) in ranking.rows.items():
        expected = [place(numbers, column, name) for column in columns]
        assert list(dots.get_ydata()) == expected and label.get_ydata() == expected[-1:]
        texts = [printed[i, y] for i, y in enumerate(expected)]
        assert texts == [short(numbers[name][column]) for column in columns]
        np.testing.assert_array_equal(line.get_xydata().T, joined(expected))
        widths[name] = bar.get_width()
    largest = max(row[statistic] for row in numbers.values())
    for name, width in widths.items():
        assert width / max(widths.values()) == pytest.approx(numbers[name][statistic] / largest)


def test_bars_of_numbers_below_zero_go_to_the_left():
    numbers, _, _ = standings(list(COLUMNS), only=("VideoPinball", "Pong"), pinball="as listed")
    assert numbers["A3C, LSTM"]["mean"] < 0 < numbers["DQN"]["mean"]
    ranking = ranked(numbers, "mean")
    zero = ranking.zero.get_xdata()[0]
    below, above = ranking.rows["A3C, LSTM"][0], ranking.rows["DQN"][0]
    assert below.get_x() + below.get_width() == pytest.approx(zero) == above.get_x() and ranking.bars_from < zero


def test_it_says_what_cannot_be_compared():
    explorer = explore.atari57()
    said = lambda: explorer.status.value
    assert "DQN and Gorila have only 49 of them" in said() and "core" not in said()
    explorer.controls["games"].value = BOTH
    assert "49 games" in said() and "cannot be compared" not in said()
    explorer.controls["per"].value = "days × devices"
    assert "4 × 100 machines" in said() and "a machine and a core are not the same thing" in said()
    explorer.controls["left_out"].value = 2
    assert "Left out: Atlantis, DemonAttack" in said()
    explorer.reset()
    explorer.controls["only"].value = ("Berzerk",)
    explorer.controls["methods"].value = ("DQN",)
    assert "No score is left" in said() and explorer.controls["games"].value == ALL


def test_the_winner_of_the_ppo_papers_games_depends_on_the_statistic():
    numbers, won, _ = standings49()
    winner = {statistic: max(numbers, key=lambda name: numbers[name][statistic]) for statistic in numbers["PPO"]}
    assert winner.pop("games won") == "ACER" == winner.pop("mean") and set(winner.values()) == {"PPO"}
    assert won == {"A2C": 1, "ACER": 27, "PPO": 19, "tie": 2}
    listed, _, _ = standings49(pinball="as listed")
    assert listed["PPO"]["mean"] > listed["ACER"]["mean"]
    fewer, won, without = standings49(left_out=10, margin=20.0)
    assert sum(won.values()) == 39 == 49 - len(without) and won["tie"] > 2
    assert fewer["PPO"]["mean"] > fewer["ACER"]["mean"]


def test_rows_glide_to_exactly_where_they_are_drawn_at_once(monkeypatch):
    clock, asked = SimpleNamespace(now=0.0), []
    module = sys.modules[Ranking.__module__]
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(module, "repeat", asked.append)
    at_once = explore.atari57(statistic="median")
    monkeypatch.setattr(module, "get_ipython", lambda: SimpleNamespace(kernel="of a notebook"))
    panel = explore.atari57()
    rank = lambda: panel.ranking.at[0]["A3C, LSTM"][-2]
    start, end = rank(), at_once.ranking.at[0]["A3C, LSTM"][-2]
    panel.controls["statistic"].value = "median"
    assert asked == [panel.glide] and panel.status.value == at_once.status.value
    clock.now = 0.5 * panel.SECONDS
    assert paint(panel.glide) and rank() == pytest.approx((start + end) / 2) != end
    panel.controls["left_out"].value = 3  # on the way, to another place
    panel.controls["left_out"].value = 0
    assert asked == [panel.glide], "nothing queues"
    clock.now += panel.SECONDS
    assert not paint(panel.glide) and not panel.gliding
    assert bytes(panel.image.value) == bytes(at_once.image.value)
    panel.controls["statistic"].value = "mean"
    assert asked == [panel.glide] * 2, "and the next move starts another one"


def test_a_method_that_was_not_there_is_at_its_place_at_once():
    row, upright = np.array([1.0, 2.0, 3.0]), np.zeros(2)
    rows, _ = between(({"DQN": row}, upright), ({"DQN": row + 2, "A3C, FF": row}, upright), 0.5)
    assert rows["DQN"].tolist() == [2, 3, 4] and rows["A3C, FF"].tolist() == [1, 2, 3]


def test_games_and_methods_are_hidden_until_a_box_is_ticked_or_one_is_given():
    panel = explore.atari57()
    hidden = [panel.controls[name] for name in ("games", "only", "methods")]
    (box,) = (child for child in panel.control_box.children if isinstance(child, widgets.Checkbox))
    shown = lambda: {control.layout.display != "none" for control in hidden}
    assert shown() == {False} and {*panel.controls.values()} < {*panel.control_box.children}
    box.value = True
    assert shown() == {True}
    box.value = False
    assert shown() == {False}
    panel = explore.atari57(only=("Pong", "Breakout"))
    assert {panel.controls[name].layout.display for name in ("games", "only", "methods")} == {None}
