"""The summary of a comparison: for each model and attribute, how the gap changes."""

from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.of_comparison.findings import (
    GapChange,
    ModelFinding,
    find_change,
    headline_entry,
    other_models,
)

_CHANGE_CLASS = {
    GapChange.SMALLER: "smaller",
    GapChange.LEVELLED_DOWN: "unclear",
    GapChange.LARGER: "larger",
    GapChange.NOT_SHOWN: "none",
    GapChange.NOT_COMPARABLE: "none",
}


@dataclass(frozen=True)
class _Card:
    model: str
    attribute: str
    kind: str
    finding: ModelFinding


def summary_section(result: ModelComparison) -> Html:
    """Return the section with id ``summary``."""
    return render(
        "report/of_comparison/templates/summary.html",
        label=label_words(result.headline_label),
        cards=[
            _card(result, attribute, model)
            for attribute in result.attributes
            for model in other_models(result)
        ],
        notes=result.notes,
    )


def _card(result: ModelComparison, attribute: str, model: str) -> _Card:
    finding = find_change(result, headline_entry(result, attribute), model)
    return _Card(model, attribute, _CHANGE_CLASS[finding.change], finding)
