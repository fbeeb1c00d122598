"""The tests of an evaluation as one family, and what effect sizes are, in words."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.statistics.corrections import holm
from nnunetv2_fair.evaluation.statistics.detectable import HALF, MOST


def correct_tests(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """Correct the tests of group differences for their number.

    A family is all tests by the same metric: those of every attribute and label. Metrics are
    views of the same masks, and their tests rise and fall together; choosing the metric that
    shows a difference needs a stricter correction.
    """
    made = list(comparisons)
    families: dict[str, list[int]] = {}
    for index, comparison in enumerate(made):
        if comparison.test is not None:
            families.setdefault(comparison.metric, []).append(index)
    for family in families.values():
        tests = {index: test for index in family if (test := made[index].test) is not None}
        corrected = holm([test.p_value for test in tests.values()])
        for (index, test), p_value in zip(tests.items(), corrected, strict=True):
            made[index] = dataclasses.replace(
                made[index],
                test=dataclasses.replace(test, corrected_p=p_value, family_size=len(family)),
            )
    return _with_corrected_measures(_with_corrected_pairs(made))


def _with_corrected_pairs(comparisons: list[Comparison]) -> list[Comparison]:
    """Correct the tests of pairs of groups: a family is all of them by the same metric."""
    families: dict[str, list[tuple[int, int]]] = {}
    for index, comparison in enumerate(comparisons):
        for position, pair in enumerate(comparison.pairs):
            if not math.isnan(pair.test.p_value):
                families.setdefault(comparison.metric, []).append((index, position))
    pairs = [list(comparison.pairs) for comparison in comparisons]
    for family in families.values():
        corrected = holm([pairs[index][position].test.p_value for index, position in family])
        for (index, position), p_value in zip(family, corrected, strict=True):
            pair = pairs[index][position]
            test = dataclasses.replace(pair.test, corrected_p=p_value, family_size=len(family))
            pairs[index][position] = dataclasses.replace(pair, test=test)
    return [
        dataclasses.replace(comparison, pairs=tuple(found))
        for comparison, found in zip(comparisons, pairs, strict=True)
    ]


def _with_corrected_measures(comparisons: list[Comparison]) -> tuple[Comparison, ...]:
    """Correct the p-values of measures over all groups: a family for each measure and metric."""
    families: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, comparison in enumerate(comparisons):
        for position, gap in enumerate(comparison.gaps):
            families.setdefault((comparison.metric, gap.name), []).append((index, position))
    gaps = [list(comparison.gaps) for comparison in comparisons]
    for family in families.values():
        corrected = holm([gaps[index][position].p_value for index, position in family])
        for (index, position), p_value in zip(family, corrected, strict=True):
            gaps[index][position] = dataclasses.replace(gaps[index][position], corrected_p=p_value)
    return tuple(
        dataclasses.replace(comparison, gaps=tuple(found))
        for comparison, found in zip(comparisons, gaps, strict=True)
    )


def definitions(confidence: float) -> Mapping[str, str]:
    """Return what effect sizes and corrected p-values are, in words."""
    return {
        "corrected_p": "p-value corrected by Holm's method over all tests by the same metric "
        "(every attribute and label): if no groups differ at all, the chance that any of these "
        f"corrected values is below {1 - confidence:.2g} is at most {1 - confidence:.2g}.",
        "pair_tests": "Of more than two groups, every two are tested as two groups are, corrected "
        "by Holm's method over the pairs of all attributes and labels by the same metric.",
        "cliffs_delta": "Cliff's delta: the share of pairs, one patient or case of each group, in "
        "which the reference group has the higher value, minus the share in which it has the "
        "lower one; 0 is no difference, 1 and -1 are complete separation. Its interval is that of "
        "resampled units, and at least as wide as Newcombe's score interval. None is given where "
        "all values of one group are equal.",
        "detectable_gap": "Gap of the two groups' medians that would be shown with "
        f"{MOST:.0%} probability, and below it the one with {HALF:.0%}: the rule of the verdict "
        "(the test after correction, and the interval) is tried on these data, with the other "
        "group made worse by a gap. A smaller true gap is often missed.",
    }
