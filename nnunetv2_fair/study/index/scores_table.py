"""The table of all methods by one attribute: values, intervals, ranks."""

import math
from collections.abc import Mapping

from nnunetv2_fair.evaluation.results.comparison import (
    HIGHER_IS_FAIRER,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    RankRange,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import undefined, value
from nnunetv2_fair.report.html.document import Terms, measure_title, metric_heading
from nnunetv2_fair.report.html.markup import Html, element, join, name, sentence, shortened
from nnunetv2_fair.report.of_evaluation.findings import confidence, label_words
from nnunetv2_fair.study.index.rankings_csv import RANKINGS_CSV
from nnunetv2_fair.study.index.results import Score

#: Measures that fit beside each other on a screen.
_COLUMNS = (OVERALL_MEAN, WORST_GROUP_MEAN, "fairness_gap", "delta", "ser", "es_std")


def scores_table(
    scores: Mapping[str, Mapping[str, Score]],
    result: EvaluationResult,
    attribute: str,
    terms: Terms,
    *,
    ranked: bool,
) -> Html:
    """Return the table of all methods, with the ranks that they can have.

    Args:
        scores: Method -> measure -> value.
        result: The first evaluation, which says what was measured.
        attribute: Attribute expression.
        terms: Definitions to link to.
        ranked: Whether there is a comparison, so that methods have ranks.
    """
    metric, label = result.metrics[0], result.headline_label
    found = {m for by_measure in scores.values() for m in by_measure}
    measures = [m for m in _COLUMNS if m in found]
    # with three groups and more there are several signed gaps
    if len(result.comparison(attribute, metric.name, label).groups) > 2:
        measures = [m for m in measures if m != "fairness_gap"]
    head = element(
        "tr",
        element("th", "Method", scope="col"),
        *[element("th", _heading(m, metric, terms), scope="col") for m in measures],
    )
    rows = [
        element(
            "tr",
            element("th", name(trainer), scope="row"),
            *[_cell(by_measure.get(m), metric) for m in measures],
        )
        for trainer, by_measure in scores.items()
    ]
    level = numbers.percent(confidence(result.settings))
    caption = element(
        "caption",
        f"{metric_heading(metric)} for ",
        sentence(label_words(label)),
        f", with the {level} interval of each evaluation by itself"
        + (
            f", and the ranks that the method can have ({level} confidence, paired comparison). "
            "Bold: shown to be better than another method, and worse than none. "
            if ranked
            else ". Ranks need the comparison, which is not there yet. "
        )
        + "Methods stand in the order of the study: intervals that overlap put no order on them, "
        f"ranks that do not overlap do. All measures, labels and metrics: {RANKINGS_CSV}.",
    )
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return element(
        "div", table, class_="scroll", tabindex="0", role="region",
        aria_label=f"Scores and ranks by {shortened(attribute)}",
    )  # fmt: skip


def _heading(measure: str, metric: MetricInfo, terms: Terms) -> Html:
    if measure == OVERALL_MEAN:
        return join(["Mean", element("small", f"{metric.better} is better")])
    if measure == WORST_GROUP_MEAN:
        return join([terms.link("worst_group", "Worst group")])
    better = "higher is fairer" if measure in HIGHER_IS_FAIRER else ""
    return join(
        [terms.link(measure, measure_title(measure)), element("small", better) if better else ""]
    )


def _cell(score: Score | None, metric: MetricInfo) -> Html:
    if score is None or math.isnan(score.value):
        reason = "too few groups or patients to compare, or it would tell of a single patient"
        return element("td", undefined(reason), class_="value")
    unit = numbers.measure_unit(score.measure, metric)
    shown = value(score.value, unit, "not computable")
    best = score.ranks is not None and score.ranks.first == 1 and score.ranks.last < score.n_ranked
    limits = numbers.interval(score.interval, unit)
    group = score.group if score.measure == WORST_GROUP_MEAN else ""
    return element(
        "td",
        element("strong", shown) if best else shown,
        element("small", name(group, 28)) if group else "",
        element("small", limits) if limits != numbers.UNDEFINED else "",
        element("small", _rank(score.ranks, score.n_ranked)) if score.ranks is not None else "",
        class_="value",
    )


def _rank(ranks: RankRange, count: int) -> str:
    if (ranks.first, ranks.last) == (1, count):
        return "any rank"
    if ranks.first == ranks.last:
        return f"rank {ranks.first} of {count}"
    return f"rank {ranks.first} to {ranks.last} of {count}"
