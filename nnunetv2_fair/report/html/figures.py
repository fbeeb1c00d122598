"""Figures as HTML and inline SVG, in the page's own colours.

The drawing areas stretch with the page (``preserveAspectRatio="none"``) while lines and dots
keep their thickness; all text stays HTML, so that it wraps, prints and can be read aloud.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.html.markup import Html, element, escape, join

#: Drawn dots per plot; of more, a seeded sample keeps the page small.
MOST_DOTS = 3000

#: Colours that the style sheet defines for groups and models.
N_COLOURS = 7

_WIDTH = 1000
_HEIGHT = 100
_LAYERS = 5


@dataclass(frozen=True)
class Axis:
    """A linear scale with round ticks.

    Attributes:
        low: Value at the left end.
        high: Value at the right end; greater than ``low``.
        ticks: Round values between them.
        decimals: Decimals that tell the ticks apart.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def position(self, value: float) -> float:
        """Return where a value lies, 0 (low) to 1 (high), clipped."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def tick_text(self, tick: float) -> str:
        """Write a tick."""
        text = f"{abs(tick):.{self.decimals}f}"
        return f"\N{MINUS SIGN}{text}" if tick < 0 and float(text) else text


def axis(values: Iterable[float], *, include: Iterable[float] = (), n_ticks: int = 4) -> Axis:
    """Return a scale that holds all finite values.

    Args:
        values: What will be drawn; NaN and infinite values are ignored.
        include: Further values that must be on the scale, such as 0.
        n_ticks: At least about how many steps; at most about twice as many.
    """
    finite = [v for v in (*values, *include) if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        margin = max(abs(high) * 0.1, 0.05)
        low, high = low - margin, high + margin
    step = _round_step((high - low) / n_ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, max(0, -math.floor(math.log10(step) + 1e-9)))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * f for f in (1, 2, 5, 10) if power * f >= rough * (1 - 1e-9))


@dataclass(frozen=True)
class Strip:
    """One row of a strip plot.

    Attributes:
        name: What stands before the row.
        note: Small print below the name, such as the count.
        value: What stands after the row.
        dots: (n,) values to draw; None draws nothing but ``instead``.
        box: Lower quartile, median and upper quartile.
        colour: Index of the colour.
        instead: Words in place of a drawing.
    """

    name: Html
    note: str
    value: str
    dots: np.ndarray | None
    box: tuple[float, float, float]
    colour: int
    instead: str = ""


def strip_plot(rows: Sequence[Strip], unit_words: str, description: str) -> Html:
    """Return one row of dots with its box per group.

    Args:
        rows: One per group.
        unit_words: Title of the axis, such as ``Dice`` or ``HD95 (mm)``.
        description: Alternative text.
    """
    drawn = [row for row in rows if row.dots is not None]
    values = [v for row in drawn if row.dots is not None for v in (*row.dots.tolist(), *row.box)]
    scale = axis(values)
    total = sum(len(row.dots) for row in drawn if row.dots is not None)
    share = min(1.0, MOST_DOTS / total) if total else 1.0
    size = "s" if total > 600 else "m" if total > 150 else "l"
    lines = [
        _plot_row(row.name, row.note, _strip(row, scale, share, size), row.value, row.colour)
        for row in rows
    ]
    return _plot(lines, scale if drawn else None, unit_words, description, "strips")


def _strip(row: Strip, scale: Axis, share: float, size: str) -> Html:
    if row.dots is None:
        return element("span", row.instead, class_="instead")
    finite = row.dots[np.isfinite(row.dots)]
    # the seed depends on nothing but the group's size: the same result draws the same page
    random = np.random.default_rng(len(finite))
    if share < 1:
        finite = random.choice(finite, size=math.ceil(len(finite) * share), replace=False)
    heights = random.uniform(14, _HEIGHT - 14, size=len(finite))
    parts = [_grid(scale)]
    q1, median, q3 = row.box
    if math.isfinite(q1) and math.isfinite(q3):
        left, right = scale.position(q1) * _WIDTH, scale.position(q3) * _WIDTH
        rest = {"x": f"{left:.1f}", "y": 10, "width": f"{max(right - left, 0.5):.1f}"}
        parts.append(element("rect", class_="box", height=_HEIGHT - 20, **rest))
    # dots of one path do not add up where they overlap; several paths show the density
    for layer in range(_LAYERS):
        dots = "".join(
            f"M{scale.position(value) * _WIDTH:.1f} {height:.0f}h0"
            for value, height in zip(finite[layer::_LAYERS], heights[layer::_LAYERS], strict=True)
        )
        if dots:
            parts.append(element("path", class_=f"dots {size}", d=dots))
    if math.isfinite(median):
        x = f"{scale.position(median) * _WIDTH:.1f}"
        parts.append(element("path", class_="median", d=f"M{x} 4V{_HEIGHT - 4}"))
    return _svg(parts)


@dataclass(frozen=True)
class Whisker:
    """One row of a forest plot.

    Attributes:
        name: What stands before the row.
        note: Small print below the name.
        text: Value in words; after a line break, smaller, its interval.
        value: Position of the marker; NaN draws none.
        interval: Ends of the line.
        filled: A full marker; otherwise a ring.
        colour: Index of the colour.
    """

    name: Html
    note: str
    text: str
    value: float
    interval: Interval
    filled: bool = True
    colour: int = 0


def forest_plot(
    rows: Sequence[Whisker], unit_words: str, description: str, *, zero: bool = True
) -> Html:
    """Return one marker with its interval per row, around a zero line.

    Args:
        rows: Rows, top to bottom.
        unit_words: Title of the axis.
        description: Alternative text.
        zero: Whether zero is on the axis and marked.
    """
    ends = [v for r in rows for v in (r.value, r.interval.low, r.interval.high)]
    scale = axis(ends, include=(0.0,) if zero else ())
    lines = []
    for row in rows:
        parts = [_grid(scale)]
        if zero:
            x = f"{scale.position(0) * _WIDTH:.1f}"
            parts.append(element("path", class_="zero", d=f"M{x} 0V{_HEIGHT}"))
        low, high = row.interval.low, row.interval.high
        if not math.isnan(low) and not math.isnan(high):
            ends_text = (
                f"M{scale.position(low) * _WIDTH:.1f} 50H{scale.position(high) * _WIDTH:.1f}"
            )
            parts.append(element("path", class_="whisker", d=ends_text))
        if not math.isnan(row.value):
            spot = f"M{scale.position(row.value) * _WIDTH:.1f} 50h0"
            parts.append(element("path", class_="marker", d=spot))
            if not row.filled:
                parts.append(element("path", class_="hole", d=spot))
        lines.append(_plot_row(row.name, row.note, _svg(parts), row.text, row.colour))
    return _plot(lines, scale, unit_words, description, "forest")


def _grid(scale: Axis) -> Html:
    lines = "".join(f"M{scale.position(tick) * _WIDTH:.1f} 0V{_HEIGHT}" for tick in scale.ticks)
    return element("path", class_="grid", d=lines)


def _svg(parts: Iterable[Html]) -> Html:
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    start = f'<svg viewBox="{box}" preserveAspectRatio="none" aria-hidden="true">'
    return Html(f"{start}{join(parts)}</svg>")


def _plot_row(name: Html, note: str, drawing: Html, value: str, colour: int) -> Html:
    small = element("small", note) if note else ""
    first, _, second = value.partition("\n")
    return element(
        "div",
        element("div", name, small, class_="plot-name"),
        element("div", drawing, class_="plot-area"),
        element("div", first, element("small", second) if second else "", class_="plot-value"),
        class_=f"plot-row c{colour % N_COLOURS}",
    )


def _plot(
    lines: Sequence[Html], scale: Axis | None, unit_words: str, description: str, kind: str
) -> Html:
    foot: Html | str = ""
    if scale is not None:
        ticks = [
            element("span", scale.tick_text(t), style=f"left:{scale.position(t) * 100:.2f}%")
            for t in scale.ticks
        ]
        row = (
            element("div", class_="plot-name"),
            element("div", *ticks, class_="ticks"),
            element("div", class_="plot-value"),
        )
        foot = element("div", *row, class_="plot-row plot-axis", aria_hidden="true")
        foot = join([foot, element("div", unit_words, class_="plot-unit", aria_hidden="true")])
    return element("div", *lines, foot, class_=f"plot {kind}", role="group", aria_label=description)


@dataclass(frozen=True)
class Spot:
    """One model in the plane of utility and fairness.

    Attributes:
        letter: What stands beside the marker.
        x: Utility, with its interval.
        y: Fairness, with its interval.
        baseline: Whether arrows start here.
        colour: Index of the colour.
    """

    letter: str
    x: tuple[float, Interval]
    y: tuple[float, Interval]
    baseline: bool
    colour: int


def plane_plot(
    spots: Sequence[Spot],
    x_title: str,
    y_title: str,
    description: str,
    *,
    higher_is_better: tuple[bool, bool],
) -> Html:
    """Return a scatter plot in which right and up are always better.

    Args:
        spots: The models; those with NaN are not drawn.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
        description: Alternative text.
        higher_is_better: For x and y; an axis whose lower values are better is turned round.
    """
    shown = [s for s in spots if math.isfinite(s.x[0]) and math.isfinite(s.y[0])]
    width, height, left, bottom, top, right = 560, 400, 74, 56, 18, 20

    def ends(points: Iterable[tuple[float, Interval]]) -> list[float]:
        return [v for value, limits in points for v in (value, limits.low, limits.high)]

    xs = axis(ends(s.x for s in shown), n_ticks=5)
    ys = axis(ends(s.y for s in shown), n_ticks=5)

    def px(value: float) -> float:
        share = xs.position(value) if higher_is_better[0] else 1 - xs.position(value)
        return left + share * (width - left - right)

    def py(value: float) -> float:
        share = ys.position(value) if higher_is_better[1] else 1 - ys.position(value)
        return height - bottom - share * (height - bottom - top)

    parts: list[Html] = []
    for tick in xs.ticks:
        at = f"{px(tick):.1f}"
        parts.append(element("path", class_="grid", d=f"M{at} {top}V{height - bottom}"))
        label = {"x": at, "y": height - bottom + 20, "text_anchor": "middle"}
        parts.append(element("text", xs.tick_text(tick), class_="tick", **label))
    for tick in ys.ticks:
        at = f"{py(tick):.1f}"
        parts.append(element("path", class_="grid", d=f"M{left} {at}H{width - right}"))
        label = {"x": left - 10, "y": f"{py(tick) + 4:.1f}", "text_anchor": "end"}
        parts.append(element("text", ys.tick_text(tick), class_="tick", **label))
    middle = left + (width - left - right) / 2
    parts.append(_svg_text(x_title + "  \N{RIGHTWARDS ARROW} better", middle, height - 10))
    half = top + (height - top - bottom) / 2
    parts.append(_svg_text(y_title + "  \N{RIGHTWARDS ARROW} better", 16, half, turned=True))

    base = next((s for s in shown if s.baseline), None)
    for spot in shown:
        if base is not None and spot is not base:
            start, end = (px(base.x[0]), py(base.y[0])), (px(spot.x[0]), py(spot.y[0]))
            parts.append(_arrow(start, end))
    for spot in shown:
        x, y = px(spot.x[0]), py(spot.y[0])
        lines = ""
        if not math.isnan(spot.x[1].low + spot.x[1].high):
            lines += f"M{px(spot.x[1].low):.1f} {y:.1f}H{px(spot.x[1].high):.1f}"
        if not math.isnan(spot.y[1].low + spot.y[1].high):
            lines += f"M{x:.1f} {py(spot.y[1].low):.1f}V{py(spot.y[1].high):.1f}"
        mark = [element("path", class_="whisker", d=lines)] if lines else []
        place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": 10}
        mark.append(element("circle", class_="spot", **place))
        letter = {"x": f"{x:.1f}", "y": f"{y + 4.5:.1f}", "text_anchor": "middle"}
        mark.append(element("text", spot.letter, class_="letter", **letter))
        kind = " baseline" if spot.baseline else ""
        parts.append(element("g", *mark, class_=f"c{spot.colour % N_COLOURS}{kind}"))
    opening = (
        f'<svg class="plane" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(description)}">'
    )
    return Html(f"{opening}{join(parts)}</svg>")


def _svg_text(text: str, x: float, y: float, *, turned: bool = False) -> Html:
    turn = f"rotate(-90 {x:.1f} {y:.1f})" if turned else None
    place: dict[str, object] = {"x": f"{x:.1f}", "y": f"{y:.1f}", "transform": turn}
    return element("text", text, class_="axis-title", text_anchor="middle", **place)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> Html:
    """Return an arrow that stops at the rims of the two markers."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    rim = 12.0
    if length < 2 * rim + 8:
        return Html("")
    ux, uy = dx / length, dy / length
    x1, y1 = start[0] + ux * rim, start[1] + uy * rim
    x2, y2 = end[0] - ux * rim, end[1] - uy * rim
    back_x, back_y = x2 - ux * 8, y2 - uy * 8
    head = (
        f"M{x2:.1f} {y2:.1f}L{back_x - uy * 4:.1f} {back_y + ux * 4:.1f}"
        f"L{back_x + uy * 4:.1f} {back_y - ux * 4:.1f}Z"
    )
    line = f"M{x1:.1f} {y1:.1f}L{back_x:.1f} {back_y:.1f}"
    return join(
        [
            element("path", class_="arrow", d=line),
            element("path", class_="arrow-head", d=head),
        ]
    )
