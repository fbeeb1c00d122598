"""How much of the organ do crops hold that errors of a first model lead to?

Plants one kind of error at a time in references of phantoms, pictures and volumes, so that the
first prediction has a given Dice score, and takes the box from it as the cascade does
(``nnunetv2_fair.cropping.organs``), with the size and the range that training cases lead to. What
counts is the share of the reference in the crop, and how often nothing plausible is found, so that
the prediction of the full image is the result.

Organs are of two kinds: the phantoms' nodules, whose sizes differ by a factor of two, and those of
them that are within a tenth of the median, as organs of one size are: their crops are hardly larger
than they are.

    python benchmarks/cascade_boxes.py                       # the tables in docs/benchmarks.md
    python benchmarks/cascade_boxes.py --margin 15 --cases 40
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_fair.cropping.organs import CropRule, organ_in, rule_of_training
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import PhantomSpec

Mask = NDArray[np.bool_]
Error = Callable[[Mask, float, np.random.Generator], Mask]

SHAPES = {"pictures": (192, 192), "volumes": (12, 160, 160)}
SPACING_MM = {"pictures": None, "volumes": (13.0, 1.0, 1.0)}
DICE = (0.7, 0.8, 0.9, 0.95)
#: What a crop must hold on average where the first model has Dice 0.7 or better.
PROMISED = 0.99
#: Organs of one size: their largest radius differs from the median by at most this share.
_ALIKE = 0.1


# ------------------------------------------------------------------------------ kinds of error


def kept(mask: Mask, dice: float) -> int:
    """Return how many voxels of the organ remain if errors only take away."""
    return max(1, round(mask.sum() * dice / (2 - dice)))


def added(mask: Mask, dice: float) -> int:
    """Return how many false voxels there are if errors only add."""
    return round(mask.sum() * 2 * (1 / dice - 1))


def _first(mask: Mask, order: NDArray[np.float64], n: int) -> Mask:
    """Return the n voxels of a mask that come first in an order."""
    places = np.flatnonzero(mask)
    chosen = places[np.argsort(order.ravel()[places], kind="stable")[:n]]
    found = np.zeros(mask.shape, bool)
    found.flat[chosen] = True
    return found


def _along(mask: Mask, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how far each voxel lies in a random direction in the plane."""
    rows, columns = np.meshgrid(*map(np.arange, mask.shape[-2:]), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    along = np.sin(angle) * rows + np.cos(angle) * columns
    return np.broadcast_to(along, mask.shape)


def _blob(mask: Mask, n: int, rng: np.random.Generator) -> Mask:
    """Return a false ellipsoid of about n voxels that does not touch the organ, if there is room.

    Its axes differ by a factor of up to two; in volumes it is as flat as the organ.
    """
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    lengths = np.array([s.stop - s.start for s in box], float)
    lengths[-2:] = (
        lengths[-2:].mean() * np.array([1, 1]) * rng.uniform(0.7, 1.4) ** np.array([1, -1])
    )
    axes = np.meshgrid(*map(np.arange, mask.shape), indexing="ij", sparse=True)
    near = ndimage.binary_dilation(mask, iterations=2)
    # a ball of radius 1 holds this many voxels when its axes are half the lengths
    ball = np.prod(lengths) * (np.pi / 4 if mask.ndim == 2 else np.pi / 6)
    radii = lengths / 2 * (n / ball) ** (1 / mask.ndim)
    least = np.minimum(radii, np.array(mask.shape) / 2)
    for _ in range(200):
        centre = [rng.uniform(a, k - a) for a, k in zip(least, mask.shape, strict=True)]
        far = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True))
        found = np.asarray(far) < 1
        if not (found & near).any():
            return found
    return found & ~near


