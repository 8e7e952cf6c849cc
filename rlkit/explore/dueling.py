"""Two streams or one value for each action: what a single state learns from actions that are tried one at a time."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import slider, steps, switch
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import count, say
from rlkit.plotting import BLACK, GREY, Picture, look, thin

VALUE, NOISE = 5.0, 1.0  # the mean of the true values, and the standard deviation of a target. All estimates begin at 0
RATES = np.geomspace(0.05, 1.25, 11)
UPDATES, SEEDS = 100, 20
STARTS = np.linspace(-2, 2, 5)  # of V; each A begins with the opposite
ACTIONS = [2, 5, 10, 18]
PLAIN, DUELING = "DQN", "Dueling DQN"  # whose colours they have
LABELS = {PLAIN: "a value for each action", DUELING: "dueling"}
V_PLACE = 1.15  # of V beside the actions, which lie between 0 and 1


class Learner(NamedTuple):
    """What one learner gets to: with each rate, and with its best one in all seeds and in the first."""

    by_rate: np.ndarray  # mean error, [RATES]
    rate: float
    errors: np.ndarray  # [UPDATES + 1, SEEDS]
    values: np.ndarray  # of the first seed, [UPDATES + 1, A]


# Model ----------------------------------------------------------------------------------------------------------------


def true_values(actions, spread, seed):
    """The values of the actions, the largest first. Their mean is VALUE, their standard deviation `spread`. `[A]`"""
    advantages = np.sort(np.random.default_rng(seed).standard_normal(actions))[::-1]
    advantages = advantages - advantages.mean()
    return VALUE + spread * advantages / advantages.std()


def transitions(actions, spread, seed):
    """Which action is tried at each update, and its target: two arrays `[UPDATES, SEEDS]`."""
    rng = np.random.default_rng([seed, 1])
    tried = rng.integers(actions, size=(UPDATES, SEEDS))
    return tried, true_values(actions, spread, seed)[tried] + NOISE * rng.standard_normal(tried.shape)


def plain(tried, targets, rates, actions):
    """One value for each action, Q(a) <- Q(a) + α δ. `[T, N]`, a learner in each column, rates `[K]` -> Q after each
    update, with each rate: `[T + 1, K, N, A]`."""
    history = np.zeros((len(tried) + 1, len(rates), tried.shape[1], actions))
    alpha, columns = rates[:, None], np.arange(tried.shape[1])
    for t, (action, target) in enumerate(zip(tried, targets)):
        history[t + 1] = history[t]
        history[t + 1][:, columns, action] += alpha * (target - history[t][:, columns, action])
    return history


def streams(tried, targets, rates, actions, subtract, start=0.0):
    """Two streams, V and A, along the gradient of -½ δ^2 -> V `[T + 1, K, N]` and Q as in `plain`.

    The derivative of Q(a) with respect to V is 1. With respect to A(b) it is 1 if b = a and 0 otherwise, less 1/|A| if
    the mean is subtracted. V begins with `start`, a number or `[N, 1]`, and each A with its opposite.
    """
    value = np.zeros((len(rates), tried.shape[1], 1)) + start
    advantages = np.zeros((*value.shape[:2], actions)) - start
    total = F.dueling if subtract else np.add
    values = np.empty((len(tried) + 1, *value.shape[:2]))
    history = np.empty((len(tried) + 1, *advantages.shape))
    values[0], history[0] = value[..., 0], total(value, advantages)
    alpha, columns, slopes = rates[:, None], np.arange(tried.shape[1]), np.eye(actions) - subtract / actions
    for t, (action, target) in enumerate(zip(tried, targets)):
        step = (alpha * (target - history[t][:, columns, action]))[..., None]
        value, advantages = value + step, advantages + step * slopes[action]
        values[t + 1], history[t + 1] = value[..., 0], total(value, advantages)
    return values, history


def errors(history, truth):
    """Root mean square over the actions: `[..., A]` -> `[...]`."""
    return np.sqrt(((history - truth) ** 2).mean(-1))


@lru_cache(maxsize=4)
def learned(actions, spread, subtract, seed):
    """What both learners know after each update, each with its best learning rate -> {name: Learner}.

    The best rate has the least error, averaged over all updates and seeds.
    """
    truth, (tried, targets) = true_values(actions, spread, seed), transitions(actions, spread, seed)
    histories = {
        PLAIN: plain(tried, targets, RATES, actions),
        DUELING: streams(tried, targets, RATES, actions, subtract)[1],
    }
    learners = {}
    for name, history in histories.items():
        error = errors(history, truth)
        by_rate = error.mean((0, 2))
        best = by_rate.argmin()
        learners[name] = Learner(by_rate, RATES[best], error[:, best], history[:, best, 0])
    return learners


def value_streams(actions, spread, subtract, seed):
    """V after each update of the first seed, from different starts, with dueling's best rate: `[UPDATES + 1, 5]`."""
    tried, targets = (np.repeat(each[:, :1], len(STARTS), 1) for each in transitions(actions, spread, seed))
    rates = np.array([learned(actions, spread, subtract, seed)[DUELING].rate])
    return streams(tried, targets, rates, actions, subtract, STARTS[:, None])[0][:, 0]


