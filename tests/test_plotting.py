"""Figures are tested on their data: what is drawn are the numbers that were given."""

import numpy as np

from rlkit import plotting
from rlkit.experiments.statistics import interquartile_mean


def some_runs(methods, tasks, seeds=5):
    rng = np.random.default_rng(0)
    steps = [0, 10, 20]
    return {
        f"{m}, {t}": [{"steps": steps, "returns": rng.normal(size=3).tolist()} for _ in range(seeds)]
        for m in methods
        for t in tasks
    }


def test_by_task_draws_the_interquartile_mean_of_each_method_on_each_task():
    runs = some_runs(("PPO clip", "TRPO"), ("A", "B", "C"))
    figure = plotting.by_task(runs, ("A", "B", "C"))
    for ax, task in zip(figure.axes, "ABC"):
        assert ax.get_title() == task
        assert [line.get_label() for line in ax.lines] == ["TRPO", "PPO clip"]
        for line in ax.lines:
            expected = interquartile_mean(np.array([run["returns"] for run in runs[f"{line.get_label()}, {task}"]]))
            np.testing.assert_allclose(line.get_ydata(), expected)
            assert (line.get_color(), line.get_linestyle()) != (None, None)
    assert figure.png().startswith(b"\x89PNG")


def test_a_heatmap_writes_every_number_in_its_place_and_in_a_colour_that_can_be_read():
    figure, ax = plotting.picture()
    scores = np.array([[10.0, 20.0, 500.0], [30.0, 40.0, 250.0]])
    plotting.heatmap(ax, scores, ["a", "b"], [1, 2, 3], xlabel="x")
    written = {
        (round(t.get_position()[1]), round(t.get_position()[0])): (t.get_text(), t.get_color()) for t in ax.texts
    }
    assert written[1, 2] == ("250", "white") and written[0, 2] == ("500", "black") and len(written) == 6


def test_every_method_has_a_look_of_its_own():
    looks = [plotting.METHODS[m] for m in ("REINFORCE", "TRPO", "PPO adaptive KL", "PPO clip")]
    assert len({colour for colour, _ in looks}) == len({str(style) for _, style in looks}) == 4
