"""Do the trainers mitigate a planted bias?

Phantoms with representation bias: the minority looks different and is rare among the training
patients; half of the test patients belong to it. With ``--bias difficulty`` the group is not rare,
but harder to see. Real nnU-Net plans and preprocesses every seed's
dataset; every trainer then trains a tiny network on it, starting from the same weights, and
segments the test images. Per method: mean Dice, worst group's Dice, gap (best minus worst group
mean), SER of the means, ES-Dice; mean over the seeds, and the paired change against
``nnUNetTrainer`` with a 95% t interval over the seeds.

Every finished run is kept in ``--cache`` and skipped by the next call.

    python benchmarks/mitigation_effects.py                 # 5 seeds
    python benchmarks/mitigation_effects.py --seeds 2       # the short version
    python benchmarks/mitigation_effects.py --bias difficulty
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

BASELINE = "nnUNetTrainer"
MEASURES = ("mean Dice", "worst group", "gap", "SER", "ES-Dice")
#: Measures for which lower is better.
LOWER = ("gap", "SER")


def environment(root: Path) -> dict[str, str]:
    """Return nnU-Net's environment variables for one seed's folder."""
    variables = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    return {variable: str(root / variable) for variable in variables}


def prepare(root: Path, seed: int, args: argparse.Namespace) -> None:
    """Make one seed's dataset and let nnU-Net preprocess it."""
    from nnunetv2_fair.cli.phantoms import main as phantoms
    from nnunetv2_fair.cli.prepare import main as prepare_command
    from nnunetv2_fair.cli.trial import main as trial

    if (root / "prepared").exists():
        return
    os.environ.update(environment(root))
    for folder in environment(root).values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    options = ["-d", "901", "-n", "Effects", "--overwrite", "--seed", str(seed)]
    options += ["--bias", args.bias]
    options += ["--minority-share", str(args.minority)] if args.bias == "representation" else []
    assert phantoms([*options, "--patients", str(args.patients)]) == 0
    assert prepare_command(["-d", "901", "--overwrite"]) == 0
    command = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
    subprocess.run(
        [str(command), "-d", "901", "-c", "2d", "-np", "1", "-npfp", "1"],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "nnUNet_n_proc_DA": "1"},
    )  # fmt: skip
    assert trial(["-d", "901"]) == 0
    (root / "prepared").touch()


def train_and_test(root: Path, seed: int, method: str, args: argparse.Namespace) -> dict:
    """Train one method on one seed's dataset; return the Dice of every test case and its group."""
    os.environ.update(environment(root))
    os.environ["nnUNet_n_proc_DA"] = "0"

    import torch
    from nnunetv2.run.run_training import get_trainer_from_args
    from PIL import Image

    from nnunetv2_fair import registration
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import read_dataset_table

    registration.register()
    torch.set_num_threads(1)
    np.random.seed(seed)
    torch.manual_seed(seed)
    trainer_class, *options = method.split("_")
    attribute = [] if method == BASELINE else ["sex"]
    name = "_".join([trainer_class, *attribute, *options, f"{args.epochs}epochs"])
    begun = time.perf_counter()
    trainer = get_trainer_from_args("901", "2d_trial", 0, name, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch = args.iterations
    trainer.num_val_iterations_per_epoch = 10
    trainer.disable_checkpointing = True
    trainer.run_training()
    seconds = time.perf_counter() - begun

    raw = root / "nnUNet_raw" / "Dataset901_Effects"
    sex = group_cases(read_dataset_table(raw), "sex")
    network = trainer.network.eval()
    trainer.set_deep_supervision_enabled(False)
    dice = []
    for reference in sorted((raw / "labelsTs").glob("*.png")):
        pixels = np.asarray(Image.open(raw / "imagesTs" / f"{reference.stem}_0000.png"))
        image = (pixels - pixels.mean()) / max(pixels.std(), 1e-8)  # nnU-Net's z-score
        with torch.no_grad():
            logits = network(torch.from_numpy(image.astype(np.float32))[None, None])
        found = logits[0].argmax(0).numpy() == 1
        truth = np.asarray(Image.open(reference)) == 1
        score = 2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1)
        dice.append([sex.group_of[reference.stem], float(score)])
    return {"dice": dice, "seconds": seconds}


