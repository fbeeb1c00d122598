"""Cohorts: training cases with fewer patients of the smallest group, or as many of all."""

from collections.abc import Mapping, Sequence

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.subgroups.groups import Grouping


def with_fewer_of_the_smallest(
    cases: Sequence[str], grouping: Grouping, patients: Mapping[str, str], n_patients: int
) -> list[str]:
    """Return cases with only some patients of the smallest group; those of all others stay.

    Which patients stay depends on their names alone, so cohorts are nested: with 30 patients of the
    smallest group, the 15 of the smaller cohort are among them.

    Args:
        cases: Training cases.
        grouping: Groups of all cases.
        patients: Patient of each case.
        n_patients: How many patients of the smallest group to keep, 1 or more.

    Returns:
        The cases that stay, in their order. Cases of unknown group stay, too.

    Raises:
        TrainingError: If the smallest group has fewer patients, or there is no group.

    Source: Lee et al., MELBA 2025, Fig. S1 (number of minority subjects).
    """
    members, sizes = _sized(cases, grouping, patients)
    smallest = min(sizes, key=lambda name: sizes[name])
    if sizes[smallest] < n_patients:
        raise TrainingError(
            f"The smallest group of '{grouping.expression}', '{smallest}', has fewer than "
            f"{n_patients} patients among the training cases. Choose a smaller number, or train on "
            "more of them (-f all)."
        )
    left_out = _without(members[smallest], patients, n_patients, "")
    return [case for case in cases if case not in left_out]


def with_equal_numbers(
    cases: Sequence[str], grouping: Grouping, patients: Mapping[str, str], draw: int
) -> list[str]:
    """Return cases with as many patients of each group as the smallest group has.

    Groups without a case do not count. Which patients stay is drawn by their names and a number.

    Args:
        cases: Training cases.
        grouping: Groups of all cases.
        patients: Patient of each case.
        draw: Draws of different numbers are of different patients.

    Returns:
        The cases that stay, in their order. Cases of unknown group stay, too.

    Raises:
        TrainingError: If there is no group.
    """
    members, sizes = _sized(cases, grouping, patients)
    n_patients = min(sizes.values())
    left_out = {
        case for own in members.values() for case in _without(own, patients, n_patients, f"{draw} ")
    }
    return [case for case in cases if case not in left_out]


def _sized(
    cases: Sequence[str], grouping: Grouping, patients: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the cases and the number of patients of each group that has any."""
    members = {name: own for name, own in grouping.members(cases).items() if own}
    if not members:
        raise TrainingError(
            f"No training case has a known '{grouping.expression}', so there is no smallest group."
        )
    return members, {name: len({patients[c] for c in own}) for name, own in members.items()}


def _without(
    own: Sequence[str], patients: Mapping[str, str], n_patients: int, salt: str
) -> set[str]:
    """Return the cases of a group's patients beyond the first ``n_patients``, in salted order."""
    ordered = sorted({patients[case] for case in own}, key=lambda name: text_hash(salt + name))
    kept = set(ordered[:n_patients])
    return {case for case in own if patients[case] not in kept}
