"""Tests of a model's differences from the baseline, corrected for multiple testing."""

import dataclasses
import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.comparison import PairedComparison
from nnunetv2_fair.evaluation.statistics.corrections import holm


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
