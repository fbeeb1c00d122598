"""A miniature MAMA-MIA download with invented patients, to try the converter on.

    python -m tests.dataset_conversion.factories.mama_mia FOLDER [official|challenge]

``official`` is upper case throughout, without json files; ``challenge`` has lower-case files in
upper-case folders, ``menopausal_status`` and ``breast_density`` in the table, and json files with
breast boxes. Both hold Synapse's manifests, axial and sagittal volumes, unequal numbers of phases,
and the lists of unequal length.
"""

import argparse
import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openpyxl
import SimpleITK
from numpy.typing import NDArray

Variant = Literal["official", "challenge"]

COLUMNS = [
    "patient_id", "dataset", "bilateral_breast_cancer", "multifocal_cancer", "nac_agent",
    "endocrine_therapy", "anti_her2_neu_therapy", "pcr", "mastectomy_post_nac",
    "days_to_follow_up", "days_to_recurrence", "days_to_metastasis", "days_to_death", "hr", "er",
    "pr", "her2", "mammaprint", "oncotype_score", "nottingham_grade", "tumor_subtype", "age",
    "menopause", "ethnicity", "has_implant", "weight", "patient_size", "bmi_group", "view",
    "bilateral_mri", "num_phases", "fat_suppressed", "field_strength", "image_rows",
    "image_columns", "num_slices", "pixel_spacing", "slice_thickness", "site", "manufacturer",
    "scanner_model", "high_bit", "window_center", "window_width", "echo_time", "repetition_time",
    "acquisition_times", "acquisition_date", "tcia_series_uid",
]  # fmt: skip

#: Columns per column of array: x to the left and so on. Slices run up, or to the left.
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SAGITTAL = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)

_IDS = ("DUKE_{:03d}", "ISPY1_1{:03d}", "ISPY2_125{:03d}", "NACT_{:02d}")
_MENOPAUSE = (
    "pre",
    "post",
    "pre (<6 months since LMP AND no prior bilateral ovariectomy AND not on estrogen)",
    "post (prior bilateral ovariectomy OR >12 mo since LMP with no prior hysterectomy)",
    "peri (6-12 months since last menstrual period)",
    "",
)
_ETHNICITY = ("caucasian", "african american", "asian", "hispanic", "hawaian", "")
_SUBTYPE = (
    "luminal_a",
    "triple_negative",
    "her2_enriched",
    "luminal_b",
    "her2_pure",
    "luminal",
    "",
)
_DENSITY = ("a", "b", "c", "d", "")


@dataclass(frozen=True)
class Patient:
    """An invented patient.

    Attributes:
        name: Upper-case ID.
        number: Position, from 0 on.
        shape: (slices, rows, columns).
        n_phases: Number of phases.
        box: (first, end) along each axis of the array.
    """

    name: str
    number: int
    shape: tuple[int, int, int]
    n_phases: int
    box: tuple[tuple[int, int], ...]

    @property
    def sagittal(self) -> bool:
        return self.number % 2 == 1

    @property
    def age(self) -> float | None:
        return None if self.number % 11 == 10 else 34.5 + 3 * self.number % 84

    def tumour(self) -> NDArray[np.uint8]:
        """Return the experts' mask."""
        grids = np.meshgrid(*(np.arange(n) for n in self.shape), indexing="ij")
        centre = [(a + b) / 2 for a, b in self.box]
        radii = [max(1.5, (b - a) / 5) for a, b in self.box]
        distance = sum(((g - c) / r) ** 2 for g, c, r in zip(grids, centre, radii, strict=True))
        return (distance <= 1).astype(np.uint8)

    def phase(self, number: int) -> NDArray[Any]:
        """Return an image: noise, and a tumour that takes up contrast; 16 bits or floats."""
        noise = np.random.default_rng(100 * self.number + number).normal(300, 30, self.shape)
        image = noise + self.tumour() * 150 * min(number, 2)
        return image.astype(np.float32 if self.number % 3 == 2 else np.int16)

    def geometry(self, array: NDArray[Any]) -> SimpleITK.Image:
        """Return an image of the array at its place in the patient."""
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing((0.7, 0.9, 2.0 + 0.1 * (self.number % 3)))
        image.SetOrigin((-101.3 + self.number, 17.123456, -55.5))
        image.SetDirection(SAGITTAL if self.sagittal else AXIAL)
        return image


