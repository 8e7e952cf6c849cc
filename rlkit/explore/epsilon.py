"""ε on a running agent: it learns in the background, and the slider decides how often it explores."""

import math

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import accepted, slider, switch, when_held
from rlkit.explore.traces import TracedRun
from rlkit.language import say
from rlkit.plotting import BLUE, GREY, picture
from rlkit.presets import preset

ANGLES = np.linspace(-12, 12, 97)  # of the pole, in degrees; beyond 12 it has fallen


class EpsilonRun(TracedRun):
    """A run on CartPole whose ε can be held by hand. Below the curve: ε, and the policy by the angle of the pole."""

    def __init__(self, agent, total_steps, epsilon=None):
        figure, (left, right) = picture(2, width=9, height=2.8)
        lines = left.plot([], [], color=BLUE)
        left.set(xlabel="agent steps", ylabel="ε", ylim=(-0.05, 1.05))
        (self.policy,) = right.plot(ANGLES, np.full(len(ANGLES), np.nan), color=BLUE, linewidth=3)
        right.axhline(0.5, color=GREY, linewidth=1)
        right.set(xlabel="angle of the pole, degrees; all else 0", ylabel="π(push right)", ylim=(-0.05, 1.05))
        right.set_xticks(range(-12, 13, 6))
        self.poles = np.zeros((len(ANGLES), 4), np.float32)  # cart's place and speed, pole's angle and speed
        self.poles[:, 2] = np.radians(ANGLES)
        self.by_hand = switch("hold ε by hand")
        self.slider = slider("ε, random actions", 0.1, 0.0, 1.0, 0.01)
        if epsilon is not None:
            self.slider.value, self.by_hand.value = accepted("epsilon", self.slider, epsilon), True
            agent.epsilon = self.slider.value
        when_held(self.by_hand, self.slider, self.hold)
        super().__init__(agent, total_steps, figure, lines, controls=[self.by_hand, self.slider])

    def read(self, progress):
        return (progress.metrics["epsilon"],)

    def hold(self):
        """Hold ε where the slider is, or let the schedule move it. It acts at once: the agent reads ε at every step."""
        self.agent.epsilon = self.slider.value if self.by_hand.value else None
        self.answer()

    def begin_again(self):
        held = self.agent.epsilon
        super().begin_again()
        self.agent.epsilon = held

    def move(self):
        super().move()
        policy = F.epsilon_greedy(self.agent.q_values(self.poles), self.agent.current_epsilon())
        self.policy.set_ydata(policy[:, -1])

    def words(self):
        epsilon = self.agent.current_epsilon()
        acted = self.numbers[0] if self.numbers else epsilon  # in the last iteration
        held = say("held by hand") if self.by_hand.value else say("by its schedule")
        if self.working() or math.isclose(epsilon, acted):
            changed = say("ε = {epsilon:.2f}, {held}.", epsilon=epsilon, held=held)
        else:
            changed = say("ε was {before:.2f}; it is {epsilon:.2f}, {held}, {since}.",
                          before=acted, epsilon=epsilon, held=held, since=self.since_when())  # fmt: skip
        return f"{super().words()} {changed}"


def epsilon(total_steps=math.inf, epsilon=None, **changes):
    """Double DQN on CartPole-v1, learning in the background under a slider for ε until it is stopped -> EpsilonRun.

    `epsilon` is the value that is held by hand at first; None leaves ε to its schedule. `changes` are fields of the
    preset "dqn-cartpole".
    """
    return EpsilonRun(preset("dqn-cartpole", **changes), total_steps, epsilon)
