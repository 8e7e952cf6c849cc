"""A bonus for entropy: what a policy that is sure too early never learns, and what the bonus costs."""

from functools import lru_cache

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from rlkit import functional as F
from rlkit.explore.controls import slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import count, say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, YELLOW, Picture

MEANS = np.array([1.0, 0.5, 0.0])  # a1 pays 10, one time in ten; a2 pays ½, every time; a3 never pays
BETAS, RATES = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0], [0.1, 0.2, 0.3, 0.5, 0.7]
SEEDS, STEPS, SURE = 40, 600, 0.8  # learners; their steps; a learner is sure of an action with this probability
AHEAD = 20  # steps of the reader's policy that the arrow shows
OUTCOMES = {
    "sure of $a_1$, the best": (BLUE, "-", "o"),
    "sure of another": (RED, "--", "X"),
    "not sure": (ORANGE, ":", "s"),
}
HEIGHT = 0.75**0.5
CORNERS = np.array([[0.5, HEIGHT], [0.0, 0.0], [1.0, 0.0]])  # of the triangle that holds every policy
# Around the end of a path, a place for each learner: a spiral.
FAN = np.array([0.01 * k**0.5 * np.array([np.cos(2.4 * k), np.sin(2.4 * k)]) for k in range(SEEDS)])


# Model ----------------------------------------------------------------------------------------------------------------


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
    """H(π) in nats: `[..., A]` -> `[...]`."""
    return F.entropy(torch.from_numpy(probs).clip(1e-12).log()).numpy()


def objective(probs, beta):
    """J(π) = Σ_a π_a r_a + β H(π): `[..., 3]` -> `[...]`."""
    return probs @ MEANS + beta * entropy(probs)


def maximiser(beta):
    """The policy with the largest J: softmax(r / β), or its limit at β = 0. `[3]`

    It is the largest because J(π) = β ln Σ_a exp(r_a / β) - β KL(π || softmax(r / β)).
    """
    return softmax(MEANS / max(beta, 1e-6))


def policy(p1, share):
    """The policy that takes a1 with probability p1 and, of the rest, a2 with this share: `[3]`."""
    return np.array([p1, (1 - p1) * share, (1 - p1) * (1 - share)])


def gradient(probs, beta):
    """∂J/∂z of the logits z of a policy, exact: `[3]` -> `[3]`."""
    return probs * (MEANS - probs @ MEANS) + beta * entropy_gradient(np.log(probs))


def without_noise(probs, beta, rate, count=AHEAD):
    """The policy after `count` steps of length α along the exact gradient: `[3]` -> `[3]`."""
    logits = np.log(probs)
    for _ in range(count):
        logits = logits + rate * gradient(softmax(logits), beta)
    return softmax(logits)


