"""Renders images and writes them; worker processes import only this, so it stays light."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunetv2_fair.phantoms.drawing import Drawing
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import PhantomSpec

IMAGES = "images"
MASKS = "masks"
CLEAN_MASKS = "masks_clean"


def subfolders(spec: PhantomSpec) -> list[str]:
    """Return the folders that hold arrays; clean masks only where others are wrong."""
    return [IMAGES, MASKS, *([CLEAN_MASKS] if spec.biases_labels else [])]


def write_images(spec: PhantomSpec, folder: Path, drawings: Sequence[Drawing]) -> int:
    """Render images and write them with their masks into the subfolders of ``folder``.

    Returns:
        Number of images.
    """
    for drawing in drawings:
        made = render(drawing, spec)
        arrays = {IMAGES: made.image, MASKS: made.mask, CLEAN_MASKS: made.clean_mask}
        for name in subfolders(spec):
            _write_array(arrays[name], folder / name / (drawing.name + spec.file_ending), spec)
    return len(drawings)


def _write_array(array: np.ndarray, path: Path, spec: PhantomSpec) -> None:
    if spec.dimension == 2:
        from PIL import Image

        Image.fromarray(array).save(path, compress_level=1)
        return
    import SimpleITK as sitk  # noqa: N813 -- the usual name; pictures do not need it

    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing([float(size) for size in reversed(spec.voxel_size)])
    sitk.WriteImage(volume, str(path), useCompression=True)
