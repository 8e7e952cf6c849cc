"""The objective with a KL penalty, along a line: what a batch estimates, what is true, where the penalty stops it."""

from functools import lru_cache

import numpy as np
import torch

from rlkit import functional as F
from rlkit.explore.controls import allowed, log_slider, slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, SKY, picture

STATES = 40
LINE = torch.linspace(0, 16, 81)
BETAS = np.geomspace(0.01, 30, 40)
KL_MIN, KL_MAX = 0.02 / 1.5, 0.02 * 1.5


@lru_cache(maxsize=30)
def along_the_line(samples, noise, seed):
    """J estimated from `samples` noisy advantages, the KL and the true J, at the steps of LINE -> three tensors `[81]`.

    The policy is Gaussian with σ = 1. It has one mean for each of 40 states, which are visited equally often. The true
    advantage of an action falls with its squared distance from a target near the mean. A sample's advantage has `noise`
    on top, in units of the true advantages' standard deviation. The line goes along the gradient of the estimated J.
    Both J are counted from their value at the beginning of the line.
    """
    rng = torch.Generator().manual_seed(seed)
    target = torch.randn(STATES, generator=rng)  # the means are at 0
    states = torch.randint(STATES, (samples,), generator=rng)
    actions = torch.randn(samples, 1, generator=rng)
    value = lambda mean, target: -0.5 * ((mean - target) ** 2 + 1)  # E[-½ (a - target)^2] for a ~ N(mean, 1)
    truth = -0.5 * (actions[:, 0] - target[states]) ** 2 - value(0.0, target)[states]
    advantages = truth + noise * truth.std() * torch.randn(samples, generator=rng)
    zero, width = torch.zeros(STATES, 1), torch.zeros(STATES, 1)
    old_log_probs = F.gaussian_log_prob(zero[states], width[states], actions)

    def ratio(means):
        return F.ratio(F.gaussian_log_prob(means[..., states, :], width[states], actions), old_log_probs)

    means = zero.clone().requires_grad_()
    direction = torch.autograd.grad(F.surrogate(ratio(means), advantages).mean(), means)[0]
    moved = LINE[:, None, None] * direction / direction.norm()  # [81, S, 1]
    kl = F.gaussian_kl(zero, width, moved, width).mean(-1)
    true_J = (value(moved[..., 0], target) - value(0.0, target)).mean(-1)
    J = F.surrogate(ratio(moved), advantages).mean(-1)
    return J - J[0], kl, true_J


def maximisers(J, kl, betas):
    """Where on LINE the objective J - β KL is largest, for each β: `[81]`, `[81]`, `[B]` -> indices `[B]`."""
    return F.kl_penalized_surrogate(1.0, J, kl, torch.as_tensor(betas)[..., None]).argmax(-1)


# Picture --------------------------------------------------------------------------------------------------------------


