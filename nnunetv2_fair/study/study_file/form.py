"""Types of the values of a study's file: what each must look like, with a description in words.

A description says what is expected where something else was found: "found 5; expected ...".
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from nnunetv2_fair.study.study_file.values import absolute

#: Type of the error of a value that is not one of its choices; its message lists them.
CHOICE = "choice"
_MOST_FOLDS = 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class Reading:
    """What types need to know about the file that is read.

    Attributes:
        folder: The file's folder; relative paths start there.
        is_rest: Whether mistakes have been removed, so that a list may be empty.
    """

    folder: Path
    is_rest: bool = False


def _reading(info: ValidationInfo) -> Reading:
    reading: Reading = info.context or Reading(Path())
    return reading


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError
    return value


def _not_empty(values: tuple[_T, ...], info: ValidationInfo) -> tuple[_T, ...]:
    if not values and not _reading(info).is_rest:
        raise ValueError
    return values


def different(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Refuse a list in which something is listed twice."""
    if len(set(values)) < len(values):
        raise ValueError
    return values


def _fold(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_FOLDS:
        return str(value)
    if value != "all":
        raise ValueError
    return value


def whole_or_text(value: object) -> object:
    """Return a whole number as text, and what is not one as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number_or_text(value: object) -> object:
    return str(value) if isinstance(value, float) else whole_or_text(value)


def _low_and_high(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) != 2 or values[0] >= values[1]:
        raise ValueError
    return values


def _several(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) < 2 or len(set(values)) != len(values):
        raise ValueError
    return values


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError
    try:
        return absolute(value, _reading(info).folder)
    except RuntimeError as error:  # the home of a user who does not exist
        raise ValueError from error


def one_of(names: Callable[[], Collection[str]]) -> AfterValidator:
    """Return a check that a text is one of some names, which are looked up when there is a text."""

    def check(value: str) -> str:
        known = names()
        if value not in known:
            raise PydanticCustomError(CHOICE, "one of {known}", {"known": ", ".join(known)})
        return value

    return AfterValidator(check)


def _metrics() -> Collection[str]:
    from nnunetv2_fair.evaluation.metrics.registry import METRICS

    return METRICS


def _presets() -> Collection[str]:
    from nnunetv2_fair.evaluation.papers.presets import PRESETS

    return PRESETS


def _downstream_sets() -> Collection[str]:
    from nnunetv2_fair.evaluation.downstream.measures import SETS

    return SETS


def one_or_several(value: object) -> object:
    """Return numbers as a tuple; a mistake is one of the whole, as the file may have no list."""
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(x, bool) or not isinstance(x, int | float) for x in values):
        raise ValueError
    return tuple(map(float, values))


def _expected(description: str) -> Any:
    return Field(description=description)


#: A key that may be left out, but not be empty.
Given = Annotated[_T | None, BeforeValidator(_not_null)]
#: A list that may be empty.
AnyList = Annotated[tuple[_T, ...], Field(strict=False)]
Listed = Annotated[tuple[_T, ...], Field(strict=False), AfterValidator(_not_empty)]

Text = Annotated[str, Field(min_length=1)]
#: Part of the names of folders.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
DatasetId = Annotated[str, BeforeValidator(whole_or_text)]
FilePath = Annotated[
    Path,
    BeforeValidator(_path),
    _expected("a path; relative ones start at this file's folder"),
]
Expression = Annotated[
    str,
    Field(
        pattern=r"^[^{}]+$",
        description="an attribute such as sex, or several joined by +, such as sex+age",
    ),
]
Expressions = Annotated[
    Listed[Expression], _expected("a list of attributes, such as [sex, age, sex+age]")
]
Fold = Annotated[str, BeforeValidator(_fold), _expected("a fold from 0 to 19, or all")]
Group = Annotated[Text, _expected("the name of a group; in quotes if it looks like a number")]
Choice = Annotated[
    Listed[Group],
    AfterValidator(_several),
    _expected("a list of two or more different groups, such as [White, Black]"),
]
Variable = Annotated[
    str, BeforeValidator(_number_or_text), _expected("the value of an environment variable")
]
Memory = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]*\s?[MGT]B?$",
        description="main memory with its unit, such as 32G or 500M",
    ),
]
Runtime = Annotated[
    str,
    Field(
        pattern=r"^([1-9][0-9]*d)?([1-9][0-9]*h)?([1-9][0-9]*m)?$",
        min_length=2,
        description="a time limit with its unit, such as 48h, 1d12h or 90m",
    ),
]
Number = Annotated[float, _expected("a number")]
Cuts = Annotated[
    Listed[Number],
    AfterValidator(different),
    _expected("a list of different numbers, such as [50, 65]"),
]
MetricName = Annotated[str, one_of(_metrics), _expected("a metric, such as dice")]
DownstreamSet = Annotated[
    str, one_of(_downstream_sets), _expected("a set of downstream measures, such as cardiac")
]
#: Where a decision changes: a number, or several.
Thresholds = Annotated[
    tuple[Number, ...],
    BeforeValidator(one_or_several),
    AfterValidator(different),
    _expected("a number, or a list of different numbers, such as 50 or [40, 50]"),
]
PresetName = Annotated[str, one_of(_presets), _expected("a paper's table, such as lee")]
Range = Annotated[
    Listed[Number],
    AfterValidator(_low_and_high),
    _expected("the lowest and the highest plausible number, such as [10, 80]"),
]
#: What a cell of a table holds.
Content = Annotated[
    str, BeforeValidator(_number_or_text), _expected("a text; in quotes if it looks like yes or no")
]
Levels = Annotated[
    dict[Content, Group],
    _expected("contents of cells with the level that each means, such as {F: female, M: male}"),
]
