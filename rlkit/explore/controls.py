"""The controls of explorers: sliders, switches and lists, and what values they allow."""

import math
from collections.abc import Iterable
from numbers import Real

import ipywidgets as widgets
import numpy as np

from rlkit.language import number, say
from rlkit.running.messages import brief

LARGEST = 1e300  # no control holds a larger number
LONG = 24  # letters of an entry that fit into one column beside the label


def labelled(symbol_and_word):
    """Options of every control: a label, which is also the tooltip (otherwise "null"), and all the width there is."""
    label = say(symbol_and_word)
    return {
        "description": label,
        "tooltip": label,
        "style": {"description_width": "initial"},
        "layout": {"width": "auto"},
    }


def slider(symbol_and_word, value, low, high, step, readout=None):
    """A slider from `low` to `high`, for whole numbers if `step` is whole, otherwise for real ones."""
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    form = {"readout_format": readout} if readout else {}
    return kind(value=value, min=low, max=high, step=step, **form, **labelled(symbol_and_word))


def log_slider(symbol_and_word, value, low, high, step=0.25):
    """A slider over powers of ten, from 10^low to 10^high."""
    form = labelled(symbol_and_word)
    return widgets.FloatLogSlider(value=value, min=low, max=high, step=step, readout_format=".3g", **form)


def steps(symbol_and_word, value, options):
    """A slider over a list of numbers."""
    printed = [(number(option, "," if isinstance(option, int) else "g"), option) for option in options]
    return widgets.SelectionSlider(value=value, options=printed, **labelled(symbol_and_word))


def switch(symbol_and_word, value=False):
    """A box to tick."""
    return widgets.Checkbox(value=value, indent=False, **labelled(symbol_and_word))


def choice(symbol_and_word, value, options):
    """A list from which one entry is chosen. The entries are shown in the reader's language.

    A list with long entries gets two columns where controls stand side by side: otherwise the choice is cut off.
    """
    dropdown = widgets.Dropdown(value=value, options=translated(options), **labelled(symbol_and_word))
    if max(len(text) for text, _ in dropdown.options) > LONG:
        dropdown.add_class("rlkit-long")
    return dropdown


def several(symbol_and_word, value, options, rows=4):
    """A list from which the reader chooses some or none, with Ctrl and Shift; `value` is a tuple."""
    shown = translated(options)
    return widgets.SelectMultiple(value=value, options=shown, rows=rows, **labelled(symbol_and_word))


def translated(options):
    """Pairs (what the reader sees, value) for a list of English options."""
    return [(shown(option), option) for option in options]


def shown(option):
    """An option of a list in the reader's language -> str, for sentences that name it."""
    return say(option)


def when_held(by_hand, slider, hold):
    """Call `hold()` when a number is held by hand or let go: the box `by_hand` is ticked, by the slider's moves too."""

    def moved(change):
        if by_hand.value:
            hold()
        else:
            by_hand.value = True

    slider.observe(moved, "value")
    by_hand.observe(lambda change: hold(), "value")


# The values a control allows ------------------------------------------------------------------------------------------


def allowed(control):
    """The values that a control can be moved to -> list, in order; None for a choice of several."""
    if isinstance(control, widgets.Checkbox):
        return [False, True]
    if isinstance(control, widgets.SelectMultiple):
        return None
    if hasattr(control, "options"):
        return entries(control)
    grid = np.arange(round((control.max - control.min) / control.step) + 1) * control.step + control.min
    if isinstance(control, widgets.IntSlider):
        return [int(value) for value in grid]
    if isinstance(control, widgets.FloatLogSlider):
        return [float(control.base**exponent) for exponent in grid]
    return [round(float(value), 10) for value in grid]


def entries(control):
    """The entries of a list, without the words that the reader sees -> list."""
    return [option[1] if isinstance(option, tuple) else option for option in control.options]


def nearest(control, value):
    """The allowed value of a numeric control that is nearest to a number, on a logarithmic scale if it has one."""
    values = [each for each in allowed(control) if isinstance(each, int | float)]
    if isinstance(control, widgets.FloatLogSlider):
        return nearest_by_ratio(values, value)
    return min(values, key=lambda each: abs(each - value))


def nearest_by_ratio(values, value):
    """The one of some positive values that is nearest to a number on a logarithmic scale."""
    return min(values, key=lambda each: abs(math.log(each / max(value, 1e-300))))


def accepted(name, control, value):
    """A reader's setting for the control called `name` -> the value to give it. Raises a ValueError of one sentence."""
    if isinstance(control, widgets.SelectMultiple):
        return accepted_entries(name, control, value)
    if isinstance(control, widgets.Checkbox) or hasattr(control, "options"):
        return accepted_entry(name, control, value)
    return accepted_number(name, control, value)


def accepted_entries(name, control, value):
    """The same for a list from which several entries are chosen -> tuple."""
    chosen = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    known = entries(control)
    for each in chosen:
        if each not in known or isinstance(value, str):
            raise ValueError(
                say("{name} cannot hold {value}: take a tuple of some of {known}.",
                    name=name, value=brief(each), known=listed(known))
            )  # fmt: skip
    return tuple(chosen)


def accepted_entry(name, control, value):
    """The same for a list from which one entry is chosen, or a box to tick."""
    value = bool(value) if isinstance(value, np.bool_) else value
    for each in allowed(control):
        if same(value, each):
            return each
    raise ValueError(
        say("{name}={value} is not possible: take one of {known}.",
            name=name, value=brief(value), known=listed(allowed(control)))
    )  # fmt: skip


def accepted_number(name, control, value):
    """The same for a slider of numbers: the nearest value it allows, if a number was only rounded to four digits."""
    values = allowed(control)
    low, high = values[0], values[-1]
    if isinstance(value, bool) or not isinstance(value, Real) or not abs(value) < LARGEST:
        raise ValueError(
            say("{name}={value} is not a number: take one from {low:g} to {high:g}.",
                name=name, value=brief(value), low=low, high=high)
        )  # fmt: skip
    close = nearest(control, value)
    if math.isclose(value, close, rel_tol=1e-3, abs_tol=1e-12):
        return close  # a state is copied with four digits
    if not low <= value <= high:
        raise ValueError(
            say("{name}={value:g} is not possible: take a number from {low:g} to {high:g}.",
                name=name, value=float(value), low=low, high=high)
        )  # fmt: skip
    if isinstance(control, widgets.IntSlider) and value != int(value):
        raise ValueError(
            say("{name}={value:g} is not a whole number: take {near}.", name=name, value=float(value), near=close)
        )
    return type(close)(value)


def same(value, option):
    """Are both words, or both numbers, or both True or False, and equal? True and 1 are not."""
    kinds = [next((kind for kind in (bool, Real, str) if isinstance(x, kind)), None) for x in (value, option)]
    return kinds[0] is kinds[1] is not None and value == option


def listed(values):
    """Values as a reader types them: "1, 5, 10"."""
    return ", ".join(map(repr, values))


def typed(control, value):
    """A control's value as a reader types it -> str. Four digits of a number are enough, if the slider stops there."""
    if isinstance(value, float):
        on_a_stop = math.isclose(value, nearest(control, value), rel_tol=1e-9, abs_tol=1e-12)
        short = float(f"{value:.4g}") if on_a_stop else value
        return repr(int(short) if short == int(short) and abs(short) < 1e6 else short)
    return repr(value)
