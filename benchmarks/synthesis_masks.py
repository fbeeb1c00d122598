"""Masks by ``nnUNetv2_fair_synthesize masks``: valid share, likeness to unseen masks, copies, time.

Discs with cups of 128 x 128 pixels, 650 of one group and 150 of another whose cups are larger. For
each seed, other discs and another training. Real unseen masks go through the same checks.

    python benchmarks/synthesis_masks.py --seeds 0 1 2

Of the model of points, only the time of a step and of a mask, because it needs a GPU::

    python benchmarks/synthesis_masks.py --model points -n 4
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import wasserstein_distance

from nnunetv2_fair.synthesis.masks.drawing import draw_masks, why_unlike
from nnunetv2_fair.synthesis.masks.outlines import outlines, regions_of
from nnunetv2_fair.synthesis.masks.point_clouds import POINTS
from nnunetv2_fair.synthesis.masks.point_model import PointModel, PointSettings
from nnunetv2_fair.synthesis.masks.shape_model import ShapeModel
from nnunetv2_fair.synthesis.masks.training_masks import TrainingMasks, read_training_masks
from nnunetv2_fair.synthesis.quality.memorisation import TOO_NEAR

SIDE = 128
GROUPS = {"White": (650, 0.45), "Black": (150, 0.62)}


def eye(rng: np.random.Generator, share: float) -> np.ndarray:
    """Return a wavy ellipse (1) with another in it (2) of about a share of its radius."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre = rng.normal(64, 5, 2)
    radius = np.clip(rng.normal(34, 4), 22, 46)
    ratio = np.clip(rng.normal(share, 0.09), 0.2, 0.85)
    aspect, tilt, round_ = rng.normal(1.1, 0.05), rng.normal(0, 0.2), rng.normal(1, 0.08)
    shift = rng.normal(0, 0.06, 2) * radius * (1 - ratio)

    def inside(centre: np.ndarray, tall: float, wide: float) -> np.ndarray:
        y, x = rows - centre[0], columns - centre[1]
        along, across = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
        angle = np.arctan2(across, along)
        waves = zip(rng.normal(0, 0.02, 3), rng.uniform(0, 2 * np.pi, 3), (2, 3, 4), strict=True)
        edge = 1 + sum(size * np.cos(k * angle + start) for size, start, k in waves)
        return np.asarray(np.hypot(along / wide, across / tall) < edge)

    disc = inside(centre, radius * aspect, radius / aspect)
    size = radius * ratio
    cup = inside(centre + shift, size * aspect * round_, size / aspect / round_) & disc
    return disc.astype(np.uint8) + cup.astype(np.uint8)


def write_dataset(folder: Path, rng: np.random.Generator) -> None:
    """Write the training masks as a dataset; images are empty files, which nobody opens."""
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    rows = ["case,patient,race"]
    for group, (n, share) in GROUPS.items():
        for _ in range(n):
            case = f"eye{len(rows):04d}"
            Image.fromarray(eye(rng, share)).save(folder / "labelsTr" / f"{case}.png")
            (folder / "imagesTr" / f"{case}_0000.png").touch()
            rows.append(f"{case},of_{case},{group}")
    about = {
        "channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1, "cup": 2},
        "numTraining": len(rows) - 1, "file_ending": ".png",
    }  # fmt: skip
    levels = {"type": "categorical", "meaning": "race", "levels": list(GROUPS)}
    people = {"default": "race", "attributes": {"race": levels}}
    (folder / "dataset.json").write_text(json.dumps(about))
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    (folder / "demographics.json").write_text(json.dumps(people))


def ratios(masks: list[np.ndarray]) -> np.ndarray:
    """Return vertical cup-to-disc ratios."""
    return np.array([np.ptp(np.where(m == 2)[0]) / np.ptp(np.where(m > 0)[0]) for m in masks])


