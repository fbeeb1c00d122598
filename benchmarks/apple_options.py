"""What do APPLE's options do: is the attribute hidden, does the gap shrink, what does it cost?

Phantoms of three kinds: ``difficulty`` (one group's nodules are harder to see), ``representation``
(one group is rare in training) and ``appearance`` (one group is easy to recognise, and harder to
segment). On each seed's dataset real nnU-Net trains a tiny base; every setting of
``nnUNetTrainerAPPLE`` then builds on that same base. Per setting, on the test images: balanced
accuracy of a newly trained linear probe that guesses the sex from the pooled bottleneck embedding
(as ``nnUNetv2_fair_inspect_latent`` does), before (the base's) and after, cross-validated by
patient; the same for a probe that sees every position of the embedding; mean Dice, worst group's
Dice, gap of the group means. Means over the seeds with 95% t intervals, changes paired with the
base. The probes are not tuned, and all seeds are included. ``means removed`` is no training: the
base's embedding minus its mean over the positions, of which the pooled probe sees nothing.

Every finished setting is kept in ``--cache`` and skipped by the next call; one process per dataset.

    python benchmarks/apple_options.py                              # 5 seeds, all kinds
    python benchmarks/apple_options.py --kinds appearance --epochs 5 --iterations 100
    python benchmarks/apple_options.py --seeds 1 --iterations 5     # does it run?
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from mitigation_effects import environment, interval, means, measures

BASE = "base"
MEANS_REMOVED = "means removed"
#: The paper's Fig. 6; beta 1 is the default.
BETAS = ("_beta0.01", "_beta0.1", "", "_beta10")
SETTINGS = (
    "",
    "_fairconfusion",
    "_dsteps5",
    "_fairconfusion_dsteps5",
    "_levelsall",
    "_levelsall_fairconfusion",
    "_levelsall_segdro",
    "_segbalanced",
    "_segdro",
    *(beta for beta in BETAS if beta),
)
KINDS = ("difficulty", "representation", "appearance")
MEASURES = ("probe", "probe of positions", "mean Dice", "worst group", "gap")


def prepare(root: Path, kind: str, seed: int, args: argparse.Namespace) -> None:
    """Make one dataset and let nnU-Net preprocess it."""
    from nnunetv2_fair.cli.phantoms import main as phantoms
    from nnunetv2_fair.cli.prepare import main as prepare_command
    from nnunetv2_fair.cli.trial import main as trial

    if (root / "prepared").exists():
        return
    for folder in environment(root).values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    options = ["-d", "901", "-n", "Apple", "--overwrite", "--seed", str(seed), "--bias", kind]
    assert phantoms([*options, "--patients", str(args.patients)]) == 0
    assert prepare_command(["-d", "901", "--overwrite"]) == 0
    command = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
    subprocess.run(
        [str(command), "-d", "901", "-c", "2d", "-np", "1", "-npfp", "1"],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "nnUNet_n_proc_DA": "1"},
    )  # fmt: skip
    assert trial(["-d", "901"]) == 0
    (root / "prepared").touch()


def train(name: str, seed: int, iterations: int) -> Any:
    """Train from the seed's weights and batches; return the trainer."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    np.random.seed(seed)
    torch.manual_seed(seed)
    trainer = get_trainer_from_args("901", "2d_trial", 0, name, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch = iterations
    trainer.num_val_iterations_per_epoch = 4
    trainer.run_training()
    return trainer


def trained(name: str) -> Any:
    """Return the network of a finished training."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    trainer = get_trainer_from_args("901", "2d_trial", 0, name, device=torch.device("cpu"))
    trainer.load_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    return trainer.network


def segment(network: Any, raw: Path, *, remove_means: bool = False) -> dict[str, list]:
    """Return group, Dice and bottleneck embedding of every test case.

    The embedding is given as its mean over the positions and as all of it. ``remove_means`` lets
    the decoder see it without that mean.
    """
    import torch
    from PIL import Image

    from nnunetv2_fair.networks.bottleneck import split_at_bottleneck
    from nnunetv2_fair.networks.discriminator import pool
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import read_dataset_table

    table = read_dataset_table(raw)
    sex = group_cases(table, "sex")
    network.eval()
    network.decoder.deep_supervision = False
    split = split_at_bottleneck(network)
    found: dict[str, list] = {"dice": [], "patients": [], "embeddings": [], "positions": []}
    for reference in sorted((raw / "labelsTs").glob("*.png")):
        pixels = np.asarray(Image.open(raw / "imagesTs" / f"{reference.stem}_0000.png"))
        image = (pixels - pixels.mean()) / max(pixels.std(), 1e-8)  # nnU-Net's z-score
        with torch.no_grad():
            skips = split.encode(torch.from_numpy(image.astype(np.float32))[None, None])
            if remove_means:
                skips[-1] = skips[-1] - skips[-1].mean((2, 3), keepdim=True)
            logits = split.decode(skips)
        mask = logits[0].argmax(0).numpy() == 1
        truth = np.asarray(Image.open(reference)) == 1
        score = 2 * (mask & truth).sum() / max(mask.sum() + truth.sum(), 1)
        found["dice"].append([sex.group_of[reference.stem], float(score)])
        found["patients"].append(table.patients[reference.stem])
        found["embeddings"].append(pool(skips[-1])[0].tolist())
        found["positions"].append(skips[-1].flatten().tolist())
    return found


def probe(found: dict[str, list], of: str = "embeddings") -> float:
    """Return the balanced accuracy of a new linear probe, cross-validated by patient."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold

    from nnunetv2_fair.inspection.probe import held_out_predictions

    names = sorted({group for group, _ in found["dice"]})
    groups = np.array([names.index(group) for group, _ in found["dice"]])
    features = np.array(found[of])
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    folds = [held_out for _, held_out in splitter.split(features, groups, found["patients"])]
    predicted = held_out_predictions(features, groups, folds)
    return float(balanced_accuracy_score(groups, predicted))


def run_dataset(root: Path, kind: str, seed: int, args: argparse.Namespace) -> None:
    """Train the base and all settings of one dataset that are missing."""
    root.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(root))
    os.environ["nnUNet_n_proc_DA"] = "0"
    prepare(root, kind, seed, args)

    import torch

    from nnunetv2_fair import registration

    registration.register()
    torch.set_num_threads(1)
    raw = root / "nnUNet_raw" / "Dataset901_Apple"
    base_name = f"nnUNetTrainer_{args.base_epochs}epochs"
    ending = f"_base-{args.base_epochs}epochs_{args.epochs}epochs"
    for setting in (BASE, MEANS_REMOVED, *args.settings):
        target = result_file(root, setting, args)
        if target.exists():
            continue
        begun = time.process_time()
        if setting == BASE:
            network = train(base_name, seed, args.base_iterations).network
        elif setting == MEANS_REMOVED:
            network = trained(base_name)
        else:
            name = f"nnUNetTrainerAPPLE_sex{setting}{ending}"
            network = train(name, seed, args.iterations).network
        found = segment(network, raw, remove_means=setting == MEANS_REMOVED)
        probes = {"probe": probe(found), "probe of positions": probe(found, "positions")}
        result = {**probes, **measures(means(found["dice"]))}
        result["seconds"] = time.process_time() - begun
        target.with_suffix(".tmp").write_text(json.dumps(result))
        target.with_suffix(".tmp").replace(target)


