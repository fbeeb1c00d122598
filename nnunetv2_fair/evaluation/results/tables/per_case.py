"""The table of cases (``per_case.csv``): its columns and flags, and what statistics make of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, TableError, counted, shorten
from nnunetv2_fair.evaluation.results.tables.safe_csv import csv_text, with_formulas
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.tabular import protected, read_table

#: Pseudo-label of the mean over all labels of a case in which every label has a value.
AVERAGE = "average"

#: Label of scores that come without one.
ONLY_LABEL = "segmentation"

#: Flags of a row of ``per_case.csv``, joined by ``;``.
BOTH_EMPTY = "both_empty"
EMPTY_PREDICTION = "empty_prediction"
EMPTY_REFERENCE = "empty_reference"
MISSING_PREDICTION = "missing_prediction"

#: What an infinite distance (one mask empty) counts as in statistics.
EmptyDistance = Literal["diagonal", "inf", "nan"]


def representative(labels: Sequence[str]) -> str:
    """Return the label that represents a result: the average, or the first where there is none."""
    return AVERAGE if AVERAGE in labels else labels[0]


def flag_of(reference_voxels: int, prediction_voxels: int) -> str:
    """Return the flag of a label of a case with a prediction; empty if neither mask is."""
    if not reference_voxels and not prediction_voxels:
        return BOTH_EMPTY
    if not prediction_voxels:
        return EMPTY_PREDICTION
    return "" if reference_voxels else EMPTY_REFERENCE


def no_cases(attributes: Sequence[str], metrics: Sequence[MetricInfo]) -> pd.DataFrame:
    """Return the table of cases of a shareable result: its columns, and no row."""
    columns = ("case", "patient", *attributes, "label", *(m.column for m in metrics), "flags")
    return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})


def write_per_case(path: Path, frame: pd.DataFrame) -> None:
    """Write the table of cases; it appears whole or not at all."""
    write_text(path, csv_text(frame))


def read_per_case(
    path: Path, attributes: Sequence[str], metrics: Sequence[MetricInfo]
) -> pd.DataFrame:
    """Read the table as it was written; groups are text even if they look like numbers.

    Raises:
        EvaluationError: If it cannot be read, or holds text or impossible values where numbers
            belong.
    """
    text = ("case", "patient", "label", "flags", *attributes)
    try:
        frame = read_as_text(path, text, [metric.column for metric in metrics])
        units = {metric.unit for metric in metrics if metric.unit}
        for column in (*(metric.column for metric in metrics), *(f"diagonal_{u}" for u in units)):
            if column in frame:
                frame[column] = [number_of(cell) for cell in frame[column]]
        for column in ("reference_voxels", "prediction_voxels"):
            if column in frame:
                frame[column] = pd.to_numeric(frame[column].replace("", np.nan)).astype("Int64")
    except (TableError, ValueError, TypeError) as error:
        raise EvaluationError(f"{path} is damaged ({error}). Evaluate again.") from error
    for metric in metrics:
        _check_range(frame, metric, path)
    return frame


def read_as_text(path: Path, text: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Read a table of cases as this package writes it, with every cell as text.

    Args:
        path: The file.
        text: Columns that stay text.
        numbers: Columns that will be numbers.

    Raises:
        EvaluationError: If a column is missing.
        TableError: If the file cannot be read.
    """
    table = read_table(path, delimiter=",", strip=False)
    missing = [c for c in (*text, *numbers) if protected(c) not in table.header]
    if missing:
        raise EvaluationError(
            f"{path} has no column {shorten(map(repr, missing))} (found: "
            f"{shorten(table.header, 12)}). If another program has saved the file again, "
            "restore it; otherwise evaluate again."
        )
    return with_formulas(pd.DataFrame(table.rows, columns=table.header, dtype=object), text)


def number_of(cell: str) -> float:
    """Return the number of a cell as this package writes it; empty is NaN.

    Raises:
        ValueError: If it is none; ``float`` would also accept ``5_4`` and digits of all scripts.
    """
    if "_" in cell or not cell.isascii():
        raise ValueError(f"{cell!r} is no number")
    return float(cell or "nan")


def _check_range(frame: pd.DataFrame, metric: MetricInfo, path: Path) -> None:
    """Raise if a metric has values that it cannot have."""
    values = frame[metric.column]
    outside = frame["case"][(values < metric.lowest) | (values > metric.highest)]
    if len(outside):
        raise EvaluationError(
            f"{path} is damaged: {metric.column} is outside {metric.lowest:g} to "
            f"{metric.highest:g} in {counted(len(outside), 'row')} ({shorten(outside)}). If "
            "another program has changed the file, restore it; otherwise evaluate again."
        )


def evaluated_rows(per_case: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of cases that have a prediction."""
    # there are few different flags, and tables may have millions of rows
    flags = [f for f in per_case["flags"].unique() if MISSING_PREDICTION in str(f).split(";")]
    return per_case[~per_case["flags"].isin(flags)] if flags else per_case


def metric_values(
    rows: pd.DataFrame,
    metric: MetricInfo,
    label: str,
    labels: Sequence[str],
    empty_distance: EmptyDistance,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of one metric and label as statistics use them.

    Args:
        rows: Rows of ``per_case`` with a prediction; every label has the cases in one order.
        metric: The metric.
        label: Label, region or ``average``.
        labels: All labels and regions.
        empty_distance: What an infinite distance (one mask empty) counts as: the image diagonal,
            infinity, or nothing.

    Returns:
        One value per case (NaN: undefined), and whether a distance of the case was replaced. The
        average is that of all labels, after replacing, and undefined where one of them is: a
        case without lesions would be judged by its organs alone, and a group with few lesions
        would look better than another in which every label is segmented as well.
    """
    if label == AVERAGE:
        parts = [
            metric_values(rows, metric, name, labels, empty_distance)
            for name in labels
            if name != AVERAGE
        ]
        values = np.stack([part[0] for part in parts])
        return values.mean(axis=0), np.asarray(np.stack([part[1] for part in parts]).any(axis=0))
    chosen = rows[rows["label"] == label]
    raw = chosen[metric.column].to_numpy(dtype=float)
    infinite = np.isinf(raw)
    if empty_distance == "inf" or not metric.unit or not infinite.any():
        return raw, np.zeros(len(raw), dtype=bool)
    if empty_distance == "nan":
        return np.where(infinite, np.nan, raw), np.zeros(len(raw), dtype=bool)
    diagonal = chosen[f"diagonal_{metric.unit}"].to_numpy(dtype=float)
    return np.where(infinite, diagonal, raw), infinite
