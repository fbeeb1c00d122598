"""Do the trainers mitigate a planted bias?

Phantoms with representation bias: the minority looks different and is rare among the training
patients; half of the test patients belong to it. With ``--bias difficulty`` or ``appearance`` the
group is not rare, but harder to see, with ``appearance`` also easy to recognise. Real nnU-Net plans
and preprocesses every seed's dataset; every trainer then trains a tiny network on it, starting from
the same weights, and segments the test images. Methods that need a trained model (APPLE, Decoder,
InD) build on the baseline's. Per method: mean Dice, worst group's Dice, gap (best minus worst group
mean), SER of the means, ES-Dice; mean over the seeds, and the paired change against
``nnUNetTrainerMonitor`` (nnU-Net's own training) with a 95% t interval over the seeds.
``--repeats 2`` trains the baseline two more times on every dataset: how much do trainings differ by
chance alone?

Every finished run is a row of ``--results`` and skipped by the next call. The first seed comes
first with all methods, then the second, so that what a stopped call leaves is balanced;
``--only-table`` shows it.

    python benchmarks/mitigation_effects.py                 # 5 seeds
    python benchmarks/mitigation_effects.py --seeds 2       # the short version
    python benchmarks/mitigation_effects.py --bias appearance --repeats 2
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

BASELINE = "nnUNetTrainerMonitor"
MEASURES = ("mean Dice", "worst group", "gap", "SER", "ES-Dice")
#: Methods that start from the trained baseline.
BUILD_ON_A_BASE = ("nnUNetTrainerAPPLE", "nnUNetTrainerDecoder", "nnUNetTrainerInD")
METHODS = (
    "nnUNetTrainerOversampling",
    "nnUNetTrainerReweighting",
    "nnUNetTrainerReweighting_countsbatch",
    "nnUNetTrainerGroupDRO",
    "nnUNetTrainerGroupDRO_objectivemean",
    "nnUNetTrainerGroupDRO_tail0.5",
    "nnUNetTrainerOversamplingGroupDRO",
    "nnUNetTrainerReweightingGroupDRO",
    "nnUNetTrainerOversamplingReweighting",
    "nnUNetTrainerFEBS",
    "nnUNetTrainerFEBS_directionpaper",
    "nnUNetTrainerFairMedSeg",
    "nnUNetTrainerADV",
    "nnUNetTrainerAPPLE",
    "nnUNetTrainerAPPLE_fairconfusion",
    "nnUNetTrainerDecoder",
    "nnUNetTrainerInD",
)

RESULTS = Path(__file__).with_suffix(".csv")
#: Columns of the results: what was run, then mean Dice over all test cases, of women, and of men.
COLUMNS = ("setting", "seed", "trainer", "all", "female", "male", "seconds")

#: Measures of every finished run: method -> seed -> measure.
Results = dict[str, dict[int, dict[str, float]]]


def environment(root: Path) -> dict[str, str]:
    """Return nnU-Net's environment variables for one seed's folder."""
    variables = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    return {variable: str(root / variable) for variable in variables}


def prepare(
    root: Path, seed: int, args: argparse.Namespace, *, folds: int = 5, size: int = 64
) -> None:
    """Make one seed's dataset and let nnU-Net preprocess it."""
    from nnunetv2_fair.cli.phantoms import main as phantoms
    from nnunetv2_fair.cli.prepare import main as prepare_command

    if (root / "prepared").exists():
        return
    os.environ.update(environment(root))
    for folder in environment(root).values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    options = ["-d", "901", "-n", "Effects", "--overwrite", "--seed", str(seed)]
    options += ["--bias", args.bias, "--shape", str(size), str(size)]
    options += ["--minority-share", str(args.minority)] if args.bias == "representation" else []
    assert phantoms([*options, "--patients", str(args.patients)]) == 0
    assert prepare_command(["-d", "901", "--folds", str(folds), "--overwrite"]) == 0
    preprocess("901")
    (root / "prepared").touch()


