import math

from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.html.planes import ModelPoint, planes
from tests.report import factories
from tests.report.html_check import Page


def point(model, gap=0.1, worst=0.7):
    around = lambda value: (value, Interval(value - 0.01, value + 0.01))  # noqa: E731
    return ModelPoint(model, around(0.8 + gap), around(gap), around(worst))


def drawn(points, baseline="a", **options):
    return Page(planes(points, factories.DICE, baseline, "A hint.", **options))


def test_every_model_has_its_letter_in_both_planes_and_in_the_key():
    page = drawn([point("a"), point("<b>", 0.02)])
    assert len(page.having("svg", "plane")) == 2
    assert [text for text in page.texts if text in ("A", "B")] == ["A", "B"] * 3
    assert "Aa (baseline)B<b>" in page.text
    assert page.text.endswith("A hint.")
    assert len(page.having("path", "arrow")) == 2


def test_a_model_called_baseline_is_not_called_so_twice():
    assert "(baseline)" not in drawn([point("baseline"), point("b")], "baseline").text


def test_without_gap_only_the_worst_group_is_drawn():
    page = drawn([point("a", math.nan)])
    assert not page.having("svg", "plane")
    one = ModelPoint("a", (0.8, Interval(0.7, 0.9)), (math.nan, Interval(0, 1)), point("").worst)
    page = drawn([one], level=4, what="method")
    assert [a["aria-label"] for a in page.having("svg", "plane")] == [
        "Utility against the worst group: overall mean Dice of each method against "
        "worst group's mean Dice"
    ]
    assert [tag for tag, _ in page.tags if tag in ("h3", "h4")] == ["h4"]
    assert planes([point("a", math.nan, math.nan)], factories.DICE, "a", "") == ""


def test_arrows_are_left_out_where_there_would_be_too_many():
    points = [point(str(i), 0.02 * i) for i in range(4)]
    assert drawn(points, "0", most_arrows=4).having("path", "arrow")
    page = drawn(points, "0", most_arrows=3)
    assert not page.having("path", "arrow")
    assert not page.having("span", "baseline")
    assert "0 (baseline)" in page.text
