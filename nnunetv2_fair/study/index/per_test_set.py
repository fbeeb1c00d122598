"""The part of the index page about one test set: links, tables, plots."""

from collections.abc import Mapping
from pathlib import Path

from nnunetv2_fair.paths import COMPARISON_HTML, REPORT_HTML
from nnunetv2_fair.report.html.document import Terms
from nnunetv2_fair.report.html.markup import Html, element, join, link_to, name
from nnunetv2_fair.report.html.planes import Point, planes
from nnunetv2_fair.study.index.progress import StepProgress
from nnunetv2_fair.study.index.results import OnTestSet, Score, scores_of
from nnunetv2_fair.study.index.scores_table import scores_table


def title_of(on_test: OnTestSet) -> list[str]:
    """Return what tells a test set apart: test set, dataset, configuration, plans if not usual."""
    parts = [on_test.test, on_test.dataset, on_test.configuration]
    return [p for p in (*parts, "" if on_test.plans == "nnUNetPlans" else on_test.plans) if p]


def section_of(folder: Path, on_test: OnTestSet, anchor: str, terms: Terms) -> Html:
    """Return the section of one test set.

    Args:
        folder: The study's folder, where the page will lie.
        on_test: All methods on the test set.
        anchor: Id of the section.
        terms: Definitions to link to.
    """
    title, *rest = title_of(on_test)
    facts = [element("small", " ", name(part)) for part in rest]
    parts: list[object] = [element("h2", name(title), *facts), _links(folder, on_test)]
    first = next(iter(on_test.shown.values()), None)
    for attribute in first.attributes if first is not None else ():
        parts.append(_attribute(on_test, attribute, terms))
    return element("section", *parts, id=anchor)


def _links(folder: Path, on_test: OnTestSet) -> Html:
    compared: object = "The study compares nothing here."
    if on_test.compared is not None:
        page = on_test.comparison_folder / COMPARISON_HTML
        compared = element("strong", link_to(folder, page, "Comparison of all methods"))
    elif on_test.comparing is not None:
        why = on_test.problem or _why_missing(on_test.comparing)
        compared = f"The comparison of all methods is missing: {why}."
    reports = []
    for evaluated in on_test.evaluated:
        if evaluated.result is not None:
            page = evaluated.folder / REPORT_HTML
            reports.append(element("li", link_to(folder, page, name(evaluated.trainer))))
        else:
            why = evaluated.problem or _why_missing(evaluated.step)
            reports.append(element("li", name(evaluated.trainer), f": {why}"))
    return element(
        "div",
        element("p", compared),
        element("h3", "Report of each method"),
        element("ul", *reports, class_="notes"),
        class_="card",
    )


def _why_missing(step: StepProgress) -> str:
    if step.state == "waiting":
        return f"waits for {step.waits_for}, which failed"
    return step.state if step.state in ("failed", "running") else "not done yet"


def _attribute(on_test: OnTestSet, attribute: str, terms: Terms) -> Html:
    first = next(iter(on_test.shown.values()))
    metric, label = first.metrics[0], first.headline_label
    scores = {}
    for trainer in on_test.shown:
        by_measure: dict[str, Score] = {}
        for score in scores_of(on_test, trainer, attribute, label, metric):
            by_measure.setdefault(score.measure, score)
        scores[trainer] = by_measure
    compared = on_test.compared
    table = scores_table(scores, first, attribute, terms, ranked=compared is not None)
    return join(
        [
            element("h3", "Groups of ", name(attribute)),
            element("div", table, class_="card"),
            planes(_points(scores), metric, compared.baseline if compared is not None else ""),
        ]
    )


def _points(scores: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, Point]]:
    return {
        trainer: {measure: (score.value, score.interval) for measure, score in by_measure.items()}
        for trainer, by_measure in scores.items()
    }
