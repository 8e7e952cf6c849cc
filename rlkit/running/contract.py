"""What an agent may be given as `env`, and what an environment must be. A breach is named in one sentence.

What environments then answer is checked by `rlkit.running.answers`.
"""

import contextlib
import functools
import importlib
import inspect
import re
import warnings
import weakref

import gymnasium
import numpy as np
from gymnasium import wrappers
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper

from rlkit.running.answers import Native
from rlkit.running.importable import import_env
from rlkit.running.memory import require_memory
from rlkit.running.messages import brief, env_name, modules, reason, similar, title

NORMALIZING = (
    wrappers.NormalizeObservation,
    wrappers.NormalizeReward,
    wrappers.vector.NormalizeObservation,
    wrappers.vector.NormalizeReward,
)
MAKING = (  # modules that make an environment but are not its own code
    "gymnasium.envs.registration", "gymnasium.wrappers.", "gymnasium.utils.passive_env_checker", "importlib",
)  # fmt: skip
TRANSPARENT = (  # wrappers that leave observations as they are, one for each step
    wrappers.TimeLimit,
    wrappers.OrderEnforcing,
    wrappers.PassiveEnvChecker,
    wrappers.RecordEpisodeStatistics,
    gymnasium.RewardWrapper,
    gymnasium.ActionWrapper,
)
playing = weakref.WeakValueDictionary()  # id -> environment, of all that are in use in this process


# What is given as `env` -------------------------------------------------------------------------------------


def check_given(env):
    """Raise ValueError if `env` is neither an id nor a callable without arguments."""
    if isinstance(env, gymnasium.Env | VectorEnv):
        known = f"its id, {env.spec.id!r}, or " if env.spec else ""
        raise ValueError(
            f"env={brief(env)} is one environment, but each copy must be a new one; pass {known}a function "
            "that makes it, as in env=lambda: gymnasium.make('CartPole-v1')."
        )
    if not isinstance(env, str) and not callable(env):
        raise ValueError(f"env={brief(env)} must be an id such as 'CartPole-v1', or a function that makes one.")
    if callable(env):
        try:
            inspect.signature(env).bind()
        except TypeError as error:
            raise ValueError(
                f"{env_name(env)} cannot be called without arguments ({error}); pass env=lambda: {env_name(env)}(...)."
            ) from None
        except ValueError:
            pass  # some callables that are written in C have no signature


def find_spec(env):
    """Gymnasium's entry for an id. Raises ValueError if there is none."""
    name = import_env(env)
    try:
        if name.startswith("ALE/"):
            importlib.import_module("ale_py")  # registers its games; 0.2 s, so it is loaded only for Atari
        return gymnasium.spec(name)
    except (gymnasium.error.Error, ImportError) as error:
        raise cannot_be_made(env, error) from None


def cannot_be_made(env, error):
    """The ValueError for what Gymnasium or Python says about an id."""
    why = reason(error)
    unknown = isinstance(error, gymnasium.error.UnregisteredEnv) or why.startswith("No registered env")
    if unknown and (meant := registered(env)):
        return ValueError(f"The environment {env!r} cannot be made: there is none; did you mean {meant!r}?")
    if "Malformed" in why:
        why = "an id looks like 'CartPole-v1' or 'ALE/Pong-v5'"
    elif isinstance(error, gymnasium.error.NameNotFound | gymnasium.error.NamespaceNotFound) and ":" not in env:
        why += f" If a package registers it, write 'package:{env}'."
    end = "" if why[-1:] in tuple(".?") else "."
    return ValueError(f"The environment {env!r} cannot be made: {why}{end}")


def registered(name):
    """The id that was probably meant by a name that Gymnasium does not know, or None."""
    with contextlib.suppress(ImportError):
        importlib.import_module("ale_py")  # registers its games
    newest = {}  # name without a version -> id
    for spec in sorted(gymnasium.registry.values(), key=lambda spec: spec.version or 0):
        newest[f"{spec.namespace}/{spec.name}" if spec.namespace else spec.name] = spec.id
    given = re.sub(r"-v\d+$", "", name)
    games = {full.removeprefix("ALE/"): full for full in newest if full.startswith("ALE/")}
    meant = similar(given, [*newest, *games])
    return newest.get(games.get(meant, meant))


def make_each(make, num_envs, env):
    """`num_envs` environments, checked one by one. `env` is what the agent was given.

    Raises ValueError if they are no environments, or not separate ones. An error inside the environment's own code
    stays as it is, with a note.
    """
    envs = []
    for i in range(num_envs):
        try:
            envs.append(make())
        except (gymnasium.error.Error, ImportError) as error:
            raise cannot_be_made(env_name(env), error) from None
        except Exception as error:
            if modules(error)[-1].startswith(MAKING):
                raise cannot_be_made(env_name(env), error) from None
            error.add_note(f"This happened while environment {i} of {env_name(env)} was made.")
            raise
        check_env(envs[i], env)
        if i == 0:
            require_envs_memory(num_envs, envs[0].observation_space, env_name(env))
    inner = {id(made.unwrapped): made.unwrapped for made in envs}
    if len(inner) < num_envs or any(key in playing for key in inner):
        raise ValueError(
            f"{env_name(env)} returns the same environment twice; it must make a new one at each call, "
            "as in env=lambda: gymnasium.make('CartPole-v1')."
        )
    playing.update(inner)
    return envs


