"""What commands that run a study's file share: arguments, the plan, the run."""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair import registration
from nnunetv2_fair.cli.shared.common import require_nnunet
from nnunetv2_fair.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from nnunetv2_fair.study.step import Plan

logger = logging.getLogger(__name__)

#: The examples of ``study.examples``, the general one first: what each is of.
EXAMPLES = {
    "example": "every key of a study's file",
    "diagnose": "causes of a gap",
    "cropping": "crops to the heart and ejection fractions, heart MRI",
    "lee": "Lee et al., MELBA 2025, heart MRI of UK Biobank",
    "fairmedseg": "FairMedSeg, MAMA-MIA challenge 2025",
    "apple": "APPLE, npj Digital Medicine 2025, TUSC and QDUS",
    "fairdiff": "FairDiff, MICCAI 2024, Harvard-FairSeg",
}


def add_file_and_folder(parser: argparse.ArgumentParser) -> None:
    """Add the study's file and its folder."""
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("study.yaml"), help="the study's file"
    )
    parser.add_argument(
        "-o", type=Path, metavar="FOLDER", help="the study's folder (default: that of the file)"
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add what runs, and where."""
    parser.add_argument(
        "--dry-run", action="store_true",
        help="check everything and show what would run; nothing is written",
    )  # fmt: skip
    parser.add_argument(
        "--executor", choices=("local", "slurm"), default="local",
        help="run on this machine, or submit jobs to Slurm",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="most jobs at a time (default: as many as cores and GPUs allow; 100 in "
        "Slurm's queue)",
    )  # fmt: skip
    parser.add_argument("--cores", type=int, metavar="N", help="local: cores to use (default: all)")
    parser.add_argument("--gpus", type=int, metavar="N", help="local: GPUs to use (default: all)")


def folder_of(args: argparse.Namespace) -> Path:
    """Return the study's folder."""
    folder: Path = args.o or args.file.parent
    return folder.absolute()


def planned(args: argparse.Namespace) -> "Plan":
    """Plan the study; nothing is written.

    Raises:
        FairError: If the file, or what it names, is wrong.
    """
    require_nnunet()
    # the real trainers are asked, which imports torch and nnU-Net: up to a minute without a word
    logger.info("Checking %s, its datasets and trainers (up to a minute) ...", args.file)

    from nnunetv2_fair.study.plan.plan import plan_study

    registration.register()
    cores = args.cores or os.cpu_count()
    return plan_study(args.file, folder_of(args), cores if args.executor == "local" else None)


def run_planned(args: argparse.Namespace, only: Sequence[str] = ()) -> int:
    """Run the plan in the study's folder.

    Returns:
        0 if all of it is done, 1 if something failed, 130 if it was interrupted.
    """
    from nnunetv2_fair.study.run.run import run_study

    return run_study(
        folder_of(args),
        executor=args.executor,
        jobs=args.jobs,
        cores=args.cores,
        gpus=args.gpus,
        only=only,
    )


def check_running(args: argparse.Namespace) -> None:
    """Refuse arguments of :func:`add_running` that make no sense."""
    for option, value, least in (
        ("--jobs", args.jobs, 1), ("--cores", args.cores, 1), ("--gpus", args.gpus, 0),
    ):  # fmt: skip
        if value is not None and value < least:
            raise UsageError(f"{option} {value}: expected {least} or more.")
    if args.executor == "slurm" and (args.cores is not None or args.gpus is not None):
        raise UsageError(
            "--cores and --gpus apply to this machine. What jobs of Slurm ask for is set in the "
            "study's file, under resources."
        )


def write_example(path: Path, name: str, command: str) -> None:
    """Write one of the examples; never replace a file.

    Args:
        path: The new file.
        name: Of the example.
        command: The command that was called.
    """
    from importlib import resources

    if name not in EXAMPLES:
        listed = "; ".join(f"{known} ({about})" for known, about in EXAMPLES.items())
        raise UsageError(
            f"--init {name}: there is no such study.{did_you_mean(name, EXAMPLES)} Expected one of "
            f"{listed}."
        )
    if path.exists():
        raise UsageError(f"{path} exists; name a file that does not: {command} "
                         f"other.yaml --init {name}")  # fmt: skip
    source = resources.files("nnunetv2_fair.study").joinpath("examples", f"{name}.yaml")
    text = source.read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    logger.info("Wrote %s. Read it, change it, then: %s %s --dry-run", path, command, path)
