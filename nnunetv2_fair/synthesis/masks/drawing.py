"""Masks drawn until there are enough valid ones; what is not valid is counted by reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.masks.outlines import Mask, regions_of
from nnunetv2_fair.synthesis.masks.training_masks import GroupMasks, TrainingMasks
from nnunetv2_fair.synthesis.quality.memorisation import (
    TOO_NEAR,
    averaged,
    nearest_training_cases,
)

#: How far beyond the group's training masks the area of a structure may be.
_MARGIN = 0.1
#: Draws for each mask that is asked for before the group is given up.
_DRAWS = 20
#: Fewest masks that are drawn at once.
_FEWEST = 32
AREA = "area beyond the training masks"


@dataclass(frozen=True)
class DrawnMasks:
    """Valid masks, and why others were dropped.

    Attributes:
        masks: Label maps of each group, (rows, columns).
        dropped: How many of each group were drawn and dropped, by reason.
    """

    masks: Mapping[str, list[NDArray[Any]]] = field(repr=False)
    dropped: Mapping[str, Mapping[str, int]]


class MaskModel(Protocol):
    """What masks are drawn by."""

    def draw(self, group: str, n: int, seed: int) -> NDArray[np.float64]:
        """Return points of n new masks of a group, (n, ...)."""

    def mask_of(
        self, drawn: NDArray[np.float64], order: Sequence[int], shape: tuple[int, ...], dtype: Any
    ) -> tuple[Mask, str | None]:
        """Return the label map of such points, and why it is not valid (None: it is)."""


def draw_masks(model: MaskModel, known: TrainingMasks, n: int, seed: int) -> DrawnMasks:
    """Draw masks of the wanted groups.

    A mask is dropped if its structures are not nested, in several pieces, touch the border or have
    an area beyond those of the group's training masks by a tenth; and if it is nearer to a
    training mask than all but 1% of the patients are to the nearest other patient.

    Args:
        model: Of the same training masks.
        known: The training masks.
        n: Valid masks of each group.
        seed: Of all draws.

    Raises:
        DatasetError: If hardly any mask of a group is valid, or the training masks are of one
            patient or all the same.
    """
    masks: dict[str, list[NDArray[Any]]] = {group: [] for group in known.wanted}
    dropped: dict[str, Counter[str]] = {group: Counter() for group in known.wanted}
    turn = 0
    while missing := {group: n - len(own) for group, own in masks.items() if len(own) < n}:
        drawn = {
            group: [
                _judged(model, points, known, group)
                # a few more, so that one turn is mostly enough
                for points in model.draw(
                    group, max(k + k // 10, _FEWEST), _seed(seed, known, group, turn)
                )
            ]
            for group, k in missing.items()
        }
        _judge_nearness(drawn, known)
        for group, own in drawn.items():
            for mask, why in own:
                if len(masks[group]) == n:
                    break
                if why is None:
                    masks[group].append(mask)
                else:
                    dropped[group][why] += 1
            if len(masks[group]) < n and sum(dropped[group].values()) > _DRAWS * n + 100:
                raise _hardly_any(group, len(masks[group]), dropped[group])
        turn += 1
    counts = {group: dict(sorted(own.items())) for group, own in dropped.items()}
    return DrawnMasks(masks, counts)


def _judged(
    model: MaskModel, points: NDArray[np.float64], known: TrainingMasks, group: str
) -> tuple[Mask, str | None]:
    mask, why = model.mask_of(points, known.order, known.shape, known.dtype)
    if why is None:
        why = why_unlike(regions_of(mask, known.order), known.groups[group])
    return mask, why


def why_unlike(regions: Sequence[NDArray[np.bool_]], real: GroupMasks) -> str | None:
    """Return why structures are unlike those of a group's training masks; None if they are alike.

    Args:
        regions: Each structure with all that lies within it, outermost first.
        real: The training masks.
    """
    areas = [region.sum() for region in regions]
    low, high = real.areas.min(axis=0) * (1 - _MARGIN), real.areas.max(axis=0) * (1 + _MARGIN)
    return AREA if (areas < low).any() or (areas > high).any() else None


def _judge_nearness(
    drawn: dict[str, list[tuple[NDArray[Any], str | None]]], known: TrainingMasks
) -> None:
    valid = [
        (group, i) for group, own in drawn.items() for i, (_, why) in enumerate(own) if why is None
    ]
    if not valid:
        return
    new = [
        averaged(np.stack(regions_of(drawn[group][i][0], known.order))[None]) for group, i in valid
    ]
    real = np.concatenate([own.averaged for own in known.groups.values()])
    patients = [patient for own in known.groups.values() for patient in own.patients]
    nearest = nearest_training_cases(np.concatenate(new), real, patients)
    for (group, i), near in zip(valid, nearest.too_near, strict=True):
        if near:
            drawn[group][i] = (drawn[group][i][0], TOO_NEAR)


def _seed(seed: int, known: TrainingMasks, group: str, turn: int) -> int:
    which = list(known.groups).index(group)
    return int(np.random.SeedSequence([seed, which, turn]).generate_state(1)[0])


def _hardly_any(group: str, valid: int, dropped: Counter[str]) -> DatasetError:
    reasons = ", ".join(f"{why} {k}" for why, k in dropped.most_common())
    return DatasetError(
        f"Of {valid + sum(dropped.values())} masks drawn of {group}, {valid} could be used. "
        f"Dropped: {reasons}. Try another --model, or more --steps; masks that resemble their "
        "patients need more patients."
    )
