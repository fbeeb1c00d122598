"""The sentences that may stand in a shareable result: they tell nothing about patients or files.

Whoever notes one takes it from here; any other note, also one that is added later, is left out of
shareable results.
"""

from collections.abc import Mapping, Sequence

from nnunetv2_fair.evaluation.results.trainings import ONE_TRAINING

PIXELS = "The masks are pictures without a physical spacing, so distances are in pixels (px)."

LABELS_FOUND = (
    "No dataset.json was found, so the labels are the values that occur in the references."
)

BY_CASE = (
    "Statistics are by case (--unit case) although patients have several cases. Images of one "
    "patient resemble each other, so intervals are too narrow, p-values too small, and differences "
    "are shown where there are none. Evaluate by patient before you report a difference."
)

OF_EACH_TRAINING = (
    "Subgroups that were searched for, tables in the form of papers, boundary maps and downstream "
    "measures are those of each training, in the reports of the trainings."
)

TRAINED_MODELS = (
    "All of this is about these trained models: two trainings of one method, with another random "
    "seed or fold, can differ as much as two methods do. Evaluate several trainings of each "
    "(--trainings) to compare methods."
)

MISSING_PREDICTION = "The prediction is missing, so the case is excluded from all statistics."


def few_groups(attribute: str) -> str:
    """Return that too few groups of an attribute are large enough."""
    return (
        f"'{attribute}': fewer than two groups are large enough, so no fairness measure can be "
        "computed."
    )


def only_chosen(attribute: str, chosen: Sequence[str]) -> str:
    """Return which groups of an attribute are compared, where not all are."""
    listed = ", ".join(f"'{name}'" for name in chosen)
    return (
        f"'{attribute}': only {listed} are compared (--groups); whatever is said about differences "
        "is about these. The other groups are shown, and enter no gap, test or verdict."
    )


def unknown_group(attribute: str) -> str:
    """Return why cases are excluded from an attribute."""
    return (
        f"The table has no value of '{attribute}' for the case, so it is excluded from the groups "
        "and the overall value of this attribute."
    )


def by_image(titles: Mapping[str, Sequence[str]]) -> str:
    """Return where images are compared instead of patients.

    Args:
        titles: Attribute -> titles of the metrics.
    """
    listed = "; ".join(f"'{name}' in {', '.join(of)}" for name, of in titles.items())
    return (
        f"{listed}: patients of one group have more images than those of another, which makes "
        "their means less spread out and not comparable. Medians, quartiles, Cliff's delta and "
        "tests are those of images, each weighted by 1 over the images of its patient."
    )


def public_notes(attributes: Sequence[str], chosen: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the notes and reasons that may be shared, by-image notes aside.

    Args:
        attributes: Attribute expressions of the result.
        chosen: Attribute expression -> groups that were chosen for the comparison.
    """
    fixed = (
        PIXELS, LABELS_FOUND, BY_CASE, OF_EACH_TRAINING, TRAINED_MODELS, MISSING_PREDICTION,
        ONE_TRAINING,
    )  # fmt: skip
    of_attributes = (words(name) for name in attributes for words in (few_groups, unknown_group))
    of_choices = (only_chosen(name, groups) for name, groups in chosen.items())
    return frozenset((*fixed, *of_attributes, *of_choices))
