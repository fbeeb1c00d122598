"""How values and sentences are shown, where they may be shown."""

from collections.abc import Callable, Collection, Iterable
from pathlib import PurePath

from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

#: Settings that reveal nothing about files or people.
SETTINGS = (
    "metrics", "tolerance", "empty_distance", "unit", "min_patients", "bootstrap", "confidence",
    "seed", "regions", "ignore_label", "groups", "reference_groups", "failures", "margins",
    "adjust", "discover", "dataset", "trainer", "configuration",
)  # fmt: skip

#: Why nothing is shown of a group.
SMALL = f"fewer than {FEWEST} patients"
#: Why nothing is shown of any group of an expression.
CLOSED = f"hidden, because it would reveal groups with fewer than {FEWEST} patients"


def note_filter(result: EvaluationResult) -> Callable[[str], bool]:
    """Return whether a sentence may be shown: it has no number, and names no case or patient.

    Notes on how the table was read quote its cells: they begin with the name of its file, or hold
    the options.
    """
    frame = result.per_case
    options = str(result.settings.get("table_options") or "")
    on_table = f"{PurePath(str(result.settings.get('demographics', ''))).name}: "
    names = {str(name) for column in ("case", "patient") for name in frame[column].unique()}

    def may_be_told(sentence: str) -> bool:
        if any(character.isdigit() for character in sentence) or sentence.startswith(on_table):
            return False
        return not any(name and name in sentence for name in (*names, options))

    return may_be_told


def fewest_to_compare(result: EvaluationResult) -> int:
    """Return how many patients a group needs to be compared, as shown to readers."""
    return max(FEWEST, int(result.settings.get("min_patients", FEWEST)))


def reasons(
    groups: Iterable[str],
    gone: Collection[str],
    left_out: Collection[str],
    *,
    least: int,
    of_gone: str = SMALL,
) -> dict[str, str]:
    """Return why groups are not compared, without their numbers.

    Args:
        groups: All groups.
        gone: Those of which nothing is shown.
        left_out: Those that were not compared.
        least: Patients that a group needs to be compared.
        of_gone: Reason for those of which nothing is shown.
    """
    return {
        group: of_gone if group in gone else f"fewer than {least} patients with a value"
        for group in groups
        if group in gone or group in left_out
    }
