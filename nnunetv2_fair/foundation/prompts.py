"""Boxes that a model is prompted with: around label maps, or from a table; moved by chance."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.box import Box, box_of
from nnunetv2_fair.errors import DatasetError, shorten, shorten_lines
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.files.tabular import read_table
from nnunetv2_fair.foundation.task import Target

#: Columns of a table of boxes; ``slice`` may be missing where images have one slice.
_NUMBERS = ("x_start", "x_end", "y_start", "y_end")
_EXPECTED = (
    f"Expected the columns case, label, {', '.join(_NUMBERS)}, and slice for volumes: whole "
    "pixels of the image from 0 on, where an end is one more than the last pixel"
)


@dataclass(frozen=True)
class Place:
    """What a box is around.

    Attributes:
        slice: Number of the slice, from 0 on.
        target: Position of the target among those of the task.
    """

    slice: int
    target: int


Prompts = dict[Place, Box]


def in_slices(labels: NDArray[Any]) -> NDArray[Any]:
    """Return a label map as ``(slices, rows, columns)``."""
    return labels if labels.ndim == 3 else labels[None]


def boxes_around(labels: NDArray[Any], targets: Sequence[Target]) -> Prompts:
    """Return the smallest box around every target in every slice that shows it.

    Args:
        labels: ``([slices,] rows, columns)``.
        targets: What is looked for.
    """
    found = {}
    for i, target in enumerate(targets):
        mask = np.isin(in_slices(labels), target.values)
        for number in np.flatnonzero(mask.any(axis=(1, 2))):
            box = box_of(mask[number])
            if box is not None:
                found[Place(int(number), i)] = box
    return found


def filled(prompts: Mapping[Place, Box], target: int, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return the boxes of one target as a mask, ``(slices, rows, columns)``."""
    mask = np.zeros(tuple(shape), dtype=bool)
    for place, box in prompts.items():
        if place.target == target:
            mask[place.slice][box.slices] = True
    return mask


def read_boxes(
    path: Path, targets: Sequence[Target], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Prompts]:
    """Read a table of boxes; rows of other cases are ignored.

    Args:
        path: Delimited text or a spreadsheet.
        targets: What boxes may be around.
        shapes: (slices, rows, columns) of every case that needs boxes.

    Raises:
        DatasetError: If columns are missing, a case has no row, or boxes are wrong; all at once.
        TableError: If it is no table.
    """
    table = read_table(path)
    position = {name: i for i, name in enumerate(table.header)}
    missing = [name for name in ("case", "label", *_NUMBERS) if name not in position]
    if missing:
        raise DatasetError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. {_EXPECTED}."
        )
    names = {target.name: i for i, target in enumerate(targets)}
    found: dict[str, Prompts] = {case: {} for case in shapes}
    problems = []
    for line, row in zip(table.lines, table.rows, strict=True):
        case = row[position["case"]]
        if case not in shapes:
            continue
        cells = {name: row[position[name]] for name in _NUMBERS}
        cells["slice"] = row[position["slice"]] if "slice" in position else "0"
        label = row[position["label"]]
        fault = _fault(cells, label, names, shapes[case])
        if fault is None:
            place = Place(int(cells["slice"]), names[label])
            if place in found[case]:
                fault = f"a second box of '{label}' in one slice"
            found[case][place] = _box(cells)
        if fault is not None:
            problems.append(f"line {line}, case '{case}': {fault}")
    if problems:
        raise DatasetError(f"{path} has boxes that cannot be used. {_EXPECTED}:\n"
                           f"{shorten_lines(problems)}")  # fmt: skip
    without = [case for case, prompts in found.items() if not prompts]
    if without:
        raise DatasetError(
            f"{path} has no box for {len(without)} of {len(found)} images: {shorten(without)}. Add "
            "rows for them, or take these images out of -i."
        )
    return found


def _fault(
    cells: Mapping[str, str], label: str, names: Mapping[str, int], shape: tuple[int, ...]
) -> str | None:
    if label not in names:
        return f"the label '{label}' is none of {', '.join(names)}"
    for name, text in cells.items():
        if not (text.isascii() and text.isdecimal()):
            return f"{name} is '{text}'; expected a whole number, 0 or more"
    box = _box(cells)
    if any(a >= b for a, b in zip(box.start, box.end, strict=True)):
        return f"the box from {box.start[::-1]} to {box.end[::-1]} (x, y) is empty"
    if int(cells["slice"]) >= shape[0]:
        return f"slice {cells['slice']} is outside the image, which has {shape[0]}"
    if not box.fits(shape[1:]):
        return (
            f"the box ends at column {box.end[1]} and row {box.end[0]}, outside the image of "
            f"{shape[2]} x {shape[1]} pixels"
        )
    return None


def _box(cells: Mapping[str, str]) -> Box:
    x_start, x_end, y_start, y_end = (int(cells[name]) for name in _NUMBERS)
    return Box((y_start, x_start), (y_end, x_end))


def jittered(
    prompts: Mapping[Place, Box], share: float, shape: Sequence[int], *seeds: str | int
) -> Prompts:
    """Return boxes whose sides are moved by chance, each by itself, within the image.

    Args:
        prompts: Boxes.
        share: The most that a side is moved, as a share of the box's length along that axis.
        shape: Rows and columns of the image.
        seeds: The same seeds move the same boxes alike, in any order and on any machine.
    """
    if not share:
        return dict(prompts)
    return {place: _moved(box, share, shape, (*seeds, place)) for place, box in prompts.items()}


def _moved(box: Box, share: float, shape: Sequence[int], seeds: Iterable[object]) -> Box:
    rng = np.random.default_rng(int(text_hash(repr(tuple(map(str, seeds))))[:16], 16))
    start, end = [], []
    for low, high, length in zip(box.start, box.end, shape, strict=True):
        most = share * (high - low)
        first, last = (position + rng.uniform(-most, most) for position in (low, high))
        begin = min(max(math.floor(first + 0.5), 0), length - 1)
        start.append(begin)
        end.append(min(max(math.floor(last + 0.5), begin + 1), length))
    return Box(tuple(start), tuple(end))
