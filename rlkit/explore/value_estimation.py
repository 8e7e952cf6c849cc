"""Monte Carlo against TD(0) on a random walk whose true values are known."""

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import choice, log_slider, slider
from rlkit.explore.panel import Explorer
from rlkit.language import say
from rlkit.plotting import GREY, look, picture, thin

STATES = 5  # of the walk, without its ends. It starts in the middle; only the right end pays, 1; γ = 1
FEATURES = {
    "one for each state": np.eye(STATES),
    "left, middle, right": np.eye(3)[[0, 0, 1, 2, 2]],
    "a straight line": np.stack([np.ones(STATES), np.linspace(-1, 1, STATES)], axis=1),
}


def true_values():
    """V(s), the probability of leaving on the right: 1/6, 2/6, ... 5/6. `[STATES]`"""
    return np.arange(1, STATES + 1) / (STATES + 1)


def state_weights():
    """μ(s), the share of time that the walk spends in s: `[STATES]`, with the sum 1.

    The expected visits of a state are (I - P^T)^-1 e_start.
    """
    walk = 0.5 * (np.eye(STATES, k=1) + np.eye(STATES, k=-1))
    visits = np.linalg.solve(np.eye(STATES) - walk.T, np.eye(STATES)[STATES // 2])
    return visits / visits.sum()


def walks(episodes, seeds, seed, longest=150):
    """Random walks `[episodes, seeds, longest + 1]` over the states 0 ... STATES - 1; -1 and STATES are outside.

    A walk longer than `longest` is cut there, as if it had ended on the left. Fewer than one in 10^9 are.
    """
    rng = np.random.default_rng(seed)
    moves = rng.choice([-1, 1], size=(episodes, seeds, longest))
    start = np.full((episodes, seeds, 1), STATES // 2)
    return np.concatenate([start, start + np.cumsum(moves, axis=-1)], axis=-1)


def learn(features, episodes, learning_rate):
    """Linear value estimation, w <- w + α (target - v(s,w)) ∇v(s,w), for two targets on the same walks.

    The targets are the return of the episode (MC) and r + v(s',w) (TD(0)). `features` is `[STATES, D]`, `episodes` are
    walks `[E, seeds, T]` -> the weights after each episode `[E + 1, 2, seeds, D]`, MC first.
    """
    seeds = episodes.shape[1]
    weights = np.zeros((2, seeds, features.shape[1]))
    history = [weights]
    ends = np.zeros((1, features.shape[1]))
    features = np.concatenate([ends, features, ends])  # the value outside is 0
    for walk in episodes:
        outside = (walk < 0) | (walk >= STATES)
        length = outside.argmax(-1)  # steps until each seed's walk is over
        returned = walk[np.arange(seeds), length] == STATES  # with γ = 1 all steps of an episode have this return
        seen = features[walk[:, : length.max() + 1].clip(-1, STATES) + 1].swapaxes(0, 1)  # x(s_t), [t, seeds, D]
        target = np.empty((2, seeds))
        target[0] = returned
        for t in range(length.max()):
            x, x_next = seen[t], seen[t + 1]
            next_value = np.einsum("nd,nd->n", weights[1], x_next)
            target[1] = F.td_target(walk[:, t + 1] == STATES, next_value, outside[:, t + 1], 1.0)
            error = (t < length) * (target - np.einsum("mnd,nd->mn", weights, x))
            weights = weights + learning_rate * F.semi_gradient(error[..., None], x)
        history.append(weights)
    return np.array(history)


def best_fit(features):
    """The values v(s,w) with the least J(w) that these features allow, by weighted least squares: `[STATES]`."""
    root = np.sqrt(state_weights())[:, None]
    return features @ np.linalg.lstsq(root * features, root[:, 0] * true_values(), rcond=None)[0]


def errors(history, features):
    """J(w) along a run: weights `[E + 1, 2, seeds, D]` -> `[E + 1, 2, seeds]`."""
    return F.value_error(true_values(), history @ features.T, state_weights())


def last_values(history, features):
    """The mean of each v(s,w) over the last ten episodes and all seeds, and the standard deviation of one around it.

    `history` are weights `[E + 1, 2, seeds, D]` -> two arrays `[2, STATES]`.
    """
    values = history[-10:] @ features.T
    return values.mean((0, 2)), values.std((0, 2))


def value_estimation(**settings):
    """J(w) over episodes and the values in the last ten, for MC and TD(0) with ten seeds -> Explorer.

    Its controls are the learning rate, the features and the seed.
    """
    figure, (ax, chain) = picture(2, width=10)
    episodes, seeds = 40, 10
    x = np.arange(episodes + 1)
    each = {m: [ax.plot(x, x, **thin(m))[0] for _ in range(seeds)] for m in ("MC", "TD")}
    thick = {m: ax.plot(x, x, **look(m))[0] for m in ("MC", "TD")}
    (floor,) = ax.plot(x, x, color=GREY, linestyle=":", label="best w for these features")
    ax.set(xlabel="walks", ylabel="J(w)", ylim=(0, 0.35))
    states = np.arange(1, STATES + 1)
    (truth,) = chain.plot(states, true_values(), **look("truth"))
    ends = {m: chain.plot(states, states, marker="o", **look(m))[0] for m in ("MC", "TD")}
    bars = {m: chain.plot([], [], color=look(m)["color"], linewidth=3, alpha=0.4)[0] for m in ("MC", "TD")}
    chain.set(xlabel="state", ylabel="value: mean ± spread", ylim=(-0.35, 1.35), xticks=states)
    figure.legend(handles=[truth, *ends.values(), floor], loc="outside upper center", ncols=4)

    def draw(learning_rate, features, seed):
        phi = FEATURES[features]
        history = learn(phi, walks(episodes, seeds, seed), learning_rate)
        error = errors(history, phi)
        values, spread = last_values(history, phi)
        for i, method in enumerate(("MC", "TD")):
            for line, seed_error in zip(each[method], error[:, i].T):
                line.set_ydata(seed_error)
            thick[method].set_ydata(np.median(error[:, i], axis=1))
            ends[method].set_ydata(values[i])
            gap = np.full(STATES, np.nan)  # after each bar
            heights = np.column_stack([values[i] - spread[i], values[i] + spread[i], gap])
            bars[method].set_data((states + (-0.06, 0.06)[i]).repeat(3), heights.ravel())
        mc, td = np.median(error[-10:], axis=(0, 2))
        least = F.value_error(true_values(), best_fit(phi), state_weights())
        floor.set_ydata(np.full(len(x), least))
        error = say(
            "α = {alpha:.3g}. J(w) over the last ten walks: MC {mc:.3f}, TD {td:.3f}; least possible {least:.2g}.",
            alpha=learning_rate, mc=mc, td=td, least=round(float(least), 4),
        )  # fmt: skip
        (mc_bias, td_bias), (mc_spread, td_spread) = np.abs(values - true_values()).max(1), spread.mean(1)
        return f"{error} " + say(
            "Over these walks and all seeds, the mean value of a state is at most {mc_bias:.2f} from the truth with "
            "MC, and {td_bias:.2f} with TD. One value alone spreads around it by {mc_spread:.2f} and {td_spread:.2f}.",
            mc_bias=mc_bias, td_bias=td_bias, mc_spread=mc_spread, td_spread=td_spread,
        )  # fmt: skip

    return Explorer(
        "value_estimation",
        settings,
        figure,
        draw,
        ghosts=[*thick.values(), *ends.values()],
        learning_rate=log_slider("α, learning rate", 10**-0.5, -2.5, 0.0),
        features=choice("x(s), features", "one for each state", list(FEATURES)),
        seed=slider("seed", 0, 0, 20, 1),
    )
