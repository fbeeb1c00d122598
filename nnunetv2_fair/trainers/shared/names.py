"""The grammar of trainer names: a name is an experiment.

nnU-Net names the results folder after the trainer class, so everything that changes the outcome
is in the name::

    nnUNetTrainer<Method>[_<attribute>][_<option><value>]...[_<N>epochs]

for example ``nnUNetTrainerOversampling_sex+age_level0.5_100epochs``. Without an attribute the
dataset's default one is used; without ``_<N>epochs`` nnU-Net's 1000.

A method that trains one group's model takes ``<attribute>=<group>`` instead of the attribute, the
group written as :func:`nnunetv2_fair.subgroups.tokens.group_token` writes it:
``nnUNetTrainerInD_sex+age=female+lt50``.
"""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nnunetv2_fair.errors import TrainerNameError, closest
from nnunetv2_fair.subgroups.tokens import group_token

#: nnU-Net's own trainer of one epoch has no plural s.
_EPOCHS = re.compile(r"(\d+)epochs?")


@dataclass(frozen=True)
class Option:
    """One setting of a trainer that its name can hold.

    Attributes:
        name: Lower-case letters, such as ``level``.
        default: Value when the name does not mention it.
        parse: Turns the text after the name into a value; raises ValueError if it cannot.
        allowed: The values in words, for messages: ``a number above 0 and at most 1``.
        meaning: One sentence.
        begins: Pattern that values begin with. A word that only begins like the option, such as
            the attribute ``alphabet`` and the option ``alpha``, is not one.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    allowed: str
    meaning: str
    begins: str = "."


def number_option(
    name: str,
    default: float | None,
    low: float,
    high: float,
    meaning: str,
    *,
    low_open: bool = False,
) -> Option:
    """Return an option whose value is a number.

    Args:
        name: What stands before the number in a trainer's name, such as ``level``.
        default: Value where the name does not say.
        low: Smallest value.
        high: Largest value; may be infinite.
        meaning: What the option does, in a few words.
        low_open: Whether ``low`` itself is refused.

    Returns:
        The option; its ``parse`` raises ``ValueError`` for all other texts.
    """

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high or (low_open and value == low):
            raise ValueError(text)
        return value

    allowed = f"a number {'above' if low_open else 'from'} {low:g} to {high:g}"
    return Option(name, default, parse, allowed, meaning, begins=r"\d")


def whole_number_option(
    name: str, default: int | None, low: int, high: int, meaning: str
) -> Option:
    """Return an option whose value is a whole number, written in digits.

    Args:
        name: What stands before the number in a trainer's name, such as ``window``.
        default: Value where the name does not say.
        low: Smallest value.
        high: Largest value.
        meaning: What the option does, in a few words.

    Returns:
        The option; its ``parse`` raises ``ValueError`` for all other texts.
    """

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(text)
        return int(text)

    allowed = f"a whole number from {low} to {high}"
    return Option(name, default, parse, allowed, meaning, begins=r"\d")


def choice_option(name: str, default: str, choices: tuple[str, ...], meaning: str) -> Option:
    """Return an option whose value is one of a few words.

    Args:
        name: What stands before the word in a trainer's name, such as ``scale``.
        default: Value where the name does not say.
        choices: The words.
        meaning: What the option does, in a few words.

    Returns:
        The option; its ``parse`` raises ``ValueError`` for all other texts.
    """

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return Option(name, default, parse, f"one of {', '.join(choices)}", meaning)


@dataclass(frozen=True)
class Experiment:
    """What a trainer name says.

    Attributes:
        method: Name of the trainer class it builds on, such as ``nnUNetTrainerOversampling``.
        attribute: Attribute expression; None takes the dataset's default.
        options: Values of the options in the name.
        epochs: Number of epochs; None takes nnU-Net's.
        group: The one group to train on, as written in names; None for methods that train on all.
    """

    method: str
    attribute: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    group: str | None = None


def parse_name(
    name: str, methods: Mapping[str, Mapping[str, Option]], one_group: Collection[str] = ()
) -> Experiment | None:
    """Read a trainer name.

    Args:
        name: Such as ``nnUNetTrainerOversampling_sex_5epochs``.
        methods: Known trainer classes with the options that each knows.
        one_group: Those of them whose name must hold ``<attribute>=<group>``.

    Returns:
        What the name says; None if it begins with none of the methods.

    Raises:
        TrainerNameError: If the name begins with a method but the rest violates the grammar.
    """
    method, _, rest = name.partition("_")
    if method not in methods:
        return None
    if name == method:
        return Experiment(method)
    options, takes_group = methods[method], method in one_group
    try:
        return _read_rest(method, rest.split("_"), options, takes_group)
    except _GrammarError as error:
        grammar = describe(method, options, one_group=takes_group)
        raise TrainerNameError(f"{grammar}\nTrainer name '{name}': {error}") from None


class _GrammarError(Exception):
    """What is wrong after the method's name, in sentences."""


