"""Pictures of individual cases: the image, with reference and prediction outlined."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Longest outline, in characters, that is drawn as lines; beyond, masks become coloured areas.
LONGEST_OUTLINE = 60_000

# Okabe and Ito's sky blue and orange: distinct for every kind of colour vision, and on grey
_REFERENCE = (86, 180, 233)
_PREDICTION = (230, 159, 0)


@dataclass(frozen=True)
class _Outlines:
    """Path data of both masks."""

    reference: str
    prediction: str

    @property
    def length(self) -> int:
        return len(self.reference) + len(self.prediction)


def png(pixels: np.ndarray) -> bytes:
    """Encode an image.

    Args:
        pixels: (rows, columns) grey or (rows, columns, 3) RGB, uint8.
    """
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, "PNG", compress_level=9)
    return encoded.getvalue()


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
    layers = [_layers(picture.reference), _layers(picture.prediction)]
    pixels = _grey(picture)
    outlines = _Outlines(*("".join(outline(mask) for mask in masks) for masks in layers))
    too_intricate = outlines.length > LONGEST_OUTLINE
    if too_intricate:
        reference, prediction = (np.logical_or.reduce(masks, axis=0) for masks in layers)
        pixels = _tinted(pixels, reference, prediction)
    return render(
        "report/of_evaluation/templates/case_drawing.html",
        picture=picture,
        anchor=anchor,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        png=base64.b64encode(png(pixels)).decode("ascii"),
        outlines=None if too_intricate else outlines,
    )


def _layers(masks: np.ndarray) -> np.ndarray:
    """Return (labels, rows, columns) bool of one mask or several."""
    found = np.asarray(masks, bool)
    return found if found.ndim == 3 else found[None]


def _grey(picture: CasePicture) -> np.ndarray:
    """Return (rows, columns) uint8; mid grey where there is no image."""
    if picture.image is None:
        return np.full(picture.reference.shape[-2:], 96, np.uint8)
    values = np.nan_to_num(np.asarray(picture.image, float))
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def _tinted(grey: np.ndarray, reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return RGB in which the masks are areas, for outlines too intricate to draw as lines."""
    result = np.repeat(grey[..., None].astype(float), 3, axis=2)
    for mask, colour in ((reference, _REFERENCE), (prediction, _PREDICTION)):
        result[mask] = 0.5 * result[mask] + 0.5 * np.array(colour)
    return result.round().astype(np.uint8)
