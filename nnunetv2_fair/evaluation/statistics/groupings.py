"""Groups of an evaluation: which ones there are, and who is in none of them."""

from collections.abc import Iterator, Mapping, Sequence

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.evaluation import Exclusion
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.tables.public_notes import (
    few_groups,
    only_chosen,
    unknown_group,
)
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.chosen_groups import (
    chosen_groups,
    find_group,
    find_grouping,
)
from nnunetv2_fair.evaluation.statistics.group_comparison import reference_index
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.table import DemographicsTable

#: How exclusions name those whose group is not known.
UNKNOWN = "unknown"

_COLUMNS = ("label", "reference_voxels", "prediction_voxels", "flags", "diagonal_mm", "diagonal_px")


def make_groupings(table: DemographicsTable, attributes: Sequence[str]) -> tuple[Grouping, ...]:
    """Return the groups of every attribute expression, each once.

    Args:
        table: Demographics.
        attributes: Attribute expressions; the table's default one if empty.

    Raises:
        EvaluationError: If an attribute has no groups or the name of a column of results.
        DemographicsError: If an expression is wrong.
    """
    made = [group_cases(table, expression) for expression in (attributes or [""])]
    reserved = {*_COLUMNS, *METRICS, *(f"{m}_{u}" for m in METRICS for u in ("mm", "px"))}
    for grouping in made:
        if grouping.expression in reserved:
            raise EvaluationError(
                f"{table.source}: the attribute '{grouping.expression}' has the name of a column "
                "of per_case.csv. Rename it in the table and in its dictionary."
            )
        if not grouping.names:
            raise EvaluationError(
                f"{table.source}: no case has a value of '{grouping.expression}', so there are no "
                "groups to compare. Fill the column or evaluate by another attribute: "
                f"{shorten(table.schema.attributes, 12)}."
            )
    unique = {grouping.expression: grouping for grouping in made}
    return tuple(unique.values())


def make_vocabularies(
    groupings: Sequence[Grouping],
    references: Mapping[str, str],
    cases: Sequence[str],
    patients: Mapping[str, str],
    choices: Mapping[str, Sequence[str]],
    min_patients: int,
) -> tuple[GroupVocabulary, ...]:
    """Return the groupings with one reference group each, for all metrics and labels.

    It is the one that was asked for, else that of the table's dictionary, else the group with most
    patients among the cases: all of them, as which have a value is an outcome. Where groups were
    chosen, it is one of these.

    Args:
        groupings: Groups of each attribute expression.
        references: Attribute expression -> group that fairness gaps are measured from.
        cases: Cases that are evaluated, with and without a prediction.
        patients: Case -> patient.
        choices: Attribute expression -> groups to compare; all where it is not named.
        min_patients: Groups with fewer patients are not compared.

    Raises:
        UsageError: If ``references`` or ``choices`` names an attribute or group that is not
            evaluated, or what is chosen cannot be compared.
    """
    chosen = chosen_groups(choices, groupings, cases, patients, min_patients)
    asked = _references(references, groupings, chosen)
    made = []
    for grouping in groupings:
        ours = chosen.get(grouping.expression)
        usual = grouping.reference if ours is None or grouping.reference in ours else None
        reference = asked.get(grouping.expression, usual) or _largest(
            grouping, cases, patients, ours
        )
        made.append(GroupVocabulary(grouping.expression, grouping.names, reference, ours))
    return tuple(made)


def _largest(
    grouping: Grouping,
    cases: Sequence[str],
    patients: Mapping[str, str],
    chosen: Sequence[str] | None,
) -> str:
    names = grouping.names
    sizes = [len({patients[c] for c in inside}) for inside in grouping.members(cases).values()]
    compared = [place for place, name in enumerate(names) if chosen is None or name in chosen]
    largest = reference_index(names, compared, sizes, None)
    return names[largest or 0]


def _references(
    references: Mapping[str, str],
    groupings: Sequence[Grouping],
    chosen: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Return the groups that gaps are measured from, of those who named one."""
    found = {}
    for expression, group in references.items():
        option = f"--reference {expression}={group}"
        names = find_grouping(option, expression, groupings).names
        found[expression] = find_group(option, group, expression, names)
        ours = chosen.get(expression, names)
        if found[expression] not in ours:
            raise UsageError(
                f"{option}: '{group}' is not among the groups that --groups compares: "
                f"{'; '.join(ours)}. Choose one of these, or add '{group}' to --groups."
            )
    return found


def unknown_exclusions(groupings: Sequence[Grouping], cases: Sequence[str]) -> Iterator[Exclusion]:
    """Return the cases that are in no group, by attribute."""
    for grouping in groupings:
        unknown = tuple(grouping.unknown(cases))
        if unknown:
            yield Exclusion(
                unknown_group(grouping.expression),
                unknown,
                {grouping.expression: {UNKNOWN: len(unknown)}},
            )


def group_notes(
    vocabularies: Sequence[GroupVocabulary],
    comparisons: Sequence[Comparison],
    titles: Mapping[str, str],
) -> Iterator[str]:
    """Say which groups are too small, and the consequences.

    Args:
        vocabularies: Groups of each attribute expression.
        comparisons: What was compared.
        titles: Metric -> its title.
    """
    for vocabulary in vocabularies:
        ours = [c for c in comparisons if c.attribute == vocabulary.expression]
        here = ours[0]
        if vocabulary.chosen is not None:
            yield only_chosen(vocabulary.expression, vocabulary.chosen)
        small = {
            name: reason
            for name, reason in here.left_out.items()
            if reason not in ("no cases", NOT_CHOSEN)
        }
        if small:
            listed = shorten((f"'{name}' ({reason})" for name, reason in small.items()), 3)
            yield f"'{vocabulary.expression}': too small to compare: {listed}."
        if len(here.groups) - len(here.left_out) < 2:
            yield few_groups(vocabulary.expression)
        yield from _other_references(vocabulary, ours, titles)


def _other_references(
    vocabulary: GroupVocabulary, comparisons: Sequence[Comparison], titles: Mapping[str, str]
) -> Iterator[str]:
    """Say where gaps are not measured from the reference group."""
    elsewhere: dict[str, list[str]] = {}
    for found in comparisons:
        if found.effects and found.effects[0].between[0] != vocabulary.reference:
            where = f"{titles[found.metric]} of {found.label}"
            elsewhere.setdefault(found.effects[0].between[0], []).append(where)
    for reference, places in elsewhere.items():
        few = len(places) < len(comparisons)
        yield (
            f"'{vocabulary.expression}': too few patients of the reference group "
            f"'{vocabulary.reference}' have a value"
            f"{f' ({shorten(places, 3)})' if few else ''}, so gaps"
            f"{' there' if few else ''} are measured from '{reference}'."
        )
