"""Real training cases of each group, and groups that are too small to be learnt from.

Test cases, synthetic cases and cases of no known group take no part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunetv2_fair.cropping.images import PICTURE_ENDINGS
from nnunetv2_fair.dataset_conversion.shared.source import (
    SourceCase,
    SourceDataset,
    people_of,
    read_source,
)
from nnunetv2_fair.errors import (
    ConversionError,
    DatasetError,
    UsageError,
    counted,
    did_you_mean,
    shorten,
)
from nnunetv2_fair.subgroups.groups import group_cases

#: Patients of a group below which nothing is learnt from it, and below which a warning is given.
FEWEST, FEW = 3, 10


@dataclass(frozen=True)
class GroupedCases:
    """Real training cases of a dataset by group.

    Attributes:
        source: The dataset.
        attribute: Attribute expression.
        wanted: Groups that were asked for; all where none was.
        members: Cases of every group.
        patients: Patient of each case.
        unknown: How many training cases are of no known group.
    """

    source: SourceDataset = field(repr=False)
    attribute: str
    wanted: tuple[str, ...]
    members: Mapping[str, Sequence[str]] = field(repr=False)
    patients: Mapping[str, str] = field(repr=False)
    unknown: int

    def files(self) -> dict[str, SourceCase]:
        """Return the files of each case."""
        return {case.case: case for case in self.source.cases}

    def asking_for(self, wanted: tuple[str, ...]) -> "GroupedCases":
        """Return the same cases with other groups that are asked for."""
        return replace(self, wanted=wanted)

    def check_groups(self, pack: Path, groups: Collection[str], what: str) -> None:
        """Refuse a pack with groups that the dataset does not have.

        Args:
            pack: Its folder.
            groups: Its groups.
            what: What it has of them, such as ``masks``.

        Raises:
            ConversionError: If there are any.
        """
        strange = sorted(set(groups) - set(self.members))
        if strange:
            raise ConversionError(
                f"{pack} has {what} of {shorten(map(repr, strange))}; the groups of "
                f"'{self.attribute}' in {self.source.folder.name} are "
                f"{shorten(self.members, 20)}. Correct groups.csv."
            )

    def large_enough(self, members: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """Return the groups that can be learnt from.

        Args:
            members: Cases of every group that can be used.

        Raises:
            DatasetError: If one of the wanted groups has fewer than three patients.
        """
        sizes = {group: self.people(cases) for group, cases in members.items()}
        few = [group for group in self.wanted if sizes[group] < FEWEST]
        if few:
            enough = [group for group, n in sizes.items() if n >= FEWEST]
            other = f" Name the others: --group {' '.join(map(repr, enough))}." if enough else ""
            raise DatasetError(
                f"'{self.attribute}': {shorten(few)} has fewer than {FEWEST} training patients "
                f"whose cases can be used; what is drawn would show these patients.{other}"
            )
        return {group: cases for group, cases in members.items() if sizes[group] >= FEWEST}

    def people(self, cases: Collection[str]) -> int:
        """Return how many patients cases are of."""
        return len({self.patients[case] for case in cases})

    def sentences(self, kept: Mapping[str, Sequence[str]], what: str) -> list[str]:
        """Return warnings about cases and groups, without full stop.

        Args:
            kept: Cases of the groups that are learnt from.
            what: What is drawn, such as ``masks``.
        """
        found = []
        if self.unknown:
            found.append(f"{counted(self.unknown, 'training case')} of no known group took no part")
        for group in self.wanted:
            n = self.people(kept[group])
            if n < FEW:
                found.append(
                    f"{group} has {n} training patients, fewer than {FEW}: drawn {what} can hardly "
                    "differ from theirs"
                )
        small = [group for group, cases in self.members.items() if cases and group not in kept]
        if small:
            found.append(f"{shorten(small)}: too few patients, not learnt from")
        return found


def cases_by_group(
    folder: Path, attribute: str | None, wanted: Sequence[str], why_no_volumes: str
) -> GroupedCases:
    """Find the real training cases of a dataset of pictures; no image is read.

    Args:
        folder: Dataset folder in ``nnUNet_raw``.
        attribute: Attribute expression; None: the dataset's default one.
        wanted: Groups that are asked for; none of them means all.
        why_no_volumes: Ends the sentence that refuses other files than pictures.

    Raises:
        UsageError: If there is no such group.
        DatasetError: If the dataset is not there, or no training case has a group.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If references are missing, or the images are volumes.
    """
    source = read_source(folder, "learnt from")
    if source.ending not in PICTURE_ENDINGS:
        raise ConversionError(
            f"{folder.name} holds {source.ending} files; expected pictures "
            f"({', '.join(PICTURE_ENDINGS)}): {why_no_volumes}."
        )
    table = people_of(source)
    grouping = group_cases(table, attribute)
    real = [
        case.case
        for case in source.cases
        if case.part == "train" and case.case not in table.synthetic_cases
    ]
    members = grouping.members(real)
    unknown = [name for name in wanted if name not in members]
    if unknown:
        raise UsageError(
            f"--group {unknown[0]}: '{grouping.expression}' has no such group."
            f"{did_you_mean(unknown[0], grouping.names)} Groups: {shorten(grouping.names, 20)}."
        )
    if not any(members.values()):
        raise DatasetError(
            f"No training case of {folder.name} is in a group of '{grouping.expression}'. Fill "
            "the column in demographics.csv, or choose another attribute with -a."
        )
    return GroupedCases(
        source,
        grouping.expression,
        tuple(wanted) or grouping.names,
        members,
        table.patients,
        len(grouping.unknown(real)),
    )
