"""A bonus for entropy: what a policy that is sure too early never finds out, and what the bonus costs."""

from functools import lru_cache

import numpy as np
import torch
from matplotlib.collections import LineCollection

from rlkit import functional as F
from rlkit.explore.panel import Explorer, steps
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, YELLOW, Picture

MEANS = np.array([1.0, 0.5, 0.0])  # a1 pays 10, one time in ten; a2 pays ½, every time; a3 never pays
BETAS, RATES = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0], [0.1, 0.2, 0.3, 0.5, 0.7]
SEEDS, STEPS, SURE = 40, 600, 0.8
OUTCOMES = {
    "sure of a1, the best": (BLUE, "-", "o"),
    "sure of another": (RED, "--", "X"),
    "not sure": (ORANGE, ":", "s"),
}
HEIGHT = 0.75**0.5
CORNERS = np.array([[0.5, HEIGHT], [0.0, 0.0], [1.0, 0.0]])  # of the triangle that holds every policy
FAN = np.array([0.01 * k**0.5 * np.array([np.cos(2.4 * k), np.sin(2.4 * k)]) for k in range(SEEDS)])


def softmax(logits):
    """π = softmax(z), actions first: `[A, ...]` -> `[A, ...]`."""
    weights = np.exp(logits - logits.max(0))
    return weights / weights.sum(0)


def entropy_gradient(logits):
    """∂H/∂z_b = -π_b (ln π_b + H), actions first: `[A, ...]` -> `[A, ...]`."""
    # from H = -Σ_a π_a ln π_a and ∂π_a/∂z_b = π_a (1[a=b] - π_b); and ln π_b + H is z_b - Σ_a π_a z_a
    probs = softmax(logits)
    return -probs * (logits - (probs * logits).sum(0))


def entropy(probs):
    return F.entropy(torch.from_numpy(probs).clip(1e-12).log()).numpy()


def objective(probs, beta):
    """J(π) = Σ_a π_a r_a + β H(π): `[..., 3]` -> `[...]`."""
    return probs @ MEANS + beta * entropy(probs)


def maximiser(beta):
    """softmax(r / β), for J(π) = β ln Σ_a exp(r_a / β) - β KL(π || softmax(r / β)); at β = 0 its limit. `[3]`"""
    return softmax(MEANS / max(beta, 1e-6))


@lru_cache(maxsize=1)
def learn():
    """The policies of 40 learners, one action a step, for every α and β: `[STEPS + 1, α, β, SEEDS, 3]`.

    A step of α goes along A ∇ln π(a) + β ∇H(π), where A is the reward less what the policy earns on average, exactly.
    Seeds are 0 to 39; a seed has the same luck at every α and β.
    """
    rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
    gumbel = np.stack([rng.gumbel(size=(STEPS, 3)) for rng in rngs], -1)[:, :, None, None]
    pays = np.stack([rng.random(STEPS) < 0.1 for rng in rngs], -1)
    rates, betas, means = np.reshape(RATES, (-1, 1, 1)), np.reshape(BETAS, (-1, 1)), MEANS.reshape(-1, 1, 1, 1)
    logits = np.zeros((3, len(RATES), len(BETAS), SEEDS))
    history = np.empty((STEPS + 1, *logits.shape), np.float32)
    for t in range(STEPS):
        history[t] = probs = softmax(logits)
        noisy = logits + gumbel[t]
        taken = noisy == noisy.max(0)
        advantage = 10 * taken[0] * pays[t] + 0.5 * taken[1] - (probs * means).sum(0)
        logits += rates * (advantage * (taken - probs) + betas * entropy_gradient(logits))
    history[STEPS] = softmax(logits)
    return np.moveaxis(history, 1, -1)


def outcomes(probs):
    """Which of OUTCOMES each policy is: `[..., 3]` -> `[...]`."""
    return np.where(probs.max(-1) < SURE, 2, probs.argmax(-1).clip(max=1))


