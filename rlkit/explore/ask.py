"""A question that is asked before the answer is seen. The words are in `questions.py`, the answers in `truths.py`.

Until the reader has answered or skipped, the answer is not on the page, and the panel that shows it is covered. A page
without a kernel shows the question, and the answer folded below it.
"""

import base64
import html
import weakref
from pathlib import Path

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets

from rlkit.explore.questions import QUESTIONS, Curve, Number, Options
from rlkit.explore.truths import truth
from rlkit.language import count, say
from rlkit.plotting import Picture
from rlkit.plotting.alt_text import alt_text, plain
from rlkit.plotting.cells import close, replace_those_of_the_cell
from rlkit.plotting.panel import Panel
from rlkit.plotting.subshells import hear_at_once
from rlkit.running.messages import brief, similar

HERE = Path(__file__).parent
HEIGHTS = 100  # steps of a drawn curve, from the bottom to the top
STOPS = 200  # steps of a line of numbers


def ask(name, then=None, hands=False):
    """The question of this name -> Question.

    `then` is what shows the answer: an explorer or another panel, a figure, or a text. It is covered until the reader
    has answered or skipped. With `hands`, a teacher counts the hands raised for each option.
    """
    if not isinstance(name, str) or name not in QUESTIONS:
        close = similar(str(name), QUESTIONS)
        meant = say("Did you mean {name}?", name=repr(close)) if close else ""
        known = say("The names are {names}.", names=", ".join(QUESTIONS))
        raise ValueError(f"{say('There is no question {name}.', name=repr(name))} {meant or known}")
    if hands and isinstance(QUESTIONS[name], Curve):
        raise ValueError(
            say("Hands cannot be counted for {name}, whose answer is a curve: leave out hands.", name=repr(name))
        )
    return Question(name, then, hands)


# On the page --------------------------------------------------------------------------------------------------------


class Form(anywidget.AnyWidget):
    """The part of a question that the reader answers on. `ask.js` draws it; it knows the truth only when `done`."""

    _esm = (HERE / "ask.js").read_text(encoding="utf-8")  # given a path, anywidget would keep every Form for ever
    _css = (HERE / "ask.css").read_text(encoding="utf-8")
    kind = traitlets.Unicode().tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)
    options = traitlets.List().tag(sync=True)  # of Options
    line = traitlets.Dict().tag(sync=True)  # of a Number
    axes = traitlets.Dict().tag(sync=True)  # of a Curve
    groups = traitlets.List().tag(sync=True)  # that hands are counted for; none for a Curve
    counts = traitlets.List().tag(sync=True)
    hands = traitlets.Bool(False).tag(sync=True)
    guess = traitlets.Any(None, allow_none=True).tag(sync=True)
    truth = traitlets.Dict().tag(sync=True)
    reply = traitlets.Unicode().tag(sync=True)
    done = traitlets.Bool(False).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)


class Question(widgets.VBox):
    """A question on the page, and below it the panel `then`, covered until the reader has answered or skipped.

    `answer`, `skip` and `count` are what the page's buttons do.
    """

    def __init__(self, name, then=None, hands=False):
        self.name, self.then = name, panel(then)
        self.kind = KINDS[type(QUESTIONS[name])](QUESTIONS[name], truth(name))
        self.form = Form(
            question=self.kind.said("question"), hands=hands, words=button_texts(self.kind), **self.kind.before()
        )
        self.form.on_msg(lambda _, message, buffers: self.hear(message))
        self.cover(True)
        super().__init__([self.form] + [self.then] * (self.then is not None))
        replace_those_of_the_cell(self)
        asked.setdefault(name, None)
        show_all_answers()

    def leave(self):
        """Leave the page, when the cell is run again. A panel below it leaves by itself, if the same cell made it."""
        if not isinstance(self.then, Words):
            self.children, self.then = (self.form,), None
        close(self)

    def cover(self, covered):
        """Hide what shows the answer, in a box that keeps what follows off the screen; or show it."""
        if self.then is None:
            return
        self.then.cover(covered)
        if isinstance(self.then, Panel):
            (self.then.add_class if covered else self.then.remove_class)("rlkit-covered")

    def hear(self, message):
        """What a button of the page asks for."""
        match message:
            case {"do": "answer", "guess": guess}:
                self.answer(guess)
            case {"do": "count", "counts": counts}:
                self.count(counts)
            case {"do": "skip"}:
                self.skip()
            case {"do": "hands", "on": on}:
                self.form.hands = on

    def answer(self, guess):
        """A reader's guess: the number of an option, of a stop on the line, or of a height at each place of a curve."""
        right, verdict = self.kind.judge(guess)
        keep(self.name, right, self.kind.said_guess(guess))
        self.reveal(verdict, guess)

    def skip(self):
        """Show the answer to a reader who does not want to guess."""
        keep(self.name, None, "")
        self.reveal("", None)

    def count(self, counts):
        """The hands of a class, for each group."""
        self.form.counts = counts
        right, total = counts[self.kind.right_group()], sum(counts)
        verdict = count(right, "{n} hand of {total} was right.", "{n} hands of {total} were right.", total=total)
        self.reveal(verdict if total else "", None)

    def reveal(self, verdict, guess):
        """Show the answer on the page, once, and uncover the panel."""
        if self.form.done:
            return
        self.form.guess, self.form.truth = guess, self.kind.after(guess)
        self.form.reply = " ".join(filter(None, [verdict, answer_in_words(self.kind)]))
        self.form.done = True
        self.cover(False)
        show_all_answers()

    def _repr_mimebundle_(self, **kwargs):
        hear_at_once(self)
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/html": on_paper(self), "text/plain": plain(self.kind.said("question"))}, metadata


