import dataclasses
import math
import re

import pytest

from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.of_evaluation.heatmap import heatmap, parts_of
from tests.report import factories
from tests.report.html_check import Page


def cells(result, attribute="sex+age"):
    label = result.headline_label
    page = Page(heatmap(result, result.comparison(attribute, "dice", label), Downloads()))
    return page, [a for t, a in page.tags if t == "td"][1:]


def test_every_intersection_has_its_cell_with_mean_and_count():
    result = factories.full()
    page, found = cells(result)
    groups = result.comparison("sex+age", "dice", "average").groups
    assert len(found) == len(groups) == 6
    for group, statistics in groups.items():
        if statistics.n_cases:
            assert f"{statistics.mean:.3f} n = {statistics.n_patients}" in page.text, group
    assert "<5050-64>=65" in page.text  # the order of the dictionary, not of the alphabet


def test_small_and_empty_cells_are_marked_and_not_coloured():
    page, found = cells(factories.full())
    assert len(page.having("td", "few")) == 1
    assert len(page.having("td", "none")) == 1
    assert "not compared" in page.text
    assert "no cases" in page.text
    coloured = [a for a in found if a.get("style")]
    assert len(coloured) == 4


def test_the_worst_cell_has_the_strongest_colour():
    result = factories.full()
    comparison = result.comparison("sex+age", "dice", "average")
    _, found = cells(result)
    shares = [float(a["style"].split(":")[1]) for a in found if a.get("style")]
    means = [g.mean for n, g in comparison.groups.items() if n not in comparison.left_out]
    assert shares.index(max(shares)) == means.index(min(means))
    best, worst = 0.04, 0.6  # of a Dice of 1 and of 0, whatever the groups have
    found = [m for n, g in comparison.groups.items() if n not in comparison.left_out
             for m in [g.mean]]  # fmt: skip
    assert shares == pytest.approx([best + (1 - m) * (worst - best) for m in found], abs=0.006)
    far = Page(heatmap(result, result.comparison("sex+age", "hd95", "average"), Downloads()))
    styles = [a["style"] for t, a in far.tags if t == "td" and a.get("style", "").startswith("--")]
    shares = [float(s.split(":")[1]) for s in styles]
    assert shares.index(max(shares)) == means.index(min(means))


@pytest.mark.parametrize("attribute", ["sex", "age"])
def test_only_for_two_attributes(attribute):
    result = factories.full()
    assert heatmap(result, result.comparison(attribute, "dice", "average"), Downloads()) == ""
    assert parts_of("a+b+c") == ("a", "b", "c")


def test_levels_with_commas_are_laid_out_as_all_others():
    result = factories.make_result({"x": ("a", "a, b"), "y": ("c", "b, c")}, 6, {"a, b": 0.2},
                                   attributes=("x+y",))  # fmt: skip
    page, found = cells(result, "x+y")
    assert [a for a in found if not a.get("style")] == []
    means = [s.mean for s in result.comparisons[0].groups.values()]
    text = page.text.split("n counts patients with a value.")[1]
    assert text.startswith("cb, ca")
    assert re.findall(r"0\.\d{3}(?= n = 6)", text) == [f"{mean:.3f}" for mean in means]


def test_a_result_that_does_not_say_the_levels_is_not_laid_out():
    result = dataclasses.replace(factories.full(), group_parts={})
    comparison = result.comparison("sex+age", "dice", result.headline_label)
    page = Page(heatmap(result, comparison, Downloads()))
    assert "Evaluate again to see them as a grid" in page.text
    assert not page.having("table", "heat")
    assert (
        heatmap(result, result.comparison("sex", "dice", result.headline_label), Downloads()) == ""
    )


def test_unknown_people_as_a_group_of_their_own_have_no_cell():
    result = factories.full()
    comparison = result.comparison("sex+age", "dice", "average")
    groups = {**comparison.groups, "unknown": comparison.overall}
    page = Page(heatmap(result, dataclasses.replace(comparison, groups=groups), Downloads()))
    assert "unknown" not in page.text
    assert len(page.having("table", "heat")) == 1


def test_undefined_and_equal_means():
    result = factories.full()
    comparison = result.comparison("sex+age", "dice", "average")
    same = {n: dataclasses.replace(g, mean=0.5, n_cases=9) for n, g in comparison.groups.items()}
    first = next(iter(same))
    same[first] = dataclasses.replace(same[first], mean=math.nan, n_undefined=9)
    markup = heatmap(result, dataclasses.replace(comparison, groups=same, left_out={}), Downloads())
    assert "undefined" in Page(markup).text
    assert set(re.findall(r"--share:([\d.]+)", markup)) == {"0.32"}
