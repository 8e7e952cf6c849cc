"""One agent that grows: each section of chapter 2 adds a part to DQN on CartPole-v1. What does each part change?

Every arm has the same search. Nine settings are tried on three seeds that are used for nothing else, and the best of
them, by the mean of its curve, is run on the ten seeds beside the setting that all arms share.
"""

import itertools
import math

import numpy as np
import torch

from rlkit import functional as F
from rlkit.dqn import DQN
from rlkit.experiments.curves import TUNING, best_of, greedy_score, learning
from rlkit.experiments.parts import ALONE, ARMS, CHECKS, FIRST, TOTAL
from rlkit.experiments.plan import run
from rlkit.presets import preset

SEEDS = range(10)
RATES, UPDATES = (1e-3, 3e-3, 1e-2), (2, 4, 8)  # learning rates, and updates for every 128 steps
SEARCH = [dict(learning_rate=rate, updates=updates) for rate, updates in itertools.product(RATES, UPDATES)]
ALPHAS = [dict(learning_rate=rate) for rate in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)]


def spine(seeds=SEEDS):
    """DQN on CartPole-v1, part by part, and the variants alone -> {arm: {"shared", "best", "search"}}.

    "shared" and "best" have a `measured` run for each seed, and "search" has one for each setting and tuning seed.
    """
    return {arm: compared(arm, seeds) for arm in (FIRST, *ARMS, *ALONE)}


def compared(arm, seeds):
    """One arm: at the setting that all arms share, over the search, and at the best setting found."""
    tries = [[run(measured, seed, arm, **setting) for seed in TUNING] for setting in search(arm)]
    return {
        "shared": [run(measured, seed, arm, **shared(arm)) for seed in seeds],
        "best": [run(measured_at_best, seed, arm, *itertools.chain(*tries)) for seed in seeds],
        "search": tries,
    }


def search(arm):
    """The nine settings that are tried for an arm."""
    return ALPHAS if arm == FIRST else SEARCH


def shared(arm):
    """The setting at which all arms are compared. It is among the nine."""
    return dict(learning_rate=3e-3) if arm == FIRST else dict(learning_rate=3e-3, updates=4)


def measured_at_best(seed, arm, *tries):
    """A `measured` run at the setting with the highest mean score over the tuning seeds."""
    return measured(seed, arm, **best_of(search(arm), tries))


def measured(seed, arm, **setting):
    """One run -> {"greedy": `[CHECKS]`, "score", "setting", "finite"}.

    greedy: the mean return of the greedy policy over ten whole episodes, at equally spaced steps. score: their mean.
    finite: are the weights still finite numbers at the end?
    """
    if arm == FIRST:
        agent = UpdateAlone(seed, **setting)
    else:
        agent = preset("dqn-cartpole-plain", seed=seed, **(ARMS | ALONE)[arm], **setting)
    with np.errstate(over="ignore", invalid="ignore"):  # a network may diverge
        greedy = [round(greedy_score(agent, seed), 1) for _ in learning(agent, TOTAL, CHECKS)]
    finite = all(bool(weights.isfinite().all()) for weights in agent.parameters)
    return {"greedy": greedy, "score": round(float(np.mean(greedy)), 1), "setting": setting, "finite": finite}


class UpdateAlone(DQN):
    """Q-learning with a network, as the update is derived: each transition is used once, when it comes, by plain SGD.

    Δw = α (r + γ max_a' Q(s', a'; w) - Q(s, a; w)) ∇Q(s, a; w), with the network, the exploration and the scaled
    observations of "dqn-cartpole-plain". When an error is no longer finite, it learns nothing from it.
    """

    def __init__(self, seed, learning_rate):
        plain = preset("dqn-cartpole-plain")
        super().__init__(
            seed=seed, learning_rate=learning_rate, obs_scale=plain.obs_scale,
            epsilon_end=plain.epsilon_end, epsilon_steps=plain.epsilon_steps, replay_size=3,
        )  # fmt: skip

    def learn(self, total_steps):
        while self.step < total_steps:
            obs = self.envs.obs
            actions = self.explore(obs)
            next_obs, reward, terminated, _, valid = self.envs.step(actions)
            self.step += 1
            if valid[0]:
                self.follow(obs, actions[0], float(reward[0]), next_obs, bool(terminated[0]))
            yield

    def follow(self, obs, action, reward, next_obs, terminated):
        """The update for one transition."""
        q = self.network(torch.from_numpy(obs))[0, action]
        with torch.no_grad():
            target = F.td_target(reward, F.max_q(self.network(torch.from_numpy(next_obs)))[0], terminated, self.gamma)
        td_error = (target - q).item()
        if math.isfinite(td_error):
            for weights, gradient in zip(self.parameters, torch.autograd.grad(q, self.parameters)):
                weights.data += self.learning_rate * F.semi_gradient(td_error, gradient)