def button_texts(kind):
    """The texts of buttons and names of controls, by what they do."""
    return {
        "send": say("This is my curve") if isinstance(kind, CurveForm) else say("This is my guess"),
        "guess_of": say("your guess"),
        "hint": say(
            "Draw with the pointer. Or move a point up and down with the arrow keys, left and right to the next."
        ),
        "skip": say("Skip"),
        "hands": say("Count hands (for a class)"),
        "alone": say("Answer alone"),
        "show": say("Show the answer"),
        "more": say("one more hand"),
        "less": say("one hand less"),
        "count": say("hands"),
        "lost": say("The kernel of this question is gone. Run the cell again."),
    }


def answer_in_words(kind):
    """The answer and its reason -> HTML."""
    return f"<b>{kind.said('answer')}</b> {kind.said('because')}"


def panel(then):
    """What a question covers, as a widget with `cover`: a panel as it is, a figure, a text; or None."""
    if isinstance(then, Picture):
        return Still(then)
    if isinstance(then, str):
        return Words(then)
    if then is None or hasattr(then, "cover"):
        return then
    raise ValueError(
        say("then={then} cannot be covered: give a panel, such as an explorer, a figure of rlkit, or a text.",
            then=brief(then))
    )  # fmt: skip


class Still(Panel):
    """A figure without controls, as a panel."""

    def __init__(self, figure):
        self.figure = figure
        super().__init__(figure.png())
        self.image.alt = self.alt()

    def alt(self):
        return alt_text(self.figure)


class Words(widgets.VBox):
    """Printed lines, as a widget that can be covered."""

    def __init__(self, text):
        self.text = text
        super().__init__()

    def cover(self, covered=True):
        """Take the lines off the page, or put them there."""
        hidden = say("The result appears when the question is answered or skipped.")
        shown = f"<em>{hidden}</em>" if covered else f"<pre>{html.escape(self.text)}</pre>"
        self.children = (widgets.HTML(shown),)


# Without a kernel ---------------------------------------------------------------------------------------------------


def on_paper(question):
    """The question, and the answer folded below it with the picture -> HTML that never changes."""
    answer = f"<p>{answer_in_words(question.kind)}</p>{picture_on_paper(question.then)}"
    folded = f"<details><summary>{say('The answer')}</summary>{answer}</details>"
    return f"<p><b>{question.kind.said('question')}</b></p>{question.kind.on_paper()}{folded}"


def picture_on_paper(then):
    """The covered panel -> HTML."""
    if then is None:
        return ""
    if isinstance(then, Words):
        return f"<pre>{html.escape(then.text)}</pre>"
    png = base64.b64encode(then.still()).decode()
    text = "" if isinstance(then, Still) else then.status.value
    return f'<img alt="{html.escape(then.alt())}" src="data:image/png;base64,{png}">{text}'


# The three kinds of question ----------------------------------------------------------------------------------------


