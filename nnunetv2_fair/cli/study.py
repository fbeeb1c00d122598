"""``nnUNetv2_fair_study``: methods x attributes x folds from one file."""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair import registration
from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.errors import UsageError, did_you_mean

logger = logging.getLogger(__name__)

#: The examples of ``study.examples``, the general one first: what each is of.
EXAMPLES = {
    "example": "every key of a study's file",
    "cropping": "crops to the heart and ejection fractions, heart MRI",
    "lee": "Lee et al., MELBA 2025, heart MRI of UK Biobank",
    "fairmedseg": "FairMedSeg, MAMA-MIA challenge 2025",
    "apple": "APPLE, npj Digital Medicine 2025, TUSC and QDUS",
    "fairdiff": "FairDiff, MICCAI 2024, Harvard-FairSeg",
}


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_study",
        "Run a study: prepare, preprocess, train, predict, evaluate and compare all methods, "
        "attributes and folds that one file names, on this machine or a Slurm cluster, and write "
        "an index page. Run it again to do what is missing.",
        "nnUNetv2_fair_study study.yaml --init       # write a file to start from\n"
        "  nnUNetv2_fair_study study.yaml --dry-run    # check it, and show what would run\n"
        "  nnUNetv2_fair_study study.yaml --executor slurm --jobs 50",
    )
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("study.yaml"), help="the study's file"
    )
    parser.add_argument(
        "-o", type=Path, metavar="FOLDER", help="the study's folder (default: that of the file)"
    )
    parser.add_argument(
        "--init", nargs="?", const="example", metavar="EXAMPLE",
        help="write a commented study instead of running anything: example, cropping (crops to the "
        "heart), or one that makes a paper's tables and figures: "
        f"{', '.join(name for name in EXAMPLES if name not in ('example', 'cropping'))}",
    )  # fmt: skip
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
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="STEP",
        help="run only these steps and the missing steps they need",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 if all steps have succeeded, 1 on bad data or if a step failed, 2 on bad usage.
    """
    outcome = [0]

    def action(args: argparse.Namespace) -> None:
        outcome[0] = _study(args)

    return run(action, _parser(), argv) or outcome[0]


def _study(args: argparse.Namespace) -> int:
    _check_numbers(args)
    if args.init is not None:
        _write_example(args.file, args.init)
        return 0
    require_nnunet()
    # the real trainers are asked, which imports torch and nnU-Net: up to a minute without a word
    logger.info("Checking %s, its datasets and trainers (up to a minute) ...", args.file)

    from nnunetv2_fair.study.plan.overview import overview
    from nnunetv2_fair.study.plan.plan import plan_study

    registration.register()
    folder = (args.o or args.file.parent).absolute()
    cores = args.cores or os.cpu_count()
    most_cpus = cores if args.executor == "local" else None
    plan = plan_study(args.file, folder, most_cpus)
    logger.info("%s", overview(plan, folder))
    if args.dry_run:
        return 0

    from nnunetv2_fair.study.run.run import run_study

    plan.write(folder)
    return run_study(
        folder,
        executor=args.executor,
        jobs=args.jobs,
        cores=args.cores,
        gpus=args.gpus,
        only=args.only,
    )


def _check_numbers(args: argparse.Namespace) -> None:
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


def _write_example(path: Path, name: str) -> None:
    """Write one of the examples; never replace a file."""
    from importlib import resources

    if name not in EXAMPLES:
        listed = "; ".join(f"{known} ({about})" for known, about in EXAMPLES.items())
        raise UsageError(
            f"--init {name}: there is no such study.{did_you_mean(name, EXAMPLES)} Expected one of "
            f"{listed}."
        )
    if path.exists():
        raise UsageError(f"{path} exists; name a file that does not: nnUNetv2_fair_study "
                         f"other.yaml --init {name}")  # fmt: skip
    source = resources.files("nnunetv2_fair.study").joinpath("examples", f"{name}.yaml")
    text = source.read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    logger.info("Wrote %s. Read it, change it, then: nnUNetv2_fair_study %s --dry-run", path, path)
