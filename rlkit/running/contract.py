"""What an environment must be and what it must answer: Gymnasium's contract. A breach is named in one sentence.

Gymnasium's own checks do not fit a run. `check_env` plays the environment, so its random numbers move on, and
`PassiveEnvChecker` warns at the first step only and does not say which environment or which value is wrong.
"""

import copy
import functools
import importlib
import inspect
import warnings
import weakref
from numbers import Integral

import gymnasium
import numpy as np
from gymnasium import wrappers
from gymnasium.spaces import Box, Dict, Space, Tuple
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import concatenate, create_empty_array

from rlkit.running.importable import import_env
from rlkit.running.memory import require_memory

NORMALIZING = (
    wrappers.NormalizeObservation,
    wrappers.NormalizeReward,
    wrappers.vector.NormalizeObservation,
    wrappers.vector.NormalizeReward,
)
TRANSPARENT = (  # wrappers that leave observations as they are, one for each step
    wrappers.TimeLimit,
    wrappers.OrderEnforcing,
    wrappers.PassiveEnvChecker,
    wrappers.RecordEpisodeStatistics,
    gymnasium.RewardWrapper,
    gymnasium.ActionWrapper,
)
NUMBERS = (float, int, np.floating, np.integer, np.bool_)
WATCHED = 100  # steps in each environment that are compared with the bounds of its observations
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
                f"{label(env)} cannot be called without arguments ({error}); pass env=lambda: {label(env)}(...)."
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
    reason = " ".join(str(error).split())
    if "Malformed" in reason:
        reason = "an id looks like 'CartPole-v1' or 'ALE/Pong-v5'"
    elif isinstance(error, gymnasium.error.NameNotFound | gymnasium.error.NamespaceNotFound) and ":" not in env:
        reason += f" If a package registers it, write 'package:{env}'."
    end = "" if reason[-1:] in tuple(".?") else "."
    return ValueError(f"The environment {env!r} cannot be made: {reason}{end}")


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
            raise cannot_be_made(label(env), error) from None
        except Exception as error:
            if innermost_module(error).startswith(("gymnasium.envs.registration", "importlib")):
                raise cannot_be_made(label(env), error) from None
            error.add_note(f"This happened while environment {i} of {label(env)} was made.")
            raise
        check_env(envs[i], env)
        if i == 0:
            require_envs_memory(num_envs, envs[0].observation_space, label(env))
    inner = {id(made.unwrapped): made.unwrapped for made in envs}
    if len(inner) < num_envs or any(key in playing for key in inner):
        raise ValueError(
            f"{label(env)} returns the same environment twice; it must make a new one at each call, "
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
        raise ValueError(f"{label(env)} returns a vector environment; return one, because rlkit makes the copies.")
    if not isinstance(made, gymnasium.Env):
        old = any(base.__module__.split(".")[0] == "gym" for base in type(made).__mro__)
        cure = "import gymnasium instead of gym" if old else "return a gymnasium.Env"
        raise ValueError(f"{label(env)} returns {brief(made)}, which is no environment of Gymnasium; {cure}.")
    name = title(env, made)
    for space in ("observation_space", "action_space"):
        if not isinstance(getattr(made, space, None), Space):
            raise ValueError(f"{name} has no {space}; set it in __init__, to a gymnasium.spaces.Box for example.")
    for layer in layers(made):
        if isinstance(layer, NORMALIZING) and getattr(layer, "update_running_mean", True):
            raise ValueError(
                f"{name} is wrapped in {type(layer).__name__}, whose statistics an evaluation would begin again; "
                "remove it, and use normalize=True or obs_shift and obs_scale of the agent."
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


# What it answers --------------------------------------------------------------------------------------------


class OneByOne(SyncVectorEnv):
    """Gymnasium's SyncVectorEnv, but every answer is checked, and `info` has nothing but the lives.

    Gymnasium merges the infos of all environments and fails if their types differ. An observation is copied before the
    next environment steps, because an environment may show the same array again and again.
    """

    def __init__(self, envs, env):
        self.name = title(env, envs[0])
        for other in envs[1:]:
            for space in ("observation_space", "action_space"):
                if getattr(other, space) != getattr(envs[0], space):
                    raise ValueError(
                        f"The {space} of {self.name} is {getattr(envs[0], space)} in one copy and "
                        f"{getattr(other, space)} in another; make it the same in all."
                    )
        super().__init__([lambda made=made: made for made in envs])
        self.answers = Answers(self.name, self.single_observation_space)
        self.steps = 0
        self.lives, self.has_lives = np.zeros(self.num_envs, int), False

    def reset(self, *, seed=None, options=None):
        self._autoreset_envs = np.zeros(self.num_envs, bool)
        obs, self.has_lives = self.answers.empty(self.num_envs), False
        for i, env in enumerate(self.envs):
            try:
                answer = env.reset(seed=None if seed is None else seed + i)
            except Exception as error:
                self.explain(error, i, "reset")
                raise
            obs[i], info = self.answers.of_reset(answer)
            self.read_lives(i, info)
        self.answers.watch_bounds(obs)
        return self.answers.together(obs), self.info()

    def step(self, actions):
        obs, rewards = self.answers.empty(self.num_envs), np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        for i, (env, action, over) in enumerate(zip(self.envs, actions, self._autoreset_envs.tolist())):
            try:
                answer = env.reset() if over else env.step(action)
            except Exception as error:
                self.explain(error, i, "reset" if over else "step")
                raise
            if over:
                obs[i], info = self.answers.of_reset(answer)
            else:
                obs[i], rewards[i], terminated[i], truncated[i], info = self.answers.of_step(answer)
            if info:
                self.read_lives(i, info)
        self._autoreset_envs = terminated | truncated
        self.steps += self.num_envs
        if self.steps <= WATCHED * self.num_envs:
            self.answers.watch_bounds(obs)
        return self.answers.together(obs), rewards, terminated, truncated, self.info()

    def read_lives(self, i, info):
        if isinstance(info, dict) and isinstance(info.get("lives"), Integral):
            self.lives[i], self.has_lives = info["lives"], True

    def info(self):
        return {"lives": self.lives.copy()} if self.has_lives else {}

    def explain(self, error, i, method):
        """A note for an error of the environment's own code; a ValueError if a wrapper failed at a wrong answer."""
        if innermost_module(error).startswith("gymnasium.wrappers."):
            raise self.answers.malformed(method, f"something its wrapper cannot take ({error})") from None
        error.add_note(f"This happened in {method}() of environment {i}, {self.name}, after {self.steps} steps.")


class Native(VectorWrapper):
    """A vector environment that is not Gymnasium's own: answers are checked, and copied because it may reuse them."""

    def __init__(self, vector, name):
        super().__init__(vector)
        self.answers = Answers(name, vector.single_observation_space, num_envs=vector.num_envs)

    def reset(self, *, seed=None, options=None):
        obs, info = self.answers.of_reset(self.env.reset(seed=seed, options=options))
        self.answers.watch_bounds(obs)
        return copy.deepcopy(obs), info or {}

    def step(self, actions):
        obs, rewards, terminated, truncated, info = self.answers.of_step(self.env.step(actions))
        return copy.deepcopy(obs), np.array(rewards, float), terminated, truncated, info or {}


class Answers:
    """Checks what `reset` and `step` return: of one environment, or of `num_envs` that step together."""

    def __init__(self, name, space, num_envs=None):
        self.name, self.space = name, space
        self.batch = () if num_envs is None else (num_envs,)
        self.shape, self.dtype = self.batch + (space.shape or ()), space.dtype
        self.watching = isinstance(space, Box)

    def empty(self, num_envs):
        """A place for the observations of each environment."""
        return np.empty((num_envs, *self.shape), self.dtype) if isinstance(self.space, Box) else [None] * num_envs

    def together(self, obs):
        """One array, or a dict or tuple of arrays, from what was put into `empty`."""
        if isinstance(self.space, Box):
            return obs
        return concatenate(self.space, obs, create_empty_array(self.space, len(obs)))

    def of_reset(self, answer):
        """-> obs, info"""
        if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], dict | None):
            raise self.malformed("reset", brief(answer))
        return self.observation(answer[0], "reset"), answer[1]

    def of_step(self, answer):
        """-> obs, reward, terminated, truncated, info"""
        if not isinstance(answer, tuple) or len(answer) != 5:
            raise self.malformed("step", brief(answer))
        obs, reward, terminated, truncated, info = answer
        if self.batch or type(reward) is not float:
            self.check_reward(reward)
        if self.batch or type(terminated) is not bool:
            terminated = self.flag("terminated", terminated)
        if self.batch or type(truncated) is not bool:
            truncated = self.flag("truncated", truncated)
        return self.observation(obs, "step"), reward, terminated, truncated, info

    def malformed(self, method, returned):
        right = {"reset": "obs, info", "step": "obs, reward, terminated, truncated, info"}[method]
        return ValueError(f"{self.name}.{method}() returned {returned}; it must return {right}, as Gymnasium says.")

    def check_reward(self, reward):
        if self.batch:
            good = isinstance(reward, np.ndarray) and reward.shape == self.batch and reward.dtype.kind in "biuf"
        else:
            good = isinstance(reward, NUMBERS)
        if not good:
            what = f"an array of {self.batch[0]} numbers" if self.batch else "one number, as float(...) makes it"
            raise ValueError(f"{self.name}.step() returned the reward {brief(reward)}; it must be {what}.")

    def flag(self, field, value):
        if isinstance(value, np.bool_) and not self.batch:
            return value
        flags = np.asarray(value)
        if flags.shape != self.batch or flags.dtype.kind not in "biu" or ((flags != 0) & (flags != 1)).any():
            what = f"an array of {self.batch[0]} booleans" if self.batch else "True or False, as bool(...) makes it"
            raise ValueError(f"{self.name}.step() returned {field}={brief(value)}; it must be {what}.")
        return flags.astype(bool)

    def observation(self, obs, method):
        """The observation as its space describes it. All of it is new, except for an array that fits already."""
        if type(obs) is np.ndarray and obs.dtype == self.dtype and obs.shape == self.shape:
            return obs
        return self.converted(obs, self.space, method)

    def converted(self, obs, space, method):
        """Other numbers, lists and parts as arrays, if nothing is lost."""
        if isinstance(space, Dict):
            if not isinstance(obs, dict) or obs.keys() != space.keys():
                raise self.refused(method, f"the observation {brief(obs)}", f"return a dict of {list(space)}")
            return {key: self.converted(obs[key], part, method) for key, part in space.items()}
        if isinstance(space, Tuple):
            if not isinstance(obs, tuple) or len(obs) != len(space):
                raise self.refused(method, f"the observation {brief(obs)}", f"return a tuple of {len(space)}")
            return tuple(self.converted(part, inner, method) for part, inner in zip(obs, space))
        try:
            array = np.asarray(obs)
        except (TypeError, ValueError, RuntimeError):  # ragged lists, tensors with a gradient
            array = np.array(None)
        if array.dtype.kind not in "biuf":
            raise self.refused(method, f"the observation {brief(obs)}", "return an array of numbers")
        if array.shape != self.batch + space.shape:
            raise self.refused(method, f"an observation of the shape {array.shape}", "make the two equal")
        with np.errstate(invalid="ignore", over="ignore"):
            converted = array.astype(space.dtype)
        if space.dtype.kind != "f" and (converted != array).any():
            raise self.refused(method, f"{array.dtype} numbers that {space.dtype} cannot hold", "convert them")
        return converted

    def refused(self, method, returned, cure):
        space = brief(self.space)
        return ValueError(f"{self.name}.{method}() returned {returned}, but its observation_space is {space}; {cure}.")

    def watch_bounds(self, obs):
        """Warn once if an observation lies outside its space: nothing breaks, but one of the two is a mistake."""
        if self.watching and ((obs < self.space.low) | (obs > self.space.high)).any():
            self.watching = False
            warnings.warn(
                f"{self.name} shows an observation outside its observation_space, {self.space}; correct one of them.",
                stacklevel=2,
            )


# Names ------------------------------------------------------------------------------------------------------


def layers(env):
    """An environment and all that it wraps, from the outside to the inside."""
    while True:
        yield env
        if not isinstance(env, gymnasium.Wrapper | VectorWrapper):
            return
        env = env.env


def label(env):
    """What an agent was given as `env`, for a message."""
    return env if isinstance(env, str) else getattr(env, "__name__", None) or brief(env)


def title(env, made):
    """The name of an environment: its id if it was given, otherwise its class."""
    return env if isinstance(env, str) else type(made.unwrapped).__name__


def brief(value):
    """`repr` on one line of at most 80 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def innermost_module(error):
    """The name of the module in which an error was raised."""
    traceback = error.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_globals.get("__name__", "")
