"""What UK Biobank's columns are called, and what its codes mean.

Source: UK Biobank data showcase, fields 31, 50, 21000 (data coding 1001), 21001, 21002 and 21003.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_fair.tables.words import UNKNOWN_WORDS

ETHNICITY = "ethnicity"
SEX = "sex"

#: Top level of the tree of ethnic backgrounds, in its order.
ETHNICITIES = ("White", "Mixed", "Asian", "Black", "Chinese", "Other")
SEXES = ("female", "male")

#: Field of each attribute.
FIELDS: Mapping[str, int] = {
    ETHNICITY: 21000,
    SEX: 31,
    "age": 21003,
    "bmi": 21001,
    "height": 50,
    "weight": 21002,
}
#: Fields that do not change between visits: any instance will do.
LASTING = (ETHNICITY, SEX)

_CHILDREN: Mapping[int, tuple[str, ...]] = {
    1: ("White", "British", "Irish", "Any other white background"),
    2: (
        "Mixed",
        "White and Black Caribbean",
        "White and Black African",
        "White and Asian",
        "Any other mixed background",
    ),
    3: (
        "Asian or Asian British",
        "Indian",
        "Pakistani",
        "Bangladeshi",
        "Any other Asian background",
    ),
    4: ("Black or Black British", "Caribbean", "African", "Any other Black background"),
    5: ("Chinese",),
    6: ("Other ethnic group",),
}
#: Group of each code and of each text, in lower case. A child's group is its top level, by the
#: tree and not by its first digit, so that a code that does not exist gets no group.
ETHNICITY_GROUPS: Mapping[str, str] = {
    key.casefold(): ETHNICITIES[top - 1]
    for top, names in _CHILDREN.items()
    for child, name in enumerate(names)
    for key in (str(top if child == 0 else 1000 * top + child), name)
} | {name.casefold(): name for name in ETHNICITIES}
SEX_GROUPS: Mapping[str, str] = {"0": "female", "1": "male", "female": "female", "male": "male"}

#: Texts for which a participant's group is unknown, in lower case; so is every negative code.
UNKNOWN_TEXTS = ("do not know", "prefer not to answer")
#: How spreadsheets and statistics programs write an empty cell.
EMPTY_CELLS = frozenset({*UNKNOWN_WORDS, "", "na", "none"})

_FORMS = (
    re.compile(r"(?P<field>\d+)-(?P<instance>\d+)\.\d+"),  # 21000-0.0
    re.compile(r"f\.(?P<field>\d+)\.(?P<instance>\d+)\.\d+"),  # f.21000.0.0
    re.compile(r"x(?P<field>\d+)[._](?P<instance>\d+)[._]\d+"),  # what R makes of the first form
    re.compile(r"\w+_f(?P<field>\d+)_(?P<instance>\d+)_\d+"),  # ethnic_background_f21000_0_0
    re.compile(r"(?:participant\.)?p(?P<field>\d+)(?:_i(?P<instance>\d+))?(?:_a\d+)?"),  # p21000_i0
)
ID_COLUMNS = ("eid", "f.eid", "participant.eid", "participant", "participant_id", "patient",
              "patient_id", "subject", "subject_id")  # fmt: skip
#: Names of columns that hold a value in words or plain units, as tables of other sites do.
PLAIN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    ETHNICITY: ("ethnicity", "race"),
    SEX: ("sex", "gender"),
    "age": ("age",),
    "bmi": ("bmi",),
    "height": ("height",),
    "weight": ("weight",),
}


@dataclass(frozen=True)
class UkbbColumn:
    """A column that holds a field of UK Biobank.

    Attributes:
        field: Number of the field.
        instance: Visit: 0 first assessment, 1 its repeat, 2 imaging, 3 repeated imaging. None
            where the name has none (``p31``).
    """

    field: int
    instance: int | None


def parse_column(name: str) -> UkbbColumn | None:
    """Return the field that a column of that name holds; None if it is named otherwise."""
    for form in _FORMS:
        match = form.fullmatch(name.strip().casefold())
        if match:
            instance = match["instance"]
            return UkbbColumn(int(match["field"]), None if instance is None else int(instance))
    return None


def plain_number(text: str) -> str:
    """Return ``1001`` for ``1001.0``: tables with empty cells turn codes into decimals."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text.strip())


def ethnicity_of(text: str) -> str | None:
    """Return the group of a code or text of field 21000.

    Args:
        text: ``1001``, ``1001.0``, ``British`` or ``White``, for instance.

    Returns:
        One of :data:`ETHNICITIES`; empty if unknown (no answer, do not know, prefer not to
        answer); None if the tree has no such code.
    """
    return _group(text, ETHNICITY_GROUPS)


def sex_of(text: str) -> str | None:
    """Return ``female`` or ``male`` of a code or text of field 31; empty if unknown, else None."""
    return _group(text, SEX_GROUPS)


def _group(text: str, groups: Mapping[str, str]) -> str | None:
    key = plain_number(text).casefold()
    if key in EMPTY_CELLS or key in UNKNOWN_TEXTS or re.fullmatch(r"-\d+", key):
        return ""
    return groups.get(key)
