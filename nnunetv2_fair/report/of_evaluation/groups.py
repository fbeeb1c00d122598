"""The table of groups, with the differences between them."""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, clean
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.cells import WHY_HIDDEN, why_undefined
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.case_table import case_filters
from nnunetv2_fair.report.of_evaluation.measures import FIRST_MEASURES, measure_rows


def group_table(result: EvaluationResult, attribute: str, label: str, terms: Terms) -> Html:
    """Return the table of one attribute: groups, then the differences between them."""
    by_metric = {c.metric: c for c in result.comparisons
                 if c.attribute == attribute and c.label == label}  # fmt: skip
    made = [(m, by_metric[m.name]) for m in result.metrics if m.name in by_metric]
    first = made[0][1]
    measures = measure_rows(result, made)
    return render(
        "report/of_evaluation/templates/groups.html",
        attribute=attribute,
        label=label_words(label),
        level=numbers.percent(confidence(result.settings)),
        made=made,
        groups=first.groups,
        overall=first.overall,
        left_out=first.left_out,
        case_filters=case_filters(result, attribute),
        measures=[row for row in measures if row.term in FIRST_MEASURES],
        further=[row for row in measures if row.term not in FIRST_MEASURES],
        min_patients=result.settings.get("min_patients", 5),
        remarks=_remarks(made, result),
        terms=terms,
        heading=metric_heading,
        why_undefined=why_undefined,
        why_hidden=WHY_HIDDEN,
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
