"""What A3C sends to a parameter actor and back."""

import pickle

import numpy as np
import pytest

from rlkit.a3c import A3C
from rlkit.running.parameters import ANSWER, LARGE, PUSH, Parameters, packed, unpacked

# --- a message ---


@pytest.mark.parametrize("size", [0, 3, LARGE // 4, LARGE // 4 + 1])
def test_a_message_arrives_as_it_was_sent(size):
    numbers, array = (1, 2**53 + 1, 3, 4, 0.1 + 0.2), np.random.default_rng(0).normal(size=size).astype(np.float32)
    message = packed(PUSH, numbers, array)
    assert isinstance(message, bytes) == (array.nbytes <= LARGE)
    arrived, values = unpacked(PUSH, pickle.loads(pickle.dumps(message)))
    assert arrived == numbers and values.dtype == np.float32 and np.array_equal(values, array)


def test_a_push_that_is_sent_again_is_not_applied_again():
    agent = A3C(num_workers=1, hidden=(4,), cluster="local")
    (keeper,) = agent.transport()[0].keepers
    actor = Parameters()
    message = packed(PUSH, (0, 1, 5, 0, 0.1), np.ones(len(agent.shared.theta), np.float32))
    assert actor.push(message) is None  # it holds nothing yet
    actor.restore(pickle.loads(pickle.dumps(keeper.part)), {})
    first, again = (unpacked(ANSWER, actor.push(message)) for _ in range(2))
    assert first[0] == again[0] == (1, 5) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], agent.shared.theta.numpy())
