"""The questions of the chapters: that they hold, that their answers are those of the data, and what is replied."""

import json
import re
import sys
from collections import Counter

import nbformat
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv as CartPole
from mutation import ROOT

from rlkit import explore, plotting
from rlkit.experiments import published
from rlkit.experiments.stored import stored
from rlkit.explore.entropy_bonus import BETAS, RATES, learn, outcomes
from rlkit.explore.max_bias import biases
from rlkit.explore.questions import QUESTIONS, Axis, Curve, Number, Options
from rlkit.language import pseudo_translation
from rlkit.plotting.alt_text import plain

module = sys.modules["rlkit.explore.ask"]  # the package has a function of this name
NAMES = list(QUESTIONS)
OPTIONS, NUMBERS, CURVES = (
    [name for name in NAMES if isinstance(QUESTIONS[name], kind)] for kind in (Options, Number, Curve)
)


@pytest.fixture(autouse=True)
def new_kernel(monkeypatch):
    """As if no question had been asked."""
    monkeypatch.setattr(module, "asked", {})


def guesses(question):
    """All that can be guessed: each option, some stops of a line, curves that lie low, in the middle and high."""
    kind = question.kind
    if isinstance(QUESTIONS[question.name], Options):
        return range(len(kind.options))
    if isinstance(QUESTIONS[question.name], Number):
        return range(0, len(kind.stops), 10)
    return [[height] * len(kind.places) for height in (0, 50, 100)]


def right_guess(question):
    """The guess that is nearest to the truth."""
    kind = question.kind
    if "right" in kind.truth:
        return kind.truth["right"]
    if "value" in kind.truth:
        return int(np.argmin([abs(module.share(kind.line, v) - kind.after(None)["share"]) for v in kind.stops]))
    x, y = np.array(kind.after(None)["curve"]).T
    return [round(100 * np.interp(module.share(kind.x, place), x, y)) for place in kind.places]


# They hold --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_before_an_answer_the_page_does_not_have_it(name):
    question = explore.ask(name)
    state = {key: value for key, value in question.form.get_state().items() if key not in ("_esm", "_css", "layout")}
    sent = plain(json.dumps(state, default=str, ensure_ascii=False))
    kind = question.kind
    assert state["truth"] == {} and state["reply"] == "" and state["guess"] is None
    assert plain(kind.said("answer")) not in sent and plain(kind.said("because")) not in sent
    if isinstance(QUESTIONS[name], Curve):
        assert json.dumps(kind.after(None)["curve"][1:3]) not in sent
    question.skip()
    assert question.form.truth and plain(kind.said("answer")) in plain(question.form.reply)


ACTS = {
    "right": lambda question: question.answer(0),
    "wrong": lambda question: question.answer(3),
    "skipped": lambda question: question.skip(),
    "hands": lambda question: question.count([1, 0, 2, 0]),
}


@pytest.mark.parametrize("act", ACTS)
def test_the_panel_is_covered_until_answered_or_skipped(act):
    panel = explore.max_bias()
    question = explore.ask("two_states", then=panel)
    assert not set(panel.parts) & set(panel.children) and "rlkit-covered" in panel._dom_classes
    ACTS[act](question)
    assert panel.children == panel.parts and "rlkit-covered" not in panel._dom_classes


def test_figures_and_texts_are_covered_too():
    figure, ax = plotting.picture()
    ax.plot([1, 2], label="seen")
    question, told = explore.ask("unseen", then=figure), explore.ask("largest", then="mean: 1 < 2")
    assert question.then.image not in question.then.children
    assert "mean" not in told.then.children[0].value
    question.skip(), told.skip()
    assert question.then.children == question.then.parts and question.then.image.value[:4] == b"\x89PNG"
    assert "mean: 1 &lt; 2" in told.then.children[0].value


