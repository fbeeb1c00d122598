"""Does filling a rare group up with synthetic cases help, and more than oversampling?

Phantoms, networks and measures of ``mitigation_effects.py``: the minority looks different, is 5% of
the training patients and half of the test patients. From the training cases our commands make
masks (``--model shape``), images, and a dataset in which both groups have equally many training
cases (``--target largest``). Four trainings start from the same weights:

- ``real``: nnU-Net's own training on the real cases
- ``oversampling``: real cases, both groups drawn equally often
- ``equal scale``: the minority filled up with synthetic cases
- ``both``: of the minority's draws, half are of real cases, half of synthetic ones

All are trained on the same fold, one that validates no case of the minority: the model of images
learns from all training cases, and must know no patient of the minority that the others do not. The
test cases are real, and nobody has seen them.

Every finished training is a row of ``--results`` and skipped by the next call. A seed of the
defaults takes about 7 minutes of one core: small images, and an image model of 400 steps.

    nice -n 10 python benchmarks/synthesis_effects.py --threads 1

Do synthetic images show what their masks say? ``--pairs`` asks a network that was trained on real
cases alone, with oversampling: its Dice on synthetic pairs of the minority, beside that on the
minority's test cases.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.mitigation_effects import (
    BASELINE,
    Results,
    add_result,
    dice_of_image,
    dice_of_test_cases,
    environment,
    interval,
    measures,
    prepare,
    preprocess,
    read_results,
    table,
    train,
    trainer_names,
)

RESULTS = Path(__file__).with_suffix(".csv")
OVERSAMPLING = "nnUNetTrainerOversampling"
#: Arm -> trainer and dataset.
ARMS = {
    "real": (BASELINE, "901"),
    "oversampling": (OVERSAMPLING, "901"),
    "equal scale": (BASELINE, "902"),
    "both": (BASELINE, "903"),
}
_REAL, _FILLED, _HALF = "Dataset901_Effects", "Dataset902_EqualScale", "Dataset903_Half"
_FOLDS = 20
_MINORITY = "female"


def fold_of_all_minority(root: Path) -> int:
    """Return a fold whose training part has all cases of the minority."""
    from nnunetv2_fair.subgroups.folds import read_folds
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import read_dataset_table

    sex = group_cases(read_dataset_table(root / "nnUNet_raw" / _REAL), "sex")
    folds = read_folds(root / "nnUNet_preprocessed" / _REAL / "splits_final.json")
    without = (
        number
        for number, fold in enumerate(folds)
        if all(sex.group_of[case] != _MINORITY for case in fold["val"])
    )
    return next(without)


def make_cases(root: Path, seed: int, args: argparse.Namespace) -> None:
    """Make a seed's masks, images, and the datasets of both with the real cases."""
    from nnunetv2_fair.cli.equal_scale import main as equal_scale
    from nnunetv2_fair.cli.prepare import main as prepare_command
    from nnunetv2_fair.cli.synthesize import main as synthesize

    if (root / "filled").exists():
        return
    of = ["-d", "901", "-a", "sex", "--group", _MINORITY, "--seed", str(seed)]
    masks, pack = str(root / "masks"), str(root / "pack")
    times = {}
    for step, options in (
        ("masks", ["-o", masks, "-n", str(args.masks)]),
        ("images", ["--pack", masks, "-o", pack, "--steps", str(args.image_steps),
                    "--sampling-steps", str(args.sampling_steps), "-device", "cpu"]),
    ):  # fmt: skip
        begun = time.process_time()
        assert synthesize([step, *of, *options, "--overwrite"]) == 0
        times[f"processor seconds of {step}"] = round(time.process_time() - begun)
    filled = ["-d", "901", "-a", "sex", "--target", "largest", "--seed", str(seed)]
    filled += ["--synthetic", pack, "--overwrite"]
    for name in (_FILLED, _HALF):
        assert equal_scale([*filled, "-o", name[7:10], "-n", name[11:]]) == 0
        assert prepare_command(["-d", name[7:10]]) == 0
    preprocess("902")
    list_half(root)
    preprocess("903")
    (root / "filled").write_text(json.dumps(times))


def list_half(root: Path) -> None:
    """List real cases of the minority in place of every second synthetic case."""
    from nnunetv2_fair.subgroups.folds import read_folds
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.splits import folds_text
    from nnunetv2_fair.subgroups.table import read_dataset_table

    demographics = read_dataset_table(root / "nnUNet_raw" / _HALF)
    sex, synthetic = group_cases(demographics, "sex"), demographics.synthetic_cases
    path = root / "nnUNet_preprocessed" / _HALF / "splits_final.json"
    folds = read_folds(path)
    for fold in folds:
        minority = [case for case in fold["train"] if sex.group_of[case] == _MINORITY]
        real = [case for case in minority if case not in synthetic]
        made = [case for case in minority if case in synthetic]
        half = len(minority) // 2
        listed = [real[i % len(real)] for i in range(len(minority) - half)] + made[:half]
        others = [case for case in fold["train"] if sex.group_of[case] != _MINORITY]
        fold["train"] = [*others, *listed]
    path.write_text(folds_text(folds))


