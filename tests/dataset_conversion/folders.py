"""Small real folders of images, masks and a table, as users keep them."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROWS, COLUMNS = 20, 28  # not square: swapped axes must fail


def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Point nnU-Net's variables into ``tmp_path`` and return the raw folder."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "nnUNet_raw"


def image_of(seed: int, rows: int = ROWS, columns: int = COLUMNS) -> NDArray[np.uint8]:
    """Return noise."""
    return np.random.default_rng(seed).integers(0, 256, (rows, columns), dtype=np.uint8)


def mask_of(seed: int, value: int = 1, rows: int = ROWS, columns: int = COLUMNS) -> NDArray[Any]:
    """Return a rectangle that depends on the seed."""
    mask = np.zeros((rows, columns), np.uint8)
    mask[2 : 6 + seed % 9, 3 : 9 + seed % 7] = value
    return mask


def save(path: Path, pixels: NDArray[Any], **options: Any) -> None:
    """Write a picture, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


def make_folder(folder: Path, n: int = 20, value: int = 1) -> Path:
    """Write n images p00..., masks and metadata.csv with image, sex, age."""
    rows = []
    for i in range(n):
        save(folder / "images" / f"p{i:02d}.png", image_of(i))
        save(folder / "masks" / f"p{i:02d}.png", mask_of(i, value))
        rows.append((f"p{i:02d}.png", "female" if i % 3 else "male", 30 + 2 * i))
    write_csv(folder / "metadata.csv", ("image", "sex", "age"), rows)
    return folder


def edit_table(folder: Path, changes: Mapping[str, str]) -> None:
    """Replace pieces of metadata.csv; every piece must be there."""
    path = folder / "metadata.csv"
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def pixels_of(path: Path) -> NDArray[Any]:
    """Read a written picture."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def json_of(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
