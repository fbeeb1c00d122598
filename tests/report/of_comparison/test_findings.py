"""What the comparison's headlines say, word by word."""

import dataclasses
import math

from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.comparison import (
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.of_comparison.findings import GapChange, find_change, is_better
from tests.report import factories

NAN = math.nan
ANY = Interval(0.1, 0.2)


def scores(overall, female, male, gap):
    worst = min((female, "female"), (male, "male"))
    return ModelScores(
        overall, ANY, {"female": female, "male": male}, {"female": ANY, "male": ANY},
        worst[1], worst[0], {"delta": (gap, ANY)},
    )  # fmt: skip


def difference(value, half=0.01, p=None):
    return Difference(value, Interval(value - half, value + half), p)


def comparison(base, own, differences, metric=factories.DICE):
    entry = PairedComparison(
        "sex", metric.name, "nodule", {"plain": base, "balanced": own}, {"balanced": differences}
    )
    result = ModelComparison(
        ("plain", "balanced"), "plain", (metric,), ("nodule",), ("sex",), (entry,),
        settings={"confidence": 0.9},
    )  # fmt: skip
    return find_change(result, entry, "balanced")


BASE = scores(0.75, 0.70, 0.80, 0.10)


def test_smaller_gap_with_a_gain():
    found = comparison(
        BASE,
        scores(0.775, 0.76, 0.79, 0.03),
        ModelDifferences(
            difference(0.025, p=0.0004),
            {"female": difference(0.06), "male": difference(-0.005)},
            difference(0.06),
            {"delta": difference(-0.07)},
        ),
    )
    assert found.change is GapChange.SMALLER
    assert plain(found.gap) == (
        "With balanced, the gap between the best and the worst group of sex is smaller: 0.030 "
        "instead of 0.100 in mean Dice (change −0.070, 90% interval −0.080 to −0.060)."  # noqa: RUF001
    )
    assert [plain(detail) for detail in found.details] == [
        "The overall mean Dice is better: 0.775 instead of 0.750 (change +0.025, 90% interval "
        "+0.015 to +0.035, p < 0.001).",
        "The worst group's mean (female) is better: 0.760 instead of 0.700 (change +0.060, 90% "
        "interval +0.050 to +0.070).",
    ]


def test_smaller_gap_because_others_lose_is_said():
    found = comparison(
        BASE,
        scores(0.70, 0.70, 0.71, 0.01),
        ModelDifferences(
            difference(-0.05, p=0.001),
            {"female": difference(0.0), "male": difference(-0.09)},
            difference(0.0),
            {"delta": difference(-0.09)},
        ),
    )
    assert found.change is GapChange.LEVELLED_DOWN
    assert "The overall mean Dice is worse" in plain(found.details[0])
    assert "is not shown to change" in plain(found.details[1])
    assert plain(found.details[2]) == (
        "The gap shrinks because better-off groups lose, not because the worst group is shown to "
        "gain."
    )


def test_larger_gap_and_another_worst_group():
    found = comparison(
        BASE,
        scores(0.75, 0.85, 0.60, 0.25),
        ModelDifferences(difference(0.0, p=0.5), {}, difference(-0.1), {"delta": difference(0.15)}),
    )
    assert found.change is GapChange.LARGER
    assert "of sex is larger: 0.250 instead of 0.100" in plain(found.gap)
    assert "The worst group's mean (female before, male now) is worse" in plain(found.details[1])


def test_no_change_shown():
    found = comparison(
        BASE,
        scores(0.75, 0.71, 0.80, 0.09),
        ModelDifferences(difference(0.0), {}, difference(0.01), {"delta": difference(-0.01, 0.05)}),
    )
    assert found.change is GapChange.NOT_SHOWN
    assert plain(found.gap).startswith("With balanced, no change of the gap")
    assert "could be shown: 0.090 instead of 0.100" in plain(found.gap)


def test_not_comparable():
    nothing = Difference(NAN, Interval(NAN, NAN))
    own = dataclasses.replace(BASE, worst_group="", worst_group_mean=NAN)
    found = comparison(BASE, own, ModelDifferences(nothing, {}, nothing, {"delta": nothing}))
    assert found.change is GapChange.NOT_COMPARABLE
    assert "fewer than two groups are large enough" in plain(found.gap)
    assert plain(found.details[0]) == "The overall mean Dice cannot be compared."


def test_of_distances_lower_is_better():
    assert is_better(difference(-2.0, 1.0), factories.HD95) is True
    assert is_better(difference(2.0, 1.0), factories.HD95) is False
    assert is_better(difference(2.0, 3.0), factories.HD95) is None
    assert is_better(difference(2.0, 1.0), factories.DICE) is True
