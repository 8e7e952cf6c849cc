"""rlkit.experiments.overestimation: claimed and true values of a deterministic game, compared with hand numbers."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from conftest import one_line, small, tiny
from gymnasium.spaces import Box, Discrete

from rlkit import A2C, explore
from rlkit.experiments import overestimation as module
from rlkit.experiments.overestimation import (
    BUTTONS,
    METHODS,
    SETTINGS,
    TASKS,
    Averaged,
    biases,
    button_errors,
    button_noise,
    estimates_and_returns,
    foretold,
    group_means,
    over_minibatches,
    overestimation_run,
)
from rlkit.explore.truths import truth

LIMIT = 4  # steps of the games below


class Stairs(gymnasium.Env):
    """Three places. Action 1 climbs and pays 1; leaving the last place ends the game. Action 0 stays and pays 0."""

    def __init__(self, endless=False):
        self.observation_space, self.action_space = Box(0, 1, (3,), np.float32), Discrete(2)
        self.endless = endless

    def reset(self, *, seed=None, options=None):
        self.place = 0
        return np.eye(3, dtype=np.float32)[0], {}

    def step(self, action):
        self.place += int(action)
        over = self.place == 3 and not self.endless
        return np.eye(3, dtype=np.float32)[self.place % 3], float(action), over, False, {}


@pytest.fixture(autouse=True, scope="module")
def games():
    gymnasium.register("Stairs-v0", Stairs, max_episode_steps=LIMIT)
    gymnasium.register("EndlessStairs-v0", Stairs, max_episode_steps=LIMIT, kwargs={"endless": True})
    yield
    for name in ("Stairs-v0", "EndlessStairs-v0"):
        del gymnasium.registry[name]


def player(table, env="Stairs-v0", gamma=0.5, actions=None):
    """An agent that claims Q = `table` `[3, A]`."""
    return SimpleNamespace(
        envs=SimpleNamespace(settings={"env": env, "actions": actions}),
        q_values=lambda obs: obs @ np.array(table, float),
        gamma=gamma,
    )


def test_the_right_q_claims_the_true_values():
    exact = [[0.875, 1.75], [0.75, 1.5], [0.5, 1.0]]  # climb: 1 + 1/2 + 1/4, 1 + 1/2, 1; stay: half of that
    claimed, true = estimates_and_returns(player(exact), episodes=2, horizon=8, tail=20)
    assert claimed == true == pytest.approx((1.75 + 1.5 + 1.0) / 3)


def test_a_wrong_q_is_compared_with_its_own_greedy_policy():
    claimed, true = estimates_and_returns(player([[0, 10], [0, 7], [0, 1]]), episodes=2, horizon=8, tail=20)
    assert claimed == pytest.approx(6) and true == pytest.approx(4.25 / 3)
    claimed, true = estimates_and_returns(player([[5, 4], [9, 9], [9, 9]]), episodes=2, horizon=8, tail=20)
    assert (claimed, true) == (5, 0)  # it stays in the first place and is never paid


def test_autoreset_rows_do_not_count():
    """After the three steps of a game comes an autoreset row. It looks like the first place."""
    table = [[0, 10], [0, 7], [0, 1]]
    one_row_less, _ = estimates_and_returns(player(table), episodes=2, horizon=3, tail=20)
    with_the_reset, _ = estimates_and_returns(player(table), episodes=2, horizon=4, tail=20)
    assert one_row_less == with_the_reset == pytest.approx(6)


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_only_the_tail_cuts_a_return_and_never_the_time_limit(gamma):
    climb, tail = [[0, 1]] * 3, 12
    _, true = estimates_and_returns(player(climb, "EndlessStairs-v0", gamma), episodes=2, horizon=1, tail=tail)
    assert true == pytest.approx((1 - gamma ** (tail + 1)) / (1 - gamma)) and tail > LIMIT
    _, true = estimates_and_returns(player(climb, "EndlessStairs-v0", gamma), episodes=2, horizon=5, tail=400)
    assert true == pytest.approx(1 / (1 - gamma))


def test_a_button_stands_for_its_action():
    """Three buttons: two stay, the last one climbs."""
    climbs = [[0, 0, 3], [0, 0, 3], [0, 0, 3]]
    assert estimates_and_returns(player(climbs, actions=(0, 0, 1)), 2, horizon=8, tail=20) == (
        pytest.approx(3),
        pytest.approx(4.25 / 3),
    )


# The noise among buttons ------------------------------------------------------------------------------------


def with_errors(online, target):
    """A DQN on CartPole with `BUTTONS` whose networks give each push its value and each button an error."""
    pushes = torch.tensor([3.0] * 5 + [-2.0] * 5)  # the difference between left and right is no error

    def network(errors):
        return lambda obs: obs.sum(-1, keepdim=True) + pushes + torch.tensor(errors, dtype=torch.float32)

    agent = tiny(actions=BUTTONS)
    agent.network, agent.target = network(online), network(target)
    agent.act = lambda obs: agent.network(torch.as_tensor(obs)).argmax(-1).numpy()
    return agent


ERRORS = [-2.0, -1.0, 0.0, 1.0, 2.0, 0.5, 0.5, -0.5, -0.5, 0.0]  # each half has the mean 0
SIGMA = np.sqrt((4 + 1 + 0 + 1 + 4 + 4 * 0.25 + 0) / 10)


def test_sigma_is_the_error_of_the_online_network():
    sigma, rho = button_noise(with_errors(ERRORS, ERRORS))
    assert sigma == pytest.approx(SIGMA, rel=1e-4) and rho == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("target, rho", [
    ([3 * e for e in ERRORS], 1.0),  # the errors may have another size
    ([7 + e for e in ERRORS[:5]] + [e - 4 for e in ERRORS[5:]], 1.0),  # an error that a whole half shares is not seen
    ([-e for e in ERRORS], -1.0),
    ([1.0, -1.0, 0.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 0.0], 0.0),  # independent of the errors
])  # fmt: skip
def test_rho_says_how_much_the_target_network_shares_the_errors(target, rho):
    sigma, found = button_noise(with_errors(ERRORS, target))
    assert sigma == pytest.approx(SIGMA, rel=1e-4) and found == pytest.approx(rho, abs=1e-4)


# The same over minibatches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "agent, steps, words",
    [
        (lambda: tiny(), 300, "actions=None, of which no two do the same"),
        (lambda: tiny(actions=(0, 1)), 300, r"actions=\(0, 1\), of which no two do the same"),
        (lambda: small(A2C), 300, "A2C is not an agent: it has no target"),
        (lambda: tiny(actions=BUTTONS), 0, "steps=0 must be"),
    ],
)
def test_noise_cannot_be_measured_without_equal_buttons_and_two_networks(agent, steps, words):
    with pytest.raises(ValueError, match=words) as error:
        button_noise(agent(), steps)
    one_line(error)


def test_a_single_step_is_enough_to_measure():
    assert button_noise(tiny(actions=BUTTONS), steps=1)[1] == pytest.approx(1)  # w_T is still w


def test_equal_buttons_get_their_mean():
    q = np.array([[1.0, 3.0, 8.0, 4.0, 6.0]])
    assert group_means(q, (0, 0, 1, 1, 1)).tolist() == [[2, 2, 6, 6, 6]]
    assert group_means(q, (0, 1, 0, 1, 1)) == pytest.approx(np.array([[4.5, 13 / 3, 4.5, 13 / 3, 13 / 3]]))


def test_errors_of_two_networks_by_hand():
    """Two states, four buttons. In the second one the episode ended, so its target has no bootstrap."""
    target = np.array([[1.0, 3.0, 0.0, 0.0], [0.0, 4.0, 9.0, 5.0]])  # errors ∓1, 0, 0, and ∓2, ±2
    online = np.array([[5.0, 1.0, 0.0, 0.0], [7.0, 5.0, 1.0, 3.0]])  # errors ±2, 0, 0, and ±1, ∓1
    goes_on = np.array([True, False])
    square, target_square, product, max_gap, double_gap = button_errors(online, target, (0, 0, 1, 1), goes_on)
    assert (square, target_square, product) == (
        (4 + 4 + 4 * 1) / 8,
        (1 + 1 + 4 * 4) / 8,
        (2 * -2 + 4 * -2) / 8,
    )
    assert (max_gap, double_gap) == (1 / 2, -1 / 2)  # 3 is 1 above its mean; w prefers the first button, 1 below it
    found = over_minibatches([(square, target_square, product, max_gap, double_gap)])
    assert found["sigma"] == pytest.approx(square**0.5, abs=1e-4) and found["max_gap"] == 0.5
    assert found["rho"] == pytest.approx(product / (square * target_square) ** 0.5, abs=1e-4)


def test_averaged_targets_have_no_lucky_button():
    _, settings = TASKS["10 actions"]
    small = dict(SETTINGS, **settings, num_envs=2, learning_starts=100)
    for double in (False, True):
        agent = Averaged(**small, double=double)
        for _ in agent.learn(200):
            pass
        batch = agent.replay.sample(50)
        q = agent.target(batch.next_obs).detach().reshape(50, 2, 5).mean(-1)
        select = (agent.network(batch.next_obs) if double else agent.target(batch.next_obs)).detach()
        chosen = q.gather(1, select.reshape(50, 2, 5).mean(-1).argmax(1, keepdim=True))[:, 0]
        expected = batch.rewards + 0.99 * chosen * ~batch.terminated
        torch.testing.assert_close(agent.td_target(batch), expected)


def test_a_gap_adds_up_over_the_copies():
    """b = γ (b + g), ten updates a copy: three copies with a gap of 1, and two more with a gap of 2."""
    rows = [{"updates": 30, "max_gap": 1.0}, {"updates": 50, "max_gap": 2.0}]
    bias = 0.0
    for gap in (1, 1, 1):
        bias = 0.99 * (bias + gap)
    after_three = bias
    for gap in (2, 2):
        bias = 0.99 * (bias + gap)
    assert foretold(rows, "max_gap") == pytest.approx([after_three, bias])


def test_the_bias_is_that_of_the_last_four_rows():
    rows = [{"claimed": 50.0, "true": 0.0}] + [{"claimed": 3.0 + i, "true": 1.0} for i in range(4)]
    assert biases([rows, rows]).tolist() == [3.5, 3.5]


# A run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", TASKS)
def test_a_run_is_measured_along_the_way(monkeypatch, method, task):
    agents = []
    monkeypatch.setattr(module, "estimates_and_returns", lambda agent: agents.append(agent) or (2.0, agent.step))
    rows = overestimation_run(3, method, task, total_steps=1_200, points=2)
    agent = agents[0]
    assert len(agents) == len(rows) == 2 and agents[1] is agent and isinstance(agent, TASKS[task][0])
    for row, step in zip(rows, (600, 1_200)):
        assert step <= row["step"] < step + 50 and row["claimed"] == 2 and row["true"] == row["step"]
    assert (agent.double, agent.seed, agent.num_actions) == (method == "Double DQN", 3, int(task.split()[0]))
    assert agent.target_period == 10 and rows[0]["updates"] == 0 < rows[1]["updates"] == agent.num_updates
    assert rows[0]["sigma"] is None  # no update yet
    assert (rows[1]["sigma"] is None) == task.startswith("2 actions")
    if rows[1]["sigma"]:
        assert rows[1]["sigma"] > 0 and -1 <= rows[1]["rho"] <= 1 and rows[1]["max_gap"] >= rows[1]["double_gap"]


def test_the_explorer_opens_at_the_answer_to_its_question():
    panel, answer = explore.overestimation(), truth("claims")
    text = panel.draw(**panel.values())
    assert (
        f"claims {answer['claimed']:.0f} and gets {answer['got']:.0f}" in text
        and panel.values()["task"] == "10 actions"
    )
    averaged = panel.draw(method="DQN", task="10 actions, equal ones averaged")
    assert "adds up" in text and "adds up" not in averaged and "σ" not in panel.draw(method="DQN", task="2 actions")
