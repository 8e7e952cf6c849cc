"""What an environment looks like, drawn from one observation: CartPole, Pendulum, Acrobot, MountainCar, Catch, Atari.

    scene(agent)        # environment 0 of an agent that is learning, as it is now: [H, W, 3] bytes, or None

Gymnasium's own pictures of the first four need pygame, and a renderer must not be called while another thread steps its
environment. A drawing needs only the last observation. It takes about a millisecond.
"""

import functools
import io

import numpy as np

from rlkit import plotting
from rlkit.plotting.film import BLACK, BLUE, GREY, INKS, SKY, add_inks, as_image, ink, stamp, stroke
from rlkit.tasks import Catch

SHAPE = HEIGHT, WIDTH = 240, 360  # pixels of a drawing; Catch is a square, and Atari has the shape of its screen
MIDDLE = np.array([WIDTH / 2, HEIGHT / 2])  # points are (pixels from the left, pixels from the top)
GREYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
ORANGE = len(INKS)  # one more ink
PALETTE = add_inks(GREYS, (*INKS, plotting.ORANGE))  # [256, 3]: greys at the even numbers, our inks at the odd ones


def scene(agent):
    """What environment 0 of an agent looks like now -> `[H, W, 3]` uint8, or None if we cannot draw it.

    It may be called while another thread learns: it copies the last observation, and never calls the environment. It is
    None for A3C and Gorila, whose workers play in other processes.
    """
    colours = scene_colours(agent)
    return None if colours is None else PALETTE.take(colours, axis=0)


def scene_png(agent):
    """The same picture as PNG bytes, or None: a third of the work of a picture in full colour."""
    colours = scene_colours(agent)
    if colours is None:
        return None
    buffer = io.BytesIO()
    as_image(colours, PALETTE).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def scene_colours(agent):
    """The same picture as numbers of colours in PALETTE, `[H, W]` uint8, or None."""
    draw = None if hasattr(agent, "num_workers") else drawing(agent.envs)
    return None if draw is None else draw(agent.envs.obs[0].copy())


def drawing(envs):
    """The function that draws these environments, or None: an observation `[...]` -> numbers of colours `[H, W]`."""
    if envs.name.startswith("ALE/"):
        return newest_frame
    base = inside(envs)
    if isinstance(base, Catch):
        return {"pixels": catch_pixels, "table": catch_table}.get(base.look.__name__)
    draw = DRAWINGS.get(type(base).__name__)
    seen, shown = envs.observation_space, getattr(base, "single_observation_space", base.observation_space)
    if draw is cart_pole and np.array_equal(seen.high, shown.high[::2]):
        return lambda obs: cart_pole(obs.repeat(2))  # it sees no velocities
    return draw if draw and np.array_equal(seen.high, shown.high) else None  # a wrapper may have changed the numbers


def inside(envs):
    """The first of these environments, without its wrappers; or all of them, if they are one object."""
    return envs.vector.envs[0].unwrapped if hasattr(envs.vector, "envs") else envs.vector.unwrapped


# Drawings ---------------------------------------------------------------------------------------------------


def cart_pole(obs):
    """The cart and its pole. An episode ends at the marks, 2.4 from the middle, or if the pole leaves the thin lines.

    obs: place, speed, angle, its speed. The pole is 1 long, as in the physics.
    """
    unit, rail = 62, 180  # pixels in a unit of length; the row of the rail
    page = blank()
    page[rail - 1 : rail + 1] = ink(GREY)
    for end in (-2.4, 2.4):
        x = round(MIDDLE[0] + unit * end)
        page[rail - 8 : rail + 8, x - 1 : x + 1] = ink(GREY)
    joint = np.array([MIDDLE[0] + unit * obs[0], rail - 20])
    for angle in np.radians([-12, 12]):
        line(page, joint, joint + 1.3 * unit * upwards(angle), 1.5, SKY)
    line(page, joint + (-18, 10), joint + (18, 10), 20, BLACK)
    line(page, joint, joint + unit * upwards(obs[2]), 8, ORANGE)
    line(page, joint, joint, 5, BLACK)
    return page


def pendulum(obs):
    """The rod, which has to stand upright. obs: cos θ, sin θ, speed; θ grows counterclockwise."""
    page = blank()
    line(page, MIDDLE, MIDDLE + 95 * np.array([-obs[1], -obs[0]]), 18, ORANGE)
    line(page, MIDDLE, MIDDLE, 8, BLACK)
    return page


