"""``boxes.csv`` of a cascade: the box of every case, and its errors where there are references.

Source: Lee et al., MELBA 2025, Table S4 (differences in the size of the box, per axis). Theirs are
of one box around all test predictions; here every case has its own.
"""

from collections.abc import Sequence

import pandas as pd

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.by_prediction import BoxOfCase

BOXES_CSV = "boxes.csv"


def box_table(boxes: Sequence[BoxOfCase], n_axes: int, *, with_reference: bool) -> str:
    """Return the table as CSV.

    A size error is the length of the predicted box minus that of the reference, a shift the centre
    minus the reference's centre, both in voxels (px) and, of volumes, in millimetres. Cells are
    empty where a case fell back to the full image, or its reference is empty.

    Args:
        boxes: One per case.
        n_axes: How many of an array's last axes are cropped, 2 or 3.
        with_reference: Whether there are references.
    """
    records = []
    for found in sorted(boxes, key=lambda one: one.case):
        record: dict[str, object] = {
            "case": found.case, "fallback": int(found.box is None), "reason": found.reason,
        }  # fmt: skip
        for number, name in enumerate("xyz"[:n_axes], start=1):
            record |= _of_axis(found, name, -number, with_reference=with_reference)
        if with_reference:
            record["covered_share"] = found.covered
        records.append(record)
    # as objects: whole numbers stay whole beside empty cells
    return pd.DataFrame(records, dtype=object).to_csv(index=False, lineterminator="\n")


def _of_axis(
    found: BoxOfCase, name: str, axis: int, *, with_reference: bool
) -> dict[str, float | None]:
    """Return the cells of one axis, by column."""
    box, window, reference = found.box, found.window, found.reference
    cells: dict[str, float | None] = {
        f"{name}_start": None if box is None else box.start[axis],
        f"{name}_end": None if box is None else box.end[axis],
        f"crop_{name}_start": None if window is None else window.start[axis],
        f"crop_{name}_end": None if window is None else window.start[axis] + window.size[axis],
    }
    if not with_reference:
        return cells
    size: float | None = None
    shift: float | None = None
    if box is not None and reference is not None:
        size = box.lengths[axis] - reference.lengths[axis]
        shift = _centre(box, axis) - _centre(reference, axis)
    for what, error in (("size_error", size), ("shift", shift)):
        cells[f"{name}_{what}_px"] = error
        cells[f"{name}_abs_{what}_px"] = None if error is None else abs(error)
        if found.spacing_mm is not None:
            mm = None if error is None else round(error * found.spacing_mm[axis], 6)
            cells[f"{name}_{what}_mm"] = mm
            cells[f"{name}_abs_{what}_mm"] = None if mm is None else abs(mm)
    return cells


def _centre(box: Box, axis: int) -> float:
    return (box.start[axis] + box.end[axis]) / 2
