"""Environments side by side, under one convention for the end of an episode.

Gymnasium's NEXT_STEP autoreset: where an episode ends, `step` returns its true last observation; the next row is a mere
reset, in which the action does nothing and the reward is 0. Gymnasium does not mark that row. We do: `valid` is False
there, and whoever learns must leave it out. (In a task of three steps, a fourth of all rows are such resets.)
"""

import math
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

WRAPPERS = (OrderEnforcing, PassiveEnvChecker, TimeLimit)  # what `gymnasium.make` adds
CHANGING = {"state", "steps", "prev_done", "steps_beyond_terminated", "_elapsed_steps", "_autoreset_envs", "_np_random"}
PLAYED = (  # settings without which the same episodes cannot go on
    "env", "num_envs", "frame_size", "life_loss", "actions", "seed", "reward_clip",
    "replay_size", "prioritized", "alpha", "n_step",
)  # fmt: skip


class Episode(NamedTuple):
    total_reward: float  # undiscounted and unclipped
    length: int  # in actions
    step: int  # how many steps all environments had taken together when it ended, resets included


class Envs:
    """N copies of an environment that step together.

    `env` is an id known to Gymnasium, or a callable that makes an environment. ALE ids (`"ALE/Pong-v5"`) get the
    preprocessing of the DQN paper, done in C++ (`rlkit.atari` is its readable twin): no-op starts, the maximum of two
    frames, every action held for four, grey, `frame_size` x `frame_size`, a stack of four. With `life_loss` a lost
    life counts as terminated, and the game goes on. `actions` keeps some of the actions, by index.
    """

    def __init__(self, env, num_envs, seed, frame_size=84, life_loss=False, actions=None):
        self.settings = dict(env=env, frame_size=frame_size, life_loss=life_loss, actions=actions)
        self.life_loss = life_loss
        self.vector = make_vector(env, num_envs, frame_size)
        self.num_envs = num_envs
        self.observation_space = check_observations(env, self.vector.single_observation_space)
        self.obs_shape, self.obs_dtype = self.observation_space.shape, self.observation_space.dtype
        self.action_space = self.vector.single_action_space
        self.actions = choose_actions(env, self.action_space, actions)
        self.num_actions = num_discrete_actions(self.action_space, self.actions)
        self.steps = 0
        self.restart(seed)

    def restart(self, seed):
        """A new episode in each environment."""
        self.obs, info = self.vector.reset(seed=seed)
        self.lives = info.get("lives", np.zeros(self.num_envs, int))
        self.ended = np.zeros(self.num_envs, bool)
        self.total_reward = np.zeros(self.num_envs)
        self.length = np.zeros(self.num_envs, int)
        self.finished = []

    def step(self, actions):
        """Actions `[N]`, or continuous ones `[N, D]` -> obs `[N, ...]`, rewards, terminated, truncated, valid `[N]`."""
        if self.actions is not None:
            actions = self.actions[actions]
        elif self.num_actions is None:
            actions = np.clip(actions, self.action_space.low, self.action_space.high)
        self.obs, rewards, terminated, truncated, info = self.vector.step(actions)
        self.check_numbers(rewards)
        valid = ~self.ended
        self.ended = terminated | truncated
        self.steps += self.num_envs
        self.total_reward += rewards
        self.length += valid
        for i in np.flatnonzero(self.ended):
            self.finished.append(Episode(float(self.total_reward[i]), int(self.length[i]), self.steps))
            self.total_reward[i] = self.length[i] = 0
        if self.life_loss:
            terminated = terminated | (info["lives"] < self.lives) & valid
            self.lives = info["lives"]
        return self.obs, rewards, terminated, truncated, valid

    def pop_finished(self):
        """The episodes that ended since the last call."""
        finished, self.finished = self.finished, []
        return finished

    def again(self, num_envs, seed):
        """The same kind of environment, afresh: for evaluation."""
        return Envs(num_envs=num_envs, seed=seed, **self.settings)

    def state(self):
        """All that will change, as tensors and plain values; None where it is out of reach: see `parts`."""
        layers = parts(self.vector)
        if layers is None:
            return None
        inside = [{name: plain(value) for name, value in vars(layer).items() if name in CHANGING} for layer in layers]
        own = {name: plain(getattr(self, name)) for name in ("obs", "lives", "ended", "total_reward", "length")}
        return {"parts": inside, "own": own, "finished": [tuple(episode) for episode in self.finished]}

    def restore(self, state):
        for layer, values in zip([*parts(self.vector), self], [*state["parts"], state["own"]], strict=True):
            for name, value in values.items():
                setattr(layer, name, unplain(value))
        self.finished = [Episode(*values) for values in state["finished"]]

    def close(self):
        self.vector.close()

    def check_numbers(self, rewards):
        """NaN survives gradient clipping and wins every argmax: stop at the first."""
        if not math.isfinite(rewards.sum()):
            i = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise ValueError(f"Environment {i} returned the reward {rewards[i]} at step {self.steps}; mend its reward.")
        if self.obs.dtype != np.uint8 and not math.isfinite(self.obs.sum()):
            i = int(np.flatnonzero(~np.isfinite(self.obs).reshape(self.num_envs, -1).all(1))[0])
            raise ValueError(f"Environment {i} returned the observation {self.obs[i]} at step {self.steps}; mend it.")


