"""The dial between TD and Monte Carlo: what is wrong with an n-step target, by n, and what becomes of it."""

from functools import lru_cache

import numpy as np

from rlkit import functional as F
from rlkit.explore.controls import nearest_by_ratio, slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import count, say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

# Ten rooms; each step leads to a room drawn by chance. The greedy action pays 1 and the other one 0, with noise.
GAMMA, ROOMS = 0.9, 10
VALUE = 1 / (1 - GAMMA)  # V*, in every room
SAMPLES = 10  # targets of each room between two copies; their mean is the new value
COPIES, RUNS = 20, 5
LENGTHS = np.arange(1, 65)
CHOICES = [1, 2, 3, 5, 8, 16, 32, 64]  # γ^64 is 0.001: almost Monte Carlo


# Model ----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def losses():
    """How far the mean target is too low if all actions after the first one are random, by n: `[64]`.

    The guess is right here. A random action is not the greedy one half of the time, and then costs 1. With a share ε of
    random actions, the loss is ε times this one.
    """
    expected = np.full((len(LENGTHS), 1), 0.5)
    expected[0] = 1.0  # the target belongs to the greedy action
    summed = [F.n_step_returns(expected[:n], np.zeros((n, 1)), 0.0, GAMMA)[0, 0] for n in LENGTHS]
    return VALUE - F.td_target(np.array(summed), np.full(len(LENGTHS), VALUE), np.zeros(len(LENGTHS)), GAMMA**LENGTHS)


@lru_cache(maxsize=16)
def errors(guess_error, epsilon, noise):
    """What is wrong with a value after each copy, exactly: `[COPIES + 1, 64, 3]`, by n.

    The first two make the value too low: what is left of the error that the first guess has, `guess_error`, and what
    random actions cost. Their sum is the bias. The third is the standard deviation. All are in units of reward.
    """
    shrink = GAMMA**LENGTHS
    spread = np.full(len(LENGTHS), noise**2)  # of one reward
    spread[1:] += epsilon / 2 * (1 - epsilon / 2)  # later actions are random now and then
    rewards = np.cumsum(spread * GAMMA ** (2 * (LENGTHS - 1)))  # the variance of the sum of n rewards
    lost, variance, of_mean = np.zeros((3, len(LENGTHS)))  # of a room's value; of the mean over the rooms
    history = [np.stack([np.full(len(LENGTHS), guess_error), lost, variance], -1)]
    for k in range(1, COPIES + 1):
        lost = epsilon * losses() + shrink * lost
        one_target = rewards + shrink**2 * (variance - of_mean)  # it bootstraps from one room of ten
        variance = shrink**2 * of_mean + one_target / SAMPLES
        of_mean = shrink**2 * of_mean + one_target / (SAMPLES * ROOMS)
        history.append(np.stack([guess_error * shrink**k, lost, np.sqrt(variance)], -1))
    return np.array(history)


def total(parts):
    """Root mean square error: `[..., 3]` -> `[...]`."""
    return np.hypot(parts[..., 0] + parts[..., 1], parts[..., 2])


@lru_cache(maxsize=2)
def luck(n, seed):
    """All that is drawn by chance: the noise of rewards and what decides on actions, both `[n, COPIES, RUNS, ROOMS,
    SAMPLES]`, and the rooms after n steps `[COPIES, RUNS, ROOMS, SAMPLES]`."""
    rng = np.random.default_rng(seed)
    shape = (COPIES, RUNS, ROOMS, SAMPLES)
    normal, uniform = rng.standard_normal((n, *shape), np.float32), rng.random((n, *shape), np.float32)
    return normal, uniform, rng.integers(ROOMS, size=shape)


@lru_cache(maxsize=16)
def runs(n, guess_error, epsilon, noise, seed):
    """Values after each copy, in some runs: `[COPIES + 1, RUNS, ROOMS]`. A new value is the mean of n-step targets."""
    normal, uniform, last_room = luck(n, seed)
    pays = uniform >= epsilon / 2
    pays[0] = True
    summed = F.n_step_returns(pays + np.float32(noise) * normal, np.zeros(pays.shape, bool), 0.0, GAMMA)[0]
    values = np.full((COPIES + 1, RUNS, ROOMS), VALUE - guess_error)
    run = np.arange(RUNS)[:, None, None]
    for k in range(COPIES):
        guess = values[k][run, last_room[k]]
        values[k + 1] = F.td_target(summed[k], guess, np.zeros(guess.shape, bool), GAMMA**n).mean(-1)
    return values


# Picture --------------------------------------------------------------------------------------------------------------


