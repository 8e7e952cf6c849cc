"""Environments side by side, under one convention for the end of an episode.

Gymnasium's NEXT_STEP autoreset: where an episode ends, `step` returns its true last observation. The next row is an
*autoreset row*: it only resets the environment, so its action does nothing and its reward is 0. Gymnasium does not mark
that row. We do: `valid` is False there, and an agent must not learn from it. (In a task of three steps a quarter of all
rows are autoreset rows.)
"""

import atexit
import functools
import weakref
from numbers import Integral

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from rlkit.running import contract
from rlkit.running.answers import OneByOne
from rlkit.running.result import Episode
from rlkit.spaces import check_actions, performed, pixel_scale, view

LARGEST = np.float64(np.finfo(np.float32).max)  # of 32 bits, as networks and replays compute; a float is inf in 16
emulators = weakref.WeakSet()  # of all Atari environments of this process


class Envs:
    """N copies of an environment that step together.

    `env` is an id known to Gymnasium, or a callable that makes a new environment at each call. In `"module:MyEnv-v0"`,
    the module is what registers the id. What an environment is and what it answers is checked
    (`rlkit.running.contract`, `rlkit.running.answers`).

    ALE ids (`"ALE/Pong-v5"`) get the preprocessing of the DQN paper in C++: no-op starts, the maximum of two frames,
    each action held for four frames, grey, `frame_size` x `frame_size` pixels, a stack of four. `rlkit.atari` is its
    readable twin. With `life_loss` a lost life counts as terminated, and the game goes on. `actions` keeps some of the
    actions, by index.

    Raises ValueError if the environment cannot be made, or no agent here can handle its observations or actions.
    """

    def __init__(self, env, num_envs, seed, frame_size=84, life_loss=False, actions=None):
        self.settings = dict(env=env, frame_size=frame_size, life_loss=life_loss, actions=actions)
        self.life_loss = life_loss
        self.vector = make_vector(env, num_envs, frame_size)
        self.num_envs = num_envs
        self.name = env if isinstance(env, str) else self.vector.name
        self.observation_space, self.see, framed = view(self.name, self.vector.single_observation_space, frame_size)
        self.stacked = framed and contract.is_stack(self.vector)
        self.obs_shape, self.obs_dtype = self.observation_space.shape, self.observation_space.dtype
        self.obs_scale = pixel_scale(self.observation_space)
        self.action_space = self.vector.single_action_space
        check_actions(self.name, self.action_space)
        contract.check_range(self.name, self.action_space)
        self.actions = choose_actions(self.name, self.action_space, actions)
        self.num_actions = num_discrete_actions(self.action_space, self.actions)
        self.perform = performed(self.action_space, self.actions)
        self.steps = 0
        self.interrupted = False
        self.finished = []  # episodes that `pop_finished` has not reported yet
        self.restart(seed)

    def restart(self, seed):
        """A new episode in each environment."""
        obs, info = self.vector.reset(seed=seed)
        obs = self.see(obs)
        self.check_numbers(obs)
        self.obs = obs
        if self.life_loss and "lives" not in info:
            raise ValueError(
                f"life_loss=True needs lives, but reset() of {self.name} returns none; leave it off, or return "
                "{'lives': ...} as info."
            )
        self.lives = info.get("lives", np.zeros(self.num_envs, int))
        self.ended = np.zeros(self.num_envs, bool)
        self.total_reward = np.zeros(self.num_envs)
        self.length = np.zeros(self.num_envs, int)

    def recover(self, seed):
        """The same after a step that was broken off. An emulator's answer may be on its way, so it is made again."""
        if self.vector in emulators:
            self.vector = make_vector(self.settings["env"], self.num_envs, self.settings["frame_size"])
        self.restart(seed)

    def step(self, actions):
        """Actions `[N]` or `[N, D]` -> obs `[N, ...]`, rewards, terminated, truncated, valid `[N]`.

        Raises ValueError at the first reward or observation that is not a finite number.
        """
        obs, rewards, terminated, truncated, info = self.vector.step(self.perform(actions))
        obs = self.see(obs)
        self.check_numbers(obs, rewards)
        self.obs = obs
        valid = ~self.ended
        self.ended = terminated | truncated
        self.steps += self.num_envs
        self.total_reward += rewards
        self.length += valid
        for i in np.flatnonzero(self.ended):
            self.finished.append(Episode(float(self.total_reward[i]), int(self.length[i]), self.steps))
            self.total_reward[i] = self.length[i] = 0
        if self.life_loss:
            lives = info.get("lives", self.lives)
            terminated = terminated | (lives < self.lives) & valid
            self.lives = lives
        return self.obs, rewards, terminated, truncated, valid

    def pop_finished(self):
        """The episodes that ended since the last call -> a list of `Episode`."""
        finished, self.finished = self.finished, []
        return finished

    def again(self, num_envs, seed):
        """New environments of the same kind, for evaluation."""
        return Envs(num_envs=num_envs, seed=seed, **self.settings)

    def close(self):
        """Close the environments. A callable may return them again."""
        contract.release(getattr(self.vector, "envs", ()))
        self.vector.close()

    def check_numbers(self, obs, rewards=None):
        """NaN survives gradient clipping and wins every argmax: stop at the first, before anything has kept it."""
        for name, values in (("reward", rewards), ("observation", obs)):
            if values is None or values.dtype.kind != "f" or np.vdot(values, values) <= LARGEST:
                continue  # no square is negative, so nothing cancels, and NaN is not below anything
            wrong = np.argwhere(~(np.abs(values) <= LARGEST))  # none if only the sum of the squares was too large
            if len(wrong):
                i, *entry = wrong[0].tolist()
                raise ValueError(
                    f"Environment {i} returned the {name} {values[i, *entry]} at step {self.steps}"
                    f"{f', entry {entry}' if entry else ''}; fix it: rewards and observations must be finite, and at "
                    f"most {LARGEST:.1e}, the largest number of 32 bits."
                )


