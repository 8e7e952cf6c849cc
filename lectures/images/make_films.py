"""Make the four small films of the start page again:  .venv/bin/python lectures/images/make_films.py

Each agent plays greedily. Three come with the package; the one for chapter 2 learns CartPole first, in about half a
minute.
"""

from pathlib import Path

import numpy as np

import rlkit
from rlkit.plotting.apng import animated_png
from rlkit.plotting.video import play

FOLDER = Path(__file__).parent
PONG, BREAKOUT = np.s_[34:194], np.s_[40:200]  # squares of the screens, 160 x 160


def save(name, screens, palette, steps_per_second):
    """Screens `[T, H, W]` as an animated PNG that repeats."""
    film = animated_png(screens, palette, round(1_000 / steps_per_second))
    (FOLDER / name).write_bytes(film)
    print(f"{name}: {len(screens)} frames, {len(film) / 1_000:.0f} KB")


def game(agent, part, start, steps, seed):
    """Some steps of a game that comes with the package -> screens `[T, H, W]`, palette."""
    recording = play(rlkit.load(rlkit.AGENTS / f"{agent}.pt", num_envs=1), start + steps, seed)
    return recording.screens[start:, part], recording.palette


def pole():
    """An agent that balances the pole, at half its speed -> screens `[T, H, W]`, palette."""
    agent = rlkit.preset("dqn-cartpole", seed=0)
    rlkit.train(agent, 50_000, rlkit.stop_at(475))
    recording = play(agent, 120, seed=3)
    return recording.screens[::2, 50:210, 100:260], recording.palette


def half(screens):
    """`[T, H, W]` -> `[T, H / 2, W / 2]`: of four pixels one that is not background, so that no ball is lost."""
    blocks = screens.reshape(len(screens), screens.shape[1] // 2, 2, -1, 2).transpose(0, 1, 3, 2, 4)
    blocks = blocks.reshape(*blocks.shape[:3], 4)
    background = np.bincount(screens.ravel()).argmax()
    first = (blocks != background).argmax(-1)
    return np.take_along_axis(blocks, first[..., None], -1)[..., 0]


if __name__ == "__main__":
    save("chapter-1.png", *game("ppo-pong-small", PONG, 85, 75, seed=7), 15)
    save("chapter-2.png", *pole(), 15)
    save("chapter-3.png", *game("ppo-breakout-small", BREAKOUT, 20, 75, seed=5), 15)
    four, palette = zip(*(game("a3c-pong-small", PONG, 40, 75, seed) for seed in range(4)), strict=True)
    small = [half(screens) for screens in four]
    grid = np.concatenate([np.concatenate(small[:2], axis=2), np.concatenate(small[2:], axis=2)], axis=1)
    save("chapter-4.png", grid, palette[0], 15)
