"""What A2C costs, and how much faster A3C is with more workers. A script, not a test: it asserts nothing.

    python tests/bench/a3c.py [cartpole] [workers] [--seeds 5] [--peer-limit 180] [--quick]

`workers` needs a free core for each worker. Read "CPUs" before "steps/s": on a busy machine two processes get two
shares of it, which is no speed-up. For the peer see tests/bench/dqn.py.
"""

import common  # must come before NumPy, which it limits to one thread
import numpy as np

from rlkit import preset
from rlkit.experiments.asynchrony import throughput

# github.com/DLR-RM/rl-baselines3-zoo, hyperparams/a2c.yml, "CartPole-v1"; all else as in Stable-Baselines3
ZOO_CARTPOLE = dict(n_envs=8, ent_coef=0.0)
TASKS = {
    "CartPole": dict(),
    "Pong, 84 x 84": dict(env="ALE/Pong-v5", frame_size=84, t_max=20, hidden=(256,)),
}


def cartpole(args):
    """CPU seconds until the last 20 training episodes of CartPole-v1 average 475; then 20 greedy episodes."""
    common.cartpole(cartpole.__doc__, ["a2c-cartpole"], "A2C", ZOO_CARTPOLE, args)


def workers(args):
    """Steps per second of A3C, with 1 and 2 workers in turn, once all are ready; start-up is listed apart."""
    rounds, seconds = (1, 4) if args.quick else (3, 15)
    rows = []
    for task, changes in TASKS.items():
        measured = {1: [], 2: []}
        for _ in range(rounds):
            for count, results in measured.items():
                agent = preset("a3c-cartpole", num_workers=count, **changes)
                results.append(throughput(agent, seconds) | {"startup": agent.startup.max()})
        for count, results in measured.items():
            rate, per_cpu, cpus, startup = (np.median([result[key] for result in results]) for key in results[0])
            ratio = rate / np.median([result["steps_per_second"] for result in measured[1]])
            rows.append(
                [task, count, f"{startup:.1f}", f"{rate:,.0f}", f"{ratio:.2f}", f"{per_cpu:,.0f}", f"{cpus:.2f}"]
            )
    common.table(workers.__doc__, ["", "W", "ready after, s", "steps/s", "ratio", "steps/CPU s", "CPUs"], rows)


if __name__ == "__main__":
    common.main(__doc__, cartpole, workers)
