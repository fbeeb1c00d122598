"""Time of all per-case metrics, compared with reading the files and with other tools.

Claims: Dice, IoU, HD, HD95, ASSD and NSD of every label together take at most 0.8 of the time that
SimpleITK needs just to read the files; two processes are at least 1.7 times as fast as one; 10,000
pairs of 256x256 PNG take less than three times their decoding. All tools take turns in the same
rounds; figures are medians over the rounds. Other tools (surface-distance-based-measures, medpy,
monai) take part if they are installed: pip install ".[bench]". So does panoptica,
which needs older versions of common libraries and therefore its own environment.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage
from scipy.spatial import cKDTree

from nnunetv2_fair.evaluation.measuring.all_cases import measure_cases
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask, measure_case

METRICS = ("dice", "iou", "hd", "hd95", "assd", "nsd")
TASK = CaseTask(METRICS, 1.0, None)
#: Value of one label: (HD in mm, HD95 in mm); None where a tool has none.
Values = dict[str, tuple[float | None, float | None]]


# ---- masks ---------------------------------------------------------------------------------


def organ(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    centre_mm: tuple[float, ...],
    radii_mm: tuple[float, ...],
    generator: np.random.Generator,
) -> np.ndarray:
    """Return an ellipsoid with a lobed surface, as a boolean volume."""
    mask = np.zeros(shape, dtype=bool)
    box = tuple(
        slice(max(0, int((c - 1.4 * r) / s)), min(n, int((c + 1.4 * r) / s) + 2))
        for c, r, s, n in zip(centre_mm, radii_mm, spacing, shape, strict=True)
    )
    here = [side.stop - side.start for side in box]
    coarse = generator.normal(size=[max(3, n // 12) for n in here]).astype(np.float32)
    lobes = ndimage.zoom(coarse, [n / m for n, m in zip(here, coarse.shape, strict=True)], order=1)
    distance = sum(
        ((grid * s - c) / r) ** 2
        for grid, s, c, r in zip(np.ogrid[box], spacing, centre_mm, radii_mm, strict=True)
    )
    mask[box] = np.sqrt(distance) + 0.06 * lobes < 1
    return mask


def abdomen(index: int) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Return reference, prediction and spacing (z, y, x in mm) of a CT with kidneys and tumour."""
    generator = np.random.default_rng(index)
    thickness, slices = [(5.0, 100), (2.5, 160), (1.0, 320)][index % 3]
    shape, spacing = (slices, 512, 512), (thickness, 0.78, 0.78)
    height = slices * thickness
    reference = np.zeros(shape, dtype=np.uint8)
    prediction = np.zeros(shape, dtype=np.uint8)
    for side in (130.0, 270.0):
        kidney = organ(shape, spacing, (height / 2, 210.0, side), (55.0, 32.0, 28.0), generator)
        reference[kidney] = 1
        change = ndimage.binary_erosion if side < 200 else ndimage.binary_dilation
        box = ndimage.find_objects(kidney.view(np.uint8))[0]
        grown = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in box)
        prediction[grown][np.roll(change(kidney[grown]), 2, axis=1)] = 1
    for volume, moved in ((reference, 0.0), (prediction, 3.0)):
        centre = (height / 2 + 20, 210.0 + moved, 150.0 - moved)
        volume[organ(shape, spacing, centre, (15.0, 15.0, 15.0), generator)] = 2
    if index % 4 == 1:  # far false positives
        far = (height * 0.9, 90.0, 310.0), (height * 0.1, 320.0, 70.0)
        prediction[organ(shape, spacing, far[0], (9.0, 12.0, 14.0), generator)] = 1
        prediction[organ(shape, spacing, far[1], (6.0, 6.0, 6.0), generator)] = 2
    if index % 12 == 10:
        prediction[prediction == 2] = 0
    if index % 12 == 11:
        prediction[:] = 0
    return reference, prediction, spacing


def write_volumes(folder: Path, number: int) -> list[CasePair]:
    """Write pairs of CT-size label maps."""
    pairs = []
    for index in range(number):
        reference, prediction, spacing = abdomen(index)
        paths = []
        for name, labels in (("reference", reference), ("prediction", prediction)):
            image = sitk.GetImageFromArray(labels)
            image.SetSpacing(spacing[::-1])
            paths.append(folder / f"{name}_{index:03d}.nii.gz")
            sitk.WriteImage(image, str(paths[-1]), True)
        pairs.append(CasePair(f"case_{index:03d}", paths[0], paths[1]))
    return pairs


