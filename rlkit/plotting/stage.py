"""Where an agent plays to be filmed: one episode of its environment, in which every moment has a picture.

An Atari game shows its screen. What `rlkit.plotting.scenes` can draw is drawn from the observations. Any other
environment is made once more, with `render_mode="rgb_array"`, and is asked for its picture.
"""

import gymnasium
import numpy as np
from PIL import Image

from rlkit.atari import AtariGame
from rlkit.envs import Envs
from rlkit.language import say
from rlkit.plotting import scenes
from rlkit.running.contract import find_spec
from rlkit.running.messages import reason

COLOURS = 128  # of a film; our inks need the other numbers of its palette
LARGEST = 360, 420  # pixels across and down: a larger picture is shrunk
UNHURRIED = 5  # steps a second, where an environment does not say how fast it is
ACTIONS = {
    "CartPoleEnv": ("LEFT", "RIGHT"),
    "AcrobotEnv": ("TORQUE −1", "TORQUE 0", "TORQUE +1"),
    "MountainCarEnv": ("LEFT", "NONE", "RIGHT"),
    "Continuous_MountainCarEnv": ("FORCE",),
    "PendulumEnv": ("TORQUE",),
    "Catch": ("LEFT", "STAY", "RIGHT"),
    "FrozenLakeEnv": ("LEFT", "DOWN", "RIGHT", "UP"),
    "CliffWalkingEnv": ("UP", "RIGHT", "DOWN", "LEFT"),
    "TaxiEnv": ("DOWN", "UP", "RIGHT", "LEFT", "PICK UP", "DROP OFF"),
    "LunarLander": ("NONE", "LEFT", "MAIN", "RIGHT"),
}  # what the actions mean, by the name of the environment's class


def set_stage(agent, seed):
    """Where this agent can be filmed; `seed` is that of the episode. Raises ValueError, with a cure, if it cannot."""
    return Atari(agent, seed) if agent.envs.name.startswith("ALE/") else Scene(agent, seed)


class Roll:
    """Rows of one shape in an array that grows where it lies. In a list all would be there twice in the end."""

    ROOM = 256  # rows, before there has to be more

    def __init__(self):
        self.count, self.rows = 0, None

    def append(self, row):
        if self.rows is None:
            self.rows = np.empty((self.ROOM, *row.shape), row.dtype)
        if self.count == len(self.rows):
            self.rows.resize((self.count + self.ROOM, *row.shape), refcheck=False)
        self.rows[self.count] = row
        self.count += 1

    def all(self):
        """All rows `[T, ...]`; nothing may be appended later."""
        return self.rows[: self.count]


class Atari:
    """A game in the readable twin of the emulator, which can show its screen in colour."""

    zoom, speed = 2, 15  # 60 screens a second, four for each action

    def __init__(self, agent, seed):
        self.game = AtariGame(agent.env, agent.frame_size, seed=seed)
        self.title = agent.env.removeprefix("ALE/").split("-")[0]
        chosen = agent.envs.actions
        self.buttons = np.arange(len(self.game.actions)) if chosen is None else chosen
        self.names = tuple(self.game.actions[button].name for button in self.buttons)
        self.palette = np.zeros((256, 3), np.uint8)
        self.obs = self.game.reset()
        self.screens = Roll()

    @property
    def over(self):
        return self.game.over  # a lost life is not the end: the score goes on

    def shoot(self):
        """Take a picture of the screen: the colours by their numbers in the console, `[H, W]`."""
        screen = self.game.ale.getScreen()
        self.palette[screen] = self.game.screen()  # the same as red, green, blue
        self.screens.append(screen)

    def step(self, action):
        """Take an action -> its reward."""
        self.obs, reward, *_ = self.game.step(self.buttons[action])
        return reward

    def develop(self):
        """All pictures `[T, H, W]`, as numbers of colours, and the palette `[256, 3]`."""
        return self.screens.all(), self.palette

    def close(self):
        """There is nothing to close."""


