"""What a pixel agent attends to: where a blur changes what it says, its first filters, what each layer sees.

Greydanus, Koul, Dodge, Fern 2018, Visualizing and Understanding Atari Agents, equations 1 to 3.

    recording = play(agent, steps=300)
    saliency(agent, recording.stacks[100])["policy"]      # [11, 14]: a score for each of 154 spots

Where we leave the paper: it blurs the newest frame, for its network keeps the older ones in an LSTM. Ours sees four at
once, and a ball that is blurred in one of them would still be seen in three, so all four are blurred. A Q-network has
no logits: its *policy* is Q(s, · ) less its mean, for what all actions have in common chooses none; its V is max Q.

Like the paper we search the field alone, rows 35 to 189 of the screen (the paper: to 194, where a pixel of the shrunken
frame has part of Pong's wall), and both widths are the paper's share of it. The rest is the score and the walls. Agents
see them, and say more about a blurred wall, which they have never met, than about anything in the field.
"""

import functools

import numpy as np
import torch
from torch import nn

from rlkit import functional as F

TOP, BOTTOM = 35, 190  # the field, in rows of a screen of 210
SPOTS = 11, 14  # down and across: one for every three pixels of 42, every six of 84
MASK_WIDTH, BLUR_WIDTH = 5 / 80, 3 / 80  # standard deviations, by the side of the field


def saliency(agent, obs):
    """S of every spot for the policy and for V: obs `[stack, H, W]` -> {"policy": `[11, 14]`, "V": `[11, 14]`}."""
    return {of: scores(said) for of, said in outputs(agent, perturbed(obs)).items()}


def scores(said):
    """S from what was said without a blur, and with one at each spot: `[1 + 11 * 14, K]` -> `[11, 14]`."""
    return F.perturbation_saliency(said[0], said[1:]).reshape(SPOTS)


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
    """Gaussians of height 1 on `size` pixels: `[len(centres), size]` float32."""
    distance = np.arange(size) - np.reshape(centres, (-1, 1))
    return np.exp(-0.5 * (distance / (width * size)) ** 2, dtype=np.float32)


@functools.cache
def masks(height, width):
    """M(i, j) for each spot: `[11 * 14, 1, height, width]`."""
    down, across = (
        bumps(size, (np.arange(count) + 0.5) * size / count - 0.5, MASK_WIDTH)
        for size, count in zip((height, width), SPOTS)
    )
    return (down[:, None, :, None] * across[:, None, :]).reshape(-1, 1, height, width)


def middles(width):
    """Where the spots lie on a screen of this width: their rows `[11]` and columns `[14]`."""
    down, across = ((np.arange(n) + 0.5) * size / n - 0.5 for n, size in zip(SPOTS, (BOTTOM - TOP, width)))
    return TOP + down, across


@torch.no_grad()
def outputs(agent, obs):
    """f of equations 2 and 3: obs `[B, stack, H, W]` -> {"policy": `[B, A]`, "V": `[B, 1]`} as NumPy."""
    said = agent.network(torch.as_tensor(obs, device=agent.network.scale.device))
    if hasattr(agent, "q_values"):
        said = said - said.mean(-1, keepdim=True), F.max_q(said)
    policy, values = (part.cpu().numpy() for part in said)
    return {"policy": policy, "V": values[:, None]}


# Inside the network ---------------------------------------------------------------------------------------------------


def first_filters(agent):
    """The weights of the first convolution: `[out, stack, k, k]`, the oldest frame first."""
    weights = next(module.weight for module in agent.network.modules() if isinstance(module, nn.Conv2d))
    return weights.detach().cpu().numpy()


@torch.no_grad()
def layers(agent, obs):
    """What each layer makes of one observation: {"convolution 1": `[out, h, w]`, ..., "hidden": `[D]`}, activated.

    A dueling network has two hidden layers; this is the one of the advantages.
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
    """From each spot to the nearest pixel of a colour in the field: `[11, 14]`, in pixels; inf where there is none."""
    pixels = np.argwhere((screen[TOP:BOTTOM] == colour).all(-1))
    if not len(pixels):
        return np.full(SPOTS, np.inf)
    down, across = middles(screen.shape[1])
    return np.hypot(down[:, None, None] - TOP - pixels[:, 0], across[:, None] - pixels[:, 1]).min(-1)


def strongest_spots(agent, recording, of="policy", every=1):
    """How far the strongest spot is from the things of Pong, in each of K moments with ball and own paddle there.

    One step of `every` is looked at. {"ball": `[K]`, ...} in pixels of the screen; "random" is what a spot drawn at
    random would have on average, to the ball or the own paddle, whichever is nearer.
    """
    rows = []
    for screen, obs in zip(recording.frames[::every], recording.stacks[::every]):
        away = {thing: distances(screen, colour) for thing, colour in PONG.items()}
        if np.isfinite(away["ball"]).all() and np.isfinite(away["own paddle"]).all():
            spot = np.unravel_index(saliency(agent, obs)[of].argmax(), SPOTS)
            random = np.minimum(away["ball"], away["own paddle"]).mean()
            rows.append({thing: away[thing][spot] for thing in PONG} | {"random": random})
    return {name: np.array([row[name] for row in rows]) for name in (*PONG, "random")}
