"""The demographics table as an evaluation uses it: with cuts of its own."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema
from nnunetv2_fair.subgroups.table import DemographicsTable, read_table


def read_table_with_cuts(path: Path, cuts: Mapping[str, Sequence[float]]) -> DemographicsTable:
    """Read a demographics table and cut numeric attributes into other groups.

    Args:
        path: The table; its dictionary is looked for beside it.
        cuts: Attribute -> numbers to cut at: (50, 65) gives <50, 50-<65, >=65.

    Raises:
        DemographicsError: If the table is wrong, or an attribute is unknown or not numeric.
    """
    table = read_table(path)
    described = path.with_suffix(".json").is_file()
    for name, numbers in cuts.items():
        bins = Bins.from_cuts(tuple(numbers))
        attribute = table.schema[name]
        if not described and any(map(_is_number, attribute.levels)):
            # what nobody describes is taken for levels if it is few numbers, or one cell is none;
            # whoever cuts it says that it is numeric, and reading again names the wrong cells
            numeric = Attribute(name, "numeric", bins=bins)
            schema = Schema({**table.schema.attributes, name: numeric}, table.schema.default)
            table = read_table(path, schema)
        else:
            table = table.with_bins(name, bins)
    return table


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
