"""The exercises at the ends of the chapters: the page's solution is right, usual mistakes are named, nothing raises."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from conftest import one_line

from rlkit import PPO, check, preset, stop_at, train
from rlkit import functional as F
from rlkit.exercises import EXERCISES
from rlkit.language import pseudo_translation
from rlkit.tasks import Catch

LECTURES = Path(__file__).parent.parent / "lectures"
PAGES = {path.stem: nbformat.read(path, as_version=4).cells for path in sorted(LECTURES.glob("*.ipynb"))}
CELLS = {cell.id: cell.source for cells in PAGES.values() for cell in cells}
exercises = pytest.mark.parametrize("name", EXERCISES)


def names_of(chapter):
    return [cell.id.removeprefix("exercise-").removesuffix("-check") for cell in PAGES[chapter] if is_check(cell.id)]


def is_check(cell_id):
    return re.fullmatch(r"exercise-.*-check", cell_id)


def run(*sources):
    """Cells in the order of a page, after the imports of all chapters -> what they define."""
    names = dict(check=check, np=np, torch=torch, F=F, preset=preset, train=train, stop_at=stop_at, Catch=Catch)
    names["rng"] = np.random.default_rng(0)
    for source in sources:
        exec(source, names)
    return names


def solution(name):
    return re.search(r"```python\n(.*?)```", CELLS[f"exercise-{name}-solution"], re.DOTALL)[1]


# The pages ------------------------------------------------------------------------------------------------------------


def test_every_chapter_has_exercises_and_every_exercise_is_in_one():
    assert all(names_of(chapter) for chapter in PAGES)
    assert sorted(sum(map(names_of, PAGES), [])) == sorted(EXERCISES)


@exercises
def test_the_cells_of_an_exercise_come_in_order(name):
    order = [f"exercise-{name}{part}" for part in ("", "-check", "-train", "-solution")]
    assert [cell_id for cell_id in CELLS if cell_id in order] == order


@pytest.mark.parametrize("chapter", PAGES)
def test_a_task_is_marked_and_its_hints_open_one_after_the_other(chapter):
    cells = PAGES[chapter]
    for number, cell in enumerate(cells):
        if is_check(cell.id):
            task = cells[number - 2].source
            assert re.search(r"^### .+ (●○○|●●○|●●●)$", task, re.MULTILINE)
            hints = re.findall(r"<summary>Hint (\d)</summary>\n\n", task)  # a blank line, or Markdown stays unread
            assert hints == [str(n) for n in range(1, len(hints) + 1)] and len(hints) >= 2
            assert task.count("<details>") == task.count("</details>") == len(hints)
            assert "</details>" not in task[: task.rindex("<details>")], "a hint lies inside the one before it"
            answer = CELLS[cell.id.replace("-check", "-solution")]
            assert answer.startswith("<details><summary>Solution</summary>\n\n") and answer.endswith("\n\n</details>")


@exercises
def test_an_unsolved_exercise_says_so_and_trains_nothing(name, capsys):
    parts = [CELLS[f"exercise-{name}{part}"] for part in ("", "-check", "-train")]
    answer = run(*parts)["answer"]
    assert not answer.right and repr(answer).endswith(" is not written yet: its body goes where the three dots are.")
    assert capsys.readouterr().out == ""


@exercises
def test_the_solution_on_the_page_is_right_and_its_agent_learns(name, capsys):
    training = re.sub(r"\d+_000", "2_000", CELLS[f"exercise-{name}-train"])  # a short run is enough
    names = run(solution(name), CELLS[f"exercise-{name}-check"], training)
    assert names["answer"].right and re.fullmatch(r"\w+ is right in all \d cases\.", repr(names["answer"]))
    assert len(capsys.readouterr().out.splitlines()) >= 1
    if name == "q-update":
        assert np.mean(names["scores"][-100:]) > 0.5 > np.mean(names["scores"][:3])
        game, Q = Catch(look="features"), names["Q"]
        for _ in range(100):
            features, over = game.reset()[0], False
            while not over:
                features, reward, over, _, _ = game.step(Q[features.argmax()].argmax())
            assert reward == 1


# What is said ---------------------------------------------------------------------------------------------------------

MISTAKES = [(name, number) for name, exercise in EXERCISES.items() for number in range(len(exercise.mistakes))]


@pytest.mark.parametrize("name, number", MISTAKES)
def test_a_usual_mistake_is_named(name, number):
    mistake = EXERCISES[name].mistakes[number]
    answer = check.exercise(name, mistake.function)
    assert not answer.right and mistake.sentence in answer.sentence
    first, *lines = answer.sentence.split("\n")
    assert re.match(r"In case \d of \d .+ is [−\d.]+, where [−\d.]+ is right\. ", first) and first.endswith(
        "The case has"
    )
    assert len(lines) == len(EXERCISES[name].cases[0]) and all(" = " in line for line in lines)


def test_an_unknown_mistake_gets_the_case_and_the_numbers_alone():
    answer = check.exercise("n-step-returns", lambda rewards, *rest: 0 * rewards - 1.5)
    assert answer.sentence.startswith("In case 1 of 3 <lambda>(...)[0, 0] is −1.5, where 4 is right. The case has\n")


def test_a_notebook_shows_the_sentence_as_text_and_the_case_as_code():
    answer = check.exercise("double-target", lambda rewards, *rest: rewards)
    first, blank, *case = answer._repr_markdown_().split("\n")
    assert first.startswith("In case 1 of 3 &lt;lambda&gt;(...)[0] is ") and not blank.strip()
    assert case[0] == "      rewards = [1. 1.]" and case[3] == "      terminated = [False True]" and len(case) == 5
    right = check.exercise("double-target", EXERCISES["double-target"].right)
    assert right._repr_markdown_() == repr(right) == "double_target is right in all 3 cases."


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda q, r, n, t, a, g: "3", "In case 1 of 4 <lambda> returns a str instead of numbers. The case has\n"),
        (
            lambda q, r, n, t, a, g: n,
            "In case 1 of 4 <lambda> returns the shape (3,), where () is right. The case has\n",
        ),
        (
            lambda q, r, n, t, a, g: q / 0,
            "<lambda> stops with ZeroDivisionError: float division by zero. The case has\n",
        ),
        (lambda q: q, "your function must take 6 arguments, as q_update does: q, reward, next_q, "),
        (lambda q, r, n, t, a, g: None if t else q, "In case 1 of 4 "),
    ],
)
def test_whatever_a_function_does_is_said_and_not_raised(function, words):
    answer = check.exercise("q-update", function)
    assert not answer.right and answer.sentence.startswith(words)


def test_a_function_that_changes_its_arguments_spoils_no_case():
    def in_place(rewards, ended, bootstrap, gamma):
        for t in reversed(range(len(rewards))):
            rewards[t] += gamma * (1 - ended[t]) * (rewards[t + 1] if t + 1 < len(rewards) else bootstrap)
        return rewards

    for _ in range(2):
        assert check.exercise("n-step-returns", in_place).right


@exercises
def test_every_sentence_can_be_translated(name):
    with pseudo_translation():
        for function in (EXERCISES[name].right, EXERCISES[name].mistakes[0].function, lambda *given: None):
            assert "⟦" in check.exercise(name, function).sentence[:1]


def test_what_is_no_exercise_or_no_function_is_named():
    with pytest.raises(ValueError, match="There is no exercise 'n-steps'. There are: q-update, ") as error:
        check.exercise("n-steps", F.huber)
    one_line(error)
    with pytest.raises(ValueError, match="mine must be a function"):
        check.exercise("q-update", 3)


# A function in place of ours ------------------------------------------------------------------------------------------


def test_agents_call_the_function_that_stands_in_for_ours():
    calls, original = [], F.clipped_surrogate

    def mine(ratio, advantages, clip_coef):
        calls.append(ratio)
        return F.clipped_surrogate(ratio, advantages, clip_coef)  # rlkit's, and not itself again

    with check.in_place_of(F.clipped_surrogate, mine):
        train(PPO(num_envs=2, num_steps=16, epochs=2, minibatch_size=32), 32)
        assert F.clipped_surrogate is not original
    assert len(calls) == 2 and F.clipped_surrogate is original


def test_ours_comes_back_after_an_error():
    original = F.gae
    with pytest.raises(KeyError), check.in_place_of(F.gae, lambda *given: {}["mine"]):
        F.gae(1)
    assert F.gae is original
    for wrong in (np.mean, 3, lambda x: x):
        with pytest.raises(ValueError, match="no function of rlkit.functional"), check.in_place_of(wrong, F.gae):
            pass
