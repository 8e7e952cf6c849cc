"""Where the time of training goes: environment, acting, learning. Chapter 1, section 8."""

import contextlib
import time

import numpy as np
import torch

from rlkit.training import check_positive

PARTS = ("environment", "inference", "learning", "the rest")


def step_time(agent, seconds=1.0):
    """Microseconds of each of `PARTS` in one step of a PPO agent -> {part: microseconds}.

    Measured over whole iterations, for at least `seconds`, while the agent keeps learning. Inference is the
    forward pass that chooses actions; learning is `update`; the rest is the bookkeeping between them. Raises ValueError
    if `seconds` is not above 0.
    """
    check_positive(seconds=seconds)
    spent = dict.fromkeys(PARTS, 0.0)
    iterations = agent.learn(10**12)
    next(iterations)  # the first iteration warms up
    with (
        timed(agent.envs, "step", spent, "environment"),
        timed(agent.collector, "forward", spent, "inference"),
        timed(agent, "update", spent, "learning"),
    ):
        began, first = time.perf_counter(), agent.step
        while time.perf_counter() - began < seconds:
            next(iterations)
        total = time.perf_counter() - began
    spent["the rest"] = total - sum(spent.values())
    return {part: 1e6 * spent[part] / (agent.step - first) for part in PARTS}


@contextlib.contextmanager
def timed(owner, name, spent, part):
    """A context in which the seconds of each call of the method `owner.name` are added to `spent[part]`."""
    method, was_own = getattr(owner, name), name in vars(owner)

    def measured(*arguments):
        began = time.perf_counter()
        result = method(*arguments)
        if isinstance(result, dict):
            float(result["entropy"])  # waits for the GPU, which may still compute the metrics of an update
        spent[part] += time.perf_counter() - began
        return result

    setattr(owner, name, measured)
    try:
        yield
    finally:
        setattr(owner, name, method) if was_own else delattr(owner, name)


@torch.no_grad()
def inference_time(network, obs_shape, batch_sizes, repeats=10):
    """Microseconds for each observation in a batch of B, for each B of `batch_sizes` -> `[len(batch_sizes)]`.

    The median of `repeats` forward passes. The observations come from the CPU and the results go back there, as in
    training. obs_shape: of one observation, `(D,)` or `(frames, height, width)`.
    """
    times = []
    for size in batch_sizes:
        obs = torch.zeros(size, *obs_shape, dtype=torch.uint8 if len(obs_shape) == 3 else torch.float32)
        laps = []
        for _ in range(repeats + 2):  # the first two warm up
            began = time.perf_counter()
            network(obs.to(network.device))[0].cpu()
            laps.append(time.perf_counter() - began)
        times.append(1e6 * np.median(laps[2:]) / size)
    return np.array(times)
