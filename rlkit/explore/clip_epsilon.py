"""Where the gradient of PPO's clipped surrogate is 0, for one sample and for a minibatch."""

import numpy as np
import torch

from rlkit import functional as F
from rlkit.experiments.stored import stored
from rlkit.explore.controls import slider, switch
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import count, number, say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

EDGE = 2.5  # the largest ratio that is drawn in its place
RATIOS = np.linspace(0, EDGE, 126)


# Model ----------------------------------------------------------------------------------------------------------------


def objective(ratio, advantages, clip_coef, minimum):
    """The clipped surrogate; without its `minimum`, clip(r, 1 - ε, 1 + ε) A alone. Tensors `[B]` -> `[B]`."""
    if minimum:
        return F.clipped_surrogate(ratio, advantages, clip_coef)
    return F.surrogate(ratio.clip(1 - clip_coef, 1 + clip_coef), advantages)


def slope(ratio, advantages, clip_coef, minimum):
    """The derivative of the objective with respect to each ratio, by autograd: NumPy arrays `[B]` -> `[B]`."""
    r = torch.tensor(ratio, requires_grad=True)
    total = objective(r, torch.as_tensor(advantages), clip_coef, minimum).sum()
    return torch.autograd.grad(total, r)[0].numpy()


def shares(ratio, advantages, clip_coef, minimum):
    """The shares of samples without a gradient -> two numbers: moved as their advantage asks, moved the wrong way."""
    dead = slope(ratio, advantages, clip_coef, minimum) == 0
    as_asked = (ratio - 1) * advantages > 0
    return (dead & as_asked).mean(), (dead & ~as_asked & (advantages != 0)).mean()


# Picture --------------------------------------------------------------------------------------------------------------


class ClipPicture:
    """The surrogate for A = 1 and for A = -1, and a minibatch: which samples have a gradient."""

    def __init__(self):
        self.figure, self.axes = picture(3, width=11.5, height=4.6, width_ratios=[1, 1, 1.5])
        plus, minus, cloud = self.axes
        self.curves, self.marks, self.limits = [], [], []
        for ax, sign in ((plus, 1), (minus, -1)):
            ax.plot(RATIOS, sign * RATIOS, ":", color=GREY, label="r A")
            self.curves += ax.plot(RATIOS, RATIOS, color=BLUE, linewidth=3, label="objective")
            self.marks += ax.plot([], [], "|", color=RED, markersize=12, label="slope 0")
            ax.set(xlabel="ratio r", xlim=(0, EDGE), ylim=(0, 2.6) if sign > 0 else (-2.6, 0))
            ax.set_title(f"A = {number(sign, '+d')}")
        plus.set_ylabel("objective of one sample")
        (self.alive,) = cloud.plot([], [], "o", color=BLUE, markersize=4, label="alive")
        (self.dead,) = cloud.plot([], [], "x", color=GREY, markersize=6, label="no gradient")
        (self.far,) = cloud.plot([], [], ">", color=BLUE, markersize=8, clip_on=False, zorder=3)
        (self.far_dead,) = cloud.plot([], [], ">", color=GREY, markersize=8, clip_on=False, zorder=3)
        for far in (self.far, self.far_dead):
            far.set_in_layout(False)  # half of a triangle lies outside the axes
        cloud.set(xlabel="ratio r", ylabel="advantage A", xlim=(0, EDGE), ylim=(-4.2, 2.2))
        cloud.axhline(0, color=BLACK, linewidth=0.8)
        for ax in self.axes:
            ax.axvline(1, color=BLACK, linewidth=0.8)
            limit = dict(color=ORANGE, linestyle="--", linewidth=1.5, label="1 ± ε")
            self.limits.append((ax.axvline(1, **limit), ax.axvline(1, **limit)))
        handles = [*plus.lines[:3], self.limits[0][0], self.alive, self.dead]
        self.figure.legend(handles=handles, loc="outside upper center", ncols=6)

    def draw_objective(self, clip_coef, minimum):
        """The objective over the ratio for both signs of A, its flat parts, and the limits 1 ± ε."""
        for sign, curve, mark in zip((1.0, -1.0), self.curves, self.marks):
            A = np.full(len(RATIOS), sign)
            values = objective(torch.as_tensor(RATIOS), torch.as_tensor(A), clip_coef, minimum).numpy()
            flat = slope(RATIOS, A, clip_coef, minimum) == 0
            curve.set_ydata(values)
            mark.set_data(RATIOS[flat][::4], values[flat][::4])
        for above, below in self.limits:
            above.set_xdata([1 + clip_coef] * 2)
            below.set_xdata([1 - clip_coef] * 2)

    def draw_samples(self, ratio, advantages, flat):
        """The samples of a minibatch `[B]`; those in `flat` have no gradient. A triangle at the edge lies beyond it."""
        beyond = ratio > EDGE
        for near, far, kind in ((self.alive, self.far, ~flat), (self.dead, self.far_dead, flat)):
            near.set_data(ratio[kind & ~beyond], advantages[kind & ~beyond])
            far.set_data(np.full((kind & beyond).sum(), EDGE), advantages[kind & beyond])
        further = f"; ▶ {beyond.sum()} beyond {EDGE}" if beyond.any() else ""
        self.axes[-1].set_title(f"a minibatch of CartPole{further}")


# Explorer -------------------------------------------------------------------------------------------------------------


def clip_epsilon(**settings):
    """Where PPO's clipped surrogate has a gradient: for one sample, and for a minibatch of CartPole -> Explorer.

    Its controls are ε, the `min` of the objective, on or off, and the number of epochs on the minibatch.
    """
    data, _ = stored("minibatch")
    advantages, ratios = np.array(data["advantages"]), np.array(data["ratios"])  # [B], [epochs, B]
    picture = ClipPicture()

    def draw(clip_coef, minimum, epoch):
        ratio = ratios[epoch]
        picture.draw_objective(clip_coef, minimum)
        picture.draw_samples(ratio, advantages, slope(ratio, advantages, clip_coef, minimum) == 0)
        return words(clip_coef, minimum, epoch, *shares(ratio, advantages, clip_coef, minimum))

    return Explorer(
        "clip_epsilon",
        settings,
        picture.figure,
        draw,
        grips=[Grip(ax, at=lambda ratio, y: {"clip_coef": abs(ratio - 1)}) for ax in picture.axes],
        ghosts=picture.curves,
        plays="epoch",
        clip_coef=slider("ε, clip eps", 0.2, 0.05, 0.5, 0.05),
        minimum=switch("min, keep the smaller one", True),
        epoch=slider("k, epochs of reuse", 4, 0, len(ratios) - 1, 1),
    )


def words(clip_coef, minimum, epoch, asked, wrong):
    """The line of text: the shares of samples without a gradient, moved as asked and moved the wrong way."""
    setting = say(
        "ε = {clip_coef:.2f}, with the min." if minimum else "ε = {clip_coef:.2f}, without the min.",
        clip_coef=clip_coef,
    )
    dead = count(
        epoch,
        "After {n} epoch {dead:.0%} of the samples have no gradient.",
        "After {n} epochs {dead:.0%} of the samples have no gradient.",
        dead=asked + wrong,
    )
    kinds = say(
        "{asked:.0%} have moved far enough, as their advantage asks; {wrong:.0%} have moved the wrong way, with no "
        "gradient to pull them back.",
        asked=asked,
        wrong=wrong,
    )
    return f"{setting} {dead} {kinds}"
