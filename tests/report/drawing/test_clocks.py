"""Clock faces: where sectors lie, and how they are coloured."""

import math
import re

import pytest

from nnunetv2_fair.report.drawing.clocks import ClockFace, clock_drawing, colour, face_drawing
from nnunetv2_fair.report.drawing.shapes import INK, Stroke
from nnunetv2_fair.report.drawing.svg import inline

NAN = math.nan


def _face(values, marked=None):
    grid = [values]
    return ClockFace("female", grid, [marked or [False] * len(values)])


def test_colours_end_at_blue_and_orange():
    assert (colour(-1), colour(0), colour(1)) == ("#0072b2", "#ffffff", "#d55e00")
    assert colour(3) == colour(1)


@pytest.mark.parametrize(("hour", "side"), [(0, (0, -1)), (3, (1, 0)), (6, (0, 1)), (9, (-1, 0))])
def test_hours_lie_clockwise(hour, side):
    values = [NAN] * 12
    values[hour] = 2.0
    drawing = face_drawing(_face(values), ("top", "right"), 2.0)
    (filled,) = [s for s in drawing.shapes if isinstance(s, Stroke) and s.fill]
    corners = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", filled.path)
    middle = [sum(float(c[axis]) for c in corners) / len(corners) for axis in (0, 1)]
    away = [middle[0] - drawing.width / 2, middle[1] - drawing.height / 2]
    assert [round(value / 30) for value in away] == list(side)
    assert filled.fill == "#d55e00"


def test_marked_places_have_thick_edges():
    marked = [hour == 4 for hour in range(12)]
    shapes = face_drawing(_face([1.0] * 12, marked), ("top", "right"), 2.0).shapes
    assert len([s for s in shapes if isinstance(s, Stroke) and s.colour == INK]) == 1


def test_many_faces_take_several_lines():
    few, many = (
        clock_drawing([_face([0.0] * 12)] * n, ("top", "right"), ("inside", "beyond"), 1.0)
        for n in (4, 5)
    )
    assert many.width == few.width
    assert many.height > few.height


def test_in_a_page_words_have_its_colour():
    text = inline(face_drawing(_face([0.0] * 12), ("front", "left"), 1.0), "Errors of <women>")
    assert 'aria-label="Errors of &lt;women&gt;"' in text
    assert 'fill="currentColor"' in text
