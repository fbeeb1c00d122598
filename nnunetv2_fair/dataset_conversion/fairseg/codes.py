"""What the numbers in Harvard-FairSeg's files say about a person.

Two releases code race differently, and both use 2: for White in one, for Asian in the other.
The scheme is therefore decided once for the whole dataset, never file by file.

Source: README of Harvard-Ophthalmology-AI-Lab/FairSeg; ``attr_to_race`` and the division of age
by 365 in its ``SAMed/datasets/dataset_fairseg.py``.
"""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema
from nnunetv2_fair.tables.words import UNKNOWN_WORDS

#: Meaning of the race codes in the two releases, by what ``--race-codes`` calls them.
RACE_SCHEMES: Mapping[str, Mapping[int, str]] = {
    "012": {0: "Asian", 1: "Black", 2: "White"},
    "237": {2: "Asian", 3: "Black", 7: "White"},
}
_CODES: Mapping[str, Mapping[int, str]] = {
    "gender": {0: "female", 1: "male"},
    "ethnicity": {0: "non-Hispanic", 1: "Hispanic"},
    "language": {0: "English", 1: "Spanish", 2: "other"},
    "maritalstatus": {
        0: "married or partnered",
        1: "single",
        2: "divorced",
        3: "widowed",
        4: "legally separated",
    },
}
_MEANINGS = {
    "race": "race as recorded",
    "gender": "gender as recorded",
    "ethnicity": "Hispanic or not, as recorded",
    "language": "preferred language",
    "maritalstatus": "marital status as recorded",
}
#: Other names of levels in the README and in copies of data_summary.csv.
_OTHER_WORDS: Mapping[str, Mapping[str, str]] = {
    "language": {"others": "other", "other languages": "other"},
}
_UNKNOWN_CODE = -1
_UNKNOWN_WORDS = frozenset({*UNKNOWN_WORDS, "", "unidentified", "unindentified"})
#: No group of people is this old in years; ages in days are.
_OLDEST_MEDIAN = 150
#: As FairSeg's own code divides, so that its age groups come out the same.
_DAYS_PER_YEAR = 365


def fairseg_schema(told: Collection[str]) -> Schema:
    """Return the attributes; age groups are below 60 and from 60 on, as in FairSeg's code.

    Args:
        told: Attributes that any file gives; the others are left out. Race is the default
            attribute, or else the first one.
    """
    levels = {"race": tuple(RACE_SCHEMES["012"].values())}
    levels |= {name: tuple(codes.values()) for name, codes in _CODES.items()}
    attributes = {
        name: Attribute(name, "categorical", meaning, levels=levels[name])
        for name, meaning in _MEANINGS.items()
    }
    attributes["age"] = Attribute(
        "age",
        "numeric",
        "age at examination",
        "years",
        bins=Bins.from_cuts((60.0,)),
        minimum=0,
        maximum=120,
    )
    present = {name: attribute for name, attribute in attributes.items() if name in told}
    return Schema(present, next(iter(present), None))


def decide_race_scheme(
    values: Mapping[str, str | float], chosen: str | None
) -> tuple[Mapping[int, str], list[str]]:
    """Return the meaning of the race codes of a dataset, and what contradicts it.

    Args:
        values: Race of each file as stored.
        chosen: Scheme that the user named, None to decide by what is found.
    """
    if chosen is not None:
        return RACE_SCHEMES[chosen], []
    codes: dict[int, str] = {}
    for file, value in values.items():
        code = _code(value)
        if code is not None:
            codes.setdefault(code, file)
    new = [codes[code] for code in (0, 1) if code in codes]
    old = [codes[code] for code in (3, 7) if code in codes]
    if new and old:
        return {}, [
            f"race is coded in two ways: {shorten(new, 2)} has 0 or 1 (0 Asian, 1 Black, 2 White), "
            f"{shorten(old, 2)} has 3 or 7 (2 Asian, 3 Black, 7 White), and 2 means something else "
            "in each. Convert the two releases as two datasets"
        ]
    if 2 in codes and not new and not old:
        return {}, [
            "race is 2 wherever it is known, which means White where races are coded 0, 1, 2 and "
            "Asian where they are coded 2, 3, 7. Say which: --race-codes 012 or --race-codes 237"
        ]
    return RACE_SCHEMES["237" if old else "012"], []


def ages_in_years(values: Mapping[str, str | float]) -> tuple[dict[str, str], bool, list[str]]:
    """Return the age of each file in years, whether they were days, and what is wrong.

    Ages are days if half of them are above 150, decided once for all files.

    Args:
        values: Age of each file as stored; negative and not-a-number mean unknown.
    """
    numbers: dict[str, float] = {}
    problems = []
    years: dict[str, str] = {}
    for file, value in values.items():
        years[file] = ""
        try:
            number = float(value)
        except ValueError:
            if str(value).strip().casefold() not in _UNKNOWN_WORDS:
                problems.append(f"{file}: age is '{value}', expected a number")
            continue
        if number >= 0:
            numbers[file] = number
    in_days = bool(numbers) and statistics.median(numbers.values()) > _OLDEST_MEDIAN
    for file, number in numbers.items():
        years[file] = f"{number / _DAYS_PER_YEAR if in_days else number:.6g}"
    return years, in_days, problems


def level_of(
    attribute: str, value: str | float, race_codes: Mapping[int, str]
) -> tuple[str, str | None]:
    """Return the level that a stored value means (empty if unknown), and what is wrong with it.

    Args:
        attribute: One of the categorical attributes.
        value: As stored: a code, or the level in words.
        race_codes: Meaning of the race codes.
    """
    codes = race_codes if attribute == "race" else _CODES[attribute]
    code = _code(value)
    if code is None:
        word = str(value).strip().casefold()
        if word in _UNKNOWN_WORDS:
            return "", None
        word = _OTHER_WORDS.get(attribute, {}).get(word, word)
        for level in codes.values():
            if word == level.casefold():
                return level, None
    elif code == _UNKNOWN_CODE:
        return "", None
    elif code in codes:
        return codes[code], None
    known = ", ".join(f"{number} {level}" for number, level in codes.items())
    return "", f"{attribute} is {value!r}, expected {known} or -1 (unknown)"


def is_unknown(text: str) -> bool:
    """Return whether a text says that something is not known: a word for it, or -1."""
    return text.strip().casefold() in _UNKNOWN_WORDS or _code(text) == _UNKNOWN_CODE


def code_problems(problems: Sequence[tuple[str, str]], remedy: str) -> list[str]:
    """Return one sentence per kind of wrong value instead of one per file.

    Args:
        problems: Pairs of file and what is wrong with it.
        remedy: What to do about it.
    """
    files: dict[str, list[str]] = {}
    for file, what in problems:
        files.setdefault(what, []).append(file)
    return [f"{what}: {shorten(found, 4)}. {remedy}" for what, found in files.items()]


def _code(value: str | float) -> int | None:
    """Return a whole number, None for words; not-a-number counts as unknown."""
    try:
        number = float(value)
    except ValueError:
        return None
    if math.isnan(number):
        return _UNKNOWN_CODE
    return int(number) if number.is_integer() else None
