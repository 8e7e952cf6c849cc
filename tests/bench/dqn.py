"""What DQN costs, beside Stable-Baselines3 if that is installed. A script, not a test: it asserts nothing.

    python tests/bench/dqn.py [cartpole] [atari] [memory] [priority] [explorers] [--seeds 5] [--peer-limit 180]

All five parts run if none is named; `--quick` does just enough to see that they work. Times are CPU seconds of one
torch thread. They drift by 1.7x with the load of the machine, so trust the ratios: both sides take turns in one run.

The peer does not belong in the environment of the lectures. Make one for it:

    python -m venv bench-env && . bench-env/bin/activate
    pip install -e . stable-baselines3 opencv-python-headless -c constraints.txt
    python tests/bench/dqn.py
"""

import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import common  # must come before NumPy, which it limits to one thread
import numpy as np
import torch

from rlkit import preset
from rlkit.prioritized import PrioritizedReplay
from rlkit.replay import Replay

STACK = (4, 84, 84)

# github.com/DLR-RM/rl-baselines3-zoo, hyperparams/dqn.yml of April 2026, "Almost Tuned". There ε falls over 0.16 of
# 50 000 steps; here over the same number of steps, in a run that continues until it is solved.
ZOO_CARTPOLE = dict(
    learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1_000, gamma=0.99,
    target_update_interval=10, train_freq=256, gradient_steps=128, exploration_fraction=0.16 * 50_000 / common.LONGEST,
    exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]},
)  # fmt: skip

# The settings of dqn-atari-2015, except for a small memory and the final ε, so that the steady state comes at once.
OUR_ATARI = dict(replay_size=10_000, learning_starts=1_000, epsilon_start=0.1, device="cpu")
PEER_ATARI = dict(
    learning_rate=1e-4, batch_size=32, buffer_size=10_000, learning_starts=1_000, train_freq=4, gradient_steps=1,
    target_update_interval=10_000, exploration_initial_eps=0.1, exploration_final_eps=0.1,
)  # fmt: skip


def cartpole(args):
    """CPU seconds until the last 20 training episodes of CartPole-v1 average 475; then 20 greedy episodes."""
    common.cartpole(cartpole.__doc__, ["dqn-cartpole"], "DQN", ZOO_CARTPOLE, args)


def atari(args):
    """Agent steps per CPU second on Pong, 84 x 84, network of 2015, one batch of 32 every 4 steps, steady state."""
    sides = {
        "dqn-atari-2015": common.our_atari(preset("dqn-atari-2015", **OUR_ATARI)),
        "SB3 CnnPolicy": common.peer_atari("DQN", 1, PEER_ATARI),
    }
    rounds, steps = (2, 80) if args.quick else (7, 400)
    common.atari(atari.__doc__, sides, warm_up=OUR_ATARI["learning_starts"] + 40, steps=steps, rounds=rounds)


def memory(args):
    """Replay memory for stacks of 4 frames of 84 x 84 bytes."""
    count = 5_000 if args.quick else 100_000
    sizes, peaks = {}, {}
    for kind in (Replay, PrioritizedReplay):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:  # so its peak is its own
            sizes[kind.__name__], *peaks[kind.__name__] = alone.submit(fill, kind, count).result()
    for optimized in (False, True):
        sizes[f"SB3, optimize_memory_usage={optimized}"] = peer_bytes(optimized)
    rows = []
    for name, size in sizes.items():
        ratio = [f"{size:,.0f}", f"{size / sizes['Replay']:.2f} x"] if size else [common.MISSING]
        rows.append([name, *ratio, *(f"{peak / 2**20:,.0f}" for peak in peaks.get(name, []))])
    common.table(memory.__doc__, ["", "bytes a transition", "", "MiB, empty process", f"peak with {count:,}"], rows)


def fill(kind, count):
    """Fill a replay memory and sample from it -> bytes per transition, peak memory of the process before and after."""
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
    if common.installed("stable_baselines3") is None:
        return None
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3.common.buffers import ReplayBuffer

    memory_option = dict(optimize_memory_usage=optimized, handle_timeout_termination=not optimized)
    return array_bytes(ReplayBuffer(count, Box(0, 255, STACK, np.uint8), Discrete(6), **memory_option)) / count


def array_bytes(thing):
    """The bytes of an object's arrays, and of those in its objects."""
    parts = [part for part in vars(thing).values() if part is not None]
    inner = [array_bytes(part) for part in parts if type(part).__module__.startswith("rlkit")]
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray)) + sum(inner)


def peak_memory():
    """In bytes. On Linux, getrusage keeps the parent's peak through a fork and an exec, and VmHWM does not."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def priority(args):
    """Microseconds to draw a batch of slots by priority and to update priorities; x: relative to uniform draws."""
    rows = []
    for size in (10_000, 100_000) if args.quick else (10_000, 100_000, 1_000_000):
        memories = [filled(kind, size) for kind in (Replay, PrioritizedReplay)]
        for batch in (32, 256):
            cost = common.microseconds(ways_to_draw(*memories, batch), args.quick)
            uniform = cost.pop("uniform")
            rows.append([f"{size:,}", batch, f"{uniform:.0f}"])
            rows[-1] += [f"{us:,.0f} ({us / uniform:.1f} x)" for us in cost.values()]
    common.table(priority.__doc__, ["entries", "batch", "uniform", *cost], rows)


def filled(kind, size, envs=100):
    """A memory full of tiny transitions whose `sample` returns only the slots that it drew."""
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


def explorers(args):
    """CPU milliseconds of a slider change: model, picture, PNG; x: relative to a plain redraw of two empty axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from rlkit import explore
    from rlkit.plotting import picture
    from rlkit.plotting.live import Run

    canvas = FigureCanvasAgg(picture(2, width=10)[0])
    plain = median(1e3 * common.cpu_time(lambda: canvas.print_png(io.BytesIO())) for _ in range(7))
    rows = [["plain redraw", f"{plain:.0f}", "", "", ""]]
    for name in explore.__all__:
        if name == "predict":
            continue
        explorer = getattr(explore, name)()
        if isinstance(explorer, Run):
            explorer.stop()  # otherwise learning in the background would be counted
        controls = [c for c in explorer.children if hasattr(c, "value") and getattr(c, "description", "")]
        costs = [cost for c in controls for cost in sweep(c, 3 if args.quick else 11)]
        worst = max(costs, key=lambda cost: cost[0])
        middle = median(ms for ms, _ in costs)
        rows.append([name, f"{middle:.0f}", f"{middle / plain:.1f} x", f"{worst[0]:.0f}", worst[1]])
    common.table(explorers.__doc__, ["explorer", "median", "", "worst", "worst at"], rows)


def sweep(control, count):
    """[(milliseconds, what was set), ...] for values all over the range of a control, which is then reset."""
    for value in [*values_of(control, count), control.value]:
        if value != control.value:
            ms = 1e3 * common.cpu_time(lambda value=value: setattr(control, "value", value))
            now = control.value
            yield ms, f"{control.description} = {f'{now:.3g}' if isinstance(now, float) else now}"


def values_of(control, count):
    if isinstance(control.value, bool):
        return [not control.value]
    if hasattr(control, "options"):
        return control.options
    values = np.linspace(control.min, control.max, count)
    return (control.base**values if hasattr(control, "base") else values.astype(type(control.value))).tolist()


if __name__ == "__main__":
    common.main(__doc__, cartpole, atari, memory, priority, explorers)
