"""A drawing as an SVG that stands alone: title, light ground, colours and fonts of its own."""

from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree as ET

from nnunetv2_fair.evaluation.findings.sentences import clean
from nnunetv2_fair.report.drawing.shapes import (
    INK,
    PAPER,
    SOFT,
    Box,
    Disc,
    Drawing,
    Shape,
    Stroke,
    Words,
    wrapped,
)

#: Fonts that are looked for, in this order.
FONTS = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"

_NAMESPACE = "http://www.w3.org/2000/svg"
_MARGIN = 20
_TITLE, _NOTE = 16, 12


def standalone(drawing: Drawing, title: str, note: str = "") -> str:
    """Return a drawing below its title as SVG.

    Args:
        drawing: What to show.
        title: What it shows; data and our words.
        note: How to read it, in small print below; empty for none.
    """
    inside = drawing.width
    heading = wrapped(clean(title), inside, _TITLE)
    small = wrapped(clean(note), inside, _NOTE, most=6)
    top = _MARGIN + len(heading) * 21 + 8
    height = top + drawing.height + (len(small) * 16 + 10 if small else 0) + _MARGIN
    width = inside + 2 * _MARGIN
    root = ET.Element(
        "svg",
        {
            "xmlns": _NAMESPACE,
            "width": _number(width),
            "height": _number(height),
            "viewBox": f"0 0 {_number(width)} {_number(height)}",
            "font-family": FONTS,
            "role": "img",
        },
    )
    ET.SubElement(root, "title").text = clean(title)
    _add(root, Box(0, 0, width, height, PAPER))
    for row, line in enumerate(heading):
        _add(root, Words(_MARGIN, _MARGIN + 15 + row * 21, line, _TITLE, bold=True, colour=INK))
    inner = ET.SubElement(root, "g", {"transform": f"translate({_MARGIN} {_number(top)})"})
    for shape in drawing.shapes:
        _add(inner, shape)
    for row, line in enumerate(small):
        y = top + drawing.height + 22 + row * 16
        _add(root, Words(_MARGIN, y, line, _NOTE, colour=SOFT))
    return ET.tostring(root, encoding="unicode") + "\n"


def inline(drawing: Drawing, description: str) -> str:
    """Return a drawing as SVG within a page: without ground, words in the colour of the page.

    Args:
        drawing: What to show.
        description: The same in words; empty if the page tells it beside the drawing.
    """
    about = (
        {"role": "img", "aria-label": clean(description)}
        if description
        else {"aria-hidden": "true"}
    )
    size = {"width": _number(drawing.width), "height": _number(drawing.height)}
    box = f"0 0 {size['width']} {size['height']}"
    root = ET.Element("svg", {"class": "drawing", **size, "viewBox": box, **about})
    for shape in drawing.shapes:
        _add(root, replace(shape, colour="currentColor") if isinstance(shape, Words) else shape)
    return ET.tostring(root, encoding="unicode")


def _add(parent: ET.Element, shape: Shape) -> None:
    if isinstance(shape, Words):
        _add_words(parent, shape)
    elif isinstance(shape, Box):
        _element(
            parent, "rect", x=shape.x, y=shape.y, width=shape.width, height=shape.height,
            fill=shape.fill, fill_opacity=None if shape.opacity == 1 else shape.opacity,
            stroke=shape.edge or None,
        )  # fmt: skip
        if shape.hatched:
            _add(parent, Stroke(_hatching(shape), "#e4e7ec"))
    elif isinstance(shape, Disc):
        _element(
            parent, "circle", cx=shape.x, cy=shape.y, r=shape.radius, fill=shape.fill,
            stroke=shape.edge, stroke_width=shape.edge_width,
        )  # fmt: skip
    else:
        _element(
            parent, "path", d=shape.path, fill=shape.fill or "none", stroke=shape.colour,
            stroke_width=shape.width,
            stroke_opacity=None if shape.opacity == 1 else shape.opacity,
            stroke_linecap="round" if shape.round_ends else None,
            stroke_dasharray=shape.dashes or None,
        )  # fmt: skip


def _add_words(parent: ET.Element, words: Words) -> None:
    turn = f"rotate(-90 {_number(words.x)} {_number(words.y)})" if words.turned else None
    made = _element(
        parent, "text", x=words.x, y=words.y, font_size=words.size, fill=words.colour,
        text_anchor=None if words.anchor == "start" else words.anchor,
        font_weight="bold" if words.bold else None, transform=turn,
    )  # fmt: skip
    made.text = clean(words.text)


def _hatching(box: Box) -> str:
    """Return slanting lines inside a box."""
    lines = []
    step, start = 9.0, -box.height
    while start < box.width:
        left, right = max(start, 0.0), min(start + box.height, box.width)
        if right > left:
            lines.append(
                f"M{box.x + left:.1f} {box.y + box.height - (left - start):.1f}"
                f"L{box.x + right:.1f} {box.y + box.height - (right - start):.1f}"
            )
        start += step
    return "".join(lines)


def _element(parent: ET.Element, tag: str, **attributes: float | str | None) -> ET.Element:
    given: Mapping[str, str] = {
        key.replace("_", "-"): value if isinstance(value, str) else _number(value)
        for key, value in attributes.items()
        if value is not None
    }
    return ET.SubElement(parent, tag, dict(given))


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
