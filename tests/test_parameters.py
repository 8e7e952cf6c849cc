"""What A3C sends to a parameter actor and back."""

import pickle

import numpy as np
import pytest

from rlkit.running.parameters import LARGE, PUSH, packed, unpacked

# --- a message ---


@pytest.mark.parametrize("size", [0, 3, LARGE // 4, LARGE // 4 + 1])
def test_a_message_arrives_as_it_was_sent(size):
    numbers, array = (1, 2**53 + 1, 3, 4, 0.1 + 0.2), np.random.default_rng(0).normal(size=size).astype(np.float32)
    message = packed(PUSH, numbers, array)
    assert isinstance(message, bytes) == (array.nbytes <= LARGE)
    arrived, values = unpacked(PUSH, pickle.loads(pickle.dumps(message)))
    assert arrived == numbers and values.dtype == np.float32 and np.array_equal(values, array)
