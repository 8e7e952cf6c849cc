"""How similar are two samples of a minibatch? Consecutive steps, against replay buffers of different sizes."""

from functools import cache

import gymnasium
import numpy as np

from rlkit.explore.controls import slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLUE, GREY, ORANGE, picture

LENGTH = 20_000


@cache
def stream():
    """The pole's angle over 20 000 steps of CartPole, standardised: `[LENGTH]`.

    The policy balances the pole roughly: it pushes to the side that the pole leans and falls to, but one action in five
    is random.
    """
    env = gymnasium.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    angles = np.empty(LENGTH)
    for t in range(LENGTH):
        angles[t] = obs[2]
        action = int(rng.integers(2) if rng.random() < 0.2 else obs[2] + obs[3] > 0)
        obs, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            obs, _ = env.reset()
    return (angles - angles.mean()) / angles.std()


def autocorrelation(values, lags):
    """The correlation of a standardised series with itself, `lags` steps later: `[T]` -> `[lags]`, 1 at lag 0."""
    return np.array([1.0] + [(values[:-lag] * values[lag:]).mean() for lag in range(1, lags)])


def minibatches(values, buffer_size, batch_size, count, rng):
    """Minibatches of a replay buffer `[count, batch_size]`, each at a random moment of the stream."""
    newest = rng.integers(buffer_size, len(values) + 1, size=(count, 1))
    return values[newest - rng.integers(1, buffer_size + 1, size=(count, batch_size))]


def consecutive(values, batch_size, count, rng):
    """Minibatches of the last `batch_size` steps, as online learning has them `[count, batch_size]`."""
    newest = rng.integers(batch_size, len(values) + 1, size=(count, 1))
    return values[newest - np.arange(1, batch_size + 1)]


def effective_size(batches):
    """How many independent samples a minibatch is worth: Var(x) / Var(mean of a batch), where Var(x) is 1 here.

    `[count, batch_size]` -> a number.
    """
    return 1.0 / (batches.mean(1) ** 2).mean()


def replay(**settings):
    """The correlation of samples in the order of learning, and what a minibatch is worth -> Explorer.

    Its controls are the size of the buffer, the size of a batch and the seed.
    """
    figure, (ax, worth) = picture(2, width=10)
    lags, sizes = 60, np.unique(np.geomspace(32, LENGTH, 8).astype(int))
    (online,) = ax.plot(np.zeros(lags), color=ORANGE, label="as they happen")
    (replayed,) = ax.plot(np.zeros(lags), color=BLUE, linestyle="--", label="as replay draws them")
    ax.axhline(0, color=GREY, linewidth=1)
    ax.set(xlabel="samples later", ylabel="correlation of the pole's angle", ylim=(-0.6, 1.05))
    (curve,) = worth.plot(sizes, sizes, "s--", color=BLUE)
    (line,) = worth.plot(sizes, sizes, color=ORANGE)
    (ideal,) = worth.plot(sizes, sizes, ":", color=GREY, label="B independent samples")
    (here,) = worth.plot([32, 32], [0.1, 300], color=GREY, linewidth=1)
    worth.set(
        xlabel="buffer size N", ylabel="worth, in independent samples", xscale="log", yscale="log", ylim=(0.3, 300)
    )
    figure.legend(handles=[online, replayed, ideal], loc="outside upper center", ncols=3)

    def draw(buffer_size, batch_size, seed):
        values, rng = stream(), np.random.default_rng(seed)
        drawn = minibatches(values, buffer_size, lags, 400, rng)
        online.set_ydata(autocorrelation(values, lags))
        replayed.set_ydata([1.0] + [(drawn[:, 0] * drawn[:, lag]).mean() for lag in range(1, lags)])
        at = [effective_size(minibatches(values, size, batch_size, 600, rng)) for size in sizes]
        alone = effective_size(consecutive(values, batch_size, 2_000, rng))
        now = effective_size(minibatches(values, buffer_size, batch_size, 2_000, rng))
        curve.set_ydata(at)
        line.set_ydata(np.full(len(sizes), alone))
        ideal.set_ydata(np.full(len(sizes), batch_size))
        here.set_xdata([buffer_size, buffer_size])
        return say(
            "A batch of B = {size} is worth {alone:.1f} independent samples when taken as they happen, {now:.1f} when "
            "drawn from the last N = {buffer:,} steps.",
            size=batch_size, alone=alone, now=now, buffer=buffer_size,
        )  # fmt: skip

    return Explorer(
        "replay",
        settings,
        figure,
        draw,
        ghosts=[curve, line],
        grips=[Grip(worth, x="buffer_size")],
        buffer_size=steps("N, buffer size", 2_000, [32, 100, 500, 2_000, 5_000, 20_000]),
        batch_size=steps("B, batch size", 32, [8, 32, 128]),
        seed=slider("seed", 0, 0, 20, 1),
    )
