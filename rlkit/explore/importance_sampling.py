"""What samples of q say about a mean under p, and when few of them say it with the wrong sign."""

from functools import lru_cache

import numpy as np
import torch

from rlkit import functional as F
from rlkit.explore.panel import Explorer, choice, slider, steps, still_legend
from rlkit.plotting import BLACK, BLUE, GREEN, GREY, RED, Picture

REPEATS, SHOWN, LONGEST = 500, 16, 2000
FUNCTIONS = {
    "tanh(2x), a soft step": lambda x: (2 * x).tanh(),
    "x": lambda x: x,
    "½ - 2 exp(-2(x + 2)²), a hole": lambda x: 0.5 - 2 * (-2 * (x + 2) ** 2).exp(),
}


def log_density(x, mu, sigma=1.0):
    """ln N(x; μ, σ): any shape, torch."""
    return F.gaussian_log_prob(torch.tensor([mu]), torch.tensor([sigma]).log(), x[..., None])


def exact_mean(f, mu_p):
    """E_{x~p}[f(x)] by summing over a fine grid."""
    x = torch.linspace(mu_p - 8, mu_p + 8, 4001, dtype=torch.float64)
    return float((log_density(x, mu_p).exp() * f(x)).sum() * (x[1] - x[0]))


@lru_cache(maxsize=2)
def normals(n, seed):
    """Standard normal draws, one column a repeat `[n, REPEATS]`: a longer run begins as a shorter one does."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, REPEATS), dtype=np.float32))


def weighted_samples(mu_p, mu_q, sigma_q, z):
    """Samples of q made from standard normal z, and their importance weights p(x) / q(x) -> both of z's shape."""
    x = mu_q + sigma_q * z
    return x, F.ratio(log_density(x, mu_p), log_density(x, mu_q, sigma_q))


def final_estimates(f, mu_p, mu_q, sigma_q, n, seed):
    """Estimates of E_p[f] from n samples of q, one for each repeat `[REPEATS]`."""
    total = torch.zeros(REPEATS)
    for z in normals(n, seed).split(150):  # parts that fit a processor's cache: twice as fast
        x, weights = weighted_samples(mu_p, mu_q, sigma_q, z)
        total += (weights * f(x)).sum(0)
    return (total / n).numpy()


def importance_sampling():
    """The densities and one run's samples, running estimates of E_p[f], and 500 repeats, by p, q, f and n."""
    figure = Picture(figsize=(10, 6.4), layout="constrained")
    axes = figure.subplot_mosaic([["x", "x"], ["run", "end"]], height_ratios=[1, 1.15], width_ratios=[1.8, 1])
    ax, run, end = axes.values()
    grid = torch.linspace(-5, 5, 201)
    (of_p,) = ax.plot(grid, grid, color=BLUE, label="p")
    (of_q,) = ax.plot(grid, grid, "--", color=RED, label="q")
    (of_f,) = ax.plot(grid, grid, "-.", color=GREEN, label="f")
    (ticks,) = ax.plot([], [], "|", color=RED, markersize=12, markeredgewidth=1, label="samples of q")
    (heaviest,) = ax.plot([0], [0], "o", color=BLACK, fillstyle="none", markersize=13, label="the heaviest")
    ax.axhline(0, color=GREY, linewidth=1, zorder=0)
    ax.set(xlabel="x", xlim=(-5, 5), ylim=(-1.6, 1.15), yticks=[-1, 0, 1])
    still_legend(ax, loc="lower right", ncols=5)
    for axes in (run, end):
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_ylim(-3, 2)
    thin = [run.plot([], [], color=RED, linewidth=0.8, alpha=0.5)[0] for _ in range(SHOWN - 1)]
    (thick,) = run.plot([], [], color=RED, linewidth=3, label="this run")
    truths = [axes.axhline(0, color=BLUE, linestyle="--", label="E_p[f], exact") for axes in (run, end)]
    run.set(xlabel="samples", ylabel="estimate of E_p[f]", xscale="log", xlim=(1, LONGEST))
    still_legend(run, loc="upper right")
    bins = np.linspace(-3, 2, 51)
    right, wrong = (
        end.stairs(np.zeros(50), bins, orientation="horizontal", fill=True, facecolor=colour, hatch=hatch, label=label)
        for colour, hatch, label in ((GREY, "", "right sign"), (RED, "////", "wrong sign"))
    )
    end.set(xlabel="share of 500 repeats", xlim=(0, 0.6), yticklabels=[])
    still_legend(end, loc="upper right")

    def draw(mu_p, mu_q, sigma_q, f, n, seed):
        function = FUNCTIONS[f]
        x, weights = weighted_samples(mu_p, mu_q, sigma_q, normals(n, seed)[:, :SHOWN].T)
        terms = (weights * function(x)).numpy()
        of_p.set_ydata(log_density(grid, mu_p).exp().numpy())
        of_q.set_ydata(log_density(grid, mu_q, sigma_q).exp().numpy())
        of_f.set_ydata(function(grid).numpy())
        ticks.set_data(x[0].numpy(), np.zeros(n))
        top = int(weights[0].argmax())
        heaviest.set_data([x[0, top].item()], [0])
        seen = np.unique(np.geomspace(1, n, 150).astype(int))
        for line, estimate in zip((thick, *thin), terms.cumsum(1)[:, seen - 1] / seen):
            line.set_data(seen, estimate)
        truth = exact_mean(function, mu_p)
        for line in truths:
            line.set_ydata([truth, truth])
        estimates = final_estimates(function, mu_p, mu_q, sigma_q, n, seed)
        is_wrong = estimates * truth < 0
        for stairs, chosen in ((right, ~is_wrong), (wrong, is_wrong)):
            counts = np.histogram(estimates[chosen].clip(-2.99, 1.99), bins)[0]
            stairs.set_data(counts / REPEATS)
        share = float(weights[0, top] / weights[0].sum())
        return (
            f"E_p[f] = {truth:+.2f}; this run's {n} samples say {terms[0].mean():+.2f}. Their effective sample size is "
            f"{F.effective_sample_size(weights[0]):.1f} of {n}. The heaviest has {share:.0%} of all weight; without it "
            f"they say {np.delete(terms[0], top).mean():+.2f}. Wrong sign: {is_wrong.mean():.0%} of 500 repeats."
        )

    return Explorer(
        figure,
        draw,
        mu_p=slider("μ_p, mean of p", -1.0, -2.5, -0.5, 0.25),
        mu_q=slider("μ_q, mean of q", 1.5, -2.5, 2.5, 0.25),
        sigma_q=slider("σ_q, width of q", 1.0, 0.5, 3.0, 0.25),
        f=choice("f(x), function", "tanh(2x), a soft step", list(FUNCTIONS)),
        n=steps("n, samples", 10, [5, 10, 20, 50, 100, 300, 1000, 2000]),
        seed=slider("seed", 1, 0, 20, 1),
    )