class Scene:
    """An environment whose picture is drawn from the observation, or else is its own."""

    zoom = 1

    def __init__(self, agent, seed):
        self.draw = scenes.drawing(agent.envs)
        self.envs = agent.envs.again(1, seed) if self.draw else with_pictures(agent.envs, seed)
        self.title = agent.envs.name
        self.names = action_names(agent.envs)
        self.speed = scenes.inside(self.envs).metadata.get("render_fps") or UNHURRIED
        self.pictures = []

    @property
    def obs(self):
        return self.envs.obs[0]

    @property
    def over(self):
        return bool(self.envs.ended[0])

    def shoot(self):
        """Take a picture: numbers of colours `[H, W]`, or a PIL image."""
        self.pictures.append(self.draw(self.obs) if self.draw else fitted(self.envs.vector.envs[0].render()))

    def step(self, action):
        """Take an action -> its reward."""
        return self.envs.step(np.array([action]))[1][0]

    def develop(self):
        """All pictures `[T, H, W]`, as numbers of colours, and the palette `[256, 3]`."""
        return (np.array(self.pictures), scenes.PALETTE) if self.draw else in_one_palette(self.pictures)

    def close(self):
        self.envs.close()


def action_names(envs):
    """What to call each action that an agent may take, or each number of an action."""
    if envs.num_actions is None:
        numbers = int(np.prod(envs.action_space.shape))
        names = tuple(f"a[{i}]" for i in range(numbers)) if numbers > 1 else ("a",)
        chosen = range(numbers)
    else:
        count, start = int(envs.action_space.n), int(envs.action_space.start)
        names = tuple(f"a = {start + i}" for i in range(count))
        chosen = range(count) if envs.actions is None else envs.actions - start
    known = ACTIONS.get(type(scenes.inside(envs)).__name__.replace("VectorEnv", "Env"), ())
    names = known if len(known) == len(names) else names
    return tuple(names[i] for i in chosen)


# Pictures of other environments -----------------------------------------------------------------------------


def with_pictures(envs, seed):
    """One environment of this kind whose `render()` returns a picture. Raises ValueError, with a cure, if none does."""
    env = envs.settings["env"]
    made = one_of(envs)
    if made is None or "rgb_array" not in made.metadata.get("render_modes", ()):
        raise ValueError(
            say(
                '{name} cannot be filmed, because it has no picture; give it the render_mode "rgb_array", in which '
                "render() returns bytes [height, width, 3].",
                name=envs.name,
            )
        )
    known = made.spec if callable(env) else find_spec(env)
    if made.render_mode != "rgb_array" and known is None:
        raise ValueError(say('{name} cannot be filmed as it is; make it with render_mode="rgb_array".', name=envs.name))

    def make():
        return env() if known is None else gymnasium.make(known, render_mode="rgb_array", disable_env_checker=True)

    filmed = Envs(num_envs=1, seed=seed, **envs.settings | {"env": make})
    try:
        picture = filmed.vector.envs[0].render()
    except Exception as error:
        filmed.close()
        raise ValueError(
            say("{name} cannot be filmed: {why}.", name=envs.name, why=reason(error).rstrip("."))
        ) from None
    if not is_picture(picture):
        filmed.close()
        raise ValueError(
            say("{name} cannot be filmed, because its render() returns no bytes [height, width, 3].", name=envs.name)
        )
    return filmed


def one_of(envs):
    """The first of these environments with its wrappers; None if it exists only side by side with others."""
    return envs.vector.envs[0] if hasattr(envs.vector, "envs") else None


def is_picture(picture):
    """Is this what `render()` returns in the mode "rgb_array"?"""
    return isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,)


def fitted(picture):
    """A picture `[H, W, 3]` of any size as a PIL image that fits beside the bars, in 256 colours of its own."""
    image = Image.fromarray(picture)
    times = min(largest // size for largest, size in zip(LARGEST, image.size))
    if times > 1:
        image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    image.thumbnail(LARGEST)
    return image.quantize(256)


def in_one_palette(images):
    """PIL images as numbers of the same colours, which are even: `[T, H, W]` uint8, and the palette `[256, 3]`."""
    own = [np.reshape(image.getpalette(), (-1, 3)) for image in images]
    colours = np.unique(np.concatenate(own), axis=0)
    if len(colours) > COLOURS:
        some = [np.asarray(image.convert("RGB")) for image in images[:: max(1, len(images) // 8)]]
        colours = np.reshape(Image.fromarray(np.concatenate(some)).quantize(COLOURS).getpalette(), (-1, 3))
    palette = np.zeros((256, 3), np.uint8)
    palette[: 2 * len(colours) : 2] = colours
    return np.array([2 * nearest(rgb, colours)[np.asarray(image)] for rgb, image in zip(own, images)]), palette


def nearest(rgb, colours):
    """The number of the colour that is nearest to each of some others: `[K, 3]`, `[L, 3]` -> `[K]` uint8."""
    return ((rgb[:, None] - colours) ** 2).sum(-1).argmin(1).astype(np.uint8)
