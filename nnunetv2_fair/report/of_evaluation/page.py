"""The report of one evaluation: one HTML file that needs nothing beside itself."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.per_case import AVERAGE
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.document import (
    Terms,
    document,
    metric_heading,
    notes_card,
    settings_section,
)
from nnunetv2_fair.report.html.figures import Whisker, forest_plot
from nnunetv2_fair.report.html.markup import Html, clean, element, name, sentence
from nnunetv2_fair.report.of_evaluation.as_in_paper import ANCHOR as PAPER
from nnunetv2_fair.report.of_evaluation.as_in_paper import paper_section
from nnunetv2_fair.report.of_evaluation.attribute import attribute_section
from nnunetv2_fair.report.of_evaluation.case_table import ANCHOR, case_table
from nnunetv2_fair.report.of_evaluation.cases import excluded_section, pictures_section
from nnunetv2_fair.report.of_evaluation.discovered import ANCHOR as DISCOVERY
from nnunetv2_fair.report.of_evaluation.discovered import discovery_section
from nnunetv2_fair.report.of_evaluation.findings import (
    Verdict,
    confidence,
    find,
    too_small,
)

#: Pictures that would make the page larger than this are left out, and the page says so.
MOST_BYTES = 4700 * 1000

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
    write_text(path, render_report(result, pictures), errors="replace")


def render_report(result: EvaluationResult, pictures: Sequence[CasePicture]) -> str:
    """Return the report as HTML, under 5 MB (see :func:`write_report`)."""
    terms = Terms(result.metrics, result.definitions)
    headlines = _headlines(result)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(headlines)]
    if result.discovery is not None:
        navigation.append((DISCOVERY, "Discovered"))
    if result.preset_tables:
        navigation.append((PAPER, "As in the paper"))
    if pictures:
        navigation.append(("cases", "Worst cases"))
    cases = case_table(result, pictures)
    if cases:
        navigation.append((ANCHOR, "All cases"))
    navigation += [("excluded", "Left out"), ("definitions", "Definitions"),
                   ("settings", "Settings")]  # fmt: skip
    before = [_summary(result, headlines)]
    before += [
        attribute_section(result, a, f"attribute-{i}", terms) for i, a in enumerate(headlines)
    ]
    before += [discovery_section(result, terms), paper_section(result.preset_tables)]
    after = [
        cases,
        excluded_section(result.exclusions),
        terms.section(),
        settings_section(result.settings, result.versions, result.inputs_sha256, result.created),
    ]
    used = sum(len(section.encode("utf-8", "replace")) for section in (*before, *after))
    shown = pictures_section(pictures, MOST_BYTES - used)
    return document(
        result.name,
        "Fairness assessment",
        _facts(result),
        navigation,
        [*before, shown, *after],
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        "were evaluated; it is no medical device and no proof of fairness elsewhere.",
    )


def _headlines(result: EvaluationResult) -> Mapping[str, Comparison]:
    """Return what stands for each attribute: the first metric of the headline label."""
    found: dict[str, Comparison] = {}
    for attribute in result.attributes:
        for comparison in result.comparisons:
            if (comparison.attribute, comparison.label) == (attribute, result.headline_label):
                found.setdefault(attribute, comparison)
    return found


def _facts(result: EvaluationResult) -> list[object]:
    frame = result.per_case
    cases, patients = frame["case"].nunique(), frame["patient"].nunique()
    if result.shareable:
        cases, patients = result.settings["cases"], result.settings["patients"]
    labels = [label for label in result.labels if label != AVERAGE]
    facts: list[object] = [numbers.count(cases, "case"), numbers.count(patients, "patient"),
                           numbers.count(len(labels), "label")]  # fmt: skip
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    return facts


def _summary(result: EvaluationResult, headlines: Mapping[str, Comparison]) -> Html:
    cards = [_finding_card(result, comparison) for comparison in headlines.values()]
    made = len(headlines) * len(result.metrics)
    lead = (
        "Does the model segment some groups of people worse than others? For each attribute, "
        "what the evaluated cases show, and how sure that is."
    )
    caution = ""
    if made > 1:
        caution = element(
            "p",
            f"This summary makes {made} comparisons ({numbers.count(len(headlines), 'attribute')} "
            f"by {numbers.count(len(result.metrics), 'metric')}). {_correction(result)} A "
            "difference between groups does not say what causes it.",
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


def _correction(result: EvaluationResult) -> str:
    chance = "the more is compared, the more differences appear by chance."
    if any(c.test is not None and not math.isnan(c.test.corrected_p) for c in result.comparisons):
        return (
            "What is said about a test follows its corrected p-value (Holm, over all tests by the "
            f"same metric). Intervals are not corrected: {chance}"
        )
    return f"Intervals and p-values are not corrected for their number: {chance}"


def _finding_card(result: EvaluationResult, comparison: Comparison) -> Html:
    attribute = comparison.attribute
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
