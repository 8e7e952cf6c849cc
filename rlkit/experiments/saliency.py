"""What a pixel agent attends to: where a blur changes its outputs, its first filters, what each layer sees.

Greydanus, Koul, Dodge, Fern 2018, Visualizing and Understanding Atari Agents, equations 1 to 3.

    recording = play(agent, steps=300)
    saliency(agent, recording.stacks[100])["policy"]      # [11, 14]: a score for each of 154 spots

Where this differs from the paper: it blurs only the newest frame, because its network remembers the older ones in an
LSTM. Ours sees four frames at once. A ball that is blurred in one of them could still be seen in the other three, so
all four are blurred. A Q-network has no logits. Its *policy* here is Q(s, · ) minus its mean, because what all actions
have in common does not decide between them; its V is max Q.

As in the paper, only the field is searched: rows 35 to 189 of the screen. (The paper goes to 194; in our smaller frames
a pixel there has part of Pong's wall in it.) Both widths are the same share of the field as in the paper. Outside it
are the score and the walls. An agent has never seen a blurred wall, and reacts to one more than to anything in the
field.
"""

import functools

import numpy as np
import torch
from torch import nn

from rlkit import functional as F

TOP, BOTTOM = 35, 190  # the field, in rows of a screen of 210
SPOTS = 11, 14  # down and across: one for every 3 pixels of a frame of 42, or every 6 of one of 84
MASK_WIDTH, BLUR_WIDTH = 5 / 80, 3 / 80  # standard deviations, as shares of the height or width of the field


def saliency(agent, obs):
    """S of every spot for the policy and for V: obs `[stack, H, W]` -> {"policy": `[11, 14]`, "V": `[11, 14]`}.

    Greydanus 2018, equations 2 and 3. The unit is that of the output, squared.
    """
    return {of: scores(output) for of, output in outputs(agent, perturbed(obs)).items()}


def scores(output):
    """S from the outputs without a blur and with one at each spot: `[1 + 11 * 14, K]` -> `[11, 14]`."""
    return F.perturbation_saliency(output[0], output[1:]).reshape(SPOTS)


def perturbed(obs):
    """φ, then Φ(φ, i, j) = φ (1 - M(i, j)) + A(φ) M(i, j) for each spot: `[stack, H, W]` -> `[155, stack, H, W]`.

    Greydanus 2018, eq. 1: A(φ) is the blurred field, and M(i, j) a Gaussian bump of height 1 over the spot.
    """
    rows = field(len(obs[0]))
    copies = np.repeat(obs[None].astype(np.float32), 1 + SPOTS[0] * SPOTS[1], axis=0)
    inside = copies[0, :, rows]
    down, across = (bumps(size, np.arange(size), BLUR_WIDTH) for size in inside.shape[1:])
    blurred = (down / down.sum(1, keepdims=True)) @ inside @ (across / across.sum(1, keepdims=True)).T
    copies[1:, :, rows] += masks(*inside.shape[1:]) * (blurred - inside)
    return copies


def field(size):
    """The rows of a frame, `size` pixels high, that show the field."""
    return slice(size * TOP // 210, size * BOTTOM // 210)


def bumps(size, centres, width):
    """Gaussians of height 1 on `size` pixels -> `[len(centres), size]` float32. width: as a share of `size`."""
    distance = np.arange(size) - np.reshape(centres, (-1, 1))
    return np.exp(-0.5 * (distance / (width * size)) ** 2, dtype=np.float32)


@functools.cache
def masks(height, width):
    """M(i, j) for each spot on a field of this size -> `[11 * 14, 1, height, width]`."""
    down, across = (
        bumps(size, (np.arange(count) + 0.5) * size / count - 0.5, MASK_WIDTH)
        for size, count in zip((height, width), SPOTS)
    )
    return (down[:, None, :, None] * across[:, None, :]).reshape(-1, 1, height, width)


def middles(width):
    """Where the spots are on a screen of this width, in pixels: their rows `[11]` and columns `[14]`."""
    down, across = ((np.arange(n) + 0.5) * size / n - 0.5 for n, size in zip(SPOTS, (BOTTOM - TOP, width)))
    return TOP + down, across


@torch.no_grad()
def outputs(agent, obs):
    """f of equations 2 and 3: obs `[B, stack, H, W]` -> {"policy": `[B, A]`, "V": `[B, 1]`}, NumPy arrays."""
    output = agent.network(torch.as_tensor(obs, device=agent.network.scale.device))
    if hasattr(agent, "q_values"):
        output = output - output.mean(-1, keepdim=True), F.max_q(output)
    policy, values = (part.cpu().numpy() for part in output)
    return {"policy": policy, "V": values[:, None]}


# Inside the network ---------------------------------------------------------------------------------------------------


def first_filters(agent):
    """The weights of the first convolution -> `[out, stack, k, k]`, the oldest frame first."""
    weights = next(module.weight for module in agent.network.modules() if isinstance(module, nn.Conv2d))
    return weights.detach().cpu().numpy()


@torch.no_grad()
def layers(agent, obs):
    """The activations of each layer for one observation: {"convolution 1": `[out, h, w]`, ..., "hidden": `[D]`}.

    A dueling network has two hidden layers. This is the one for the advantages.
    """
    network = agent.network
    body = [*network.body, *network.advantage] if hasattr(agent, "q_values") else network.policy_body
    x = (torch.as_tensor(obs[None], device=network.scale.device) - network.shift) / network.scale
    seen = {}
    for layer in body:
        x = layer(x)
        if isinstance(layer, nn.ReLU | nn.Tanh):
            name = f"convolution {len(seen) + 1}" if x.dim() == 4 else "hidden"
            seen[name] = x[0].cpu().numpy()
    return seen


# Is it true? ----------------------------------------------------------------------------------------------------------

PONG = {"ball": (236, 236, 236), "own paddle": (92, 186, 92), "other paddle": (213, 130, 74)}


def distances(screen, colour):
    """From each spot to the nearest pixel of a colour in the field -> `[11, 14]` in pixels; inf if there is none."""
    pixels = np.argwhere((screen[TOP:BOTTOM] == colour).all(-1))
    if not len(pixels):
        return np.full(SPOTS, np.inf)
    down, across = middles(screen.shape[1])
    return np.hypot(down[:, None, None] - TOP - pixels[:, 0], across[:, None] - pixels[:, 1]).min(-1)


def strongest_spots(agent, recording, of="policy", every=1):
    """How far the strongest spot is from the things of Pong, in the K moments that show both ball and own paddle.

    {"ball": `[K]`, "own paddle": `[K]`, "other paddle": `[K]`, "random": `[K]`} in pixels of the screen. "random" is
    the mean over all spots of the distance to the ball or the own paddle, the nearer of the two: what a random spot
    would have. of: "policy" or "V". every: how many steps apart the moments are.
    """
    rows = []
    for screen, obs in zip(recording.frames[::every], recording.stacks[::every]):
        away = {thing: distances(screen, colour) for thing, colour in PONG.items()}
        if np.isfinite(away["ball"]).all() and np.isfinite(away["own paddle"]).all():
            spot = np.unravel_index(saliency(agent, obs)[of].argmax(), SPOTS)
            random = np.minimum(away["ball"], away["own paddle"]).mean()
            rows.append({thing: away[thing][spot] for thing in PONG} | {"random": random})
    return {name: np.array([row[name] for row in rows]) for name in (*PONG, "random")}
