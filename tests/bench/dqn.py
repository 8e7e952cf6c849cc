"""What DQN costs here, and beside Stable-Baselines3 where that is installed. A script, not a test: nothing is asserted.

    python tests/bench/dqn.py [cartpole] [atari] [memory] [priority] [explorers] [--seeds 5] [--peer-limit 180]

All five parts when none is named; `--quick` runs just enough to see that they work. Times are CPU seconds of one torch
thread. They drift by 1.7x with the load of the machine, so believe the ratios: what is compared takes turns in one run.

The peer does not belong in the lectures' environment. Give it one of its own:

    python -m venv bench-env && . bench-env/bin/activate
    pip install -e . stable-baselines3 opencv-python-headless -c constraints.txt
    python tests/bench/dqn.py
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before NumPy is imported

import argparse
import importlib
import io
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import inf
from pathlib import Path
from statistics import median

import numpy as np
import torch

from rlkit import preset, stop_at, train
from rlkit.prioritized import PrioritizedReplay
from rlkit.replay import Replay
from rlkit.training import evaluate

SOLVED, WINDOW = 475, 20
STACK = (4, 84, 84)
MISSING = "not installed"

# github.com/DLR-RM/rl-baselines3-zoo, hyperparams/dqn.yml of April 2026, "Almost Tuned". There ε falls over 0.16 of
# 50 000 steps; here over as many steps of a run that goes on until it is solved.
LONGEST = 10_000_000
ZOO_CARTPOLE = dict(
    learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1_000, gamma=0.99,
    target_update_interval=10, train_freq=256, gradient_steps=128, exploration_fraction=0.16 * 50_000 / LONGEST,
    exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]},
)  # fmt: skip

# The settings of dqn-atari-2015 but for a small memory and ε at its end, so that the steady state comes at once.
OUR_ATARI = dict(replay_size=10_000, learning_starts=1_000, epsilon_start=0.1, device="cpu")
PEER_ATARI = dict(
    learning_rate=1e-4, batch_size=32, buffer_size=10_000, learning_starts=1_000, train_freq=4, gradient_steps=1,
    target_update_interval=10_000, exploration_initial_eps=0.1, exploration_final_eps=0.1, device="cpu",
)  # fmt: skip


def cartpole(args):
    """CPU seconds until the last 20 training episodes of CartPole-v1 average 475; then 20 greedy episodes."""
    preset("dqn-cartpole")  # with its first optimizer a process loads torch's compiler: 2 s that belong to neither side
    runs = []
    for seed in range(args.seeds):
        print(f"cartpole, seed {seed} ...", file=sys.stderr)
        runs.append((our_cartpole(seed), peer_cartpole(seed, args.peer_limit)))
    rows = [[seed, *describe(ours), *describe(peer)] for seed, (ours, peer) in enumerate(runs)]
    ours, peer = (median(run[0] for run in side) if None not in side else None for side in zip(*runs))
    rows.append(["median", seconds(ours), "", "", MISSING if peer is None else seconds(peer, args.peer_limit)])
    head = ["seed", "dqn-cartpole, s", "steps", "greedy", "SB3 zoo DQN, s", "steps", "greedy"]
    table(cartpole.__doc__, head, rows)
    if peer is not None:
        bound, peer = (">= ", args.peer_limit) if peer == inf else ("", peer)
        print(f"SB3 / dqn-cartpole: {bound}{peer / ours:.1f}")


def our_cartpole(seed):
    """-> CPU seconds, steps, mean greedy return."""
    began = time.process_time()
    agent = preset("dqn-cartpole", seed=seed)
    result = train(agent, 500_000, stop_at(SOLVED, WINDOW))
    cost = time.process_time() - began if result.stopped else inf
    return cost, result.step, evaluate(agent, 20).mean()


def peer_cartpole(seed, limit):
    """The same of Stable-Baselines3, None without it; ∞ seconds if it is not done within `limit`."""
    if (sb3 := installed("stable_baselines3")) is None:
        return None
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    began, returns = time.process_time(), []

    def go_on(scope, _):
        if episode := scope["infos"][0].get("episode"):
            returns.append(episode["r"])
        return not solved() and time.process_time() - began < limit

    def solved():
        return len(returns) >= WINDOW and sum(returns[-WINDOW:]) >= WINDOW * SOLVED

    model = sb3.DQN("MlpPolicy", "CartPole-v1", seed=seed, device="cpu", **ZOO_CARTPOLE).learn(LONGEST, go_on)
    cost = time.process_time() - began if solved() else inf
    greedy, _ = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1_000_000), n_eval_episodes=20)
    return cost, model.num_timesteps, greedy


def describe(run):
    return [MISSING, "", ""] if run is None else [seconds(run[0]), f"{run[1]:,}", f"{run[2]:.0f}"]


def seconds(cost, limit=None):
    return f"{cost:.1f}" if cost < inf else f"not in {limit:g} s" if limit else "not solved"


def atari(args):
    """Agent steps per CPU second on Pong, 84 x 84, network of 2015, one batch of 32 every 4 steps, steady state."""
    rounds, steps = (2, 80) if args.quick else (7, 400)
    sides = {"dqn-atari-2015": our_atari(), "SB3 CnnPolicy": peer_atari()}
    speeds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            if run is not None:
                speeds[name].append(steps / cpu_time(lambda run=run: run(steps)))
    rows = [
        [name, f"{median(all_of):.0f}", f"{min(all_of):.0f} to {max(all_of):.0f}"] if all_of else [name, MISSING, ""]
        for name, all_of in speeds.items()
    ]
    table(atari.__doc__, ["", "median", f"{rounds} rounds"], rows)
    ours, peer = speeds.values()
    if peer:
        print(f"dqn-atari-2015 / SB3: {median(ours) / median(peer):.2f}")


def our_atari():
    """-> a function that learns for so many steps, warmed up."""
    agent = preset("dqn-atari-2015", **OUR_ATARI)
    progress = agent.learn(LONGEST)

    def run(steps):
        end = agent.step + steps
        while agent.step < end:
            next(progress)

    run(agent.learning_starts + 40)
    return run


def peer_atari():
    """The same of Stable-Baselines3, in the zoo's wrappers; None if it, or OpenCV, is not installed."""
    sb3, cv2 = installed("stable_baselines3"), installed("cv2")
    if sb3 is None or cv2 is None:
        return None
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    cv2.setNumThreads(1)
    env = VecFrameStack(make_atari_env("PongNoFrameskip-v4", seed=0), 4)
    model = sb3.DQN("CnnPolicy", env, seed=0, **PEER_ATARI)
    model.learn(model.learning_starts + 40)
    return lambda steps: model.learn(steps, reset_num_timesteps=False)


