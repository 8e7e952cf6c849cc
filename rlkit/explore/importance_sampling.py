"""What samples of q say about a mean under p, and when few of them say it with the wrong sign."""

from functools import lru_cache

import numpy as np
import torch

from rlkit import functional as F
from rlkit.explore.controls import choice, nearest_by_ratio, slider, steps
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLACK, BLUE, GREEN, GREY, RED, Picture

REPEATS, SHOWN, LONGEST = 500, 16, 2000  # runs of which the last estimate is shown, or the way to it; samples
SIZES = [5, 10, 20, 50, 100, 300, 1000, LONGEST]  # numbers of samples
BINS = np.linspace(-3, 2, 51)  # of the last estimates
FUNCTIONS = {
    "tanh(2x), a soft step": lambda x: (2 * x).tanh(),
    "x": lambda x: x,
    "½ − 2 exp(−2(x + 2)²), a hole": lambda x: 0.5 - 2 * (-2 * (x + 2) ** 2).exp(),
}


# Model ----------------------------------------------------------------------------------------------------------------


def log_density(x, mu, sigma=1.0):
    """ln N(x; μ, σ) of a tensor x of any shape."""
    return F.gaussian_log_prob(torch.tensor([mu]), torch.tensor([sigma]).log(), x[..., None])


def exact_mean(f, mu_p):
    """E_{x~p}[f(x)], summed over a fine grid -> a number."""
    x = torch.linspace(mu_p - 8, mu_p + 8, 4001, dtype=torch.float64)
    return float((log_density(x, mu_p).exp() * f(x)).sum() * (x[1] - x[0]))


@lru_cache(maxsize=2)
def normals(n, seed):
    """Standard normal draws, a column for each repeat `[n, REPEATS]`. A longer run begins with the shorter one's."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, REPEATS), dtype=np.float32))


def weighted_samples(mu_p, mu_q, sigma_q, z):
    """Samples of q made from standard normal z, and their importance weights p(x) / q(x) -> both of z's shape."""
    x = mu_q + sigma_q * z
    return x, F.ratio(log_density(x, mu_p), log_density(x, mu_q, sigma_q))


def final_estimates(f, mu_p, mu_q, sigma_q, n, seed):
    """Estimates of E_p[f] from n samples of q, one for each repeat `[REPEATS]`."""
    total = torch.zeros(REPEATS)
    for z in normals(n, seed).split(150):  # in parts that fit a processor's cache, which is twice as fast
        x, weights = weighted_samples(mu_p, mu_q, sigma_q, z)
        total += (weights * f(x)).sum(0)
    return (total / n).numpy()


def running_means(terms, seen):
    """The means of the first n terms, for each n in `seen`: `[runs, N]`, `[K]` -> `[runs, K]`."""
    return terms.cumsum(1)[:, seen - 1] / seen


# Picture --------------------------------------------------------------------------------------------------------------


