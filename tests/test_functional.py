"""Every equation against something independent: numbers by hand, limits, slow literal loops, autograd.

And what holds for all of them: type hints, docstrings of one form, wrong shapes refused in one clear sentence.
"""

import doctest
import inspect
import math
import re
from pathlib import Path
from types import UnionType
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from conftest import distribution

from rlkit import functional as F


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mdp(rng):
    """Four states, three actions."""
    policy, transition = rng.dirichlet(np.ones(3), size=4), rng.dirichlet(np.ones(4), size=(4, 3))
    return {"policy": policy, "transition": transition, "reward": rng.normal(size=(4, 3))}


# What holds for all -----------------------------------------------------------------------------------------

FUNCTIONS = {name: f for name, f in inspect.getmembers(F, inspect.isfunction) if f.__module__ == F.__name__}
EQUATIONS = [name for name in FUNCTIONS if name != "same_shape"]


def line(name, label):
    """The text after "Shapes:" or a similar label, with its indented lines joined; empty if there is none."""
    doc = inspect.getdoc(FUNCTIONS[name])  # without its indentation, which Python 3.13 removes itself
    found = re.search(rf"^{label}: (.*(?:\n    .+)*)$", doc, re.MULTILINE)
    return re.sub(r"\s+", " ", found[1]) if found else ""


def test_there_are_functions_and_all_doctests_pass():
    assert len(EQUATIONS) >= 50
    result = doctest.testmod(F, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0 and result.attempted >= len(FUNCTIONS)


def test_every_equation_is_tested_in_this_file():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in EQUATIONS if f"F.{name}(" not in text] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hints_are_complete(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    assert set(get_type_hints(FUNCTIONS[name])) == {*parameters, "return"}


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_docstring_has_its_equation_source_shapes_errors_and_doctest(name):
    doc, code = FUNCTIONS[name].__doc__, inspect.getsource(FUNCTIONS[name])
    summary = doc.split("\n")[0]
    assert summary.endswith(".") and (": " in summary or name == "linear_schedule")
    assert doc.count(">>>") >= 1 and "->" in line(name, "Shapes")
    known = re.findall(r"^    (\S.*?\S)  ", F.__doc__, re.MULTILINE)
    assert any(source in line(name, "Source") for source in [*known, "the lecture"])
    assert ("ValueError" in line(name, "Raises")) == ("same_shape(" in code)


def test_every_source_of_the_list_is_cited_by_an_equation():
    known = re.findall(r"^    (\S.*?\S)  ", F.__doc__, re.MULTILINE)
    assert len(known) > 20
    cited = " ".join(line(name, "Source") for name in EQUATIONS)
    assert [source for source in known if source not in cited] == []


# Shapes -----------------------------------------------------------------------------------------------------

SIZES = dict(T=6, N=4, B=5, D=3, S=4, A=2, one=1)

# Right shapes for each function that takes at least two arrays. A new equation that does so needs a line here.
SHAPES = dict(
    bellman_expectation=dict(values="S", policy="S A", transition="S A S", reward="S A"),
    action_values=dict(values="S", transition="S A S", reward="S A"),
    policy_values=dict(policy="S A", transition="S A S", reward="S A"),
    discounted_visits=dict(policy="S A", transition="S A S", start="S"),
    performance_difference=dict(visits="S", policy="S A", advantages="S A"),
    bellman_optimality=dict(q="S A", transition="S A S", reward="S A"),
    value_error=dict(true_values="S", values="B S", state_weights="S"),
    n_step_returns=dict(rewards="T N", ended="T N", bootstrap="N"),
    q_update=dict(q="B", target="B", alpha="B"),
    semi_gradient=dict(td_error="B one", gradient="B D"),
    residual_gradient=dict(td_error="B one", gradient="B D", next_gradient="B D"),
    double_q=dict(q_online="B A", q_target="B A"),
    td_target=dict(rewards="B", next_q="B", terminated="B", gamma="B"),
    dueling=dict(value="B one", advantages="B A"),
    log_prob=dict(logits="B A", actions="B"),
    kl_divergence=dict(old_logits="B A", logits="B A"),
    gaussian_log_prob=dict(mean="B D", log_std="B D", actions="B D"),
    gaussian_kl=dict(old_mean="B D", old_log_std="B D", mean="B D", log_std="B D"),
    policy_gradient=dict(log_probs="B", advantages="B"),
    gae=dict(rewards="T N", values="T N", next_values="T N", terminated="T N", truncated="T N"),
    value_loss=dict(values="B", returns="B"),
    clipped_value_loss=dict(values="B", old_values="B", returns="B"),
    explained_variance=dict(values="B", returns="B"),
    actor_critic_loss=dict(log_probs="B", advantages="B", value_errors="B", entropy="B"),
    human_normalized=dict(score="B", random="B", human="B"),
    perturbation_saliency=dict(outputs="D", perturbed="B D"),
    filter_normalized=dict(direction="B D", weights="B D"),
    amdahl=dict(share="B", factor="B"),
    mean_staleness=dict(workers="B", held="B", lap="B"),
    rmsprop=dict(gradient="D", square="D"),
    adam=dict(gradient="D", mean="D", square="D"),
    ratio=dict(log_probs="B", old_log_probs="B"),
    surrogate=dict(ratio="B", advantages="B"),
    clipped_surrogate=dict(ratio="B", advantages="B"),
    dead_samples=dict(ratio="B", advantages="B"),
    kl_penalized_surrogate=dict(ratio="B", advantages="B", kl="B"),
    kl_estimate=dict(log_probs="B", ref_log_probs="B"),
    kl_optimal_policy=dict(ref_log_probs="A", rewards="A"),
    trust_region_step=dict(direction="D", fisher_direction="D"),
)
NUMBERS = dict(
    gamma=0.9, gae_lambda=0.8, value_coef=0.5, entropy_coef=0.1, clip_coef=0.2, kl_coef=2.0, decay=0.9, eps=1e-8,
    value_clip=0.3, count=1, betas=(0.9, 0.99), max_kl=0.01,
)  # fmt: skip
MASKS = {"ended", "terminated", "truncated"}
CHANCES = {("discounted_visits", name) for name in ("policy", "transition", "start")}  # their rows sum to 1
BROADCASTS = {("kl_penalized_surrogate", "kl_coef")}  # stretched on purpose, as its docstring says
FREE_ROWS = {("value_error", "values"), ("perturbation_saliency", "perturbed")}  # any number of them is allowed
LEADING = {  # their arrays may lack leading axes, as their docstrings say
    "value_error", "semi_gradient", "kl_divergence", "gaussian_log_prob", "gaussian_kl", "perturbation_saliency",
    "ratio", "surrogate", "kl_estimate",
}  # fmt: skip


def kinds(hint):
    """Which arrays a type hint allows: NumPy's, torch's or both."""
    admitted = get_args(hint) if isinstance(hint, UnionType) else [hint]
    return [kind for kind in (np.ndarray, torch.Tensor) if kind in admitted]


def array_parameters(name):
    hints = get_type_hints(FUNCTIONS[name])
    return {p: kinds(hint) for p, hint in hints.items() if p != "return" and kinds(hint)}


COMBINING = [name for name in EQUATIONS if len(array_parameters(name)) >= 2]
WRONG = [
    (name, parameter, kind)
    for name in COMBINING
    for parameter in array_parameters(name)
    if (name, parameter) not in BROADCASTS
    for kind in (np.ndarray, torch.Tensor)
    if all(kind in kinds for kinds in array_parameters(name).values())
]


def right_call(name, kind):
    """Arguments of the right shapes: numbers between 0 and 1, chances, masks that are never true, and action 0."""
    rng, arguments = np.random.default_rng(0), {}
    for parameter in inspect.signature(FUNCTIONS[name]).parameters:
        if parameter in SHAPES[name]:
            shape = [SIZES[letter] for letter in SHAPES[name][parameter].split()]
            array = rng.random(shape)
            array = array / array.sum(-1, keepdims=True) if (name, parameter) in CHANCES else array
            whole = parameter in MASKS or (name, parameter) == ("log_prob", "actions")
            array = np.zeros(shape, bool if parameter in MASKS else int) if whole else array
            arguments[parameter] = array if kind is np.ndarray else torch.tensor(array)
        elif parameter in NUMBERS:
            arguments[parameter] = NUMBERS[parameter]
    return arguments


def refusal(name, arguments):
    """The message of the ValueError that a call raises, or an empty one if it raises none."""
    try:
        FUNCTIONS[name](**arguments)
    except ValueError as error:
        return str(error)
    except Exception:
        return ""
    return ""


def is_our_sentence(message):
    cure = r"(drop the last axis of .+ with \.squeeze\(-1\)|give .+ a last axis with \[\.\.\., None\]|give .+ \[.*\])"
    return re.fullmatch(rf"[^;\n]+ must have the same (shape|last axes); {cure}\.", message) is not None


def test_every_function_of_two_arrays_has_its_shapes_above():
    assert set(COMBINING) == set(SHAPES)


@pytest.mark.parametrize("name, kind", sorted({(name, kind) for name, _, kind in WRONG}, key=str))
def test_right_shapes_are_not_refused(name, kind):
    FUNCTIONS[name](**right_call(name, kind))


@pytest.mark.parametrize("name, parameter, kind", WRONG)
def test_a_wrong_shape_is_refused_in_one_sentence(name, parameter, kind):
    arguments = right_call(name, kind)
    right = arguments[parameter]
    wrong = [right[..., None]]
    if (name, parameter) not in FREE_ROWS:
        wrong += [right[:-1]]
    if name not in LEADING and (name, parameter) != ("residual_gradient", "td_error"):
        wrong += [right[None].repeat(2, *[1] * right.ndim) if kind is torch.Tensor else np.stack([right, right])]
    for arguments[parameter] in wrong:
        message = refusal(name, arguments)
        assert is_our_sentence(message), message or "nothing was refused"
        assert re.search(rf"\b{parameter}\b", message)


@pytest.mark.parametrize(
    "name, parameter", [("dueling", "value"), *[(f"{x}_gradient", "td_error") for x in ("semi", "residual")]]
)
def test_a_column_is_asked_for_where_a_row_would_be_stretched(name, parameter):
    arguments = {name: np.ones((3, 3)) for name in SHAPES[name]} | {parameter: np.ones(3)}  # NumPy would accept 3 x 3
    if name == "residual_gradient":
        arguments["gamma"] = 0.9
    message = refusal(name, arguments)
    assert message.startswith(f"{parameter} [3] and ") and f"give {parameter} a last axis" in message


WITH_A_MODEL = ["bellman_expectation", "action_values", "policy_values", "discounted_visits", "bellman_optimality"]


@pytest.mark.parametrize("name", WITH_A_MODEL)
@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 2, 1), (4, 2, 3), (2, 4), (1,), (1, 1, 4)])
def test_a_transition_that_is_not_from_each_state_and_action_to_each_state_is_refused(name, shape):
    message = refusal(name, right_call(name, np.ndarray) | {"transition": np.ones(shape)})  # NumPy would stretch some
    assert is_our_sentence(message) and message.endswith("give transition the shape [4, 2, 4]."), message


