"""Which groups are compared, and who is in them; the same for everything that an audit says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import chosen_of
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    StatisticsSettings,
    reference_index,
)
from nnunetv2_fair.evaluation.statistics.small_groups import group_sizes
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.table import DemographicsTable


@dataclass(frozen=True)
class Groups:
    """The groups of one attribute.

    Attributes:
        attribute: Attribute expression.
        names: All groups, in the order to show.
        group_of: Case -> name of its group; empty if it is not known.
        pairs: Indices of the reference group and of each other group that is compared: large
            enough among the cases with expert masks.
    """

    attribute: str
    names: tuple[str, ...]
    group_of: Mapping[str, str]
    pairs: tuple[tuple[int, int], ...]

    def codes(self, cases: Sequence[str]) -> np.ndarray:
        """Return the index of each case's group; NaN if it has none."""
        place = {name: index for index, name in enumerate(self.names)}
        return np.array(
            [place.get(self.group_of.get(case, ""), np.nan) for case in cases], dtype=float
        )

    def named(self, pair: tuple[int, int]) -> tuple[str, str]:
        """Return the names of two groups."""
        return self.names[pair[0]], self.names[pair[1]]


@dataclass(frozen=True)
class People:
    """Everybody in the table.

    Attributes:
        attributes: The groups of every attribute.
        patients: Case -> whom it is of.
        settings: What is counted.
    """

    attributes: tuple[Groups, ...]
    patients: Mapping[str, str]
    settings: StatisticsSettings

    def counted(self, cases: Sequence[str]) -> np.ndarray:
        """Return what is counted of each case: its patient, or the case."""
        if self.settings.unit == "case":
            return np.array(cases, dtype=object)
        return np.array([self.patients[case] for case in cases], dtype=object)


def people_of(
    quality: EvaluationResult,
    table: DemographicsTable,
    groupings: Sequence[Grouping],
    settings: StatisticsSettings,
) -> People:
    """Return the groups to compare.

    Args:
        quality: The evaluation of the automated masks.
        table: Demographics, with the names that the files have.
        groupings: Groups of every attribute.
        settings: What is counted.
    """
    rows = evaluated_rows(quality.per_case)
    rows = rows[rows["label"] == rows["label"].iloc[0]]
    cases = rows["case"].tolist()
    found = []
    for grouping in groupings:
        attribute = grouping.expression
        names = tuple(quality.settings["groups"][attribute])
        group_of = {case: name or "" for case, name in grouping.group_of.items()}
        plain = Groups(attribute, names, group_of, ())
        patients = np.array([table.patients[case] for case in cases], dtype=object)
        sizes = group_sizes(patients, plain.codes(cases), len(names))
        chosen = chosen_of(quality.settings, attribute) or names
        enough = [
            index
            for index, size in enumerate(sizes)
            if size >= settings.sizeable and names[index] in chosen
        ]
        wanted = quality.settings["reference_groups"].get(attribute)
        reference = reference_index(names, enough, sizes, wanted)
        pairs = tuple(
            (reference, other) for other in enough if reference is not None and other != reference
        )
        found.append(Groups(attribute, names, group_of, pairs))
    return People(tuple(found), table.patients, settings)
