"""What the columns of a table without a dictionary probably mean."""

from collections.abc import Iterable

import pandas as pd

from nnunetv2_fair.subgroups.schema import (
    RESERVED_COLUMNS,
    Attribute,
    Bins,
    Schema,
)

#: More distinct numbers than this make an undescribed column numeric.
_MOST_NUMERIC_LEVELS = 8


def infer_schema(frame: pd.DataFrame) -> Schema:
    """Describe the columns of a table that has no dictionary.

    A column of numbers with more than eight distinct values is numeric, in bins at the
    quartiles of its known values; every other column is categorical, its levels sorted.

    Args:
        frame: Text, one column per attribute in addition to the reserved ones.
    """
    attributes: dict[str, Attribute] = {}
    for name in frame.columns:
        if name in RESERVED_COLUMNS:
            continue
        known = [value for value in frame[name] if value != ""]
        numbers = _as_numbers(known)
        if numbers is not None and len(set(numbers)) > _MOST_NUMERIC_LEVELS:
            attributes[name] = Attribute(name, "numeric", bins=quartile_bins(numbers))
        else:
            attributes[name] = Attribute(name, "categorical", levels=tuple(sorted(set(known))))
    return Schema(attributes, next(iter(attributes), None))


def _as_numbers(values: Iterable[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def quartile_bins(numbers: Iterable[float]) -> Bins:
    """Return open-ended bins at the quartiles, rounded where that keeps them apart."""
    quartiles = pd.Series(list(numbers)).quantile([0.25, 0.5, 0.75])
    rounded = sorted({float(round(value)) for value in quartiles})
    return Bins.from_cuts(tuple(rounded if len(rounded) == 3 else sorted(set(quartiles))))