@pytest.mark.parametrize("name, parameter, kind", WRONG)
def test_without_the_check_there_is_no_such_sentence(name, parameter, kind, monkeypatch):
    monkeypatch.setattr(F, "same_shape", lambda **arrays: None)
    arguments = right_call(name, kind)
    arguments[parameter] = arguments[parameter][..., None]
    assert not is_our_sentence(refusal(name, arguments))


def test_the_bug_of_the_museum_is_refused_and_was_silent(monkeypatch):
    values, returns = torch.zeros(32), torch.ones(32, 1)
    with pytest.raises(
        ValueError, match=r"^values \[32\] and returns \[32, 1\] must .* returns with \.squeeze\(-1\)\.$"
    ):
        F.value_loss(values, returns)
    monkeypatch.setattr(F, "same_shape", lambda **arrays: None)
    assert F.value_loss(values, returns).shape == (32, 32)


@pytest.mark.parametrize("kind", [np.ones, torch.ones])
@pytest.mark.parametrize(
    "shapes, cure",
    [
        (dict(a=(3, 1), b=(3,)), "drop the last axis of a with .squeeze(-1)"),
        (dict(a=(3,), b=(3, 1), c=(3, 1)), "give a a last axis with [..., None]"),  # two arrays against one
        (dict(a=(2, 3), b=(3,)), "give a the shape [3]"),
        (dict(a=(3,), b=(4,), c=(3,)), "give b the shape [3]"),
        (dict(a=(1,), b=(3,)), "give a the shape [3]"),
        (dict(a=(1,), b=(1, 1)), "drop the last axis of b with .squeeze(-1)"),
        (dict(a=(0,), b=(3,)), "give b the shape [0]"),
    ],
)
def test_the_refusal_names_arrays_shapes_and_cure(kind, shapes, cure):
    named = [f"{name} {list(shape)}" for name, shape in shapes.items()]
    with pytest.raises(ValueError) as refused:
        F.same_shape(**{name: kind(shape) for name, shape in shapes.items()})
    assert str(refused.value) == f"{', '.join(named[:-1])} and {named[-1]} must have the same shape; {cure}."


@pytest.mark.parametrize(
    "shapes, cure",
    [
        (dict(a=(7, 3), b=(3, 1)), "drop the last axis of b with .squeeze(-1)"),
        (dict(a=(7, 3, 1), b=(3,)), "drop the last axis of a with .squeeze(-1)"),
        (dict(a=(3, 1), b=(3, 1), c=(3,)), "give c a last axis with [..., None]"),
        (dict(a=(3,), b=(7, 3), c=(8, 3)), "give c the last axes [7, 3]"),
        (dict(a=(3,), b=(7, 4)), "give b the last axes [3]"),
    ],
)
def test_leading_axes_may_be_missing_but_not_the_last_ones(shapes, cure):
    with pytest.raises(ValueError, match=re.escape(f"must have the same last axes; {cure}.")):
        F.same_shape(leading=True, **{name: torch.ones(shape) for name, shape in shapes.items()})


@pytest.mark.parametrize("other", [np.ones((3, 1)), np.ones(3), torch.ones(3), 1.0])
def test_a_list_is_refused_because_numpy_would_stretch_it(other):
    with pytest.raises(ValueError, match=r"^returns must be an array or a number, and is a list; give np\.array"):
        F.value_loss(other, [1.0, 2.0, 3.0])


def test_a_list_of_terminations_does_not_end_the_bootstrap_of_all():
    with pytest.raises(ValueError, match=r"give np\.array\(terminated\)\.$"):
        F.td_target(np.ones(2), np.ones(2), [False, True], 0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.log_prob(torch.zeros(3), torch.zeros(5, dtype=int)),
        lambda: F.log_prob(torch.zeros(3), torch.zeros(1, dtype=int)),
        lambda: F.n_step_returns(np.ones(5), np.zeros(5), np.ones(5), 0.9),
        lambda: F.n_step_returns(np.ones(5), np.zeros(5), np.ones(1), 0.9),
    ],
)
def test_where_one_number_is_asked_for_an_array_is_refused(call):
    with pytest.raises(ValueError) as refused:
        call()
    assert is_our_sentence(str(refused.value))


def test_a_row_of_penalties_is_refused_because_it_would_be_taken_sample_by_sample():
    ones = torch.ones(2)
    for kl_coef in (torch.tensor([1.0, 3.0]), torch.ones(3), torch.ones(3, 2)):
        with pytest.raises(ValueError) as refused:
            F.kl_penalized_surrogate(ones, ones, ones, kl_coef)
        assert is_our_sentence(str(refused.value))
    for number in (2.0, np.float64(2), torch.tensor(2.0)):
        assert F.kl_penalized_surrogate(ones, ones, ones, number).tolist() == [-1, -1]


def test_correct_shapes_pass():
    three, row = torch.ones(3), np.ones((7, 3))
    F.same_shape(a=three, b=np.ones(3), c=2.0, d=1, e=torch.tensor(5.0), f=np.float32(1), g=True)
    F.same_shape(a=1.0, b=2.0)
    F.same_shape(leading=True, a=three, b=row, c=np.ones((2, 7, 3)), d=0.5)
    F.same_shape(a=three, b=(3,))
    with pytest.raises(ValueError, match="give a the shape"):
        F.same_shape(a=three, b=np.ones(3), c=(4,))
    with pytest.raises(ValueError, match="the same shape"):
        F.same_shape(a=three, b=row)  # leading axes are free only where an equation says so


def test_documented_broadcasts_work():
    """A plain number instead of an array, leading axes of one argument, a column for a grid."""
    values, rewards = np.array([0.0, 1.0, 4.0]), np.ones((2, 3))
    assert F.td_target(0.0, values, values > 3, 0.5).tolist() == [0.0, 0.5, 0.0]
    assert F.td_target(1.0, 2.0, False, 0.5) == 2.0
    assert F.n_step_returns(rewards, 0 * rewards, 0.0, 0.5).tolist() == [[1.5] * 3, [1.0] * 3]
    assert F.semi_gradient(2.0, 3.0) == 6.0 and F.residual_gradient(2.0, 3.0, 1.0, 1.0) == 4.0
    assert F.semi_gradient(torch.tensor(2.0), torch.ones(3)).tolist() == [2.0] * 3
    assert F.semi_gradient(np.ones((2, 3, 1)), np.ones((3, 5))).shape == (2, 3, 5)
    ratios = torch.tensor([[0.5, 1.0, 1.5], [0.5, 1.0, 1.5]])
    assert F.clipped_surrogate(ratios, 1.0, 0.25).tolist() == [[0.5, 1.0, 1.25]] * 2
    column = torch.tensor([[1.0], [-1.0]])
    assert F.clipped_surrogate(ratios, column, 0.25).tolist() == [[0.5, 1.0, 1.25], [-0.75, -1.0, -1.5]]
    assert F.surrogate(ratios, torch.tensor([1.0, 2.0, 3.0])).tolist() == [[0.5, 2.0, 4.5]] * 2
    J, kl, betas = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0]), torch.tensor([[1.0], [3.0]])
    assert F.kl_penalized_surrogate(1.0, J, kl, betas).tolist() == [[1.0, 1.0], [1.0, -1.0]]
    assert F.actor_critic_loss(J, 3.0, kl, 0.0, 0.5, 0.1).tolist() == [-3.0, -5.5]
    one, many = normal(4), normal(2, 7, 4)
    pairs = [(F.kl_divergence(one, many), [[F.kl_divergence(one, row) for row in rows] for rows in many])]
    pairs += [(F.kl_divergence(many, one), [[F.kl_divergence(row, one) for row in rows] for rows in many])]
    pairs += [(F.ratio(many, one), [[F.ratio(row, one).tolist() for row in rows] for rows in many])]
    spread, mean = one[:1], one[1:2]
    log_prob = lambda x: F.gaussian_log_prob(mean, spread, x)
    pairs += [(log_prob(many[..., :1]), [[log_prob(row[:1]) for row in rows] for rows in many])]
    kl = lambda mean: F.gaussian_kl(spread, spread, mean, spread)
    pairs += [(kl(many[..., :1]), [[kl(row[:1]) for row in rows] for rows in many])]
    for got, expected in pairs:
        torch.testing.assert_close(got, torch.tensor(expected))


