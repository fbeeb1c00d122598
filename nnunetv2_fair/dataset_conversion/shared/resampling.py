"""Volumes in RAS orientation on an isotropic grid, as MONAI's transforms make them.

Source: E. Poeta et al., Divergence-Aware Training with Automatic Subgroup Mitigation for Breast
Tumor Segmentation (2025), section 4.1: RAS, 1 mm, linear for images, nearest neighbour for labels.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import SimpleITK


def to_ras(image: "SimpleITK.Image") -> "SimpleITK.Image":
    """Return a 3D image whose axes run to the patient's right, anterior and superior.

    Axes are swapped and flipped only: oblique images stay oblique, no value changes, and every
    voxel stays where it is in the patient.
    """
    import SimpleITK

    return SimpleITK.DICOMOrient(image, "RAS")


def to_isotropic(
    image: "SimpleITK.Image", spacing_mm: float, *, labels: bool = False
) -> "SimpleITK.Image":
    """Return a 3D image on a grid of equal spacing along all axes.

    The first voxel keeps its place. Voxels are added while they are nearer to the last voxel than
    to the next; one that lies beyond it takes its value.

    Args:
        image: Any 3D image.
        spacing_mm: New distance of voxels.
        labels: Take the nearest voxel (and keep the type) instead of interpolating linearly (to
            32-bit floats).
    """
    import SimpleITK

    lengths = [(n - 1) * s for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    size = [int(np.round(length / spacing_mm)) + 1 for length in lengths]
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(size)
    resampler.SetOutputSpacing([spacing_mm] * 3)
    resampler.SetOutputOrigin(image.GetOrigin())
    resampler.SetOutputDirection(image.GetDirection())
    resampler.UseNearestNeighborExtrapolatorOn()
    if labels:
        resampler.SetInterpolator(SimpleITK.sitkNearestNeighbor)
    else:
        resampler.SetInterpolator(SimpleITK.sitkLinear)
        resampler.SetOutputPixelType(SimpleITK.sitkFloat32)
    return resampler.Execute(image)
