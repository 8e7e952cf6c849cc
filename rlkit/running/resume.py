"""Where an agent is in its episodes and in its random numbers, for a checkpoint.

A run that is resumed from here equals the uninterrupted run, number for number. That takes environments whose whole
state can be stored: Gymnasium's classic control. Others begin new episodes.
"""

import gymnasium
import numpy as np
import torch
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from rlkit.running.learning import Learning
from rlkit.running.result import Episode

WRAPPERS = (OrderEnforcing, PassiveEnvChecker, TimeLimit)  # what `gymnasium.make` adds
CHANGING = {"state", "steps", "prev_done", "steps_beyond_terminated", "_elapsed_steps", "_autoreset_envs", "_np_random"}
OWN = ("obs", "lives", "ended", "total_reward", "length")  # what changes in our `Envs`
PLAYED = (  # if one of these settings changes, the same episodes cannot continue
    "env", "num_envs", "frame_size", "life_loss", "actions", "seed", "reward_clip",
    "replay_size", "prioritized", "alpha", "n_step",
)  # fmt: skip


def play_state(agent):
    """Where an agent is in its episodes and in its random numbers, as tensors and plain values."""
    torn = "learning" in vars(agent) and agent.learning.torn  # then the loaded agent begins new episodes, as this one
    return {
        "settings": played(agent),
        "rng": plain(agent.rng),
        "envs": envs_state(agent.envs),
        "torn": torn,
        "steps": agent.envs.steps,
    }


def resume_play(agent, play):
    """Put the agent back there -> whether the same episodes continue.

    They do not if a setting that the episodes depend on has changed, or if the environments could not be stored. Then
    each environment begins a new episode. The new seed depends on the step, so the run's first episodes do not repeat.
    """
    same = play.get("settings") == played(agent)
    fresh = np.random.SeedSequence([agent.seed, agent.step])
    rng = unplain(play["rng"]) if same else np.random.default_rng(fresh)
    agent.rng.bit_generator.state = rng.bit_generator.state
    agent.envs.steps = agent.step
    if same and play["envs"] and fits(agent.envs, play["envs"]):
        restore_envs(agent.envs, play["envs"])
        agent.envs.steps = int(play.get("steps", agent.step))  # more, if an iteration was broken off
        agent.learning = Learning(play.get("torn", False))
        return True
    agent.envs.restart(int(fresh.generate_state(1)[0] // 2))
    return False


def played(agent):
    """The settings that decide what is played, and the version of Gymnasium that plays it."""
    settings = {name: getattr(agent, name) for name in PLAYED if hasattr(agent, name)}
    return settings | {"gymnasium": gymnasium.__version__}


def envs_state(envs):
    """All that changes in an `Envs`, as tensors and plain values; None if `parts` cannot reach all of it."""
    layers = parts(envs.vector)
    if layers is None:
        return None
    inside = [{name: plain(value) for name, value in vars(layer).items() if name in CHANGING} for layer in layers]
    return {"parts": inside, **own_state(envs)}


def own_state(envs):
    """What changes in an `Envs` itself."""
    own = {name: plain(getattr(envs, name)) for name in OWN}
    return {"own": own, "finished": [tuple(episode) for episode in envs.finished]}


def fits(envs, state):
    """Were the stored environments made of the same layers? Those of an older rlkit had one wrapper more."""
    return "parts" not in state or len(state["parts"]) == len(parts(envs.vector) or ())


def restore_envs(envs, state):
    """Put an `Envs` into a state that `envs_state` gave. A copy of an agent brings the environments themselves."""
    layers = parts(envs.vector) if "parts" in state else []
    envs.vector = state.get("vector", envs.vector)
    for layer, values in zip([*layers, envs], [*state.get("parts", []), state["own"]], strict=True):
        for name, value in values.items():
            setattr(layer, name, unplain(value))
    envs.finished = [Episode(*values) for values in state["finished"]]


def parts(vector):
    """The objects in which anything changes when a vector environment steps; None if some of it is out of reach.

    In reach is Gymnasium's classic control, one by one or vectorised, in no wrappers but those of `gymnasium.make`.
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
    """Arrays become tensors and generators become numbers, which a checkpoint can hold.

    An array keeps its strides, because the order of BLAS's additions, and so its rounding, depends on them.
    """
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.generic):
        return value.item()
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray | tuple) else value


def unplain(value):
    """The opposite of `plain`."""
    if isinstance(value, dict):
        rng = np.random.default_rng()
        rng.bit_generator.state = value
        return rng
    return value.numpy().copy(order="K") if isinstance(value, torch.Tensor) else value
