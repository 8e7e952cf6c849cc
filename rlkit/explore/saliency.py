"""What a trained agent attends to: a spot lights up where a blur changes what the network computes."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from IPython import get_ipython

from rlkit.experiments.saliency import layers, middles, outputs, perturbed, scores
from rlkit.explore.controls import choice, slider
from rlkit.explore.panel import Explorer, Grip
from rlkit.language import say
from rlkit.plotting import BLUE, GREY, Picture, lit, outline, tiles
from rlkit.plotting.video import play, probabilities
from rlkit.running.checkpoint import load

SHIPPED = Path(__file__).parent.parent / "data" / "agents" / "ppo-pong-small.pt"
STEPS = 120
PANEL = 4.0  # the width of the layers' panel, in units of its height

# Model ----------------------------------------------------------------------------------------------------------------


def moment(agent, obs):
    """What the policy and V attend to at an observation `[stack, H, W]` -> {"policy": ..., "V": ...}.

    For each: the scores S `[11, 14]`, the outputs of the network without a blur, and its outputs with the spot of the
    largest S blurred.
    """
    seen = {}
    for of, computed in outputs(agent, perturbed(obs)).items():
        S = scores(computed)
        seen[of] = S, computed[0], computed[1 + S.argmax()]
    return seen


def maps_of(agent, obs, layer):
    """What one layer makes of an observation: its maps `[K, h, w]`, or the frames themselves."""
    return obs if layer == "frames" else layers(agent, obs)[layer]


def effect(agent, recording, t, whose, computed, blurred):
    """A number that the blur changes: its name, its value without the blur, its value with it.

    `computed` and `blurred` are the outputs of `whose`, the policy or V, as `moment` gives them.
    """
    action, q_network = recording.actions[t], hasattr(agent, "q_values")
    if whose == "V":
        return "max Q" if q_network else "V", computed[0], blurred[0]
    name = recording.names[action]
    if q_network:
        return say("Q(s, {action}) less the mean", action=name), computed[action], blurred[action]
    return f"π({name}|s)", probabilities(computed)[action], probabilities(blurred)[action]


# Picture --------------------------------------------------------------------------------------------------------------


class SaliencyPicture:
    """The screen with what is attended to, a bar for each action, what a layer makes of the frames, and V over time."""

    def __init__(self, recording):
        self.recording = recording
        self.figure = Picture(figsize=(10.5, 5.6), layout="constrained")
        axes = self.figure.subplot_mosaic(
            [["game", "bars"], ["game", "layer"], ["game", "curve"]], width_ratios=[1, 1.4], height_ratios=[1, 1.3, 0.8]
        )
        self.game, bars, layer, self.curve = axes["game"], axes["bars"], axes["layer"], axes["curve"]
        self.screen = self.game.imshow(recording.frames[0], interpolation="nearest")
        self.contours = []
        names = recording.names
        self.bars = bars.barh(names, np.zeros(len(names)), edgecolor="white")
        low, high = min(0.0, recording.bars.min()), max(recording.titles.reach, recording.bars.max())
        bars.set(title=f"{recording.titles.bars}, hatched: the action taken", xlim=(low, high))
        bars.invert_yaxis()
        self.maps = layer.imshow(np.zeros((1, 1)), interpolation="nearest", cmap="gray", vmin=0, vmax=1)
        layer.set(title="what the layer sees", xlim=(0, PANEL), ylim=(1, 0), aspect="equal")
        name = recording.titles.curve.removesuffix(" over time")
        self.curve.plot(recording.curve_high, color=GREY, label=name)
        self.curve.set(xlabel="step t of the game", ylabel=name)
        self.curve.set_xlim(0, max(len(recording) - 1, 1))
        self.curve.locator_params(nbins=4)
        self.now = self.curve.axvline(0, color=BLUE)
        (self.here,) = self.curve.plot([0], [0], "o", color=BLUE, markersize=8, clip_on=False)
        for ax in (self.game, layer):
            ax.set_axis_off()

    def draw(self, t, whose, S, maps):
        """Show step t: the scores S `[11, 14]` of `whose`, the policy or V, and a layer's maps `[K, h, w]`."""
        screen, light = lit(self.recording.frames[t], S)
        self.screen.set_data(screen)
        while self.contours:
            self.contours.pop().remove()
        self.contours.extend(outline(self.game, light, whose))
        for action, (bar, value) in enumerate(zip(self.bars, self.recording.bars[t])):
            taken = action == self.recording.actions[t]
            bar.set(width=value, facecolor=BLUE if taken else GREY, hatch="//" if taken else "")
        self.now.set_xdata([t, t])
        self.here.set_data([t], [self.recording.curve_high[t]])
        image = tiles(maps)
        self.maps.set_data(image)
        self.maps.set_extent((0, PANEL, PANEL * image.shape[0] / image.shape[1], 0))


