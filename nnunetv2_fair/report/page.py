"""The report of one evaluation: one HTML file that needs nothing beside itself."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunetv2_fair.evaluation.result import (
    AVERAGE,
    CasePicture,
    Comparison,
    EvaluationResult,
    Exclusion,
    GroupStatistics,
    MetricInfo,
)
from nnunetv2_fair.report import numbers
from nnunetv2_fair.report.document import (
    Terms,
    document,
    metric_heading,
    notes_card,
    settings_section,
    write_page,
)
from nnunetv2_fair.report.figures import Strip, Whisker, forest_plot, strip_plot
from nnunetv2_fair.report.findings import (
    FAIRNESS_GAP,
    Finding,
    Verdict,
    confidence,
    excludes_zero,
    find,
    too_small,
)
from nnunetv2_fair.report.heatmap import heatmap
from nnunetv2_fair.report.markup import Data, Html, clean, element, join, name, sentence, shortened
from nnunetv2_fair.report.pictures import figure
from nnunetv2_fair.report.tables import group_table, undefined, value, why_undefined
from nnunetv2_fair.report.units import unit_values

#: Fewer patients than this are never drawn one by one, whatever the evaluation compares.
FEWEST_DOTS = 5

#: Pictures that would make the page larger than this are left out, and the page says so.
MOST_BYTES = 4_700_000

#: Cases listed by name per reason of exclusion.
_MOST_CASES = 200

_VERDICT_CLASS = {
    Verdict.SHOWN: "shown",
    Verdict.UNCLEAR: "unclear",
    Verdict.NOT_SHOWN: "not-shown",
    Verdict.NOT_COMPARABLE: "not-comparable",
}


def write_report(result: EvaluationResult, pictures: Sequence[CasePicture], path: Path) -> None:
    """Write the report of an evaluation.

    Args:
        result: What the evaluation found.
        pictures: Cases to show, worst first; may be empty.
        path: HTML file to write; its folder must exist. It appears whole or not at all.

    Raises:
        OSError: If the file cannot be written.
    """
    write_page(render_report(result, pictures), path)


def render_report(result: EvaluationResult, pictures: Sequence[CasePicture]) -> str:
    """Return the report as HTML, under 5 MB (see :func:`write_report`)."""
    terms = Terms(result.metrics, result.definitions)
    attributes = [a for a in result.attributes if _headline(result, a) is not None]
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(attributes)]
    if pictures:
        navigation.append(("cases", "Worst cases"))
    navigation += [("excluded", "Left out"), ("definitions", "Definitions"),
                   ("settings", "Settings")]  # fmt: skip
    before = [_summary(result, attributes)]
    before += [_attribute(result, a, f"attribute-{i}", terms) for i, a in enumerate(attributes)]
    after = [
        _excluded(result.exclusions),
        terms.section(),
        settings_section(result.settings, result.versions, result.inputs_sha256, result.created),
    ]
    used = sum(len(section.encode("utf-8", "replace")) for section in (*before, *after))
    shown = _pictures(pictures, MOST_BYTES - used)
    return document(
        result.name,
        "Fairness assessment",
        _facts(result),
        navigation,
        [*before, shown, *after],
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        "were evaluated; it is no medical device and no proof of fairness elsewhere.",
    )


def _headline(result: EvaluationResult, attribute: str) -> Comparison | None:
    """Return the comparison that stands for an attribute: first metric, headline label."""
    for comparison in result.comparisons:
        if (comparison.attribute, comparison.label) == (attribute, result.headline_label):
            return comparison
    return None


def _facts(result: EvaluationResult) -> list[object]:
    frame = result.per_case
    cases, patients = frame["case"].nunique(), frame["patient"].nunique()
    labels = [label for label in result.labels if label != AVERAGE]
    facts: list[object] = [numbers.count(cases, "case"), numbers.count(patients, "patient"),
                           numbers.count(len(labels), "label")]  # fmt: skip
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    return facts


# ---- summary


def _summary(result: EvaluationResult, attributes: Sequence[str]) -> Html:
    cards = [_finding_card(result, attribute) for attribute in attributes]
    made = sum(len(result.metrics) for _ in attributes)
    lead = (
        "Does the model segment some groups of people worse than others? For each attribute, "
        "what the evaluated cases show, and how sure that is."
    )
    caution = ""
    if made > 1:
        caution = element(
            "p",
            f"This summary makes {made} comparisons ({numbers.count(len(attributes), 'attribute')} "
            f"by {numbers.count(len(result.metrics), 'metric')}). Intervals and p-values are not "
            "corrected for their number: the more is compared, the more differences appear by "
            "chance. A difference between groups does not say what causes it.",
            class_="hint",
        )
    return element(
        "section",
        element("h2", "Summary"),
        element("p", lead, class_="lead"),
        *cards,
        notes_card(result.notes),
        caution,
        id="summary",
    )


def _finding_card(result: EvaluationResult, attribute: str) -> Html:
    comparison = _headline(result, attribute)
    assert comparison is not None  # attributes without one were left out by the caller
    finding = find(result, comparison)
    briefs = []
    for other in result.comparisons:
        same = (other.attribute, other.label) == (attribute, comparison.label)
        if same and other.metric != comparison.metric:
            found = find(result, other)
            briefs.append(element("dt", result.metric(other.metric).title))
            briefs.append(element("dd", sentence(found.brief), class_="brief"))
    small = too_small(comparison)
    return element(
        "div",
        element(
            "div",
            element("h3", name(attribute)),
            element("span", finding.verdict.value, class_="badge"),
            class_="finding-head",
        ),
        element("p", sentence(finding.headline), class_="headline"),
        _medians(result, comparison),
        element("dl", *briefs, class_="briefs") if briefs else "",
        element("p", sentence(small), class_="hint") if small else "",
        class_=f"card finding {_VERDICT_CLASS[finding.verdict]}",
    )


def _medians(result: EvaluationResult, comparison: Comparison) -> Html:
    metric = result.metric(comparison.metric)
    level = numbers.percent(confidence(result.settings))
    rows = []
    for position, (group, found) in enumerate(comparison.groups.items()):
        compared = group not in comparison.left_out and not math.isnan(found.median)
        limits = found.median_interval
        text = numbers.with_unit(found.median, metric.unit) if compared else "not compared"
        if compared and not math.isnan(limits.low):
            text += f"\n{numbers.interval(limits, metric.unit)}"
        rows.append(
            Whisker(
                name(group),
                numbers.count(found.n_patients, "patient"),
                text,
                found.median if compared and math.isfinite(found.median) else math.nan,
                limits if compared else type(limits)(math.nan, math.nan),
                colour=position,
            )
        )
    title = f"Median {metric_heading(metric)} with {level} interval"
    return forest_plot(rows, title, title, zero=False)


# ---- one attribute


def _attribute(result: EvaluationResult, attribute: str, anchor: str, terms: Terms) -> Html:
    label = result.headline_label
    made = [c for c in result.comparisons if (c.attribute, c.label) == (attribute, label)]
    first = made[0]
    distance = next((c for c in reversed(made) if result.metric(c.metric).unit), None)
    shown = [first] + ([distance] if distance is not None and distance is not first else [])
    others = [c for c in made if c not in shown]
    plots = element("div", *[_strips(result, c) for c in shown], class_="pair")
    more: Html | str = ""
    if others:
        titles = " and ".join(result.metric(c.metric).title for c in others)
        more = element(
            "details",
            element("summary", f"The same for {titles}"),
            element("div", *[_strips(result, c) for c in others], class_="pair"),
        )
    return element(
        "section",
        element("h2", "Groups of ", name(attribute)),
        element("div", group_table(result, attribute, label, terms), class_="card"),
        plots,
        more,
        heatmap(result, first),
        _labels(result, attribute, [c.metric for c in shown], terms),
        id=anchor,
    )


def _strips(result: EvaluationResult, comparison: Comparison) -> Html:
    metric = result.metric(comparison.metric)
    values = unit_values(result, comparison.attribute, comparison.metric, comparison.label)
    rows = []
    infinite = 0
    for position, (group, found) in enumerate(comparison.groups.items()):
        dots, instead = _dots(found, values[group])
        if dots is not None:
            infinite += int(np.isinf(dots).sum())
        rows.append(
            Strip(
                name(group),
                numbers.count(found.n_patients, "patient"),
                numbers.with_unit(found.median, metric.unit) if dots is not None else "",
                dots,
                (found.q1, found.median, found.q3),
                position,
                instead,
            )
        )
    unit = "case" if result.settings.get("unit") == "case" else "patient"
    hint = f"One dot per {unit}; box: middle half; line: median, written on the right."
    if infinite:
        hint += f" {numbers.count(infinite, 'infinite value')} not drawn."
    title = metric_heading(metric)
    description = f"{title} of every {unit}, by group of {shortened(comparison.attribute)}"
    return element(
        "div",
        element("h3", title),
        strip_plot(rows, title, description),
        element("p", hint, class_="hint"),
        class_="card",
    )


def _dots(found: GroupStatistics, values: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Return what to draw of a group, or why nothing: few dots could identify people."""
    if not found.n_cases:
        return None, "no cases"
    if found.n_patients < FEWEST_DOTS:
        return None, f"fewer than {FEWEST_DOTS} patients: not drawn"
    if not len(values):
        return None, why_undefined(found)
    return values, ""


