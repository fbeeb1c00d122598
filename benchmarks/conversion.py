"""How fast datasets are converted, compared with a floor: read the arrays, write the same files.

Claims in docs/benchmarks.md: with one process at most 1.3 times the floor; with two at least 1.7
times as fast as with one; memory that does not grow with the number of cases.

The floor is measured in the same run, taking turns with the conversions: it reads the source arrays
and writes the same number of files, with the same compression, and does nothing else. The
conversion also checks, reads every file back, hashes it, and writes table and log.

Usage: python benchmarks/conversion.py [--cases 300] [--repeats 3] [--datasets TUSC FairSeg]
       python benchmarks/conversion.py --memory 500 2500 10000
"""

import argparse
import contextlib
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import h5py
import numpy as np
import SimpleITK
from PIL import Image

from nnunetv2_fair.cli.convert_FairSeg import main as convert_fairseg
from nnunetv2_fair.cli.convert_MAMA_MIA import main as convert_mama_mia
from nnunetv2_fair.cli.convert_TUSC import main as convert_tusc
from nnunetv2_fair.cli.convert_UKBB_CMR import main as convert_ukbb_cmr
from tests.dataset_conversion.factories import fairseg, mama_mia, tusc, ukbb_cmr

FAIRSEG_SHAPE, TUSC_SHAPE = (664, 798), (802, 1054)
MAMA_MIA_SHAPE = (40, 160, 160)
UKBB_CMR_SHAPE = (11, 208, 187)
#: Distinct images are made for this many cases and then repeated: making them takes longest.
DIFFERENT = 20


@dataclass(frozen=True)
class Benchmark:
    """A dataset to convert.

    Attributes:
        prepare: Writes a download with that many cases into a folder.
        floor: Reads its arrays and writes the same files; returns how many.
        convert: The command.
    """

    prepare: Callable[[Path, int], None]
    floor: Callable[[Path, Path], int]
    convert: Callable[[list[str]], int]


def photograph(number: int, shape: tuple[int, int]) -> np.ndarray:
    """Return an image that compresses about as well as a photograph: smooth with some noise."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(40, 200, (shape[0] // 16, shape[1] // 16), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC)
    noisy = np.asarray(smooth, np.float32) + rng.normal(0, 4, shape)
    return noisy.clip(0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    """Write a picture as the writer does, without anything around it."""
    Image.fromarray(pixels).save(path)


def prepare_fairseg(folder: Path, n: int, shape: tuple[int, int] = FAIRSEG_SHAPE) -> None:
    """Write npz files as FairSeg's: uint8 images, float64 masks, codes."""
    first: dict[int, Path] = {}
    for number in range(n):
        path = folder / "data" / f"data_{number + 1:05d}.npz"
        original = first.get(number % DIFFERENT)
        if original is not None:
            path.hardlink_to(original)
            continue
        content = fairseg.arrays(number, fairseg.RELEASES["readme"], (8, 9))
        content.pop("oct_fundus")
        content["slo_fundus"] = photograph(number, shape)
        content["disc_cup_mask"] = -fairseg.labels(number, shape).astype(np.float64)
        first[number] = fairseg.write_npz(path, content)


def floor_fairseg(source: Path, target: Path) -> int:
    """Read all arrays, write all files."""
    paths = sorted((source / "data").iterdir())
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            image, mask = arrays["slo_fundus"], arrays["disc_cup_mask"]
        save(target / f"{path.stem}_0000.png", image)
        save(target / f"{path.stem}.png", np.abs(mask).astype(np.uint8))
    return len(paths)


