"""The tables of an audit: what the page shows, and the same in full precision."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nnunetv2_fair.audit.labels.wording import ends_words, error_words
from nnunetv2_fair.audit.results.labels import (
    SCORES,
    AuditResult,
    CombinedGap,
    Estimate,
    GapChange,
    LabelErrors,
    PairGap,
    SourceGaps,
)
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers

#: Names of measures, as headings.
_MEASURES = {"volume": "Volume", "boundary": "Outline", "shift": "Shift of the centre"}

#: Columns of an estimate in full precision.
_ESTIMATE = ("value", "interval_low", "interval_high", "p", "corrected_p")


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: Words of the name of its file.
        title: What it shows.
        heads: Headings.
        rows: Cells as sentences; the first one names the row.
        numbers: The same in full precision.
    """

    name: tuple[str, ...]
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Sentence, ...], ...]
    numbers: Numbers


def coverage_table(result: AuditResult) -> Table:
    """Return who has which masks."""
    model = any(one.predicted for one in result.coverage)
    heads: tuple[str, ...] = ("Attribute", "Group", "Automated masks", "Expert masks too")
    heads += ("Predicted", "Predicted, with expert masks") if model else ()
    counts = [
        (one.attribute, one.group, one.automated, one.expert)
        + ((one.predicted, one.both) if model else ())
        for one in result.coverage
    ]
    rows = [(*(_data(row[:2])), *((f"{n:,}",) for n in row[2:])) for row in counts]
    columns = ("attribute", "group", "automated", "expert", "predicted", "predicted_expert")
    return Table(
        ("masks", "by", "group"),
        "Patients of each group, by the masks that they have",
        heads,
        tuple(rows),
        Numbers(columns[: len(heads)], tuple(counts)),
    )


def error_table(result: AuditResult, found: Sequence[LabelErrors]) -> Table:
    """Return the errors of the automated masks of one attribute."""
    rows: list[tuple[Sentence, ...]] = []
    cells: list[tuple[Cell, ...]] = []
    for errors in found:
        gaps = {pair.between[1]: pair for pair in errors.gaps}
        for name, group in errors.groups.items():
            gap = gaps.get(name)
            left_out = errors.left_out.get(name, "")
            rows.append(
                (
                    label_words(errors.label),
                    (_MEASURES[errors.measure],),
                    (Data(name),),
                    (f"{group.n:,}",),
                    (error_words(errors.measure, group.mean.value, errors.unit),),
                    (ends_words(errors.measure, group.mean.interval, errors.unit),),
                    (_p(group.mean),),
                    _against(gap, left_out),
                )
            )
            cells.append(
                (
                    errors.attribute, errors.label, errors.measure, errors.unit, name, group.n,
                    group.n_undefined, *_ends(group.mean), gap.between[0] if gap else "",
                    *_ends(gap.gap if gap else Estimate()), left_out,
                )
            )  # fmt: skip
    attribute = found[0].attribute
    columns = (
        "attribute", "label", "measure", "unit", "group", "patients", "cases_without_value",
        *(f"mean_{c}" for c in _ESTIMATE), "reference", *(f"gap_{c}" for c in _ESTIMATE),
        "not_compared_because",
    )  # fmt: skip
    return Table(
        ("label", "errors", "by", attribute),
        f"Errors of the automated masks, by group of {attribute}",
        ("Label", "Error", "Group", "Patients", "Mean", "Interval", "Test of no error",
         "Test against the reference group"),
        tuple(rows),
        Numbers(columns, tuple(cells)),
    )  # fmt: skip