def measures(run: dict) -> dict[str, float]:
    """Return the five measures of one run."""
    from nnunetv2_fair.evaluation.estimation.gaps import (
        equity_scaled,
        max_min_gap,
        skewed_error_ratio,
    )

    groups = sorted({group for group, _ in run["dice"]})
    means = {g: float(np.mean([d for group, d in run["dice"] if group == g])) for g in groups}
    overall = float(np.mean([d for _, d in run["dice"]]))
    return {
        "mean Dice": overall,
        "worst group": min(means.values()),
        "gap": max_min_gap(means),
        "SER": skewed_error_ratio(means),
        "ES-Dice": equity_scaled(overall, means),
    }


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95% t interval over the seeds."""
    from scipy import stats

    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return mean, mean - half, mean + half


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| trainer | " + " | ".join(MEASURES) + " | change of the gap | change of mean Dice |"]
    lines.append("|---" * (len(MEASURES) + 3) + "|")
    base = results[BASELINE]
    for method, runs in results.items():
        cells = []
        for measure in MEASURES:
            mean, low, high = interval(np.array([run[measure] for run in runs]))
            cells.append(f"{mean:.3f} ({low:.3f} to {high:.3f})")
        for measure in ("gap", "mean Dice"):
            change = np.array([r[measure] - b[measure] for r, b in zip(runs, base, strict=True)])
            mean, low, high = interval(change)
            mark = "**" if low > 0 or high < 0 else ""
            text = f"{mark}{mean:+.3f}{mark} ({low:+.3f} to {high:+.3f})"
            cells.append("" if method == BASELINE else text)
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Draw mean Dice against the gap, one point per method with its intervals."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 5.5), layout="constrained")
    for method, runs in results.items():
        x, x_low, x_high = interval(np.array([run["mean Dice"] for run in runs]))
        y, y_low, y_high = interval(np.array([run["gap"] for run in runs]))
        axis.errorbar(x, y, xerr=[[x - x_low], [x_high - x]], yerr=[[y - y_low], [y_high - y]],
                      fmt="o", capsize=2, alpha=0.8,
                      label=method.removeprefix("nnUNetTrainer") or "nnUNetTrainer")  # fmt: skip
    axis.set(xlabel="mean Dice (right is better)", ylabel="gap of the group means (up is fairer)",
             title="Utility against fairness on phantoms, 95% intervals over seeds")  # fmt: skip
    axis.invert_yaxis()
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--methods",
        nargs="+",
        help="with options, such as nnUNetTrainerFEBS_gamma0; default: all that need no base",
    )
    parser.add_argument("--epochs", type=int, default=10, choices=(5, 10, 20, 50))
    parser.add_argument("--iterations", type=int, default=100, help="steps per epoch")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument(
        "--bias", choices=("representation", "difficulty"), default="representation"
    )
    parser.add_argument("--minority", type=float, default=0.05)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--cache", type=Path, default=Path(".mitigation_effects"))
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
        target = cache / f"seed{seed}" / f"{method}.json"
        target.with_suffix(".tmp").write_text(json.dumps(result))
        target.with_suffix(".tmp").replace(target)
        return

    methods = args.methods
    if not methods:
        from nnunetv2_fair.trainers import METHODS

        # trainers that build on a trained model are compared with it in apple_options.py
        methods = [name for name, m in METHODS.items() if "base" not in m.known_options()]
    methods = [BASELINE, *(method for method in methods if method != BASELINE)]
    for seed in range(args.seeds):
        prepare(cache / f"seed{seed}", seed, args)

    def run(job: tuple[int, str]) -> None:
        seed, method = job
        if (cache / f"seed{seed}" / f"{method}.json").exists():
            return
        begun = time.perf_counter()
        command = [sys.executable, __file__, *sys.argv[1:], "--one", str(seed), method]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{method}, seed {seed} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        print(f"seed {seed} {method}: {time.perf_counter() - begun:.0f} s", flush=True)

    jobs = [(seed, method) for seed in range(args.seeds) for method in methods]
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run, jobs))
    results = {
        method: [
            measures(json.loads((cache / f"seed{seed}" / f"{method}.json").read_text()))
            for seed in range(args.seeds)
        ]
        for method in methods
    }
    print("\n" + table(results))
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
