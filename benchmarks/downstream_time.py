"""How much longer an evaluation takes with downstream measures: CPU time of one process.

python benchmarks/downstream_time.py [CASES]

The whole command runs with and without --downstream in turn (report included); the figure is the
median of the ratios.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from scipy.ndimage import gaussian_filter

from nnunetv2_fair.cli.evaluate import main as evaluate

ROUNDS = 3
#: Name -> shape, spacing (x, y, z; none for pictures), options, names of cases, labels.
SETS = {
    "pictures, radiomics with energy": ((256, 256), None, ["radiomics"], "{}", {"nodule": 1}),
    "pictures, cup_disc": ((256, 256), None, ["cup_disc"], "{}", {"rim": 1, "cup": 2}),
    "short-axis hearts, cardiac": (
        (12, 210, 210), (1.8, 1.8, 10), ["cardiac"], "ED ES",
        {"LV_cavity": 1, "LV_myocardium": 2, "RV_cavity": 3},
    ),
    "volumes, tumour": ((80, 192, 192), (1, 1, 2), ["tumour"], "{}", {"tumour": 1}),
    "volumes, radiomics with energy": ((80, 192, 192), (1, 1, 2), ["radiomics"], "{}", {"a": 1}),
}  # fmt: skip


def masks(
    shape: tuple[int, ...], n_labels: int, generator: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Return a lobed organ in rings of labels, and a prediction that differs at its outline."""
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    distance = np.sqrt(sum(g**2 for g in grids))
    made = []
    lobes = gaussian_filter(generator.normal(size=shape), 6)
    lobes /= lobes.std()
    for _ in range(2):
        noise = gaussian_filter(generator.normal(size=shape), 2)
        field = distance + 0.05 * lobes + 0.01 * noise / noise.std()
        labels = np.zeros(shape, np.uint8)
        for label in range(n_labels):
            labels[field < 0.35 - 0.08 * label] = label + 1
        made.append(labels)
    return tuple(made)


def write(folder: Path, name: str, n_cases: int) -> tuple[list[str], list[str]]:
    """Write a test set; return the options that evaluate it, and those of the measures."""
    shape, spacing, sets, names, labels = SETS[name]
    generator = np.random.default_rng(0)
    ending = ".png" if spacing is None else ".nii.gz"
    rows = ["case,patient,sex"]
    for number in range(n_cases):
        patient, phase = number, ""
        if names == "ED ES":
            patient, phase = number // 2, "_" + names.split()[number % 2]
        case = f"p{patient:04d}{phase}"
        rows.append(f"{case},p{patient:04d},{'fm'[patient % 2]}")
        grey = (100 + 30 * generator.normal(size=shape)).clip(0, 255)
        arrays = (*masks(shape, len(labels), generator),
                  grey.astype(np.uint8 if spacing is None else np.int16))  # fmt: skip
        for array, place in zip(arrays, ("labelsTs", "predictions", "imagesTs"), strict=True):
            image = sitk.GetImageFromArray(array)
            if spacing is not None:
                image.SetSpacing(spacing)
            (folder / place).mkdir(exist_ok=True)
            stem = f"{case}_0000" if place == "imagesTs" else case
            sitk.WriteImage(image, str(folder / place / f"{stem}{ending}"), True)
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    named = [f"{label}={value}" for label, value in labels.items()]
    places = ["-gt", str(folder / "labelsTs"), "-pred", str(folder / "predictions")]
    return [*places, "-a", "sex", "--labels", *named, "-np", "1"], ["--downstream", *sets]


def main(n_cases: int) -> None:
    """Print a row per test set."""
    print("| test set | cases | without | with | longer by |")
    print("|---|---|---|---|---|")
    for name in SETS:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            options, further = write(folder, name, n_cases)
            seconds: dict[bool, list[float]] = {False: [], True: []}
            for round_number in range(ROUNDS):
                for downstream in (False, True):
                    out = ["-o", str(folder / f"out_{round_number}_{downstream}")]
                    start = time.process_time()
                    assert evaluate([*options, *(further if downstream else []), *out]) == 0
                    seconds[downstream].append(time.process_time() - start)
            ratio = statistics.median(
                b / a for a, b in zip(seconds[False], seconds[True], strict=True)
            )
            times = " | ".join(f"{statistics.median(s):.1f} s" for s in seconds.values())
            print(f"| {name} | {n_cases} | {times} | {ratio - 1:.0%} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