def _read_rest(
    method: str, tokens: list[str], options: Mapping[str, Option], takes_group: bool
) -> Experiment:
    """Read what follows the method: attribute (and group), options, epochs, in this order."""
    if "" in tokens:
        raise _GrammarError("two underscores in a row, or one at the end.")
    tokens, epochs = _take_epochs(tokens)
    attribute, group, tokens = _take_attribute(tokens, options, takes_group)
    values: dict[str, Any] = {}
    for token in tokens:
        option, value = _read_option(method, token, options)
        if option in values:
            raise _GrammarError(f"option '{option}' is given twice.")
        values[option] = value
    if takes_group and group is None:
        raise _GrammarError("it does not say which group to train on.")
    return Experiment(method, attribute, values, epochs, group)


def _take_epochs(tokens: list[str]) -> tuple[list[str], int | None]:
    """Return the tokens before the number of epochs, and that number."""
    found = _EPOCHS.fullmatch(tokens[-1])
    if not found:
        return tokens, None
    epochs = int(found[1])
    if epochs < 1:
        raise _GrammarError("at least 1 epoch is needed.")
    return tokens[:-1], epochs


def _take_attribute(
    tokens: list[str], options: Mapping[str, Option], takes_group: bool
) -> tuple[str | None, str | None, list[str]]:
    """Return attribute expression and group, None where absent, and the tokens after them."""
    parts: list[str] = []  # an attribute's name may itself hold underscores
    for position, token in enumerate(tokens):
        if takes_group and "=" in token:
            last, group = _read_group(token)
            return "_".join([*parts, last]), group, tokens[position + 1 :]
        if _option_of(token, options) is not None or not _is_attribute(token):
            return "_".join(parts) or None, None, tokens[position:]
        parts.append(token)
    return "_".join(parts) or None, None, []


def _read_group(token: str) -> tuple[str, str]:
    """Return the last part of the attribute expression, and the group."""
    attribute, _, group = token.partition("=")
    if not attribute or not _is_attribute(attribute) or not group:
        raise _GrammarError(f"'{token}' is not of the form <attribute>=<group>.")
    if group != group_token(group):
        raise _GrammarError(f"write group '{group}' as '{group_token(group)}', for folder names.")
    return attribute, group


def _read_option(method: str, token: str, options: Mapping[str, Option]) -> tuple[str, Any]:
    """Return name and value of the option that a token sets."""
    option = _option_of(token, options)
    if option is None and re.search(r"\s", token):
        raise _GrammarError(
            f"an attribute in a trainer's name cannot hold spaces, as '{token}' does. Call it "
            "otherwise in demographics.csv and demographics.json in nnUNet_raw, and run "
            "nnUNetv2_fair_prepare again."
        )
    if option is None:
        raise _GrammarError(f"'{token}' is not an option of {method}.{_meant(token, options)}")
    text = token.removeprefix(option.name)
    try:
        return option.name, option.parse(text)
    except ValueError:
        raise _GrammarError(
            f"'{text}' is not a value of option '{option.name}': expected {option.allowed}."
        ) from None