def test_a_figure_below_a_question_is_described_on_the_live_page_too():
    figure, ax = plotting.picture()
    ax.plot([1, 2], label="seen")
    question = explore.ask("unseen", then=figure)
    assert question.then.image.alt == question.then.alt() and "Seen goes from 1 to 2" in question.then.image.alt
    assert "The picture appears" in question.then.children[0].value  # it has no controls
    assert "The picture and its controls appear" in explore.ask("gae", then=explore.gae()).then.children[0].value


def test_what_the_page_sends_is_done_once():
    question = explore.ask("two_states")
    question.hear({"do": "hands", "on": True})
    assert question.form.hands and not question.form.done
    question.hear({"do": "answer", "guess": 1})
    reply = question.form.reply
    question.hear({"do": "answer", "guess": 0})
    assert question.form.guess == 1 and question.form.reply == reply


def test_the_right_option_cannot_be_told_by_its_place_or_its_length():
    rights = {name: explore.ask(name).kind.truth["right"] for name in OPTIONS}
    places = Counter(rights.values())
    longest = sum(
        max(QUESTIONS[name].options, key=len) == list(QUESTIONS[name].options)[right] for name, right in rights.items()
    )
    assert len(places) >= 4 and max(places.values()) <= 0.4 * len(rights) and longest <= 0.4 * len(rights)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_guess_that_was_not_made_is_wrong(name):
    question = explore.ask(name)
    assert question.kind.judge(0)[0] is False  # where the mark stands at first


@pytest.mark.parametrize("name", NUMBERS)
def test_a_stop_of_a_line_is_the_number_that_is_printed_there_and_both_ends_are_reached(name):
    kind = explore.ask(name).kind
    texts = [text for _, text in kind.before()["line"]["stops"]]
    for value, text in zip(kind.stops, texts, strict=True):
        digits, share = re.fullmatch(r"([−\d.,]+)(\xa0%)?", text).groups()
        assert value == pytest.approx(float(digits.replace(",", "").replace("−", "-")) / (100 if share else 1))
    assert len(set(texts)) == len(texts)
    assert (kind.stops[0], kind.stops[-1]) == (kind.line.low, kind.line.high)


def test_guesses_equally_far_from_the_truth_are_judged_alike():
    axis = Axis(0, 10, form="{value:.0f}")
    kind = module.NumberForm(Number(1, "", axis, near=1, answer="", because=""), {"value": 7})
    assert [kind.judge(kind.stops.index(guess))[0] for guess in (5, 6, 7, 8, 9)] == [False, True, True, True, False]


# The answers are those of the data ----------------------------------------------------------------------------------


def words(panel, **values):
    """What an explorer says with these values of its controls."""
    for control, value in values.items():
        panel.controls[control].value = value
    return plain(panel.status.value).replace(" %", "%")


SAID = {  # what the explorer says where the question's truth is said
    "median": (lambda: words(explore.atari57()), "4 by median"),
    "acer": (lambda: words(explore.atari49(statistic="median")), "PPO 68.8"),
    "two_states": (lambda: words(explore.two_states()), "4.8 × 10⁶"),
    "horizon": (lambda: words(explore.target_network()), "ends at 14.3"),
    "alias": (lambda: words(explore.target_network(period=4)), "checks: 414"),
    "mc_td": (lambda: words(explore.value_estimation()), "0.072"),
    "gae": (lambda: words(explore.gae()), "0.082"),
    "cliff": (lambda: words(explore.cliff(step=6.0)), "+7.61"),
    "wrong_sign": (lambda: words(explore.importance_sampling()), "56%"),
    "kl_factor": (lambda: words(explore.trust_region()), "factor of 10"),
    "maximiser": (lambda: words(explore.beta()), "at 5.8"),
    "without_min": (lambda: words(explore.clip_epsilon(minimum=False)), "84%"),
    "segment": (lambda: words(explore.t_max()), "10"),
    "too_sure": (lambda: words(explore.entropy_bonus()), "16 of"),
    "time_limit": (lambda: words(explore.museum(2, bug="truncated as terminated")), "59.8"),
    "broadcast": (lambda: words(explore.museum(3, bug="[B] minus [B, 1]")), "286"),
    "shared_network": (lambda: words(explore.museum(bug="acting on the shared network")), "0.0714"),
    "priority": (lambda: words(explore.priority()), "0.73"),
    "n_steps": (lambda: words(explore.n_step()), "1.13"),
    "streams": (lambda: words(explore.dueling()), "47%"),
}


