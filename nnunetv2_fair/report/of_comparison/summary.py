"""The summary of a comparison: who gains and who loses, in words, and all models by all metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.of_models.gains_and_losses import Balance, answer, balance
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, subjects
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_comparison.matrix import matrix


@dataclass(frozen=True)
class _Told:
    """What one model changes for the groups of one attribute, and the class of its lines."""

    kind: str
    balance: Balance


@dataclass(frozen=True)
class _ByAttribute:
    attribute: str
    models: Sequence[_Told]
    matrix: Html


def summary_section(result: ModelComparison, terms: Terms, downloads: Downloads) -> Html:
    """Return the section with id ``summary``."""
    level = confidence(result.settings)
    return render(
        "report/of_comparison/templates/summary.html",
        answer=answer(result),
        label=label_words(result.headline_label),
        metric=result.metrics[0],
        attributes=[
            _ByAttribute(
                attribute,
                [_told(balance(result, attribute, model)) for model in result.others],
                matrix(result, attribute, terms, downloads),
            )
            for attribute in result.attributes
        ],
        chance=numbers.percent(round(1 - level, 9)),
        chance_of_signs=numbers.percent(round(2 * (1 - level), 9)),
        family=max((entry.family_size for entry in result.entries), default=0),
        notes=result.notes,
        subjects=subjects(result.settings.get(TRAININGS, {})),
    )


def _told(found: Balance) -> _Told:
    return _Told(_kind(found), found)


def _kind(found: Balance) -> str:
    if found.harms:
        return "larger"
    if found.gap is None or found.gap.verdict not in ("shown", "signs"):
        return "not-shown"
    return found.gap.direction if found.gap.verdict == "shown" else "signs"
