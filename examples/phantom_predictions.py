"""Masks to try the other examples on: phantoms, and predictions that are worse for women."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from nnunetv2_fair.cli.phantoms import main as make_phantoms


class Made(NamedTuple):
    """Folders with a mask per case, and the table that says who the cases are from."""

    references: Path
    predictions: Path
    better_predictions: Path
    table: Path


def make(folder: Path) -> Made:
    """Write phantoms of 60 patients and the predictions of two models that do not exist."""
    made = Made(
        folder / "phantom/masks", folder / "predictions", folder / "better", folder / "table.csv"
    )
    make_phantoms(["-o", str(folder / "phantom"), "--patients", "60", "--seed", "7"])
    metadata = (folder / "phantom/metadata.csv").read_text(encoding="utf-8")
    # the phantoms' table is one of images: a case is an image without its ending
    made.table.write_text(metadata.replace("image,", "case,", 1).replace(".png", ""), "utf-8")
    sex = {line.split(",")[0]: line.split(",")[2] for line in metadata.splitlines()[1:]}
    rng = np.random.default_rng(0)
    for predictions, pixels_off in ((made.predictions, 3), (made.better_predictions, 1)):
        predictions.mkdir()
        for path in sorted(made.references.glob("*.png")):
            mask = np.asarray(Image.open(path)) > 0
            off = rng.integers(0, 2) + (pixels_off if sex[path.name] == "female" else 1)
            change = binary_erosion if rng.random() < 0.7 else binary_dilation
            changed = change(mask, iterations=off) if off else mask
            Image.fromarray(changed.astype(np.uint8)).save(predictions / path.name)
    return made
