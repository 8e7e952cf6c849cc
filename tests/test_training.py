"""`train`, its watchers, its result and `evaluate`, seen from outside."""

import math

import gymnasium
import numpy as np
import pytest
import torch
from conftest import Counting, learn, one_line, tiny, weights
from gymnasium.spaces import Box, Discrete

from rlkit import DQN, training
from rlkit.running.result import Episode, Progress, Result
from rlkit.training import brief, evaluate, stop_at, time_limit, train


class Steady:
    """A stand-in for an agent: its n-th iteration ends one episode with return n."""

    step = 0

    def learn(self, total_steps):
        while self.step < total_steps:
            self.step += 10
            metrics = {"loss": torch.tensor(float(self.step))}
            yield Progress(self.step, [Episode(self.step / 10, 10, self.step)], metrics)


# Result -----------------------------------------------------------------------------------------------------


class NoGenerator(Steady):
    """A reader's agent whose `learn` only learns."""

    def learn(self, total_steps):
        self.step = total_steps


class NoProgress(Steady):
    def learn(self, total_steps):
        yield from range(total_steps)


@pytest.mark.parametrize("kind, does", [(NoGenerator, "returns None"), (NoProgress, "yields 0")])
def test_what_learn_must_yield_is_said(kind, does):
    with pytest.raises(ValueError, match=f"{kind.__name__}.learn {does}; make it a generator") as error:
        train(kind(), 10)
    one_line(error)


def test_what_an_agent_lacks_is_named():
    with pytest.raises(ValueError, match="Steady is not an agent: it has no act and no envs; pass one") as error:
        training.check_agent(Steady(), "learn", "act", "envs")
    one_line(error)


def test_a_result_holds_every_episode_of_the_run():
    result = train(tiny(Counting), 40)  # three steps and an autoreset row: ten episodes
    assert result.returns == [30 * episode + 6 for episode in range(10)]
    assert result.steps == [3 + 4 * episode for episode in range(10)]
    assert (result.step, result.stopped) == (40, "")
    assert result.seconds > 0
    assert all(isinstance(x, int | float) for x in (*result.returns, *result.steps))


def test_the_steps_of_several_environments_are_counted_together():
    result = train(tiny(Counting, num_envs=2), 40)
    assert result.steps == [6, 6, 14, 14, 22, 22, 30, 30, 38, 38]
    assert sorted(result.returns) == result.returns == [6, 6, 36, 36, 66, 66, 96, 96, 126, 126]


def test_metrics_are_numbers_with_the_steps_at_which_they_were_measured():
    agent = Steady()
    result = train(agent, 1000)
    assert result.agent is agent
    assert 1 <= len(result.metrics["loss"]) <= 100
    assert result.metrics["loss"] == result.metric_steps["loss"]
    assert isinstance(result.metrics["loss"][0], float)


def test_training_again_continues_where_it_stopped():
    agent, whole = tiny(), tiny()
    first, second, all_of_it = train(agent, 200), train(agent, 400), train(whole, 400)
    assert first.returns + second.returns == all_of_it.returns
    assert first.steps + second.steps == all_of_it.steps
    assert agent.step == 400
    assert train(agent, 400).returns == []


def test_means_along_a_run_look_back_from_each_point():
    result = Result(returns=[1.0, 3.0, 5.0, 11.0], steps=[10, 20, 20, 40])
    assert result.means_at([0, 9, 10, 20, 39, 40], window=2).tolist() == [1.0, 1.0, 1.0, 4.0, 4.0, 8.0]


def test_episodes_that_workers_report_late_are_put_in_order():
    """`means_at` and every curve rely on it."""
    result = Result()
    for steps in ([10, 30], [20], [30, 40], [5], [35]):
        result.add(Progress(50, [Episode(float(step), 1, step) for step in steps], {}))
    assert result.steps == result.returns == [5, 10, 20, 30, 30, 35, 40]
    assert result.means_at([20, 39], window=2).tolist() == [15.0, 32.5]


