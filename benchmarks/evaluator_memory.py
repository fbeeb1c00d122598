"""Peak memory and time of nnUNetv2_fair_evaluate, by number of cases.

Claim: memory does not grow with the number of cases; 1,000 pairs stay under 1 GiB.

Each pair is a volume of two labels. The volumes are written once and linked under the names of all
cases, so that a run measures evaluating, not writing. Peak memory is that of the largest process.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

GIB = 1 << 30


def write_volumes(folder: Path, shape: tuple[int, int, int], n_distinct: int) -> list[Path]:
    """Write label volumes that differ in size and position; return their paths."""
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    paths = []
    for index in range(n_distinct):
        labels = np.zeros(shape, dtype=np.uint8)
        for value, share in ((1, 0.35), (2, 0.15)):
            distance = sum(
                ((g - n / 2 - index) / (n * share)) ** 2 for g, n in zip(grids, shape, strict=True)
            )
            labels[distance <= 1] = value
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing((0.8, 0.8, 2.5))
        path = folder / f"volume_{index}.nii.gz"
        sitk.WriteImage(image, str(path), True)
        paths.append(path)
    return paths


def link_dataset(folder: Path, volumes: list[Path], n_cases: int) -> None:
    """Make a dataset of ``n_cases`` pairs from a few volumes, with two images per patient."""
    references, predictions = folder / "labelsTs", folder / "predictions"
    references.mkdir(parents=True)
    predictions.mkdir()
    with (folder / "demographics.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", "patient", "sex", "age"])
        for index in range(n_cases):
            case = f"case_{index:05d}"
            os.link(volumes[index % len(volumes)], references / f"{case}.nii.gz")
            os.link(volumes[(index + 1) % len(volumes)], predictions / f"{case}.nii.gz")
            table.writerow([case, f"p{index // 2}", "fm"[index // 2 % 2], 30 + index // 2 % 50])


def evaluate(folder: Path, processes: int) -> tuple[float, int]:
    """Return seconds and peak bytes of one evaluation."""
    command = [
        sys.executable, "-c", "import sys; from nnunetv2_fair.cli.evaluate import main; "
        "sys.exit(main(sys.argv[1:]))",
        "-gt", str(folder / "labelsTs"), "-pred", str(folder / "predictions"), "-a", "sex",
        "--bins", "age=50,65", "-a", "sex+age", "-o", str(folder / "out"), "-np", str(processes),
    ]  # fmt: skip
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(message.decode())
    kilobytes = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss // 1024
    return time.perf_counter() - started, kilobytes * 1024


def main() -> int:
    """Measure, print a table, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=[50, 250, 1000])
    parser.add_argument(
        "--shape", type=int, nargs=3, default=[64, 192, 160], metavar=("Z", "Y", "X")
    )
    parser.add_argument("-np", type=int, default=1, help="processes of the evaluation")
    args = parser.parse_args()
    peaks = {}
    print(f"volumes of {' x '.join(map(str, args.shape))} voxels, {args.np} process(es)")
    print(f"{'cases':>6} {'seconds':>8} {'per case':>9} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        volumes = write_volumes(root, tuple(args.shape), 5)
        for n_cases in args.cases:
            folder = root / str(n_cases)
            link_dataset(folder, volumes, n_cases)
            seconds, peaks[n_cases] = evaluate(folder, args.np)
            print(
                f"{n_cases:>6} {seconds:>8.1f} {seconds / n_cases * 1000:>6.0f} ms "
                f"{peaks[n_cases] / (1 << 20):>9.0f}",
                flush=True,
            )
    growth = (max(peaks.values()) - min(peaks.values())) / (1 << 20)
    print(f"growth from fewest to most cases: {growth:.0f} MiB")
    return int(max(peaks.values()) >= GIB)


if __name__ == "__main__":
    sys.exit(main())
