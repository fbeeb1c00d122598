"""Whether a model errs in other places along the outline for one group than for another.

A difference is ``shown`` if the permutation test over patients rejects after Holm's correction over
all labels and pairs of groups of the attribute. The test itself is corrected for all places along
the outline. Measured (``benchmarks/boundary_maps.py``) on equal means, 12 and 60 places, 5 to 200
patients in a group, equal and unequal spread: ``shown`` in 0.040 to 0.063 of results.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, test_words, with_sentence
from nnunetv2_fair.evaluation.results.boundary_maps import (
    BOUNDARY_ERROR,
    BoundaryDifference,
    BoundaryMap,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What the findings of this kind compare.
PLACE = "place_of_errors"

_TEST = "minP permutation test"


def boundaries(result: EvaluationResult) -> Iterator[Finding]:
    """Yield what every difference of two boundary maps shows."""
    level = confidence(result.settings)
    for found in result.boundary_maps:
        for difference in found.differences:
            finding = _finding(found, difference, level)
            yield with_sentence(finding, headline(finding, result.metric(finding.metric)))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence.

    Args:
        finding: A finding of this kind.
        metric: Signed boundary errors.
    """
    first, second = map(Data, finding.between)
    outline: list[str] = ["the outline of ", Data(finding.label)]
    if finding.verdict == "not_comparable":
        return ["Where errors lie along ", *outline, " cannot be compared between ", first,
                " and ", second, f": {finding.reason}."]  # fmt: skip
    if finding.verdict == "not_shown":
        return ["No place along ", *outline, " could be shown where errors differ between ",
                first, " and ", second, f" (smallest {test_words(finding)})."]  # fmt: skip
    sides = [_side(finding.values[name], metric.unit) for name in finding.between]
    place = place_words(finding.numbers)
    return ["Errors along ", *outline, " differ between ", first, " and ", second,
            f", most clearly {place}: the predicted outline lies on average {sides[0]} for ", first,
            f" and {sides[1]} for ", second, f" ({test_words(finding)})."]  # fmt: skip


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    if finding.verdict != "shown":
        return [f"no place shown where errors differ ({test_words(finding)})"]
    size = numbers.with_unit(abs(finding.value), metric.unit)
    place = place_words(finding.numbers)
    return [f"errors differ by {size} {place} ({test_words(finding)})"]


def places_shown(difference: BoundaryDifference, level: float) -> tuple[tuple[bool, ...], ...]:
    """Return in which cells the difference of two groups is shown.

    A cell's p-value is corrected for the cells of its own pair of groups. What Holm's method makes
    of the pair's smallest p-value, it makes of all of them, so that a cell is not shown where the
    pair is not.

    Args:
        difference: Of two boundary maps.
        level: Confidence level.
    """
    for_the_family = difference.corrected_p / difference.p_value  # NaN without a test: nothing
    return tuple(tuple(p * for_the_family < 1 - level for p in row) for row in difference.p_values)


def place_words(place: Mapping[str, float]) -> str:
    """Return a place along an outline in words.

    Args:
        place: ``hour`` 1 to 12; ``row`` from 1, of ``rows`` parts of the slices; ``inner`` 1 if
            it is on the inner outline.
    """
    inner = "on the inner outline " if place["inner"] else ""
    at = f"{inner}at {place['hour']:.0f} o'clock"
    if place["rows"] == 1:
        return at
    return f"{at} in part {place['row']:.0f} of {place['rows']:.0f} of the slices"


def _side(error: float, unit: str) -> str:
    size = numbers.with_unit(abs(error), unit)
    if numbers.is_zero(error, unit):
        return "on that of the reference"
    return f"{size} {'beyond' if error > 0 else 'inside'} that of the reference"


def _finding(found: BoundaryMap, difference: BoundaryDifference, level: float) -> Finding:
    """Return the finding, not yet in words, on the place where groups differ most clearly."""
    about = Finding(
        kind="boundary",
        verdict="not_comparable",
        attribute=found.attribute,
        metric=BOUNDARY_ERROR,
        label=found.label,
        quantity=PLACE,
        who=difference.between,
        between=difference.between,
        confidence=level,
        n={name: found.n_patients[name] for name in difference.between},
        reason=difference.reason,
    )
    if math.isnan(difference.p_value):
        return about
    _, _, row, hour = min(
        (p, -abs(difference.difference[row][hour]), row, hour)
        for row, cells in enumerate(difference.p_values)
        for hour, p in enumerate(cells)
        if not math.isnan(p)
    )
    return dataclasses.replace(
        about,
        verdict="shown" if difference.corrected_p < 1 - level else "not_shown",
        values={name: found.errors[name][row][hour] for name in difference.between},
        value=difference.difference[row][hour],
        test=_TEST,
        p_value=difference.p_value,
        corrected_p=difference.corrected_p,
        family_size=difference.family_size,
        numbers={
            "hour": float(hour or 12),
            "row": float(row % found.rows + 1),
            "rows": float(found.rows),
            "inner": float(row // found.rows),
        },
    )
