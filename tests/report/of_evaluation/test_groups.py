import dataclasses
import math

from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    PairEffect,
)
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_evaluation.groups import group_table
from nnunetv2_fair.report.terminal.evaluation import console_table
from tests.report import factories
from tests.report.html_check import Page

NAN = math.nan
WOMEN = GroupStatistics(
    8, 6, 0, 0, 0.701, 0.712, 0.65, 0.76, 0.1, Interval(0.672, 0.731), Interval(0.69, 0.74), 6
)
MEN = GroupStatistics(
    12, 9, 1, 2, 0.803, 0.823, 0.78, 0.861, 0.1, Interval(0.78, 0.83), Interval(0.8, 0.84), 9
)
FEW = GroupStatistics(
    2, 2, 0, 0, 0.5, 0.5, 0.4, 0.6, 0.1, factories.NO_INTERVAL, factories.NO_INTERVAL, 2
)
NONE = GroupStatistics(
    0, 0, 0, 0, NAN, NAN, NAN, NAN, NAN, factories.NO_INTERVAL, factories.NO_INTERVAL
)


def small_result() -> EvaluationResult:
    groups = {"female": WOMEN, "male": MEN, "diverse": FEW, "unasked": NONE}
    gaps = (
        Gap("fairness_gap", 0.111, Interval(-0.041, 0.172), ("male", "female")),
        Gap("ser", 1.6271, Interval(1.2, 2.1), ("female", "male")),
        Gap("delta", NAN, factories.NO_INTERVAL, ("female", "male")),
    )
    left_out = {"diverse": "2 patients, fewer than 5", "unasked": "no cases"}
    dice = Comparison(
        "sex", "dice", "nodule", MEN, groups, left_out, gaps, GroupTest("Mann-Whitney U", 7, 0.0321)
    )
    far = dataclasses.replace(
        MEN, median=math.inf, mean=math.inf, mean_interval=Interval(9.5, math.inf)
    )
    hd95 = dataclasses.replace(
        dice, metric="hd95", groups={**groups, "male": far}, gaps=(), test=None,
        left_out={**left_out, "female": "no case has a defined value"},
    )  # fmt: skip
    frame = factories.two_groups(size=5).per_case
    return with_findings(EvaluationResult(
        "x", frame, (factories.DICE, factories.HD95), ("nodule",), ("sex",), (dice, hd95),
        definitions=factories.DEFINITIONS,
    ))  # fmt: skip


def table(result, attribute="sex", label="nodule"):
    terms = Terms(result.metrics, result.definitions)
    return Page(group_table(result, attribute, label, terms, Downloads()))


def test_group_table_has_every_group_count_and_number():
    page = table(small_result())
    for text in (
        "female 6 patients, 8 cases worst cases", "0.712 0.650 to 0.760", "0.701 0.672 to 0.731",
        "Compared with malefemale0.111 worse 0.041 better to 0.172 worse",
        "1.627 1.200 to 2.100", "p = 0.032", "not compared: 2 patients, fewer than 5",
    ):  # fmt: skip
        assert text in page.text
    assert len(page.having("tr", "small")) == 2


def test_undefined_and_infinite_values_explain_themselves():
    page = table(small_result())
    titles = {a.get("title") for t, a in page.tags if t == "span"}
    assert "no cases" in titles
    assert "infinite: a prediction or reference is empty" in titles
    assert "not defined for distances" in titles
    assert "\N{EN DASH}" in page.text
    assert "\N{INFINITY}" in page.text
    assert "nan" not in page.text
    assert "inf " not in page.text


def test_remarks_say_what_was_left_out_and_replaced():
    text = table(small_result()).text
    assert "Dice: 1 case of male undefined and left out." in text
    assert (
        "HD95: 2 cases of male infinite (one mask empty) and replaced by the image diagonal."
        in text
    )
    assert "HD95: female is not compared: no case has a defined value." in text


def test_without_measures_the_table_says_so():
    result = factories.make_result({"sex": ("a", "b")}, {"a": 9, "b": 2})
    page = table(result)
    assert "No measure can be computed: fewer than two groups are large enough" in page.text


def test_further_measures_are_folded():
    page = table(small_result())
    shown, folded = page.text.split("Further measures of the differences")
    shown = shown.partition("Differences between the groups")[2]
    assert "Compared with" in shown
    assert "Compared with" not in folded
    assert "SER" not in shown
    assert "SER" in folded


def test_terms_link_to_definitions():
    page = table(small_result())
    terms = page.having("a", "term")
    titles = {a["title"] for a in terms}
    assert factories.DEFINITIONS["ser"] in titles
    assert any("Higher is better." in title for title in titles)


def test_effects_and_corrected_tests_have_rows():
    result = small_result()
    made = []
    for comparison in result.comparisons:
        unit = result.metric(comparison.metric).unit
        effect = PairEffect(
            ("male", "female"), -0.21 if unit else 0.31, Interval(0.1, 0.5) if not unit else
            Interval(-0.4, 0.1), 12.345 if unit else 0.0456,
        )  # fmt: skip
        test = GroupTest("Mann-Whitney U", 3.0, 0.0321, 0.0642, 6)
        made.append(dataclasses.replace(comparison, effects=(effect,), test=test))
    page = table(dataclasses.replace(result, comparisons=tuple(made)))
    for text in (
        "Cliff's delta male \N{MINUS SIGN} female+0.310 +0.100 to +0.500",
        "Detectable difference male \N{MINUS SIGN} female0.046",
        "p = 0.032 p = 0.064 for 6 tests",
    ):
        assert text in page.text
    assert "12.3" in page.text
    text = console_table(dataclasses.replace(result, comparisons=tuple(made)), "sex")
    assert "  Mann-Whitney U: p = 0.032, corrected p = 0.064\n" in text
    assert (
        "  Cliff's delta male - female: +0.310 [0.100 to 0.500], detectable difference 0.046\n"
    ) in text


def test_measures_stand_beside_what_they_are_by_chance():
    result = small_result()
    gap = Gap(
        "delta", 0.1021, Interval(0, 0.2), ("female", "male"),
        by_chance=0.0874, p_value=0.3214, corrected_p=0.9642,
    )  # fmt: skip
    comparison = dataclasses.replace(result.comparisons[0], gaps=(gap,))
    page = table(dataclasses.replace(result, comparisons=(comparison,)))
    assert "by chance 0.087, p = 0.321 (corrected: p = 0.964)" in page.text
    assert "what it is by chance" in page.text
    alone = dataclasses.replace(gap, corrected_p=gap.p_value)
    comparison = dataclasses.replace(result.comparisons[0], gaps=(alone,))
    page = table(dataclasses.replace(result, comparisons=(comparison,)))
    assert "by chance 0.087, p = 0.321" in page.text
    assert "corrected" not in page.text
    assert "by chance" not in table(result).text


def test_shrunken_mean_and_worst_tenth_stand_below_the_mean():
    result = small_result()
    women = dataclasses.replace(WOMEN, shrunken_mean=0.7321, worst_decile=0.5512)
    men = dataclasses.replace(MEN, worst_decile=0.6612)
    groups = {**result.comparisons[0].groups, "female": women, "male": men}
    comparison = dataclasses.replace(result.comparisons[0], groups=groups)
    page = table(dataclasses.replace(result, comparisons=(comparison,)))
    assert "shrunken 0.732 worst tenth 0.551" in page.text
    assert "worst tenth 0.661" in page.text
    assert page.text.count("shrunken 0.") == 1