@dataclass
class MiniDownload:
    """A download on disk.

    Attributes:
        folder: Its folder.
        patients: Its patients by name.
        rows: Rows of the table as they were written, by patient.
        variant: ``official`` or ``challenge``.
    """

    folder: Path
    variant: Variant
    patients: dict[str, Patient] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def table(self) -> Path:
        return self.folder / "clinical_and_imaging_info.xlsx"

    def file_name(self, name: str) -> str:
        return name.lower() if self.variant == "challenge" else name

    def image(self, patient: str, phase: int) -> Path:
        name = f"{self.file_name(patient)}_{phase:04d}.nii.gz"
        return self.folder / "images" / patient / name

    def expert(self, patient: str) -> Path:
        return self.folder / "segmentations" / "expert" / f"{patient}.nii.gz"

    def automatic(self, patient: str) -> Path:
        name = f"{self.file_name(patient)}.nii.gz"
        return self.folder / "segmentations" / "automatic" / name

    def info(self, patient: str) -> Path:
        return self.folder / "patient_info_files" / f"{patient.lower()}.json"

    def write_table(self, columns: list[str] | None = None) -> None:
        """Write the Excel table again, from ``rows``."""
        book = openpyxl.Workbook()
        book.active.title = "read_me"
        sheet = book.create_sheet("dataset_info")
        columns = columns or list(dict.fromkeys(k for row in self.rows.values() for k in row))
        sheet.append(columns)
        for row in self.rows.values():
            sheet.append([row.get(column) for column in columns])
        book.move_sheet(sheet, -1)
        book.save(self.table)

    def write_splits(self, train: list[str], test: list[str]) -> None:
        """Write the official lists: columns of unequal length, padded."""
        with (self.folder / "train_test_splits.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["train_split", "test_split"])
            for i in range(max(len(train), len(test))):
                writer.writerow([part[i] if i < len(part) else "" for part in (train, test)])


def make_download(
    folder: Path,
    n: int = 8,
    variant: Variant = "challenge",
    shape: tuple[int, int, int] = (9, 20, 26),
) -> MiniDownload:
    """Write a miniature download of n patients.

    Args:
        folder: Where; made if absent.
        n: Number of patients; every fourth is in the test list.
        variant: ``official`` or ``challenge``.
        shape: (slices, rows, columns) of the first patient; others have more columns.
    """
    download = MiniDownload(folder, variant)
    for number in range(n):
        name = _IDS[number % len(_IDS)].format(number + 1)
        grown = (shape[0], shape[1], shape[2] + number % 4)
        box = ((1, shape[0] - 1), (3, shape[1] - 2), (shape[2] // 3, shape[2]))
        patient = Patient(name, number, grown, 3 + number % 3, box)
        download.patients[name] = patient
        download.rows[name] = _row(patient, variant)
        _write_volumes(download, patient)
        if variant == "challenge":
            _write_info(download, patient)
    download.write_table()
    names = list(download.patients)
    download.write_splits(
        [name for i, name in enumerate(names) if i % 4 != 3],
        [name for i, name in enumerate(names) if i % 4 == 3],
    )
    first = next(iter(download.patients))
    for place in (
        folder / "images" / first,
        folder / "segmentations" / "expert",
        folder / "images",
    ):
        (place / "SYNAPSE_METADATA_MANIFEST.tsv").write_text("path\tparent\n")
    return download


def _row(patient: Patient, variant: Variant) -> dict[str, Any]:
    number = patient.number
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {
        "patient_id": patient.name,
        "dataset": patient.name.split("_")[0],
        "age": patient.age,
        "menopause": _MENOPAUSE[number % len(_MENOPAUSE)],
        "ethnicity": _ETHNICITY[number % len(_ETHNICITY)],
        "tumor_subtype": _SUBTYPE[number % len(_SUBTYPE)],
        "view": "sagittal" if patient.sagittal else "axial",
        "num_phases": patient.n_phases,
        "field_strength": (1.5, 3)[number % 2],
        "pixel_spacing": "[0.7, 0.9]",
        "acquisition_times": "[0, 95, 190]",
        "site": ("Site AAI", "", "Site AAB")[number % 3],
        "manufacturer": ("SIEMENS", "GE MEDICAL SYSTEMS", "Siemens")[number % 3],
        "scanner_model": ("Avanto  ", "Signa HDxt", "Skyra ")[number % 3],
    }
    if variant == "challenge":
        row["menopausal_status"] = row.pop("menopause")
        row["breast_density"] = _DENSITY[number % len(_DENSITY)]
    return row


def _write_volumes(download: MiniDownload, patient: Patient) -> None:
    files = {download.image(patient.name, p): patient.phase(p) for p in range(patient.n_phases)}
    files[download.expert(patient.name)] = patient.tumour()
    files[download.automatic(patient.name)] = np.roll(patient.tumour(), 1, axis=-1)
    for path, array in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        SimpleITK.WriteImage(patient.geometry(array), str(path), useCompression=True)


def _write_info(download: MiniDownload, patient: Patient) -> None:
    row = download.rows[patient.name]
    # x counts along the first axis of the array, which is the image's z
    coordinates = {
        f"{axis}_{end}": patient.box[i][j]
        for i, axis in enumerate("xyz")
        for j, end in enumerate(("min", "max"))
    }
    content = {
        "patient_id": patient.name.lower(),
        "primary_lesion": {
            "breast_coordinates": coordinates,
            "pcr": 0,
            "tumor_subtype": row["tumor_subtype"] or None,
        },
        "clinical_data": {
            "age": patient.age,
            "menopausal_status": row["menopausal_status"] or None,
            "breast_density": row["breast_density"] or None,
        },
        "imaging_data": {
            "bilateral": True,
            "dataset": row["dataset"],
            "site": row["site"],
            "scanner_manufacturer": row["manufacturer"],
            "scanner_model": row["scanner_model"],
            "field_strength": row["field_strength"],
        },
    }
    path = download.info(patient.name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "variant", nargs="?", choices=("official", "challenge"), default="challenge"
    )
    arguments = parser.parse_args()
    # enough patients for folds that are stratified by two attributes
    make_download(arguments.folder, 24, variant=arguments.variant)
