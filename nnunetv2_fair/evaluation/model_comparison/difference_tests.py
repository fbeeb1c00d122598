"""Tests of a model's differences from the baseline, corrected for multiple testing."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import scipy.stats

from nnunetv2_fair.evaluation.results.comparison import PairedComparison
from nnunetv2_fair.evaluation.statistics.corrections import holm

#: Up to this many changes the signed-rank test is exact.
_MOST_EXACT = 50


def signed_rank(changes: np.ndarray) -> float:
    """Return the p-value of the two-sided Wilcoxon signed-rank test; 1 if nothing changed.

    Zeros are dropped. Up to 50 changes the test is exact, also with ties; beyond it uses the normal
    approximation.

    Args:
        changes: One difference per unit.

    Returns:
        The p-value; NaN if a difference is undefined or there are none.

    Source: Wilcoxon, Individual comparisons by ranking methods, 1945.
    """
    if not changes.size or np.isnan(changes).any():
        return math.nan
    changes = changes[changes != 0]
    if not changes.size:
        return 1.0
    if changes.size > _MOST_EXACT:
        return float(scipy.stats.wilcoxon(changes, method="approx").pvalue)
    # scipy's exact test enumerates all signs if there are ties; sums of ranks are few. Twice the
    # ranks are whole numbers: sums[k] counts the sign patterns with positive rank sum k / 2.
    ranks = np.rint(2 * scipy.stats.rankdata(np.abs(changes))).astype(int)
    sums = np.zeros(ranks.sum() + 1)
    sums[0] = 1
    for rank in ranks:
        sums[rank:] += sums[:-rank].copy()
    positive = ranks[changes > 0].sum()
    tail = min(sums[: positive + 1].sum(), sums[positive:].sum())
    return min(1.0, float(2 * tail / sums.sum()))


def corrected_tests(entries: Sequence[PairedComparison]) -> tuple[PairedComparison, ...]:
    """Return the entries with the tests of each metric corrected for their number."""
    places: dict[str, list[tuple[int, str, str | None]]] = {}
    for index, entry in enumerate(entries):
        for model, found in entry.differences.items():
            for group in (None, *found.groups):
                places.setdefault(entry.metric, []).append((index, model, group))
    made = [dict(entry.differences) for entry in entries]
    for family in places.values():
        tests = [
            made[index][model].overall if group is None else made[index][model].groups[group]
            for index, model, group in family
        ]
        corrected = holm([math.nan if t.p_value is None else t.p_value for t in tests])
        for (index, model, group), test, p_value in zip(family, tests, corrected, strict=True):
            found = made[index][model]
            changed = dataclasses.replace(test, corrected_p=p_value)
            made[index][model] = (
                dataclasses.replace(found, overall=changed)
                if group is None
                else dataclasses.replace(found, groups={**found.groups, group: changed})
            )
    return tuple(
        dataclasses.replace(entry, differences=differences)
        for entry, differences in zip(entries, made, strict=True)
    )
