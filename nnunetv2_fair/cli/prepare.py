"""``nnUNetv2_fair_prepare``: demographics and folds for training."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.table_arguments import (
    add_attributes,
    add_table_arguments,
    table_settings,
)
from nnunetv2_fair.errors import UsageError, counted

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.prepare import PreparedDataset

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`nnunetv2_fair.cli.shared.common.run` for the exit codes."""
    parser = command_parser(
        "nnUNetv2_fair_prepare",
        "Check a dataset's demographics table against its images, copy the table to\n"
        "nnUNet_preprocessed, and write splits_final.json: folds by patient, stratified by group.\n"
        "For an nnU-Net dataset that has only a table so far, --describe first writes the\n"
        "dictionary of the table, a draft to be checked.",
        "nnUNetv2_fair_prepare -d 42 -a sex+age\n  nnUNetv2_fair_prepare -d 42 --describe",
    )
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    add_attributes(
        parser,
        "attribute expression to stratify by, such as sex or sex+age (default: the default "
        "attribute, and as many others as leave the joint groups on average two patients per "
        "fold); with --describe the attributes to take, the default one first (default: all "
        "columns with few levels or numbers)",
    )
    parser.add_argument("--folds", type=int, default=5, help="number of folds")
    parser.add_argument("--seed", type=int, default=12345, help="seed of the folds")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an existing splits_final.json; with --describe, existing demographics.*",
    )
    parser.add_argument(
        "--describe",
        action="store_true",
        help="write demographics.json, a draft of what the columns of the dataset's table mean, "
        "say what to check, and make no folds yet",
    )
    parser.add_argument(
        "--demographics",
        type=Path,
        metavar="TABLE",
        help="with --describe: the table (CSV, TSV, XLSX); by default the one in the dataset's "
        "folder in nnUNet_raw",
    )
    add_table_arguments(
        parser,
        ("case", "patient", "synthetic"),
        "those of the dictionary, or quartiles with --describe",
    )
    return run(_run, parser, argv)


def _run(args: argparse.Namespace) -> None:
    if args.describe:
        from nnunetv2_fair.cli.shared.described import describe

        describe(args)
    else:
        _prepare(args)


def _prepare(args: argparse.Namespace) -> None:
    from nnunetv2_fair.subgroups.prepare import prepare_dataset
    from nnunetv2_fair.subgroups.table import unknown_counts

    if len(args.a) > 1:
        raise UsageError(
            f"-a {' '.join(args.a)}: folds are stratified by one expression; join the attributes: "
            f"-a {'+'.join(args.a)}"
        )
    for option, given in (("--demographics", args.demographics), ("--range", args.range)):
        if given:
            raise UsageError(f"{option} belongs to --describe, which reads a new table.")
    done = prepare_dataset(
        args.d,
        args.a[0] if args.a else None,
        n_folds=args.folds,
        seed=args.seed,
        overwrite=args.overwrite,
        reading=table_settings(args),
    )
    table = done.table
    patients = counted(len(set(table.patients.values())), "patient")
    logger.info("%s: %d training and %s of %s", done.name, len(done.train),
                counted(len(done.test), "test case"), patients)  # fmt: skip
    for name, count in unknown_counts(table).items():
        if count:
            logger.info("  %s is unknown for %s", name, counted(count, "case"))
    if done.kept:
        logger.info("%s exists and is kept (--overwrite replaces it).", done.splits_file)
    else:
        logger.info("Wrote %s: %d folds by patient, stratified by %s.", done.splits_file,
                    len(done.folds), done.grouping.expression)  # fmt: skip
    logger.info("%s", _fold_table(done))
    for sentence in done.warnings:
        logger.warning("WARNING: %s.", sentence)
    logger.info("Demographics copied to %s.", done.folder)
    logger.info("Next: nnUNetv2_plan_and_preprocess -d %d --verify_dataset_integrity",
                int(done.name[7:10]))  # fmt: skip


def _fold_table(done: "PreparedDataset") -> str:
    """Return how many cases of each group every validation part holds, as aligned text."""
    grouping = done.grouping
    parts = [done.train, *(fold["val"] for fold in done.folds)]
    counts = [grouping.counts(part) for part in parts]
    unknown = [len(grouping.unknown(part)) for part in parts]
    lines = [[grouping.expression, "all", *(f"fold {i}" for i in range(len(done.folds)))]]
    lines += [[name, *(str(count[name]) for count in counts)] for name in grouping.names]
    if any(unknown):
        lines.append(["(unknown)", *map(str, unknown)])
    width = max(len(line[0]) for line in lines)
    text = [f"  {line[0]:<{width}}" + "".join(f"{c:>9}" for c in line[1:]) for line in lines]
    return "\n".join(["Cases in the validation part of each fold:", *text])
