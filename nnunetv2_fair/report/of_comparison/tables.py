"""Tables of a comparison of models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import (
    HIGHER_IS_FAIRER,
    Difference,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import MEASURES, measure_title, metric_heading
from nnunetv2_fair.report.of_comparison.findings import (
    HEADLINE_GAP,
    other_models,
)


@dataclass(frozen=True)
class _Row:
    """What changes, and for each metric the difference and its unit.

    Attributes:
        title: What changes, in pieces.
        cells: Metric, difference (None if it has none) and unit.
        term: Key of the definition of the title; empty if there is none.
        pair: The two groups of a gap, in small print.
        higher_is_fairer: Whether the table must say so.
    """

    title: Sentence
    cells: Sequence[tuple[MetricInfo, Difference | None, str]]
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
        gap=HEADLINE_GAP,
        gap_title=measure_title(HEADLINE_GAP),
        nothing=(math.nan, numbers.NO_INTERVAL),
        patients=patients,
        terms=terms,
    )


def patients(count: int | None) -> str:
    """Return ``12 patients``; empty if the number is not known."""
    return numbers.count(count, "patient") if count is not None else ""


def differences_table(result: ModelComparison, attribute: str, model: str, terms: Terms) -> Html:
    """Return the paired differences of one model, for every metric."""
    label = result.headline_label
    made = [(m, result.entry(attribute, m.name, label).differences[model]) for m in result.metrics]
    rows = [_Row(("the mean of all groups",), [(m, d.overall, m.unit) for m, d in made])]
    for group in dict.fromkeys(g for _, d in made for g in d.groups):
        cells = [(m, d.groups.get(group), m.unit) for m, d in made]
        rows.append(_Row(("the mean of ", Data(group)), cells))
    worst = [(m, d.worst_group, m.unit) for m, d in made]
    rows.append(_Row(("the worst group's mean",), worst, "worst_group"))
    measures = list(dict.fromkeys(g for _, d in made for g in d.gaps))
    order = {measure: position for position, measure in enumerate(MEASURES)}
    measures.sort(key=lambda measure: order.get(measure.partition(": ")[0], len(order)))
    for measure in measures:
        key, _, pair = measure.partition(": ")
        changes = [(m, d.gaps.get(measure), numbers.measure_unit(key, m)) for m, d in made]
        rows.append(_Row((measure_title(key),), changes, key, pair, key in HIGHER_IS_FAIRER))
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
    return render(
        "report/of_comparison/templates/labels.html",
        metric=metric,
        heading=metric_heading(metric),
        labels=[
            (label_words(e.label), {m: e.differences[m] for m in other_models(result)})
            for e in entries
        ],
        gap=HEADLINE_GAP,
        gap_title=measure_title(HEADLINE_GAP),
        terms=terms,
    )