class OptionsForm:
    """How a question with options is shown, and how a guess is judged."""

    def __init__(self, question, truth):
        self.question, self.truth = question, truth
        self.options = [say(option) for option in question.options]

    def said(self, part):
        """The question, the answer or its reason, with all numbers -> HTML."""
        return say(getattr(self.question, part), **self.truth)

    def before(self):
        """What the page knows before an answer -> traits of a Form."""
        return {"kind": "options", "options": self.options, "groups": self.options, "counts": [0] * len(self.options)}

    def after(self, guess):
        """What the page learns after it -> the Form's `truth`."""
        return {"right": self.truth["right"], "group": self.right_group()}

    def right_group(self):
        """The number of the group of hands that is right."""
        return self.truth["right"]

    def judge(self, guess):
        """Was the guess right, and what is said about it -> bool, HTML."""
        if guess == self.truth["right"]:
            return True, say("Yes.")
        verdict = say("No: you chose “{chosen}”.", chosen=html.escape(self.options[guess]).removesuffix("."))
        remark = list(self.question.options.values())[guess]
        return False, f"{verdict} {say(remark)}" if remark else verdict

    def said_guess(self, guess):
        """A guess in words -> str."""
        return self.options[guess]

    def on_paper(self):
        """What there is to choose from, for a page without a kernel -> HTML."""
        return f"<ul>{''.join(f'<li>{html.escape(option)}</li>' for option in self.options)}</ul>"


class NumberForm:
    """How a line of numbers is shown, and how a guess is judged."""

    def __init__(self, question, truth):
        self.question, self.truth, self.line = question, truth, question.line
        self.stops = stops(self.line)

    said = OptionsForm.said

    def before(self):
        marks = [[share(self.line, self.truth[name]), say(text)] for name, text in self.question.marks.items()]
        line = {
            "label": say(self.line.label) if self.line.label else "",
            "stops": [[share(self.line, value), self.value(value)] for value in self.stops],
            "ticks": ticks(self.line),
            "marks": marks,
        }
        low, high = self.edges()[:-1], self.edges()[1:]
        groups = [say("{low} to {high}", low=self.value(a), high=self.value(b)) for a, b in zip(low, high)]
        return {"kind": "number", "line": line, "groups": groups, "counts": [0] * len(groups)}

    def after(self, guess):
        value = self.truth["value"]
        return {
            "share": share(self.line, value),
            "text": self.value(value),
            "guessed": guess is not None,
            "group": self.right_group(),
        }

    def value(self, value):
        """A number on the line, in words -> str."""
        return say(self.line.form, value=value)

    def edges(self):
        """The ends of the groups in which hands are counted: the ticks, and both ends of the line."""
        return sorted({self.line.low, *self.line.ticks, self.line.high})

    def right_group(self):
        return int(np.searchsorted(self.edges(), self.truth["value"])) - 1

    def judge(self, guess):
        value, truth, near = self.stops[guess], self.truth["value"], self.question.near
        right = 1 / near <= value / truth <= near if self.line.log else abs(value - truth) <= near
        said = self.value(value)
        if right:
            return True, say("Yes, close enough: you guessed {guess}.", guess=said)
        return False, say("Not close enough: you guessed {guess}.", guess=said)

    def said_guess(self, guess):
        return self.value(self.stops[guess])

    def on_paper(self):
        low, high = self.value(self.line.low), self.value(self.line.high)
        return f"<p>{say('Guess a number from {low} to {high}.', low=low, high=high)}</p>"


class CurveForm:
    """How a picture to draw in is shown, and how a drawn curve is judged."""

    def __init__(self, question, truth):
        self.question, self.truth = question, truth
        self.x, self.y = question.x, question.y
        self.places = places(self.x, question.points)

    said = OptionsForm.said

    def before(self):
        names = {"yours": say("your curve"), "truth": say(self.question.truth), "given": say(self.question.given)}
        axes = {
            "x": {"label": say(self.x.label), "ticks": ticks(self.x)},
            "y": {"label": say(self.y.label), "ticks": ticks(self.y)},
            "places": [[share(self.x, value), say(self.x.form, value=value)] for value in self.places],
            "heights": [say(self.y.form, value=self.height(i)) for i in range(HEIGHTS + 1)],
            "given": self.shares(self.truth["given"]),
            "names": names,
        }
        return {"kind": "curve", "axes": axes}

    def after(self, guess):
        seeds = [self.shares(seed) for seed in self.truth["seeds"]]
        return {"curve": self.shares(self.truth["curve"]), "seeds": seeds}

    def shares(self, curve):
        """A curve, x and y, as places in the picture -> list of [share of the width, share of the height]."""
        return [[share(self.x, x), share(self.y, y)] for x, y in zip(*curve)]

    def height(self, i):
        """The number at step i of HEIGHTS."""
        return self.y.low + (self.y.high - self.y.low) * i / HEIGHTS

    def judge(self, guess):
        x, y = self.truth["curve"]
        at = [share(self.x, place) for place in self.places]
        drawn = np.array([self.height(i) for i in guess])
        off = np.abs(drawn - np.interp(at, [share(self.x, each) for each in x], y)).mean()
        said = say(self.y.form, value=float(f"{off:.3g}"))
        if off <= self.question.near * (self.y.high - self.y.low):
            return True, say("Yes, close enough: your curve is off by {off} on average.", off=said)
        return False, say("Not close enough: your curve is off by {off} on average.", off=said)

    def said_guess(self, guess):
        first, last = (say(self.y.form, value=self.height(guess[i])) for i in (0, -1))
        return say("a curve from {first} to {last}", first=first, last=last)

    def on_paper(self):
        axes = [
            say("{label}, from {low} to {high}", label=say(axis.label), low=low, high=high)
            for axis in (self.y, self.x)
            for low, high in [[say(axis.form, value=value) for value in (axis.low, axis.high)]]
        ]
        return f"<p>{say('Upwards: {y}. To the right: {x}.', y=axes[0], x=axes[1])}</p>"