def source_table(result: AuditResult, found: Sequence[SourceGaps]) -> Table:
    """Return the gaps of one attribute by source of the data."""
    rows: list[tuple[Sentence, ...]] = []
    cells: list[tuple[Cell, ...]] = []
    for gaps in found:
        metric = result.metric(gaps.metric)
        about = (label_words(gaps.label), (metric.title,), _pair(gaps.between))
        start = (gaps.attribute, gaps.label, metric.column, *gaps.between)
        for source, pair in gaps.by_source.items():
            rows.append((*about, (Data(source),), _counts(pair.n), *_shown(pair.gap, metric)))
            cells.append((*start, source, *pair.n, *_ends(pair.gap), ""))
        for source, reason in gaps.left_out.items():
            rows.append(
                (*about, (Data(source),), (numbers.UNDEFINED,), (f"not compared: {reason}",),
                 ("",), ("",))
            )  # fmt: skip
            cells.append((*start, source, None, None, *_ends(Estimate()), reason))
        for what, estimate in (("all together", gaps.common), ("differ", gaps.heterogeneity)):
            shown = "largest minus smallest" if what == "differ" else what
            rows.append(
                (*about, (shown,), (f"{len(gaps.by_source)} sources",), *_shown(estimate, metric))
            )
            cells.append((*start, what, None, None, *_ends(estimate), estimate.reason))
    attribute = found[0].attribute
    columns = (
        "attribute", "label", "metric", "reference", "group", "source", "patients_reference",
        "patients_group", *(f"gap_{c}" for c in _ESTIMATE), "reason",
    )  # fmt: skip
    return Table(
        ("gaps", "by", "source", attribute),
        f"Gaps of the automated masks in each source, groups of {attribute}",
        ("Label", "Metric", "Groups", "Source", "Patients", "Gap", "Interval", "Test"),
        tuple(rows),
        Numbers(columns, tuple(cells)),
    )


def change_table(result: AuditResult, found: Sequence[GapChange], name: str, title: str) -> Table:
    """Return gaps by two kinds of scores beside each other.

    Args:
        result: The audit.
        found: What to show.
        name: Word of the name of the file.
        title: What it shows.
    """
    rows: list[tuple[Sentence, ...]] = []
    cells: list[tuple[Cell, ...]] = []
    for change in found:
        metric = result.metric(change.metric)
        rows.append(
            (
                (Data(change.attribute),),
                label_words(change.label),
                (metric.title,),
                _pair(change.between),
                _counts(change.n),
                (scores_words(change.scores[0]), ": ", *_gap(change.first, metric)),
                (scores_words(change.scores[1]), ": ", *_gap(change.second, metric)),
                *_shown(change.change, metric),
            )
        )
        cells.append(
            (
                change.attribute, change.label, metric.column, *change.between, *change.n,
                *change.scores, *change.trainings, *_ends(change.first), *_ends(change.second),
                *_ends(change.change), change.change.reason,
            )
        )  # fmt: skip
    columns = (
        "attribute", "label", "metric", "reference", "group", "patients_reference",
        "patients_group", "first", "second", "trainings_first", "trainings_second",
        *(f"first_{c}" for c in _ESTIMATE), *(f"second_{c}" for c in _ESTIMATE),
        *(f"change_{c}" for c in _ESTIMATE), "reason",
    )  # fmt: skip
    return Table(
        (name,),
        title,
        ("Attribute", "Label", "Metric", "Groups", "Patients", "Gap by one", "Gap by the other",
         "Difference", "Interval", "Test"),
        tuple(rows),
        Numbers(columns, tuple(cells)),
    )  # fmt: skip


