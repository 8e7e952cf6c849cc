"""Drawings of environments: what lies where, read from the pixels."""

import functools
import threading
import time

import gymnasium
import numpy as np
import pytest

from rlkit import AGENTS, load
from rlkit.a3c import A3C
from rlkit.plotting import scenes
from rlkit.plotting.film import BLACK, BLUE, ink
from rlkit.plotting.scenes import MIDDLE, ORANGE, PALETTE, scene
from rlkit.ppo import PPO
from rlkit.tasks import BlindCartPole, Catch, DelayedCartPole, ScaledPendulum


def centre(page, colour):
    """The middle of all pixels of an ink at its full strength: x, y."""
    rows, columns = np.nonzero(page == ink(colour))
    return np.array([columns.mean(), rows.mean()])


def plays(env, **settings):
    return PPO(env, num_envs=1, hidden=(8,), **settings)


def test_the_cart_is_where_it_is_and_the_pole_leans_as_it_does():
    upright = scenes.cart_pole(np.zeros(4, np.float32))
    for x, angle in ((0.0, 0.0), (2.4, 0.0), (-2.4, 0.1), (1.0, -0.2)):
        page = scenes.cart_pole(np.array([x, 9, angle, 9], np.float32))  # speeds are not drawn
        moved = centre(page, BLACK) - centre(upright, BLACK)
        assert np.allclose(moved, (62 * x, 0), atol=3)  # the pole covers a part of the cart
        along = centre(page, ORANGE) - centre(page, BLACK)
        assert np.arctan2(along[0], -along[1]) == pytest.approx(angle, abs=0.05)


def test_cart_and_pole_may_leave_the_page():
    for x in (-4.8, 4.8, 1e6):
        assert scenes.cart_pole(np.array([x, 0, 0, 0])).shape == (240, 360)


def test_a_pendulum_is_drawn_as_gymnasium_draws_it():
    """Upright is θ = 0. Gymnasium turns its picture by 90 degrees, so θ grows counterclockwise."""
    for theta in (0.0, 0.5, np.pi / 2, np.pi):
        page = scenes.pendulum(np.array([np.cos(theta), np.sin(theta), 0]))
        x, y = centre(page, ORANGE) - MIDDLE
        assert np.cos(np.arctan2(-x, -y) - theta) > 0.999


@pytest.mark.parametrize("angles", [(0.0, 0.0), (0.5, 0.0), (np.pi, 0.3), (2.0, -1.0)])
def test_the_end_of_an_acrobot_is_as_high_as_its_reward_says(angles):
    first, second = angles
    obs = np.array([np.cos(first), np.sin(first), np.cos(second), np.sin(second), 0, 0])
    page = scenes.acrobot(obs)
    upper = np.array([np.sin(first), np.cos(first)]) / 2
    lower = 2 * upper + np.array([np.sin(first + second), np.cos(first + second)]) / 2
    for colour, place in ((BLUE, upper), (ORANGE, lower)):
        assert np.allclose(centre(page, colour), MIDDLE + 54 * place, atol=6)  # a joint covers one end


def test_the_car_stands_on_its_hill():
    for place in (-1.2, -0.5, 0.0, 0.5):
        page = scenes.mountain_car(np.array([place, 0.0]))
        x, y = scenes.ground(place)
        assert np.hypot(*(centre(page, ORANGE) - (x, y))) == pytest.approx(11, abs=3) or place == -1.2
        assert centre(page, ORANGE)[1] < y
    assert scenes.ground(0.5)[1] > 24  # the flag fits


@pytest.mark.parametrize("look", ["pixels", "table"])
@pytest.mark.parametrize("level", [(2, 5, True), (0, 0, True), (7, 1, False)])
def test_catch_shows_ball_and_paddle(look, level):
    game = Catch(8, look, levels=[level])
    game.reset(seed=0)
    page = {"pixels": scenes.catch_pixels, "table": scenes.catch_table}[look](game.look())
    column, paddle, bright = level
    cell = lambda row, column: page[30 * row + 15, 30 * column + 15]  # noqa: E731
    assert page.shape == (240, 240)
    assert cell(0, column) == ink(BLUE if bright else ORANGE) and cell(7, paddle) == ink(BLUE)
    assert np.isin(page, [ink(BLUE), ink(ORANGE)]).sum() == 2 * 29 * 29


def test_a_game_is_its_newest_frame():
    agent = load(AGENTS / "ppo-pong-small.pt", num_envs=2)
    picture = scene(agent)
    assert picture.shape == (420, 320, 3) and (picture[..., 0] == picture[..., 2]).all()
    newest = agent.envs.obs[0, -1].astype(int)
    assert np.abs(picture[5::10, 4::8, 0][:42, :40].astype(int).mean() - newest.mean()) < 3
    assert (picture[::10, 0, 0] == newest[:, 0] & 254).all()


ENVS = {
    "CartPole-v1": scenes.cart_pole,
    "Pendulum-v1": scenes.pendulum,
    "Acrobot-v1": scenes.acrobot,
    "MountainCar-v0": scenes.mountain_car,
    "MountainCarContinuous-v0": scenes.mountain_car,
    DelayedCartPole: scenes.cart_pole,
    ScaledPendulum: scenes.pendulum,
    Catch: scenes.catch_pixels,
}


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env if isinstance(env, str) else env.__name__)
def test_a_scene_shows_the_last_observation_of_environment_0(env):
    agent = plays(env, obs_scale=3.0)  # which the network sees, and the picture does not
    agent.envs.step(agent.act(agent.envs.obs))
    assert (scene(agent) == PALETTE[ENVS[env](agent.envs.obs[0])]).all()


def test_many_environments_and_fewer_numbers_are_drawn_too():
    agent = PPO("CartPole-v1", num_envs=8, hidden=(8,))
    assert (scene(agent) == PALETTE[scenes.cart_pole(agent.envs.obs[0])]).all()
    blind = plays(BlindCartPole)
    x, angle = blind.envs.obs[0]
    assert (scene(blind) == PALETTE[scenes.cart_pole(np.array([x, 0, angle, 0]))]).all()


def scaled():
    return gymnasium.wrappers.RescaleObservation(gymnasium.make("Pendulum-v1"), np.float32(-9), np.float32(9))


@pytest.mark.parametrize(
    "env", [functools.partial(Catch, look="features"), scaled, "FrozenLake-v1"], ids=["features", "scaled", "unknown"]
)
def test_what_cannot_be_drawn_has_no_scene(env):
    assert scene(plays(env)) is None


def test_an_agent_whose_workers_play_elsewhere_has_no_scene():
    assert scene(A3C("CartPole-v1", hidden=(8,))) is None


def test_a_scene_costs_training_nothing_and_changes_nothing():
    """The same run, with and without scenes from another thread, gives the same numbers."""
    runs = []
    for watched in (False, True):
        agent = PPO("CartPole-v1", num_envs=4, num_steps=32, hidden=(8,), seed=1)
        done, pictures = threading.Event(), []

        def look(agent=agent, done=done, pictures=pictures):
            while not done.is_set():
                pictures.append(scene(agent))
                time.sleep(0.001)

        thread = threading.Thread(target=look)
        if watched:
            thread.start()
        for _ in agent.learn(4_000):
            pass
        done.set()
        if watched:
            thread.join()
        runs.append((agent.theta.detach().numpy(), len(pictures)))
    (plain, none), (seen, some) = runs
    assert (plain == seen).all() and none == 0 and some > 1
