"""rlkit.atari against ale-py's C++: the same bytes, rewards and endings, through several episodes."""

import doctest
import sys

import ale_py
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv

from rlkit import atari
from rlkit.atari import AtariGame

# Where the no-ops come from: another C++ library turns the same random bits into other numbers.
NOOPS = 30 if sys.platform == "linux" else 1


def play(game, actions):
    """The rows of a game under NEXT_STEP autoreset: obs, reward, terminated, truncated, lives."""
    yield game.reset(), 0, False, False, game.lives
    for action in actions:
        if game.over:
            yield game.reset(), 0, False, False, game.lives
        else:
            yield *game.step(action), game.lives


def assert_equal_to_cpp(rom, steps, *, num_envs=1, seed=0, actions=None, fire_reset=False, life_loss=False, **settings):
    """`num_envs` twins in Python against one vector environment -> how many rows were endings, and lost lives."""
    settings = dict(noop_max=NOOPS, size=84, stack=4, frameskip=4, repeat_action_probability=0.0) | settings
    games = [
        AtariGame(rom, seed=seed + i, fire_reset=fire_reset, life_loss=life_loss, **settings) for i in range(num_envs)
    ]
    size, stack = settings.pop("size"), settings.pop("stack")
    if "max_frames" in settings:
        settings["max_num_frames_per_episode"] = settings.pop("max_frames")
    cpp = AtariVectorEnv(
        rom,
        num_envs,
        img_height=size,
        img_width=size,
        stack_num=stack,
        use_fire_reset=fire_reset,
        life_loss_info=life_loss,
        reward_clipping=False,
        num_threads=1,
        **settings,
    )
    if actions is None:
        actions = np.random.default_rng(seed).integers(cpp.single_action_space.n, size=(steps, num_envs))
    assert [a for a in games[0].actions] == cpp.ale.get_action_set()
    twins = [play(game, actions[:, i].tolist()) for i, game in enumerate(games)]

    obs, info = cpp.reset(seed=seed)
    rows = [(obs, np.zeros(num_envs), np.zeros(num_envs, bool), np.zeros(num_envs, bool), info)]
    rows += [cpp.step(a) for a in actions]
    rewards = ends = losses = 0
    for t, (obs, reward, terminated, truncated, info) in enumerate(rows):
        for i, twin in enumerate(twins):
            my_obs, *mine = next(twin)
            theirs = [reward[i], terminated[i], truncated[i], info["lives"][i]]
            assert mine == theirs, f"row {t}, game {i}: reward, terminated, truncated, lives {mine}, C++ {theirs}"
            wrong = np.argwhere(my_obs != obs[i])
            assert not len(wrong), f"row {t}, game {i}: {len(wrong)} bytes differ, first at [frame, y, x] {wrong[0]}"
            rewards, ends = rewards + abs(mine[0]), ends + games[i].over
            losses += mine[1] and not games[i].over
    assert my_obs.shape == (stack, size, size) and my_obs.dtype == np.uint8
    return rewards, ends, losses


def test_pong():
    rewards, ends, _ = assert_equal_to_cpp("pong", 400, max_frames=600)
    assert rewards > 0 and ends >= 2


def test_pong_42_to_its_own_end():
    rewards, ends, _ = assert_equal_to_cpp("pong", 850, size=42)
    assert rewards >= 21 and ends == 1


@pytest.mark.parametrize("size", [84, 42])
def test_breakout_with_lost_lives_and_several_games(size):
    rewards, ends, losses = assert_equal_to_cpp("breakout", 450, num_envs=2, seed=7, life_loss=True, size=size)
    assert rewards > 0 and ends >= 2 and losses >= 6


def test_breakout_without_life_loss():
    _, ends, losses = assert_equal_to_cpp("breakout", 450, fire_reset=True, size=42)
    assert ends >= 1 and losses == 0


@pytest.mark.parametrize("size", [84, 42])
def test_space_invaders(size):
    """Objects flicker here; rewards are not 1; and the episode may end on any of the 4 screens."""
    rewards, ends, _ = assert_equal_to_cpp("space_invaders", 350, size=size, seed=3, max_frames=501)
    assert rewards > 5 and ends >= 2


@pytest.mark.parametrize("max_frames", [5, 6, 7, 8])
def test_an_end_on_each_of_the_four_screens(max_frames):
    _, ends, _ = assert_equal_to_cpp("breakout", 12, max_frames=max_frames, size=42)
    assert ends >= 3


@pytest.mark.parametrize(
    "settings",
    [
        dict(frameskip=1),
        dict(frameskip=2, stack=1),
        dict(frameskip=3, stack=2),
        dict(noop_max=0),
        dict(repeat_action_probability=0.25),
        dict(fire_reset=True),
        *(dict(size=size) for size in (20, 36, 64, 96, 128, 160)),
    ],
    ids=str,
)
def test_other_settings(settings):
    assert_equal_to_cpp("seaquest", 40, max_frames=100, **settings)


def test_luminance_is_the_palette_of_ale():
    game = AtariGame("ALE/Seaquest-v5", seed=0)
    game.reset()
    np.testing.assert_array_equal(atari.luminance(game.screen()), game.ale.getScreenGrayscale())


def test_observations_are_not_overwritten():
    game = AtariGame("pong", seed=0)
    obs = game.reset()
    before = obs.copy()
    later = game.step(2)[0]
    np.testing.assert_array_equal(obs, before)
    np.testing.assert_array_equal(later[:-1], obs[1:])


def test_names():
    import gymnasium

    gymnasium.register_envs(ale_py)
    for game_id in ["ALE/Pong-v5", "ALE/SpaceInvaders-v5", "ALE/MsPacman-v5", "ALE/TicTacToe3D-v5"]:
        assert atari.rom_name(game_id) == gymnasium.spec(game_id).kwargs["game"]
    for name in ["ALE/Ponk-v5", "combat", "CartPole-v1"]:
        with pytest.raises(ValueError, match=f"no Atari game '{name}'"):
            atari.rom_name(name)


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="160"):
        AtariGame("pong", size=200)
    with pytest.raises(RuntimeError, match="call reset"):
        AtariGame("pong").step(0)


def test_doctests():
    assert doctest.testmod(atari).failed == 0
