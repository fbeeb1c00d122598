"""Does the gap that a shortcut outside the organ causes fall under cropping?

Phantoms with the bias ``shortcut`` and faint nodules: in training, two bright bands outside the
organ cross at the nodule of the biased group; in the test they cross anywhere. The organ is the
second label here, so that crops can be drawn around it, as Lee et al. (MELBA 2025) crop to the
heart. Tiny networks, all of real nnU-Net, of one fold:

- full: trained and tested on full images;
- organ, nodule: trained on crops around the organ (which leave little of the bands) and around the
  nodule (``nnUNetv2_fair_crop``), and tested twice with ``nnUNetv2_fair_predict_cascade``: on crops
  that the references show (upper bound), and on those that the full model finds (cascade).

Dice of the nodule in the test images. Per method: both groups' means, gap (everybody else minus the
biased group), and its paired change against the full model; mean and 95% t interval over the seeds.
The column "bands in sight" is the share of the bands' pixels that the test crops show, "box covers"
the share of the nodule's pixels in them.

Every finished run is kept in ``--cache`` and skipped by the next call; ``--only-table`` shows what
is there.

    python benchmarks/shortcut_cropping.py                 # 5 seeds, about 40 minutes on one core
    python benchmarks/shortcut_cropping.py --seeds 1
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.rendering import _axes, _bands, render
from nnunetv2_fair.phantoms.spec import PhantomSpec

FULL, ORGAN, NODULE = 901, 902, 903
NAMES = {FULL: "Shortcut", ORGAN: "ShortcutOrgan", NODULE: "ShortcutNodule"}
CROPS = {ORGAN: ["organ", "nodule"], NODULE: ["nodule"]}
#: Method -> dataset of the segmenter, and whether boxes are those of the references.
METHODS = {
    "full": (FULL, False),
    "organ, upper bound": (ORGAN, True),
    "organ, cascade": (ORGAN, False),
    "nodule, upper bound": (NODULE, True),
    "nodule, cascade": (NODULE, False),
}
TRAINER = "nnUNetTrainer_10epochs"
CONFIGURATION = "2d_trial"


def spec_of(seed: int, args: argparse.Namespace) -> PhantomSpec:
    """Return what one seed's phantoms are."""
    return PhantomSpec(
        n_patients=args.patients,
        bias="none" if args.no_bias else "shortcut",
        contrast=(0.1, 0.3),
        seed=seed,
    )


