"""Files of figures: they stand alone, keep their values, and hold nothing harmful."""

import io
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.evaluation.findings.sentences import Data
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.drawing.png import ZOOM, png_of
from nnunetv2_fair.report.drawing.rows import placed
from nnunetv2_fair.report.drawing.shapes import GROUPS, Box, Drawing, Words, wrapped
from nnunetv2_fair.report.drawing.svg import standalone
from nnunetv2_fair.report.html.row_plots import Strip, Whisker, forest_plot, strip_plot

SVG = "{http://www.w3.org/2000/svg}"


def rows(*names):
    return [
        Whisker((Data(name),), ["9 patients"], "0.5\n0.4 to 0.6", 0.5, Interval(0.4, 0.6))
        for name in names
    ]


def test_a_figure_stands_alone():
    plot = forest_plot(rows("female", "male"), "Dice", "", zero=False)
    root = ElementTree.fromstring(standalone(plot.drawing, "Dice by sex", "How to read it."))
    text = " ".join(root.itertext())
    for words in ("Dice by sex", "female", "9 patients", "0.4 to 0.6", "Dice", "How to read it."):
        assert words in text
    first = next(root.iter(f"{SVG}rect"))
    assert (first.get("fill"), first.get("width")) == ("#ffffff", root.get("width"))
    assert "sans-serif" in root.get("font-family")
    assert not [e for e in root.iter() if e.get("class") or "var(" in (e.get("fill") or "")]
    assert set(re.findall("url|href|script", ElementTree.tostring(root, "unicode"))) == set()


def test_every_value_is_where_the_axis_says():
    values = np.array([0.1, 0.2, 0.45, 0.7, 1.0])
    strip = Strip((Data("a"),), "", "", values, (0.2, 0.45, 0.7), 0)
    drawing = strip_plot([strip], "Dice", "").drawing
    ticks = {float(w.text): w.x for w in drawing.shapes
             if isinstance(w, Words) and w.size == 11.5}  # fmt: skip
    low, high = min(ticks), max(ticks)
    dots = [
        float(x)
        for shape in drawing.shapes
        if getattr(shape, "round_ends", False)
        for x in re.findall(r"M([\d.]+) [\d.]+h0", shape.path)
    ]
    scale = (ticks[high] - ticks[low]) / (high - low)
    assert sorted(ticks[low] + (values - low) * scale) == pytest.approx(sorted(dots), abs=0.2)
    (box,) = [shape for shape in drawing.shapes if isinstance(shape, Box)]
    assert box.width == pytest.approx((0.7 - 0.2) * scale, abs=0.2)


def test_colours_are_those_of_the_light_page():
    css = Path("nnunetv2_fair/report/html/page.css").read_text(encoding="utf-8")
    light = css[: css.index("@media screen and (prefers-color-scheme: dark)")]
    assert re.findall(r"--c\d: (#\w+);", light) == list(GROUPS)


def test_hostile_names_stay_text():
    name = '<script>alert(1)</script>\u202e\x00"'
    text = standalone(forest_plot(rows(name), name, name).drawing, name, name)
    root = ElementTree.fromstring(text)
    assert "<script" not in text
    assert "\u202e" not in text
    assert "<script>alert" in "".join(root.itertext())


def test_paths_are_stretched_and_moved():
    assert placed("M10 20H30V40h0", (100, 200), (2, 0.5)) == "M120.0 210.0H160.0V220.0h0"
    assert placed("M1 2L3 4Z", (0, 0), (10, 10)) == "M10.0 20.0L30.0 40.0Z"


def test_text_is_broken_and_cut():
    assert wrapped("one two three", 60, 12, most=2) == ["one two", "three"]
    assert wrapped("x" * 50, 60, 12, most=2)[-1].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert wrapped("", 60, 12) == []


def test_png_has_the_words_and_the_size():
    blank = png_of(standalone(Drawing(300, 40, []), "", ""))
    named = png_of(standalone(Drawing(300, 40, [Words(0, 20, "Dice")]), "", ""))
    with Image.open(io.BytesIO(blank)) as one, Image.open(io.BytesIO(named)) as other:
        assert one.width == 340 * ZOOM
        assert np.asarray(one.convert("L")).min() == 255
        assert np.asarray(other.convert("L")).min() < 100


def test_numbers_keep_their_precision_and_hide_nothing_else():
    numbers = Numbers(
        ("group", "patients", "median_hd95_mm"),
        (("=1+1", 12, 1 / 3), ("b", None, math.nan), ("c", 3, math.inf), ("d", 3, -0.0)),
    )
    lines = numbers.csv().splitlines()
    assert lines[0] == "group,patients,median_hd95_mm"
    assert lines[1] == f"'=1+1,12,{1 / 3!r}"  # spreadsheets must not compute a name
    assert lines[2] == "b,,"
    assert lines[3] == "c,3,inf"
    assert lines[4] == "d,3,0.0"
