"""What the benchmarks share: CPU times, runs that take turns, Stable-Baselines3 if it is installed, tables.

Import it before NumPy and torch, because it limits NumPy to one thread.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # must be set before NumPy is imported

import argparse
import importlib
import sys
import time
from math import inf
from statistics import median

import torch

from rlkit import preset, stop_at, train
from rlkit.training import evaluate

SOLVED, WINDOW = 475, 20
LONGEST = 10_000_000  # the most steps of a run that continues until it is solved
MISSING = "not installed"


# CartPole ---------------------------------------------------------------------------------------------------


def cartpole(title, presets, algorithm, zoo, args):
    """Each seed with every preset of ours and with SB3's `algorithm`, in turn; medians and their ratios."""
    preset(presets[0])  # the first optimizer of a process loads torch's compiler: 2 s that belong to neither side
    runs = []
    for seed in range(args.seeds):
        print(f"cartpole, seed {seed} ...", file=sys.stderr)
        runs.append([our_cartpole(name, seed) for name in presets] + [peer_cartpole(algorithm, zoo, seed, args)])
    rows = [[seed, *(cell for run in runs_of_seed for cell in describe(run))] for seed, runs_of_seed in enumerate(runs)]
    *ours, peer = (median(run[0] for run in side) if None not in side else None for side in zip(*runs))
    rows.append(["median", *(cell for cost in ours for cell in (seconds(cost), "", ""))])
    rows[-1].append(MISSING if peer is None else seconds(peer, args.peer_limit))
    head = [cell for name in [*presets, f"SB3 zoo {algorithm}"] for cell in (f"{name}, s", "steps", "greedy")]
    table(title, ["seed", *head], rows)
    if peer is not None:
        bound, peer = (">= ", args.peer_limit) if peer == inf else ("", peer)
        for name, cost in zip(presets, ours):
            print(f"SB3 / {name}: {bound}{peer / cost:.1f}")


def our_cartpole(name, seed):
    """-> CPU seconds, steps, mean greedy return."""
    began = time.process_time()
    agent = preset(name, seed=seed)
    result = train(agent, 500_000, stop_at(SOLVED, WINDOW))
    cost = time.process_time() - began if result.stopped else inf
    return cost, result.step, evaluate(agent, 20).mean()


def peer_cartpole(algorithm, zoo, seed, args):
    """The same for Stable-Baselines3, None if it is not installed; ∞ seconds if it exceeds the limit."""
    if (sb3 := installed("stable_baselines3")) is None:
        return None
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    began, returns = time.process_time(), []

    def go_on(scope, _):
        returns.extend(info["episode"]["r"] for info in scope["infos"] if "episode" in info)
        return not solved() and time.process_time() - began < args.peer_limit

    def solved():
        return len(returns) >= WINDOW and sum(returns[-WINDOW:]) >= WINDOW * SOLVED

    settings = dict(zoo)
    env = make_vec_env("CartPole-v1", settings.pop("n_envs", 1))
    model = getattr(sb3, algorithm)("MlpPolicy", env, seed=seed, device="cpu", **settings).learn(LONGEST, go_on)
    cost = time.process_time() - began if solved() else inf
    greedy, _ = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1_000_000), n_eval_episodes=20)
    return cost, model.num_timesteps, greedy


def describe(run):
    return [MISSING, "", ""] if run is None else [seconds(run[0]), f"{run[1]:,}", f"{run[2]:.0f}"]


def seconds(cost, limit=None):
    return f"{cost:.1f}" if cost < inf else f"not in {limit:g} s" if limit else "not solved"


# Atari ------------------------------------------------------------------------------------------------------


def atari(title, sides, warm_up, steps, rounds):
    """Agent steps per CPU second, and the ratio to the last side, which is the peer.

    `sides` maps a name to a function that learns for n steps, or to None. They take turns.
    """
    speeds = {name: [] for name in sides}
    there = {name: learn for name, learn in sides.items() if learn is not None}
    for learn in there.values():
        learn(warm_up)
    for _ in range(rounds):
        for name, learn in there.items():
            speeds[name].append(steps / cpu_time(lambda learn=learn: learn(steps)))
    rows = [
        [name, f"{median(all_of):.0f}", f"{min(all_of):.0f} to {max(all_of):.0f}"] if all_of else [name, MISSING, ""]
        for name, all_of in speeds.items()
    ]
    table(title, ["", "median", f"{rounds} rounds"], rows)
    *ours, peer = speeds
    for name in ours if speeds[peer] else ():
        ratios = [one / other for one, other in zip(speeds[name], speeds[peer])]
        print(f"{name} / {peer}: {median(ratios):.2f}, in the rounds {min(ratios):.2f} to {max(ratios):.2f}")


def our_atari(agent):
    """-> a function that learns for n steps."""
    progress = agent.learn(LONGEST)

    def learn(steps):
        end = agent.step + steps
        while agent.step < end:
            next(progress)

    return learn


def peer_atari(algorithm, num_envs, settings):
    """The same for Stable-Baselines3 in the zoo's wrappers; None if it or OpenCV is not installed."""
    sb3, cv2 = installed("stable_baselines3"), installed("cv2")
    if sb3 is None or cv2 is None:
        return None
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    cv2.setNumThreads(1)
    env = VecFrameStack(make_atari_env("PongNoFrameskip-v4", num_envs, seed=0), 4)
    model = getattr(sb3, algorithm)("CnnPolicy", env, seed=0, device="cpu", **settings)
    return lambda steps: model.learn(steps, reset_num_timesteps=False)


# Time and tables --------------------------------------------------------------------------------------------


def cpu_time(call):
    began = time.process_time()
    call()
    return time.process_time() - began


def microseconds(calls, quick):
    """{name: function} -> {name: CPU time of one call}, the median of rounds in which all take turns."""
    costs = {name: [] for name in calls}
    for _ in range(2 if quick else 7):
        for name, call in calls.items():
            costs[name].append(one_call(call))
    return {name: median(rounds) for name, rounds in costs.items()}


def one_call(call, least=0.02):
    """Microseconds a call, averaged over at least `least` seconds."""
    call()
    count, began = 0, time.process_time()
    while (cost := time.process_time() - began) < least:
        call()
        count += 1
    return 1e6 * cost / count


def installed(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def table(title, head, rows):
    rows = [[str(cell) for cell in [*row, *[""] * (len(head) - len(row))]] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    print(f"\n{title}\n")
    for row in rows:
        first, *rest = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        print("  ".join([first, *rest]).rstrip(), flush=True)


def main(description, *parts):
    """The command line of a benchmark: `parts` are functions of its arguments."""
    parts = {part.__name__: part for part in parts}
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("parts", nargs="*", default="all", choices=["all", *parts])
    parser.add_argument("--seeds", type=int, default=5, help="cartpole: seeds 0, 1, ...")
    parser.add_argument("--peer-limit", type=float, default=180, help="cartpole: CPU seconds for a seed of SB3")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sizes, one seed")
    args = parser.parse_args()
    args.seeds = 1 if args.quick else args.seeds
    torch.set_num_threads(1)
    sb3 = installed("stable_baselines3")
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"torch {torch.__version__}, Stable-Baselines3 {sb3.__version__ if sb3 else MISSING}; load {load}")
    for name in parts if "all" in args.parts else args.parts:
        parts[name](args)
