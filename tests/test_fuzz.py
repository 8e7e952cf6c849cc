"""A slice of `tests/bench/fuzz.py`: some of the inputs that students give, and what must come of them."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "bench"))
import fuzz


@pytest.mark.parametrize("seed", [1])
def test_random_inputs_end_well(seed):
    results = fuzz.run(inputs=200, seed=seed, processes=1, limit=120)
    assert len(results) == 200
    assert [result for result in results if result["outcome"] in fuzz.BAD_OUTCOMES] == []
    assert {result["outcome"] for result in results} >= {"works", "refused"}


class Raised:
    """Inputs whose outcomes are known, to see that the runner would notice."""

    def __init__(self, error=None, given=None, expected="bad"):
        self.error, self.given, self.expected = error, given, expected

    def do(self):
        if self.error:
            raise self.error
        return self.given


@pytest.mark.parametrize(
    "case, outcome",
    [
        (Raised(TypeError("unsupported operand")), "raw"),
        (Raised(ValueError("This sentence does not come from rlkit.")), "raw"),
        (Raised(given=1), "nonsense"),
        (Raised(given=1, expected="good"), "works"),
    ],
)
def test_bad_outcomes_are_recognised(case, outcome):
    assert fuzz.outcome(case)[0] == outcome
