"""How values and sentences are shown, where they may be shown."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS, NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.tables.public_notes import by_image, public_notes

#: Settings that reveal nothing about files or people.
SETTINGS = (
    "metrics", "tolerance", "empty_distance", "unit", "min_patients", "bootstrap", "confidence",
    "seed", "regions", "ignore_label", "groups", "reference_groups", CHOSEN_GROUPS, "failures",
    "margins", "adjust", "discover", "dataset", "trainer", "configuration",
)  # fmt: skip

#: Why nothing is shown of a group.
SMALL = f"fewer than {FEWEST} patients"
#: Why nothing is shown of any group of an expression.
CLOSED = f"hidden, because it would reveal groups with fewer than {FEWEST} patients"


def shareable_notes(
    notes: Iterable[str], attributes: Sequence[str], chosen: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Return the notes, or reasons, that may be shown: those known to tell nothing about people.

    Args:
        notes: Sentences.
        attributes: Attribute expressions of the result.
        chosen: Attribute expression -> groups that were chosen for the comparison.
    """
    known = public_notes(attributes, chosen)
    return tuple(note for note in notes if note in known)


def note_on_images(shown: Iterable[Comparison], titles: Mapping[str, str]) -> tuple[str, ...]:
    """Return where images are compared instead of patients, as far as that is shown; or nothing.

    Args:
        shown: Comparisons as they are shown.
        titles: Metric -> its title.
    """
    found: dict[str, dict[str, None]] = {}
    for comparison in shown:
        if comparison.by_image:
            found.setdefault(comparison.attribute, {})[titles[comparison.metric]] = None
    return (by_image({name: list(of) for name, of in found.items()}),) if found else ()


def fewest_to_compare(result: EvaluationResult) -> int:
    """Return how many patients a group needs to be compared, as shown to readers."""
    return max(FEWEST, int(result.settings.get("min_patients", FEWEST)))


def reasons(
    groups: Iterable[str],
    gone: Collection[str],
    left_out: Mapping[str, str],
    *,
    least: int,
    of_gone: str = SMALL,
) -> dict[str, str]:
    """Return why groups are not compared, without their numbers.

    Args:
        groups: All groups.
        gone: Those of which nothing is shown.
        left_out: Those that were not compared, with the reason.
        least: Patients that a group needs to be compared.
        of_gone: Reason for those of which nothing is shown.
    """
    few = f"fewer than {least} patients with a value"
    return {
        group: of_gone if group in gone else NOT_CHOSEN if left_out[group] == NOT_CHOSEN else few
        for group in groups
        if group in gone or group in left_out
    }