class ImportancePicture:
    """The densities with one run's samples; running estimates of 16 runs; the last estimates of 500 repeats."""

    def __init__(self):
        self.figure = Picture(figsize=(10, 6.6), layout="constrained")
        axes = self.figure.subplot_mosaic([["x", "x"], ["run", "end"]], height_ratios=[1, 1.15], width_ratios=[1.8, 1])
        self.densities, self.runs = axes["x"], axes["run"]
        self.add_densities(axes["x"])
        for ax in (axes["run"], axes["end"]):
            ax.axhline(0, color=GREY, linewidth=1)
            ax.set_ylim(-3, 2)
        self.truths = [
            ax.axhline(0, color=BLUE, linestyle=":", linewidth=2.5, label="$E_p[f]$, exact")
            for ax in (axes["run"], axes["end"])
        ]
        self.add_runs(axes["run"])
        self.add_repeats(axes["end"])
        handles = [self.p, self.q, self.f, self.ticks, self.heaviest, self.truths[0], self.run, self.right, self.wrong]
        self.figure.legend(handles=handles, loc="outside upper center", ncols=5)  # drawn once, away from all curves

    def add_densities(self, ax):
        """p, q and f over x, the samples of q as ticks, and a ring around the heaviest one."""
        self.grid = torch.linspace(-5, 5, 201)
        (self.p,) = ax.plot(self.grid, self.grid, color=BLUE, label="p")
        (self.q,) = ax.plot(self.grid, self.grid, "--", color=RED, label="q")
        (self.f,) = ax.plot(self.grid, self.grid, "-.", color=GREEN, label="f")
        self.peaks = [ax.plot([0], [0], "o", color=colour, markersize=9)[0] for colour in (BLUE, RED)]
        (self.ticks,) = ax.plot([], [], "|", color=RED, markersize=12, markeredgewidth=1, label="samples of q")
        (self.heaviest,) = ax.plot([0], [0], "o", color=BLACK, fillstyle="none", markersize=13, label="the heaviest")
        ax.axhline(0, color=GREY, linewidth=1, zorder=0)
        ax.set(xlabel="x", ylabel="p, q, f", xlim=(-5, 5), ylim=(-1.15, 1.15), yticks=[-1, 0, 1])

    def add_runs(self, ax):
        """Running estimates: this run thick, 15 other ones thin."""
        self.others = [ax.plot([], [], color=RED, linewidth=0.8, alpha=0.5)[0] for _ in range(SHOWN - 1)]
        (self.run,) = ax.plot([], [], color=RED, linewidth=3, label="this run")
        ax.set(xlabel="samples", ylabel="estimate of $E_p[f]$", xscale="log", xlim=(1, LONGEST))

    def add_repeats(self, ax):
        """A histogram of the last estimates, those with the wrong sign hatched."""
        self.right, self.wrong = (
            ax.stairs(
                np.zeros(50), BINS, orientation="horizontal", fill=True, facecolor=colour, hatch=hatch, label=label
            )
            for colour, hatch, label in ((GREY, "", "right sign"), (RED, "////", "wrong sign"))
        )
        ax.set(xlabel="share of 500 repeats", xlim=(0, 1), yticklabels=[])

    def draw_densities(self, mu_p, mu_q, sigma_q, f):
        """The curves of p, q and f."""
        self.p.set_ydata(log_density(self.grid, mu_p).exp().numpy())
        self.q.set_ydata(log_density(self.grid, mu_q, sigma_q).exp().numpy())
        self.f.set_ydata(f(self.grid).numpy())
        for peak, mu, sigma in zip(self.peaks, (mu_p, mu_q), (1.0, sigma_q)):
            peak.set_data([mu], [log_density(torch.tensor([mu]), mu, sigma).exp()])

    def draw_runs(self, x, top, terms, truth):
        """This run's samples `[n]`, number `top` the heaviest; all runs' terms `[SHOWN, n]`; the exact mean."""
        n = len(x)
        self.ticks.set_data(x.numpy(), np.zeros(n))
        self.heaviest.set_data([x[top].item()], [0])
        seen = np.unique(np.geomspace(1, n, 150).astype(int))
        for line, estimate in zip((self.run, *self.others), running_means(terms, seen)):
            line.set_data(seen, estimate)
        for line in self.truths:
            line.set_ydata([truth, truth])

    def draw_repeats(self, estimates, wrong):
        """The histogram of estimates `[REPEATS]`, of which some have the `wrong` sign."""
        for stairs, chosen in ((self.right, ~wrong), (self.wrong, wrong)):
            counts = np.histogram(estimates[chosen].clip(-2.99, 1.99), BINS)[0]
            stairs.set_data(counts / REPEATS)


# Explorer -------------------------------------------------------------------------------------------------------------


def importance_sampling(**settings):
    """What samples of q say about E_p[f]: one run, 16 running estimates, 500 repeats -> Explorer.

    Its controls are the means of p and q, the width of q, f, the number of samples and the seed.
    """
    picture = ImportancePicture()

    def draw(mu_p, mu_q, sigma_q, f, n, seed):
        function = FUNCTIONS[f]
        x, weights = weighted_samples(mu_p, mu_q, sigma_q, normals(n, seed)[:, :SHOWN].T)  # [SHOWN, n]
        terms, top = (weights * function(x)).numpy(), int(weights[0].argmax())
        truth = exact_mean(function, mu_p)
        estimates = final_estimates(function, mu_p, mu_q, sigma_q, n, seed)
        wrong = estimates * truth < 0
        picture.draw_densities(mu_p, mu_q, sigma_q, function)
        picture.draw_runs(x[0], top, terms, truth)
        picture.draw_repeats(estimates, wrong)
        return words(truth, terms[0], weights[0], top, wrong)

    densities, (peak_of_p, peak_of_q) = picture.densities, picture.peaks
    return Explorer(
        "importance_sampling",
        settings,
        picture.figure,
        draw,
        grips=[
            Grip(densities, x="mu_q", line=peak_of_q),
            Grip(densities, x="mu_p", line=peak_of_p),
            Grip(picture.runs, at=lambda x, y: {"n": nearest_by_ratio(SIZES, x)}),
        ],
        ghosts=[picture.p, picture.q, picture.run],
        plays="n",
        mu_p=slider("p, its mean", -1.0, -2.5, -0.5, 0.25),
        mu_q=slider("q, its mean", 1.5, -2.5, 2.5, 0.25),
        sigma_q=slider("q, its width", 1.0, 0.5, 3.0, 0.25),
        f=choice("f(x), function", "tanh(2x), a soft step", list(FUNCTIONS)),
        n=steps("n, samples", 10, SIZES),
        seed=slider("seed", 1, 0, 20, 1),
    )


def words(truth, terms, weights, top, wrong):
    """The line of text: what this run's terms and weights `[n]` say, all and without number `top`; the wrong signs."""
    return say(
        "E<sub>p</sub>[f] = {truth:+.2f}; this run's {n:,} samples say {mean:+.2f}. Their effective sample size is "
        "{effective:.1f} of {n:,}. The heaviest has {share:.0%} of all weight; without it they say {rest:+.2f}. "
        "Wrong sign: {wrong:.0%} of 500 repeats.",
        truth=truth,
        n=len(terms),
        mean=terms.mean(),
        effective=F.effective_sample_size(weights).item(),
        share=float(weights[top] / weights.sum()),
        rest=np.delete(terms, top).mean(),
        wrong=wrong.mean(),
    )