class PenaltyPicture:
    """J, -β KL and their sum along a step; the KL at the maximiser for every β."""

    def __init__(self):
        self.figure, (self.objectives, self.aim) = picture(2, width=11, height=4.8, width_ratios=[1.4, 1])
        self.add_objectives(self.objectives)
        self.add_aim(self.aim)
        self.figure.legend(loc="outside upper center", ncols=6)  # the figure's: drawn once, away from all curves

    def add_objectives(self, ax):
        """What a batch estimates, what is true, and where the penalty puts the maximiser."""
        (self.estimate,) = ax.plot(LINE, LINE, "-.", color=ORANGE, label="J, estimated")
        (self.truth,) = ax.plot(LINE, LINE, "--", color=BLACK, label="J, the truth")
        (self.price,) = ax.plot(LINE, LINE, ":", color=RED, label="−β KL")
        (self.total,) = ax.plot(LINE, LINE, color=BLUE, linewidth=3, label="J − β KL")
        (self.best,) = ax.plot([0], [0], "D", color=BLUE, markersize=10, label="its maximiser")
        ax.axhline(0, color=GREY, linewidth=1)
        ax.set(xlabel="length of the step along the gradient", ylabel="objective", xlim=(0, 16), ylim=(-1.2, 1.2))

    def add_aim(self, ax):
        """The KL at the maximiser over β, and the band in which the rule leaves β alone."""
        band = r"$\mathrm{KL}_{\min}$ to $\mathrm{KL}_{\max}$"
        ax.axhspan(KL_MIN, KL_MAX, facecolor=(SKY, 0.3), edgecolor=SKY, label=band)
        (self.reached,) = ax.plot(BETAS, BETAS, color=BLUE)
        (self.here,) = ax.plot([1], [1], "D", color=BLUE, markersize=10)
        self.best_kl = ax.axhline(1, color=BLACK, linestyle="--", linewidth=1.5)  # of the best step
        ax.set(xlabel="β", ylabel="KL at the maximiser, nats", xscale="log", yscale="log", ylim=(1e-4, 10))

    def draw(self, J, kl, true_J, kl_coef):
        """Along LINE, all `[81]`: what a batch estimates, the KL, the truth, at a price β -> the maximiser's index."""
        self.J, self.kl = J, kl
        penalised = F.kl_penalized_surrogate(1.0, J, kl, kl_coef)  # the penalty is linear, so the means give the mean
        top = int(penalised.argmax())
        for line, values in (
            (self.estimate, J), (self.truth, true_J), (self.price, -kl_coef * kl), (self.total, penalised)
        ):  # fmt: skip
            line.set_ydata(values.numpy())
        self.best.set_data([LINE[top]], [penalised[top]])
        self.reached.set_ydata(kl[maximisers(J, kl, BETAS)].clip(1e-4))
        self.here.set_data([kl_coef], [max(kl[top].item(), 1e-4)])
        best = max(kl[true_J.argmax()].item(), 1e-4)  # of the step that the batch does not know
        self.best_kl.set_ydata([best, best])
        return top

    def price_for(self, length, betas):
        """The one of some β whose maximiser is nearest to a length of the step."""
        return betas[(LINE[maximisers(self.J, self.kl, betas)] - length).abs().argmin()]


# Explorer -------------------------------------------------------------------------------------------------------------


def beta(**settings):
    """J, -β KL and their sum along a step, and the KL at the maximiser for every β -> Explorer.

    Its controls are β, the number of samples, their noise and the seed.
    """
    picture = PenaltyPicture()
    price = log_slider("β, price of KL", 0.1, -2, 1.25)

    def draw(kl_coef, samples, noise, seed):
        J, kl, true_J = along_the_line(samples, noise, seed)
        top = picture.draw(J, kl, true_J, kl_coef)
        return words(J, kl, true_J, kl_coef, top)

    return Explorer(
        "beta",
        settings,
        picture.figure,
        draw,
        grips=[
            Grip(picture.objectives, at=lambda x, y: {"kl_coef": picture.price_for(x, allowed(price))}),
            Grip(picture.aim, x="kl_coef"),
        ],
        ghosts=[picture.total, picture.best, picture.reached],
        kl_coef=price,
        samples=steps("n, samples", 100, [30, 100, 300, 1000]),
        noise=slider("σ, noise of A", 2.0, 0.0, 5.0, 0.5),
        seed=slider("seed", 0, 0, 20, 1),
    )


def words(J, kl, true_J, kl_coef, top):
    """The line of text: what a batch promises at its maximiser, number `top` of LINE, and what the rule does with β."""
    place = say(
        "β = {kl_coef:.3g}: the maximiser is at {length:.1f}, KL {kl:.3g}. There the batch promises {promise:+.2f} and "
        "the truth is {truth:+.2f}. The truth is largest at {best_length:.1f}: {best:+.2f}.",
        kl_coef=kl_coef,
        length=LINE[top].item(),
        kl=kl[top].item(),
        promise=J[top].item(),
        truth=true_J[top].item(),
        best=true_J.max().item(),
        best_length=LINE[true_J.argmax()].item(),
    )
    then = F.adapt_kl_coef(kl_coef, kl[top].item(), KL_MIN, KL_MAX)
    if then == kl_coef:
        return f"{place} {say('By the rule β stays.')}"
    return f"{place} {say('By the rule β is doubled.' if then > kl_coef else 'By the rule β is halved.')}"
