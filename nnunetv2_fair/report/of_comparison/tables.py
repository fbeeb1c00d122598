"""Tables of a comparison of models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    BETWEEN_GROUPS,
    GROUP_MEAN,
    HIGHER_IS_FAIRER,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.cells import WHY_HIDDEN
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import MEASURES, measure_title, metric_heading
from nnunetv2_fair.report.of_comparison.changes import Words, in_words
from nnunetv2_fair.report.of_comparison.exported import (
    change_numbers,
    measure_numbers,
    score_numbers,
)
from nnunetv2_fair.report.of_comparison.matrix import who_changes

_FAIRNESS_GAP = "fairness_gap"


@dataclass(frozen=True)
class _Change:
    """One cell: what is said of a change, and what it rests on.

    Attributes:
        words: What is said.
        estimate: Change with its interval, where none is shown; empty elsewhere.
        p_value: Corrected; empty if there is none.
    """

    words: Words
    estimate: str
    p_value: str


@dataclass(frozen=True)
class _Row:
    """What changes, and for each metric by how much.

    Attributes:
        title: What changes, in pieces.
        cells: Changes by metric.
        term: Key of the definition of the title; empty if there is none.
    """

    title: Sentence
    cells: Sequence[_Change]
    term: str = ""


@dataclass(frozen=True)
class _Measured:
    """A measure of the gap under one model: its value, of whom, and how it changes."""

    value: str
    worse: str = ""
    limits: str = ""
    change: str = ""


@dataclass(frozen=True)
class _Measure:
    """A measure of the gap, for every model."""

    title: str
    term: str
    note: str
    cells: Sequence[_Measured | None]


def scores_table(
    result: ModelComparison, entry: PairedComparison, terms: Terms, downloads: Downloads
) -> Html:
    """Return the scores of every model: all groups, each group, and the gap."""
    metric = result.metric(entry.metric)
    markup = render(
        "report/of_comparison/templates/scores.html",
        entry=entry,
        metric=metric,
        heading=metric_heading(metric),
        label=label_words(entry.label),
        level=numbers.percent(confidence(result.settings)),
        groups=list(next(iter(entry.per_model.values())).group_means),
        models=result.models,
        baseline=result.baseline,
        gap=BETWEEN_GROUPS,
        gap_title=measure_title(BETWEEN_GROUPS),
        why=WHY_HIDDEN if result.shareable else "no cases, or too few groups to compare",
        patients=patients,
        terms=terms,
    )
    title = f"Mean {metric_heading(metric)} of every model by {shortened(entry.attribute)}"
    name = ("means", "by", entry.attribute)
    return downloads.table(name, title, markup, score_numbers(result, entry))


def patients(count: int | None) -> str:
    """Return ``12 patients``; empty if the number is not known."""
    return numbers.count(count, "patient") if count is not None else ""


def differences_table(
    result: ModelComparison, attribute: str, model: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return everything that is decided about one model, for every metric."""
    label = result.headline_label
    entries = [result.entry(attribute, m.name, label) for m in result.metrics]

    def row(title: Sentence, quantity: str, group: str = "", term: str = "") -> _Row:
        return _Row(title, [_decided(result, e, model, quantity, group) for e in entries], term)

    rows = [row(("All groups",), OVERALL_MEAN)]
    for group in dict.fromkeys(g for e in entries for g in e.differences[model].groups):
        rows.append(row((Data(group),), GROUP_MEAN, group))
    rows.append(row(("Worst group",), WORST_GROUP_MEAN, term="worst_group"))
    rows.append(row((measure_title(BETWEEN_GROUPS),), BETWEEN_GROUPS, term=BETWEEN_GROUPS))
    markup = render(
        "report/of_comparison/templates/differences.html",
        attribute=attribute,
        model=model,
        baseline=result.baseline,
        label=label_words(label),
        level=numbers.percent(confidence(result.settings)),
        metrics=result.metrics,
        rows=rows,
        terms=terms,
    )
    title = f"Changes with {shortened(model)} by {shortened(attribute)}"
    name = ("changes", "with", model, "by", attribute)
    return downloads.table(name, title, markup, change_numbers(result, entries, [model]))


