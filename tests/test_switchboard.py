"""The switches of PPO's details: their arms, their effects by hand, and the figures."""

from dataclasses import fields

import numpy as np
import pytest

from rlkit import plotting
from rlkit.experiments.details import ADDED, BASE, COMMON, FOUR, SWITCHES, TASKS, contrasts, effects, scores
from rlkit.experiments.statistics import difference_interval, interquartile_mean, permutation_p
from rlkit.experiments.stored import stored
from rlkit.experiments.switchboard import ARMS, SEEDS, TUNING, agent_of, search
from rlkit.ppo import PPO
from rlkit.presets import preset
from rlkit.trpo import TRPO

RUNS, _ = stored("switchboard")
TASK = pytest.mark.parametrize("task", TASKS)


def settings_of(arm, task="CartPole-v1"):
    agent = agent_of(task, arm, seed=0, **search(arm)[0])
    return type(agent), {field.name: getattr(agent, field.name) for field in fields(agent)}


def test_each_arm_differs_from_the_common_setting_in_what_its_switch_says_alone():
    _, base = settings_of(BASE)
    assert {name: base[name] for name in COMMON} == COMMON and base["anneal_steps"] == 40_000
    for arm, change in SWITCHES.items():
        _, other = settings_of(arm)
        assert {name: other[name] for name in other if other[name] != base[name]} == change and len(change) == 1


def test_ppo_and_trpo_differ_by_the_same_details():
    (kind, ppo), (_, ppo_without), (other, trpo), (_, trpo_without) = map(settings_of, FOUR)
    assert (kind, other) == (PPO, TRPO)
    changed = {name for name in ppo if ppo[name] != ppo_without[name]}
    assert changed == {name for name in trpo if trpo[name] != trpo_without[name]} and len(changed) == 6
    for one, another in ((ppo, trpo), (ppo_without, trpo_without)):
        same = {name for name in one.keys() & another.keys() if one[name] == another[name]}
        assert one.keys() & another.keys() - same == {"learning_rate"}


def test_the_preset_is_the_common_setting_at_the_best_rate():
    found = RUNS["CartPole-v1"][BASE]["best"][0]["setting"]
    assert preset("ppo-cartpole-details", seed=3) == agent_of("CartPole-v1", BASE, 3, **found)


@TASK
def test_the_best_of_each_search_was_run_on_other_seeds(task):
    assert list(RUNS) == list(TASKS) and tuple(RUNS[task]) == ARMS and not set(SEEDS) & set(TUNING)
    for arm, made in RUNS[task].items():
        means = [np.mean([run["score"] for run in tries]) for tries in made["search"]]
        assert len(means) == 3 and all(len(tries) == 3 for tries in made["search"])
        assert all(run["setting"] == search(arm)[int(np.argmax(means))] for run in made["best"])
        assert all(abs(np.mean(run["returns"]) - run["score"]) < 0.1 for run in made["best"])


def test_an_effect_is_with_minus_without_and_p_is_multiplied():
    arms = RUNS["Pendulum-v1"]
    found = effects(arms)
    for name in SWITCHES:
        on, off = scores(arms[BASE]), scores(arms[name])
        if name in ADDED:
            on, off = off, on
        assert found[name][0] == pytest.approx(interquartile_mean(on) - interquartile_mean(off))
        assert found[name][1:3] == pytest.approx(difference_interval(on, off))
        assert permutation_p(on, off) <= found[name][3] <= 1
    smallest = min(SWITCHES, key=lambda name: permutation_p(scores(arms[name]), scores(arms[BASE])))
    p = permutation_p(scores(arms[smallest]), scores(arms[BASE]))
    assert found[smallest][3] == pytest.approx(min(1, 14 * p))


@TASK
def test_contrasts_of_the_two_by_two(task):
    ppo, ppo_without, trpo, trpo_without = (interquartile_mean(scores(RUNS[task][arm])) for arm in FOUR)
    found = contrasts(RUNS[task])
    assert found["details"][0] == pytest.approx((ppo + trpo - ppo_without - trpo_without) / 2)
    assert found["algorithm"][0] == pytest.approx((ppo + ppo_without - trpo - trpo_without) / 2)
    assert found["PPO's details"][0] == pytest.approx(ppo - ppo_without)
    assert all(low <= middle <= high for middle, low, high in found.values())
    assert found["PPO's details"][1:] == pytest.approx(
        difference_interval(scores(RUNS[task][FOUR[0]]), scores(RUNS[task][FOUR[1]])), abs=25
    )


@TASK
def test_the_picture_has_a_row_for_each_detail_the_largest_effect_first(task):
    figure = plotting.worth(RUNS, task)
    left, right = figure.axes
    names, found = [label.get_text() for label in left.get_yticklabels()], effects(RUNS[task])
    assert sorted(names) == sorted(SWITCHES) and names[-2:] == ["four epochs", "ratio clipped"]
    middles = [found[name][0] for name in names]
    assert middles[:-2] == sorted(middles[:-2], reverse=True)
    marks = [line for line in left.lines if line.get_marker() in "os"]
    assert [mark.get_xdata()[0] for mark in marks] == pytest.approx(middles)
    assert [mark.get_markerfacecolor() != "white" for mark in marks] == [found[name][3] <= 0.05 for name in names]
    assert [line for line in right.lines if line.get_marker() in "os"][0].get_xdata()[0] == pytest.approx(
        effects(RUNS[task], "end")[names[0]][0]
    )


def test_the_two_by_two_has_a_line_for_each_algorithm():
    figure = plotting.two_by_two(RUNS)
    for ax, task in zip(figure.axes, TASKS):
        ppo, trpo = (line for line in ax.lines if line.get_markersize() == 8)
        for line, names in ((ppo, FOUR[1::-1]), (trpo, FOUR[:1:-1])):
            assert line.get_ydata() == pytest.approx([interquartile_mean(scores(RUNS[task][name])) for name in names])


def test_a_task_or_a_score_that_there_is_not_is_named_and_one_task_is_enough():
    with pytest.raises(ValueError, match=r"^There are no runs on 'pendulum-v1'; did you mean 'Pendulum-v1'\?$"):
        plotting.worth(RUNS, "pendulum-v1")
    with pytest.raises(ValueError, match="^There is no score 'mean'; take one of score, end.$"):
        plotting.two_by_two(RUNS, "mean")
    figure = plotting.two_by_two({"CartPole-v1": RUNS["CartPole-v1"]})
    assert [ax.get_title() for ax in figure.axes] == ["CartPole-v1"]
