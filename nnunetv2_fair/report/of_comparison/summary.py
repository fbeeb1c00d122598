"""The summary of a comparison: for each model and attribute, the gap, who gains and who loses."""

from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import brief
from nnunetv2_fair.evaluation.findings.gains_and_losses import Balance, balance
from nnunetv2_fair.evaluation.findings.sentences import Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import (
    ABSOLUTE_GAP,
    BETWEEN_GROUP_VARIANCE,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    ModelComparison,
)
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, subjects
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: What is told in small print below the headline; groups are in the figure.
_TITLES = {
    ABSOLUTE_GAP: "Gap",
    BETWEEN_GROUP_VARIANCE: "Gap",
    OVERALL_MEAN: "All groups",
    WORST_GROUP_MEAN: "Worst group",
}


@dataclass(frozen=True)
class _Card:
    """What one model changes for the groups of one attribute.

    Attributes:
        model: The model.
        attribute: Attribute expression.
        kind: Class of the card.
        balance: What is said.
        briefs: The gap, the overall mean and the worst group: title, and what is found.
    """

    model: str
    attribute: str
    kind: str
    balance: Balance
    briefs: tuple[tuple[str, Sentence], ...]


def summary_section(result: ModelComparison) -> Html:
    """Return the section with id ``summary``."""
    level = confidence(result.settings)
    return render(
        "report/of_comparison/templates/summary.html",
        label=label_words(result.headline_label),
        metric=result.metrics[0],
        cards=[
            _card(result, attribute, model)
            for attribute in result.attributes
            for model in result.others
        ],
        chance=numbers.percent(round(1 - level, 9)),
        chance_of_signs=numbers.percent(round(2 * (1 - level), 9)),
        family=max((entry.family_size for entry in result.entries), default=0),
        notes=result.notes,
        subjects=subjects(result.settings.get(TRAININGS, {})),
    )


def _card(result: ModelComparison, attribute: str, model: str) -> _Card:
    found = balance(result, attribute, model)
    metric = result.metrics[0]
    briefs = tuple(
        (_TITLES[f.quantity], brief(f, metric)) for f in found.details if f.quantity in _TITLES
    )
    return _Card(model, attribute, _kind(found), found, briefs)


def _kind(found: Balance) -> str:
    if found.harms:
        return "larger"
    if found.gap is None or found.gap.verdict not in ("shown", "signs"):
        return "not-shown"
    return found.gap.direction if found.gap.verdict == "shown" else "signs"
