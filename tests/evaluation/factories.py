"""Small datasets on disk: masks, predictions with known errors, a demographics table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.evaluation.masks.foreground import crop
from nnunetv2_fair.evaluation.metrics.regions import LabelMapPair, RegionPair

SPACING_3D = (0.5, 0.8, 2.5)  # x, y, z as SimpleITK counts
LABELS = {"background": 0, "organ": 1, "lesion": 2}


def write_mask(
    path: Path,
    labels: np.ndarray,
    spacing: Sequence[float] | None = None,
    origin: Sequence[float] | None = None,
) -> Path:
    image = sitk.GetImageFromArray(labels)
    if spacing is not None:
        image.SetSpacing(tuple(spacing))
    if origin is not None:
        image.SetOrigin(tuple(origin))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), path.name.endswith(".gz"))
    return path


def region_of_masks(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing: Sequence[float],
    tolerance: float = 1.0,
) -> RegionPair:
    """Return the pair of two boolean masks of one shape."""
    return LabelMapPair(crop(reference), crop(prediction), spacing, tolerance).region((1,))


def blob(shape: Sequence[int], centre: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    distance = sum(((g - c) / r) ** 2 for g, c, r in zip(grids, centre, radii, strict=True))
    return distance <= 1


@dataclass(frozen=True)
class Dataset:
    root: Path
    cases: tuple[str, ...]

    @property
    def references(self) -> Path:
        return self.root / "labelsTs"

    @property
    def predictions(self) -> Path:
        return self.root / "predictions"

    @property
    def table(self) -> Path:
        return self.root / "demographics.csv"

    def write_table(self, rows: Sequence[Mapping[str, str]]) -> None:
        columns = list(rows[0])
        lines = [",".join(columns)] + [",".join(row[c] for c in columns) for row in rows]
        self.table.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def arguments(self, out: str = "out", *more: str) -> list[str]:
        return [
            "-gt", str(self.references), "-pred", str(self.predictions),
            "--demographics", str(self.table), "-o", str(self.root / out),
            "-np", "1", "--bootstrap", "50", *more,
        ]  # fmt: skip


def make_dataset(
    root: Path,
    n_patients: int = 12,
    cases_per_patient: int = 2,
    volumes: bool = False,
    ending: str | None = None,
    dataset_json: bool = True,
) -> Dataset:
    """Write a dataset in which women's masks are predicted two pixels off, men's one."""
    generator = np.random.default_rng(7)
    ending = ending or (".nii.gz" if volumes else ".png")
    shape = (7, 24, 31) if volumes else (40, 57)
    spacing = SPACING_3D if volumes else None
    rows, cases = [], []
    for patient in range(n_patients):
        sex = "female" if patient % 2 else "male"
        age = 40 + 3 * patient
        for visit in range(cases_per_patient):
            case = f"case_{patient:02d}_{visit}"
            cases.append(case)
            rows.append({"case": case, "patient": f"p{patient}", "sex": sex, "age": str(age)})
            centre = [n / 2 + generator.uniform(-1, 1) for n in shape]
            radii = [n / 3 for n in shape]
            small = [n / 6 for n in shape]
            shift = 2 if sex == "female" else 1
            labels = blob(shape, centre, radii).astype(np.uint8)
            labels[blob(shape, centre, small)] = 2
            write_mask(root / "labelsTs" / f"{case}{ending}", labels, spacing)
            write_mask(
                root / "predictions" / f"{case}{ending}", np.roll(labels, shift, -1), spacing
            )
    dataset = Dataset(root, tuple(cases))
    dataset.write_table(rows)
    if dataset_json:
        write_dataset_json(root, LABELS)
    return dataset


def write_dataset_json(folder: Path, labels: Mapping[str, object]) -> Path:
    path = folder / "dataset.json"
    path.write_text(json.dumps({"labels": labels, "file_ending": ".png"}), encoding="utf-8")
    return path