# Exact values -----------------------------------------------------------------------------------------------


def literal_action_value(values, transition, reward, gamma, s, a):
    return reward[s, a] + sum(gamma * transition[s, a, to] * values[to] for to in range(len(values)))


def test_action_values_and_bellman_expectation_are_their_sums(mdp, rng):
    values = rng.normal(size=4)
    tables = mdp["transition"], mdp["reward"], 0.9
    q = [[literal_action_value(values, *tables, s, a) for a in range(3)] for s in range(4)]
    np.testing.assert_allclose(F.action_values(values, *tables), q)
    v = [sum(mdp["policy"][s, a] * q[s][a] for a in range(3)) for s in range(4)]
    np.testing.assert_allclose(F.bellman_expectation(values, mdp["policy"], *tables), v)


def test_policy_values_are_the_discounted_rewards_of_the_policys_markov_chain(mdp):
    step = sum(mdp["policy"][:, a, None] * mdp["transition"][:, a] for a in range(3))
    expected, ahead = np.zeros(4), np.eye(4)
    for k in range(400):
        expected += 0.9**k * ahead @ (mdp["policy"] * mdp["reward"]).sum(1)
        ahead = ahead @ step
    np.testing.assert_allclose(F.policy_values(**mdp, gamma=0.9), expected)


def test_policy_values_without_discount_need_an_end():
    forever = {"policy": np.ones((1, 1)), "transition": np.ones((1, 1, 1)), "reward": np.ones((1, 1))}
    with pytest.raises(np.linalg.LinAlgError):
        F.policy_values(**forever, gamma=1.0)
    forever["transition"] = 0.75 * forever["transition"]  # ends with probability 1/4: four steps on average
    np.testing.assert_allclose(F.policy_values(**forever, gamma=1.0), [4.0])


def test_discounted_visits_are_the_shares_of_discounted_time_and_give_the_return(mdp):
    policy, transition, start = mdp["policy"], mdp["transition"], np.array([0.7, 0.3, 0.0, 0.0])
    expected, here = np.zeros(4), start
    for t in range(400):
        expected += 0.1 * 0.9**t * here
        here = np.array([sum(here[s] * policy[s] @ transition[s, :, to] for s in range(4)) for to in range(4)])
    visits = F.discounted_visits(policy, transition, start, 0.9)
    np.testing.assert_allclose(visits, expected)
    np.testing.assert_allclose(visits.sum(), 1)
    per_step = visits @ (policy * mdp["reward"]).sum(1)
    np.testing.assert_allclose(per_step / (1 - 0.9), start @ F.policy_values(**mdp, gamma=0.9))


def test_visits_of_what_is_no_distribution_are_refused(mdp):
    policy, transition, start = mdp["policy"], mdp["transition"], np.array([0.7, 0.3, 0.0, 0.0])
    wrong = [(2 * policy, transition, start), (policy, 0.9 * transition, start), (policy, transition, np.ones(4))]
    wrong += [(policy, transition, start * np.nan), (policy, transition, np.array([2.0, -1.0, 0.0, 0.0]))]
    for given in wrong:
        with pytest.raises(ValueError, match="must each hold probabilities that sum to 1.$"):
            F.discounted_visits(*given, 0.9)
    np.testing.assert_allclose(F.discounted_visits(policy, transition, start, 0.0), start)


@pytest.mark.parametrize("gamma", [1, 1.5, -0.5, math.nan])
def test_without_a_discount_there_are_no_shares_of_time(mdp, gamma):
    policy, start = mdp["policy"], np.full(4, 0.25)
    with pytest.raises(ValueError, match=f"^gamma={gamma} must be at least 0 and below 1: "):
        F.discounted_visits(policy, mdp["transition"], start, gamma)
    with pytest.raises(ValueError, match=f"^gamma={gamma} must be at least 0 and below 1: "):
        F.performance_difference(start, policy, policy, gamma)


def test_the_performance_difference_is_the_difference_of_the_returns(mdp, rng):
    old, model, start = mdp["policy"], (mdp["transition"], mdp["reward"], 0.9), np.array([0.1, 0.2, 0.3, 0.4])
    values = F.policy_values(old, *model)
    advantages = F.action_values(values, *model) - values[:, None]
    for new in rng.dirichlet(np.ones(3), size=(20, 4)):
        visits = F.discounted_visits(new, mdp["transition"], start, 0.9)
        expected = start @ F.policy_values(new, *model) - start @ values
        np.testing.assert_allclose(F.performance_difference(visits, new, advantages, 0.9), expected, atol=1e-12)
    visits = F.discounted_visits(old, mdp["transition"], start, 0.9)
    np.testing.assert_allclose(F.performance_difference(visits, old, advantages, 0.9), 0, atol=1e-12)


def test_bellman_optimality_contracts_to_the_values_of_its_greedy_policy(mdp, rng):
    tables = mdp["transition"], mdp["reward"], 0.9
    for _ in range(50):
        one, two = rng.normal(size=(2, 4, 3))
        closer = abs(F.bellman_optimality(one, *tables) - F.bellman_optimality(two, *tables)).max()
        assert closer <= 0.9 * abs(one - two).max() + 1e-12
    q = np.zeros((4, 3))
    for _ in range(400):
        q = F.bellman_optimality(q, *tables)
    best = F.policy_values(np.eye(3)[q.argmax(1)], *tables)
    np.testing.assert_allclose(q.max(1), best)
    policies = np.stack(np.meshgrid(*[range(3)] * 4), -1).reshape(-1, 4)  # all 81 policies
    assert all((F.policy_values(np.eye(3)[actions], *tables) <= best + 1e-9).all() for actions in policies)


# Estimating values ------------------------------------------------------------------------------------------


def test_value_error_weights_the_states():
    true = np.array([1.0, 2.0, 5.0])
    assert F.value_error(true, true, np.full(3, 1 / 3)) == 0
    assert F.value_error(true, np.zeros(3), np.array([0.0, 1.0, 0.0])) == 4
    many = np.stack([true, true + 2, true - 3])
    np.testing.assert_allclose(F.value_error(true, many, np.array([0.2, 0.3, 0.5])), [0, 4, 9])


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_n_step_returns_are_the_double_sum_over_time(rng, gamma):
    rewards, ended, bootstrap = rng.normal(size=(20, 3)), rng.random((20, 3)) < 0.2, rng.normal(size=3)
    expected = np.zeros((20, 3))
    for t in range(20):
        for i in range(3):
            for k in range(t, 20):
                expected[t, i] += gamma ** (k - t) * rewards[k, i]
                if ended[k, i]:
                    break
            else:
                expected[t, i] += gamma ** (20 - t) * bootstrap[i]
    for mask in (ended, ended.astype(float)):
        np.testing.assert_allclose(F.n_step_returns(rewards, mask, bootstrap, gamma), expected, atol=1e-12)


def test_n_step_returns_do_not_round_to_whole_numbers():
    ones, zeros = np.ones((2, 1), int), np.zeros((2, 1), int)
    assert F.n_step_returns(ones, zeros, zeros[0], 0.5).tolist() == [[1.5], [1.0]]


def test_semi_gradient_and_residual_gradient_are_those_of_autograd():
    w = torch.tensor([0.3, -0.7], requires_grad=True)
    features, next_features, reward, gamma = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 0.5]), 0.4, 0.9
    value, next_value = torch.tanh(features @ w), torch.tanh(next_features @ w)
    (gradient,) = torch.autograd.grad(value, w, retain_graph=True)
    (next_gradient,) = torch.autograd.grad(next_value, w, retain_graph=True)
    error = reward + gamma * next_value - value
    (full,) = torch.autograd.grad(-0.5 * error**2, w, retain_graph=True)
    (semi,) = torch.autograd.grad(-0.5 * (reward + gamma * next_value.detach() - value) ** 2, w)
    torch.testing.assert_close(F.semi_gradient(error.detach(), gradient), semi)
    torch.testing.assert_close(F.residual_gradient(error.detach(), gradient, next_gradient, gamma), full)


