"""``nnUNetv2_fair_diagnose``: which cause does a gap between groups have?"""

import argparse
import logging
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run_for_status
from nnunetv2_fair.cli.shared.studies import (
    add_file_and_folder,
    add_running,
    check_running,
    folder_of,
    planned,
    run_planned,
    write_example,
)
from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.paths import DIAGNOSIS_FOLDER, DIAGNOSIS_HTML

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_diagnose"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        _COMMAND,
        "Say which causes of a gap the evidence supports: unequal numbers of training cases,\n"
        "difficulty of the images, automated labels, or something in the background. Each is\n"
        "taken away, and the gap is measured again. The file is a study's, with the key diagnose.\n"
        "What it costs is told first; what needs no training is done first; what exists is used.",
        "nnUNetv2_fair_diagnose study.yaml --init       # write a file to start from\n"
        "  nnUNetv2_fair_diagnose study.yaml --dry-run    # its costs, and what is impossible\n"
        "  nnUNetv2_fair_diagnose study.yaml",
    )
    add_file_and_folder(parser)
    parser.add_argument(
        "--init", action="store_true", help="write a commented file instead of running anything"
    )
    add_running(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 if all steps have succeeded, 1 on bad data or if a step failed, 2 on bad usage.
    """
    return run_for_status(_diagnose, _parser(), argv)


def _diagnose(args: argparse.Namespace) -> int:
    check_running(args)
    if args.init:
        write_example(args.file, "diagnose", _COMMAND)
        return 0
    plan = planned(args)

    from nnunetv2_fair.study.plan.diagnosis.costs import cheap_steps, costs_in_words, diagnosis_of
    from nnunetv2_fair.study.plan.overview import overview

    if diagnosis_of(plan) is None:
        raise UsageError(
            f"{args.file} asks for no diagnosis. Add the key diagnose, such as diagnose: {{}} for "
            f"what is usual, or write a file to start from: {_COMMAND} other.yaml --init"
        )
    folder = folder_of(args)
    logger.info("%s\n\n%s", overview(plan, folder), costs_in_words(plan, folder))
    if args.dry_run:
        return 0
    plan.write(folder)
    # what needs no further training comes first
    done = run_planned(args, cheap_steps(plan, folder)) or run_planned(args)
    page = folder / DIAGNOSIS_FOLDER / DIAGNOSIS_HTML
    if not done and page.is_file():
        logger.info("Causes of the gap: %s", page)
    return done