def write_pictures(folder: Path, number: int, distinct: int = 100) -> list[CasePair]:
    """Write pairs of 256x256 pictures; the same few under many names, as only reading matters."""
    rows, columns = np.mgrid[:256, :256]
    pairs = []
    for index in range(number):
        paths = []
        for name in ("reference", "prediction"):
            path = folder / f"{name}_{index:05d}.png"
            if index < distinct:
                generator = np.random.default_rng((index, name == "prediction"))
                y, x = np.array((128, 120)) + generator.integers(-5, 6, 2)
                angle = np.arctan2(rows - y, columns - x)
                edge = 1 + 0.06 * np.sin(3 * angle + generator.uniform(0, 6))
                labels = (((rows - y) / 52) ** 2 + ((columns - x) / 42) ** 2 < edge).astype("u1")
                labels[((rows - y) / 17) ** 2 + ((columns - x - 8) / 13) ** 2 < edge] = 2
                PIL.Image.fromarray(labels).save(path)
            else:
                os.link(folder / f"{name}_{index % distinct:05d}.png", path)
            paths.append(path)
        pairs.append(CasePair(f"case_{index:05d}", paths[0], paths[1]))
    return pairs


# ---- tools ---------------------------------------------------------------------------------


def read_both(pair: CasePair) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Read a pair with SimpleITK."""
    images = [sitk.ReadImage(str(path)) for path in (pair.reference, pair.prediction)]
    arrays = [sitk.GetArrayFromImage(image) for image in images]
    return arrays[0], arrays[1], images[0].GetSpacing()[::-1]


def just_read(pair: CasePair) -> Values:
    """Read both files: the yardstick."""
    read_both(pair)
    return {}


def ours(pair: CasePair) -> Values:
    """Measure with this package, reading included."""
    measured = measure_case(pair, TASK)
    assert not measured.problems, measured.problems
    return {n: (m.values[2], m.values[3]) for n, m in measured.labels.items()}


def masks_of(pair: CasePair, cropped: bool) -> list[tuple[str, np.ndarray, np.ndarray, tuple]]:
    """Return (label, reference, prediction, spacing) of every label that both masks hold."""
    reference, prediction, spacing = read_both(pair)
    if cropped:  # in their favour: these tools are given the joint box
        box = ndimage.find_objects(((reference != 0) | (prediction != 0)).view(np.uint8))[0]
        grown = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        reference, prediction = reference[grown], prediction[grown]
    found = ((str(v), reference == v, prediction == v, spacing) for v in (1, 2))
    return [entry for entry in found if entry[1].any() and entry[2].any()]


def kd_tree_scorer(pair: CasePair) -> Values:
    """Dice and HD95 by trees over surface voxels of whole volumes, like the MAMA-MIA scorer."""
    values: Values = {}
    for label, first, second, spacing in masks_of(pair, cropped=False):
        2 * (first & second).sum() / (first.sum() + second.sum())
        points = [
            np.argwhere(mask & ~ndimage.binary_erosion(mask)) * np.array(spacing)
            for mask in (first, second)
        ]
        there, back = (cKDTree(points[i]).query(points[1 - i])[0] for i in (0, 1))
        hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
        values[label] = (float(max(there.max(), back.max())), float(hd95))
    return values


def surface_distance_tool(pair: CasePair) -> Values:
    """Dice, HD, HD95, ASD and NSD of surface-distance (surfels)."""
    import surface_distance as sd

    values: Values = {}
    for label, first, second, spacing in masks_of(pair, cropped=False):
        found = sd.compute_surface_distances(first, second, spacing)
        hd, hd95 = (sd.compute_robust_hausdorff(found, percent) for percent in (100, 95))
        sd.compute_surface_dice_at_tolerance(found, 1.0)
        sd.compute_average_surface_distance(found)
        sd.compute_dice_coefficient(first, second)
        values[label] = (float(hd), float(hd95))
    return values


def medpy_tool(pair: CasePair) -> Values:
    """Dice, IoU, HD, HD95 and ASSD of MedPy, on the crop."""
    from medpy.metric import binary

    values: Values = {}
    for label, first, second, spacing in masks_of(pair, cropped=True):
        binary.dc(first, second)
        binary.jc(first, second)
        binary.assd(first, second, spacing)
        hd95 = binary.hd95(first, second, spacing)
        values[label] = (float(binary.hd(first, second, spacing)), float(hd95))
    return values


def monai_tool(pair: CasePair) -> Values:
    """Dice, HD, HD95, ASSD and NSD of MONAI, on the crop."""
    import monai.metrics as mm
    import torch

    values: Values = {}
    for label, first, second, spacing in masks_of(pair, cropped=True):
        masks = [torch.from_numpy(mask[None, None].astype(np.uint8)) for mask in (second, first)]
        both = {"y_pred": masks[0], "y": masks[1], "include_background": True}
        place = {**both, "spacing": list(spacing)}
        mm.compute_dice(**both)
        hd = mm.compute_hausdorff_distance(**place)
        hd95 = mm.compute_hausdorff_distance(**place, percentile=95)
        mm.compute_average_surface_distance(**place, symmetric=True)
        mm.compute_surface_dice(**place, class_thresholds=[1.0])
        values[label] = (float(hd), float(hd95))
    return values


@cache
def panoptica_evaluator() -> Any:
    """Return panoptica's evaluator of labels that are the same structure in both masks."""
    from panoptica import InputType, Metric, Panoptica_Evaluator

    metrics = [Metric.DSC, Metric.IOU, Metric.HD, Metric.HD95, Metric.ASSD, Metric.NSD]
    return Panoptica_Evaluator(InputType.MATCHED_INSTANCE, instance_metrics=metrics)


