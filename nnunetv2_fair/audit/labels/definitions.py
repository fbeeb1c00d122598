"""What the quantities of an audit are, in words."""

from nnunetv2_fair.audit.labels.mask_errors import DEFINITIONS


def definitions_of(unit: str) -> dict[str, str]:
    """Return name of a quantity -> what it is.

    Args:
        unit: Unit of distances: ``mm`` or ``px``.
    """
    return {
        "label_volume": DEFINITIONS["volume"],
        "label_boundary": f"{DEFINITIONS['boundary']} In {unit}.",
        "label_shift": f"{DEFINITIONS['shift']} In {unit}.",
        "gap": "Mean of the reference group minus mean of the other, over patients. Intervals are "
        "Welch's; p-values are those of a permutation test of Welch's statistic, corrected by "
        "Holm's method over all labels, attributes and pairs of groups by the same metric.",
        "ruler_difference": "The model's gap against automated masks minus its gap against expert "
        "masks, of the patients who have both, paired by patient.",
        "combined_gap": "The model's gap against expert masks, estimated from all patients: the "
        "mean of those with expert masks is corrected by how they differ from all in their scores "
        "against automated masks, as far as both scores go together. Right whatever is wrong with "
        "the automated masks, if those with expert masks were chosen at random within their group.",
        "heterogeneity": "Largest minus smallest gap of the sources; Welch's test of equal gaps.",
        "amplification": "The gap of models trained on automated masks minus that of the automated "
        "masks themselves, or of models trained on expert masks; all against expert masks.",
        "ceiling": "The gap of the automated masks minus that of a second expert, both against the "
        "first expert's masks: what a human would not do better.",
    }
