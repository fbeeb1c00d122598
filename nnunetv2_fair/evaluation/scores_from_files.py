"""Scores per case that some other tool measured: a CSV file, or nnU-Net's ``summary.json``."""

import logging
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.evaluation.masks.label_maps import mask_ending
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    MISSING_PREDICTION,
    ONLY_LABEL,
    flag_of,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.files.fingerprints import file_hash
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.tabular import unprotected
from nnunetv2_fair.paths import last_name
from nnunetv2_fair.subgroups.table import read_delimited
from nnunetv2_fair.subgroups.table_checks import lines_of
from nnunetv2_fair.tables.columns import column_called
from nnunetv2_fair.tables.numbers import commas_are_decimal, plain_number, with_comma

logger = logging.getLogger(__name__)

#: Column that names the training of each row.
TRAINING = "training"

_ALIASES: Mapping[str, str] = {"dsc": "dice", "jaccard": "iou", "hausdorff": "hd"}
_UNITS = ("mm", "px")
#: Cells that are no number and yet a score.
_NO_NUMBERS: Mapping[str, float] = {
    **dict.fromkeys(("", "nan", "na", "n/a", "none", "null"), math.nan),
    **dict.fromkeys(("inf", "+inf", "infinity"), math.inf),
    **dict.fromkeys(("-inf", "-infinity"), -math.inf),
}
_ABOUT = ("case", "patient", "label", "flags", "reference_voxels", "prediction_voxels")
_DIAGONALS = tuple(f"diagonal_{unit}" for unit in _UNITS)


@dataclass(frozen=True)
class Scores:
    """Scores per case and label.

    Attributes:
        source: File they were read from.
        sha256: Hash of its bytes.
        rows: Columns ``case``, ``label``, ``flags``, ``reference_voxels``, ``prediction_voxels``
            (missing where the file has none), the metrics' columns, and ``diagonal_<unit>`` where
            the file has it. Every label has a row for every case.
        metrics: How to read the metrics.
        labels: Labels in the order of the file.
        about_cases: One row per case: ``case``, perhaps ``patient``, and all further columns.
        incomplete: Combinations of case and label that the file does not have.
    """

    source: Path
    sha256: str
    rows: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    labels: tuple[str, ...]
    about_cases: pd.DataFrame
    incomplete: int


