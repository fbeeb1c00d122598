"""What cropping a dataset costs, beside two loops that do less.

Claim in docs/how-to/crop.md: at most 1.2 times a loop that reads every file and writes it.

Both loops are measured in the same run, taking turns with the command, in seconds of the processor
(other programs do not disturb that). The first reads every image and mask and writes it as it is.
The second knows where to cut and writes the crops only: a floor that does nothing else. The
command also finds the organ, checks that files are whole, reads every crop back, hashes it, and
writes table and log.

Usage: python benchmarks/cropping.py [--cases 200] [--repeats 5]
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import SimpleITK
from PIL import Image
from scipy.ndimage import gaussian_filter

from nnunetv2_fair.cli.crop import main as crop
from tests.conftest import SEX_AND_AGE

#: Heart MRI as UK Biobank's, and pictures of an eye's ground as Harvard-FairSeg's.
SHAPES = {".nii.gz": (11, 208, 187), ".png": (664, 798)}
#: Share of the rows and columns that the organ has.
SHARE = 0.3
DIFFERENT = 10


def write_dataset(raw: Path, ending: str, n: int) -> None:
    """Write a dataset of n cases, of which some are repeated; a quarter are test cases."""
    folder = raw / "Dataset900_Full"
    shape = SHAPES[ending]
    for part in ("Tr", "Ts"):
        for kind in ("images", "labels"):
            (folder / f"{kind}{part}").mkdir(parents=True)
    rows, columns = (int(SHARE * length) for length in shape[-2:])
    drawn = []
    for seed in range(DIFFERENT):
        rng = np.random.default_rng(seed)
        image = gaussian_filter(rng.normal(size=shape), 2.0)
        image = 110 + 60 * image / image.std() + rng.normal(0, 4, shape)
        labels = np.zeros(shape, np.uint8)
        top, left = (
            rng.integers(0, n - k) for n, k in zip(shape[-2:], (rows, columns), strict=True)
        )
        labels[..., top : top + rows, left : left + columns] = 1
        kind = np.uint8 if ending == ".png" else np.float32
        drawn.append((image.clip(0, 255).astype(kind), labels))
    table = ["case,patient,sex,age"]
    for i in range(n):
        part = "Ts" if i % 4 == 0 else "Tr"
        for voxels, name in zip(
            drawn[i % DIFFERENT],
            (f"images{part}/c{i:04d}_0000{ending}", f"labels{part}/c{i:04d}{ending}"),
            strict=True,
        ):
            if ending == ".png":
                Image.fromarray(voxels).save(folder / name)
            else:
                volume = SimpleITK.GetImageFromArray(voxels)
                volume.SetSpacing((1.8, 1.8, 10.0))
                SimpleITK.WriteImage(volume, str(folder / name), useCompression=True)
        table.append(f"c{i:04d},p{i},{'female' if i % 2 else 'male'},{40 + i % 40}")
    content = {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "organ": 1},
        "numTraining": n,
        "file_ending": ending,
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "demographics.csv").write_text("\n".join(table) + "\n")
    (folder / "demographics.json").write_text(json.dumps(SEX_AND_AGE))


def loop(raw: Path, ending: str, target: Path, *, cut: bool) -> None:
    """Read every file, perhaps cut it, and write it."""
    rows, columns = (int(SHARE * length) + 10 for length in SHAPES[ending][-2:])
    for path in sorted((raw / "Dataset900_Full").glob(f"*/*{ending}")):
        place = target / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".png":
            pixels = np.asarray(Image.open(path))
            part = pixels[20 : 20 + rows, 30 : 30 + columns] if cut else pixels
            Image.fromarray(part).save(place)
        else:
            volume = SimpleITK.ReadImage(str(path))
            if cut:
                volume = volume[30 : 30 + columns, 20 : 20 + rows, :]
            SimpleITK.WriteImage(volume, str(place), useCompression=True)


def seconds(action: Callable[[], object]) -> float:
    """Return the processor's time that something takes; what it says is dropped."""
    said = io.StringIO()
    start = time.process_time()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        action()
    return time.process_time() - start


def main() -> None:
    """Measure both formats."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print("| files | shape | cases | read, write | read, cut, write | crop, ms per case | ratios |")
    print("|---" * 7 + "|")
    for ending, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            raw, out = Path(folder) / "raw", Path(folder) / "out"
            for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
                os.environ[variable] = str(raw if variable == "nnUNet_raw" else Path(folder) / "x")
            write_dataset(raw, ending, args.cases)
            actions: dict[str, Callable[[], object]] = {
                "whole": partial(loop, raw, ending, out, cut=False),
                "cut": partial(loop, raw, ending, out, cut=True),
                "crop": partial(crop, ["-d", "900", "-o", "901", "-np", "1"]),
            }
            times: dict[str, list[float]] = {name: [] for name in actions}
            # the first round, with imports and cold caches, does not count
            for number in range(args.repeats + 1):
                for name, action in actions.items():
                    took = seconds(action)
                    if number:
                        times[name].append(took)
                    shutil.rmtree(out, ignore_errors=True)
                assert (raw / "Dataset901_FullCropped" / "crops.json").is_file()
                shutil.rmtree(raw / "Dataset901_FullCropped")
            cells = [1000 * statistics.median(found) / args.cases for found in times.values()]
            ratios = [
                statistics.median(a / b for a, b in zip(times["crop"], times[name], strict=True))
                for name in ("whole", "cut")
            ]
            print(
                f"| `{ending}` | {' x '.join(map(str, shape))} | {args.cases} | "
                f"{' | '.join(f'{cell:.1f}' for cell in cells)} | "
                f"{' and '.join(f'{ratio:.2f}' for ratio in ratios)} |"
            )


if __name__ == "__main__":
    main()
