import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.html.figures import (
    MOST_DOTS,
    Spot,
    Strip,
    Whisker,
    axis,
    forest_plot,
    plane_plot,
    strip_plot,
)
from nnunetv2_fair.report.html.markup import name
from tests.report.html_check import Page

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(FLOATS | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=8))
def test_axis_holds_all_finite_values_between_round_ticks(values):
    scale = axis(values)
    assert scale.low < scale.high
    assert 3 <= len(scale.ticks) <= 12
    slack = 1e-6 * (scale.high - scale.low)
    for value in values:
        if math.isfinite(value):
            assert scale.low - slack <= value <= scale.high + slack
    assert len({scale.tick_text(tick) for tick in scale.ticks}) == len(scale.ticks)
    positions = [scale.position(tick) for tick in scale.ticks]
    assert positions == sorted(positions)
    assert positions[0] == 0
    assert positions[-1] == 1


def test_axis_of_dice():
    scale = axis([0.62, 0.93])
    assert scale.ticks == (0.6, 0.7, 0.8, 0.9, 1.0)
    assert scale.tick_text(0.7) == "0.7"
    assert axis([-0.03, 0.08]).tick_text(-0.05) == "\N{MINUS SIGN}0.05"
    assert axis([2.0, 5.0], include=[0.0]).low == 0


def strip(values, **changes):
    fields = {
        "name": name("female"), "note": "", "value": "", "dots": np.asarray(values, float),
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
    markup = strip_plot([strip(values)], "Dice", "Dice of every patient")
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
    markup = strip_plot([strip(values, box=(1.0, 2.0, math.inf))], "HD", "")
    assert len(dots(markup)) == 3
    assert "inf" not in markup
    assert "nan" not in markup


def test_many_values_are_thinned_out():
    random = np.random.default_rng(0)
    rows = [strip(random.random(20_000)), strip(random.random(5_000), colour=9)]
    markup = strip_plot(rows, "Dice", "")
    assert MOST_DOTS <= len(dots(markup)) <= MOST_DOTS + 2
    assert len(markup) < 80_000


def test_rows_without_dots_say_why():
    row = strip([0.5], dots=None, instead="fewer than 5 patients: not drawn")
    page = Page(strip_plot([row, strip([0.2, 0.6])], "Dice", ""))
    assert "fewer than 5 patients: not drawn" in page.text
    assert len(page.having("rect", "box")) == 1
    alone = strip_plot([row], "Dice", "")
    assert "svg" not in alone


def test_forest_plot_marks_zero_and_shows_which_exclude_it():
    rows = [
        Whisker(name("a"), "", "+0.1", 0.1, Interval(0.05, 0.2), filled=True),
        Whisker(name("b"), "", "0.0", 0.01, Interval(-0.1, 0.1), filled=False),
        Whisker(name("c"), "", "–", math.nan, Interval(math.nan, math.nan)),  # noqa: RUF001
    ]
    page = Page(forest_plot(rows, "gap", "gaps"))
    assert len(page.having("path", "zero")) == 3
    assert len(page.having("path", "marker")) == 2
    (hole,) = page.having("path", "hole")
    assert hole["d"] == page.having("path", "marker")[1]["d"]  # that of b
    assert len(page.having("path", "whisker")) == 2
    assert "nan" not in forest_plot(rows, "gap", "gaps")


def test_infinite_interval_reaches_the_edge():
    rows = [Whisker(name("a"), "", "", 3.0, Interval(1.0, math.inf))]
    (line,) = Page(forest_plot(rows, "HD", "")).having("path", "whisker")
    assert line["d"].endswith("H1000.0")


def spot(letter, x, y, baseline=False):
    return Spot(letter, (x, Interval(x - 0.01, x + 0.01)), (y, Interval(y, y + 0.02)), baseline, 1)


def centre(page, index):
    circles = page.having("circle", "spot")
    return float(circles[index]["cx"]), float(circles[index]["cy"])


def test_right_and_up_are_better():
    spots = [spot("A", 0.7, 0.10, baseline=True), spot("B", 0.8, 0.02)]
    page = Page(plane_plot(spots, "Dice", "gap", "", higher_is_better=(True, False)))
    (ax, ay), (bx, by) = centre(page, 0), centre(page, 1)
    assert bx > ax
    assert by < ay  # up in SVG
    assert page.having("path", "arrow")
    page = Page(plane_plot(spots, "HD95", "worst", "", higher_is_better=(False, True)))
    (ax, ay), (bx, by) = centre(page, 0), centre(page, 1)
    assert bx < ax
    assert by > ay


def test_models_without_numbers_are_not_drawn():
    spots = [spot("A", math.nan, 0.1, baseline=True), spot("B", 0.8, 0.02)]
    page = Page(plane_plot(spots, "Dice", "gap", "", higher_is_better=(True, False)))
    assert len(page.having("circle", "spot")) == 1
    assert not page.having("path", "arrow")
