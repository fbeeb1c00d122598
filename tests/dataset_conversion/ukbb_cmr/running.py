"""Converting a miniature of the cohort as the command does."""

import csv
import ctypes
import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nnunetv2_fair.cli.convert_UKBB_CMR import main
from tests.dataset_conversion.factories.ukbb_cmr import (
    AFFINE,
    cycle,
    heart,
    people,
    save,
)

PEOPLE = people(12)


TARGET = "Dataset045_UKBB_CMR"


def convert(root: Path, *more: str, images: str = "images", processes: str = "1") -> int:
    return main(
        ["-i", str(root / images), "-d", "45", "-np", processes, "--table",
         str(root / "table.csv"), "--participant-map", str(root / "map.csv"), *more]
    )  # fmt: skip


def patients(root: Path) -> dict[str, str]:
    """Return the patient of each participant, from the map."""
    with (root / "map.csv").open() as stream:
        return {row["participant"]: row["patient"] for row in csv.DictReader(stream)}


def cases(folder: Path) -> set[str]:
    return {path.name.removesuffix("_0000.nii.gz") for path in folder.glob("*.nii.gz")}


def leaks(folder: Path, identifiers: list[str]) -> Iterator[str]:
    """Yield every place below a folder that holds an identifier: names, bytes, unpacked bytes."""
    for path in sorted(folder.rglob("*")):
        content = b""
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content += gzip.decompress(content)
        for identifier in identifiers:
            if identifier in path.name or identifier.encode() in content:
                yield f"{path}: {identifier}"


def damage_geometry(folder: Path, eid: str) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 5
    save(folder / "label_sa_ED.nii.gz", heart(0)[1], eid, moved)


def damage_size(folder: Path, eid: str) -> None:
    save(folder / "label_sa_ED.nii.gz", heart(0)[1][:, :-1], eid)


def damage_dimension(folder: Path, eid: str) -> None:
    save(folder / "sa_ED.nii.gz", cycle(0)[0], eid)
    save(folder / "label_sa_ED.nii.gz", cycle(0)[1], eid)


def damage_label_values(folder: Path, eid: str) -> None:
    label = heart(0)[1]
    save(folder / "label_sa_ED.nii.gz", np.where(label == 3, 4, label).astype(np.int16), eid)


def damage_label_halves(folder: Path, eid: str) -> None:
    save(folder / "label_sa_ED.nii.gz", heart(0)[1] * np.float32(0.5), eid)


def damage_text(folder: Path, eid: str) -> None:
    (folder / "label_sa_ED.nii.gz").write_text(f"<html>{eid} not found</html>")


def damage_truncated(folder: Path, eid: str) -> None:
    path = folder / "label_sa_ED.nii.gz"
    path.write_bytes(path.read_bytes()[:-60])


def damage_link(folder: Path, eid: str) -> None:
    (folder / "sa_ED.nii.gz").unlink()
    (folder / "sa_ED.nii.gz").symlink_to(folder.parent / f"gone_{eid}")


def damage_twice(folder: Path, eid: str) -> None:
    save(folder / "sa_ED.nii", heart(0)[0], eid)


def damage_same_person(folder: Path, eid: str) -> None:
    shutil.copytree(folder, folder.parent / "more" / eid)


def damage_age(folder: Path, eid: str) -> None:
    table = folder.parent.parent / "table.csv"
    table.write_text(table.read_text().replace(f"{eid},1001,0,45", f"{eid},1001,0,450"))


DAMAGES = [
    (damage_geometry, "entry 1 of images: sa_ED.nii.gz and label_sa_ED.nii.gz differ in position"),
    (damage_size, "sa_ED.nii.gz and label_sa_ED.nii.gz differ in size"),
    (damage_dimension, "sa_ED.nii.gz has 4 dimensions; expected 3"),
    (damage_label_values, "labels hold 4 (in 1 labels); expected only values 0, 1, 2 and 3. Say "
                          "what all values mean, such as --label-map 1=1 2=2 4=3"),
    (damage_label_halves, "holds values that are not label numbers, such as 0.5"),
    (damage_text, "entry 1 of images: label_sa_ED.nii.gz"),
    (damage_truncated, "label_sa_ED.nii.gz is damaged"),
    (damage_link, "entry 1 of images: sa_ED.nii.gz is a broken link"),
    (damage_twice, "entry 1 of images: sa_ED is there as .nii and .nii.gz; remove one"),
    (damage_same_person, "are the same participant; keep one"),
    (damage_age, "table.csv, line 2: '450' is outside the plausible range of 'age'"),
]  # fmt: skip


def _bound_by_permissions() -> None:
    if os.geteuid() == 0:
        drop_from_bounding_set = 24
        for capability in (1, 2):  # to override permissions, to read and search anything
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)