def _labels(result: EvaluationResult, attribute: str, metrics: Sequence[str], terms: Terms) -> Html:
    """Return gaps and medians of every label; empty if there is only one."""
    if len(result.labels) < 2:
        return Html("")
    level = numbers.percent(confidence(result.settings))
    plots = []
    for key in metrics:
        metric = result.metric(key)
        title = f"Fairness gap in {metric_heading(metric)}, by label"
        hint = (
            f"Median of the reference group minus median of the other, with {level} interval; "
            "a full marker where it excludes zero, a ring where it does not. "
            + (
                "Right of zero the other group is segmented worse."
                if metric.better == "higher"
                else "Left of zero the other group is segmented worse."
            )
        )
        rows = _gap_rows(result, attribute, metric)
        drawing: Html = (
            forest_plot(rows, f"gap in {metric_heading(metric)}", title)
            if rows
            else element("p", "No gap can be computed: fewer than two groups are large enough.")
        )
        plots.append(
            element(
                "div",
                element("h3", terms.link(FAIRNESS_GAP, title)),
                drawing,
                element("p", hint, class_="hint") if rows else "",
                class_="card",
            )
        )
    tables = element(
        "details",
        element("summary", "Medians of every label and group"),
        *[_label_table(result, attribute, result.metric(key)) for key in metrics],
    )
    return join([element("div", *plots, class_="pair"), tables])


