"""Every sentence that a reader sees on a panel passes through here, so that a translation is a catalogue.

A sentence is a template with named places, and its English text is its key:

    say("β = {kl_coef:.3g}: the maximiser is at {length:.1f}.", kl_coef=0.1, length=3.2)
    count(1, "{n} action", "{n} actions")

Templates are written out where they are used, so that they can be collected by reading the source. Numbers are printed
as a textbook prints them, whatever the language.
"""

import re
import string
from contextlib import contextmanager
from numbers import Real

catalogue = {}  # English template -> its translation
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PSEUDO = "⟦", "⟧"  # what marks a sentence in a pseudo-translation


def say(template, **places):
    """A sentence in the reader's language, its places filled -> str.

    A place may have a format, as in `str.format`: `{share:.0%}`.

    >>> say("{share:.0%} of {n:,} steps, {x:.2f}, {y:.2g}", share=0.84, n=12000, x=-0.001, y=4.8e6)
    '84\\xa0% of 12,000 steps, 0.00, 4.8 × 10⁶'
    """
    return textbook.vformat(catalogue.get(template, template), (), places)


def count(n, one, many, **places):
    """A sentence for one, or for another number of things: `{n}` is the number -> str.

    >>> count(1.0, "{n} step", "{n} steps"), count(0, "{n} step", "{n} steps")
    ('1 step', '0 steps')
    """
    n = int(n) if n % 1 == 0 else n
    return say(one if n == 1 else many, n=n, **places)


def number(value, form=""):
    """A number as a textbook prints it, in a format such as ".2f" -> str.

    It has a true minus sign and none before 0, powers of ten in place of "e+06", and a space before "%".

    >>> number(-3), number(-0.001, ".2f"), number(4.8e6, ".2g"), number(31600.0, ".3g"), number(1e-5, ".1g")
    ('−3', '0.00', '4.8 × 10⁶', '31,600', '10⁻⁵')
    """
    text = format(value, form) if form else str(value)  # `format` would give all 17 digits of a float32
    plain, mantissa = re.fullmatch(r"([+-]?)([\d.,]+)e([+-]\d+)(.*)", text), re.search(r"[1-9]|inf|nan", text)
    if plain:
        sign, digits, exponent, rest = plain.groups()
        if 0 <= int(exponent) < 6:
            text = f"{sign}{float(digits + 'e' + exponent):,.0f}{rest}"
        else:
            power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
            text = f"{sign}{power if digits == '1' else f'{digits} × {power}'}{rest}"
    elif not mantissa:
        text = re.sub("[+-]", "", text)
    return text.replace("-", "−").replace("inf", "∞").replace("%", "\N{NO-BREAK SPACE}%")


class Textbook(string.Formatter):
    """`str.format` with the numbers of a textbook."""

    def format_field(self, value, form):
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        return number(value, form) if is_number else format(value, form)


textbook = Textbook()


@contextmanager
def pseudo_translation():
    """For tests: each template comes back in brackets. A text without them did not pass through here."""

    class Brackets(dict):
        def get(self, template, otherwise):
            return template.join(PSEUDO)

    global catalogue
    before, catalogue = catalogue, Brackets()
    try:
        yield
    finally:
        catalogue = before
