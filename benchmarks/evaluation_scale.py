"""How long does an evaluation of very many scores take, and how much memory?

Writes a CSV of scores and runs the real command on it: reading, statistics, ``per_case.csv``,
``summary.json`` and the page. ``--against`` times another checkout of this repository on the same
file, in turns, so that a busy machine slows both alike.

    python benchmarks/evaluation_scale.py                       # 1,500 cases, 4 labels, 6 metrics
    python benchmarks/evaluation_scale.py --against ../before   # and the ratio to another checkout
    python benchmarks/evaluation_scale.py --cases 100_000 --labels 1 --metrics 1 --attributes 8
    python benchmarks/evaluation_scale.py --cases 100_000 --labels 1 --metrics 1 --attributes 8 \
        --images 4
    python benchmarks/evaluation_scale.py --cases 1_000_000 --labels 1 --metrics 1 --attributes 8
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

METRICS = ("dice", "iou", "nsd", "hd_mm", "hd95_mm", "assd_mm")

_COMMAND = "import sys; from nnunetv2_fair.cli.evaluate import main; sys.exit(main(sys.argv[1:]))"


def main() -> None:
    """Write scores, evaluate them, print seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--labels", type=int, default=4)
    parser.add_argument("--metrics", type=int, default=6, choices=range(1, len(METRICS) + 1))
    parser.add_argument("--attributes", type=int, default=4)
    parser.add_argument("--images", type=int, default=1, help="mean images per patient")
    parser.add_argument("--against", type=Path, help="another checkout to time as well")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    here = Path(__file__).resolve().parent.parent
    checkouts = [here] if args.against is None else [here, args.against.resolve()]
    with tempfile.TemporaryDirectory() as folder:
        scores = Path(folder) / "scores.csv"
        write_scores(scores, args)
        measured = [
            [run(checkout, scores, args.attributes, Path(folder)) for checkout in checkouts]
            for _ in range(args.rounds)
        ]
    print(
        f"{args.cases} cases x {args.labels} labels x {args.metrics} metrics x "
        f"{args.attributes} attributes, {args.images} images per patient:"
    )
    for index, checkout in enumerate(checkouts):
        wall, computed, memory = (min(row[index][k] for row in measured) for k in range(3))
        print(f"{checkout}: {wall:.0f} s ({computed:.1f} s of CPU time), at most {memory:.0f} MiB")
    if len(checkouts) == 2:
        ratios = sorted(row[0][1] / row[1][1] for row in measured)
        print(f"ratio of the CPU times {ratios[len(ratios) // 2]:.2f} (median of {len(ratios)})")


def write_scores(path: Path, args: argparse.Namespace) -> None:
    """Write scores of patients with 1 to 2 * images - 1 images each, all groups alike."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 2 * args.images, args.cases)
    patient = np.repeat(np.arange(args.cases), images)[: args.cases]
    groups = [rng.integers(0, 2 + k % 4, args.cases)[patient] for k in range(args.attributes)]
    own = rng.standard_normal(args.cases)[patient, None]
    noise = rng.standard_normal((args.cases, args.labels))
    dice = 1 / (1 + np.exp(-2 - 0.5 * own - 0.7 * noise))
    names = METRICS[: args.metrics]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        attributes = [f"attribute{k}" for k in range(args.attributes)]
        writer.writerow(["case", "patient", "label", *attributes, *names])
        for case in range(args.cases):
            about = [f"group {of[case]}" for of in groups]
            for label, value in enumerate(dice[case]):
                cells = [f"{20 * (1 - value) if '_mm' in n else value:.5f}" for n in names]
                start = [f"case_{case}", f"patient_{patient[case]}", f"label_{label}"]
                writer.writerow([*start, *about, *cells])


def run(checkout: Path, scores: Path, attributes: int, folder: Path) -> tuple[float, float, float]:
    """Run the command of a checkout: seconds, seconds of CPU time, MiB at most."""
    begun = time.perf_counter()
    arguments = ["--from-csv", str(scores), "-o", str(folder / f"out_{time.time_ns()}"), "-a"]
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *arguments, *(f"attribute{k}" for k in range(attributes))],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"The evaluation of {checkout} failed.")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