def environment(root: Path) -> dict[str, str]:
    """Return the environment of one seed's steps: nnU-Net's folders, one core."""
    folders = {v: str(root / v) for v in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    one = {"OMP_NUM_THREADS": "1", "nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1"}
    return {**os.environ, **folders, **one}


def run(root: Path, *command: str) -> None:
    """Run a command of nnU-Net or of this package; on failure, show what it said."""
    program = str(Path(sys.executable).parent / command[0])
    done = subprocess.run(
        [program, *command[1:]], env=environment(root), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def raw(root: Path, dataset: int) -> Path:
    """Return the folder of a dataset."""
    return root / "nnUNet_raw" / f"Dataset{dataset}_{NAMES[dataset]}"


def prepare(root: Path, seed: int, args: argparse.Namespace) -> None:
    """Make one seed's datasets, full and cropped, and let nnU-Net preprocess them."""
    if (root / "prepared").exists():
        return
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (root / variable).mkdir(parents=True, exist_ok=True)
    spec = spec_of(seed, args)
    run(
        root, "nnUNetv2_fair_phantoms", "-d", str(FULL), "-n", NAMES[FULL], "--overwrite",
        "--seed", str(seed), "--bias", spec.bias, "--patients", str(spec.n_patients),
        "--contrast", *map(str, spec.contrast),
    )  # fmt: skip
    add_organ(raw(root, FULL), spec)
    run(root, "nnUNetv2_fair_prepare", "-d", str(FULL), "--overwrite")
    for dataset, labels in CROPS.items():
        run(
            root, "nnUNetv2_fair_crop", "-d", str(FULL), "-o", str(dataset), "-n", NAMES[dataset],
            "--labels", *labels, "--margin", str(args.margin), "--jitter", str(args.jitter),
            "--overwrite", "-np", "1",
        )  # fmt: skip
        run(root, "nnUNetv2_fair_prepare", "-d", str(dataset))
    for dataset in NAMES:
        run(
            root, "nnUNetv2_plan_and_preprocess", "-d", str(dataset), "-c", "2d", "-np", "1",
            "-npfp", "1",
        )  # fmt: skip
        run(root, "nnUNetv2_fair_trial", "-d", str(dataset))
    (root / "prepared").touch()


def add_organ(folder: Path, spec: PhantomSpec) -> None:
    """Draw the organ around the nodules as label 2."""
    for drawing in draw(spec):
        part = "Tr" if drawing.patient.split == "train" else "Ts"
        image = render(plant(drawing, spec), spec)
        labels = np.where(image.organ & (image.mask == 0), 2, image.mask).astype(np.uint8)
        Image.fromarray(labels).save(folder / f"labels{part}" / f"{drawing.name}.png")
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    content["labels"] = {"background": 0, "nodule": 1, "organ": 2}
    path.write_text(json.dumps(content, indent=2))


def train(root: Path, seed: int, dataset: int, args: argparse.Namespace) -> None:
    """Train one model with short epochs, from the seed's weights."""
    os.environ.update({**environment(root), "nnUNet_n_proc_DA": "0"})
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    torch.set_num_threads(1)
    np.random.seed(seed)
    torch.manual_seed(seed)
    trainer = get_trainer_from_args(
        str(dataset), CONFIGURATION, 0, TRAINER, device=torch.device("cpu")
    )
    trainer.num_iterations_per_epoch = args.iterations
    trainer.num_val_iterations_per_epoch = 5
    trainer.run_training()


def model_folder(root: Path, dataset: int) -> Path:
    """Return where nnU-Net keeps a model."""
    name = f"{TRAINER}__nnUNetPlans__{CONFIGURATION}"
    return root / "nnUNet_results" / f"Dataset{dataset}_{NAMES[dataset]}" / name / "fold_0"


def predict(root: Path, method: str, out: Path) -> None:
    """Predict the full test images with one method."""
    dataset, upper_bound = METHODS[method]
    images, references = raw(root, FULL) / "imagesTs", raw(root, FULL) / "labelsTs"
    common = ["-i", str(images), "-o", str(out), "-device", "cpu", "--disable_tta"]
    common += ["-npp", "1", "-nps", "1"]

    def model(chosen: int) -> list[str]:
        return ["-d", str(chosen), "-c", CONFIGURATION, "-tr", TRAINER, "-f", "0"]

    if dataset == FULL:
        run(root, "nnUNetv2_predict", *common, *model(FULL))
        return
    first = ["--upper-bound"] if upper_bound else ["--localizer", *model(FULL)]
    run(
        root, "nnUNetv2_fair_predict_cascade", *common, "-gt", str(references), "--overwrite",
        *first, "--segmenter", *model(dataset),
    )  # fmt: skip


def scores(root: Path, seed: int, method: str, args: argparse.Namespace) -> dict[str, Any]:
    """Predict, and return the Dice of every test image with whether it is of the biased group."""
    out = root / "predictions" / method.replace(", ", "_").replace(" ", "_")
    predict(root, method, out)
    spec = spec_of(seed, args)
    dice = []
    for drawing in draw(spec):
        if drawing.patient.split != "test":
            continue
        truth = np.asarray(Image.open(raw(root, FULL) / "labelsTs" / f"{drawing.name}.png")) == 1
        found = np.asarray(Image.open(out / f"{drawing.name}.png")) == 1
        score = 2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1)
        dice.append([drawing.patient.biased, float(score)])
    seen, covered = 1.0, 1.0
    if METHODS[method][0] != FULL:
        seen, covered = crop_facts(out / "boxes.csv", root, spec)
    return {"dice": dice, "seen": seen, "covered": covered}


def crop_facts(path: Path, root: Path, spec: PhantomSpec) -> tuple[float, float]:
    """Return the shares of bands and of nodules that the crops of the biased group show."""
    import pandas as pd

    boxes = pd.read_csv(path, index_col="case")
    seen, covered = [], []
    for drawing in (plant(d, spec) for d in draw(spec)):
        if drawing.patient.split != "test" or not drawing.patient.biased or not drawing.bands:
            continue
        box = boxes.loc[drawing.name]
        window = np.ones(spec.shape, bool)
        if not np.isnan(box["crop_x_start"]):
            window[:] = False
            rows, columns = (
                slice(int(box[f"crop_{axis}_start"]), int(box[f"crop_{axis}_end"]))
                for axis in ("y", "x")
            )
            window[rows, columns] = True
        bands = (_bands(drawing, spec, _axes(spec)) > 0.5) & ~render(drawing, spec).organ
        truth = np.asarray(Image.open(raw(root, FULL) / "labelsTs" / f"{drawing.name}.png")) == 1
        seen.append((bands & window).sum() / max(bands.sum(), 1))
        covered.append((truth & window).sum() / truth.sum())
    return (float(np.mean(seen)), float(np.mean(covered))) if seen else (0.0, 1.0)


def interval(values: np.ndarray) -> str:
    """Return mean and 95% t interval over the seeds."""
    from scipy import stats

    if len(values) < 2:
        return f"{values.mean():.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ({values.mean() - half:.3f} to {values.mean() + half:.3f})"


def table(results: dict[str, dict[int, dict[str, Any]]]) -> str:
    """Return the results as a Markdown table."""
    columns = ["method", "seeds", "everybody else", "the group", "gap", "change of the gap"]
    columns += ["bands in sight", "box covers"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    groups = {
        method: {
            seed: [np.mean([d for biased, d in run["dice"] if biased == which]) for which in (0, 1)]
            for seed, run in runs.items()
        }
        for method, runs in results.items()
    }
    for method, means in groups.items():
        others, group = np.array(list(means.values())).T
        both = [seed for seed in means if seed in groups.get("full", {})]
        change = [np.subtract(*means[seed]) - np.subtract(*groups["full"][seed]) for seed in both]
        cells = [method, str(len(means)), f"{others.mean():.3f}", f"{group.mean():.3f}"]
        cells.append(interval(others - group))
        cells.append(interval(np.array(change)) if change and method != "full" else "")
        for what in ("seen", "covered"):
            cells.append(f"{np.mean([run[what] for run in results[method].values()]):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=100, help="steps per epoch, of 10")
    parser.add_argument("--margin", type=int, default=1, help="of nnUNetv2_fair_crop")
    parser.add_argument("--jitter", type=int, default=3, help="of nnUNetv2_fair_crop")
    parser.add_argument("--no-bias", action="store_true", help="the same without the bands")
    parser.add_argument("--only-table", action="store_true", help="train nothing")
    parser.add_argument("--cache", type=Path, default=Path(".shortcut_cropping"))
    parser.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    settings = f"{args.patients}_{args.iterations}_margin{args.margin}_jitter{args.jitter}"
    cache = (args.cache / (f"{settings}_none" if args.no_bias else settings)).resolve()
    if args.one:
        seed, dataset = args.one
        train(cache / f"seed{seed}", seed, dataset, args)
        return

    results: dict[str, dict[int, dict[str, Any]]] = {method: {} for method in METHODS}
    for seed in range(args.seeds):
        root = cache / f"seed{seed}"
        for method, (dataset, _) in METHODS.items():
            path = root / f"{method}.json"
            if not path.exists() and args.only_table:
                continue
            if not path.exists():
                prepare(root, seed, args)
                for needed in (FULL, dataset):
                    if not (model_folder(root, needed) / "checkpoint_final.pth").exists():
                        again = [sys.executable, __file__, *sys.argv[1:]]
                        again += ["--one", str(seed), str(needed)]
                        done = subprocess.run(again, capture_output=True, text=True, check=False)
                        if done.returncode:
                            sys.exit(f"training {needed}, seed {seed}:\n{done.stderr[-3000:]}")
                found = scores(root, seed, method, args)
                path.with_suffix(".tmp").write_text(json.dumps(found))
                path.with_suffix(".tmp").replace(path)
                print(f"seed {seed}: {method}", flush=True)
            results[method][seed] = json.loads(path.read_text())
    print(f"\n{table({method: runs for method, runs in results.items() if runs})}")


if __name__ == "__main__":
    main()