def test_q_updates_with_step_sizes_1_over_n_average_all_targets_so_far(rng):
    targets, q = rng.exponential(size=(2_000, 3)), np.full(3, -7.0)
    for visits, target in enumerate(targets, 1):
        q = F.q_update(q, target, F.polynomial_step_size(visits, 1.0))
        np.testing.assert_allclose(q, targets[:visits].mean(0))
    np.testing.assert_allclose(q, 1, atol=5 / 2_000**0.5)  # the mean of the distribution, to five standard errors


def test_a_q_update_goes_the_share_alpha_of_the_way_in_each_entry():
    q, target, alpha = torch.tensor([1.0, 1.0, -2.0]), torch.tensor([3.0, 3.0, 2.0]), torch.tensor([0.0, 1.0, 0.25])
    assert F.q_update(q, target, alpha).tolist() == [1.0, 3.0, -1.0]
    error = 1.0
    for _ in range(10):
        error = F.q_update(error, 0.0, 0.1)
    assert error == pytest.approx(0.9**10)  # with a constant step size the error shrinks geometrically


@pytest.mark.parametrize(
    "power, total, squares", [(0.5, None, None), (0.7, None, 3.1056), (1.0, None, 1.6449), (2.0, 1.6449, 1.0823)]
)
def test_polynomial_step_sizes_have_the_sums_that_zeta_has(power, total, squares):
    """Σ 1/n^s = ζ(s) for s > 1, to the integral of the rest; for s <= 1 the sums pass any bound."""
    n = 1_000_000
    step_sizes = F.polynomial_step_size(np.arange(1, n + 1), power)
    for exponent, found, zeta in ((power, step_sizes.sum(), total), (2 * power, (step_sizes**2).sum(), squares)):
        if zeta is None:  # at least the integral of 1/x^s from 1 to n
            assert found > (math.log(n) if exponent == 1 else (n ** (1 - exponent) - 1) / (1 - exponent))
        else:
            assert found + n ** (1 - exponent) / (exponent - 1) == pytest.approx(zeta, abs=1e-4)


# Q-learning with deep networks ------------------------------------------------------------------------------


def test_max_q_and_double_q_equal_their_loops():
    online, target = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
    assert F.max_q(target).tolist() == [max(row) for row in target.tolist()]
    expected = [row[max(range(4), key=lambda a: o[a])] for o, row in zip(online.tolist(), target.tolist())]
    assert F.double_q(online, target).tolist() == expected
    assert F.double_q(target, target).equal(F.max_q(target))
    assert (F.double_q(online, target) <= F.max_q(target)).all()


def test_td_target_masks_the_terminal_and_discounts_each_sample():
    rewards, next_q = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 10.0, 10.0])
    terminated, gamma = torch.tensor([False, True, False]), torch.tensor([0.5, 0.5, 0.125])
    assert F.td_target(rewards, next_q, terminated, gamma).tolist() == [6.0, 2.0, 4.25]
    assert F.td_target(rewards, next_q, terminated.float(), gamma).tolist() == [6.0, 2.0, 4.25]
    truncated_only = torch.zeros(3, dtype=torch.bool)
    assert F.td_target(rewards, next_q, truncated_only, 1.0).tolist() == [11.0, 12.0, 13.0]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99])
def test_the_ceiling_of_values_is_one_more_step_of_reward_with_each_copy(gamma):
    ceiling, ceilings = 1.0, []  # a network that says 0 computes the first targets
    for _ in range(300):
        ceilings.append(ceiling)
        ceiling = 1 + gamma * ceiling
    np.testing.assert_allclose(F.value_ceiling(np.arange(300), gamma), ceilings)
    np.testing.assert_allclose(F.value_ceiling(torch.arange(300.0), gamma), ceilings, rtol=1e-5)
    assert F.value_ceiling(10_000, gamma) == pytest.approx(1 / (1 - gamma))


@pytest.mark.parametrize("period", [1, 2, 7, 100])
@pytest.mark.parametrize("alpha, gamma", [(0.1, 0.9), (0.5, 0.3), (1.0, 0.5), (0.01, 0.99)])
def test_the_copy_factor_is_what_c_updates_make_of_the_two_states(alpha, gamma, period):
    w = frozen = -3.0
    for _ in range(period):
        w += alpha * (0 + gamma * 2 * frozen - w)
    assert F.copy_factor(alpha, gamma, period) == pytest.approx(w / frozen)


def test_a_network_that_is_copied_after_each_update_is_no_target_network():
    assert F.copy_factor(0.1, 0.9, 1) == pytest.approx(1 + 0.1 * (2 * 0.9 - 1))
    assert F.copy_factor(0.1, 0.5, 17) == 1


@pytest.mark.parametrize("gamma", [0.0, 0.6, 0.99])
def test_the_accumulated_bias_is_where_bootstrapping_a_gap_settles(gamma):
    gaps, bias = np.array([-0.2, 0.0, 0.1, 3.0]), np.zeros(4)
    for _ in range(4_000):
        bias = gamma * (bias + gaps)
    np.testing.assert_allclose(F.accumulated_bias(gaps, gamma), bias, atol=1e-12)


@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_huber_is_torchs_and_its_slope_the_clipped_error(delta):
    error = torch.linspace(-6, 6, 101, requires_grad=True)
    loss = F.huber(error, delta)
    zeros = torch.zeros(101)
    torch.testing.assert_close(loss, torch.nn.functional.huber_loss(error, zeros, "none", delta))
    (slope,) = torch.autograd.grad(loss.sum(), error)
    torch.testing.assert_close(slope, error.detach().clamp(-delta, delta))
    np.testing.assert_allclose(F.huber(error.detach().numpy(), delta), loss.detach().numpy())


def test_huber_with_an_infinite_delta_is_half_the_square():
    error = torch.tensor([-100.0, 0.0, 3.0], requires_grad=True)
    loss = F.huber(error, math.inf)
    assert loss.tolist() == [5000.0, 0.0, 4.5]
    assert torch.autograd.grad(loss.sum(), error)[0].tolist() == error.tolist()


def test_dueling_has_the_value_as_its_mean_and_ignores_a_shift_of_the_advantages(rng):
    value, advantages = rng.normal(size=(6, 1)), rng.normal(size=(6, 4))
    q = F.dueling(value, advantages)
    np.testing.assert_allclose(q.mean(1), value[:, 0])
    np.testing.assert_allclose(q - q[:, :1], advantages - advantages[:, :1])
    np.testing.assert_allclose(F.dueling(value, advantages + 7), q)
    np.testing.assert_allclose(F.dueling(torch.tensor(value), torch.tensor(advantages)).numpy(), q)


# Acting and replaying ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start, end", [(1.0, 0.1), (0.4, 1.0)])
def test_linear_schedule_is_straight_and_stays_at_its_end(start, end):
    values = [F.linear_schedule(step, start, end, 40) for step in range(60)]
    np.testing.assert_allclose(values[:41], np.linspace(start, end, 41))
    assert set(values[40:]) == {end}


def test_epsilon_greedy_mixes_the_greedy_and_the_uniform_policy(rng):
    q = rng.normal(size=(5, 3))
    assert F.epsilon_greedy(q, 0.0).tolist() == np.eye(3)[q.argmax(1)].tolist()
    np.testing.assert_allclose(F.epsilon_greedy(q, 1.0), 1 / 3)
    policy = F.epsilon_greedy(q, 0.3)
    np.testing.assert_allclose(policy.sum(1), 1)
    np.testing.assert_allclose(policy.max(1), 0.8)
    np.testing.assert_allclose(np.sort(policy)[:, :2], 0.1)
    np.testing.assert_allclose(F.epsilon_greedy(np.zeros((1, 3)), 0.3), [[0.8, 0.1, 0.1]])  # a tie


def test_priority_probabilities_go_from_uniform_to_proportional():
    priorities = np.array([1.0, 4.0, 9.0, 16.0])
    np.testing.assert_allclose(F.priority_probabilities(priorities, 0.0), 0.25)
    np.testing.assert_allclose(F.priority_probabilities(priorities, 0.5), np.array([1, 2, 3, 4]) / 10)
    np.testing.assert_allclose(F.priority_probabilities(priorities, 1.0), priorities / 30)


def test_importance_weights_undo_the_prioritized_sampling(rng):
    probabilities, x = rng.dirichlet(np.ones(10)), rng.normal(size=10)
    weights = F.importance_weights(probabilities, 10, 1.0)
    corrected = probabilities * weights
    np.testing.assert_allclose((corrected * x).sum() / corrected.sum(), x.mean())
    assert weights.max() == 1 and weights.argmax() == probabilities.argmin()
    np.testing.assert_allclose(F.importance_weights(probabilities, 10, 0.0), 1)
    np.testing.assert_allclose(F.importance_weights(np.full(4, 0.1), 10, 0.7), 1)
    np.testing.assert_allclose(F.importance_weights(np.array([0.25, 0.01]), 9, 0.5), [0.2, 1.0])


