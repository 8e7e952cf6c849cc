"""The agent that grows: its arms, the update alone, and the figures."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from conftest import one_line

from rlkit import functional as F
from rlkit import plotting
from rlkit.dqn import DQN
from rlkit.experiments import spine
from rlkit.experiments.parts import ALONE, ARMS, FIRST, PARTS, scores
from rlkit.experiments.statistics import interquartile_mean
from rlkit.experiments.stored import stored
from rlkit.presets import preset

RUNS, _ = stored("spine")


def settings_of(arm):
    agent = preset("dqn-cartpole-plain", **(ARMS | ALONE)[arm], **spine.shared(arm))
    return {field.name: getattr(agent, field.name) for field in fields(DQN)}


def test_each_part_changes_what_its_name_says_and_nothing_else():
    for before, after in zip(ARMS, [*ARMS][1:]):
        old, new = settings_of(before), settings_of(after)
        assert {name for name in old if old[name] != new[name]} == set(PARTS[after])


def test_each_variant_alone_differs_from_plain_dqn_in_one_setting():
    plain = settings_of("C = 4")
    for variant in ALONE:
        assert sum(value != plain[name] for name, value in settings_of(variant).items()) == 1


@pytest.mark.parametrize("arm", [FIRST, *ARMS, *ALONE])
def test_every_arm_has_nine_settings_the_shared_one_among_them_and_the_best_was_run(arm):
    assert len(spine.search(arm)) == 9 and spine.shared(arm) in spine.search(arm)
    tried = [[run["setting"] for run in tries] for tries in RUNS[arm]["search"]]
    assert tried == [[setting] * len(spine.TUNING) for setting in spine.search(arm)]
    means = [np.mean([run["score"] for run in tries]) for tries in RUNS[arm]["search"]]
    assert all(run["setting"] == spine.search(arm)[int(np.argmax(means))] for run in RUNS[arm]["best"])
    assert all(run["setting"] == spine.shared(arm) for run in RUNS[arm]["shared"])
    assert not set(spine.TUNING) & set(spine.SEEDS)


def test_a_score_is_the_mean_of_its_curve():
    for arm in RUNS.values():
        for run in (*arm["shared"], *arm["best"]):
            assert len(run["greedy"]) == 20 and abs(np.mean(run["greedy"]) - run["score"]) < 0.1


def test_the_update_alone_is_the_line_of_the_chapter():
    agent = spine.UpdateAlone(seed=0, learning_rate=0.1)
    obs, next_obs = np.random.default_rng(0).normal(size=(2, 1, 4)).astype(np.float32)
    before = [weights.detach().clone() for weights in agent.parameters]
    q = agent.network(torch.from_numpy(obs))[0, 1]
    target = 1.0 + 0.99 * agent.network(torch.from_numpy(next_obs)).max().item()
    expected = [
        weights + 0.1 * F.semi_gradient((target - q).item(), gradient)
        for weights, gradient in zip(before, torch.autograd.grad(q, agent.parameters))
    ]
    agent.follow(obs, 1, 1.0, next_obs, terminated=False)
    assert all(torch.allclose(found, right) for found, right in zip(agent.parameters, expected))


def test_an_error_that_is_not_finite_teaches_nothing():
    agent = spine.UpdateAlone(seed=0, learning_rate=0.1)
    obs = np.full((1, 4), np.inf, np.float32)
    before = [weights.detach().clone() for weights in agent.parameters]
    agent.follow(obs, 0, 1.0, obs, terminated=False)
    assert all(torch.equal(found, right) for found, right in zip(agent.parameters, before))


def thick(ax):
    return [line for line in ax.lines if line.get_linewidth() > 2]


def test_the_figure_shows_the_part_over_the_agent_before_and_all_scores_so_far():
    figure = plotting.grown(RUNS, "replay")
    for ax, setting in zip(figure.axes, ("shared", "best")):
        before, now = thick(ax)
        for line, arm in ((before, "in batches"), (now, "replay")):
            curves = np.array([run["greedy"] for run in RUNS[arm][setting]])
            assert np.allclose(line.get_ydata(), interquartile_mean(curves))
    names = [label.get_text() for label in figure.axes[2].get_xticklabels()]
    assert names == [FIRST, "in batches", "replay"]
    large = [line.get_ydata() for line in figure.axes[2].lines if line.get_markersize() == 8]
    right = [interquartile_mean(scores(RUNS[arm], setting)) for arm in names for setting in ("shared", "best")]
    assert np.allclose(np.concatenate(large), right)


def test_all_parts_and_the_variants_alone_have_a_panel_each():
    assert [ax.get_title("left") for ax in plotting.all_parts(RUNS).axes] == [FIRST, *(f"+ {part}" for part in PARTS)]
    assert [ax.get_title() for ax in plotting.each_alone(RUNS).axes] == ["Double DQN", *ALONE]


def test_the_first_part_has_no_agent_before_it():
    assert len(thick(plotting.grown(RUNS, FIRST).axes[0])) == 1


@pytest.mark.parametrize(
    "draw, words",
    [
        (lambda: plotting.grown(RUNS, "dualing"), "There is no part 'dualing'. The parts are"),
        (lambda: plotting.grown(np.zeros(3), "dueling"), "runs must be those of the sweep spine"),
        (lambda: plotting.all_parts(stored("gradients")[0]), "runs must be those of the sweep spine"),
        (lambda: plotting.each_alone(None), "runs must be those of the sweep spine"),
    ],
)
def test_other_runs_and_other_parts_are_refused_in_one_sentence(draw, words):
    with pytest.raises(ValueError, match=words) as error:
        draw()
    one_line(error)
