"""What a trained agent attends to: a spot lights up where a blur changes what the network says."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from rlkit.experiments.saliency import layers, middles, outputs, perturbed, scores
from rlkit.explore.panel import Explorer, choice, slider
from rlkit.plotting import BLUE, GREY, Picture, lit, outline, tiles
from rlkit.plotting.video import number, play, probabilities
from rlkit.running.checkpoint import load

SHIPPED = Path(__file__).parent.parent / "data" / "agents" / "ppo-pong-small.pt"
STEPS = 120
PANEL = 4.0  # the width of the layers' panel by its height


def moment(agent, obs):
    """Of the policy and of V: S `[11, 14]`, and what is said without a blur and with one on the strongest spot."""
    seen = {}
    for of, said in outputs(agent, perturbed(obs)).items():
        S = scores(said)
        seen[of] = S, said[0], said[1 + S.argmax()]
    return seen


def saliency(agent=None, recording=None):
    """A game and what the agent attends to, for its policy and for V, by the step, beside what its layers see.

    Without an agent it is the shipped PPO; without a recording it plays the first 120 steps of a game.
    """
    agent = load(SHIPPED, device="cpu", num_envs=1) if agent is None else agent
    recording = play(agent, STEPS) if recording is None else recording
    q_network = hasattr(agent, "q_values")
    moments = lru_cache(lambda t: moment(agent, recording.stacks[t]))
    names = list(recording.names)

    figure = Picture(figsize=(10.5, 5.2), layout="constrained")
    axes = figure.subplot_mosaic([["game", "bars"], ["game", "layer"]], width_ratios=[1, 1.55], height_ratios=[1, 1.1])
    screen = axes["game"].imshow(recording.frames[0], interpolation="nearest")
    contours = []
    bars = axes["bars"].barh(names, np.zeros(len(names)), edgecolor="white")
    low, high = min(0.0, recording.bars.min()), max(recording.titles.reach, recording.bars.max())
    axes["bars"].set(title=f"{recording.titles.bars}, hatched: the action taken", xlim=(low, high))
    axes["bars"].invert_yaxis()
    image = axes["layer"].imshow(np.zeros((1, 1)), interpolation="nearest", cmap="gray", vmin=0, vmax=1)
    axes["layer"].set(title="what the layer sees", xlim=(0, PANEL), ylim=(1, 0), aspect="equal")
    for name in ("game", "layer"):
        axes[name].set_axis_off()

    def draw(t, whose, layer):
        S, said, blurred = moments(t)[whose]
        picture, light = lit(recording.frames[t], S)
        screen.set_data(picture)
        while contours:
            contours.pop().remove()
        contours.extend(outline(axes["game"], light, whose))
        action = recording.actions[t]
        for a, (bar, value) in enumerate(zip(bars, recording.bars[t])):
            bar.set(width=value, facecolor=BLUE if a == action else GREY, hatch="//" if a == action else "")
        maps = tiles(recording.stacks[t] if layer == "frames" else layers(agent, recording.stacks[t])[layer])
        image.set_data(maps)
        image.set_extent((0, PANEL, PANEL * maps.shape[0] / maps.shape[1], 0))

        down, across = middles(recording.frames.shape[2])
        row, column = np.unravel_index(S.argmax(), S.shape)
        if whose == "V":
            what, before, after = "V" if not q_network else "max Q", said[0], blurred[0]
        elif q_network:
            what, before, after = f"Q(s, {names[action]}) less the mean", said[action], blurred[action]
        else:
            what = f"π({names[action]}|s)"
            before, after = probabilities(said)[action], probabilities(blurred)[action]
        subject = "V attends" if whose == "V" else "The policy attends"
        return (
            f"Step {t}: the agent takes {names[action]}; {'max Q' if q_network else 'V'} = "
            f"{number(recording.curve_high[t], '.2f')}. {subject} most to column {across[column]:.0f}, row "
            f"{down[row]:.0f} of the screen, S = {S.max():.2g}: with this spot blurred, {what} is "
            f"{number(after, '.2f')} instead of {number(before, '.2f')}."
        )

    return Explorer(
        figure,
        draw,
        t=slider("t, step of the game", min(74, len(recording) - 1), 0, len(recording) - 1, 1),
        whose=choice("whose attention", "policy", ["policy", "V"]),
        layer=choice(
            "layer", "convolution 1", ["frames", *(k for k in layers(agent, recording.stacks[0]) if k != "hidden")]
        ),
    )