def panoptica_tool(pair: CasePair) -> Values:
    """Dice, IoU, HD, HD95, ASSD and NSD of panoptica, which does its own cropping."""
    from panoptica import Metric, MetricMode

    reference, prediction, spacing = read_both(pair)
    in_both = sorted({*np.unique(reference)} & {*np.unique(prediction)} - {0})
    if not in_both:
        return {}
    result = panoptica_evaluator().evaluate(prediction, reference, voxelspacing=spacing)
    hd, hd95 = (
        result["ungrouped"].get_list_metric(metric, MetricMode.ALL)
        for metric in (Metric.HD, Metric.HD95)
    )
    return {str(v): (float(a), float(b)) for v, a, b in zip(in_both, hd, hd95, strict=True)}


def simpleitk_tool(pair: CasePair) -> Values:
    """Dice, IoU and HD of SimpleITK's filters."""
    images = [sitk.ReadImage(str(path)) for path in (pair.reference, pair.prediction)]
    values: Values = {}
    for value in (1, 2):
        masks = [image == value for image in images]
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(*masks)
        distance = sitk.HausdorffDistanceImageFilter()
        try:
            distance.Execute(*masks)
        except RuntimeError:  # an empty mask
            continue
        values[str(value)] = (distance.GetHausdorffDistance(), None)
    return values


def scikit_image_tool(pair: CasePair) -> Values:
    """HD of scikit-image, whose distances are in voxels and between all voxels."""
    from skimage.metrics import hausdorff_distance

    for _, first, second, _ in masks_of(pair, cropped=True):
        hausdorff_distance(first, second)
    return {}


#: Name -> (what it needs, what it computes, function).
PEERS: dict[str, tuple[str, str, Callable[[CasePair], Values]]] = {
    "k-d trees (MAMA-MIA style)": ("scipy", "Dice, HD95", kd_tree_scorer),
    "surface-distance": ("surface_distance", "Dice, HD, HD95, ASD, NSD", surface_distance_tool),
    "panoptica": ("panoptica", "Dice, IoU, HD, HD95, ASSD, NSD", panoptica_tool),
    "MedPy": ("medpy", "Dice, IoU, HD, HD95, ASSD", medpy_tool),
    "MONAI": ("monai", "Dice, HD, HD95, ASSD, NSD", monai_tool),
    "SimpleITK filters": ("SimpleITK", "Dice, IoU, HD", simpleitk_tool),
    "scikit-image": ("skimage", "HD", scikit_image_tool),
}


# ---- measuring -----------------------------------------------------------------------------


def compare_volumes(pairs: list[CasePair], rounds: int, peer_cases: int) -> float:
    """Print a table of all tools; return our time as a share of the reading time."""
    tools = {
        "SimpleITK, reading only": ("-", just_read),
        "nnunetv2_fair": (", ".join(METRICS), ours),
    }
    for name, (module, computes, function) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{name}: not installed, left out")
        else:
            tools[name] = (computes, function)
    seconds: dict[str, list[list[float]]] = {name: [] for name in tools}
    values: dict[str, dict[str, Values]] = {name: {} for name in tools}
    for _ in range(rounds):
        for name, (_, function) in tools.items():
            chosen = pairs[:peer_cases] if name in PEERS else pairs
            times = []
            for pair in chosen:
                started = time.perf_counter()
                values[name][pair.case] = function(pair)
                times.append(time.perf_counter() - started)
            seconds[name].append(times)
    medians = {name: np.median(np.array(found), axis=0) for name, found in seconds.items()}
    reading, mine = medians["SimpleITK, reading only"], medians["nnunetv2_fair"]
    print(f"\n{len(pairs)} pairs, other tools the first {peer_cases}; {rounds} rounds")
    print(f"{'tool':<28}{'ms/pair':>9}{'/ reading':>11}{'/ ours':>8}  largest difference HD, HD95")
    for name, (computes, _) in tools.items():
        times = medians[name]
        n = len(times)
        differences = differences_to(values[name], values["nnunetv2_fair"])
        print(
            f"{name:<28}{times.mean() * 1000:>9.0f}{times.sum() / reading[:n].sum():>11.2f}"
            f"{times.sum() / mine[:n].sum():>8.1f}  {differences}  ({computes})"
        )
    return float(mine.sum() / reading.sum())


