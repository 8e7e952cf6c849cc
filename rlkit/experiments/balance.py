"""Where the time of training goes: the environment, the network that acts, the network that learns."""

import time

import numpy as np
import torch

from rlkit.training import check_positive

PARTS = ("environment", "inference", "learning", "the rest")


def step_time(agent, seconds=1.0):
    """Microseconds that one step of a PPO takes, in `PARTS`, measured over whole iterations of `seconds` in all.

    Inference is the forward pass that chooses actions, learning is `update`; the rest is what gathers their numbers. A
    GPU is waited for: what comes back from both are numbers on the CPU.
    """
    check_positive(seconds=seconds)
    spent = dict.fromkeys(PARTS, 0.0)

    def timed(owner, name, part):
        function = getattr(owner, name)

        def measured(*arguments):
            began = time.perf_counter()
            result = function(*arguments)
            spent[part] += time.perf_counter() - began
            return result

        setattr(owner, name, measured)

    iterations = agent.learn(10**12)
    next(iterations)  # the first one warms up
    timed(agent.envs, "step", "environment")
    timed(agent.collector, "forward", "inference")
    timed(agent, "update", "learning")
    began, first = time.perf_counter(), agent.step
    while time.perf_counter() - began < seconds:
        progress = next(iterations)
        float(progress.metrics.get("entropy", 0.0))  # waits for a GPU
    total = time.perf_counter() - began
    spent["the rest"] = total - sum(spent.values())
    return {part: 1e6 * spent[part] / (agent.step - first) for part in PARTS}


@torch.no_grad()
def inference_time(network, obs_shape, batch_sizes, repeats=10):
    """Microseconds for one observation when `B` are answered together, for each `B` -> `[len(batch_sizes)]`.

    The median of `repeats`. The observations come from the CPU and the answers go back there, as in training.
    """
    times = []
    for size in batch_sizes:
        obs = torch.zeros(size, *obs_shape, dtype=torch.uint8 if len(obs_shape) == 3 else torch.float32)
        laps = []
        for _ in range(repeats + 2):  # two to warm up
            began = time.perf_counter()
            network(obs.to(network.device))[0].cpu()
            laps.append(time.perf_counter() - began)
        times.append(1e6 * np.median(laps[2:]) / size)
    return np.array(times)
