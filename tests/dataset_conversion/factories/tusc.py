"""A small download of TUSC: ``dataset.hdf5`` and ``metadata.csv``.

Try the command on it:

    python -m tests.dataset_conversion.factories.tusc FOLDER
    nnUNetv2_fair_convert_TUSC -i FOLDER -d 44 -o OUTPUT
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

HEADER = (
    "annot_id", "size_x", "size_y", "size_z", "location", "age", "sex", "ti-rads_composition",
    "ti-rads_echogenicity", "ti-rads_shape", "ti-rads_margin", "ti-rads_echogenicfoci",
    "ti-rads_level", "histopath_diagnosis",
)  # fmt: skip


@dataclass
class Download:
    """What the miniature holds; change it before writing.

    Attributes:
        lengths: Number of frames of each clip.
        shape: (rows, columns).
        columnar_ids: Whether ``annot_id`` has the shape (n, 1).
        high: Value of nodules in the masks.
        keys: Names of the arrays, by what they are; leave one out to drop it.
        chunks: How frames are stored together.
        rows: Cells of the table by clip that differ from the usual ones.
        without_row: Clips that the table lacks.
    """

    lengths: Sequence[int] = (7, 12, 5, 1, 11, 10, 6, 9, 8, 5, 13, 4)
    shape: tuple[int, int] = (40, 52)
    columnar_ids: bool = True
    high: int = 255
    chunks: tuple[int, int, int] | None = None
    rows: dict[int, Mapping[str, str]] = field(default_factory=dict)
    without_row: tuple[int, ...] = ()

    @property
    def clips(self) -> list[int]:
        """Clip of each frame; clips are numbered from 1, with a gap as after a withdrawal."""
        return [clip + (clip > 3) for clip, n in enumerate(self.lengths, 1) for _ in range(n)]

    @property
    def numbers(self) -> list[int]:
        """Number of each frame in its clip, from 0."""
        return [i for n in self.lengths for i in range(n)]

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return a frame: speckle, and a darker nodule."""
        rng = np.random.default_rng(index)
        speckle = rng.normal(120, 20, self.shape) - 60 * self.nodule(index)
        return speckle.clip(0, 255).astype(np.uint8)

    def nodule(self, index: int) -> NDArray[np.bool_]:
        """Return where the nodule is."""
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]]
        radius = min(self.shape) * (0.18 + 0.02 * (index % 5))
        return (rows - 0.45 * self.shape[0]) ** 2 + (columns - 0.6 * self.shape[1]) ** 2 < radius**2

    def row(self, clip: int) -> dict[str, str]:
        """Return a clip's row: clip 3 has no sex, clip 6 no age, clip 9 hardly anything."""
        cells = dict.fromkeys(HEADER, "")
        cells |= {"annot_id": f"{clip}_", "size_x": "1.2", "size_y": "0.9", "size_z": "1.5",
                  "location": "Right", "age": str(28 + 5 * clip % 65),
                  "sex": "Male" if clip % 3 == 0 else "Female", "ti-rads_composition": "solid",
                  "ti-rads_level": f"TR{3 + clip % 3}",
                  "histopath_diagnosis": "benign" if clip % 2 else "malignant"}  # fmt: skip
        if clip == 3:
            cells["sex"] = ""
        elif clip == 6:
            cells["age"] = ""
        elif clip == 9:
            cells = {**dict.fromkeys(HEADER, ""), "annot_id": "9_"}
        return cells | dict(self.rows.get(clip, {}))

    def arrays(self) -> dict[str, Any]:
        """Return the arrays of the HDF5 file."""
        n = len(self.clips)
        ids = np.array([f"{clip}_".encode() for clip in self.clips])
        masks = np.stack([self.nodule(i) for i in range(n)]).astype(np.uint8) * self.high
        return {
            "image": np.stack([self.image(i) for i in range(n)]),
            "mask": masks,
            "annot_id": ids[:, None] if self.columnar_ids else ids,
            "frame_num": np.array(self.numbers),
        }

    def write(self, folder: Path, **changed: Any) -> Path:
        """Write the download; arrays may be replaced, or dropped with None."""
        folder.mkdir(parents=True, exist_ok=True)
        with h5py.File(folder / "dataset.hdf5", "w") as file:
            for name, array in (self.arrays() | changed).items():
                if array is not None:
                    chunks = self.chunks if name in ("image", "mask") else None
                    compression = None if chunks is None else "gzip"
                    file.create_dataset(name, data=array, chunks=chunks, compression=compression)
        with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, HEADER)
            writer.writeheader()
            clips = dict.fromkeys(self.clips)
            writer.writerows(self.row(clip) for clip in clips if clip not in self.without_row)
        return folder


if __name__ == "__main__":
    Download().write(Path(sys.argv[1]))
