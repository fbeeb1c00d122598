"""Plots of one row per group: dots with their box, or a marker with its interval.

The drawing areas stretch with the page (``preserveAspectRatio="none"``) while lines and dots
keep their thickness; all text stays HTML, so that it wraps, prints and works with screen readers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.findings.sentences import Sentence
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.drawing.rows import HEIGHT, WIDTH, Row, RowBox, RowShapes, rows_drawing
from nnunetv2_fair.report.html.axis import Axis, axis
from nnunetv2_fair.report.html.colours import N_COLOURS
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.templating import render

#: At most this many dots per plot; of more, a seeded sample keeps the page small.
MOST_DOTS = 3000

_TEMPLATE = "report/html/templates/row_plot.html"
_LAYERS = 5


@dataclass(frozen=True)
class Strip:
    """One row of a strip plot.

    Attributes:
        name: Text before the row.
        note: Small print below the name, such as the count.
        value: Text after the row.
        dots: (n,) values to draw; None draws nothing but ``instead``.
        box: Lower quartile, median and upper quartile.
        colour: Index of the colour.
        instead: Text instead of a drawing.
    """

    name: Sentence
    note: str
    value: str
    dots: np.ndarray | None
    box: tuple[float, float, float]
    colour: int
    instead: str = ""


@dataclass(frozen=True)
class Whisker:
    """One row of a forest plot.

    Attributes:
        name: Text before the row.
        notes: Lines of small print below the name.
        text: Value as text; after a line break, smaller, its interval.
        value: Position of the marker; NaN draws none.
        interval: Ends of the line.
        filled: Whether the marker is filled; otherwise it is a ring.
        colour: Index of the colour.
    """

    name: Sentence
    notes: Sequence[str]
    text: str
    value: float
    interval: Interval
    filled: bool = True
    colour: int = 0


def strip_plot(
    rows: Sequence[Strip], unit_words: str, description: str, *, along: Sequence[float] = ()
) -> Figure:
    """Return one row of dots with its box per group.

    Args:
        rows: One per group.
        unit_words: Title of the axis, such as ``Dice`` or ``HD95 (mm)``.
        description: Alternative text.
        along: Values of other plots that share the axis.
    """
    drawn = [row for row in rows if row.dots is not None]
    values = [v for row in drawn if row.dots is not None for v in (*row.dots.tolist(), *row.box)]
    scale = axis(values, include=along)
    total = sum(len(row.dots) for row in drawn if row.dots is not None)
    share = min(1.0, MOST_DOTS / total) if total else 1.0
    size = "s" if total > 600 else "m" if total > 150 else "l"
    lines = [
        Row(
            row.name,
            [row.note],
            None if row.dots is None else _strip(row.dots, row.box, scale, share, size),
            row.instead,
            row.value,
            "",
            row.colour % N_COLOURS,
        )
        for row in rows
    ]
    return _plot(lines, scale if drawn else None, unit_words, description, "strips")


def _strip(
    values: np.ndarray, box: tuple[float, float, float], scale: Axis, share: float, size: str
) -> RowShapes:
    finite = values[np.isfinite(values)]
    # the seed depends only on the group's size: the same result gives the same page
    random = np.random.default_rng(len(finite))
    if share < 1:
        finite = random.choice(finite, size=math.ceil(len(finite) * share), replace=False)
    heights = random.uniform(14, HEIGHT - 14, size=len(finite))
    dots = [
        f"M{x:.1f} {height:.0f}h0"
        for x, height in zip(
            (scale.positions(finite) * WIDTH).tolist(), heights.tolist(), strict=True
        )
    ]
    # overlapping dots of one path do not get darker; several paths show the density
    layers = [dots[layer::_LAYERS] for layer in range(_LAYERS)]
    paths = [(f"dots {size}", "".join(layer)) for layer in layers if layer]
    q1, median, q3 = box
    if math.isfinite(median):
        paths.append(("median", f"M{_x(scale, median)} 4V{HEIGHT - 4}"))
    drawn_box = None
    if math.isfinite(q1) and math.isfinite(q3):
        left, right = scale.position(q1) * WIDTH, scale.position(q3) * WIDTH
        drawn_box = RowBox(left, max(right - left, 0.5))
    return RowShapes(drawn_box, paths)


def forest_plot(
    rows: Sequence[Whisker],
    unit_words: str,
    description: str,
    *,
    zero: bool = True,
    worse_to_the_right: bool = False,
    along: Sequence[Whisker] = (),
) -> Figure:
    """Return one marker with its interval per row, around a zero line.

    Args:
        rows: Rows, top to bottom.
        unit_words: Title of the axis.
        description: Alternative text.
        zero: Whether zero is on the axis and marked.
        worse_to_the_right: Whether the sides of the zero line are told in words, so that the
            numbers at the axis have no sign.
        along: Rows of other plots that share the axis.
    """
    ends = [v for r in (*rows, *along) for v in (r.value, r.interval.low, r.interval.high)]
    scale = axis(ends, include=(0.0,) if zero else ())
    lines = []
    for row in rows:
        text, _, small = row.text.partition("\n")
        drawing = RowShapes(None, _whisker(row, scale, zero=zero))
        lines.append(Row(row.name, row.notes, drawing, "", text, small, row.colour % N_COLOURS))
    return _plot(lines, scale, unit_words, description, "forest", unsigned=worse_to_the_right)


def _whisker(row: Whisker, scale: Axis, *, zero: bool) -> list[tuple[str, str]]:
    paths = [("zero", f"M{_x(scale, 0)} 0V{HEIGHT}")] if zero else []
    low, high = row.interval.low, row.interval.high
    if not math.isnan(low) and not math.isnan(high):
        paths.append(("whisker", f"M{_x(scale, low)} 50H{_x(scale, high)}"))
    if not math.isnan(row.value):
        spot = f"M{_x(scale, row.value)} 50h0"
        paths.append(("marker", spot))
        if not row.filled:
            paths.append(("hole", spot))
    return paths


def _x(scale: Axis, value: float) -> str:
    return f"{scale.position(value) * WIDTH:.1f}"


def _plot(
    rows: Sequence[Row],
    scale: Axis | None,
    unit_words: str,
    description: str,
    kind: str,
    *,
    unsigned: bool = False,
) -> Figure:
    places = []
    if scale is not None:
        places = [
            (scale.position(tick), scale.tick_text(abs(tick) if unsigned else tick))
            for tick in scale.ticks
        ]
    markup = render(
        _TEMPLATE,
        rows=rows,
        ticks=places,
        grid="".join(f"M{place * WIDTH:.1f} 0V{HEIGHT}" for place, _ in places),
        unit_words=unit_words,
        description=description,
        kind=kind,
        width=WIDTH,
        height=HEIGHT,
    )
    return Figure(markup, rows_drawing(rows, places, unit_words, kind))