@pytest.mark.parametrize("name", SAID)
def test_the_explorer_says_the_same(name):
    explorer, expected = SAID[name]
    assert expected in explorer()
    number = re.search(r"[\d.]+", expected).group()
    said = plain(explore.ask(name).kind.said("answer") + " " + explore.ask(name).kind.said("because"))
    rounded = {f"{float(number):.{digits}f}" for digits in range(4)} | {number}
    assert any(re.search(rf"(?<![\d.]){re.escape(each)}(?![\d.]*\d)", said) for each in rounded), (number, said)


def truth(name):
    return explore.ask(name).kind.truth


def test_the_answers_without_an_explorer():
    zeros = int(truth("rows")["value"])
    assert 10**zeros <= 256 ** (4 * 42 * 42) < 10 ** (zeros + 1)
    mean, error = biases(actions=10, noise=1.0, correlation=0.9, seed=0)
    assert abs(truth("largest")["value"] - mean[0]) < 4 * error[0]
    scores = sorted(published.human_normalized(published.atari57(), "a3c_lstm").values())
    assert truth("five_games")["value"] == pytest.approx(sum(scores[-5:]) / sum(scores))
    assert truth("staleness")["mean"] == pytest.approx(1, abs=0.05)  # W - 1
    runs = stored("virtual_workers")[0]["runs"]
    one, many = (np.median([run["solved"] or np.inf for run in runs[count]]) for count in ("1", "16"))
    assert truth("sixteen")["value"] == pytest.approx(one / many)
    worth = [
        float(re.search(r"([\d.]+) when drawn", words(explore.replay(), buffer_size=size)).group(1))
        for size in (128, 256)
    ]
    assert worth[0] < 24 < worth[1] and 128 < truth("memory_size")["value"] < 256


def test_the_curves_are_those_of_the_stored_runs():
    runs = stored("overfitting")[0]
    assert truth("unseen")["curve"][1] == [np.median([run["unseen"] for run in seeds]) for seeds in runs.values()]
    runs = stored("target_network")[0]
    for curve, arm in (("curve", "aliased"), ("given", "4")):
        ends = sorted(run["scores"][-1] for run in runs[arm])
        assert truth("alias")[curve][1][-1] == np.mean(ends[2:-2])  # the middle half of ten, rounded outwards
    delayed = stored("real_workers")[0]["delayed"]
    assert truth("waiting")["curve"][1] == [run["steps_per_second"] for run in delayed.values()]


def test_the_learners_that_are_sure_of_a_wrong_action_never_saw_the_other_one_pay():
    policies = learn()[:, RATES.index(0.5), BETAS.index(0.0)]
    wrong = np.flatnonzero(outcomes(policies[-1]) == 1)
    for seed in wrong:
        rng = np.random.default_rng(seed)
        luck, pays = rng.gumbel(size=(len(policies) - 1, 3)), rng.random(len(policies) - 1) < 0.1
        first = (np.log(policies[:-1, seed] + 1e-30) + luck).argmax(1) == 0
        assert 8 < first.sum() < 15 and not (first & pays).any()
        assert policies[-1, seed].argmax() == 1


