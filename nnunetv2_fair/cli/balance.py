"""``nnUNetv2_fair_balance``: groups with equal distributions over strata of difficulty."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_twin_arguments,
    convert,
    processes_of,
    twin_target,
)
from nnunetv2_fair.errors import shorten

if TYPE_CHECKING:
    from nnunetv2_fair.balancing.strata import Strata
    from nnunetv2_fair.balancing.weights import Balanced
    from nnunetv2_fair.dataset_conversion.shared.source import SourceDataset
    from nnunetv2_fair.subgroups.groups import Grouping
    from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_balance",
        "Let every group have the same distribution over strata of difficulty in training: by\n"
        "sampling weights, or by leaving cases out. The weights are a column of demographics.csv\n"
        "and decide how often folds list a case, so they hold for every trainer. What changes is\n"
        "shown as a table and kept as balance.csv and balance.svg.",
        "nnUNetv2_fair_balance -d 42 -o 43 -a age --by size\n"
        "  nnUNetv2_fair_balance -d 42 -o 44 -a age --by difficulty --predictions "
        "nnUNetTrainer__nnUNetPlans__2d",
    )
    add_twin_arguments(parser, "Balanced", in_place=True)
    parser.add_argument(
        "-a", metavar="EXPRESSION",
        help="attribute expression, such as sex or sex+age (default: the default attribute)",
    )  # fmt: skip
    parser.add_argument(
        "--by", required=True, metavar="WHAT",
        help="size (of the reference), contrast (to its surroundings), noise (of the image), "
        "difficulty (with --predictions one minus their Dice, otherwise the mean rank of these "
        "three), or a column of the demographics or of --table",
    )  # fmt: skip
    parser.add_argument(
        "--predictions", type=Path, metavar="FOLDER",
        help="with --by difficulty: a trained model with all of its folds' validation, or a folder "
        "of held-out predictions of all training cases",
    )  # fmt: skip
    parser.add_argument(
        "--table", type=Path, metavar="FILE",
        help="table with a row per case and the column of --by, such as per_case.csv; several rows "
        "of a case are averaged",
    )  # fmt: skip
    parser.add_argument("--strata", type=int, default=4, metavar="N", help="parts of numbers")
    parser.add_argument(
        "--how", choices=("weights", "subsample"), default="weights",
        help="weight the cases, or train on a part of them",
    )  # fmt: skip
    parser.add_argument(
        "--alone", choices=("error", "keep", "drop"), default="error",
        help="cases of strata that a group has no case in: refuse, leave them as they are, or do "
        "not train on them",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of what is left to chance")
    return parser


def _balance(args: argparse.Namespace) -> None:
    from nnunetv2_fair.balancing.strata import StrataSettings, strata_of_cases
    from nnunetv2_fair.balancing.told import files_of, lines_of
    from nnunetv2_fair.balancing.weights import balance
    from nnunetv2_fair.balancing.writing import refuse_other_weights
    from nnunetv2_fair.dataset_conversion.shared.source import people_of, read_source
    from nnunetv2_fair.subgroups.groups import group_cases

    folder = paths.raw_dataset(args.d)
    source = read_source(folder, "balanced")
    table = people_of(source)
    grouping = group_cases(table, args.a)
    processes = processes_of(args)
    strata = strata_of_cases(
        StrataSettings(args.by, args.strata, args.predictions, args.table),
        source, table, grouping, processes,
    )  # fmt: skip
    others = [case for case in table.cases if case not in strata.index]
    found = balance(strata, grouping, others, args.how, args.alone, args.seed)
    for line in lines_of(found, strata):
        logger.info("%s", line)
    for sentence in _warnings(found):
        logger.warning("WARNING: %s.", sentence)
    if not args.overwrite:
        refuse_other_weights(table, found.weights)
    settings: dict[str, Any] = {
        "source": folder.name, "attribute": grouping.expression, "by": args.by,
        "strata": args.strata, "how": args.how, "alone": args.alone, "seed": args.seed,
    }  # fmt: skip
    files = files_of(found, strata, grouping.expression, settings)
    if args.o is None:
        _in_place(args, source, table, grouping, strata, found, files)
    else:
        _twin(args, source, table, found, files, settings)


def _warnings(found: "Balanced") -> list[str]:
    sentences = []
    if found.alone:
        sentences.append(
            f"strata in which a group has no case are not balanced: {shorten(found.alone)}"
        )
    if found.unknown:
        sentences.append(f"{found.unknown} training cases of no known group count once")
    small = [f"{group} {n:.1f}" for group, n in found.effective.items() if n < 10]
    if small:
        sentences.append(
            f"groups whose training hangs on few cases, counted as equal ones: {shorten(small)}"
        )
    return sentences


def _in_place(
    args: argparse.Namespace,
    source: "SourceDataset",
    table: "DemographicsTable",
    grouping: "Grouping",
    strata: "Strata",
    found: "Balanced",
    files: dict[str, str],
) -> None:
    from nnunetv2_fair.balancing.weights import fold_imbalance
    from nnunetv2_fair.balancing.writing import refuse_trained, splits_of, write_in_place
    from nnunetv2_fair.subgroups.folds import read_folds
    from nnunetv2_fair.subgroups.splits import redrawn

    if not args.overwrite:
        refuse_trained(source)
    splits = splits_of(source.folder.name)
    if splits is not None:
        folds = redrawn(read_folds(splits), found.weights)
        worst = max(fold_imbalance(folds, strata, grouping))
        logger.info("In the training parts of its folds: up to %.3g%% apart.", 100 * worst)
    if args.dry_run:
        logger.info("Nothing was written (--dry-run).")
        return
    written, warnings = write_in_place(source, table, found.weights, grouping.expression, files)
    logger.info("Wrote %s: column sampling_weight.", source.folder / paths.DEMOGRAPHICS_CSV)
    for sentence in warnings:
        logger.warning("WARNING: %s.", sentence)
    if written is not None:
        logger.info("Wrote %s: training cases listed by their weights.", written)
    else:
        logger.info("Next: nnUNetv2_fair_prepare -d %d", int(source.folder.name[7:10]))


def _twin(
    args: argparse.Namespace,
    source: "SourceDataset",
    table: "DemographicsTable",
    found: "Balanced",
    files: dict[str, str],
    settings: dict[str, Any],
) -> None:
    from nnunetv2_fair.balancing.writing import plan_balanced
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import carried_folds
    from nnunetv2_fair.dataset_conversion.twins.plan import TWIN_OPTIONS, TwinTarget
    from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
    from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog

    target = twin_target(args, source.folder, "Balanced")
    folds = carried_folds(
        source.folder.name,
        f"Dataset{target.d:03d}_{target.n}",
        overwrite=args.overwrite,
        weights=found.weights,
    )
    log = ConversionLog("nnUNetv2_fair_balance", settings)
    log.notes = [folds.note]

    def planner() -> DatasetPlan:
        twin = TwinTarget(
            target.d,
            target.n,
            f"{source.folder.name} with sampling weights that balance groups by {args.by}",
            {"balanced": {"source": source.folder.name, "by": args.by, "how": args.how}},
            files=files,
        )
        return plan_balanced(source, table, found.weights, twin, log, processes_of(target))

    convert(
        planner, target, problems=folds.problems, before_writing=folds.write, options=TWIN_OPTIONS
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_balance, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
