"""Behaviour, not parameters: steps of one length in the logits, and how much the policy changes."""

import numpy as np
import torch
from matplotlib.colors import LogNorm

from rlkit import functional as F
from rlkit.explore.controls import log_slider, slider
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import number, say
from rlkit.plotting import BLACK, BLUE, GREY, ORANGE, RED, picture

ANGLES = np.linspace(0, 2 * np.pi, 121)
LEFT, RIGHT, BOTTOM, TOP = PLANE = -2.5, 8.5, -5.5, 5.5  # the part of the plane of logits that is shown


# Model ----------------------------------------------------------------------------------------------------------------


def logits(z):
    """The logits of points in the plane: `[..., 2]` -> `[..., 3]`. The third is 0, because only differences matter."""
    z = torch.as_tensor(np.asarray(z, float))
    return torch.cat([z, torch.zeros_like(z[..., :1])], -1)


def kl(old, new):
    """KL(π_old || π_new) of points in the plane: `[2]`, `[..., 2]` -> `[...]`."""
    return F.kl_divergence(logits(old), logits(new)).numpy()


def circle(old, length):
    """The ends of steps of one length from `old`, at all ANGLES: `[2]` -> `[121, 2]`."""
    return old + length * np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)


def fisher(old):
    """The Fisher matrix in the plane, diag(p) - p p^T without the logit that is held at 0: `[2]` -> `[2, 2]`."""
    p = logits(old).softmax(-1).numpy()[:2]
    return np.diag(p) - np.outer(p, p)


def ellipse(old, max_kl):
    """Where the quadratic model of the KL, ½ x^T H x, is δ: `[2]` -> `[121, 2]`."""
    directions = torch.from_numpy(circle(np.zeros(2), 1.0))
    H = torch.from_numpy(fisher(old))
    return old + np.array([F.trust_region_step(x, H @ x, max_kl) * x for x in directions])


def contour(old, max_kl, halvings=20):
    """Where the KL itself is δ, along the ray at each angle: `[2]` -> `[121, 2]`.

    It is found by bisection. A ray on which the KL never reaches δ ends 30 away.
    """
    directions = circle(np.zeros(2), 1.0)
    low, high = np.zeros(len(ANGLES)), np.full(len(ANGLES), 30.0)
    for _ in range(halvings):
        middle = (low + high) / 2
        too_far = kl(old, old + middle[:, None] * directions) > max_kl
        low, high = np.where(too_far, low, middle), np.where(too_far, middle, high)
    return old + low[:, None] * directions


# Picture --------------------------------------------------------------------------------------------------------------


