"""Curves over the epochs as figures, a small one for every trainer, all with the same axes."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from nnunetv2_fair.report.drawing.lines import DASHES, Frame, Line, lines_drawing
from nnunetv2_fair.report.html.axis import Axis, axis
from nnunetv2_fair.report.html.colours import N_COLOURS
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.templating import render

_WIDTH, _HEIGHT = 400, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, _WIDTH - 12, 10, _HEIGHT - 42
#: Points of a line; more cannot be told apart.
_MOST_POINTS = 240


def look_of(position: int, name: str) -> Line:
    """Return a line without points, with the colour and dashes of its place in a key."""
    return Line(name, "", position % N_COLOURS, DASHES[position % len(DASHES)])


def scales(curves: Sequence[pd.Series], *, from_zero: bool) -> tuple[Axis, Axis]:
    """Return the axes that hold all curves: epochs, values.

    Args:
        curves: At least one; values by epoch.
        from_zero: Whether 0 must be on the axis of values.
    """
    epochs = [float(curve.index[-1]) for curve in curves]
    values = [float(v) for curve in curves for v in (curve.min(), curve.max())]
    upward = axis(values, include=[0.0] if from_zero else [], n_ticks=5)
    last = max(1.0, *epochs)
    ticks = tuple(t for t in axis([0.0, last]).ticks if t <= last and t.is_integer())
    return Axis(0.0, last, ticks, 0), upward


def line_plot(
    curves: Mapping[str, pd.Series],
    looks: Mapping[str, Line],
    axes: tuple[Axis, Axis],
    y_title: str,
    description: str,
) -> Figure:
    """Return curves over the epochs.

    Args:
        curves: Name -> values by epoch.
        looks: Name -> colour and dashes.
        axes: Of epochs and of values.
        y_title: Title of the vertical axis.
        description: Alternative text.
    """
    across, upward = axes
    frame = Frame(
        _WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM,
        [(_x(across, tick), across.tick_text(tick)) for tick in across.ticks],
        [(_y(upward, tick), upward.tick_text(tick)) for tick in upward.ticks],
        y_title,
    )  # fmt: skip
    lines = [
        Line(name, _path(curve, across, upward), looks[name].colour, looks[name].dashes)
        for name, curve in curves.items()
    ]
    markup = render(
        "report/of_training/templates/curves.html",
        frame=frame,
        lines=lines,
        description=description,
    )
    return Figure(markup, lines_drawing(frame, lines))


def _x(across: Axis, value: float) -> float:
    return _LEFT + across.position(value) * (_RIGHT - _LEFT)


def _y(upward: Axis, value: float) -> float:
    return _BOTTOM - upward.position(value) * (_BOTTOM - _TOP)


def _path(curve: pd.Series, across: Axis, upward: Axis) -> str:
    """Return path data; a single point is a short dash, so that it can be seen."""
    step = math.ceil(len(curve) / _MOST_POINTS)
    kept = [*range(0, len(curve), step)] if len(curve) else []
    if kept and kept[-1] != len(curve) - 1:
        kept.append(len(curve) - 1)
    points = [(_x(across, float(curve.index[i])), _y(upward, float(curve.iloc[i]))) for i in kept]
    if len(points) == 1:
        (x, y) = points[0]
        return f"M{x - 2:.1f} {y:.1f}H{x + 2:.1f}"
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""
