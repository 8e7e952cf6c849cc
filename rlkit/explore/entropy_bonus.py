"""A bonus for entropy: what a policy that is sure too early never finds out, and what the bonus costs."""

from functools import lru_cache

import numpy as np
import torch
from matplotlib.collections import LineCollection

from rlkit import functional as F
from rlkit.explore.panel import Explorer, steps
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, YELLOW, Picture

MEANS = np.array([1.0, 0.5, 0.0])  # a1 pays 10, one time in ten; a2 pays ½, every time; a3 never pays
BETAS = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0]
SEEDS, STEPS, SURE = 40, 600, 0.8
OUTCOMES = {"sure of a1, the best": (BLUE, "o"), "sure of another": (RED, "X"), "not sure": (ORANGE, "s")}
CORNERS = np.array([[0.5, 0.75**0.5], [0.0, 0.0], [1.0, 0.0]])  # of the triangle that holds every policy
FAN = 0.01 * np.sqrt(np.arange(SEEDS)) * np.exp(2.4j * np.arange(SEEDS))  # sets like policies beside each other


def softmax(logits):
    """π = softmax(z), actions first: `[A, ...]` -> `[A, ...]`."""
    weights = np.exp(logits - logits.max(0))
    return weights / weights.sum(0)


def entropy_gradient(logits):
    """∂H/∂z_b = -π_b (ln π_b + H), actions first: `[A, ...]` -> `[A, ...]`."""
    # from H = -Σ_a π_a ln π_a and ∂π_a/∂z_b = π_a (1[a=b] - π_b); and ln π_b + H is z_b - Σ_a π_a z_a
    probs = softmax(logits)
    return -probs * (logits - (probs * logits).sum(0))


def objective(probs, beta):
    """J(π) = Σ_a π_a r_a + β H(π): `[..., 3]` -> `[...]`."""
    return probs @ MEANS + beta * F.entropy(torch.from_numpy(probs).clip(1e-12).log()).numpy()


def maximiser(beta):
    """softmax(r / β), for J(π) = β ln Σ_a exp(r_a / β) - β KL(π || softmax(r / β)); at β = 0 its limit. `[3]`"""
    return softmax(MEANS / max(beta, 1e-6))


@lru_cache(maxsize=16)
def learn(rate, first_seed):
    """The policies of 40 learners at every β, one action a step: `[STEPS + 1, β, SEEDS, 3]`.

    A step goes along A ∇ln π(a) + β ∇H(π), where A is the reward less what the policy earns on average, exactly. A
    seed's luck is the same at every β.
    """
    rngs = [np.random.default_rng(first_seed + seed) for seed in range(SEEDS)]
    gumbel, luck = (np.stack([draw(rng) for rng in rngs], -1) for draw in (
        lambda rng: rng.gumbel(size=(STEPS, 3, 1)), lambda rng: rng.random((STEPS, 1)),
    ))  # fmt: skip
    r, betas = MEANS[:, None, None], np.array(BETAS)[:, None]
    logits = np.zeros((3, len(BETAS), SEEDS))
    history = np.empty((STEPS + 1, *logits.shape), np.float32)
    for t in range(STEPS):
        history[t] = probs = softmax(logits)
        noisy = logits + gumbel[t]
        taken = noisy == noisy.max(0)
        reward = np.where(taken[0], 10 * (luck[t] < 0.1), 0.5 * taken[1])
        advantage = reward - (probs * r).sum(0)
        logits = logits + rate * (advantage * (taken - probs) + betas * entropy_gradient(logits))
    history[STEPS] = softmax(logits)
    return np.moveaxis(history, 1, -1).astype(float)


def outcomes(probs):
    """Which of OUTCOMES each policy is: `[..., 3]` -> `[...]`."""
    return np.where(probs.max(-1) < SURE, 2, probs.argmax(-1).clip(max=1))


