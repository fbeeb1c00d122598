"""What a model that is prompted with boxes costs on one core: an embedding, a step, memory.

python benchmarks/foundation_cost.py FOLDER --weights WEIGHTS [--random]

With ``--random``, WEIGHTS is a folder that is made: SAM's ViT-B with random weights, which costs
what the real one costs.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.foundation import run
from nnunetv2_fair.cli import phantoms, prepare, train_APPLE_SAM

DATASET, NAME = "943", "Dataset943_PhantomCost"
STEPS = 2, 12


def make_random(folder: Path) -> None:
    """Write SAM's ViT-B with random weights, as Hugging Face has it."""
    from transformers import SamConfig, SamModel

    torch.manual_seed(0)
    SamModel(SamConfig()).save_pretrained(folder)


def main() -> None:
    """Measure, and print the costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--random", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ[variable] = str(args.folder / variable)
        (args.folder / variable).mkdir(parents=True, exist_ok=True)
    if args.random and not args.weights.exists():
        make_random(args.weights)
    run(phantoms.main, "-d", DATASET, "-n", "PhantomCost", "--patients", 8,
        "--images-per-patient", 1, 1, "--shape", 64, 64, "--test-share", 0.25,
        "--unknown-age-share", 0)  # fmt: skip
    (args.folder / "nnUNet_preprocessed" / NAME).mkdir(exist_ok=True)
    run(prepare.main, "-d", DATASET, "-a", "sex", "--folds", 2)
    common = ["-d", DATASET, "-a", "sex", "--weights", args.weights, "-device", "cpu"]

    def seconds(*more: object) -> float:
        start = time.process_time()
        run(train_APPLE_SAM.main, *common, *more)
        return time.process_time() - start

    embedding = seconds("--only-embeddings")
    images = len(list((args.folder / "nnUNet_raw" / NAME / "imagesTr").iterdir()))
    short, long = (
        seconds("--epochs", 1, "--steps", steps, "--batch", 4, "-o", args.folder / f"of_{steps}")
        for steps in STEPS
    )
    print(f"{embedding / images:.1f} s of processor time for each of {images} embeddings")
    print(f"{(long - short) / (STEPS[1] - STEPS[0]):.2f} s for a step of 4 prompts")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
