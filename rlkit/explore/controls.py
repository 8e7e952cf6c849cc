"""The controls of explorers: sliders, switches and lists, and what values they allow."""

import math

import ipywidgets as widgets
import numpy as np

from rlkit.language import number, say


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
    """A list from which one entry is chosen. The entries are shown in the reader's language."""
    return widgets.Dropdown(value=value, options=translated(options), **labelled(symbol_and_word))


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


# The values a control allows ------------------------------------------------------------------------------------------


def allowed(control):
    """The values that a control can be moved to -> list, in order; None for a choice of several."""
    if isinstance(control, widgets.Checkbox):
        return [False, True]
    if isinstance(control, widgets.SelectMultiple):
        return None
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    grid = np.arange(round((control.max - control.min) / control.step) + 1) * control.step + control.min
    if isinstance(control, widgets.IntSlider):
        return [int(value) for value in grid]
    if isinstance(control, widgets.FloatLogSlider):
        return [float(control.base**exponent) for exponent in grid]
    return [round(float(value), 10) for value in grid]


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
        known = [option[1] if isinstance(option, tuple) else option for option in control.options]
        unknown = [each for each in tuple(value) if each not in known] if not isinstance(value, str) else [value]
        if unknown:
            raise ValueError(
                say("{name} cannot hold {value!r}: take a tuple of some of {known}.",
                    name=name, value=unknown[0], known=listed(known))
            )  # fmt: skip
        return tuple(value)
    values = allowed(control)
    if isinstance(control, widgets.Checkbox) or hasattr(control, "options"):
        if not any(type(value) is type(each) and value == each or numeric(value, each) for each in values):
            raise ValueError(
                say("{name}={value!r} is not possible: take one of {known}.",
                    name=name, value=value, known=listed(values))
            )  # fmt: skip
        return next(each for each in values if each == value)
    low, high = values[0], values[-1]
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise ValueError(
            say("{name}={value!r} is not a number: take one from {low:g} to {high:g}.",
                name=name, value=value, low=low, high=high)
        )  # fmt: skip
    close = nearest(control, value)
    if math.isclose(value, close, rel_tol=1e-3, abs_tol=1e-12):
        return close  # a state is copied with four digits
    if not low <= value <= high:
        raise ValueError(
            say("{name}={value:g} is not possible: take a number from {low:g} to {high:g}.",
                name=name, value=value, low=low, high=high)
        )  # fmt: skip
    if isinstance(control, widgets.IntSlider) and value != int(value):
        raise ValueError(
            say("{name}={value:g} is not a whole number: take {near}.", name=name, value=value, near=close)
        )
    return type(close)(value)


def numeric(value, option):
    """Are both numbers, and equal? True and 1 are not."""
    both = (value, option)
    return all(isinstance(x, int | float | np.number) and not isinstance(x, bool) for x in both) and value == option


def listed(values):
    """Values as a reader types them: "1, 5, 10"."""
    return ", ".join(map(repr, values))


def typed(value):
    """A value as a reader types it, a number with at most four digits -> str."""
    if isinstance(value, float):
        short = float(f"{value:.4g}")
        return repr(int(short) if short == int(short) and abs(short) < 1e6 else short)
    return repr(value)
