"""Which numbers of a file are the labels of a mask, for all that read masks.

Masks are exported as grey with alpha, as RGB with three equal channels, and with a scale and an
intercept in the header, so that label 1 comes out as 1.0000001.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import shorten

if TYPE_CHECKING:
    import PIL.Image

#: Numbers this close to a whole one were rounded: NIfTI's scale and intercept have 32 bits.
_ROUNDING = 1e-4
_INT32 = np.iinfo(np.int32)

#: Pillow's modes in which grey pictures are exported too: then all channels are equal.
_PERHAPS_GREY = ("LA", "PA", "RGB", "RGBA", "RGBX")


def label_channel(picture: "PIL.Image.Image") -> "tuple[PIL.Image.Image, str | None]":
    """Return the picture without channels that say nothing of labels.

    Args:
        picture: An open picture of any mode.

    Returns:
        The picture with one channel, and None. Where channels contradict each other, the picture as
        it is, and in words what it has instead of one number per pixel. Modes without alpha and
        colours are returned unchanged.
    """
    mode = picture.mode
    if mode not in _PERHAPS_GREY or ";16" in str(getattr(picture, "tile", "")):
        return picture, None
    channels = picture.split()
    grey, *others = channels[:1] if mode in ("LA", "PA") else channels[:3]
    if any(grey.tobytes() != other.tobytes() for other in others):
        return picture, f"colours (mode {mode})"
    if mode in ("LA", "PA", "RGBA") and (fault := _fault_of_alpha(grey, channels[-1])):
        return picture, fault
    return grey, None


def _fault_of_alpha(grey: "PIL.Image.Image", alpha: "PIL.Image.Image") -> str | None:
    lowest, highest = alpha.getextrema()
    if lowest == highest:
        return None
    labels, opacity = np.asarray(grey), np.asarray(alpha)
    hidden = int(np.count_nonzero(labels[opacity == 0]))
    if hidden:  # erased in a program that keeps what is below
        return f"{hidden} transparent pixels that hold labels"
    if not labels.any():
        return "a mask drawn in its transparency alone"
    return None


def whole_labels(values: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
    """Return numbers as integers, and in words what the array holds that is no label; None if all.

    Args:
        values: Any numbers; those that are integers are returned as they are.
    """
    if values.dtype.kind in "iu":
        return values, None
    if values.dtype == np.bool_:
        return values.astype(np.uint8), None
    if not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        return values, f"{count} NaN or infinite values; expected whole label numbers"
    whole = np.rint(values)
    if (whole != values).any():
        broken = np.unique(values[np.abs(whole - values) > _ROUNDING])
        different = np.unique(values)
        # scaled labels have one value each; 0 and 1e-9 beside each other are probabilities
        if not broken.size and len(np.unique(np.rint(different))) < len(different):
            broken = different[different != np.rint(different)]
        if broken.size:
            examples = shorten((f"{value:.4g}" for value in broken), 3)
            return values, (
                f"values that are not label numbers, such as {examples}: these look like "
                "probabilities or an interpolated mask"
            )
    largest = np.abs(whole).max(initial=0)
    if largest > _INT32.max:
        return values, f"values up to {largest:.4g}; expected small whole label numbers"
    return whole.astype(np.int32), None
