"""The state of an agent as tensors and plain values, for a checkpoint or a copy.

An agent declares what belongs to it, as names of its attributes (dotted for attributes of attributes):

    saved_to_act        what it needs to act
    saved_to_learn      what else it needs to continue learning
    saved_to_play_on    what belongs to its current episodes; environments and random numbers are saved with it
"""

import copy
import dataclasses
from operator import attrgetter

import numpy as np
import torch

from rlkit.running.messages import brief
from rlkit.running.resume import plain, play_state, resume_play, unplain
from rlkit.running.settings import check_settings

STAND_INS = {"target": "network", "server.target": "network"}  # an agent that was saved to act has no target network


def settings_of(agent):
    """What the agent was made with: {name: value}, in plain Python.

    Raises ValueError for what is not an agent, and for a setting that has been changed to what it cannot be.
    """
    if isinstance(agent, type) or not hasattr(agent, "saved_to_act"):
        raise ValueError(f"{brief(agent)} is not an agent; pass one of rlkit's, such as DQN('CartPole-v1').")
    check_settings(agent)  # so that an agent can be made with them
    return {field.name: getattr(agent, field.name) for field in dataclasses.fields(agent) if field.init}


def agent_state(agent, resume=True):
    """What the agent declares, as tensors and plain values: {name: value}.

    Some are the tensors that the agent goes on learning with; `on_cpu` copies them.
    """
    names = agent.saved_to_act + (agent.saved_to_learn if resume else ())
    state = {name: part_state(attrgetter(name)(agent)) for name in names}
    if resume and hasattr(agent, "saved_to_play_on"):
        state["play"] = play_state(agent)
        if state["play"]["envs"]:  # otherwise these episodes will not continue
            state["play"] |= {name: part_state(attrgetter(name)(agent)) for name in agent.saved_to_play_on}
    return state


def restore_agent(agent, state):
    """Put an agent into the state that `agent_state` gave. What is not in `state` stays as in a new agent.

    Nothing is checked here; `rlkit.running.fit` checks what comes from a file.
    """
    for name in agent.saved_to_act + agent.saved_to_learn:
        saved = saved_part(state, name)
        if saved is not None:
            restore_part(agent, name, saved)
    if hasattr(agent, "saved_to_play_on"):
        play = state.get("play", {})
        if resume_play(agent, play):
            for name in agent.saved_to_play_on:
                if play.get(name) is not None:
                    restore_part(agent, name, play[name])


def saved_part(state, name):
    """What `state` holds for the part with this name; None if nothing."""
    return state.get(name, state.get(STAND_INS.get(name)))


def part_state(part):
    """Part of an agent as tensors and plain values: a network, an optimiser, something with `state()`, or a value."""
    if hasattr(part, "state_dict"):
        return part.state_dict()
    return part.state() if hasattr(part, "state") else plain(part)


def restore_part(agent, name, saved):
    """Put the part of the agent that has this dotted name into a state that `part_state` gave."""
    owner, _, attribute = name.rpartition(".")
    owner = attrgetter(owner)(agent) if owner else agent
    part = getattr(owner, attribute)
    if hasattr(part, "param_groups"):  # the agent's settings, not the saved ones, decide the learning rate
        groups = part.state_dict()["param_groups"]
        part.load_state_dict(copy.deepcopy(saved) | {"param_groups": groups})  # it keeps the tensors that it is given
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(saved)
    elif hasattr(part, "restore"):
        part.restore(saved)
    elif isinstance(part, torch.Tensor):
        setattr(owner, attribute, saved.to(part.device))
    else:
        setattr(owner, attribute, unplain(saved) if isinstance(part, np.ndarray) else saved)


def on_cpu(value, copies):
    """The same with copies of all tensors, on the CPU, so that a file from a GPU is like any other.

    A3C's workers keep writing θ meanwhile. Copies cannot change between the checksum and the file. What was one tensor
    under two names stays one: `copies` remembers them.
    """
    if isinstance(value, torch.Tensor):
        key = value.data_ptr(), value.dtype, value.shape, value.stride()
        if key not in copies:
            copies[key] = value.detach().to("cpu", copy=True)
        return copies[key]
    if isinstance(value, dict):
        return {name: on_cpu(item, copies) for name, item in value.items()}
    return type(value)(on_cpu(item, copies) for item in value) if isinstance(value, list | tuple) else value
