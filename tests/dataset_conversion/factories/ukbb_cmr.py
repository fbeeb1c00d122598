"""A miniature of UK Biobank's short-axis cine MRI, traps included; nobody's data.

Try the command on it:

    python -m tests.dataset_conversion.factories.ukbb_cmr miniature
    nnUNetv2_fair_convert_UKBB_CMR -i miniature/images -d 45 --table miniature/table.csv \
        --participant-map miniature/map.csv --cohort black=4,white=8,seed=1
"""

import csv
import gzip
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

#: (slices, rows, columns): no two alike, so that swapped axes fail.
SHAPE = (5, 36, 44)
#: Oblique, as short axes are: columns of the affine are not along the scanner's axes.
_ROW = np.array([0.8, 0.36, -0.48])
_COLUMN = np.array([0.0, 0.8, 0.6])
AFFINE = np.eye(4)
AFFINE[:3, 0], AFFINE[:3, 1] = 1.8 * _ROW, 1.8 * _COLUMN
AFFINE[:3, 2] = 10.0 * np.cross(_ROW, _COLUMN)
AFFINE[:3, 3] = (-60.5, 42.25, 13.0)

#: Field of each column and how each kind of table spells it.
FIELDS = {"ethnicity": (21000, 0), "sex": (31, 0), "age": (21003, 2), "bmi": (21001, 2),
          "height": (50, 2), "weight": (21002, 2)}  # fmt: skip
_WORDS = {31: "sex", 50: "standing_height", 21000: "ethnic_background",
          21001: "body_mass_index_bmi", 21002: "weight",
          21003: "age_when_attended_assessment_centre"}  # fmt: skip
SPELLINGS = {
    "dashes": ("eid", lambda field, visit: f"{field}-{visit}.0"),
    "dots": ("f.eid", lambda field, visit: f"f.{field}.{visit}.0"),
    "ukbtools": ("eid", lambda field, visit: f"{_WORDS[field]}_f{field}_{visit}_0"),
    "rap": ("eid", lambda field, visit: "p31" if field == 31 else f"p{field}_i{visit}"),
    "rap long": (
        "participant.eid",
        lambda field, visit: f"participant.p{field}" + ("" if field == 31 else f"_i{visit}"),
    ),
    "R": ("eid", lambda field, visit: f"X{field}.{visit}.0"),
}
#: One code of each branch of the tree; the last two are unknown.
CODES = ("1001", "1002", "2001", "3004", "4001", "4003", "5", "6", "-1", "-3")


@dataclass(frozen=True)
class Person:
    """One invented participant.

    Attributes:
        eid: Seven digits, above all that UK Biobank has given out.
        cells: Contents of the table by attribute, in UK Biobank's codes.
    """

    eid: str
    cells: Mapping[str, str]


def people(n: int = 12, codes: Sequence[str] = ("1001", "4001")) -> list[Person]:
    """Return invented participants; codes of field 21000 are dealt in turn."""
    return [
        Person(
            str(9_000_017 + 967 * ((7 * i) % 1009)),
            {
                "ethnicity": codes[i % len(codes)],
                "sex": str(i % 2),
                "age": str(45 + 2 * i % 38),
                "bmi": f"{21 + 0.5 * (i % 30):.1f}",
                "height": str(160 + i % 35),
                "weight": f"{60 + 1.5 * (i % 40):.1f}",
            },
        )
        for i in range(n)
    ]


def heart(seed: int, systole: bool = False) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Return image and label (slices, rows, columns): 1 LV cavity, 2 myocardium, 3 RV cavity."""
    generator = np.random.default_rng([seed, systole])
    _, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    cy, cx = 17 + seed % 3, 25 - seed % 4
    inner = 4.0 if systole else 6.0
    distance = np.hypot(y - cy, x - cx)
    right = (np.hypot(1.3 * (y - cy), x - cx + 8) < 8) & (distance >= inner + 3)
    label = np.zeros(SHAPE, np.int16)
    label[right] = 3
    label[distance < inner + 3] = 2
    label[distance < inner] = 1
    label[0] = 0  # above the base nothing is drawn
    brightness = np.array([60, 200, 90, 190])[label]
    image = np.rint(generator.normal(brightness, 12)).clip(0, 1000).astype(np.float32)
    return image, label


def save(path: Path, array: NDArray[Any], eid: str, affine: NDArray[Any] = AFFINE) -> None:
    """Write (…, slices, rows, columns) as nibabel does; the identifier hides in two headers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.ascontiguousarray(array.transpose()), affine)
    image.header["descrip"] = f"subject {eid}".encode()
    image.header["sform_code"] = 1
    if array.ndim == 4:
        image.header["pixdim"][4] = 0.02
    # a fixed time makes the file the same in every run; gzip keeps a name of its own
    with path.open("wb") as raw, gzip.GzipFile(f"{eid}_sa.nii", "wb", 6, raw, mtime=0) as stream:
        stream.write(image.to_bytes())


def save_frames(folder: Path, eid: str, seed: int, frames: Sequence[str] = ("ED", "ES")) -> None:
    """Write a participant's frames as the prepared data have them, with what else is there."""
    for frame in frames:
        image, label = heart(seed, frame == "ES")
        save(folder / f"sa_{frame}.nii.gz", image, eid)
        save(folder / f"label_sa_{frame}.nii.gz", label, eid)
        save(folder / f"label_up_sa_{frame}.nii.gz", label.repeat(4, 1).repeat(4, 2), eid)
        save(folder / f"seg_sa_{frame}.nii.gz", np.zeros_like(label), eid)
    save(folder / "la_2ch_ED.nii.gz", np.ones((1, 20, 24), np.float32), eid)


def cycle(seed: int, systole: Sequence[int] = (4,)) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a whole cycle of 7 frames, annotated at frame 0 and the given ones."""
    frames = [heart(seed, t in systole) for t in range(7)]
    image = np.stack([image + np.float32(t) for t, (image, _) in enumerate(frames)])
    label = np.stack([label if t in (0, *systole) else 0 * label
                      for t, (_, label) in enumerate(frames)])  # fmt: skip
    return image, label


def save_cycle(folder: Path, eid: str, seed: int, systole: Sequence[int] = (4,)) -> None:
    """Write a participant's whole cycle, as it is before frames are taken out."""
    image, label = cycle(seed, systole)
    save(folder / "sa.nii.gz", image, eid)
    save(folder / "label_sa.nii.gz", label, eid)


def write_table(
    path: Path, persons: Sequence[Person], spelling: str = "dashes", delimiter: str = ","
) -> None:
    """Write a table as one of UK Biobank's tools does."""
    identifier, spell = SPELLINGS[spelling]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow([identifier, *(spell(*FIELDS[name]) for name in FIELDS)])
        writer.writerows([person.eid, *(person.cells[n] for n in FIELDS)] for person in persons)


def build(root: Path, persons: Sequence[Person] | None = None) -> Path:
    """Write ``images/<participant>/`` and ``table.csv``; return ``images``."""
    persons = people() if persons is None else persons
    for seed, person in enumerate(persons):
        save_frames(root / "images" / person.eid, person.eid, seed)
    write_table(root / "table.csv", persons)
    return root / "images"


if __name__ == "__main__":
    build(Path(sys.argv[1]), people(40, ("1001", "1001", "4001", *CODES)))