def memory(args):
    """Replay memory for stacks of 4 frames of 84 x 84 bytes."""
    count = 5_000 if args.quick else 100_000
    sizes, peaks = {}, {}
    for kind in (Replay, PrioritizedReplay):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:  # its peak is nobody else's
            sizes[kind.__name__], *peaks[kind.__name__] = alone.submit(fill, kind, count).result()
    for optimized in (False, True):
        sizes[f"SB3, optimize_memory_usage={optimized}"] = peer_bytes(optimized)
    rows = []
    for name, size in sizes.items():
        ratio = [f"{size:,.0f}", f"{size / sizes['Replay']:.2f} x"] if size else [MISSING]
        rows.append([name, *ratio, *(f"{peak / 2**20:,.0f}" for peak in peaks.get(name, []))])
    table(memory.__doc__, ["", "bytes a transition", "", "MiB, empty process", f"peak with {count:,}"], rows)


def fill(kind, count):
    """Fill a replay memory and sample from it -> bytes a transition, this process's peak before and after."""
    before = peak_memory()
    replay = kind(count, 1, STACK, np.uint8)
    frames = np.random.default_rng(0).integers(0, 256, (64, 84, 84), np.uint8)
    obs, no = np.zeros((1, *STACK), np.uint8), np.zeros(1, bool)
    for t in range(count):
        obs[0] = np.roll(obs[0], -1, axis=0)
        obs[0, -1] = frames[t % 64]
        if t == 0:
            obs[0, :-1] = 0
        replay.add(obs, no.astype(int), no.astype(float), no | (t % 1000 == 999), no, ~no & (t % 1000 != 0))
    for _ in range(100):
        replay.sample(32)
    return array_bytes(replay) / count, before, peak_memory()


def peer_bytes(optimized, count=1_000):
    if installed("stable_baselines3") is None:
        return None
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3.common.buffers import ReplayBuffer

    memory_option = dict(optimize_memory_usage=optimized, handle_timeout_termination=not optimized)
    return array_bytes(ReplayBuffer(count, Box(0, 255, STACK, np.uint8), Discrete(6), **memory_option)) / count


def array_bytes(thing):
    """The arrays of an object, and of the objects in it."""
    parts = [part for part in vars(thing).values() if part is not None]
    inner = [array_bytes(part) for part in parts if type(part).__module__.startswith("rlkit")]
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray)) + sum(inner)