def entropy_bonus():
    """40 learners on the triangle of all policies, their entropy, and their regret at every β, by β, rate, t, seeds."""
    figure = Picture(figsize=(11.5, 6), layout="constrained")
    axes = figure.subplot_mosaic([["all", "entropy"], ["all", "regret"]], width_ratios=[1.25, 1])
    ax, over_time, by_beta = axes.values()
    x, y = np.meshgrid(np.linspace(0, 1, 161), np.linspace(0, 0.75**0.5, 141))
    third = y / 0.75**0.5
    grid = np.stack([third, 1 - x - third / 2, x - third / 2], -1)
    inside = (grid > -1e-9).all(-1)
    image = ax.imshow(third, extent=(0, 1, 0, 0.75**0.5), origin="lower", cmap="Greys", vmin=0, vmax=2.2)
    paths = ax.add_collection(LineCollection([], linewidths=0.8, alpha=0.6))
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=BLACK, linewidth=1)
    ends = [ax.plot([], [], marker, color=colour, label=label)[0] for label, (colour, marker) in OUTCOMES.items()]
    (star,) = ax.plot([], [], "*", color=YELLOW, markeredgecolor=BLACK, markersize=20, label="largest J: softmax(r/β)")
    for xy, up, text in zip(CORNERS, (1, -1, -1), ("a1: 10, one time in ten", "a2: always ½", "a3: always 0")):
        ax.text(*(xy + [0, 0.07 * up]), text, ha="center", va="center")
    ax.set(xlim=(-0.12, 1.12), ylim=(-0.12, 1.0), aspect="equal")
    ax.set_axis_off()
    thin = over_time.add_collection(LineCollection([], linewidths=0.7, alpha=0.5))
    (median,) = over_time.plot([], [], color=BLACK, linewidth=3, label="median")
    over_time.axhline(np.log(3), color=GREY, linestyle="--", linewidth=1.5)
    over_time.set(xlabel="step", ylabel="entropy, nats", xlim=(0, STEPS), ylim=(-0.05, 1.2))
    over_time.set_yticks([0, 0.5, np.log(3)], ["0", "0.5", "ln 3"])
    here = by_beta.axvspan(-0.45, 0.45, color=GREY, alpha=0.3)
    strips = [by_beta.plot([], [], marker, color=colour, markersize=3)[0] for colour, marker in OUTCOMES.values()]
    (mean,) = by_beta.plot(np.arange(len(BETAS)), np.zeros(len(BETAS)), "_-", color=BLACK, label="mean")
    by_beta.set(xlabel="β", ylabel="regret", ylim=(-0.05, 1.05), xticks=range(len(BETAS)), xticklabels=BETAS)
    figure.legend(handles=[*ends, star, median], loc="outside upper center", ncols=5)

    def draw(beta, rate, t, seeds):
        history = learn(rate, seeds)
        i = BETAS.index(beta)
        J = objective(grid.clip(0), beta)
        gap = maximiser(beta) @ MEANS
        gap = objective(maximiser(beta), beta) - J
        image.set_data(np.where(inside, np.floor(12 * gap / gap[inside].max()) / 12, np.nan))
        star.set_data(*(maximiser(beta) @ CORNERS)[:, None])
        seen = np.unique(np.linspace(0, t, 151).astype(int))
        probs = history[seen, i]
        kinds = outcomes(history[t])  # [β, SEEDS]
        colours = [list(OUTCOMES.values())[kind][0] for kind in kinds[i]]
        points = probs @ CORNERS
        paths.set(segments=points.swapaxes(0, 1), color=colours)
        fanned = points[-1] + np.stack([FAN.real, FAN.imag], -1)
        H = F.entropy(torch.from_numpy(probs).clip(1e-12).log()).numpy()
        thin.set(segments=[np.stack([seen, h], -1) for h in H.T], color=colours)
        median.set_data(seen, np.median(H, -1))
        regret = MEANS.max() - history[t] @ MEANS
        mean.set_ydata(regret.mean(-1))
        here.set_x(i - 0.45)
        order = np.argsort(np.argsort(regret, -1), -1)
        place = np.arange(len(BETAS))[:, None] + (order / (SEEDS - 1) - 0.5) * 0.8
        for k, (end, strip) in enumerate(zip(ends, strips)):
            end.set_data(*fanned[kinds[i] == k].T)
            strip.set_data(place[kinds == k], regret[kinds == k])
        best, wrong, spread = np.bincount(kinds[i], minlength=3)
        return (
            f"β = {beta:g}, after {t} steps: {best} of {SEEDS} learners are sure of a1, the best action, {wrong} of "
            f"another, {spread} of none. Their median entropy is {np.median(H[-1]):.2f} nats, of at most "
            f"{np.log(3):.2f}. They earn {1 - regret[i].mean():.2f} on average, where 1.00 is the best."
        )

    return Explorer(
        figure,
        draw,
        beta=steps("β, weight of the bonus", 0.0, BETAS),
        rate=steps("α, learning rate", 0.5, [0.1, 0.2, 0.3, 0.5, 0.7]),
        t=steps("t, steps", STEPS, [0, 10, 25, 50, 100, 200, 400, STEPS]),
        seeds=steps("seeds, the first of 40", 0, [0, 40, 80, 120]),
    )