def test_the_mean_return_is_that_of_the_last_episodes():
    result = Result(returns=[0.0, 1.0, 2.0, 6.0])
    assert (result.mean_return(2), result.mean_return()) == (4.0, 2.25)
    assert math.isnan(Result().mean_return())
    assert "no episode" in repr(Result()) and "2.2" in repr(result)


# Watchers ---------------------------------------------------------------------------------------------------


def test_stop_at_waits_for_a_whole_window_and_stops_at_once():
    result = train(Steady(), 10_000, stop_at(48.0, window=5))  # (46 + ... + 50) / 5
    assert result.returns == list(range(1, 51))
    assert result.stopped == "reached 48.0"
    assert len(train(Steady(), 10_000, stop_at(0.0, window=7)).returns) == 7
    assert len(train(Steady(), 10_000, stop_at(0.0)).returns) == 20


def test_a_time_limit_stops_the_run():
    result = train(Steady(), math.inf, time_limit(0.05))
    assert 0.05 <= result.seconds < 5
    assert "0.05 s" in result.stopped


def test_a_watcher_sees_every_progress_and_the_end():
    class Watcher:
        steps, finished = (), 0

        def __call__(self, progress, result):
            assert result.step == progress.step and result.returns[-1] == progress.finished[-1].total_reward
            self.steps += (progress.step,)

        def finish(self, result):
            self.finished += 1

    watcher = Watcher()
    train(Steady(), 50, watcher)
    assert (watcher.steps, watcher.finished) == ((10, 20, 30, 40, 50), 1)
    with pytest.raises(ZeroDivisionError):
        train(Steady(), 50, watcher, lambda progress, result: 1 / 0)
    assert watcher.finished == 2


# An interrupt -----------------------------------------------------------------------------------------------


class Interrupting(Counting):
    """Somebody presses the stop button during the 101st step."""

    pressed = 0

    def step(self, action):
        type(self).pressed += 1
        if self.pressed == 101:
            raise KeyboardInterrupt
        return super().step(action)


def test_an_interrupt_returns_the_result_so_far_and_training_can_continue():
    Interrupting.pressed = 0
    agent = tiny(Interrupting)
    first = train(agent, 300)
    assert first.stopped == "interrupted"
    assert first.returns == [30 * episode + 6 for episode in range(33)]  # a hundred steps in episodes of three
    assert first.step == agent.step - agent.step % 4 == 132  # autoreset rows count
    second = train(agent, 300)
    assert second.stopped == "" and second.step == agent.step >= 300
    assert second.returns[0] == 30 * 34 + 6  # the interrupted episode is given up, and a new one begins
    assert second.returns == [30 * (34 + episode) + 6 for episode in range(len(second.returns))]
    assert torch.isfinite(weights(agent.network)).all()


def test_an_interrupt_while_the_first_picture_is_drawn_works_too(monkeypatch):
    def interrupted(total_steps):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "in_notebook", lambda: True)
    monkeypatch.setattr("rlkit.plotting.curve.Curve", interrupted)
    agent = tiny()
    assert train(agent, 400).stopped == "interrupted" and agent.step == 0


def test_an_interrupt_between_iterations_works_too():
    def press(progress, result):
        if progress.step == 100:
            raise KeyboardInterrupt

    agent = tiny()
    first = train(agent, 400, press)
    assert (first.stopped, first.step) == ("interrupted", 100)
    assert first.returns + train(agent, 400).returns == learn(tiny(), 400)


# Evaluation -------------------------------------------------------------------------------------------------


class Luck(gymnasium.Env):
    """The first episode with seed s has 1 + s % 5 steps, every later one a single step; each step pays 1."""

    def __init__(self):
        self.observation_space, self.action_space = Box(0, 1, (1,), np.float32), Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.left = 1 if seed is None else 1 + seed % 5
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(1, np.float32), 1.0, self.left == 0, False, {}