def test_the_pole_swings_wider_and_wider_if_it_is_pushed_where_it_leans():
    lengths = []
    for seed in range(50):
        env = CartPole(render_mode=None)
        angle, angles = env.reset(seed=seed)[0][2], []
        while len(angles) < 500:
            observation, _, fallen, _, _ = env.step(int(angle > 0))
            angle = observation[2]
            angles.append(angle)
            if fallen:
                break
        sides = np.split(np.abs(angles), np.flatnonzero(np.diff(np.sign(angles))) + 1)
        widths = [side.max() for side in sides[1:]]  # the first one depends on where it began
        assert (np.diff(widths) > 0).all()
        lengths.append(len(angles))
    assert 35 < np.mean(lengths) < 45


# What is replied ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_right_and_its_opposite_is_not(name):
    question = explore.ask(name)
    assert question.kind.judge(right_guess(question))[0] is True
    judged = [question.kind.judge(guess)[0] for guess in guesses(question)]
    assert judged.count(True) < 0.5 * len(judged)
    if name in OPTIONS:
        assert judged.count(True) == 1
    if name in CURVES:
        assert True not in judged  # neither a flat line nor the line that is there at first


@pytest.mark.parametrize("name", NAMES)
def test_replies_are_sentences(name):
    for guess in [*guesses(explore.ask(name)), right_guess(explore.ask(name))]:
        question = explore.ask(name)
        question.answer(guess)
        reply = plain(question.form.reply)
        assert re.match(r"(Yes|Yes, close enough|No|Not close enough)[.:] ", reply) and reply.endswith((".", "?"))
        assert not re.search(r"\.\.|\.”\.| \.|[{}]|nan|None|(?<!\bw)\. [a-vx-z]", reply), reply


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CURVES])
def test_hands_are_counted_in_groups_and_the_truth_is_well_inside_one(name):
    question = explore.ask(name, hands=True)
    groups, right = question.form.groups, question.kind.right_group()
    assert 3 <= len(groups) <= 6
    if name in NUMBERS:
        at = question.kind.after(None)["share"]
        edges = [module.share(question.kind.line, edge) for edge in question.kind.edges()]
        assert edges[right] + 0.02 < at < edges[right + 1] - 0.02
    question.count([int(i == right) for i in range(len(groups))])
    assert question.form.reply.startswith("1 hand of 1 was right.") and question.form.truth["group"] == right


@pytest.mark.parametrize("name", CURVES)
def test_a_drawn_curve_is_off_by_three_digits_at_most(name):
    question = explore.ask(name)
    for height in range(0, 101, 7):
        said = question.kind.judge([height] * len(question.kind.places))[1]
        assert len(re.sub(r"\D", "", said).strip("0")) <= 3, said


# What was answered --------------------------------------------------------------------------------------------------


def test_answers_are_counted_once_and_skipped_ones_apart():
    counted = explore.answers()
    assert counted.value == "<p>You have answered no question yet. Your answers are counted here as you give them.</p>"
    explore.ask("two_states").answer(0)  # right
    explore.ask("median").answer(0)  # not right
    explore.ask("median").answer(2)  # right, after the answer has been seen
    explore.ask("rows").skip()
    explore.ask("staleness", hands=True).count([1, 2, 0, 0])
    text = plain(counted.value)
    assert text.startswith("You guessed 1 of 2 right. You skipped 1 question. 1 question is still open.")
    assert "You guessed “to infinity”, which is right." in text and "You guessed “the first”. By the median" in text
    assert counted._repr_mimebundle_()[0]["text/html"] == counted.value


# Without a kernel ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_on_paper_the_answer_is_folded_below_the_question(name):
    question = explore.ask(name)
    data, _ = question._repr_mimebundle_()
    before, folded = data["text/html"].split("<details>")
    answer = question.kind.said("answer")
    assert question.kind.said("question") in before and answer not in before and answer in folded
    assert all(option in before for option in getattr(QUESTIONS[name], "options", ()))
    assert explore.ask(name)._repr_mimebundle_()[0]["text/html"] == data["text/html"]


