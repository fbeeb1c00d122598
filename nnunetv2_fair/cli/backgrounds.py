"""``nnUNetv2_fair_backgrounds``: images with edited backgrounds, to find shortcuts."""

import argparse
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.cli.shared.common import add_attribute, command_parser, run
from nnunetv2_fair.cli.shared.evaluation_arguments import add_processes
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings
from nnunetv2_fair.errors import UsageError, counted
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.paths import BACKGROUNDS_CSV, DEMOGRAPHICS_CSV

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_backgrounds"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        _COMMAND,
        "Make images whose background, all that is outside the organ and a margin, is changed:\n"
        "neutralised (the mean of the margin), exchanged (that of a patient of another group) and\n"
        "control (that of another patient of the same group). A model that follows something\n"
        "outside the organ has other scores on them. nnUNetv2_fair_diagnose does all of it.",
        f"{_COMMAND} -i imagesTs -organ labelsTs --demographics demographics.csv -a sex "
        "-o backgrounds",
    )
    parser.add_argument("-i", type=Path, required=True, help="folder with the images")
    parser.add_argument(
        "-organ", type=Path, required=True, metavar="FOLDER",
        help="folder with masks of what stays (everything but 0), called like the cases",
    )  # fmt: skip
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    parser.add_argument(
        "--demographics", type=Path, metavar="CSV",
        help="table with a row per case; by default demographics.csv next to the -i folder",
    )  # fmt: skip
    add_attribute(parser)
    parser.add_argument(
        "--margin", type=float, metavar="MM",
        help="what stays around the organ, in mm (pixels of pictures; default: a tenth of the "
        "radius of a ball of the organ's size, at least two voxels)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of who gives a background")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier images")
    add_table_arguments(
        parser, ("case", "patient", "synthetic"), "those of the dictionary", ranges=False
    )
    add_processes(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_edit, _parser(), argv)


def _edit(args: argparse.Namespace) -> None:
    from nnunetv2_fair.audit.diagnosis.edited_images import (
        WORKER_MODULE,
        find_files,
        plan_edits,
        write_edits,
    )
    from nnunetv2_fair.files.pool import prepare_workers
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.schema import INTERSECTION
    from nnunetv2_fair.subgroups.table import read_table

    _check(args)
    table_file = args.demographics or args.i.resolve().parent / DEMOGRAPHICS_CSV
    if not table_file.is_file():
        raise UsageError(
            f"There is no {table_file}; pass the table that says who the cases are from with "
            "--demographics."
        )
    names = ("edited images", BACKGROUNDS_CSV)
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        files = find_files(args.i, args.organ, args.margin)
        reading = table_settings(args)
        wanted = () if args.a is None else tuple(args.a.split(INTERSECTION))
        table = read_table(table_file, settings=replace(reading, attributes=wanted))
        table = table.named_like(files)
        grouping = group_cases(table, args.a)
        prepare_workers(args.np, WORKER_MODULE)
        edits = plan_edits(files, grouping, table, args.seed, args.np)
        with one_unit(args.o, _COMMAND) as folder:
            done = write_edits(edits, folder, args.np)
    for name, number in done.items():
        logger.info("%s: %s", args.o / name, counted(number, "case"))
    for reason in dict.fromkeys(edits.why_not.values()):
        number = sum(why == reason for why in edits.why_not.values())
        logger.info("Note: %s left out: %s", counted(number, "case"), reason)


def _check(args: argparse.Namespace) -> None:
    for option, folder in (("-i", args.i), ("-organ", args.organ)):
        if not folder.is_dir():
            raise UsageError(f"{option} {folder} does not exist or is not a folder.")
        if folder.resolve() == args.o.resolve():
            raise UsageError(
                f"-o {args.o} is the folder of {option}; choose another one for the results."
            )
    if args.margin is not None and not 0 < args.margin < math.inf:
        raise UsageError(f"--margin {args.margin:g}: expected a number above 0.")
    for option, value, least in (("--seed", args.seed, 0), ("-np", args.np, 1)):
        if value < least:
            raise UsageError(f"{option} {value}: expected {least} or more.")


if __name__ == "__main__":
    raise SystemExit(main())
