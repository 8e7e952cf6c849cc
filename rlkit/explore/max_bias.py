"""How much too high is the maximum of noisy estimates, and how much does a second opinion help?"""

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import slider
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import count, number, say
from rlkit.plotting import BLUE, GREEN, GREY, RED, SKY, picture

NAMES = ["single", "lagged\ncopy", "Double,\nat ρ", "independent"]
COLOURS = [BLUE, SKY, RED, GREEN]
LIMITS = (0.5, 1.0, 2.0, 4.0)  # of the axis of the bars


def biases(actions, noise, correlation, seed, worlds=4_000):
    """The bias of four ways to estimate the value of the best action, and its standard error -> `[4]`, `[4]`.

    Every action's true value is 0, and estimates have errors of standard deviation `noise`. Single: the same estimates
    select and evaluate. Lagged copy: an older network does both. Double: the second opinion evaluates, and its errors
    have this `correlation` with the first one's. Independent: the same with correlation 0.
    """
    rng = np.random.default_rng(seed)
    online, lagged, fresh = rng.standard_normal((3, worlds, actions), dtype=np.float32) * noise
    second = correlation * online + np.sqrt(1 - correlation**2) * fresh
    seen = [F.max_q(online), F.max_q(lagged), F.double_q(online, second), F.double_q(online, fresh)]
    seen = np.array([values.numpy() for values in seen])
    return seen.mean(1), seen.std(1) / np.sqrt(worlds)


def reach(ax, most):
    """Let the axis of the bars hold the highest one, and a number over it."""
    top = min(limit for limit in LIMITS if limit > 1.12 * most)
    ax.set_ylim(-0.08 * top, top)


def max_bias(**settings):
    """The bias of a maximum of noisy estimates, with and without a second opinion -> Explorer.

    Its controls are the number of actions, the noise, the correlation of the second opinion and the seed.
    """
    figure, (ax, curve) = picture(2, width=10, width_ratios=[1.1, 1])
    bars = ax.bar(NAMES, np.zeros(4), color=COLOURS)
    ax.set(ylabel="bias of the value of the best action")
    ax.locator_params(axis="y", nbins=5)  # few labels, because text is what costs time
    ax.axhline(0, color=GREY, linewidth=1)
    labels = [ax.text(i, 0, "", ha="center", va="bottom") for i in range(4)]
    grid = np.array([1, 2, 3, 5, 8, 10, 15, 20, 30, 50])
    curve.set(xlabel="number of actions", ylabel="bias, in units of the noise", xscale="log", ylim=(-0.1, 2.4))
    curve.set_xticks([1, 2, 5, 10, 20, 50], labels=["1", "2", "5", "10", "20", "50"])
    curve.minorticks_off()
    expected = np.array([np.random.default_rng(0).standard_normal((4_000, n)).max(1).mean() for n in grid])
    curve.plot(grid, expected, "o-", color=BLUE, label="single")
    (line,) = curve.plot(grid, expected, "s--", color=RED, label="Double, at this ρ")
    here = curve.axvline(10, color=GREY, linewidth=1)
    figure.legend(loc="outside upper right", ncols=2)
    reach(ax, 0.1)  # its ticks are the widest
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out here, so that the axes do not depend on the first bars

    def draw(actions, noise, correlation, seed):
        mean, error = biases(actions, noise, correlation, seed)
        for bar, label, height in zip(bars, labels, mean):
            bar.set_height(height)
            label.set_position((bar.get_x() + bar.get_width() / 2, max(height, 0)))
            label.set_text(number(height, ".2f"))
        reach(ax, mean.max())
        line.set_ydata(correlation * expected)
        here.set_xdata([actions, actions])
        setting = count(
            actions, "{n} action, noise {noise:.1f}, ρ = {rho:.2f}.", "{n} actions, noise {noise:.1f}, ρ = {rho:.2f}.",
            noise=noise, rho=correlation,
        )  # fmt: skip
        measured = say(
            "Bias: single {a:.2f} ± {da:.2f}, lagged copy {b:.2f} ± {db:.2f}, Double DQN {c:.2f} ± {dc:.2f}, "
            "independent {d:.2f} ± {dd:.2f}.",
            **dict(zip("abcd", mean)), **dict(zip(("da", "db", "dc", "dd"), error)),
        )  # fmt: skip
        return f"{setting} {measured}"

    def through(n, bias):
        single = np.interp(n, grid, expected)
        return {"correlation": bias / single} if single > 0.1 else {}

    return Explorer(
        "max_bias",
        settings,
        figure,
        draw,
        ghosts=[line],
        grips=[Grip(curve, x="actions", at=through)],
        actions=slider("|A|, actions", 10, 1, 50, 1),
        noise=slider("σ, noise", 1.0, 0.0, 1.5, 0.1),
        correlation=slider("ρ, correlation", 0.9, 0.0, 1.0, 0.05),
        seed=slider("seed", 0, 0, 20, 1),
    )
