"""Every two of more than two groups, tested as a comparison of two groups is."""

import itertools
from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.groups import PairTest
from nnunetv2_fair.evaluation.statistics.dominance import cliffs_delta
from nnunetv2_fair.evaluation.statistics.rank_tests.group_tests import group_test


def pair_tests(
    units: Units, groups: Sequence[int], names: Sequence[str], generator: np.random.Generator
) -> tuple[PairTest, ...]:
    """Test every two groups; p-values are not yet corrected.

    Args:
        units: Values per unit.
        groups: Groups that are compared, each with at least one unit.
        names: Names of all groups.
        generator: Source of randomness.

    Returns:
        The pairs in the order of the groups; none for fewer than three groups, where the test of
        all groups is the one of the pair.
    """
    if len(groups) < 3:
        return ()
    made = []
    for pair in itertools.combinations(groups, 2):
        test = group_test(units, pair, generator)
        (first, weights), (second, others) = (units.spread_out(index) for index in pair)
        if test is not None:
            delta = cliffs_delta(first, second, weights=(weights, others))
            made.append(PairTest((names[pair[0]], names[pair[1]]), delta, test))
    return tuple(made)
