"""Where PPO2's gradient is alive and where it is dead, for one sample and for a minibatch."""

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.stored import stored
from rlkit.explore.panel import Explorer, slider, switch
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

RATIOS = np.linspace(0, 2.5, 126)


def objective(ratio, advantages, clip_coef, minimum):
    """The clipped surrogate, or without the `minimum` clip(r, 1 - ε, 1 + ε) A alone: the slide's second line."""
    if minimum:
        return F.clipped_surrogate(ratio, advantages, clip_coef)
    return F.surrogate(ratio.clip(1 - clip_coef, 1 + clip_coef), advantages)


def slope(ratio, advantages, clip_coef, minimum):
    """Its derivative with respect to each ratio, by autograd: NumPy arrays `[B]` -> `[B]`."""
    r = torch.tensor(ratio, requires_grad=True)
    total = objective(r, torch.as_tensor(advantages), clip_coef, minimum).sum()
    return torch.autograd.grad(total, r)[0].numpy()


def shares(ratio, advantages, clip_coef, minimum):
    """Of all samples, those without a gradient: already moved as their advantage asks, or the wrong way."""
    dead = slope(ratio, advantages, clip_coef, minimum) == 0
    as_asked = (ratio - 1) * advantages > 0
    return (dead & as_asked).mean(), (dead & ~as_asked & (advantages != 0)).mean()


def clip_epsilon():
    """The surrogate for A = 1 and A = -1, and a real minibatch over ten epochs of reuse, by ε, with and without min."""
    data, _ = stored("minibatch")
    advantages, ratios = np.array(data["advantages"]), np.array(data["ratios"])
    figure, (plus, minus, cloud) = picture(3, width=11.5, height=4.5, width_ratios=[1, 1, 1.5])
    curves, marks, limits = [], [], []
    for ax, sign in ((plus, 1), (minus, -1)):
        ax.plot(RATIOS, sign * RATIOS, ":", color=GREY, label="r A")
        curves += ax.plot(RATIOS, RATIOS, color=BLUE, linewidth=3, label="objective")
        marks += ax.plot([], [], "|", color=RED, markersize=12, label="slope 0")
        ax.set(xlabel="ratio r", title=f"A = {sign:+d}", xlim=(0, 2.5), ylim=(0, 2.6) if sign > 0 else (-2.6, 0))
    plus.set_ylabel("objective of one sample")
    (alive,) = cloud.plot([], [], "o", color=BLUE, markersize=4, label="alive")
    (dead,) = cloud.plot([], [], "x", color=GREY, markersize=6, label="no gradient")
    cloud.set(xlabel="ratio r", ylabel="advantage A", xlim=(0, 2.5), ylim=(-4.2, 2.2), title="a minibatch of CartPole")
    cloud.axhline(0, color=BLACK, linewidth=0.8)
    for ax in (plus, minus, cloud):
        ax.axvline(1, color=BLACK, linewidth=0.8)
        limits += [ax.axvline(1, color=ORANGE, linestyle="--", linewidth=1.5, label="1 ± ε") for _ in range(2)]
    figure.legend(handles=[*plus.lines[:3], limits[0], alive, dead], loc="outside upper center", ncols=6)

    def draw(clip_coef, minimum, epoch):
        for sign, curve, mark in zip((1.0, -1.0), curves, marks):
            A = np.full(len(RATIOS), sign)
            values = objective(torch.as_tensor(RATIOS), torch.as_tensor(A), clip_coef, minimum).numpy()
            flat = slope(RATIOS, A, clip_coef, minimum) == 0
            curve.set_ydata(values)
            mark.set_data(RATIOS[flat][::4], values[flat][::4])
        for i, line in enumerate(limits):
            line.set_xdata([1 + (-1) ** i * clip_coef] * 2)
        r = ratios[epoch]
        flat = slope(r, advantages, clip_coef, minimum) == 0
        shown = r.clip(max=2.47)
        alive.set_data(shown[~flat], advantages[~flat])
        dead.set_data(shown[flat], advantages[flat])
        asked, wrong = shares(r, advantages, clip_coef, minimum)
        other = sum(shares(r, advantages, clip_coef, not minimum))
        this, that = ("with", "Without") if minimum else ("without", "With")
        return (
            f"ε = {clip_coef:.2f}, after {epoch} epochs, {this} the min: {asked + wrong:.0%} of the samples have no "
            f"gradient. {asked:.0%} have moved far enough, as their advantage asks; {wrong:.0%} have moved the wrong "
            f"way and cannot come back. {that} the min {other:.0%} would have no gradient."
        )

    return Explorer(
        figure,
        draw,
        clip_coef=slider("ε, clip eps", 0.2, 0.05, 0.5, 0.05),
        minimum=switch("min, keep the smaller one", True),
        epoch=slider("k, epochs of reuse", 4, 0, len(ratios) - 1, 1),
    )