def entropy_bonus():
    """40 learners on the triangle of all policies, their entropy, and their regret at every β, by β, rate and t."""
    figure = Picture(figsize=(10.5, 5.6), layout="constrained")
    axes = figure.subplot_mosaic([["all", "entropy"], ["all", "regret"]], width_ratios=[1.2, 1])
    ax, over_time, by_beta = axes.values()
    x, y = np.meshgrid(np.linspace(0, 1, 141), np.linspace(0, HEIGHT, 121))
    policies = np.stack([y / HEIGHT, 1 - x - y / HEIGHT / 2, x - y / HEIGHT / 2], -1)
    inside = (policies > -1e-9).all(-1)
    image = ax.imshow(x, "Greys", extent=(0, 1, 0, HEIGHT), origin="lower", vmin=0, vmax=26, interpolation="nearest")
    paths = ax.add_collection(LineCollection([], linewidths=0.6, alpha=0.6))
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=BLACK, linewidth=1)
    ends = [ax.plot([], [], marker, color=colour, label=label)[0] for label, (colour, _, marker) in OUTCOMES.items()]
    (star,) = ax.plot([], [], "*", color=YELLOW, markeredgecolor=BLACK, markersize=18, label="largest J")
    ax.set(title="a1: 10, one time in ten", xlabel="a point is a policy: the lighter, the larger J", anchor="S")
    ax.set(xlim=(-0.12, 1.12), ylim=(-0.08, 0.95), yticks=[])
    ax.set_xticks([0, 1], ["a2: always ½", "a3: always 0"], fontsize=13)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    thin = over_time.add_collection(LineCollection([], linewidths=0.6, alpha=0.5))
    (mean,) = over_time.plot([], [], color=BLACK, linewidth=3, label="mean of the 40")
    over_time.axhline(np.log(3), color=GREY, linestyle="--", linewidth=1.5)
    over_time.set(xlabel="step", ylabel="entropy, nats", xlim=(0, STEPS), ylim=(-0.05, 1.2))
    over_time.set_yticks([0, 0.5, np.log(3)], ["0", "0.5", "ln 3"])
    here = by_beta.axvspan(-0.5, 0.5, color=GREY, alpha=0.3)
    strips = [by_beta.plot([], [], marker, color=colour, markersize=4)[0] for colour, _, marker in OUTCOMES.values()]
    (means,) = by_beta.plot(range(len(BETAS)), np.zeros(len(BETAS)), color=BLACK, linewidth=3)
    by_beta.set(xlabel="β", ylabel="regret, 1 - E[r]", xlim=(-0.6, len(BETAS) - 0.4), ylim=(-0.05, 0.85))
    by_beta.set_xticks(range(len(BETAS)), [f"{beta:g}" for beta in BETAS])
    figure.legend(handles=[*ends, star, mean], loc="outside upper center", ncols=5)  # drawn once, in no curve's way

    def draw(beta, rate, t):
        i, history, best = BETAS.index(beta), learn()[: t + 1, RATES.index(rate)], maximiser(beta)
        lack = objective(best, beta) - objective(policies, beta)
        image.set_data(np.where(inside, np.floor(12 * lack / lack[inside].max()), np.nan))  # twelve level curves
        star.set_data(*(best @ CORNERS)[:, None])
        seen = np.unique((t * np.linspace(0, 1, 31) ** 1.5).astype(int))  # more of the beginning
        points, H = history[seen, i] @ CORNERS, entropy(history[:, i])
        kinds, regret = outcomes(history[-1]), MEANS.max() - history[-1] @ MEANS  # [β, SEEDS]
        colours, styles, _ = zip(*(list(OUTCOMES.values())[kind] for kind in kinds[i]))
        paths.set(segments=points.swapaxes(0, 1), color=colours, linestyle=styles)
        thin.set(segments=[np.stack([seen, h], -1) for h in H[seen].T], color=colours, linestyle=styles)
        mean.set_data(range(t + 1), H.mean(-1))
        means.set_ydata(regret.mean(-1))
        here.set_x(i - 0.5)
        rank = regret.argsort(-1).argsort(-1)  # in a strip, from the least regret to the largest
        place = np.arange(len(BETAS))[:, None] + 0.8 * (rank / (SEEDS - 1) - 0.5)
        for kind, (end, strip) in enumerate(zip(ends, strips)):
            end.set_data(*(points[-1] + FAN)[kinds[i] == kind].T)  # fanned out: equal policies side by side
            strip.set_data(place[kinds == kind], regret[kinds == kind])
        right, wrong, spread = np.bincount(kinds[i], minlength=3)
        return (
            f"β = {beta:g}, after {t} steps: {right} of {SEEDS} learners are sure of a1, the best action, {wrong} of "
            f"another one, {spread} of none. Their median entropy is {np.median(H[-1]):.2f} of at most ln 3 = "
            f"{np.log(3):.2f} nats. On average they earn {1 - regret[i].mean():.2f} a step, where a1 alone earns 1."
        )

    return Explorer(
        figure,
        draw,
        beta=steps("β, weight of the entropy", 0.0, BETAS),
        rate=steps("α, learning rate", 0.5, RATES),
        t=steps("t, steps so far", STEPS, [0, 10, 25, 50, 100, 200, 400, STEPS]),
    )
