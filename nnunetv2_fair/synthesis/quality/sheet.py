"""Real and synthetic cases on one page, mixed, for an expert who does not know which is which."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.images import read_mask
from nnunetv2_fair.synthesis.pack.pack import read_pack
from nnunetv2_fair.synthesis.training_cases.by_group import cases_by_group
from nnunetv2_fair.synthesis.training_cases.pictures import read_pictures, read_pictures_like

#: A4 at 150 dots an inch.
_PAGE, _DPI = (1240, 1754), 150
_MARGIN, _GAP, _COLUMNS, _ROWS = 60, 24, 3, 8


@dataclass(frozen=True)
class _Shown:
    case: str
    group: str
    synthetic: bool
    images: tuple[Path, ...]
    label: Path


def write_sheet(
    sheet: Path, key: Path, dataset: Path, attribute: str | None, pack_folder: Path, seed: int
) -> int:
    """Write a page of up to 24 cases, as many real as synthetic, and separately which is which.

    Each case is shown twice: the image, and the image with the outlines of its mask.

    Args:
        sheet: New PNG, a page of A4.
        key: New CSV: the kind, the group and the case of each number.
        dataset: Dataset folder in ``nnUNet_raw``, with pictures of one size.
        attribute: Attribute expression; None: that of the pack.
        pack_folder: The pack, with images.
        seed: Of what is shown, and in which order.

    Returns:
        How many cases are shown.

    Raises:
        DatasetError: If the dataset is not there, or no case has a group.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If files are missing, cannot be read, or do not fit each other.
        OSError: If a file cannot be written.
    """
    shown = _chosen(dataset, attribute, pack_folder, np.random.default_rng(seed))
    real, form = read_pictures({s.case: s.images for s in shown if not s.synthetic})
    made = read_pictures_like({s.case: s.images for s in shown if s.synthetic}, form)
    of_real, of_made = iter(real), iter(made)
    images = [next(of_made if s.synthetic else of_real) for s in shown]
    page = _page(images, [read_mask(s.label) for s in shown])
    page.save(sheet, format="png", dpi=(_DPI, _DPI))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "kind", "group", "case"])
    for number, s in enumerate(shown, 1):
        writer.writerow([number, "synthetic" if s.synthetic else "real", s.group, s.case])
    key.write_text(text.getvalue(), encoding="utf-8", newline="")
    return len(shown)


def _chosen(
    dataset: Path, attribute: str | None, pack_folder: Path, rng: np.random.Generator
) -> list[_Shown]:
    """Return as many real as synthetic cases, the same number of each group, in random order."""
    pack = read_pack(pack_folder, attribute, images=True)
    known = cases_by_group(dataset, pack.attribute, (), "volumes do not fit on a sheet")
    known.check_groups(pack_folder, pack.groups, "images")
    files = known.files()
    each = max(1, _COLUMNS * _ROWS // 2 // len(pack.groups))
    found: list[_Shown] = []
    for group, own in pack.groups.items():
        # one case of a patient
        firsts = list({known.patients[c]: c for c in reversed(known.members[group])}.values())
        n = min(each, len(own), len(firsts), (_COLUMNS * _ROWS - len(found)) // 2)
        for i in rng.choice(len(firsts), n, replace=False):
            case = files[firsts[i]]
            found.append(_Shown(case.case, group, False, tuple(case.images), case.mask))
        for i in rng.choice(len(own), n, replace=False):
            found.append(_Shown(own[i].case, group, True, own[i].images, own[i].label))
    return [found[i] for i in rng.permutation(len(found))]


def _page(images: Sequence[NDArray[np.float32]], masks: Sequence[NDArray[Any]]) -> Any:
    """Return a page of numbered cases, from left to right and from top to bottom."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", _PAGE, "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=18)
    wide = (_PAGE[0] - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
    side = (wide - _GAP // 4) // 2
    high = (_PAGE[1] - 2 * _MARGIN) // _ROWS
    for place, (image, mask) in enumerate(zip(images, masks, strict=True)):
        left = _MARGIN + place % _COLUMNS * (wide + _GAP)
        top = _MARGIN + place // _COLUMNS * high
        draw.text((left, top), str(place + 1), fill="black", font=font)
        pixels = np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)
        colours = pixels if len(pixels) == 3 else np.repeat(pixels[:1], 3, axis=0)
        picture = Image.fromarray(np.moveaxis(colours, 0, -1))
        wider, higher = (max(1, round(n * side / max(picture.size))) for n in picture.size)
        size = (wider, higher)
        picture = picture.resize(size, Image.Resampling.BICUBIC)
        outlined = np.array(picture)
        outlined[_edges(np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)))] = (
            255, 210, 0,
        )  # fmt: skip
        page.paste(picture, (left, top + 24))
        page.paste(Image.fromarray(outlined), (left + side + _GAP // 4, top + 24))
    return page


def _edges(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels whose right or lower neighbour has another label."""
    found = np.zeros(mask.shape, dtype=bool)
    found[:, :-1] |= mask[:, 1:] != mask[:, :-1]
    found[:-1] |= mask[1:] != mask[:-1]
    return found
