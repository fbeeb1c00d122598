"""How a table is to be read: what the options of every command that reads one say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: What a row of a table describes; names the column that tells rows apart.
Key = Literal["case", "image", "patient"]

#: Columns that a table may have besides attributes, by what a row describes.
ROLES: Mapping[Key, tuple[str, ...]] = {
    "case": ("case", "patient", "synthetic", "sampling_weight"),
    "image": ("image", "patient", "split", "synthetic"),
    "patient": ("patient", "split", "synthetic"),
}


@dataclass(frozen=True)
class TableSettings:
    """How a table is to be read.

    Attributes:
        columns: Column of each role (see :data:`ROLES`) or attribute that is not named like it.
            Roles that are not given are looked for under their usual names.
        attributes: Attributes to take; None: every column with few levels or with numbers.
        others: Take those columns besides ``attributes``.
        optional: Attributes to take as well if the table has them.
        unknown: Cell contents that mean unknown, besides the empty cell and what can mean
            nothing else.
        values: Level that each cell content means, by attribute. Other contents, except the
            levels themselves, are then refused.
        bins: Where to cut a numeric attribute into groups: (50, 65) for <50, 50-<65 and >=65.
        ranges: Lowest and highest plausible number; 0 to 120 by default for ages in years.
        dicom_age: Attributes whose cells may look like ``045Y`` or ``45 years``.
        default: The default attribute; None: the first one.
        key: What a row describes.
        sheet: Sheet of an XLSX file; None: the first.
        none_is_level: Attributes of which "none" is a finding; elsewhere it is refused, because it
            may mean unknown.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] | None = None
    others: bool = False
    optional: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    dicom_age: tuple[str, ...] = ()
    default: str | None = None
    key: Key = "case"
    sheet: str | None = None
    none_is_level: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Columns that are not attributes."""
        return ROLES[self.key]


def explained(settings: TableSettings) -> dict[str, Any]:
    """Return the settings that say anything, as JSON can hold them."""
    return {name: value for name, value in asdict(settings).items() if value}
