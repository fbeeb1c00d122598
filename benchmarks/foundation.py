"""What APPLE on LiteMedSAM's embedding changes on phantoms, and how much of it is fine-tuning.

python benchmarks/foundation.py FOLDER --weights lite_medsam.pth [--seeds 0 1 2]

Boxes of the references; LiteMedSAM as it is, the control (`--fairness 0`: segmentation alone) and
several values of beta, one training per seed. What is in FOLDER already is not made again.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from nnunetv2_fair.cli import phantoms, predict_SAM, prepare, train_APPLE_SAM

DATASET, NAME = "942", "Dataset942_PhantomSAM"
METHODS = {
    "control": ["--fairness", "0"],
    "beta 1": ["--beta", "1"],
    "beta 10": ["--beta", "10"],
}
LENGTH = ["--epochs", "2", "--steps", "10"]


def run(main: Callable[[list[str]], int], *arguments: object) -> None:
    """Run a command, which must succeed."""
    if main([str(argument) for argument in arguments]):
        raise SystemExit(f"failed: {' '.join(map(str, arguments))}")


def scores(folder: Path, groups: pd.Series) -> dict[str, float]:
    """Return mean Dice of the masks of all cases and of each sex, and of the filled boxes."""
    table = pd.read_csv(folder / "prompts.csv").set_index("case")
    by_group = table["dice_mask"].groupby(groups).mean()
    return {
        "all": table["dice_mask"].mean(), "male": by_group["male"], "female": by_group["female"],
        "gap": by_group["male"] - by_group["female"], "box": table["dice_filled_box"].mean(),
    }  # fmt: skip


def main() -> None:
    """Make what is missing, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ[variable] = str(args.folder / variable)
        (args.folder / variable).mkdir(parents=True, exist_ok=True)
    raw = args.folder / "nnUNet_raw" / NAME
    prepared = args.folder / "nnUNet_preprocessed" / NAME
    if not raw.is_dir():
        run(phantoms.main, "-d", DATASET, "-n", "PhantomSAM", "--bias", "appearance", "--patients",
            32, "--images-per-patient", 1, 1, "--shape", 64, 64, "--test-share", 0.5,
            "--unknown-age-share", 0)  # fmt: skip
    if not (prepared / "splits_final.json").is_file():
        prepared.mkdir(exist_ok=True)
        run(prepare.main, "-d", DATASET, "-a", "sex", "--folds", 4)
    groups = pd.read_csv(raw / "demographics.csv").set_index("case")["sex"]
    common = ["-d", DATASET, "--weights", args.weights, "-device", "cpu"]

    def predicted(name: str, *more: object) -> dict[str, float]:
        out = args.folder / "masks" / name
        if not (out / "prompts.csv").is_file():
            run(predict_SAM.main, *common, "-i", raw / "imagesTs", "-o", out, "--boxes",
                "references", *more)  # fmt: skip
        return scores(out, groups)

    rows = {"LiteMedSAM": [predicted("as_it_is")]}
    for seed in args.seeds:
        for method, options in METHODS.items():
            out = args.folder / "trained" / f"{method.replace(' ', '_')}_{seed}"
            start = time.process_time()
            if not (out / "checkpoint_final.pth").is_file():
                run(train_APPLE_SAM.main, *common, "-a", "sex", "-o", out, "--seed", seed, *LENGTH,
                    *options)  # fmt: skip
                print(f"{out.name}: {time.process_time() - start:.0f} s of processor time")
            rows.setdefault(method, []).append(predicted(out.name, "--generator", out))
    print("| method | Dice | male | female | gap |\n|---|---|---|---|---|")
    for method, found in rows.items():
        cells = []
        for key in ("all", "male", "female", "gap"):
            values = np.array([row[key] for row in found])
            spread = f" ({values.std(ddof=1):.3f})" if len(values) > 1 else ""
            cells.append(f"{values.mean():.3f}{spread}")
        print(f"| {method} | {' | '.join(cells)} |")
    print(f"filled boxes {rows['LiteMedSAM'][0]['box']:.3f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
