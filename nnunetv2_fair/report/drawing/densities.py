"""Distributions of groups in the same bins, as outlines of histograms."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    GROUPS,
    LINE,
    SOFT,
    Drawing,
    Shape,
    Stroke,
    Words,
    wrapped,
)

_WIDTH, _HEIGHT = 560.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 540.0, 14.0, 244.0
_KEY = 22.0
#: What tells the lines of groups apart without colours.
_DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Distribution:
    """The distribution of one group.

    Attributes:
        name: Name of the group.
        shares: Share in each bin.
    """

    name: str
    shares: Sequence[float]


def density_drawing(
    groups: Sequence[Distribution],
    limits: Sequence[str],
    heights: Sequence[tuple[float, str]],
    titles: tuple[str, str],
) -> Drawing:
    """Return the outlines of the groups' histograms, and below them which is which.

    Args:
        groups: In the order to show; all of the same bins, which are drawn equally wide.
        limits: Text at the lower limit of each bin; empty for none.
        heights: Share and text of each tick of the vertical axis, from 0 to the highest.
        titles: Of the horizontal and of the vertical axis.
    """
    shapes: list[Shape] = []
    highest = heights[-1][0]
    step = (_RIGHT - _LEFT) / max(len(limits), 1)
    for share, text in heights:
        y = _y(share, highest)
        shapes.append(Stroke(f"M{_LEFT} {y:.1f}H{_RIGHT}", LINE))
        shapes.append(Words(_LEFT - 10, y + 4, text, 12, "end", colour=SOFT))
    for number, text in enumerate(limits):
        x = _LEFT + number * step
        if text:
            shapes.append(Stroke(f"M{x:.1f} {_BOTTOM}v5", SOFT))
            shapes.append(Words(x, _BOTTOM + 20, text, 12, "middle", colour=SOFT))
    for number, group in enumerate(groups):
        path = f"M{_LEFT} {_BOTTOM}"
        for bin_number, share in enumerate(group.shares):
            path += f"V{_y(share, highest):.1f}H{_LEFT + (bin_number + 1) * step:.1f}"
        shapes.append(_line(path + f"V{_BOTTOM}", number))
    across, down = (_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2
    shapes.append(Words(across, _HEIGHT - 12, titles[0], 13, "middle"))
    shapes.append(Words(16, down, titles[1], 13, "middle", turned=True))
    y = _HEIGHT
    for number, group in enumerate(groups):
        y += _KEY
        shapes.append(_line(f"M{_LEFT} {y - 4:.1f}h34", number))
        line = wrapped(group.name, _RIGHT - _LEFT - 44, 13, most=1)[:1] or [""]
        shapes.append(Words(_LEFT + 44, y, line[0], 13))
    return Drawing(_WIDTH, y + 10, shapes)


def _y(share: float, highest: float) -> float:
    return _BOTTOM - share / highest * (_BOTTOM - _TOP)


def _line(path: str, number: int) -> Stroke:
    return Stroke(path, GROUPS[number % len(GROUPS)], 2.4, dashes=_DASHES[number % len(_DASHES)])
