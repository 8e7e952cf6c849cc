"""ε on a running PPO agent: it learns in the background, and the slider decides how far one batch may take it."""

import math

from rlkit.explore.controls import accepted, slider
from rlkit.explore.traces import TracedRun
from rlkit.language import say
from rlkit.plotting import BLUE, ORANGE, SKY, picture
from rlkit.presets import preset


class ClipRun(TracedRun):
    """A run with a slider for ε. Below it: the shares of samples without a gradient and outside 1 ± ε, and the KL."""

    def __init__(self, agent, total_steps):
        figure, (left, right) = picture(2, width=9, height=3.6)
        left.set(xlabel="agent steps", ylabel="share of the samples", ylim=(0, 1))
        right.set(xlabel="agent steps", ylabel="KL, nats", yscale="log", ylim=(1e-4, 3))
        outside = left.plot([], [], "--", color=SKY, linewidth=1.5, label="outside 1 ± ε")
        dead = left.plot([], [], color=BLUE, label="without gradient")
        left.legend(loc="upper right", fontsize=11)
        right.axhspan(0.02 / 1.5, 0.02 * 1.5, facecolor=(SKY, 0.3), edgecolor=SKY, label="target of the price of KL")
        right.legend(loc="upper right", fontsize=11)
        lines = dead + outside + right.plot([], [], color=ORANGE)
        self.clip = slider("ε, clip eps", 0.2, 0.02, 1.0, 0.02)
        self.clip.value = accepted("clip_coef", self.clip, agent.clip_coef)
        self.clip.observe(lambda change: self.move_clip(), "value")
        super().__init__(agent, total_steps, figure, lines, controls=[self.clip])

    def move_clip(self):
        """Give the agent the slider's ε. It acts at once, because the agent reads it at every update."""
        self.agent.clip_coef = self.clip.value
        self.tell()

    def read(self, progress):
        metrics = progress.metrics
        return metrics["dead_share"], metrics["clip_fraction"], metrics["kl"], self.agent.clip_coef

    def words(self):
        text, now = super().words(), self.agent.clip_coef
        if self.numbers is None:
            return text + " " + say("ε = {now:.2f}.", now=now)
        dead, outside, kl, acted = self.numbers
        text += " " + say(
            "ε = {acted:.2f}: {outside:.0%} of the ratios outside, {dead:.0%} of the samples without a gradient, "
            "KL {kl:.3g}.",
            acted=acted, outside=outside, dead=dead, kl=kl,
        )  # fmt: skip
        if not math.isclose(acted, now):
            text += " " + say("ε = {now:.2f} {since}.", now=now, since=self.since_when())
        return text


def clip_live(total_steps=math.inf, **changes):
    """PPO with clipping on CartPole-v1 under a slider for ε, learning in the background until stopped -> ClipRun.

    `changes` are fields of the preset "ppo-cartpole"; `clip_coef` is where the slider starts.
    """
    agent = preset("ppo-cartpole", **changes)
    if agent.variant != "clip":
        raise ValueError(f"variant={agent.variant!r} clips nothing; leave it off, or take explore.beta_live.")
    return ClipRun(agent, total_steps)
