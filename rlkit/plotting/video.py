"""An agent at play, beside what it computes: its environment and the numbers that chose the actions.

The numbers are the Q-values of a DQN, or the probabilities of a policy over a few actions and its V(s), or the mean
action of a Gaussian policy. Any agent with `act` can be filmed, in every environment that has a picture.

    recording = play(agent, steps=300, seed=0)
    recording.show(100, 250)          # in a notebook: an animation, for Atari of 10 seconds
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

from rlkit.experiments.saliency import outputs
from rlkit.networks import ActorCritic
from rlkit.plotting.film import STEPS_PER_SECOND, Video, contact_sheet
from rlkit.plotting.stage import Roll, set_stage
from rlkit.policies import Gaussian
from rlkit.training import check_agent, check_seed, check_whole

# Playing ----------------------------------------------------------------------------------------------------


def play(agent, steps=1_000, seed=1_000_000):
    """Let `agent` play greedily until the episode is over, for at most `steps` actions -> Recording.

    It is the episode that `evaluate(agent, 1, seed)` counts, except that for Atari games C++ draws another number of
    no-ops at the start on other systems than Linux. Raises ValueError, with a cure, for what cannot be filmed.
    """
    check_whole(steps=steps)
    check_seed(seed)
    check_agent(agent, "act", "env", "envs")
    think, titles = thoughts(agent)
    stage = set_stage(agent, seed)
    forget = getattr(agent, "forget", lambda: None)  # a recurrent agent must not remember other episodes
    forget()
    stacks, rows, total = Roll(), [], 0.0
    try:
        while not stage.over and len(rows) < steps:
            stage.shoot()
            obs = stage.obs
            stacks.append(obs)
            bars, action, low, high = think(agent, obs[None])
            if low is None:
                low = high = total
            reward = stage.step(action)
            rows.append((bars, low, high, action, reward))
            total += reward
        if stage.over:
            stage.shoot()
    finally:
        forget()
        stage.close()
    screens, palette = stage.develop()
    columns = (np.array(column) for column in zip(*rows))
    names, about = stage.names, (stage.over, stage.title, stage.zoom, stage.speed)
    return Recording(screens[: len(rows)], palette, stacks.all(), *columns, names, titles, *about, screens[len(rows) :])


def thoughts(agent):
    """What to show of this agent: the function that computes it, and its titles.

    The function takes the agent and observations `[1, ...]`. It returns the heights of the bars `[A]`, the action, and
    the two ends of the curve's shade, or None if the curve is the return so far.
    """
    if hasattr(agent, "q_values"):
        return q_and_range, Q_TITLES
    discrete = agent.envs.num_actions is not None
    if isinstance(getattr(agent, "network", None), ActorCritic) and not getattr(agent, "recurrent", False):
        titles = POLICY_TITLES if discrete else MEAN_TITLES if isinstance(agent.policy, Gaussian) else ACTION_TITLES
        return policy_and_value if discrete else action_and_value, titles
    return (choice_alone, CHOICE_TITLES) if discrete else (action_alone, ACTION_TITLES._replace(curve=RETURN))


def q_and_range(agent, obs):
    """What a DQN computes: Q(s, · ) `[A]`, the best action, min Q and max Q."""
    (q,) = agent.q_values(obs)
    return q, int(q.argmax()), q.min(), q.max()


def policy_and_value(agent, obs):
    """What an actor-critic computes: π( · |s) `[A]`, the best action, and V(s) twice because it has no range."""
    (logits,), ((value,),) = outputs(agent, obs).values()
    bars = probabilities(logits)
    return bars, int(bars.argmax()), value, value


def action_and_value(agent, obs):
    """The same where an action is several numbers `[D]`: the mean of a Gaussian, or the most probable of choices."""
    _, ((value,),) = outputs(agent, obs).values()
    (action,) = agent.act(obs)
    return action, action, value, value


def choice_alone(agent, obs):
    """All that is known of an agent that only acts: a 1 for the action that it takes, 0 for the others."""
    (action,) = agent.act(obs)
    return np.eye(agent.envs.num_actions)[action], int(action), None, None


def action_alone(agent, obs):
    """The same where an action is several numbers `[D]`."""
    (action,) = agent.act(obs)
    return action, action, None, None


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


RETURN = "return over time"
Q_TITLES = Titles("Q(s, a)", "max Q over time", "shade: down to min Q", 0.0)
POLICY_TITLES = Titles("π(a|s)", "V(s) over time", "", 1.0)
MEAN_TITLES = Titles("mean action", "V(s) over time", "", 0.0)
ACTION_TITLES = Titles("the action", "V(s) over time", "", 0.0)
CHOICE_TITLES = Titles("the action", RETURN, "", 1.0)


# What was recorded ------------------------------------------------------------------------------------------


@dataclass(repr=False)
class Recording:
    """T steps of an episode. Row t holds what was to be seen, what the agent computed and did, and what that gave."""

    screens: np.ndarray  # [T, H, W] uint8: numbers of colours
    palette: np.ndarray  # [256, 3] uint8: those colours as red, green, blue
    stacks: np.ndarray  # [T, ...]: the observation of the same moment; φ `[stack, size, size]` of a game
    bars: np.ndarray  # [T, A]: Q(s, a) or π(a|s); [T, D]: the action itself, if it is several numbers
    curve_low: np.ndarray  # [T]: min Q or V(s), or the return so far
    curve_high: np.ndarray  # [T]: max Q or V(s), or the return so far
    actions: np.ndarray  # [T]: argmax of the row of bars; [T, D]
    rewards: np.ndarray  # [T]: changes of the score by that action, unclipped
    names: tuple  # [A]: of the actions
    titles: Titles
    over: bool  # did the episode end?
    game: str = "a game"  # its name
    zoom: int = 2  # how much larger the screens are shown
    speed: float = STEPS_PER_SECOND  # steps a second, in the environment's own time
    end: np.ndarray = ()  # [1, H, W]: the screen after the last action, if the episode is over; otherwise [0, H, W]

    def __len__(self):
        return len(self.screens)

    def __repr__(self):
        return "Recording of a game"  # the same on every machine

    @functools.cached_property
    def frames(self):
        """The screens in red, green, blue: `[T, H, W, 3]` uint8, 100 KB each, made when first asked for."""
        return self.palette[self.screens]

    def show(self, start=0, stop=None, fps=None):
        """Steps `start` to `stop`, or ten seconds of them, as an animation at the environment's own speed -> Video.

        `fps` sets another speed, in frames a second. Atari shows a frame for each step, 15 a second. A faster
        environment shows every second step, or fewer.

        On the left is the screen. On the right, above, a bar from 0 to Q(s, a) or π(a|s) for each action, the chosen
        one in blue with an arrow, and the return so far. Below it max Q over the time shown, shaded down to min Q: the
        choice matters where the shade is wide. An actor-critic has V(s) there. A line marks this moment, triangles mark
        points won and lost.
        """
        return Video(self, start, start + round(10 * self.speed) if stop is None else stop, fps)

    def contact_sheet(self, count=4, start=0, stop=None):
        """`count` frames of the steps `start` to `stop`, evenly spaced, two in a row -> a PIL image, for paper."""
        return contact_sheet(Video(self, start, stop), count)
