"""Which image, which mask and which row of the table belong together."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nnunetv2_fair.dataset_conversion.image_folder.layout import split_name
from nnunetv2_fair.dataset_conversion.shared.metadata import Metadata, Row
from nnunetv2_fair.errors import shorten
from nnunetv2_fair.tables.case_names import named_like

#: Reasons for which an original can be left out, as the log counts them.
NO_MASK = "image without mask"
NO_IMAGE_OF_MASK = "mask without image"
NO_ROW = "image without row in the table"
NO_IMAGE_OF_ROW = "row of the table without image"


@dataclass(frozen=True)
class Pair:
    """An image with its mask, its row and its patient.

    Attributes:
        key: Path of the image inside the image folder, without its ending.
        images: Image files, one per channel.
        mask: Mask file.
        row: Row of the table.
        patient: Who it is from.
    """

    key: str
    images: tuple[Path, ...]
    mask: Path
    row: Row
    patient: str


@dataclass
class Pairing:
    """What was matched, and what was not.

    Attributes:
        pairs: Complete ones, sorted by key.
        unpaired: (file or row, key, row if known) by reason.
        problems: What is wrong beyond things being absent, in words.
        notes: What was decided.
    """

    pairs: list[Pair] = field(default_factory=list)
    unpaired: dict[str, list[tuple[str, Row | None]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_unpaired(self, reason: str, item: str, row: Row | None) -> None:
        """Note something that has no counterpart."""
        self.unpaired.setdefault(reason, []).append((item, row))


def pair_up(
    images: Mapping[str, tuple[Path, ...]],
    masks: Mapping[str, Path],
    metadata: Metadata,
    mask_suffixes: Sequence[str],
    patient_pattern: re.Pattern[str] | None,
    image_folder: str,
    per_patient: bool,
) -> Pairing:
    """Match images with masks by name and with rows by image or by patient.

    Args:
        images: Files of each image, as in
            :class:`~nnunetv2_fair.dataset_conversion.image_folder.layout.Originals`.
        masks: The same for masks.
        metadata: The table.
        mask_suffixes: What a mask's name may have after the image's name; may hold ``""``.
        patient_pattern: Its first group finds the patient in an image's key; None: the table's
            patient column, or else every image is its own patient.
        image_folder: Name of the image folder, which cells may begin with.
        per_patient: Whether rows describe patients. Without a pattern an image then belongs to the
            patient whose name its own name begins with.
    """
    result = Pairing()
    patients = _patients_of(images, metadata, patient_pattern, per_patient, result)
    if per_patient:
        rows = _rows_by_patient(images, patients, metadata, result)
    else:
        rows = _rows_by_image(images, metadata, image_folder, result)
    used: set[str] = set()
    for key, files in images.items():
        image = files[0]
        # in a folder per case the files of all cases are called alike
        shown = image.name if image.name.startswith(PurePosixPath(key).name) else key
        row = rows.get(key)
        candidates = [key + suffix for suffix in mask_suffixes if key + suffix in masks]
        used.update(candidates)
        if len(candidates) > 1:
            result.problems.append(
                f"image '{image.name}' has {len(candidates)} masks: "
                f"{shorten(masks[c].name for c in candidates)}; remove all but one, or say how "
                "the right ones end: --suffix-mask"
            )
        if row is None:
            result.add_unpaired(NO_ROW, shown, None)
        if not candidates:
            result.add_unpaired(NO_MASK, shown, row)
        if row is not None and candidates:
            patient = patients.get(key) or row.patient or key
            result.pairs.append(Pair(key, files, masks[candidates[0]], row, patient))
    for key, mask in masks.items():
        if key not in used:
            result.add_unpaired(NO_IMAGE_OF_MASK, mask.name, None)
    result.pairs.sort(key=lambda pair: pair.key)
    return result


def _patients_of(
    images: Iterable[str],
    metadata: Metadata,
    pattern: re.Pattern[str] | None,
    per_patient: bool,
    result: Pairing,
) -> dict[str, str]:
    """Return the patient of each image as far as its name shows."""
    found: dict[str, str] = {}
    if pattern is not None:
        for key in images:
            match = pattern.search(key)
            if match is None or not match.group(1):
                result.problems.append(
                    f"image '{key}': --patient-from-name '{pattern.pattern}' finds no patient in "
                    "this name; correct the expression or the file name"
                )
            else:
                found[key] = match.group(1)
    elif per_patient:
        names = sorted((row.patient for row in metadata.rows if row.patient), key=len, reverse=True)
        for key in images:
            stem = PurePosixPath(key).name
            # 12 is the patient of 12_3 but not of 123_1
            owner = next(
                (
                    n
                    for n in names
                    if stem.startswith(n) and not stem[len(n) : len(n) + 1].isalnum()
                ),
                None,
            )
            if owner is not None:
                found[key] = owner
    return found


def _rows_by_patient(
    images: Iterable[str], patients: Mapping[str, str], metadata: Metadata, result: Pairing
) -> dict[str, Row]:
    by_patient = {row.patient: row for row in metadata.rows if row.patient}
    rows = {key: by_patient[p] for key, p in patients.items() if p in by_patient}
    with_images = {row.patient for row in rows.values()}
    for row in metadata.rows:
        if row.patient and row.patient not in with_images:
            where = f"line {row.line}, patient '{row.patient}'"
            result.add_unpaired(NO_IMAGE_OF_ROW, where, row)
    return rows


def _rows_by_image(
    images: Collection[str], metadata: Metadata, image_folder: str, result: Pairing
) -> dict[str, Row]:
    by_name: dict[str, list[str]] = {}
    for key in images:
        by_name.setdefault(PurePosixPath(key).name, []).append(key)
    rows: dict[str, Row] = {}
    strangers: dict[str, list[tuple[str, Row]]] = {}
    for row in metadata.rows:
        if not row.image:
            continue
        where = f"line {row.line}, image '{row.image}'"
        path = PurePosixPath(row.image.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", row.image):
            result.problems.append(
                f"{metadata.path.name}, {where}: leads out of the folder {image_folder}; expected "
                "the name of a file in it"
            )
            continue
        if len(path.parts) > 1 and path.parts[0] == image_folder:
            path = path.relative_to(image_folder)
        path = path.with_name(split_name(Path(path.name))[0] or path.name)
        key = path.as_posix()
        if key not in images:
            same_name = by_name.get(path.name, []) if len(path.parts) == 1 else []
            if len(same_name) != 1:
                strangers.setdefault(path.name, []).append((where, row))
                continue
            key = same_name[0]
        if key in rows and rows[key].image != row.image:
            result.problems.append(
                f"{metadata.path.name}, {where}: the same image already appears on line "
                f"{rows[key].line}; keep one of the two rows"
            )
        rows.setdefault(key, row)
    _find_strangers(strangers, by_name, rows, result)
    return rows


def _find_strangers(
    strangers: Mapping[str, Sequence[tuple[str, Row]]],
    by_name: Mapping[str, Sequence[str]],
    rows: dict[str, Row],
    result: Pairing,
) -> None:
    """Match rows whose image is called otherwise, where only one can be meant."""
    free = {n: keys[0] for n, keys in by_name.items() if len(keys) == 1 and keys[0] not in rows}
    meant, notes = named_like([n for n, found in strangers.items() if len(found) == 1], free)
    result.notes += notes
    for name, found in strangers.items():
        for where, row in found:
            if name in meant:
                rows[free[meant[name]]] = row
            else:
                result.add_unpaired(NO_IMAGE_OF_ROW, where, row)