def _gap_rows(result: EvaluationResult, attribute: str, metric: MetricInfo) -> list[Whisker]:
    rows: list[Whisker] = []
    for label in result.labels:
        try:
            comparison = result.comparison(attribute, metric.name, label)
        except KeyError:
            continue
        gaps = [g for g in comparison.gaps if g.name == FAIRNESS_GAP and not math.isnan(g.value)]
        colours = {group: position for position, group in enumerate(comparison.groups)}
        for position, gap in enumerate(gaps):
            reference, other = (shortened(group, 26) for group in gap.between)
            pair = f"{reference} \N{MINUS SIGN} {other}"
            title = _label_name(label) if not position else Html("")
            text = numbers.number(gap.value, metric.unit, signed=True)
            limits = numbers.interval(gap.interval, metric.unit, signed=True)
            rows.append(
                Whisker(
                    title,
                    pair if len(gaps) > 1 or not rows else "",
                    f"{text}\n{limits}" if limits != numbers.UNDEFINED else text,
                    gap.value if math.isfinite(gap.value) else math.nan,
                    gap.interval,
                    filled=excludes_zero(gap.interval),
                    colour=colours.get(gap.between[1], 0),
                )
            )
    return rows


def _label_name(label: str) -> Html:
    return join(["mean of all labels"]) if label == AVERAGE else name(label)


