"""An agent at play, beside what it computes: the screens of an Atari game and the numbers that chose the actions.

The numbers are the Q-values of a DQN, or the probabilities of a PPO, A2C or A3C and its V(s).

    recording = play(agent, steps=300, seed=0)
    recording.show(100, 250)          # in a notebook: an animation of 10 seconds
    recording.contact_sheet(4)        # four of its frames, for paper
    recording.show().save("pong.gif")

A notebook gets an animated PNG. Browsers animate it, in JupyterLab as in a saved page without a kernel; a program that
knows only still PNGs shows the first frame. It is not HTML, because tests compare stored HTML and two processors may
differ in the last digits of a Q-value. It is not a GIF, because nbconvert does not show those.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rlkit.atari import AtariGame
from rlkit.experiments.saliency import outputs
from rlkit.plotting.film import STEPS_PER_SECOND, Video, contact_sheet
from rlkit.training import check_seed, check_whole

# Playing ----------------------------------------------------------------------------------------------------


def play(agent, steps=1_000, seed=1_000_000):
    """Let `agent` play greedily until the game is over, for at most `steps` actions -> Recording.

    On Linux it is the episode that `evaluate(agent, 1, seed)` counts; elsewhere C++ draws another number of no-ops at
    the start. The agent must play an Atari game and have `q_values`, or a network of logits and V without a memory;
    otherwise a ValueError says what is missing.
    """
    check_agent(agent, steps, seed)
    think, titles = (q_and_range, Q_TITLES) if hasattr(agent, "q_values") else (policy_and_value, POLICY_TITLES)
    game = AtariGame(agent.env, agent.frame_size, seed=seed)
    buttons = np.arange(len(game.actions)) if agent.envs.actions is None else agent.envs.actions
    palette = np.zeros((256, 3), np.uint8)
    rows = []
    obs = game.reset()
    while not game.over and len(rows) < steps:
        screen = game.ale.getScreen()  # colours by their numbers in the console
        palette[screen] = game.screen()  # the same as red, green, blue
        bars, low, high = think(agent, obs[None])
        action = int(bars.argmax())
        next_obs, reward, *_ = game.step(buttons[action])  # a lost life is not the end: the score goes on
        rows.append((screen, obs, bars, low, high, action, reward))
        obs = next_obs
    screens, *columns = (np.array(column) for column in zip(*rows))
    names = tuple(game.actions[button].name for button in buttons)
    name = agent.env.removeprefix("ALE/").split("-")[0]
    return Recording(screens, palette, *columns, names, titles, game.over, name)


def q_and_range(agent, obs):
    """What a DQN computes: Q(s, · ) `[A]`, min Q and max Q, from observations `[1, ...]`."""
    (q,) = agent.q_values(obs)
    return q, q.min(), q.max()


def policy_and_value(agent, obs):
    """What an actor-critic computes: π( · |s) `[A]`, and V(s) twice because it has no range."""
    (logits,), ((value,),) = outputs(agent, obs).values()
    return probabilities(logits), value, value


def probabilities(logits):
    """π( · |s) of a softmax policy: logits `[A]` -> `[A]`."""
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


class Titles(NamedTuple):
    """What is written above the drawings, and how far the axis of the bars reaches at least."""

    bars: str
    curve: str
    shade: str
    reach: float


Q_TITLES = Titles("Q(s, a)", "max Q over time", "shade: down to min Q", 0.0)
POLICY_TITLES = Titles("π(a|s)", "V(s) over time", "", 1.0)


def check_agent(agent, steps, seed):
    """Raise a ValueError of one sentence if this agent cannot be filmed for this many steps, or with this seed."""
    check_whole(steps=steps)
    check_seed(seed)
    if not hasattr(agent, "env"):
        raise ValueError(f"{type(agent).__name__} is not an agent; pass one that plays an Atari game.")
    if not (isinstance(agent.env, str) and agent.env.startswith("ALE/")):
        raise ValueError(f"Only Atari games can be filmed, such as 'ALE/Pong-v5'; this agent plays {agent.env!r}.")
    if not (hasattr(agent, "q_values") or hasattr(agent, "network")):
        raise ValueError(f"{type(agent).__name__} has no Q-values or probabilities to draw; take a DQN or a PPO.")
    if getattr(agent, "recurrent", False):
        raise ValueError(
            f"{type(agent).__name__} with recurrent=True cannot be filmed, because its network needs a memory; "
            f"take one with recurrent=False."
        )


# What was recorded ------------------------------------------------------------------------------------------


@dataclass(repr=False)
class Recording:
    """T steps of a game. Row t holds what the screen showed, what the agent computed and did, and what that gave."""

    screens: np.ndarray  # [T, H, W] uint8: numbers of colours
    palette: np.ndarray  # [256, 3] uint8: those colours as red, green, blue
    stacks: np.ndarray  # [T, stack, size, size] uint8: φ of the same moment, what the network saw
    bars: np.ndarray  # [T, A]: Q(s, a) or π(a|s)
    curve_low: np.ndarray  # [T]: min Q or V(s)
    curve_high: np.ndarray  # [T]: max Q or V(s)
    actions: np.ndarray  # [T]: argmax of the row of bars
    rewards: np.ndarray  # [T]: changes of the score by that action, unclipped
    names: tuple  # [A]: of the actions
    titles: Titles
    over: bool  # did the episode end?
    game: str = "a game"  # its name

    def __len__(self):
        return len(self.screens)

    def __repr__(self):
        return "Recording of a game"  # the same on every machine

    @functools.cached_property
    def frames(self):
        """The screens in red, green, blue: `[T, H, W, 3]` uint8, 100 KB each, made when first asked for."""
        return self.palette[self.screens]

    def show(self, start=0, stop=None, fps=STEPS_PER_SECOND):
        """Steps `start` to `stop`, or 150 of them, as an animation -> Video. 15 frames a second is the game's speed.

        On the left is the screen. On the right, above, a bar from 0 to Q(s, a) or π(a|s) for each action, the chosen
        one in blue with an arrow, and the return so far. Below it max Q over the time shown, shaded down to min Q: the
        choice matters where the shade is wide. An actor-critic has V(s) there. A line marks this moment, triangles mark
        points won and lost.
        """
        return Video(self, start, start + 150 if stop is None else stop, fps)

    def contact_sheet(self, count=4, start=0, stop=None):
        """`count` frames of the steps `start` to `stop`, evenly spaced, two in a row -> a PIL image, for paper."""
        return contact_sheet(Video(self, start, stop), count)