KINDS = {Options: OptionsForm, Number: NumberForm, Curve: CurveForm}


def share(axis, value):
    """Where a number stands on an axis: 0 at its low end, 1 at its high end."""
    low, high, value = (np.log(v) if axis.log else v for v in (axis.low, axis.high, value))
    return round(float((value - low) / (high - low)), 4)


def ticks(axis):
    """The printed numbers of an axis -> list of [share, text]."""
    return [[share(axis, value), say(axis.form, value=value)] for value in axis.ticks]


def places(axis, count):
    """Numbers at equal distances along an axis `[count]`; on an axis with as many ticks, these -> list."""
    if len(axis.ticks) == count:
        return list(axis.ticks)
    return (np.geomspace if axis.log else np.linspace)(axis.low, axis.high, count).round(10).tolist()


def stops(axis):
    """The numbers of an axis that a guess can take, each exactly as it is printed -> list."""
    return sorted({printed(axis, value) for value in places(axis, STOPS + 1)})


def printed(axis, value):
    """The number that a reader sees in place of `value`, which may be rounded: 8 for 7.6."""
    text = axis.form.format(value=value).replace(",", "")
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


# What was answered since the kernel started -------------------------------------------------------------------------

asked = {}  # name of a question -> None, or (right: True, False or None if skipped; the guess in words)
shown = weakref.WeakSet()  # the Answers on the page


def keep(name, right, guess):
    """Remember an answer. Only the first one to a question counts, because then the answer has been seen."""
    if asked.get(name) is None:
        asked[name] = right, guess


def answers():
    """How many questions you have answered rightly since the kernel started, and which -> Answers."""
    return Answers()


class Answers(widgets.HTML):
    """A sentence that counts the answers given so far, and follows them."""

    def __init__(self):
        super().__init__()
        shown.add(self)
        self.value = summary()

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/html": self.value, "text/plain": type(self).__name__}, metadata


def show_all_answers():
    """Bring every Answers on the page up to date."""
    for each in list(shown):
        each.value = summary()


def summary():
    """The answers so far -> HTML: a sentence, and a list."""
    given = {name: answer for name, answer in asked.items() if answer is not None}
    guessed = {name: right for name, (right, _) in given.items() if right is not None}
    right, skipped = sum(guessed.values()), len(given) - len(guessed)
    if not given:
        return f"<p>{say('You have answered no question yet. Your answers are counted here as you give them.')}</p>"
    parts = [say("You guessed {right} of {all} right.", right=right, all=len(guessed))] if guessed else []
    if skipped:
        parts.append(count(skipped, "You skipped {n} question.", "You skipped {n} questions."))
    left = len(asked) - len(given)
    if left:
        parts.append(count(left, "{n} question is still open.", "{n} questions are still open."))
    rows = "".join(f"<li>{row(name, *answer)}</li>" for name, answer in given.items())
    return f"<p><b>{' '.join(parts)}</b></p><ul>{rows}</ul>"


def row(name, right, guess):
    """One line of the list: the question, the guess, and the answer -> HTML."""
    kind = KINDS[type(QUESTIONS[name])](QUESTIONS[name], truth(name))
    question, answer = kind.said("question"), kind.said("answer")
    guess = html.escape(guess)
    if right is None:
        return say("{question} Skipped. {answer}", question=question, answer=answer)
    if right:
        return say("{question} You guessed “{guess}”, which is right.", question=question, guess=guess)
    return say("{question} You guessed “{guess}”. {answer}", question=question, guess=guess, answer=answer)