def _label_table(result: EvaluationResult, attribute: str, metric: MetricInfo) -> Html:
    made = [c for c in result.comparisons
            if (c.attribute, c.metric) == (attribute, metric.name)]  # fmt: skip
    groups = list(dict.fromkeys(group for c in made for group in c.groups))
    head = element(
        "tr",
        element("th", "Label", scope="col"),
        *[element("th", name(group, 32), scope="col") for group in groups],
        element("th", "Test", scope="col"),
    )
    rows = []
    for comparison in made:
        cells = []
        for group in groups:
            found = comparison.groups.get(group)
            if found is None:
                cells.append(element("td", undefined("no such group")))
                continue
            median = value(found.median, metric.unit, why_undefined(found))
            known = found.n_cases - found.n_undefined
            cells.append(element("td", median, element("small", f"n = {known:,}"), class_="value"))
        test = comparison.test
        p = numbers.p_value(test.p_value) if test else undefined("too few groups to compare")
        cells.append(element("td", p, class_="value"))
        rows.append(
            element("tr", element("th", _label_name(comparison.label), scope="row"), *cells)
        )
    caption = f"Median {metric_heading(metric)}; n counts the cases in which it is defined."
    table = element("table", element("caption", caption), element("thead", head),
                    element("tbody", *rows))  # fmt: skip
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


# ---- cases and exclusions


def _pictures(pictures: Sequence[CasePicture], budget: int) -> Html:
    if not pictures:
        return Html("")
    shown: list[Html] = []
    for picture in pictures:
        drawn = figure(picture)
        budget -= len(drawn.encode("utf-8", "replace"))
        if budget < 0:
            break
        shown.append(drawn)
    left = len(pictures) - len(shown)
    without = any(picture.image is None for picture in pictures)
    legend = element(
        "p",
        element("span", element("span", class_="swatch"), "reference"),
        element("span", element("span", class_="swatch thin"), "prediction"),
        element(
            "label", element("input", type="checkbox", class_="toggle"), "hide the outlines",
            class_="toggle-label",
        ),
        class_="legend",
    )  # fmt: skip
    lead = (
        "Where the model failed most, so that people can judge why. For volumes, the slice with "
        "the largest disagreement. This section names cases."
    )
    remarks = "" if not without else "Without --images the outlines are drawn on plain grey. "
    remarks += f"{numbers.count(left, 'more picture')} left out for size." if left else ""
    return element(
        "section",
        element("h2", "Worst cases"),
        element("p", lead, class_="lead"),
        element(
            "div", legend, element("div", *shown, class_="cases"),
            element("p", remarks, class_="hint") if remarks else "",
            class_="toggle-box",
        ),
        id="cases",
    )  # fmt: skip


def _excluded(exclusions: Sequence[Exclusion]) -> Html:
    lead = "Leaving cases out can itself hide unfairness, so here is what was left out, by group."
    cards = [_exclusion(exclusion) for exclusion in exclusions]
    if not cards:
        nothing = "Nothing: every case was evaluated and is in a group of every attribute."
        cards = [element("div", element("p", nothing), class_="card")]
    return element(
        "section",
        element("h2", "What was left out"),
        element("p", lead, class_="lead"),
        *cards,
        id="excluded",
    )


def _exclusion(exclusion: Exclusion) -> Html:
    rows = []
    for attribute, counts in exclusion.by_group.items():
        counted: list[object] = []
        for position, (group, n) in enumerate((g, n) for g, n in counts.items() if n):
            counted += [", "] * bool(position) + [name(group), f" {n:,}"]
        rows.append(element("dt", name(attribute)))
        rows.append(element("dd", *(counted or ["none"])))
    cases = [name(case) for case in exclusion.cases[:_MOST_CASES]]
    listed: list[object] = []
    for position, case in enumerate(cases):
        listed += [", "] * bool(position) + [case]
    if len(exclusion.cases) > len(cases):
        listed.append(f" and {len(exclusion.cases) - len(cases):,} more")
    title = sentence([f"{numbers.count(len(exclusion.cases), 'case')}: ", _Long(exclusion.reason)])
    return element(
        "div",
        element("h3", title),
        element("dl", *rows, class_="briefs") if rows else "",
        element("details", element("summary", "Names of these cases"), element("p", *listed))
        if listed
        else "",
        class_="card",
    )


class _Long(str):
    """A whole sentence of the evaluation: cleaned, but not shortened like a name."""

    __slots__ = ()

    def __new__(cls, text: str) -> "_Long":
        return super().__new__(cls, shortened(text, 400))


__all__ = ["FEWEST_DOTS", "MOST_BYTES", "Data", "Finding", "render_report", "write_report"]
