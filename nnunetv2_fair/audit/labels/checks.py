"""What is refused before any mask is read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError, UsageError, did_you_mean, shorten, shorten_lines
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.request import Masks
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.paths import DEMOGRAPHICS_CSV
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.subgroups.table import DemographicsTable


def table_path(masks: Masks) -> Path:
    """Return the table of the cases.

    Raises:
        UsageError: If none is named, and none lies next to the expert masks.
    """
    if masks.demographics is not None:
        return masks.demographics
    beside = masks.references.resolve().parent / DEMOGRAPHICS_CSV
    if not beside.is_file():
        raise UsageError(
            f"There is no {beside}; pass the table that says who the cases are from with "
            "--demographics."
        )
    return beside


def check_expert_cases(
    expert: Collection[str], automated: Collection[str], expert_folder: Path, folder: Path
) -> None:
    """Refuse expert masks of cases that have no automated mask.

    Args:
        expert: Cases with an expert mask.
        automated: Cases with an automated mask.
        expert_folder: Where the expert masks are.
        folder: Where the automated masks are.

    Raises:
        EvaluationError: If there is such a case.
    """
    alone = [case for case in expert if case not in automated]
    if len(alone) == len(expert):
        raise EvaluationError(
            f"No case of {expert_folder} (-expert) has a mask in {folder} (-automated): the first "
            f"are named like {shorten(expert, 2)}, the others like {shorten(automated, 2)}. Masks "
            "of one case need one name; names with other ends are read with --suffix-expert and "
            "--suffix-automated."
        )
    if alone:
        raise EvaluationError(
            f"{len(alone)} of {len(expert)} cases with an expert mask have no automated mask in "
            f"{folder}: {shorten(alone)}. Add these masks to -automated, or take the cases out of "
            "-expert."
        )


def check_groups(
    plan: EvaluationPlan,
    table: DemographicsTable,
    automated: Collection[str],
    settings: StatisticsSettings,
) -> None:
    """Refuse groups that have enough automated masks to be compared, and no expert mask.

    Args:
        plan: Of the automated against the expert masks.
        table: Demographics.
        automated: Cases with an automated mask.
        settings: How large groups have to be.

    Raises:
        UsageError: If there is such a group; all at once.
    """
    problems = list(_without_expert(plan, table, automated, settings))
    if problems:
        raise UsageError("Nothing can be said of some groups:\n" + shorten_lines(problems))


def _without_expert(
    plan: EvaluationPlan,
    table: DemographicsTable,
    automated: Collection[str],
    settings: StatisticsSettings,
) -> Iterator[str]:
    with_expert = {pair.case for pair in plan.pairs}
    patients = table.patients
    for grouping, vocabulary in zip(plan.groupings, plan.vocabularies, strict=True):
        chosen = grouping.names if vocabulary.chosen is None else vocabulary.chosen
        for name in chosen:
            members = [c for c in automated if grouping.group_of.get(c) == name]
            size = len({patients[case] for case in members})
            if size >= settings.sizeable and not with_expert & set(members):
                others = [other for other in chosen if other != name]
                yield (
                    f"'{name}' ({grouping.expression}) has {size} patients with automated masks "
                    "and none with an expert mask: draw expert masks of some of them, or compare "
                    f"the other groups with --groups {grouping.expression}={','.join(others)}"
                )


def check_same_cases(plans: Mapping[str, Sequence[EvaluationPlan]]) -> None:
    """Refuse models whose gaps would be of different patients.

    Args:
        plans: Kind of scores -> a plan for each training.

    Raises:
        EvaluationError: If models trained on both kinds of masks predicted different cases.
    """
    names = ("trained_on_automated", "trained_on_expert")
    if not set(names) <= set(plans):
        return
    first, second = (
        {pair.case for pair in plans[name][0].pairs if pair.prediction is not None}
        for name in names
    )
    alone, missing = first - second, second - first
    if alone or missing:
        folders = [plans[name][0].prediction_folder for name in names]
        raise EvaluationError(
            f"{folders[0]} (-pred-automated) and {folders[1]} (-pred-expert) predict different "
            f"cases: {len(alone)} only in the first ({shorten(sorted(alone), 3) or 'none'}), "
            f"{len(missing)} only in the second ({shorten(sorted(missing), 3) or 'none'}). "
            "Predict the same cases with both."
        )


def source_values(
    table: DemographicsTable, column: str, attributes: Sequence[str], plan: EvaluationPlan
) -> dict[str, str]:
    """Return the source of each case; empty text where it is not known.

    Args:
        table: Demographics.
        column: Its column with sources; empty if there is none.
        attributes: Attribute expressions that are compared.
        plan: Of the automated against the expert masks.

    Raises:
        UsageError: If it does not exist, holds numbers, or is compared itself.
    """
    if not column:
        return {}
    if column not in table.schema.attributes:
        raise UsageError(
            f"--source {column}: {table.source} has no column '{column}'."
            f"{did_you_mean(column, table.schema.attributes)} Attributes: "
            f"{shorten(table.schema.attributes, 12)}"
        )
    for attribute in attributes:
        if column in attribute.split(INTERSECTION):
            raise UsageError(
                f"--source {column}: '{attribute}' is compared, and its groups are not in several "
                "sources; leave one of them out."
            )
    if table.schema[column].type == "numeric":
        raise UsageError(
            f"--source {column} holds numbers; expected names of sources, such as sites. Gaps are "
            f"adjusted for numbers with --adjust {column}."
        )
    cases = [pair.case for pair in plan.pairs]
    return dict(zip(cases, table.frame.loc[cases, column].astype(str), strict=True))
