"""Tables of a comparison of models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    BETWEEN_GROUPS,
    GROUP_MEAN,
    HIGHER_IS_FAIRER,
    OVERALL_MEAN,
    PLOTTED_GAP,
    WORST_GROUP_MEAN,
    Difference,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import MEASURES, measure_title, metric_heading


@dataclass(frozen=True)
class _Change:
    """One cell: a change with its interval and p-value.

    Attributes:
        value: The change; NaN if there is none.
        interval: Simultaneous interval of what is decided, its own of what only describes.
        unit: Unit of both.
        corrected_p: NaN for what only describes.
        shown: Whether the change is shown.
    """

    value: float
    interval: Interval
    unit: str
    corrected_p: float = math.nan
    shown: bool = False


@dataclass(frozen=True)
class _Row:
    """What changes, and for each metric by how much.

    Attributes:
        title: What changes, in pieces.
        cells: Changes; None where a metric has none.
        term: Key of the definition of the title; empty if there is none.
        pair: The two groups of a gap, in small print.
        higher_is_fairer: Whether the table must say so.
    """

    title: Sentence
    cells: Sequence[_Change | None]
    term: str = ""
    pair: str = ""
    higher_is_fairer: bool = False


def scores_table(result: ModelComparison, entry: PairedComparison, terms: Terms) -> Html:
    """Return the scores of every model: all groups, each group, and the gap."""
    metric = result.metric(entry.metric)
    return render(
        "report/of_comparison/templates/scores.html",
        entry=entry,
        metric=metric,
        heading=metric_heading(metric),
        label=label_words(entry.label),
        level=numbers.percent(confidence(result.settings)),
        groups=list(next(iter(entry.per_model.values())).group_means),
        models=result.models,
        baseline=result.baseline,
        gap=PLOTTED_GAP,
        gap_title=measure_title(PLOTTED_GAP),
        beyond_chance=measure_title(BETWEEN_GROUPS),
        nothing=(math.nan, NO_INTERVAL),
        patients=patients,
        terms=terms,
    )


def patients(count: int | None) -> str:
    """Return ``12 patients``; empty if the number is not known."""
    return numbers.count(count, "patient") if count is not None else ""


def differences_table(result: ModelComparison, attribute: str, model: str, terms: Terms) -> Html:
    """Return the paired differences of one model, for every metric."""
    label = result.headline_label
    entries = [result.entry(attribute, m.name, label) for m in result.metrics]

    def row(title: Sentence, quantity: str, group: str = "", term: str = "") -> _Row:
        return _Row(title, [_decided(result, e, model, quantity, group) for e in entries], term)

    rows = [row(("the mean of all groups",), OVERALL_MEAN)]
    for group in dict.fromkeys(g for e in entries for g in e.differences[model].groups):
        rows.append(row(("the mean of ", Data(group)), GROUP_MEAN, group))
    rows.append(row(("the worst group's mean",), WORST_GROUP_MEAN, term="worst_group"))
    rows.append(row((measure_title(BETWEEN_GROUPS),), BETWEEN_GROUPS, term=BETWEEN_GROUPS))
    measures = list(dict.fromkeys(g for e in entries for g in e.differences[model].gaps))
    order = {measure: position for position, measure in enumerate(MEASURES)}
    measures.sort(key=lambda measure: order.get(measure.partition(": ")[0], len(order)))
    for measure in measures:
        key, _, pair = measure.partition(": ")
        cells = [
            _describing(e.differences[model].gaps.get(measure), numbers.measure_unit(key, m))
            for e, m in zip(entries, result.metrics, strict=True)
        ]
        rows.append(_Row((measure_title(key),), cells, key, pair, key in HIGHER_IS_FAIRER))
    return render(
        "report/of_comparison/templates/differences.html",
        model=model,
        baseline=result.baseline,
        label=label_words(label),
        level=numbers.percent(confidence(result.settings)),
        metrics=result.metrics,
        heading=metric_heading,
        rows=rows,
        terms=terms,
    )


def labels_table(result: ModelComparison, attribute: str, terms: Terms) -> Html:
    """Return the changes of every label in the first metric; empty if there is only one."""
    if len(result.labels) < 2:
        return Html("")
    metric = result.metrics[0]
    entries = [result.entry(attribute, metric.name, label) for label in result.labels]
    quantities = (OVERALL_MEAN, WORST_GROUP_MEAN, BETWEEN_GROUPS)
    return render(
        "report/of_comparison/templates/labels.html",
        heading=metric_heading(metric),
        labels=[
            (
                label_words(e.label),
                {m: [_decided(result, e, m, q) for q in quantities] for m in result.others},
            )
            for e in entries
        ],
        gap=BETWEEN_GROUPS,
        gap_title=measure_title(BETWEEN_GROUPS),
        terms=terms,
    )


def _decided(
    result: ModelComparison, entry: PairedComparison, model: str, quantity: str, group: str = ""
) -> _Change | None:
    """Return a change that is decided upon; None if a shareable comparison hides it."""
    unit = result.metric(entry.metric).unit
    found = result.change(entry, model, quantity, group)
    if found is None:
        return None
    value, limits = found.value, found.interval
    if found.quantity == BETWEEN_GROUP_VARIANCE:
        # in the unit of the metric; the interval is one of variances
        value, limits = entry.distance(model) - entry.distance(result.baseline), NO_INTERVAL
    return _Change(value, limits, unit, found.corrected_p, found.verdict == "shown")


def _describing(found: Difference | None, unit: str) -> _Change | None:
    return None if found is None else _Change(found.value, found.interval, unit)
