"""Images whose background, everything outside the organ, is changed on purpose.

If a model follows something outside the organ, its scores change with the background. Three edits
tell that apart from what any edit does:

- :func:`neutralised` leaves nothing of the background;
- :func:`exchanged` puts the background of another case in its place: of a case of another group;
- :func:`control` does the same with a case of the same group. As many voxels change, as strongly
  as can be had, but the background still is one of the group. What this does to a gap, the edit
  itself has done.

The organ and a margin around it stay. In the outer half of the margin, the image fades into the new
background, so that there is no edge a model could take for something.

The organ must hold more than what is segmented: if just that remains as it was, every edit shows
where it is, and the gap may vanish for that reason. Where only masks of what is segmented exist,
``margin`` has to be wide, and the control edit shows whether it is.

Sources: Xiao et al., Noise or Signal, ICLR 2021 (backgrounds of the same and of other classes, on
photographs). The margin and the choice of a control that is as strong are ours.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_fair.errors import EvaluationError

#: Smallest share of an image that must lie outside organ and margin.
LEAST_OUTSIDE = 0.05
#: Cases of the same group among which the control edit chooses.
CANDIDATES = 5
#: Share of the organ's radius that :func:`usual_margin` keeps.
_MARGIN_SHARE = 0.1

Image = NDArray[Any]
Mask = NDArray[np.bool_]


class Case(NamedTuple):
    """An image and where its organ is.

    Attributes:
        image: (channels, [slices,] rows, columns); any numbers.
        organ: ([slices,] rows, columns), bool.
    """

    image: Image
    organ: Mask


class Edit(NamedTuple):
    """An edited image.

    Attributes:
        image: As the original: same shape and type; whole numbers are rounded.
        changed: How many voxels differ from the original in any channel.
        strength: Root mean square of the change over channels and all voxels that may change, each
            channel in standard deviations of the original; 0 where nothing changed.
        donor: Position of the case whose background it is in what was passed; 0 of a single one,
            -1 of none.
    """

    image: Image
    changed: int
    strength: float
    donor: int = -1


class Partners(NamedTuple):
    """Whose background each case is given; -1 where the case or all others cannot be used.

    Attributes:
        other: (cases,) a case of another group.
        same: (cases, :data:`CANDIDATES`) different cases of the same group; -1 behind them where
            there are fewer.
    """

    other: NDArray[np.intp]
    same: NDArray[np.intp]


def usual_margin(organ: Mask, spacing: Sequence[float]) -> float:
    """Return a tenth of the radius of a ball (a disc) of the organ's size, at least two voxels.

    Args:
        organ: Not empty.
        spacing: Of the mask's axes; two voxels are those of the widest spacing.

    Returns:
        The margin in the unit of ``spacing``.
    """
    wide = [s for s, n in zip(spacing, organ.shape, strict=True) if n > 1]
    size = float(np.count_nonzero(organ)) * math.prod(wide)
    radius = (size * 3 / (4 * math.pi)) ** (1 / 3) if len(wide) == 3 else math.sqrt(size / math.pi)
    return max(_MARGIN_SHARE * radius, 2 * max(wide, default=1.0))


def why_not(case: Case, margin: float, spacing: Sequence[float]) -> str:
    """Return why a background cannot be edited; empty if it can.

    Args:
        case: Image and organ.
        margin: What stays around the organ, in the unit of ``spacing``.
        spacing: Of the mask's axes.

    Raises:
        EvaluationError: Image, mask and spacing do not fit together.
    """
    weights = _weights(case, margin, spacing)
    if not case.organ.any():
        return "there is no organ"
    share = float((weights == 0).mean())
    if share < LEAST_OUTSIDE:
        return (
            f"organ and margin fill {100 * (1 - share):.0f}% of the image; at least "
            f"{100 * LEAST_OUTSIDE:.0f}% must lie outside"
        )
    if not _ring(case, weights).any():
        return "the margin holds no voxel"
    outside = case.image[:, weights == 0]
    if not np.isfinite(outside).all():
        return "the background has values that are not finite"
    if (outside == outside[:, :1]).all():
        return "the background has one value only, so that nothing in it can be followed"
    return ""


def neutralised(case: Case, margin: float, spacing: Sequence[float]) -> Edit:
    """Replace the background by the mean of the margin, channel by channel.

    The result depends on organ and margin alone: whatever was outside, it is the same.

    Args:
        case: Image and organ.
        margin: What stays around the organ, in the unit of ``spacing``.
        spacing: Of the mask's axes.

    Raises:
        EvaluationError: :func:`why_not` has a reason, or arrays do not fit together.
    """
    weights = _checked(case, margin, spacing, "the case")
    ring = _ring(case, weights)
    means = case.image[:, ring].astype(float).mean(axis=1)
    return _edited(case, means.reshape(-1, *[1] * case.organ.ndim), weights)


def exchanged(case: Case, donor: Case, margin: float, spacing: Sequence[float]) -> Edit:
    """Replace the background by that of another case.

    The donor is moved by whole voxels so that the centres of both organs coincide, and mirrored at
    its edges where it is too small. Where its own organ and margin would come to lie in the
    background, the nearest voxel of its background stands instead.

    Args:
        case: Image and organ.
        donor: With as many channels, and the same spacing; its shape may differ.
        margin: What stays around the organ, and what around the donor's organ is not shown, in
            the unit of ``spacing``.
        spacing: Of the masks' axes.

    Raises:
        EvaluationError: :func:`why_not` has a reason for either, channels or axes of both differ,
            or arrays do not fit together.
    """
    weights = _checked(case, margin, spacing, "the case")
    return _edited(case, _moved(case, donor, margin, spacing), weights, 0)


def control(
    case: Case, donors: Sequence[Case], strength: float, margin: float, spacing: Sequence[float]
) -> Edit:
    """Replace the background by that of the case whose edit is nearest to a given strength.

    Args:
        case: Image and organ.
        donors: Cases of the same group, one or more; see :func:`exchanged`.
        strength: Of the edit that this one is the control of.
        margin: What stays around each organ, in the unit of ``spacing``.
        spacing: Of the masks' axes.

    Raises:
        EvaluationError: As :func:`exchanged`; also without donors.
    """
    if not donors:
        raise EvaluationError(
            "Backgrounds: a control edit needs another case of the same group; found none. Leave "
            "this case out, or its group."
        )
    made = [exchanged(case, donor, margin, spacing) for donor in donors]
    best = min(range(len(made)), key=lambda i: abs(made[i].strength - strength))
    return made[best]._replace(donor=best)


def partners(groups: Sequence[str], usable: Sequence[bool], seed: int) -> Partners:
    """Draw whose background each case is given.

    Args:
        groups: Of each case. Cases of one patient should come in as one, or a patient may become
            its own control.
        usable: Whether :func:`why_not` has no reason against a case.
        seed: Equal seeds give equal partners.

    Returns:
        Partners; a case of another group is drawn from each other group with equal probability.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(groups)
    fit = np.asarray(usable, bool)
    members = {name: np.flatnonzero((names == name) & fit) for name in sorted(set(groups))}
    other = np.full(len(names), -1, np.intp)
    same = np.full((len(names), CANDIDATES), -1, np.intp)
    for i, group in enumerate(groups):
        if not fit[i]:
            continue
        pools = [cases for name, cases in members.items() if name != group and len(cases)]
        if pools:
            other[i] = rng.choice(pools[int(rng.integers(len(pools)))])
        drawn = rng.permutation(members[group])
        drawn = drawn[drawn != i][:CANDIDATES]
        same[i, : len(drawn)] = drawn
    return Partners(other, same)


