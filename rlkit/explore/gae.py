"""How far to trust V: the terms of one advantage estimate, and its bias and its noise, by λ."""

from functools import lru_cache

import numpy as np

from rlkit import functional as F
from rlkit.experiments.tables import little_mdp
from rlkit.explore.controls import slider, steps
from rlkit.explore.panel import Explorer, Grip, still_legend
from rlkit.language import count, say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

MDP = little_mdp()  # four states and three actions, in which everything can be computed
STATES, ACTIONS = MDP["reward"].shape
GAMMA = MDP["gamma"]
POLICY = np.full((STATES, ACTIONS), 1 / ACTIONS)
PATTERN = np.array([1.0, -1.0, 1.0, -1.0])  # the values are too high and too low in turn
LAMBDAS = np.linspace(0, 1, 41)
TOPS = (0.35, 0.6, 1.8)  # of the axis of errors
SHOWN, PLAYED = 20, 150  # steps of the episode; γ^150 is 0.0000001


# Model ----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def truth():
    """V^π `[S]` and A^π `[S, A]`."""
    values = F.policy_values(POLICY, **MDP)
    return values, F.action_values(values, **MDP) - values[:, None]


@lru_cache(maxsize=64)
def moments(gae_lambda, wrong):
    """Mean and variance of the estimate for each first state and action, exactly: two `[S, A]`.

    V is wrong by `wrong`, too high in two states and too low in the two others. Both solve an equation of the form
    x = b + c P x, where P leads from a pair of state and action to the next pair.
    """
    values = truth()[0] + wrong * PATTERN
    pairs = STATES * ACTIONS
    to_pair = np.einsum("ix,xa->ixa", MDP["transition"].reshape(pairs, STATES), POLICY).reshape(pairs, pairs)
    td_errors = (F.action_values(values, **MDP) - values[:, None]).reshape(-1)
    mean = np.linalg.solve(np.eye(pairs) - GAMMA * gae_lambda * to_pair, td_errors)
    following = GAMMA * np.repeat(values, ACTIONS) + GAMMA * gae_lambda * mean  # what the next pair decides
    spread = to_pair @ following**2 - (to_pair @ following) ** 2
    variance = np.linalg.solve(np.eye(pairs) - (GAMMA * gae_lambda) ** 2 * to_pair, spread)
    return mean.reshape(STATES, ACTIONS), variance.reshape(STATES, ACTIONS)


def errors(wrong, samples):
    """Bias, noise and both together of the mean of several independent estimates, by λ: `[41, 3]`.

    Each is a root mean square over the twelve pairs of state and action. What is the same for all actions of a state
    is no bias here: as a baseline, it does not change the mean of the gradient.
    """
    parts = []
    for gae_lambda in LAMBDAS:
        mean, variance = moments(float(gae_lambda), wrong)
        bias = mean - truth()[1]
        bias = bias - (POLICY * bias).sum(1, keepdims=True)
        parts.append([np.sqrt((bias**2).mean()), np.sqrt(variance.mean() / samples)])
    bias, noise = np.array(parts).T
    return np.stack([bias, noise, np.hypot(bias, noise)], 1)


@lru_cache(maxsize=4)
def episode(seed):
    """One episode, played with equal chances: states `[151]`, actions `[150]`."""
    rng = np.random.default_rng(seed)
    states, actions = [rng.integers(STATES)], rng.integers(ACTIONS, size=PLAYED)
    for action in actions:
        states.append(rng.choice(STATES, p=MDP["transition"][states[-1], action]))
    return np.array(states), actions


def estimates(seed, wrong):
    """Of one episode: the TD errors δ `[150]`, and a function from λ to the estimate for the first step."""
    states, actions = episode(seed)
    values = (truth()[0] + wrong * PATTERN)[states]
    rewards, never = MDP["reward"][states[:-1], actions], np.zeros((PLAYED, 1), bool)

    def advantage(gae_lambda):
        columns = (column[:, None] for column in (rewards, values[:-1], values[1:]))
        return F.gae(*columns, never, never, GAMMA, gae_lambda)[:, 0]

    return advantage(0.0), lambda gae_lambda: advantage(gae_lambda)[0]


# Picture --------------------------------------------------------------------------------------------------------------


