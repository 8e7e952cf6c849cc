"""rlkit.check: equal results pass, others are named with case, place and numbers, and nothing else passes."""

import numpy as np
import pytest
import torch
from conftest import one_line

from rlkit import check
from rlkit import functional as F

CASES = [
    dict(rewards=np.array([1.0, 2.0]), next_q=np.array([4.0, 8.0]), terminated=np.array([False, True]), gamma=gamma)
    for gamma in (0.5, 0.9)
]


def mine(r, q, ended, g):
    return [x if over else x + g * y for x, y, over in zip(r, q, ended)]


def refusal(result, cases=CASES):
    """The message about a function that makes `result` of the right one."""
    with pytest.raises(AssertionError) as error:
        check.same(lambda *arguments: result(mine(*arguments)), F.td_target, cases)
    return str(error.value)


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, lambda x: [torch.tensor(y) for y in x]])
def test_equal_numbers_pass_in_any_container(kind, capsys):
    check.same(lambda *arguments: kind(mine(*arguments)), F.td_target, CASES)
    assert capsys.readouterr().out == "<lambda> = rlkit.functional.td_target on 2 cases\n"


@pytest.mark.parametrize("kind", [torch.clone, list])
def test_tensors_with_a_gradient_pass_also_one_by_one(kind):
    ratio = torch.ones(3, requires_grad=True)
    check.same(lambda r, a: kind(r * a), F.surrogate, [dict(ratio=ratio, advantages=torch.ones(3))])


def test_the_message_has_the_case_the_place_and_both_numbers():
    wrong = [*CASES[:1], CASES[1] | {"gamma": 0.25}]
    with pytest.raises(AssertionError) as error:
        check.same(lambda r, q, ended, g: mine(r, q, ended, 0.5), F.td_target, wrong)
    first, *inputs = str(error.value).split("\n")
    assert first == "case 1 of 2: at (0,) yours is 3, rlkit's 2, with"
    assert inputs[-1] == "  gamma = 0.25" and len(inputs) == 4


def test_an_argument_that_is_no_number_is_shown_as_it_is():
    case = dict(matvec=torch.clone, b=torch.ones(2))
    with pytest.raises(AssertionError, match=r"yours is 2, rlkit's 1, with\n  matvec = <.*clone.*>\n  b = \[1. 1.\]$"):
        check.same(lambda matvec, b: 2 * b, F.conjugate_gradient, [case])


@pytest.mark.parametrize(
    "result, kind",
    [
        (lambda x: None, "NoneType"),
        (lambda x: ..., "ellipsis"),
        (lambda x: "3", "str"),
        (lambda x: ["3", "2"], "list"),
        (lambda x: [1, [2, 3]], "list"),
        (lambda x: iter(x), "list_iterator"),
        (lambda x: np.array(x) + 1j, "ndarray"),
        (lambda x: [None, 2], "list"),
    ],
)
def test_what_is_no_number_is_named(result, kind):
    assert refusal(result) == f"case 0 of 2: your result must be numbers, and is of the type {kind}."


def test_another_shape_or_nan_is_refused():
    assert refusal(lambda x: np.array(x)[:, None]) == "case 0 of 2: your result has the shape (2, 1), rlkit's (2,)."
    assert refusal(lambda x: x[0]) == "case 0 of 2: your result has the shape (), rlkit's (2,)."
    assert "yours is nan" in refusal(lambda x: [np.nan, x[1]])
    assert refusal(lambda x: x, []) == "There are no cases to compare; pass at least one."


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_function_that_writes_into_its_arguments_spoils_no_case(kind):
    case = dict(values=kind([1.0, 2.0]), returns=kind([3.0, 3.0]))

    def in_place(values, returns):
        values -= returns
        values *= values
        return values

    check.same(in_place, F.value_loss, [case, case])
    assert case["values"].tolist() == [1, 2]


@pytest.mark.parametrize("wrong", [None, 3, "huber", [1], np.ones(2), torch.tensor(2)])
def test_what_cannot_be_called_or_compared_is_named(wrong):
    case = {"error": np.ones(2), "delta": 1.0}
    calls = {
        "mine must be a function": lambda: check.same(wrong, F.huber, [case]),
        "reference must be a function": lambda: check.same(F.huber, wrong, [case]),
        "case": lambda: check.same(F.huber, F.huber, wrong),
        "A case must be a dict": lambda: check.same(F.huber, F.huber, [wrong]),
    }
    if not (isinstance(wrong, int) or torch.is_tensor(wrong)):
        calls["tolerance="] = lambda: check.same(F.huber, F.huber, [case], wrong)
    for words, call in calls.items():
        with pytest.raises(ValueError, match=words) as error:
            call()
        one_line(error)


def test_cases_that_do_not_fit_the_reference_are_named():
    for case, words in (
        (("error", "x"), "unexpected keyword argument 'x'"),
        ((), "missing a required argument: 'error'"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            check.same(F.huber, F.huber, [dict.fromkeys(case, 1.0)])
        assert "huber" in one_line(error)
    with pytest.raises(ValueError, match="list of dicts"):
        check.same(F.huber, F.huber, {"error": np.ones(2)})


@pytest.mark.parametrize("function", [lambda: 1, lambda error: error, lambda a, b, c: a])
def test_a_function_that_takes_another_number_of_arguments_is_told_so(function):
    with pytest.raises(AssertionError, match="must take 2 arguments, as huber does: error, delta") as error:
        check.same(function, F.huber, [{"error": np.ones(2), "delta": 1.0}])
    one_line(error)
