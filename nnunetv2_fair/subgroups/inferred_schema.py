"""What the columns of a table without a dictionary mean: attributes of what was read."""

from collections.abc import Iterable

import pandas as pd

from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema
from nnunetv2_fair.tables.attribute_column import AttributeColumn
from nnunetv2_fair.tables.reading import PeopleTable
from nnunetv2_fair.tables.settings import TableSettings


def inferred_schema(people: PeopleTable, settings: TableSettings) -> Schema:
    """Describe the columns of a table that has no dictionary.

    Numbers are cut where the settings say, else at the quartiles of the known values; every other
    column is categorical.

    Args:
        people: The table, read.
        settings: How it was read.
    """
    attributes = {
        column.name: _attribute(column, f"column '{column.column}' of {people.path.name}", settings)
        for column in people.attributes
    }
    default = settings.default or next((a.name for a in attributes.values() if a.groups), None)
    return Schema(attributes, default)


def _attribute(column: AttributeColumn, meaning: str, settings: TableSettings) -> Attribute:
    if not column.numeric:
        return Attribute(column.name, "categorical", meaning, levels=column.levels)
    bins = None
    if column.name in settings.bins:
        bins = Bins.from_cuts(tuple(settings.bins[column.name]))
    elif column.numbers:
        bins = quartile_bins(column.numbers)
    return Attribute(
        column.name,
        "numeric",
        meaning,
        column.unit,
        bins=bins,
        minimum=column.low,
        maximum=column.high,
    )


def quartile_bins(numbers: Iterable[float]) -> Bins:
    """Return open-ended bins at the quartiles, rounded where that keeps them apart."""
    quartiles = pd.Series(list(numbers)).quantile([0.25, 0.5, 0.75])
    rounded = sorted({float(round(value)) for value in quartiles})
    return Bins.from_cuts(tuple(rounded if len(rounded) == 3 else sorted(set(quartiles))))
