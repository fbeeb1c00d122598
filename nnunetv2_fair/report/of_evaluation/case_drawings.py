"""Pictures of single cases: the image, with reference and prediction outlined."""

import base64
import struct
import zlib

import numpy as np

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.report.html.markup import Html, element, escape, join, name

#: Longest side of a picture; larger arrays are thinned out.
LONGEST_SIDE = 320

#: Longest outline, in characters, that is drawn as lines; beyond, masks become coloured areas.
LONGEST_OUTLINE = 60_000

# Okabe and Ito's sky blue and orange: apart for every kind of colour vision, and on grey
_REFERENCE = (86, 180, 233)
_PREDICTION = (230, 159, 0)


def png(pixels: np.ndarray) -> bytes:
    """Encode an image.

    Args:
        pixels: (rows, columns) grey or (rows, columns, 3) RGB, uint8.

    Source: PNG specification, third edition (W3C), sections 5, 9 and 11.
    """
    height, width = pixels.shape[:2]
    kind = 0 if pixels.ndim == 2 else 2
    flat = np.ascontiguousarray(pixels).reshape(height, -1)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), flat], axis=1).tobytes()

    def chunk(tag: bytes, content: bytes) -> bytes:
        body = tag + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def outline(mask: np.ndarray) -> str:
    """Return the border of a mask along pixel edges, as path data.

    Args:
        mask: (rows, columns) bool; a pixel covers (column, row) to (column + 1, row + 1).
    """
    padded = np.pad(mask.astype(np.int8), 1)
    across = np.abs(np.diff(padded, axis=0))[:, 1:-1]
    down = np.abs(np.diff(padded, axis=1))[1:-1, :]
    parts = [f"M{start} {row}h{length}" for row, start, length in _runs(across)]
    parts += [f"M{column} {start}v{length}" for column, start, length in _runs(down.T)]
    return "".join(parts)


def _runs(edges: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (line, start, length) of every run of ones along the rows."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))), axis=1)
    line, start = np.nonzero(steps == 1)
    _, end = np.nonzero(steps == -1)
    return [(int(i), int(a), int(b - a)) for i, a, b in zip(line, start, end, strict=True)]


def figure(picture: CasePicture, anchor: str | None = None) -> Html:
    """Return a picture with its caption; ``anchor`` becomes its id."""
    step = max(1, -(-max(picture.reference.shape) // LONGEST_SIDE))
    reference = np.asarray(picture.reference, bool)[::step, ::step]
    prediction = np.asarray(picture.prediction, bool)[::step, ::step]
    rows, columns = reference.shape
    grey = _grey(picture, step)
    lines = [outline(reference), outline(prediction)]
    if sum(map(len, lines)) > LONGEST_OUTLINE:
        pixels = _tinted(grey, reference, prediction)
        marks: Html | str = ""
    else:
        pixels = grey
        marks = join(
            [
                element("path", class_="halo", d=lines[0] + lines[1]),
                element("path", class_="reference", d=lines[0]),
                element("path", class_="prediction", d=lines[1]),
            ]
        )
    data = base64.b64encode(png(pixels)).decode("ascii")
    # the drawing's units are pixels of the array; the aspect stretches them to true shape
    height = rows * picture.aspect
    image = (
        f'<image href="data:image/png;base64,{data}" width="{columns}" height="{rows}" '
        'preserveAspectRatio="none"/>'
    )
    scaled = f'<g transform="scale(1 {picture.aspect:.6g})">{image}{marks}</g>'
    alternative = f"Case {name_text(picture)}: {picture.caption}"
    drawing = Html(
        f'<svg class="case" viewBox="0 0 {columns} {height:.6g}" role="img" '
        f'aria-label="{escape(alternative)}">{scaled}</svg>'
    )
    caption = element(
        "figcaption",
        element("strong", name(picture.case)),
        element("span", name(picture.label, 32), " \N{MIDDLE DOT} ", name(picture.caption, 160)),
    )
    return element("figure", drawing, caption, class_="case-figure", id=anchor)


def name_text(picture: CasePicture) -> str:
    """Return the case's name, short enough for an alternative text."""
    return (
        picture.case if len(picture.case) <= 80 else picture.case[:79] + "\N{HORIZONTAL ELLIPSIS}"
    )


def _grey(picture: CasePicture, step: int) -> np.ndarray:
    """Return (rows, columns) uint8; mid grey where there is no image."""
    if picture.image is None:
        return np.full(picture.reference[::step, ::step].shape, 96, np.uint8)
    values = np.nan_to_num(np.asarray(picture.image, float)[::step, ::step])
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def _tinted(grey: np.ndarray, reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return RGB in which the masks are areas, for outlines too intricate to draw as lines."""
    result = np.repeat(grey[..., None].astype(float), 3, axis=2)
    for mask, colour in ((reference, _REFERENCE), (prediction, _PREDICTION)):
        result[mask] = 0.5 * result[mask] + 0.5 * np.array(colour)
    return result.round().astype(np.uint8)
