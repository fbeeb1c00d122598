"""The demographics table as an evaluation uses it: with cuts of its own."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema
from nnunetv2_fair.subgroups.table import DemographicsTable, check_table, read_table


def read_table_with_cuts(path: Path, cuts: Mapping[str, Sequence[float]]) -> DemographicsTable:
    """Read a demographics table and cut numeric attributes into other groups.

    Args:
        path: The table; its dictionary is looked for beside it.
        cuts: Attribute -> numbers to cut at: (50, 65) gives <50, 50-<65, >=65.

    Raises:
        DemographicsError: If the table is wrong, or an attribute is unknown or not numeric.
    """
    return cut(read_table(path), cuts, described=path.with_suffix(".json").is_file())


def cut(
    table: DemographicsTable, cuts: Mapping[str, Sequence[float]], *, described: bool
) -> DemographicsTable:
    """Cut numeric attributes of a table into other groups.

    Args:
        table: The table.
        cuts: As in :func:`read_table_with_cuts`.
        described: Whether the table has a dictionary, or its columns were guessed.

    Raises:
        DemographicsError: As :func:`read_table_with_cuts`.
    """
    for name, numbers in cuts.items():
        bins = Bins.from_cuts(tuple(numbers))
        attribute = table.schema[name]
        if not described and any(map(_is_number, attribute.levels)):
            # what nobody describes is taken for levels if it is few numbers, or one cell is none;
            # whoever cuts it says that it is numeric, and checking again names the wrong cells
            numeric = Attribute(name, "numeric", bins=bins)
            schema = Schema({**table.schema.attributes, name: numeric}, table.schema.default)
            check_table(table.frame.reset_index(), schema, table.source)
            table = DemographicsTable(table.frame, schema, table.source)
        else:
            table = table.with_bins(name, bins)
    return table


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
