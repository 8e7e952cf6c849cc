"""The lecture's table on a small scale: eight methods, one game, one machine, equal wall-clock time.

Chapter 4, section 11. The settings are those of the small Pong presets; A2C's and A3C's are the best of four with
another seed. Every method plays sixteen games at once. The four kinds of DQN have 5-step targets. A3C's two workers
have a core each, and all other methods one core and one thread. As in the paper, methods differ in the hardware they
can use.
"""

import json
import sys
import time

import numpy as np

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.dqn import DQN
from rlkit.experiments.plan import run
from rlkit.ppo import PPO
from rlkit.running.result import Result

GAME = "CrazyClimber"
SECONDS = 150
SMALL = dict(env=f"ALE/{GAME}-v5", frame_size=42, obs_shift=87.0, obs_scale=60.0, reward_clip=1.0, hidden=(128,))
REPLAYING = dict(
    num_envs=16, train_period=2, batch_size=256, learning_rate=1e-3, adam_eps=1e-4, target_period=100, n_step=5,
    epsilon_end=0.02, epsilon_steps=40_000, replay_size=100_000, learning_starts=2_000,
)  # fmt: skip
ACTOR_CRITIC = dict(t_max=20, learning_rate=1e-3, activation="relu")

METHODS = {  # in the order of the lecture's table
    "DQN": lambda seed: DQN(seed=seed, **SMALL, **REPLAYING),
    "Double DQN": lambda seed: DQN(seed=seed, double=True, **SMALL, **REPLAYING),
    "Dueling DQN": lambda seed: DQN(seed=seed, double=True, dueling=True, **SMALL, **REPLAYING),
    "Prioritized DQN": lambda seed: DQN(seed=seed, double=True, prioritized=True, **SMALL, **REPLAYING),
    "A2C": lambda seed: A2C(seed=seed, num_envs=16, **SMALL, **ACTOR_CRITIC),
    "A3C FF": lambda seed: A3C(seed=seed, num_workers=2, num_envs=8, **SMALL, **ACTOR_CRITIC),
    "A3C LSTM": lambda seed: A3C(seed=seed, num_workers=2, num_envs=8, recurrent=True, **SMALL, **ACTOR_CRITIC),
    "PPO clip": lambda seed: PPO(
        seed=seed, num_envs=16, num_steps=64, epochs=4, minibatch_size=256, learning_rate=1e-3, entropy_coef=0.01,
        activation="relu", **SMALL,
    ),
}  # fmt: skip


def wall_clock(seeds=range(2)):
    """Eight methods on one Atari game, each for 150 wall-clock seconds -> {method: one `timed_run` for each seed}."""
    runs = {method: [] for method in METHODS}
    for seed in seeds:
        for method in METHODS:
            runs[method].append(run(method_run, method, seed, SECONDS, cores=2 if method.startswith("A3C") else 1))
    return runs


def method_run(method, seed, seconds):
    """One `timed_run`, printed too, in case the next ones are interrupted."""
    made = timed_run(METHODS[method](seed), seconds)
    print(method, seed, json.dumps(made), file=sys.stderr, flush=True)
    return made


def timed_run(agent, seconds):
    """Train for `seconds` from the first step on, or from when A3C's first worker is ready.

    {"seconds": when each episode ended, `[E]`, "returns": `[E]`, "steps": how many were taken, "cpu_seconds": of all
    processes together}.
    """
    result, clock, began, cpu_began = Result(), [], None, time.process_time()
    for progress in agent.learn(10**9):
        if getattr(agent, "startup", np.ones(1)).any():  # A3C: a worker is ready
            began = began or time.monotonic()
            result.add(progress, metrics=False)
            clock += [round(time.monotonic() - began, 1)] * len(progress.finished)
            if time.monotonic() - began > seconds:
                break
    cpu = time.process_time() - cpu_began + sum(getattr(agent, "cpu_seconds", [0.0]))
    agent.envs.close()
    return {"seconds": clock, "returns": result.returns, "steps": agent.step, "cpu_seconds": round(float(cpu), 1)}