def combined_table(result: AuditResult) -> Table:
    """Return the gaps of the model against expert masks, estimated from both rulers."""
    rows: list[tuple[Sentence, ...]] = []
    cells: list[tuple[Cell, ...]] = []
    for gap in result.combined:
        metric = result.metric(gap.metric)
        rows.append(
            (
                (Data(gap.attribute),),
                label_words(gap.label),
                (metric.title,),
                _pair(gap.between),
                _gap(gap.automated, metric),
                _gap(gap.expert, metric),
                *_shown(gap.combined, metric),
                (f"{_counts(gap.n_expert)[0]} of {_counts(gap.n_automated)[0]}",),
                (" and ".join(numbers.number(r) for r in gap.correlations[::-1]),),
            )
        )
        cells.append(
            (
                gap.attribute, gap.label, metric.column, *gap.between, *gap.n_automated,
                *gap.n_expert, *_ends(gap.automated), *_ends(gap.expert), *_ends(gap.combined),
                *gap.weights, *gap.correlations, gap.combined.reason,
            )
        )  # fmt: skip
    columns = (
        "attribute", "label", "metric", "reference", "group", "automated_reference",
        "automated_group", "expert_reference", "expert_group",
        *(f"automated_{c}" for c in _ESTIMATE), *(f"expert_{c}" for c in _ESTIMATE),
        *(f"combined_{c}" for c in _ESTIMATE), "weight_reference", "weight_group",
        "correlation_reference", "correlation_group", "reason",
    )  # fmt: skip
    return Table(
        ("combined", "gaps"),
        "The model's gap against expert masks, estimated from both rulers",
        ("Attribute", "Label", "Metric", "Groups", "Automated masks, all",
         "Expert masks, those who have them", "Combined", "Interval", "Test",
         "Patients with both", "Correlation"),
        tuple(rows),
        Numbers(columns, tuple(cells)),
    )  # fmt: skip


def width_table(result: AuditResult, found: Sequence[CombinedGap]) -> Table:
    """Return what more expert masks would buy."""
    rows: list[tuple[Sentence, ...]] = []
    cells: list[tuple[Cell, ...]] = []
    for gap in found:
        metric = result.metric(gap.metric)
        for width in gap.widths:
            rows.append(
                (
                    (Data(gap.attribute),),
                    label_words(gap.label),
                    (metric.title,),
                    _pair(gap.between),
                    _counts(width.n),
                    (numbers.with_unit(width.combined, metric.unit),),
                    (numbers.with_unit(width.expert_only, metric.unit),),
                )
            )
            cells.append(
                (gap.attribute, gap.label, metric.column, *gap.between, *width.n, width.combined,
                 width.expert_only)
            )  # fmt: skip
    columns = (
        "attribute", "label", "metric", "reference", "group", "expert_reference", "expert_group",
        "width_combined", "width_expert_only",
    )  # fmt: skip
    return Table(
        ("more", "expert", "masks"),
        "Width of the interval of the gap against expert masks, if more patients had them",
        ("Attribute", "Label", "Metric", "Groups", "Patients with both masks",
         "Width, from both rulers", "Width, from expert masks alone"),
        tuple(rows),
        Numbers(columns, tuple(cells)),
    )  # fmt: skip


def scores_words(name: str) -> str:
    """Return what a kind of scores is: ``automated masks against expert masks``."""
    return " against ".join(SCORES[name])


def _data(texts: Iterable[object]) -> Iterator[Sentence]:
    for text in texts:
        yield (Data(str(text)),)


def _pair(between: tuple[str, str]) -> Sentence:
    return (Data(between[1]), " against ", Data(between[0]))


def _counts(n: tuple[int, int]) -> Sentence:
    return (f"{n[1]:,} and {n[0]:,}",)


def _gap(estimate: Estimate, metric: MetricInfo) -> Sentence:
    return (numbers.with_unit(estimate.value, metric.unit, signed=True),)


def _shown(estimate: Estimate, metric: MetricInfo) -> tuple[Sentence, Sentence, Sentence]:
    if math.isnan(estimate.value) and estimate.reason:
        return ((f"not known: {estimate.reason}",), ("",), ("",))
    return (
        _gap(estimate, metric),
        (numbers.interval(estimate.interval, metric.unit, signed=True),),
        (_p(estimate),),
    )


def _against(gap: PairGap | None, left_out: str) -> Sentence:
    if left_out:
        return (f"not compared: {left_out}",)
    return ("reference group",) if gap is None else (_p(gap.gap),)


def _p(estimate: Estimate) -> str:
    if math.isnan(estimate.p_value):
        return ""
    text = numbers.p_value(estimate.p_value)
    if estimate.family_size > 1:
        text += f", corrected {numbers.p_value(estimate.corrected_p)}"
    return text


def _ends(estimate: Estimate) -> tuple[float, float, float, float, float]:
    ends = estimate.interval
    return estimate.value, ends.low, ends.high, estimate.p_value, estimate.corrected_p
