"""rlkit.experiments.overestimation: claimed and true values of a deterministic game, compared with hand numbers."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from conftest import tiny
from gymnasium.spaces import Box, Discrete

from rlkit.experiments import overestimation as module
from rlkit.experiments.overestimation import BUTTONS, button_noise, estimates_and_returns, overestimation_run

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


# A run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("actions", [None, BUTTONS])
def test_a_run_is_measured_along_the_way(monkeypatch, double, actions):
    agents = []
    monkeypatch.setattr(module, "estimates_and_returns", lambda agent: agents.append(agent) or (2.0, agent.step))
    rows = overestimation_run(3, double, actions, total_steps=1_000, points=2)
    agent = agents[0]
    assert len(agents) == len(rows) == 2 and agents[1] is agent
    for row, step in zip(rows, (500, 1_000)):
        assert step <= row["step"] < step + 50 and row["claimed"] == 2 and row["true"] == row["step"]
    assert (agent.double, agent.seed, agent.num_actions) == (double, 3, 10 if actions else 2)
    if actions:
        assert all(row["sigma"] > 0 and -1 <= row["rho"] <= 1 for row in rows)
    else:
        assert all(row["sigma"] is row["rho"] is None for row in rows)
