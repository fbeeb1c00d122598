"""Every trainer on a GPU, at nnU-Net's default sizes, with torch.compile and mixed precision.

Makes its own phantoms, lets real nnU-Net plan and preprocess them (2D: images of 512x512, 3D:
128x128x128), then for every trainer, in turn with ``nnUNetTrainer`` in one process: the ratio of
its training step on batches that lie ready, and its peak memory; a validation step; a checkpoint,
and a training that is continued from it. Writes the tables for docs/benchmarks.md, to the screen
and into a file. ``scripts/gpu_check.sh`` starts it.

It ends within ``--minutes``: a trainer that is not reached by then is listed as not measured. Every
failure is listed in the table, and makes the command fail.

    scripts/gpu_check.sh                                # a GPU, under 8 minutes
    scripts/gpu_check.sh --device cpu --tiny            # the same code on a CPU: does it run?
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from training_step import all_trainers, peak_memory, prepare_dataset, start, write_base

BASELINE = "nnUNetTrainer"
SHAPES = {"2d": [512, 512], "3d_fullres": [128, 128, 128]}
#: What nnU-Net plans for such images where there are enough of them.
BATCH_SIZES = {"2d": 12, "3d_fullres": 2}
TINY_SHAPES = {"2d": [64, 64], "3d_fullres": [16, 48, 56]}
#: Batches that lie ready for the timed steps.
_BATCHES = 2


@dataclass
class Row:
    """What was found out about a trainer.

    Attributes:
        name: Of the trainer.
        seconds: Of its steps.
        ratios: Of its steps to the baseline's beside them.
        memory: Largest memory in a step, bytes.
        trouble: What went wrong, or why it was not measured; empty if nothing.
    """

    name: str
    seconds: np.ndarray
    ratios: np.ndarray
    memory: float
    trouble: str = ""


def wait_for(device: str) -> None:
    """Wait until a GPU has done its work."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def timed_step(trainer: Any, batch: dict, device: str) -> float:
    """Take a training step; return its seconds.

    Raises:
        ArithmeticError: If the loss is not finite.
    """
    wait_for(device)
    begun = time.perf_counter()
    loss = trainer.train_step(dict(batch))["loss"]
    wait_for(device)
    passed = time.perf_counter() - begun
    if not np.isfinite(loss):
        raise ArithmeticError(f"the loss is {loss}")
    return passed


def check(name: str, configuration: str, base: Any, batches: list[dict], args: Any) -> Row:
    """Measure a trainer beside the baseline, then save and continue it."""
    trainer = base if name == BASELINE else start(name, configuration, args.device)
    pairs = []
    for step in range(-args.warmup, args.steps):
        batch = batches[step % len(batches)]
        other = timed_step(base, batch, args.device)
        own = other if trainer is base else timed_step(trainer, batch, args.device)
        if step >= 0:
            pairs.append((own, other))
    seconds, others = np.array(pairs).T
    memory = peak_memory(trainer)
    continue_from_checkpoint(trainer, name, configuration, batches[0], args.device)
    if trainer is not base:
        let_go(trainer)
    return Row(name, seconds, seconds / others, memory)


def continue_from_checkpoint(
    trainer: Any, name: str, configuration: str, batch: dict, device: str
) -> None:
    """Save a training, load it into a new one, and take a step there.

    Raises:
        AssertionError: If the weights are not the saved ones.
    """
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    from nnunetv2_fair.networks.bottleneck import unwrapped

    path = Path(trainer.output_folder) / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(path))
    again = get_trainer_from_args(
        "901", configuration, 0, name, continue_training=True, device=torch.device(device)
    )
    again.load_checkpoint(str(path))
    saved, loaded = (unwrapped(t.network).state_dict() for t in (trainer, again))
    for key, value in saved.items():
        assert torch.equal(value, loaded[key]), f"{key} is not what was saved"
    again.on_train_start()
    again.on_train_epoch_start()
    timed_step(again, batch, device)
    path.unlink()
    let_go(again)


def let_go(trainer: Any) -> None:
    """Give up what a trainer holds: the lock on its fold, and memory."""
    import torch

    if hasattr(trainer, "_held"):
        trainer._held.close()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def set_batch_size(configuration: str) -> None:
    """Give a configuration the batches of a large dataset; nnU-Net plans smaller ones for few."""
    path = Path(os.environ["nnUNet_preprocessed"], "Dataset901_Benchmark", "nnUNetPlans.json")
    plans = json.loads(path.read_text(encoding="utf-8"))
    plans["configurations"][configuration]["batch_size"] = BATCH_SIZES[configuration]
    path.write_text(json.dumps(plans), encoding="utf-8")


