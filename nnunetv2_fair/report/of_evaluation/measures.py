"""The rows of a group table that compare its groups: measures, effect sizes, tests."""

import math
from collections.abc import Sequence
from typing import TypeGuard

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupTest, PairEffect
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import WHY_HIDDEN, undefined
from nnunetv2_fair.report.html.document import MEASURES, Terms, measure_title
from nnunetv2_fair.report.html.markup import Html, element, join, name
from nnunetv2_fair.report.of_evaluation.findings import FAIRNESS_GAP, excludes_zero


def measure_rows(
    result: EvaluationResult, made: Sequence[tuple[MetricInfo, Comparison]], terms: Terms
) -> list[Html]:
    """Return the rows of fairness measures, effect sizes and tests, a column per metric."""
    computed = [(g.name, _pair(g)) for _, c in made for g in c.gaps if not math.isnan(g.value)]
    keys = list(dict.fromkeys(computed))
    order = list(MEASURES)
    keys.sort(key=lambda key: order.index(key[0]) if key[0] in order else len(order))
    missing = WHY_HIDDEN if result.shareable else ""
    rows = []
    for measure, between in keys:
        title: list[object] = [terms.link(measure, measure_title(measure))]
        if between:
            title.append(element("small", name(between[0]), " \N{MINUS SIGN} ", name(between[1])))
        cells = [_measure_cell(metric, c, measure, between, missing) for metric, c in made]
        rows.append(element("tr", element("th", *title, colspan=3, scope="row"), *cells))
    for between in dict.fromkeys(e.between for _, c in made for e in c.effects):
        pair = element("small", name(between[0]), " \N{MINUS SIGN} ", name(between[1]))
        title = [terms.link("cliffs_delta", measure_title("cliffs_delta")), pair]
        cells = [_delta_cell(_effect(c, between), missing) for _, c in made]
        rows.append(element("tr", element("th", *title, colspan=3, scope="row"), *cells))
        title = [terms.link("detectable_gap", measure_title("detectable_gap")), pair]
        cells = [_detectable_cell(metric, _effect(c, between), missing) for metric, c in made]
        rows.append(element("tr", element("th", *title, colspan=3, scope="row"), *cells))
    if any(c.test is not None for _, c in made):
        names = dict.fromkeys(c.test.name for _, c in made if c.test is not None)
        title = [terms.link("test", f"Test: {' / '.join(names)}")]
        if any(is_corrected(c.test) for _, c in made):
            title.append(element("small", terms.link("corrected_p", "below: corrected")))
        cells = [_test_cell(c.test, missing) for _, c in made]
        rows.append(element("tr", element("th", *title, colspan=3, scope="row"), *cells))
    if not rows:
        text = (
            "No measure can be computed: fewer than two groups are large enough "
            f"(at least {result.settings.get('min_patients', 5)} patients)."
        )
        rows.append(element("tr", element("td", text, colspan=3 + len(made))))
    return rows


def _pair(gap: Gap) -> tuple[str, ...]:
    return gap.between if gap.name == FAIRNESS_GAP and len(gap.between) == 2 else ()


def _measure_cell(
    metric: MetricInfo, comparison: Comparison, measure: str, between: tuple[str, ...], missing: str
) -> Html:
    found = next((g for g in comparison.gaps if g.name == measure and _pair(g) == between), None)
    if found is None:
        reason = (
            "not defined for distances" if metric.unit else "fewer than two groups are large enough"
        )
        return element(
            "td", undefined(reason if metric.unit else missing or reason), class_="value"
        )
    unit = numbers.measure_unit(measure, metric)
    if math.isnan(found.value):
        return element("td", undefined("not computable"), class_="value")
    signed = measure == FAIRNESS_GAP
    text = join([numbers.number(found.value, unit, signed=signed)])
    limits = numbers.interval(found.interval, unit, signed=signed)
    shown = signed and excludes_zero(found.interval)
    return element(
        "td",
        element("strong", text) if shown else text,
        element("small", limits),
        class_="value",
    )


def is_corrected(test: GroupTest | None) -> TypeGuard[GroupTest]:
    """Return whether a test is one of several, and has a corrected p-value."""
    return test is not None and test.family_size > 1 and not math.isnan(test.corrected_p)


def _test_cell(test: GroupTest | None, missing: str) -> Html:
    if test is None:
        reason = missing or "fewer than two groups are large enough"
        return element("td", undefined(reason), class_="value")
    corrected: Html | str = ""
    if is_corrected(test):
        tests = numbers.count(test.family_size, "test")
        corrected = element("small", f"{numbers.p_value(test.corrected_p)} for {tests}")
    return element("td", numbers.p_value(test.p_value), corrected, class_="value")


def _effect(comparison: Comparison, between: tuple[str, str]) -> PairEffect | None:
    return next((e for e in comparison.effects if e.between == between), None)


def _delta_cell(effect: PairEffect | None, missing: str) -> Html:
    if effect is None or math.isnan(effect.cliffs_delta):
        return element("td", undefined(missing or "not computable"), class_="value")
    text = join([numbers.number(effect.cliffs_delta, signed=True)])
    return element(
        "td",
        element("strong", text) if excludes_zero(effect.interval) else text,
        element("small", numbers.interval(effect.interval, signed=True)),
        class_="value",
    )


def _detectable_cell(metric: MetricInfo, effect: PairEffect | None, missing: str) -> Html:
    if effect is None or math.isnan(effect.detectable_gap):
        return element("td", undefined(missing or "not computable"), class_="value")
    return element("td", numbers.number(effect.detectable_gap, metric.unit), class_="value")
