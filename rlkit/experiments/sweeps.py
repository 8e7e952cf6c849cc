"""The experiments that take minutes: run once, kept as small JSON files with the package, remade by one command.

    python -m rlkit.experiments.sweeps target_network

Each file says how it was made: the command, the seeds, the machine, the date and the seconds.
"""

import datetime
import json
import platform
import sys
import time
from inspect import signature

import numpy as np
import torch

from rlkit.a2c import A2C
from rlkit.experiments.asynchrony import memory, real_workers, segment_length, updates, virtual_workers
from rlkit.experiments.difficulties import end_to_end, hunger, overfitting, stabilisers
from rlkit.experiments.museum import BUGS, make
from rlkit.experiments.one_batch import OBJECTIVES, one_batch, over_epochs
from rlkit.experiments.overestimation import button_noise, estimates_and_returns
from rlkit.experiments.stored import DATA
from rlkit.experiments.wall_clock import wall_clock
from rlkit.ppo import PPO
from rlkit.presets import preset
from rlkit.reinforce import REINFORCE
from rlkit.training import train
from rlkit.trpo import TRPO

SEEDS = range(5)
PERIODS = (1, 4, 16, 64, 256, 1024)
BUTTONS = (0,) * 5 + (1,) * 5  # CartPole with ten buttons, five push left and five push right


def variants(seeds=SEEDS):
    """Each of DQN's variants alone, and all together, on CartPole-v1 with the same budget and settings."""
    flags = {
        "DQN": {},
        "Double DQN": {"double": True},
        "Dueling DQN": {"dueling": True},
        "Prioritized DQN": {"prioritized": True},
        "n-step DQN": {"n_step": 5},
        "all of them": {"double": True, "dueling": True, "prioritized": True, "n_step": 5},
    }
    return {
        name: [curve(preset("dqn-cartpole-plain", seed=seed, **flag), 40_000) for seed in seeds]
        for name, flag in flags.items()
    }


def target_network(seeds=SEEDS):
    """DQN on CartPole-v1 with the target network renewed every C updates, and with the two networks being one."""
    runs = {str(period): [target_run(seed, period) for seed in seeds] for period in PERIODS}
    runs["aliased"] = [target_run(seed, 16, aliased=True) for seed in seeds]
    return runs


def target_run(seed, period, aliased=False, total_steps=30_000):
    """One run: returns, and the mean Q-value of its minibatches."""
    agent = preset("dqn-cartpole-plain", seed=seed, target_period=period)
    if aliased:
        agent.target = agent.network
    return curve(agent, total_steps)


def curve(agent, total_steps):
    """Steps and returns of a run, and a DQN's mean Q-values, thinned to 60 points each."""
    result = train(agent, total_steps)
    points = np.linspace(0, total_steps, 60).astype(int)
    run = {"steps": points.tolist(), "returns": result.means_at(points).round(1).tolist()}
    if "q" in result.metrics:
        run["q"] = np.interp(points, result.metric_steps["q"], result.metrics["q"]).round(2).tolist()
    return run


def overestimation(seeds=SEEDS):
    """DQN and Double DQN on CartPole-v1 with two buttons and with ten: claimed and true values along the run."""
    runs = {}
    for task, actions in (("2 actions", None), ("10 actions", BUTTONS)):
        for name, double in (("DQN", False), ("Double DQN", True)):
            runs[f"{name}, {task}"] = [overestimation_run(seed, double, actions) for seed in seeds]
    return runs


def overestimation_run(seed, double, actions, total_steps=60_000, points=12):
    changes = dict(train_period=4, updates=2, batch_size=64, learning_rate=1e-3, target_period=10)
    changes |= dict(epsilon_end=0.05, replay_size=10_000)
    agent = preset("dqn-cartpole-plain", double=double, actions=actions, seed=seed, **changes)
    rows = []
    for step in np.linspace(0, total_steps, points + 1).astype(int)[1:]:
        for _ in agent.learn(int(step)):
            pass
        claimed, true = estimates_and_returns(agent)
        sigma, rho = button_noise(agent) if actions else (None, None)
        rows.append({"step": agent.step, "claimed": claimed, "true": true, "sigma": sigma, "rho": rho})
    return rows


def baselines(seeds=range(10)):
    """REINFORCE on CartPole-v1 with no baseline, the batch's mean return, and a learned value."""
    return {
        f"baseline: {kind}": [curve(REINFORCE(baseline=kind, seed=seed), 60_000) for seed in seeds]
        for kind in ("none", "mean", "value")
    }