def make_vector(env, num_envs, frame_size):
    """The fastest vector environment for `env`. All are under NEXT_STEP autoreset."""
    contract.check_given(env)
    if callable(env):
        return OneByOne(contract.make_each(env, num_envs, env), env)
    spec = contract.find_spec(env)
    if spec.namespace == "ALE":
        return make_atari(env, spec, num_envs, frame_size)
    if spec.vector_entry_point is not None and (num_envs >= 4 or spec.entry_point is None):  # with fewer it is slower
        return contract.make_native(env, spec, num_envs)
    make = functools.partial(gymnasium.make, spec, disable_env_checker=True)
    return OneByOne(contract.make_each(make, num_envs, env), env)


def make_atari(env, spec, num_envs, frame_size):
    """ale-py's vector environment. Raises ValueError for a size of frames that it cannot make."""
    from ale_py.vector_env import AtariVectorEnv  # 0.2 s, so it is loaded only for Atari

    if not 15 <= frame_size <= 160:
        raise ValueError(f"frame_size={frame_size} must lie between 15 and 160, the width of the screen in pixels.")
    pixels = Box(0, 255, (4, frame_size, frame_size), np.uint8)
    contract.require_envs_memory(num_envs, pixels, env)
    vector = AtariVectorEnv(
        spec.kwargs["game"],
        num_envs,
        img_height=frame_size,
        img_width=frame_size,
        noop_max=30,
        reward_clipping=False,  # the learner clips; the score does not
        use_fire_reset=False,
        num_threads=torch.get_num_threads(),  # one torch thread: one emulator thread
    )
    emulators.add(vector)
    return vector


@atexit.register
def release_emulators():
    """ale-py has no `close`. At exit it reports every emulator that is still referenced as a leak, so drop them."""
    for vector in list(emulators):
        del vector.ale


def choose_actions(name, space, actions):
    """The chosen actions as an array, or None for all of them as they are. Several buttons may do the same."""
    start = space.start if isinstance(space, Discrete) else 0
    if actions is None:
        return None if start == 0 else start + np.arange(space.n)
    if not isinstance(space, Discrete):
        raise ValueError(f"actions={actions} keeps some Discrete actions, but {name} takes {space}; leave it out.")
    known = all(isinstance(a, Integral) and not isinstance(a, bool) and 0 <= a < space.n for a in actions)
    if not actions or not known:
        raise ValueError(f"actions={actions} must be some of the actions 0 to {space.n - 1} of {name}.")
    return start + np.array(actions)


def num_discrete_actions(space, actions):
    """How many actions there are to choose from; None if they are not Discrete."""
    if not isinstance(space, Discrete):
        return None
    return int(space.n) if actions is None else len(actions)
