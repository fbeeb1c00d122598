"""What an evaluation found, as frozen values and as files.

``per_case.csv`` has one row per case and label; ``summary.json`` has everything aggregated,
with the settings, versions and a hash of the inputs. Reports are made from these alone.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.results.discovery import Discovery
from nnunetv2_fair.evaluation.results.text_table import TextTable
from nnunetv2_fair.evaluation.spreadsheet import csv_text, with_formulas
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.paths import PER_CASE_CSV, SUMMARY_JSON
from nnunetv2_fair.subgroups.schema import INTERSECTION

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

#: Pseudo-label of the mean over all labels of a case.
AVERAGE = "average"

#: Flags of a row of ``per_case.csv``, joined by ``;``.
BOTH_EMPTY = "both_empty"
EMPTY_PREDICTION = "empty_prediction"
EMPTY_REFERENCE = "empty_reference"
MISSING_PREDICTION = "missing_prediction"

SUMMARY_FORMAT = 2


@dataclass(frozen=True)
class MetricInfo:
    """How to read one metric.

    Attributes:
        name: Column stem, such as ``hd95``.
        title: As people write it, such as ``HD95``.
        unit: ``""`` (none), ``mm`` or ``px``.
        better: Whether higher or lower values are better.
        definition: One or two sentences, with the rule for empty masks.
        one_minus_is_error: Whether 1 minus the value is an error rate, so that ratios of errors
            (SER, SKEW) and equity scaling mean something.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    definition: str
    one_minus_is_error: bool = False

    @property
    def column(self) -> str:
        """Column in ``per_case.csv``: the name, with the unit where there is one."""
        return f"{self.name}_{self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the unit of the value it belongs to; NaN if not computable."""

    low: float
    high: float


@dataclass(frozen=True)
class GroupStatistics:
    """One metric of one label in one group.

    In a shareable result counts that are not told are None, and values NaN.

    Attributes:
        n_cases: Cases of the group that were evaluated.
        n_patients: Patients they come from.
        n_undefined: Cases whose value is undefined (NaN) and left out of the statistics.
        n_replaced: Cases whose infinite distance was replaced (see the settings).
        mean: Mean over the units (patients by default).
        median: Median over the units.
        q1: Lower quartile.
        q3: Upper quartile.
        std: Sample standard deviation (ddof 1).
        mean_interval: Bootstrap interval of the mean.
        median_interval: Bootstrap interval of the median.
    """

    n_cases: int | None
    n_patients: int | None
    n_undefined: int | None
    n_replaced: int | None
    mean: float
    median: float
    q1: float
    q3: float
    std: float
    mean_interval: Interval
    median_interval: Interval

    @property
    def iqr(self) -> float:
        """Interquartile range."""
        return self.q3 - self.q1


@dataclass(frozen=True)
class Gap:
    """One fairness measure with its bootstrap interval.

    Attributes:
        name: ``fairness_gap``, ``ser``, ``delta``, ``std``, ``skew``, ``es_std`` or
            ``es_absolute``.
        value: The measure; NaN if fewer than two groups are large enough.
        interval: Bootstrap interval.
        between: Groups it compares: (reference, other) for ``fairness_gap``, all that
            entered otherwise.
    """

    name: str
    value: float
    interval: Interval
    between: tuple[str, ...]


@dataclass(frozen=True)
class GroupTest:
    """A two-sided test of no difference between the groups.

    Attributes:
        name: ``Mann-Whitney U`` or ``Kruskal-Wallis``.
        statistic: U of the first group, or H.
        p_value: Uncorrected.
        corrected_p: Corrected by Holm's method over the family: the tests of all attributes and
            labels by the same metric.
        family_size: Number of tests in the family.
    """

    name: str
    statistic: float
    p_value: float
    corrected_p: float = math.nan
    family_size: int = 1


