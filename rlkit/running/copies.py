"""`copy.deepcopy(agent)` and `pickle`: a second agent that continues like the first, and shares nothing with it.

The weights of an agent are views of one tensor, its NumPy twin sees the same memory, and its optimiser holds the tensor
itself. Copied one by one, these would come apart: the copy would learn with one and act by another. So a copy is made
like an agent from a file: a new agent with the same settings is put into the same state.
"""

import copy
from operator import attrgetter

from gymnasium.utils import EzPickle

from rlkit.running.messages import agent_name
from rlkit.running.resume import own_state
from rlkit.running.state import agent_state, on_cpu, part_state, restore_agent, settings_of

INSTEAD = "rlkit.save(agent, path) and rlkit.load(path) give a second agent, which begins new episodes."


def copied_state(agent):
    """The `__getstate__` of every agent.

    Raises ValueError if the copy would not continue like the original, because its episodes or its replay memory cannot
    be copied.
    """
    state = agent_state(agent)
    play = state.get("play")
    if play:
        if not play["envs"]:
            play["envs"] = {"vector": copied_environments(agent), **own_state(agent.envs)}
        play |= {part: part_state(attrgetter(part)(agent)) for part in agent.saved_to_play_on}
        if play.get("replay", True) is None:
            raise ValueError(f"The replay memory of {agent_name(agent)} is too large for a copy. {INSTEAD}")
    return {"settings": settings_of(agent), "state": on_cpu(state, {})}


def become_copy(agent, copied):
    """The `__setstate__` of every agent."""
    agent.__init__(**copied["settings"])
    restore_agent(agent, copied["state"])


def copied_environments(agent):
    """A vector environment that continues like the agent's own."""
    vector, reason = agent.envs.vector, None
    if not any(isinstance(layer, EzPickle) for env in getattr(vector, "envs", [vector]) for layer in layers(env)):
        try:
            return copy.deepcopy(vector)
        except Exception as error:  # it may hold anything: a window, a connection, an emulator
            reason = error
    raise ValueError(f"{agent_name(agent)} cannot be copied in the middle of its episodes. {INSTEAD}") from reason


def layers(env):
    """An environment and what it wraps. A copy of an `EzPickle` among them would begin a new episode in silence."""
    while env is not None:
        yield env
        env = getattr(env, "env", None)
