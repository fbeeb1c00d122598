import math
import re

import numpy as np
import pytest

from nnunetv2_fair.evaluation.findings.sentences import Data
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.html.axis import axis
from nnunetv2_fair.report.html.row_plots import MOST_DOTS, Strip, Whisker, forest_plot, strip_plot
from tests.report.html_check import Page


def strip(values, **changes):
    fields = {
        "name": (Data("female"),), "note": "", "value": "", "dots": np.asarray(values, float),
        "box": tuple(np.quantile(values, [0.25, 0.5, 0.75])), "colour": 0,
    }  # fmt: skip
    return Strip(**{**fields, **changes})


def dots(markup):
    return [
        (float(x), float(y))
        for path in re.findall(r'class="dots \w" d="([^"]*)"', markup)
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", path)
    ]


def test_strip_plot_draws_every_value_where_it_belongs():
    values = [0.1, 0.2, 0.45, 0.7]
    markup = strip_plot([strip(values)], "Dice", "Dice of every patient").markup
    assert sorted(x for x, _ in dots(markup)) == pytest.approx(
        [axis(values).position(v) * 1000 for v in values], abs=0.06
    )
    assert all(0 < y < 100 for _, y in dots(markup))
    assert Page(markup).having("rect", "box")


def test_drawing_is_the_same_every_time():
    values = np.linspace(0, 1, 50)
    assert strip_plot([strip(values)], "", "") == strip_plot([strip(values)], "", "")


def test_infinite_values_are_not_drawn():
    values = np.array([1.0, 2.0, 3.0, math.inf])
    markup = strip_plot([strip(values, box=(1.0, 2.0, math.inf))], "HD", "").markup
    assert len(dots(markup)) == 3
    assert "inf" not in markup
    assert "nan" not in markup


def test_many_values_are_thinned_out():
    random = np.random.default_rng(0)
    rows = [strip(random.random(20_000)), strip(random.random(5_000), colour=9)]
    markup = strip_plot(rows, "Dice", "").markup
    assert MOST_DOTS <= len(dots(markup)) <= MOST_DOTS + 2
    assert len(markup) < 80_000


def test_rows_without_dots_say_why():
    row = strip([0.5], dots=None, instead="fewer than 5 patients: not drawn")
    page = Page(strip_plot([row, strip([0.2, 0.6])], "Dice", "").markup)
    assert "fewer than 5 patients: not drawn" in page.text
    assert len(page.having("rect", "box")) == 1
    alone = strip_plot([row], "Dice", "").markup
    assert "svg" not in alone


def test_forest_plot_marks_zero_and_shows_which_exclude_it():
    rows = [
        Whisker((Data("a"),), [], "+0.1", 0.1, Interval(0.05, 0.2), filled=True),
        Whisker((Data("b"),), [], "0.0", 0.01, Interval(-0.1, 0.1), filled=False),
        Whisker((Data("c"),), [], "–", math.nan, Interval(math.nan, math.nan)),  # noqa: RUF001
    ]
    page = Page(forest_plot(rows, "gap", "gaps").markup)
    assert len(page.having("path", "zero")) == 3
    assert len(page.having("path", "marker")) == 2
    (hole,) = page.having("path", "hole")
    assert hole["d"] == page.having("path", "marker")[1]["d"]  # that of b
    assert len(page.having("path", "whisker")) == 2
    assert "nan" not in forest_plot(rows, "gap", "gaps").markup


def test_infinite_interval_reaches_the_edge():
    rows = [Whisker((Data("a"),), [], "", 3.0, Interval(1.0, math.inf))]
    (line,) = Page(forest_plot(rows, "HD", "").markup).having("path", "whisker")
    assert line["d"].endswith("H1000.0")


def test_plots_of_one_metric_share_their_axis():
    one = [Whisker((Data("a"),), [], "", 0.8, Interval(0.7, 0.9))]
    other = [Whisker((Data("b"),), [], "", 0.2, Interval(0.1, 0.3))]
    both = [Page(forest_plot(rows, "Dice", "", zero=False, along=[*one, *other]).markup)
            for rows in (one, other)]  # fmt: skip
    grids = [page.having("path", "grid")[0]["d"] for page in both]
    assert grids[0] == grids[1]
    ends = [float(page.having("path", "marker")[0]["d"].split()[0][1:]) for page in both]
    assert ends[1] < 300 < 700 < ends[0]
    strips = [
        Page(strip_plot([strip(values)], "Dice", "", along=[0.0, 1.0]).markup).text
        for values in ([0.4, 0.5, 0.6], [0.1, 0.2, 0.9])
    ]
    assert strips[0] == strips[1]


def test_sides_are_told_in_words_instead_of_signs():
    rows = [Whisker((Data("a"),), [], "0.1 worse", 0.1, Interval(-0.2, 0.2))]
    signed = forest_plot(rows, "gap", "").markup
    plain = forest_plot(rows, "gap", "", worse_to_the_right=True).markup
    assert "\N{MINUS SIGN}0.2" in signed
    assert "\N{MINUS SIGN}" not in plain
    assert Page(plain).text.count("0.2") == 2
