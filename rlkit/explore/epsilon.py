"""ε on a running agent: it learns in the background, and the slider decides how much it tries."""

import numpy as np

from rlkit import functional as F
from rlkit.explore.panel import slider, switch
from rlkit.plotting import BLUE, GREY, Moving, picture
from rlkit.plotting.live import Run, describe, frame
from rlkit.presets import preset


class EpsilonRun(Run):
    """A run whose ε can be held by hand; beside the curve, the policy in the state that is seen now."""

    def __init__(self, agent, total_steps):
        self.policy, ax = picture(width=9, height=2.2)
        self.bars = ax.bar(np.arange(agent.num_actions), np.zeros(agent.num_actions), color=BLUE, width=0.5)
        ax.set(ylim=(0, 1.05), ylabel="π(a|s)", xlabel="action", xticks=range(agent.num_actions))
        ax.axhline(1 / agent.num_actions, color=GREY, linewidth=1)
        self.policy_picture = Moving(self.policy)
        self.policy_image = frame()
        self.by_hand = switch("hold ε by hand")
        self.slider = slider("ε, random actions", 0.1, 0.0, 1.0, 0.01)
        for control in (self.by_hand, self.slider):
            control.observe(lambda change: self.hold(), "value")
        super().__init__(agent, total_steps, controls=[self.by_hand, self.slider])
        self.children = [*self.children, self.policy_image]

    def hold(self):
        """The slider acts at once: the agent asks for ε before every action."""
        self.agent.epsilon = self.slider.value if self.by_hand.value else None
        self.draw()

    def draw(self):
        super().draw()
        epsilon = self.agent.current_epsilon()
        for bar, p in zip(self.bars, F.epsilon_greedy(self.agent.q_values(self.agent.envs.obs[:1]), epsilon)[0]):
            bar.set_height(p)
        self.policy_image.value = self.policy_picture.png()
        self.say(f"{describe(self.result)}; ε = {epsilon:.2f}")


def epsilon(total_steps=60_000, **changes):
    """Double DQN on CartPole-v1, learning in the background under a slider for ε."""
    return EpsilonRun(preset("dqn-cartpole", **changes), total_steps)
