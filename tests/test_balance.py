"""rlkit.experiments.balance: where the time of a step goes. It asserts only what must hold on any machine."""

import time

import numpy as np
import pytest

from rlkit import preset
from rlkit.experiments.balance import PARTS, inference_time, step_time
from rlkit.tasks import DelayedCartPole


def test_an_environment_that_waits_takes_most_of_the_time():
    quick = step_time(preset("ppo-cartpole", num_envs=4, num_steps=16, minibatch_size=64), 0.3)
    slow = step_time(preset("ppo-cartpole", env=DelayedCartPole, num_envs=4, num_steps=16, minibatch_size=64), 0.3)
    assert list(quick) == list(PARTS) and min(quick.values()) >= 0
    assert slow["environment"] > 1_000  # microseconds: it sleeps for a millisecond
    assert slow["environment"] > 0.5 * sum(slow.values()) and slow["environment"] > 5 * quick["environment"]


def test_the_parts_add_up_to_the_whole_time():
    agent = preset("ppo-cartpole", num_envs=4, num_steps=16, minibatch_size=64)
    began = time.perf_counter()
    spent = step_time(agent, 0.3)
    measured = sum(spent.values()) * 1e-6 * (agent.step - 4 * 16)  # the first iteration only warms up
    assert measured * (1 + 1e-9) >= 0.3 and measured <= time.perf_counter() - began


def test_a_learner_that_waits_is_seen_as_learning():
    agent = preset("ppo-cartpole", num_envs=4, num_steps=16, minibatch_size=64)
    update = agent.update
    agent.update = lambda rollout: time.sleep(0.1) or update(rollout)
    spent = step_time(agent, 0.5)
    assert spent["learning"] > 0.5 * sum(spent.values())


def test_a_gpu_that_is_still_computing_is_waited_for_as_learning():
    class Late:
        def __float__(self):
            time.sleep(0.1)
            return 0.0

    agent = preset("ppo-cartpole", num_envs=4, num_steps=16, minibatch_size=64)
    update = agent.update
    agent.update = lambda rollout: update(rollout) | {"entropy": Late()}
    spent = step_time(agent, 0.5)
    assert spent["learning"] > 0.5 * sum(spent.values())


def test_afterwards_the_agent_is_as_it_was():
    agent = preset("ppo-cartpole", num_envs=4, num_steps=16, minibatch_size=64)
    forward = agent.collector.forward
    step_time(agent, 0.01)
    assert agent.collector.forward is forward and "update" not in vars(agent) and "step" not in vars(agent.envs)


def test_inference_by_batch_size():
    times = inference_time(preset("ppo-pong-small", num_envs=2).network, (4, 42, 42), (1, 32))
    assert times.shape == (2,) and (times > 0).all() and np.isfinite(times).all()
    one, many = inference_time(preset("ppo-cartpole").network, (4,), (1, 64))
    assert many < one / 4  # a tiny network spends its time in the call, so 64 observations cost little more than one


def test_seconds_must_be_a_number_above_0():
    with pytest.raises(ValueError, match="seconds=0"):
        step_time(preset("ppo-cartpole"), 0)