@pytest.mark.parametrize("batch_size", [1, 2, 5, 32])
def test_the_effective_batch_size_is_the_variance_of_a_sample_over_that_of_the_mean(rng, batch_size):
    """For a moving average of noise, x_t = Σ_j b_j e_{t-j}, whose correlations are known: the double sum over pairs."""
    b = rng.normal(size=6)
    covariances = np.array([sum(b[j] * b[j + k] for j in range(6 - k)) for k in range(6)] + [0] * 40)
    pairs = [covariances[abs(i - j)] for i in range(batch_size) for j in range(batch_size)]
    expected = covariances[0] / (sum(pairs) / batch_size**2)
    assert F.effective_batch_size(covariances / covariances[0], batch_size) == pytest.approx(expected)


@pytest.mark.parametrize("c", [-0.5, 0.0, 0.9])
def test_the_effective_batch_size_is_that_of_simulated_autoregressions(rng, c):
    """x_{t+1} = c x_t + noise, with variance 1 from the start: c_k = c^k. 40,000 batches of 16."""
    x = rng.normal(size=40_000)
    total = np.zeros(40_000)
    for _ in range(16):
        total += x
        x = c * x + math.sqrt(1 - c**2) * rng.normal(size=40_000)
    measured = 1 / (total / 16).var()
    assert F.effective_batch_size(c ** np.arange(20.0), 16) == pytest.approx(measured, rel=0.04)  # 5 standard errors


def test_too_few_correlations_for_a_batch_are_refused():
    for correlations in (np.ones(4), np.ones((1, 5)), np.ones((5, 1))):
        with pytest.raises(ValueError) as refused:
            F.effective_batch_size(correlations, 5)
        assert is_our_sentence(str(refused.value))


# Policies ---------------------------------------------------------------------------------------------------


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


QUARTERS, HALVES = torch.tensor([[0.0, math.log(3.0)]]), torch.zeros(1, 2)  # π = (1/4, 3/4) and (1/2, 1/2)


def test_a_softmax_policy_by_hand():
    assert F.log_prob(QUARTERS, torch.tensor([0])).item() == pytest.approx(math.log(1 / 4))
    assert F.log_prob(QUARTERS, torch.tensor([1])).item() == pytest.approx(math.log(3 / 4))
    assert F.entropy(QUARTERS).item() == pytest.approx(math.log(4) - 0.75 * math.log(3))
    assert F.kl_divergence(HALVES, QUARTERS).item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert F.kl_divergence(QUARTERS, HALVES).item() == pytest.approx(0.25 * math.log(1 / 2) + 0.75 * math.log(3 / 2))


def test_a_gaussian_policy_by_hand():
    narrow, wide = torch.zeros(1, 2), torch.tensor([[0.0, math.log(2.0)]])  # σ = 1 and 2 in the second dimension
    mean, action = torch.zeros(1, 2), torch.tensor([[1.0, 4.0]])
    assert F.gaussian_log_prob(mean, wide, action).item() == pytest.approx(
        -0.5 - 2 - math.log(2) - math.log(2 * math.pi)
    )
    assert F.gaussian_entropy(wide).item() == pytest.approx(math.log(2 * math.pi * math.e) + math.log(2))
    assert F.gaussian_kl(mean, narrow, mean, wide).item() == pytest.approx(math.log(2) + 1 / 8 - 1 / 2)
    assert F.gaussian_kl(mean, wide, mean, narrow).item() == pytest.approx(-math.log(2) + 4 / 2 - 1 / 2)
    assert F.gaussian_kl(mean, wide, mean + 2, wide).item() == pytest.approx(4 / 2 + 4 / 8)


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("shape", [(50,), (7, 3)])  # a batch, and a rollout
def test_log_prob_entropy_and_kl_are_those_of_torchs_distributions(discrete, shape):
    old_params, params = normal(2, *shape, 4)
    old, new = distribution(old_params, discrete), distribution(params, discrete)
    actions = new.sample()
    if discrete:
        got = F.log_prob(params, actions), F.entropy(params), F.kl_divergence(old_params, params)
    else:
        old_params, params = old_params.chunk(2, -1), params.chunk(2, -1)
        got = F.gaussian_log_prob(*params, actions), F.gaussian_entropy(params[1]), F.gaussian_kl(*old_params, *params)
    expected = new.log_prob(actions), new.entropy(), torch.distributions.kl_divergence(old, new)
    for one, other in zip(got, expected):
        assert one.shape == shape
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_kl_is_0_between_equals_positive_otherwise_and_not_symmetric():
    old, new = 2 * normal(2, 100, 4)
    for kl in (F.kl_divergence, lambda old, new: F.gaussian_kl(*old.chunk(2, -1), *new.chunk(2, -1))):
        assert kl(old, old).abs().max() < 1e-6
        assert kl(old, new).min() > 0
        assert (kl(old, new) - kl(new, old)).abs().max() > 0.1


def test_a_softmax_policy_stands_large_logits_and_ignores_a_shift_of_them():
    logits, actions = normal(9, 3), torch.arange(9) % 3
    torch.testing.assert_close(F.log_prob(logits + 5, actions), F.log_prob(logits, actions))
    torch.testing.assert_close(F.entropy(logits + 5), F.entropy(logits))
    sure = torch.tensor([[1e4, 0.0, -1e4]])
    assert F.log_prob(sure, torch.tensor([2])).item() == -2e4
    assert F.entropy(sure).item() == 0 == F.kl_divergence(sure, sure).item()
    assert F.kl_divergence(sure, -sure).item() == 2e4


# Policy gradients -------------------------------------------------------------------------------------------


def test_the_policy_gradient_of_a_softmax_pushes_the_action_up_and_the_others_down():
    logits = normal(6, 3).requires_grad_()
    actions, advantages = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([1.0, -2.0, 0.0, 3.0, 0.5, -1.0])
    F.policy_gradient(F.log_prob(logits, actions), advantages).sum().backward()
    for b in range(6):
        pi = logits[b].detach().exp() / logits[b].detach().exp().sum()
        expected = [float(advantages[b]) * ((a == actions[b]).item() - pi[a].item()) for a in range(3)]
        np.testing.assert_allclose(logits.grad[b], expected, atol=1e-6)


def random_rollout(rng, steps=30, num_envs=4):
    """rewards, values, next_values, terminated, truncated; episodes end in each of the two ways and in both."""
    ends = rng.random((2, steps, num_envs)) < 0.15
    assert (ends[0] & ends[1]).any() and (ends[0] & ~ends[1]).any() and (~ends[0] & ends[1]).any()
    assert ends[:, -1].any() and not ends[:, -1].any(0).all()  # in the last row some episodes end and some continue
    return *rng.normal(size=(3, steps, num_envs)), *ends


def literal_delta(rewards, values, next_values, terminated, t, i, gamma):
    return rewards[t, i] + (0 if terminated[t, i] else gamma * next_values[t, i]) - values[t, i]


@pytest.mark.parametrize("gamma, gae_lambda", [(0.9, 0.8), (1.0, 1.0), (0.9, 0.0), (0.0, 0.9), (0.99, 1.0)])
def test_gae_is_the_double_sum_of_td_errors_up_to_the_end_of_the_episode(rng, gamma, gae_lambda):
    rewards, values, next_values, terminated, truncated = rollout = random_rollout(rng)
    expected = np.zeros_like(rewards)
    for t in range(30):
        for i in range(4):
            for k in range(t, 30):
                delta = literal_delta(rewards, values, next_values, terminated, k, i, gamma)
                expected[t, i] += (gamma * gae_lambda) ** (k - t) * delta
                if terminated[k, i] or truncated[k, i]:
                    break
    np.testing.assert_allclose(F.gae(*rollout, gamma, gae_lambda), expected, atol=1e-12)


def test_gae_with_lambda_0_is_the_td_error(rng):
    rewards, values, next_values, terminated, truncated = rollout = random_rollout(rng)
    got = F.gae(*rollout, 0.9, 0.0)
    for t in range(30):
        for i in range(4):
            assert got[t, i] == pytest.approx(literal_delta(*rollout[:4], t, i, 0.9))


def test_gae_with_lambda_1_is_the_n_step_return_less_the_value(rng):
    rewards, values, _, terminated, truncated = random_rollout(rng)
    next_values = np.where(terminated | truncated, rng.normal(size=(30, 4)), np.roll(values, -1, 0))
    expected = np.zeros_like(rewards)
    for t in range(30):
        for i in range(4):
            for k in range(t, 30):
                expected[t, i] += 0.9 ** (k - t) * rewards[k, i]
                if terminated[k, i] or truncated[k, i]:
                    break
            if not terminated[k, i]:
                expected[t, i] += 0.9 ** (k - t + 1) * next_values[k, i]
    got = F.gae(rewards, values, next_values, terminated, truncated, 0.9, 1.0)
    np.testing.assert_allclose(got, expected - values, atol=1e-12)


def test_gae_of_an_ending_of_each_kind_by_hand():
    """Reward 1, V = 2, V' = 4, γ = λ = 1/2, then a row with the advantage 1 + 2 - 2 = 1."""
    one, no, yes = np.ones((2, 1)), np.array([[False], [False]]), np.array([[True], [False]])
    for terminated, truncated, expected in [(no, no, 1.25), (no, yes, 1.0), (yes, no, -1.0), (yes, yes, -1.0)]:
        got = F.gae(one, 2 * one, 4 * one, terminated, truncated, 0.5, 0.5)
        assert got.tolist() == [[expected], [1.0]]


