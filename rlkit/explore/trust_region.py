"""Behaviour, not parameters: steps of one length in the logits, and how differently the policies act."""

import numpy as np
import torch

from rlkit import functional as F
from rlkit.explore.panel import Explorer, log_slider, slider
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

ANGLES = np.linspace(0, 2 * np.pi, 121)
LEFT, RIGHT, BOTTOM, TOP = PLANE = -2.5, 8.5, -5.5, 5.5  # what is shown of it


def logits(z):
    """The plane of logits: `[..., 2]` -> `[..., 3]`, the third one is 0, for only differences matter."""
    z = torch.as_tensor(np.asarray(z, float))
    return torch.cat([z, torch.zeros_like(z[..., :1])], -1)


def kl(old, new):
    """KL(π_old || π_new) of points in the plane: `[2]`, `[..., 2]` -> `[...]`."""
    return F.kl_divergence(logits(old), logits(new)).numpy()


def circle(old, length):
    return old + length * np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)


def fisher(old):
    """The Fisher matrix in the plane: diag(p) - p p^T, without the logit that is held. `[2, 2]`"""
    p = logits(old).softmax(-1).numpy()[:2]
    return np.diag(p) - np.outer(p, p)


def ellipse(old, max_kl):
    """Where the quadratic model of the KL, ½ x^T H x, is δ."""
    directions = torch.from_numpy(circle(np.zeros(2), 1.0))
    H = torch.from_numpy(fisher(old))
    return old + np.array([F.trust_region_step(x, H @ x, max_kl) * x for x in directions])


def contour(old, max_kl, halvings=20):
    """Where the KL itself is δ: along each ray, by halving the interval that holds it; far away where it never is."""
    directions = circle(np.zeros(2), 1.0)
    low, high = np.zeros(len(ANGLES)), np.full(len(ANGLES), 30.0)
    for _ in range(halvings):
        middle = (low + high) / 2
        too_far = kl(old, old + middle[:, None] * directions) > max_kl
        low, high = np.where(too_far, low, middle), np.where(too_far, middle, high)
    return old + low[:, None] * directions


def trust_region():
    """All steps of one length, all steps of one KL, and what one step does, by confidence, length, angle and δ."""
    figure, (plane, around, bars) = picture(3, width=11.5, height=4.6, width_ratios=[1.15, 1, 0.9])
    points = np.stack(np.meshgrid(np.linspace(LEFT, RIGHT, 61), np.linspace(BOTTOM, TOP, 61)), -1)
    image = plane.imshow(points[..., 0], extent=PLANE, origin="lower", cmap="Greys", vmin=-3, vmax=4, aspect="auto")
    (steps,) = plane.plot([], [], "-.", color=ORANGE, label="steps of length d")
    (region,) = plane.plot([], [], color=BLUE, label="KL = δ")
    (model,) = plane.plot([], [], "--", color=BLUE, linewidth=1.2, label="½ xᵀHx = δ")
    (here,) = plane.plot([], [], "o", color=BLACK)
    (arrow,) = plane.plot([], [], color=RED, marker="D", markevery=[1], linewidth=2.5, label="the step")
    plane.set(xlabel="logit $z_1$", ylabel="logit $z_2$", xlim=(LEFT, RIGHT), ylim=(BOTTOM, TOP))
    plane.set_title("the darker, the larger the KL", loc="left")
    plane.grid(False)
    (curve,) = around.plot(ANGLES, ANGLES, "-.", color=ORANGE)
    budget = around.axhline(1, color=BLUE, linestyle="--", linewidth=1.5)
    (mark,) = around.plot([0], [1], "D", color=RED, markersize=9)
    around.set(xlabel="angle of the step, degrees", ylabel="KL, nats", yscale="log", ylim=(1e-4, 10), xlim=(0, 360))
    around.set_xticks([0, 90, 180, 270, 360])
    before = bars.bar(np.arange(3) - 0.2, np.zeros(3), 0.4, color=GREY, label="before")
    after = bars.bar(np.arange(3) + 0.2, np.zeros(3), 0.4, color=RED, hatch="//", label="after the step")
    bars.set(xlabel="action", ylabel="π(a)", ylim=(0, 1.25), xticks=range(3), xticklabels=[1, 2, 3])
    figure.legend(loc="outside upper center", ncols=4)  # the figure's: drawn once, and in no curve's way

    def draw(confidence, length, angle, max_kl):
        old = np.array([confidence, 0.0])
        new = old + length * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        image.set_data(np.log10(kl(old, points).clip(1e-6)))
        for line, path in ((steps, circle(old, length)), (region, contour(old, max_kl)), (model, ellipse(old, max_kl))):
            line.set_data(path.T)
        here.set_data([old[0]], [old[1]])
        arrow.set_data(*np.stack([old, new]).T)
        around_circle = kl(old, circle(old, length))
        curve.set_data(np.degrees(ANGLES), around_circle)
        budget.set_ydata([max_kl, max_kl])
        mark.set_data([angle], [kl(old, new)])
        for rectangles, z in ((before, old), (after, new)):
            for rectangle, p in zip(rectangles, logits(z).softmax(-1).numpy()):
                rectangle.set_height(p)
        side = "inside" if kl(old, new) <= max_kl else "outside"
        return (
            f"A step of length {length:.2f} at {angle}°: KL {kl(old, new):.4f}, {side} the trust region of δ = "
            f"{max_kl:.3g}. Over all angles the KL goes from {around_circle.min():.4f} to {around_circle.max():.4f}, "
            f"a factor of {around_circle.max() / around_circle.min():.0f}."
        )

    return Explorer(
        figure,
        draw,
        confidence=slider("z₁, confidence", 3.0, 0.0, 5.0, 0.5),
        length=slider("d, length of the step", 1.0, 0.1, 3.0, 0.1),
        angle=slider("φ, angle of the step", 200, 0, 360, 5),
        max_kl=log_slider("δ, trust region", 10**-1.5, -3.0, 0.0),
    )
