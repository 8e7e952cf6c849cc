"""How good is the policy that Gorila ends with? Chapter 2, section 16."""

import numpy as np

from rlkit.experiments.curves import SOLVED, greedy_score, trained
from rlkit.experiments.plan import run
from rlkit.presets import preset
from rlkit.training import stop_at


def gorila(seeds=range(10)):
    """The chapter's run, two workers on CartPole-v1 until they reach 475 -> {"two workers": a `gorila_run` a seed}."""
    return {"two workers": [run(gorila_run, seed, cores=3) for seed in seeds]}  # the server has a process, too


def gorila_run(seed, num_workers=2, total_steps=80_000):
    """One run -> {"steps", "reached", "return", "greedy", "staleness", "dropped"}.

    reached: 1 if the mean return of 20 training episodes reached 475, which ends the run. return: that mean at the end.
    greedy: the greedy policy's mean return over ten whole episodes. staleness: the mean over all gradients that came.
    """
    agent, staleness = preset("gorila-cartpole", num_workers=num_workers, seed=seed), []
    update = agent.update

    def noted(gradient):
        staleness.append(agent.server.num_updates - gradient.version)
        return update(gradient)

    agent.update = noted
    result = trained(agent, total_steps, stop_at(SOLVED))
    return {
        "steps": agent.step,
        "reached": int(bool(result.stopped)),
        "return": round(float(result.mean_return()), 1),
        "greedy": round(greedy_score(agent, seed), 1),
        "staleness": round(float(np.mean(staleness)), 2),
        "dropped": agent.num_dropped,
    }
