"""What a training says on the screen before its first epoch: three lines about the groups.

Sizes of groups are for the screen alone: nnU-Net's log lies in ``nnUNet_results``, whose folders
are passed on with the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.errors import counted

#: Groups of fewer patients are not counted, as in evaluations.
LEAST_PATIENTS = 5
#: More groups make a line that nobody reads.
_MOST_GROUPS = 12


@dataclass(frozen=True)
class GroupSize:
    """How much of a group is in the training part of a fold.

    Attributes:
        cases: Training cases.
        patients: Patients they are of.
    """

    cases: int
    patients: int


def has_small_group(sizes: Mapping[str, GroupSize]) -> bool:
    """Return whether a group has a patient, but too few to be counted."""
    return any(0 < size.patients < LEAST_PATIENTS for size in sizes.values())


def counted_alone(sizes: Mapping[str, GroupSize]) -> list[str]:
    """Return the groups whose cases may be counted, in their order.

    How many cases there are in all is on nnU-Net's screen, so a small group left out alone could
    be worked out: the smallest of the groups that are large enough is left out with it.

    Args:
        sizes: By name, cases of unknown group included as if they were a group.
    """
    small = [name for name, size in sizes.items() if 0 < size.patients < LEAST_PATIENTS]
    if not small:
        return list(sizes)
    large = [name for name in sizes if sizes[name].patients >= LEAST_PATIENTS]
    nearest = min(large, key=lambda name: (sizes[name].patients, name), default=None)
    return [name for name in sizes if name not in small and name != nearest]


def sizes_in_words(sizes: Mapping[str, GroupSize]) -> str:
    """Return ``female 40 cases, male 60 cases``, small groups counted only with a larger one.

    Args:
        sizes: See :func:`counted_alone`.
    """
    if len(sizes) > _MOST_GROUPS:
        present = sum(size.cases > 0 for size in sizes.values())
        return f"{present} of {len(sizes)} groups have training cases"
    alone = counted_alone(sizes)
    told = [f"{name} {counted(sizes[name].cases, 'case')}" for name in alone]
    if len(alone) == len(sizes):
        return ", ".join(told)
    together = [name for name in sizes if name not in alone]
    small = [name for name in together if sizes[name].patients < LEAST_PATIENTS]
    few = f"{', '.join(small)} (fewer than {LEAST_PATIENTS} patients{' each' * (len(small) > 1)})"
    nearest = [name for name in together if name not in small]
    if not nearest:
        return ", ".join([*told, few])
    n_cases = sum(sizes[name].cases for name in together)
    return ", ".join([*told, f"{nearest[0]} and {few} together {counted(n_cases, 'case')}"])


def introduction(
    trainer: str, changes: str, expression: str, fold: int | str, table: Path, watch: str
) -> tuple[str, str, str]:
    """Return the three lines, the first to be completed by :func:`sizes_in_words`.

    Args:
        trainer: Its name.
        changes: What it changes, without a full stop.
        expression: Attribute expression.
        fold: Which is trained.
        table: ``subgroup_log.csv`` of the training.
        watch: What to look at in it.
    """
    return (
        f"Groups of '{expression}' in the training part of fold {fold}: ",
        f"{trainer}: {changes}.",
        f"Loss and pseudo Dice of every group, epoch by epoch: {table} and .png. {watch}",
    )