def test_gae_does_not_round_to_whole_numbers():
    ones, zeros = np.ones((2, 1), int), np.zeros((2, 1), int)
    assert F.gae(ones, zeros, zeros, zeros, zeros, 1, 0.5).tolist() == [[1.5], [1.0]]


def test_gae_of_no_steps_is_empty():
    assert F.gae(*np.zeros((5, 0, 3)), 0.9, 0.9).shape == (0, 3)


def test_gae_does_not_change_its_arguments(rng):
    rollout = random_rollout(rng)
    before = [x.copy() for x in rollout]
    F.gae(*rollout, 0.9, 0.9)
    assert all((one == other).all() for one, other in zip(rollout, before))


def test_normalized_advantages_have_mean_0_and_deviation_1(rng):
    advantages = rng.normal(3.0, 20.0, size=500)
    got = F.normalize(torch.tensor(advantages)).numpy()
    np.testing.assert_allclose(got, (advantages - advantages.mean()) / advantages.std(), atol=1e-8)


def test_whole_numbers_normalise_to_fractions():
    assert F.normalize(torch.tensor([1, 2, 3])).tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])


@pytest.mark.parametrize("value", [0.0, 7.0, -3e6, 0.1, 7.3])  # the last two have no exact float
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_equal_advantages_normalise_to_0(value, size):
    assert F.normalize(torch.full((size,), value)).abs().max() < 1e-2  # their mean is rounded, but never ± 1


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
@pytest.mark.parametrize("shape", [(40,), (8, 5)])
def test_explained_variance_equals_literal_sums(rng, kind, shape):
    values, returns = rng.normal(3.0, 2.0, shape), rng.normal(-1.0, 5.0, shape)
    spread = lambda xs: sum((x - sum(xs) / len(xs)) ** 2 for x in xs)
    errors = [y - v for v, y in zip(values.ravel().tolist(), returns.ravel().tolist())]
    expected = 1 - spread(errors) / spread(returns.ravel().tolist())
    got = F.explained_variance(kind(values), kind(returns))
    assert got.shape == () and isinstance(got, np.floating if kind is np.asarray else torch.Tensor)
    assert float(got) == pytest.approx(expected) and expected < 0.5


def test_the_explained_variance_of_a_least_squares_line_is_the_squared_correlation(rng):
    x = rng.normal(size=200)
    returns = 3 * x + rng.normal(size=200)
    line = np.polyval(np.polyfit(x, returns, 1), x)
    assert F.explained_variance(line, returns) == pytest.approx(np.corrcoef(x, returns)[0, 1] ** 2)


def test_explained_variance_is_about_differences_and_ignores_an_offset():
    returns = torch.tensor([1.0, 4.0, -2.0, 0.5])
    assert F.explained_variance(returns, returns) == 1 == F.explained_variance(returns + 7, returns)
    assert F.explained_variance(torch.full((4,), 9.0), returns) == 0 == F.explained_variance(9.0, returns)
    assert F.explained_variance(2 * returns, returns).item() == pytest.approx(0)
    assert F.explained_variance(3 * returns, returns).item() == pytest.approx(-3)


@pytest.mark.parametrize("kind", [np.full, torch.full])
@pytest.mark.parametrize("size, value", [(1, 2.0), (5, 0.0), (7, 0.1), (1000, 7.3), (30, 1e6)])
def test_explained_variance_is_nan_if_all_returns_are_equal(kind, size, value, recwarn):
    returns = kind((size,), value)
    for values in (returns, 0 * returns, returns + kind((size,), 1.0)):
        got = F.explained_variance(values, returns)
        assert math.isnan(got) and isinstance(got, np.floating | torch.Tensor)
    assert not recwarn.list


def test_value_loss_pulls_each_value_to_its_return():
    values = torch.tensor([1.0, 3.0, -2.0], requires_grad=True)
    loss = F.value_loss(values, torch.tensor([4.0, 3.0, 1.0]))
    assert loss.tolist() == [9.0, 0.0, 9.0]
    assert torch.autograd.grad(loss.sum(), values)[0].tolist() == [-6.0, 0.0, -6.0]


def test_a_clipped_value_has_no_gradient_once_it_has_moved_epsilon_towards_its_target():
    values = torch.tensor([1.2, 1.4, 0.6, 2.9], requires_grad=True)  # inside, too far, too far the other way, beyond
    old_values, returns = torch.ones(4), torch.tensor([3.0, 3.0, 3.0, 2.0])
    loss = F.clipped_value_loss(values, old_values, returns, 0.25)
    torch.testing.assert_close(loss, torch.tensor([1.8**2, 1.75**2, 2.4**2, 0.9**2]))
    gradient = torch.autograd.grad(loss.sum(), values)[0]
    torch.testing.assert_close(gradient, torch.tensor([-3.6, 0.0, -4.8, 1.8]))


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_value_loss_without_a_limit_is_the_usual_one(kind):
    values, old_values, returns = (kind(x) for x in ([0.1, 7.0], [1e6, -3.0], [0.3, 2.0]))
    assert (F.clipped_value_loss(values, old_values, returns, math.inf) == F.value_loss(values, returns)).all()
    assert isinstance(F.clipped_value_loss(values, old_values, returns, 0.5), type(values))


def test_the_loss_of_an_actor_critic_by_hand():
    """-A ln π + λ L_V - β H."""
    log_probs, entropy = torch.tensor([-1.0, -2.0], requires_grad=True), torch.tensor([0.5, 0.25], requires_grad=True)
    advantages, errors = torch.tensor([3.0, -1.0]), torch.tensor([4.0, 1.0], requires_grad=True)
    loss = F.actor_critic_loss(log_probs, advantages, errors, entropy, value_coef=0.5, entropy_coef=0.1)
    np.testing.assert_allclose(loss.detach(), [3 + 2 - 0.05, -2 + 0.5 - 0.025], rtol=1e-6)
    slopes = torch.autograd.grad(loss.sum(), (log_probs, errors, entropy))
    np.testing.assert_allclose(torch.stack(slopes), [[-3, 1], [0.5, 0.5], [-0.1, -0.1]], rtol=1e-6)


def test_a_human_scores_100_and_random_play_0(rng):
    random, human = rng.normal(size=9), rng.normal(size=9)
    np.testing.assert_allclose(F.human_normalized(random, random, human), 0)
    np.testing.assert_allclose(F.human_normalized(human, random, human), 100)
    assert F.human_normalized(-20.7, random=-20.7, human=9.3) == 0  # Pong
    assert F.human_normalized(18.9, random=-20.7, human=9.3) == pytest.approx(132)
    assert F.human_normalized(0.0, random=4.0, human=2.0) == 200  # also if less is better


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_saliency_is_half_the_squared_distance_of_each_row(rng, kind):
    outputs, perturbed = rng.normal(size=3), rng.normal(size=(2, 5, 3))
    expected = [[sum((f - g) ** 2 for f, g in zip(outputs, row)) / 2 for row in rows] for rows in perturbed]
    np.testing.assert_allclose(F.perturbation_saliency(kind(outputs), kind(perturbed)), expected)


# Size and speed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 3), (5, 2, 3, 3)])  # a linear layer, a convolution
def test_each_filter_gets_the_length_of_the_networks_and_keeps_its_direction(shape):
    direction, weights = normal(*shape), normal(*shape, seed=1)
    got = F.filter_normalized(direction, weights)
    for d, w, g in zip(direction, weights, got):
        assert math.sqrt(sum(x * x for x in g.flatten().tolist())) == pytest.approx(
            math.sqrt(sum(x * x for x in w.flatten().tolist())), rel=1e-5
        )
        assert torch.nn.functional.cosine_similarity(d.flatten(), g.flatten(), 0).item() == pytest.approx(1)
    assert F.filter_normalized(normal(4), normal(4)).tolist() == [0.0] * 4  # a bias


@pytest.mark.parametrize("share, factor", [(0.0, 9.0), (1.0, 9.0), (0.3, 2.0), (0.9, 0.5)])
def test_amdahls_law_is_the_time_before_over_the_time_after(share, factor):
    before = 80.0
    after = (before - share * before) + share * before / factor
    assert F.amdahl(share, factor) == pytest.approx(before / after)


def test_the_part_that_stays_slow_bounds_the_speed_up():
    shares = np.array([0.0, 0.5, 0.9])
    np.testing.assert_allclose(F.amdahl(shares, math.inf), [1, 2, 10])
    assert (F.amdahl(shares, 1e6) <= F.amdahl(shares, math.inf)).all()


def test_shards_share_the_bytes_of_a_message_and_each_gets_one():
    assert F.service_demand(600.0, per_byte=0.5, per_message=7.0) == 7 + 300
    assert F.service_demand(600.0, per_byte=0.5, per_message=7.0, shards=3) == 7 + 100
    np.testing.assert_allclose(F.service_demand(np.array([0.0, 4.0]), 0.5, 1.0, shards=1_000_000), [1, 1], atol=1e-5)


