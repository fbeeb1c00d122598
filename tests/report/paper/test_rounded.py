import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.results.groups import Gap
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval
from nnunetv2_fair.report.paper.rounded import printable_numbers
from tests.report.factories import two_groups


def rounded(**changes):
    """Return what is printed of a shareable result whose first finding has these numbers."""
    result = dataclasses.replace(two_groups(), shareable=True)
    first = dataclasses.replace(result.findings[0], **changes)
    result = dataclasses.replace(result, findings=(first, *result.findings[1:]))
    return printable_numbers(result).findings[0]


def test_a_private_result_stays_as_it_is():
    result = two_groups()
    assert printable_numbers(result) is result


@pytest.mark.parametrize(
    ("interval", "value", "shown"),
    [
        (Interval(0.01, 0.03), 0.02, True),
        (Interval(0.0, 0.0), 0.0, False),  # no width
        (Interval(0.02, 0.02), 0.02, False),
        (Interval(0.0, 0.01), 0.02, False),  # the value lies outside
        (Interval(0.0, 0.01), math.nan, False),  # the value is hidden
    ],
)
def test_intervals_that_rounding_made_untrue(interval, value, shown):
    found = rounded(interval=interval, value=value, verdict="not_shown", direction="")
    assert found.interval == (interval if shown else NO_INTERVAL)
    assert ("95% interval" in found.sentence) == shown
    assert ("no interval shown" in found.sentence) != shown


def test_a_gap_that_is_shown_is_not_zero():
    found = rounded(value=0.0, verdict="shown", direction="worse")
    assert "gap hidden" in found.sentence
    assert "gap 0.000" not in found.sentence


def test_values_do_not_contradict_who_is_worse():
    result = two_groups()
    first = result.findings[0]
    worse, better = first.who
    found = rounded(values={worse: 0.9, better: 0.8})
    assert "Dice hidden against hidden" in found.sentence
    same = rounded(values={worse: 0.9, better: 0.9})
    assert "Dice 0.900 against 0.900" in same.sentence


def test_no_gap_is_said_to_fit_that_may_be_too_small():
    found = rounded(verdict="not_shown", direction="", numbers={**two_groups().findings[0].numbers,
                                                                "fitting_gap": 0.0})  # fmt: skip
    assert "would fit" not in found.sentence
    assert "does not prove that there is none" in found.sentence


def test_a_test_without_p_is_not_told():
    assert "p \N{EN DASH}" not in rounded(p_value=math.nan, corrected_p=math.nan).sentence


def test_quartiles_and_gaps_of_the_tables():
    result = dataclasses.replace(two_groups(), shareable=True)
    comparison = result.comparisons[0]
    group = dataclasses.replace(comparison.overall, q1=0.9, median=0.8, q3=0.95)
    gap = Gap("fairness_gap", 0.5, Interval(0.0, 0.1), ("male", "female"))
    changed = dataclasses.replace(comparison, overall=group, gaps=(gap,))
    shown = printable_numbers(dataclasses.replace(result, comparisons=(changed,))).comparisons[0]
    assert math.isnan(shown.overall.q1)
    assert math.isnan(shown.overall.q3)
    assert shown.gaps[0].interval == NO_INTERVAL
    assert shown.gaps[0].value == 0.5