def test_evaluation_is_not_biased_towards_short_episodes():
    assert evaluate(tiny(Luck), episodes=10, seed=0).tolist() == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_evaluation_is_greedy_repeatable_and_leaves_the_training_alone():
    agent, undisturbed = tiny(num_envs=4, epsilon_end=1.0), tiny(num_envs=4, epsilon_end=1.0)
    agent.act = lambda obs: (obs[:, 2] + obs[:, 3] > 0).astype(int)  # push to the side to which the pole falls
    returns = evaluate(agent, 6, seed=3)
    assert returns.shape == (6,) and returns.min() > 100
    assert returns.tolist() == evaluate(agent, 6, seed=3).tolist() != evaluate(agent, 6, seed=4).tolist()
    del agent.act
    assert learn(agent, 400) == learn(undisturbed, 400)


@pytest.mark.parametrize("num_envs", [1, 8])
def test_evaluation_gives_the_score_before_clipping(num_envs):
    agent = tiny(Counting, reward_clip=0.5, num_envs=num_envs)
    assert evaluate(agent, 3).tolist() == [6.0, 6.0, 6.0]


# What is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, math.nan, "many", None, True, 1j, [], np.zeros((40, 40))])
def test_numbers_that_must_be_above_zero_are_named(wrong):
    calls = {
        "total_steps": lambda: train(Steady(), wrong),
        "episodes": lambda: evaluate(Steady(), wrong),
        "max_steps": lambda: evaluate(Steady(), max_steps=wrong),
        "seconds": lambda: time_limit(wrong),
        "window": lambda: stop_at(1.0, window=wrong),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError) as error:
            call()
        assert f"{name}={brief(wrong)}" in one_line(error)


@pytest.mark.parametrize("wrong", [-1, 2**31, 1.5, 10**30, math.nan, "x", None, True])
def test_what_an_evaluation_cannot_use_is_named(wrong):
    calls = {"seed": lambda: evaluate(tiny(Luck), 2, wrong)}
    if wrong not in (2**31, None):
        calls["episodes"] = lambda: evaluate(tiny(Luck), wrong)
    for name, call in calls.items():
        with pytest.raises(ValueError) as error:
            call()
        assert f"{name}={brief(wrong)}" in one_line(error)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, None, "475", True, 1j, [475]])
def test_a_score_that_is_no_number_is_refused(score):
    with pytest.raises(ValueError) as error:
        stop_at(score)
    assert f"score={score!r}" in one_line(error)


def test_numbers_of_numpy_are_numbers():
    result = train(Steady(), np.int64(100), stop_at(np.float32(3.0), np.int16(2)), time_limit(np.float64(60)))
    assert result.returns == [1, 2, 3, 4]
    assert evaluate(tiny(Luck), np.int32(3), np.int64(0)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("wrong", [DQN, None, 3, "DQN", []])
def test_what_is_not_an_agent_is_refused(wrong):
    for call in (lambda: train(wrong, 10), lambda: evaluate(wrong, 2)):
        with pytest.raises(ValueError, match="agent") as error:
            call()
        one_line(error)


@pytest.mark.parametrize("watcher", [475, "stop", None, [stop_at(1.0)], True, dict])
def test_a_watcher_that_cannot_be_called_is_refused_before_training(watcher):
    agent = Steady()
    with pytest.raises(ValueError, match="not a watcher") as error:
        train(agent, 50, watcher)
    assert one_line(error) and agent.step == 0


@pytest.mark.parametrize("said", [True, 0, 3.5, np.array([1, 2]), torch.tensor(1), ["enough"]])
def test_a_watcher_that_says_something_else_than_a_sentence_is_named(said):
    def confused(progress, result):
        return said

    finished = []
    confused.finish = finished.append
    with pytest.raises(ValueError, match="watcher confused returned") as error:
        train(Steady(), 50, confused)
    assert one_line(error) and len(finished) == 1
    assert train(Steady(), 50, lambda progress, result: "").stopped == ""


def test_many_episodes_are_evaluated_in_groups(monkeypatch):
    """A hundred thousand emulators side by side would not fit into any memory."""
    monkeypatch.setattr(training, "GROUP", 3)
    agent, sizes = tiny(Luck), []
    again = agent.envs.again
    agent.envs.again = lambda count, seed: sizes.append(count) or again(count, seed)
    assert evaluate(agent, 8, 0).tolist() == [1, 2, 3, 4, 5, 1, 2, 3]
    assert sizes == [3, 3, 2]
