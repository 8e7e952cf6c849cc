"""The parts from which chapter 2 builds DQN, in their order, and the scores of the agents that have them.

`spine.py` trains these agents, and `rlkit.plotting.growth` draws them.
"""

import itertools

import numpy as np

TOTAL, CHECKS = 40_000, 20  # steps of a run, and how often its policy is tested

FIRST = "the update alone"
PARTS = {  # what each arm adds to those above it
    "in batches": dict(target_period=1, replay_size=8 * (16 + 1)),  # eight environments, 16 steps and one more
    "replay": dict(replay_size=4_000),
    "target network, C = 16": dict(target_period=16),
    "C = 4": dict(target_period=4),
    "Double": dict(double=True),
    "five steps": dict(n_step=5),
    "dueling": dict(dueling=True),
    "priorities": dict(prioritized=True),
}
ARMS = dict(zip(PARTS, itertools.accumulate(PARTS.values(), lambda before, added: before | added)))
ALONE = {  # what each arm adds to "C = 4"; "Double" is among the arms already
    name: ARMS["C = 4"] | PARTS[part]
    for name, part in {"n-step DQN": "five steps", "Dueling DQN": "dueling", "Prioritized DQN": "priorities"}.items()
}


def scores(arm, setting):
    """The scores of an arm of the sweep `spine`, "shared" or "best": `[seeds]`."""
    return np.array([run["score"] for run in arm[setting]])
