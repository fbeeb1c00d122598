"""Where the organ is in a mask: exactly in a reference, and as well as can be told in a prediction.

A prediction may hold pieces that are no part of the organ. What an organ looks like is known from
the references that a model was trained on: of how many pieces it consists, how large its box is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.box import Box, Window, box_of, window_around
from nnunetv2_fair.errors import ConversionError

#: Pieces below this share of the largest one are specks.
_SPECK = 0.1
#: Pieces of a mask that are looked at, the largest first.
_MOST_PIECES = 64
#: False pieces as large as the organ's that are expected at most beside an organ of several.
_FURTHER = 3
#: A box as large as those of training cases: longer or shorter by at most this factor.
_ALIKE = 1.1
#: Axes of a crop, by option -> how many of an array's last axes they are.
AXES = {"xy": 2, "xyz": 3}
#: Names of an array's last three axes.
AXIS_NAMES = ("slices", "rows", "columns")


@dataclass(frozen=True)
class Piece:
    """Voxels that touch each other, at least at a corner.

    Attributes:
        n_voxels: How many.
        box: The smallest box that holds them.
    """

    n_voxels: int
    box: Box


@dataclass(frozen=True)
class Organ:
    """The foreground of a mask.

    Attributes:
        box: The smallest box that holds all of it.
        pieces: Its pieces, the largest first, at most 64.
    """

    box: Box
    pieces: tuple[Piece, ...]

    @property
    def large_pieces(self) -> tuple[Piece, ...]:
        """Pieces that have at least a tenth of the voxels of the largest one."""
        fewest = _SPECK * self.pieces[0].n_voxels
        return tuple(piece for piece in self.pieces if piece.n_voxels >= fewest)


def organ_in(mask: NDArray[Any], labels: Sequence[int]) -> Organ | None:
    """Return where the foreground of a mask is; None if there is none.

    Args:
        mask: Labels.
        labels: Values that are foreground.
    """
    from scipy import ndimage

    around = box_of(mask)
    if around is None:
        return None
    # all that follows costs as much as the organ is large, not the image
    foreground = np.isin(mask[around.slices], labels)
    numbered, n = ndimage.label(foreground, structure=np.ones((3,) * mask.ndim))
    if not n:
        return None
    counts = np.bincount(numbered.ravel())[1:]
    places = ndimage.find_objects(numbered)
    boxes = [
        Box(
            tuple(s.start + a for s, a in zip(place, around.start, strict=True)),
            tuple(s.stop + a for s, a in zip(place, around.start, strict=True)),
        )
        for place in places
    ]
    largest = np.argsort(-counts, kind="stable")[:_MOST_PIECES]
    return Organ(_around(boxes), tuple(Piece(int(counts[i]), boxes[i]) for i in largest))


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        tuple(min(values) for values in zip(*(box.start for box in boxes), strict=True)),
        tuple(max(values) for values in zip(*(box.end for box in boxes), strict=True)),
    )


@dataclass(frozen=True)
class CropRule:
    """How all images of a cropped dataset are cropped; its ``dataset.json`` holds it.

    Attributes:
        source: Name of the dataset that was cropped.
        axes: ``xy`` (the slice axis stays whole) or ``xyz``.
        size: Voxels of every crop along the cropped axes, in the array's order: (rows, columns) or
            (slices, rows, columns).
        labels: Values of the labels that boxes are drawn around.
        smallest: Shortest box of a training case along each of these axes.
        largest: Longest box of a training case along each of these axes.
        pieces: Most pieces, without specks, that a training case's organ consists of.
    """

    source: str
    axes: str
    size: tuple[int, ...]
    labels: tuple[int, ...]
    smallest: tuple[int, ...]
    largest: tuple[int, ...]
    pieces: int

    def lengths(self, box: Box) -> tuple[int, ...]:
        """Return the lengths of a box along the cropped axes."""
        return box.lengths[-AXES[self.axes] :]

    def window(self, box: Box, shape: Sequence[int], shift: Sequence[int] = ()) -> Window:
        """Return where the crop around a box lies.

        Args:
            box: What is to be in the crop.
            shape: Voxels of the image along each axis.
            shift: As in :func:`~nnunetv2_fair.cropping.box.window_around`, along the cropped axes.
        """
        whole = len(shape) - len(self.size)
        return window_around(
            box, (*(None,) * whole, *self.size), shape, (*(0,) * whole, *shift) if shift else ()
        )

    def is_plausible(self, box: Box, factor: float) -> bool:
        """Return whether a box is as large as those of the training cases.

        Args:
            box: Box of a prediction.
            factor: How many times longer or shorter it may be, along every cropped axis.
        """
        ranges = zip(self.lengths(box), self.smallest, self.largest, strict=True)
        return all(
            low <= factor * length and length <= factor * high for length, low, high in ranges
        )

    def find(self, organ: Organ | None, factor: float) -> Box | None:
        """Return the box of the organ in a prediction; None if nothing is as large as an organ.

        As many pieces as a training case has are taken together, those of most voxels first, if
        the box around them is plausible; else fewer of them, else more: an organ may be predicted
        in parts. What is as large as a training case's organ to within a tenth goes first: a false
        blob may be larger than the organ. Further pieces are added as long as the crop holds all
        of them, with half its margin around. Specks are taken alone at most.

        Args:
            organ: What the prediction shows (:func:`organ_in`).
            factor: As in :meth:`is_plausible`.
        """
        if organ is None:
            return None
        for nearest in (min(_ALIKE, factor), factor):
            box = self._most_voxels(organ, nearest)
            if box is not None:
                return self._with_further(box, organ.large_pieces)
        return None

    def _most_voxels(self, organ: Organ, factor: float) -> Box | None:
        """Return the plausible box of most voxels, of the usual number of pieces if possible."""
        large = organ.large_pieces[: self.pieces + _FURTHER]
        usual = min(self.pieces, len(large))
        for number in (*range(usual, 0, -1), *range(usual + 1, len(large) + 1)):
            candidates = combinations(large if number > 1 else organ.pieces, number)
            for chosen in sorted(candidates, key=lambda c: -sum(piece.n_voxels for piece in c)):
                box = _around([piece.box for piece in chosen])
                if self.is_plausible(box, factor) and (number <= usual or self._has_room_for(box)):
                    return box
        return None

    def _has_room_for(self, box: Box) -> bool:
        """Return whether the crop holds a box, with half its margin on each side."""
        room = zip(self.lengths(box), self.size, self.largest, strict=True)
        return all(length <= (size + longest) // 2 for length, size, longest in room)

    def _with_further(self, box: Box, pieces: Sequence[Piece]) -> Box:
        """Return a box with all pieces in it that there is room for, the largest first."""
        for piece in pieces:
            joint = _around([box, piece.box])
            if self._has_room_for(joint):
                box = joint
        return box

    def why_not(self, organ: Organ | None) -> str:
        """Return why :meth:`find` has found nothing."""
        if organ is None:
            return "empty"
        found = " x ".join(map(str, self.lengths(_around([p.box for p in organ.large_pieces]))))
        ranges = zip(self.smallest, self.largest, strict=True)
        expected = " x ".join(f"{low}-{high}" for low, high in ranges)
        return f"implausible: {found} voxels, training {expected}"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``dataset.json`` says under ``cropped``."""
        names = AXIS_NAMES[-len(self.size) :]
        return {
            "source": self.source,
            "axes": self.axes,
            "labels": list(self.labels),
            "size": dict(zip(names, self.size, strict=True)),
            "smallest": dict(zip(names, self.smallest, strict=True)),
            "largest": dict(zip(names, self.largest, strict=True)),
            "pieces": self.pieces,
        }

    @classmethod
    def from_dict(cls, content: Any) -> "CropRule":
        """Return the rule that :meth:`to_dict` has written.

        Raises:
            ConversionError: If it is not one.
        """
        try:
            axes = content["axes"]
            names = AXIS_NAMES[-AXES[axes] :]
            sizes = {
                key: tuple(_count(content[key][name]) for name in names)
                for key in ("size", "smallest", "largest")
            }
            labels = tuple(map(_count, content["labels"]))
            return cls(
                source=str(content["source"]),
                axes=axes,
                labels=labels,
                pieces=_count(content["pieces"]),
                **sizes,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConversionError(
                f'"cropped" is not as nnUNetv2_fair_crop writes it ({error!r})'
            ) from error


def rule_of_training(
    organs: Sequence[Organ],
    source: str,
    axes: str,
    labels: Sequence[int],
    margin: int,
    size: Sequence[int] | None = None,
) -> CropRule:
    """Return how to crop a dataset, as its training cases have it.

    Args:
        organs: Of the training cases, at least one.
        source: Name of the dataset.
        axes: ``xy`` or ``xyz``.
        labels: Values of the labels that boxes are drawn around.
        margin: Voxels on every side of the longest box.
        size: Voxels of every crop along the cropped axes, in the array's order; None takes the
            longest box and the margin.

    Source: Lee et al., MELBA 2025, section 4.7.
    """
    lengths = np.array([organ.box.lengths[-AXES[axes] :] for organ in organs])
    smallest, largest = lengths.min(axis=0), lengths.max(axis=0)
    return CropRule(
        source,
        axes,
        tuple(int(n) + 2 * margin for n in largest) if size is None else tuple(size),
        tuple(labels),
        tuple(map(int, smallest)),
        tuple(map(int, largest)),
        max(len(organ.large_pieces) for organ in organs),
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(value)
    return value