def train_and_test(root: Path, seed: int, arm: str, args: argparse.Namespace) -> dict:
    """Train one arm; return the Dice of every test case and its group."""
    os.environ["nnUNet_n_proc_DA"] = "0"
    from nnunetv2_fair import registration

    registration.register()
    method, dataset = ARMS[arm]
    name = trainer_names(method, args)[None]
    begun = time.perf_counter()
    network = train(name, seed, args, keep=False, dataset=dataset, fold=fold_of_all_minority(root))
    seconds = time.perf_counter() - begun
    return {"dice": dice_of_test_cases(root, {None: network}), "seconds": seconds}


def measure_pairs(root: Path, seed: int, args: argparse.Namespace) -> dict[str, float]:
    """Return the mean Dice on real test cases and on synthetic pairs of the minority."""
    os.environ["nnUNet_n_proc_DA"] = "0"
    from nnunetv2_fair import registration

    registration.register()
    method, dataset = ARMS["oversampling"]
    name = trainer_names(method, args)[None]
    network = train(name, seed, args, keep=False, dataset=dataset, fold=fold_of_all_minority(root))
    real = [dice for sex, dice in dice_of_test_cases(root, {None: network}) if sex == _MINORITY]
    pack = root / "pack"
    synthetic = [
        dice_of_image(network, pack / "images" / f"{mask.stem}_0000.png", mask)
        for mask in sorted((pack / "labels").glob("*.png"))
    ]
    return {"real": float(np.mean(real)), "synthetic": float(np.mean(synthetic))}


def against_oversampling(results: Results, arm: str, measure: str) -> str:
    """Return how much an arm differs from oversampling, paired by seed."""
    pair = results.get(arm, {}), results.get("oversampling", {})
    seeds = [seed for seed in pair[0] if seed in pair[1]]
    if len(seeds) < 2:
        return f"{arm} against oversampling, {measure}: needs two seeds"
    changes = np.array([pair[0][seed][measure] - pair[1][seed][measure] for seed in seeds])
    mean, low, high = interval(changes)
    return (
        f"{arm} against oversampling, {measure}: {mean:+.3f} ({low:+.3f} to {high:+.3f}), "
        f"{len(seeds)} seeds"
    )


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10, choices=(5, 10, 20, 50))
    parser.add_argument("--iterations", type=int, default=100, help="steps per epoch")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--minority", type=float, default=0.05)
    parser.add_argument("--size", type=int, default=32, help="rows and columns of the images")
    parser.add_argument("--masks", type=int, default=380, help="masks drawn of the minority")
    parser.add_argument("--image-steps", type=int, default=400, help="of the image model")
    parser.add_argument("--sampling-steps", type=int, default=10, help="from noise to image")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", action="store_true", help="of seeds whose cases are there")
    parser.add_argument("--only-table", action="store_true", help="train nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="table of finished runs")
    parser.add_argument("--cache", type=Path, default=Path(".synthesis_effects"),
                        help="folder of datasets and models")  # fmt: skip
    parser.add_argument("--one", nargs=2, metavar=("SEED", "ARM"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.bias = "representation"
    settings = f"{args.epochs}x{args.iterations}_{args.patients}_{args.minority}"
    settings += f"_{args.size}_{args.image_steps}x{args.sampling_steps}"
    cache = (args.cache / settings).resolve()

    if args.one:
        seed, arm = int(args.one[0]), args.one[1]
        root = cache / f"seed{seed}"
        os.environ.update(environment(root))
        if arm == "cases":
            import torch

            torch.set_num_threads(args.threads)
            prepare(root, seed, args, folds=_FOLDS, size=args.size)
            make_cases(root, seed, args)
        else:
            measure = measure_pairs if arm == "pairs" else partial(train_and_test, arm=arm)
            result = measure(root, seed, args=args)
            (root / f"{arm}.json").write_text(json.dumps(result))
        return

    def run(seed: int, arm: str) -> None:
        begun = time.perf_counter()
        command = [sys.executable, __file__, *sys.argv[1:], "--one", str(seed), arm]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{arm}, seed {seed} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        print(f"seed {seed} {arm}: {time.perf_counter() - begun:.0f} s", flush=True)

    if args.pairs:
        for seed in range(args.seeds):
            root = cache / f"seed{seed}"
            if (root / "filled").exists():
                run(seed, "pairs")
                print(json.loads((root / "pairs.json").read_text()))
        return
    finished = set(read_results(args.results, settings))
    for seed in [] if args.only_table else range(args.seeds):
        missing = [arm for arm in ARMS if (seed, arm) not in finished]
        if not missing:
            continue
        run(seed, "cases")
        for arm in missing:
            run(seed, arm)
            result = json.loads((cache / f"seed{seed}" / f"{arm}.json").read_text())
            add_result(args.results, settings, seed, arm, result)
    rows = read_results(args.results, settings)
    results = {
        arm: {seed: measures(rows[seed, arm]) for seed in range(args.seeds) if (seed, arm) in rows}
        for arm in ARMS
    }
    results = {arm: runs for arm, runs in results.items() if runs}
    if "real" not in results:
        sys.exit(f"There is no finished run of 'real' in {args.results}.")
    print(f"\n{table(results, 'real', 'training')}\n")
    for arm in ("equal scale", "both"):
        for measure in ("worst group", "mean Dice"):
            print(against_oversampling(results, arm, measure))


if __name__ == "__main__":
    main()
