"""How often a mask is empty, by structure and group: what missing a structure altogether leaves."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    evaluated_rows,
)
from nnunetv2_fair.evaluation.results.trainings import number_of_trainings

_KINDS: Mapping[str, str] = {
    EMPTY_PREDICTION: "the predicted mask alone is empty",
    EMPTY_REFERENCE: "the reference mask alone is empty",
    BOTH_EMPTY: "both masks are empty",
}


@dataclass(frozen=True)
class EmptyMasks:
    """Images in which a mask of one structure is empty.

    Attributes:
        label: Label or region.
        what: Which of the masks, as a clause.
        images: Number of images.
        by_group: Attribute expression -> group -> number of these images; empty name: unknown.
    """

    label: str
    what: str
    images: int
    by_group: Mapping[str, Mapping[str, int]]


def masks_are_known(result: EvaluationResult) -> bool:
    """Return whether the result says which masks are empty: of one training, with its cases."""
    measured = "regions" in result.settings
    return measured and not result.shareable and number_of_trainings(result.settings) == 1


def empty_masks(result: EvaluationResult) -> Iterator[EmptyMasks]:
    """Yield the empty masks of every structure; nothing where the result does not know them."""
    if not masks_are_known(result):
        return
    rows = evaluated_rows(result.per_case)
    for label in result.labels:
        of_label = rows[rows["label"] == label]
        for flag, what in _KINDS.items() if label != AVERAGE else ():
            found = of_label[of_label["flags"] == flag]
            if len(found):
                yield EmptyMasks(
                    label,
                    what,
                    len(found),
                    {a: dict(Counter(found[a].fillna("").astype(str))) for a in result.attributes},
                )
