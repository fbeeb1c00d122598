"""The clinical attributes of MAMA-MIA and what their cells mean.

Source: ``notebooks/display_clinical_data.ipynb`` (columns and values) and
``src/challenge/scoring_task1.py`` (age groups, menopausal status) of LidiaGarrucho/MAMA-MIA.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.subgroups.schema import Bins
from nnunetv2_fair.tables import words
from nnunetv2_fair.tables.numbers import plain_number

#: Cell contents, in lower case, that mean unknown; nothing in this table is called so.
UNKNOWN_WORDS = frozenset({*words.UNKNOWN_WORDS, *words.DOUBTFUL_WORDS, ""})

#: The challenge's groups: right-closed, so that 40.5 years is in 41-50.
AGE_BINS = Bins(
    (-math.inf, 40.0, 50.0, 60.0, 70.0, math.inf),
    ("0-40", "41-50", "51-60", "61-70", "71+"),
    "right",
)


class UnknownCodeError(ConversionError):
    """A cell holds a value that the attribute cannot have; the text says what was expected."""


def _age(text: str) -> str:
    number = plain_number(text)
    if number is None or not 0 <= number <= 120:
        raise UnknownCodeError("a number of years from 0 to 120")
    return f"{number:.10g}"


def _menopause(text: str) -> str:
    low = text.lower()
    for word, level in (("peri", "pre"), ("post", "post"), ("pre", "pre")):  # as the challenge does
        if word in low:
            return level
    raise UnknownCodeError("a text with pre, peri or post")


def _density(text: str) -> str:
    low = text.lower()
    if low not in ("a", "b", "c", "d"):
        raise UnknownCodeError("a, b, c or d")
    return low


def _tesla(text: str) -> str:
    try:
        return f"{float(text.lower().removesuffix('t')):g}"
    except ValueError:
        raise UnknownCodeError("a number (tesla)") from None


@dataclass(frozen=True)
class Column:
    """An attribute.

    Attributes:
        meaning: For people.
        names: Columns and json keys that it has had.
        read: Turns a cell that is not unknown into a value, or raises :class:`UnknownCodeError`.
        levels: Allowed values, where they are fixed.
    """

    meaning: str
    names: tuple[str, ...]
    read: Callable[[str], str]
    levels: tuple[str, ...] = ()


#: All attributes, in the order of the table that is written.
COLUMNS: Mapping[str, Column] = {
    "age": Column("age at diagnosis", ("age",), _age),
    "menopausal_status": Column(
        "menopausal status; perimenopausal counts as pre, as in the challenge",
        ("menopausal_status", "menopause"),
        _menopause,
        ("pre", "post"),
    ),
    "breast_density": Column(
        "BI-RADS breast density", ("breast_density",), _density, ("a", "b", "c", "d")
    ),
    "ethnicity": Column("ethnicity as recorded", ("ethnicity",), str.lower),
    "dataset": Column("collection that the examination comes from", ("dataset",), str.upper),
    "site": Column("hospital, coded", ("site",), str),
    "manufacturer": Column(
        "manufacturer of the scanner", ("manufacturer", "scanner_manufacturer"), str.upper
    ),
    "scanner_model": Column("model of the scanner", ("scanner_model",), str),
    "field_strength": Column("field strength in tesla", ("field_strength",), _tesla),
    "tumor_subtype": Column("tumour subtype", ("tumor_subtype",), str.lower),
}