@lru_cache(maxsize=1)
def learn():
    """The policies of 40 learners, one action a step, for every α and β: `[STEPS + 1, α, β, SEEDS, 3]`.

    A step of length α goes along A ∇ln π(a) + β ∇H(π). The advantage A is the reward minus the exact mean reward of the
    policy. Seeds are 0 to 39; a seed has the same luck at every α and β.
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


@lru_cache(maxsize=1)
def entropies():
    """The entropies of all policies of `learn`: `[STEPS + 1, α, β, SEEDS]`."""
    return entropy(learn())


def outcomes(probs):
    """Which of OUTCOMES a policy is, 0 to 2: sure of a1, sure of another, not sure. `[..., 3]` -> `[...]`."""
    return np.where(probs.max(-1) < SURE, 2, probs.argmax(-1).clip(max=1))


# Picture --------------------------------------------------------------------------------------------------------------


class EntropyPicture:
    """The triangle of all policies with each learner's path on it; the learners' entropy; their regret at every β."""

    def __init__(self):
        self.figure = Picture(figsize=(10.5, 5.6), layout="constrained")
        axes = self.figure.subplot_mosaic([["all", "entropy"], ["all", "regret"]], width_ratios=[1.2, 1])
        self.triangle, self.over_steps, self.over_betas = axes["all"], axes["entropy"], axes["regret"]
        self.add_triangle(self.triangle)
        self.add_entropy(self.over_steps)
        self.add_regret(self.over_betas)
        self.yours = [self.add_yours(ax) for ax in (self.triangle, self.over_steps, self.over_betas)]
        arrow = Line2D([], [], color=BLACK, marker="D", markeredgecolor="white", label=f"yours, {AHEAD} exact steps")
        handles = [*self.ends, self.mean_entropy, self.star, arrow]
        self.figure.legend(handles=handles, loc="outside upper center", ncols=3)  # drawn once, away from all curves

    def add_triangle(self, ax):
        """All policies, lighter where J is larger; a path and an end for each learner; a star where J is largest."""
        x, y = np.meshgrid(np.linspace(0, 1, 141), np.linspace(0, HEIGHT, 121))
        self.policies = np.stack([y / HEIGHT, 1 - x - y / HEIGHT / 2, x - y / HEIGHT / 2], -1)
        self.inside = (self.policies > -1e-9).all(-1)
        self.rewards, self.entropies = self.policies @ MEANS, entropy(self.policies)
        extent = (0, 1, 0, HEIGHT)
        self.shade = ax.imshow(x, "Greys", extent=extent, origin="lower", vmin=0, vmax=26, interpolation="nearest")
        self.paths = ax.add_collection(LineCollection([], linewidths=0.6, alpha=0.6))
        ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=BLACK, linewidth=1)
        self.ends = [
            ax.plot([], [], marker, color=colour, label=label)[0] for label, (colour, _, marker) in OUTCOMES.items()
        ]
        (self.star,) = ax.plot([], [], "*", color=YELLOW, markeredgecolor=BLACK, markersize=18, label="largest J")
        arrow = dict(arrowstyle="-|>", mutation_scale=16, linewidth=2.5, color=BLACK, shrinkA=0, shrinkB=0)
        self.arrow = ax.add_patch(FancyArrowPatch((0, 0), (1, 1), zorder=3, **arrow))
        ax.set_title("$a_1$: 10, one time in ten", y=0.955, pad=0)
        ax.set(xlabel="a point is a policy: the fainter the grey, the larger J", anchor="S")
        ax.set(xlim=(-0.12, 1.12), ylim=(-0.08, 1), yticks=[])
        ax.set_xticks([0, 1], ["$a_2$: always ½", "$a_3$: always 0"], fontsize=13)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.grid(False)

    def add_entropy(self, ax):
        """The entropy of each learner over its steps, and their mean."""
        self.courses = ax.add_collection(LineCollection([], linewidths=0.6, alpha=0.5))
        (self.mean_entropy,) = ax.plot([], [], color=BLACK, linewidth=3, label="mean of the 40")
        ax.axhline(np.log(3), color=GREY, linestyle="--", linewidth=1.5)
        ax.set(xlabel="step", ylabel="entropy, nats", xlim=(0, STEPS), ylim=(-0.05, 1.2))
        ax.set_yticks([0, 0.5, np.log(3)], ["0", "0.5", "ln 3"])

    def add_regret(self, ax):
        """For each β a strip of the learners' regrets, and their mean; the chosen β is shaded."""
        self.here = ax.axvspan(-0.5, 0.5, color=GREY, alpha=0.3)
        self.strips = [
            ax.plot([], [], marker, color=colour, markersize=4)[0] for colour, _, marker in OUTCOMES.values()
        ]
        (self.mean_regret,) = ax.plot(range(len(BETAS)), np.zeros(len(BETAS)), color=BLACK, linewidth=3)
        ax.set(xlabel="β", ylabel="regret, 1 − E[r]", xlim=(-0.6, len(BETAS) - 0.4), ylim=(-0.05, 0.85))
        ax.set_xticks(range(len(BETAS)), [f"{beta:g}" for beta in BETAS])

    def add_yours(self, ax):
        """A diamond for the reader's policy."""
        look = dict(color=BLACK, markeredgecolor="white", markersize=11, zorder=4, clip_on=False)
        return ax.plot([], [], "D", **look)[0]

    def draw_objective(self, beta):
        """Shade the policies by how far their J is below the largest, in twelve steps, and mark where it is largest."""
        best = maximiser(beta)
        lack = objective(best, beta) - (self.rewards + beta * self.entropies)
        self.shade.set_data(np.where(self.inside, np.floor(12 * lack / lack[self.inside].max()), np.nan))
        self.star.set_data(*(best @ CORNERS)[:, None])

    def draw_learners(self, history, H, kinds):
        """The learners' way so far: policies `[t + 1, SEEDS, 3]`, their entropies `[t + 1, SEEDS]`, kinds `[SEEDS]`."""
        t = len(history) - 1
        seen = np.unique((t * np.linspace(0, 1, 31) ** 1.5).astype(int))  # denser at the beginning
        points = history[seen] @ CORNERS
        colours, styles, _ = zip(*(list(OUTCOMES.values())[kind] for kind in kinds))
        self.paths.set(segments=points.swapaxes(0, 1), color=colours, linestyle=styles)
        self.courses.set(segments=[np.stack([seen, h], -1) for h in H[seen].T], color=colours, linestyle=styles)
        self.mean_entropy.set_data(range(t + 1), H.mean(-1))
        for kind, end in enumerate(self.ends):
            end.set_data(*(points[-1] + FAN)[kinds == kind].T)  # fanned out, so that equal policies are seen apart

    def draw_yours(self, probs, after, t, i):
        """The reader's policy, an arrow to the policy `after`, and what it is worth under step t and the i-th β."""
        here, there = probs @ CORNERS, after @ CORNERS
        self.arrow.set_positions(here, there)
        self.arrow.set_visible(np.hypot(*(there - here)) > 0.04)  # a shorter one would be all head
        places = here, (t, entropy(probs)), (i, MEANS.max() - probs @ MEANS)
        for diamond, (x, y) in zip(self.yours, places):
            diamond.set_data([x], [y])

    def draw_regret(self, i, regret, kinds):
        """The strips of all learners, regrets and kinds `[β, SEEDS]`, the i-th β being the chosen one."""
        self.here.set_x(i - 0.5)
        self.mean_regret.set_ydata(regret.mean(-1))
        rank = regret.argsort(-1).argsort(-1)  # within a strip, from the least regret to the largest
        place = np.arange(len(BETAS))[:, None] + 0.8 * (rank / (SEEDS - 1) - 0.5)
        for kind, strip in enumerate(self.strips):
            strip.set_data(place[kinds == kind], regret[kinds == kind])