def read_scores_csv(
    path: Path,
    further: Mapping[str, Literal["higher", "lower"]] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Scores:
    """Read a table with a row per case, or per case and label.

    Args:
        path: CSV with the column ``case``, optionally ``label`` and ``patient``, and a column per
            metric: named like the metrics of this package, with or without a unit (``dice``,
            ``hd95_mm``), or in ``further``. All other columns describe the cases. This
            package's ``per_case.csv`` is read as well.
        further: Other metric columns -> whether higher or lower values are better.
        columns: Column of ``case``, ``patient``, ``label`` or ``training`` with another name.

    Raises:
        EvaluationError: If the table is malformed; all problems at once.
        UsageError: If ``further`` names columns that are not there.
    """
    frame = _table(path, columns or {})
    if TRAINING in frame and _has_several_rows(frame):
        raise EvaluationError(
            f"{path} has a column '{TRAINING}' and several rows of a case: pass --trainings "
            "repeats or --trainings folds if it names trainings of one method. Otherwise leave "
            "one row per case and label."
        )
    return _scores_of(path, frame, further or {})


def read_scores_by_training(
    path: Path,
    further: Mapping[str, Literal["higher", "lower"]] | None = None,
    columns: Mapping[str, str] | None = None,
) -> dict[str, Scores]:
    """Read a table as :func:`read_scores_csv` does, with rows of several trainings of a method.

    Args:
        path: CSV with a column ``training`` as well, which names the training of each row.
        further: As there.
        columns: As there.

    Returns:
        Name of each training, in the order of the file -> its scores.

    Raises:
        EvaluationError: If there is no such column, or the table of a training is malformed.
        UsageError: As :func:`read_scores_csv`.
    """
    frame = _table(path, columns or {})
    if TRAINING not in frame:
        raise EvaluationError(
            f"{path} has no column '{TRAINING}' that names the training of each row, which "
            f"--trainings needs. Columns: {shorten(frame.columns, 20)}. Add the column, or leave "
            "out --trainings."
        )
    unnamed = [
        line for line, name in zip(lines_of(frame), frame[TRAINING], strict=True) if not name
    ]
    if unnamed:
        raise EvaluationError(
            f"{path} names no training on {counted(len(unnamed), 'line')}: {shorten(unnamed)}. "
            f"Fill the column '{TRAINING}'."
        )
    return {
        str(name): _scores_of(path, rows.drop(columns=TRAINING), further or {})
        for name, rows in frame.groupby(TRAINING, sort=False)
    }


def _table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    frame = read_delimited(path)
    frame = frame.rename(columns=unprotected).map(unprotected)
    called = {role: column_called(frame.columns, name) for role, name in columns.items()}
    absent = [f"'{columns[role]}'" for role, column in called.items() if column is None]
    if absent:
        raise EvaluationError(
            f"{path} has no column {shorten(absent)} (--columns). Columns: "
            f"{shorten(frame.columns, 20)}."
        )
    frame = frame.rename(columns={column: role for role, column in called.items()})
    if "case" not in frame:
        # the scores of all rows may differ too
        names = (c for c in frame if frame[c].is_unique and _are_names(frame[c]))
        pair = next((shlex.quote(f"case={name}") for name in names), "case=<column>")
        raise EvaluationError(
            f"{path} has no column 'case' that names each case. Columns: "
            f"{shorten(frame.columns, 20)}. Name the one that does: --columns {pair}."
        )
    return frame


def _are_names(cells: Iterable[str]) -> bool:
    return all(plain_number(with_comma(cell) or cell) is None for cell in cells)


def _has_several_rows(frame: pd.DataFrame) -> bool:
    keys = [column for column in ("case", "label") if column in frame]
    several = frame[frame.duplicated(keys, keep=False)]
    return bool((several.groupby(keys)[TRAINING].nunique() > 1).any())


def _scores_of(
    path: Path, frame: pd.DataFrame, further: Mapping[str, Literal["higher", "lower"]]
) -> Scores:
    chosen = _metric_columns(list(frame.columns), further, path)
    if "label" not in frame:
        frame["label"] = ONLY_LABEL
    frame = frame[frame["label"] != AVERAGE]
    numbers = [*(info.column for info in chosen.values()), *_DIAGONALS]
    numbers += ["reference_voxels", "prediction_voxels"]
    frame = frame.rename(columns={column: info.column for column, info in chosen.items()})
    for column in numbers:
        if column in frame and commas_are_decimal(frame[column]):
            logger.info("Note: %s: '%s': decimal commas are read as points", path.name, column)
            frame[column] = [with_comma(cell) or cell for cell in frame[column]]
    problems = _row_problems(frame, [column for column in numbers if column in frame])
    infos = tuple(chosen.values())
    if problems:
        raise EvaluationError(f"{path} cannot be used:\n{shorten_lines(problems)}")
    for column in numbers:
        if column in frame:
            frame[column] = frame[column].map(_number)
    _check_ranges(path, frame, infos)
    about = [c for c in frame.columns if c not in (*numbers, *_ABOUT) or c in ("case", "patient")]
    described = frame[about].drop_duplicates()
    repeated = described["case"][described["case"].duplicated()].unique()
    if len(repeated):
        raise EvaluationError(
            f"{path}: the rows of {counted(len(repeated), 'case')} differ in what should be the "
            "same for all "
            f"labels of a case ({shorten(about[1:], 8)}): {shorten(repeated)}. Correct the rows, "
            "or name columns that are metrics with --score."
        )
    return _scores(path, frame, infos, described)


def read_nnunet_summary(path: Path) -> Scores:
    """Read nnU-Net's ``summary.json``: Dice and IoU of every case and label.

    Raises:
        EvaluationError: If the file is not such a summary.
    """
    expected = (
        "Expected a summary.json of nnU-Net: 'metric_per_case' with a prediction_file and metrics "
        "per label. nnUNetv2_evaluate_folder writes one; a per-case table of your own is read with "
        "--from-csv."
    )
    content = read_json_object(path, EvaluationError, expected)
    try:
        entries = content["metric_per_case"]
        records = [
            _nnunet_record(entry, label, values)
            for entry in entries
            for label, values in entry["metrics"].items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(f"{path} is not of nnU-Net. {expected}") from error
    if not records:
        raise EvaluationError(f"{path} has no cases under 'metric_per_case'. Evaluate again.")
    frame = pd.DataFrame.from_records(records)
    doubled = frame[frame.duplicated(["case", "label"])]["case"].unique()
    if len(doubled):
        raise EvaluationError(
            f"{path} has {counted(len(doubled), 'case')} more than once: {shorten(doubled)}. "
            "Files in different folders have the same name; evaluate one folder at a time."
        )
    infos = tuple(_info(name, name, "", path) for name in ("dice", "iou"))
    _check_ranges(path, frame, infos)
    return _scores(path, frame, infos, frame[["case"]].drop_duplicates())


def _nnunet_record(entry: Mapping[str, Any], label: str, values: Mapping[str, Any]) -> dict:
    name = last_name(str(entry["prediction_file"]))
    numbers = [values[name] for name in ("Dice", "IoU", "n_ref", "n_pred")]
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise TypeError("a number is written as text")
    dice, iou, in_reference, in_prediction = map(float, numbers)
    return {
        "case": name.removesuffix(mask_ending(Path(name)) or ""),
        "label": label,
        "dice": dice,
        "iou": iou,
        "reference_voxels": in_reference,
        "prediction_voxels": in_prediction,
    }


def _metric_columns(
    columns: Sequence[str], further: Mapping[str, Literal["higher", "lower"]], path: Path
) -> dict[str, MetricInfo]:
    absent = [name for name in further if name not in columns]
    if absent:
        raise UsageError(
            f"--score names columns that {path} does not have: {shorten(absent)}. Columns: "
            f"{shorten(columns, 20)}."
        )
    found: dict[str, MetricInfo] = {}
    for column in columns:
        if column in further:
            better = further[column]
            found[column] = MetricInfo(column, column, "", better, _source_text(column, path))
            continue
        plain = "_".join(re.findall(r"\w+", column.lower()))  # HD95 (mm): hd95_mm
        stem, _, unit = plain.rpartition("_")
        name, unit = (stem, unit) if unit in _UNITS else (plain, "")
        name = _ALIASES.get(name, name)
        if name in METRICS and column not in _ABOUT:
            found[column] = _info(name, column, unit, path)
    names = [info.column for info in found.values()]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise EvaluationError(
            f"{path} has more than one column for {shorten(doubled)}. Remove all but one."
        )
    if not found:
        raise EvaluationError(
            f"{path} has no column that is known as a metric ({', '.join(METRICS)}). Columns: "
            f"{shorten(columns, 20)}. Say which ones are metrics: --score NAME=higher or lower."
        )
    return found


def _info(name: str, column: str, unit: str, path: Path) -> MetricInfo:
    known = METRICS[name]
    return MetricInfo(
        name,
        known.title,
        unit,
        known.better,
        _source_text(column, path),
        known.one_minus_is_error,
        lowest=0.0,
        highest=known.highest,
    )


def _source_text(column: str, path: Path) -> str:
    return f"As the column '{column}' of {path.name} has it; not measured here."


def _row_problems(frame: pd.DataFrame, numbers: Iterable[str]) -> list[str]:
    problems = []
    if not len(frame):
        problems.append("there are no rows below the header")
    seen: dict[tuple[str, str], int] = {}
    for line, case, label in zip(lines_of(frame), frame["case"], frame["label"], strict=True):
        key = (case, label)
        if not case or not label:
            problems.append(f"line {line}: the {'case' if not case else 'label'} is empty")
        elif key in seen:
            problems.append(
                f"line {line}: case '{case}' with label '{label}' already appears on line "
                f"{seen[key]}"
            )
        seen.setdefault(key, line)
    for column in numbers:
        for line, case, cell in zip(lines_of(frame), frame["case"], frame[column], strict=True):
            if not _is_number(cell):
                problems.append(
                    f"line {line}, case '{case}': {column} is '{cell}', expected a number (empty "
                    "or nan: undefined)"
                )
    return problems


def _check_ranges(path: Path, frame: pd.DataFrame, infos: Sequence[MetricInfo]) -> None:
    problems = []
    for column in ("reference_voxels", "prediction_voxels"):
        if column not in frame:
            continue
        counts = frame[column]
        odd = frame["case"][(counts < 0) | (counts % 1 > 0) | (counts == math.inf)]
        if len(odd):
            problems.append(
                f"{column} is no count of voxels in {counted(len(odd), 'row')}: {shorten(odd)}; "
                "expected whole numbers from 0, or empty cells"
            )
    for column in _DIAGONALS:
        if column in frame and len(odd := frame["case"][(frame[column] <= 0)]):
            problems.append(
                f"{column} is no length in {counted(len(odd), 'row')}: {shorten(odd)}; expected "
                "numbers above 0, or empty cells"
            )
    for info in infos:
        if info.name not in METRICS:
            continue
        values = frame[info.column]
        outside = frame["case"][(values < 0) | (values > info.highest)]
        if not len(outside):
            continue
        rows = f"in {counted(len(outside), 'row')}: {shorten(outside)}"
        problems.append(
            f"{info.column} is outside 0..1 {rows}; divide per cent by 100"
            if info.highest == 1
            else f"{info.column} is below 0 {rows}; no {info.title} is negative"
        )
    if problems:
        raise EvaluationError(f"{path} cannot be used:\n{shorten_lines(problems)}")


def _scores(
    path: Path, frame: pd.DataFrame, infos: tuple[MetricInfo, ...], about: pd.DataFrame
) -> Scores:
    cases = sorted(frame["case"].unique())
    labels = list(dict.fromkeys(frame["label"]))
    wanted = pd.MultiIndex.from_product([cases, labels], names=["case", "label"])
    rows = frame.set_index(["case", "label"])
    present = wanted.isin(rows.index)
    rows = rows.reindex(wanted).reset_index()
    for column in ("reference_voxels", "prediction_voxels"):
        counts = rows[column] if column in rows else pd.Series(math.nan, index=rows.index)
        rows[column] = counts.round().astype("Int64")
    rows["flags"] = [
        _flag(*pair)
        for pair in zip(rows["reference_voxels"], rows["prediction_voxels"], strict=True)
    ]
    if "flags" in frame and not frame.empty:
        given = frame.set_index(["case", "label"])["flags"].reindex(wanted).to_numpy()
        rows["flags"] = [
            old if isinstance(old, str) and MISSING_PREDICTION in old else new
            for old, new in zip(given, rows["flags"], strict=True)
        ]
    diagonals = [f"diagonal_{unit}" for unit in _UNITS if any(info.unit == unit for info in infos)]
    for column in diagonals:
        # without diagonals nothing can be replaced by them
        rows[column] = (
            rows.groupby("case")[column].transform("first") if column in rows else math.nan
        )
    kept = ["case", "label", *(info.column for info in infos), *diagonals]
    rows = rows[[*kept, "reference_voxels", "prediction_voxels", "flags"]]
    digest = file_hash(path)
    return Scores(path, digest, rows, infos, tuple(labels), about, int((~present).sum()))


def _flag(reference: Any, prediction: Any) -> str:
    return "" if pd.isna(reference) or pd.isna(prediction) else flag_of(reference, prediction)


def _number(cell: str) -> float:
    number = plain_number(cell)
    return _NO_NUMBERS.get(cell.casefold(), math.nan) if number is None else number


def _is_number(cell: str) -> bool:
    return plain_number(cell) is not None or cell.casefold() in _NO_NUMBERS