def _option_of(token: str, options: Mapping[str, Option]) -> Option | None:
    """Return the option with the longest name that the token begins with."""
    matching = []
    for option in options.values():
        value = token.removeprefix(option.name)
        # `unknownown` is option and value; an attribute called `level` stays an attribute
        if value not in (token, "") and re.match(option.begins, value):
            matching.append(option)
    return max(matching, key=lambda option: len(option.name), default=None)


def _meant(token: str, options: Mapping[str, Option]) -> str:
    """Return `` Did you mean 'level0.5'?`` if a token looks like a misspelled option."""
    for end in range(1, len(token)):
        found, value = closest(token[:end], options), token[end:]
        with suppress(ValueError):
            if found is not None:
                options[found].parse(value)
                return f" Did you mean '{found}{value}'?"
    return ""


def meant_option(
    expression: str | None, attributes: Collection[str], options: Mapping[str, Option]
) -> str:
    """Return a hint if an attribute expression may end with a misspelled option, else nothing.

    Args:
        expression: What the name was read as, such as ``sex_levle1``.
        attributes: Names of the dataset's attributes.
        options: Of the method.
    """
    attribute, _, token = (expression or "").rpartition("_")
    if token and all(part in attributes for part in attribute.split("+") if part):
        return _meant(token, options)
    return ""


def closest_name(name: str, methods: Collection[str]) -> str | None:
    """Return a name with the method that was probably meant; None if none is similar.

    Args:
        name: That is no trainer's: ``nnUNetTrainerOverSampling_sex``, ``Oversampling_sex``.
        methods: Known trainer classes.
    """
    prefix = "nnUNetTrainer"
    start, _, rest = name.removeprefix(prefix).lstrip("_").partition("_")
    found = closest(start, [method.removeprefix(prefix) for method in methods]) if start else None
    return None if found is None else "_".join(filter(None, (prefix + found, rest)))


def _is_attribute(token: str) -> bool:
    return not re.search(r"\d\.\d|=|\s", token)


def with_run(name: str, run: int, base: str | None = None) -> str:
    """Return the name of one of several trainings that differ by chance alone.

    Args:
        name: Without ``_run<N>``, such as ``nnUNetTrainerOversampling_sex_5epochs``.
        run: Number of the run, 1 or more.
        base: Name of the trainer whose model it builds on; the run builds on the same run of it.

    Returns:
        ``nnUNetTrainerOversampling_sex_run2_5epochs``; with a base
        ``nnUNetTrainerAPPLE_sex_baseMonitor-sex-run2_run2``.
    """
    tokens = name.split("_")
    end = [tokens.pop()] if _EPOCHS.fullmatch(tokens[-1]) else []
    if base is not None:
        written = f"base{base_token(with_run(base, run))}"
        for place, token in enumerate(tokens):
            if token == f"base{base_token(base)}":
                tokens[place] = written
                break
        else:
            tokens.append(written)
    return "_".join([*tokens, f"run{run}", *end])


def base_token(name: str) -> str:
    """Return how a trainer is written after ``_base``: ``GroupDRO-sex``, ``-5epochs``."""
    return name.removeprefix("nnUNetTrainer").replace("_", "-")


def describe(method: str, options: Mapping[str, Option], *, one_group: bool = False) -> str:
    """Return the grammar of one method, its options and defaults, for messages and help."""
    attribute = "_<attribute>=<group>" if one_group else "[_<attribute>]"
    example = "sex=female" if one_group else "sex"
    lines = [
        f"Expected {method}{attribute}[_<option><value>]...[_<N>epochs], for example "
        f"{method}_{example}_5epochs. Options of {method}:"
    ]
    lines += [
        f"  {option.name}<value>  {option.meaning} ({option.allowed}; default {option.default})"
        for option in options.values()
    ]
    return "\n".join(lines)
