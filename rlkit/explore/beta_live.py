"""β on a running PPO agent: moved by the lecture's rule, or by the reader."""

import math

import numpy as np

from rlkit.explore.controls import accepted, log_slider, switch, when_held
from rlkit.explore.traces import TracedRun
from rlkit.language import say
from rlkit.plotting import BLUE, GREEN, SKY, picture
from rlkit.presets import preset

NARROW, WIDE = (2e-3, 2e1), (5e-5, 2e2)  # the axis of β: where the rule keeps it, and as far as the slider goes


class BetaRun(TracedRun):
    """A run whose β can be held by hand. Below the curve: the KL of each iteration in its band, and β."""

    def __init__(self, agent, total_steps, beta=None):
        figure, (left, right) = picture(2, width=9, height=3.6)
        low, high = np.clip([agent.kl_min, agent.kl_max], 1e-9, 1e9)  # kl_max may be infinite
        band = dict(facecolor=(SKY, 0.3), edgecolor=SKY, label=r"KL$_{\min}$ to KL$_{\max}$")
        left.axhspan(low, high, **band)
        left.set(xlabel="agent steps", ylabel="KL, nats", yscale="log", ylim=(1e-4, 3))
        figure.legend(loc="outside upper left", fontsize=11)  # in the left axes the KL would run through it
        right.set(xlabel="agent steps", ylabel="β", yscale="log", ylim=NARROW)
        lines = left.plot([], [], color=BLUE) + right.plot([], [], color=GREEN)
        self.by_hand, self.price = switch("hold β by hand"), log_slider("β, price of KL", agent.beta, -4, 2)
        if beta is not None:
            self.price.value, self.by_hand.value = accepted("beta", self.price, beta), True
            agent.beta = self.price.value
        when_held(self.by_hand, self.price, self.hold)
        super().__init__(agent, total_steps, figure, lines, controls=[self.by_hand, self.price])

    def hold(self):
        """Hold β where the slider is, or let the rule move it."""
        self.put_back()
        self.tell()

    def put_back(self):
        """β as it is held by hand: the rule moves it after each iteration."""
        if self.by_hand.value:
            self.agent.beta = self.price.value

    def begin_again(self):
        super().begin_again()
        self.put_back()

    def read(self, progress):
        self.put_back()
        if not NARROW[0] < self.agent.beta < NARROW[1]:
            self.lines[1].axes.set_ylim(*WIDE)
        return progress.metrics["kl"], self.agent.beta

    def words(self):
        band = say("KL is to stay between {low:.4f} and {high:.4f}.", low=self.agent.kl_min, high=self.agent.kl_max)
        if self.numbers is None:
            return f"{super().words()} {band}"
        kl, acted = self.numbers
        now = say("KL {kl:.3g}, β = {acted:.3g}.", kl=kl, acted=acted)
        text = f"{super().words()} {now} {band}"
        if self.by_hand.value and not math.isclose(self.price.value, acted):
            text += " " + say("β = {price:.3g} {since}.", price=self.price.value, since=self.since_when())
        return text


def beta_live(total_steps=math.inf, beta=None, **changes):
    """PPO with the adaptive KL penalty on CartPole-v1, learning in the background until it is stopped -> BetaRun.

    `beta` is the value that is held by hand at first; None leaves β to the rule. `changes` are fields of the preset
    "ppo-kl-cartpole".
    """
    agent = preset("ppo-kl-cartpole", **changes)
    if agent.variant != "adaptive_kl":
        raise ValueError(f"variant={agent.variant!r} has no β; leave it off, or take explore.clip_live.")
    return BetaRun(agent, total_steps, beta)