def preprocess(dataset: str) -> None:
    """Let nnU-Net preprocess a dataset for a tiny network."""
    from nnunetv2_fair.cli.trial import main as trial

    command = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
    subprocess.run(
        [str(command), "-d", dataset, "-c", "2d", "-np", "1", "-npfp", "1"],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "nnUNet_n_proc_DA": "1"},
    )  # fmt: skip
    assert trial(["-d", dataset]) == 0


def trainer_names(method: str, args: argparse.Namespace) -> dict[str | None, str]:
    """Return the trainers that a method consists of: one (None), or one for each group."""
    trainer_class, *options = method.split("_")
    if trainer_class == "nnUNetTrainer":  # nnU-Net's own knows no groups
        return {None: "_".join([method, f"{args.epochs}epochs"])}
    epochs = args.epochs
    if trainer_class in BUILD_ON_A_BASE:
        base = f"{BASELINE.removeprefix('nnUNetTrainer')}-sex-{args.epochs}epochs"
        options.append(f"base{base}")
        epochs = args.further_epochs
    attributes = {None: "sex"}
    if trainer_class == "nnUNetTrainerInD":
        attributes = {group: f"sex={group}" for group in ("female", "male")}
    return {
        group: "_".join([trainer_class, attribute, *options, f"{epochs}epochs"])
        for group, attribute in attributes.items()
    }


def train(
    name: str,
    seed: int,
    args: argparse.Namespace,
    *,
    keep: bool,
    dataset: str = "901",
    fold: int = 0,
) -> Any:
    """Train from the seed's weights; return the network without deep supervision.

    Args:
        name: Trainer.
        seed: Of weights, batches and augmentation, unless the name says otherwise (``_run1``).
        args: The command's.
        keep: Whether to save a checkpoint, for methods that build on this one.
        dataset: Its id.
        fold: Whose training part is used.
    """
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    torch.set_num_threads(1)
    np.random.seed(seed)
    torch.manual_seed(seed)
    trainer = get_trainer_from_args(dataset, "2d_trial", fold, name, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch = args.iterations
    trainer.num_val_iterations_per_epoch = 10
    trainer.disable_checkpointing = not keep
    trainer.run_training()
    trainer.set_deep_supervision_enabled(False)
    return trainer.network.eval()


def train_and_test(root: Path, seed: int, method: str, args: argparse.Namespace) -> dict:
    """Train one method on one seed's dataset; return the Dice of every test case and its group."""
    os.environ.update(environment(root))
    os.environ["nnUNet_n_proc_DA"] = "0"

    from nnunetv2_fair import registration

    registration.register()
    base_name = trainer_names(BASELINE, args)[None]
    base_folder = root / "nnUNet_results" / "Dataset901_Effects" / (
        f"{base_name}__nnUNetPlans__2d_trial/fold_0"
    )  # fmt: skip
    if (
        method.split("_")[0] in BUILD_ON_A_BASE
        and not (base_folder / "checkpoint_final.pth").exists()
    ):
        train(base_name, seed, args, keep=True)
    begun = time.perf_counter()
    networks = {
        group: train(name, seed, args, keep=method == BASELINE)
        for group, name in trainer_names(method, args).items()
    }
    seconds = time.perf_counter() - begun
    return {"dice": dice_of_test_cases(root, networks), "seconds": seconds}


def dice_of_test_cases(root: Path, networks: dict[str | None, Any]) -> list[list[Any]]:
    """Return group and Dice of every test case of a seed's dataset.

    Args:
        root: The seed's folder.
        networks: Of each group, or of all (None).
    """
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import read_dataset_table

    raw = root / "nnUNet_raw" / "Dataset901_Effects"
    sex = group_cases(read_dataset_table(raw), "sex")
    dice = []
    for reference in sorted((raw / "labelsTs").glob("*.png")):
        group = sex.group_of[reference.stem]
        network = networks.get(group) or networks[None]
        image = raw / "imagesTs" / f"{reference.stem}_0000.png"
        dice.append([group, dice_of_image(network, image, reference)])
    return dice


def dice_of_image(network: Any, image: Path, reference: Path) -> float:
    """Return the Dice of what a network finds in an image."""
    import torch
    from PIL import Image

    pixels = np.asarray(Image.open(image))
    scaled = (pixels - pixels.mean()) / max(pixels.std(), 1e-8)  # nnU-Net's z-score
    with torch.no_grad():
        logits = network(torch.from_numpy(scaled.astype(np.float32))[None, None])
    found = logits[0].argmax(0).numpy() == 1
    truth = np.asarray(Image.open(reference)) == 1
    return float(2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1))