def nearest_dice(masks: list[np.ndarray], training: list[np.ndarray]) -> float:
    """Return the mean, over masks, of the mean Dice of both structures to the nearest one."""
    found = np.zeros((len(masks), len(training)))
    for least in (1, 2):
        one, other = (
            np.stack([m >= least for m in s]).reshape(len(s), -1).astype(np.float32)
            for s in (masks, training)
        )
        found += (one @ other.T) / (one.sum(1)[:, None] + other.sum(1))
    return float(found.max(axis=1).mean())


def report(seed: int, n: int, model: str) -> None:
    """Print a line for each group."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "Dataset042_Eyes"
        write_dataset(folder, rng)
        began, processor = time.perf_counter(), time.process_time()
        known: TrainingMasks = read_training_masks(folder, "race", (), leave_out=False)
        cases = {group: own.outlines for group, own in known.groups.items()}
        drawer = ShapeModel(cases, diffusion=model == "shape", steps=1500, seed=seed)
        drawn = draw_masks(drawer, known, n, seed)
        took = time.perf_counter() - began, time.process_time() - processor
        training = {
            group: [np.asarray(Image.open(path)) for path in own]
            for group, own in _files(folder).items()
        }
    print(f"seed {seed}: {took[0]:.0f} s, {took[1]:.0f} s of processor time")
    for group, masks in drawn.masks.items():
        unseen = [eye(rng, GROUPS[group][1]) for _ in range(n)]
        real = Counter(
            why
            for mask in unseen
            if (why := why_unlike(regions_of(mask, known.order), known.groups[group]))
        )
        dropped = dict(drawn.dropped[group])
        near = dropped.pop(TOO_NEAR, 0)
        invalid = sum(dropped.values())
        share = 1 - invalid / (n + near + invalid)
        own, others = ratios(masks), ratios(unseen)
        floor = wasserstein_distance(ratios(training[group]), others)
        lines = [
            f"{group}: valid {share:.1%} {dropped}, too near {near}",
            f"  the area of unseen real masks: {dict(real)}",
            f"  distance of ratios {wasserstein_distance(own, others):.3f} (floor {floor:.3f})",
            f"  Dice of the nearest training mask {nearest_dice(masks, training[group]):.3f} "
            f"(unseen real masks {nearest_dice(unseen, training[group]):.3f})",
        ]
        print(*lines, sep="\n  ", flush=True)


def report_points(steps: int, n: int) -> None:
    """Print what FairDiff's model of points needs, at the sizes of the paper."""
    rng = np.random.default_rng(0)
    known = np.stack([outlines(eye(rng, 0.5), (1, 2), POINTS)[0] for _ in range(8)])
    times: list[float] = []
    settings = PointSettings(steps=steps)
    with tempfile.TemporaryDirectory() as name:
        model = PointModel(
            {"White": known}, ["White"], settings, Path(name), "cpu",
            stepped=lambda *_: times.append(time.process_time()),
        )  # fmt: skip
        kept = sum(path.stat().st_size for path in Path(name).rglob("*")) / 1e6
    began = time.process_time()
    clouds = model.draw("White", n, 0)
    drawn = time.process_time() - began
    for cloud in clouds:
        model.mask_of(cloud, (1, 2), (SIDE, SIDE), np.uint8)
    decoded = time.process_time() - began - drawn
    print(f"a step of {settings.batch} clouds: {np.median(np.diff(times)):.1f} s of processor time")
    print(f"a mask: {drawn / n:.1f} s, decoded in {decoded / n:.2f} s; checkpoint {kept:.0f} MB")


def _files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {group: [] for group in GROUPS}
    for row in (folder / "demographics.csv").read_text().splitlines()[1:]:
        case, _, group = row.split(",")
        found[group].append(folder / "labelsTr" / f"{case}.png")
    return found


def main() -> None:
    """Run; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("-n", type=int, default=500, help="masks of each group")
    parser.add_argument("--model", choices=("shape", "pca", "points"), default="shape")
    parser.add_argument("--steps", type=int, default=3, help="training steps of points")
    args = parser.parse_args()
    if args.model == "points":
        report_points(args.steps, args.n)
        return
    for seed in args.seeds:
        report(seed, args.n, args.model)


if __name__ == "__main__":
    main()