def make_vector(env, num_envs, frame_size):
    """The fastest vector environment there is for `env`."""
    if callable(env):
        return gymnasium.vector.SyncVectorEnv([env] * num_envs)
    if env.startswith("ALE/"):
        return make_atari(env, num_envs, frame_size)
    try:
        native = gymnasium.spec(env).vector_entry_point is not None and num_envs >= 4  # slower than Sync below that
        mode = "vector_entry_point" if native else "sync"
        return gymnasium.make_vec(env, num_envs, vectorization_mode=mode)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"The environment {env!r} cannot be made: {error}") from None


def make_atari(env, num_envs, frame_size):
    import ale_py  # 0.2 s, and only here: who trains on CartPole never loads it
    from ale_py.vector_env import AtariVectorEnv

    gymnasium.register_envs(ale_py)
    try:
        game = gymnasium.spec(env).kwargs["game"]
    except gymnasium.error.Error as error:
        raise ValueError(f"The environment {env!r} cannot be made: {error}") from None
    return AtariVectorEnv(
        game,
        num_envs,
        img_height=frame_size,
        img_width=frame_size,
        noop_max=30,
        reward_clipping=False,  # the learner clips; the score does not
        use_fire_reset=False,
        num_threads=torch.get_num_threads(),  # one torch thread: one emulator thread
    )


def check_observations(env, space):
    """A vector `[D]` or a stack of byte frames `[stack, H, W]`; no network here takes anything else."""
    if isinstance(space, Box):
        frames = len(space.shape) == 3 and space.dtype == np.uint8 and min(space.shape[1:]) >= 15  # convolutions fit
        if frames or len(space.shape) == 1:
            return space
    raise ValueError(
        f"{env} observes {space}; a network here takes a Box of one dimension, or of bytes [frames, height, width], "
        "15 pixels or more each way. Wrap the environment, for example in gymnasium.wrappers.FlattenObservation."
    )


def choose_actions(env, space, actions):
    """The chosen actions as an array, or None for all of them as they are."""
    start = space.start if isinstance(space, Discrete) else 0
    if actions is None:
        return None if start == 0 else start + np.arange(space.n)
    if not isinstance(space, Discrete) or not all(0 <= a < space.n for a in actions):
        raise ValueError(f"actions={actions} are not all among the actions of {env}: {space}.")
    return start + np.array(actions)


def num_discrete_actions(space, actions):
    """How many actions there are to choose from; None where they are continuous."""
    if not isinstance(space, Discrete):
        return None
    return int(space.n) if actions is None else len(actions)


# Going on ---------------------------------------------------------------------------------------------------


def play_state(agent):
    """Where an agent is in its episodes and in its random numbers: for a checkpoint."""
    return {"settings": played(agent), "rng": plain(agent.rng), "envs": agent.envs.state()}


def resume_play(agent, play):
    """Go on there -> whether the same episodes go on, as if nothing had happened.

    They do not where other settings are played than those of `play`, or where the environments could not be stored, as
    Atari's. Then each environment begins a new episode, with a seed that depends on the step: not the run's first ones.
    """
    same = play.get("settings") == played(agent)
    anew = np.random.SeedSequence([agent.seed, agent.step])
    rng = unplain(play["rng"]) if same else np.random.default_rng(anew)
    agent.rng.bit_generator.state = rng.bit_generator.state
    agent.envs.steps = agent.step
    if same and play["envs"]:
        agent.envs.restore(play["envs"])
        return True
    agent.envs.restart(int(anew.generate_state(1)[0] // 2))
    return False


def played(agent):
    """The settings on which it depends what is played, and the version of Gymnasium that plays it."""
    settings = {name: getattr(agent, name) for name in PLAYED if hasattr(agent, name)}
    return settings | {"gymnasium": gymnasium.__version__}


def parts(vector):
    """The objects in which anything of the environments changes; None where some of it is out of reach.

    The rule: Gymnasium's classic control, one by one or vectorised, in no wrappers but those of `gymnasium.make`.
    """
    layers = []
    for env in getattr(vector, "envs", [vector]):
        layers.append(env)
        while type(layers[-1]) in WRAPPERS:
            layers.append(layers[-1].env)
        if not type(layers[-1]).__module__.startswith("gymnasium.envs.classic_control."):
            return None
    return layers if layers == [vector] else [*layers, vector]


def plain(value):
    """Arrays as tensors and generators as numbers, for a checkpoint. Strides are kept: BLAS rounds by them."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray | tuple) else value


def unplain(value):
    if isinstance(value, dict):
        rng = np.random.default_rng()
        rng.bit_generator.state = value
        return rng
    return value.numpy().copy(order="K") if isinstance(value, torch.Tensor) else value
