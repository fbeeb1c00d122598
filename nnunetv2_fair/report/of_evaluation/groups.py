"""The table of groups, with the differences between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, clean, shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.cells import WHY_HIDDEN, why_undefined
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_evaluation.cases.table import case_filters
from nnunetv2_fair.report.of_evaluation.differences import (
    MOST_IN_MATRIX,
    Disadvantage,
    all_pairs,
    compared_groups,
    disadvantage,
    pair_rows,
    usual_reference,
)
from nnunetv2_fair.report.of_evaluation.exported import (
    group_numbers,
    measure_numbers,
    pair_test_numbers,
)
from nnunetv2_fair.report.of_evaluation.measures import FIRST_MEASURES, measure_rows


@dataclass(frozen=True)
class _Against:
    """What every group is compared with one of them: a row per group, a cell per metric."""

    reference: str
    has_intervals: bool
    rows: Sequence[tuple[str, Sequence[Disadvantage]]]


def group_table(
    result: EvaluationResult, attribute: str, label: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return the tables of one attribute: its groups, then the differences between them."""
    by_metric = {c.metric: c for c in result.comparisons
                 if c.attribute == attribute and c.label == label}  # fmt: skip
    made = [(m, by_metric[m.name]) for m in result.metrics if m.name in by_metric]
    first = made[0][1]
    shared = {
        "attribute": attribute,
        "label": label_words(label),
        "level": numbers.percent(confidence(result.settings)),
        "made": made,
        "groups": first.groups,
        "overall": first.overall,
        "terms": terms,
        "why_undefined": why_undefined,
        "why_hidden": WHY_HIDDEN,
    }
    of = shortened(attribute)
    groups = render(
        "report/of_evaluation/templates/groups.html",
        left_out=first.left_out,
        not_chosen=NOT_CHOSEN,
        of_chosen=first.of_chosen,
        case_filters=case_filters(result, attribute),
        **shared,
    )
    further = render("report/of_evaluation/templates/further_statistics.html", **shared)
    numbers_of_groups = group_numbers(made)
    return render(
        "report/of_evaluation/templates/group_tables.html",
        groups=downloads.table(("groups", attribute), f"Groups of {of}", groups, numbers_of_groups),
        further=further,
        differences=_differences(result, made, shared, downloads),
        remarks=_remarks(made, result),
    )


def _differences(
    result: EvaluationResult,
    made: Sequence[tuple[MetricInfo, Comparison]],
    shared: Mapping[str, Any],
    downloads: Downloads,
) -> Html:
    first = made[0][1]
    of = shortened(first.attribute)
    usual = next((name for _, c in made if (name := usual_reference(c))), "")
    names = list(dict.fromkeys(n for _, c in made for n in compared_groups(c)))
    measures = measure_rows(result, made)
    blocks = [_against(made, reference, names, usual) for reference in names]
    table = render(
        "report/of_evaluation/templates/differences.html",
        against=sorted(blocks, key=lambda block: block.reference != usual),
        choice=f"reference-{result.attributes.index(first.attribute)}",
        usual=usual,
        several=len(names) > 2,
        tests=[row for row in measures if row.term in FIRST_MEASURES],
        min_patients=result.settings.get("min_patients", 5),
        **shared,
    )
    further = [row for row in measures if row.term not in FIRST_MEASURES]
    folded = render("report/of_evaluation/templates/further_measures.html", rows=further, **shared)
    title = f"Differences between the groups of {of}"
    return render(
        "report/of_evaluation/templates/all_differences.html",
        table=downloads.table(("differences", first.attribute), title, table, all_pairs(made)),
        pair_tests=_pair_tests(result, made, shared, downloads),
        matrix=_matrix(made[0], names, shared) if 2 < len(names) <= MOST_IN_MATRIX else "",
        too_many=len(names) > MOST_IN_MATRIX,
        metric=made[0][0],
        measures=downloads.table(
            ("measures", first.attribute), f"Measures of {of}", folded, measure_numbers(made)
        )
        if further
        else "",
    )


def _against(
    made: Sequence[tuple[MetricInfo, Comparison]], reference: str, names: Sequence[str], usual: str
) -> _Against:
    rows = []
    for group in names:
        if group == reference:
            continue
        cells = [disadvantage(c, metric, reference, group) for metric, c in made]
        rows.append((group, cells))
    return _Against(reference, reference == usual or len(names) == 2, rows)


def _pair_tests(
    result: EvaluationResult,
    made: Sequence[tuple[MetricInfo, Comparison]],
    shared: Mapping[str, Any],
    downloads: Downloads,
) -> Html:
    """Return the tests of every two groups; nothing where there are no more than two."""
    rows = pair_rows(result, made)
    if not rows:
        return Html("")
    attribute = made[0][1].attribute
    table = render("report/of_evaluation/templates/pair_tests.html", rows=rows, **shared)
    title = f"Tests of every two groups of {shortened(attribute)}"
    return downloads.table(("pair", "tests", attribute), title, table, pair_test_numbers(made))


def _matrix(
    made: tuple[MetricInfo, Comparison], names: Sequence[str], shared: Mapping[str, Any]
) -> Html:
    """Return every pair of groups by one metric."""
    metric, comparison = made
    cells = [
        [None if row == column else disadvantage(comparison, metric, column, row)
         for column in names]
        for row in names
    ]  # fmt: skip
    return render(
        "report/of_evaluation/templates/pair_matrix.html",
        metric=metric,
        rows=list(zip(names, cells, strict=True)),
        names=names,
        level=shared["level"],
        label=shared["label"],
        attribute=shared["attribute"],
    )


def _remarks(
    made: Sequence[tuple[MetricInfo, Comparison]], result: EvaluationResult
) -> list[Sentence]:
    """Say which values the table's statistics leave out or replace."""
    policy = result.settings.get("empty_distance", "diagonal")
    by = "the image diagonal" if policy == "diagonal" else f"the policy '{policy}'"
    remarks: list[Sentence] = []
    first = made[0][1]
    for metric, comparison in made:
        for group, reason in comparison.left_out.items():
            if group not in first.left_out:
                words = f" is not compared: {clean(reason)}."
                remarks.append([f"{metric.title}: ", Data(group), words])
        for kind, words in (
            ("n_undefined", "undefined and left out"),
            ("n_replaced", f"infinite (one mask empty) and replaced by {by}"),
        ):
            counts = {g: n for g, s in comparison.groups.items() if (n := getattr(s, kind))}
            listed: list[str] = []
            for group, n in counts.items():
                listed += [", "] * bool(listed) + [f"{numbers.count(n, 'case')} of ", Data(group)]
            if listed:
                remarks.append([f"{metric.title}: ", *listed, f" {words}."])
    return remarks