@dataclass(frozen=True)
class PairEffect:
    """How far two groups are apart, and what could have been seen.

    Attributes:
        between: (reference, other).
        cliffs_delta: Probability that a unit of the reference has the higher value minus the
            probability that it has the lower one, in -1..1; 0 is no difference.
        interval: Bootstrap interval of it.
        detectable_gap: Smallest difference of the means, in the unit of the metric, that a
            two-sided Welch test of groups of these sizes and spreads at the 5% level shows with
            80% probability; NaN if it cannot be said.
    """

    between: tuple[str, str]
    cliffs_delta: float
    interval: Interval
    detectable_gap: float


@dataclass(frozen=True)
class Comparison:
    """One metric of one label, compared over the groups of one attribute expression.

    Attributes:
        attribute: Attribute expression, such as ``sex+age``.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        overall: All cases of known group together.
        groups: Statistics of each group, in the dictionary's order; every group is here.
        left_out: Groups that enter no gap and no test, with the reason.
        gaps: Fairness measures.
        test: Mann-Whitney U or Kruskal-Wallis; None if fewer than two groups are large enough.
        effects: One per group that is large enough, against the reference group.
    """

    attribute: str
    metric: str
    label: str
    overall: GroupStatistics
    groups: Mapping[str, GroupStatistics]
    left_out: Mapping[str, str]
    gaps: tuple[Gap, ...]
    test: GroupTest | None
    effects: tuple[PairEffect, ...] = ()

    def gap(self, name: str) -> Gap | None:
        """Return the first fairness measure of that name."""
        return next((gap for gap in self.gaps if gap.name == name), None)