# Explorer -------------------------------------------------------------------------------------------------------------


def saliency(agent=None, recording=None, **settings):
    """A game and what the agent attends to, for its policy and for V, beside what a layer sees -> Explorer.

    `agent` plays Atari; the default is the shipped PPO. `recording` is a Recording of `play(agent)`; without
    one, the agent plays the first 120 steps of a game.
    """
    arguments = {"agent": agent, "recording": recording}
    agent = load(SHIPPED, device="cpu", num_envs=1) if agent is None else agent
    recording = play(agent, STEPS) if recording is None else recording
    moments = lru_cache(lambda t: moment(agent, recording.stacks[t]))
    picture = SaliencyPicture(recording)

    def draw(t, whose, layer):
        S, computed, blurred = moments(t)[whose]
        picture.draw(t, whose, S, maps_of(agent, recording.stacks[t], layer))
        return words(agent, recording, t, whose, S, *effect(agent, recording, t, whose, computed, blurred))

    convolutions = [name for name in layers(agent, recording.stacks[0]) if name != "hidden"]
    explorer = Explorer(
        "saliency",
        settings,
        picture.figure,
        draw,
        grips=[Grip(picture.curve, x="t")],
        plays="t",
        t=slider("t, step of the game", min(56, len(recording) - 1), 0, len(recording) - 1, 1),
        whose=choice("whose attention", "policy", ["policy", "V"]),
        layer=choice("layer", "convolution 1", ["frames", *convolutions]),
    )
    explorer.arguments = [f"{k}={called(given, k)}" for k, given in arguments.items() if given is not None]
    explorer.image.photo = True  # bright is what is attended to, in a dark theme too
    return explorer


def called(value, otherwise):
    """The reader's name for a value: that of a variable of the notebook, if there is one -> str."""
    notebook = get_ipython()
    names = [name for name, other in (notebook.user_ns if notebook else {}).items() if other is value]
    return next((name for name in names if not name.startswith("_")), otherwise)


def words(agent, recording, t, whose, S, what, before, after):
    """The line of text: the action, where S is largest, and how the number `what` changes when that spot is blurred."""
    down, across = middles(recording.frames.shape[2])
    row, column = np.unravel_index(S.argmax(), S.shape)
    taken = say(
        "Step {t}: the agent takes {action}; {curve} = {value:.2f}.",
        t=t, action=recording.names[recording.actions[t]], value=recording.curve_high[t],
        curve="max Q" if hasattr(agent, "q_values") else "V",
    )  # fmt: skip
    place = say("column {x:.0f}, row {y:.0f} of the screen", x=across[column], y=down[row])
    attends = (
        say("V attends most to {place}, S = {largest:.2g}", place=place, largest=S.max())
        if whose == "V"
        else say("The policy attends most to {place}, S = {largest:.2g}", place=place, largest=S.max())
    )
    blurred = say(
        "with this spot blurred, {what} is {after:.2f} instead of {before:.2f}.", what=what, after=after, before=before
    )
    return f"{taken} {attends}: {blurred}"