def erosion(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Take away from the outside."""
    return _first(mask, -ndimage.distance_transform_edt(mask), kept(mask, dice))


def dilation(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Add at the outside."""
    far = ndimage.distance_transform_edt(~mask)
    return mask | _first(~mask, far, added(mask, dice))


def one_side(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Take away one side, up to nearly one half."""
    return _first(mask, _along(mask, rng), kept(mask, dice))


def gap(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Take away a band through the middle, so that two pieces remain."""
    along = _along(mask, rng)
    return _first(mask, -abs(along - np.median(along[mask])), kept(mask, dice))


def slices(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Take away slices at one end."""
    order = np.broadcast_to(np.arange(mask.shape[0])[:, None, None], mask.shape)
    return _first(mask, order * rng.choice((-1.0, 1.0)), kept(mask, dice))


def shift(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Move the organ in the plane."""
    angle = rng.uniform(0, 2 * np.pi)
    step = np.array([0.0] * (mask.ndim - 2) + [np.sin(angle), np.cos(angle)])
    low, high = 0.0, float(max(mask.shape))
    for _ in range(20):
        middle = (low + high) / 2
        moved = _moved(mask, np.rint(step * middle).astype(int))
        low, high = (middle, high) if dice_of(mask, moved) > dice else (low, middle)
    return _moved(mask, np.rint(step * low).astype(int))


def _moved(mask: Mask, by: NDArray[np.int_]) -> Mask:
    return ndimage.shift(mask.astype(np.uint8), by, order=0).astype(bool)


def outline(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Move the outline inwards and outwards at random, pieces and holes included."""
    level = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    noise = ndimage.gaussian_filter(rng.normal(size=mask.shape), [1.0] * (mask.ndim - 2) + [4, 4])
    noise /= noise.std()
    low, high = 0.0, float(max(mask.shape))
    for _ in range(20):
        middle = (low + high) / 2
        wrong = level + middle * noise > 0
        low, high = (middle, high) if dice_of(mask, wrong) > dice else (low, middle)
    return level + low * noise > 0


def specks(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Add small pieces all over the image, each with a fiftieth of the organ's voxels."""
    wrong, left = mask.copy(), added(mask, dice)
    side = max(1, round((int(mask.sum()) / 50) ** (1 / mask.ndim)))
    while left > 0:
        corner = [int(rng.integers(0, k - min(side, k) + 1)) for k in mask.shape]
        part = wrong[tuple(slice(a, a + side) for a in corner)]
        left -= int((~part).sum())
        part[...] = True
    return wrong


def blob(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Add one false piece elsewhere."""
    return mask | _blob(mask, added(mask, dice), rng)


def one_side_and_blob(mask: Mask, dice: float, rng: np.random.Generator) -> Mask:
    """Take away one side, and add as many false voxels elsewhere."""
    n = kept(mask, dice) + (int(mask.sum()) - kept(mask, dice)) // 2
    return _first(mask, _along(mask, rng), n) | _blob(mask, int(mask.sum()) - n, rng)


ERRORS: dict[str, Error] = {
    "eroded": erosion, "dilated": dilation, "outline moved": outline, "shifted": shift,
    "slices lost at one end": slices, "one side lost": one_side, "a gap in the middle": gap,
    "specks": specks, "one false blob": blob, "one side lost, a false blob": one_side_and_blob,
}  # fmt: skip
#: Dice of an organ with a false blob of 1.5 and 3 times its size; and what is lost altogether.
WORSE: dict[str, tuple[Error, float]] = {
    "a false blob of 1.5 times the organ": (blob, 2 / 3.5),
    "a false blob of 3 times the organ": (blob, 2 / 5),
    "nothing predicted": (lambda mask, dice, rng: np.zeros_like(mask), 0.0),
}


def dice_of(reference: Mask, prediction: Mask) -> float:
    """Return the Dice score of two masks, 0 to 1."""
    return 2 * float((reference & prediction).sum()) / float(reference.sum() + prediction.sum())


# ---------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Found:
    """What became of the cases of one kind of error.

    Attributes:
        error: What was planted.
        dice: What was asked for.
        reached: Mean Dice that the predictions have.
        held: Share of the reference in the crop, one for each case with a crop.
        fallback: Share of the cases without one.
    """

    error: str
    dice: float
    reached: float
    held: Sequence[float]
    fallback: float

    @property
    def mean(self) -> float:
        """Mean share of the reference in the crops; NaN if there is no crop."""
        return float(np.mean(self.held)) if self.held else float("nan")

    @property
    def cut(self) -> float:
        """Share of the crops that hold less than 99% of their reference."""
        return float(np.mean(np.less(self.held, PROMISED))) if self.held else float("nan")


def organs_of(kind: str, n: int, *, alike: bool, seed: int) -> list[Mask]:
    """Return references of phantoms.

    Args:
        kind: ``pictures`` or ``volumes``.
        n: How many.
        alike: Only organs that are about as large as the median.
        seed: Of the phantoms.
    """
    spec = PhantomSpec(
        n_patients=8 * n if alike else n, images_per_patient=(1, 1), shape=SHAPES[kind],
        spacing_mm=SPACING_MM[kind], seed=seed,
    )  # fmt: skip
    drawings = draw(spec)
    if alike:
        radii = np.array([max(drawing.nodule.radii) for drawing in drawings])
        near = abs(radii / np.median(radii) - 1) <= _ALIKE
        drawings = [drawing for drawing, one in zip(drawings, near, strict=True) if one]
    return [render(drawing, spec).clean_mask > 0 for drawing in drawings[:n]]


def rule_of(training: Sequence[Mask], margin: int) -> CropRule:
    """Return how ``nnUNetv2_fair_crop`` would crop a dataset with these references."""
    organs = [organ for mask in training if (organ := organ_in(mask, (1,))) is not None]
    return rule_of_training(organs, "phantoms", "xy", (1,), margin)


def measure(
    error: str, plant: Error, dice: float, tests: Sequence[Mask], rule: CropRule, factor: float
) -> Found:
    """Plant an error in every test case, and crop around what the prediction shows."""
    held, reached, fallback = [], [], 0
    for number, mask in enumerate(tests):
        rng = np.random.default_rng([number, round(1000 * dice)])
        wrong = plant(mask, dice, rng)
        reached.append(dice_of(mask, wrong))
        box = rule.find(organ_in(wrong, rule.labels), factor)
        if box is None:
            fallback += 1
            continue
        window = rule.window(box, mask.shape)
        held.append(1 - window.in_image.outside(mask) / float(mask.sum()))
    return Found(error, dice, float(np.mean(reached)), held, fallback / len(tests))


def all_errors(
    kind: str,
    *,
    alike: bool,
    cases: int,
    margin: int,
    factor: float = 1.5,
    dice: Sequence[float] = DICE,
    everything: bool = True,
) -> list[Found]:
    """Measure every error at every Dice score on phantoms of one kind.

    Args:
        kind: ``pictures`` or ``volumes``.
        alike: Only organs that are about as large as the median.
        cases: How many training cases, and how many test cases.
        margin: Voxels on every side of the longest training box.
        factor: As in :meth:`~nnunetv2_fair.cropping.organs.CropRule.find`.
        dice: Scores of the first predictions.
        everything: Whether what is worse is measured, too (:data:`WORSE`).
    """
    masks = organs_of(kind, 2 * cases, alike=alike, seed=1)
    training, tests = masks[:cases], masks[cases:]
    rule = rule_of(training, margin)
    found = [
        measure(error, plant, score, tests, rule, factor)
        for error, plant in ERRORS.items()
        if plant is not slices or kind == "volumes"
        for score in dice
    ]
    for error, (plant, score) in WORSE.items() if everything else ():
        found.append(measure(error, plant, score, tests, rule, factor))
    return found


def main() -> int:
    """Print a table for each kind of phantoms; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=60, help="training cases, and test cases")
    parser.add_argument("--margin", type=int, default=5)
    parser.add_argument("--factor", type=float, default=1.5)
    args = parser.parse_args()
    broken = []
    for kind in SHAPES:
        for alike in (False, True):
            what = f"{kind}, organs of {'one size' if alike else 'all sizes'}"
            print(f"\n{what}\n\n| first prediction | " + " | ".join(f"Dice {d:g}" for d in DICE))
            results = all_errors(
                kind, alike=alike, cases=args.cases, margin=args.margin, factor=args.factor
            )
            for error in dict.fromkeys(one.error for one in results):
                ours = [one for one in results if one.error == error]
                cells = [
                    f"{100 * one.mean:.2f} ({100 * one.cut:.0f}%, {100 * one.fallback:.0f}%)"
                    + ("" if abs(one.reached - one.dice) < 0.02 else f" [{one.reached:.2f}]")
                    for one in ours
                ]
                print(f"| {error} | {' | '.join(cells)} |", flush=True)
            broken += [
                f"{what}: {one.error}, Dice {one.dice:g}: {100 * one.mean:.2f}%"
                for one in results
                if one.error in ERRORS and one.held and one.mean < PROMISED
            ]
    print("\nCells: % of the reference in the crop (crops with less than 99%, cases without crop)")
    for line in broken:
        print(f"less than {100 * PROMISED:g}%: {line}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
