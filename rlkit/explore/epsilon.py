"""ε on a running agent: it learns in the background, and the slider decides how often it explores."""

import math

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import accepted, slider, switch, when_held
from rlkit.explore.traces import RunWithPicture
from rlkit.language import say
from rlkit.plotting import BLUE, GREY, picture
from rlkit.presets import preset


class EpsilonRun(RunWithPicture):
    """A run whose ε can be held by hand. Below the curve: the policy in the state that environment 0 is in now."""

    def __init__(self, agent, total_steps, epsilon=None):
        actions = range(agent.num_actions)
        figure, ax = picture(width=9, height=2.2)
        self.bars = ax.bar(actions, np.zeros(len(actions)), color=BLUE, width=0.5)
        ax.set(ylim=(0, 1.05), ylabel="π(a|s)", xlabel="action", xticks=actions)
        ax.axhline(1 / len(actions), color=GREY, linewidth=1)
        self.by_hand = switch("hold ε by hand")
        self.slider = slider("ε, random actions", 0.1, 0.0, 1.0, 0.01)
        if epsilon is not None:
            self.slider.value, self.by_hand.value = accepted("epsilon", self.slider, epsilon), True
            agent.epsilon = self.slider.value
        self.acted = agent.current_epsilon()  # in the last iteration
        when_held(self.by_hand, self.slider, self.hold)
        super().__init__(agent, total_steps, figure, self.trace, controls=[self.by_hand, self.slider])

    def trace(self, progress, result):
        """The watcher that notes which ε has acted."""
        self.acted = progress.metrics["epsilon"]

    def hold(self):
        """Hold ε where the slider is, or let the schedule move it. It acts at once: the agent reads ε at every step."""
        self.agent.epsilon = self.slider.value if self.by_hand.value else None
        self.answer()

    def begin_again(self):
        held = self.agent.epsilon
        super().begin_again()
        self.agent.epsilon = held

    def move(self):
        q_values = self.agent.q_values(self.agent.envs.obs[:1])
        for bar, p in zip(self.bars, F.epsilon_greedy(q_values, self.agent.current_epsilon())[0]):
            bar.set_height(p)

    def words(self):
        epsilon = self.agent.current_epsilon()
        held = say("held by hand") if self.by_hand.value else say("by its schedule")
        if self.working() or math.isclose(epsilon, self.acted):
            changed = say("ε = {epsilon:.2f}, {held}.", epsilon=epsilon, held=held)
        else:
            changed = say("ε was {before:.2f}; it is {epsilon:.2f}, {held}, {since}.",
                          before=self.acted, epsilon=epsilon, held=held, since=self.since_when())  # fmt: skip
        return f"{super().words()} {changed}"


def epsilon(total_steps=math.inf, epsilon=None, **changes):
    """Double DQN on CartPole-v1, learning in the background under a slider for ε until it is stopped -> EpsilonRun.

    `epsilon` is the value that is held by hand at first; None leaves ε to its schedule. `changes` are fields of the
    preset "dqn-cartpole".
    """
    return EpsilonRun(preset("dqn-cartpole", **changes), total_steps, epsilon)
