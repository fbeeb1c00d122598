"""The demographics table as an evaluation uses it: with cuts of its own."""

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
        if not described and attribute.type == "categorical" and _are_numbers(attribute.levels):
            # a few different numbers are taken for levels as long as nobody describes them
            numeric = Attribute(name, "numeric", bins=bins)
            schema = Schema({**table.schema.attributes, name: numeric}, table.schema.default)
            table = DemographicsTable(table.frame, schema, table.source)
        else:
            table = table.with_bins(name, bins)
    return table


def _are_numbers(levels: Sequence[str]) -> bool:
    try:
        numbers = [float(level) for level in levels]
    except ValueError:
        return False
    return all(abs(number) < float("inf") for number in numbers)  # also refuses NaN
