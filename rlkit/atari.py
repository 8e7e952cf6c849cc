"""What an agent sees of an Atari game: the φ of the DQN paper, written to be read.

Source: Mnih et al. 2015 (Nature), Methods, "Preprocessing" and "Training details". One action of the agent:

    press   the same button for 4 screens, a fifteenth of a second         AtariGame.step
    max     of the last two screens, because the console draws some
            objects only on every second one: they flicker                 AtariGame.look
    grey    the luminance of each colour                                   luminance
    shrink  210 x 160 -> 84 x 84, each new pixel an average                shrink
    stack   the last 4 such frames: one frame tells where the ball is,
            two tell where it is going                                     AtariGame.look

What comes out, `[4, 84, 84]` bytes, is the observation φ. A game begins with a random number of no-ops,
because otherwise all episodes would begin the same: nothing in the console is random.

Training uses `ale_py.vector_env.AtariVectorEnv`, the same in C++ for many games at once (`rlkit.envs`);
tests/test_atari.py asserts that the two agree, byte for byte. Where ale-py differs from the paper, a comment says so.
"""

import functools
from collections import deque

import ale_py
import numpy as np


def luminance(rgb):
    """Luminance, the brightness that the eye sees: Y = 0.2989 R + 0.5870 G + 0.1140 B.

    ITU-R BT.601, like ALE's own grey in every game except Air Raid. rgb `[..., 3]`, 0 to 255 -> `[...]`, uint8.

    >>> luminance(np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])).tolist()    # green counts most
    [76, 150, 29]
    """
    return np.rint(rgb @ np.array([0.2989, 0.5870, 0.1140])).astype(np.uint8)


def shrink(frame, size):
    """Area averaging: a new pixel is the mean of the rectangle of old pixels that it covers, weighted by their shares.

    Picking single pixels instead could lose the ball, 2 pixels wide. frame `[H, W]` uint8 -> `[size, size]`
    uint8, for size <= H, W. Equal to OpenCV's INTER_AREA: in float32, columns first, summed left to right.

    >>> shrink(np.array([[30, 60, 90], [30, 60, 90], [0, 0, 0]], np.uint8), 2).tolist()
    [[40, 80], [13, 27]]
    """
    columns, across = cover(frame.shape[1], size)
    frame = sum(share * frame[:, j] for j, share in zip(columns, across))
    rows, down = cover(frame.shape[0], size)
    frame = sum(share[:, None] * frame[i] for i, share in zip(rows, down))
    return np.rint(frame).astype(np.uint8)


@functools.cache
def cover(length, size):
    """Which of `length` old pixels each of `size` new ones covers, and with which shares: two arrays `[k, size]`.

    >>> old, share = cover(3, 2)    # a new pixel is 1.5 old ones wide; the middle one is divided between both
    >>> old.tolist(), (3 * share).round().tolist()    # in thirds
    ([[0, 1], [1, 2], [2, 2]], [[2.0, 1.0], [1.0, 2.0], [0.0, 0.0]])
    """
    edges = np.arange(size + 1) * (length / size)
    left, right = edges[:-1], edges[1:]
    old = left.astype(int) + np.arange(int(np.ceil(length / size)) + 1)[:, None]
    overlap = np.clip(np.minimum(old + 1, right) - np.maximum(old, left), 0, 1)
    return np.minimum(old, length - 1), (overlap * size / length).astype(np.float32)


