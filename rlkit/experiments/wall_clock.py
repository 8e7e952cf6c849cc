"""The lecture's table at our size: eight methods, the same game and machine, the same seconds by the clock.

The settings are the small ones for Pong of `rlkit.presets`, carried over; those of A2C and A3C were chosen among four
with another seed. Every method plays sixteen games at once. The four kinds of DQN have 5-step targets. A3C's two
workers have a core each, all others one core and one thread: as in the paper, methods differ in what they can use.
"""

import json
import sys
import time

import numpy as np

from rlkit.a2c import A2C
from rlkit.a3c import A3C
from rlkit.dqn import DQN
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
    """Eight methods on one Atari game, 150 seconds by the clock each, from the first step on."""
    runs = {method: [] for method in METHODS}
    for seed in seeds:
        for method, make in METHODS.items():
            runs[method].append(timed_run(make(seed), SECONDS))
            print(method, seed, json.dumps(runs[method][-1]), file=sys.stderr, flush=True)  # an hour is easily lost
    return runs


def timed_run(agent, seconds):
    """Returns by the clock; how many steps, and the CPU seconds of all processes together."""
    result, clock, began, cpu_began = Result(), [], None, time.process_time()
    for progress in agent.learn(10**9):
        if getattr(agent, "startup", np.ones(1)).any():  # of A3C: a worker is ready
            began = began or time.monotonic()
            result.add(progress, metrics=False)
            clock += [round(time.monotonic() - began, 1)] * len(progress.finished)
            if time.monotonic() - began > seconds:
                break
    cpu = time.process_time() - cpu_began + sum(getattr(agent, "cpu_seconds", [0.0]))
    agent.envs.close()
    return {"seconds": clock, "returns": result.returns, "steps": agent.step, "cpu_seconds": round(float(cpu), 1)}
