"""Twins in which the training labels of one group are made worse on purpose, by a known dose."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.cropping.images import is_picture
from nnunetv2_fair.dataset_conversion.shared.source import SourceDataset, people_of, read_source
from nnunetv2_fair.dataset_conversion.twins.cases import DegradedLabels
from nnunetv2_fair.dataset_conversion.twins.degrading import How
from nnunetv2_fair.dataset_conversion.twins.plan import (
    TwinTarget,
    change_in_words,
    plan_twin,
    survey,
)
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog
from nnunetv2_fair.errors import ConversionError, UsageError, did_you_mean, shorten
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import DemographicsTable

_DONE: Mapping[How, str] = {
    "erode": "eroded by",
    "dilate": "dilated by",
    "shift": "shifted by",
    "smooth": "smoothed with a standard deviation of",
    "drop": "lost in pieces, each with a probability of",
}
#: By whether pieces are dropped.
_REMEDY = {
    False: "Distances are those between centres of voxels: choose at least their spacing.",
    True: "By chance no piece was lost: choose a larger share, or another --seed.",
}


@dataclass(frozen=True)
class DegradeSettings:
    """What is made worse, and how.

    Attributes:
        source: Folder of the dataset in ``nnUNet_raw``.
        attribute: Attribute expression; None: the dataset's default one.
        group: The group whose training labels are degraded.
        how: What happens to them.
        amounts: Dose of each twin, ascending: a share of the pieces with ``drop``, otherwise mm
            (pixels where images have no spacing).
        dataset_id: Id of the first twin; the others follow it.
        name: Follows ``DatasetXXX_``, and is followed by how and by the dose.
        direction: Of ``shift``: x y [z] along the image's axes; None: at random for each case.
        seed: Of all that is random.
    """

    source: Path
    attribute: str | None
    group: str
    how: How
    amounts: tuple[float, ...]
    dataset_id: int
    name: str
    direction: tuple[float, ...] | None = None
    seed: int = 0

    def name_of(self, amount: float) -> str:
        """Return the name of the twin of one dose: ``LungsErode2``, ``LungsErode0p5``."""
        return f"{self.name}{self.how.capitalize()}{amount:g}".replace(".", "p")


@dataclass(frozen=True)
class Degrading:
    """Which cases are concerned.

    Attributes:
        settings: As given.
        source: The dataset.
        table: Its demographics.
        expression: Attribute expression.
        cases: Training cases of the group.
        unit: Of the dose, ``mm`` or ``px``; empty for a share.
    """

    settings: DegradeSettings
    source: SourceDataset
    table: DemographicsTable
    expression: str
    cases: Sequence[str]
    unit: str


def find_group(settings: DegradeSettings) -> Degrading:
    """Read dataset and table, and find the group's training cases.

    Args:
        settings: What is made worse, and how.

    Raises:
        UsageError: If the settings make no sense.
        DatasetError: If the dataset is not there.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If references are missing, or the group has no training case.
    """
    _check_settings(settings)
    source = read_source(settings.source, "degraded")
    table = people_of(source)
    grouping = group_cases(table, settings.attribute)
    if settings.group not in grouping.names:
        raise UsageError(
            f"--group {settings.group}: '{grouping.expression}' has no such group."
            f"{did_you_mean(settings.group, grouping.names)} Groups: "
            f"{shorten(grouping.names, 20)}."
        )
    training = [case.case for case in source.cases if case.part == "train"]
    cases = grouping.members(training)[settings.group]
    if not cases:
        raise ConversionError(
            f"--group {settings.group}: {source.folder.name} has no training case of this group, "
            f"so there is nothing to degrade. Training cases: "
            f"{', '.join(f'{name} {n}' for name, n in grouping.counts(training).items())}."
        )
    unit = "px" if is_picture(source.cases[0].images[0]) else "mm"
    return Degrading(
        settings, source, table, grouping.expression, cases, "" if settings.how == "drop" else unit
    )


def _check_settings(settings: DegradeSettings) -> None:
    given = " ".join(f"{amount:g}" for amount in settings.amounts)
    if not all(math.isfinite(amount) and amount > 0 for amount in settings.amounts):
        raise UsageError(f"--amount {given}: expected numbers above 0.")
    if settings.how == "drop" and max(settings.amounts) > 1:
        raise UsageError(
            f"--amount {given}: with --how drop it is the share of the pieces that are lost, "
            "expected at most 1."
        )
    if list(settings.amounts) != sorted(set(settings.amounts)):
        raise UsageError(f"--amount {given}: expected different numbers, the smallest first.")
    if settings.direction is not None:
        if settings.how != "shift":
            raise UsageError(f"--direction belongs to --how shift, not to {settings.how}.")
        if not any(settings.direction) or not all(map(math.isfinite, settings.direction)):
            raise UsageError("--direction: expected numbers that are not all 0.")


def plan_degraded(found: Degrading, step: int, processes: int = 1) -> DatasetPlan:
    """Degrade all masks of the group on trial, and decide what one twin consists of.

    Args:
        found: As :func:`find_group` returned it.
        step: Index of the dose.
        processes: How many processes work on masks.

    Raises:
        ConversionError: If a mask cannot be read, or the dose changes none.
    """
    settings, source = found.settings, found.source
    amount = settings.amounts[step]
    dose = f"{amount:g} {found.unit}".rstrip()
    done = f"{_DONE[settings.how]} {dose}"
    direction = None if settings.direction is None else settings.direction[::-1]
    new = {
        case: DegradedLabels(settings.how, amount, direction, settings.seed, case)
        for case in found.cases
    }
    facts = survey(source, new, processes=processes)
    if not any(facts[case].change.changed for case in found.cases):
        none = change_in_words({}, len(found.cases))
        raise ConversionError(
            f"--how {settings.how} --amount {amount:g}: {none}. {_REMEDY[settings.how == 'drop']}"
        )
    log = ConversionLog(
        "nnUNetv2_fair_degrade_labels",
        {
            "source": source.folder.name,
            "attribute": found.expression,
            "group": settings.group,
            "how": settings.how,
            "amount": dose,
            "direction (x y z)": "random" if direction is None else list(direction[::-1]),
            "seed": settings.seed,
        },
    )
    if settings.how != "shift":
        del log.settings["direction (x y z)"]
    log.notes = [
        f"training labels of group '{settings.group}' of '{found.expression}' are {done}; all "
        "others stay, and all test labels"
    ]
    entry = {"source": source.folder.name, "how": settings.how, "amount": amount,
             "unit": found.unit or "share of pieces"}  # fmt: skip
    # not the group: dataset.json goes into every model
    target = TwinTarget(
        settings.dataset_id + step,
        settings.name_of(amount),
        f"{source.folder.name} with training labels of one group {done}",
        {"degraded_labels": entry},
    )
    return plan_twin(source, found.table, target, new, facts, log)
