import math

from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.html.plane_plot import Spot, plane_plot
from tests.report.html_check import Page


def spot(letter, x, y, baseline=False):
    across, up = (x, Interval(x - 0.01, x + 0.01)), (y, Interval(y, y + 0.02))
    return Spot(letter, letter, across, up, baseline, 1)


def centre(page, index):
    circles = page.having("circle", "spot")
    return float(circles[index]["cx"]), float(circles[index]["cy"])


def test_right_and_up_are_better():
    spots = [spot("A", 0.7, 0.10, baseline=True), spot("B", 0.8, 0.02)]
    page = Page(plane_plot(spots, "Dice", "gap", "", higher_is_better=(True, False)).markup)
    (ax, ay), (bx, by) = centre(page, 0), centre(page, 1)
    assert bx > ax
    assert by < ay  # up in SVG
    assert page.having("path", "arrow")
    page = Page(plane_plot(spots, "HD95", "worst", "", higher_is_better=(False, True)).markup)
    (ax, ay), (bx, by) = centre(page, 0), centre(page, 1)
    assert bx < ax
    assert by > ay


def test_models_without_numbers_are_not_drawn():
    spots = [spot("A", math.nan, 0.1, baseline=True), spot("B", 0.8, 0.02)]
    page = Page(plane_plot(spots, "Dice", "gap", "", higher_is_better=(True, False)).markup)
    assert len(page.having("circle", "spot")) == 1
    assert not page.having("path", "arrow")