def peak_memory():
    """Bytes. Linux's getrusage keeps the parent's peak over a fork and an exec, VmHWM does not."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def priority(args):
    """Microseconds to draw a batch of slots by priority, and to change their priorities; x: times a uniform draw."""
    rows = []
    for size in (10_000, 100_000) if args.quick else (10_000, 100_000, 1_000_000):
        memories = [filled(kind, size) for kind in (Replay, PrioritizedReplay)]
        for batch in (32, 256):
            calls = ways_to_draw(*memories, batch)
            cost = {name: [] for name in calls}
            for _ in range(2 if args.quick else 7):
                for name, call in calls.items():
                    cost[name].append(microseconds(call))
            cost = {name: median(rounds) for name, rounds in cost.items()}
            uniform = cost.pop("uniform")
            rows.append([f"{size:,}", batch, f"{uniform:.0f}"])
            rows[-1] += [f"{us:,.0f} ({us / uniform:.1f} x)" for us in cost.values()]
    table(priority.__doc__, ["entries", "batch", "uniform", *cost], rows)


def filled(kind, size, envs=100):
    """A memory full of tiny transitions that returns the slots it drew, without collecting what lies there."""
    replay = kind(size, envs, (1,), np.float32)
    zeros, no = np.zeros(envs), np.zeros(envs, bool)
    for _ in range(size // envs):
        replay.add(zeros[:, None], zeros.astype(int), zeros, no, no, ~no)
    if kind is PrioritizedReplay:
        slots = np.flatnonzero(replay.tree[np.arange(size)])
        replay.update_priorities(slots, np.random.default_rng(0).standard_normal(len(slots)))
    replay.gather = lambda slots, weights: slots
    return replay


def ways_to_draw(uniform, prioritized, batch):
    rng = np.random.default_rng(0)
    powers = prioritized.tree[np.arange(uniform.rows * uniform.num_envs)]  # p^α of every slot
    tensor, errors = torch.from_numpy(powers), rng.standard_normal(batch)
    slots = prioritized.sample(batch)
    return {
        "uniform": lambda: uniform.sample(batch),
        "sum tree": lambda: prioritized.sample(batch),
        "np choice": lambda: rng.choice(len(powers), batch, p=powers / powers.sum()),
        "torch.multinomial": lambda: torch.multinomial(tensor, batch, replacement=True),
        "tree update": lambda: prioritized.update_priorities(slots, errors),
    }


def microseconds(call, least=0.02):
    """CPU time of one call, over as many as take `least` seconds."""
    call()
    count, began = 0, time.process_time()
    while (cost := time.process_time() - began) < least:
        call()
        count += 1
    return 1e6 * cost / count


def explorers(args):
    """CPU milliseconds of one slider change, model, picture and PNG; x: times one plain redraw of two empty axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from rlkit import explore
    from rlkit.live import Run
    from rlkit.plotting import picture

    canvas = FigureCanvasAgg(picture(2, width=10)[0])
    plain = median(1e3 * cpu_time(lambda: canvas.print_png(io.BytesIO())) for _ in range(7))
    rows = [["plain redraw", f"{plain:.0f}", "", "", ""]]
    for name in explore.__all__:
        if name == "predict":
            continue
        explorer = getattr(explore, name)()
        if isinstance(explorer, Run):
            explorer.stop()  # what it learns in the background is not what a slider costs
        controls = [c for c in explorer.children if hasattr(c, "value") and getattr(c, "description", "")]
        costs = [cost for c in controls for cost in sweep(c, 3 if args.quick else 11)]
        worst = max(costs, key=lambda cost: cost[0])
        middle = median(ms for ms, _ in costs)
        rows.append([name, f"{middle:.0f}", f"{middle / plain:.1f} x", f"{worst[0]:.0f}", worst[1]])
    table(explorers.__doc__, ["explorer", "median", "", "worst", "worst at"], rows)


def sweep(control, count):
    """[(milliseconds, what was set), ...] for values all over a control's range; ends where it began."""
    for value in [*values_of(control, count), control.value]:
        if value != control.value:
            ms = 1e3 * cpu_time(lambda value=value: setattr(control, "value", value))
            now = control.value
            yield ms, f"{control.description} = {f'{now:.3g}' if isinstance(now, float) else now}"


def values_of(control, count):
    if isinstance(control.value, bool):
        return [not control.value]
    if hasattr(control, "options"):
        return control.options
    values = np.linspace(control.min, control.max, count)
    return (control.base**values if hasattr(control, "base") else values.astype(type(control.value))).tolist()


def cpu_time(call):
    began = time.process_time()
    call()
    return time.process_time() - began


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


PARTS = {part.__name__: part for part in (cartpole, atari, memory, priority, explorers)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default="all", choices=["all", *PARTS])
    parser.add_argument("--seeds", type=int, default=5, help="cartpole: seeds 0, 1, ...")
    parser.add_argument("--peer-limit", type=float, default=180, help="cartpole: CPU seconds for a seed of SB3")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sizes, one seed")
    args = parser.parse_args()
    args.seeds = 1 if args.quick else args.seeds
    torch.set_num_threads(1)
    sb3 = installed("stable_baselines3")
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"torch {torch.__version__}, Stable-Baselines3 {sb3.__version__ if sb3 else MISSING}; load {load}")
    for name in PARTS if "all" in args.parts else args.parts:
        PARTS[name](args)


if __name__ == "__main__":
    main()
