"""Q-learning with a table: which step sizes lead to Q*, and how soon? Chapter 2, section 4."""

import numpy as np

from rlkit import functional as F
from rlkit.running.messages import brief
from rlkit.training import check_whole


def little_mdp(seed=0):
    """A random MDP of four states and three actions: {"transition" `[S, A, S]`, "reward" `[S, A]`, "gamma"}."""
    rng = np.random.default_rng(seed)
    return {"transition": rng.dirichlet(np.ones(4), size=(4, 3)), "reward": rng.normal(size=(4, 3)), "gamma": 0.9}


def optimal_q(mdp, backups=1_000):
    """Q* `[S, A]`: T*, repeated from 0 until only rounding is left."""
    q = np.zeros_like(mdp["reward"])
    for _ in range(backups):
        q = F.bellman_optimality(q, **mdp)
    return q


def wander(mdp, steps, seeds):
    """Draw every action at random: one trajectory of T `steps` for each of N `seeds`, from state 0.

    -> states `[T + 1, N]`, actions `[T, N]`, visits `[T, N]`: how often the pair (s, a) was met, this time included.
    """
    draws = np.stack([np.random.default_rng(seed).random((steps, 2)) for seed in seeds], 1)
    actions = (draws[..., 0] * mdp["reward"].shape[1]).astype(int)
    states, visits = np.zeros((steps + 1, len(seeds)), int), np.zeros_like(actions)
    edges = mdp["transition"].cumsum(-1)[..., :-1]  # between the shares of [0, 1] that the next states have
    met, each = np.zeros((len(seeds), *mdp["reward"].shape), int), np.arange(len(seeds))
    for t, draw in enumerate(draws[..., 1:]):
        here = states[t], actions[t]
        states[t + 1] = (draw > edges[here]).sum(-1)
        met[each, *here] += 1
        visits[t] = met[each, *here]
    return states, actions, visits


def q_learning_tables(mdp, step_sizes, steps, seeds):
    """Q-learning from the trajectories of `wander`, once with each step size: how far is Q from Q*?

    step_sizes are functions by name: visits n `[T, N]` -> α `[T, N]`. The result is a pair: up to 61 moments `[M]`,
    in steps and evenly spaced on a logarithmic axis, and {name: max |Q - Q*| at each moment `[M, N]`}.

    Raises ValueError if gamma is not below 1, because then there may be no Q*, or if a step size is no such function.
    """
    check_whole(steps=steps)
    if not mdp["gamma"] < 1:
        raise ValueError(f"gamma={mdp['gamma']} must be below 1, or the values grow for ever.")
    states, actions, visits = wander(mdp, steps, seeds)
    sizes = [step_sizes_of(name, step_size, visits) for name, step_size in step_sizes.items()]
    alpha = np.hstack(sizes)  # K times N tables, side by side
    states, actions = (np.tile(array, len(step_sizes)) for array in (states, actions))
    rewards, best = mdp["reward"][states[:-1], actions], optimal_q(mdp)
    q, each = np.zeros((alpha.shape[1], *best.shape)), np.arange(alpha.shape[1])
    moments, distances = np.unique(np.geomspace(1, steps, 61).round().astype(int)), []
    for t in range(steps):
        here = each, states[t], actions[t]
        target = F.td_target(rewards[t], q[each, states[t + 1]].max(-1), 0, mdp["gamma"])
        q[here] = F.q_update(q[here], target, alpha[t])
        if t + 1 == moments[len(distances)]:
            distances.append(abs(q - best).max((-2, -1)))
    return moments, dict(zip(step_sizes, np.hsplit(np.array(distances), len(step_sizes))))


def step_sizes_of(name, step_size, visits):
    """The step size at each of these visits: `[T, N]` -> `[T, N]`. Raises ValueError if it is no function of them."""
    if not callable(step_size):
        raise ValueError(f"The step size {name!r} is {brief(step_size)}; give a function of n: lambda n: 0.1.")
    return np.broadcast_to(step_size(visits), visits.shape)  # a single number is good for all
