"""The findings of a result that may be shown, with rounded numbers and verdicts as decided.

A finding that rests on a group of which nothing may be shown is left out. Verdicts are not decided
anew from rounded numbers: the private and the shareable report of the same data agree.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

from nnunetv2_fair.evaluation.disclosure.redaction import rounded, rounded_interval
from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.group_differences import MEDIAN
from nnunetv2_fair.evaluation.findings.wording import with_sentence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import GroupStatistics


def shareable_findings(result: EvaluationResult, told: EvaluationResult) -> Iterator[Finding]:
    """Yield the findings of an evaluation that may be shown.

    Args:
        result: The evaluation.
        told: What may be shown of its comparisons.
    """
    for found in result.findings:
        groups = told.comparison(found.attribute, found.metric, found.label).groups
        about = {*found.who, *found.values, *found.n}
        if all(name in groups and _tells(groups[name], found) for name in about):
            yield _rounded(found, groups, told)


def _tells(group: GroupStatistics, found: Finding) -> bool:
    return not math.isnan(group.median if found.quantity == MEDIAN else group.mean)


def _rounded(
    found: Finding, groups: Mapping[str, GroupStatistics], told: EvaluationResult
) -> Finding:
    kept = dataclasses.replace(
        found,
        value=rounded(found.value),
        values={who: rounded(value) for who, value in found.values.items()},
        interval=rounded_interval(found.interval),
        p_value=rounded(found.p_value),
        corrected_p=rounded(found.corrected_p),
        n={who: None if groups[who].n_units is None else n for who, n in found.n.items()},
        numbers={name: rounded(value) for name, value in found.numbers.items()},
    )
    return with_sentence(kept, headline(kept, told.metric(kept.metric)))
