"""Labels of a heart: which frames count, and whether values mean what they should."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import shorten

LABELS: Mapping[str, int] = {"background": 0, "LV_cavity": 1, "LV_myocardium": 2, "RV_cavity": 3}
STRUCTURES = (1, 2, 3)

# reasons for which a frame can be left out; the log counts by them
INCOMPLETE = "labels 1, 2 and 3 are not all drawn"
NO_FIRST = "the first frame of the cycle is not annotated"
NO_SECOND = "only one frame of the cycle has all labels"

#: A label encloses another if at least this share of the other's in-plane border is with it.
_ENCLOSING = 0.8


def find_frames(labels: NDArray[Any]) -> dict[str, tuple[int | None, str | None]]:
    """Return the end-diastolic and end-systolic frame of an annotated cycle.

    A frame counts only if labels 0 to 3 are all drawn. The first that counts is ED, the next ES;
    if more count, ES is the one with the least labels.

    Args:
        labels: (frames, slices, rows, columns), values 0 to 3.

    Returns:
        ``ED`` and ``ES``, each with its frame, or with None and the reason.

    Source: ukbb_cardiac, data/prepare_data_ukbb2964.py.
    """
    amount = labels.reshape(len(labels), -1).sum(axis=1, dtype=np.int64)
    wanted = {0, *STRUCTURES}
    complete = [
        int(t) for t in np.flatnonzero(amount) if set(np.unique(labels[t]).tolist()) == wanted
    ]
    if not complete:
        return {"ED": (None, INCOMPLETE), "ES": (None, INCOMPLETE)}
    if amount[0] == 0:
        return {"ED": (None, NO_FIRST), "ES": (None, NO_FIRST)}
    if len(complete) == 1 and complete[0] > 0:
        return {"ED": (None, NO_SECOND), "ES": (None, NO_SECOND)}
    if len(complete) == 1:
        return {"ED": (0, None), "ES": (None, NO_SECOND)}
    systole = min(complete[1:], key=lambda t: int(amount[t]))
    return {"ED": (complete[0], None), "ES": (systole, None)}


def map_labels(labels: NDArray[Any], label_map: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """Return labels with other values; what is not mapped becomes background.

    Args:
        labels: Values as stored.
        label_map: Pairs (value in the file, label); empty: values are labels.
    """
    if not label_map:
        return labels
    result = np.zeros_like(labels)
    for value, label in label_map:
        result[labels == value] = label
    return result


def drawn_part(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the smallest box (and a border of a pixel) that holds everything except 0.

    A heart fills a twentieth of its image; what follows takes that much less time.

    Args:
        labels: (slices, rows, columns).
    """
    box = []
    for axis in range(labels.ndim):
        others = tuple(other for other in range(labels.ndim) if other != axis)
        found = np.flatnonzero(labels.any(axis=others))
        if not found.size:
            return labels[:1, :1, :1]
        box.append(slice(max(0, int(found[0]) - 1), int(found[-1]) + 2))
    return labels[tuple(box)]


def strange_values(stored: NDArray[Any], label_map: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the values that are neither background, nor a label, nor mapped to one."""
    known = {0, *(value for value, _ in label_map)} if label_map else {0, *STRUCTURES}
    return tuple(sorted(set(np.unique(stored).tolist()) - known))


def enclosing_pairs(labels: NDArray[Any]) -> tuple[tuple[int, int], ...]:
    """Return the pairs (a, b) where label a encloses label b within slices.

    Label a encloses b if at least four fifths of the pixel edges between b and anything else are
    edges with a. The left ventricle's myocardium (2) encloses its cavity (1) and no other label
    encloses anything, so another answer means that values have another meaning.

    Args:
        labels: (slices, rows, columns), values 0 to 3.
    """
    edges = np.zeros((4, 4), np.int64)
    inside = np.where((labels >= 0) & (labels <= 3), labels, 0).astype(np.intp)
    for one, other in (
        (inside[:, 1:], inside[:, :-1]),
        (inside[:, :, 1:], inside[:, :, :-1]),
    ):
        counts = np.bincount((4 * one + other).ravel(), minlength=16).reshape(4, 4)
        edges += counts + counts.T
    np.fill_diagonal(edges, 0)
    borders = edges.sum(axis=1)
    return tuple(
        (a, b)
        for b in STRUCTURES
        for a in STRUCTURES
        if borders[b] and edges[b, a] >= _ENCLOSING * borders[b]
    )


def order_warning(enclosed: Sequence[Sequence[tuple[int, int]]]) -> str | None:
    """Return a warning if labels seem to have another order than cavity, myocardium, RV.

    Args:
        enclosed: What :func:`enclosing_pairs` found in each frame.
    """
    odd = [pairs for pairs in enclosed if pairs and (2, 1) not in pairs]
    if not odd:
        return None
    pairs = sorted({pair for found in odd for pair in found})
    described = shorten(f"{a} encloses {b}" for a, b in pairs)
    flags = {(1, 2): "1=2 2=1 3=3", (2, 3): "1=3 2=2 3=1"}
    hint = next((flags[pair] for pair in pairs if pair in flags), "VALUE=LABEL ...")
    return (
        f"in {len(odd)} of {len(enclosed)} labels {described}, but myocardium (2) should enclose "
        "the cavity of the left ventricle (1). Look at one; if the values have another order: "
        f"--label-map {hint}"
    )
