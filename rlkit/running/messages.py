"""Pieces of the sentences that errors say: values, environments and agents in a few words."""

import difflib

from rlkit.language import count


def brief(value):
    """`repr` on one line of at most 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not print integers of more than 4300 digits
        return "a huge number"
    return text if len(text) <= 80 else f"{text[:77]}..."


def env_name(env):
    """What an agent was given as `env`: an id, or a callable -> str."""
    return env if isinstance(env, str) else getattr(env, "__name__", None) or brief(env)


def title(env, made):
    """The name of an environment `made` from `env`: its id if that was given, otherwise its class -> str."""
    return env if isinstance(env, str) else type(made.unwrapped).__name__


def agent_name(agent):
    """ "DQN on CartPole-v1" -> str."""
    return f"{type(agent).__name__} on {env_name(agent.env)}"


def endless(env, steps, cure=""):
    """The ValueError for an episode of `env` that has not ended after this many steps."""
    return ValueError(
        f"An episode of {env_name(env)} has not ended after {count(steps, '{n:,} step', '{n:,} steps')}; give it an "
        f"end, with max_episode_steps in gymnasium.register or with gymnasium.wrappers.TimeLimit{cure}."
    )


def reason(error):
    """What an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def modules(error):
    """The names of the modules that an error came through, from where it was caught to where it was raised."""
    traceback, names = error.__traceback__, []
    while traceback:
        names.append(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return names


def similar(name, known):
    """The one of some known names that was probably meant by another, or None.

    Capitals, `-` and `_` make no difference, and first letters are enough: "lr" is "learning_rate".
    """
    plain = {one.lower().replace("-", "_"): one for one in reversed(list(known))}  # of two alike, the first
    given = name.lower().replace("-", "_")
    letters = [one for one in plain if len(given) > 1 and given == "".join(word[:1] for word in one.split("_"))]
    return next((plain[one] for one in [*difflib.get_close_matches(given, plain, n=1), *letters]), None)
