"""What a language model of 625 sentences becomes if it is paid, at a price of the KL from where it began."""

from functools import cache

import numpy as np

from rlkit.experiments.sentences import REFERENCE, SENTENCES, log_probs, measures, optimum, said
from rlkit.experiments.stored import stored
from rlkit.explore.controls import steps, switch
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREEN, GREY, ORANGE, RED, Picture

BETAS = [
    20.0,
    5.0,
    3.0,
    2.0,
    1.5,
    1.2,
    1.0,
    0.8,
    0.7,
    0.6,
    0.5,
    0.45,
    0.4,
    0.35,
    0.3,
    0.27,
    0.24,
    0.22,
    0.2,
    0.17,
    0.15,
    0.1,
]
SHOWN = 9  # sentences
MOST = 4.0  # the largest reward of a sentence
ENDS = {  # stored runs: marker and colour
    "clip only": ("X", RED),
    "KL in the reward": ("o", BLACK),
    "KL in the loss": ("^", GREEN),
}

# Model ----------------------------------------------------------------------------------------------------------------


@cache
def policies():
    """The best policy at each of BETAS, exactly: log-probabilities `[BETAS, 625]`."""
    return np.stack([optimum(beta).numpy() for beta in BETAS])


@cache
def frontier():
    """What the best policies are worth -> {"reward", "liked", "kl": `[BETAS]`}."""
    rows = [measures(optimum(beta)) for beta in BETAS]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@cache
def shown():
    """The sentences that are shown: those that matter most at some β, by their number of goods, then by probability."""
    largest = np.exp(policies()).max(0)
    chosen = largest.argsort()[::-1][:SHOWN]
    return sorted(chosen.tolist(), key=lambda i: (said(SENTENCES[i]).count("good"), -largest[i]))


# Picture --------------------------------------------------------------------------------------------------------------


class HackingPicture:
    """How probable some sentences are, and what policies are worth by how far they are from the reference."""

    def __init__(self):
        self.figure = Picture(figsize=(11, 4.6), layout="constrained")
        self.sentences, self.worth = self.figure.subplots(1, 2, width_ratios=[1, 1.25])
        self.add_sentences(self.sentences)
        self.add_worth(self.worth)
        self.figure.legend(loc="outside upper center", ncols=4)

    def add_sentences(self, ax):
        """A bar for each sentence, and a mark for what it was under the reference."""
        places, probs = np.arange(SHOWN), np.exp(log_probs(REFERENCE).numpy())[shown()]
        self.bars = ax.barh(places, probs, color=BLUE, height=0.6, label="best policy, exactly")
        ax.plot(probs, places, "|", color=BLACK, markersize=16, markeredgewidth=3, label="reference")
        ax.set_yticks(places, [said(SENTENCES[i]) for i in shown()], fontsize=13)
        ax.set(xlabel="probability", xlim=(0, 1))
        ax.invert_yaxis()
        ax.grid(False, axis="y")

    def add_worth(self, ax):
        """The frontier: reward and liked sentences over the KL. And the ends of stored runs."""
        best = frontier()
        ax.plot(best["kl"], best["reward"] / MOST, "--", color=ORANGE, linewidth=2.5, label="reward, of 4")
        ax.plot(best["kl"], best["liked"], color=BLUE, linewidth=2.5, label="wanted: it is good !")
        self.here = [ax.plot([], [], "D", color=colour, markersize=11)[0] for colour in (ORANGE, BLUE)]
        self.line = ax.axvline(0, color=GREY, linewidth=1, zorder=0)
        self.ends = []
        for arm, (marker, colour) in ENDS.items():
            runs = stored("language_models")[0][arm]
            look = dict(color=colour, markersize=8, linestyle="", markerfacecolor="none", markeredgewidth=1.5)
            kl = [run["kl"] for run in runs]
            self.ends += ax.plot(kl, [run["reward"] / MOST for run in runs], marker, label=f"runs: {arm}", **look)
            self.ends += ax.plot(kl, [run["liked"] for run in runs], marker, **look)
        ax.set(xlabel="KL from the reference, nats", ylabel="share", xlim=(-0.2, 13), ylim=(-0.08, 1.04))

    def draw(self, i, runs):
        """The best policy at the i-th β, and whether the ends of the runs are shown."""
        for bar, prob in zip(self.bars, np.exp(policies()[i, shown()])):
            bar.set_width(prob)
        best = frontier()
        for dot, height in zip(self.here, (best["reward"][i] / MOST, best["liked"][i])):
            dot.set_data([best["kl"][i]], [height])
        self.line.set_xdata([best["kl"][i]] * 2)
        for dots in self.ends:
            dots.set_visible(runs)


# Explorer -------------------------------------------------------------------------------------------------------------


def reward_hacking(**settings):
    """The exact best policy of a small language model at a price β of the KL from the reference -> Explorer.

    Its controls are β, and whether the ends of ten trained runs of three kinds are shown.
    """
    picture = HackingPicture()

    def draw(beta, runs):
        i = BETAS.index(beta)
        picture.draw(i, runs)
        best, top = frontier(), int(policies()[i].argmax())
        return say(
            "β = {beta:g}: most often it says <i>{sentence}</i>, {share:.0%} of the time. The mean reward is "
            "{reward:.2f} of 4, the KL from the reference {kl:.2f} nats, and {liked:.0%} of the sentences are the one "
            "that was wanted.",
            beta=beta, sentence=said(SENTENCES[top]), share=float(np.exp(policies()[i, top])),
            reward=best["reward"][i], kl=best["kl"][i], liked=best["liked"][i],
        )  # fmt: skip

    return Explorer(
        "reward_hacking",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.worth, at=lambda kl, y: {"beta": BETAS[int(abs(frontier()["kl"] - kl).argmin())]})],
        plays="beta",
        beta=steps("β, price of the KL", 0.5, BETAS),
        runs=switch("ends of ten runs", False),
    )
