"""What the words of a command line mean, and what may have been meant by a word that means nothing."""

import argparse
import ast
import re

from rlkit.running.messages import similar

OTHER_WORDS = {
    "save": "--out", "output": "--out", "o": "--out", "name": "--out", "checkpoint": "--resume", "continue": "--resume",
    "game": "--env", "environment": "--env", "model": "--preset", "speed": "--fps", "time": "--minutes",
    "total-steps": "--steps", "target": "--stop-at", "cpus": "--threads", "n": "--episodes",
}  # what other programs call our options  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one sentence, like everything else here."""

    def error(self, message):
        message = re.sub("^argument ([^:]*): ", r"\1 ", message)
        message = re.sub("expected (one|at least one) argument", "needs a value", message)
        message = re.sub("^the following arguments are required: ", "name a ", message)
        raise ValueError(f"{message[:1].upper()}{message[1:].rstrip('.')}; see `{self.prog} --help`.")

    def parse(self, arguments, settings=()):
        """The values of these words. Raises ValueError for the first one that means nothing.

        `settings` are names that somebody may have taken for options.
        """
        args, left = self.parse_known_args(arguments)
        if left:
            raise ValueError(f"{self.meant(*left[:2], settings=settings)} See `{self.prog} --help`.")
        return args

    def meant(self, word, following="", settings=()):
        """A sentence about a word that means nothing here."""
        options = {option.lstrip("-"): option for option in re.findall(r"--[\w-]+", self.format_usage())}
        name, _, value = word.partition("=")
        plain = name.lstrip("-")
        option = OTHER_WORDS.get(plain)
        setting = plain.replace("-", "_")
        if name.startswith("-") and setting in settings:
            value = value or (following if following and not following.startswith("-") else "VALUE")
            return f"{name} is a setting, not an option; write --set {setting}={value}."
        if option not in options.values():
            option = options.get(similar(plain, options))
        if name.startswith("-"):
            setting = None if option else similar(setting, settings)
            cure = f"; did you mean {option}?" if option else f"; did you mean --set {setting}=...?" if setting else "."
            return f"There is no option {name}{cure}"
        return f"The word {word!r} does not belong here{f'; did you mean {option}?' if option else '.'}"


def whole(text):
    """ "1_000", "1e6" -> a whole number."""
    try:
        number = float(text)
        if number.is_integer():  # inf and nan are not
            return int(text) if "e" not in text.lower() and "." not in text else int(number)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"must be a whole number, such as 100_000 or 1e5, not {text!r}")


def real(text):
    """ "0.5" -> a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, such as 0.5, not {text!r}") from None


def setting(text):
    """`gamma=0.9` -> ("gamma", 0.9). What is not a Python literal is a string, as in `env=CartPole-v1`."""
    name, equals, value = text.partition("=")
    name = name.replace("-", "_")
    if not (equals and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"takes NAME=VALUE, without spaces, as in gamma=0.9, and not {text!r}")
    if re.search(r",\s*\w+=", value):
        raise argparse.ArgumentTypeError(f"takes settings with spaces between them, as in a=1 b=2, and not {text!r}")
    if value.lower() in ("true", "false", "none"):
        value = value.title()
    for read_as in (ast.literal_eval, float):  # float, because inf is not a literal
        try:
            return name, read_as(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # whatever the parser stumbles over
            continue
    return name, value
