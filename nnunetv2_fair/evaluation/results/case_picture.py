"""One slice of a case, as reports draw it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CasePicture:
    """One slice of a case, ready to draw.

    Attributes:
        case: Case name.
        label: Label that is outlined; empty if all are.
        caption: What the reader should see, such as ``Dice 0.31, group female``.
        image: (rows, columns) float grey values in 0..1, or None if no image was given.
        reference: (rows, columns) bool mask; (labels, rows, columns) if all are outlined.
        prediction: The same of the prediction.
        aspect: Height of a pixel divided by its width.
        typical: Whether it is the middle case of its group, not one of the worst.
    """

    case: str
    label: str
    caption: str
    image: np.ndarray | None
    reference: np.ndarray
    prediction: np.ndarray
    aspect: float = 1.0
    typical: bool = False
