"""rlkit.atari against ale-py's C++: the same bytes, rewards and endings over several episodes.

The games are few and short, because ALE needs 0.3 s to load a ROM, and the C++ loads each one twice.
"""

import doctest
import sys

import ale_py
import gymnasium
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv

from rlkit import atari
from rlkit.atari import AtariGame

# Other C++ libraries turn the same random bits into other numbers of no-ops.
NOOPS = 30 if sys.platform == "linux" else 1


def play(game, actions):
    """The rows of a game under NEXT_STEP autoreset: obs, reward, terminated, truncated, lives."""
    yield game.reset(), 0, False, False, game.lives
    for action in actions:
        row = (game.reset(), 0, False, False) if game.over else game.step(action)
        yield *row, game.lives


def assert_equal_to_cpp(
    rom, steps, num_envs=1, seed=5, size=84, stack=4, life_loss=False, fire_reset=False, max_frames=108_000,
    noop_max=NOOPS, **same,
):  # fmt: skip
    """Ours beside each C++ environment, with random actions -> the numbers of rewards, endings and lost lives."""
    cpp = AtariVectorEnv(
        rom, num_envs, img_height=size, img_width=size, stack_num=stack, life_loss_info=life_loss,
        use_fire_reset=fire_reset, max_num_frames_per_episode=max_frames, noop_max=noop_max,
        reward_clipping=False, num_threads=1, **same,
    )  # fmt: skip
    games = [
        AtariGame(rom, size, stack, noop_max=noop_max, life_loss=life_loss, fire_reset=fire_reset,
                  max_frames=max_frames, seed=seed + i, **same)
        for i in range(num_envs)
    ]  # fmt: skip
    assert games[0].actions == cpp.ale.get_action_set()
    actions = np.random.default_rng(seed).integers(cpp.single_action_space.n, size=(steps, num_envs))
    twins = [play(game, actions[:, i]) for i, game in enumerate(games)]

    obs, info = cpp.reset(seed=seed)
    rows = [(obs, *np.zeros((3, num_envs), int), info)] + [cpp.step(a) for a in actions]
    rewards = ends = losses = 0
    for t, (obs, reward, terminated, truncated, info) in enumerate(rows):
        for i, twin in enumerate(twins):
            my_obs, *mine = next(twin)
            theirs = [reward[i], terminated[i], truncated[i], info["lives"][i]]
            where = f"row {t}, game {i}"
            assert mine == theirs, f"{where}: reward, terminated, truncated, lives are {mine}, not {theirs}"
            wrong = np.argwhere(my_obs != obs[i])
            assert len(wrong) == 0, f"{where}: {len(wrong)} bytes differ, first [frame, y, x] {wrong[0]}"
            over, lost = games[i].over, mine[1] and not games[i].over
            rewards, ends, losses = rewards + (mine[0] != 0), ends + over, losses + lost
    assert my_obs.shape == (stack, size, size) and my_obs.dtype == np.uint8
    return rewards, ends, losses


# max_frames: the episodes end on the first, second, third and fourth screen of an action
@pytest.mark.parametrize(("size", "max_frames"), [(84, 301), (42, 302)])
def test_pong(size, max_frames):
    rewards, ends, _ = assert_equal_to_cpp("pong", 155, size=size, max_frames=max_frames)
    assert rewards >= 1 and ends == 2


@pytest.mark.parametrize(("size", "max_frames"), [(84, 203), (42, 204)])
def test_space_invaders_where_objects_flicker_and_rewards_are_not_one(size, max_frames):
    rewards, ends, _ = assert_equal_to_cpp("space_invaders", 110, size=size, max_frames=max_frames)
    assert rewards >= 1 and ends == 2


def test_breakout_with_lost_lives_in_two_environments():
    rewards, ends, losses = assert_equal_to_cpp("breakout", 210, num_envs=2, life_loss=True)
    assert rewards >= 2 and ends >= 1 and losses >= 8


def test_breakout_without_lost_lives():
    rewards, ends, losses = assert_equal_to_cpp("breakout", 210, size=42, fire_reset=True)
    assert rewards >= 1 and ends >= 1 and losses == 0


def test_other_settings():
    assert_equal_to_cpp(
        "seaquest", 30, max_frames=40, size=64, stack=2, frameskip=3, noop_max=0, repeat_action_probability=0.25
    )
    assert_equal_to_cpp("seaquest", 30, max_frames=20, size=160, frameskip=1, fire_reset=True)


def test_luminance_is_that_of_ale():
    game = AtariGame("ALE/Seaquest-v5", seed=0)
    game.reset()
    np.testing.assert_array_equal(atari.luminance(game.screen()), game.ale.getScreenGrayscale())


@pytest.mark.parametrize("size", [1, 36, 42, 84, 100, 160])
def test_resizing_weights(size):
    """Every new pixel is a mean of old ones, and every old pixel has the same total weight."""
    for length in (160, 210):
        old, share = atari.cover(length, size)
        np.testing.assert_allclose(share.sum(0), 1, rtol=1e-5)
        np.testing.assert_allclose(np.bincount(old.ravel(), share.ravel()), size / length, rtol=1e-5)


def test_observations_are_not_overwritten():
    game = AtariGame("pong", seed=0)
    first = game.reset()
    kept = first.copy()
    second = game.step(2)[0]
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(second[:-1], first[1:])


def test_names():
    gymnasium.register_envs(ale_py)
    for game_id in ["ALE/Pong-v5", "ALE/SpaceInvaders-v5", "ALE/MsPacman-v5", "ALE/TicTacToe3D-v5"]:
        assert atari.rom_name(game_id) == gymnasium.spec(game_id).kwargs["game"]


def test_mistakes_raise_clear_errors():
    for name in ["ALE/Ponk-v5", "combat", "CartPole-v1"]:
        with pytest.raises(ValueError, match=f"no Atari game '{name}'"):
            AtariGame(name)
    with pytest.raises(ValueError, match="160"):
        AtariGame("pong", size=200)
    with pytest.raises(RuntimeError, match="call reset"):
        AtariGame("pong").step(0)


def test_doctests():
    assert doctest.testmod(atari).failed == 0
