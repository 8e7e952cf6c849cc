"""ε on a running agent: it learns in the background, and the slider decides how often it explores."""

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import slider, switch
from rlkit.explore.traces import RunWithPicture
from rlkit.plotting import BLUE, GREY, picture
from rlkit.plotting.curve import describe
from rlkit.presets import preset


class EpsilonRun(RunWithPicture):
    """A run whose ε can be held by hand. Below the curve: the policy in the state that the agent sees now."""

    def __init__(self, agent, total_steps):
        actions = range(agent.num_actions)
        figure, ax = picture(width=9, height=2.2)
        self.bars = ax.bar(actions, np.zeros(len(actions)), color=BLUE, width=0.5)
        ax.set(ylim=(0, 1.05), ylabel="π(a|s)", xlabel="action", xticks=actions)
        ax.axhline(1 / len(actions), color=GREY, linewidth=1)
        self.by_hand = switch("hold ε by hand")
        self.slider = slider("ε, random actions", 0.1, 0.0, 1.0, 0.01)
        for control in (self.by_hand, self.slider):
            control.observe(lambda change: self.hold(), "value")
        super().__init__(agent, total_steps, figure, controls=[self.by_hand, self.slider])

    def hold(self):
        """Hold ε where the slider is, or let the schedule move it. It acts at once: the agent reads ε at every step."""
        self.agent.epsilon = self.slider.value if self.by_hand.value else None
        self.refresh()

    def move(self):
        q_values = self.agent.q_values(self.agent.envs.obs[:1])
        for bar, p in zip(self.bars, F.epsilon_greedy(q_values, self.agent.current_epsilon())[0]):
            bar.set_height(p)

    def words(self):
        return f"{describe(self.result)}; ε = {self.agent.current_epsilon():.2f}"


def epsilon(total_steps=60_000, **changes):
    """Double DQN on CartPole-v1 for `total_steps`, learning in the background under a slider for ε -> EpsilonRun.

    `changes` are fields of the preset "dqn-cartpole".
    """
    return EpsilonRun(preset("dqn-cartpole", **changes), total_steps)
