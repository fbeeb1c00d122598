"""Which stratum every training case is in: of its size, its difficulty, or of a column."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.dataset_conversion.shared.source import SourceDataset
from nnunetv2_fair.errors import ConversionError, DemographicsError, UsageError, counted, shorten
from nnunetv2_fair.evaluation.confounding.strata import cuts_of
from nnunetv2_fair.evaluation.difficulty.covariates import Covariates, mean_rank
from nnunetv2_fair.evaluation.difficulty.measuring import DifficultyOrder, measure
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.subgroups.table import DemographicsTable, read_delimited
from nnunetv2_fair.tables.numbers import plain_number

#: What is measured, and is no column.
MEASURED = ("difficulty", "size", "contrast", "noise")
_CASE = "case"


@dataclass(frozen=True)
class Strata:
    """Strata of training cases.

    Attributes:
        by: What they are strata of, in words.
        names: Of the strata, in order.
        index: Stratum of each training case.
        values: Number of each case that strata were cut from; empty where nothing was cut.
    """

    by: str
    names: tuple[str, ...]
    index: Mapping[str, int]
    values: Mapping[str, float]


@dataclass(frozen=True)
class StrataSettings:
    """What strata are made of.

    Attributes:
        by: ``difficulty``, ``size``, ``contrast``, ``noise``, or a column.
        n_strata: How many strata numbers are cut into.
        predictions: Folder with held-out predictions of all training cases, or of a trained model
            with its folds' validation; only for ``difficulty``.
        table: Table with the column; None: the demographics.
    """

    by: str
    n_strata: int
    predictions: Path | None = None
    table: Path | None = None


def strata_of_cases(
    settings: StrataSettings,
    source: SourceDataset,
    people: DemographicsTable,
    grouping: Grouping,
    processes: int,
) -> Strata:
    """Return the stratum of every training case.

    Args:
        settings: What strata are made of.
        source: The dataset.
        people: Its demographics.
        grouping: Groups that are to be balanced.
        processes: How many processes measure.

    Raises:
        UsageError: If the settings do not fit together.
        DemographicsError: If a column is missing, or lacks values.
        ConversionError: If predictions are missing.
        EvaluationError: If images or masks cannot be read.
    """
    _check(settings, grouping)
    training = [case.case for case in source.cases if case.part == "train"]
    if settings.by in MEASURED and settings.table is None:
        values, by = _measured(settings, source, training, processes)
        return _cut(by, values, training, settings.n_strata)
    if settings.table is not None:
        values = _column_of(settings.table, settings.by, training)
        return _cut(f"{settings.by} in {settings.table.name}", values, training, settings.n_strata)
    return _attribute(settings, people, training)


def _check(settings: StrataSettings, grouping: Grouping) -> None:
    if settings.n_strata < 2:
        raise UsageError(f"--strata {settings.n_strata}: expected 2 or more.")
    if settings.predictions is not None and (settings.by != "difficulty" or settings.table):
        raise UsageError("--predictions belongs to --by difficulty without --table.")
    if settings.table is None and settings.by in grouping.expression.split(INTERSECTION):
        raise UsageError(
            f"--by {settings.by}: '{grouping.expression}' are the groups themselves; name "
            "something else that differs between cases, such as size."
        )


def _cut(by: str, values: Mapping[str, float], cases: Sequence[str], n_strata: int) -> Strata:
    without = [case for case in cases if math.isnan(values[case])]
    if without:
        raise ConversionError(
            f"--by {by}: {_cases_have(without)} no value: {shorten(without)}. Leave "
            "these cases out of the dataset, or choose another --by."
        )
    numbers = np.array([values[case] for case in cases])
    cuts = np.unique(cuts_of(numbers, n_strata))
    codes = np.searchsorted(cuts, numbers, side="left")
    kept = np.unique(codes)
    if len(kept) < 2:
        raise ConversionError(
            f"--by {by}: all training cases have about the same value ({numbers.min():.4g} to "
            f"{numbers.max():.4g}), so there are no strata. Choose another --by."
        )
    names = []
    for number, code in enumerate(kept):
        inside = numbers[codes == code]
        names.append(f"{number + 1}: {inside.min():.4g} to {inside.max():.4g}")
    index = np.searchsorted(kept, codes)
    return Strata(
        by,
        tuple(names),
        dict(zip(cases, index.tolist(), strict=True)),
        {c: values[c] for c in cases},
    )


def _attribute(
    settings: StrataSettings, people: DemographicsTable, training: Sequence[str]
) -> Strata:
    if settings.by not in people.schema.attributes:
        known = [*MEASURED, *people.schema.attributes]
        raise UsageError(
            f"--by {settings.by}: {people.source} has no such column. Choose one of "
            f"{shorten(known, 20)}, or name the table that has it (--table)."
        )
    attribute = people.schema[settings.by]
    if attribute.type == "numeric" and not attribute.groups:
        values = {
            case: float(text) if (text := str(people.frame.at[case, settings.by])) else math.nan
            for case in training
        }
        return _cut(settings.by, values, training, settings.n_strata)
    grouping = group_cases(people, settings.by)
    unknown = grouping.unknown(training)
    if unknown:
        raise DemographicsError(
            f"--by {settings.by}: {_cases_have(unknown)} no value in {people.source}: "
            f"{shorten(unknown)}. Fill the cells, or choose another --by."
        )
    present = [name for name, members in grouping.members(training).items() if members]
    index = {case: present.index(str(grouping.group_of[case])) for case in training}
    return Strata(settings.by, tuple(present), index, {})


def _column_of(table: Path, column: str, training: Sequence[str]) -> dict[str, float]:
    """Return a column of numbers of a table with a row per case, or several that are averaged."""
    frame = read_delimited(table)
    for name in (_CASE, column):
        if name not in frame.columns:
            raise DemographicsError(
                f"{table} has no column '{name}'. Columns: {shorten(frame.columns, 20)}."
            )
    numbers: dict[str, list[float]] = {}
    problems = []
    for case, text in zip(frame[_CASE], frame[column], strict=True):
        number = plain_number(text) if text else None
        if text and number is None:
            problems.append(f"{case}: '{text}'")
        if number is not None:
            numbers.setdefault(str(case), []).append(float(number))
    if problems:
        raise DemographicsError(
            f"{table}: column '{column}' holds what is no number: {shorten(problems)}."
        )
    return {
        case: math.fsum(numbers[case]) / len(numbers[case]) if case in numbers else math.nan
        for case in training
    }


def _measured(
    settings: StrataSettings, source: SourceDataset, training: Sequence[str], processes: int
) -> tuple[dict[str, float], str]:
    folder = settings.predictions
    predictions = {} if folder is None else _predictions_in(folder, training, source.ending)
    names = [name for name in source.labels if name not in ("background", "ignore")]
    labels = tuple(source.values_of([name]) for name in names)
    looks = settings.by in ("contrast", "noise") or (settings.by == "difficulty" and folder is None)
    orders = [
        DifficultyOrder(
            case.case, case.images[0], case.mask, labels, predictions.get(case.case), looks
        )
        for case in source.cases
        if case.part == "train"
    ]
    found = measure(orders, processes)
    if settings.by == "difficulty" and folder is None:
        return _rank_of(found), "difficulty (mean rank of small size, low contrast and noise)"
    by = f"{settings.by} (1 - Dice of held-out predictions)" if folder else settings.by
    return {case: float(getattr(found[case], settings.by)) for case in found}, by


def _rank_of(found: Mapping[str, Covariates]) -> dict[str, float]:
    columns = [
        np.array([-c.size for c in found.values()]),
        np.array([-c.contrast for c in found.values()]),
        np.array([c.noise for c in found.values()]),
    ]
    return dict(zip(found, mean_rank(columns).tolist(), strict=True))


def _predictions_in(folder: Path, training: Sequence[str], ending: str) -> dict[str, Path]:
    """Return the held-out prediction of every training case."""
    if not folder.is_dir():
        raise ConversionError(f"--predictions {folder} does not exist or is not a folder.")
    places = sorted(folder.glob("fold_*/validation")) or [folder]
    found: dict[str, Path] = {}
    twice = []
    for place in places:
        for case in training:
            path = place / f"{case}{ending}"
            if path.is_file():
                twice += [case] if case in found else []
                found[case] = path
    if twice:
        raise ConversionError(
            f"--predictions {folder}: {counted(len(twice), 'case is', 'cases are')} validated by "
            f"more than one fold: {shorten(twice)}. Remove the folders of old folds."
        )
    missing = [case for case in training if case not in found]
    if missing:
        raise ConversionError(
            f"--predictions {folder}: {_cases_have(missing)} no prediction: "
            f"{shorten(missing)}. Expected <case>{ending} there, or in "
            "fold_X/validation of a trained model: train and validate all folds first."
        )
    return found


def _cases_have(cases: Sequence[str]) -> str:
    return counted(len(cases), "training case has", "training cases have")