class LambdaPicture:
    """The terms of one estimate; what n of them give; bias and noise by λ."""

    def __init__(self):
        self.figure, (terms, sums, self.by_lambda) = picture(3, width=12, height=4.6)
        later = np.arange(SHOWN)
        self.plain = terms.bar(later, np.zeros(SHOWN), 0.9, color="white", edgecolor=GREY, label="with λ = 1")
        self.weighted = terms.bar(later, np.zeros(SHOWN), 0.5, color=BLUE, hatch="//", label="with this λ")
        terms.set(xlabel="k, steps later", ylabel="the term (γλ)$^k$ δ", ylim=(-4, 4))
        terms.set_xticks(range(0, SHOWN, 5))
        still_legend(terms, loc="upper right")
        (self.n_step,) = sums.plot(later + 1, np.zeros(SHOWN), "o", color=GREY, markersize=5, label="n-step advantage")
        self.estimate = sums.axhline(0, color=BLUE, label="average, GAE")
        self.exact = sums.axhline(0, color=BLACK, linestyle="--", label="exact advantage")
        sums.set(xlabel="n, real rewards", ylabel="estimates for the first step", ylim=(-5, 7), xlim=(0, SHOWN + 1))
        still_legend(sums, loc="upper left")
        self.add_errors(self.by_lambda)

    def add_errors(self, ax):
        """Bias, noise and both by λ, and a dot at the chosen one."""
        looks = ((ORANGE, "--", "bias"), (RED, ":", "noise"), (BLACK, "-", "both, root mean square"))
        self.lines = [ax.plot(LAMBDAS, LAMBDAS, style, color=colour, label=label)[0] for colour, style, label in looks]
        (self.dot,) = ax.plot([0], [0], "o", color=BLACK, markersize=10)
        ax.set(xlabel="λ", ylabel="error of an advantage", xlim=(0, 1), xticks=np.linspace(0, 1, 6))
        still_legend(ax, loc="upper center")

    def draw_episode(self, td_errors, gae_lambda, estimate, exact):
        """The TD errors δ `[150]`, the estimate with this λ, and the exact advantage."""
        ahead = GAMMA ** np.arange(SHOWN) * td_errors[:SHOWN]
        for bars, heights in ((self.plain, ahead), (self.weighted, gae_lambda ** np.arange(SHOWN) * ahead)):
            for bar, height in zip(bars, heights):
                bar.set_height(height)
        self.n_step.set_ydata(np.cumsum(ahead))
        self.estimate.set_ydata([estimate, estimate])
        self.exact.set_ydata([exact, exact])

    def draw_errors(self, parts, gae_lambda):
        """The errors by λ `[41, 3]`, and the chosen λ."""
        for line, part in zip(self.lines, parts.T):
            line.set_ydata(part)
        self.by_lambda.set_ylim(0, next(top for top in TOPS if top > parts.max()))
        self.dot.set_data([gae_lambda], [np.interp(gae_lambda, LAMBDAS, parts[:, 2])])


# Explorer -------------------------------------------------------------------------------------------------------------


def gae(**settings):
    """The terms of one advantage estimate, and its bias and noise by λ -> Explorer.

    Its controls are λ, the error e of V, the number of estimates that are averaged, and the seed of the episode.
    """
    picture = LambdaPicture()

    def draw(gae_lambda, wrong, samples, seed):
        states, actions = episode(seed)
        td_errors, estimate = estimates(seed, wrong)
        exact = truth()[1][states[0], actions[0]]
        parts = errors(wrong, samples)
        picture.draw_episode(td_errors, gae_lambda, estimate(gae_lambda), exact)
        picture.draw_errors(parts, gae_lambda)
        return words(gae_lambda, samples, estimate(gae_lambda), exact, parts)

    return Explorer(
        "gae",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.by_lambda, x="gae_lambda")],
        ghosts=[picture.n_step, picture.estimate, *picture.lines],
        gae_lambda=slider("λ, weight of later terms", 0.7, 0.0, 1.0, 0.05),
        wrong=slider("e, error of V", 0.5, 0.0, 1.0, 0.1),
        samples=steps("m, estimates averaged", 100, [1, 10, 100, 1_000]),
        seed=slider("seed", 0, 0, 20, 1),
    )


def words(gae_lambda, samples, estimate, exact, parts):
    """The line of text: this episode's estimate, and bias and noise `[41, 3]` at this λ and at the best one."""
    bias, noise, both = (np.interp(gae_lambda, LAMBDAS, part) for part in parts.T)
    best = int(parts[:, 2].argmin())
    return "<br>".join([
        say(
            "<b>λ = {gae_lambda:.2f}</b>: estimated from this episode, the first action’s advantage is "
            "{estimate:+.2f}; exactly, it is {exact:+.2f}.",
            gae_lambda=gae_lambda, estimate=estimate, exact=exact,
        ),
        count(
            samples,
            "Bias {bias:.3f}; noise of {n} estimate {noise:.3f}; together {both:.3f}. The least, {least:.3f}, is at "
            "λ = {best:.2f}.",
            "Bias {bias:.3f}; noise of the mean of {n:,} estimates {noise:.3f}; together {both:.3f}. The least, "
            "{least:.3f}, is at λ = {best:.2f}.",
            bias=bias, noise=noise, both=both, least=parts[best, 2], best=LAMBDAS[best],
        ),
    ])  # fmt: skip