def prepare_tusc(folder: Path, n: int) -> None:
    """Write an HDF5 file whose every fifth frame makes n cases; the frames between are zero."""
    download = tusc.Download(lengths=(25,) * (n // 5), shape=(8, 9))
    download.write(folder)
    ids, numbers = download.clips, download.numbers
    with h5py.File(folder / "dataset.hdf5", "w") as file:
        shape = (len(ids), *TUSC_SHAPE)
        image, mask = (
            file.create_dataset(name, shape, np.uint8, chunks=(1, *TUSC_SHAPE))
            for name in ("image", "mask")
        )
        file["annot_id"] = np.array([f"{clip}_".encode() for clip in ids])[:, None]
        file["frame_num"] = numbers
        pictures = [photograph(i, TUSC_SHAPE) for i in range(DIFFERENT)]
        nodule = tusc.Download(shape=TUSC_SHAPE).nodule(0).astype(np.uint8) * 255
        for i in range(0, len(ids), 5):
            image[i], mask[i] = pictures[i // 5 % DIFFERENT], nodule


def floor_tusc(source: Path, target: Path) -> int:
    """Read every fifth frame, write all files."""
    n = 0
    with h5py.File(source / "dataset.hdf5", "r") as file:
        for i in range(0, len(file["image"]), 5):
            save(target / f"{i}_0000.png", file["image"][i])
            save(target / f"{i}.png", (file["mask"][i] > 0).astype(np.uint8))
            n += 1
    return n


def prepare_mama_mia(folder: Path, n: int) -> None:
    """Write a download of n patients."""
    mama_mia.make_download(folder, n, shape=MAMA_MIA_SHAPE)


def floor_mama_mia(source: Path, target: Path) -> int:
    """Read three phases and both masks of every patient, write all files."""
    paths = sorted(source.glob("images/*/*_000[012].nii.gz"))
    paths += sorted(source.glob("segmentations/*/*.nii.gz"))
    for path in paths:
        image = SimpleITK.ReadImage(str(path))
        name = f"{path.parent.name}_{path.name}"
        SimpleITK.WriteImage(image, str(target / name), useCompression=True)
    return len(paths) // 5


def prepare_ukbb_cmr(folder: Path, n: int) -> None:
    """Write both frames of n / 2 participants in the size of UK Biobank's."""
    persons = ukbb_cmr.people(n // 2)
    for seed, person in enumerate(persons):
        for frame in ("ED", "ES"):
            coarse, small = ukbb_cmr.heart(seed % DIFFERENT, frame == "ES")
            image, label = np.zeros(UKBB_CMR_SHAPE, np.float32), np.zeros(UKBB_CMR_SHAPE, np.int16)
            for i in range(len(image)):
                image[i] = photograph(DIFFERENT * i + seed % DIFFERENT, UKBB_CMR_SHAPE[1:])
            image[3:8, 80:116, 80:124] = coarse
            label[3:8, 80:116, 80:124] = small
            place = folder / "images" / person.eid
            ukbb_cmr.save(place / f"sa_{frame}.nii.gz", image, person.eid)
            ukbb_cmr.save(place / f"label_sa_{frame}.nii.gz", label, person.eid)
    ukbb_cmr.write_table(folder / "table.csv", persons)


def floor_ukbb_cmr(source: Path, target: Path) -> int:
    """Read image and label of every frame, write all files."""
    paths = sorted(source.glob("images/*/sa_E?.nii.gz"))
    for number, path in enumerate(paths):
        image = SimpleITK.ReadImage(str(path))
        label = SimpleITK.ReadImage(str(path.with_name(f"label_{path.name}")), SimpleITK.sitkUInt8)
        SimpleITK.WriteImage(image, str(target / f"{number}_0000.nii.gz"), useCompression=True)
        SimpleITK.WriteImage(label, str(target / f"{number}.nii.gz"), useCompression=True)
    return len(paths)


def convert_both_frames(arguments: list[str]) -> int:
    """Convert with the table, and keep the map next to it."""
    source = Path(arguments[arguments.index("-i") + 1])
    more = ["--table", str(source / "table.csv"), "--participant-map", str(source / "map.csv")]
    return convert_ukbb_cmr(["-i", str(source / "images"), *arguments[2:], *more])


BENCHMARKS = {
    "MAMA_MIA": Benchmark(prepare_mama_mia, floor_mama_mia, convert_mama_mia),
    "FairSeg": Benchmark(prepare_fairseg, floor_fairseg, convert_fairseg),
    "TUSC": Benchmark(prepare_tusc, floor_tusc, convert_tusc),
    "UKBB_CMR": Benchmark(prepare_ukbb_cmr, floor_ukbb_cmr, convert_both_frames),
}


def seconds(action: Callable[[], int]) -> float:
    """Return how long something takes; its output is shown only if it fails."""
    start = time.perf_counter()
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = action()
    taken = time.perf_counter() - start
    if code:
        raise SystemExit(said.getvalue())
    return taken


def compare(name: str, n: int, repeats: int) -> None:
    """Print the medians of the floor, one process and two, measured in turn."""
    benchmark = BENCHMARKS[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        benchmark.prepare(root / "source", n)
        times: dict[str, list[float]] = {"floor": [], "1 process": [], "2 processes": []}

        def run(processes: int) -> int:
            arguments = ["-i", str(root / "source"), "-d", "900", "-o", str(root / "raw")]
            return benchmark.convert([*arguments, "-np", str(processes)])

        def floor() -> int:
            (root / "floor").mkdir()
            found = benchmark.floor(root / "source", root / "floor")
            assert found == n, (found, n)
            return 0

        actions = {"floor": floor, "1 process": lambda: run(1), "2 processes": lambda: run(2)}
        for _ in range(repeats):
            for what, action in actions.items():
                times[what].append(seconds(action))
                shutil.rmtree(root / "floor", ignore_errors=True)
                shutil.rmtree(root / "raw", ignore_errors=True)
    one = [b / a for a, b in zip(times["floor"], times["1 process"], strict=True)]
    two = [a / b for a, b in zip(times["1 process"], times["2 processes"], strict=True)]
    cells = [f"{1000 * statistics.median(found) / n:.1f}" for found in times.values()]
    print(
        f"| {name} | {n} | {' | '.join(cells)} | {statistics.median(one):.2f} | "
        f"{statistics.median(two):.2f} |"
    )


def peak_kib(pid: int) -> int:
    """Return the peak memory of a process since it began its program; 0 if it has ended.

    ``getrusage`` of children would count the parent's memory at the moment of starting them.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def memory(n: int, shape: tuple[int, int], processes: int) -> None:
    """Print the peak memory of a FairSeg conversion in its own processes (Linux)."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare_fairseg(root / "source", n, shape)
        command = [sys.executable, "-m", "nnunetv2_fair.cli.convert_FairSeg", "-d", "900"]
        command += ["-i", str(root / "source"), "-o", str(root / "raw"), "-np", str(processes)]
        start = time.perf_counter()
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        project = Path(__file__).resolve().parents[1]
        with subprocess.Popen(command, cwd=project, **silent) as running:
            peaks: dict[int, int] = {}
            while running.poll() is None:
                for pid in (running.pid, *children(running.pid)):
                    # the latest value: until it begins its own program, a child has its parent's
                    # memory
                    peaks[pid] = peak_kib(pid) or peaks.get(pid, 0)
                time.sleep(0.1)
        assert running.returncode == 0
        main = peaks.pop(running.pid) / 1024
        print(
            f"| {n} | {shape[0]} x {shape[1]} | {main:.0f} | {max(peaks.values()) / 1024:.0f} | "
            f"{time.perf_counter() - start:.0f} |"
        )


def main() -> None:
    """Measure what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--datasets", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--memory", nargs="+", type=int, metavar="N", help="measure memory instead")
    parser.add_argument("--shape", nargs=2, type=int, default=FAIRSEG_SHAPE)
    args = parser.parse_args()
    if args.memory:
        print("| files | size | peak MiB, main process | peak MiB, worker | seconds |")
        print("|---" * 5 + "|")
        for n in args.memory:
            memory(n, tuple(args.shape), 2)
        return
    # imports and caches are not part of any of the three
    with tempfile.TemporaryDirectory() as folder:
        for name in args.datasets:
            source = Path(folder) / name
            BENCHMARKS[name].prepare(source, 50)
            arguments = ["-i", str(source), "-d", "900", "-o", str(source / "raw"), "-np", "1"]
            seconds(lambda name=name, given=arguments: BENCHMARKS[name].convert(given))  # type: ignore[misc]
    print(
        "| dataset | cases | floor, ms per case | one process | two processes | one / floor | "
        "speed-up with two |"
    )
    print("|---" * 7 + "|")
    for name in args.datasets:
        compare(name, args.cases, args.repeats)


if __name__ == "__main__":
    main()