def acrobot(obs):
    """Two rods that hang, and the height that their end has to reach.

    obs: cos and sin of the first rod's angle, of the second's to the first, and speeds.
    """
    page, length = blank(), 54
    first, second = np.arctan2(obs[1], obs[0]), np.arctan2(obs[3], obs[2])
    elbow = MIDDLE - length * upwards(-first)
    page[round(MIDDLE[1]) - length, 80 : WIDTH - 80] = ink(GREY)
    line(page, MIDDLE, elbow, 12, BLUE)
    line(page, elbow, elbow - length * upwards(-first - second), 12, ORANGE)
    line(page, MIDDLE, MIDDLE, 6, BLACK)
    line(page, elbow, elbow, 6, BLACK)
    return page


def mountain_car(obs):
    """The car in its valley, and the flag that it has to reach. obs: place, speed."""
    page = valley().copy()
    uphill = np.arctan(3 * 0.45 * np.cos(3 * obs[0]))  # the angle of the ground
    along, away = np.array([np.cos(uphill), -np.sin(uphill)]), upwards(-uphill)
    middle = np.array(ground(obs[0])) + 11 * away
    line(page, middle - 9 * along, middle + 9 * along, 14, ORANGE)
    return page


def ground(place):
    """Where a place of MountainCar, -1.2 to 0.6, is on the page: x, y."""
    unit = WIDTH / 1.8
    return unit * (place + 1.2), HEIGHT - 10 - unit * 0.45 * (1 + np.sin(3 * place))


@functools.cache
def valley():
    """MountainCar without its car."""
    page = blank()
    stamp(page, stroke(SHAPE, zip(*ground(np.linspace(-1.2, 0.6, 100)))), GREY)
    foot = np.array(ground(0.5))
    line(page, foot, foot - (0, 24), 2, BLACK)
    line(page, foot - (0, 20), foot - (12, 20), 8, BLUE)
    return page


def catch_pixels(obs):
    """The ball and the paddle. obs: `[size * size]`, 1 where they are, and 0.5 where a ball must not be caught."""
    size = round(len(obs) ** 0.5)
    return squares(obs.reshape(size, size))


def catch_table(obs):
    """The same from the index of the state: row, column, paddle, bright."""
    size = round((len(obs) / 2) ** (1 / 3))
    row, column, paddle, bright = np.unravel_index(obs.argmax(), (size, size, size, 2))
    look = np.zeros((size, size))
    look[-1, paddle] = 1
    look[row, column] = 1 if bright else 0.5
    return squares(look)


def squares(look):
    """A picture of Catch `[size, size]`, large, with lines between the squares; a ball of 0.5 in another colour."""
    side = HEIGHT // len(look)
    inks = np.select([look == 1, look > 0], [ink(BLUE), ink(ORANGE)], ink(GREY, 3))
    page = inks.repeat(side, axis=0).repeat(side, axis=1).astype(np.uint8)
    page[::side] = page[:, ::side] = ink(GREY, 0)
    return page


def newest_frame(obs):
    """The newest of an Atari game's frames `[stack, size, size]`, in the shape of its screen, twice as large."""
    rows, columns = (np.arange(length) * obs.shape[1] // length for length in (420, 320))
    return (obs[-1] & 254)[rows][:, columns]  # the greys have the even numbers


DRAWINGS = {
    "CartPoleEnv": cart_pole,
    "CartPoleVectorEnv": cart_pole,
    "PendulumEnv": pendulum,
    "AcrobotEnv": acrobot,
    "MountainCarEnv": mountain_car,
    "Continuous_MountainCarEnv": mountain_car,
}  # by the name of the class, so that none of them has to be imported


# Shapes -----------------------------------------------------------------------------------------------------


def blank():
    """An empty page."""
    return np.full(SHAPE, ink(BLACK, 0), np.uint8)


def upwards(angle):
    """The direction that leans to the right by this angle, in radians, from straight up."""
    return np.array([np.sin(angle), -np.cos(angle)])


def line(page, start, end, width, colour):
    """A straight line with round, soft ends: the strength of its ink falls where the distance passes `width` / 2."""
    (left, top), (right, bottom) = np.minimum(start, end), np.maximum(start, end)
    reach = int(width / 2) + 2
    y0, x0 = max(0, int(top) - reach), max(0, int(left) - reach)
    part = page[y0 : max(0, int(bottom) + reach), x0 : max(0, int(right) + reach)]
    y, x = np.ogrid[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    (across, down), (x, y) = np.subtract(end, start), (x - start[0], y - start[1])
    share = np.clip((x * across + y * down) / max(across**2 + down**2, 1e-9), 0, 1)  # how far along the line
    distance = np.hypot(x - share * across, y - share * down)
    stamp(part, 5 * np.clip(3 * (width / 2 + 0.6 - distance), 0, 3).astype(np.uint8), colour)  # of 16 strengths, 4