def share(actions, subtract):
    """How far an update moves the value of another action, as a share of what it moves the value of its own."""
    one, many = np.zeros((1, 1), int), np.ones((1, 1))
    q = streams(one, many, np.ones(1), actions, subtract)[1][-1, 0, 0]
    return q[1] / q[0]


# Picture --------------------------------------------------------------------------------------------------------------


class StreamsPicture:
    """The values of all actions and V; the error over updates; the error by learning rate."""

    def __init__(self):
        self.figure = Picture(figsize=(11, 5.4), layout="constrained")
        axes = self.figure.subplot_mosaic([["values", "errors"], ["values", "rates"]], width_ratios=[1.3, 1])
        self.values, self.over_updates, self.over_rates = axes["values"], axes["errors"], axes["rates"]
        self.add_values(self.values)
        self.add_errors(self.over_updates)
        self.add_rates(self.over_rates)
        handles = [self.truth, self.tried[PLAIN], self.tried[DUELING], self.starts]
        self.figure.legend(handles=handles, loc="outside upper center", ncols=4)

    def add_values(self, ax):
        """The true values, those of both learners, hollow where an action has not been tried, and V from its starts."""
        self.tried, self.untried = {}, {}
        (self.truth,) = ax.plot([], [], "_", color=BLACK, markersize=16, markeredgewidth=2.5, label="truth")
        for name, marker in ((PLAIN, "o"), (DUELING, "D")):
            dots = dict(color=look(name)["color"], markersize=8)
            (self.tried[name],) = ax.plot([], [], marker, label=LABELS[name], **dots)
            (self.untried[name],) = ax.plot([], [], marker, markerfacecolor="none", **dots)
        places = V_PLACE + 0.02 * np.arange(-2, 3)
        (self.starts,) = ax.plot(places, STARTS, "*", color=BLACK, markersize=10, label="V, from five starts")
        ax.axvline((1 + V_PLACE) / 2, color=GREY, linewidth=1)
        ax.set(ylabel="value", xlim=(-0.06, V_PLACE + 0.08), ylim=(-2.5, 10))
        ax.set_xticks([0.5, V_PLACE], ["actions, the best one first; hollow: not tried", "V"], fontsize=13)
        ax.tick_params(axis="x", length=0)

    def add_errors(self, ax):
        """The error over updates of either learner: all seeds, and their root mean square."""
        t = np.arange(UPDATES + 1)
        self.each = {name: [ax.plot(t, t, **thin(name))[0] for _ in range(SEEDS)] for name in LABELS}
        self.course = {name: ax.plot(t, t, **look(name) | {"label": label})[0] for name, label in LABELS.items()}
        self.now = ax.axvline(1, color=GREY, linewidth=1)
        ax.set(xlabel="updates", ylabel="error", xlim=(0, UPDATES), ylim=(0, 6))

    def add_rates(self, ax):
        """The error by learning rate of either learner, and a dot at its best one."""
        self.by_rate = {
            name: ax.plot(RATES, RATES, **look(name) | {"label": label})[0] for name, label in LABELS.items()
        }
        self.best = {name: ax.plot([1], [1], "o", color=look(name)["color"], markersize=9)[0] for name in LABELS}
        ax.set(xlabel="α; a dot at the best one, used above", ylabel="mean error", xscale="log", ylim=(0, 6))
        ax.set_xticks([0.05, 0.1, 0.2, 0.5, 1], ["0.05", "0.1", "0.2", "0.5", "1"])
        ax.minorticks_off()

    def draw_values(self, truth, values, tried, starts):
        """True values `[A]`, {name: values `[A]`}, which actions have been `tried` `[A]`, and V from its starts."""
        places = np.linspace(0, 1, len(truth))
        self.truth.set_data([*places, V_PLACE], [*truth, truth.mean()])
        for name, each in values.items():
            self.tried[name].set_data(places[tried], each[tried])
            self.untried[name].set_data(places[~tried], each[~tried])
        self.starts.set_ydata(starts)
        seen = np.concatenate([truth, starts, *values.values()])
        self.values.set_ylim((-2.5, 10) if seen.min() > -2.5 and seen.max() < 10 else (-7.5, 17.5))

    def draw_errors(self, learners, updates):
        """{name: Learner}, and the update that the values are of."""
        for name, learner in learners.items():
            for line, course in zip(self.each[name], learner.errors.T):
                line.set_ydata(course)
            self.course[name].set_ydata(over_seeds(learner))
            self.by_rate[name].set_ydata(learner.by_rate)
            self.best[name].set_data([learner.rate], [learner.by_rate.min()])
        self.now.set_xdata([updates, updates])


