"""Two states, one weight, no noise, true values of 0, and yet the semi-gradient diverges."""

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import SUPERSCRIPTS, say
from rlkit.plotting import GREEN, GREY, look, picture

PHI, PHI_NEXT = 1.0, 2.0  # v(s1) = w, v(s2) = 2w, and every sample is s1 -> s2 with reward 0
LIMITS = (8, 24, 64)  # of the axis of |w|, as powers of ten


def semi_gradient_run(gamma, learning_rate, updates):
    """w after each update if the derivative holds the target constant, though it moves with w: `[updates + 1]`."""
    return run(lambda w, frozen: F.semi_gradient(gamma * PHI_NEXT * w - PHI * w, PHI), learning_rate, updates, 1)


def residual_run(gamma, learning_rate, updates):
    """w after each update if the whole squared error is differentiated: `[updates + 1]`."""
    return run(
        lambda w, frozen: F.residual_gradient(gamma * PHI_NEXT * w - PHI * w, PHI, PHI_NEXT, gamma),
        learning_rate,
        updates,
        1,
    )


def target_network_run(gamma, learning_rate, updates, period):
    """w after each update if the target comes from a copy w_T, renewed every `period` updates: `[updates + 1]`."""
    return run(
        lambda w, frozen: F.semi_gradient(gamma * PHI_NEXT * frozen - PHI * w, PHI), learning_rate, updates, period
    )


def run(direction, learning_rate, updates, period):
    """w after each update along `direction(w, w_T)`, from w = 1: `[updates + 1]`."""
    history = np.empty(updates + 1)
    history[0] = w = frozen = 1.0
    for k in range(1, updates + 1):
        w = w + learning_rate * direction(w, frozen)
        if k % period == 0:
            frozen = w
        history[k] = w
    return history


def discount_through(k, size, learning_rate):
    """The γ with which the semi-gradient's |w| is `size` after k updates. It may be one that no discount can have."""
    return ((size ** (1 / max(k, 1.0)) - 1) / learning_rate + 1) / 2


def rate_through(k, size, gamma):
    """The α with which the residual gradient's |w| is `size` after k updates. It may be below 0."""
    return (1 - size ** (1 / max(k, 1.0))) / max((2 * gamma - 1) ** 2, 1e-6)


def reach(ax, ends):
    """Let the axis of |w| hold where the lines end."""
    power = next(limit for limit in LIMITS if limit > np.abs(np.log10(ends)).max())
    ticks = np.linspace(-power, power, 5)
    ax.set_yticks(10.0**ticks, [power_of_ten(tick) for tick in ticks])
    ax.set_ylim(10.0**-power, 10.0**power)


def power_of_ten(exponent):
    """A tick of the axis of |w|: 10⁻⁸, 1, 10⁸."""
    return f"10{str(int(exponent)).translate(SUPERSCRIPTS)}" if exponent else "1"


def two_states(**settings):
    """|w| over updates for the semi-gradient, the residual gradient and a target network, by γ, α and the period."""
    figure, ax = picture(width=9)
    updates = 200
    x = np.arange(updates + 1)
    (semi,) = ax.plot(x, np.ones_like(x), **look("semi-gradient"))
    (residual,) = ax.plot(x, np.ones_like(x), **look("residual gradient"))
    (target,) = ax.plot(x, np.ones_like(x), color=GREEN, linestyle="-.", label="semi-gradient, target network")
    ax.axhline(1.0, color=GREY, linewidth=1)
    ax.set(xlabel="updates", ylabel="|w|  (the true value is 0)", yscale="log")
    ax.tick_params(axis="y", labelsize=13)  # exponents are smaller than that
    ax.minorticks_off()
    figure.legend(loc="outside upper center", ncols=3)
    reach(ax, [1e-30])  # its ticks are the widest
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out here, so that the axes do not depend on the first lines

    def draw(gamma, learning_rate, period):
        runs = {
            semi: semi_gradient_run(gamma, learning_rate, updates),
            residual: residual_run(gamma, learning_rate, updates),
            target: target_network_run(gamma, learning_rate, updates, period),
        }
        for line, history in runs.items():
            line.set_ydata(np.abs(history))
        ends = [abs(history[-1]) for history in runs.values()]
        reach(ax, ends)
        return say(
            "Each semi-gradient update multiplies w by 1 + α(2γ − 1) = {factor:.3f}. |w| at the end: semi-gradient "
            "{semi:.2g}, residual gradient {residual:.2g}, semi-gradient with a target network {target:.2g}.",
            factor=F.copy_factor(learning_rate, gamma, period=1), semi=ends[0], residual=ends[1], target=ends[2],
        )  # fmt: skip

    def bend_semi(k, size):
        return {"gamma": discount_through(k, size, explorer.values()["learning_rate"])}

    def bend_residual(k, size):
        return {"learning_rate": rate_through(k, size, explorer.values()["gamma"])}

    explorer = Explorer(
        "two_states",
        settings,
        figure,
        draw,
        ghosts=[semi, residual, target],
        grips=[Grip(ax, at=bend_semi, line=semi), Grip(ax, at=bend_residual, line=residual)],
        gamma=slider("γ, discount", 0.9, 0.0, 0.99, 0.01),
        learning_rate=slider("α, learning rate", 0.1, 0.01, 0.5, 0.01),
        period=steps("C, updates between copies", 20, [1, 5, 10, 20, 50, 100]),
    )
    return explorer