def test_on_paper_the_covered_picture_is_folded_too():
    data, _ = explore.ask("largest", then=explore.max_bias())._repr_mimebundle_()
    before, folded = data["text/html"].split("<details>")
    assert re.search(r'<img alt="2 panels: bias.+?" src="data:image/png;base64,iVBOR', folded) and "img" not in before


# The chapters -------------------------------------------------------------------------------------------------------

CHAPTERS = dict(enumerate(sorted((ROOT / "lectures").glob("0?_*.ipynb")), start=1))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_question_of_the_bank_is_asked_once_in_its_chapter(chapter):
    source = "\n".join(cell.source for cell in nbformat.read(CHAPTERS[chapter], 4).cells if cell.cell_type == "code")
    asked = re.findall(r'explore\.ask\("(\w+)"', source)
    assert sorted(asked) == sorted(name for name in NAMES if QUESTIONS[name].chapter == chapter)
    assert source.count("explore.answers()") == 1 and source.index("explore.answers()") > source.index(asked[-1])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_is_said_about_a_covered_picture_is_folded(chapter):
    cells = nbformat.read(CHAPTERS[chapter], 4).cells
    asked = [number for number, cell in enumerate(cells) if "explore.ask(" in cell.source and cell.cell_type == "code"]
    assert asked
    for number in asked:
        after = next(cell.source for cell in cells[number:] if cell.cell_type == "markdown")
        unfolded = re.sub("<details>.*?</details>", "", after, flags=re.DOTALL)
        assert not re.search("what to look for|what the figure shows", unfolded, re.IGNORECASE), after[:80]


def test_a_question_does_not_name_its_answer():
    two_states = next(cell.source for cell in nbformat.read(CHAPTERS[2], 4).cells if "two_states" in cell.source)
    assert "diverge" not in two_states  # where does w go?


def test_there_are_lines_and_curves_in_both_halves():
    for chapters in ((1, 2), (3, 4)):
        kinds = {type(question) for question in QUESTIONS.values() if question.chapter in chapters}
        assert kinds == {Options, Number, Curve}


# Words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_text_can_be_translated(name):
    with pseudo_translation():
        question = explore.ask(name)
        question.answer(right_guess(question))
        form = question.form
    texts = [form.question, *form.options, *form.groups, *form.words.values(), *form.reply.split("</b> ")]
    texts += [text for _, text in form.line.get("stops", [])] + list(form.axes.get("names", {}).values())
    assert [text for text in texts if "⟦" not in text] == []


def test_a_wrong_name_is_one_sentence_with_the_cure():
    with pytest.raises(ValueError, match="There is no question 'alia'. Did you mean 'alias'?"):
        explore.ask("alia")
    with pytest.raises(ValueError, match="Hands cannot be counted for 'alias'"):
        explore.ask("alias", hands=True)


@pytest.mark.parametrize("name", [None, 3, [1, 2]])
def test_a_name_that_is_no_text_is_one_sentence(name):
    with pytest.raises(ValueError, match="^There is no question .* The names are rows, median, .*, alias, "):
        explore.ask(name)


@pytest.mark.parametrize("then", [5, [1, 2]])
def test_what_cannot_be_covered_is_one_sentence(then):
    with pytest.raises(ValueError, match=r"^then=.* cannot be covered: give a panel"):
        explore.ask("alias", then)


@pytest.mark.parametrize(
    "chapter, question, names",
    [("01_overview", 'ask("median"', "slide_median"), ("04_a3c", 'ask("clock"', "games of the last 60 seconds")],
)
def test_a_printed_table_that_answers_a_question_begins_folded(chapter, question, names):
    cells = nbformat.read(ROOT / "lectures" / f"{chapter}.ipynb", as_version=4).cells
    asked = next(i for i, cell in enumerate(cells) if question in cell.source)
    table = next(cell for cell in cells[asked + 1 : asked + 4] if names in cell.source)
    assert table.metadata.jupyter.outputs_hidden
