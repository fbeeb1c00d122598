"""A small download of Harvard-FairSeg in the form of any release, and FairDiff's packs and lists.

Try the command on it:

    python -m tests.dataset_conversion.factories.fairseg FOLDER
    nnUNetv2_fair_convert_FairSeg -i FOLDER -d 45 -o OUTPUT
"""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RACES = ("Asian", "Black", "White")


@dataclass(frozen=True)
class Release:
    """How a release names and codes things.

    Attributes:
        image_key: Name of the image.
        mask_key: Name of the mask.
        digits: Digits of the numbers in file names.
        race_codes: Code of Asian, Black, White.
        age_in_days: Whether ages are days.
        mask_type: Type of the masks.
        folder: Where the files are below the download's folder.
        extra: Further arrays, such as another image.
        renamed: Other names of attributes.
    """

    image_key: str
    mask_key: str
    digits: int = 5
    race_codes: tuple[int, int, int] = (0, 1, 2)
    age_in_days: bool = False
    mask_type: str = "float64"
    folder: str = "data"
    extra: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


RELEASES = {
    "readme": Release("slo_fundus", "disc_cup_mask", extra=("oct_fundus",)),
    "code": Release(
        "fundus_slo", "disc_cup", 5, (2, 3, 7), True, "int16", ".", ("pid", "md", "tds"),
        {"ethnicity": "hispanic"},
    ),
    "old_readme": Release(
        "fundus_slo", "disc_cup_borders", renamed={"maritalstatus": "marriagestatus"}
    ),
    "fairmedfm": Release("fundus", "disc_cup_borders", 6, (2, 3, 7), True),
    "training_and_test_folders": Release(
        "slo_fundus", "disc_cup_mask", mask_type="int8", folder="Training"
    ),
}  # fmt: skip


def image(number: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a noisy fundus with a bright disc and a brighter cup."""
    rng = np.random.default_rng(number)
    bright = 90 + 40 * (labels(number, shape) > 0) + 50 * (labels(number, shape) == 2)
    return (bright + rng.normal(0, 12, shape)).clip(0, 255).astype(np.uint8)


def labels(number: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 0, 1 (rim), 2 (cup)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(rows - 0.5 * shape[0], columns - 0.55 * shape[1])
    radius = min(shape) * (0.2 + 0.015 * (number % 7))
    return ((distance < radius).astype(np.uint8) + (distance < radius / 2)).astype(np.uint8)


def person(number: int) -> dict[str, int]:
    """Return the codes of a person: race as the position in RACES, age in years."""
    return {
        "race": number % 3 if number % 4 else 2,
        "gender": number % 2,
        "age": 41 + 3 * number % 47,
        "ethnicity": -1 if number % 9 == 4 else number % 5 // 4,
        "language": (0, 0, 0, 1, 2, -1)[number % 6],
        "maritalstatus": (0, 1, 2, 3, 4, -1, 0)[number % 7],
    }


def arrays(number: int, release: Release, shape: tuple[int, int]) -> dict[str, Any]:
    """Return what the file of a person holds."""
    codes = person(number)
    codes["race"] = release.race_codes[codes["race"]]
    if release.age_in_days:
        codes["age"] = codes["age"] * 365 + 17
    content: dict[str, Any] = {
        release.image_key: image(number, shape),
        release.mask_key: -labels(number, shape).astype(release.mask_type),
    }
    for name in release.extra:
        content[name] = np.full(shape, 7, np.uint8) if name.endswith("fundus") else number
    return content | {release.renamed.get(name, name): code for name, code in codes.items()}


def write_npz(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **content)
    return path


def write_download(
    folder: Path,
    numbers: Iterable[int] = range(1, 25),
    release: str = "readme",
    shape: tuple[int, int] = (44, 58),
) -> Path:
    """Write the files of some people, and the manifest that Synapse-like tools leave behind."""
    form = RELEASES[release]
    for number in numbers:
        name = f"data_{number:0{form.digits}d}.npz"
        write_npz(folder / form.folder / name, arrays(number, form, shape))
    (folder / "ReadMe").mkdir(exist_ok=True)
    (folder / "ReadMe" / "README.txt").write_text("a copy of the dataset's page")
    return folder


def write_lists(folder: Path, **lines: Sequence[str]) -> Path:
    """Write train.txt and test.txt; the last line has no newline, as in the original."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, names in lines.items():
        (folder / f"{part}.txt").write_text("\n".join(names), encoding="utf-8")
    return folder


def write_summary(
    path: Path, numbers: Iterable[int], n_train: int, release: str = "readme"
) -> Path:
    """Write data_summary.csv with filename, race in words, and whether a file is for training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("filename", "age", "race", "train"))
        for i, number in enumerate(numbers):
            codes = person(number)
            name = f"data_{number:0{RELEASES[release].digits}d}.npz"
            writer.writerow((name, codes["age"], RACES[codes["race"]], int(i < n_train)))
    return path


def write_pack(
    folder: Path, group: str, numbers: Iterable[int], shape: tuple[int, int] = (44, 58)
) -> Path:
    """Write FairDiff's synthetic images of a race: numbers restart in each group."""
    for number in numbers:
        content: dict[str, Any] = {
            "fundus": image(number + 500, shape),
            "disc_cup_borders": -labels(number + 500, shape).astype(np.float64),
        }
        if group in RACES:
            content["race"] = (2, 3, 7)[RACES.index(group)]
        write_npz(folder / group / "data" / f"{number:06d}.npz", content)
    return folder


if __name__ == "__main__":
    write_download(Path(sys.argv[1]))
