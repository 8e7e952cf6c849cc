"""The objective with a KL penalty, along a line: what a batch estimates, what is true, where the penalty stops it."""

from functools import lru_cache

import numpy as np
import torch

from rlkit import functional as F
from rlkit.explore.controls import log_slider, slider, steps
from rlkit.explore.panel import Explorer
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
    return F.surrogate(ratio(moved), advantages).mean(-1), kl, true_J


def beta(**settings):
    """J, -β KL and their sum along a step, and the KL at the maximiser for every β -> Explorer.

    Its controls are β, the number of samples, their noise and the seed.
    """
    figure, (ax, aim) = picture(2, width=11, height=4.6, width_ratios=[1.4, 1])
    (estimate,) = ax.plot(LINE, LINE, "-.", color=ORANGE, label="J, estimated")
    (truth,) = ax.plot(LINE, LINE, "--", color=BLACK, label="J, the truth")
    (price,) = ax.plot(LINE, LINE, ":", color=RED, label="-β KL")
    (total,) = ax.plot(LINE, LINE, color=BLUE, linewidth=3, label="J - β KL")
    (best,) = ax.plot([0], [0], "D", color=BLUE, markersize=10, label="its maximiser")
    ax.axhline(0, color=GREY, linewidth=1)
    ax.set(xlabel="length of the step along the gradient", ylabel="objective", xlim=(0, 16), ylim=(-1.2, 1.2))
    aim.axhspan(KL_MIN, KL_MAX, facecolor=(SKY, 0.3), edgecolor=SKY, label="KL_min to KL_max")
    (reached,) = aim.plot(BETAS, BETAS, color=BLUE)
    (here,) = aim.plot([1], [1], "D", color=BLUE, markersize=10)
    aim.set(xlabel="β", ylabel="KL at the maximiser, nats", xscale="log", yscale="log", ylim=(1e-4, 10))
    figure.legend(loc="outside upper center", ncols=6)  # the figure's: drawn once, away from all curves

    def draw(kl_coef, samples, noise, seed):
        J, kl, true_J = along_the_line(samples, noise, seed)
        penalised = F.kl_penalized_surrogate(1.0, J, kl, kl_coef)  # the penalty is linear, so the means give the mean
        top = int(penalised.argmax())
        for line, values in ((estimate, J), (truth, true_J), (price, -kl_coef * kl), (total, penalised)):
            line.set_ydata(values.numpy())
        best.set_data([LINE[top]], [penalised[top]])
        tops = F.kl_penalized_surrogate(1.0, J, kl, torch.from_numpy(BETAS)[:, None]).argmax(-1)
        reached.set_ydata(kl[tops].clip(1e-4))
        here.set_data([kl_coef], [max(kl[top].item(), 1e-4)])
        then = F.adapt_kl_coef(kl_coef, kl[top].item(), KL_MIN, KL_MAX)
        move = "would double" if then > kl_coef else "would be halved" if then < kl_coef else "would stay"
        return (
            f"β = {kl_coef:.3g}: the maximiser is at {LINE[top]:.1f}, KL {kl[top]:.4f}. There the batch promises "
            f"{J[top]:.2f} and the truth is {true_J[top]:+.2f}; the best of the truth is {true_J.max():.2f}, at "
            f"{LINE[true_J.argmax()]:.1f}. By the rule β {move}."
        )

    return Explorer(
        "beta",
        settings,
        figure,
        draw,
        kl_coef=log_slider("β, price of KL", 0.1, -2, 1.25),
        samples=steps("n, samples", 100, [30, 100, 300, 1000]),
        noise=slider("σ, noise of A", 2.0, 0.0, 5.0, 0.5),
        seed=slider("seed", 0, 0, 20, 1),
    )
