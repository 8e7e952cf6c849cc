"""Does what a file holds fit an agent? All of it is compared with a new agent before any of it is used.

A tensor of another shape can end the process inside an optimiser, and a run that goes on with half of a state is worse
than none.
"""

import math
from operator import attrgetter

import torch

from rlkit.running.resume import envs_state, fits, played, unplain
from rlkit.running.state import part_state, saved_part


def check_fit(agent, state):
    """Raise ValueError, in a part of a sentence, if `state` from a file cannot be the state of this new agent."""
    for name in ("network", "step"):
        if name not in state:
            raise ValueError(f"it lacks {name}")
    if type(state["step"]) is not int:
        raise ValueError(f"step is {in_few_words(state['step'])}, not a whole number")
    check_parts(agent, agent.saved_to_act + agent.saved_to_learn, state)
    play = state.get("play", {})
    if isinstance(play, dict) and play.get("settings") == played(agent):  # otherwise new episodes begin
        check_like("play", {"rng": part_state(agent.rng)}, {"rng": play.get("rng")})
        unplain(play["rng"])
        if play.get("envs") and fits(agent.envs, play["envs"]):
            check_parts(agent, agent.saved_to_play_on, play)
            check_episodes(agent, play["envs"])


def lacking(agent, state):
    """The names of what the file should hold, but does not: a part of what is needed to act, or to learn."""
    names = agent.saved_to_act
    if any(name in state for name in agent.saved_to_learn):
        names += agent.saved_to_learn
    return [name for name in names if state.get(name) is None and part_state(attrgetter(name)(agent)) is not None]


def check_parts(agent, names, state):
    for name in names:
        saved = saved_part(state, name)
        if saved is not None:
            part = attrgetter(name)(agent)
            if hasattr(part, "param_groups"):
                check_adam(name, part, saved)
            else:
                check_like(name, part_state(part), saved)


def check_adam(name, adam, saved):
    """The moments appear with the first step. Each must have the shape of its parameter."""
    if not isinstance(saved, dict) or not isinstance(saved.get("state"), dict):
        raise ValueError(f"{name} is {in_few_words(saved)}, not the state of an optimiser")
    parameters = [p for group in adam.param_groups for p in group["params"]]
    for index, moments in saved["state"].items():
        if index not in range(len(parameters)):
            raise ValueError(f"{name} has a parameter {index!r}")
        p = parameters[index]
        check_like(f"{name}.{index}", {"step": torch.zeros(()), "exp_avg": p, "exp_avg_sq": p}, moments)


def check_episodes(agent, saved):
    """Where the environments are in their episodes. A list of finished ones has any length."""
    new = envs_state(agent.envs)
    check_like("play.envs", new | {"finished": []}, saved | {"finished": []})
    for episode in saved["finished"]:
        check_like("play.envs.finished", (0.0, 0, 0), episode)


def check_like(name, new, saved):
    """Raise ValueError unless `saved` is like `new`, the same of a new agent, in everything but its numbers."""
    if isinstance(new, dict):
        if not isinstance(saved, dict) or saved.keys() != new.keys():
            raise ValueError(f"{name} is {in_few_words(saved)}, where {in_few_words(new)} is needed")
        for key in new:
            check_like(f"{name}.{key}", new[key], saved[key])
    elif isinstance(new, list | tuple):
        if not isinstance(saved, list | tuple) or len(saved) != len(new):
            raise ValueError(f"{name} is {in_few_words(saved)}, where {in_few_words(new)} is needed")
        for i, item in enumerate(new):
            check_like(f"{name}[{i}]", item, saved[i])
    elif isinstance(new, torch.Tensor):
        check_tensor(name, new, saved)
    elif isinstance(new, str):
        if saved != new:
            raise ValueError(f"{name} is {in_few_words(saved)}, where {new!r} is needed")
    elif not (saved is None and new is None or isinstance(saved, int | float) and math.isfinite(saved)):
        raise ValueError(f"{name} is {in_few_words(saved)}, where {in_few_words(new)} is needed")


def check_tensor(name, new, saved):
    """The same shape and kind of numbers, and finite ones. Rows that are not there yet in a new agent may be there."""
    shape = slice(1, None) if new.shape[:1] == (0,) else slice(None)
    if not isinstance(saved, torch.Tensor) or saved.dim() != new.dim() or saved.shape[shape] != new.shape[shape]:
        raise ValueError(f"{name} is {in_few_words(saved)}, where {in_few_words(new)} is needed")
    if saved.dtype != new.dtype and not (saved.is_floating_point() and new.is_floating_point()):
        raise ValueError(f"{name} is {in_few_words(saved)}, where {in_few_words(new)} is needed")
    if not saved.isfinite().all():
        raise ValueError(f"{name} holds numbers that are not finite")


def in_few_words(value):
    """A value in a few words: `float32 [16, 4]`, `3 entries`."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, dict | list | tuple):
        return f"{len(value)} entries"
    return repr(value)[:40]