def differences_to(found: dict[str, Values], expected: dict[str, Values]) -> str:
    """Return the largest differences of HD and HD95 in mm over all labels."""
    largest: list[list[float]] = [[], []]
    for case, labels in found.items():
        for label, pair in labels.items():
            for index, value in enumerate(pair):
                mine = expected[case][label][index]
                if value is not None and mine is not None and np.isfinite([value, mine]).all():
                    largest[index].append(abs(value - mine))
    return ", ".join(f"{max(each):.2g} mm" if each else "-" for each in largest)


def compare_processes(pairs: list[CasePair], rounds: int, number: int) -> float:
    """Print how much faster two processes are than one; return the ratio for a cold start.

    Workers are forks of a process that imports everything they need in the first round; a command
    starts that process while it is still reading tables and headers.
    """
    many = [
        CasePair(f"{pair.case}_{i}", *files(pair))
        for i, pair in zip(range(number), cycle(pairs), strict=False)
    ]
    ratios = []
    for _ in range(rounds):
        times = []
        for processes in (1, 2):
            started = time.perf_counter()
            assert not any(case.problems for case in measure_cases(many, TASK, processes))
            times.append(time.perf_counter() - started)
        ratios.append(times[0] / times[1])
        each = times[0] / number * 1000
        print(
            f"2 processes against 1, {number} pairs of {each:.0f} ms"
            f"{', with the start of workers' if len(ratios) == 1 else ''}: "
            f"{ratios[-1]:.2f} times as fast"
        )
    return ratios[0]


def files(pair: CasePair) -> tuple[Path, Path]:
    """Return both files of a pair that has both."""
    assert pair.prediction is not None
    return pair.reference, pair.prediction


def compare_pictures(pairs: list[CasePair], rounds: int) -> float:
    """Print the CPU time for pictures; return it as a multiple of decoding with Pillow."""

    def pillow(pair: CasePair) -> None:
        for path in files(pair):
            with PIL.Image.open(path) as picture:
                np.array(picture)

    seconds: dict[str, list[float]] = {
        "Pillow, decoding": [],
        "SimpleITK, decoding": [],
        "ours": [],
    }
    for _ in range(rounds):
        for name, function in zip(seconds, (pillow, read_both, ours), strict=True):
            started = time.process_time()
            for pair in pairs:
                function(pair)
            seconds[name].append(time.process_time() - started)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"\n{len(pairs)} pairs of 256x256 PNG, {rounds} rounds")
    for name, total in medians.items():
        ratio = total / medians["Pillow, decoding"]
        print(f"{name:<28}{total / len(pairs) * 1000:>9.2f} ms/pair{ratio:>7.2f} x Pillow")
    return medians["ours"] / medians["Pillow, decoding"]


def real_pairs(references: Path, predictions: Path) -> list[CasePair]:
    """Return the pairs of two folders of label maps 1 and 2 with equal file names."""
    names = sorted(p.name for p in references.iterdir() if (predictions / p.name).is_file())
    return [CasePair(name, references / name, predictions / name) for name in names]


def main() -> int:
    """Measure, print tables, and return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=12, help="pairs of volumes to make")
    parser.add_argument("--peer-cases", type=int, default=2, help="pairs that other tools measure")
    parser.add_argument("--pictures", type=int, default=10_000, help="pairs of pictures to make")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=300, help="pairs for one and two processes")
    parser.add_argument(
        "--folders", type=Path, nargs=2, metavar=("REFERENCES", "PREDICTIONS"),
        help="real label maps instead of generated ones",
    )  # fmt: skip
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pairs = real_pairs(*args.folders) if args.folders else write_volumes(folder, args.cases)
        share = compare_volumes(pairs, args.rounds, min(args.peer_cases, len(pairs)))
        gain = compare_processes(pairs, args.rounds, args.pairs)
        pictures = write_pictures(folder, args.pictures)
        multiple = compare_pictures(pictures, args.rounds) if pictures else 0.0
    return int(share > 0.8 or gain < 1.7 or multiple > 3)


if __name__ == "__main__":
    sys.exit(main())
