"""What an agent that sees pixels attends to, its filters and its layers, as figures of `rlkit.experiments.saliency`."""

import numpy as np
from PIL import Image  # comes with matplotlib

from rlkit.experiments.saliency import BOTTOM, TOP, middles
from rlkit.plotting.figures import BLACK, SKY, YELLOW, picture

DIM, BRIGHT = 0.5, 1.5  # factors of brightness where S is 0 and where it is largest
ATTENTION = {"policy": YELLOW, "V": SKY}  # the colour of the line around what is attended to


def lit(screen, scores):
    """The screen as the agent attends to it, dim where S is 0 and bright where S is largest -> image, light.

    `screen` is `[H, W, 3]` uint8, `scores` are S of the spots in its field `[11, 14]`. The image is like the screen.
    The light `[rows of the field, W]` is S over its largest value, from 0 to 1.
    """
    spots = Image.fromarray((scores / max(scores.max(), 1e-12)).astype(np.float32))
    light = np.asarray(spots.resize((screen.shape[1], BOTTOM - TOP), Image.Resampling.BICUBIC)).clip(0, 1)
    strength = np.full((*screen.shape[:2], 1), DIM)
    strength[TOP:BOTTOM, :, 0] += (BRIGHT - DIM) * light
    return (strength * screen).clip(0, 255).astype(np.uint8), light


def outline(ax, light, of):
    """Draw a line around what has half of the light or more -> its two contours. `of` is "policy" or "V"."""
    lines = ((5, BLACK), (2.2, ATTENTION[of]))  # a black edge, so that it is seen on every background
    extent = (-0.5, light.shape[1] - 0.5, TOP - 0.5, BOTTOM - 0.5)
    return [ax.contour(light, [0.5], colors=ink, linewidths=width, extent=extent) for width, ink in lines]


def spot(scores, width):
    """Where the scores `[11, 14]` are largest on a screen of this width, in words -> str."""
    down, across = middles(width)
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    return f"column {across[column]:.0f}, row {down[row]:.0f}"


def attention(recording, moments, maps):
    """What the policy and V attend to at some moments of a Recording -> Picture, a column for each moment.

    `moments` are steps of the recording. `maps` has for each what `saliency` gives: {"policy": S, "V": S}.
    """
    figure, axes = picture(len(moments), 2, width=9, height=6.3, squeeze=False)
    height, screen_width = recording.frames.shape[1:3]
    figure.alt = (
        f"{len(moments)} screens of the game, {screen_width} columns by {height} rows, above for the policy, below for "
        f"V: what is attended to is bright and has a line around it."
    )
    for column, (t, scores) in enumerate(zip(moments, maps)):
        for ax, of in zip(axes[:, column], ATTENTION):
            image, light = lit(recording.frames[t], scores[of])
            ax.imshow(image)
            outline(ax, light, of)
            ax.set(xticks=[], yticks=[], xlabel=f"largest S = {scores[of].max():.2g}")
            ax.xaxis.label.set_size(11)
            ax.spines[:].set_visible(False)
        action, curve = recording.actions[t], recording.titles.curve.removesuffix(" over time")
        numbers = f"{recording.bars[t, action]:.2f}\n{curve} = {recording.curve_high[t]:.2f}".replace("-", "−")
        axes[0, column].set_title(f"step {t}: {recording.names[action]} {numbers}", fontsize=11)
        most = {of: spot(scores[of], screen_width) for of in ATTENTION}
        figure.alt += (
            f" Step {t}, {recording.names[action]}: the policy attends most to {most['policy']}; V to {most['V']}."
        )
    for ax, name in zip(axes[:, 0], ("the policy's attention", "attention of V")):
        ax.set_ylabel(name)
    return figure


def filters(weights, count=6):
    """The `count` filters of a first convolution that change most from frame to frame -> Picture.

    `weights` are `[out, stack, k, k]`, the oldest frame first. Those with the largest ||w - mean of w over the frames||
    are shown. A filter that compares frames changes its sign between them.
    """
    change = ((weights - weights.mean(1, keepdims=True)) ** 2).sum((1, 2, 3))
    chosen = np.argsort(-change)[:count]
    stack = weights.shape[1]
    figure, axes = picture(count, stack, width=9, height=5.8)
    for column, number in enumerate(chosen):
        for ax, w in zip(axes[:, column], weights[number] / abs(weights[number]).max()):
            shown = ax.imshow(w, cmap="gray", vmin=-1, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
        axes[0, column].set_title(f"filter {number}", fontsize=12)
        axes[-1, column].set_xlabel(f"{change[number] / (weights[number] ** 2).sum():.0%} change", fontsize=11)
    for age, ax in zip(reversed(range(stack)), axes[:, 0]):
        ax.set_ylabel(f"{age} before" if age else "newest", fontsize=12)
    bar = figure.colorbar(shown, ax=axes, shrink=0.6, aspect=12, ticks=[-1, 0, 1])
    bar.set_ticklabels(["negative", "0", "positive"])
    changes = ", ".join(f"filter {n} by {change[n] / (weights[n] ** 2).sum():.0%}" for n in chosen)
    figure.alt = (
        f"{len(chosen)} filters side by side, {stack} squares each, one for each frame, the oldest on top; black is "
        f"negative, grey 0, white positive. They change from frame to frame: {changes}."
    )
    return figure


def tiles(maps):
    """Maps side by side on white, at most 16 in a row: `[K, h, w]` -> `[H, W]`, from 0 to 1.

    The largest 3 % of the numbers are all white. Otherwise one edge that many maps respond to would make the rest dark.
    """
    columns = len(maps) if len(maps) <= 4 else 8 if len(maps) <= 16 else 16
    gap = max(1, maps.shape[1] // 12)
    light = (maps / max(np.quantile(maps, 0.97), 1e-12)).clip(0, 1)
    framed = np.pad(light, ((0, -len(maps) % columns), (0, gap), (0, gap)), constant_values=1.0)
    rows = framed.reshape(-1, columns, *framed.shape[1:])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])[:-gap, :-gap]


def feature_maps(obs, seen):
    """What each layer makes of the frames at one moment -> Picture, a row for each layer.

    `obs` are the frames `[stack, H, W]`, `seen` the maps of each layer as `saliency.layers` gives them, `[K, h, w]`.
    """
    images = {"frames, newest right": obs} | {name: maps for name, maps in seen.items() if maps.ndim == 3}
    pictures = {name: tiles(maps) for name, maps in images.items()}
    shapes = [image.shape[0] / image.shape[1] for image in pictures.values()]
    figure, axes = picture(
        1, len(pictures), width=9, height=8.6 * sum(shapes) + 0.35 * len(shapes), height_ratios=shapes
    )
    for ax, (name, image) in zip(axes, pictures.items()):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        count, height, width = images[name].shape
        ax.set_title(f"{name}: {count} of {height} x {width}", fontsize=12, loc="left")
        ax.set_axis_off()
    shares = "; ".join(
        f"{name}, {len(maps)} maps of {maps.shape[1]} by {maps.shape[2]}, {(maps == 0).mean():.0%} of their numbers 0"
        for name, maps in images.items()
        if name in seen
    )
    figure.alt = (
        f"Above the {len(obs)} frames that the network sees, the newest on the right; below what its layers make of "
        f"them, black where a number is 0, white where it is large: {shares}."
    )
    return figure