def reuse(seeds=range(10)):
    """One rollout of CartPole-v1, used up to 64 times: what it promises, and what its policy then gets."""
    return {objective: [one_batch(seed, objective) for seed in seeds] for objective in OBJECTIVES}


def minibatch(seeds=(0,)):
    """Some samples of a rollout of CartPole-v1: advantages, and ratios after each of ten epochs without clipping."""
    return over_epochs(*seeds)


TASKS = {  # steps: the same for every method
    "CartPole-v1": 100_000,
    "Acrobot-v1": 150_000,
    "LunarLander-v3": 200_000,
    "Pendulum-v1": 150_000,
    "HalfCheetah-v5": 200_000,
}


def policy_gradients(seeds=SEEDS):
    """The lecture's comparison: five methods, five tasks, the same steps and seeds; one setting a method for all tasks.

    Chosen with seeds 10 and 11 on CartPole, PPO's learning rate also on Pendulum. Needs
    `pip install -e ".[mujoco,box2d]"`.
    """
    rollouts = dict(num_envs=8, num_steps=256, epochs=6, minibatch_size=128, learning_rate=1e-3, normalize=True)
    methods = {
        "REINFORCE": lambda **run: REINFORCE(episodes=8, learning_rate=3e-3, normalize=True, **run),
        "TRPO": lambda **run: TRPO(max_kl=0.01, **rollouts, **run),
        "PPO adaptive KL": lambda **run: PPO(variant="adaptive_kl", **rollouts, **run),
        "PPO clip": lambda **run: PPO(**rollouts, **run),
        "A2C": lambda **run: A2C(
            num_envs=8, t_max=32, gae_lambda=0.95, learning_rate=3e-3, entropy_coef=0.0, normalize=True, **run
        ),
    }
    return {
        f"{method}, {task}": [curve(make(env=task, seed=seed), steps) for seed in seeds]
        for task, steps in TASKS.items()
        for method, make in methods.items()
    }


RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
CLIPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)  # held; then the adaptive rule


def sensitivity(seeds=SEEDS):
    """PPO on CartPole-v1 over learning rate and ε, and over learning rate and β: a run's mean return, 40 000 steps."""
    settings = dict(num_envs=8, num_steps=128, epochs=4, minibatch_size=256)

    def scores(**changes):
        return [round(float(np.mean(train(PPO(seed=s, **settings, **changes), 40_000).returns)), 1) for s in seeds]

    clip = [[scores(learning_rate=rate, clip_coef=clip) for clip in CLIPS] for rate in RATES]
    held = dict(variant="adaptive_kl", kl_min=1e-12, kl_max=np.inf)
    kl = [
        [scores(learning_rate=rate, kl_coef=beta, **held) for beta in BETAS]
        + [scores(learning_rate=rate, variant="adaptive_kl")]
        for rate in RATES
    ]
    return {"learning_rates": RATES, "clips": CLIPS, "betas": BETAS, "clip": clip, "kl": kl}


def museum(seeds=SEEDS):
    """Each bug of the museum, without and with it: the curve of a run, and the number that gives the bug away."""
    return {
        name: {kind: [museum_run(name, kind == "broken", seed) for seed in seeds] for kind in ("sound", "broken")}
        for name in BUGS
    }


def museum_run(name, broken, seed):
    agent, bug = make(name, broken, seed), BUGS[name]
    run = curve(agent, bug.steps)
    return {"steps": run["steps"], "returns": run["returns"], "number": round(float(bug.measure(agent)), 4)}


SWEEPS = {
    sweep.__name__: sweep
    for sweep in (
        variants,
        target_network,
        overestimation,
        baselines,
        reuse,
        minibatch,
        policy_gradients,
        sensitivity,
        museum,
        segment_length,
        memory,
        virtual_workers,
        real_workers,
        updates,
        wall_clock,
        end_to_end,
        stabilisers,
        overfitting,
        hunger,
    )
}


def main(name):
    torch.set_num_threads(1)
    began = time.perf_counter()
    runs = SWEEPS[name]()
    how = {
        "command": f"python -m rlkit.experiments.sweeps {name}",
        "seeds": list(signature(SWEEPS[name]).parameters["seeds"].default),
        "machine": f"{platform.machine()}, one thread, torch {torch.__version__}",
        "date": datetime.date.today().isoformat(),
        "seconds": round(time.perf_counter() - began),
    }
    path = DATA / f"{name}.json"
    path.write_text(json.dumps({"how": how, "runs": runs}))
    print(path, how)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SWEEPS:
        sys.exit(f"usage: python -m rlkit.experiments.sweeps {' | '.join(SWEEPS)}")
    main(sys.argv[1])