class AtariGame:
    """One Atari game as the DQN agent plays it: `AtariVectorEnv` with one environment and `reset(seed=seed)`.

    An action is an index into `actions`, the buttons that do something in this game. Rewards are the changes
    of the score: DQN clips them to [-1, 1], but in the agent, so that the score can still be read. With
    `life_loss` a lost life counts as terminated, but the game continues; `over` says when to call `reset`.
    """

    def __init__(
        self,
        game="ALE/Pong-v5",  # or the name of its ROM, "pong"
        size=84,  # pixels
        stack=4,  # frames in an observation
        frameskip=4,  # screens that an action is held for
        noop_max=30,  # an episode begins with 0 to noop_max - 1 screens of doing nothing
        life_loss=False,
        fire_reset=False,  # begin by pressing FIRE, which serves the ball in some games
        max_frames=108_000,  # screens in an episode: half an hour
        repeat_action_probability=0.0,  # sticky actions: how often a screen gets the previous button
        seed=None,
    ):
        if not 1 <= size <= 160:
            raise ValueError(f"size={size} must lie between 1 and 160, the width of the screen in pixels.")
        self.size, self.frameskip, self.noop_max = size, frameskip, noop_max
        self.life_loss, self.max_frames = life_loss, max_frames
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setInt("random_seed", -1 if seed is None else seed)  # for sticky actions
        self.ale.setFloat("repeat_action_probability", repeat_action_probability)
        self.ale.loadROM(ale_py.roms.get_rom_path(rom_name(game)))
        self.actions = self.ale.getMinimalActionSet()
        self.fire_reset = fire_reset and ale_py.Action.FIRE in self.actions
        self.random = np.random.RandomState(seed)  # the Mersenne Twister, as C++'s std::mt19937
        self.frames = deque(maxlen=stack)
        self.over = True

    def reset(self):
        """Start an episode -> obs `[stack, size, size]`, uint8."""
        self.ale.reset_game()
        if self.fire_reset:
            self.ale.act(ale_py.Action.FIRE)
        for _ in range(self.draw_noops() - self.fire_reset):
            self.ale.act(ale_py.Action.NOOP)
            if self.ale.game_over():
                self.ale.reset_game()
        self.elapsed, self.over = 0, False
        latest = luminance(self.screen())
        self.screens = [np.zeros_like(latest), latest]
        nothing = np.zeros((self.size, self.size), np.uint8)  # before the first frame
        self.frames.extend([nothing] * self.frames.maxlen)
        return self.look()

    def draw_noops(self):
        """Uniform on 0 ... noop_max - 1, from 32 random bits as the GNU C++ library makes it."""
        return int(self.random.randint(2**32, dtype=np.uint32)) * self.noop_max >> 32

    def step(self, action):
        """Hold a button for `frameskip` screens -> obs as from `reset`, reward, terminated, truncated."""
        if self.over:
            raise RuntimeError("The game is over: call reset().")
        lives, reward = self.ale.lives(), 0
        for left in reversed(range(self.frameskip)):
            reward += self.ale.act(self.actions[action])
            self.elapsed += 1
            self.over = self.ale.game_over() or self.elapsed >= self.max_frames
            if self.over:
                break  # ale-py takes no screen here, so the last frame of an episode is partly the one before
            if left < 2:
                self.screens[-1 - left] = luminance(self.screen())
        lost = 0 < self.ale.lives() < lives
        terminated = self.ale.game_over() or (self.life_loss and lost)
        truncated = self.elapsed >= self.max_frames and not terminated
        return self.look(), reward, terminated, truncated

    def look(self):
        """φ: append the maximum of the last two screens, shrunk, to the frames before -> obs, oldest first."""
        # The paper takes the maximum of the colours and then the grey; ale-py takes the maximum of the greys.
        self.screens[-1] = np.maximum(*self.screens)
        self.frames.append(shrink(self.screens[-1], self.size))
        return np.stack(self.frames)

    def screen(self):
        """The screen as a person sees it: `[210, 160, 3]`, uint8 (a few games have more lines)."""
        return self.ale.getScreenRGB()

    @property
    def lives(self):
        """Lives left; always 0 in games without lives, such as Pong."""
        return self.ale.lives()


def rom_name(game):
    """The name of a game's ROM.

    >>> rom_name("ALE/SpaceInvaders-v5"), rom_name("space_invaders")
    ('space_invaders', 'space_invaders')
    """
    names = {rom.title().replace("_", ""): rom for rom in ale_py.roms.get_all_rom_ids()}
    name = names.get(game.removeprefix("ALE/").removesuffix("-v5"), game)
    known = name in names.values()
    if not known or not ale_py.ALEInterface.isSupportedROM(ale_py.roms.get_rom_path(name)):  # a game for two players
        raise ValueError(f"There is no Atari game {game!r}; names look like 'ALE/Breakout-v5' or 'breakout'.")
    return name