def _weights(case: Case, margin: float, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return how much of the original stays: 1 in organ and inner half of the margin, 0 outside."""
    image, organ = case
    if image.ndim != organ.ndim + 1 or image.shape[1:] != organ.shape or organ.dtype != bool:
        raise EvaluationError(
            f"Backgrounds: the image has shape {image.shape}, its organ {organ.shape} of type "
            f"{organ.dtype}; expected (channels, {', '.join(map(str, organ.shape))}) and bool."
        )
    if len(spacing) != organ.ndim or not all(0 < s < math.inf for s in spacing):
        raise EvaluationError(
            f"Backgrounds: the spacing is {list(spacing)}; expected {organ.ndim} positive numbers, "
            "one for each axis of the mask."
        )
    if not 0 < margin < math.inf:
        raise EvaluationError(
            f"Backgrounds: the margin is {margin:g}; expected a number above 0, in the unit of the "
            "spacing."
        )
    if not organ.any():
        return np.zeros(organ.shape)
    distance = ndimage.distance_transform_edt(~organ, sampling=spacing)
    return np.asarray(np.clip(2 * (1 - distance / margin), 0, 1))


def _checked(case: Case, margin: float, spacing: Sequence[float], who: str) -> NDArray[np.float64]:
    reason = why_not(case, margin, spacing)
    if reason:
        raise EvaluationError(
            f"Backgrounds: the background of {who} cannot be edited: {reason}. Leave the case out."
        )
    return _weights(case, margin, spacing)


def _ring(case: Case, weights: NDArray[np.float64]) -> Mask:
    return np.asarray(~case.organ & (weights > 0))


def _edited(
    case: Case, background: NDArray[np.float64], weights: NDArray[np.float64], donor: int = -1
) -> Edit:
    image = case.image.astype(float)
    made = np.where(weights == 1, image, weights * image + (1 - weights) * background)
    if np.issubdtype(case.image.dtype, np.integer):
        limits = np.iinfo(case.image.dtype)
        made = np.clip(np.rint(made), limits.min, limits.max)
    made = made.astype(case.image.dtype)
    difference = made.astype(float) - image
    deviations = image.reshape(len(image), -1).std(axis=1)
    relative = difference[deviations > 0][:, weights < 1] / deviations[deviations > 0, None]
    strength = float(np.sqrt((relative**2).mean())) if relative.size else 0.0
    return Edit(made, int((difference != 0).any(axis=0).sum()), strength, donor)


def _moved(case: Case, donor: Case, margin: float, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return the donor's background on the grid of the case."""
    if donor.image.ndim != case.image.ndim or len(donor.image) != len(case.image):
        raise EvaluationError(
            f"Backgrounds: the image has {len(case.image)} channels and {case.organ.ndim} axes, "
            f"the one whose background it is given {len(donor.image)} and {donor.organ.ndim}; "
            "expected the same."
        )
    hidden = _checked(donor, margin, spacing, "the other case") > 0
    nearest = ndimage.distance_transform_edt(
        hidden, sampling=spacing, return_distances=False, return_indices=True
    )
    filled = donor.image[(slice(None), *nearest)].astype(float)
    places = [
        _mirrored(np.arange(n) - ours + theirs, m)
        for n, m, ours, theirs in zip(
            case.organ.shape, donor.organ.shape, _centre(case.organ), _centre(donor.organ),
            strict=True,
        )
    ]  # fmt: skip
    return np.asarray(filled[np.ix_(np.arange(len(filled)), *places)])


def _centre(organ: Mask) -> list[int]:
    return [round(float(where.mean())) for where in np.nonzero(organ)]


def _mirrored(index: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return indices of an axis of n voxels, mirrored at its edges as often as needed."""
    turned = index % (2 * n)
    return np.where(turned < n, turned, 2 * n - 1 - turned)
