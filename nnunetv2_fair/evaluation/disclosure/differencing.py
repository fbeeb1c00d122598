"""Whether an earlier shareable report and a new one reveal together what each of them hides.

Two reports can be subtracted from each other: groups of one attribute by other bins differ by the
patients between them, cohorts by those who came or left, and what one report hides another may
tell. Of the earlier report only the file that was shared is known, so whoever could be the same
patient is taken to be.

- Cohorts of equal size count as the same patients. Every attribute must have the same levels in
  both reports, and either nothing is hidden in any of the two, or one of them tells no count, mean
  or median that the other does not: then the two tell as much as that one.
- Other cohorts, and every group in both, differ by nobody or by at least five patients.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten
from nnunetv2_fair.evaluation.disclosure.group_profiles import PLUS
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.paths import SUMMARY_JSON

_VALUES = ("mean", "median", "q1", "q3", "std", "worst_decile")
_CHECKED = (
    "Compared with earlier shareable reports (--against): by counts, groups and cohorts, nothing "
    "about few patients follows from them together."
)


def read_earlier(path: Path) -> EvaluationResult:
    """Read an earlier shareable report.

    Args:
        path: Its folder, or its ``summary.json``.

    Raises:
        EvaluationError: If it is missing or damaged.
        UsageError: If it is a private one.
    """
    folder = path.parent if path.name == SUMMARY_JSON else path
    found = EvaluationResult.read(folder, with_cases=False)
    if not found.shareable:
        raise UsageError(
            f"--against {path}: this is a private evaluation, not a report that was shared. Pass "
            "the folder or the summary.json that an evaluation with --shareable wrote."
        )
    return found


def shareable_beside(result: EvaluationResult, earlier: Sequence[Path]) -> EvaluationResult:
    """Return the shareable part of a result, which reveals nothing beside earlier reports either.

    Args:
        result: A result with its cases.
        earlier: Folders, or ``summary.json`` files, of shareable reports.

    Raises:
        EvaluationError: If too little can be shown, or the reports reveal something together.
        UsageError: If an earlier report is a private one.
    """
    reports = [read_earlier(path) for path in earlier]
    told = shareable(result)
    for path, report in zip(earlier, reports, strict=True):
        problems = list(together_revealed(report, told))
        if problems:
            raise EvaluationError(
                f"Beside {path}, this report would reveal something about fewer than {FEWEST} "
                f"patients: {shorten(problems, 3)}. Evaluate by the same attributes and groups as "
                "there (all of both reports at once, if the earlier one can be withdrawn), or do "
                "not share this one."
            )
    return replace(told, notes=(*told.notes, _CHECKED)) if reports else told


def together_revealed(earlier: EvaluationResult, told: EvaluationResult) -> Iterator[str]:
    """Yield what two shareable reports reveal together, in words without numbers of patients.

    Args:
        earlier: The report that was shared before.
        told: The new one.
    """
    yield from _other_levels(earlier, told)
    counts = [_counts(report) for report in (earlier, told)]
    totals = [int(report.settings["patients"]) for report in (earlier, told)]
    if totals[0] == totals[1]:
        yield from _of_same_patients(earlier, told)
        return
    if abs(totals[0] - totals[1]) < FEWEST:
        yield f"the cohorts differ by fewer than {FEWEST} patients"
    for cell in sorted(counts[0].keys() & counts[1].keys()):
        ours, theirs = (of[cell] for of in counts)
        if ours is not None and theirs is not None and 0 < abs(ours - theirs) < FEWEST:
            expression, group = cell
            name = f"'{group}' of '{expression}'" if group else f"all groups of '{expression}'"
            yield f"{name} differ by fewer than {FEWEST} patients"


def _other_levels(earlier: EvaluationResult, told: EvaluationResult) -> Iterator[str]:
    """Yield attributes that are divided in another way: groups in between can be subtracted."""
    ours, theirs = _levels(earlier), _levels(told)
    for attribute in sorted(ours.keys() & theirs.keys()):
        if ours[attribute] != theirs[attribute]:
            yield f"'{attribute}' has other groups there"


def _levels(report: EvaluationResult) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for expression in report.attributes:
        for parts in (report.parts_of(expression) or {}).values():
            for attribute, level in zip(expression.split(PLUS), parts, strict=True):
                found.setdefault(attribute, set()).add(level)
    return found


def _of_same_patients(earlier: EvaluationResult, told: EvaluationResult) -> Iterator[str]:
    ours, theirs = _told(earlier), _told(told)
    if not (_hides(earlier) or _hides(told)) or ours <= theirs or theirs <= ours:
        return
    for name, only in (("there", ours - theirs), ("here", theirs - ours)):
        expressions = shorten(sorted({f"'{expression}'" for expression, *_ in only}), 3)
        yield f"only {name} are some numbers of {expressions} told"


def _counts(report: EvaluationResult) -> dict[tuple[str, str], int | None]:
    """Return the numbers of patients of groups, and of all groups (empty name); None if hidden."""
    found: dict[tuple[str, str], int | None] = {}
    for made in report.comparisons:
        for name, group in (*made.groups.items(), ("", made.overall)):
            # what one metric tells is told, though another may hide it
            if found.get((made.attribute, name)) is None:
                found[made.attribute, name] = group.n_patients
    return found


def _told(report: EvaluationResult) -> set[tuple[str, ...]]:
    """Return which numbers are told: expression, group and what, or metric, label and what."""
    found: set[tuple[str, ...]] = {
        (*cell, "patients") for cell, count in _counts(report).items() if count is not None
    }
    for made in report.comparisons:
        where = (made.metric, made.label)
        for name, group in (*made.groups.items(), ("", made.overall)):
            for what in _VALUES:
                if not math.isnan(getattr(group, what)):
                    found.add((made.attribute, name, *where, what))
    return found


def _hides(report: EvaluationResult) -> bool:
    """Return whether any count is hidden, or somebody's group is unknown."""
    patients = report.settings["patients"]
    unknown = any(count != patients for (_, group), count in _counts(report).items() if not group)
    return unknown or None in _counts(report).values()