def schedule(workers, think_time, service, laps=50):
    """Laps per second at one server, first come, first served, if nothing is random: written out -> X."""
    ready, free, ends = [think_time] * workers, 0.0, []
    while len(ends) < laps * workers:
        first = ready.index(min(ready))
        free = max(ready[first], free) + service
        ends.append(free)
        ready[first] = free + think_time
    half = len(ends) // 2
    return (len(ends) - 1 - half) / (ends[-1] - ends[half])


@pytest.mark.parametrize("workers, bound", [(1, 1 / 10), (3, 3 / 10), (5, 1 / 2), (9, 1 / 2)])
def test_a_schedule_without_chance_reaches_the_bounds_of_the_throughput(workers, bound):
    assert F.throughput_bound(workers, think_time=8.0, demands=[2.0]) == pytest.approx(bound)
    assert schedule(workers, 8.0, 2.0) == pytest.approx(bound, rel=0.02)


def test_the_busiest_server_bounds_the_throughput_from_the_saturation_point_on():
    demands = [0.2, 0.5, 0.1]
    assert F.saturation_point(1.2, demands) == pytest.approx(4.0)
    below, at, above = (F.throughput_bound(workers, 1.2, demands) for workers in (3.9, 4.0, 400.0))
    assert below < at == pytest.approx(1 / 0.5) and above == 1 / 0.5
    for workers in (np.array([1.0, 2.0, 8.0]), torch.tensor([1.0, 2.0, 8.0])):
        np.testing.assert_allclose(F.throughput_bound(workers, 1.2, demands), [0.5, 1.0, 2.0])


@pytest.mark.parametrize("demands", [[], [0.0, 0.0]])
def test_without_a_demand_workers_do_not_disturb_each_other(demands):
    assert F.saturation_point(0.5, demands) == math.inf
    assert F.throughput_bound(1_000, 0.5, demands) == 2_000


def test_mean_staleness_is_what_a_round_robin_counts():
    """Five workers update in turn, one a second. One of them has read θ at any moment of the five seconds before."""
    moments = np.arange(0.05, 5, 0.1)
    counted = [sum(other < held for other in (1, 2, 3, 4)) for held in moments]  # others, so many seconds before
    assert F.mean_staleness(5, held=moments, lap=np.full(len(moments), 5.0)).mean() == pytest.approx(np.mean(counted))
    assert F.mean_staleness(5, held=5.0, lap=5.0) == 4 and F.mean_staleness(1, held=5.0, lap=5.0) == 0


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 4, 7, 20, 50])
def test_at_the_delay_bound_the_largest_root_leaves_the_unit_circle(delay):
    def largest_root(step_size):
        coefficients = np.zeros(delay + 2)  # z^{τ+1} - z^τ + αλ, highest power first; without delay z - 1 + αλ
        coefficients[:2] = 1, -1
        coefficients[-1] += step_size
        return abs(np.roots(coefficients)).max()

    bound = F.delay_bound(delay)
    assert largest_root(bound) == pytest.approx(1, abs=1e-9)
    assert largest_root(1.001 * bound) > 1
    assert all(largest_root(share * bound) < 1 for share in (0.001, 0.1, 0.5, 0.9, 0.999))


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_below_the_delay_bound_late_descent_arrives_and_above_it_runs_away(delay):
    for share, arrives in ((0.97, True), (1.03, False)):
        w = [1.0] * (delay + 1)
        for _ in range(4_000):
            w.append(w[-1] - share * F.delay_bound(delay) * w[-1 - delay])
        assert (abs(w[-1]) < 1e-6) == arrives and (abs(w[-1]) > 1e6) == (not arrives)


# Optimisers -------------------------------------------------------------------------------------------------


def test_rmsprop_has_epsilon_inside_its_root_and_goes_to_the_sign_of_a_steady_gradient():
    direction, square = F.rmsprop(torch.tensor([2.0, -6.0]), torch.tensor([0.0, 4.0]), decay=0.75, eps=3.0)
    assert square.tolist() == [1.0, 12.0]
    np.testing.assert_allclose(direction, [2 / math.sqrt(1 + 3), -6 / math.sqrt(12 + 3)], rtol=1e-6)
    gradient, square = torch.tensor([1e-3, -50.0]), torch.zeros(2)
    for _ in range(200):
        direction, square = F.rmsprop(gradient, square, decay=0.9, eps=0.0)
    np.testing.assert_allclose(direction, [1, -1], rtol=1e-5)
    np.testing.assert_allclose(square, gradient**2, rtol=1e-5)


