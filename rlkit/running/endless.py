"""A bound for the loops that end only when an episode does: an environment may forget to end it."""

LONGEST = 200_000  # steps of one episode; the longest Atari game has 27_000


def endless(env, steps, cure=""):
    """The ValueError for an episode of `env` that has not ended after this many steps."""
    name = env if isinstance(env, str) else getattr(env, "__name__", env)
    return ValueError(
        f"An episode of {name} has not ended after {steps:,} steps; give it an end, with max_episode_steps in "
        f"gymnasium.register or with gymnasium.wrappers.TimeLimit{cure}."
    )