def read_results(path: Path, setting: str) -> dict[tuple[int, str], dict[str, str]]:
    """Return the rows of a setting by seed and trainer."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["setting"] == setting]
    return {(int(row["seed"]), row["trainer"]): row for row in rows}


def add_result(path: Path, setting: str, seed: int, method: str, run: dict) -> None:
    """Add a finished run to the table."""
    exists = path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not exists:
            writer.writerow(COLUMNS)
        numbers = [f"{mean:.6f}" for mean in means(run["dice"]).values()]
        writer.writerow([setting, seed, method, *numbers, f"{run['seconds']:.0f}"])


def means(of_cases: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the mean Dice of all cases and of each group, from group and Dice of every case."""
    return {
        group: float(np.mean([dice for g, dice in of_cases if group in (g, "all")]))
        for group in ("all", "female", "male")
    }


def measures(row: Mapping[str, str | float]) -> dict[str, float]:
    """Return the five measures of one run, from its means."""
    from nnunetv2_fair.evaluation.estimation.gaps import (
        equity_scaled,
        max_min_gap,
        skewed_error_ratio,
    )

    by_group = {group: float(row[group]) for group in ("female", "male")}
    overall = float(row["all"])
    return {
        "mean Dice": overall,
        "worst group": min(by_group.values()),
        "gap": max_min_gap(by_group),
        "SER": skewed_error_ratio(by_group),
        "ES-Dice": equity_scaled(overall, by_group),
    }


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95% t interval over the seeds."""
    from scipy import stats

    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return mean, mean - half, mean + half


def table(results: Results, baseline: str = BASELINE, what: str = "trainer") -> str:
    """Return the results as a Markdown table; changes are over the seeds of both rows.

    Args:
        results: By row.
        baseline: Row that others are compared with.
        what: Heading of the names of the rows.
    """
    columns = [what, "seeds", *MEASURES, "change of the gap", "change of mean Dice"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    base = results[baseline]
    for method, runs in results.items():
        cells = [f"`{method}`", str(len(runs))]
        for measure in MEASURES:
            mean, low, high = interval(np.array([run[measure] for run in runs.values()]))
            cells.append(f"{mean:.3f}" + (f" ({low:.3f} to {high:.3f})" if len(runs) > 1 else ""))
        for measure in ("gap", "mean Dice"):
            both = [seed for seed in runs if seed in base]
            if method == baseline or not both:
                cells.append("")
                continue
            mean, low, high = interval(
                np.array([runs[seed][measure] - base[seed][measure] for seed in both])
            )
            mark = "**" if low > 0 or high < 0 else ""
            around = f" ({low:+.3f} to {high:+.3f})" if len(both) > 1 else ""
            cells.append(f"{mark}{mean:+.3f}{mark}{around}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def variation(results: Results) -> str:
    """Return how much repeated trainings of the baseline on one dataset differ."""
    repeated = [runs for method, runs in results.items() if method.startswith(f"{BASELINE}_run")]
    lines = []
    for measure in ("gap", "mean Dice"):
        groups = [
            [runs[seed][measure] for runs in (results[BASELINE], *repeated) if seed in runs]
            for seed in results[BASELINE]
        ]
        groups = [values for values in groups if len(values) > 1]
        if groups:
            pooled = np.sqrt(np.mean([np.var(values, ddof=1) for values in groups]))
            n_trainings = sum(map(len, groups))
            lines.append(f"standard deviation of the {measure} between trainings of {BASELINE} on "
                         f"one dataset: {pooled:.3f} ({n_trainings} trainings of {len(groups)} "
                         "datasets)")  # fmt: skip
    return "\n".join(lines)


def plot(results: Results, path: Path) -> None:
    """Draw mean Dice against the gap, one point per method with its intervals."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(10, 6), layout="constrained")
    shown = {method: runs for method, runs in results.items() if len(runs) > 1}
    for number, (method, runs) in enumerate(shown.items()):
        x, x_low, x_high = interval(np.array([run["mean Dice"] for run in runs.values()]))
        y, y_low, y_high = interval(np.array([run["gap"] for run in runs.values()]))
        axis.errorbar(x, y, xerr=[[x - x_low], [x_high - x]], yerr=[[y - y_low], [y_high - y]],
                      fmt="os^"[number // 10 % 3], color=f"C{number % 10}", capsize=2, alpha=0.8,
                      linewidth=1,
                      label=f"{method.removeprefix('nnUNetTrainer')} ({len(runs)})")  # fmt: skip
    axis.set(xlabel="mean Dice (right is better)", ylabel="gap of the group means (up is fairer)",
             title="Utility against fairness, 95% intervals over (n) seeds")  # fmt: skip
    axis.invert_yaxis()
    axis.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right center")
    figure.savefig(path)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--methods",
        nargs="+",
        help="with options, such as nnUNetTrainerFEBS_gamma0; default: all trainers, and the "
        "options that change what a method does",
    )
    parser.add_argument("--epochs", type=int, default=10, choices=(5, 10, 20, 50))
    parser.add_argument("--iterations", type=int, default=100, help="steps per epoch")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument(
        "--bias", choices=("representation", "difficulty", "appearance"), default="representation"
    )
    parser.add_argument("--minority", type=float, default=0.05)
    parser.add_argument("--repeats", type=int, default=0, help="further trainings of the baseline")
    parser.add_argument("--further-epochs", type=int, default=5,
                        help="epochs of methods that build on the trained baseline")  # fmt: skip
    parser.add_argument("--only-table", action="store_true", help="train nothing")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="table of finished runs")
    parser.add_argument("--cache", type=Path, default=Path(".mitigation_effects"),
                        help="folder of datasets and models")  # fmt: skip
    parser.add_argument("--plot", type=Path, help="SVG file to draw")
    parser.add_argument("--one", nargs=2, metavar=("SEED", "METHOD"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    settings = f"{args.epochs}x{args.iterations}_{args.patients}_{args.minority}"
    if args.bias != "representation":
        settings += f"_{args.bias}"
    cache = (args.cache / settings).resolve()

    if args.one:
        seed, method = int(args.one[0]), args.one[1]
        result = train_and_test(cache / f"seed{seed}", seed, method, args)
        (cache / f"seed{seed}" / f"{method}.json").write_text(json.dumps(result))
        return

    methods = [BASELINE, *(method for method in args.methods or METHODS if method != BASELINE)]
    methods += [f"{BASELINE}_run{number}" for number in range(1, args.repeats + 1)]

    finished = set(read_results(args.results, settings))
    lock = threading.Lock()

    def run(job: tuple[int, str]) -> None:
        seed, method = job
        if job in finished:
            return
        begun = time.perf_counter()
        command = [sys.executable, __file__, *sys.argv[1:], "--one", str(seed), method]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{method}, seed {seed} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        result = json.loads((cache / f"seed{seed}" / f"{method}.json").read_text())
        with lock:
            add_result(args.results, settings, seed, method, result)
            finished.add(job)
        print(f"seed {seed} {method}: {time.perf_counter() - begun:.0f} s", flush=True)

    for seed in [] if args.only_table else range(args.seeds):
        if all((seed, method) in finished for method in methods):
            continue
        prepare(cache / f"seed{seed}", seed, args)
        run((seed, BASELINE))  # before those that build on it
        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(run, [(seed, method) for method in methods]))
    rows = read_results(args.results, settings)
    results = {
        method: {
            seed: measures(rows[seed, method])
            for seed in range(args.seeds)
            if (seed, method) in rows
        }
        for method in methods
    }
    results = {method: runs for method, runs in results.items() if runs}
    if BASELINE not in results:
        sys.exit(f"There is no finished run of {BASELINE} in {args.results}.")
    print(f"\n{table(results)}\n\n{variation(results)}")
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
