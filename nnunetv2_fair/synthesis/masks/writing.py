"""Drawn masks as a pack."""

from pathlib import Path
from typing import Any

from nnunetv2_fair.cropping.images import write_image
from nnunetv2_fair.synthesis.masks.drawing import DrawnMasks
from nnunetv2_fair.synthesis.masks.training_masks import TrainingMasks
from nnunetv2_fair.synthesis.pack.pack import LABELS, case_name, write_about


def write_masks(
    folder: Path, drawn: DrawnMasks, known: TrainingMasks, made: dict[str, Any]
) -> None:
    """Write label maps, their groups, and how they were made.

    Args:
        folder: Temporary folder that becomes the pack.
        drawn: The masks.
        known: The training masks that they were learnt from.
        made: How; nothing of people.

    Raises:
        OSError: If a file cannot be written.
    """
    (folder / LABELS).mkdir()
    groups: dict[str, str] = {}
    for group, masks in drawn.masks.items():
        for mask in masks:
            case = case_name(len(groups))
            write_image(folder / LABELS / f"{case}{known.ending}", mask, None)
            groups[case] = group
    write_about(folder, known.attribute, groups, {**made, "dropped": drawn.dropped})
