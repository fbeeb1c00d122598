"""What readers of an evaluation must know: units, empty masks, patients with several cases."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from nnunetv2_fair.errors import counted
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables import public_notes
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    EmptyDistance,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.group_comparison import Unit

_TREATMENT: dict[EmptyDistance, str] = {
    "diagonal": "counts as the image diagonal",
    "inf": "stays infinite",
    "nan": "is left out",
}


def notes_on_masks(
    plan: EvaluationPlan,
    per_case: pd.DataFrame,
    infos: Sequence[MetricInfo],
    empty_distance: EmptyDistance,
) -> Iterator[str]:
    """Yield what readers must know of the masks that were measured.

    Args:
        plan: What was evaluated.
        per_case: Its rows.
        infos: Its metrics.
        empty_distance: What an infinite distance counts as.
    """
    if plan.unit == "px":
        yield public_notes.PIXELS
    if plan.labels is None:
        yield public_notes.LABELS_FOUND
    labels = per_case[per_case["label"] != AVERAGE]
    yield from _on_empty_masks(labels, any(info.unit for info in infos), empty_distance)


def notes_on_cases(plan: EvaluationPlan) -> Iterator[str]:
    """Yield how many cases were left out as synthetic, and how many predictions were not used."""
    yield from note_on_synthetic(len(plan.synthetic))
    if plan.unused_predictions:
        yield f"{counted(len(plan.unused_predictions), 'prediction')} without reference: not used."


def note_on_synthetic(n_cases: int) -> Iterator[str]:
    """Yield that synthetic cases were left out, if there are any.

    Args:
        n_cases: How many.
    """
    if n_cases:
        yield (
            f"{counted(n_cases, 'synthetic case')} (synthetic = 1 in the table) left out: "
            "generated images tell nothing about people."
        )


def notes_on_scores(scores: Scores, per_case: pd.DataFrame) -> Iterator[str]:
    """Yield what readers must know of scores that another tool measured."""
    yield (
        f"The scores were read from {scores.source.name}; no mask was measured, so the rules for "
        "empty masks are those of the tool that measured them."
    )
    if scores.incomplete:
        yield (
            f"{scores.incomplete} combinations of case and label are not in the file and count as "
            "undefined."
        )
    flags = per_case[per_case["label"] != AVERAGE]["flags"]
    both = int((flags == BOTH_EMPTY).sum())
    if both:
        yield (
            f"In {both} label masks the label is empty in reference and prediction: nothing can "
            "be measured, and these are left out of the statistics."
        )


def notes_on_units(
    per_case: pd.DataFrame,
    comparisons: Sequence[Comparison],
    unit: Unit,
    titles: Mapping[str, str],
) -> Iterator[str]:
    """Yield what is counted where patients have several cases.

    Args:
        per_case: Rows of all cases.
        comparisons: What was compared.
        unit: What statistics count.
        titles: Metric -> its title.
    """
    cases, patients = per_case["case"].nunique(), per_case["patient"].nunique()
    if patients == cases:
        return
    if unit == "case":
        yield public_notes.BY_CASE
        yield f"{cases} cases come from {patients} patients."
        return
    yield f"{cases} cases come from {patients} patients; statistics are by patient, not by case."
    by_image: dict[str, dict[str, None]] = {}
    for found in comparisons:
        if found.by_image:
            by_image.setdefault(found.attribute, {})[titles[found.metric]] = None
    if by_image:
        yield public_notes.by_image({name: list(of) for name, of in by_image.items()})


def _on_empty_masks(
    labels: pd.DataFrame, distances: bool, empty_distance: EmptyDistance
) -> Iterator[str]:
    flags = Counter(labels["flags"])
    one_empty = flags[EMPTY_PREDICTION] + flags[EMPTY_REFERENCE]
    if one_empty and distances:
        yield (
            f"In {counted(one_empty, 'label mask')} the label is empty in the prediction "
            f"({flags[EMPTY_PREDICTION]}) or in the reference ({flags[EMPTY_REFERENCE]}) alone: "
            f"Dice and IoU are 0, and the infinite distance {_TREATMENT[empty_distance]} in all "
            "statistics."
        )
    if flags[BOTH_EMPTY]:
        yield (
            f"In {counted(flags[BOTH_EMPTY], 'label mask')} the label is empty in reference and "
            "prediction: nothing can be measured, and these are left out of the statistics."
        )
    voxels = labels.groupby("case")["prediction_voxels"].sum(min_count=1)
    empty = int((voxels == 0).sum())
    if empty:
        yield f"{counted(empty, 'prediction')} without any foreground."