@pytest.mark.parametrize("betas, eps", [((0.9, 0.999), 1e-8), ((0.5, 0.9), 0.1), ((0.0, 0.0), 1e-3)])
def test_adam_is_torchs(betas, eps):
    parameter = torch.nn.Parameter(torch.zeros(5))
    optimizer = torch.optim.Adam([parameter], lr=1.0, betas=betas, eps=eps)
    mean, square, theta = torch.zeros(5), torch.zeros(5), torch.zeros(5)
    for count in range(1, 9):
        parameter.grad = 10.0 ** (count % 4 - 2) * normal(5, seed=count)
        optimizer.step()
        direction, mean, square = F.adam(parameter.grad, mean, square, count, betas, eps)
        theta -= direction
        torch.testing.assert_close(theta, parameter.detach(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mean, optimizer.state[parameter]["exp_avg"])
        torch.testing.assert_close(square, optimizer.state[parameter]["exp_avg_sq"])


# Importance sampling ----------------------------------------------------------------------------------------


def test_ratios_turn_samples_of_one_distribution_into_the_mean_of_another():
    p, q = torch.tensor([0.1, 0.2, 0.7]), torch.tensor([0.5, 0.3, 0.2])
    weights = F.ratio(p.log(), q.log())
    torch.testing.assert_close(weights, torch.tensor([0.2, 2 / 3, 3.5]))
    assert (q * weights * torch.tensor([1.0, 2.0, 3.0])).sum().item() == pytest.approx(0.1 + 0.4 + 2.1)


@pytest.mark.parametrize("difference", [50.0, 1e4, 1e38, math.inf, -1e4, -math.inf])
def test_a_ratio_and_its_gradient_stay_finite(difference):
    log_probs = torch.tensor([difference, 0.0], requires_grad=True)
    ratio = F.ratio(log_probs, torch.zeros(2))
    (gradient,) = torch.autograd.grad(ratio.sum(), log_probs)
    assert ratio.isfinite().all() and (ratio >= 0).all() and gradient.isfinite().all()
    assert (ratio[0] > 1e8) == (difference > 0) and ratio[1] == gradient[1] == 1


def test_the_effective_sample_size_goes_from_one_to_all(rng):
    for n in (1, 2, 10):
        assert F.effective_sample_size(np.full(n, 0.3)) == pytest.approx(n)
        assert F.effective_sample_size(np.eye(n)).tolist() == [1.0] * n
    assert F.effective_sample_size(np.array([0.0, 5.0, 5.0, 0.0, 5.0])) == pytest.approx(3)
    weights = rng.exponential(size=(20, 50))
    sizes = F.effective_sample_size(weights)
    np.testing.assert_allclose(sizes, 50 / (1 + weights.var(1) / weights.mean(1) ** 2))
    np.testing.assert_allclose(F.effective_sample_size(torch.tensor(7 * weights)), sizes)


# Trust regions and PPO --------------------------------------------------------------------------------------


def slope(objective, ratio):
    ratio = torch.tensor(ratio, requires_grad=True)
    return torch.autograd.grad(objective(ratio).sum(), ratio)[0].tolist()


def test_the_clipped_surrogate_has_no_gradient_at_two_corners_and_one_at_the_other_two():
    ratio, advantages = [1.5, 0.5, 1.5, 0.5, 1.1, 0.9, 1.1, 0.9], torch.tensor([3.0, -3, -3, 3, 3, 3, -3, -3])
    clipped = lambda r: F.clipped_surrogate(r, advantages, 0.2)
    assert slope(clipped, ratio) == [0, 0, -3, 3, 3, 3, -3, -3]
    np.testing.assert_allclose(clipped(torch.tensor(ratio)), [3.6, -2.4, -4.5, 1.5, 3.3, 2.7, -3.3, -2.7], rtol=1e-6)


def test_the_clipped_surrogate_on_a_grid(rng):
    for clip_coef in (0.1, 0.3):
        ratio, advantages = rng.uniform(0.3, 2.0, 400).tolist(), rng.normal(size=400).tolist()
        clipped = lambda r: F.clipped_surrogate(r, torch.tensor(advantages), clip_coef)  # noqa: B023
        for r, a, got, gradient in zip(ratio, advantages, clipped(torch.tensor(ratio)).tolist(), slope(clipped, ratio)):
            dead = r > 1 + clip_coef and a > 0 or r < 1 - clip_coef and a < 0
            assert gradient == pytest.approx(0 if dead else a, rel=1e-5)
            edge = min(max(r, 1 - clip_coef), 1 + clip_coef)
            assert got == pytest.approx(min(r * a, edge * a), rel=1e-5)
            assert got <= r * a + 1e-6  # a lower bound


def test_the_dead_samples_are_those_without_a_gradient(rng):
    ratio, advantages = rng.uniform(0.3, 2.0, 400).astype(np.float32), rng.normal(size=400).astype(np.float32)
    for clip_coef in (0.1, 0.3, 0.9):
        clipped = lambda r: F.clipped_surrogate(r, torch.from_numpy(advantages), clip_coef)  # noqa: B023
        dead = np.array(slope(clipped, ratio)) == 0
        for kind in (np.asarray, torch.from_numpy):
            assert np.array_equal(F.dead_samples(kind(ratio), kind(advantages), clip_coef), dead)
        assert dead.any()


def test_where_the_policies_agree_the_surrogates_gradient_is_the_policy_gradient():
    logits = normal(8, 3)
    actions, advantages = torch.arange(8) % 3, normal(8, seed=1)
    old = F.log_prob(logits, actions)
    pi = logits.softmax(-1)
    expected = advantages[:, None] * (torch.eye(3)[actions] - pi)
    surrogates = {
        "plain": lambda ratio, z: F.surrogate(ratio, advantages),
        "clipped": lambda ratio, z: F.clipped_surrogate(ratio, advantages, 0.2),
        "penalised": lambda ratio, z: F.kl_penalized_surrogate(ratio, advantages, F.kl_divergence(logits, z), 9.0),
    }
    for surrogate in surrogates.values():
        z = logits.clone().requires_grad_()
        objective = surrogate(F.ratio(F.log_prob(z, actions), old), z)
        torch.testing.assert_close(objective, advantages)  # ratio 1, KL 0
        torch.testing.assert_close(torch.autograd.grad(objective.sum(), z)[0], expected)


def test_the_penalty_is_beta_times_the_kl():
    ratio, advantages, kl = torch.tensor([1.5, 0.5]), torch.tensor([2.0, -4.0]), torch.tensor([0.1, 0.3])
    np.testing.assert_allclose(F.kl_penalized_surrogate(ratio, advantages, kl, 10.0), [2.0, -5.0])
    np.testing.assert_allclose(F.kl_penalized_surrogate(ratio, advantages, kl, 0.0), F.surrogate(ratio, advantages))
    assert slope(lambda kl: F.kl_penalized_surrogate(ratio, advantages, kl, 10.0), [0.1, 0.3]) == [-10, -10]


def test_beta_follows_the_lectures_rule():
    cases = {0.0: 3.0, 0.0099: 3.0, 0.01: 6.0, 0.02: 6.0, 0.03: 6.0, 0.0301: 12.0, 5.0: 12.0}
    assert {kl: F.adapt_kl_coef(6.0, kl, kl_min=0.01, kl_max=0.03) for kl in cases} == cases
    assert F.adapt_kl_coef(6.0, 1.0, 0.01, 0.03, factor=1.5) == 9.0
    assert F.adapt_kl_coef(6.0, 0.0, 0.01, 0.03, factor=1.5) == 4.0


def test_the_papers_rule_for_beta_is_a_special_case_of_the_lectures(rng):
    d = 0.01
    for kl in rng.uniform(0, 0.03, 200):
        paper = 0.5 if kl < d / 1.5 else 2.0 if kl > d * 1.5 else 1.0  # section 4
        assert F.adapt_kl_coef(1.0, kl, kl_min=d / 1.5, kl_max=1.5 * d) == paper


def test_group_advantages_are_those_of_each_group_alone(rng):
    rewards = torch.tensor(rng.normal(5, 3, size=(4, 7)))
    for row, alone in zip(F.group_advantages(rewards), rewards):
        np.testing.assert_allclose(row, F.normalize(alone))
    left = F.group_advantages(rewards, scale=False)
    np.testing.assert_allclose(left, rewards - rewards.mean(1, keepdim=True))
    other_scale = 10 * rewards + torch.arange(4.0)[:, None]
    np.testing.assert_allclose(F.group_advantages(other_scale), F.group_advantages(rewards))
    assert F.group_advantages(torch.full((2, 3), 0.1)).abs().max() < 1e-2  # equal rewards teach nothing


def test_the_estimate_of_the_kl_is_right_on_average_and_never_negative(rng):
    logits, reference = (torch.tensor(rng.normal(size=6)) for _ in range(2))
    policy, log_ref = logits.log_softmax(0), reference.log_softmax(0)
    estimate = F.kl_estimate(policy, log_ref)
    exact = F.kl_divergence(logits, reference)
    assert (estimate >= 0).all() and (policy.exp() @ estimate).item() == pytest.approx(exact.item())
    plain = policy - log_ref
    assert (plain < 0).any() and (policy.exp() @ plain).item() == pytest.approx(exact.item())
    near = log_ref + 0.1 * policy - (log_ref + 0.1 * policy).logsumexp(0)
    weights = near.exp()
    varied = [float(weights @ x**2 - (weights @ x) ** 2) for x in (F.kl_estimate(near, log_ref), near - log_ref)]
    assert varied[0] < 0.2 * varied[1]


def test_the_gradient_of_the_kl_estimate_is_that_of_the_kl_the_other_way_round(rng):
    logits = torch.tensor(rng.normal(size=6), requires_grad=True)
    reference = torch.tensor(rng.normal(size=6))
    held = logits.detach().softmax(0)  # the samples are held fixed, as in a minibatch
    mean = held @ F.kl_estimate(logits.log_softmax(0), reference.log_softmax(0))
    got = torch.autograd.grad(mean, logits)[0]
    other_way, this_way = (
        torch.autograd.grad(kl, logits)[0]
        for kl in (F.kl_divergence(reference, logits), F.kl_divergence(logits, reference))
    )
    np.testing.assert_allclose(got, other_way)
    assert (got - this_way).abs().max() > 0.05


def test_no_policy_is_worth_more_than_the_optimal_one_under_a_price_of_the_kl(rng):
    reference, rewards = torch.tensor(rng.normal(size=6)), torch.tensor(rng.normal(size=6))
    worth = lambda logits: float(logits.softmax(0) @ rewards - 0.3 * F.kl_divergence(logits, reference))
    best = F.kl_optimal_policy(reference.log_softmax(0), rewards, 0.3)
    assert best.exp().sum().item() == pytest.approx(1)
    others = best + torch.tensor(rng.normal(size=(200, 6))) * torch.logspace(-3, 0, 200)[:, None]
    assert all(worth(other) < worth(best) for other in others)
    np.testing.assert_allclose(F.kl_optimal_policy(reference, rewards, 1e9), reference.log_softmax(0), atol=1e-6)
    assert F.kl_optimal_policy(reference, rewards, 1e-3).argmax() == rewards.argmax()


@pytest.mark.parametrize("kl_coef", [0, -1.0, math.nan])
def test_there_is_no_best_policy_without_a_price_of_the_kl(kl_coef):
    with pytest.raises(ValueError, match=f"^kl_coef={kl_coef} must be above 0: "):
        F.kl_optimal_policy(torch.zeros(2), torch.ones(2), kl_coef)


@pytest.mark.parametrize("size", [1, 2, 5, 20])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_conjugate_gradient_agrees_with_linalg_solve(size, scale):
    root = normal(size, size, seed=size).double()
    H, b = root @ root.T + torch.eye(size), scale * normal(size, seed=9).double()
    before = b.clone()
    x = F.conjugate_gradient(lambda v: H @ v, b, iterations=2 * size)
    torch.testing.assert_close(x, torch.linalg.solve(H, b), rtol=1e-3, atol=1e-4 * scale)
    assert b.equal(before)


def test_conjugate_gradient_stops_when_the_residual_is_zero():
    calls = []

    def matvec(v):
        calls.append(v)
        return 4.0 * v

    assert F.conjugate_gradient(matvec, torch.tensor([2.0, 8.0])).tolist() == [0.5, 2.0]
    assert len(calls) == 1
    assert F.conjugate_gradient(matvec, torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert len(calls) == 1


def test_conjugate_gradient_refuses_a_product_of_another_shape():
    message = re.escape("matvec(b) [3, 1] and b [3] must have the same shape; drop the last axis of matvec(b)")
    with pytest.raises(ValueError, match=message):
        F.conjugate_gradient(lambda v: 2 * v[:, None], torch.ones(3))


def test_conjugate_gradients_first_step_is_the_best_along_b():
    H, b = torch.tensor([[2.0, 0.5], [0.5, 1.0]]), torch.tensor([1.0, -3.0])
    x = F.conjugate_gradient(lambda v: H @ v, b, iterations=1)
    error = lambda length: 0.5 * length * b @ H @ (length * b) - length * b @ b
    best = min(np.linspace(0, 2, 2001), key=error)
    torch.testing.assert_close(x, float(best) * b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("max_kl", [0.01, 0.5])
def test_a_trust_region_step_ends_where_the_quadratic_kl_is_delta(max_kl):
    root, x = normal(6, 6), normal(6, seed=1)
    H = root @ root.T
    step = F.trust_region_step(x, H @ x, max_kl) * x
    assert (0.5 * step @ H @ step).item() == pytest.approx(max_kl, rel=1e-4)
    assert F.trust_region_step(x, H @ x, max_kl) > 0  # uphill


def test_without_a_direction_there_is_no_trust_region_step():
    assert F.trust_region_step(torch.zeros(3), torch.zeros(3), 0.01) == 0
