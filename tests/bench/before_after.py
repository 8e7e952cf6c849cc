"""Is the code in this checkout slower than in another one?

    git worktree add ../before v0.1.0
    python tests/bench/before_after.py ../before            # about ten minutes on a quiet core
    python tests/bench/before_after.py ../before --only ppo dqn --pairs 40

Two processes, one for each checkout, run the same training in turn, so the load of the machine is the same for both.
The output is the ratio of their CPU seconds, after to before: the geometric mean of all pairs, with a 95 % bootstrap
interval. Below 1 the code became faster. The weights at the end are compared as well.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent.parent.parent
RUNS = {  # preset, changes, steps
    "ppo": ("ppo-cartpole", {}, 40_960),
    "dqn": ("dqn-cartpole", {}, 8_192),
    "a2c": ("a2c-cartpole", {}, 40_960),
    "a3c": ("a3c-cartpole", {"num_workers": 1, "t_max": 5}, 20_480),  # one worker, so that the weights are the same
    "ppo-atari": ("ppo-atari-2017", {}, 2_048),
    "dqn-atari": ("dqn-atari-2015", {"replay_size": 10_000, "learning_starts": 200}, 1_000),
}
SERVER = """
import hashlib, sys, time, torch
torch.set_num_threads(1)
from rlkit import preset
for line in sys.stdin:
    name, changes, steps, seed = eval(line)
    agent = preset(name, seed=seed, **changes)
    began = time.process_time()
    for progress in agent.learn(steps):
        pass
    seconds = time.process_time() - began + sum(getattr(agent, "cpu_seconds", []))  # of the workers of A3C
    weights = b"".join(p.detach().numpy().tobytes() for p in agent.network.parameters())
    agent.envs.close()
    print(seconds, hashlib.sha256(weights).hexdigest(), flush=True)
"""


def serve(checkout):
    """A process that trains with the rlkit of this checkout each time it is asked."""
    env = os.environ | {"PYTHONPATH": str(Path(checkout).resolve())}
    return subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=checkout
    )


def ask(server, run, seed):
    """CPU seconds and a hash of the weights."""
    print((*run, seed), file=server.stdin, flush=True)
    seconds, weights = server.stdout.readline().split()
    return float(seconds), weights


def interval(logs, resamples=4_000):
    rng = np.random.default_rng(0)
    means = rng.choice(logs, (resamples, len(logs))).mean(1)
    return np.exp(np.quantile(means, [0.025, 0.975]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="another checkout of this repository")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--pairs", type=int, default=20)
    args = parser.parse_args()
    before, after = serve(args.before), serve(HERE)
    for name in args.only:
        logs, same = [], True
        for server in (before, after):
            ask(server, RUNS[name], seed=0)  # warms up
        for pair in range(args.pairs):
            order = (before, after) if pair % 2 else (after, before)
            answers = {server: ask(server, RUNS[name], seed=pair) for server in order}
            logs.append(np.log(answers[after][0] / answers[before][0]))
            same &= answers[after][1] == answers[before][1]
        low, high = interval(np.array(logs))
        alike = "the same weights" if same else "OTHER WEIGHTS"
        ratio = f"{np.exp(np.mean(logs)):.3f}, 95 % {low:.3f} to {high:.3f}"
        print(f"{name:10} after / before {ratio}; {alike}", flush=True)


if __name__ == "__main__":
    main()