@dataclass(frozen=True)
class Exclusion:
    """Cases that were not evaluated, or enter no group, and why.

    Attributes:
        reason: One sentence.
        cases: Case names.
        by_group: Attribute expression -> group (or ``unknown``) -> number of these cases.
    """

    reason: str
    cases: tuple[str, ...]
    by_group: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class EvaluationResult:
    """Everything one evaluation found.

    Attributes:
        name: What was evaluated, for titles (the prediction folder's name by default).
        per_case: Columns ``case, patient``, the attributes' groups, ``label``, the metric columns,
            ``diagonal_<unit>``, ``reference_voxels``, ``prediction_voxels``, ``flags``.
        metrics: Metrics in the order to show.
        labels: Labels and regions in the order to show; ``average`` last if more than one.
        attributes: Attribute expressions in the order asked for.
        comparisons: One per attribute, label and metric.
        exclusions: What was left out.
        notes: Sentences a reader must know (units, small groups, policies).
        definitions: Name of a fairness measure or statistic -> what it is.
        settings: Options the evaluation ran with.
        versions: Versions of Python and the packages used.
        inputs_sha256: Hash over the bytes of all inputs.
        created: ISO 8601 time.
        discovery: Subgroups that diverge; None if not searched for.
        preset_tables: Tables in the form of the paper that ``--preset`` names.
        shareable: Whether everything that could tell of single persons was taken out (see
            :mod:`nnunetv2_fair.evaluation.disclosure.of_evaluation`); ``per_case`` then has no rows
            and is not written.
        group_parts: Attribute expression -> name of a group -> its level of each of the
            expression's attributes, in their order: ``{"sex+age": {"female, <50": ("female",
            "<50")}}``. Files that were written before this was kept have no such entry.
    """

    name: str
    per_case: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    labels: tuple[str, ...]
    attributes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    exclusions: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    inputs_sha256: str = ""
    created: str = ""
    discovery: Discovery | None = None
    preset_tables: tuple[TextTable, ...] = ()
    shareable: bool = False
    group_parts: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def metric(self, name: str) -> MetricInfo:
        """Return how to read a metric."""
        return next(metric for metric in self.metrics if metric.name == name)

    def comparison(self, attribute: str, metric: str, label: str) -> Comparison:
        """Return the comparison of one metric and label over one attribute.

        Raises:
            KeyError: If it was not made.
        """
        for found in self.comparisons:
            if (found.attribute, found.metric, found.label) == (attribute, metric, label):
                return found
        raise KeyError((attribute, metric, label))

    def parts_of(self, attribute: str) -> Mapping[str, tuple[str, ...]] | None:
        """Return the levels that each group of an attribute expression is made of.

        Args:
            attribute: One of the attribute expressions.

        Returns:
            Name of a group -> its level of each attribute; None if the file that this result was
            read from does not say so. Names are never taken apart: a level may look like several.
        """
        if attribute in self.group_parts:
            return self.group_parts[attribute]
        if INTERSECTION in attribute:
            return None
        names = next((c.groups for c in self.comparisons if c.attribute == attribute), {})
        return {name: (name,) for name in names}

    @property
    def headline_label(self) -> str:
        """Label that stands for the whole result: the average, or the only one."""
        return self.labels[-1]

    def to_metric_frame(self, attribute: str, label: str | None = None) -> "MetricFrame":
        """Return the group means as fairlearn shows them.

        Args:
            attribute: One of the attribute expressions.
            label: Label or region; the headline label if None.

        Raises:
            UsageError: If fairlearn is not installed, or the attribute or label was not evaluated.
        """
        from nnunetv2_fair.evaluation.fairlearn_view import to_metric_frame

        return to_metric_frame(self, attribute, label)

    def write(self, folder: Path) -> None:
        """Write ``per_case.csv`` and ``summary.json``; each appears whole or not at all.

        A shareable result has no ``per_case.csv``.
        """
        summary = {
            f.name: to_json(getattr(self, f.name))
            for f in dataclasses.fields(self)
            if f.name != "per_case"
        }
        summary["format"] = SUMMARY_FORMAT
        if not self.shareable:
            write_text(folder / PER_CASE_CSV, csv_text(self.per_case))
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(folder / SUMMARY_JSON, text + "\n")

    @classmethod
    def read(cls, folder: Path, *, with_cases: bool = True) -> "EvaluationResult":
        """Read what :meth:`write` wrote.

        Args:
            folder: Where it was written.
            with_cases: Whether to read ``per_case.csv``; without, ``per_case`` has no rows, and
                nobody who only needs the summary has single persons in memory.

        Raises:
            EvaluationError: If a file is missing or of another format.
        """
        path = folder / SUMMARY_JSON
        _require(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("format") != SUMMARY_FORMAT:
                raise EvaluationError(
                    f"{path} has format {content.get('format')!r}, expected {SUMMARY_FORMAT}. "
                    "Evaluate again with this version of nnunetv2_fair."
                )
            metrics = tuple(MetricInfo(**metric) for metric in content["metrics"])
            if content["shareable"] or not with_cases:
                per_case = no_cases(content["attributes"], metrics)
            else:
                _require(folder / PER_CASE_CSV)
                per_case = _read_per_case(folder / PER_CASE_CSV, content["attributes"], metrics)
            return cls(
                name=content["name"],
                per_case=per_case,
                metrics=metrics,
                labels=tuple(content["labels"]),
                attributes=tuple(content["attributes"]),
                comparisons=tuple(_comparison(entry) for entry in content["comparisons"]),
                exclusions=tuple(
                    Exclusion(entry["reason"], tuple(entry["cases"]), entry["by_group"])
                    for entry in content["exclusions"]
                ),
                notes=tuple(content["notes"]),
                definitions=content["definitions"],
                settings=content["settings"],
                versions=content["versions"],
                inputs_sha256=content["inputs_sha256"],
                created=content["created"],
                discovery=None
                if content["discovery"] is None
                else Discovery.from_json(content["discovery"]),
                preset_tables=tuple(map(TextTable.from_json, content["preset_tables"])),
                shareable=content["shareable"],
                group_parts=group_parts_from_json(content.get("group_parts", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(
                f"{path} or {PER_CASE_CSV} beside it is damaged ({error!r}). Evaluate again."
            ) from error


@dataclass(frozen=True)
class CasePicture:
    """One slice of a case, ready to draw.

    Attributes:
        case: Case name.
        label: Label that is outlined.
        caption: What the reader should see, such as ``Dice 0.31, group female``.
        image: (rows, columns) float grey values in 0..1, or None if no image was given.
        reference: (rows, columns) bool mask.
        prediction: (rows, columns) bool mask.
        aspect: Height of a pixel divided by its width.
        typical: Whether it is the middle case of its group, not one of the worst.
    """

    case: str
    label: str
    caption: str
    image: np.ndarray | None
    reference: np.ndarray
    prediction: np.ndarray
    aspect: float = 1.0
    typical: bool = False


def no_cases(attributes: Sequence[str], metrics: Sequence[MetricInfo]) -> pd.DataFrame:
    """Return the table of cases of a shareable result: its columns, and no row."""
    columns = ("case", "patient", *attributes, "label", *(m.column for m in metrics), "flags")
    return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})


def _require(path: Path) -> None:
    if not path.is_file():
        raise EvaluationError(
            f"{path.parent} has no {path.name}: it is no output folder of nnUNetv2_fair_evaluate. "
            "Run nnUNetv2_fair_evaluate first and pass its -o folder."
        )


def _read_per_case(
    path: Path, attributes: Sequence[str], metrics: Sequence[MetricInfo]
) -> pd.DataFrame:
    """Read the table as it was written; groups are text even if they look like numbers."""
    text = ("case", "patient", "label", "flags", *attributes)
    # all as text at first: pandas 2 would change the last digit of numbers
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values={})
    frame = with_formulas(frame, text)
    units = {metric.unit for metric in metrics if metric.unit}
    for column in (*(metric.column for metric in metrics), *(f"diagonal_{u}" for u in units)):
        if column in frame:
            frame[column] = frame[column].replace("", np.nan).astype(float)
    for column in ("reference_voxels", "prediction_voxels"):
        if column in frame:
            frame[column] = pd.to_numeric(frame[column].replace("", np.nan)).astype("Int64")
    return frame


def to_json(value: Any) -> Any:
    """Return a value that JSON can hold; NaN and infinities become words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no NaN and no infinity; float() reads these words back
        return str(value)
    if isinstance(value, Path):
        return str(value)
    return value


def interval_from_json(entry: Mapping[str, Any]) -> Interval:
    """Return the interval that :func:`to_json` wrote."""
    return Interval(float(entry["low"]), float(entry["high"]))


def group_parts_from_json(
    entry: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the parts of groups that :func:`to_json` wrote."""
    return {
        attribute: {name: tuple(parts) for name, parts in groups.items()}
        for attribute, groups in entry.items()
    }


def _statistics(entry: Mapping[str, Any]) -> GroupStatistics:
    counts = {
        key: None if entry[key] is None else int(entry[key])
        for key in ("n_cases", "n_patients", "n_undefined", "n_replaced")
    }
    values = {key: float(entry[key]) for key in ("mean", "median", "q1", "q3", "std")}
    intervals = {
        key: interval_from_json(entry[key]) for key in ("mean_interval", "median_interval")
    }
    fields: dict[str, Any] = {**counts, **values, **intervals}
    return GroupStatistics(**fields)


def _comparison(entry: Mapping[str, Any]) -> Comparison:
    test = entry["test"]
    return Comparison(
        attribute=entry["attribute"],
        metric=entry["metric"],
        label=entry["label"],
        overall=_statistics(entry["overall"]),
        groups={name: _statistics(group) for name, group in entry["groups"].items()},
        left_out=entry["left_out"],
        gaps=tuple(
            Gap(
                g["name"], float(g["value"]), interval_from_json(g["interval"]), tuple(g["between"])
            )
            for g in entry["gaps"]
        ),
        test=None
        if test is None
        else GroupTest(
            test["name"],
            float(test["statistic"]),
            float(test["p_value"]),
            float(test["corrected_p"]),
            int(test["family_size"]),
        ),
        effects=tuple(
            PairEffect(
                (effect["between"][0], effect["between"][1]),
                float(effect["cliffs_delta"]),
                interval_from_json(effect["interval"]),
                float(effect["detectable_gap"]),
            )
            for effect in entry["effects"]
        ),
    )