def make_native(env, spec, num_envs):
    """The vector environment that an id names itself."""
    require_envs_memory(num_envs, Box(0, 1, (1,)), env)
    try:
        vector = gymnasium.make_vec(spec, num_envs, vectorization_mode="vector_entry_point")
    except (gymnasium.error.Error, ImportError) as error:
        raise cannot_be_made(env, error) from None
    check_vector(vector, env)
    return vector if type(vector).__module__.startswith("gymnasium.envs.") else Native(vector, env)


def release(envs):
    """These environments are closed: they may be used again."""
    for env in envs:
        playing.pop(id(env.unwrapped), None)


def require_envs_memory(num_envs, space, name):
    """Raise ValueError before the memory is taken: 10 KB for an environment with its wrappers, and what it shows."""
    size = 10_000 + 2 * np.dtype(space.dtype or object).itemsize * int(np.prod(space.shape or (1,)))
    if num_envs * size > 2**26:  # to ask how much is left takes a millisecond
        require_memory(num_envs * size, f"num_envs={num_envs} of {name}", "fewer")


# What an environment is -------------------------------------------------------------------------------------


def check_env(made, env):
    """Raise ValueError if `made`, which `env` gave, is no environment of Gymnasium's present API."""
    if isinstance(made, VectorEnv):
        raise ValueError(f"{env_name(env)} returns a vector environment; return one, because rlkit makes the copies.")
    if not isinstance(made, gymnasium.Env):
        old = any(base.__module__.split(".")[0] == "gym" for base in type(made).__mro__)
        cure = "import gymnasium instead of gym" if old else "return a gymnasium.Env"
        raise ValueError(f"{env_name(env)} returns {brief(made)}, which is no environment of Gymnasium; {cure}.")
    name = title(env, made)
    for space in ("observation_space", "action_space"):
        if not isinstance(getattr(made, space, None), Space):
            raise ValueError(f"{name} has no {space}; set it in __init__, to a gymnasium.spaces.Box for example.")
    for layer in layers(made):
        if isinstance(layer, NORMALIZING) and getattr(layer, "update_running_mean", True):
            cure = "obs_shift and obs_scale"
            if "Reward" in type(layer).__name__:
                cure = "gymnasium.wrappers.TransformReward with a constant factor"
            raise ValueError(
                f"{name} is wrapped in {type(layer).__name__}, whose statistics an evaluation would begin again; "
                f"remove it, and use normalize=True if the agent has that setting, or {cure}."
            )
        if not takes_seed(type(layer).reset):
            raise ValueError(
                f"{type(layer).__name__}.reset() takes no seed and options; write "
                "def reset(self, *, seed=None, options=None)."
            )


@functools.cache
def takes_seed(reset):
    try:
        inspect.signature(reset).bind(None, seed=0, options=None)
    except TypeError:
        return False
    except ValueError:
        pass  # no signature
    return True


def check_range(name, space):
    """Warn if a new policy would hardly meet the bounds of continuous actions, or hardly anything but them."""
    if not isinstance(space, Box) or space.dtype.kind != "f":
        return
    finite = np.isfinite(space.low) & np.isfinite(space.high)
    low, high = space.low[finite] / 2, space.high[finite] / 2
    center, half = high + low, high - low
    if (half > 10).any() or (half < 0.1).any() or (np.abs(center) > half + 1).any():
        warnings.warn(
            f"{name} takes actions from {space}, but those of a new policy lie near 0, mostly within ± 2; wrap it in "
            "gymnasium.wrappers.RescaleAction(env, -1, 1).",
            stacklevel=2,
        )


def check_vector(vector, name):
    """Raise ValueError if a vector environment follows another convention at the end of an episode."""
    mode = vector.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        found = f"in the mode {mode.name}" if isinstance(mode, AutoresetMode) else "in a mode that it does not tell"
        raise ValueError(
            f"The vector environment of {name} resets {found}, but rlkit learns from NEXT_STEP; set its "
            "metadata['autoreset_mode'] and its resets to AutoresetMode.NEXT_STEP."
        )


def is_stack(vector):
    """Is an observation a stack of the last frames, 0 before the first? Then a replay can store each frame once.

    Ale-py's preprocessing gives such stacks, and Gymnasium's wrapper too if nothing above it changes them. Other
    images may have colours or planes as channels.
    """
    if type(vector).__name__ == "AtariVectorEnv":
        return True
    for layer in layers(vector.envs[0]) if isinstance(vector, SyncVectorEnv) else ():
        if type(layer) is wrappers.FrameStackObservation:
            return layer.padding_type == "zero"
        if not isinstance(layer, TRANSPARENT):
            return False
    return False


def layers(env):
    """An environment and all that it wraps, from the outside to the inside."""
    while True:
        yield env
        if not isinstance(env, gymnasium.Wrapper | VectorWrapper):
            return
        env = env.env
