"""What gaps are adjusted for: columns of the table, checked before anything is measured."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nnunetv2_fair.errors import UsageError, did_you_mean, shorten, shorten_lines
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.group_comparison import reference_index
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.subgroups.table import DemographicsTable


def confounders_of(
    table: DemographicsTable,
    names: Sequence[str],
    groupings: Sequence[Grouping],
    vocabularies: Sequence[GroupVocabulary],
    cases: Sequence[str],
    min_patients: int,
) -> dict[str, dict[str, str | float]]:
    """Return the confounders of every case.

    Args:
        table: Demographics.
        names: Columns to adjust for.
        groupings: Groups that are compared.
        vocabularies: Which of them gaps are measured from, and which are chosen.
        cases: Cases that are evaluated.
        min_patients: Groups with fewer patients are not compared.

    Returns:
        Name -> case -> a number of a numeric attribute, text of any other.

    Raises:
        UsageError: If a column does not exist, is compared itself, has no value for some case, or
            two groups have no value of it, or no combination of values, in common; all problems at
            once.
    """
    problems = []
    found: dict[str, dict[str, str | float]] = {}
    categories: dict[str, np.ndarray] = {}
    by_expression = {v.expression: v for v in vocabularies}
    group_of = [(g, by_expression[g.expression]) for g in groupings]
    for name in dict.fromkeys(names):
        wrong = list(_problems(table, name, groupings, cases))
        if not wrong:
            text = table.frame.loc[list(cases), name].to_numpy(dtype=object)
            numeric = table.schema[name].type == "numeric"
            values = text.astype(float) if numeric else text.astype(str)
            found[name] = dict(zip(cases, values.tolist(), strict=True))
            if not numeric:
                categories[name] = values
            wrong = list(_apart(table, (name,), values, group_of, cases, min_patients))
        problems += wrong
    if not problems and len(categories) > 1:
        together = np.empty(len(cases), dtype=object)
        together[:] = list(zip(*categories.values(), strict=True))
        problems += _apart(table, tuple(categories), together, group_of, cases, min_patients)
    if problems:
        listed = shorten_lines(problems)
        raise UsageError(
            f"{problems[0]}." if len(problems) == 1 else f"Gaps cannot be adjusted:\n{listed}"
        )
    return found


def terms_of(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the terms of confounders in a model: (n, terms).

    A number has itself and its square, anything else one indicator per value but the first.
    """
    terms: list[np.ndarray] = []
    for column in columns.values():
        if column.dtype.kind == "f":
            spread = column.std()
            scaled = (column - column.mean()) / (spread if spread > 0 else 1.0)
            terms += [scaled, scaled**2]
        else:
            terms += [(column == value).astype(float) for value in np.unique(column)[1:]]
    return np.column_stack(terms)


def _problems(
    table: DemographicsTable, name: str, groupings: Sequence[Grouping], cases: Sequence[str]
) -> Iterator[str]:
    if name not in table.schema.attributes:
        known = shorten(table.schema.attributes, 12)
        yield (
            f"--adjust {name}: {table.source} has no column '{name}'."
            f"{did_you_mean(name, table.schema.attributes)} Attributes: {known}"
        )
        return
    for grouping in groupings:
        if name in grouping.expression.split(INTERSECTION):
            yield (
                f"--adjust {name}: '{grouping.expression}' is compared, and cannot be adjusted "
                "for itself; leave one of them out"
            )
    text = table.frame.loc[list(cases), name]
    unknown = list(text.index[text == ""])
    if unknown:
        yield (
            f"--adjust {name}: {len(unknown)} of {len(cases)} cases have no value "
            f"({shorten(unknown)}); fill the cells, or leave out --adjust {name}"
        )


def _apart(
    table: DemographicsTable,
    names: Sequence[str],
    values: np.ndarray,
    groupings: Sequence[tuple[Grouping, GroupVocabulary]],
    cases: Sequence[str],
    min_patients: int,
) -> Iterator[str]:
    """Yield pairs of groups, the reference and another, that have no value in common."""
    patients = table.patients
    option = f"--adjust {' '.join(names)}"
    listed = " and ".join(f"'{name}'" for name in names)
    what = f"values of {listed}" if len(names) == 1 else f"combination of {listed}"
    for grouping, wanted in groupings:
        group = np.array([grouping.group_of[case] or "" for case in cases], dtype=object)
        sizes = [
            len({patients[c] for c, inside in zip(cases, group == g, strict=True) if inside})
            for g in grouping.names
        ]
        chosen = grouping.names if wanted.chosen is None else wanted.chosen
        large = [
            index
            for index, size in enumerate(sizes)
            if size >= min_patients and grouping.names[index] in chosen
        ]
        measured_from = reference_index(grouping.names, large, sizes, wanted.reference)
        if measured_from is None:
            continue
        reference = grouping.names[measured_from]
        theirs = values[group == reference]
        for other in (grouping.names[index] for index in large):
            ours = values[group == other]
            if other != reference and not _in_common(ours, theirs):
                yield (
                    f"{option}: '{other}' and '{reference}' ({grouping.expression}) have no "
                    f"{what} in common, so nobody can be compared with anybody; leave out "
                    f"{option if len(names) == 1 else 'one of them'}, or compare other groups"
                )


def _in_common(ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.dtype.kind == "f":
        return bool(max(ours.min(), theirs.min()) <= min(ours.max(), theirs.max()))
    return bool(set(ours) & set(theirs))


def log_size(voxels: np.ndarray) -> np.ndarray:
    """Return the logarithm of sizes; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(voxels > 0, np.log(voxels), math.nan)
