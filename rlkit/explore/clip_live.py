"""ε on a running PPO agent: it learns in the background, and the slider decides how far one batch may take it."""

import math

from rlkit.explore.controls import accepted, slider
from rlkit.explore.traces import TracedRun
from rlkit.language import say
from rlkit.plotting import BLUE, ORANGE, picture
from rlkit.presets import preset


class ClipRun(TracedRun):
    """A run with a slider for ε. Below the curve: the share of ratios outside 1 ± ε and the KL, of each iteration."""

    def __init__(self, agent, total_steps):
        figure, (left, right) = picture(2, width=9, height=2.6)
        left.set(xlabel="agent steps", ylabel="ratios outside 1 ± ε", ylim=(0, 1))
        right.set(xlabel="agent steps", ylabel="KL, nats", yscale="log", ylim=(1e-4, 3))
        lines = left.plot([], [], color=BLUE) + right.plot([], [], color=ORANGE)
        self.clip = slider("ε, clip eps", 0.2, 0.02, 1.0, 0.02)
        self.clip.value = accepted("clip_coef", self.clip, agent.clip_coef)
        self.clip.observe(lambda change: self.move_clip(), "value")
        super().__init__(agent, total_steps, figure, lines, controls=[self.clip])

    def move_clip(self):
        """Give the agent the slider's ε. It acts at once, because the agent reads it at every update."""
        self.agent.clip_coef = self.clip.value
        self.tell()

    def read(self, progress):
        return progress.metrics["clip_fraction"], progress.metrics["kl"], self.agent.clip_coef

    def words(self):
        text, now = super().words(), self.agent.clip_coef
        if self.numbers is None:
            return text + " " + say("ε = {now:.2f}.", now=now)
        share, kl, acted = self.numbers
        text += " " + say("ε = {acted:.2f}: {share:.0%} of the ratios outside, KL {kl:.4f}.",
                          acted=acted, share=share, kl=kl)  # fmt: skip
        if not math.isclose(acted, now):
            text += " " + say("ε = {now:.2f} {since}.", now=now, since=self.since_when())
        return text


def clip_live(total_steps=math.inf, **changes):
    """PPO with clipping on CartPole-v1 under a slider for ε, learning in the background until stopped -> ClipRun.

    `changes` are fields of the preset "ppo-cartpole"; `clip_coef` is where the slider starts.
    """
    return ClipRun(preset("ppo-cartpole", **changes), total_steps)