class DialPicture:
    """The errors of a value by n; the error over copies, that of the chosen n in black."""

    def __init__(self):
        self.figure, (self.dial, self.over_copies) = picture(2, width=11, height=4.8)
        self.add_dial(self.dial)
        self.add_copies(self.over_copies)
        self.figure.legend(loc="outside upper center", ncols=4)

    def add_dial(self, ax):
        """The three errors and the whole by n, and a dot at the chosen one."""
        ones = np.ones(len(LENGTHS))
        (self.guess,) = ax.plot(LENGTHS, ones, "--", color=ORANGE, label="guess's error: what is left")
        (self.others,) = ax.plot(LENGTHS, ones, ":", color=RED, linewidth=3, label="from random actions")
        (self.noise,) = ax.plot(LENGTHS, ones, "-.", color=BLUE, label="noise, standard deviation")
        (self.whole,) = ax.plot(LENGTHS, ones, color=BLACK, label="all, root mean square")
        (self.dot,) = ax.plot([1], [1], "o", color=BLACK, markersize=10)
        ax.set(xlabel="n, real rewards in a target", ylabel="error of a value", xscale="log")
        ax.set(xlim=(0.9, 72), ylim=(0, 4.2))
        ax.set_xticks(CHOICES, [str(n) for n in CHOICES])
        ax.minorticks_off()

    def add_copies(self, ax):
        """The error over copies for every n in grey; for the chosen one in black, with its runs."""
        copies = np.arange(COPIES + 1)
        self.rest = [ax.plot(copies, copies, ":", color=GREY, linewidth=1.2)[0] for _ in CHOICES]
        self.each = [ax.plot(copies, copies, color=BLACK, linewidth=0.8, alpha=0.5)[0] for _ in range(RUNS)]
        (self.chosen,) = ax.plot(copies, copies, color=BLACK, linewidth=3, label="chosen n; thin: its runs")
        ax.plot([], [], ":", color=GREY, linewidth=1.2, label="the other n")
        self.here = ax.axvline(1, color=GREY, linewidth=1)
        ax.set(xlabel="k, copies of the target network", ylabel="root mean square error", ylim=(0, 4.2))
        ax.set_xticks(range(0, COPIES + 1, 5))

    def draw_dial(self, parts, n):
        """The errors by n `[64, 3]`, and the chosen n."""
        for line, part in zip((self.guess, self.others, self.noise), parts.T):
            line.set_ydata(part)
        self.whole.set_ydata(total(parts))
        self.dot.set_data([n], [total(parts)[n - 1]])

    def draw_copies(self, history, values, n, copies):
        """The errors `[COPIES + 1, 64, 3]` and the runs of the chosen n `[COPIES + 1, RUNS, ROOMS]`."""
        exact = total(history)
        for line, length in zip(self.rest, CHOICES):
            line.set_ydata(exact[:, length - 1])
        for line, course in zip(self.each, np.sqrt(((values - VALUE) ** 2).mean(-1)).T):
            line.set_ydata(course)
        self.chosen.set_ydata(exact[:, n - 1])
        self.here.set_xdata([copies, copies])


# Explorer -------------------------------------------------------------------------------------------------------------


def n_step(**settings):
    """What is wrong with n-step targets by n and by the copies of the target network -> Explorer.

    Its controls are n, the number of copies k, the error e of the first guess, the share ε of random actions, the noise
    σ of a reward, and the seed of the runs.
    """
    picture = DialPicture()

    def draw(n, copies, guess_error, epsilon, noise, seed):
        history = errors(guess_error, epsilon, noise)
        picture.draw_dial(history[copies], n)
        picture.draw_copies(history, runs(n, guess_error, epsilon, noise, seed), n, copies)
        return words(n, copies, history[copies])

    def pull(name, part, largest):
        """The `at` of a grip for a control that one of the three errors grows in proportion to, up to `largest`."""

        def at(n, error):
            copies, length = explorer.values()["copies"], min(max(round(n), 1), 64)
            unit = errors(*(largest if each == name else 0.0 for each in ("guess_error", "epsilon", "noise")))
            reached = unit[copies, length - 1, part]
            return {name: largest * error / reached} if reached > 0.01 else {}

        return at

    explorer = Explorer(
        "n_step",
        settings,
        picture.figure,
        draw,
        grips=[
            Grip(picture.dial, at=lambda n, error: {"n": nearest_by_ratio(CHOICES, n)}, line=picture.whole),
            Grip(picture.dial, at=pull("guess_error", 0, 4.0), line=picture.guess),
            Grip(picture.dial, at=pull("epsilon", 1, 0.8), line=picture.others),
            Grip(picture.dial, at=pull("noise", 2, 3.0), line=picture.noise),
            Grip(picture.over_copies, x="copies"),
        ],
        ghosts=[picture.guess, picture.others, picture.noise, picture.whole, picture.chosen],
        n=steps("n, real rewards", 5, CHOICES),
        copies=slider("k, copies", 10, 1, COPIES, 1),
        guess_error=slider("e, error of the guess", 4.0, 0.0, 4.0, 0.5),
        epsilon=slider("ε, random actions", 0.3, 0.0, 0.8, 0.05),
        noise=slider("σ, noise of a reward", 1.0, 0.0, 3.0, 0.25),
        seed=slider("seed", 0, 0, 20, 1),
    )
    return explorer


def words(n, copies, parts):
    """The line of text: the errors at the chosen n, and with which n all of them together are least; `[64, 3]`."""
    guess, others, noise = parts[n - 1]
    chosen = count(
        copies,
        "n = {length}, after {n} copy: {guess:.2f} of the guess’s error is left, random actions add {others:.2f}, and "
        "the noise is {noise:.2f}. Together: {whole:.2f}.",
        "n = {length}, after {n} copies: {guess:.2f} of the guess’s error is left, random actions add {others:.2f}, "
        "and the noise is {noise:.2f}. Together: {whole:.2f}.",
        length=n,
        guess=guess,
        others=others,
        noise=noise,
        whole=total(parts)[n - 1],
    )
    best = min(CHOICES, key=lambda length: total(parts)[length - 1])
    least = say("Of all n here, {best} has the least: {least:.2f}.", best=best, least=total(parts)[best - 1])
    return f"{chosen} {least}"
