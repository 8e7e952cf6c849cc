"""The clinic: what is wrong with each patient, how runs are measured, and that the explorer does not give it away."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import disturb

from rlkit import explore, preset
from rlkit import functional as F
from rlkit.experiments.clinic import HEALTHY, METRICS, PATIENTS, POINTS, TOTAL, clinic_run, late, measured
from rlkit.experiments.densities import ClippedDensity, density_run
from rlkit.experiments.stored import stored
from rlkit.explore.clinic import card, departure
from rlkit.explore.questions import QUESTIONS
from rlkit.plotting.alt_text import plain
from rlkit.plotting.clinic import rounds
from rlkit.ppo import PPO
from rlkit.presets import FAST_PPO_PENDULUM

EACH = pytest.mark.parametrize("letter", PATIENTS)


def pair(letter):
    """The healthy agent and a patient."""
    patient = PATIENTS[letter]
    return preset("ppo-pendulum", seed=3), patient.agent(**FAST_PPO_PENDULUM | patient.changes, seed=3)


def rolled_out(agent, steps=16):
    """A rollout, and its batch with normalised advantages."""
    rollout = agent.collector.collect(steps)
    batch = rollout.batch(agent.policy, rollout.advantages(agent.gamma, agent.gae_lambda), "cpu")
    return rollout, batch._replace(advantages=F.normalize(batch.advantages))


def losses(letter):
    """Losses of the healthy agent and of a patient, with equal weights -> two numbers, the healthy agent, the batch."""
    healthy, sick = pair(letter)
    _, batch = rolled_out(healthy)
    for agent in (healthy, sick):
        disturb(agent.network, size=0.2)
    with torch.no_grad():
        return healthy.objective(batch, 0.2).item(), sick.objective(batch, 0.2).item(), healthy, batch


# What is wrong with them ----------------------------------------------------------------------------------------------


@EACH
def test_a_patient_has_one_wrong_line_or_other_settings_but_not_both(letter):
    healthy, sick = pair(letter)
    changed = {name for name, value in dataclasses.asdict(sick).items() if value != dataclasses.asdict(healthy)[name]}
    assert changed == set(PATIENTS[letter].changes)
    assert bool(changed) != (type(sick) is not PPO)
    assert sum(callable(member) for member in vars(type(sick)).values()) == 1 or type(sick) is PPO
    for p, q in zip(healthy.network.parameters(), sick.network.parameters(), strict=True):
        assert p.equal(q)


def test_b_takes_the_ratio_as_it_is():
    well, sick, agent, batch = losses("B")
    with torch.no_grad():
        params, _ = agent.network(batch.obs)
    ratio = F.ratio(agent.policy.log_prob(params, batch.actions), batch.old_log_probs)
    gain = (F.surrogate(ratio, batch.advantages) - F.clipped_surrogate(ratio, batch.advantages, 0.2)).mean().item()
    assert gain > 0.01 and well - sick == pytest.approx(gain, abs=1e-4)


def test_c_rewards_what_was_worse_than_expected():
    _, sick, agent, batch = losses("C")
    with torch.no_grad():
        turned = agent.objective(batch._replace(advantages=-batch.advantages), 0.2).item()
    assert sick == pytest.approx(turned)


def test_d_sees_no_truncation_and_bootstraps_nowhere():
    healthy, sick = pair("D")
    rollout, _ = rolled_out(healthy)
    truncated = np.zeros_like(rollout.truncated)
    truncated[5] = True
    rollout, given = rollout._replace(truncated=truncated), []
    for agent in (healthy, sick):
        agent.rng = np.random.default_rng(0)

        class Spy(type(rollout)):
            def advantages(self, *args):
                given.append((self.terminated.copy(), self.truncated.copy()))
                return super().advantages(*args)

        agent.update(Spy(*rollout))
    (well_terminated, well_truncated), (terminated, cut) = given
    assert not well_terminated.any() and (well_truncated == truncated).all()
    assert (terminated == truncated).all() and not cut.any()


def test_e_punishes_the_entropy():
    well, sick, agent, batch = losses("E")
    with torch.no_grad():
        entropy = agent.policy.entropy(agent.network(batch.obs)[0]).mean().item()
    assert sick - well == pytest.approx(0.1 * entropy, rel=1e-3)


def test_the_density_of_the_clipped_action_is_that_of_what_the_motor_did():
    right, wrong = PPO(**FAST_PPO_PENDULUM, seed=0), ClippedDensity(**FAST_PPO_PENDULUM, seed=0)
    for agent in (right, wrong):
        agent.network.log_std.data.fill_(1.0)
        agent.collector.collect(1)
    seen = []
    for agent in (right, wrong):
        rollout, _ = rolled_out(agent)
        objective = agent.objective
        agent.objective = lambda batch, c, objective=objective: seen.append(batch.actions) or objective(batch, c)
        agent.epochs = agent.num_steps = 1
        agent.update(rollout)
        assert np.abs(rollout.actions).max() > 2
    assert seen[0].abs().max() > 2 and seen[-1].abs().max() == 2


# How they are measured ------------------------------------------------------------------------------------------------


def test_a_run_has_equally_spaced_points_and_means_since_the_point_before():
    agent = preset("ppo-pendulum", seed=1)
    rows = measured(agent, 8_192, 2)
    twin = preset("ppo-pendulum", seed=1)
    kl = [float(progress.metrics["kl"]) for progress in twin.learn(8_192)]
    assert rows["steps"] == [4_096, 8_192] and list(rows) == ["steps", *METRICS]
    assert rows["kl"] == [pytest.approx(np.mean(half), rel=1e-3) for half in (kl[:4], kl[4:])]
    assert rows == clinic_run(HEALTHY, 1, 8_192, 2)


def test_a_density_run_says_how_many_actions_are_beyond_the_bounds():
    one = density_run("drawn", 0, 8_192, 2)
    assert 0 <= one["outside"] <= 1 and one["greedy"] < 0 and len(one["return"]) == 2


def test_late_is_what_follows_the_first_third():
    runs = [{"entropy": [9, 9, 1, 3, 1, 3], "kl": [9, 9, 1, 100, 1, 100]}]
    assert late(runs, "entropy") == [2] and late(runs, "kl") == pytest.approx([10])


def test_the_stored_runs_are_those_of_all_patients():
    runs, how = stored("clinic")
    assert list(runs) == [HEALTHY, *PATIENTS] and how["seeds"] == list(range(10))
    for seeds in runs.values():
        for one in seeds:
            assert len(one["steps"]) == POINTS and one["steps"][-1] == TOTAL
            assert np.isfinite([one[metric] for metric in METRICS]).all()


def test_a_departure_is_a_difference_or_a_ratio():
    runs = {name: [{metric: [value] * 3 for metric in METRICS}] * 10 for name, value in ((HEALTHY, 2.0), ("A", 6.0))}
    assert departure(runs, "A", "entropy") == pytest.approx((6, 2, 4, 4))
    assert departure(runs, "A", "kl") == pytest.approx((6, 2, 3, 3))


# What is shown --------------------------------------------------------------------------------------------------------


def test_the_explorer_names_no_disease():
    explorer = explore.clinic()
    for letter, patient in PATIENTS.items():
        explorer.controls["patient"].value = letter
        for text in (explorer.status.value, explorer.alt(), explorer.state()):
            assert not any(word in text for word in (patient.disease, patient.right)), text
        assert f"Patient {letter}" in plain(explorer.status.value)


@EACH
def test_the_answer_is_the_disease_and_its_card_says_the_line(letter):
    question = QUESTIONS[f"patient_{letter.lower()}"]
    patient = PATIENTS[letter]
    assert patient.disease in question.options and question.question.endswith(f"patient {letter} suffer from?")
    text = card(letter)
    assert all(part in text for part in (patient.disease, patient.wrong, patient.right))
    assert len(text.splitlines()) == 4 + len(METRICS)
    assert "e+" not in text and text.count("of the difference: ") == 4 and text.count("of the ratio: ") == 2
    assert patient.telling in METRICS and patient.misleading in METRICS and patient.telling != patient.misleading


def test_the_panel_the_card_and_the_answer_give_the_same_numbers():
    explorer = explore.clinic(patient="D")
    seen, answer = plain(explorer.status.value), plain(explore.ask("patient_d").kind.said("because"))
    assert "return −1,100, −463" in seen and "−1,100      −463  of the difference: −715 to −563" in card("D")
    assert "explained variance 0.55, 0.74" in seen and "0.55, where healthy runs have 0.74" in answer


@EACH
def test_a_metric_that_is_the_same_in_healthy_runs_says_nothing(letter):
    said = plain(explore.ask(f"patient_{letter.lower()}").kind.said("because"))
    sick, well = departure(stored("clinic")[0], letter, PATIENTS[letter].misleading)[:2]
    assert ("says nothing" in said) == (f"{sick:.2g}" == f"{well:.2g}") != ("misleads" in said)


def test_the_letters_do_not_follow_the_order_of_the_diseases():
    rights = [list(QUESTIONS[f"patient_{letter.lower()}"].options).index(p.disease) for letter, p in PATIENTS.items()]
    assert sorted(rights) == list(range(6)) and rights != sorted(rights)


def test_the_rounds_have_a_row_for_each_patient():
    figure = rounds(stored("clinic")[0])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [HEALTHY, *PATIENTS]  # and no disease, because the figure stands below questions
    assert figure.axes[0].get_title() == "return"
    assert "return: healthy −460, A −1,100" in figure.alt and "KL: healthy 0.011, A 0.0067" in figure.alt


@pytest.mark.parametrize(
    "patient, words", [("a", "did you mean 'A'?"), ("G", "take one of A, B, C, D, E, F."), ([], "")]
)
def test_a_patient_that_there_is_not_is_named(patient, words):
    with pytest.raises(ValueError) as raised:
        card(patient)
    assert str(raised.value).startswith(f"There is no patient {patient!r}; ") and str(raised.value).endswith(words)
