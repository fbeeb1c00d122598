"""Small nnU-Net datasets to be cropped: oblique volumes, or pictures."""

import copy
import json
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image

from tests.conftest import SEX_AND_AGE

NAME = "Dataset042_Heart"
OBLIQUE = SimpleITK.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix()
N_TRAIN, N_TEST = 6, 4
#: Rows and columns of the organ of each case.
ORGANS = [(8, 10), (6, 12), (9, 7), (7, 7), (5, 9), (8, 8), (6, 6), (12, 16), (7, 8), (8, 9)]
SHAPE = (5, 36, 40)


def case_name(i: int) -> str:
    return f"c{i:02d}"


def is_training(i: int) -> bool:
    return i < N_TRAIN


def volume(i: int, ending: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of a case; every second organ is at the border."""
    rng = np.random.default_rng(i)
    rows, columns = ORGANS[i]
    shape = SHAPE if ending != ".png" else SHAPE[1:]
    labels = np.zeros(shape, np.uint8)
    top, left = (0, shape[-1] - columns) if i % 2 else (11 + i, 9)
    organ = labels[..., top : top + rows, left : left + columns]
    if labels.ndim == 3:
        organ = organ[1:4]
    organ[...] = 1
    organ[..., 2:-1, 1:-2] = 2
    dtype = np.float32 if i % 3 == 0 and ending != ".png" else np.uint8
    image = rng.integers(1, 255, shape).astype(dtype)
    return (image / np.float32(3) if dtype == np.float32 else image), labels


def save(path: Path, voxels: np.ndarray, i: int) -> None:
    """Write a file; every case has its own place in space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(voxels).save(path)
        return
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((1.37, 1.37, 9.6))
    image.SetOrigin((-180.3 + 7 * i, 95.7, -210.2))
    image.SetDirection(OBLIQUE)
    SimpleITK.WriteImage(image, str(path))


def write_full(raw: Path, ending: str = ".nii.gz", channels: int = 1) -> Path:
    """Write the dataset; return its folder."""
    folder = raw / NAME
    rows = ["case,patient,sex,age"]
    for i in range(N_TRAIN + N_TEST):
        part = "Tr" if is_training(i) else "Ts"
        image, labels = volume(i, ending)
        for channel in range(channels):
            moved = image if channel == 0 else image[..., ::-1].copy()
            save(folder / f"images{part}" / f"{case_name(i)}_{channel:04d}{ending}", moved, i)
        save(folder / f"labels{part}" / f"{case_name(i)}{ending}", labels, i)
        rows.append(f"{case_name(i)},p{i},{'female' if i % 2 else 'male'},{40 + 3 * i}")
    content = {
        "channel_names": {str(i): f"channel {i}" for i in range(channels)},
        "labels": {"background": 0, "muscle": 1, "blood": 2},
        "numTraining": N_TRAIN,
        "file_ending": ending,
        "licence": "mine",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    (folder / "demographics.json").write_text(json.dumps(copy.deepcopy(SEX_AND_AGE)))
    return folder
