"""What an agent sees and does, in whatever form an environment shows it and takes it.

A network takes vectors `[D]`, or frames `[C, H, W]` of bytes. So an observation becomes one of these:

    Box of one dimension                    the same vector
    bytes [stack, H, W], 15 or more         the same frames
    bytes [H, W, colours] or [H, W]         frames: colours first, sides above `frame_size` shrunk to it
    Discrete, MultiDiscrete                 a vector of bytes: one-hot, a 1 for the value and 0 elsewhere
    MultiBinary, any other Box              a vector: its numbers, one after the other
    Dict, Tuple of the vectors above        a vector: its parts, one after the other; pixels are divided by 255

A policy gives one of several choices, a few such choices at once, or real numbers `[D]`. For a MultiDiscrete, a
MultiBinary or a Box of whole numbers it makes one choice for each entry, and for any other Box one real number.

`lectures/spaces.md` lists which agent handles what.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

SMALLEST = 15  # pixels each way: the convolutions need as many
MOST = 100_000  # inputs or outputs of a network: more would not fit into memory

# Observations ---------------------------------------------------------------------------------------------------------


class View(NamedTuple):
    """What a network sees of an environment."""

    space: Box  # of one observation
    see: Callable  # makes such observations `[N, ...]` from those of N environments
    stacked: bool = False  # the same frames that the environment shows, which may be a stack of single ones


def view(env, space, frame_size):
    """What a network sees of the observations in `space`. Raises ValueError with a cure if it can see none of it."""
    form = form_of(space)
    if form is None:
        raise ValueError(unseen(env, space))
    if isinstance(space, Dict | Tuple) and len(space.spaces) == 1:
        ((key, part),) = parts(space)
        inner = view(env, part, frame_size)
        return inner._replace(see=lambda obs: inner.see(obs[key]))
    if form == "stack":
        return View(space, unchanged, stacked=True)
    return picture(space, frame_size) if form == "picture" else vector(env, space)


def form_of(space):
    """What observations in `space` become: "vector", frames from a "stack" or a "picture", or None."""
    if isinstance(space, Box) and math.prod(space.shape):
        pixels = space.dtype == np.uint8 and len(space.shape) >= 2
        if pixels and len(space.shape) == 3 and min(space.shape[1:]) >= SMALLEST:
            return "stack"
        sides = space.shape if len(space.shape) == 2 else space.shape[-3:-1]
        return "picture" if pixels and min(sides) >= SMALLEST else "vector"
    if isinstance(space, Dict | Tuple):
        forms = [form_of(part) for _, part in parts(space)]
        return forms[0] if len(forms) == 1 else "vector" if set(forms) == {"vector"} else None
    return "vector" if isinstance(space, Discrete | MultiDiscrete | MultiBinary) else None


def parts(space):
    """The parts of a Dict or Tuple with their keys or indices."""
    return list(space.spaces.items()) if isinstance(space, Dict) else list(enumerate(space.spaces))


def unchanged(batch):
    return batch


def flat(batch):
    """`[N, ...]` -> `[N, D]`."""
    return batch.reshape(len(batch), -1)


def vector(env, space):
    """Anything but pictures as a vector."""
    if isinstance(space, Discrete | MultiDiscrete):
        return one_hot(env, space)
    if isinstance(space, MultiBinary):
        return View(Box(0, 1, (math.prod(space.shape),), space.dtype), flat)
    if isinstance(space, Box):
        if (count := math.prod(space.shape)) > MOST:
            raise ValueError(
                f"{env} shows {count} numbers at once, Box{space.shape}, too many for a vector; show a picture as "
                "bytes [height, width, colours], which is shrunk, with a gymnasium.ObservationWrapper."
            )
        box = Box(space.low.ravel(), space.high.ravel(), dtype=space.dtype)
        return View(space, unchanged) if len(space.shape) == 1 else View(box, flat)
    views = {key: vector(env, part) for key, part in parts(space)}
    scales = {key: np.float32(pixel_scale(part.space)) for key, part in views.items()}
    low, high = (
        np.concatenate([getattr(views[key].space, end) / scales[key] for key in views], dtype=np.float32)
        for end in ("low", "high")
    )

    def see(obs):
        return np.concatenate([views[key].see(obs[key]) / scales[key] for key in views], axis=1, dtype=np.float32)

    return View(Box(low, high), see)


def one_hot(env, space):
    """A 1 for each value, 0 elsewhere: bytes, because a replay memory may hold many of them."""
    sizes, start = np.ravel(space.n if isinstance(space, Discrete) else space.nvec), np.ravel(space.start)
    first = np.cumsum(sizes) - sizes  # the entry of each part's smallest value
    if sizes.sum() > MOST:
        raise ValueError(
            f"{env} shows one of {sizes.sum()} values, too many for a one-hot vector; show a few numbers instead, with "
            "a gymnasium.ObservationWrapper whose observation_space is a Box."
        )

    def see(obs):
        values = flat(obs) - start  # [N, K]
        if (values < 0).any() or (values >= sizes).any():
            raise ValueError(f"{env} showed {obs.tolist()}, which is not all in its {space}; fix the environment.")
        vectors = np.zeros((len(obs), sizes.sum()), np.uint8)
        vectors[np.arange(len(obs))[:, None], first + values] = 1
        return vectors

    return View(Box(0, 1, (int(sizes.sum()),), np.uint8), see)


def picture(space, frame_size):
    """Bytes `[..., H, W, colours]` or `[H, W]` as frames: a plane for each colour (of each picture), shrunk."""
    height, width, colours = (*space.shape, 1) if len(space.shape) == 2 else space.shape[-3:]
    size = min(height, frame_size), min(width, frame_size)

    def see(obs):
        planes = np.moveaxis(obs.reshape(len(obs), -1, height, width, colours), -1, 2)
        return shrink(planes.reshape(len(obs), -1, height, width), size)

    planes = math.prod(space.shape) // (height * width)
    return View(Box(0, 255, (planes, *size), np.uint8), see)


def shrink(frames, size):
    """Area averaging: bytes `[N, C, H, W]` -> `[N, C, *size]`."""
    if frames.shape[2:] == size:
        return frames
    return torch.nn.functional.interpolate(torch.from_numpy(frames).float(), size, mode="area").round().byte().numpy()


def pixel_scale(space):
    """What numbers in this Box are to be divided by: 255 if they are pixels, otherwise 1."""
    return 255.0 if space.dtype == np.uint8 and space.high.max() == 255 else 1.0


def unseen(env, space):
    """A sentence that says which part of an observation no network takes, and how to leave it out."""
    wrap = "wrap it in a gymnasium.ObservationWrapper whose observation_space is a Box"
    if not isinstance(space, Dict | Tuple) or not parts(space):
        return f"{env} observes {space}, which is not a fixed number of values, 1 or more; {wrap}."
    forms = {key: form_of(part) for key, part in parts(space)}
    vectors = [key for key, form in forms.items() if form == "vector"]
    choices = [vectors, *([key] for key, form in forms.items() if form in ("stack", "picture"))]
    choices = " or ".join(str(keys) for keys in choices if keys)
    odd = ", ".join(repr(key) for key, form in forms.items() if form != "vector")
    if not choices:
        return f"{env} observes a {type(space).__name__} of parts that no network here takes, {odd}; {wrap}."
    return (
        f"{env} observes a {type(space).__name__} in which {odd} cannot be one vector with the rest; keep {choices} "
        f"with gymnasium.wrappers.FilterObservation({code_for(env)}, keys)."
    )


def code_for(env):
    """Python that makes an environment of this name, which is an id or that of a class."""
    return f"gymnasium.make({env!r})" if "-v" in env else "env"


# Actions --------------------------------------------------------------------------------------------------------------


def check_actions(env, space):
    """Raise ValueError, with a cure, if no policy gives actions in this space."""
    choices = (space.n,) if isinstance(space, Discrete) else num_choices(space)
    numbers = isinstance(space, Box) and np.issubdtype(space.dtype, np.floating) and math.prod(space.shape)
    if sum(choices or ()) > MOST or not (choices or numbers):
        raise ValueError(
            f"{env} takes actions from {space}, which no agent here gives; wrap it in gymnasium.wrappers."
            "TransformAction(env, lambda i: choices[i], gymnasium.spaces.Discrete(len(choices))), with your choices."
        )


def num_choices(space):
    """How many values each entry of an action has: a tuple. None if there are not several entries of whole numbers."""
    if isinstance(space, MultiDiscrete):
        return tuple(space.nvec.ravel().tolist())
    if isinstance(space, MultiBinary):
        return (2,) * math.prod(space.shape)
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.integer):
        return tuple(1 + int(high) - int(low) for low, high in zip(space.low.ravel(), space.high.ravel()))
    return None


def performed(space, chosen):
    """The function that makes the environment's actions from the agent's, `[N]` or `[N, D]`, clipped to the bounds.

    `chosen` are the discrete actions that the agent may take, or None.
    """
    if chosen is not None:
        return lambda actions: chosen[actions]
    if num_choices(space):
        first = getattr(space, "low" if isinstance(space, Box) else "start", 0)
        return lambda actions: (actions.reshape(-1, *space.shape) + first).astype(space.dtype)
    if isinstance(space, Box):
        return lambda actions: np.clip(actions.reshape(-1, *space.shape), space.low, space.high)
    return unchanged


def num_actions(envs):
    """How many actions there are to take a maximum over. Raises ValueError, with a cure, if they are not Discrete."""
    env, space, sizes = envs.name, envs.action_space, num_choices(envs.action_space)
    if envs.num_actions is not None:
        return envs.num_actions
    if not sizes:
        raise ValueError(
            f"{env} takes continuous actions, {space}, but DQN takes a maximum over discrete ones; use a policy "
            "gradient method such as PPO, or an environment with discrete actions."
        )
    cure = "use a policy gradient method such as PPO"
    if (count := math.prod(sizes)) <= MOST:
        cure += (
            f", or number the combinations with gymnasium.wrappers.TransformAction({code_for(env)}, "
            f"lambda i: {combination(space, sizes)}, gymnasium.spaces.Discrete({count}))"
        )
    raise ValueError(f"{env} takes several actions at once, {space}, but DQN takes a maximum over single ones; {cure}.")


def combination(space, sizes):
    """Python that makes the i-th combination of several choices from i."""
    code = f"numpy.array(numpy.unravel_index(i, {sizes}))"
    first = performed(space, None)(np.zeros((1, len(sizes)), int))[0]
    if len(space.shape) != 1:
        code += f".reshape({space.shape})"
    return code + f" + numpy.array({first.tolist()})" if first.any() else code
