"""Whether a decision at a threshold would change with the predicted mask, by group."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.failures.exact_tests import equal_proportions_test
from nnunetv2_fair.evaluation.failures.proportions import (
    Counts,
    effective_counts,
    wilson_interval,
)
from nnunetv2_fair.evaluation.results.downstream.comparison import Decisions, GroupDecisions
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL


def decisions_of(
    members: Mapping[str, pd.DataFrame],
    threshold: float,
    compared: Sequence[str],
    person: str,
    confidence: float,
    generator: np.random.Generator,
) -> Decisions:
    """Return how often reference and prediction lie on two sides of a threshold.

    Args:
        members: Group -> its rows of the table of cases, all with a value.
        threshold: Values below it are on one side.
        compared: Groups that are large enough to be compared.
        person: Column whose values are counted: ``patient`` or ``case``.
        confidence: Coverage of the intervals.
        generator: Source of random tables for more than two groups.
    """
    found = {name: _group(rows, threshold, person, confidence) for name, rows in members.items()}
    test = None
    if len(compared) > 1:
        test = equal_proportions_test([found[name][1] for name in compared], generator)
    return Decisions(float(threshold), {name: group for name, (group, _) in found.items()}, test)


def _group(
    rows: pd.DataFrame, threshold: float, person: str, confidence: float
) -> tuple[GroupDecisions, Counts]:
    """Return the decisions of a group, and the counts that they are worth."""
    if not len(rows):
        return GroupDecisions(0, 0, 0, math.nan, NO_INTERVAL), Counts(0, 0)
    below = [rows[which].to_numpy(float) < threshold for which in ("reference", "prediction")]
    units, _ = pd.factorize(rows[person])
    cases = np.bincount(units)
    upward, downward = (
        np.bincount(units, weights=changed)
        for changed in (below[0] & ~below[1], ~below[0] & below[1])
    )
    shares = (upward + downward) / cases
    counts = effective_counts(shares, len(rows))
    rate = float(shares.mean())
    interval = wilson_interval(rate, counts.n, confidence)
    group = GroupDecisions(
        len(shares), int((upward > 0).sum()), int((downward > 0).sum()), rate, interval
    )
    return group, counts