def over_seeds(learner):
    """The error after each update, as root mean square over the seeds: `[UPDATES + 1]`."""
    return np.sqrt((learner.errors**2).mean(1))


# Explorer -------------------------------------------------------------------------------------------------------------


def dueling(**settings):
    """The values of the actions of one state, learned one by one or by two streams -> Explorer.

    Its controls are the number of actions |A|, the spread of their true values, the number of updates so far, whether
    the mean of the advantages is subtracted, and the seed.
    """
    picture = StreamsPicture()

    def draw(actions, spread, updates, subtract, seed):
        learners, truth = learned(actions, spread, subtract, seed), true_values(actions, spread, seed)
        tried = np.isin(np.arange(actions), transitions(actions, spread, seed)[0][:updates, 0])
        starts = value_streams(actions, spread, subtract, seed)[updates]
        values = {name: learner.values[updates] for name, learner in learners.items()}
        picture.draw_values(truth, values, tried, starts)
        picture.draw_errors(learners, updates)
        return words(updates, learners, int((~tried).sum()), share(actions, subtract), starts)

    def spread_to(place, value):
        """The spread that brings the true value nearest to a point there. The ones near the mean hardly move."""
        now = explorer.values()
        unit = true_values(now["actions"], 1.0, now["seed"]) - VALUE
        nearest = unit[round(min(max(place, 0), 1) * (len(unit) - 1))]
        return {"spread": (value - VALUE) / nearest} if abs(nearest) > 0.2 and place < (1 + V_PLACE) / 2 else {}

    explorer = Explorer(
        "dueling",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.values, at=spread_to), Grip(picture.over_updates, x="updates")],
        ghosts=[*picture.course.values(), *picture.by_rate.values()],
        plays="updates",
        actions=steps("|A|, actions", 10, ACTIONS),
        spread=slider("s, spread of the values", 0.5, 0.0, 4.0, 0.5),
        updates=slider("t, updates so far", 10, 0, UPDATES, 1),
        subtract=switch("subtract the mean of A", True),
        seed=slider("seed", 0, 0, 20, 1),
    )
    return explorer


def words(updates, learners, untried, moved, starts):
    """The line of text: both errors with their rates, what an update moves, and where V is."""
    alone, shared = learners[PLAIN], learners[DUELING]
    error = count(
        updates,
        "After {n} update the error is {plain:.2f} with a value for each action (α = {plain_rate:.2f}), and "
        "{dueling:.2f} with dueling (α = {dueling_rate:.2f}).",
        "After {n} updates the error is {plain:.2f} with a value for each action (α = {plain_rate:.2f}), and "
        "{dueling:.2f} with dueling (α = {dueling_rate:.2f}).",
        plain=over_seeds(alone)[updates],
        dueling=over_seeds(shared)[updates],
        plain_rate=alone.rate,
        dueling_rate=shared.rate,
    )
    never = count(untried, "In this run {n} action has not been tried.", "In this run {n} actions have not been tried.")
    rest = say(
        "With dueling, an update moves every other value by {moved:.0%} of what it moves its own. From five starts, V "
        "is now between {low:.2f} and {high:.2f}.",
        moved=moved,
        low=starts.min(),
        high=starts.max(),
    )
    return f"{error} {never} {rest}"
