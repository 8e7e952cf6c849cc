"""rlkit.experiments.surprises: a game with glitches, and a search in which both losses have the same chances."""

from math import inf

import numpy as np
import pytest

from rlkit.dqn import DQN
from rlkit.experiments import curves
from rlkit.experiments import surprises as module
from rlkit.experiments.surprises import RATES, TUNING, GlitchyCatch, compared, run_at_best, surprise_run
from rlkit.tasks import Catch


def test_glitches_are_rare_large_and_right_on_average():
    clean, glitchy, errors = Catch(), GlitchyCatch(), []
    for seed in range(4_000):
        for game in (clean, glitchy):
            game.reset(seed=seed)
        over = False
        while not over:
            (obs, reward, over, *_), (same, other, *_) = clean.step(1), glitchy.step(1)
            assert np.array_equal(obs, same)
            errors.append(other - reward)
    errors = np.array(errors)
    assert set(errors.tolist()) == {-100.0, 0.0, 100.0}
    assert 0.008 < (errors != 0).mean() < 0.012 and abs(errors.mean()) < 0.2  # the standard error is 0.06


@pytest.mark.parametrize("loss, delta", [("Huber", 1.0), ("squared", inf)])
def test_a_run_uses_its_loss_and_its_rate_and_is_tested_without_glitches(monkeypatch, loss, delta):
    agents, tested = [], []
    monkeypatch.setattr(module, "DQN", lambda **settings: agents.append(settings) or DQN(**settings))
    monkeypatch.setattr(
        curves, "evaluate", lambda agent, episodes, seed: tested.append((agent.env, episodes, seed)) or np.array([0.5])
    )
    made = surprise_run(3, loss, "Catch with glitches", 0.01, total_steps=1_200)
    (settings,) = agents
    assert (settings["huber_delta"], settings["learning_rate"], settings["target_period"]) == (delta, 0.01, 4)
    assert settings["env"] is GlitchyCatch and settings["seed"] == 3
    assert tested == [(Catch, 100, 1_000_003)] * 10 and made == {"greedy": [0.5] * 10, "score": 0.5, "rate": 0.01}


def test_each_loss_has_the_same_search_and_its_best_rate(monkeypatch):
    made = []

    def fake(seed, loss, task, rate, total_steps=30_000):
        made.append((seed, loss, task, rate))
        return {"greedy": [], "score": -abs(rate - 0.003), "rate": rate}

    monkeypatch.setattr(module, "surprise_run", fake)
    for loss in module.LOSSES:
        made.clear()
        runs = compared(loss, "Catch", [0, 1])
        assert made == [(seed, loss, "Catch", rate) for rate in RATES for seed in TUNING] + [
            (seed, loss, "Catch", 0.003) for seed in (0, 1)
        ]
        assert np.shape(runs["search"]) == (len(RATES), len(TUNING)) and len(runs["best"]) == 2


def test_the_best_rate_is_the_one_with_the_best_mean(monkeypatch):
    monkeypatch.setattr(module, "surprise_run", lambda seed, loss, task, rate: rate)
    tries = [{"score": score} for score in (0, 9, 0, 5, 5, 5, 1, 1, 1, 0, 0, 0, 4, 5, 5)]
    assert run_at_best(0, "Huber", "Catch", *tries) == RATES[1]
