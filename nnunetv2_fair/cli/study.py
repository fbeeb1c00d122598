"""``nnUNetv2_fair_study``: methods x attributes x folds from one file."""

import argparse
import logging
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run_for_status
from nnunetv2_fair.cli.shared.studies import (
    EXAMPLES,
    add_file_and_folder,
    add_running,
    check_running,
    folder_of,
    planned,
    run_planned,
    write_example,
)

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_study"
#: Examples that are no paper's.
_GENERAL = ("example", "diagnose", "cropping")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        _COMMAND,
        "Run a study: prepare, preprocess, train, predict, evaluate and compare all methods, "
        "attributes and folds that one file names, on this machine or a Slurm cluster, and write "
        "an index page. Run it again to do what is missing.",
        "nnUNetv2_fair_study study.yaml --init       # write a file to start from\n"
        "  nnUNetv2_fair_study study.yaml --dry-run    # check it, and show what would run\n"
        "  nnUNetv2_fair_study study.yaml --executor slurm --jobs 50",
    )
    add_file_and_folder(parser)
    parser.add_argument(
        "--init", nargs="?", const="example", metavar="EXAMPLE",
        help="write a commented study instead of running anything: example, diagnose (causes of a "
        "gap), cropping (crops to the heart), or one that makes a paper's tables and figures: "
        f"{', '.join(name for name in EXAMPLES if name not in _GENERAL)}",
    )  # fmt: skip
    add_running(parser)
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
    return run_for_status(_study, _parser(), argv)


def _study(args: argparse.Namespace) -> int:
    check_running(args)
    if args.init is not None:
        write_example(args.file, args.init, _COMMAND)
        return 0
    plan = planned(args)

    from nnunetv2_fair.study.plan.diagnosis.costs import costs_in_words, diagnosis_of
    from nnunetv2_fair.study.plan.overview import overview

    folder = folder_of(args)
    logger.info("%s", overview(plan, folder))
    if diagnosis_of(plan) is not None:
        logger.info("\n%s", costs_in_words(plan, folder))
    if args.dry_run:
        return 0
    plan.write(folder)
    return run_planned(args, args.only)