class RegionPicture:
    """The plane of logits with all steps of one length and of one KL; the KL by angle; π before and after the step.

    The circle of steps and the step have the same colours in the first two panels.
    """

    def __init__(self):
        self.figure, axes = picture(3, width=11.5, height=4.6, width_ratios=[1.45, 1, 0.75])
        self.plane, self.around, bars = axes
        self.points = np.stack(np.meshgrid(np.linspace(LEFT, RIGHT, 61), np.linspace(BOTTOM, TOP, 61)), -1)
        self.add_plane(self.plane)
        self.add_angles(self.around)
        self.before = bars.bar(np.arange(3) - 0.2, np.zeros(3), 0.4, color=GREY, label="before")
        self.after = bars.bar(np.arange(3) + 0.2, np.zeros(3), 0.4, color=RED, hatch="//", label="after")
        bars.set(xlabel="action", ylabel="π(a)", ylim=(0, 1.3), xticks=range(3), xticklabels=[1, 2, 3])
        bars.set_yticks([0, 0.5, 1])
        bars.legend(loc="upper right", fontsize=11, ncols=1)

    def add_plane(self, ax):
        """The policies around the old one, shaded by their KL, with the steps, the trust region and the one step."""
        shades = dict(cmap="Greys", norm=LogNorm(1e-3, 10), aspect="auto")
        self.shade = ax.imshow(self.points[..., 0], extent=PLANE, origin="lower", **shades)
        scale = self.figure.colorbar(self.shade, ax=ax, pad=0.02, extend="both")
        scale.set_label("KL from the old policy, nats")
        (self.steps,) = ax.plot([], [], "-.", color=ORANGE, label="steps of length d")
        (self.region,) = ax.plot([], [], color=BLUE, label="KL = δ")
        (self.model,) = ax.plot([], [], "--", color=BLUE, linewidth=1.2, label="½ xᵀHx = δ")
        (self.here,) = ax.plot([], [], "o", color=BLACK)
        (self.arrow,) = ax.plot([], [], color=RED, marker="D", markevery=[1], linewidth=2.5, label="the step")
        (self.ends,) = ax.plot([], [], "s", color=ORANGE, markeredgecolor=BLACK, markersize=8)
        ax.set(xlabel="logit $z_1$", ylabel="logit $z_2$", xlim=(LEFT, RIGHT), ylim=(BOTTOM, TOP))
        lines = [self.steps, self.region, self.model, self.arrow]
        self.figure.legend(handles=lines, loc="outside upper center", ncols=4)  # the figure's: it covers nothing
        ax.grid(False)

    def add_angles(self, ax):
        """The KL of all steps of one length, by their angle, and the two angles where it is least and largest."""
        (self.curve,) = ax.plot(ANGLES, ANGLES, "-.", color=ORANGE)
        self.budget = ax.axhline(1, color=BLUE, linestyle="--", linewidth=1.5)
        (self.mark,) = ax.plot([0], [1], "D", color=RED, markersize=9)
        (self.extremes,) = ax.plot([], [], "s", color=ORANGE, markeredgecolor=BLACK, markersize=8)
        ax.set(
            xlabel="angle φ of the step, degrees",
            ylabel="KL of a step of length d, nats",
            yscale="log",
            ylim=(1e-4, 10),
            xlim=(0, 360),
        )
        ax.set_xticks([0, 90, 180, 270, 360])
        self.factor = ax.set_title("", loc="left")

    def draw(self, old, new, steps, max_kl):
        """A step from `old` to `new` `[2]`, all `steps` of its length `[121, 2]`, and the trust region of `max_kl`."""
        self.shade.set_data(kl(old, self.points).clip(1e-6))
        for line, path in (
            (self.steps, steps),
            (self.region, contour(old, max_kl)),
            (self.model, ellipse(old, max_kl)),
        ):
            line.set_data(path.T)
        self.here.set_data([old[0]], [old[1]])
        self.arrow.set_data(*np.stack([old, new]).T)
        self.budget.set_ydata([max_kl, max_kl])
        for bars, z in ((self.before, old), (self.after, new)):
            for rectangle, p in zip(bars, logits(z).softmax(-1).numpy()):
                rectangle.set_height(p)

    def step_to(self, x, y):
        """The step from the old policy to a point of the plane -> its length and its angle, as controls."""
        (from_x,), (from_y,) = self.here.get_data()
        return {
            "length": np.hypot(x - from_x, y - from_y),
            "angle": np.degrees(np.arctan2(y - from_y, x - from_x)) % 360,
        }

    def draw_angles(self, around, steps, angle, reached):
        """The KL of all `steps` `[121]`, and of the step at `angle`, in degrees."""
        degrees, ends = np.degrees(ANGLES), [int(around[:-1].argmin()), int(around[:-1].argmax())]
        self.curve.set_data(degrees, around)
        self.mark.set_data([angle], [reached])
        self.extremes.set_data(degrees[ends], around[ends])
        self.ends.set_data(*steps[ends].T)
        factor = number(around.max() / around.min(), ".0f")
        self.factor.set_text(say("KLs at the squares, 1 : {factor}", factor=factor))


# Explorer -------------------------------------------------------------------------------------------------------------


def trust_region(**settings):
    """All steps of one length, all steps of one KL, and what one step does to a policy of three actions -> Explorer.

    Its controls are the confidence of the policy, the length and the angle of the step, and δ.
    """
    picture = RegionPicture()

    def draw(confidence, length, angle, max_kl):
        old = np.array([confidence, 0.0])
        new = old + length * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        steps = circle(old, length)
        around, reached = kl(old, steps), float(kl(old, new))
        picture.draw(old, new, steps, max_kl)
        picture.draw_angles(around, steps, angle, reached)
        return words(length, angle, reached, max_kl, around)

    return Explorer(
        "trust_region",
        settings,
        picture.figure,
        draw,
        grips=[
            Grip(picture.plane, at=picture.step_to),
            Grip(picture.around, x="angle", line=picture.curve),
            Grip(picture.around, y="max_kl", line=picture.budget),
        ],
        ghosts=[picture.region, picture.arrow, picture.curve],
        confidence=slider("z₁, confidence", 3.0, 0.0, 5.0, 0.5),
        length=slider("d, length of the step", 1.0, 0.1, 3.0, 0.1),
        angle=slider("φ, angle of the step", 200, 0, 360, 5),
        max_kl=log_slider("δ, trust region", 10**-1.5, -3.0, 0.0),
    )


def words(length, angle, reached, max_kl, around):
    """The line of text: the KL of the step, inside or outside of δ, and those of all steps of its length `[121]`."""
    step = say(
        "The step of length {length:.1f} at {angle}° has a KL of {reached:.3g}, inside the region of δ = {max_kl:.3g}."
        if reached <= max_kl
        else "The step of length {length:.1f} at {angle}° has a KL of {reached:.3g}, outside the region of δ = "
        "{max_kl:.3g}.",
        length=length, angle=angle, reached=reached, max_kl=max_kl,
    )  # fmt: skip
    least, most = around.min(), around.max()
    others = say(
        "Over all angles the KL goes from {least:.3g} to {most:.3g}, a factor of {factor:.0f}.",
        least=least, most=most, factor=most / least,
    )  # fmt: skip
    return f"{step} {others}"
