"""Does the Huber loss help? A game, the same game with rare wrong scores, and CartPole. Chapter 2, section 11.

Both losses have the same search: five learning rates on three seeds that are used for nothing else. The best of them,
by the mean of its curve, is run on the ten seeds.
"""

import itertools
from math import inf
from types import SimpleNamespace

import numpy as np

from rlkit.dqn import DQN
from rlkit.envs import Envs
from rlkit.experiments.curves import TUNING, best_of, greedy_score, learning
from rlkit.experiments.plan import run
from rlkit.presets import FAST_CARTPOLE
from rlkit.tasks import Catch

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
CHECKS = 10
LOSSES = {"Huber": 1.0, "squared": inf}  # where each turns linear


class GlitchyCatch(Catch):
    """Catch whose reward is misread in one step of a hundred: 100 too high or 100 too low, equally often."""

    def step(self, action):
        obs, reward, *rest = super().step(action)
        luck = self.np_random.random()
        glitch = 100.0 * ((luck < 0.005) - (luck >= 0.995))
        return obs, reward + glitch, *rest


TASKS = {  # what the agent learns from, what its policy is tested on, episodes of a test, scale of the observations
    "Catch": (Catch, Catch, 100, None),
    "Catch with glitches": (GlitchyCatch, Catch, 100, None),
    "CartPole": ("CartPole-v1", "CartPole-v1", 10, FAST_CARTPOLE["obs_scale"]),
}


def surprises(seeds=range(10)):
    """DQN with the Huber loss and with squared errors on each task -> {"loss, task": {"best", "search"}}.

    "best" has a `surprise_run` for each seed, and "search" has one for each learning rate and tuning seed.
    """
    return {f"{loss}, {task}": compared(loss, task, seeds) for task in TASKS for loss in LOSSES}


def compared(loss, task, seeds):
    """One loss on one task: over the search, and at the best learning rate found."""
    tries = [[run(surprise_run, seed, loss, task, rate) for seed in TUNING] for rate in RATES]
    return {
        "best": [run(run_at_best, seed, loss, task, *itertools.chain(*tries)) for seed in seeds],
        "search": tries,
    }


def run_at_best(seed, loss, task, *tries):
    """A `surprise_run` at the learning rate with the highest mean score over the tuning seeds."""
    return surprise_run(seed, loss, task, best_of(RATES, tries))


def surprise_run(seed, loss, task, rate, total_steps=30_000):
    """One run -> {"greedy": `[CHECKS]`, "score", "rate"}.

    greedy: the mean return of the greedy policy over whole episodes without glitches. score: the mean of these.
    """
    learns_from, tested_on, episodes, scale = TASKS[task]
    settings = dict(FAST_CARTPOLE, env=learns_from, obs_scale=scale, target_period=4, learning_rate=rate)
    agent = DQN(**settings | {"huber_delta": LOSSES[loss], "seed": seed})
    tested = SimpleNamespace(act=agent.act, env=tested_on, envs=Envs(tested_on, 1, seed))
    greedy = [round(greedy_score(tested, seed, episodes), 3) for _ in learning(agent, total_steps, CHECKS)]
    return {"greedy": greedy, "score": round(float(np.mean(greedy)), 3), "rate": rate}