def result_file(root: Path, setting: str, args: argparse.Namespace) -> Path:
    """Return the file in which a setting's result is kept."""
    if setting in (BASE, MEANS_REMOVED):
        return root / f"result_{setting.replace(' ', '_')}.json"
    return root / f"result{setting}_{args.epochs}x{args.iterations}.json"


def cell(values: np.ndarray, *, change: bool = False) -> str:
    """Return mean and interval; bold where a change excludes zero."""
    mean, low, high = interval(values)
    if not change:
        return f"{mean:.3f} ({low:.3f} to {high:.3f})"
    mark = "**" if low > 0 or high < 0 else ""
    return f"{mark}{mean:+.3f}{mark} ({low:+.3f} to {high:+.3f})"


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return one kind's results as a Markdown table, then which settings reach the targets."""
    columns = [*MEASURES, *(f"change of {m}" for m in ("probe", "gap", "mean Dice"))]
    lines = ["| setting | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    hidden, fairer = [], []

    def values(setting: str, measure: str) -> np.ndarray:
        # results of earlier versions have no probe of positions
        return np.array([run.get(measure, np.nan) for run in results[setting]])

    for setting in results:
        cells = [cell(values(setting, measure)) for measure in MEASURES]
        changes = {m: values(setting, m) - values(BASE, m) for m in ("probe", "gap", "mean Dice")}
        if setting == BASE:
            cells += [""] * 3
        else:
            cells += [cell(change, change=True) for change in changes.values()]
            cheap = setting != MEANS_REMOVED and changes["mean Dice"].mean() > -0.02
            if cheap and values(BASE, "probe").mean() > 0.85 and changes["probe"].mean() <= -0.15:
                hidden.append(setting or "default")
            if cheap and interval(changes["gap"])[2] < 0:
                fairer.append(setting or "default")
        shown = f"`{setting}`" if setting.startswith("_") else setting or "default"
        lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    lines.append(
        f"\nMean Dice lower by less than 0.02, and the probe lower by 0.15 from above 0.85: "
        f"{', '.join(hidden) or 'none'}; the gap smaller with an interval that excludes zero: "
        f"{', '.join(fairer) or 'none'}."
    )
    return "\n".join(lines)


def plot(results: dict[str, dict[str, list[dict[str, float]]]], path: Path) -> None:
    """Draw mean Dice and gap over beta, as the paper's Fig. 6."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    betas = [float(setting.removeprefix("_beta") or 1) for setting in BETAS]
    for axis, measure in zip(axes, ("mean Dice", "gap"), strict=True):
        for kind, settings in results.items():
            points = np.array(
                [interval(np.array([run[measure] for run in settings[b]])) for b in BETAS]
            )
            errors = np.abs(points[:, 1:] - points[:, :1]).T
            drawn = axis.errorbar(betas, points[:, 0], errors, marker="o", capsize=2, label=kind)
            base = np.mean([run[measure] for run in settings[BASE]])
            axis.axhline(base, color=drawn[0].get_color(), linestyle=":")
        axis.set(xscale="log", xlabel="beta", ylabel=measure)
    axes[0].legend(title="dotted: the base", fontsize=8)
    figure.savefig(path)


def main() -> None:
    """Run what is missing, then print a table per kind."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument(
        "--settings", type=lambda text: text.split(","), default=list(SETTINGS),
        help="comma-separated ends of trainer names, the empty one for the default: "
        "--settings=,_fairconfusion",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, default=4, help="of APPLE")
    parser.add_argument("--iterations", type=int, default=50, help="steps per epoch of APPLE")
    parser.add_argument("--base-epochs", type=int, default=5, choices=(5, 10, 20, 50))
    parser.add_argument("--base-iterations", type=int, default=200, help="steps per epoch")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2, help="datasets at a time")
    parser.add_argument("--cache", type=Path, default=Path(".apple_options"))
    parser.add_argument("--plot", type=Path, help="SVG file to draw the sweep of beta into")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    cache = args.cache / f"{args.base_epochs}x{args.base_iterations}_{args.patients}"
    cache = cache.resolve()
    if args.one:
        kind, seed = args.one
        run_dataset(cache / f"{kind}{seed}", kind, int(seed), args)
        return

    def run(job: tuple[str, int]) -> None:
        kind, seed = job
        begun = time.perf_counter()
        command = [sys.executable, __file__, *sys.argv[1:], "--one", kind, str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{kind}, seed {seed} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        print(f"{kind}, seed {seed}: {time.perf_counter() - begun:.0f} s", flush=True)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run, [(kind, seed) for kind in args.kinds for seed in range(args.seeds)]))
    results = {
        kind: {
            setting: [
                json.loads(result_file(cache / f"{kind}{seed}", setting, args).read_text())
                for seed in range(args.seeds)
            ]
            for setting in (BASE, MEANS_REMOVED, *args.settings)
        }
        for kind in args.kinds
    }
    for kind, found in results.items():
        print(f"\n### {kind}\n\n{table(found)}")
    seconds = [run["seconds"] for found in results.values() for runs in found.values()
               for run in runs]  # fmt: skip
    print(f"\n{sum(seconds) / 60:.1f} minutes of CPU time for {len(seconds)} trainings")
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