def measure(configuration: str, args: argparse.Namespace, deadline: float) -> Iterator[Row]:
    """Yield a row for every trainer, the baseline's first."""
    import torch

    torch.compiler.reset()
    # nnU-Net's own networks differ between trainers in what learns and in their mode
    config: Any = torch._dynamo.config
    limit = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, limit, max(32, getattr(config, limit)))
    base = start(BASELINE, configuration, args.device)
    write_base(base)
    batches = [next(base.dataloader_train) for _ in range(_BATCHES)]
    shape = "x".join(map(str, batches[0]["data"].shape))
    print(f"{configuration}: batches of {shape}", file=sys.stderr)
    for name in (BASELINE, *(args.trainers or all_trainers())):
        if time.monotonic() > deadline:
            nothing = np.full(1, np.nan)
            yield Row(name, nothing, nothing, np.nan, "not measured: no time was left")
            continue
        begun = time.monotonic()
        try:
            row = check(name, configuration, base, batches, args)
        except Exception as error:  # the others are worth knowing, too
            nothing = np.full(1, np.nan)
            words = " ".join(f"{type(error).__name__}: {error}".split())
            row = Row(name, nothing, nothing, np.nan, words.replace("|", "/")[:300])
        print(f"  {name}: {time.monotonic() - begun:.1f} s {row.trouble}", file=sys.stderr)
        gc.collect()
        yield row


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown; the first is the baseline's."""
    lines = ["| trainer | median step | median ratio to `nnUNetTrainer` (quartiles) | peak memory "
             "| ratio | checkpoint and continuation |", "|---|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        if row.trouble:
            lines.append(f"| `{row.name}` | | | | | {row.trouble} |")
            continue
        low, middle, high = np.percentile(row.ratios, [25, 50, 75])
        ratio = "1" if row is rows[0] else f"{middle:.3f} ({low:.3f} to {high:.3f})"
        lines.append(
            f"| `{row.name}` | {1000 * np.median(row.seconds):.1f} ms | {ratio} | "
            f"{row.memory / 2**30:.2f} GiB | {row.memory / rows[0].memory:.3f} | yes |"
        )
    return "\n".join(lines)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep nnU-Net's words, which are about single trainings, from the tables."""
    stdout = sys.stdout
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = nowhere
        try:
            yield
        finally:
            sys.stdout = stdout


def machine(args: argparse.Namespace) -> str:
    """Return what the figures were measured on."""
    import torch

    if args.device == "cuda":
        name = torch.cuda.get_device_name()
        return f"{name}, torch {torch.__version__}, torch.compile and mixed precision"
    return f"CPU, torch {torch.__version__}, neither torch.compile nor mixed precision"


def main() -> int:
    """Measure, print, write; return 1 if a trainer failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small images and networks")
    parser.add_argument("--trainers", nargs="+", help="default: all, and some options")
    parser.add_argument("--configurations", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each trainer")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them")
    parser.add_argument("--minutes", type=float, default=8, help="the whole command's")
    parser.add_argument("-o", type=Path, default=Path("gpu_check.md"), help="Markdown file")
    args = parser.parse_args()
    begun = time.monotonic()

    import torch

    if args.device == "cuda" and not torch.cuda.is_available():
        print(
            f"gpu_check: torch {torch.__version__} finds no GPU that it can use. If there is one, "
            "nvidia-smi must list it and torch must be a build for CUDA. To try the script "
            "itself without a GPU: scripts/gpu_check.sh --device cpu --tiny",
            file=sys.stderr,
        )
        return 1

    from nnunetv2_fair import registration
    from nnunetv2_fair.cli import trial

    registration.register()
    parts, failed = [f"Measured by `scripts/gpu_check.sh`: {machine(args)}.", ""], False
    for number, configuration in enumerate(args.configurations, start=1):
        shape = (TINY_SHAPES if args.tiny else SHAPES)[configuration]
        # configurations share what is left of the time; a minute is for what has begun by then
        left = 60 * args.minutes - 60 - (time.monotonic() - begun)
        deadline = time.monotonic() + left / (len(args.configurations) - number + 1)
        with tempfile.TemporaryDirectory() as folder, quiet():
            processes = 1 if args.tiny else min(8, os.cpu_count() or 1)
            prepare_dataset(Path(folder), shape, configuration, 16, processes, single=True)
            name = configuration
            if args.tiny:
                sizes = ["--features", "4", "--batch-size", "2", "--patch", str(max(shape))]
                assert trial.main(["-d", "901", "-c", configuration, *sizes]) == 0
                name = f"{configuration}_trial"
            else:
                set_batch_size(configuration)
            os.environ["nnUNet_n_proc_DA"] = "0"
            rows = list(measure(name, args, deadline))
        failed = failed or any(row.trouble for row in rows)
        size = "x".join(map(str, shape))
        parts += [f"{configuration}, images of {size}:", "", table(rows), ""]
    parts.append(f"The whole took {(time.monotonic() - begun) / 60:.1f} minutes.")
    text = "\n".join(parts) + "\n"
    args.o.write_text(text, encoding="utf-8")
    print(text)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
