"""Numbers, ages and dates as people write them in cells."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

# float() also accepts 5_4, digits of all scripts, nan and inf
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_WITH_UNIT = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s*([a-zµ%°][\w/%°²³.^]*)", re.IGNORECASE)
_AGE = re.compile(
    r"([0-9]+(?:[.,][0-9]+)?)\s*"
    r"(y|yo|y/o|yrs?|years?|years? old|jahre?|j|jaar|ans?|años?|anos?|anni|anno|歳|岁"
    r"|m|mos?|months?|monate?|mois|mes|meses|mese|mesi|w|wks?|weeks?|wochen?|d|days?)\.?",
    re.IGNORECASE,
)
#: How many of a unit make a year, by the first letter of the unit.
_PER_YEAR = {
    **dict.fromkeys("yja歳岁", 1.0), "m": 12.0, "w": 365.25 / 7, "d": 365.25,
}  # fmt: skip
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})|(19|20)\d{2}[01]\d[0-3]\d"
    r"|\d{1,2}[- ][a-z]{3,9}[- ]\d{2,4})([ T]\d{1,2}:\d{2}.*)?",
    re.ASCII | re.IGNORECASE,
)


def plain_number(text: str) -> float | None:
    """Return the finite number that a text is, such as ``45``, ``-1.5`` or ``2e3``; else None."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def ascii_number(text: str) -> str | None:
    """Return a number in the digits 0 to 9; None if a text is none.

    Args:
        text: Such as full-width or Arabic digits, with a typographic minus, or with gaps in front
            of every three digits.
    """
    plain = re.sub(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))", "", text.replace("\u2212", "-"))
    digits = "".join(
        str(unicodedata.digit(sign)) if sign.isdecimal() else sign
        for sign in unicodedata.normalize("NFKC", plain)
    )
    return digits if plain_number(digits) is not None else None


def is_shortened(text: str) -> bool:
    """Return whether a text is a whole number as a spreadsheet shows it: ``1.23E+11``."""
    return re.fullmatch(r"\d([.,]\d+)?E\+\d{2}", text, re.ASCII) is not None


def with_comma(text: str) -> str | None:
    """Return ``1.5`` for ``1,5``; None for anything without a decimal comma."""
    return text.replace(",", ".") if _COMMA.fullmatch(text) else None


def commas_are_decimal(texts: Iterable[str]) -> bool:
    """Return whether the commas of a column can mean nothing but decimals.

    Not so if other cells have a point, or if every comma stands before three digits, as in
    ``1,234``, which may be one thousand.
    """
    texts = set(texts)
    commas = [text for text in texts if _COMMA.fullmatch(text)]
    points = any("." in text for text in texts if plain_number(text) is not None)
    return bool(commas) and not points and not all(map(_may_be_thousands, commas))


def _may_be_thousands(text: str) -> bool:
    before, _, behind = text.lstrip("+-").partition(",")
    return len(behind) == 3 and not before.startswith("0")


def age_in_years(text: str) -> str | None:
    """Return the years that an age with a unit means, such as ``045Y``, ``18 months``; else None.

    Args:
        text: DICOM's form (digits and one of Y, M, W, D), or a number and a unit in words.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    return f"{float(match[1].replace(',', '.')) / _PER_YEAR[match[2][0].lower()]:.4g}"


def is_date(text: str) -> bool:
    """Return whether a text has the form of a date."""
    return _DATE.fullmatch(text) is not None


def like_numbers(texts: Sequence[str]) -> list[str]:
    """Return those of some texts that are numbers, though perhaps written wrongly.

    These are numbers, numbers in other digits, with a comma, and with the unit that most have:
    ``45 kg``. ``1a``, ``1b``, ``2a`` and ``2b`` are no numbers.
    """
    units = Counter(unit for text in texts if (unit := unit_of(text)) is not None)
    usual = units.most_common(1)[0][0] if units else None
    return [
        text
        for text in texts
        if ascii_number(text) is not None
        or _COMMA.fullmatch(text) is not None
        or (usual is not None and unit_of(text) == usual)
    ]


def unit_of(text: str) -> str | None:
    """Return what stands behind a number, such as ``kg``; of ages ``age``. None without any."""
    if age_in_years(text) is not None:
        return "age"
    match = _WITH_UNIT.fullmatch(text)
    return match[1].casefold() if match else None
