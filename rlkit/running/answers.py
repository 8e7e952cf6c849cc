"""What environments answer, checked at every `reset` and `step`. A breach of Gymnasium's contract is one sentence."""

import copy
import math
import warnings
from numbers import Integral

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.vector import SyncVectorEnv, VectorWrapper
from gymnasium.vector.utils import concatenate, create_empty_array

from rlkit.running.messages import brief, modules, reason, title

NUMBERS = (float, int, np.floating, np.integer, np.bool_)
WRAPPING = ("gymnasium.", "numpy", "functools")  # Gymnasium, and what its wrappers call
WATCHED = 100  # steps in each environment that are compared with the bounds of its observations


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
        """Keep the lives of environment `i`, if it has any."""
        if isinstance(info, dict) and isinstance(info.get("lives"), Integral):
            self.lives[i], self.has_lives = info["lives"], True

    def info(self):
        return {"lives": self.lives.copy()} if self.has_lives else {}

    def explain(self, error, i, method):
        """A note for an error of the environment's own code; a ValueError if a wrapper failed at a wrong answer.

        A StopIteration, too, is a ValueError, because a generator such as `learn` makes a riddle of it.
        """
        if isinstance(error, StopIteration):
            raise ValueError(
                f"{self.name}.{method}() raised StopIteration after {self.steps} steps, so an iterator in it is at its "
                "end; end the episode before that, and make a new iterator in reset()."
            ) from error
        if in_wrapper(error):
            raise self.answers.malformed(method, f"something its wrapper cannot take ({reason(error)})") from None
        error.add_note(f"This happened in {method}() of environment {i}, {self.name}, after {self.steps} steps.")


def in_wrapper(error):
    """Was an error raised by Gymnasium's wrappers, or what they call, and not while the environment's code ran?"""
    _, *inside = modules(error)
    theirs = [name for name in inside if name.startswith(WRAPPING) and not name.startswith("gymnasium.envs.")]
    return inside != [] and inside == theirs and inside[-1] != "gymnasium.core"


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
        self.one_array = isinstance(space, Box | Discrete | MultiBinary | MultiDiscrete)

    def empty(self, num_envs):
        """A place for the observations of each environment."""
        return np.empty((num_envs, *self.shape), self.dtype) if self.one_array else [None] * num_envs

    def together(self, obs):
        """One array, or a dict or tuple of arrays, from what was put into `empty`."""
        if self.one_array:
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
            if type(reward) is int and abs(reward) > 2**1000:  # it does not become a float, and is refused as inf
                reward = math.inf if reward > 0 else -math.inf
        if self.batch or type(terminated) is not bool:
            terminated = self.flag("terminated", terminated)
        if self.batch or type(truncated) is not bool:
            truncated = self.flag("truncated", truncated)
        return self.observation(obs, "step"), reward, terminated, truncated, info

    def malformed(self, method, returned):
        """The ValueError for an answer that is no tuple of the right length."""
        right = {"reset": "obs, info", "step": "obs, reward, terminated, truncated, info"}[method]
        return ValueError(f"{self.name}.{method}() returned {returned}; it must return {right}, as Gymnasium says.")

    def check_reward(self, reward):
        """Raise ValueError unless it is one number, or one for each environment."""
        if self.batch:
            good = isinstance(reward, np.ndarray) and reward.shape == self.batch and reward.dtype.kind in "biuf"
        else:
            good = isinstance(reward, NUMBERS)
        if not good:
            what = f"an array of {self.batch[0]} numbers" if self.batch else "one number, as float(...) makes it"
            raise ValueError(f"{self.name}.step() returned the reward {brief(reward)}; it must be {what}.")

    def flag(self, field, value):
        """`terminated` or `truncated` as booleans. 0 and 1 are taken for them; anything else raises ValueError."""
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
        """The ValueError for an observation that its space does not describe."""
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
