"""Pictures of trust regions: the natural gradient on an ellipse, conjugate gradients, and TRPO's line search."""

import numpy as np

from rlkit.experiments.statistics import bootstrap_interval, interquartile_mean
from rlkit.language import number
from rlkit.plotting.figures import BLACK, BLUE, GREY, ORANGE, SKY, picture
from rlkit.running.messages import brief

ANGLES = np.linspace(0, 2 * np.pi, 181)


def check_plane(H, g, max_kl=1.0):
    """Raise ValueError for what is no trust region in the plane, or no direction in it."""
    if np.shape(H) != (2, 2) or np.shape(g) != (2,):
        raise ValueError(f"H {list(np.shape(H))} and g {list(np.shape(g))} must have the shapes [2, 2] and [2].")
    if not (np.allclose(H, np.transpose(H)) and (np.linalg.eigvalsh(H) > 0).all()):
        raise ValueError(f"H={brief(np.asarray(H).tolist())} must be symmetric and positive definite.")
    if not (np.isfinite(g).all() and np.any(g)):
        raise ValueError(f"g={brief(np.asarray(g).tolist())} must be finite, and not 0: it is a direction.")
    if not 0 < max_kl < np.inf:
        raise ValueError(f"max_kl={brief(max_kl)} must be a finite number above 0.")


def natural_gradient(H, g, max_kl):
    """Two steps to the edge of a trust region in the plane: H `[2, 2]`, g `[2]` -> Picture.

    The ellipse is ½ xᵀHx = δ. One arrow goes along g and one along H⁻¹g. Dotted lines connect steps that promise the
    same gain gᵀx.
    """
    check_plane(H, g, max_kl)
    to_edge = lambda x: np.sqrt(2 * max_kl / (x @ H @ x)) * x
    plain, natural = to_edge(g), to_edge(np.linalg.solve(H, g))
    ellipse = np.array([to_edge(x) for x in np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)])
    figure, ax = picture(width=9.5, height=4)
    ax.plot(*ellipse.T, color=BLUE, label="½ xᵀHx = δ: the same change of behaviour")
    across = 3 * abs(ellipse).max() * np.array([-g[1], g[0]]) / np.linalg.norm(g)
    for x, colour, name in ((plain, ORANGE, "along the gradient g"), (natural, BLACK, "along the natural gradient")):
        ax.plot(*np.stack([x - across, x + across]).T, ":", color=GREY, linewidth=1.2)
        ax.annotate("", x, (0, 0), arrowprops=dict(arrowstyle="-|>", color=colour, linewidth=2.5, shrinkA=0, shrinkB=0))
        ax.plot([], [], color=colour, label=f"{name}: gains {g @ x:.3f}")
    ax.plot(0, 0, "o", color=BLACK)
    reach = 1.15 * abs(ellipse).max()
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    figure.legend(loc="outside right center")
    figure.alt = (
        f"An ellipse of steps with the same KL. The step along the gradient promises a gain of {g @ plain:.3f}, and "
        f"the one along the natural gradient {g @ natural:.3f}, which no other step of the ellipse exceeds."
    )
    return figure


def conjugate_steps(H, g, path, downhill):
    """The way to the solution of Hy = g in the plane: H `[2, 2]`, g `[2]` -> Picture.

    Ellipses connect points with the same ½ yᵀHy - gᵀy, whose lowest point is the solution. `path` `[3, 2]` has the two
    steps of conjugate gradients, and `downhill` `[K, 2]` those that follow the slope.
    """
    check_plane(H, g)
    y = np.linalg.solve(H, g)
    figure, ax = picture(width=8, height=4.4)
    middle, reach = y / 2, 0.8 * np.array([1.4, 1]) * abs(y).max()  # the same scale on both axes, as angles matter
    low, high = middle - reach, middle + reach
    first, second = np.meshgrid(np.linspace(low[0], high[0], 120), np.linspace(low[1], high[1], 120))
    points = np.stack([first, second], -1) - y
    height = 0.5 * np.einsum("abi,ij,abj->ab", points, H, points)
    ax.contour(first, second, height, levels=np.linspace(0.02, 1, 12) ** 2 * height.max(), colors=[SKY], linewidths=0.8)
    ax.plot(*downhill.T, "--", color=ORANGE, linewidth=1.5, marker=".", label=f"downhill, {len(downhill) - 1} steps")
    ax.plot(*path.T, color=BLUE, linewidth=2.5, marker="o", label="conjugate gradients, 2 steps")
    ax.plot(*y, "*", color=BLACK, markersize=14, label="the solution of Hy = g")
    ax.set(xlabel="$y_1$", ylabel="$y_2$", xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    figure.legend(loc="outside upper center", ncols=3, fontsize=11)
    off = np.linalg.norm(downhill[-1] - y) / np.linalg.norm(y)
    figure.alt = (
        "Contour lines of a narrow valley. Conjugate gradients reach its lowest point in two steps. The path downhill "
        f"zigzags, and after {len(downhill) - 1} steps {number(off, '.0%')} of the way is left."
    )
    return figure


def line_search(runs):
    """TRPO with its line search and with full steps -> Picture: the share of each size, and both curves.

    `runs` is the sweep `line_search`. Thin lines are seeds, thick ones their interquartile mean in its 95 % interval.
    """
    figure, (left, right) = picture(2, width=11, height=3.8, width_ratios=[1, 1.3])
    sizes = np.concatenate([run["size"] for run in runs["line search"]])
    halvings = [0, 1, 2, 3]
    shares = [np.mean(sizes == 0.5**k) for k in halvings] + [np.mean((sizes > 0) & (sizes < 0.1)), np.mean(sizes == 0)]
    names = ["1", "½", "¼", "⅛", "less", "none"]
    bars = left.bar(names, shares, color=BLUE)
    left.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=12)
    left.set(xlabel="share of the full step that was taken", ylabel="share of the updates", ylim=(0, 1))
    for kind, colour, style in (("line search", BLUE, "-"), ("full steps", ORANGE, "--")):
        curves = np.array([run["returns"] for run in runs[kind]])
        steps = np.linspace(0, 30, curves.shape[1])
        right.plot(steps, curves.T, color=colour, linestyle=style, linewidth=0.6, alpha=0.5)
        right.fill_between(steps, *bootstrap_interval(curves), color=colour, alpha=0.2, linewidth=0)
        right.plot(steps, interquartile_mean(curves), color=colour, linestyle=style, label=kind)
    right.set(xlabel="agent steps, thousands", ylabel="return, last 20 episodes", ylim=(0, 515))
    right.legend(loc="upper left")
    figure.alt = "Shares of the updates by the size of their step: " + ", ".join(
        f"{name}: {share:.0%}" for name, share in zip(names, shares)
    )
    return figure
