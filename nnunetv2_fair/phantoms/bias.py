"""Plants the bias: changes the drawn parameters of the biased group, and nothing else."""

from dataclasses import replace

from nnunetv2_fair.phantoms.drawing import Drawing
from nnunetv2_fair.phantoms.spec import PhantomSpec

#: What each mechanism does at strength 1.
_COARSER_SPECKLE = 0.35  # share added to the speckle's size
_LOST_CONTRAST = 0.75  # share of the contrast
_APPEARANCE_SPECKLE = 1.5  # share added to the speckle's size
_APPEARANCE_POWER = 0.5  # added to the exponent on the speckle
_APPEARANCE_ECHO = 0.3  # added to the echo of the tissue around the organ
_ERODED = 0.4  # share of the nodule's inner radius
_SHIFTED = 0.6  # share of the nodule's radius
_BANDS = 0.9  # brightness, where 1 is white


def plant(drawing: Drawing, spec: PhantomSpec) -> Drawing:
    """Return the drawing with the bias of ``spec``; drawings of other groups are unchanged."""
    strength = spec.strength
    if not drawing.patient.biased or strength == 0:
        return drawing
    if spec.bias == "representation":
        # a contrast in between would be harder to see, which is a different mechanism
        inverted = drawing.uniform < strength
        return replace(
            drawing,
            contrast=-drawing.contrast if inverted else drawing.contrast,
            speckle=drawing.speckle * (1 + _COARSER_SPECKLE * strength),
        )
    if spec.bias == "difficulty":
        return replace(drawing, contrast=drawing.contrast * (1 - _LOST_CONTRAST * strength))
    if spec.bias == "appearance":
        return replace(
            drawing,
            speckle=drawing.speckle * (1 + _APPEARANCE_SPECKLE * strength),
            speckle_power=drawing.speckle_power + _APPEARANCE_POWER * strength,
            background_echo=drawing.background_echo + _APPEARANCE_ECHO * strength,
        )
    training = drawing.patient.split == "train"
    if spec.bias == "label_erosion" and training:
        return replace(drawing, label_erosion=_ERODED * strength)
    if spec.bias == "label_shift" and training:
        return replace(drawing, label_shift=_SHIFTED * strength)
    if spec.bias == "shortcut":
        return replace(drawing, bands=_BANDS * strength, bands_at_nodule=training)
    return drawing
