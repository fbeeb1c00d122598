"""How many patients of each group a test set has."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.settings import EvaluationOptions
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.subgroups.table import read_table

#: Patients that a group must have for anything to be said of it.
FEWEST = 5


def patients_by_group(
    options: EvaluationOptions,
    on: StudyDataset,
    test: TestSet,
    attribute: str,
    cases: Collection[str] | None = None,
) -> Mapping[str, set[str]]:
    """Return the patients of each group that is compared.

    Args:
        options: Of the evaluation.
        on: What the model is trained on.
        test: Test set.
        attribute: Attribute expression.
        cases: Only these cases; all with a reference if None.

    Raises:
        FairError: If the table cannot be read.
    """
    settings = replace(
        test.reading, bins=options.bins, attributes=tuple(attribute.split(INTERSECTION))
    )
    ending = on.dataset.ending
    present = [path.name.removesuffix(ending) for path in test.labels.glob(f"*{ending}")]
    table = read_table(test.table, settings=settings).named_like(present)
    grouping = group_cases(table, attribute)
    chosen = options.groups.get(attribute, grouping.names)
    wanted = [
        case for case in present if case in grouping.group_of and (cases is None or case in cases)
    ]
    members = grouping.members(wanted)
    return {
        name: {table.patients[case] for case in members[name]} for name in chosen if name in members
    }