def policy_at(x, y):
    """The policy at a point of the triangle, or near one outside of it -> p1 and share, as controls."""
    p1, p2 = y / HEIGHT, 1 - x - y / HEIGHT / 2
    return {"p1": p1, "share": p2 / max(1 - p1, 1e-9)}


# Explorer -------------------------------------------------------------------------------------------------------------


def entropy_bonus(**settings):
    """40 learners on the triangle of all policies, their entropy, and their regret at every β -> Explorer.

    Its controls are β, the learning rate α, the number of steps t and, as two shares, a policy of the reader's.
    """
    picture = EntropyPicture()

    def draw(beta, rate, t, p1, share):
        i, k = BETAS.index(beta), RATES.index(rate)
        history = learn()[: t + 1, k]  # [t + 1, β, SEEDS, 3]
        kinds, regret = outcomes(history[-1]), MEANS.max() - history[-1] @ MEANS  # [β, SEEDS]
        H = entropies()[: t + 1, k, i]
        picture.draw_objective(beta)
        picture.draw_learners(history[:, i], H, kinds[i])
        picture.draw_regret(i, regret, kinds)
        probs = policy(p1, share)
        picture.draw_yours(probs, without_noise(probs, beta, rate), t, i)
        return f"{words(beta, t, kinds[i], H[-1], regret[i])} {words_of_yours(probs, beta)}"

    return Explorer(
        "entropy_bonus",
        settings,
        picture.figure,
        draw,
        grips=[
            Grip(picture.triangle, at=policy_at),
            Grip(picture.over_steps, x="t"),
            Grip(picture.over_betas, at=lambda i, regret: {"beta": BETAS[min(max(round(i), 0), len(BETAS) - 1)]}),
        ],
        ghosts=[picture.star, picture.mean_entropy, picture.mean_regret],
        plays="t",
        beta=steps("β, entropy weight", 0.0, BETAS),
        rate=steps("α, learning rate", 0.5, RATES),
        t=steps("t, steps so far", STEPS, [0, 10, 25, 50, 100, 200, 400, STEPS]),
        p1=slider("π₁, share of a₁", 0.2, 0.01, 0.99, 0.01),
        share=slider("s, a₂ of the rest", 0.7, 0.01, 0.99, 0.01),
    )


def words(beta, t, kinds, H, regret):
    """The line of text: how many learners are sure of what, how sure they are, and what they earn; all `[SEEDS]`."""
    right, wrong, unsure = np.bincount(kinds, minlength=3)
    sure = count(
        right,
        "β = {beta:g}, after {t} steps: {n} of {seeds} learners is sure of a₁, the best action, {wrong} of another "
        "one, {unsure} of none.",
        "β = {beta:g}, after {t} steps: {n} of {seeds} learners are sure of a₁, the best action, {wrong} of another "
        "one, {unsure} of none.",
        beta=beta,
        t=t,
        seeds=SEEDS,
        wrong=wrong,
        unsure=unsure,
    )
    earned = say(
        "Their median entropy is {H:.2f} of at most {most:.2f} nats. On average they earn {earned:.2f} a step, where "
        "a₁ alone earns 1.",
        H=np.median(H),
        most=np.log(3),
        earned=1 - regret.mean(),
    )
    return f"{sure} {earned}"


def words_of_yours(probs, beta):
    """The line of text about the reader's policy `[3]`: what it earns, its entropy, its J and the gradient of J."""
    return say(
        "Your policy ({p1:.2f}, {p2:.2f}, {p3:.2f}) earns {earned:.2f} and has entropy {H:.2f}: J = {J:.2f}, and ∇J "
        "has length {length:.2g}.",
        p1=probs[0],
        p2=probs[1],
        p3=probs[2],
        earned=probs @ MEANS,
        H=entropy(probs),
        J=objective(probs, beta),
        length=np.linalg.norm(gradient(probs, beta)),
    )