def measures_table(
    result: ModelComparison, attribute: str, metric: MetricInfo, terms: Terms, downloads: Downloads
) -> Html:
    """Return the measures that describe the gap, of every model; empty if there are none."""
    entry = result.entry(attribute, metric.name, result.headline_label)
    found = list(dict.fromkeys(g for scores in entry.per_model.values() for g in scores.gaps))
    order = {measure: position for position, measure in enumerate(MEASURES)}
    found.sort(key=lambda measure: order.get(measure.partition(": ")[0], len(order)))
    measures = []
    for measure in found:
        key, _, pair = measure.partition(": ")
        cells = [_measured(result, entry, model, measure) for model in result.models]
        note = "higher is fairer" if key in HIGHER_IS_FAIRER else pair
        measures.append(_Measure(measure_title(key), key, note, cells))
    if not measures:
        return Html("")
    markup = render(
        "report/of_comparison/templates/measures.html",
        attribute=attribute,
        heading=metric_heading(metric),
        label=label_words(entry.label),
        level=numbers.percent(confidence(result.settings)),
        models=result.models,
        baseline=result.baseline,
        measures=measures,
        terms=terms,
    )
    title = f"Measures of the gap in {metric_heading(metric)} by {shortened(attribute)}"
    name = ("measures", metric.name, "by", attribute)
    return downloads.table(name, title, markup, measure_numbers(result, entry))


def _measured(
    result: ModelComparison, entry: PairedComparison, model: str, measure: str
) -> _Measured | None:
    metric = result.metric(entry.metric)
    if measure not in entry.per_model[model].gaps:
        return None
    value, limits = entry.per_model[model].gaps[measure]
    unit = numbers.measure_unit(measure, metric)
    worse = ""
    if measure.partition(":")[0] == _FAIRNESS_GAP and math.isfinite(value) and value:
        sign = 1 if metric.better == "higher" else -1
        worse = _worse_group(result, entry, measure, sign * value)
        if value < 0:
            value, limits = -value, limits.mirrored
    change = ""
    if model != result.baseline and measure in entry.differences[model].gaps:
        moved = entry.differences[model].gaps[measure]
        within = numbers.interval(moved.interval, unit, signed=True)
        if math.isfinite(moved.value):
            change = f"change {numbers.number(moved.value, unit, signed=True)}"
            change += "" if within == numbers.UNDEFINED else f" ({within})"
    written = numbers.interval(limits, unit)
    return _Measured(
        numbers.number(value, unit), worse, "" if written == numbers.UNDEFINED else written, change
    )


def _worse_group(
    result: ModelComparison, entry: PairedComparison, measure: str, other_is_worse: float
) -> str:
    """Return which of two groups a fairness gap says is worse; empty if that cannot be said.

    Args:
        result: The comparison.
        entry: Where the gap belongs.
        measure: Its key.
        other_is_worse: Positive where the group that is not the reference is.
    """
    groups = [group for group in entry.group_patients if group not in entry.left_out]
    pair = measure.partition(": ")[2]
    between = [(a, b) for a in groups for b in groups if a != b and pair == f"{a} - {b}"]
    if not pair and len(groups) == 2:
        named = result.settings.get("reference_groups", {}).get(entry.attribute)
        between = [(a, b) for a, b in (groups, groups[::-1]) if a == named]
    if len(between) != 1:
        return ""
    reference, other = between[0]
    return other if other_is_worse > 0 else reference


def labels_table(
    result: ModelComparison, attribute: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return the changes of every label in the first metric; empty if there is only one."""
    if len(result.labels) < 2:
        return Html("")
    metric = result.metrics[0]
    entries = [result.entry(attribute, metric.name, label) for label in result.labels]
    quantities = (OVERALL_MEAN, WORST_GROUP_MEAN, BETWEEN_GROUPS)
    markup = render(
        "report/of_comparison/templates/labels.html",
        attribute=attribute,
        heading=metric_heading(metric),
        labels=[
            (
                label_words(e.label),
                {
                    m: (
                        [_decided(result, e, m, q) for q in quantities],
                        who_changes(result, e, m),
                    )
                    for m in result.others
                },
            )
            for e in entries
        ],
        gap=BETWEEN_GROUPS,
        terms=terms,
    )
    title = f"Changes of the mean {metric_heading(metric)} by label and {shortened(attribute)}"
    told = change_numbers(result, entries, result.others)
    return downloads.table(("labels", "by", attribute), title, markup, told)


def _decided(
    result: ModelComparison, entry: PairedComparison, model: str, quantity: str, group: str = ""
) -> _Change:
    """Return a change that is decided upon."""
    unit = result.metric(entry.metric).unit
    found = result.change(entry, model, quantity, group)
    words = in_words(found, entry, unit)
    if found is None or found.verdict == "not_comparable":
        return _Change(words, "", "")
    estimate = ""
    if found.verdict != "shown" and found.quantity != BETWEEN_GROUP_VARIANCE:
        estimate = numbers.number(found.value, unit, signed=True)
        within = numbers.interval(found.interval, unit, signed=True)
        estimate += "" if within == numbers.UNDEFINED else f" ({within})"
    p_value = "" if math.isnan(found.corrected_p) else numbers.p_value(found.corrected_p)
    return _Change(words, "" if estimate == numbers.UNDEFINED else estimate, p_value)
