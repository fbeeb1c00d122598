"""Words that a page explains: each use links to the definition and shows it on hover."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import measure_title, metric_heading


@dataclass(frozen=True)
class Term:
    """One defined word.

    Attributes:
        anchor: Id of its definition.
        title: Its name on the page.
        text: Its definition.
    """

    anchor: str
    title: str
    text: str


class Terms:
    """The defined words of a page.

    Args:
        metrics: Metrics, which bring their own definitions.
        definitions: Measure or statistic -> definition.
    """

    def __init__(self, metrics: Sequence[MetricInfo], definitions: Mapping[str, str]) -> None:
        texts: dict[str, tuple[str, str]] = {}
        for metric in metrics:
            direction = f"{metric.better.capitalize()} is better."
            text = metric.definition
            text += "" if direction.lower() in text.lower() else f" {direction}"
            texts[metric.name] = (metric_heading(metric), text)
        for key, text in definitions.items():
            texts.setdefault(key, (measure_title(key), text))
        self._terms = {
            key: Term(f"term-{i}", title, text)
            for i, (key, (title, text)) in enumerate(texts.items())
        }

    def find(self, key: str) -> Term | None:
        """Return the definition of a metric, measure or statistic; None if there is none."""
        return self._terms.get(key)

    def section(self) -> Html:
        """Return the list of definitions."""
        return render("report/html/templates/terms.html", terms=self._terms.values())
